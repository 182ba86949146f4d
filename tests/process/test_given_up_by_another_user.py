"""Service users share ``execution.claims_dir``: a try is given up while it is launched, and another user makes one.

No lookup by the run's tag shows one user's application to the other: only the claims tell.
"""

from __future__ import annotations

import json

import pytest

from tests.process.door import RUNNING, Door, Running, until
from tests.process.killed_call import hosts
from tests.process.test_given_up_too_early import QUICK, given_up, number_of, slow, state

__all__ = ["hosts"]
Hosts = tuple[Door, dict[str, str]]
SHARED = "execution: {claims_dir: /shared/claims, log_file: our.log}\njob_specific_config: {custom: {script: job.py}}\n"
WAITS = pytest.mark.parametrize("wait", [("--no-wait",), ()], ids=["no-wait", "wait"])
NUMBERS = pytest.mark.parametrize("number", [1, 2])


@pytest.fixture
def users(hosts: Hosts) -> Hosts:
    """The door is alice's; what makes a call of it one of bob's, from another host."""
    door, other = hosts
    door.write_config(SHARED)
    return door, {**other, "HADOOP_USER_NAME": "bob"}


def failed_before(door: Door, number: int) -> None:
    """So many tries less one of r1 have failed."""
    for _ in range(number - 1):
        door.submits(("FINISHED", "FAILED", {}))
        assert door.submit("--run-id", "r1").code == 1


def users_of_live(door: Door) -> list[str]:
    return [one.fields["user"] for one in door.rm.applications.values() if one.state == "RUNNING"]


@WAITS
@NUMBERS
def test_the_slow_one_is_ended_by_its_own_call(users: Hosts, number: int, wait: tuple[str, ...]) -> None:
    door, bob = users
    failed_before(door, number)
    first, gate = slow(door, *wait, calls=number)
    given_up(door, bob)
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait", env=bob).code == 0
    gate.touch()
    until(lambda: len(door.rm.applications) == number + 1, "both are there")
    newer = number_of(door, number + 1)
    if not wait:
        first.wait_until_said(f"{newer}: RUNNING")
        assert users_of_live(door) == ["bob"]
        door.rm.applications[newer].end("FINISHED", "SUCCEEDED", "")
    outcome = first.end()
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, newer), outcome.err
    assert state(door, number) == "KILLED" and state(door, number + 1) == ("RUNNING" if wait else "FINISHED")


def accepted_last(door: Door, bob: dict[str, str], number: int, *flags: str) -> tuple[Running, Running]:
    """Alice's slow one was accepted while bob's spark-submit ran, which goes on now."""
    failed_before(door, number)
    first, gate = slow(door, *flags, calls=number)
    given_up(door, bob)
    door.submits(RUNNING)
    second_gate = door.folder / "second"
    door.recorder(**{**door.settings(), "wait_before": str(second_gate)})
    second = door.submitting("--run-id", "r1", "--no-wait", env=bob, program=door.changed_program(QUICK))
    until(lambda: len(door.calls) == number + 1, "the newer spark-submit runs")
    gate.touch()
    if flags:
        assert first.end().code == 0
    else:
        until(lambda: len(door.rm.applications) == number, "the slow one is there")
        first.wait_until_said(f"{number_of(door, number)}: RUNNING")
    second_gate.touch()
    return first, second


@NUMBERS
def test_who_makes_the_newer_one_finds_the_slow_one_by_its_claim(users: Hosts, number: int) -> None:
    door, bob = users
    _, second = accepted_last(door, bob, number, "--no-wait")
    outcome = second.end()
    newer = number_of(door, number + 1)
    assert (outcome.code, outcome.out) == (0, f"{newer}\n"), outcome.err
    assert users_of_live(door) == ["bob"] and state(door, number) == "KILLED"


@NUMBERS
def test_who_may_not_end_the_other_user_s_application_says_so(users: Hosts, number: int) -> None:
    door, bob = users
    door.rm.refuse_kill_by.add("bob")
    _, second = accepted_last(door, bob, number, "--no-wait")
    outcome = second.end()
    assert outcome.code == 8, outcome.err
    assert outcome.said("two live applications", f"{number_of(door, number)} could not be ended")


@NUMBERS
def test_who_waits_for_the_slow_one_finds_the_newer_one_by_its_claim(users: Hosts, number: int) -> None:
    door, bob = users
    door.rm.refuse_kill_by.add("bob")
    first, second = accepted_last(door, bob, number)
    assert second.end().code == 8
    newer = number_of(door, number + 1)
    first.wait_until_said(f"goes on as {newer}")
    assert users_of_live(door) == ["bob"] and state(door, number) == "KILLED"
    door.rm.applications[newer].end("FINISHED", "SUCCEEDED", "")
    outcome = first.end()
    assert (outcome.code, outcome.out.splitlines()[-1]) == (0, newer), outcome.err


def test_a_claim_that_names_another_run_s_application_ends_nothing(users: Hosts) -> None:
    door, _ = users
    door.submits(RUNNING)
    assert door.submit("--run-id", "r2", "--no-wait").code == 0
    failed_before(door, 2)
    claim = door.webhdfs.nodes["/shared/claims/r1/1-submitted.json"]
    assert claim.data is not None
    claim.data = json.dumps({**json.loads(claim.data), "application_id": next(iter(door.rm.applications))}).encode()
    door.webhdfs.nodes["/shared/claims/r1/1-given-up.json"] = claim
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    assert users_of_live(door) == ["alice", "alice"]


def test_what_it_costs(users: Hosts) -> None:
    door, _ = users
    failed_before(door, 2)
    door.webhdfs.asked.clear()
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    asked = [op for _, path, op, _ in door.webhdfs.asked if path.endswith("/claims/r1")]
    assert asked.count("LISTSTATUS") == 2, "before it was decided, and after it was accepted"
