"""Writing a run's record. That it can't be written is one loud warning, and work goes on as long as a run can't be
launched twice for want of it; see :func:`refuse_without_record`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from batch_submit.adapters.run_logging import mask_text
from batch_submit.adapters.terminal import Terminal
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, HostNotReady, OutcomeUnknown
from batch_submit.ledger import Ledger, LedgerTooNew, LedgerUnwritable, Run, Try, TryState
from batch_submit.model import ApplicationReport, Result, Verdict
from batch_submit.operations.stopped_runs import refuse_stopped
from batch_submit.plan.command import plan_json
from batch_submit.plan.resume import Here, Known, Marks
from batch_submit.plan.run_states import Event, after
from batch_submit.plan.secrets import mask, mask_arguments
from batch_submit.plan.submission import SubmissionPlan
from batch_submit.services import Clock


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


#: The event that adds to what is known although the state stays as it is.
_SAYS = {
    TryState.LAUNCHING: Event.LAUNCH,
    TryState.SUBMITTED: Event.ACCEPT,
    TryState.NOT_SUBMITTED: Event.DISMISS,
    TryState.FINISHED: Event.END,
}


@dataclass(frozen=True)
class Program:
    """A process that leads a session, as it is told from any other for good."""

    pid: int
    start: int
    here: Here


def refuse_without_record(ledger: Ledger, run_id: str, *, needs_record: bool) -> None:
    """Nothing is launched on the word of a ledger that can't be relied on, where nothing else tells two calls apart.

    Parameters
    ----------
    needs_record
        The run id was given and is not claimed in the cluster: only the record knows whether it was used before. A
        random run id is nobody else's, and a claim is every host's record.

    Raises
    ------
    HostNotReady
        Such a run, such a ledger.
    """
    if needs_record and ledger.trouble:
        raise HostNotReady(
            f"the ledger can't be used ({ledger.trouble}), and run {run_id} is not claimed in the cluster: whether it"
            " was submitted before can't be known",
            where=str(ledger.folder),
            next_step="mend the ledger (batch-submit ledger check), or submit with a claim",
        )


@dataclass
class Recorder:
    """One run's record and its newest try.

    Parameters
    ----------
    needs_record
        Nothing may be launched unless it is recorded; see :func:`refuse_without_record`.
    retried_by
        This call, where it makes a further try of a run that fails: so say the tries that it plans, from then on.
    """

    ledger: Ledger
    clock: Clock
    terminal: Terminal
    run: Run
    needs_record: bool = True
    retried_by: Sequence[dict[str, Any]] = ()
    _is_planned: bool = False

    def plan_try(self, plan: SubmissionPlan, number: int, claim: str = "", nonce: str = "", why: str = "") -> None:
        """Record a try as PLANNED, new or once more: nothing of it is launched before a later step is recorded.

        Parameters
        ----------
        claim
            Where it is claimed, or why it is not.
        nonce
            By which its claims are ours.
        why
            Of a retry: what ended the try before it.

        Raises
        ------
        HostNotReady
            When the record can't be written, and the run needs one.
        OutcomeUnknown
            It is on record that it may have been launched.
        RunKilled
            A retry, and somebody has ended the run meanwhile.
        """
        planned, at, shown = TryState.PLANNED, self._now(), mask_arguments(plan.argv)
        one = Try(number, planned, at, claim=claim, why=why, plan=recorded_plan(plan), nonce=nonce)
        one = replace(one, retried_by=[*self.retried_by])

        def change(run: Run) -> Run:
            before = run.try_of(number)
            if why:
                refuse_stopped(run, number)  # with the record in hand: a kill comes before this or finds this try
            now = replace(run, argv=shown, queue=plan.spec.queue, timeout_s=plan.spec.timeout_s)
            return now.with_try(_planned_again(run, before, one) if before else one.passed(planned.value, at))

        self._is_planned = self._write(change, must=True)

    def at_gate(self, number: int, program: Program, marks: Marks) -> None:
        """A program that submits stands at its gate; once this is written down it may run.

        Raises
        ------
        HostNotReady
            When that can't be written down, and the run needs it, or its record would go on to say PLANNED: a repeat
            takes that for "nothing was launched".
        """
        here = program.here
        self._change(
            number,
            Event.LAUNCH,
            must=True,
            strictly=self._is_planned,
            pid=program.pid,
            process_start=program.start,
            host=here.host,
            machine=here.machine,
            boot_id=here.boot_id,
            pid_namespace=here.namespace,
            epoch=marks.epoch,
            submitted_before=marks.submitted,
        )

    def reserved(self, number: int, application_id: str) -> None:
        """An application id is reserved for a try that is about to be posted.

        Raises
        ------
        HostNotReady
            When that can't be written down, and the run needs it: nothing is posted then.
        """
        self._change(number, Event.LAUNCH, must=True, application_id=application_id)

    def submitted(self, number: int, application_id: str, reason: str = "") -> None:
        """The application id is known."""
        more: dict[str, Any] = {"reason": reason} if reason else {}
        self._change(number, Event.ACCEPT, application_id=application_id, **more)

    def limited(self, application_id: str, timeout_s: float) -> None:
        """This call gives an application a time limit; who waits for it later goes by that."""

        def change(run: Run) -> Run:
            one, run = self._of_application(run, application_id), replace(run, timeout_s=timeout_s)
            return run.with_try(replace(one, timeout_s=timeout_s)) if one is not None else run

        if self.run.limit_s(application_id) != timeout_s:
            self.note(change)

    def not_submitted(self, number: int, reason: str) -> None:
        """The launch is known to have led to no application: an id that was reserved for it is nobody's."""
        self._change(number, Event.GIVE_UP, reason=mask_text(reason), application_id="", retried_by=[])

    def decided(self, number: int, event: Event, by: str, reason: str, application_id: str = "") -> None:
        """A person decided what became of a try: `Event.DISMISS` or `Event.ACCEPT`.

        Raises
        ------
        HostNotReady
            When that can't be written down: it is not decided then.
        """
        self._change(
            number,
            event,
            must=True,
            strictly=True,
            application_id=application_id,
            reason=reason,
            decided_by=by,
            decided_at=self._now(),
        )

    def seen(self, report: ApplicationReport) -> None:
        """YARN's state while it lives, when it has changed."""
        one = self._of_application(self.run, report.application_id)
        if one is not None and one.passed(report.state.value, "") is not one:
            self._change(
                one.number,
                None,
                passed=report.state.value,
                tracking_url=report.tracking_url or one.tracking_url,
                logs_url=report.am_container_logs or one.logs_url,
            )

    def finished(self, verdict: Verdict, number: int = 0, why: str = "") -> None:
        """A verdict from a terminal state. The first end on record stays: one that differs is added to its history.

        Parameters
        ----------
        number
            0 means the newest try of that application.
        why
            Stands in the record before the cluster's own words. An end with a reason of ours, or a person's, takes the
            place of one that was seen before: it tells what was decided since.
        """
        one = self._of_application(self.run, verdict.application_id)
        last = self.run.last
        report = verdict.report or ApplicationReport(verdict.application_id)
        urls = {"tracking_url": report.tracking_url, "logs_url": report.am_container_logs}
        number = number or (one.number if one is not None else last.number if last is not None else 1)
        if any(each.number == number and _is_end_of(each, verdict) for each in self.run.tries):
            return  # it is on record, perhaps with a reason of ours
        self._change(
            number,
            Event.END,
            detail=verdict.result.value,
            replaces=bool(why),
            application_id=verdict.application_id,
            result=verdict.result.value,
            exit_code=int(verdict.exit_code),
            yarn_state=verdict.state.value,
            final_status=verdict.final_status.value,
            reason=mask_text("; ".join(filter(None, (why, verdict.reason)))[:2000]),
            finished_at=self._now(),
            memory_seconds=report.memory_seconds,
            vcore_seconds=report.vcore_seconds,
            **{name: url for name, url in urls.items() if url},  # type: ignore[arg-type]
        )

    def diagnosed(self, application_id: str, rule: str, cause: str) -> None:
        """Why it ended badly, as far as that is known now."""
        one = self._of_application(self.run, application_id)
        if one is not None and (one.rule, one.cause) != (rule, mask_text(cause)):
            self._change(one.number, None, rule=rule, cause=mask_text(cause))

    def note(self, change: Callable[[Run], Run], *, must: bool = False) -> Run:
        """Change what stands beside the states of a run, as it is on record now; the run as it is then.

        Raises
        ------
        HostNotReady
            With `must`, when it can't be written down.
        """
        self._write(change, must=must, strictly=must)
        return self.run

    @staticmethod
    def _of_application(run: Run, application_id: str) -> Try | None:
        """The newest try of an application: on backend local all tries of a run share one id."""
        return next((one for one in reversed(run.tries) if one.application_id == application_id), None)

    def _now(self) -> str:
        return stamp(self.clock.now_utc())

    def _change(
        self,
        number: int,
        event: Event | None,
        *,
        must: bool = False,
        strictly: bool = False,
        detail: str = "",
        passed: str = "",
        replaces: bool = False,
        **fields: object,
    ) -> None:
        """Change one try of the record as it is now: another process may have added a newer try meanwhile.

        Parameters
        ----------
        event
            What happened to it; ``None`` leaves its state.
        passed
            A state for its history only.
        replaces
            This end counts more than one that is on record.
        """
        at = self._now()

        def change(run: Run) -> Run:
            one = run.try_of(number) or Try(number, TryState.PLANNED, at)
            state = after(one.state, event) if event is not None else one.state
            if event is not None and state is one.state and event is not _SAYS.get(state):
                return run  # what is known says more than the event
            if event is Event.END and one.state is TryState.FINISHED and one.result and not replaces:
                return run.with_try(_looked_at_later(one, at, fields))
            one = replace(one, **{**fields, "state": state})  # type: ignore[arg-type]
            through = passed or (state.value if event is not None else "")
            return run.with_try(one.passed(through, at, detail) if through else one)

        self._write(change, must=must, strictly=strictly)

    def _write(self, change: Callable[[Run], Run], *, must: bool, strictly: bool = False) -> bool:
        """Write it down, and whether that was done.

        Where it can't be, this process goes on with what it knows, unless it must be on record: of a run that needs
        one, or with `strictly` of any.
        """
        try:
            self.run = self.ledger.update(self.run, change)
        except LedgerUnwritable as error:
            self.run = change(self.run)
            if must and (self.needs_record or strictly):
                raise HostNotReady(error.message, where=error.where, next_step=error.next_step) from error
            self._tell(error)
            return False
        except LedgerTooNew as error:
            if must:
                raise
            self.run = change(self.run)
            self._tell(error)
            return False
        return True

    def _tell(self, error: BatchSubmitError) -> None:
        last = self.run.last
        what = f" ({last.application_id} goes on)" if last is not None and last.application_id else ""
        self.ledger.tell(f"{error.where}: {error.message}; going on without the record{what}")


