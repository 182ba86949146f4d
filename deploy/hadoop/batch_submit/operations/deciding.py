"""Finding out what a repeated run id means: claim, record, cluster, and where only they tell, this host's processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from batch_submit.adapters.clock import Signals
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, Interrupted, OutcomeUnknown
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import ApplicationReport, judge
from batch_submit.operations.claiming import Claims
from batch_submit.operations.context import DEFAULT_RM_PATIENCE_S, rm_patience
from batch_submit.operations.recording import Recorder, known_of
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.claims import Held, known_of_both
from batch_submit.plan.resume import (
    Action,
    Decision,
    Known,
    Marks,
    decide,
    seen_under,
    superfluous,
    try_number_of,
    why_forgotten,
)
from batch_submit.plan.units import format_duration
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.operations.context import Context

#: How long an earlier call's spark-submit is waited for; it may be uploading gigabytes.
PROGRAM_PATIENCE_S = 3600.0
#: How often the waiting says that it goes on.
_SAY_S = 30.0
_POLL_S = 0.5
#: So many late arrivals may follow each other while they are ended one by one.
_MOST_LATE = 10


@dataclass(frozen=True)
class LookLimits:
    """Times in seconds.

    Parameters
    ----------
    settle_s
        ``execution.submit_settle``: how long no application may show once the program is gone.
    rm_patience_s
        How long the ResourceManager may be away meanwhile.
    """

    settle_s: float = 30.0
    rm_patience_s: float = DEFAULT_RM_PATIENCE_S
    program_patience_s: float = PROGRAM_PATIENCE_S


def limits_of(context: Context) -> LookLimits:
    """The configured ones; a run on this host can be seen at once."""
    settle = 0.0 if context.choice.backend == LOCAL else context.config.duration_s("execution.submit_settle")
    return LookLimits(
        LookLimits.settle_s if settle is None else float(settle),
        rm_patience(context),
        PROGRAM_PATIENCE_S,
    )


@dataclass
class Deciding:
    """One decision about one run, under the run's lock."""

    services: Services
    backend: Backend
    claims: Claims
    recorder: Recorder
    signals: Signals
    limits: LookLimits

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self.recorder.run.run_id

    def decide(self) -> tuple[Decision, list[ApplicationReport]]:
        """What to do, and the applications that were seen; late arrivals have ended, and the records are closed.

        Raises
        ------
        OutcomeUnknown
            An earlier call's launch goes on past all patience, or a late arrival can't be ended.
        Interrupted
            A signal came while an earlier call's launch was waited for.
        ClusterUnreachable
            Nobody can be asked.
        """
        known = what_is_known(self.services, self.claims, self.recorder.run)
        seen = self.leave_one(lambda: what_shows(self.backend, self.run_id, known))
        decision = decision_of(self.backend, known, seen)
        if decision.action is Action.LOOK:
            one = self.recorder.run.last
            assert one is not None
            nothing_came = self._nothing_came_of(one, known)
            seen = self.leave_one(lambda: what_shows(self.backend, self.run_id, known))
            known = known.not_launched() if nothing_came else known
            decision = decision_of(self.backend, known, seen)
            if decision.action is Action.LOOK:
                raise uncertain(self.recorder, self.claims, "its application showed, and is gone")
        if decision.action is Action.SUBMIT and decision.number > known.number:
            if decision.closes and not self.claims.close_id(known.number):
                raise uncertain(
                    self.recorder,
                    self.claims,
                    f"{known.application_id} was refused, and at this moment another call posts it too",
                )
            self._close(known, seen)
        return decision, seen

    # --- a program of an earlier call -------------------------------------------------------------------------------

    def _nothing_came_of(self, one: Try, known: Known) -> bool:
        """Wait for the program of a try, and then for its application; whether it is known that there is none."""
        while True:
            if self._program_leads_to_application(one):
                return False
            if not known.was_given_up and self._application_shows(one):
                return False
            if not live_processes(self.services, one):  # a look at /proc can miss one that forks just then
                break
        why = "as was decided" if known.was_given_up else "and no application shows under its tag"
        self.services.terminal.note(
            f"run {self.run_id}: try {one.number} was not launched: its program (pid {one.pid}) is gone, {why}"
        )
        return True

    def _program_leads_to_application(self, one: Try) -> bool:
        """Wait until the program's session is empty (``False``), or its application shows (``True``)."""
        clock, began, said = self.services.clock, self.services.clock.monotonic(), -_SAY_S
        while left := live_processes(self.services, one):
            if self._shows(one):
                return True
            waited = clock.monotonic() - began
            if waited - said >= _SAY_S:
                said = waited
                rest = format_duration(round(self.limits.program_patience_s - waited))
                self.services.terminal.note(
                    f"run {self.run_id}: an earlier call's program may still submit it (pid {left[0]}, session"
                    f" {one.pid}): waiting for its end, at most {rest}"
                )
            if waited >= self.limits.program_patience_s:
                took = format_duration(round(waited))
                raise OutcomeUnknown(
                    f"run {self.run_id}: an earlier call's program has not ended after {took}",
                    details=[f"pid {pid}" for pid in left],
                    next_step=f"look what it does; end it with kill {left[0]}; then run the same command again",
                )
            self._pause()
        return False

    def _application_shows(self, one: Try) -> bool:
        """Ask for the settle time, without a gap, an active ResourceManager that remembers the launch."""
        clock = self.services.clock
        quiet_since: float | None = None
        away_since: float | None = None
        then, told = Marks(one.epoch, one.submitted_before), False
        while True:
            try:
                if self.backend.find_try(self.run_id, one.number) is not None:
                    return True
                if forgotten := why_forgotten(then, self.backend.marks()):
                    raise uncertain(self.recorder, self.claims, f"no application shows under its tag, but {forgotten}")
                quiet_since, away_since = (clock.monotonic() if quiet_since is None else quiet_since), None
            except OutcomeUnknown:
                raise
            except BatchSubmitError as error:
                quiet_since, away_since = None, (clock.monotonic() if away_since is None else away_since)
                if clock.monotonic() - away_since >= self.limits.rm_patience_s:
                    raise uncertain(
                        self.recorder, self.claims, f"an earlier call began to launch it, and {error.message}"
                    ) from error
            if quiet_since is not None and clock.monotonic() - quiet_since >= self.limits.settle_s:
                return False
            if not told:
                told = True
                self.services.terminal.note(
                    f"run {self.run_id}: an earlier call began to launch try {one.number}, and its program is gone;"
                    f" looking for its application for {format_duration(round(self.limits.settle_s))}"
                )
            self._pause()

    def _shows(self, one: Try) -> bool:
        with contextlib.suppress(BatchSubmitError):  # an outage: the program is waited for all the same
            return self.backend.find_try(self.run_id, one.number) is not None
        return False

    def _pause(self) -> None:
        self.services.clock.sleep(_POLL_S)
        if self.signals.received:
            stopped = Interrupted(self.signals.first)
            stopped.message = f"interrupted; an earlier call may still submit run {self.run_id}"
            stopped.next_step = "run the same command again with the same run id"
            raise stopped

    def _close(self, known: Known, seen: list[ApplicationReport]) -> None:
        """Record and claim what is known of the last try before there is a newer one, so that other hosts may go on."""
        one = self.recorder.run.last
        if one is None or one.number != known.number or seen_under(one.number, seen):
            return
        reason = one.reason or "no application of it shows"
        if one.state is TryState.PLANNED:
            reason = "the call that planned it ended before it launched anything"
        if one.state is TryState.LAUNCHING:
            reason = f"its program (pid {one.pid}) is gone, and no application showed under its tag"
            if one.application_id:
                reason = f"{one.application_id} was refused to the call that had reserved it"
        if one.state in (TryState.PLANNED, TryState.LAUNCHING):
            self.recorder.not_submitted(one.number, reason)
        if one.state in (TryState.PLANNED, TryState.LAUNCHING, TryState.NOT_SUBMITTED):
            self.claims.close(one.number, one.nonce, reason)

    # --- late arrivals ----------------------------------------------------------------------------------------------

    def leave_one(self, ask: Callable[[], list[ApplicationReport]]) -> list[ApplicationReport]:
        """End what must not live beside another application of the run; what is seen afterwards.

        Parameters
        ----------
        ask
            What is seen of the run now; asked again after each that was ended.

        Raises
        ------
        OutcomeUnknown
            One of them can't be ended: nothing else is done then.
        """
        from batch_submit.operations.late_arrivals import end_superfluous

        seen = ask()
        for _ in range(_MOST_LATE):
            if not superfluous(seen):
                return seen
            end_superfluous(self.services, self.backend, self.recorder, seen, lambda: len(self.signals.received) > 1)
            seen = ask()
        raise OutcomeUnknown(
            f"run {self.run_id}: applications of it appear faster than they can be ended",
            next_step=f"find out who submits with the tag run:{self.run_id}",
        )


