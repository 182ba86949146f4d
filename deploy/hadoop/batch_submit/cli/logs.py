"""``logs``."""

from __future__ import annotations

from typing import Any

import click

from batch_submit.backends.yarn_logs import SOURCES
from batch_submit.cli.options import (
    json_option,
    optional_duration_s,
    selection_options,
    target_argument,
    verbose_option,
)
from batch_submit.errors import UsageError
from batch_submit.operations.context import Selection
from batch_submit.operations.log_view import DEFAULT_PATIENCE_S, LogsOptions
from batch_submit.operations.logs import show_logs
from batch_submit.plan.log_selection import WantedLogs
from batch_submit.services import build_services


@click.command("logs", short_help="What the containers wrote: print, follow, search, store.")
@target_argument
@click.option("--driver", is_flag=True, help="The driver (application master) of the last attempt; the default.")
@click.option("--executors", is_flag=True, help="All containers but the drivers.")
@click.option(
    "--container", "containers", multiple=True, metavar="C", help="A container id or its unique ending; repeatable."
)
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Containers of this attempt (local: try).")
@click.option(
    "--file",
    "files",
    multiple=True,
    metavar="NAME",
    help="A file or pattern: stdout, stderr, 'prelaunch.*', '*'; repeatable.",
)
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines; with --grep, matches.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the application ends.")
@click.option("--grep", metavar="RE", help="Only matching lines, as container/file:line:text.")
@click.option("--since", metavar="T", help="Only files written within the last T: 10m, 2h.")
@click.option("--out", metavar="DIR", help="Write the files to DIR/<container>/<file>.")
@click.option("--list", "only_list", is_flag=True, help="A table of the files.")
@click.option("--source", type=click.Choice(SOURCES), help="Ask only NodeManagers, history server, HDFS, yarn logs.")
@click.option("--owner", metavar="USER", help="Whose application, where the cluster has forgotten it.")
@click.option(
    "--wait-for", metavar="T", help=f"Wait so long for the upload after the end; default {DEFAULT_PATIENCE_S:g}s."
)
@selection_options
@json_option
@verbose_option
def logs_command(target: str, chosen: Selection, **typed: Any) -> int:
    """Print what the containers of an application wrote, wherever it lies now.

    \b
    batch-submit logs application_1700000000000_0042
    batch-submit logs nightly-2026-01-31 --executors --grep 'ERROR|Exception'
    batch-submit logs RUN --follow
    """
    _refuse_contradictions(typed)
    several = typed["only_list"] or typed["out"] is not None
    wanted = WantedLogs(
        drivers=typed["driver"],
        executors=typed["executors"],
        containers=typed["containers"],
        attempt=typed["attempt"],
        files=typed["files"],
        all_containers=several or typed["grep"] is not None,
        all_files=several,
    )
    options = LogsOptions(
        wanted,
        tail=typed["tail"],
        follow=typed["follow"],
        grep=typed["grep"],
        since_s=optional_duration_s("--since", typed["since"]),
        out=typed["out"],
        only_list=typed["only_list"],
        source=typed["source"] or "",
        owner=typed["owner"] or "",
        patience_s=_patience(typed["wait_for"]),
        as_json=typed["as_json"],
    )
    return show_logs(build_services(verbose=typed["verbose"]), chosen, target, options)


def _refuse_contradictions(typed: dict[str, Any]) -> None:
    if typed["as_json"] and not typed["only_list"]:
        raise UsageError("--json goes with --list only: a log is printed as it is", next_step="add --list")
    ways = {
        "--list": typed["only_list"],
        "--out": typed["out"] is not None,
        "--follow": typed["follow"],
    }
    chosen = [name for name, used in ways.items() if used]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other")
    if chosen and chosen[0] != "--follow":
        for name in ("--grep", "--tail"):
            if typed[name[2:]] is not None:
                raise UsageError(f"{chosen[0]} and {name} exclude each other")
    if typed["out"] is not None and not typed["out"].strip():
        raise UsageError("--out is empty", next_step="name a folder")


def _patience(text: str | None) -> float:
    if text is not None and text.strip() in ("0", "0s"):
        return 0.0
    given = optional_duration_s("--wait-for", text)
    return DEFAULT_PATIENCE_S if given is None else given
