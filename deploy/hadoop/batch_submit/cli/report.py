"""``report``."""

from __future__ import annotations

from typing import Any

import click

from batch_submit.cli.options import complete_run, json_option, selection_options, verbose_option
from batch_submit.operations.context import Selection
from batch_submit.operations.report import ReportOptions, make_report
from batch_submit.services import build_services


@click.command("report", short_help="A run's results as one HTML page.")
@click.argument("run", required=False, metavar="[RUN]", shell_complete=complete_run)
@click.option("--out", metavar="FILE", help="The page; default <run id>.html in the working directory.")
@click.option("--metrics", metavar="PATH", help="The metrics.json to show; default the one on the run's record.")
@click.option("--force", is_flag=True, help="Replace FILE even if it is no page of ours.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser, if there is a display.")
@selection_options
@json_option
@verbose_option
def report_command(run: str | None, chosen: Selection, **typed: Any) -> int:
    """Write a run's results as one HTML page that needs no network, and print its path.

    RUN is a run id, the name of one run, or an application id. Without a record of it name the report with --metrics:
    a file of this host, or a path of the storage.

    \b
    batch-submit report nightly-arrival-delay --open
    batch-submit report application_1795261034488_0142 --out delay.html
    batch-submit report --metrics ./metrics.json
    """
    services = build_services(verbose=typed["verbose"])
    options = ReportOptions(
        out=typed["out"] or "",
        metrics=typed["metrics"] or "",
        force=typed["force"],
        open_page=typed["open_page"],
        as_json=typed["as_json"],
    )
    return make_report(services, chosen, run or "", options)
