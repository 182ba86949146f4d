"""``list``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from batch_submit.cli.options import job_type_named, json_option, selection_options, verbose_option
from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection
from batch_submit.operations.listing import list_applications, watch_applications
from batch_submit.plan.listing import DEFAULT_SINCE_S, SORT_KEYS, ListFilters, parse_final_statuses, parse_states
from batch_submit.services import build_services


@click.command("list", short_help="Our applications, newest first.")
@click.option("--all-users", is_flag=True, help="Of every user, not only your own.")
@click.option("--all-apps", is_flag=True, help="Also what was not submitted by this tool.")
@click.option("--states", multiple=True, metavar="S,…", help="YARN's states, or waiting, live, ended, unknown, all.")
@click.option("--final-status", multiple=True, metavar="S,…", help="SUCCEEDED, FAILED, KILLED, UNDEFINED.")
@click.option("--user", metavar="U", help="Of this user.")
@click.option("--queue", metavar="Q", help="In this queue: its short name or its full path.")
@click.option("--type", "job_type", metavar="T", help="Job type, as this host has it on record.")
@click.option("--app-type", metavar="T", help="YARN's application type: SPARK, MAPREDUCE …")
@click.option("--name", metavar="N", help="Of this name, or a pattern: 'nightly-*'.")
@click.option("--since", metavar="T", help="Of what has ended, only the last T (default 24h; with --states: all).")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The first N of the order.")
@click.option(
    "--sort",
    type=click.Choice(SORT_KEYS),
    default="started",
    help="By what: newest and largest first, words from A to Z.",
)
@click.option("--watch", is_flag=True, help="Draw it again every 3 seconds, on a terminal, until Ctrl-C.")
@selection_options
@json_option
@verbose_option
def list_command(
    all_users: bool,
    all_apps: bool,
    states: Sequence[str],
    final_status: Sequence[str],
    user: str | None,
    queue: str | None,
    job_type: str | None,
    app_type: str | None,
    name: str | None,
    since: str | None,
    limit: int | None,
    sort: str,
    watch: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """List the applications that this tool submitted for you: those that live, and what ended in the last 24 hours.

    \b
    batch-submit list
    batch-submit list --all-users --states live --queue ml-queue --sort memory
    batch-submit list --since 7d --final-status FAILED --json
    """
    filters = ListFilters(
        all_users=all_users,
        all_apps=all_apps,
        states=parse_states(states),
        final_statuses=parse_final_statuses(final_status),
        user=user or "",
        queue=queue or "",
        job_type=job_type_named(job_type),
        application_type=app_type or "",
        name=name or "",
        since_s=_since(since, states),
        limit=limit,
        sort=sort,
    )
    if watch and as_json:
        raise UsageError("--watch draws a table and --json prints one answer", next_step="leave out one of them")
    services = build_services(verbose=verbose)
    if watch:
        return watch_applications(services, chosen, filters)
    return list_applications(services, chosen, filters, as_json=as_json)


def _since(text: str | None, states: Sequence[str]) -> float | None:
    """Seconds; who names states means all of these that are known."""
    if text is None:
        return None if states else DEFAULT_SINCE_S
    from batch_submit.plan.units import UnitError, parse_duration_s

    try:
        return float(parse_duration_s(text))
    except UnitError as error:
        raise UsageError(str(error), where="--since", next_step="write for example --since 2h") from error
