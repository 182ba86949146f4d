"""``--lock``: one live run per name. Held by a process of this host, or by an application of it that lives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from batch_submit.adapters.clock import Signals
from batch_submit.adapters.named_locks import LockFile
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import EndUnseen, Interrupted, LockHeld, NotFound, OutcomeUnknown
from batch_submit.ledger import Ledger, Run, Try
from batch_submit.model import ApplicationReport, Search, State
from batch_submit.operations.context import Context, ledger_of
from batch_submit.operations.deciding import limits_of, live_processes
from batch_submit.operations.record_alone import may_run
from batch_submit.operations.recording import stamp
from batch_submit.plan.locks import LockHolder, LockWish
from batch_submit.plan.tags import run_tag
from batch_submit.plan.units import format_duration
from batch_submit.services import Services

_LIVE = tuple(state for state in State if not state.terminal and state is not State.UNKNOWN)
_POLL_S = 1.0
#: How long, beyond the settle time, another call of the same run may look whether it may keep the lock.
_LOOKS_S = 15.0
_JOIN_S = 0.1


@dataclass
class _Lock:
    """One wish for one lock.

    Parameters
    ----------
    settle_s
        How long the application of a run whose process is gone may still turn up: a ResourceManager lists it from the
        moment it takes the request, and after a restart once it has recovered it.
    """

    services: Services
    backend: Backend
    ledger: Ledger
    signals: Signals
    wish: LockWish
    run_id: str
    file: LockFile
    settle_s: float

    def try_take(self) -> str:
        """Take it, or hold it together with another call of this run; "" when that went well, else who has it.

        Another call of this run that is still looking whether the lock is free is waited for: this call would come to
        the same answer.

        Raises
        ------
        ClusterUnreachable
            Whether an application holds it can't be asked.
        Interrupted
            A signal came.
        """
        clock = self.services.clock
        deadline = clock.monotonic() + self.settle_s + _LOOKS_S
        while True:
            if self.file.take():
                return self._looked()
            holder = self.file.holder()
            if holder is not None and holder.run_id == self.run_id and self._joined():
                return ""
            whose = f"run {holder.run_id} (process {holder.pid}, since {holder.since})" if holder else "another process"
            if holder is None or holder.run_id != self.run_id or clock.monotonic() >= deadline:
                return f"{whose} on this host"
            self.pause(_JOIN_S)

    def _joined(self) -> bool:
        """Hold it together with who has it, if that is a call of this run which may keep it.

        The note is read once the file is held: before, it may be that of a former holder.
        """
        if not self.file.join():
            return False
        holder = self.file.holder()
        if holder is not None and holder.run_id == self.run_id and not holder.is_looking:
            return True
        self.file.release()
        return False

    def _looked(self) -> str:
        """Look whether an application holds what this call has just taken: then it is given back.

        That this call has it is written down at once: a note of the former holder beside a lock of ours would let that
        run in. Who it was stands in ours until the looking is done, also for the next call if this one is killed.
        """
        noted = self.file.holder()
        former = noted.settled if noted is not None else None
        ours = LockHolder(self.run_id, os.getpid(), stamp(self.services.clock.now_utc()))
        self.file.tell(replace(ours, is_looking=True, former=former.run_id if former is not None else ""))
        if not self.file.share():
            return "another process on this host"
        held_by = "nobody who could be asked for"
        try:
            held_by = self._application(former)
        finally:
            if held_by:
                self.file.tell(former)
                self.file.release()
        if not held_by:
            self.file.tell(ours)
        return held_by

    def _application(self, former: LockHolder | None) -> str:
        """The live application that holds it; "" when there is none."""
        search = Search(tag=self.wish.tag, user=self.backend.user, states=_LIVE)
        for report in self.backend.search(search):
            tags = set(report.tags)
            if self.wish.tag in tags and run_tag(self.run_id) not in tags and not report.state.terminal:
                return _told(report)
        if former is None or former.run_id == self.run_id:
            return ""
        if left := self.backend.left_behind(former.run_id):
            return f"process {left[0]}, which the driver of run {former.run_id} has left behind"
        return self._of_record(self.ledger.load(former.run_id))

    def _of_record(self, run: Run | None) -> str:
        """Whether the run that took it last still has an application, or may be getting one."""
        last = run.last if run is not None else None
        if run is None or last is None or not may_run(run):
            return ""
        clock = self.services.clock
        deadline = clock.monotonic() + self.settle_s
        told = False
        while True:
            # Before the question: a launch that ends between them is seen by it.
            launching = bool(live_processes(self.services, last))
            try:
                seen = self._seen(run.run_id, last)
            except EndUnseen as gone:
                self.services.terminal.note(f"lock {self.wish.name}: run {run.run_id} holds it no more: {gone.message}")
                return ""
            except OutcomeUnknown as unknown:
                return f"run {run.run_id}: {unknown.message}"
            if seen is not None:
                return "" if seen.state.terminal else _told(seen)
            if launching:
                return f"run {run.run_id}, which process {last.pid} is submitting"
            if clock.monotonic() >= deadline:
                return ""
            if not told:
                told = True
                self.services.terminal.note(
                    f"lock {self.wish.name}: the call that submitted run {run.run_id} is gone; looking for "
                    f"{format_duration(round(self.settle_s))} whether an application of it appears"
                )
            self.pause()

    def _seen(self, run_id: str, last: Try) -> ApplicationReport | None:
        """The application of a try; ``None`` when the cluster does not show one (yet, or any more)."""
        if not last.application_id:
            return self.backend.find_try(run_id, last.number)
        try:
            return self.backend.report(last.application_id)
        except NotFound:
            return None

    def pause(self, seconds: float = _POLL_S) -> None:
        """Wait a moment.

        Raises
        ------
        Interrupted
            A signal came.
        """
        self.services.clock.sleep(seconds)
        if self.signals.received:
            raise Interrupted(self.signals.first)


def _told(report: ApplicationReport) -> str:
    run_id = next((tag.removeprefix("run:") for tag in report.tags if tag.startswith("run:")), "")
    return f"{report.application_id}" + (f" of run {run_id}" if run_id else "") + f", which is {report.state.value}"


@contextmanager
def lock_held(context: Context, backend: Backend, signals: Signals, wish: LockWish, run_id: str) -> Iterator[bool]:
    """Hold a lock within the block; yields ``False`` when it is held by another run and that is no failure.

    Raises
    ------
    LockHeld
        Another run has it, longer than was to be waited.
    Interrupted
        A signal came while waiting.
    """
    services = context.services
    file = LockFile(services.state_folder / "locks" / backend.cluster / backend.user, wish.name)
    ledger, settle_s = ledger_of(services, backend), limits_of(context).settle_s
    lock = _Lock(services, backend, ledger, signals, wish, run_id, file, settle_s)
    try:
        yield _taken(lock)
    finally:
        lock.file.release()


def _taken(lock: _Lock) -> bool:
    """Take it, waiting as long as was asked for; ``False``: it is held, and that is no failure."""
    services, wish, terminal = lock.services, lock.wish, lock.services.terminal
    deadline = services.clock.monotonic() + wish.wait_s
    last = ""
    while held_by := lock.try_take():
        if wish.skip_if_running:
            terminal.note(f"skipped: lock {wish.name} is held by {held_by}; nothing was submitted")
            return False
        left_s = deadline - services.clock.monotonic()
        if left_s <= 0:
            raise LockHeld(
                f"lock {wish.name} is held by {held_by}; nothing was submitted",
                next_step="try later; --lock-wait T waits for it, --skip-if-running makes nothing of it",
            )
        if held_by != last:
            last = held_by
            terminal.note(f"waiting up to {format_duration(wish.wait_s)} for lock {wish.name}: held by {held_by}")
        lock.pause(min(_POLL_S, left_s))
    return True
