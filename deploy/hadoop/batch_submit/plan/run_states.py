"""The states of a try: each transition exists once, in the table below.

What a call decides from them stands in `plan.resume`; who writes them down is `operations.recording`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class TryState(str, Enum):
    """How far one try of a run is known to have come. Each is written *before* the step it names is taken."""

    PLANNED = "PLANNED"  #: nothing was launched: no id was posted, and the gate before spark-submit is closed
    LAUNCHING = "LAUNCHING"  #: a launch may have happened: only the cluster knows
    SUBMITTED = "SUBMITTED"  #: the application id is known
    NOT_SUBMITTED = "NOT_SUBMITTED"  #: the launch is known, or was decided, to have led to no application
    FINISHED = "FINISHED"  #: a terminal state and final status were seen


class Event(str, Enum):
    """What happens to a try."""

    LAUNCH = "launch"  #: the next thing done can lead to an application
    ACCEPT = "accept"  #: an application of it is known
    GIVE_UP = "give up"  #: it is known that the launch led to nothing
    DISMISS = "dismiss"  #: a person says so
    END = "end"  #: the end of its application was seen
    REPLAN = "replan"  #: it is planned once more: nobody had the right to launch it yet


_PLANNED, _LAUNCHING, _SUBMITTED, _NOT, _FINISHED = TryState
_LAUNCH, _ACCEPT, _GIVE_UP, _DISMISS, _END, _REPLAN = Event

#: Complete: every event in every state. An end that was seen never changes; nothing but a person's word takes an
#: accepted application away; one that shows after all (a late arrival) counts whatever was concluded before. What may
#: have been launched is never PLANNED again.
TRANSITIONS: Mapping[TryState, Mapping[Event, TryState]] = {
    _PLANNED: {
        _LAUNCH: _LAUNCHING, _ACCEPT: _SUBMITTED, _GIVE_UP: _NOT, _DISMISS: _NOT, _END: _FINISHED, _REPLAN: _PLANNED
    },
    _LAUNCHING: {
        _LAUNCH: _LAUNCHING, _ACCEPT: _SUBMITTED, _GIVE_UP: _NOT, _DISMISS: _NOT, _END: _FINISHED, _REPLAN: _LAUNCHING
    },
    _SUBMITTED: {
        _LAUNCH: _SUBMITTED, _ACCEPT: _SUBMITTED, _GIVE_UP: _SUBMITTED, _DISMISS: _NOT, _END: _FINISHED,
        _REPLAN: _SUBMITTED,
    },
    # Launched again: over REST a refused id is posted again, for another host may be posting it. Planned again: the
    # host was not ready, and the right to launch it had not been claimed.
    _NOT: {
        _LAUNCH: _LAUNCHING, _ACCEPT: _SUBMITTED, _GIVE_UP: _NOT, _DISMISS: _NOT, _END: _FINISHED, _REPLAN: _PLANNED
    },
    _FINISHED: dict.fromkeys(Event, _FINISHED),
}  # fmt: skip


def after(state: TryState, event: Event) -> TryState:
    """The state that follows."""
    return TRANSITIONS[state][event]
