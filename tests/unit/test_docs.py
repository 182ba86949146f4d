"""Every command and flag of the command line stands in the documents, and every link in them leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from batch_submit.cli import group
from batch_submit.errors import ExitCode

REPO = Path(__file__).resolve().parents[2]
PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", REPO / "SECURITY.md", *sorted((REPO / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands(command: click.Command, name: str = "") -> list[tuple[str, click.Command]]:
    """All commands below one, with their full names."""
    if not isinstance(command, click.Group):
        return [(name, command)]
    context = click.Context(command)
    children = [(child, command.get_command(context, child)) for child in command.list_commands(context)]
    return [found for child, one in children if one for found in commands(one, f"{name} {child}".strip())]


@pytest.mark.parametrize(("name", "command"), commands(group))
def test_every_command_and_flag_is_documented(name: str, command: click.Command) -> None:
    assert re.search(rf"\b{re.escape(name)}\b", TEXT), f"{name} stands on no page"
    flags = [flag for option in command.params if isinstance(option, click.Option) for flag in option.opts]
    flags += [flag for option in command.params if isinstance(option, click.Option) for flag in option.secondary_opts]
    assert [flag for flag in flags if not re.search(rf"`[^`]*{re.escape(flag)}\b", TEXT)] == []


@pytest.mark.parametrize(("name", "command"), commands(group))
def test_every_command_has_help_with_an_example(name: str, command: click.Command) -> None:
    assert command.help and f"batch-submit {name}" in command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_every_exit_code_stands_in_the_table() -> None:
    table = (REPO / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    assert [code for code in ExitCode if not re.search(rf"\b{int(code)}\b", table)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
