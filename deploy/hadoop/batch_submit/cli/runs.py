"""``wait``."""

from __future__ import annotations

import click

from batch_submit.cli.options import (
    json_option,
    optional_duration_s,
    selection_options,
    target_argument,
    verbose_option,
)
from batch_submit.operations.context import Selection
from batch_submit.operations.inspect_runs import WaitOptions, wait_for_run
from batch_submit.services import build_services


@click.command("wait", short_help="Wait for a run; the exit code is the run's.")
@target_argument
@click.option("--wait-timeout", metavar="T", help="Stop waiting after T (exit 7); the run goes on.")
@click.option("--kill-on-exit", is_flag=True, help="A signal to this process kills the application too.")
@selection_options
@json_option
@verbose_option
def wait_command(
    target: str,
    wait_timeout: str | None,
    kill_on_exit: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Wait for the end of a run that was submitted before; the exit code tells the result.

    \b
    batch-submit wait nightly-2026-01-31
    """
    options = WaitOptions(optional_duration_s("--wait-timeout", wait_timeout), kill_on_exit, as_json)
    return wait_for_run(build_services(verbose=verbose), chosen, target, options)
