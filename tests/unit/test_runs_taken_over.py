"""What a run id means, and what the end of an application means for its run, when another host has repeated it.

A real ledger of this host; the cluster is passed in.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady, NotFound, OutcomeUnknown
from batch_submit.ledger import Run, SqliteLedger, Try, TryState
from batch_submit.model import ApplicationReport, FinalStatus, Result, State, Verdict, judge
from batch_submit.operations.late_arrivals import Beside
from batch_submit.operations.recording import Recorder
from batch_submit.operations.run_verdicts import of_the_run
from batch_submit.operations.targets import Target, resolve_in
from batch_submit.operations.waiting import Waiting
from tests.unit.fake_clock import FakeClock

LIVE = (State.RUNNING, FinalStatus.UNDEFINED)
GOOD = (State.FINISHED, FinalStatus.SUCCEEDED)
BAD = (State.FINISHED, FinalStatus.FAILED)
KILLED = (State.KILLED, FinalStatus.KILLED)
AWAY = ClusterUnreachable("nobody answers")
RUN = Run("r1", "nightly", "custom", "yarn", "c", "alice", "edge", "2026-03-29T01:02:03Z", "2026-03-29", "f", {})


def app(number: int) -> str:
    return f"application_1700000000000_{number:04d}"


def report(number: int, how: tuple[State, FinalStatus]) -> ApplicationReport:
    tags = ("batch-submit", "run:r1", f"try:r1.{number}")
    return ApplicationReport(app(number), name="nightly", state=how[0], final_status=how[1], tags=tags, launched_ms=1)


@dataclass
class World:
    """This host's record of r1, and what the cluster shows."""

    folder: Path
    seen: list[ApplicationReport] = field(default_factory=list)
    trouble: BatchSubmitError | None = None
    listing_trouble: BatchSubmitError | None = None
    asked: list[str] = field(default_factory=list)
    name: str = "yarn"
    cluster: str = "c"
    user: str = "alice"

    def __post_init__(self) -> None:
        self.err = io.StringIO()
        self.terminal = Terminal(io.StringIO(), self.err)
        self.book = SqliteLedger(self.folder)
        self.clock = FakeClock()
        self.state_folder = self.folder
        self.os_user = "alice"
        self.env: dict[str, str] = {}

    # --- services and backend ---

    def ledger(self, _cluster: str, _user: str) -> SqliteLedger:
        return self.book

    def _answer(self, what: str, trouble: BatchSubmitError | None) -> None:
        self.asked.append(what)
        if trouble is not None:
            raise trouble

    def report(self, application_id: str) -> ApplicationReport:
        self._answer("report", self.trouble)
        for one in self.seen:
            if one.application_id == application_id:
                return one
        raise NotFound(f"no {application_id}")

    def find_run(self, _run_id: str) -> list[ApplicationReport]:
        self._answer("find_run", self.trouble or self.listing_trouble)
        return self.seen

    def applications(self) -> list[ApplicationReport]:
        self._answer("applications", self.trouble)
        return self.seen

    def after_failure(self, _application_id: str) -> list[str]:
        return []

    # --- what tests say ---

    def knows(self, *tries: Try) -> None:
        self.book.save(replace(RUN, tries=tries))

    def found(self, text: str = "r1", *, reading: bool = False, changing: bool = False) -> Target:
        me: Any = self
        context: Any = SimpleNamespace(reading=reading)
        return resolve_in(me, context, me, text, changing=changing)

    @property
    def run(self) -> Run:
        run = self.book.load("r1")
        assert run is not None
        return run


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def one_try(state: TryState, result: str = "", number: int = 1, application_id: str = app(1)) -> Try:
    return Try(number, state, "t", "" if state is TryState.NOT_SUBMITTED else application_id, result=result)


FAILED = one_try(TryState.FINISHED, "failed")
SUCCEEDED = one_try(TryState.FINISHED, "succeeded")
SUBMITTED = one_try(TryState.SUBMITTED)
NOT_SUBMITTED = one_try(TryState.NOT_SUBMITTED)
LAUNCHING = one_try(TryState.LAUNCHING, application_id="")