def _planned_again(run: Run, before: Try, one: Try) -> Try:
    """A try's new plan with what its record has told so far: nothing of that is lost."""
    if after(before.state, Event.REPLAN) is not TryState.PLANNED:
        raise OutcomeUnknown(
            f"run {run.run_id}: try {one.number} can't be planned again: its record says {before.state.value}",
            next_step="run the same command again with the same run id: it finds out what became of that try",
        )
    detail = "; ".join(filter(None, ("planned again", before.reason)))
    return replace(one, history=before.history).passed(TryState.PLANNED.value, one.planned_at, detail)


def recorded_plan(plan: SubmissionPlan) -> dict[str, Any]:
    """A plan as it is recorded: what a dry run shows, without the values of secrets wherever they stand."""
    told = plan_json(plan)
    told["argv"] = list(mask_arguments(plan.argv))
    masked = mask("", told)
    assert isinstance(masked, dict)
    return {**masked, "secret_keys": sorted(plan.secrets)}


def _looked_at_later(one: Try, at: str, seen: Mapping[str, object]) -> Try:
    """A try whose end is on record, with what a later look says of it, if that is something else."""
    if (one.application_id, one.result) == (seen["application_id"], seen["result"]):
        return one
    of = f" of {seen['application_id']}" if seen["application_id"] != one.application_id else ""
    detail = f"a later look: {seen['result']}{of} ({seen['yarn_state']}/{seen['final_status']})"
    if any(line.detail == detail for line in one.history):
        return one
    return one.passed(TryState.FINISHED.value, at, detail)


def _is_end_of(one: Try, verdict: Verdict) -> bool:
    ended = one.state is TryState.FINISHED
    return ended and (one.application_id, one.result) == (verdict.application_id, verdict.result.value)


def known_of(run: Run | None, here: Here | None = None) -> Known:
    """What a record says of its last try; of an earlier one only its success, which no later one changes.

    Parameters
    ----------
    here
        This host, where its processes may be looked at.
    """
    last = run.last if run is not None else None
    if run is None or last is None:
        return Known()
    for one in run.tries:
        if one.state is TryState.FINISHED and one.result == Result.SUCCEEDED.value:
            return Known(last.number, application_id=one.application_id, result=one.result)
    launching = last.state is TryState.LAUNCHING
    there = Here(last.host, last.machine, last.boot_id, last.pid_namespace)
    return Known(
        number=last.number,
        may_have_launched=launching,
        application_id=last.application_id,
        result=last.result if last.state is TryState.FINISHED else "",
        can_look=launching and last.process_start > 0 and here is not None and here.sees(there),
        nonce=last.nonce,
        host=last.host,
    )
