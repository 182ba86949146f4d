"""Further tries by the record: which calls may make one, when it is due, and that the run was killed before it.

A call with ``--retries`` says so on the try that it waits for, with its plan. So whoever sees a bad end knows that
it may not be the run's, and a kill reaches the try that is not there yet: its mark and the plan of the next try are
changes of one record, one after the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import Result
from batch_submit.operations.recording import Recorder, stamp
from batch_submit.operations.stopped_runs import newest_made
from batch_submit.plan.resume import Here
from batch_submit.services import Services

_HERE = ("host", "machine", "boot_id", "namespace")


@dataclass(frozen=True)
class NextTry:
    """A try that may follow the newest one on record.

    Parameters
    ----------
    number
        Which one.
    due_at
        When; "" while the call that would make it has not decided.
    who
        The process of that call, and where its host is another one, that.
    is_seen
        That process was seen alive; else it can't be looked at from here.
    """

    number: int
    due_at: str
    who: str
    is_seen: bool

    @property
    def told(self) -> str:
        """For people."""
        when = f"is due at {self.due_at}" if self.due_at else "may follow"
        return f"try {self.number} {when} ({self.who} makes it)"


def next_try_of(services: Services, run: Run | None, number: int = 0) -> NextTry | None:
    """The try that a living call may make after one of a run; ``None``: there is no such call, or the run was killed.

    Parameters
    ----------
    number
        The try before it; 0 is the newest that was not given up before it had an application.
    """
    one = (run.try_of(number) if number else newest_made(run)) if run is not None else None
    if one is None or one.stopped_by or not one.retried_by:
        return None
    found = [(program, _lives(services, program)) for program in one.retried_by]
    program = next((program for program, lives in found if lives), None)
    is_seen = program is not None
    program = program or next((program for program, lives in found if lives is None), None)
    if program is None:
        return None
    who = f"process {program.get('pid')}" + ("" if is_seen else f" on host {program.get('host')}, not seen from here")
    return NextTry(one.number + 1, one.again_at, who, is_seen)


def _lives(services: Services, program: dict[str, Any]) -> bool | None:
    """Whether a call lives; ``None``: its process can't be looked at from here."""
    here, there = services.processes.here(), Here(*(str(program.get(name, "")) for name in _HERE))
    if not here.sees(there):
        return None
    pid, start = int(program.get("pid") or 0), int(program.get("start") or 0)
    return here.boot_id == there.boot_id and start > 0 and services.processes.lives(pid, start)


def is_ours(services: Services, one: Try | None) -> bool:
    """Whether this call itself may make the try after this one."""
    return one is not None and bool(one.retried_by) and this_call(services) in one.retried_by


def announce(services: Services, recorder: Recorder | None, application_id: str) -> None:
    """This call makes a further try if the one of this application fails so that it is worth it.

    Of a try that it plans itself the plan has said so (`Recorder.retried_by`).
    """
    ours, number = this_call(services), number_of(recorder, application_id)
    known = recorder.run.try_of(number) if recorder is not None else None
    if known is not None and ours in known.retried_by:
        return
    _note(
        recorder,
        number,
        lambda one: one if ours in one.retried_by else replace(one, retried_by=[*one.retried_by, ours]),
    )


def back_off(services: Services, recorder: Recorder | None, number: int, wait_s: float) -> None:
    """This call makes the next try in so many seconds."""
    now = services.clock.now_utc()
    due_at = stamp(now + timedelta(seconds=wait_s))
    detail = f"try {number + 1} is due at {due_at}"

    def change(one: Try) -> Try:
        return replace(one, again_at=due_at).passed(TryState.FINISHED.value, stamp(now), detail)

    _note(recorder, number, change)


def withdraw(services: Services, recorder: Recorder | None, number: int) -> None:
    """This call makes no further try after this one, or has made it."""
    ours = this_call(services)
    _note(recorder, number, lambda one: replace(one, retried_by=[each for each in one.retried_by if each != ours]))


def stop(services: Services, recorder: Recorder, number: int, by: str) -> NextTry | None:
    """End a run that waits for its next try, so that none is made any more; which one that would have been.

    Only a try that has failed is followed by another: one that lives, was killed or has succeeded gets no mark.

    Parameters
    ----------
    number
        The newest try that the caller knows of, and has dealt with.

    Returns
    -------
    NextTry or None
        ``None``: no call makes one, as the record is now; or a newer try is on it (`recorder.run` has it then), which
        is to be ended itself.

    Raises
    ------
    HostNotReady
        That can't be written down: nothing was ended.
    """
    stopped: list[NextTry] = []

    def change(run: Run) -> Run:
        one, coming = newest_made(run), next_try_of(services, run)
        if run.last is None or run.last.number != number or one is None or coming is None:
            return run
        if (one.state, one.result) != (TryState.FINISHED, Result.FAILED.value):
            return run
        stopped.append(coming)
        at = stamp(services.clock.now_utc())
        one = replace(one, stopped_by=by, stopped_at=at)
        return run.with_try(one.passed(TryState.FINISHED.value, at, f"killed by {by}: no further try"))

    recorder.note(change, must=True)
    return stopped[-1] if stopped else None


def number_of(recorder: Recorder | None, application_id: str) -> int:
    """The newest try on record of an application, else the newest try; 0 without one."""
    tries = recorder.run.tries if recorder is not None else ()
    own = [one.number for one in tries if one.application_id == application_id]
    return own[-1] if own else (tries[-1].number if tries else 0)


def _note(recorder: Recorder | None, number: int, change: Callable[[Try], Try]) -> None:
    if recorder is None:
        return

    def on_record(run: Run) -> Run:
        one = run.try_of(number)
        return run if one is None else run.with_try(change(one))

    recorder.note(on_record)


def this_call(services: Services) -> dict[str, Any]:
    """What tells this process from any other, as it stands on record."""
    pid = os.getpid()
    return {"pid": pid, "start": services.processes.start_of(pid), **asdict(services.processes.here())}
