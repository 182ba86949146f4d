"""``save_logs``: a run's logs after its end, kept under ``<storage root>/logs/<date>/<name>/<application id>/``."""

from __future__ import annotations

import posixpath
from datetime import datetime
from pathlib import Path

from batch_submit.adapters.clock import Signals
from batch_submit.adapters.saved_logs import HdfsSavedLogs, LocalSavedLogs, SavedLogs
from batch_submit.backends.base import Backend
from batch_submit.backends.yarn import YarnBackend
from batch_submit.errors import BatchSubmitError, NotFound
from batch_submit.model import ApplicationReport
from batch_submit.operations.context import Context
from batch_submit.plan.identity import slug
from batch_submit.plan.storage import hdfs_path, local_path, qualify, storage_root
from batch_submit.render.logs import size_text
from batch_submit.services import Services

#: How long to wait for the nodes' uploads; the exit code of the run is known already.
PATIENCE_S = 60.0
_NAME_LENGTH = 100


def logs_folder(context: Context, backend: Backend) -> str:
    """Where the logs of runs are kept; "" when the configuration does not ask for it."""
    if context.config.value("execution.save_logs") is not True:
        return ""
    root = storage_root(context.config, backend.name, config_folder=context.config_folder)
    return qualify("logs", root=root, backend=backend.name)


def save_logs(
    services: Services, backend: Backend, report: ApplicationReport | None, folder: str, signals: Signals
) -> None:
    """Save the logs of a run that has ended. Whatever goes wrong is a warning: it is not the run's.

    Parameters
    ----------
    folder
        Of :func:`logs_folder`.
    signals
        One that arrives ends the saving, with nothing left behind.
    """
    if report is None or not report.state.terminal or not report.was_launched:
        return
    terminal = services.terminal
    try:
        place = _place(services, backend, _path(folder, report, services.clock.today()))
        if place.exists():
            terminal.note(f"logs:    {place.path} (saved before)")
            return
        _fill(services, backend, report, place, signals)
    except BatchSubmitError as error:
        terminal.warn(f"the logs were not saved: {error.message}")
        for line in (*([error.where] if error.where else []), *error.details):
            terminal.note(f"  {line}")
    except Exception as error:
        terminal.warn(f"the logs were not saved: {error!r}")


def _path(folder: str, report: ApplicationReport, today: datetime) -> str:
    """The day of the start in the local zone: whoever saves later, or again, finds the same folder."""
    day = datetime.fromtimestamp(report.started_ms / 1000).astimezone() if report.started_ms > 0 else today
    name = slug(report.name or report.application_id, _NAME_LENGTH)
    return posixpath.join(folder, day.strftime("%Y-%m-%d"), name, report.application_id)


def _place(services: Services, backend: Backend, path: str) -> SavedLogs:
    if not isinstance(backend, YarnBackend):
        return LocalSavedLogs(Path(local_path(path)))
    if backend.servers.webhdfs is None:
        raise NotFound("the configuration names no NameNode", where=path)
    name = hdfs_path(path, backend.servers.default_fs)
    return HdfsSavedLogs(backend.servers.webhdfs, name, services.cache_folder / "logs")


def _fill(services: Services, backend: Backend, report: ApplicationReport, place: SavedLogs, signals: Signals) -> None:
    terminal = services.terminal

    def go_on(what: str) -> None:
        if signals.first:
            raise BatchSubmitError(f"interrupted while {what}")
        terminal.progress("saving the logs", f"saving the logs: {what}")

    logs = backend.open_logs(report, patience_s=PATIENCE_S, waiting=go_on)
    count = 0
    try:
        for one in logs.files:
            go_on(f"{one.file.container_id}/{one.file.name}")
            count += place.put(one.file.container_id, one.file.name, one.source.read(one.file))
        place.finish()
    except BaseException:
        place.abandon()
        raise
    terminal.note(f"logs:    {place.path} ({len(logs.files)} files, {size_text(count)})")
    if logs.partial:
        terminal.warn(f"the saved logs are partial: {logs.partial}")
