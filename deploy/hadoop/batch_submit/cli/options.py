"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Function = TypeVar("Function", bound=Callable[..., Any])


_INSECURE = "batch_submit.insecure"


def selection_options(function: Function) -> Function:
    """``-c``, ``--env``, ``--profile``, ``--insecure``, ``--backend``; the command gets them as ``chosen``."""
    return config_options(backend_option(with_selection(function)))


def with_selection(function: Function) -> Function:
    """Hand the command one ``chosen`` for what those options said; they stand above this."""

    @functools.wraps(function)
    def call(
        *, config_file: str | None, env: str | None, profile: str | None, backend: str | None, **others: Any
    ) -> Any:
        flags: dict[tuple[str, ...], tuple[object, str]] = {}
        if backend is not None:
            flags[("execution", "backend")] = (backend, "--backend")
        return function(chosen=Selection(config_file, env, profile, None, flags, insecure(env)), **others)

    return cast(Function, call)


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
    from batch_submit.plan.production import is_production

    if is_production(env):
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
    """One application: an argument, or ``-a``; the command gets ``target``.

    Raises
    ------
    UsageError
        Neither was given, or two different ones.
    """

    @functools.wraps(function)
    def call(*, target: str, **others: Any) -> Any:
        if not target:
            verb = click.get_current_context().info_name
            raise UsageError(
                f"{verb} needs an application id, a run id or a run's name", next_step=f"batch-submit {verb} ID"
            )
        return function(target=target, **others)

    return optional_target_argument(cast(Function, call))


def optional_target_argument(function: Function) -> Function:
    """The same for a command that can do without; it gets ``""`` then."""

    @functools.wraps(function)
    def call(*, target: str | None, application: str | None, **others: Any) -> Any:
        if application and target and application != target:
            verb = click.get_current_context().info_name
            raise UsageError(f"{verb} takes one ID, and two are given: {target}, {application}")
        return function(target=application or target or "", **others)

    option = click.option(
        "-a", "application", metavar="ID", help="The same as the argument.", shell_complete=complete_run
    )
    argument = click.argument("target", required=False, metavar="ID", shell_complete=complete_run)
    return argument(option(cast(Function, call)))


def job_type_named(text: str | None) -> str:
    """The job type that ``--type`` means; "" without one.

    Raises
    ------
    UsageError
        There is no such job type.
    """
    if text is None:
        return ""
    from batch_submit.plan.schema import JOB_TYPES, resolve_job_type  # not needed to list what runs

    found = resolve_job_type(text)
    if found is None:
        raise UsageError(f"{text!r} is not a job type", where="--type", next_step=f"take of: {', '.join(JOB_TYPES)}")
    return found


def json_option(function: Function) -> Function:
    """``--json`` and its alias ``--format json``; the command gets ``as_json``."""

    @functools.wraps(function)
    def call(*, as_json: bool, format_name: str, **others: Any) -> Any:
        return function(as_json=as_json or format_name == "json", **others)

    alias = click.option(
        "--format",
        "format_name",
        type=click.Choice(["text", "json"]),
        default="text",
        help="--format json is --json.",
    )
    option = click.option("--json", "as_json", is_flag=True, help="The answer as JSON on stdout.")
    return option(alias(cast(Function, call)))


def duration_s(flag: str, text: str) -> float:
    """What was typed as a length of time, in seconds.

    Raises
    ------
    UsageError
        It is none.
    """
    from batch_submit.plan.units import UnitError, parse_duration_s

    try:
        return float(parse_duration_s(text))
    except UnitError as error:
        raise UsageError(f"{flag}: {error}") from error


def optional_duration_s(flag: str, text: str | None) -> float | None:
    """The same of a flag that may be left out."""
    return None if text is None else duration_s(flag, text)


def backend_option(function: Function) -> Function:
    """``--backend``."""
    return click.option("--backend", metavar="NAME", help="yarn, local, or auto (the default).")(function)


def verbose_option(function: Function) -> Function:
    """``--verbose``."""
    return click.option("--verbose", is_flag=True, help="Our debug log and spark-submit's, on stderr.")(function)
