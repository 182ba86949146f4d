"""``resolve``."""

from __future__ import annotations

import click

from batch_submit.cli.options import complete_run, json_option, selection_options, verbose_option
from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection
from batch_submit.services import build_services


@click.command("resolve", short_help="Decide about a run whose launch is uncertain.")
@click.argument("run", metavar="RUN", shell_complete=complete_run)
@click.option("--application", "application_id", metavar="ID", help="This is the run's application.")
@click.option(
    "--not-submitted", is_flag=True, help="No application came of it, and none will: make room for a new try."
)
@click.option("--force", is_flag=True, help="Although what the cluster shows does not prove it.")
@selection_options
@json_option
@verbose_option
def resolve_command(
    run: str,
    application_id: str | None,
    not_submitted: bool,
    force: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Decide about a run that ended with exit code 8; who decided what is kept in its claim and record.

    RUN is a run id. Refused where there is nothing to decide, or where the cluster shows otherwise.

    \b
    batch-submit resolve nightly-2026-01-31 --application application_1700000000000_0042
    batch-submit resolve nightly-2026-01-31 --not-submitted
    """
    from batch_submit.operations.resolve import ResolveOptions, resolve_run

    if (application_id is None) is not not_submitted:
        raise UsageError(
            "resolve takes either --application ID or --not-submitted",
            next_step="look for the run's tag on the cluster: batch-submit list",
        )
    options = ResolveOptions(run, application_id or "", not_submitted, force, as_json)
    return resolve_run(build_services(verbose=verbose), chosen, options)