@pytest.mark.parametrize(
    ("known", "seen", "number", "asked"),
    [
        (SUCCEEDED, [report(1, GOOD)], 1, []),
        (SUBMITTED, [report(1, LIVE)], 1, ["report"]),
        (SUBMITTED, [report(1, GOOD)], 1, ["report"]),
        (SUBMITTED, [report(2, LIVE), report(1, BAD)], 2, ["report", "find_run"]),
        (SUBMITTED, [report(2, LIVE)], 2, ["report", "find_run"]),
        (SUBMITTED, [report(1, BAD)], 1, ["report", "find_run"]),
        (SUBMITTED, [], 1, ["report", "find_run"]),
        (FAILED, [report(2, LIVE), report(1, BAD)], 2, ["find_run"]),
        (FAILED, [report(2, BAD), report(1, BAD)], 2, ["find_run"]),
        (FAILED, [report(2, GOOD), report(1, BAD)], 2, ["find_run"]),
        (FAILED, [report(1, BAD)], 1, ["find_run"]),
        (FAILED, [], 1, ["find_run"]),
        (NOT_SUBMITTED, [report(2, LIVE)], 2, ["find_run"]),
        (NOT_SUBMITTED, [report(1, LIVE)], 1, ["find_run"]),
        (LAUNCHING, [report(1, LIVE)], 1, ["find_run"]),
        (LAUNCHING, [report(2, LIVE), report(1, BAD)], 2, ["find_run"]),
        (replace(LAUNCHING, number=2), [report(2, BAD), report(1, LIVE)], 1, ["find_run"]),
    ],
)
@pytest.mark.parametrize("reading", [False, True])
def test_the_try_that_counts(
    world: World, known: Try, seen: list[ApplicationReport], number: int, asked: list[str], reading: bool
) -> None:
    world.knows(known)
    world.seen = seen
    before = world.run
    target = world.found(reading=reading)
    assert (target.application_id, target.run_id, world.asked) == (app(number), "r1", asked)
    shown = next((one for one in seen if one.application_id == app(number)), None)
    assert target.report == (shown if asked else None)
    if reading:
        assert world.run == before and target.recorder is None
    else:
        assert target.run == world.run and any(one.application_id == app(number) for one in world.run.tries)


@pytest.mark.parametrize("known", [FAILED, NOT_SUBMITTED, SUBMITTED, LAUNCHING])
def test_who_changes_something_wants_the_cluster_s_word(world: World, known: Try) -> None:
    world.knows(known)
    world.trouble = AWAY
    with pytest.raises(ClusterUnreachable):
        world.found(changing=True)


def test_who_looks_or_waits_is_told_that_the_record_alone_speaks(world: World) -> None:
    world.knows(FAILED)
    world.trouble = AWAY
    assert world.found().application_id == app(1)
    assert "by this host's record" in world.err.getvalue() and "nobody answers" in world.err.getvalue()
    world.knows(NOT_SUBMITTED)
    with pytest.raises(NotFound, match="by this host's record"):
        world.found()
    world.knows(LAUNCHING)
    with pytest.raises(OutcomeUnknown):
        world.found()


@pytest.mark.parametrize("trouble", [AWAY, HostNotReady("the ticket has expired")])
def test_what_was_submitted_is_waited_for_by_the_record(world: World, trouble: BatchSubmitError) -> None:
    """The waiting has its own patience for an outage."""
    world.knows(SUBMITTED)
    world.trouble = trouble
    target = world.found()
    assert (target.application_id, target.report) == (app(1), None) and world.err.getvalue() == ""


def test_not_submitted_and_nothing_seen_is_no_target(world: World) -> None:
    world.knows(NOT_SUBMITTED)
    with pytest.raises(NotFound, match=r"was not submitted: no reason on record\n"):
        world.found()


def test_a_try_that_is_being_launched_hides_no_live_older_one(world: World) -> None:
    world.knows(replace(LAUNCHING, number=2))
    world.seen = [report(1, LIVE)]
    assert world.found().application_id == app(1)


def test_an_older_try_that_has_failed_is_not_the_answer_while_a_newer_one_is_launched(world: World) -> None:
    world.knows(replace(LAUNCHING, number=2))
    world.seen = [report(1, BAD)]
    with pytest.raises(OutcomeUnknown, match="try 2 of run r1 is being launched"):
        world.found()


def test_without_a_record_the_live_try_counts(world: World) -> None:
    world.seen = [report(2, BAD), report(1, LIVE)]
    target = world.found()
    assert (target.application_id, target.run_id, target.run) == (app(1), "r1", None)


def test_an_application_that_is_named_is_that_one(world: World) -> None:
    world.knows(FAILED)
    world.seen = [report(2, LIVE), report(1, BAD)]
    target = world.found(app(1))
    assert (target.application_id, target.run_id, world.asked) == (app(1), "", [])


