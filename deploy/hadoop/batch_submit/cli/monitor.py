"""``monitor``."""

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
from batch_submit.operations.monitor import MonitorOptions, monitor_run
from batch_submit.plan.units import UnitError, parse_duration_s
from batch_submit.services import build_services


def _seconds(flag: str, text: str | None, least: float = 0.0) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(parse_duration_s(text))
    except UnitError as error:
        raise UsageError(f"{flag}: {error}") from error
    if seconds < least:
        raise UsageError(f"{flag} {text}: the least is {least:g}s", next_step=f"batch-submit monitor ID {flag} 5s")
    return seconds


@click.command("monitor", short_help="Follow a run: why it waits, what it does, how it ends.")
@target_argument
@click.option("--interval", metavar="T", help="The longest pause between two looks, at least 1s; default 5s.")
@click.option("--wait-timeout", metavar="T", help="Stop watching after T (exit 7); the run goes on.")
@click.option("--stall-after", metavar="T", help="Say so when no task has finished for T; default 5m.")
@click.option("--json-lines", is_flag=True, help="Each event as one JSON line on stdout, the result as the last.")
@config_options
@backend_option
@json_option
@verbose_option
def monitor_command(
    target: str | None,
    application: str | None,
    interval: str | None,
    wait_timeout: str | None,
    stall_after: str | None,
    json_lines: bool,
    config_file: str | None,
    env: str | None,
    profile: str | None,
    backend: str | None,
    as_json: bool,
    format_name: str,
    verbose: bool,
) -> int:
    """Follow an application or run to its end: why it waits, what its Spark does, what it loses.

    A live display on a terminal, a line per change elsewhere. The exit code tells the result; Ctrl-C stops the watching
    only.

    \b
    batch-submit monitor application_1700000000000_0042
    batch-submit monitor nightly-2026-01-31 --json-lines
    """
    chosen = one_target("monitor", application, target)
    default = MonitorOptions()
    stall_after_s = _seconds("--stall-after", stall_after)
    options = MonitorOptions(
        interval_s=_seconds("--interval", interval, 1.0),
        wait_timeout_s=_seconds("--wait-timeout", wait_timeout),
        stall_after_s=stall_after_s if stall_after_s is not None else default.stall_after_s,
        as_json=as_json or format_name == "json",
        json_lines=json_lines,
    )
    return monitor_run(build_services(verbose=verbose), selection(config_file, env, profile, backend), chosen, options)
