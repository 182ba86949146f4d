"""Applications of a run that show after their try was given up: ended, and the record says so."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, NotFound, OutcomeUnknown
from batch_submit.model import ApplicationReport, Result, judge
from batch_submit.operations.recording import Recorder
from batch_submit.operations.watch import kill_and_confirm
from batch_submit.plan.resume import superfluous, try_number_of
from batch_submit.plan.tags import run_tag
from batch_submit.services import Services

#: How often a wait looks for applications beside the one that it waits for; each look lists what carries the run's tag.
LOOK_S = 15.0


def end_superfluous(
    services: Services,
    backend: Backend,
    recorder: Recorder,
    seen: Sequence[ApplicationReport],
    stop: Callable[[], bool] = lambda: False,
) -> None:
    """Kill those applications of a run that must not live beside another one.

    Raises
    ------
    OutcomeUnknown
        One was not seen to end.
    """
    extra = superfluous(seen)
    ids = {one.application_id for one in extra}
    kept = next((one for one in seen if one.application_id not in ids and judge(one) is None), None)
    kept = kept or next((one for one in seen if one.application_id not in ids and succeeded(one)), None)
    beside = f"{kept.application_id} (try {try_number_of(kept)})" if kept is not None else "another one"
    for one in extra:
        number = try_number_of(one)
        why = f"ended by this tool: a run has one application, and {beside} is this run's"
        services.terminal.warn(
            f"run {recorder.run.run_id}: {one.application_id} (try {number}) lives beside {beside}: killing it"
        )
        try:
            verdict = kill_and_confirm(backend, one.application_id, services.clock, stop=stop)
        except BatchSubmitError as error:
            raise _unable(recorder, one, [error.message, *error.details]) from error
        if verdict is None:
            raise _unable(recorder, one, ["it was asked to end and has not yet"])
        recorder.finished(verdict, number, why if verdict.result is Result.KILLED else "")
        backend.after_failure(one.application_id)


def shown_with(backend: Backend, run_id: str, application_ids: Sequence[str]) -> list[ApplicationReport]:
    """What the cluster shows of a run under its tag, for our own user, and of these applications, whosever they are."""
    seen = backend.find_run(run_id)
    for application_id in application_ids:
        if all(one.application_id != application_id for one in seen):
            with contextlib.suppress(NotFound):
                seen = [backend.report(application_id), *seen]
    return seen


def shown_beside(backend: Backend, run_id: str, claimed: Sequence[str]) -> list[ApplicationReport]:
    """The same of ids that claims of other tries name; only what carries the run's tag is the run's."""
    return [one for one in shown_with(backend, run_id, claimed) if run_tag(run_id) in one.tags]


def succeeded(report: ApplicationReport) -> bool:
    """Whether an application has ended well."""
    verdict = judge(report)
    return verdict is not None and verdict.result is Result.SUCCEEDED


def _unable(recorder: Recorder, one: ApplicationReport, details: Sequence[str]) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"run {recorder.run.run_id} has two live applications, and {one.application_id} could not be ended",
        details=details,
        next_step=f"batch-submit kill {one.application_id}, then run the same command again",
    )


@dataclass
class Beside:
    """Looks, while one application of a run is waited for, whether another one lives beside it.

    Only an earlier try's that was given up can, so that a run of one try is not looked at until its application has
    ended (:meth:`last_look`): another host may have repeated it, and then this host's record does not tell.

    Parameters
    ----------
    passed_over
        This try itself was given up before it was accepted, so that a newer one may come beside it.
    claimed
        The applications that claims name of other tries: those of other users, which no lookup by the tag shows us.
    """

    services: Services
    backend: Backend
    recorder: Recorder
    passed_over: bool = False
    claimed: Callable[[], Sequence[str]] = tuple
    _looked: float = float("-inf")

    def look(self) -> None:
        """Look if it is time to; an outage is no reason to stop waiting."""
        clock = self.services.clock
        if not self.has_more or clock.monotonic() - self._looked < LOOK_S:
            return
        self._looked = clock.monotonic()
        try:
            self.last_look()
        except BatchSubmitError as error:
            self.services.terminal.warn(f"{error.message}; looking again in {LOOK_S:.0f} s")

    @property
    def has_more(self) -> bool:
        """Whether the run may have another live application than that of its newest try on this host's record."""
        run = self.recorder.run
        return self.passed_over or len(run.tries) > 1 or (run.last is not None and run.last.number > 1)

    def last_look(self) -> list[ApplicationReport]:
        """The applications of the run, but for those that must not live beside another one, which are ended.

        Raises
        ------
        BatchSubmitError
            The cluster can't be asked, or one of them can't be ended.
        """
        seen = shown_beside(self.backend, self.recorder.run.run_id, self.claimed())
        extra = {one.application_id for one in superfluous(seen)}
        if extra:
            end_superfluous(self.services, self.backend, self.recorder, seen)
        return [one for one in seen if one.application_id not in extra]