# --- the end of one application ---------------------------------------------------------------------------------------


def verdict_of(number: int, how: tuple[State, FinalStatus]) -> Verdict:
    verdict = judge(report(number, how))
    assert verdict is not None
    return verdict


def ended(world: World, verdict: Verdict, run_id: str = "r1", *, on_record: bool = True) -> Verdict | ApplicationReport:
    """What a wait makes of an end."""
    me: Any = world
    recorder = Recorder(world.book, me.clock, world.terminal, world.run) if on_record else None
    waiting = Waiting(me, me, verdict.application_id, recorder, 60.0, run_id=run_id)
    return of_the_run(waiting, Beside(me, me, recorder) if recorder is not None else None, verdict)


@pytest.mark.parametrize("on_record", [True, False])
@pytest.mark.parametrize("how", [KILLED, BAD])
def test_it_goes_on_as_the_live_one(world: World, how: tuple[State, FinalStatus], on_record: bool) -> None:
    world.knows(SUBMITTED)
    world.seen = [report(2, LIVE), report(1, how)]
    assert ended(world, verdict_of(1, how), on_record=on_record) == report(2, LIVE)
    assert f"run r1 goes on as {app(2)} (try 2, RUNNING)" in world.err.getvalue()
    if on_record:
        assert [(one.state, one.application_id) for one in world.run.tries] == [
            (TryState.FINISHED, app(1)),
            (TryState.SUBMITTED, app(2)),
        ]


def test_what_is_not_known_any_more_goes_on_too(world: World) -> None:
    world.knows(SUBMITTED)
    world.seen = [report(2, LIVE)]
    gone = Verdict(Result.UNKNOWN, app(1), reason="forgotten")
    assert ended(world, gone) == report(2, LIVE)
    assert world.run.tries[0].state is TryState.SUBMITTED  # nobody saw its end


def test_a_newer_end_is_looked_at_and_an_older_one_is_not(world: World) -> None:
    world.knows(SUBMITTED)
    world.seen = [report(2, BAD), report(1, KILLED)]
    assert ended(world, verdict_of(1, KILLED)) == report(2, BAD)
    assert ended(world, verdict_of(2, BAD)) == verdict_of(2, BAD)


@pytest.mark.parametrize(("own", "other", "words"), [(1, 2, "succeeded as try 2"), (2, 1, "arrived late and succeed")])
def test_another_one_s_success_is_the_run_s(world: World, own: int, other: int, words: str) -> None:
    world.knows(replace(SUBMITTED, number=own, application_id=app(own)))
    world.seen = [report(other, GOOD), report(own, KILLED)]
    assert ended(world, verdict_of(own, KILLED)) == verdict_of(other, GOOD)
    assert words in world.err.getvalue()
    assert {one.application_id: one.result for one in world.run.tries} == {app(own): "killed", app(other): "succeeded"}


@pytest.mark.parametrize(
    ("verdict", "result"),
    [
        (verdict_of(1, KILLED), Result.UNKNOWN),
        (verdict_of(1, BAD), Result.FAILED),
        (Verdict(Result.TIMED_OUT, app(1)), Result.TIMED_OUT),
        (Verdict(Result.UNKNOWN, app(1)), Result.UNKNOWN),
    ],
)
def test_killed_is_not_said_of_a_run_that_nobody_can_ask_about(world: World, verdict: Verdict, result: Result) -> None:
    world.knows(SUBMITTED)
    world.listing_trouble = AWAY
    known = ended(world, verdict)
    assert isinstance(known, Verdict) and known.result is result
    assert "nobody answers" in world.err.getvalue()
    if verdict.result is Result.KILLED:
        assert known.exit_code == 8 and "whether run r1 goes on as another try can't be asked" in known.reason
        assert world.run.tries[0].result == "killed"


@pytest.mark.parametrize(
    ("verdict", "run_id", "change"),
    [
        (verdict_of(1, GOOD), "r1", lambda _: None),
        (verdict_of(1, KILLED), "", lambda _: None),
        (Verdict(Result.STILL_RUNNING, app(1)), "r1", lambda _: None),
        (verdict_of(1, KILLED), "r1", lambda world: setattr(world, "name", "local")),
    ],
    ids=["succeeded", "the application was named", "still running", "on this host"],
)
def test_nothing_is_asked(world: World, verdict: Verdict, run_id: str, change: Callable[[World], None]) -> None:
    world.knows(SUBMITTED)
    change(world)
    assert ended(world, verdict, run_id) == verdict and world.asked == []