def what_is_known(services: Services, claims: Claims, run: Run | None) -> Known:
    """What claim and this host's record say of the last try."""
    return known_of_both(claims.held, known_of(run, services.processes.here()))


def what_shows(backend: Backend, run_id: str, known: Known) -> list[ApplicationReport]:
    """What the cluster shows of a run; of its last try by the id too: a claim may be that of another user."""
    from batch_submit.operations.late_arrivals import shown_with

    return shown_with(backend, run_id, (known.application_id,) if known.application_id else ())


def decision_of(backend: Backend, known: Known, seen: list[ApplicationReport]) -> Decision:
    """What both together mean now."""
    return decide(known, seen, backend.epoch() if known.has_reserved else "")


def live_processes(services: Services, one: Try) -> tuple[int, ...]:
    """The processes of this host by which a try may still be submitted; none survives a restart of the host."""
    processes = services.processes
    if one.process_start <= 0 or processes.here().boot_id != one.boot_id:
        return ()
    return processes.may_submit_in_session(one.pid, one.process_start)


def knows_as_much(run: Run | None, held: Held) -> bool:
    """Whether this host's record tells of a run's last try what its claim does: whether an application may be there.

    That nothing was launched it tells of this host alone; and a reserved id may be posted by any.
    """
    last = run.last if run is not None else None
    if last is None or last.number < held.number:
        return False
    if last.state not in (TryState.PLANNED, TryState.NOT_SUBMITTED) or last.number > held.number:
        return True
    claim = held.claim
    return claim is None or (claim.nonce == last.nonce and not claim.application_id)


