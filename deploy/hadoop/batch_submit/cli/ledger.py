"""``ledger check`` and ``ledger rebuild``."""

from __future__ import annotations

import click

from batch_submit.cli.options import json_option, selection_options, verbose_option
from batch_submit.operations.context import Selection
from batch_submit.services import build_services


@click.group("ledger", short_help="Look after this host's run records.")
def ledger_group() -> None:
    """Look after the records of runs on this host.

    \b
    batch-submit ledger check
    batch-submit ledger rebuild --dry-run
    """


@ledger_group.command("check", short_help="Is every ledger whole?")
@json_option
@verbose_option
def check_command(as_json: bool, verbose: bool) -> int:
    """Look through every ledger of this account on this host; exit code 3 when one is damaged. No server is asked.

    \b
    batch-submit ledger check
    """
    from batch_submit.operations.ledger_care import check_ledgers

    return check_ledgers(build_services(verbose=verbose), as_json=as_json)


@ledger_group.command("rebuild", short_help="Build a damaged ledger again.")
@click.option("--offline", is_flag=True, help="From what lies on this host alone; ask no server.")
@click.option("--dry-run", is_flag=True, help="Show what it would be built from; change nothing.")
@selection_options
@json_option
@verbose_option
def rebuild_command(
    offline: bool,
    dry_run: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Build the ledger of the configured cluster and your user again: from what the old file still gives, the JSON
    exports, the claims, and the applications that the cluster shows. The old file is moved aside, never deleted.

    \b
    batch-submit ledger rebuild
    batch-submit ledger rebuild --offline
    """
    from batch_submit.operations.ledger_care import RebuildOptions, rebuild_ledger

    options = RebuildOptions(offline=offline, dry_run=dry_run, as_json=as_json)
    return rebuild_ledger(build_services(verbose=verbose), chosen, options)
