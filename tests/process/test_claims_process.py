"""Run ids on several hosts: each has a home, and so a ledger, of its own; the file system of the cluster is shared."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.process.canned_rm import Mode
from tests.process.canned_webhdfs import Remote
from tests.process.door import RUNNING, SUCCEEDED, Door, Step, until

FAILED: Step = ("FINISHED", "FAILED", {})
RUNS = "/user/alice/.batch-submit/runs"
DENIED = Remote(403, "AccessControlException", "Permission denied: user=alice, access=WRITE")
ALICE = {"HADOOP_USER_NAME": "alice"}


@pytest.fixture
def hosts(door: Door) -> tuple[Door, dict[str, str]]:
    """The door, and what makes a call of it one from another host."""
    door.env |= ALICE
    (door.folder / "other").mkdir()
    return door, {"HOME": str(door.folder / "other")}


def claims(door: Door, run_id: str = "r1", base: str = RUNS) -> dict[str, dict[str, Any]]:
    """The claims of a run; nothing else may lie there."""
    folder = f"{base}/{run_id}"
    found = {}
    for path, node in door.webhdfs.nodes.items():
        if path.startswith(f"{folder}/"):
            assert node.data is not None
            found[path.removeprefix(f"{folder}/").removesuffix(".json")] = json.loads(node.data)
    return found


def test_each_step_of_a_run_is_claimed_and_only_its_user_may_look(hosts: tuple[Door, dict[str, str]]) -> None:
    door, _ = hosts
    assert door.submit("--run-id", "r1", "--", "--day", "monday").code == 0
    found = claims(door)
    assert list(found) == ["1-planned", "1-reserved", "1-submitted"]
    first, last = found["1-planned"], found["1-submitted"]
    assert first["fingerprint"]["argument 2"] == "monday" and first["host"] == os.uname().nodename
    assert last["application_id"] == door.application_id and last["epoch"] == door.application_id.split("_")[1]
    assert len({one["nonce"] for one in found.values()}) == 1
    modes = {name: node.permission for name, node in door.webhdfs.nodes.items() if ".batch-submit" in name}
    assert {mode for name, mode in modes.items() if name.endswith(".json")} == {"600"}
    assert {mode for name, mode in modes.items() if not name.endswith(".json")} == {"700"}
    assert door.last_try["claim"] == f"{RUNS}/r1"


def test_a_claim_costs_two_questions_one_folder_and_three_requests_a_step(hosts: tuple[Door, dict[str, str]]) -> None:
    door, _ = hosts
    assert door.submit("--run-id", "r1", "--no-wait", "--no-preflight").code == 0
    asked = [(method, op) for method, path, op, _ in door.webhdfs.asked if ".batch-submit" in path]
    step = [("PUT", "CREATE"), ("PUT", "CREATE"), ("PUT", "RENAME")]
    look = ("GET", "LISTSTATUS")  # what is claimed; and after the acceptance, whether the try was given up meanwhile
    assert asked == [look, ("PUT", "MKDIRS"), *step, *step, *step, look]


@pytest.mark.parametrize("run_id", [["--run-id", "auto"], []])
def test_a_random_run_id_is_not_claimed(hosts: tuple[Door, dict[str, str]], run_id: list[str]) -> None:
    door, _ = hosts
    assert door.submit(*run_id).code == 0
    assert not any(".batch-submit" in path for _, path, _, _ in door.webhdfs.asked)
    assert door.last_try["claim"] == "none: the run id is random"


def test_another_host_attaches_and_then_says_that_it_is_done(hosts: tuple[Door, dict[str, str]]) -> None:
    door, other = hosts
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    again = door.submitting("--run-id", "r1", env=other)
    again.wait_until_said("attached to")
    door.application.end("FINISHED", "SUCCEEDED", "")
    outcome = again.end()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert "already succeeded" in door.submit("--run-id", "r1", env=other).err
    assert len(door.calls) == 1


def test_another_host_uses_the_day_of_the_first_call_and_refuses_another_job(
    hosts: tuple[Door, dict[str, str]],
) -> None:
    door, other = hosts
    door.submits(FAILED)
    argument = ["--app-arg", "in/{{ ds }}"]
    assert door.submit("--run-id", "r1", "--date", "2020-02-29", *argument).code == 1
    different = door.submit("--run-id", "r1", "--app-arg", "out/{{ ds }}", env=other)
    assert (different.code, different.out) == (2, ""), different.err
    assert different.said("argument 1: in/2020-02-29 -> out/2020-02-29", f"by host {os.uname().nodename} at 20")
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1", *argument, env=other).code == 0
    assert [call.argv[-1] for call in door.calls] == ["in/2020-02-29"] * 2
    assert "try:r1.2" in door.calls[1].conf["spark.yarn.tags"] and "2-submitted" in claims(door)


def test_a_launch_that_another_host_was_killed_in_gives_8_until_its_application_shows(
    hosts: tuple[Door, dict[str, str]],
) -> None:
    door, other = hosts
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    first = door.submitting("--run-id", "r1")
    until(lambda: door.calls, "spark-submit runs")
    first.close()
    outcome = door.submit("--run-id", "r1", env=other)
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said(f"made by host {os.uname().nodename} at 20", f"{RUNS}/r1/1-reserved.json", "run:r1")
    gate.touch()
    until(lambda: door.rm.applications, "the application is there")
    door.application.end("FINISHED", "SUCCEEDED", "")
    assert door.submit("--run-id", "r1", env=other).code == 0
    assert len(door.calls) == 1


def test_two_hosts_at_once_launch_one_spark_submit(hosts: tuple[Door, dict[str, str]]) -> None:
    door, other = hosts
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    both = [door.submitting("--run-id", "r1", "--no-wait", env=env) for env in ({}, other)]
    loser = until(lambda: next((one for one in both if one.process.poll() is not None), None), "one of them gives up")
    assert loser.process.returncode == 8 and "application may be running" in loser.err, loser.err
    gate.touch()
    (winner,) = [one for one in both if one is not loser]
    assert winner.end().code == 0, winner.err
    assert len(door.calls) == 1
    repeated = door.submit("--run-id", "r1", "--no-wait", env=({}, other)[both.index(loser)])
    assert (repeated.code, repeated.out) == (0, f"{door.application_id}\n"), repeated.err
    assert len(door.calls) == 1


def test_a_launch_that_is_known_to_have_failed_makes_room_on_another_host(
    hosts: tuple[Door, dict[str, str]],
) -> None:
    door, other = hosts
    door.recorder(status=1, stderr="JAVA_HOME is not set\n")
    assert door.submit("--run-id", "r1", program=door.changed_program("launcher.SETTLE_S = 0.05")).code == 3
    assert "could not submit" in claims(door)["1-not-submitted"]["reason"]
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1", env=other).code == 0
    assert "try:r1.2" in door.calls[1].conf["spark.yarn.tags"].split(",")


def test_an_accepted_application_that_the_cluster_forgot_is_not_run_again_by_another_host(
    hosts: tuple[Door, dict[str, str]],
) -> None:
    door, other = hosts
    assert door.submit("--run-id", "r1").code == 0
    application_id = door.application_id
    door.rm.applications.clear()
    outcome = door.submit("--run-id", "r1", env=other)
    assert (outcome.code, outcome.out) == (8, "") and outcome.said("does not know", "1-submitted.json"), outcome.err
    assert claims(door)["1-submitted"]["application_id"] == application_id and len(door.calls) == 1


@pytest.mark.parametrize("operation", ["LISTSTATUS", "MKDIRS", "CREATE", "RENAME"])
def test_without_a_claim_nothing_is_submitted_unless_that_is_wished(
    hosts: tuple[Door, dict[str, str]], operation: str
) -> None:
    door, _ = hosts
    door.webhdfs.fail[operation] = DENIED
    refused = door.submit("--run-id", "r1")
    assert (refused.code, refused.out, door.calls) == (5, "", []), refused.err
    assert refused.said("can't be claimed", "nothing was submitted", "Permission denied", "--claim none"), refused.err
    outcome = door.submit("--run-id", "r1", "--claim", "none")
    assert outcome.code == 0 and "is not claimed (--claim none)" in outcome.err, outcome.err
    assert door.last_try["claim"] == "none: --claim none"


def test_a_run_that_goes_on_is_attached_to_though_its_claims_can_t_be_read(hosts: tuple[Door, dict[str, str]]) -> None:
    door, _ = hosts
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.webhdfs.fail["*"] = DENIED
    again = door.submit("--run-id", "r1", "--no-wait")
    assert again.code == 0 and "attached to" in again.err, again.err


def test_the_run_of_another_host_gives_8_while_no_resourcemanager_answers(hosts: tuple[Door, dict[str, str]]) -> None:
    door, other = hosts
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.submit("--run-id", "r1", env=other)
    assert (outcome.code, outcome.out) == (8, "") and "launched from another host" in outcome.err, outcome.err
    assert "nothing was submitted" not in outcome.err


class Once(set[str]):
    """Operations whose reply is lost, each the first time."""

    def __contains__(self, operation: object) -> bool:
        lost = super().__contains__(operation)
        self.discard(str(operation))
        return lost


@pytest.mark.parametrize("operation", ["RENAME", "CREATE"])
def test_after_a_lost_reply_it_is_read_back(hosts: tuple[Door, dict[str, str]], operation: str) -> None:
    """RENAME was carried out, and nobody says so: what lies there is ours by its nonce."""
    door, _ = hosts
    door.webhdfs.lose_reply_of = Once({operation})
    outcome = door.submit("--run-id", "r1")
    assert outcome.code == 0 and "warning" not in outcome.err, outcome.err
    assert list(claims(door)) == ["1-planned", "1-reserved", "1-submitted"] and len(door.calls) == 1


def test_where_every_reply_is_lost_nothing_is_launched(hosts: tuple[Door, dict[str, str]]) -> None:
    door, _ = hosts
    door.webhdfs.lose_reply_of = {"RENAME"}
    first = door.submit("--run-id", "r1")
    assert first.code == 5 and "nothing was submitted" in first.err, first.err
    assert list(claims(door)) == ["1-planned"]
    door.webhdfs.lose_reply_of = set()
    assert door.submit("--run-id", "r1").code == 0
    assert list(claims(door)) == ["1-planned", "1-reserved", "1-submitted"] and len(door.calls) == 1


def test_a_server_that_redirects_every_create_is_claimed_in_too(hosts: tuple[Door, dict[str, str]]) -> None:
    door, _ = hosts
    door.webhdfs.noredirect = False
    assert door.submit("--run-id", "r1").code == 0
    assert list(claims(door)) == ["1-planned", "1-reserved", "1-submitted"]


def test_a_folder_that_service_users_share(hosts: tuple[Door, dict[str, str]]) -> None:
    door, _ = hosts
    config = "execution: {claims_dir: /shared/claims}\njob_specific_config: {custom: {script: job.py}}\n"
    door.write_config(config)
    assert door.submit("--run-id", "r1").code == 0
    assert list(claims(door, base="/shared/claims")) == ["1-planned", "1-reserved", "1-submitted"]
    modes = {door.webhdfs.nodes[f"/shared/claims/r1{name}"].permission for name in ("", "/1-planned.json")}
    assert modes == {"770", "640"}
    bob = door.submit("--run-id", "r1", env={"HADOOP_USER_NAME": "bob"})
    assert bob.code == 0 and "already succeeded" in bob.err and len(door.calls) == 1, bob.err


def test_a_damaged_claim_gives_8_and_names_the_file(hosts: tuple[Door, dict[str, str]]) -> None:
    door, other = hosts
    assert door.submit("--run-id", "r1").code == 0
    door.webhdfs.nodes[f"{RUNS}/r1/1-submitted.json"].data = b"{"
    outcome = door.submit("--run-id", "r1", env=other)
    assert (outcome.code, len(door.calls)) == (8, 1) and f"{RUNS}/r1/1-submitted.json" in outcome.err, outcome.err


def test_a_local_run_has_no_claim_and_says_so(laptop: Door, tmp_path: Path) -> None:
    assert laptop.submit("--run-id", "r1").code == 0
    assert laptop.last_try["claim"] == "none: backend local"
