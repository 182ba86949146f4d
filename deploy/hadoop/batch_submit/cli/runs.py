"""``wait``."""

from __future__ import annotations

import click

from batch_submit.cli.options import (
    backend_option,
    config_options,
    json_option,
    one_target,
    selection,
    target_argument,
    verbose_option,
)
from batch_submit.errors import UsageError
from batch_submit.operations.inspect_runs import WaitOptions, wait_for_run
from batch_submit.plan.units import UnitError, parse_duration_s
from batch_submit.services import build_services


@click.command("wait", short_help="Wait for a run; the exit code is the run's.")
@target_argument
@click.option("--wait-timeout", metavar="T", help="Stop waiting after T (exit 7); the run goes on.")
@click.option("--kill-on-exit", is_flag=True, help="A signal to this process kills the application too.")
@config_options
@backend_option
@json_option
@verbose_option
def wait_command(
    target: str | None,
    application: str | None,
    wait_timeout: str | None,
    kill_on_exit: bool,
    config_file: str | None,
    env: str | None,
    profile: str | None,
    backend: str | None,
    as_json: bool,
    format_name: str,
    verbose: bool,
) -> int:
    """Wait for the end of a run that was submitted before; the exit code tells the result.

    \b
    batch-submit wait nightly-2026-01-31
    """
    try:
        seconds = float(parse_duration_s(wait_timeout)) if wait_timeout is not None else None
    except UnitError as error:
        raise UsageError(f"--wait-timeout: {error}") from error
    options = WaitOptions(seconds, kill_on_exit, as_json or format_name == "json")
    chosen = selection(config_file, env, profile, backend)
    return wait_for_run(build_services(verbose=verbose), chosen, one_target("wait", application, target), options)
