"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])


_INSECURE = "batch_submit.insecure"
#: Environments that are called so, or begin so (``prod-eu``), are the real thing.
_PRODUCTION = ("prod", "production", "prd")


def config_options(function: Function) -> Function:
    """``-c``, ``--env``, ``--profile``, and ``--insecure``, which :func:`insecure` reads."""
    option = click.option(
        "--insecure",
        is_flag=True,
        expose_value=False,
        callback=_remember_insecure,
        help="Do not check the certificates of https servers: for a look, never for work.",
    )
    return which_config_options(option(function))


def which_config_options(function: Function) -> Function:
    """``-c``, ``--env``, ``--profile``: for commands that reach no server."""
    for option in (
        click.option("--profile", metavar="NAME", help="A named profile of the configuration."),
        click.option("--env", "env", metavar="NAME", help="Overlay environments.NAME and <stem>_NAME.yaml."),
        click.option(
            "-c", "--config", "config_file", metavar="FILE", help="The configuration; default job_config.yaml."
        ),
    ):
        function = option(function)
    return function


def _remember_insecure(context: click.Context, _parameter: click.Parameter, typed: bool) -> None:
    if typed:
        context.meta[_INSECURE] = True


def insecure(env: str | None) -> bool:
    """Whether ``--insecure`` was typed in this call.

    Raises
    ------
    UsageError
        Together with an ``--env`` of production.
    """
    if not click.get_current_context().meta.get(_INSECURE):
        return False
    if re.split(r"[^a-z]", (env or "").lower())[0] in _PRODUCTION:
        raise UsageError(
            f"--insecure is refused with --env {env}",
            next_step="name the certificate of the cluster's CA in security_config.ca_bundle (PEM)",
        )
    return True


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
    return Selection(config_file, env, profile, job_type, flags, insecure(env))
