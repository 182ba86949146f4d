"""One JSON file per run, written after the database: for other programs, and to build the ledger again from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from batch_submit.adapters.own_files import own_folder, write_whole
from batch_submit.data_classes import dataclass
from batch_submit.ledger.records import Run


@dataclass(frozen=True)
class Unreadable:
    """A file that is named like a record and is none."""

    run_id: str
    place: str
    reason: str


def export_path(folder: Path, run_id: str) -> Path:
    """The file of a run."""
    return folder / f"{run_id}.json"


def write_export(folder: Path, run: Run, *, only_trace: bool = False) -> None:
    """Write a run's file, whole and readable by its owner only.

    Parameters
    ----------
    only_trace
        The database could not be written: nothing else tells of this run, so it is made sure that it lies on the disk.

    Raises
    ------
    OSError
        It can't be written; the old one is as it was.
    """
    own_folder(folder)
    write_whole(export_path(folder, run.run_id), run.to_json().encode(), to_disk=only_trace)


def has_exports(folder: Path) -> bool:
    """Whether a folder holds any."""
    return any(True for _ in _paths(folder))


def read_export(path: Path) -> Run | Unreadable | None:
    """A run's file; ``None`` when there is none."""
    try:
        return Run.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return Unreadable(path.stem, str(path), str(error))


def read_exports(folder: Path) -> Iterator[tuple[Run | Unreadable, int]]:
    """All of a folder, each with the time of its last change in milliseconds since the epoch, in no order."""
    for path in _paths(folder):
        found = read_export(path)
        if found is not None:
            try:
                changed_ms = path.stat().st_mtime_ns // 1_000_000
            except OSError:
                changed_ms = 0
            yield found, changed_ms


def _paths(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    yield Path(entry.path)
    except OSError:
        return
