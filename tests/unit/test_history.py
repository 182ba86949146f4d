"""The words of ``history`` understood, which runs ``gc`` may sweep, and what a lost ledger is built again from."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from batch_submit.errors import HostNotReady, UsageError
from batch_submit.ledger import Run, SqliteLedger, StateSeen, Try, TryState
from batch_submit.ledger.care import replace_with
from batch_submit.ledger.rebuild import latest_ms, newer_of, with_claim, with_report
from batch_submit.model import ApplicationReport, FinalStatus, State
from batch_submit.operations.recording import known_of
from batch_submit.plan.claims import Claim, Held, Step
from batch_submit.plan.history import parse_moment, parse_record_states, parse_results
from batch_submit.plan.identity import Fingerprint
from batch_submit.plan.resume import Action, decide
from batch_submit.plan.retention import LATELY, NOT_ENDED, Retention, TryEnd
from batch_submit.plan.run_states import Event, after
from tests.unit.test_ledger import RUN

NOW = datetime(2026, 3, 29, 12, 0, 0, tzinfo=timezone.utc)
BERLIN_SUMMER = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("7d", "2026-03-22T12:00:00Z"),
        ("1h30m", "2026-03-29T10:30:00Z"),
        ("2026-01-31", "2026-01-30T22:00:00Z"),
        ("2026-01-31T06:00", "2026-01-31T04:00:00Z"),
        ("2026-01-31T06:00Z", "2026-01-31T06:00:00Z"),
        ("2026-01-31T06:00:00+05:30", "2026-01-31T00:30:00Z"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    assert parse_moment(text, "--since", NOW, BERLIN_SUMMER) == moment


@pytest.mark.parametrize("text", ["yesterday", "7", "2026-13-01", "", "999999999999999d"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_moment(text, "--until", NOW)
    assert caught.value.where == "--until" and "--until 7d" in caught.value.next_step


def test_words_for_states_and_results() -> None:
    assert parse_record_states(["open,finished", "Not-Submitted"]) == (
        *("LAUNCHING", "SUBMITTED", "FINISHED", "NOT_SUBMITTED"),
    )
    assert parse_results(["FAILED", "timed-out,timed_out"]) == ("failed", "timed out")
    for parse, flag in ((parse_record_states, "--state"), (parse_results, "--result")):
        with pytest.raises(UsageError) as caught:
            parse(["unknown"])
        assert caught.value.where == flag


# --- retention --------------------------------------------------------------------------------------------------------

RETENTION = Retention(now_ms=100_000_000, older_than_s=50_000)
OLD, NEW = TryEnd(True, 49_999_999), TryEnd(True, 50_000_000)


@pytest.mark.parametrize(
    ("tries", "why"),
    [
        ([], NOT_ENDED),
        ([OLD], ""),
        ([OLD, OLD], ""),
        ([NEW], LATELY),
        ([OLD, NEW], LATELY),
        ([NEW, OLD], LATELY),
        ([OLD, TryEnd(False)], NOT_ENDED),
        ([TryEnd(False, 1), OLD], NOT_ENDED),
        ([TryEnd(True, 0)], LATELY),  # nobody knows when
    ],
)
def test_only_what_has_ended_long_ago_goes(tries: list[TryEnd], why: str) -> None:
    assert RETENTION.why_kept(tries) == why


def claim(step: Step = Step.SUBMITTED, **fields: object) -> Claim:
    values = {"run_id": "r1", "number": 2, "step": step, "nonce": "n", "host": "edge2", "user": "alice"}
    values |= {"at": "2026-03-29T01:00:00Z", "day": "2026-03-28", "fingerprint": {"job_type": "training"}}
    return Claim(**{**values, **fields})  # type: ignore[arg-type]


def held(*steps: Step, **fields: object) -> Held:
    return Held(2, frozenset(steps), claim(steps[-1], **fields))


@pytest.mark.parametrize(
    ("steps", "end", "claimed_ms", "why"),
    [
        ((Step.SUBMITTED,), OLD, 1, ""),
        ((Step.SUBMITTED,), NEW, 1, LATELY),
        ((Step.SUBMITTED,), TryEnd(False), 1, NOT_ENDED),
        ((Step.SUBMITTED,), None, 1, NOT_ENDED),  # the cluster does not know it any more
        ((Step.RESERVED,), None, 1, NOT_ENDED),
        ((Step.PLANNED,), None, 1, NOT_ENDED),
        ((Step.RESERVED, Step.NOT_SUBMITTED), None, 1, ""),
        ((Step.RESERVED, Step.GIVEN_UP), None, 1, ""),
        ((Step.RESERVED, Step.GIVEN_UP), None, 60_000_000, LATELY),
        ((Step.RESERVED, Step.GIVEN_UP, Step.SUBMITTED), None, 1, NOT_ENDED),
        ((Step.RESERVED, Step.NOT_SUBMITTED), None, 60_000_000, LATELY),
        ((Step.NOT_SUBMITTED, Step.SUBMITTED), None, 1, NOT_ENDED),
    ],
)
def test_claims_without_a_record_go_when_the_cluster_tells_their_end(
    steps: tuple[Step, ...], end: TryEnd | None, claimed_ms: int, why: str
) -> None:
    assert RETENTION.why_claims_kept(held(*steps), "alice", end, claimed_ms) == why
    assert RETENTION.why_claims_kept(held(*steps), "bob", end, claimed_ms) == "of user alice"


def test_a_claim_that_can_not_be_read_stays() -> None:
    assert RETENTION.why_claims_kept(Held(1, frozenset({Step.SUBMITTED})), "alice", OLD, 1) == NOT_ENDED


# --- building a ledger again ------------------------------------------------------------------------------------------

WHERE = {"backend": "yarn", "cluster": "c"}
STARTED_MS, FINISHED_MS = 1_774_746_000_000, 1_774_746_600_000  # 2026-03-29 01:00 and 01:10 UTC
ENDED = ApplicationReport(
    "application_1_0007",
    name="nightly",
    user="alice",
    queue="root.ml",
    state=State.FINISHED,
    final_status=FinalStatus.FAILED,
    tags=("batch-submit", "run:r1", "try:r1.2"),
    diagnostics="boom with password=hunter2",
    started_ms=STARTED_MS,
    launched_ms=STARTED_MS + 1,
    finished_ms=FINISHED_MS,
    tracking_url="http://rm/7",
    memory_seconds=5,
)


def test_a_run_that_only_the_cluster_shows() -> None:
    run = with_report(None, "r1", ENDED, **WHERE)
    assert (run.name, run.user, run.cluster, run.queue, run.host) == ("nightly", "alice", "c", "root.ml", "")
    assert (run.created_at, run.fingerprint_parts) == ("2026-03-29T01:00:00Z", {})
    (one,) = run.tries
    assert (one.number, one.state, one.result, one.exit_code) == (2, TryState.FINISHED, "failed", 1)
    assert one.history == (
        StateSeen("SUBMITTED", "2026-03-29T01:00:00Z"),
        StateSeen("FINISHED", "2026-03-29T01:10:00Z", "failed"),
    )
    assert "hunter2" not in one.reason and one.memory_seconds == 5
    assert latest_ms(run) == FINISHED_MS
    assert with_report(run, "r1", replace(ENDED, state=State.RUNNING), **WHERE) == run  # a seen end never changes


def test_a_run_that_only_a_claim_tells_of_is_the_same_job_on_a_repeat() -> None:
    run = with_claim(None, held(Step.RESERVED, application_id="application_1_0007"), "/claims/r1", **WHERE)
    assert run is not None
    assert (run.run_id, run.host, run.day, run.job_type) == ("r1", "edge2", "2026-03-28", "training")
    assert run.fingerprint == Fingerprint({"job_type": "training"}).digest
    (one,) = run.tries
    assert (one.state, one.application_id, one.claim) == (TryState.LAUNCHING, "application_1_0007", "/claims/r1")
    run = with_report(run, "r1", ENDED, **WHERE)
    assert run.name == "nightly" and run.tries[0].result == "failed" and run.day == "2026-03-28"


@pytest.mark.parametrize(
    ("steps", "state", "action"),
    [
        ((Step.PLANNED,), TryState.PLANNED, Action.SUBMIT),
        ((Step.RESERVED,), TryState.LAUNCHING, Action.UNCERTAIN),
        ((Step.RESERVED, Step.NOT_SUBMITTED), TryState.NOT_SUBMITTED, Action.SUBMIT),
        ((Step.RESERVED, Step.GIVEN_UP), TryState.NOT_SUBMITTED, Action.SUBMIT),
        ((Step.RESERVED, Step.SUBMITTED), TryState.SUBMITTED, Action.UNCERTAIN),
    ],
)
def test_what_a_repeat_decides_by_a_record_made_of_claims(
    steps: tuple[Step, ...], state: TryState, action: Action
) -> None:
    """Of an application that the cluster does not show; never "submit" where one may be running."""
    application_id = "application_1_0007" if Step.SUBMITTED in steps else ""
    run = with_claim(None, held(*steps, application_id=application_id), "/claims/r1", **WHERE)
    assert run is not None and run.last is not None and run.last.state is state
    assert decide(known_of(run), []).action is action


def test_a_claim_adds_nothing_to_a_record_that_knows_more() -> None:
    ended = replace(RUN, run_id="r1").with_try(Try(2, TryState.FINISHED, "t", "a", result="failed"))
    assert with_claim(ended, held(Step.SUBMITTED), "/c", **WHERE) == ended
    older = replace(RUN, run_id="r1", tries=RUN.tries[:1])
    newer = with_claim(older, held(Step.SUBMITTED, application_id="a2"), "/c", **WHERE)
    assert newer is not None and [one.number for one in newer.tries] == [1, 2] and newer.tries[:1] == older.tries
    launching = older.with_try(Try(2, TryState.LAUNCHING, "t"))
    found = with_claim(launching, held(Step.SUBMITTED, application_id="a2"), "/c", **WHERE)
    assert found is not None and found.tries[1].application_id == "a2"
    assert with_claim(older, Held(), "/c", **WHERE) is older


@pytest.mark.parametrize("state", TryState)
@pytest.mark.parametrize("steps", [(Step.PLANNED,), (Step.RESERVED,), (Step.SUBMITTED,)])
def test_a_claim_moves_a_try_by_the_table_of_states_alone(state: TryState, steps: tuple[Step, ...]) -> None:
    """Whether an application was accepted is never taken back because a claim tells of an earlier step."""
    run = replace(RUN, run_id="r1", tries=(Try(2, state, "t"),))
    found = with_claim(run, held(*steps, application_id="application_1_0007"), "/c", **WHERE)
    assert found is not None and found.last is not None
    event = {Step.RESERVED: Event.LAUNCH, Step.SUBMITTED: Event.ACCEPT}.get(steps[0])
    assert found.last.state is (after(state, event) if event is not None else state)


def test_of_two_records_the_one_that_knows_more_counts() -> None:
    first: Run = replace(RUN, tries=RUN.tries[:1])
    assert newer_of(first, RUN) is RUN and newer_of(RUN, first) is RUN
    submitted = first.with_try(Try(2, TryState.SUBMITTED, "t", "a"))
    assert newer_of(RUN, submitted) is submitted
    assert newer_of(RUN, replace(RUN, name="equal")) is RUN
    assert newer_of(replace(RUN, tries=()), first) is first


def history(*states: str) -> tuple[StateSeen, ...]:
    return tuple(StateSeen(state, str(at)) for at, state in enumerate(states))


NOTHING_CAME = Try(1, TryState.NOT_SUBMITTED, "t", history=history("PLANNED", "LAUNCHING", "NOT_SUBMITTED"))
ACCEPTED = Try(1, TryState.SUBMITTED, "t", "application_1_0007", history=history("PLANNED", "LAUNCHING", "SUBMITTED"))


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (replace(NOTHING_CAME, history=()), replace(ACCEPTED, history=())),
        (NOTHING_CAME, ACCEPTED),
        (NOTHING_CAME, replace(ACCEPTED, history=history("SUBMITTED"))),
        (replace(NOTHING_CAME, history=history("PLANNED", "LAUNCHING", "RUNNING", "NOT_SUBMITTED")), ACCEPTED),
        (replace(ACCEPTED, history=()), Try(1, TryState.FINISHED, "t", "application_1_0007", result="failed")),
        (NOTHING_CAME, replace(ACCEPTED, history=(*NOTHING_CAME.history, StateSeen("SUBMITTED", "3")))),
        # A person took it away: the same record, later.
        (ACCEPTED, replace(NOTHING_CAME, history=(*ACCEPTED.history, StateSeen("NOT_SUBMITTED", "3")))),
        (replace(NOTHING_CAME, state=TryState.LAUNCHING, history=NOTHING_CAME.history[:2]), NOTHING_CAME),
    ],
    ids=[
        "no history",
        "as many states",
        "built again",
        "more states",
        "an end",
        "a late arrival",
        "dismissed",
        "later",
    ],
)
def test_an_application_that_was_seen_is_not_taken_back_by_a_record_that_tells_of_none(less: Try, more: Try) -> None:
    """Else a rebuilt ledger makes room for a second application."""
    one, other = replace(RUN, tries=(less,)), replace(RUN, tries=(more,))
    assert newer_of(one, other) is other and newer_of(other, one) is other


def test_an_accepted_claim_counts_more_than_a_record_of_a_launch_that_led_to_nothing() -> None:
    run = replace(RUN, run_id="r1", tries=(replace(NOTHING_CAME, number=2),))
    accepted = held(Step.PLANNED, Step.RESERVED, Step.SUBMITTED, application_id="application_1_0007")
    found = with_claim(run, accepted, "/c", **WHERE)
    assert found is not None and found.last is not None
    assert (found.last.state, found.last.application_id) == (TryState.SUBMITTED, "application_1_0007")
    assert found.last.history[:3] == NOTHING_CAME.history
    ended = replace(RUN, run_id="r1", tries=(Try(2, TryState.FINISHED, "t", result="killed"),))
    assert with_claim(ended, accepted, "/c", **WHERE) == ended


def test_what_others_record_while_a_ledger_is_built_again_is_kept(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "runs")
    ledger.save(RUN)
    collected = ledger.runs()
    ended = RUN.with_try(replace(RUN.tries[1], state=TryState.FINISHED, result="failed"))
    for run in (ended, replace(RUN, run_id="new")):
        ledger.save(run)
    (aside,) = replace_with(ledger, collected, [], "then")
    assert aside.name == "ledger.db.aside-then"
    assert {run.run_id: run for run in ledger.runs()} == {"nightly": ended, "new": replace(RUN, run_id="new")}
    assert SqliteLedger(tmp_path / "runs").changed_since(latest_ms(ended) / 1000)


def test_a_ledger_that_can_not_be_built_again_stays_as_it_was(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "runs")
    ledger.save(RUN)
    (tmp_path / "runs" / "ledger.db.new").mkdir()
    with pytest.raises(HostNotReady, match="can't be built again"):
        replace_with(ledger, [RUN], [], "then")
    assert ledger.runs() == [RUN]
