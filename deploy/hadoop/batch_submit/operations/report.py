"""``report``: find a run's ``metrics.json``, read it, and write it as one HTML page."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from batch_submit import __version__
from batch_submit.adapters.local_store import write_whole
from batch_submit.adapters.open_places import who_could_change
from batch_submit.adapters.temporary_names import own_temporary
from batch_submit.data_classes import dataclass
from batch_submit.errors import ExitCode, MissingFile, NotFound, UsageError
from batch_submit.model import Result
from batch_submit.operations.context import Selection
from batch_submit.operations.report_sources import Shelf, shelf_for_path, shelf_of_run, stages_of
from batch_submit.operations.run_facts import facts_of
from batch_submit.operations.targets import Target, resolve
from batch_submit.plan.tags import is_run_id
from batch_submit.render.report import RunFacts, View, is_page, report_page
from batch_submit.render.report.reading import Document, text
from batch_submit.render.report.summary import alarms_of, warnings_of
from batch_submit.services import Services

#: So much of a file tells whether it is a page of ours.
_HEAD_BYTES = 2048
_NO_PLOTS = "{why}: the curves stand here as tables; for plots: pip install 'batch-submit[report]'"


@dataclass(frozen=True)
class ReportOptions:
    """``report`` as typed; "" where nothing was."""

    out: str = ""
    metrics: str = ""
    force: bool = False
    open_page: bool = False
    as_json: bool = False


def make_report(services: Services, selection: Selection, run: str, options: ReportOptions) -> int:
    """Write the page; stdout is its path.

    Raises
    ------
    UsageError
        Neither a run nor a path; the run has not ended; what was read is no report; the file is not ours to replace.
    NotFound
        There is no such run, or no report of it.
    """
    if run:
        target = resolve(services, selection, run)
        facts = facts_of(services, target)
        shelf = shelf_for_path(services, selection, options.metrics) if options.metrics else _of_run(target, facts, run)
    elif options.metrics:
        facts = RunFacts()
        shelf = shelf_for_path(services, selection, options.metrics)
    else:
        raise UsageError(
            "report needs an application id, a run id or a run's name, or the path of a metrics.json",
            next_step="batch-submit report RUN   (batch-submit list shows the runs)",
        )
    document = _read(shelf, facts, run)
    notes = _notes(document, facts, run)
    place = _place(services, options, text(document.get("run_id")) or facts.run_id)
    why = _no_plots()
    if why:
        services.terminal.warn(_NO_PLOTS.format(why=why))
        notes.append(_NO_PLOTS.format(why=why))
    stages = stages_of(shelf, document)
    view = View(document, facts, stages, shelf.shown, tuple(notes), not why, __version__)
    services.terminal.progress("drawing", "drawing the page")
    page = report_page(view).encode("utf-8", errors="replace")
    _write(place, page)
    return _answer(services, options, view, place, len(page))


def _of_run(target: Target, facts: RunFacts, run: str) -> Shelf:
    """Where the run's report lies by its record."""
    if target.run is None:
        raise NotFound(
            f"this host has no record of {run}, so it is not known where its metrics.json lies",
            next_step=f"batch-submit report {run} --metrics PATH   (the job's driver log names the path)",
        )
    path = str(target.run.params.get("metrics_path") or "")
    if not path:
        kind = target.run.job_type
        raise NotFound(
            f"run {target.run.run_id} is a {kind} job: its record names no metrics.json"
            + (", which only our own jobs are known to write" if kind == "custom" else ""),
            next_step=f"batch-submit report {run} --metrics PATH, if its script wrote one",
        )
    if facts.result == Result.STILL_RUNNING.value:
        raise UsageError(
            f"{target.application_id} has not ended: its metrics.json is the last thing that it writes",
            next_step=f"batch-submit monitor {target.application_id}",
        )
    return shelf_of_run(target, path)


def _read(shelf: Shelf, facts: RunFacts, run: str) -> Document:
    """The document; of a run that failed without one the way to its cause."""
    try:
        return shelf.document()
    except (NotFound, MissingFile) as error:
        if not run or facts.result in ("", Result.SUCCEEDED.value):
            raise
        what = "how it ended is not known" if facts.result == Result.UNKNOWN.value else f"it ended as {facts.result}"
        raise NotFound(
            f"{facts.application_id or run} left no report: {what}",
            where=error.where,
            next_step=f"batch-submit diagnose {facts.application_id or run}",
        ) from error


