"""``gc``: delete what nobody needs any more: traces of runs that ended long ago, files in the shared folder."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from batch_submit.adapters.framework_archive import framework_archive
from batch_submit.adapters.shared_folder import SharedFolder
from batch_submit.adapters.spark_distribution import spark_facts
from batch_submit.backends.yarn import YarnBackend
from batch_submit.backends.yarn_shared import shared_folder
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ExitCode, HostNotReady, UsageError
from batch_submit.launchers.rest_spark import read_manifest
from batch_submit.model import Search, State
from batch_submit.operations.context import Context, Selection, ledger_of, open_backend, open_context
from batch_submit.operations.gc_records import sweep_records
from batch_submit.plan.shared import LEAST_AGE_S, Entry, Judged, Sweep, digest_of, shared_name
from batch_submit.plan.tags import OUR_TAG
from batch_submit.plan.units import UnitError, format_duration, parse_duration_s
from batch_submit.render.storage import records_json, records_lines, sweep_json, sweep_lines
from batch_submit.services import Services


@dataclass(frozen=True)
class GcOptions:
    """``gc`` as typed."""

    older_than: str = "30d"
    dry_run: bool = False
    as_json: bool = False


def sweep(services: Services, selection: Selection, options: GcOptions) -> int:
    """Delete records and claims of runs that ended long ago, and of the shared files what is ours by its name and owner
    and unused by the rule of `plan.shared.Sweep`.

    Raises
    ------
    ClusterUnreachable
        The ResourceManager or the NameNode does not answer: what lives is not known, and nothing is deleted.
    """
    older_than_s = _age_s(options.older_than)
    context = open_context(services, selection)
    backend = open_backend(context)
    records = sweep_records(services, context, backend, older_than_s, dry_run=options.dry_run)
    folder = str(ledger_of(services, backend).folder)
    place, judged = "", list[Judged]()
    if isinstance(backend, YarnBackend):  # on backend local runs share nothing
        place, judged = _sweep_shared(context, backend, older_than_s, dry_run=options.dry_run)
    if options.as_json:
        answer = {
            **sweep_json(place, judged, dry_run=options.dry_run),
            **records_json(folder, records),
        }
        services.terminal.answer(json.dumps(answer))
        return ExitCode.SUCCEEDED
    lines = records_lines(folder, records, dry_run=options.dry_run)
    lines += sweep_lines(place, judged, dry_run=options.dry_run) if place else []
    services.terminal.answer("\n".join(lines or [f"{folder}: no runs on record"]))
    return ExitCode.SUCCEEDED


def _sweep_shared(
    context: Context, backend: YarnBackend, older_than_s: float, *, dry_run: bool
) -> tuple[str, list[Judged]]:
    """The shared folder's name, and what became of each file in it."""
    shared = shared_folder(backend.servers, backend.shared_dir, backend.clock)
    entries = shared.entries()
    sweep = Sweep(
        now_ms=shared.now_ms(),
        older_than_s=older_than_s,
        user=backend.user,
        in_use=_in_use(context, backend, shared.path, entries),
        live_since_ms=_live_since_ms(backend, shared.now_ms()),
    )
    judged = sweep.judge(entries)
    first = next((one.entry for one in judged if one.delete), None)
    if first is not None and not shared.keeps_access_times(shared.files()[first.name]):
        judged = replace(sweep, keeps_access_times=False).judge(entries)
    if not dry_run:
        judged = [_deleted(shared, one) if one.delete else one for one in judged]
    return backend.servers.default_fs.rstrip("/") + shared.path, judged


def _age_s(text: str) -> float:
    try:
        age_s = parse_duration_s(text)
    except UnitError as error:
        raise UsageError(str(error), where="--older-than") from error
    if age_s < LEAST_AGE_S:
        raise UsageError(
            f"--older-than {text}: uses are noted once a day, so that a shorter time says nothing",
            next_step=f"{format_duration(LEAST_AGE_S)} or more; the default is 30d",
        )
    return age_s


def _live_since_ms(backend: YarnBackend, now_ms: int) -> int | None:
    """The start of the oldest application that carries our tag and has not ended, of whatever user."""
    states = tuple(state for state in State if not state.terminal and state is not State.UNKNOWN)
    live = backend.search(Search(tag=OUR_TAG, states=states))
    return min((report.started_ms or now_ms for report in live), default=None)


def _in_use(context: Context, backend: YarnBackend, folder: str, entries: list[Entry]) -> set[str]:
    """Names of what a submission from here would use, and of all that the files of the configuration name."""
    names: set[str] = set()
    files = [Path(str(framework_archive(context.services.cache_folder)))]
    if context.spark is not None and context.spark.home:
        with suppress(HostNotReady):  # a submission from here would be refused for that Spark: it uses nothing
            files += map(Path, spark_facts(context.spark.home).python_zips)
    names.update(shared_name(one.name, digest_of(one.read_bytes())) for one in files)
    texts = [str(context.config.value("spark.yarn.archive") or ""), *_config_texts(context)]
    named = {one.name for one in entries if any(one.name in text for text in texts)}
    for name in [one for one in named if one.endswith(".zip")]:
        uri = f"hdfs://{posixpath.join(folder, name)}"
        assert backend.servers.webhdfs is not None  # `shared_folder` has looked
        manifest = read_manifest(backend.servers.webhdfs, uri, backend.servers.default_fs)
        named.update(zip_file.name for zip_file in manifest.python_zips) if manifest is not None else None
    return names | named


def _config_texts(context: Context) -> Iterator[str]:
    """The configuration's file and its overlays, whatever environment is chosen now."""
    path = context.config_path
    for one in path.parent.glob(f"{path.stem}*"):
        if not one.is_file():
            continue
        try:
            yield one.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            context.services.terminal.warn(
                f"{one} can't be read ({error.strerror or error}): a shared file that it alone names goes by its age"
            )


def _deleted(shared: SharedFolder, one: Judged) -> Judged:
    try:
        return one if shared.delete_unless_used(one.entry) else Judged(one.entry, False, "used or deleted just now")
    except BatchSubmitError as error:
        return Judged(one.entry, False, f"can't be deleted: {error.message}")
