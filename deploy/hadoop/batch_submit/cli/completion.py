"""``completion``."""

from __future__ import annotations

from pathlib import Path

import click

from batch_submit.adapters.this_call import program_name
from batch_submit.services import build_services


@click.command("completion", short_help="Completion for bash, zsh or fish.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print a script that completes verbs, flags, and the names and ids of runs, for the door that it is called by.

    \b
    eval "$(batch-submit completion bash)"            in ~/.bashrc
    eval "$(./batch_submit.sh completion zsh)"        in ~/.zshrc
    batch-submit completion fish | source             in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from batch_submit.cli import COMPLETE_VARIABLE, group
    from batch_submit.operations.completion import for_a_path

    services = build_services()
    program = program_name()
    name = Path(program).name
    kind = get_completion_class(shell)
    assert kind is not None
    # What click generates first looks for bash itself, to warn of a too old one: the script works where it is read.
    script = kind(group, {}, name, COMPLETE_VARIABLE)
    text = script.source_template % script.source_vars()
    if program != name:
        text = for_a_path(text, shell, name, str((services.cwd / program).resolve()))
    services.terminal.answer(text.strip("\n"))
    return 0
