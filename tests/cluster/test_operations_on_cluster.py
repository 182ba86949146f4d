"""``list``, ``status``, ``move``, ``priority``, ``urls`` and ``kill`` on a real YARN, with two applications."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster

#: Names of this test run: a kept cluster remembers those of earlier ones.
MARK = secrets.token_hex(3)
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
JOB = """
import time
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate()
time.sleep(600)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a job and a configuration."""
    folder = tmp_path_factory.mktemp("edge")
    (folder / "job.py").write_text(JOB, encoding="utf-8")
    (folder / "job_config.yaml").write_text("execution:\n  log_file: our.log\n", encoding="utf-8")
    return folder


class Edge:
    """Calls of our shell door."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.home = home
        self.env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
        for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.env.pop(name, None)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(REPO / "batch_submit.sh"), *arguments]
        return subprocess.run(
            command, cwd=self.home, env=self.env, capture_output=True, text=True, timeout=180, check=False
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def submit(self, name: str) -> str:
        call = ["submit", "-t", "custom", "--script", "job.py", "-n", name, "-q", "default", *SMALL, "--no-wait"]
        done = self.run(*call, "--timeout", "10m")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def test_two_applications_from_the_list_to_their_end(cluster: Cluster, home: Path) -> None:
    """Names, filters, attempts, addresses, a move, a priority over the maximum, a refusal, kills that are confirmed."""
    edge = Edge(cluster, home)
    names = [f"ops-{letter}-{MARK}" for letter in "ab"]
    first, second = (edge.submit(name) for name in names)
    try:
        look_at_them(cluster, edge, names, first, second)
        change_them(edge, names, first)
        end_them(edge, names, first, second)
    finally:
        edge.run("kill", first, second)


def look_at_them(cluster: Cluster, edge: Edge, names: list[str], first: str, second: str) -> None:
    rows = {one["application_id"]: one for one in edge.json("list", "--name", f"ops-*-{MARK}")}
    assert list(rows) == [second, first], "newest first"
    assert {row["job_type"] for row in rows.values()} == {"custom"}
    for queue in ("default", "root.default"):
        assert [one["name"] for one in edge.json("list", "--queue", queue, "--name", names[0])] == [names[0]]
    assert edge.json("list", "--states", "ended", "--name", f"ops-*-{MARK}") == []
    everybody = edge.json("list", "--all-users", "--all-apps", "--states", "live", "--app-type", "spark")
    assert {first, second} <= {one["application_id"] for one in everybody}

    facts = edge.json("status", names[0])
    assert (facts["application_id"], facts["source"], facts["result"]) == (first, "ResourceManager", "")
    assert facts["lifetime_expiry_ms"] > facts["started_ms"] and facts["queue"] == "root.default"
    (attempt,) = facts["attempts"]
    assert attempt["number"] == 1 and attempt["attempt_id"].endswith("_000001")

    urls = edge.json("urls", first)
    assert urls["resource_manager"] == f"{cluster.rm_url}/cluster"
    answers = [
        urls["application"],
        f"{urls['name_node']}/webhdfs/v1/?op=LISTSTATUS",
        f"{urls['job_history_server'].removesuffix('/jobhistory')}/ws/v1/history/info",
    ]
    for url in answers:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as page:
            assert page.status == 200, url


def change_them(edge: Edge, names: list[str], first: str) -> None:
    assert edge.json("move", names[0], "etl") == {"application_id": first, "queue": "root.etl"}
    assert [one["name"] for one in edge.json("list", "--queue", "etl", "--name", f"ops-*-{MARK}")] == [names[0]]
    refused = edge.run("move", first, "no-such-queue")
    assert refused.returncode == 4 and "no-such-queue doesn't exist" in refused.stderr
    assert edge.json("priority", first, "0") == {"application_id": first, "priority": 0}
    cut = edge.run("priority", first, "5")  # the dev cluster's maximum is Hadoop's default, 0
    assert cut.returncode == 4 and "has priority 0 and not 5" in cut.stderr


def end_them(edge: Edge, names: list[str], first: str, second: str) -> None:
    asked = edge.run("kill", "--queue", "etl")
    assert asked.returncode == 2, "there is nobody to ask"
    (done,) = edge.json("kill", names[0])
    assert (done["application_id"], done["result"], done["state"]) == (first, "killed", "KILLED")
    assert [one["name"] for one in edge.json("list", "--states", "live", "--name", f"ops-*-{MARK}")] == [names[1]]
    assert edge.run("kill", second).stdout == f"{second} killed\n"
    assert edge.json("status", second)["result"] == "killed"
