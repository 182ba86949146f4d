"""``list``, ``status``, ``kill``: our applications only, ids or run ids, JSON everywhere, a kill that is confirmed."""

from __future__ import annotations

import os
import pwd

import pytest

from tests.process.door import RUNNING, SUCCEEDED, Door, Step
from tests.process.test_acting import IMPATIENT

ME = pwd.getpwuid(os.getuid()).pw_name
OURS = ["batch-submit", "run:r1", "try:r1.1"]
GONE = "application_1700000000000_9999"
KILLED: Step = ("KILLED", "KILLED", {"diagnostics": "killed by bob"})


def test_list_shows_our_applications_newest_first(door: Door) -> None:
    first = door.rm.add("first", user=ME, tags=OURS, steps=[SUCCEEDED])
    second = door.rm.add("second", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.add("another user's", user="mallory", tags=OURS, steps=[RUNNING])
    door.rm.add("not by this tool", user=ME, steps=[RUNNING])
    outcome = door.run("list", "--json", "--states", "all")
    assert outcome.code == 0, outcome.err
    assert [one["application_id"] for one in outcome.json] == [second, first]
    table = door.run("list", "--states", "all").out.splitlines()
    assert table[0].split()[:2] == ["id", "name"]
    assert [line.split()[0] for line in table[1:]] == [second, first]


def test_an_empty_list(door: Door) -> None:
    assert door.run("list").out == "no applications\n"
    assert door.run("list", "--format", "json").json == []


def test_status_by_application_id_and_by_run_id(door: Door) -> None:
    application_id = door.rm.add("job", user=ME, tags=OURS, steps=[("RUNNING", "SUCCEEDED", {})])
    by_id = door.run("status", application_id, "--json")
    assert by_id.code == 0, by_id.err
    assert (by_id.json["state"], by_id.json["final_status"]) == ("RUNNING", "SUCCEEDED")
    assert door.run("status", "-a", application_id, "--json").json == by_id.json
    assert door.run("status", "r1", "--json").json["application_id"] == application_id


def test_status_shows_the_diagnostics(door: Door) -> None:
    application_id = door.rm.add("job", user=ME, tags=OURS, steps=[KILLED])
    lines = door.run("status", application_id).out.splitlines()
    assert any(line.split() == ["state", "KILLED"] for line in lines)
    assert "  killed by bob" in lines


@pytest.mark.parametrize(
    ("verb", "target"),
    [
        *((verb, target) for verb in ("status", "kill", "wait") for target in ("no-such-run", "local-no-such-run")),
        *((verb, GONE) for verb in ("status", "kill", "wait")),
    ],
)
def test_what_nobody_knows(door: Door, verb: str, target: str) -> None:
    outcome = door.run(verb, target)
    assert (outcome.code, outcome.out) == (4, ""), outcome.err


@pytest.mark.parametrize("verb", ["status", "wait", "kill"])
def test_no_target_is_a_usage_error(door: Door, verb: str) -> None:
    outcome = door.run(verb)
    assert outcome.code == 2 and outcome.err.count("error: ") == 1


@pytest.mark.parametrize("verb", [["list"], ["status", GONE], ["kill", GONE]])
def test_a_resource_manager_that_is_down(door: Door, verb: list[str]) -> None:
    door.rm.stop()
    outcome = door.run(*verb, program=door.changed_program(IMPATIENT))
    assert (outcome.code, outcome.out) == (5, ""), outcome.err


def test_kill_ends_exactly_what_is_named_and_confirms_it(door: Door) -> None:
    named = door.rm.add("job", user=ME, tags=OURS, steps=[RUNNING])
    other = door.rm.add("other", user=ME, tags=["batch-submit"], steps=[RUNNING])
    outcome = door.run("kill", named)
    assert (outcome.code, outcome.out) == (0, f"{named} killed\n"), outcome.err
    assert door.rm.kills == [(named, ME)]
    assert door.rm.applications[other].state == "RUNNING"


def test_kill_by_run_id_and_json(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    outcome = door.run("kill", "r1", "--json")
    assert outcome.code == 0, outcome.err
    assert [(one["target"], one["application_id"], one["result"]) for one in outcome.json] == [
        ("r1", door.application_id, "killed")
    ]
    assert door.last_try["result"] == "killed"


def test_kill_of_an_ended_application_is_fine_and_tells_how_it_ended(door: Door) -> None:
    ended = door.rm.add("job", user=ME, tags=OURS, steps=[SUCCEEDED])
    outcome = door.run("kill", ended)
    assert (outcome.code, outcome.out) == (0, f"{ended} succeeded\n"), outcome.err
    assert door.rm.kills == []


def test_kill_goes_on_after_a_refusal_and_gives_its_code(door: Door) -> None:
    mine = door.rm.add("job", user=ME, tags=OURS, steps=[RUNNING])
    outcome = door.run("kill", GONE, mine, "--json")
    assert outcome.code == 4, outcome.err
    assert [one.get("result", "error") for one in outcome.json] == ["error", "killed"]
    theirs = door.rm.add("theirs", user="mallory", steps=[RUNNING])
    door.rm.refuse_kill_by.add(ME)
    refused = door.run("kill", theirs)
    assert refused.code == 4 and "Unauthorized attempt to kill" in refused.err


def test_every_call_is_made_in_our_name(door: Door) -> None:
    application_id = door.rm.add("job", user="alice", tags=OURS, steps=[RUNNING])
    assert door.run("kill", application_id, env={"HADOOP_USER_NAME": "alice"}).code == 0
    assert door.rm.kills == [(application_id, "alice")]
    assert "dr.who" not in {asked.user for asked in door.rm.asked}
