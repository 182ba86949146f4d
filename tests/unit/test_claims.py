"""Claims: what the files of a run tell, and that no two hosts can take two roads from the same files."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.plan.claims import Claim, Held, Step, known_of_both, most_telling, newest
from batch_submit.plan.resume import Action, Known, decide

EPOCH = "1700000000000"
OURS, THEIRS = f"application_{EPOCH}_0007", f"application_{EPOCH}_0008"
CLAIM = Claim("nightly", 1, Step.RESERVED, "n1", "edge-1", "etl", "2026-01-31T02:00:00Z", "2026-01-31", {"script": "x"})
PLANNED, RESERVED, AGAIN, SUBMITTED, NOT_SUBMITTED, CLOSED, GIVEN_UP = Step


def held(number: int, *steps: Step, application_id: str = OURS) -> Held:
    return Held(number, frozenset(steps), replace(CLAIM, number=number, application_id=application_id))


def test_a_claim_survives_its_file() -> None:
    claim = replace(CLAIM, application_id=OURS, epoch=EPOCH, reason="é\n")
    assert Claim.from_json(claim.to_json()) == claim
    assert claim.file_name == "1-reserved.json"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        json.dumps({**json.loads(CLAIM.to_json()), "schema": 2}),
        json.dumps({**json.loads(CLAIM.to_json()), "step": "else"}),
        json.dumps({**json.loads(CLAIM.to_json()), "more": 1}),
        json.dumps({**json.loads(CLAIM.to_json()), "fingerprint": []}),
        json.dumps({**json.loads(CLAIM.to_json()), "application_id": None}),
    ],
)
def test_what_is_damaged_is_not_taken_for_a_claim(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Claim.from_json(text)


def test_the_newest_try_counts_and_strange_names_do_not() -> None:
    names = ["1-planned.json", "1-submitted.json", "10-planned.json", "2-planned.json", "2-reserved.json"]
    odd = [".11-planned.json.n1", "12-planned", "0-planned.json", "13-running.json", "-1-planned.json", ""]
    assert newest([*names, *odd]) == (10, frozenset({PLANNED}))
    assert newest(odd) == (0, frozenset())


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ({PLANNED}, "3-planned.json"),
        ({PLANNED, RESERVED}, "3-reserved.json"),
        ({PLANNED, RESERVED, NOT_SUBMITTED}, "3-reserved.json"),
        ({PLANNED, RESERVED, SUBMITTED, NOT_SUBMITTED}, "3-submitted.json"),
        (set(), ""),
    ],
)
def test_one_file_tells_most(steps: set[Step], name: str) -> None:
    assert most_telling(3, frozenset(steps)) == name


NEW_TRY, SAME_ID, UNKNOWN = (Action.SUBMIT, 2, ""), (Action.SUBMIT, 1, OURS), Action.UNCERTAIN
TABLE = [
    ("planned alone binds nobody", held(1, PLANNED), EPOCH, (Action.SUBMIT, 1, "")),
    ("a reserved id is posted again", held(1, PLANNED, RESERVED), EPOCH, SAME_ID),
    ("not in another epoch", held(1, PLANNED, RESERVED), "1", UNKNOWN),
    ("posted by two, of whom none was heard", held(1, PLANNED, RESERVED, AGAIN), EPOCH, SAME_ID),
    ("refused, and nobody else posts it", held(1, PLANNED, RESERVED, NOT_SUBMITTED), EPOCH, NEW_TRY),
    ("refused and closed", held(1, PLANNED, RESERVED, NOT_SUBMITTED, CLOSED), EPOCH, NEW_TRY),
    ("refused, and another may be posting it", held(1, PLANNED, RESERVED, AGAIN, NOT_SUBMITTED), EPOCH, SAME_ID),
    ("closed just when another posted it", held(1, PLANNED, RESERVED, AGAIN, NOT_SUBMITTED, CLOSED), EPOCH, UNKNOWN),
    ("the same in an unknown epoch", held(1, PLANNED, RESERVED, AGAIN, NOT_SUBMITTED), "", UNKNOWN),
    ("refused in an earlier epoch", held(1, PLANNED, RESERVED, NOT_SUBMITTED), "1", NEW_TRY),
    ("refused in an earlier epoch to both", held(1, PLANNED, RESERVED, AGAIN, NOT_SUBMITTED, CLOSED), "1", NEW_TRY),
    ("accepted and forgotten: it may have run", held(1, PLANNED, RESERVED, SUBMITTED), EPOCH, UNKNOWN),
    ("by a program", held(1, PLANNED, RESERVED, application_id=""), EPOCH, UNKNOWN),
    ("by a program, to nothing", held(1, PLANNED, RESERVED, NOT_SUBMITTED, application_id=""), EPOCH, NEW_TRY),
]


@pytest.mark.parametrize(("claims", "epoch", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
@pytest.mark.parametrize("recorded", [Known(), Known(1), Known(1, nonce="n0")])
def test_what_a_host_does_that_sees_nothing_on_the_cluster(
    claims: Held, epoch: str, expected: object, recorded: Known
) -> None:
    decision = decide(known_of_both(claims, recorded), [], epoch)
    if isinstance(expected, Action):
        assert decision.action is expected
    else:
        assert (decision.action, decision.number, decision.application_id) == expected


def test_this_hosts_record_counts_where_it_knows_more() -> None:
    claims = held(1, PLANNED, RESERVED)
    for recorded in (Known(1, application_id=OURS), Known(1, application_id=OURS, result="failed"), Known(2)):
        assert known_of_both(claims, recorded) == recorded
    assert known_of_both(Held(), Known(3)) == Known(3)


def test_a_success_that_was_seen_counts_whatever_came_later() -> None:
    seen = Known(1, application_id=OURS, result="succeeded")
    for claims in (held(2, PLANNED), held(2, PLANNED, RESERVED, SUBMITTED), held(1, PLANNED, GIVEN_UP)):
        decision = decide(known_of_both(claims, seen), [], EPOCH)
        assert (decision.action, decision.application_id) == (Action.DONE, OURS)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        (Known(1, nonce="n1"), (Action.SUBMIT, 2)),
        (Known(1, may_have_launched=True, can_look=True, nonce="n1"), (Action.LOOK, 1)),
        (Known(1, may_have_launched=True, nonce="n1"), (Action.UNCERTAIN, 2)),
        (Known(1, may_have_launched=True, can_look=True, nonce="n0"), (Action.UNCERTAIN, 2)),
        (Known(1, nonce="n0"), (Action.UNCERTAIN, 2)),
        (Known(1), (Action.UNCERTAIN, 2)),
    ],
    ids=["gate closed", "launched here", "can't look", "launched without it", "another's", "before there were nonces"],
)
def test_of_a_program_only_the_host_that_has_the_right_to_it_tells_whether_it_was_launched(
    recorded: Known, expected: tuple[Action, int]
) -> None:
    decision = decide(known_of_both(held(1, PLANNED, RESERVED, application_id=""), recorded), [], EPOCH)
    assert (decision.action, decision.number) == expected


def test_what_a_person_gave_up_makes_room_whatever_was_claimed() -> None:
    for steps in ((PLANNED, RESERVED), (PLANNED, RESERVED, SUBMITTED)):
        for recorded in (Known(), Known(1, application_id=OURS), Known(1, may_have_launched=True)):
            known = known_of_both(held(1, *steps, GIVEN_UP), recorded)
            decision = decide(known, [], EPOCH)
            assert (decision.action, decision.number, decision.application_id) == NEW_TRY
    launched_here = Known(1, may_have_launched=True, can_look=True, nonce="n1")
    known = known_of_both(held(1, PLANNED, RESERVED, GIVEN_UP, application_id=""), launched_here)
    assert decide(known, [], EPOCH).action is Action.LOOK, "its program may still run"
    assert decide(known.not_launched(), [], EPOCH).number == 2


STEPS = st.sampled_from(
    [
        (PLANNED,),
        (PLANNED, RESERVED),
        (PLANNED, RESERVED, AGAIN),
        (PLANNED, RESERVED, NOT_SUBMITTED),
        (PLANNED, RESERVED, AGAIN, NOT_SUBMITTED),
        (PLANNED, RESERVED, SUBMITTED),
        (PLANNED, RESERVED, SUBMITTED, NOT_SUBMITTED),
    ]
)


def test_what_is_refused_is_closed_before_there_is_a_newer_try_where_it_could_still_be_posted() -> None:
    refused = known_of_both(held(1, PLANNED, RESERVED, NOT_SUBMITTED), Known())
    assert [decide(refused, [], epoch).closes for epoch in (EPOCH, "", "1")] == [True, True, False]
    assert not decide(known_of_both(held(1, PLANNED), Known()), [], EPOCH).closes


@given(st.integers(1, 4), STEPS, st.sampled_from(["", OURS]), st.booleans(), st.booleans())
def test_in_one_epoch_a_try_makes_room_for_the_next_only_when_its_end_is_known(
    number: int, steps: tuple[Step, ...], application_id: str, first_recorded: bool, launching: bool
) -> None:
    """Two hosts with different records of the same unfinished try never go for two different numbers or ids."""
    claims = held(number, *steps, application_id=application_id)
    # A host records a launch only once it has the right to it.
    recorded = Known(number, may_have_launched=launching and RESERVED in steps) if first_recorded else Known()
    decision = decide(known_of_both(claims, recorded), [], EPOCH)
    shared = AGAIN in steps and bool(application_id)
    ended = NOT_SUBMITTED in steps and SUBMITTED not in steps and not shared
    if decision.action is Action.SUBMIT and not ended:
        assert decision.number == number
        assert decision.application_id == (application_id if RESERVED in steps else "")
    other = decide(known_of_both(claims, Known()), [], EPOCH)
    assert (decision.action, decision.number, decision.application_id) == (
        other.action,
        other.number,
        other.application_id,
    )


def test_the_steps_of_another_try_are_not_those_of_this() -> None:
    claims = held(2, PLANNED, RESERVED)
    assert claims.of(2) == {PLANNED, RESERVED} and claims.of(1) == frozenset() == claims.of(3)
    may = {steps: Held(1, frozenset(steps)).may_run for steps in itertools.permutations(Step, 1)}
    assert [step for (step,), able in may.items() if able] == [RESERVED, SUBMITTED]
