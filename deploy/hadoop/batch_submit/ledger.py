"""Run records: every submission leaves a trace before anything is launched.

First form of the ledger: one JSON file per run, written whole and readable by its owner only, in
``$XDG_STATE_HOME/batch-submit/runs/<cluster>/<user>/<run id>.json`` (a run id is unique per cluster and user). It
stands behind :class:`Ledger`, so that another store can take its place.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from batch_submit.errors import HostNotReady, OutcomeUnknown

SCHEMA = 1


class TryState(str, Enum):
    """How far one try of a run is known to have come. Each is written *before* the step it names is taken."""

    PLANNED = "PLANNED"  #: nothing was launched: safe to submit again
    LAUNCHING = "LAUNCHING"  #: a launch may have happened: only the cluster knows
    SUBMITTED = "SUBMITTED"  #: the application id is known
    NOT_SUBMITTED = "NOT_SUBMITTED"  #: the launch is known to have failed: no application
    FINISHED = "FINISHED"  #: a terminal state and final status were seen


@dataclass(frozen=True)
class Try:
    """One try of a run; times are ISO 8601 in UTC.

    Parameters
    ----------
    claim
        The folder in the cluster where it is claimed, or ``none: <why>``.
    """

    number: int
    state: TryState
    planned_at: str
    application_id: str = ""
    pid: int = 0
    result: str = ""
    yarn_state: str = ""
    final_status: str = ""
    reason: str = ""
    finished_at: str = ""
    memory_seconds: int = 0
    vcore_seconds: int = 0
    claim: str = ""


@dataclass(frozen=True)
class Run:
    """One logical submission and all its tries."""

    run_id: str
    name: str
    job_type: str
    backend: str
    cluster: str
    user: str
    host: str
    created_at: str
    day: str
    fingerprint: str
    fingerprint_parts: dict[str, str]
    original_run_id: str = ""
    queue: str = ""
    argv: tuple[str, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    timeout_s: float | None = None
    tries: tuple[Try, ...] = ()
    schema: int = SCHEMA

    @property
    def last(self) -> Try | None:
        """The newest try; ``None`` before the first."""
        return self.tries[-1] if self.tries else None

    def with_try(self, one: Try) -> Run:
        """This run with ``one`` in place of the try of its number, or added."""
        others = tuple(each for each in self.tries if each.number != one.number)
        return replace(self, tries=tuple(sorted((*others, one), key=lambda each: each.number)))

    def to_json(self) -> str:
        """The record as text; the JSON file is also its export."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Run:
        """Read a record.

        Raises
        ------
        ValueError
            When it is damaged or of a schema that this release does not know.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"not a run record of schema {SCHEMA}")
        try:
            tries = tuple(Try(**{**one, "state": TryState(one["state"])}) for one in data.pop("tries"))
            return cls(**{**data, "argv": tuple(data["argv"]), "tries": tries})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a run record: {error}") from error


class Ledger(Protocol):
    """Where runs are recorded. A user and a cluster have one; ids are unique within it."""

    def load(self, run_id: str) -> Run | None:
        """The record of a run; ``None`` when there is none."""

    def save(self, run: Run) -> None:
        """Record a run, whole or not at all."""

    def runs(self) -> Iterator[Run]:
        """All readable records, in no order."""

    def changed_since(self, moment_s: float) -> Iterator[Run]:
        """The readable records that were written at or after a moment (seconds since the epoch), in no order."""

    def find_application(self, application_id: str) -> Run | None:
        """The run of which an application is a try."""

    def lock(
        self, run_id: str, *, monotonic: Callable[[], float], sleep: Callable[[float], None], patience_s: float
    ) -> contextlib.AbstractContextManager[None]:
        """Hold a run against other processes of this host, from planning until its application id is known."""


class JsonLedger:
    """The ledger as JSON files.

    Parameters
    ----------
    folder
        The folder of this cluster and user; made with mode 0700 when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.json"

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load(self, run_id: str) -> Run | None:
        """See :class:`Ledger`.

        Raises
        ------
        OutcomeUnknown
            When a record is there and can't be read: what became of the run is not known then.
        """
        path = self._path(run_id)
        try:
            return Run.from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise OutcomeUnknown(
                f"the record of run {run_id} can't be read: {error}",
                where=str(path),
                next_step=f"look for the tag run:{run_id} on the cluster, then move the file away",
            ) from error

    def save(self, run: Run) -> None:
        """See :class:`Ledger`.

        Raises
        ------
        LedgerUnwritable
            When the state folder can't be written.
        """
        import secrets  # list and status only read, and have to start fast

        path = self._path(run.run_id)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            self._make_folder()
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(run.to_json())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _unwritable(path, error) from error

    def runs(self) -> Iterator[Run]:
        """See :class:`Ledger`; a damaged record is passed over here and reported where it is asked for by its id."""
        return self._readable()

    def changed_since(self, moment_s: float) -> Iterator[Run]:
        """See :class:`Ledger`: by the files' times, so that thousands of old records are not read."""
        return self._readable(since_s=moment_s)

    def _readable(self, *, since_s: float = 0.0, holding: str = "") -> Iterator[Run]:
        """The records that can be read and hold a text; only these are taken apart."""
        try:
            entries = list(os.scandir(self.folder))
        except OSError:
            return
        for entry in entries:
            if entry.name.startswith(".") or not entry.name.endswith(".json"):
                continue
            with contextlib.suppress(OSError, ValueError):
                if since_s and entry.stat().st_mtime < since_s:
                    continue
                text = Path(entry.path).read_text(encoding="utf-8")
                if holding in text:
                    yield Run.from_json(text)

    def find_application(self, application_id: str) -> Run | None:
        """See :class:`Ledger`."""
        return next(
            (
                run
                for run in self._readable(holding=f'"{application_id}"')
                if any(one.application_id == application_id for one in run.tries)
            ),
            None,
        )

    def job_types(self, run_ids: Iterable[str]) -> dict[str, str]:
        """The job types of those runs that have a readable record."""
        try:
            there = {entry.name for entry in os.scandir(self.folder)}
        except OSError:
            return {}
        found = {}
        for run_id in run_ids:
            if f"{run_id}.json" in there:
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    data = json.loads(self._path(run_id).read_text(encoding="utf-8"))
                    found[run_id] = str(data.get("job_type") or "")
        return found

    @contextlib.contextmanager
    def lock(
        self, run_id: str, *, monotonic: Callable[[], float], sleep: Callable[[float], None], patience_s: float
    ) -> Iterator[None]:
        """See :class:`Ledger`. The lock ends with the process, however it ends.

        Raises
        ------
        HostNotReady
            When it can't be made: nothing is launched without it.
        OutcomeUnknown
            When another process of this host still holds it after ``patience_s`` seconds.
        """
        path = self.folder / f".{run_id}.lock"
        try:
            self._make_folder()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            unwritable = _unwritable(path, error)
            raise HostNotReady(unwritable.message, where=unwritable.where, next_step=unwritable.next_step) from error
        try:
            deadline = monotonic() + patience_s
            while not _try_lock(descriptor):
                if monotonic() >= deadline:
                    raise OutcomeUnknown(
                        f"another process of this host has been submitting run {run_id} for {patience_s:.0f} s",
                        where=str(path),
                        next_step=f"batch-submit wait {run_id}",
                    )
                sleep(0.1)
            yield
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class LedgerUnwritable(OutcomeUnknown):
    """The record can't be written. Before a launch the caller turns it into "this host is not ready"."""


def _unwritable(path: Path, error: OSError) -> LedgerUnwritable:
    return LedgerUnwritable(
        f"the run's record can't be written: {error.strerror or error}",
        where=str(path),
        next_step="make the folder writable, or set XDG_STATE_HOME to one that is",
    )
