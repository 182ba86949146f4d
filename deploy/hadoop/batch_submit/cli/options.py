"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])


def config_options(function: Function) -> Function:
    """``-c``, ``--env``, ``--profile``."""
    for option in (
        click.option("--profile", metavar="NAME", help="A named profile of the configuration."),
        click.option("--env", "env", metavar="NAME", help="Overlay environments.NAME and <stem>_NAME.yaml."),
        click.option(
            "-c", "--config", "config_file", metavar="FILE", help="The configuration; default job_config.yaml."
        ),
    ):
        function = option(function)
    return function


def complete_run(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names and ids of runs for a shell, from this host's records."""
    from click.shell_completion import CompletionItem

    from batch_submit.operations.completion import run_words
    from batch_submit.services import build_services

    return [CompletionItem(word, help=about) for word, about in run_words(build_services(), typed)]


def target_argument(function: Function) -> Function:
    """One application: an argument, or ``-a``; the command gets ``target`` and ``application``."""
    function = click.option(
        "-a", "application", metavar="ID", help="The same as the argument.", shell_complete=complete_run
    )(function)
    return click.argument("target", required=False, metavar="ID", shell_complete=complete_run)(function)


def one_target(verb: str, application: str | None, target: str | None) -> str:
    """What was given of the two.

    Raises
    ------
    UsageError
        Neither, or two different ones.
    """
    if application and target and application != target:
        raise UsageError(f"{verb} takes one ID, and two are given: {target}, {application}")
    if not (application or target):
        raise UsageError(
            f"{verb} needs an application id, a run id or a run's name", next_step=f"batch-submit {verb} ID"
        )
    return str(application or target)


def json_option(function: Function) -> Function:
    """``--json`` and its alias ``--format json``; the command gets ``as_json``."""
    function = click.option(
        "--format",
        "format_name",
        type=click.Choice(["text", "json"]),
        default="text",
        help="--format json is --json.",
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="The answer as JSON on stdout.")(function)


def backend_option(function: Function) -> Function:
    """``--backend``."""
    return click.option("--backend", metavar="NAME", help="yarn, local, or auto (the default).")(function)


def verbose_option(function: Function) -> Function:
    """``--verbose``."""
    return click.option("--verbose", is_flag=True, help="Our debug log and spark-submit's, on stderr.")(function)


def selection(
    config_file: str | None, env: str | None, profile: str | None, backend: str | None, job_type: str | None = None
) -> Selection:
    """The selection of a command without further flags."""
    flags: dict[tuple[str, ...], tuple[object, str]] = {}
    if backend is not None:
        flags[("execution", "backend")] = (backend, "--backend")
    return Selection(config_file, env, profile, job_type, flags)
