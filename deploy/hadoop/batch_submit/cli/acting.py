"""``kill``, ``move`` and ``priority``: what changes an application that runs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from batch_submit.cli.options import complete_run, json_option, selection_options, verbose_option
from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection
from batch_submit.services import build_services


@click.command("kill", short_help="End applications and confirm it.")
@click.argument("targets", nargs=-1, metavar="ID…", shell_complete=complete_run)
@click.option(
    "-a",
    "applications",
    multiple=True,
    metavar="ID",
    help="The same as an argument; repeatable.",
    shell_complete=complete_run,
)
@click.option("--all-mine", is_flag=True, help="All live ones that this tool submitted for you; shows them and asks.")
@click.option("--queue", metavar="Q", help="The same, in this queue only.")
@click.option("--yes", is_flag=True, help="Don't ask; for scripts.")
@selection_options
@json_option
@verbose_option
def kill_command(
    targets: Sequence[str],
    applications: Sequence[str],
    all_mine: bool,
    queue: str | None,
    yes: bool,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """End exactly the applications named and report what each became; exit 0 when every one has ended.

    ID is an application id, a run id, or the name of one run.

    \b
    batch-submit kill application_1700000000000_0042
    batch-submit kill --queue ml-queue --yes
    """
    from batch_submit.operations.kill import KillOptions, kill_applications

    texts = [*targets, *applications]
    if not texts and not all_mine and not queue:
        raise UsageError("kill needs at least one application id, run id or name", next_step="batch-submit list")
    options = KillOptions(texts, all_mine, queue or "", yes, as_json)
    return kill_applications(build_services(verbose=verbose), chosen, options)


@click.command("move", short_help="Move an application to another queue.")
@click.argument("target", metavar="ID", shell_complete=complete_run)
@click.argument("queue", metavar="QUEUE")
@selection_options
@json_option
@verbose_option
def move_command(
    target: str,
    queue: str,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Move an application to another queue, and confirm it.

    \b
    batch-submit move application_1700000000000_0042 etl
    """
    from batch_submit.operations.queue_moves import move_to_queue

    services = build_services(verbose=verbose)
    return move_to_queue(services, chosen, target, queue, as_json=as_json)


@click.command("priority", short_help="Set the priority of an application.")
@click.argument("target", metavar="ID", shell_complete=complete_run)
@click.argument("priority", metavar="N", type=click.IntRange(0))
@selection_options
@json_option
@verbose_option
def priority_command(
    target: str,
    priority: int,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Set the priority of an application (capacity scheduler; more is sooner), and confirm it.

    \b
    batch-submit priority application_1700000000000_0042 5
    """
    from batch_submit.operations.queue_moves import change_priority

    services = build_services(verbose=verbose)
    return change_priority(services, chosen, target, priority, as_json=as_json)
