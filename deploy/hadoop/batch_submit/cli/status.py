"""``status`` and ``urls``."""

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
from batch_submit.services import build_services


@click.command("status", short_help="Everything known of one application.")
@target_argument
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
    """Show all that is known of an application: state and final status, queue, attempts, resources, diagnostics.

    ID is an application id, a run id, or the name of one run.

    \b
    batch-submit status application_1700000000000_0042
    batch-submit status nightly --json
    """
    from batch_submit.operations.status import show_status

    chosen = selection(config_file, env, profile, backend)
    text = one_target("status", application, target)
    return show_status(build_services(verbose=verbose), chosen, text, as_json=as_json or format_name == "json")


@click.command("urls", short_help="Where to look in a browser.")
@target_argument
@config_options
@backend_option
@json_option
@verbose_option
def urls_command(
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
    """Show the cluster's web addresses, and with an ID the pages, Spark UI or history, and logs of an application.

    \b
    batch-submit urls
    batch-submit urls application_1700000000000_0042
    """
    from batch_submit.operations.urls import show_urls

    chosen = selection(config_file, env, profile, backend)
    text = application or target or ""
    return show_urls(build_services(verbose=verbose), chosen, text, as_json=as_json or format_name == "json")
