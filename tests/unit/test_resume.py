"""A repeated run id: every combination of record and cluster has one answer, and a live run is never joined."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.model import ApplicationReport, FinalStatus, Result, State, judge
from batch_submit.plan.resume import Action, Decision, Known, Marks, decide, standing_for, why_forgotten

RUN = "nightly"


def seen(
    number: int, state: State, final: FinalStatus = FinalStatus.UNDEFINED, *, diagnostics: str = ""
) -> ApplicationReport:
    return ApplicationReport(
        f"application_1700000000000_{number:04d}",
        state=state,
        final_status=final,
        launched_ms=1,
        tags=("batch-submit", f"run:{RUN}", f"try:{RUN}.{number}"),
        diagnostics=diagnostics,
    )


def app(number: int) -> str:
    return f"application_1700000000000_{number:04d}"


def live(number: int) -> ApplicationReport:
    return seen(number, State.RUNNING)


def good(number: int) -> ApplicationReport:
    return seen(number, State.FINISHED, FinalStatus.SUCCEEDED)


def bad(number: int) -> ApplicationReport:
    return seen(number, State.FINISHED, FinalStatus.FAILED)


def killed(number: int) -> ApplicationReport:
    return seen(number, State.KILLED, FinalStatus.KILLED)


NOTHING = Known()
PLANNED = Known(1)  # also: known not to have been submitted
LAUNCHING = Known(1, may_have_launched=True)
SUBMITTED = Known(1, application_id=app(1))


def ended(result: Result) -> Known:
    return Known(1, application_id=app(1), result=result.value)


TABLE: list[tuple[str, Known, list[ApplicationReport], Action, int, str]] = [
    ("a new run", NOTHING, [], Action.SUBMIT, 1, ""),
    ("no record, live", NOTHING, [live(1)], Action.ATTACH, 1, app(1)),
    ("no record, succeeded", NOTHING, [good(1)], Action.DONE, 1, app(1)),
    ("no record, failed", NOTHING, [bad(1)], Action.SUBMIT, 2, ""),
    ("no record, killed", NOTHING, [killed(1)], Action.SUBMIT, 2, ""),
    ("planned only", PLANNED, [], Action.SUBMIT, 2, ""),
    ("planned, yet live (another host)", PLANNED, [live(1)], Action.ATTACH, 1, app(1)),
    ("planned, yet succeeded", PLANNED, [good(1)], Action.DONE, 1, app(1)),
    ("launching, nothing seen", LAUNCHING, [], Action.UNCERTAIN, 2, ""),
    ("launching, live", LAUNCHING, [live(1)], Action.ATTACH, 1, app(1)),
    ("launching, succeeded", LAUNCHING, [good(1)], Action.DONE, 1, app(1)),
    ("launching, it failed", LAUNCHING, [bad(1)], Action.SUBMIT, 2, ""),
    ("launching try 2, try 1 failed", Known(2, True), [bad(1)], Action.UNCERTAIN, 3, ""),
    ("launching try 2, both failed", Known(2, True), [bad(2), bad(1)], Action.SUBMIT, 3, ""),
    ("submitted, forgotten by the cluster", SUBMITTED, [], Action.UNCERTAIN, 2, app(1)),
    ("submitted, another one failed", SUBMITTED, [bad(2)], Action.UNCERTAIN, 3, app(1)),
    ("submitted, live", SUBMITTED, [live(1)], Action.ATTACH, 1, app(1)),
    ("submitted, killed", SUBMITTED, [killed(1)], Action.SUBMIT, 2, ""),
    ("submitted, succeeded", SUBMITTED, [good(1)], Action.DONE, 1, app(1)),
    ("succeeded by the record, forgotten", ended(Result.SUCCEEDED), [], Action.DONE, 1, app(1)),
    ("failed by the record, forgotten", ended(Result.FAILED), [], Action.SUBMIT, 2, ""),
    ("killed by the record, forgotten", ended(Result.KILLED), [], Action.SUBMIT, 2, ""),
    ("refused by the record, forgotten", ended(Result.REFUSED), [], Action.SUBMIT, 2, ""),
    ("timed out by the record, forgotten", ended(Result.TIMED_OUT), [], Action.SUBMIT, 2, ""),
    ("failed by the record, a later try lives", ended(Result.FAILED), [live(2), bad(1)], Action.ATTACH, 2, app(2)),
    ("failed, then succeeded", ended(Result.FAILED), [bad(2), good(1)], Action.DONE, 1, app(1)),
    ("a word this program does not know", NOTHING, [seen(1, State.UNKNOWN)], Action.ATTACH, 1, app(1)),
    ("two lives: the newest", NOTHING, [live(2), live(1)], Action.ATTACH, 2, app(2)),
    ("live beats succeeded", NOTHING, [good(2), live(1)], Action.ATTACH, 1, app(1)),
]


@pytest.mark.parametrize(
    ("known", "reports", "action", "number", "application_id"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_the_table(
    known: Known, reports: list[ApplicationReport], action: Action, number: int, application_id: str
) -> None:
    decision = decide(known, reports)
    assert (decision.action, decision.number, decision.application_id) == (action, number, application_id)
    assert decision.reason


def test_running_with_succeeded_is_attached_to_and_not_called_done() -> None:
    report = seen(1, State.RUNNING, FinalStatus.SUCCEEDED)
    decision = decide(NOTHING, [report])
    assert decision == Decision(Action.ATTACH, 1, app(1), "it is RUNNING", report)


def test_foreign_tags_do_not_break_the_count() -> None:
    odd = ApplicationReport(app(9), state=State.KILLED, tags=("try:", "try:nightly.x", "team"))
    assert decide(PLANNED, [odd]).number == 2


@pytest.mark.parametrize(
    ("state", "final"), list(itertools.product(State, FinalStatus)), ids=lambda word: str(word.value)
)
def test_every_state_and_final_status_under_an_unknown_record(state: State, final: FinalStatus) -> None:
    action = decide(NOTHING, [seen(1, state, final)]).action
    if not state.terminal:
        assert action is Action.ATTACH
    elif (state, final) == (State.FINISHED, FinalStatus.SUCCEEDED):
        assert action is Action.DONE
    else:
        assert action is Action.SUBMIT


REPORTS = st.lists(
    st.builds(seen, st.integers(1, 5), st.sampled_from(list(State)), st.sampled_from(list(FinalStatus))), max_size=4
)
RECORDS = st.builds(
    Known,
    st.integers(0, 5),
    st.booleans(),
    st.sampled_from(["", app(1), app(2), app(9)]),
    st.sampled_from(["", *(one.value for one in Result)]),
)


@given(RECORDS, REPORTS)
def test_a_live_or_succeeded_application_is_never_joined_by_another(
    known: Known, reports: list[ApplicationReport]
) -> None:
    decision = decide(known, reports)
    verdicts = [judge(one) for one in reports]
    if any(one is None or one.result is Result.SUCCEEDED for one in verdicts) or known.result == Result.SUCCEEDED.value:
        assert decision.action in (Action.ATTACH, Action.DONE)
    if decision.action is Action.SUBMIT:
        # Never before a number is free: two tries with one tag could not be told apart.
        assert decision.number > max([known.number, *(int(one.tags[2].rpartition(".")[2]) for one in reports)])
        shown = {one.application_id for one in reports}
        recorded_end = known.result in ("failed", "killed", "refused", "timed out")
        assert not known.application_id or known.application_id in shown or recorded_end
        assert not known.may_have_launched or f"try:{RUN}.{known.number}" in {one.tags[2] for one in reports}


@given(RECORDS, REPORTS)
def test_attach_names_a_live_application_and_done_a_succeeded_one(
    known: Known, reports: list[ApplicationReport]
) -> None:
    decision = decide(known, reports)
    found = [judge(one) for one in reports if one.application_id == decision.application_id]
    if decision.action is Action.ATTACH:
        assert None in found
    if decision.action is Action.DONE and known.result != Result.SUCCEEDED.value:
        assert Result.SUCCEEDED in [one.result for one in found if one is not None]


RESERVED = "application_1700000000000_0007"


def test_a_reserved_id_is_posted_again_in_its_own_epoch_only() -> None:
    known = Known(number=2, may_have_launched=True, application_id=RESERVED)
    again = decide(known, [], "1700000000000")
    assert (again.action, again.number, again.application_id) == (Action.SUBMIT, 2, RESERVED)
    for epoch in ("", "1700000000001"):
        assert decide(known, [], epoch).action is Action.UNCERTAIN
    assert decide(Known(number=2, may_have_launched=True), [], "1700000000000").action is Action.UNCERTAIN


@pytest.mark.parametrize(
    ("since", "kept", "forgotten"), [(500, 1000, False), (501, 1000, True), (40, 50, True), (25, 50, False)]
)
def test_a_resource_manager_is_trusted_with_half_of_what_it_keeps(since: int, kept: int, forgotten: bool) -> None:
    told = why_forgotten(Marks("1", 10), Marks("1", 10 + since, kept))
    assert bool(told) is forgotten and (not forgotten or f"it keeps {kept:,} that have ended" in told)


@pytest.mark.parametrize(
    ("reports", "known", "number"),
    [
        ([], 1, None),
        ([bad(1)], 1, 1),
        ([bad(1)], 2, None),
        ([bad(2), bad(1)], 1, 2),
        ([bad(1), live(2)], 1, 2),
        ([live(1), bad(2)], 2, 1),
        ([live(1), live(2)], 1, 2),
        ([good(1), killed(2)], 2, 1),
        ([good(1), live(2)], 1, 2),
        ([ApplicationReport(app(9), state=State.KILLED)], 1, None),
    ],
)
def test_what_a_run_is_judged_by_where_the_record_may_be_behind(
    reports: list[ApplicationReport], known: int, number: int | None
) -> None:
    for order in itertools.permutations(reports):
        found = standing_for(order, known)
        assert (found.application_id if found is not None else None) == (app(number) if number else None)
