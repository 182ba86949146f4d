"""``diagnose``."""

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
from batch_submit.operations.diagnose import diagnose_run
from batch_submit.services import build_services


@click.command("diagnose", short_help="Why a run failed: cause, evidence, remedy.")
@target_argument
@config_options
@backend_option
@json_option
@verbose_option
def diagnose_command(
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
    """Say on one screen why an application or run failed: the probable cause, the lines of the logs that show it, the
    key or flag to change, and the next command.

    \b
    batch-submit diagnose application_1700000000000_0042
    """
    text = one_target("diagnose", application, target)
    chosen = selection(config_file, env, profile, backend)
    return diagnose_run(build_services(verbose=verbose), chosen, text, as_json=as_json or format_name == "json")