def uncertain(recorder: Recorder, claims: Claims, reason: str) -> OutcomeUnknown:
    """The error for a run of which it can't be known whether an application comes."""
    run = recorder.run
    last = run.last
    host = last.host if last is not None and last.host else run.host
    record = f"record: {recorder.ledger.folder / (run.run_id + '.json')}, written on host {host}"
    return OutcomeUnknown(
        f"run {run.run_id}: {reason}; an application may be running",
        details=claims.lines() or [record],
        next_step=f"run the same command on that host, which may know more; or look for the tag run:{run.run_id} on the"
        f" cluster, and then decide: batch-submit resolve {run.run_id} --application ID | --not-submitted",
    )


def adopted(recorder: Recorder, decision: Decision) -> str:
    """What the record says of an application that shows although its try was given up; "" for any other."""
    one = next((each for each in recorder.run.tries if each.number == decision.number), None)
    if one is None or one.state is not TryState.NOT_SUBMITTED:
        return ""
    text = f"{decision.application_id} arrived late, after try {one.number} was given up ({one.reason}): adopted"
    recorder.terminal.note(f"run {recorder.run.run_id}: {text}")
    return text


def record_ended_tries(recorder: Recorder, seen: list[ApplicationReport]) -> None:
    """Write down how earlier tries ended that nobody was watching, before there is a newer one."""
    for report in seen:
        verdict, number = judge(report), try_number_of(report)
        known = recorder.run.try_of(number)
        if verdict is not None and known is not None and known.state is not TryState.FINISHED:
            recorder.finished(verdict, number)
