"""The states of a try: every event has one answer in every state, and what was seen is not taken back."""

from __future__ import annotations

from itertools import product

import pytest

from batch_submit.plan.run_states import TRANSITIONS, Event, TryState, after


def test_every_event_has_an_answer_in_every_state() -> None:
    assert set(TRANSITIONS) == set(TryState)
    assert all(set(row) == set(Event) for row in TRANSITIONS.values())


@pytest.mark.parametrize("event", Event)
def test_an_end_never_changes(event: Event) -> None:
    assert after(TryState.FINISHED, event) is TryState.FINISHED


def test_nothing_that_may_have_been_launched_leads_back_to_planned() -> None:
    """PLANNED means that nothing was launched, and a repeat submits at once."""
    back = [(state, event) for state, event in product(TryState, Event) if after(state, event) is TryState.PLANNED]
    assert back == [(TryState.PLANNED, Event.REPLAN), (TryState.NOT_SUBMITTED, Event.REPLAN)]


def test_only_a_person_takes_an_accepted_application_away() -> None:
    away = {event for event in Event if after(TryState.SUBMITTED, event) is TryState.NOT_SUBMITTED}
    assert away == {Event.DISMISS}


@pytest.mark.parametrize("state", [state for state in TryState if state is not TryState.FINISHED])
def test_an_application_counts_whatever_was_concluded_before(state: TryState) -> None:
    assert after(state, Event.ACCEPT) is TryState.SUBMITTED
    assert after(state, Event.END) is TryState.FINISHED
