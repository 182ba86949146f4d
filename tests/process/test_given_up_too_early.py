"""A person says that nothing came of a try whose launch is still on its way: in the end one application lives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.canned_webhdfs import CannedWebHdfs, Remote
from tests.process.door import RUNNING, Door, Outcome, Running, until
from tests.process.killed_call import claims, hosts, kill, tries
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager, spark_home

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]
NO_CLAIMS = Remote(403, "AccessControlException", "no claims for you")
OVER_REST = ("--conf", SHARED_JARS, "--launcher", "rest", "--run-id", "r1")
#: For ``Door.changed_program``: the call waits at a step until ``$GATE`` appears.
_HELD = (
    "import os, time",
    "from batch_submit.launchers import posting, rest",
    "from batch_submit.operations import claiming",
    "def wait():",
    "    open(os.environ['GATE'] + '.reached', 'w').close()",
    "    while not os.path.exists(os.environ['GATE']): time.sleep(0.05)",
    "placed, post = rest.RestLauncher._placed, posting.Poster.post",
)
#: A file takes so long to stage that the claims are looked at again.
STAGING = (
    *_HELD,
    "claiming.FRESH_S = 0.0",
    "def held(*given):",
    "    wait()",
    "    return placed(*given)",
    "rest.RestLauncher._placed = held",
)
#: The request itself is on its way for long.
POSTING = (
    *_HELD,
    "def held(*given):",
    "    wait()",
    "    return post(*given)",
    "posting.Poster.post = held",
)
QUICK = "from batch_submit.operations import late_arrivals; late_arrivals.LOOK_S = 0.2"


def number_of(door: Door, number: int) -> str:
    """The application of a try of r1."""
    tag = f"try:r1.{number}"
    return next(one for one, app in door.rm.applications.items() if tag in app.fields["applicationTags"].split(","))


def state(door: Door, number: int) -> str:
    return door.rm.applications[number_of(door, number)].state


def listings(door: Door) -> list[str]:
    """What the ResourceManager was asked for by the run's tag."""
    tags = [asked.query.get("applicationTags", "") for asked in door.rm.asked if asked.path.endswith("/apps")]
    return [tag for tag in tags if tag == "run:r1"]


def given_up(door: Door, other: dict[str, str]) -> None:
    decided = door.run("resolve", "r1", "--not-submitted", "--force", env=other)
    assert decided.code == 0, decided.err


# --- by spark-submit --------------------------------------------------------------------------------------------------


def slow(door: Door, *flags: str, calls: int = 1) -> tuple[Running, Path]:
    """A call whose spark-submit takes long; what lets that go on."""
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    first = door.submitting("--run-id", "r1", *flags, program=door.changed_program(QUICK))
    until(lambda: len(door.calls) == calls, "spark-submit runs")
    return first, gate


@pytest.mark.parametrize("wait", [("--no-wait",), ()], ids=["no-wait", "wait"])
def test_the_slow_one_is_ended_and_its_call_goes_on_with_the_newer_one(hosts: Hosts, wait: tuple[str, ...]) -> None:
    door, other = hosts
    first, gate = slow(door, *wait)
    given_up(door, other)
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait", env=other).code == 0
    gate.touch()
    until(lambda: len(door.rm.applications) == 2, "its application is there, too")
    if not wait:
        first.wait_until_said(f"{number_of(door, 2)}: RUNNING")
        door.rm.applications[number_of(door, 2)].end("FINISHED", "SUCCEEDED", "")
    outcome = first.end()
    late, newer = number_of(door, 1), number_of(door, 2)
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, newer), outcome.err
    assert outcome.said(f"{late} (try 1) lives beside {newer} (try 2): killing it", f"attached to {newer}")
    assert "nothing was submitted" not in outcome.err
    assert state(door, 1) == "KILLED" and state(door, 2) == ("RUNNING" if wait else "FINISHED")
    assert [one["application_id"] for one in tries(door)] == [late, newer]
    assert "ended by this tool" in tries(door)[0]["reason"]


def test_while_no_newer_one_is_there_it_counts_and_who_waits_looks_for_one(hosts: Hosts) -> None:
    door, other = hosts
    first, gate = slow(door)
    given_up(door, other)
    gate.touch()
    first.wait_until_said("RUNNING")
    late = number_of(door, 1)
    assert "a person decided that it led to nothing" in tries(door)[0]["reason"]
    newer = door.rm.add("r1", user="alice", tags=["batch-submit", "run:r1", "try:r1.2"], steps=[RUNNING])
    first.wait_until_said(f"goes on as {newer}")
    door.rm.applications[newer].end("FINISHED", "SUCCEEDED", "")
    outcome = first.end()
    assert (outcome.code, outcome.out.splitlines()) == (0, [late, newer]), outcome.err
    assert state(door, 1) == "KILLED"


def test_who_makes_the_newer_one_looks_for_the_slow_one_whose_call_has_died(hosts: Hosts) -> None:
    """The slow one is accepted after the newer call has looked and before its own acceptance."""
    door, other = hosts
    first, first_gate = slow(door, "--no-wait")
    given_up(door, other)
    door.submits(RUNNING)
    second_gate = door.folder / "second"
    door.recorder(**{**door.settings(), "wait_before": str(second_gate)})
    second = door.submitting("--run-id", "r1", "--no-wait", env=other)
    until(lambda: len(door.calls) == 2, "the newer spark-submit runs")
    kill(first)
    first_gate.touch()
    until(lambda: door.rm.applications, "the slow one is there")
    second_gate.touch()
    outcome = second.end()
    assert (outcome.code, outcome.out) == (0, f"{number_of(door, 2)}\n"), outcome.err
    assert (state(door, 1), state(door, 2)) == ("KILLED", "RUNNING")


