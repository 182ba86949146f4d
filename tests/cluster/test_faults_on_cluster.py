"""What breaks under a running job, on the real cluster: its node, and HDFS that can't be written."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster, cluster_of_its_own, wait_until
from process.door import Running

pytestmark = pytest.mark.full
MARK = secrets.token_hex(3)
#: The ResourceManager gives a silent node up after this time, and not after ten minutes.
EXPIRY = "yarn-site:yarn.nm.liveness-monitor.expiry-interval-ms=10000"
JOB = """
import sys, time
from pathlib import Path
from pyspark.sql import SparkSession
with SparkSession.builder.getOrCreate():
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not Path(sys.argv[1]).exists():
        time.sleep(0.2)
"""
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    """A cluster of two nodes that is quick to give one up."""
    with cluster_of_its_own("test-faults-cluster", "--nodemanagers", "2", "--set", EXPIRY) as folder:
        yield Cluster(folder)


def submit(cluster: Cluster, home: Path, run_id: str, *flags: str) -> Running:
    """A submission that waits for the end of its job, which comes when ``gate`` exists."""
    (home / "job.py").write_text(JOB, encoding="utf-8")
    env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
    command = [
        str(REPO / "batch_submit.sh"),
        "submit",
        "-t",
        "custom",
        "--script",
        "job.py",
        "--run-id",
        run_id,
        *SMALL,
    ]
    out, err = home / f"{run_id}.out", home / f"{run_id}.err"
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [*command, "--run-id", run_id, *flags, "--", str(home / "gate")],
            cwd=home, env=env, stdin=subprocess.DEVNULL, stdout=out_file, stderr=err_file,
        )  # fmt: skip
    return Running(process, out, err)


def applications(cluster: Cluster, run_id: str) -> list[dict[str, Any]]:
    """Those of a run, the oldest first."""
    reply = cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps?applicationTags=run:{run_id}")
    return sorted((reply["apps"] or {}).get("app", []), key=lambda app: app["id"])


def running(cluster: Cluster, run_id: str, many: int) -> dict[str, Any] | None:
    """The newest application of a run once there are so many and its master has a node."""
    found = applications(cluster, run_id)
    newest = found[-1] if len(found) == many else None
    return newest if newest is not None and newest["state"] == "RUNNING" else None


def test_a_node_that_dies_takes_its_job_along_and_another_try_ends_well(two_nodes: Cluster, tmp_path: Path) -> None:
    run_id = f"node-{MARK}"
    waiting = submit(two_nodes, tmp_path, run_id, "--retries", "1", "--retry-on", "lost", "--retry-wait", "1s")
    try:
        first = wait_until(lambda: running(two_nodes, run_id, 1), "the application runs", 180)
        node = node_manager(two_nodes, first["amHostHttpAddress"])
        two_nodes.run("kill", node)
        second = wait_until(lambda: running(two_nodes, run_id, 2), "the next try runs", 240)
        assert second["amHostHttpAddress"] != first["amHostHttpAddress"]
        (tmp_path / "gate").touch()
        outcome = waiting.end()
    finally:
        waiting.close()
        two_nodes.run("up")
    assert outcome.code == 0, outcome.err
    assert outcome.out.strip().splitlines()[-1] == second["id"]
    assert "try 2 of 2" in outcome.err and "lost" in outcome.err
    ends = [(app["state"], app["finalStatus"]) for app in applications(two_nodes, run_id)]
    assert ends[0][1] == "FAILED" and ends[1] == ("FINISHED", "SUCCEEDED")


def node_manager(cluster: Cluster, web_address: str) -> str:
    """The daemon that serves a node's web address."""
    urls = cluster.status()["urls"]
    port = web_address.rpartition(":")[2]
    (name,) = [name for name, url in urls.items() if name.startswith("nodemanager") and url.rstrip("/").endswith(port)]
    return str(name)


def test_a_safe_mode_in_the_middle_of_a_run_stops_new_ones_only(two_nodes: Cluster, tmp_path: Path) -> None:
    run_id = f"safe-{MARK}"
    waiting = submit(two_nodes, tmp_path, run_id)
    try:
        app = wait_until(lambda: running(two_nodes, run_id, 1), "the application runs", 180)
        safe_mode(two_nodes, "enter")
        try:
            refused = submit(two_nodes, tmp_path, f"new-{MARK}").end()
            assert (refused.code, refused.out) == (5, ""), refused.err
            assert "safe mode" in refused.err and applications(two_nodes, f"new-{MARK}") == []
            again = submit(two_nodes, tmp_path, run_id, "--no-wait").end()  # it writes nothing but its own record
            assert (again.code, again.out.strip()) == (0, app["id"]), again.err
        finally:
            safe_mode(two_nodes, "leave")
        (tmp_path / "gate").touch()
        outcome = waiting.end()
    finally:
        waiting.close()
    assert (outcome.code, outcome.out.strip()) == (0, app["id"]), outcome.err


def safe_mode(cluster: Cluster, verb: str) -> None:
    """``hdfs dfsadmin -safemode enter|leave``: WebHDFS has no such operation."""
    jars = Path(os.environ.get("DEVCLUSTER_JARS", REPO / ".devcluster-jars")) / "lib"
    command = [f"{cluster.env['JAVA_HOME']}/bin/java", "-cp", f"{cluster.env['HADOOP_CONF_DIR']}:{jars}/*"]
    done = subprocess.run(
        [*command, "org.apache.hadoop.hdfs.tools.DFSAdmin", "-safemode", verb],
        env=cluster.env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
