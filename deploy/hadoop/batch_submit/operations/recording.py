"""Writing a run's record. That it can't be written is one loud warning, and work goes on as long as a run can't be
launched twice for want of it; see :func:`refuse_without_record`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from batch_submit.adapters.run_logging import mask_text
from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import BatchSubmitError, HostNotReady
from batch_submit.ledger import Ledger, LedgerTooNew, LedgerUnwritable, Run, Try, TryState
from batch_submit.model import ApplicationReport, Verdict
from batch_submit.plan.command import plan_json
from batch_submit.plan.resume import Known
from batch_submit.plan.secrets import mask, mask_arguments
from batch_submit.plan.submission import SubmissionPlan
from batch_submit.services import Clock


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


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
    """

    ledger: Ledger
    clock: Clock
    terminal: Terminal
    run: Run
    needs_record: bool = True

    def plan_try(self, plan: SubmissionPlan, number: int, claim: str = "", why: str = "") -> None:
        """Record a new try as PLANNED; `claim` says where it is claimed, or why it is not, `why` what it is a retry of.

        Raises
        ------
        HostNotReady
            When the record can't be written, and the run needs one.
        """
        planned, at, shown = TryState.PLANNED, self._now(), mask_arguments(plan.argv)
        one = Try(number, planned, at, claim=claim, why=why, plan=recorded_plan(plan)).passed(planned.value, at)
        self._write(lambda run: replace(run, argv=shown).with_try(one), must=True)

    def launching(self, number: int) -> None:
        """Record that a launch is about to happen."""
        self._change(number, must=True, state=TryState.LAUNCHING)

    def started(self, number: int, pid: int) -> None:
        """The launcher's child runs."""
        self._change(number, pid=pid)

    def reserved(self, number: int, application_id: str) -> None:
        """An application id is reserved for a try that is about to be posted.

        Raises
        ------
        HostNotReady
            When that can't be written down, and the run needs it: nothing is posted then.
        """
        self._change(number, must=True, application_id=application_id)

    def submitted(self, number: int, application_id: str) -> None:
        """The application id is known."""
        self._change(number, state=TryState.SUBMITTED, application_id=application_id)

    def not_submitted(self, number: int, reason: str) -> None:
        """The launch is known to have led to no application: an id that was reserved for it is nobody's."""
        self._change(number, state=TryState.NOT_SUBMITTED, reason=mask_text(reason), application_id="")

    def seen(self, report: ApplicationReport) -> None:
        """YARN's state while it lives, when it has changed."""
        one = self._of_application(self.run, report.application_id)
        if one is not None and one.passed(report.state.value, "") is not one:
            self._change(
                one.number,
                passed=report.state.value,
                tracking_url=report.tracking_url or one.tracking_url,
                logs_url=report.am_container_logs or one.logs_url,
            )

    def finished(self, verdict: Verdict, number: int = 0) -> None:
        """A verdict from a terminal state; ``number`` 0 means the newest try of that application."""
        one = self._of_application(self.run, verdict.application_id)
        last = self.run.last
        report = verdict.report or ApplicationReport(verdict.application_id)
        urls = {"tracking_url": report.tracking_url, "logs_url": report.am_container_logs}
        self._change(
            number or (one.number if one is not None else last.number if last is not None else 1),
            state=TryState.FINISHED,
            detail=verdict.result.value,
            application_id=verdict.application_id,
            result=verdict.result.value,
            exit_code=int(verdict.exit_code),
            yarn_state=verdict.state.value,
            final_status=verdict.final_status.value,
            reason=mask_text(verdict.reason[:2000]),
            finished_at=self._now(),
            memory_seconds=report.memory_seconds,
            vcore_seconds=report.vcore_seconds,
            **{name: url for name, url in urls.items() if url},  # type: ignore[arg-type]
        )

    def diagnosed(self, application_id: str, rule: str, cause: str) -> None:
        """Why it ended badly, as far as that is known now."""
        one = self._of_application(self.run, application_id)
        if one is not None and (one.rule, one.cause) != (rule, mask_text(cause)):
            self._change(one.number, rule=rule, cause=mask_text(cause))

    @staticmethod
    def _of_application(run: Run, application_id: str) -> Try | None:
        """The newest try of an application: on backend local all tries of a run share one id."""
        return next((one for one in reversed(run.tries) if one.application_id == application_id), None)

    def _now(self) -> str:
        return stamp(self.clock.now_utc())

    def _change(
        self,
        number: int,
        *,
        must: bool = False,
        state: TryState | None = None,
        detail: str = "",
        passed: str = "",
        **fields: object,
    ) -> None:
        """Change one try of the record as it is now: another process may have added a newer try meanwhile.

        Parameters
        ----------
        passed
            A state for its history only.
        """
        at = self._now()

        def change(run: Run) -> Run:
            one = run.try_of(number) or Try(number, TryState.PLANNED, at)
            if state is not None:
                fields["state"] = state
            through = passed or (state.value if state is not None else "")
            one = replace(one, **fields)  # type: ignore[arg-type]
            return run.with_try(one.passed(through, at, detail) if through else one)

        self._write(change, must=must)

    def _write(self, change: Callable[[Run], Run], *, must: bool) -> None:
        """Write it down. Where it can't be, this process goes on with what it knows, unless it must be on record."""
        try:
            self.run = self.ledger.update(self.run, change)
        except LedgerUnwritable as error:
            self.run = change(self.run)
            if must and self.needs_record:
                raise HostNotReady(error.message, where=error.where, next_step=error.next_step) from error
            self._tell(error)
        except LedgerTooNew as error:
            if must:
                raise
            self.run = change(self.run)
            self._tell(error)

    def _tell(self, error: BatchSubmitError) -> None:
        last = self.run.last
        what = f" ({last.application_id} goes on)" if last is not None and last.application_id else ""
        self.ledger.tell(f"{error.where}: {error.message}; going on without the record{what}")


def recorded_plan(plan: SubmissionPlan) -> dict[str, Any]:
    """A plan as it is recorded: what a dry run shows, without the values of secrets wherever they stand."""
    told = plan_json(plan)
    told["argv"] = list(mask_arguments(plan.argv))
    masked = mask("", told)
    assert isinstance(masked, dict)
    return {**masked, "secret_keys": sorted(plan.secrets)}


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
