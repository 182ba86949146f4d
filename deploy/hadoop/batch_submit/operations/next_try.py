"""Waiting on through a retry's back-off: a failed try is not the end of a run that a living call tries again."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ExitCode
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import ApplicationReport, Result, Verdict
from batch_submit.operations.retry_marks import NextTry, is_ours, next_try_of, number_of, stop
from batch_submit.operations.stopped_runs import newest_made
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.moments import utc_ms
from batch_submit.plan.resume import try_number_of
from batch_submit.plan.units import format_duration

if TYPE_CHECKING:
    from batch_submit.adapters.clock import Signals
    from batch_submit.operations.waiting import Waiting

#: How long the launch of a try that is on record may take; spark-submit may be uploading gigabytes.
_LAUNCH_PATIENCE_S = 3600.0
_LOOK_S = 1.0


@dataclass(frozen=True)
class Left:
    """The waiting is over without a verdict on the run, or the run was killed before its next try; it has been said."""

    code: int
    verdict: Verdict | None = None


def after_failure(
    waiting: Waiting, verdict: Verdict, signals: Signals, wait_left_s: float | None
) -> Verdict | ApplicationReport | Left:
    """What a failed try means for its run: the run's verdict, or the application of the next try.

    That one is waited for as long as the call lives that makes it; its record says so.
    """
    recorder = waiting.recorder
    is_run = bool(waiting.run_id) or waiting.backend.name == LOCAL
    if recorder is None or verdict.result is not Result.FAILED or not is_run:
        return verdict
    # By its tags first: on backend local all tries of a run share one id.
    number = try_number_of(verdict.report) if verdict.report is not None else 0
    number = number or number_of(recorder, verdict.application_id)
    if is_ours(waiting.services, recorder.run.try_of(number)):
        return verdict  # this call decides about the next try: two that do must not wait for each other
    return _Wait(waiting, verdict, signals, number).until_known(wait_left_s)


@dataclass
class _Wait:
    """One wait for the try after one that has failed."""

    waiting: Waiting
    verdict: Verdict
    signals: Signals
    number: int
    _stage: str = ""
    _deadline: float = 0.0

    def until_known(self, wait_left_s: float | None) -> Verdict | ApplicationReport | Left:
        """Look every second until the record tells; see :func:`after_failure`."""
        services, recorder = self.waiting.services, self.waiting.recorder
        assert recorder is not None
        clock = services.clock
        over = clock.monotonic() + wait_left_s if wait_left_s is not None else None
        while True:
            run = self._read()
            found = self._standing(run)
            if not isinstance(found, NextTry):
                return found
            if not self._stage:
                recorder.finished(self.verdict)
            if clock.monotonic() >= self._patience(run, found):
                return self._in_vain(run, found)
            if self.signals.received:
                return self._left_by_signal(found)
            if over is not None and clock.monotonic() >= over:
                limit = format_duration(self.waiting.wait_timeout_s or 0)
                self._say(f"our waiting passed --wait-timeout ({limit})", found)
                return Left(int(ExitCode.TIMED_OUT))
            clock.sleep(_LOOK_S)

    def _read(self) -> Run:
        recorder = self.waiting.recorder
        assert recorder is not None
        try:
            recorder.run = recorder.ledger.load(recorder.run.run_id) or recorder.run
        except BatchSubmitError as error:
            self.waiting.services.terminal.debug(error.message)
        return recorder.run

    def _standing(self, run: Run) -> Verdict | ApplicationReport | NextTry | Left:
        """What the record tells now; a try that is still to come is waited for."""
        one, last = run.try_of(self.number), newest_made(run)
        if one is None or last is None:
            return self.verdict
        coming = next_try_of(self.waiting.services, run, self.number)
        if last.number == self.number:
            if one.stopped_by and one.again_at:
                return self._killed(run, one.stopped_by, one.stopped_at)
            return coming or self.verdict
        if last.application_id and last.state in (TryState.SUBMITTED, TryState.FINISHED):
            self.waiting.services.terminal.note(
                f"{self.verdict.application_id}: failed; run {run.run_id} goes on as {last.application_id}"
                f" (try {last.number})"
            )
            return ApplicationReport(last.application_id)
        if coming is None and last.state is TryState.LAUNCHING:
            why = f"try {last.number} of the run was being launched by a call that is gone"
            return replace(self.verdict, result=Result.UNKNOWN, reason=why)
        return coming or self.verdict

    def _patience(self, run: Run, coming: NextTry) -> float:
        """Until when, on the monotonic clock, it is waited for as things stand; each new stage has its own."""
        clock, newer = self.waiting.services.clock, self._newer(run)
        stage = f"try {newer.number}" if newer is not None else f"due {coming.due_at}"
        if stage != self._stage:
            self._stage = stage
            self.waiting.services.terminal.note(
                f"{self.verdict.application_id}: failed; {coming.told} of run {run.run_id}: waiting for it"
            )
            grace_s = _LAUNCH_PATIENCE_S if newer is not None else self.waiting.rm_patience_s
            self._deadline = clock.monotonic() + self._until_due_s(run, coming) + grace_s
        return self._deadline

    def _newer(self, run: Run) -> Try | None:
        """The newest try on record, if it came after the one that has failed."""
        last = newest_made(run)
        return last if last is not None and last.number > self.number else None

    def _until_due_s(self, run: Run, coming: NextTry) -> float:
        """The seconds until the next step of the call that makes the next try; below 0: so long ago it was due.

        Of a call that is seen alive that never is: it may be held up. One that can't be seen is only known by what it
        has written: from then on it counts, whoever asks, so that its silence comes to an end.
        """
        newer, one = self._newer(run), run.try_of(self.number)
        due_at = newer.planned_at if newer is not None else coming.due_at
        if not due_at and not coming.is_seen and one is not None:
            due_at = one.finished_at
        left_s = utc_ms(due_at) / 1000 - self.waiting.services.clock.now_utc().timestamp() if due_at else 0.0
        return max(0.0, left_s) if coming.is_seen else left_s

    def _in_vain(self, run: Run, coming: NextTry) -> Verdict:
        """What is said when the next try has not come in time: of a call that can't be seen, that it is gone."""
        newer = self._newer(run)
        if coming.is_seen or (newer is not None and newer.state is TryState.LAUNCHING):
            return replace(self.verdict, result=Result.UNKNOWN, reason=f"{coming.told}, and it is not there")
        self.waiting.services.terminal.warn(
            f"run {run.run_id}: {coming.told}, and it has not come: that call counts as gone; its last try is the end"
        )
        return self.verdict

    def _killed(self, run: Run, by: str, at: str) -> Left:
        reason = f"run {run.run_id} was killed by {by} at {at}, while it waited for its next try, which is not made"
        self.waiting.services.terminal.error([f"{self.verdict.application_id}: failed; {reason}"])
        return Left(int(ExitCode.KILLED), replace(self.verdict, result=Result.KILLED, reason=reason))

    def _left_by_signal(self, coming: NextTry) -> Left:
        services, recorder = self.waiting.services, self.waiting.recorder
        name, code = signal.Signals(self.signals.first).name, 128 + self.signals.first
        assert recorder is not None
        if not self.waiting.kill_on_exit:
            self._say(f"{name}: no longer waiting", coming)
            return Left(code)
        try:
            newest = recorder.run.last.number if recorder.run.last is not None else self.number
            ended = stop(services, recorder, newest, f"{self.waiting.backend.user} on {services.host}")
        except BatchSubmitError as error:
            services.terminal.error(error.lines())
            return Left(code)
        if ended is None:
            self._say(f"{name}: not killed (--kill-on-exit)", coming)
        else:
            services.terminal.note(f"{name}: killed (--kill-on-exit): try {ended.number} is not made")
        return Left(code)

    def _say(self, what: str, coming: NextTry) -> None:
        run = self._read()
        terminal = self.waiting.services.terminal
        terminal.note(f"{what}; {self.verdict.application_id} has failed, and {coming.told} of run {run.run_id}")
        terminal.note(f"  kill it:      batch-submit kill {run.run_id}")
        terminal.note(f"  wait for it:  batch-submit wait {run.run_id}")
