"""What every backend keeps: submit, report, end, kill, look-ups, output, limits. Subclassed once per backend.

A subclass gives the fixture ``world``: a :class:`World` whose runs go on until they are told to end.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

import pytest

from batch_submit.adapters.processes import look_at
from batch_submit.backends.base import Backend
from batch_submit.errors import HostNotReady, NotFound
from batch_submit.model import Result, Search, Verdict, judge
from batch_submit.plan.submission import JobSpec, SubmissionPlan

_PATIENCE_S = 45.0


class World(Protocol):
    """A backend and the power over what runs in it."""

    backend: Backend
    #: Of the right form, and known to nobody.
    unknown_id: str

    def spec(self, run_id: str) -> JobSpec:
        """A job."""

    def plan(self, run_id: str, number: int = 1) -> SubmissionPlan:
        """Its command for one try."""

    def finish(self, application_id: str, *, well: bool) -> None:
        """Let a running application end."""


class NoSignals:
    """No signal has come."""

    received: list[int]

    def __init__(self) -> None:
        self.received = []


class NoRecord:
    """Keeps in memory what a launch notes."""

    shared = False

    def __init__(self, reserved_id: str = "") -> None:
        self.reserved_id = reserved_id
        self.pids: list[int] = []
        self.ids: list[str] = []

    def at_gate(self, pid: int) -> None:
        """See :class:`batch_submit.backends.base.LaunchRecord`."""
        self.pids.append(pid)

    def launching(self) -> None:
        """See :class:`batch_submit.backends.base.LaunchRecord`."""

    def reserved(self, application_id: str) -> str:
        """See :class:`batch_submit.backends.base.LaunchRecord`."""
        self.ids.append(application_id)
        return application_id

    def posting(self) -> None:
        """See :class:`batch_submit.backends.base.LaunchRecord`."""

    def is_posted_too(self, application_id: str) -> bool:
        """See :class:`batch_submit.backends.base.LaunchRecord`."""
        return False


def submitted(world: World, run_id: str = "r1", number: int = 1) -> str:
    """Submit one try and give its application id."""
    return world.backend.submit(world.plan(run_id, number), number, NoSignals(), NoRecord())


def verdict_of(world: World, application_id: str) -> Verdict:
    """Wait for the end."""
    deadline = time.monotonic() + _PATIENCE_S
    while (verdict := judge(world.backend.report(application_id))) is None:
        assert time.monotonic() < deadline, f"{application_id} does not end"
        time.sleep(0.05)
    return verdict


class BackendSuite:
    """The tests; ``world`` comes from the subclass."""

    #: How often a driver's words pass by: once where it runs on this host, never where a container keeps them.
    OUTPUTS_SEEN: int

    def test_it_has_a_name_and_a_scope(self, world: World) -> None:
        assert world.backend.name and world.backend.cluster and world.backend.user

    def test_preparing_takes_nothing_away(self, world: World) -> None:
        spec = world.spec("r1")
        prepared = world.backend.prepare(spec)
        assert dict(spec.conf).items() <= dict(prepared.conf).items()

    @pytest.mark.parametrize(("well", "result"), [(True, Result.SUCCEEDED), (False, Result.FAILED)])
    def test_a_run_is_live_until_its_end_and_then_has_a_verdict(self, world: World, well: bool, result: Result) -> None:
        application_id = submitted(world)
        report = world.backend.report(application_id)
        assert report.application_id == application_id and judge(report) is None
        assert report.user == world.backend.user
        world.finish(application_id, well=well)
        verdict = verdict_of(world, application_id)
        assert verdict.result is result
        assert judge(world.backend.report(application_id)) == verdict, "an end is for good"

    def test_the_launchers_process_is_told(self, world: World) -> None:
        record = NoRecord()
        world.backend.submit(world.plan("r1"), 1, NoSignals(), record)
        assert len(record.pids) == 1 and record.pids[0] > 0

    def test_what_can_t_be_written_down_never_runs(self, world: World) -> None:
        """The process stands at its gate while that is found out."""

        class Unwritable(NoRecord):
            def at_gate(self, pid: int) -> None:
                super().at_gate(pid)
                raise HostNotReady("the record can't be written")

        record = Unwritable()
        with pytest.raises(HostNotReady, match="can't be written"):
            world.backend.submit(world.plan("r1"), 1, NoSignals(), record)
        assert look_at(record.pids[0]) is None, "it is still there"
        assert [judge(one) is None for one in world.backend.find_run("r1")] in ([], [False])
        assert world.backend.find_try("r1", 1) is None

    def test_how_it_stands_is_told_the_same_until_something_is_submitted(self, world: World) -> None:
        before = world.backend.marks()
        assert before.submitted >= 0 and world.backend.marks() == before

    def test_a_kill_leads_to_killed_and_may_be_repeated(self, world: World) -> None:
        application_id = submitted(world)
        world.backend.kill(application_id)
        assert verdict_of(world, application_id).result is Result.KILLED
        world.backend.kill(application_id)
        assert verdict_of(world, application_id).result is Result.KILLED

    def test_a_run_and_its_tries_are_found_by_their_tags(self, world: World) -> None:
        assert world.backend.find_run("r1") == []
        assert world.backend.find_try("r1", 1) is None
        application_id = submitted(world)
        submitted(world, "r10")
        (found,) = world.backend.find_run("r1")
        assert found.application_id == application_id
        assert {"batch-submit", "run:r1", "try:r1.1"} <= set(found.tags)
        first = world.backend.find_try("r1", 1)
        assert first is not None and first.application_id == application_id
        assert world.backend.find_try("r1", 2) is None

    def test_a_second_try_comes_first(self, world: World) -> None:
        application_id = submitted(world)
        world.finish(application_id, well=False)
        verdict_of(world, application_id)
        second = submitted(world, "r1", 2)
        found = world.backend.find_run("r1")
        assert [f"try:r1.{number}" in report.tags for number, report in zip((2, 1), found, strict=True)] == [True] * 2
        assert judge(world.backend.report(second)) is None
        assert judge(found[1]) is not None

    def test_our_applications_are_listed(self, world: World) -> None:
        assert world.backend.applications() == []
        ids = {submitted(world), submitted(world, "r2")}
        assert {report.application_id for report in world.backend.applications()} == ids

    def test_a_search_finds_what_is_ours_and_bounds_leave_nothing_out_that_lives(self, world: World) -> None:
        ids = {submitted(world), submitted(world, "r2")}
        own = Search(tag="batch-submit", user=world.backend.user)
        for search in (own, replace(own, ended_after_ms=1 << 60), replace(own, application_types=("SPARK",))):
            assert {report.application_id for report in world.backend.search(search)} == ids

    def test_attempts_are_counted_from_one(self, world: World) -> None:
        attempts = world.backend.attempts(submitted(world))
        assert [one.number for one in attempts] == list(range(1, len(attempts) + 1))

    def test_an_unknown_id_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound):
            world.backend.report(world.unknown_id)

    def test_output_comes_once(self, world: World) -> None:
        application_id = submitted(world)
        seen = world.backend.new_output(application_id)
        world.finish(application_id, well=True)
        verdict_of(world, application_id)
        seen += world.backend.new_output(application_id)
        assert seen.count("a driver's words") == self.OUTPUTS_SEEN
        assert world.backend.new_output(application_id) == ""

    def test_a_lifetime_can_be_set_on_a_live_run_and_on_an_ended_one(self, world: World) -> None:
        application_id = submitted(world)
        assert world.backend.limit_lifetime(application_id, 3600.0) is True
        world.finish(application_id, well=True)
        verdict_of(world, application_id)
        assert world.backend.limit_lifetime(application_id, 3600.0) is True

    def test_leaving_lets_it_run(self, world: World) -> None:
        application_id = submitted(world)
        assert world.backend.leave() is True
        assert judge(world.backend.report(application_id)) is None

    def test_cleaning_up_tells_what_it_did_and_may_be_repeated(self, world: World) -> None:
        application_id = submitted(world)
        world.backend.kill(application_id)
        verdict_of(world, application_id)
        world.backend.after_failure(application_id)
        assert world.backend.after_failure(application_id) == []  # nothing is left to do

    def test_a_missing_artifact_is_none(self, world: World) -> None:
        assert world.backend.read_artifact("/no/such/metrics.json", 1000) is None

    def test_people_get_commands(self, world: World) -> None:
        hints = world.backend.hints(submitted(world))
        assert hints["logs"] and "kill" in hints["kill"]
