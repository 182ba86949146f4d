"""Where a ``metrics.json`` lies, on this host or in the storage, and reading it within limits."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Callable
from pathlib import Path

from batch_submit.adapters.local_store import LocalStore
from batch_submit.adapters.stores import Store
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, MissingFile, NotFound, UsageError
from batch_submit.operations.context import Selection, open_context
from batch_submit.operations.places import Place, open_place
from batch_submit.operations.targets import Target
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.storage import has_scheme, local_path
from batch_submit.render.report import Stage
from batch_submit.render.report.reading import Document, mappings, text
from batch_submit.services import Services

#: Curves, segments and histograms of a job of ours take a tenth of a MiB.
MOST_BYTES = 16 << 20
_MOST_STAGE_BYTES = 4 << 20
_MOST_STAGES = 30
_FILE = "metrics.json"
#: One of these makes a document a report of a job.
_MARKS = ("job_type", "run_id", "metrics", "stages", "steps")


@dataclass(frozen=True)
class Shelf:
    """A store, the path in it, and how it is called in messages.

    Parameters
    ----------
    resolve
        From a path as another document writes it to one in this store.
    """

    store: Store
    path: str
    shown: str
    resolve: Callable[[str], str]

    def document(self) -> Document:
        """The report; a folder means the ``metrics.json`` in it.

        Raises
        ------
        NotFound, MissingFile
            There is nothing.
        UsageError
            It is too large, or no report.
        """
        return _read(self.store, self.path, self.shown, MOST_BYTES)


def shelf_of_run(target: Target, path: str) -> Shelf:
    """Where the record of a run says that its report lies."""
    if target.backend.name == LOCAL or target.context is None or (has_scheme(path) and local_path(path)):
        return _local(path)
    return _in(open_place(target.context), path)


def shelf_for_path(services: Services, selection: Selection, typed: str) -> Shelf:
    """A typed path: a file or folder of this host if there is one of that name, else one of the storage."""
    here = local_path(typed)
    if here:
        full = os.path.normpath(services.cwd / here)
        if has_scheme(typed) or os.path.lexists(full):
            return _local(full)
    return _in(open_place(open_context(services, selection)), typed)


def _local(path: str) -> Shelf:
    def resolve(other: str) -> str:
        found = local_path(other)
        if not found:
            raise UsageError(f"{other} is not on this host")
        return os.path.normpath(Path(full).parent / found)

    full = local_path(path)
    if not full:
        raise UsageError(f"{path} is not a file of this host", next_step="--backend yarn")
    return Shelf(LocalStore(), full, full, resolve)


def _in(place: Place, path: str) -> Shelf:
    full = place.path(path)
    return Shelf(place.store, full, place.shown(full), place.path)


def _read(store: Store, path: str, shown: str, limit: int) -> Document:
    found = store.find(path)
    if found is not None and found.is_folder:
        path, shown = posixpath.join(path, _FILE), posixpath.join(shown, _FILE)
        found = store.find(path)
    if found is None:
        missing = MissingFile if isinstance(store, LocalStore) else NotFound
        raise missing("there is no metrics.json", where=shown, next_step="name its path with --metrics PATH")
    if found.problem or found.is_folder:
        raise UsageError(f"this {found.problem or 'is a folder'}", where=shown)
    if found.length > limit:
        raise UsageError(f"{found.length:,} bytes are too many for a report: at most {limit:,} are read", where=shown)
    data = b""
    for piece in store.read(path):
        data += piece
        if len(data) > limit:
            raise UsageError(f"it grows while it is read: at most {limit:,} bytes are", where=shown)
    return _parsed(data, shown)


def _parsed(data: bytes, shown: str) -> Document:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is no JSON that can be read: {error}"[:300], where=shown) from error
    if not isinstance(document, dict) or not any(mark in document for mark in _MARKS):
        raise UsageError(
            "this is not the report of a job: it has none of the keys " + ", ".join(_MARKS),
            where=shown,
            next_step="name the metrics.json that a job of ours wrote",
        )
    return document


def stages_of(shelf: Shelf, document: Document) -> tuple[Stage, ...]:
    """The reports of a pipeline's stages; why one can't be read stands in its place."""
    found: list[Stage] = []
    away = ""
    for one in mappings(document, "stages")[:_MOST_STAGES]:
        path = text(one.get("metrics_path"), 4096)
        if not path or any(stage.metrics_path == path for stage in found):
            continue
        if away:
            found.append(Stage(path, problem=away))
            continue
        try:
            full = shelf.resolve(path)
            found.append(Stage(path, _read(shelf.store, full, path, _MOST_STAGE_BYTES)))
        except ClusterUnreachable as error:
            away = error.message
            found.append(Stage(path, problem=away))
        except BatchSubmitError as error:
            found.append(Stage(path, problem=error.message))
    return tuple(found)
