"""``monitor``."""

from __future__ import annotations

import click

from batch_submit.cli.options import (
    json_option,
    optional_duration_s,
    selection_options,
    target_argument,
    verbose_option,
)
from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection
from batch_submit.operations.monitor import MonitorOptions, monitor_run
from batch_submit.services import build_services


def _interval_s(text: str | None) -> float | None:
    seconds = optional_duration_s("--interval", text)
    if seconds is not None and seconds < 1:
        raise UsageError(f"--interval {text}: the least is 1s", next_step="batch-submit monitor ID --interval 5s")
    return seconds


@click.command("monitor", short_help="Follow a run: why it waits, what it does, how it ends.")
@target_argument
@click.option("--interval", metavar="T", help="The longest pause between two looks, at least 1s; default 5s.")
@click.option("--wait-timeout", metavar="T", help="Stop watching after T (exit 7); the run goes on.")
@click.option("--stall-after", metavar="T", help="Say so when no task has finished for T; default 5m.")
@click.option("--json-lines", is_flag=True, help="Each event as one JSON line on stdout, the result as the last.")
@selection_options
@json_option
@verbose_option
def monitor_command(
    target: str,
    interval: str | None,
    wait_timeout: str | None,
    stall_after: str | None,
    json_lines: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Follow an application or run to its end: why it waits, what its Spark does, what it loses.

    A live display on a terminal, a line per change elsewhere. The exit code tells the result; Ctrl-C stops the watching
    only.

    \b
    batch-submit monitor application_1700000000000_0042
    batch-submit monitor nightly-2026-01-31 --json-lines
    """
    default = MonitorOptions()
    stall_after_s = optional_duration_s("--stall-after", stall_after)
    options = MonitorOptions(
        interval_s=_interval_s(interval),
        wait_timeout_s=optional_duration_s("--wait-timeout", wait_timeout),
        stall_after_s=stall_after_s if stall_after_s is not None else default.stall_after_s,
        as_json=as_json,
        json_lines=json_lines,
    )
    return monitor_run(build_services(verbose=verbose), chosen, target, options)
