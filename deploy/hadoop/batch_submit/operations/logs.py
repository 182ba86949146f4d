"""``logs``: what the containers of an application have written, from whoever has it now."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from batch_submit.backends.base import Backend
from batch_submit.container_logs import ApplicationLogs, ContainerLogs
from batch_submit.errors import ClusterUnreachable, ExitCode, NotFound
from batch_submit.model import APPLICATION_ID, ApplicationReport
from batch_submit.operations.context import Selection
from batch_submit.operations.log_view import LogsOptions, LogView
from batch_submit.operations.targets import Target, resolve
from batch_submit.plan.log_selection import select_logs
from batch_submit.plan.tags import LOCAL_PREFIX
from batch_submit.render.logs import log_json, log_table, size_text
from batch_submit.services import Services


def show_logs(services: Services, selection: Selection, text: str, options: LogsOptions) -> int:
    """Print, list, search, follow or store the logs of an application or run; exit code 0 when there was an answer."""
    target = resolve(services, selection, text, reading=True)
    report = report_of(services, target, options.owner)
    view = LogView(services, options)
    if options.follow:
        from batch_submit.operations.log_follow import follow

        return follow(services, target.backend, report, options, view)
    logs = opened(services, target.backend, report, options)
    chosen = select_logs(logs, view.wanted)
    if options.only_list:
        if options.as_json:
            services.terminal.answer(json.dumps(log_json(logs, chosen)))
        else:
            services.terminal.answer("\n".join(log_table(logs, chosen, services.answer_width())))
    elif options.out is not None:
        _store(services, chosen, Path(services.cwd, options.out).expanduser())
    else:
        view.show(chosen)
    return ExitCode.SUCCEEDED


def report_of(services: Services, target: Target, owner: str) -> ApplicationReport:
    """What is known of the application; its logs can outlive the ResourceManager's memory of it, and its outage."""
    terminal = services.terminal
    user = owner or target.backend.user
    try:
        report = target.backend.report(target.application_id)
    except NotFound:
        if target.application_id.startswith(LOCAL_PREFIX):
            raise
        terminal.note(
            f"the ResourceManager has forgotten {target.application_id}; looking for its logs as {user}'s"
            + ("" if owner else " (--owner names somebody else)")
        )
        return ApplicationReport(target.application_id, user=user)
    except ClusterUnreachable as error:
        if not APPLICATION_ID.fullmatch(target.application_id):
            raise
        terminal.warn(f"the ResourceManager can't be asked ({error.message}); looking for aggregated logs as {user}'s")
        return ApplicationReport(target.application_id, user=user)
    return dataclasses.replace(report, user=owner) if owner else report


def opened(
    services: Services, backend: Backend, report: ApplicationReport, options: LogsOptions, *, quiet: bool = False
) -> ApplicationLogs:
    """Open the logs and say from where, and whether something may be missing."""
    terminal = services.terminal
    logs = backend.open_logs(
        report,
        patience_s=options.patience_s,
        waiting=lambda what: terminal.progress(what, f"waiting at most {options.patience_s:g} s: {what}"),
        source=options.source,
        drivers_only=options.wanted.only_drivers and not (options.only_list or options.out is not None),
    )
    for notice in logs.notices:
        terminal.debug(notice)
    if not quiet:
        names = list(dict.fromkeys(one.source.name for one in logs.files))
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        terminal.note(f"from {', '.join(names[:3])}{more}")
        if logs.partial:
            terminal.warn(f"partial: {logs.partial}")
    return logs


def _store(services: Services, chosen: Sequence[ContainerLogs], folder: Path) -> None:
    """``--out``: one file after the other into a folder."""
    from batch_submit.adapters.log_folder import LogFolder

    place = LogFolder(folder)
    sizes = [one.file.size or 0 for one in chosen]
    total, done = sum(sizes), 0
    for one in chosen:
        place.put(one.file.container_id, one.file.name, _shown(services, one, done, total))
        done += one.file.size or 0
    services.terminal.note(f"{len(chosen)} files, {size_text(done)}")
    services.terminal.answer(str(place.path))


def _shown(services: Services, one: ContainerLogs, before: int, total: int) -> Iterator[bytes]:
    """The pieces of a file, with a bar on a terminal."""
    count = before
    for piece in one.source.read(one.file):
        count += len(piece)
        if services.terminal.live:
            share = min(1.0, count / total) if total else 1.0
            bar = "#" * round(share * 30)
            text = f"[{bar:<30}] {share:4.0%} {size_text(count)} of {size_text(total)}  {one.file.name}"
            services.terminal.progress(one.file.name, text)
        yield piece
