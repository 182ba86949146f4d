"""How the ledger's file is opened: for one question or change, or for as long as a run is being submitted.

A connection is not kept while a run is waited for, which may be hours: a ledger that was deleted, moved aside or built
anew meanwhile is found again, where a connection that is held would write into a file that has no name any more. In the
moments of a submission one serves for all steps, because closing the last one plays SQLite's log into the file and
waits for the disk; before each step it is looked whether the file is still the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from batch_submit.ledger.protocol import LedgerTooNew

if TYPE_CHECKING:  # SQLite and its module are loaded where there is a ledger to be read
    import sqlite3


class Unusable(Exception):
    """The database can't be used now: why, in SQLite's or the system's words."""


class Opener:
    """Opens one ledger.

    Parameters
    ----------
    path
        The database; made when it is first opened.
    note
        Where a person reads what is good to know.
    """

    def __init__(self, path: Path, note: Callable[[str], None]) -> None:
        self._path = path
        self._note = note
        self._keeps = False
        self._kept: sqlite3.Connection | None = None
        self._kept_file: tuple[int, int] | None = None
        self._may_write = False

    def is_there(self) -> bool:
        """Whether there is a file to be opened, or something in its place."""
        try:
            self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # opening it tells what is wrong; it is not "no such record"
        return True

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Use one connection for all that is done within."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False
            self._let_go()

    @contextlib.contextmanager
    def opened(self, *, writing: bool, busy_s: float) -> Iterator[sqlite3.Connection]:
        """A connection to the database, which is made if there is none.

        Parameters
        ----------
        busy_s
            How long to wait for another process's lock.

        Raises
        ------
        Unusable
            Damaged, locked, full, not writable; also by what is done within.
        LedgerTooNew
            A later release has written it.
        """
        import sqlite3

        from batch_submit.ledger import database

        whole = False
        try:
            connection = self._connected(busy_s)
            if writing and not self._may_write:
                if database.ready_to_write(connection, self._path):
                    self._note(shared_note(database.file_system(self._path)))
                self._may_write = True
            yield connection
            whole = True
        except database.NewerVersion as error:
            raise LedgerTooNew(
                f"the ledger is of version {error.args[0]}, and this release knows {database.VERSION}",
                where=str(self._path),
                next_step="use the newer release of this tool, or set XDG_STATE_HOME to another folder",
            ) from error
        except (sqlite3.Error, OSError) as error:
            if writing and database.is_damage(error):
                database.mark_damaged(self._path)
            words = error.strerror if isinstance(error, OSError) else None
            raise Unusable(words or str(error)) from error
        except (ValueError, TypeError) as error:  # rows that hold what nobody wrote into them
            raise Unusable(f"its rows are damaged: {error}") from error
        finally:
            if not (whole and self._keeps):
                self._let_go()

    def _connected(self, busy_s: float) -> sqlite3.Connection:
        """The kept connection while its file is the one of that name, else a new one."""
        from batch_submit.ledger import database

        if self._kept is not None and self._kept_file == self._file():
            return self._kept
        self._let_go()
        if not self.is_there():
            database.make_file(self._path)
        elif database.is_marked_damaged(self._path):
            raise Unusable("it is damaged: an earlier change could not be written")
        self._kept_file = self._file()
        self._kept = database.connect(self._path, busy_s=busy_s)
        if database.version_of(self._kept) < database.VERSION:
            self._bring_up(self._kept)
        return self._kept

    def _file(self) -> tuple[int, int] | None:
        try:
            held = self._path.stat()
        except OSError:
            return None
        return held.st_dev, held.st_ino

    def _let_go(self) -> None:
        kept, self._kept, self._kept_file, self._may_write = self._kept, None, None, False
        if kept is not None:
            kept.close()

    def _bring_up(self, connection: sqlite3.Connection) -> None:
        from batch_submit.ledger import database
        from batch_submit.plan.file_systems import is_network

        taken = database.bring_up(connection, self._path.parent)
        if taken:
            self._note(f"took {taken} run record{'' if taken == 1 else 's'} over into {self._path}")
        kind = database.file_system(self._path)
        if is_network(kind):
            self._note(shared_note(kind))


def shared_note(kind: str) -> str:
    """What to know of a ledger on a network file system of this kind."""
    return f"the ledger lies on a file system that hosts share ({kind}): it does without SQLite's write-ahead log"