def test_one_that_can_t_be_ended_is_8(hosts: Hosts) -> None:
    door, other = hosts
    first, gate = slow(door, "--no-wait")
    given_up(door, other)
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait", env=other).code == 0
    door.rm.refuse_kill_by.add("alice")
    gate.touch()
    outcome = first.end()
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said("two live applications", f"{number_of(door, 1)} could not be ended")


def test_claims_that_can_t_be_read_any_more_are_said_and_the_application_counts(hosts: Hosts) -> None:
    door, _ = hosts
    first, gate = slow(door, "--no-wait")
    door.webhdfs.fail["LISTSTATUS"] = door.webhdfs.fail["CREATE"] = NO_CLAIMS
    gate.touch()
    outcome = first.end()
    assert (outcome.code, outcome.out) == (0, f"{number_of(door, 1)}\n"), outcome.err
    assert outcome.said("whether another application of the run lives beside", "its claims can't be looked at")


def test_what_it_costs(hosts: Hosts) -> None:
    """One listing of the claims, or for a later try one of the applications; and none without claims."""
    door, _ = hosts
    door.submits_in_turn([("FINISHED", "FAILED", {})], [RUNNING])
    assert door.submit("--run-id", "r1").code == 1
    asked = [op for _, path, op, _ in door.webhdfs.asked if path.endswith("/runs/r1")]
    assert asked.count("LISTSTATUS") == 2, "before it was decided, and after it was accepted"
    door.webhdfs.asked.clear()
    door.rm.asked.clear()
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    asked = [op for _, path, op, _ in door.webhdfs.asked if path.endswith("/runs/r1")]
    assert asked.count("LISTSTATUS") == 1 and len(listings(door)) == 2
    door.webhdfs.asked.clear()
    assert door.submit("--run-id", "r2", "--claim", "none", "--no-wait").code == 0
    assert not [path for _, path, _, _ in door.webhdfs.asked if "/runs/" in path]


# --- over REST --------------------------------------------------------------------------------------------------------


@pytest.fixture
def rest_hosts(tmp_path: Path, webhdfs: CannedWebHdfs) -> Iterator[Hosts]:
    """Two hosts whose jobs go over REST."""
    with TakingResourceManager() as rm:
        opened = Door(tmp_path, rm, webhdfs)
        opened.env |= {"SPARK_HOME": spark_home(tmp_path), "HADOOP_USER_NAME": "alice", "GATE": str(tmp_path / "gate")}
        (tmp_path / "other").mkdir()
        yield opened, {"HOME": str(tmp_path / "other")}
        opened.close()


def held_at(door: Door, statements: tuple[str, ...]) -> Running:
    first = door.submitting(*OVER_REST, "--no-wait", program=door.changed_program(*statements))
    until((door.folder / "gate.reached").exists, "the first call waits")
    return first


def released(door: Door, first: Running) -> Outcome:
    (door.folder / "gate").touch()
    return first.end()


def test_before_the_post_nothing_is_posted_and_the_call_goes_on_with_the_newer_one(rest_hosts: Hosts) -> None:
    door, other = rest_hosts
    first = held_at(door, STAGING)
    given_up(door, other)
    assert door.submit(*OVER_REST, "--no-wait", env=other).code == 0
    newer = number_of(door, 2)
    before = sorted(path for path in door.webhdfs.nodes if f"/.sparkStaging/{newer}" in path)
    outcome = released(door, first)
    assert (outcome.code, outcome.out) == (0, f"{newer}\n"), outcome.err
    assert outcome.said("attached to", newer) and door.rm.posted == [newer] and door.rm.kills == []
    assert sorted(path for path in door.webhdfs.nodes if "/.sparkStaging/application" in path) == before
    first_try, second_try = tries(door)
    assert (first_try["state"], first_try["application_id"]) == ("NOT_SUBMITTED", ""), first_try
    assert (second_try["state"], second_try["application_id"]) == ("SUBMITTED", newer)


def test_before_the_post_with_no_newer_one_a_new_try_is_made_as_a_repeat_would(rest_hosts: Hosts) -> None:
    door, other = rest_hosts
    first = held_at(door, STAGING)
    given_up(door, other)
    outcome = released(door, first)
    assert (outcome.code, outcome.out) == (0, f"{number_of(door, 2)}\n"), outcome.err
    assert door.rm.posted == [number_of(door, 2)] and "a person decided" in tries(door)[0]["reason"]


def test_a_post_that_arrives_after_the_decision_is_ended_by_its_own_call(rest_hosts: Hosts) -> None:
    door, other = rest_hosts
    first = held_at(door, POSTING)
    given_up(door, other)
    assert door.submit(*OVER_REST, "--no-wait", env=other).code == 0
    outcome = released(door, first)
    late, newer = number_of(door, 1), number_of(door, 2)
    assert (outcome.code, outcome.out) == (0, f"{newer}\n"), outcome.err
    assert outcome.said(f"{late} (try 1) lives beside {newer}") and len(door.rm.posted) == 2
    assert (state(door, 1), state(door, 2)) == ("KILLED", "RUNNING")
    assert not [path for path in door.webhdfs.nodes if f"/.sparkStaging/{late}" in path]


def test_the_answer_in_json_names_what_the_run_is_now(rest_hosts: Hosts) -> None:
    door, other = rest_hosts
    first = door.submitting(*OVER_REST, "--no-wait", "--json", program=door.changed_program(*POSTING))
    until((door.folder / "gate.reached").exists, "the first call waits")
    given_up(door, other)
    assert door.submit(*OVER_REST, "--no-wait", env=other).code == 0
    outcome = released(door, first)
    told = json.loads(outcome.out)
    assert (told["application_id"], told["attached"]) == (number_of(door, 2), True), outcome.err
    assert "1-given-up" in claims(door)
