"""Writing a run's record: before a launch it must succeed; afterwards a failure is a loud warning and work goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from batch_submit.adapters.run_logging import mask_text
from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import HostNotReady, OutcomeUnknown
from batch_submit.ledger import JsonLedger, LedgerUnwritable, Run, Try, TryState
from batch_submit.model import Verdict
from batch_submit.plan.resume import Known
from batch_submit.plan.secrets import mask_arguments
from batch_submit.plan.submission import SubmissionPlan
from batch_submit.services import Clock


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Recorder:
    """One run's record and its newest try."""

    ledger: JsonLedger
    clock: Clock
    terminal: Terminal
    run: Run

    def plan_try(self, plan: SubmissionPlan, number: int, claim: str = "") -> None:
        """Record a new try as PLANNED; `claim` says where it is claimed, or why it is not.

        Raises
        ------
        HostNotReady
            When the record can't be written: nothing is launched without one.
        """
        self.run = replace(self.run, argv=mask_arguments(plan.argv)).with_try(
            Try(number, TryState.PLANNED, stamp(self.clock.now_utc()), claim=claim)
        )
        self._must_save()

    def launching(self, number: int) -> None:
        """Record that a launch is about to happen."""
        self._change(number, state=TryState.LAUNCHING)
        self._must_save()

    def _must_save(self) -> None:
        try:
            self.ledger.save(self.run)
        except LedgerUnwritable as error:
            raise HostNotReady(error.message, where=error.where, next_step=error.next_step) from error

    def started(self, number: int, pid: int) -> None:
        """The launcher's child runs."""
        self._change(number, pid=pid)
        self._try_save()

    def reserved(self, number: int, application_id: str) -> None:
        """An application id is reserved for a try that is about to be posted.

        Raises
        ------
        HostNotReady
            When that can't be written down: nothing is posted then.
        """
        self._change(number, application_id=application_id)
        self._must_save()

    def submitted(self, number: int, application_id: str) -> None:
        """The application id is known."""
        self._change(number, state=TryState.SUBMITTED, application_id=application_id)
        self._try_save()

    def not_submitted(self, number: int, reason: str) -> None:
        """The launch is known to have led to no application: an id that was reserved for it is nobody's."""
        self._change(number, state=TryState.NOT_SUBMITTED, reason=mask_text(reason), application_id="")
        self._try_save()

    def finished(self, verdict: Verdict, number: int = 0) -> None:
        """A verdict from a terminal state; ``number`` 0 means the newest try of that application."""
        last = self.run.last
        # The newest first: on backend local all tries of a run share one id.
        number = number or next(
            (one.number for one in reversed(self.run.tries) if one.application_id == verdict.application_id),
            last.number if last is not None else 1,
        )
        report = verdict.report
        self._change(
            number,
            state=TryState.FINISHED,
            application_id=verdict.application_id,
            result=verdict.result.value,
            yarn_state=verdict.state.value,
            final_status=verdict.final_status.value,
            reason=mask_text(verdict.reason[:2000]),
            finished_at=stamp(self.clock.now_utc()),
            memory_seconds=report.memory_seconds if report is not None else 0,
            vcore_seconds=report.vcore_seconds if report is not None else 0,
        )
        self._try_save()

    def _change(self, number: int, **changes: object) -> None:
        """Change one try. The record is read again first: another process may have added a newer try meanwhile."""
        with contextlib.suppress(OutcomeUnknown):
            self.run = self.ledger.load(self.run.run_id) or self.run
        current = next((one for one in self.run.tries if one.number == number), None)
        current = current or Try(number, TryState.PLANNED, stamp(self.clock.now_utc()))
        self.run = self.run.with_try(replace(current, **changes))  # type: ignore[arg-type]

    def _try_save(self) -> None:
        try:
            self.ledger.save(self.run)
        except OutcomeUnknown as error:
            self.terminal.warn(f"{error.where}: {error.message}; going on without the record")


@dataclass(frozen=True)
class TryRecord:
    """One try's side of `backends.base.LaunchRecord`.

    Parameters
    ----------
    claim
        Claims the right to launch it, by number and application id ("" for none); the id to launch it under.
    """

    recorder: Recorder
    number: int
    reserved_id: str = ""
    claim: Callable[[int, str], str] = lambda _number, application_id: application_id

    def started(self, pid: int) -> None:
        """See `backends.base.LaunchRecord`."""
        self.recorder.started(self.number, pid)

    def launching(self) -> None:
        """See `backends.base.LaunchRecord`."""
        self.claim(self.number, "")

    def reserved(self, application_id: str) -> str:
        """See `backends.base.LaunchRecord`."""
        chosen = self.claim(self.number, application_id)
        self.recorder.reserved(self.number, chosen)
        return chosen


def known_of(run: Run | None) -> Known:
    """What a record says of its last try."""
    last = run.last if run is not None else None
    if last is None:
        return Known()
    return Known(
        number=last.number,
        may_have_launched=last.state is TryState.LAUNCHING,
        application_id=last.application_id,
        result=last.result if last.state is TryState.FINISHED else "",
    )
