"""Trying a run again after an infrastructure failure: say why, wait, submit the next try of the same run."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.errors import BatchSubmitError, ClusterUnreachable, Interrupted, OutcomeUnknown
from batch_submit.operations.context import Context
from batch_submit.plan.retries import Again, RetryPolicy, back_off_s, decide_again, reason_of
from batch_submit.plan.units import format_duration

if TYPE_CHECKING:
    from batch_submit.adapters.clock import Signals
    from batch_submit.operations.submit import Ended

_JITTER_LETTERS = 4


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
    """
    terminal = context.services.terminal
    made = 0
    while not signals.received:
        reason = reason_of(ended.verdict, ended.rule, ended.quoted) if ended.verdict is not None else None
        if reason is None:
            return ended
        decided = decide_again(policy, made, reason, ended.spec.conf, context.config.section("resource_limits"))
        if isinstance(decided, str):
            terminal.note(decided)
            return ended
        wait_s = back_off_s(policy.wait_s, made, _fraction(context))
        left_s = ended.wait_left_s
        if left_s is not None and wait_s >= left_s:
            terminal.note(f"not tried again: --wait-timeout leaves {format_duration(round(max(0.0, left_s)))}")
            return ended
        terminal.note(
            f"try {made + 2} of {policy.retries + 1} in {format_duration(round(wait_s) or wait_s)}: {decided.why}"
        )
        if not _waited(context, signals, wait_s):
            return _stopped(context, signals, ended)
        made += 1
        after = _next(context, signals, ended, decided, make_try, patience_s, policy.wait_s)
        if after is None:
            return _stopped(context, signals, ended) if signals.received else ended
        ended = after
    return ended


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
        except OutcomeUnknown:
            raise
        except ClusterUnreachable as error:
            left_s = deadline - clock.monotonic()
            if left_s <= 0:
                _not_submitted(context, ended, error)
                return None
            terminal.warn(f"the next try could not be submitted: {error.message}; once more in a moment")
            if not _waited(context, signals, min(pause_s, left_s)):
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


def _waited(context: Context, signals: Signals, seconds: float) -> bool:
    """Wait that long; ``False`` when a signal came."""
    clock = context.services.clock
    deadline = clock.monotonic() + seconds
    while not signals.received and (left_s := deadline - clock.monotonic()) > 0:
        clock.sleep(left_s)
    return not signals.received


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
