"""``status`` and ``urls``."""

from __future__ import annotations

import click

from batch_submit.cli.options import (
    json_option,
    optional_target_argument,
    selection_options,
    target_argument,
    verbose_option,
)
from batch_submit.operations.context import Selection
from batch_submit.services import build_services


@click.command("status", short_help="Everything known of one application.")
@target_argument
@selection_options
@json_option
@verbose_option
def status_command(
    target: str,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Show all that is known of an application: state and final status, queue, attempts, resources, diagnostics.

    ID is an application id, a run id, or the name of one run.

    \b
    batch-submit status application_1700000000000_0042
    batch-submit status nightly --json
    """
    from batch_submit.operations.status import show_status

    return show_status(build_services(verbose=verbose), chosen, target, as_json=as_json)


@click.command("urls", short_help="Where to look in a browser.")
@optional_target_argument
@selection_options
@json_option
@verbose_option
def urls_command(
    target: str,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Show the cluster's web addresses, and with an ID the pages, Spark UI or history, and logs of an application.

    \b
    batch-submit urls
    batch-submit urls application_1700000000000_0042
    """
    from batch_submit.operations.urls import show_urls

    return show_urls(build_services(verbose=verbose), chosen, target, as_json=as_json)
