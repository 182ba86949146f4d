"""``history`` and ``show``."""

from __future__ import annotations

from collections.abc import Sequence

import click

from batch_submit.cli.options import job_type_named, json_option, target_argument, verbose_option
from batch_submit.plan.history import DEFAULT_LIMIT, HistoryFilters, parse_moment, parse_record_states, parse_results
from batch_submit.services import build_services


@click.command("history", short_help="Runs on record on this host, newest first.")
@click.option("--since", metavar="T", help="Made from then on: 7d (ago), 2026-01-31, 2026-01-31T06:00.")
@click.option("--until", metavar="T", help="Made before then.")
@click.option("--state", "states", multiple=True, metavar="S,…", help="planned … finished, or open, ended.")
@click.option("--result", "results", multiple=True, metavar="R,…", help="succeeded, failed, killed, timed-out, refused")
@click.option("-t", "--type", "job_type", metavar="TYPE", help="Of this job type.")
@click.option("--user", metavar="U", help="Submitted in this user's name.")
@click.option("--cluster", metavar="C", help="On this cluster, as the record names it; local is this host.")
@click.option("--queue", metavar="Q", help="With this queue asked for.")
@click.option("--name", metavar="N", help="Of this name, or a pattern: 'nightly-*'.")
@click.option("--limit", type=click.IntRange(1), default=DEFAULT_LIMIT, metavar="N", help="The newest N (50).")
@json_option
@verbose_option
def history_command(
    since: str | None,
    until: str | None,
    states: Sequence[str],
    results: Sequence[str],
    job_type: str | None,
    user: str | None,
    cluster: str | None,
    queue: str | None,
    name: str | None,
    limit: int,
    as_json: bool,
    verbose: bool,
) -> int:
    """List the runs that this host has on record, whatever the cluster still knows of them; no server is asked.

    \b
    batch-submit history
    batch-submit history --since 7d --result failed,killed
    batch-submit history --name 'nightly-*' --since 2026-01-01 --limit 500 --json
    """
    services = build_services(verbose=verbose)
    now = services.clock.now_utc()
    filters = HistoryFilters(
        since=parse_moment(since, "--since", now) if since else "",
        until=parse_moment(until, "--until", now) if until else "",
        states=parse_record_states(states),
        results=parse_results(results),
        job_type=job_type_named(job_type),
        queue=queue or "",
        name=name or "",
        cluster=cluster or "",
        user=user or "",
        limit=limit,
    )
    from batch_submit.operations.history import show_history

    return show_history(services, filters, as_json=as_json)


@click.command("show", short_help="Everything on record of one run.")
@target_argument
@click.option("--cluster", metavar="C", help="Where several clusters have such a run.")
@click.option("--user", metavar="U", help="Where several users have.")
@json_option
@verbose_option
def show_command(
    target: str,
    cluster: str | None,
    user: str | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Show all that is on record of a run: its tries, each state with its time, command, plan, usage, cause.

    ID is a run id, an application id, or the name of one run. No server is asked.

    \b
    batch-submit show nightly-2026-01-31
    batch-submit show application_1700000000000_0042 --json
    """
    from batch_submit.operations.history import ShowOptions, show_record

    options = ShowOptions(cluster or "", user or "", as_json)
    return show_record(build_services(verbose=verbose), target, options)
