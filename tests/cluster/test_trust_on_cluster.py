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
from cluster.applications import (
    app_of,
    apps_url,
    kill_application,
    new_application_id,
    post_sleeper,
    run_of_its_own,
)
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
    with run_of_its_own(cluster, "trust") as name:
        yield name


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
    return str(cluster.rest(f"{apps_url(cluster)}/{application_id}/timeouts/LIFETIME")["timeout"]["expiryTime"])


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
    application_id = new_application_id(cluster)
    before = {"timeout": {"type": "LIFETIME", "expiryTime": "2100-01-01T00:00:00.000+0000"}}
    with pytest.raises(urllib.error.HTTPError, match="404"):
        cluster.rest(f"{apps_url(cluster)}/{application_id}/timeout?user.name=root", "PUT", before)
    post_sleeper(cluster, application_id, "etl", **limit)
    wait_until(lambda: app_of(cluster, application_id)["state"] != "NEW", "it is taken")
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


def test_what_shows_under_its_tag_is_for_nobody_to_decide(
    cluster: Cluster, host: EdgeHost, other: EdgeHost, run_id: str
) -> None:
    """Its caller is dead; another host does not know whether it comes, until it has come."""
    gate = host.home / "gate"
    job = host.waits_for(gate)
    other.waits_for(gate)
    with held_up(host, run_id, job) as session:
        unsure = other.run(*job, "--run-id", run_id, "--no-wait")
        assert (unsure.returncode, unsure.stdout) == (8, "") and "resolve" in unsure.stderr, unsure.stderr
        os.killpg(session, signal.SIGCONT)
        (app,) = wait_until(lambda: of_run(cluster, run_id), "it shows", 120)
        named = other.run("resolve", run_id, "--application", app["id"])
        assert named.returncode == 2 and "there is nothing to decide" in named.stderr, named.stderr
        gate.touch()
        ended = other.run(*job, "--run-id", run_id)
    assert (ended.returncode, ended.stdout.strip()) == (0, app["id"]), ended.stderr
    assert ends(cluster, run_id) == [("FINISHED", "SUCCEEDED")]


def by_hand(cluster: Cluster, host: EdgeHost, gate: Path) -> str:
    """The id of what a person submits in a run's place, without our program: it carries no tag of ours."""
    name = f"by-hand-{secrets.token_hex(5)}"
    small = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--queue", "ml-queue"]
    conf = ["--conf", "spark.yarn.submit.waitAppCompletion=false", "--conf", "spark.yarn.maxAppAttempts=1"]
    program = f"{cluster.env['SPARK_HOME']}/bin/spark-submit"
    words = ["--master", "yarn", "--deploy-mode", "cluster", "--name", name, *small, *conf, "gated.py", str(gate)]
    done = subprocess.run(
        [program, *words], cwd=host.home, env=host.env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [app["id"] for app in cluster.rest(apps_url(cluster))["apps"]["app"] if app["name"] == name]
    (application_id,) = found
    return str(application_id)


def test_a_person_names_what_was_submitted_by_hand_in_its_place(
    cluster: Cluster, host: EdgeHost, other: EdgeHost, run_id: str
) -> None:
    """The launch stands still, so that nothing of the run can show: the person's word is all there is."""
    gate = host.home / "gate"
    job = host.waits_for(gate)
    other.waits_for(gate)
    with held_up(host, run_id, job):
        unsure = other.run(*job, "--run-id", run_id, "--no-wait")
        assert (unsure.returncode, unsure.stdout) == (8, "") and "resolve" in unsure.stderr, unsure.stderr
        application_id = by_hand(cluster, other, gate)
        try:
            refused = other.run("resolve", run_id, "--application", application_id)
            assert refused.returncode == 2 and "--force" in refused.stderr, refused.stderr
            named = other.run("resolve", run_id, "--application", application_id, "--force")
            assert named.returncode == 0 and application_id in named.stdout, named.stderr
            gate.touch()
            ended = other.run(*job, "--run-id", run_id)
        finally:
            kill_application(cluster, application_id)
    assert (ended.returncode, ended.stdout.strip()) == (0, application_id), ended.stderr
    assert app_of(cluster, application_id)["finalStatus"] == "SUCCEEDED" and of_run(cluster, run_id) == []


# --- another host repeats it ------------------------------------------------------------------------------------------


def test_kill_and_status_mean_the_try_of_the_other_host(
    cluster: Cluster, host: EdgeHost, other: EdgeHost, run_id: str
) -> None:
    """Here the run was killed and that is on record; there it is repeated, and runs."""
    gate = host.home / "gate"
    job = [*host.waits_for(gate), "--run-id", run_id, "--launcher", REST]
    other.waits_for(gate)
    with closing(host.begin(*job)) as first:
        first.wait_until_said("RUNNING")
        (app,) = of_run(cluster, run_id)
        kill_application(cluster, app["id"])
        assert first.end().code == 6, first.err
    with closing(other.begin(*job)) as second:
        second.wait_until_said("RUNNING")
        (newer,) = [one["id"] for one in of_run(cluster, run_id) if one["id"] != app["id"]]
        assert json.loads(host.run("status", run_id, "--json").stdout)["application_id"] == newer
        killed = host.run("kill", run_id)
        assert (killed.returncode, killed.stdout.strip()) == (0, f"{newer} killed"), killed.stderr
        assert second.end().code == 6, second.err
    assert ends(cluster, run_id) == [("KILLED", "KILLED")] * 2
    assert [one["application_id"] for one in host.tries(run_id)] == [app["id"], newer]


def test_who_waits_goes_on_with_the_try_that_took_over(
    cluster: Cluster, host: EdgeHost, other: EdgeHost, run_id: str
) -> None:
    """Killed and repeated there between two looks of the wait here, which stands still (SIGSTOP) meanwhile."""
    gate = host.home / "gate"
    job = [*host.waits_for(gate), "--run-id", run_id, "--launcher", REST]
    other.waits_for(gate)
    first = host.run(*job, "--no-wait").stdout.strip()
    with closing(host.begin("wait", run_id)) as waiting:
        waiting.wait_until_said("RUNNING")
        os.kill(waiting.process.pid, signal.SIGSTOP)
        kill_application(cluster, first)
        wait_until(lambda: app_of(cluster, first)["state"] == "KILLED", "it is killed")
        repeated = other.run(*job, "--no-wait")
        newer = repeated.stdout.strip()
        assert repeated.returncode == 0 and newer not in ("", first), repeated.stderr
        os.kill(waiting.process.pid, signal.SIGCONT)
        waiting.wait_until_said(f"{first}: killed; run {run_id} goes on as {newer} (try 2")
        gate.touch()
        ended = waiting.end()
    assert (ended.code, ended.out.strip()) == (0, newer), ended.err
    assert [one["result"] for one in host.tries(run_id)] == ["killed", "succeeded"]


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
