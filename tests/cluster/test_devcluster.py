"""The verbs of the dev cluster, on real daemons."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T], deadline_s: float = 30) -> T:
    """The first true value of `look`, asked again until the deadline."""
    deadline = time.monotonic() + deadline_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what}: not within {deadline_s} s, last seen {seen!r}"
        time.sleep(0.1)
    return seen


def pids(cluster: Cluster) -> dict[str, int | None]:
    return {name: row["pid"] for name, row in cluster.status()["daemons"].items()}


def submit(cluster: Cluster, queue: str, command: str, user: str = "alice") -> str:
    """Start an application whose master is a shell command, over the ResourceManager's REST service."""
    apps = f"{cluster.rm_url}/ws/v1/cluster/apps"
    application_id = cluster.rest(f"{apps}/new-application?user.name={user}", "POST", {})["application-id"]
    body = {
        "application-id": application_id,
        "application-name": "devcluster-test",
        "application-type": "SHELL",
        "queue": queue,
        "max-app-attempts": 1,
        "am-container-spec": {"commands": {"command": command}},
        "resource": {"memory": 128, "vCores": 1},
    }
    cluster.rest(f"{apps}?user.name={user}", "POST", body)
    return application_id


def application(cluster: Cluster, application_id: str) -> dict[str, Any]:
    return cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}")["app"]


def webhdfs(cluster: Cluster, method: str, path: str, operation: str, user: str) -> Any:
    return cluster.rest(f"{cluster.webhdfs_url}{path}?op={operation}&user.name={user}", method)


