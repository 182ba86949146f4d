"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from batch_submit.operations.context import Selection

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
