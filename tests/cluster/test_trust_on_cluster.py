"""What breaks around a run on the real cluster: its ResourceManager is away too long, its launch arrives late, its
`submit --many` is killed. In the end one application of each run has succeeded."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from cluster.conftest import Cluster, wait_until
from cluster.edge_host import EdgeHost, of_run
from cluster.fault_points import POINTS, REST, SPARK_SUBMIT, Point, driver
from process.door import Running

pytestmark = pytest.mark.full


@pytest.fixture
def host(cluster: Cluster, tmp_path: Path) -> EdgeHost:
    return EdgeHost(cluster, tmp_path / "edge")


@pytest.fixture
def run_id(cluster: Cluster) -> Iterator[str]:
    """A run of its own; what it leaves is ended."""
    name = f"trust-{secrets.token_hex(5)}"
    yield name
    for app in of_run(cluster, name):
        kill_application(cluster, app["id"])


def kill_application(cluster: Cluster, application_id: str) -> None:
    url = f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}/state?user.name=root"
    cluster.rest(url, "PUT", {"state": "KILLED"})


def ends(cluster: Cluster, run_id: str) -> list[tuple[str, str]]:
    """How the applications of a run stand, the oldest first."""
    found = sorted(of_run(cluster, run_id), key=lambda app: str(app["id"]))
    return [(app["state"], app["finalStatus"]) for app in found]


@contextlib.contextmanager
def closing(running: Running) -> Iterator[Running]:
    try:
        yield running
    finally:
        running.close()


# --- the ResourceManager is away --------------------------------------------------------------------------------------


@pytest.mark.parametrize("launcher", [SPARK_SUBMIT, REST])
def test_a_resourcemanager_that_is_away_too_long_for_a_submit(
    cluster: Cluster, host: EdgeHost, run_id: str, launcher: str
) -> None:
    """8 after the patience, 8 for a repeat meanwhile; then a repeat attaches, and the same application succeeds."""
    gate = host.home / "gate"
    job = [*host.waits_for(gate), "--run-id", run_id, "--launcher", launcher]
    with closing(host.begin(*job, BATCH_SUBMIT_EXECUTION__RM_PATIENCE="3s")) as first:
        first.wait_until_said("RUNNING")
        cluster.run("kill", "resourcemanager")
        try:
            lost = first.end()
            meanwhile = host.run(*job, "--no-wait")
        finally:
            cluster.run("up")
    (app,) = of_run(cluster, run_id)
    assert (lost.code, lost.out.strip()) == (8, app["id"]), lost.err
    assert "asking on for 3s" in lost.err and "last seen RUNNING" in lost.err
    assert (meanwhile.returncode, meanwhile.stdout) == (8, "") and app["id"] in meanwhile.stderr, meanwhile.stderr
    with closing(host.begin(*job)) as again:
        again.wait_until_said("attached to")
        gate.touch()
        ended = again.end()
    assert (ended.code, ended.out.strip()) == (0, app["id"]), ended.err
    assert ends(cluster, run_id) == [("FINISHED", "SUCCEEDED")]


def test_a_resourcemanager_that_is_away_when_a_submit_begins(cluster: Cluster, host: EdgeHost, run_id: str) -> None:
    """Nothing was submitted, 5; the repeat submits."""
    job = ["submit", "-t", "custom", "--script", "job.py", "--run-id", run_id]
    cluster.run("kill", "resourcemanager")
    try:
        refused = host.run(*job)
    finally:
        cluster.run("up")
    assert (refused.returncode, refused.stdout) == (5, ""), refused.stderr
    assert "nothing was submitted" in refused.stderr and of_run(cluster, run_id) == []
    assert host.run(*job).returncode == 0
    assert ends(cluster, run_id) == [("FINISHED", "SUCCEEDED")]


# --- a limit that nobody lived to set ---------------------------------------------------------------------------------


def lifetime(cluster: Cluster, application_id: str) -> str:
    """Until when YARN lets an application live."""
    url = f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}/timeouts/LIFETIME"
    return str(cluster.rest(url)["timeout"]["expiryTime"])


@pytest.mark.parametrize(
    "limit",
    [
        {"application-timeouts": {"timeout": [{"type": "LIFETIME", "expiryTime": "2100-01-01T00:00:00.000+0000"}]}},
        {"application-timeouts": {"entry": [{"key": "LIFETIME", "value": 600}]}},
        {"timeouts": {"timeout": [{"type": "LIFETIME", "expiryTime": "2100-01-01T00:00:00.000+0000"}]}},
    ],
    ids=["as in its answers", "as other maps", "as in an application"],
)
def test_yarn_takes_no_limit_with_a_submission(cluster: Cluster, limit: dict[str, object]) -> None:
    """If it ever does, ours belongs there: then no moment is left in which an application has none."""
    apps = f"{cluster.rm_url}/ws/v1/cluster/apps"
    application_id = str(cluster.rest(f"{apps}/new-application?user.name=root", "POST", {})["application-id"])
    before = {"timeout": {"type": "LIFETIME", "expiryTime": "2100-01-01T00:00:00.000+0000"}}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        cluster.rest(f"{apps}/{application_id}/timeout?user.name=root", "PUT", before)
    context = {
        "application-id": application_id,
        "application-name": "limited",
        "application-type": "SHELL",
        "queue": "etl",
        "resource": {"memory": 128, "vCores": 1},
        "am-container-spec": {"commands": {"command": "sleep 60"}},
        **limit,
    }
    cluster.rest(f"{apps}?user.name=root", "POST", context)
    wait_until(lambda: cluster.rest(f"{apps}/{application_id}")["app"]["state"] != "NEW", "it is taken")
    held = lifetime(cluster, application_id)
    kill_application(cluster, application_id)
    assert held == "UNLIMITED"


@pytest.mark.parametrize("verb", ["monitor", "wait"])
def test_whoever_sees_the_run_next_sets_its_limit(cluster: Cluster, host: EdgeHost, run_id: str, verb: str) -> None:
    gate = host.home / "gate"
    (dies,) = [one for one in POINTS[REST] if one.name == "the id is recorded"]
    job = [*host.waits_for(gate), "--run-id", run_id, "--launcher", REST, "--timeout", "1h"]
    with closing(host.begin(*job, program=[sys.executable, str(driver(dies, host.home))])) as killed:
        assert killed.process.wait(120) == -signal.SIGKILL, killed.err
    (app,) = of_run(cluster, run_id)
    assert lifetime(cluster, app["id"]) == "UNLIMITED"
    shown = host.run("status", run_id).stdout
    assert "no limit is set, though its --timeout is 1h" in shown, shown
    seen = host.run(verb, run_id, "--wait-timeout", "1s")
    assert seen.returncode == 7, seen.stderr
    expiry = datetime.strptime(lifetime(cluster, app["id"]), "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs(expiry.timestamp() * 1000 - (app["startedTime"] + 3_600_000)) < 1000
    assert "no limit is set" not in host.run("status", run_id).stdout
    gate.touch()
    assert host.run("wait", run_id).returncode == 0


# --- late arrivals and decisions --------------------------------------------------------------------------------------


def point(name: str) -> Point:
    (one,) = [one for one in POINTS[SPARK_SUBMIT] if one.name == name]
    return one


@contextlib.contextmanager
def held_up(host: EdgeHost, run_id: str, job: list[str]) -> Iterator[int]:
    """A launch whose caller was killed and whose spark-submit stands still (SIGSTOP); the id of its session."""
    program = [sys.executable, str(driver(point("its gate has opened"), host.home))]
    with closing(host.begin(*job, "--run-id", run_id, "--launcher", SPARK_SUBMIT, program=program)) as killed:
        killed.process.wait(120)
        (one,) = host.tries(run_id)
        os.killpg(one["pid"], signal.SIGSTOP)
        try:
            assert killed.process.returncode == -signal.SIGKILL and one["state"] == "LAUNCHING", killed.err
            yield one["pid"]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one["pid"], signal.SIGKILL)


@pytest.fixture
def other(cluster: Cluster, tmp_path: Path) -> EdgeHost:
    """Another host, which can't see the first one's processes."""
    return EdgeHost(cluster, tmp_path / "other")


def test_what_arrives_late_beside_a_live_newer_try_is_ended(
    cluster: Cluster, host: EdgeHost, other: EdgeHost, run_id: str
) -> None:
    gate = host.home / "gate"
    job = host.waits_for(gate)
    other.waits_for(gate)
    with held_up(host, run_id, job) as session:
        refused = host.run("resolve", run_id, "--not-submitted", "--force")
        assert refused.returncode == 2 and f"kill {session}" in refused.stderr, refused.stderr  # it lives, and here
        decided = other.run("resolve", run_id, "--not-submitted")
        assert decided.returncode == 0 and of_run(cluster, run_id) == [], decided.stderr
        with closing(other.begin(*job, "--run-id", run_id, "--launcher", REST)) as second:
            second.wait_until_said("RUNNING")
            os.killpg(session, signal.SIGCONT)
            second.wait_until_said("killing it")
            gate.touch()
            ended = second.end()
    assert ended.code == 0, ended.err
    by_state = {app["state"]: app["id"] for app in of_run(cluster, run_id)}
    assert by_state == {"FINISHED": ended.out.strip(), "KILLED": by_state["KILLED"]}
    assert sorted(ends(cluster, run_id)) == [("FINISHED", "SUCCEEDED"), ("KILLED", "KILLED")]
    again = host.run(*job, "--run-id", run_id)
    assert (again.returncode, again.stdout.strip()) == (0, ended.out.strip()), again.stderr
    assert "already succeeded" in again.stderr


def test_what_arrives_late_with_no_newer_try_is_adopted(
    cluster: Cluster, host: EdgeHost, other: EdgeHost, run_id: str
) -> None:
    gate = host.home / "gate"
    job = host.waits_for(gate)
    other.waits_for(gate)
    with held_up(host, run_id, job) as session:
        decided = other.run("resolve", run_id, "--not-submitted")
        assert decided.returncode == 0, decided.stderr
        os.killpg(session, signal.SIGCONT)
        wait_until(lambda: of_run(cluster, run_id), "the late one shows", 120)
        with closing(other.begin(*job, "--run-id", run_id, "--launcher", REST)) as second:
            second.wait_until_said("attached to")
            gate.touch()
            ended = second.end()
    assert ended.code == 0, ended.err
    assert ends(cluster, run_id) == [("FINISHED", "SUCCEEDED")]
    assert [app["id"] for app in of_run(cluster, run_id)] == [ended.out.strip()]


def test_a_person_names_the_application_on_another_host(
    cluster: Cluster, host: EdgeHost, other: EdgeHost, run_id: str
) -> None:
    """Its caller is dead; another host does not know whether it comes, a person there says which it is."""
    gate = host.home / "gate"
    job = host.waits_for(gate)
    other.waits_for(gate)
    with held_up(host, run_id, job) as session:
        unsure = other.run(*job, "--run-id", run_id, "--no-wait")
        assert (unsure.returncode, unsure.stdout) == (8, "") and "resolve" in unsure.stderr, unsure.stderr
        os.killpg(session, signal.SIGCONT)
        (app,) = wait_until(lambda: of_run(cluster, run_id), "it shows", 120)
        named = other.run("resolve", run_id, "--application", app["id"])
        # By now it shows under its tag: then there is nothing uncertain left, and that is said.
        assert named.returncode in (0, 2), named.stderr
        gate.touch()
        ended = other.run(*job, "--run-id", run_id)
    assert (ended.returncode, ended.stdout.strip()) == (0, app["id"]), ended.stderr
    assert ends(cluster, run_id) == [("FINISHED", "SUCCEEDED")]


# --- many -------------------------------------------------------------------------------------------------------------


def test_many_killed_in_the_middle_and_resumed_is_one_application_per_run(cluster: Cluster, host: EdgeHost) -> None:
    mark = secrets.token_hex(4)
    runs = "".join(f"  - run_id: many-{mark}-{number}\n" for number in range(6))
    launcher = "defaults: {type: custom, script: job.py, launcher: rest}\n"
    (host.home / "runs.yaml").write_text(f"{launcher}runs:\n{runs}", encoding="utf-8")
    names = [f"many-{mark}-{number}" for number in range(6)]

    def apps() -> list[list[tuple[str, str]]]:
        return [ends(cluster, name) for name in names]

    many = ["submit", "--many", "runs.yaml", "--max-parallel", "2", "--json"]
    with closing(host.begin(*many)) as first:
        wait_until(lambda: len([one for one in apps() if one]) >= 3, "the third run has begun", 180)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
    begun = len([one for one in apps() if one])
    assert begun < 6, "it was killed in the middle"
    with closing(host.begin(*many)) as second:
        live = []
        while second.process.poll() is None:
            live.append(sum(one[-1][0] in ("ACCEPTED", "RUNNING") for one in apps() if one))
            with contextlib.suppress(subprocess.TimeoutExpired):
                second.process.wait(0.5)  # until the next look
        ended = second.end()
    assert ended.code == 0, ended.err
    rows = [json.loads(line) for line in ended.out.splitlines()]
    assert sorted(row["run_id"] for row in rows) == names and {row["result"] for row in rows} == {"succeeded"}
    assert apps() == [[("FINISHED", "SUCCEEDED")]] * 6
    assert max(live) <= 2
