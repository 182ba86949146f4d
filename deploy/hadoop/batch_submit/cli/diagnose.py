"""``diagnose``."""

from __future__ import annotations

import click

from batch_submit.cli.options import json_option, selection_options, target_argument, verbose_option
from batch_submit.operations.context import Selection
from batch_submit.operations.diagnose import diagnose_run
from batch_submit.services import build_services


@click.command("diagnose", short_help="Why a run failed: cause, evidence, remedy.")
@target_argument
@selection_options
@json_option
@verbose_option
def diagnose_command(
    target: str,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Say on one screen why an application or run failed: the probable cause, the lines of the logs that show it, the
    key or flag to change, and the next command.

    \b
    batch-submit diagnose application_1700000000000_0042
    """
    return diagnose_run(build_services(verbose=verbose), chosen, target, as_json=as_json)
