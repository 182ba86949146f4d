"""Trying a run again after an infrastructure failure: say why, wait, submit the next try of the same run."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.errors import BatchSubmitError, ClusterUnreachable, Interrupted, OutcomeUnknown, RunKilled
from batch_submit.model import Result
from batch_submit.operations import retry_marks
from batch_submit.operations.context import Context
from batch_submit.operations.stopped_runs import refuse_stopped
from batch_submit.plan.retries import Again, RetryPolicy, back_off_s, decide_again, reason_of
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.units import format_duration

if TYPE_CHECKING:
    from batch_submit.adapters.clock import Signals
    from batch_submit.operations.submit import Ended

_JITTER_LETTERS = 4
#: How often a call that waits for its next try looks whether somebody has killed the run.
_LOOK_S = 2.0


def try_again(
    context: Context,
    policy: RetryPolicy,
    signals: Signals,
    ended: Ended,
    make_try: Callable[[Again], Ended],
    *,
    patience_s: float,
) -> Ended:
    """Make further tries while the policy allows it and their ends are worth it; the end of the last one.

    Parameters
    ----------
    make_try
        Submits the next try of this run, unless somebody else has, and waits for its end.
    patience_s
        How long the cluster may be away when a try is to be submitted.

    Raises
    ------
    OutcomeUnknown, Interrupted
        It is not known whether the next try was submitted; a signal came, and it was not by this call.

    Notes
    -----
    While it waits its record says so (`retry_marks`). A run that is killed then has been killed: exit code 6.
    """
    made, raised = 0, dict[str, Sourced]()
    try:
        while not signals.received:
            decided = _worth_it(context, policy, ended, made)
            if decided is None:
                return ended
            again, wait_s = decided
            raised |= again.conf  # what one try got more than the one before, all that follow have too
            again = replace(again, conf={**raised})
            retry_marks.back_off(context.services, ended.accepted.recorder, _number(ended), wait_s)
            if not _waited(context, signals, ended, wait_s):
                return _stopped(context, signals, ended)
            made += 1
            after = _next(context, signals, ended, again, make_try, patience_s, policy.wait_s)
            if after is None:
                return _stopped(context, signals, ended) if signals.received else ended
            ended = after
        return ended
    except RunKilled as killed:
        return _killed(context, ended, killed)
    finally:
        retry_marks.withdraw(context.services, ended.accepted.recorder, _number(ended))


def _worth_it(context: Context, policy: RetryPolicy, ended: Ended, made: int) -> tuple[Again, float] | None:
    """The next try and the seconds until then; ``None``: there is none, and where that has to be said, why."""
    terminal = context.services.terminal
    reason = reason_of(ended.verdict, ended.rule, ended.quoted) if ended.verdict is not None else None
    if reason is None:
        return None
    decided = decide_again(policy, made, reason, ended.spec.conf, context.config.section("resource_limits"))
    if isinstance(decided, str):
        terminal.note(decided)
        return None
    wait_s = back_off_s(policy.wait_s, made, _fraction(context))
    left_s = ended.wait_left_s
    if left_s is not None and wait_s >= left_s:
        terminal.note(f"not tried again: --wait-timeout leaves {format_duration(round(max(0.0, left_s)))}")
        return None
    terminal.note(
        f"try {made + 2} of {policy.retries + 1} in {format_duration(round(wait_s) or wait_s)}: {decided.why}"
    )
    return decided, wait_s


def _number(ended: Ended) -> int:
    return retry_marks.number_of(ended.accepted.recorder, ended.accepted.application_id)


def _next(
    context: Context,
    signals: Signals,
    ended: Ended,
    again: Again,
    make_try: Callable[[Again], Ended],
    patience_s: float,
    pause_s: float,
) -> Ended | None:
    """The end of the next try; ``None`` when it could not be submitted, which is said.

    What took the run along may have taken the ResourceManager too: that it is away is waited out.
    """
    terminal, clock = context.services.terminal, context.services.clock
    deadline = clock.monotonic() + patience_s
    while True:
        try:
            return make_try(again)
        except (OutcomeUnknown, RunKilled):
            raise
        except ClusterUnreachable as error:
            left_s = deadline - clock.monotonic()
            if left_s <= 0:
                _not_submitted(context, ended, error)
                return None
            terminal.warn(f"the next try could not be submitted: {error.message}; once more in a moment")
            if not _waited(context, signals, ended, min(pause_s, left_s)):
                return None
        except Interrupted as stopped:
            # Not in our own back-off: another call may hold the run's lock and be submitting it, or an earlier call's
            # program may. What the error says of that is all that is known.
            if stopped.message == Interrupted(signals.first).message:
                stopped.message = "interrupted; this call submitted no further try"
            last = f"run {ended.spec.run_id}: its last try that ended was {ended.accepted.application_id}"
            stopped.details = (*stopped.details, last)
            stopped.next_step = stopped.next_step or f"batch-submit status {ended.spec.run_id}"
            raise
        except BatchSubmitError as error:
            _not_submitted(context, ended, error)
            return None


def _not_submitted(context: Context, ended: Ended, error: BatchSubmitError) -> None:
    head, *rest = error.lines()
    told = f"run {ended.spec.run_id}: no further try was submitted; the exit code is that of its last one"
    context.services.terminal.error([head, *rest, f"  {told}"])


def _waited(context: Context, signals: Signals, ended: Ended, seconds: float) -> bool:
    """Wait that long; ``False`` when a signal came.

    Raises
    ------
    RunKilled
        Somebody has ended the run meanwhile.
    """
    clock = context.services.clock
    deadline = clock.monotonic() + seconds
    while not signals.received:
        _refuse_killed(ended)
        left_s = deadline - clock.monotonic()
        if left_s <= 0:
            return True
        clock.sleep(min(left_s, _LOOK_S))
    return False


def _refuse_killed(ended: Ended) -> None:
    recorder = ended.accepted.recorder
    if recorder is None:
        return
    try:
        run = recorder.ledger.load(recorder.run.run_id)
    except BatchSubmitError:
        return  # it can't be read now; when the next try is planned it is looked at again
    if run is not None:
        refuse_stopped(run, _number(ended) + 1)


def _killed(context: Context, ended: Ended, killed: RunKilled) -> Ended:
    context.services.terminal.error(killed.lines())
    assert ended.verdict is not None
    verdict = replace(ended.verdict, result=Result.KILLED, reason=killed.message)
    return replace(ended, verdict=verdict, code=int(killed.exit_code))


def _stopped(context: Context, signals: Signals, ended: Ended) -> Ended:
    name = signal.Signals(signals.first).name
    context.services.terminal.note(
        f"{name}: run {ended.spec.run_id} is not tried again; {ended.accepted.application_id} has ended, and nothing"
        " else of this call runs"
    )
    return replace(ended, code=128 + signals.first)


def _fraction(context: Context) -> float:
    """Random, from 0 up to 1."""
    return int(context.services.clock.random_text(_JITTER_LETTERS), 36) / float(36**_JITTER_LETTERS)
