"""A ledger that is lost on a real cluster: built again from claims and applications, and a repeat is what it was."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster

pytestmark = pytest.mark.full

SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
JOB = """
import sys
from pyspark.sql import SparkSession
SparkSession.builder.getOrCreate().stop()
sys.exit(3 * len(sys.argv[1:]))
"""


class Edge:
    """An edge host: a home, and with it a ledger, of its own."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.home = home
        self.env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
        for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.env.pop(name, None)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(REPO / "batch_submit.sh"), *arguments]
        return subprocess.run(
            command, cwd=self.home, env=self.env, capture_output=True, text=True, timeout=400, check=False
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def submit(self, run_id: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        job = ["submit", "-t", "custom", "--script", "job.py", "-n", f"n-{run_id}", "-q", "default", *SMALL]
        return self.run(*job, "--run-id", run_id, "--", *arguments)

    @property
    def folder(self) -> Path:
        """Of the only ledger."""
        (folder,) = (self.home / ".local/state/batch-submit/runs").glob("*/*")
        return folder


def test_a_lost_ledger_is_built_again_from_claims_and_cluster(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    (tmp_path / "job_config.yaml").write_text("execution:\n  log_file: our.log\n", encoding="utf-8")
    edge = Edge(cluster, tmp_path)
    good, bad = (f"{word}-{secrets.token_hex(3)}" for word in ("good", "bad"))
    assert edge.submit(good).returncode == 0
    assert edge.submit(bad, "fail").returncode == 1
    before = {run_id: edge.json("show", run_id) for run_id in (good, bad)}
    last = before[bad]["tries"][-1]
    assert last["exit_code"] == 1 and last["rule"] and last["cause"]
    assert [seen["state"] for seen in last["history"]][:3] == ["PLANNED", "LAUNCHING", "SUBMITTED"]
    assert last["memory_seconds"] > 0 and last["tracking_url"].startswith("http") and last["logs_url"]

    (edge.folder / "ledger.db").write_bytes(b"x" * 10_000)
    assert edge.run("ledger", "check").returncode == 3
    again = edge.submit(good)
    assert again.returncode == 0 and "already succeeded" in again.stderr, again.stderr
    assert again.stderr.count("warning: the ledger can't be read") == 1
    assert edge.run("ledger", "rebuild").returncode == 0 and edge.run("ledger", "check").returncode == 0

    for path in edge.folder.glob("[!.]*"):
        path.unlink()
    rebuilt = edge.json("ledger", "rebuild")
    assert rebuilt["sources"]["claimed"] >= 2 and rebuilt["sources"]["seen on the cluster"] >= 2
    for run_id, was in before.items():
        now = edge.json("show", run_id)
        for key in ("name", "user", "cluster", "day", "fingerprint", "job_type"):
            assert now[key] == was[key], key
        for key in ("application_id", "result", "exit_code", "memory_seconds", "final_status"):
            assert now["tries"][-1][key] == was["tries"][-1][key], key
    again = edge.submit(good)
    assert again.returncode == 0 and "already succeeded" in again.stderr, again.stderr
