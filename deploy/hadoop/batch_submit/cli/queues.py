"""``queues`` and ``nodes``."""

from __future__ import annotations

import click

from batch_submit.cli.options import json_option, selection_options, verbose_option
from batch_submit.operations.context import Selection
from batch_submit.operations.queues import show_nodes, show_queues
from batch_submit.services import build_services


@click.command("queues", short_help="Queues: shares, what is used, and by whom.")
@click.argument("name", required=False, metavar="[NAME]")
@selection_options
@json_option
@verbose_option
def queues_command(
    name: str | None,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Show the queues of the capacity or fair scheduler as a tree, and who uses them; with NAME all of one queue.

    NAME is a short name (ml-queue) or a full path (root.ml-queue).

    \b
    batch-submit queues ml-queue
    """
    return show_queues(build_services(verbose=verbose), chosen, name, as_json=as_json)


@click.command("nodes", short_help="Nodes: state, health, memory, vcores.")
@click.option("--states", default="", metavar="S,S", help="Only these states: RUNNING, LOST, UNHEALTHY, …")
@selection_options
@json_option
@verbose_option
def nodes_command(
    states: str,
    chosen: Selection,
    as_json: bool,
    verbose: bool,
) -> int:
    """Show the cluster's nodes: state, memory and vcores used and offered, containers, and what is wrong with them.

    \b
    batch-submit nodes --states LOST,UNHEALTHY
    """
    return show_nodes(build_services(verbose=verbose), chosen, states, as_json=as_json)