def _notes(document: Document, facts: RunFacts, run: str) -> list[str]:
    """What does not fit together: the report of another run, or of another try."""
    notes = []
    told, known = text(document.get("run_id")), facts.run_id
    if run and told and known and told != known:
        notes.append(f"This is the report of run {told}, and run {known} was asked for")
    wrote, asked = text(document.get("application_id")), facts.application_id
    # A driver on one host calls itself local-<time>, which is nobody else's name for it.
    if run and wrote and asked and wrote != asked and not asked.startswith("local-"):
        notes.append(f"The report was written by {wrote}, another try than {asked}")
    return notes


def _no_plots() -> str:
    """Why no plots can be drawn; "" when they can."""
    import logging

    # It tells of fonts that it looks for and of folders that it can't write, which is no concern of the reader's.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from batch_submit.render.report.svg import problem

    return problem()


def _place(services: Services, options: ReportOptions, run_id: str) -> Path:
    """Where the page goes, if it may.

    Raises
    ------
    UsageError
        Something lies there that is no page of ours.
    MissingFile
        There is no such folder.
    """
    name = f"{run_id}.html" if is_run_id(run_id) else "report.html"
    typed = services.cwd / options.out if options.out else services.cwd / name
    place = typed / name if options.out and (options.out.endswith("/") or typed.is_dir()) else typed
    try:
        led_to = place.resolve()  # a link stays a link
        linked = any(one.is_symlink() for one in (place, *place.absolute().parents))
        if linked and (why := who_could_change(place)):
            raise UsageError(
                f"a link leads to {led_to}, and it may be somebody else's: {why}",
                where=str(place),
                next_step="name a file in a folder of yours with --out",
            )
        place = led_to
        if not place.parent.is_dir():
            raise MissingFile(
                "there is no such folder", where=str(place.parent), next_step="make it, or name another with --out"
            )
        if not place.exists():
            return place
        if not place.is_file():
            raise UsageError(
                "this is not a file that can be replaced", where=str(place), next_step="name another with --out"
            )
        with place.open("rb") as file:
            ours = is_page(file.read(_HEAD_BYTES))
    except (OSError, RuntimeError) as error:
        raise UsageError(f"the page can't be written there: {error}", where=str(typed)) from error
    if not ours and not options.force:
        raise UsageError(
            "this file exists and is no page of ours",
            where=str(place),
            next_step="--force replaces it; --out FILE names another",
        )
    return place


def _write(place: Path, page: bytes) -> None:
    """Put the page in its place, whole, for its owner alone."""
    write_whole(
        [page],
        place,
        len(page),
        temporary=own_temporary(place.name),
        overwrite=place.exists(),
        done=lambda _count: None,
        check=lambda _temporary: None,
        mode=0o600,
    )


def _answer(services: Services, options: ReportOptions, view: View, place: Path, length: int) -> int:
    terminal = services.terminal
    mode = stat.S_IMODE(place.stat().st_mode)
    terminal.note(f"written: {length / 1024:.0f} KiB, mode {mode:04o}; from {view.metrics_path}")
    opened = _open(services, place) if options.open_page else False
    if options.as_json:
        answer = {
            "path": str(place),
            "bytes": length,
            "run_id": text(view.document.get("run_id")) or view.facts.run_id,
            "application_id": text(view.document.get("application_id")) or view.facts.application_id,
            "job_type": view.job_type,
            "result": view.facts.result,
            "metrics_path": view.metrics_path,
            "plots": view.plots,
            "opened": opened,
            "warnings": [*alarms_of(view), *warnings_of(view), *view.notes],
        }
        terminal.answer(json.dumps(answer))
    else:
        terminal.answer(str(place))
    return ExitCode.SUCCEEDED


def _open(services: Services, place: Path) -> bool:
    from batch_submit.adapters.browser import has_display, open_page

    if has_display(services.env) and open_page(place):
        return True
    services.terminal.note(
        f"no browser can be opened here; on your own machine: scp {services.host}:{place} . and open it"
    )
    return False
