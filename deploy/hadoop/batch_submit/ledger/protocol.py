"""What the rest of the program knows of a ledger: its questions and changes, and the errors that they end in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from batch_submit.errors import HostNotReady, OutcomeUnknown
from batch_submit.ledger.records import Run

if TYPE_CHECKING:
    from batch_submit.plan.history import HistoryFilters


class LedgerUnwritable(OutcomeUnknown):
    """The record can't be written. Before a launch the caller may turn it into "this host is not ready"."""


class LedgerTooNew(HostNotReady):
    """A later release has written the ledger."""


class Ledger(Protocol):
    """Where runs are recorded. A user and a cluster have one; ids are unique within it."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    @property
    def trouble(self) -> str:
        """Why it can't be relied on; "" as long as every question and change was carried out."""

    def load(self, run_id: str) -> Run | None:
        """The record of a run; ``None`` when there is none."""

    def update(self, run: Run, change: Callable[[Run], Run]) -> Run:
        """Change the record of a run as it is now, or `run` where there is none; whole or not at all."""

    def find_application(self, application_id: str) -> Run | None:
        """The run of which an application is a try."""

    def named(self, name: str) -> list[Run]:
        """The runs of a name, newest first."""

    def newest(self, most: int) -> list[Run]:
        """The runs that were made last, newest first."""

    def search(self, filters: HistoryFilters) -> list[Run]:
        """The runs that filters mean, newest first."""

    def changed_since(self, moment_s: float) -> list[Run]:
        """The records that were written at or after a moment (seconds since the epoch), newest run first."""

    def job_types(self, run_ids: Iterable[str]) -> dict[str, str]:
        """The job types of those runs that are on record."""

    def tell(self, text: str) -> None:
        """Warn of what is wrong with the ledger, once for all of a command."""

    def lock(
        self, run_id: str, *, monotonic: Callable[[], float], sleep: Callable[[float], None], patience_s: float
    ) -> AbstractContextManager[None]:
        """Hold a run against other processes of this host, from planning until its application id is known."""


def remedy_for(trouble: str) -> str:
    """What to do about a ledger that can't be used."""
    words = trouble.lower()
    if "locked" in words:
        return "another program holds it: fuser ledger.db shows which"
    if any(word in words for word in ("full", "no space", "quota", "disk i/o", "too large")):
        return "free some space on that file system"
    if any(word in words for word in ("malformed", "not a database", "damaged", "no such table")):
        return "build it again: batch-submit ledger rebuild"
    return "make the folder writable, or set XDG_STATE_HOME to one that is"
