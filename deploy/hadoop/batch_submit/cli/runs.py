"""``list``, ``status``, ``wait``, ``kill``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from batch_submit.cli.options import backend_option, config_options, json_option, selection, verbose_option
from batch_submit.errors import UsageError
from batch_submit.operations.inspect_runs import (
    WaitOptions,
    kill_applications,
    list_applications,
    show_status,
    wait_for_run,
)
from batch_submit.plan.units import UnitError, parse_duration_s
from batch_submit.services import build_services


def _one(name: str, application: str | None, target: str | None) -> str:
    chosen = application or target
    if not chosen:
        raise UsageError(f"{name} needs an application id or a run id", next_step=f"batch-submit {name} ID")
    return chosen


@click.command("list", short_help="Our applications, newest first.")
@config_options
@backend_option
@json_option
@verbose_option
def list_command(
    config_file: str | None,
    env: str | None,
    profile: str | None,
    backend: str | None,
    as_json: bool,
    format_name: str,
    verbose: bool,
) -> int:
    """List the applications that this tool submitted for you (tag batch-submit), newest first.

    \b
    batch-submit list --json
    """
    chosen = selection(config_file, env, profile, backend)
    return list_applications(build_services(verbose=verbose), chosen, as_json=as_json or format_name == "json")


@click.command("status", short_help="Everything known of one application.")
@click.argument("target", required=False, metavar="ID")
@click.option("-a", "application", metavar="ID", help="The same as the argument.")
@config_options
@backend_option
@json_option
@verbose_option
def status_command(
    target: str | None,
    application: str | None,
    config_file: str | None,
    env: str | None,
    profile: str | None,
    backend: str | None,
    as_json: bool,
    format_name: str,
    verbose: bool,
) -> int:
    """Show state and final status, queue, resources, tracking URL and diagnostics of an application or run.

    \b
    batch-submit status application_1700000000000_0042
    """
    chosen = selection(config_file, env, profile, backend)
    text = _one("status", application, target)
    return show_status(build_services(verbose=verbose), chosen, text, as_json=as_json or format_name == "json")


@click.command("wait", short_help="Wait for a run; the exit code is the run's.")
@click.argument("target", required=False, metavar="RUN")
@click.option("-a", "application", metavar="ID", help="The same as the argument.")
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
    return wait_for_run(build_services(verbose=verbose), chosen, _one("wait", application, target), options)


@click.command("kill", short_help="End applications and confirm it.")
@click.argument("targets", nargs=-1, metavar="ID…")
@click.option("-a", "applications", multiple=True, metavar="ID", help="The same as an argument; repeatable.")
@config_options
@backend_option
@json_option
@verbose_option
def kill_command(
    targets: Sequence[str],
    applications: Sequence[str],
    config_file: str | None,
    env: str | None,
    profile: str | None,
    backend: str | None,
    as_json: bool,
    format_name: str,
    verbose: bool,
) -> int:
    """End exactly the applications named and report what each became; exit 0 when every one has ended.

    \b
    batch-submit kill application_1700000000000_0042
    """
    named = [*targets, *applications]
    if not named:
        raise UsageError("kill needs at least one application id or run id", next_step="batch-submit list")
    chosen = selection(config_file, env, profile, backend)
    return kill_applications(build_services(verbose=verbose), chosen, named, as_json=as_json or format_name == "json")
