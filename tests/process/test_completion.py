"""``completion``: a real bash completes verbs, flags and runs, for each door; nothing on the way asks a server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.door import PROGRAM, RUNNING, Door

BASH = shutil.which("bash") or "bash"
#: What bash itself does at a TAB: find the function for the command, set its variables, call it.
ASK = """
eval "$({door} completion bash)"
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMPREPLY=()
spec="$(complete -p {name})"
[[ "$spec" =~ -F\\ ([^ ]+) ]] && "${{BASH_REMATCH[1]}}" {door}
compgen -W "${{COMPREPLY[*]}}" -- "${{COMP_WORDS[COMP_CWORD]}}"
"""


def completed(door: Door, *typed: str, program: str = str(PROGRAM)) -> list[str]:
    """What bash offers behind these words."""
    words = " ".join(f"'{word}'" for word in (program, *typed))
    script = ASK.format(door=program, words=words, name=Path(program).name)
    done = subprocess.run(
        [BASH, "--norc", "-c", script],
        env=door.env,
        cwd=door.work,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "", done.stderr
    return done.stdout.split()


@pytest.fixture
def recorded(door: Door) -> Door:
    """A door with two runs on record, and a cluster that is down."""
    door.submits(RUNNING)
    for run_id, name in (("run-a", "nightly-load"), ("run-b", "nightly $(touch owned)")):
        assert door.submit("--run-id", run_id, "-n", name, "--no-wait").code == 0
    door.rm.stop()
    return door


def test_verbs_and_flags(door: Door) -> None:
    assert completed(door, "pri") == ["priority"]
    assert set(completed(door, "list", "--all")) == {"--all-users", "--all-apps"}
    assert completed(door, "completion", "z") == ["zsh"]


@pytest.mark.parametrize("typed", [["status"], ["kill"], ["kill", "run-b"], ["wait", "-a"], ["move"], ["urls"]])
def test_names_and_ids_of_runs(recorded: Door, typed: list[str]) -> None:
    assert completed(recorded, *typed, "nightly") == ["nightly-load"]
    assert set(completed(recorded, *typed, "run-")) == {"run-a", "run-b"}
    (application_id, *_) = completed(recorded, *typed, "application_")
    assert application_id in recorded.rm.applications


def test_a_name_is_never_run_by_the_shell(recorded: Door) -> None:
    completed(recorded, "status", "n")
    assert not (recorded.work / "owned").exists()


def test_the_installed_door(door: Door) -> None:
    program = door.folder / "bin" / "batch-submit"
    code = f"import sys; sys.path[:0] = {[str(PROGRAM.parent / 'deploy/hadoop'), str(PROGRAM.parent)]!r}"
    program.write_text(f"#!{sys.executable}\n{code}\nfrom batch_submit.cli import main\nmain()\n")
    program.chmod(0o755)
    assert completed(door, "prio", program="batch-submit") == ["priority"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_call_the_door_by_its_path(door: Door, shell: str) -> None:
    outcome = door.run("completion", shell)
    assert outcome.code == 0, outcome.err
    calls = [line for line in outcome.out.splitlines() if f"_BATCH_SUBMIT_COMPLETE={shell}_complete" in line]
    assert len(calls) == 1 and str(PROGRAM) in calls[0]
    assert "$+commands[" not in outcome.out  # which would find nothing, and end


def test_another_shell_is_a_usage_error(door: Door) -> None:
    outcome = door.run("completion", "tcsh")
    assert outcome.code == 2 and outcome.said("bash", "zsh", "fish")
