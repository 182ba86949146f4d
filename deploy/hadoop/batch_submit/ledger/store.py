"""The ledger behind its protocol: SQLite, opened for each question and each change; under a run's lock once for all."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from batch_submit.errors import OutcomeUnknown
from batch_submit.ledger import exports
from batch_submit.ledger.exports import Unreadable
from batch_submit.ledger.opening import Opener, Unusable
from batch_submit.ledger.protocol import LedgerUnwritable, remedy_for
from batch_submit.ledger.records import Run

if TYPE_CHECKING:  # SQLite and its module are loaded where there is a ledger to be read
    import sqlite3

    from batch_submit.plan.history import HistoryFilters

FILE_NAME = "ledger.db"
#: How long to wait for another process's lock; once a ledger has failed, work that goes on waits no more.
BUSY_S = 5.0
_BUSY_AFTER_TROUBLE_S = 0.1
_Answer = TypeVar("_Answer")


class SqliteLedger:
    """The ledger of one cluster and user.

    Parameters
    ----------
    folder
        Made with mode 0700 when first written to.
    warn, note
        Where a person reads of trouble, and of what is good to know.
    now_s
        Seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        *,
        warn: Callable[[str], None] = lambda _text: None,
        note: Callable[[str], None] = lambda _text: None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.trouble = ""
        self._opener = Opener(self.path, note)
        self._warn, self._now_s = warn, now_s
        self._told = False

    # --- reading ------------------------------------------------------------------------------------------------------

    def load(self, run_id: str) -> Run | None:
        """See :class:`Ledger`.

        Raises
        ------
        OutcomeUnknown
            When a record is there and can't be read: what became of the run is not known then.
        """

        def ask(connection: sqlite3.Connection) -> Run | Unreadable | None:
            from batch_submit.ledger.rows import read_runs

            runs = read_runs(connection, "WHERE run_id = ?", (run_id,))
            if runs:
                return runs[0]
            row = connection.execute("SELECT place, reason FROM unreadable WHERE run_id = ?", (run_id,)).fetchone()
            gone = row is None or not Path(row[0]).exists()  # somebody has looked after it
            return None if gone else Unreadable(run_id, row[0], row[1])

        found = self._read(ask, lambda: exports.read_export(exports.export_path(self.folder, run_id)), None)
        if isinstance(found, Unreadable):
            raise OutcomeUnknown(
                f"the record of run {run_id} can't be read: {found.reason}",
                where=found.place,
                next_step=f"look for the tag run:{run_id} on the cluster, then move the file away",
            )
        return found

    def find_application(self, application_id: str) -> Run | None:
        """See :class:`Ledger`."""
        query = "WHERE run_id IN (SELECT run_id FROM tries WHERE application_id = ?)"
        found = self._runs(
            query, (application_id,), lambda run: any(one.application_id == application_id for one in run.tries)
        )
        return found[0] if found else None

    def named(self, name: str) -> list[Run]:
        """See :class:`Ledger`."""
        return self._runs("WHERE name = ?", (name,), lambda run: run.name == name)

    def newest(self, most: int) -> list[Run]:
        """See :class:`Ledger`."""
        return self._runs("", (), lambda _run: True, limit=most)

    def changed_since(self, moment_s: float) -> list[Run]:
        """See :class:`Ledger`."""
        moment_ms = int(moment_s * 1000)
        return self._runs("WHERE changed_ms >= ?", (moment_ms,), lambda _run: True, since_ms=moment_ms)

    def runs(self) -> list[Run]:
        """All, newest first."""
        return self._runs("", (), lambda _run: True)

    def search(self, filters: HistoryFilters) -> list[Run]:
        """See :class:`Ledger`."""
        from batch_submit.ledger import search

        def from_exports() -> list[Run]:
            found = search.newest_first([run for run, _ in self._exported() if search.fits(run, filters)])
            return found[: filters.limit]

        return self._read(lambda connection: search.find_runs(connection, filters), from_exports, [])

    def job_types(self, run_ids: Iterable[str]) -> dict[str, str]:
        """See :class:`Ledger`."""
        wanted = sorted(set(run_ids))

        def ask(connection: sqlite3.Connection) -> dict[str, str]:
            from batch_submit.ledger.rows import pieces

            found: dict[str, str] = {}
            for some in pieces(wanted):
                marks = ", ".join("?" * len(some))
                found |= connection.execute(f"SELECT run_id, job_type FROM runs WHERE run_id IN ({marks})", some)  # nosec B608
            return found

        def from_exports() -> dict[str, str]:
            read = (exports.read_export(exports.export_path(self.folder, run_id)) for run_id in wanted)
            return {run.run_id: run.job_type for run in read if isinstance(run, Run)}

        return self._read(ask, from_exports, {}) if wanted else {}

    def _runs(
        self,
        where: str,
        values: Sequence[object],
        wanted: Callable[[Run], bool],
        *,
        limit: int | None = None,
        since_ms: int = 0,
    ) -> list[Run]:
        """Runs by a condition; from the exports by `wanted` and the time of their change."""

        def ask(connection: sqlite3.Connection) -> list[Run]:
            from batch_submit.ledger.rows import read_runs

            return read_runs(connection, where, values, limit=limit)

        def from_exports() -> list[Run]:
            found = [run for run, changed_ms in self._exported() if changed_ms >= since_ms and wanted(run)]
            return sorted(found, key=lambda run: (run.created_at, run.run_id), reverse=True)[:limit]

        return self._read(ask, from_exports, [])

    def _exported(self) -> Iterator[tuple[Run, int]]:
        return ((run, changed) for run, changed in exports.read_exports(self.folder) if isinstance(run, Run))

    def _read(
        self, ask: Callable[[sqlite3.Connection], _Answer], otherwise: Callable[[], _Answer], nothing: _Answer
    ) -> _Answer:
        """Ask the database; where it can't be used, the exports; where there is neither, the answer is `nothing`."""
        if not self._opener.is_there() and not exports.has_exports(self.folder):
            return nothing
        try:
            with self._opened(writing=False) as connection:
                return ask(connection)
        except Unusable as error:
            self.trouble = self.trouble or str(error)
            self.tell(f"the ledger can't be read: {error} ({self.path}); going on with the exports beside it")
            return otherwise()

    # --- writing ------------------------------------------------------------------------------------------------------

    def save(self, run: Run) -> None:
        """Record a run as it is; for what knows better than the ledger: taking over, building anew."""
        self.update(run, lambda _current: run)

    def update(self, run: Run, change: Callable[[Run], Run]) -> Run:
        """See :class:`Ledger`. The export is written afterwards; that it can't be is a warning.

        Raises
        ------
        LedgerUnwritable
            The database could not be written; the export was, where that was possible.
        LedgerTooNew
            A later release has written it.
        """
        from batch_submit.ledger.rows import read_runs, write_run

        try:
            with self._opened(writing=True) as connection, _transaction(connection):
                there = read_runs(connection, "WHERE run_id = ?", (run.run_id,))
                changed = change(there[0] if there else run)
                write_run(connection, changed, int(self._now_s() * 1000))
        except Unusable as error:
            self.trouble = self.trouble or str(error)
            with contextlib.suppress(OSError):
                exports.write_export(self.folder, change(run), only_trace=True)
            raise _unwritable(self.path, str(error)) from error
        try:
            exports.write_export(self.folder, changed)
        except OSError as error:
            place = exports.export_path(self.folder, run.run_id)
            self.tell(f"the run's JSON file can't be written: {error.strerror or error} ({place}); its record is whole")
        return changed

    def delete(self, run_id: str) -> None:
        """Take a run and its export away; what may be deleted is not decided here.

        Raises
        ------
        LedgerUnwritable
            It can't be done; the record is as it was.
        """
        from batch_submit.ledger.rows import delete_run

        try:
            with self._opened(writing=True) as connection, _transaction(connection):
                delete_run(connection, run_id)
                # Within the transaction: an export that stays would come back when the ledger is built again.
                exports.export_path(self.folder, run_id).unlink(missing_ok=True)
        except (Unusable, OSError) as error:
            raise _unwritable(self.path, str(error)) from error

    def _opened(self, *, writing: bool) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        return self._opener.opened(writing=writing, busy_s=_BUSY_AFTER_TROUBLE_S if self.trouble else BUSY_S)

    def tell(self, text: str) -> None:
        """See :class:`Ledger`."""
        if not self._told:
            self._told = True
            self._warn(f"{text}; {remedy_for(self.trouble)}" if self.trouble else text)

    @contextlib.contextmanager
    def lock(
        self, run_id: str, *, monotonic: Callable[[], float], sleep: Callable[[float], None], patience_s: float
    ) -> Iterator[None]:
        """See :class:`Ledger`. Where it can't be made there is :attr:`trouble`, and whoever relies on it has to look.

        Raises
        ------
        OutcomeUnknown
            When another process of this host still holds it after ``patience_s`` seconds.
        """
        from batch_submit.adapters.own_files import own_folder
        from batch_submit.ledger import run_lock

        path = run_lock.lock_path(self.folder, run_id)
        with contextlib.ExitStack() as stack:
            try:
                own_folder(self.folder)
                stack.enter_context(
                    run_lock.held(path, run_id=run_id, monotonic=monotonic, sleep=sleep, patience_s=patience_s)
                )
            except OSError as error:
                self.trouble = self.trouble or (error.strerror or str(error))
                self.tell(f"the ledger's folder can't be written to: {error.strerror or error} ({path})")
            stack.enter_context(self._opener.keeping())
            yield


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    from batch_submit.ledger.database import transaction

    with transaction(connection):
        yield


def _unwritable(path: Path, reason: str) -> LedgerUnwritable:
    return LedgerUnwritable(
        f"the run's record can't be written: {reason}", where=str(path), next_step=remedy_for(reason)
    )