def processes_below(folder: Path) -> set[int]:
    """Running processes, zombies excepted, whose environment or arguments name `folder`."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if f"{folder}/".encode() in text and int(entry.name) != os.getpid():
            found.add(int(entry.name))
    return found


def test_up_on_a_running_cluster_changes_nothing(cluster: Cluster) -> None:
    before = pids(cluster)
    answer = cluster.run("up")
    assert pids(cluster) == before
    assert cluster.rm_url in answer.stdout
    assert 'eval "$(' in answer.stdout


def test_status_tells_state_ports_and_readiness(cluster: Cluster) -> None:
    answer = cluster.run("status", "--json")
    status = cluster.status()
    assert answer.returncode == 0
    assert status["ready"] is True
    assert set(status["daemons"]) == {"namenode", "datanode", "resourcemanager", "nodemanager", "jobhistoryserver"}
    for row in status["daemons"].values():
        assert (row["state"], row["ready"]) == ("running", True)
        assert row["url"].endswith(f":{row['ports']['http']}")


def test_env_is_for_eval_and_names_sparks_jars(cluster: Cluster) -> None:
    script = f'eval $("{cluster.run("env").args[0]}" env --dir "{cluster.dir}"); echo "$HADOOP_CONF_DIR|$SPARK_HOME"'
    shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin"})
    conf_dir, spark_home = shell.stdout.strip().split("|")
    assert conf_dir == cluster.env["HADOOP_CONF_DIR"] == str(cluster.dir / "conf")
    if "SPARK_HOME" not in cluster.env:
        pytest.skip("no Spark on this host")
    assert spark_home == cluster.env["SPARK_HOME"]
    defaults = (Path(cluster.env["SPARK_CONF_DIR"]) / "spark-defaults.conf").read_text(encoding="utf-8")
    assert f"spark.yarn.jars local:{spark_home}/jars/*\n" in defaults


def test_hadoop_user_name_makes_the_caller_alice(cluster: Cluster) -> None:
    if "SPARK_HOME" not in cluster.env:
        pytest.skip("no Spark, and so no Hadoop client, on this host")
    java = f"{cluster.env['JAVA_HOME']}/bin/java"
    class_path = f"{cluster.env['HADOOP_CONF_DIR']}:{cluster.env['SPARK_HOME']}/jars/*"
    subprocess.run(
        [java, "-cp", class_path, "org.apache.hadoop.fs.FsShell", "-touchz", "made-by-alice"],
        env={**cluster.env, "HADOOP_USER_NAME": "alice"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    made = webhdfs(cluster, "GET", "/user/alice/made-by-alice", "GETFILESTATUS", "bob")["FileStatus"]
    assert (made["owner"], made["group"]) == ("alice", "etl")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        webhdfs(cluster, "PUT", "/user/alice/by-bob", "MKDIRS", "bob")
    assert refusal.value.code == 403
    assert webhdfs(cluster, "PUT", "/ml-pipeline/by-bob", "MKDIRS", "bob") == {"boolean": True}


def test_the_frozen_queue_refuses_and_three_queues_accept(cluster: Cluster) -> None:
    # The REST service takes it with 202; the refusal is the application's end.
    refused = submit(cluster, "frozen", "true")
    wait_for("the refusal", lambda: application(cluster, refused)["state"] == "FAILED")
    assert "Queue root.frozen is STOPPED" in application(cluster, refused)["diagnostics"]
    running = [submit(cluster, queue, "sleep 300") for queue in ("default", "ml-queue", "etl")]

    def all_have_their_master() -> bool:
        return all(application(cluster, each)["runningContainers"] == 1 for each in running)

    wait_for("three applications side by side", all_have_their_master)
    for each in running:
        cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{each}/state?user.name=alice", "PUT", {"state": "KILLED"})


@pytest.mark.parametrize("daemon", ["datanode", "jobhistoryserver"])
def test_up_brings_back_a_daemon_that_was_killed(cluster: Cluster, daemon: str) -> None:
    before = pids(cluster)
    pid = before[daemon]
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for("the daemon's end", lambda: cluster.status()["daemons"][daemon]["state"] == "dead")
    assert cluster.run("status", check=False).returncode == 3
    cluster.run("up")
    after = pids(cluster)
    assert {name for name in after if after[name] != before[name]} == {daemon}
    assert cluster.status()["ready"]


def test_restart_keeps_containers_and_down_keeps_only_data(cluster: Cluster) -> None:
    """A container outlives its NodeManager, not `down`; HDFS and the ResourceManager remember what was there."""
    application_id = submit(cluster, "etl", "sleep 301")
    container = wait_for("the container", lambda: sleeping("301"))
    cluster.run("kill", "nodemanager")
    cluster.run("restart", "nodemanager")
    assert sleeping("301") == container
    webhdfs(cluster, "PUT", "/user/alice/stays", "MKDIRS", "alice")

    cluster.run("down")
    assert processes_below(cluster.dir) == set()
    assert {row["state"] for row in cluster.status()["daemons"].values()} == {"stopped"}
    assert "nothing was running" in cluster.run("down").stderr

    cluster.run("up")
    assert application(cluster, application_id)["user"] == "alice"
    assert webhdfs(cluster, "GET", "/user/alice/stays", "GETFILESTATUS", "alice")["FileStatus"]["owner"] == "alice"


def sleeping(seconds: str) -> int | None:
    """Pid of a ``sleep`` with this argument."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                return int(entry.name)
        except OSError:
            continue
    return None


def test_an_interrupted_up_ends_what_it_had_started(cluster: Cluster, other_devcluster: list[str]) -> None:
    folder = Path(other_devcluster[1])
    command = [cluster.run("env").args[0], "up", *other_devcluster]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as up:
        wait_for("a daemon", lambda: list(folder.glob("run/*.pid")))
        up.send_signal(signal.SIGINT)
        message = up.communicate(timeout=60)[1]
    assert up.returncode == 130
    assert "ending what was started" in message
    assert "ended by SIGINT" in message
    assert processes_below(folder) == set()


@pytest.mark.full
def test_two_clusters_run_side_by_side(cluster: Cluster, other_devcluster: list[str]) -> None:
    command = cluster.run("env").args[0]
    first = pids(cluster)
    subprocess.run([command, "up", "--nodemanagers", "2", *other_devcluster], check=True, capture_output=True)
    assert pids(cluster) == first
    assert cluster.status()["ready"]
    second = subprocess.run([command, "status", *other_devcluster], capture_output=True, text=True, check=True)
    assert "nodemanager-2" in second.stdout
    subprocess.run([command, "down", *other_devcluster], check=True, capture_output=True)
    assert processes_below(Path(other_devcluster[1])) == set()
    assert pids(cluster) == first
