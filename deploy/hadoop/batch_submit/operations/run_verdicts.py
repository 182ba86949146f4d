"""From the end of one application to the verdict on its run, which may have succeeded or go on as another one.

Another call or host may have made a further try of the run since this wait began, and an earlier try that was given up
may have ended well after all. Neither has to be on this host's record.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.errors import BatchSubmitError
from batch_submit.model import ApplicationReport, Result, Verdict, judge
from batch_submit.operations.late_arrivals import Beside, succeeded
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.resume import standing_for, try_number_of

if TYPE_CHECKING:
    from batch_submit.operations.waiting import Waiting


def of_the_run(waiting: Waiting, beside: Beside | None, verdict: Verdict) -> Verdict | ApplicationReport:
    """The verdict on the run, or the application as which it goes on: that one is to be waited for.

    A killed application is the sign of a run that was taken over (the older one of two is ended), so that without an
    answer of the cluster to where it is now nobody can say that the run was killed: not known, exit code 8.
    """
    if verdict.result is Result.STILL_RUNNING or waiting.backend.name == LOCAL:
        return verdict
    if verdict.result is Result.SUCCEEDED:
        if beside is not None and beside.has_more:
            _look(waiting, beside, [])
        return verdict
    if not waiting.run_id and (beside is None or not beside.has_more):
        return verdict  # this application was asked for, and has no other one beside it by what is on record
    trouble: list[str] = []
    others = [one for one in _look(waiting, beside, trouble) if one.application_id != verdict.application_id]
    if trouble:
        return _not_known(waiting, verdict, trouble[0])
    number = _number(waiting, verdict)
    other = standing_for(others, number + 1) if number else standing_for([one for one in others if _counts(one)])
    if other is None or (not waiting.run_id and not succeeded(other)):
        return verdict
    if succeeded(other):
        return _succeeded_as(waiting, verdict, number, other)
    return _goes_on_as(waiting, verdict, other)


def _look(waiting: Waiting, beside: Beside | None, trouble: list[str]) -> list[ApplicationReport]:
    """What the cluster shows of the run, once; ``trouble`` gets why it can't be asked."""
    try:
        return beside.last_look() if beside is not None else waiting.backend.find_run(waiting.run_id)
    except BatchSubmitError as error:
        waiting.services.terminal.warn(error.message)
        trouble.append(error.message)
        return []


def _counts(report: ApplicationReport) -> bool:
    """Whether it says more than any other end of the run, whichever try it is."""
    return judge(report) is None or succeeded(report)


def _number(waiting: Waiting, verdict: Verdict) -> int:
    """Which try an application is, by its tags or this host's record; 0 when neither tells."""
    if verdict.report is not None and try_number_of(verdict.report):
        return try_number_of(verdict.report)
    tries = waiting.recorder.run.tries if waiting.recorder is not None else ()
    return next((one.number for one in reversed(tries) if one.application_id == verdict.application_id), 0)


def _not_known(waiting: Waiting, verdict: Verdict, trouble: str) -> Verdict:
    if verdict.result is not Result.KILLED or not waiting.run_id:
        return verdict
    _close(waiting, verdict)
    why = f"it was killed, and whether run {waiting.run_id} goes on as another try can't be asked: {trouble}"
    return replace(verdict, result=Result.UNKNOWN, reason=why)


def _succeeded_as(waiting: Waiting, verdict: Verdict, number: int, other: ApplicationReport) -> Verdict:
    """Another application of the run has succeeded: an earlier try's arrived late, a later one's was made since."""
    done = judge(other)
    assert done is not None
    its_number = try_number_of(other)
    late = 0 < its_number < number
    _close(waiting, verdict)
    if waiting.recorder is not None:
        waiting.recorder.finished(done, its_number, "arrived late, after it was given up" if late else "")
    how = "arrived late and succeeded" if late else f"succeeded as try {its_number}"
    waiting.services.terminal.note(
        f"{verdict.application_id}: {verdict.result.value}; the run is done: {other.application_id} {how}"
    )
    return done


def _goes_on_as(waiting: Waiting, verdict: Verdict, other: ApplicationReport) -> ApplicationReport:
    number, recorder = try_number_of(other), waiting.recorder
    waiting.services.terminal.note(
        f"{verdict.application_id}: {verdict.result.value}; run {waiting.run_id} goes on as {other.application_id}"
        f" (try {number}, {other.state.value})"
    )
    _close(waiting, verdict)
    if recorder is not None and number:
        recorder.submitted(number, other.application_id)
    return other


def _close(waiting: Waiting, verdict: Verdict) -> None:
    """Record the end of an application that is not the run's, and clean up after it."""
    if not verdict.state.terminal:
        return
    if waiting.recorder is not None:
        waiting.recorder.finished(verdict)
    for line in waiting.backend.after_failure(verdict.application_id):
        waiting.services.terminal.debug(line)
