"""The whole road on a real HDFS and YARN: a configuration becomes an application, and the exit code is the truth."""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.conftest import REPO, Cluster

#: Run ids of this test run: a kept cluster remembers those of earlier ones.
MARK = secrets.token_hex(3)
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]

JOB = """
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
what, *rest = sys.argv[1:]
if what == "count":
    assert spark.range(1000).count() == 1000
    assert rest == ["two words", "", "%", "ä"], rest
elif what == "raise":
    raise ValueError("a job that raises")
elif what == "sleep":
    time.sleep(600)
spark.stop()
"""


@dataclass
class Edge:
    """An edge host: a home of its own, and the shell door."""

    env: dict[str, str]
    home: Path

    def run(self, *arguments: str, timeout_s: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(REPO / "batch_submit.sh"), *arguments],
            cwd=self.home,
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(REPO / "batch_submit.sh"), *arguments],
            cwd=self.home,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(scope="module")
def edge(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    """An edge host with an empty home directory; its own configuration is the shipped one with a small forest."""
    home = tmp_path_factory.mktemp("an edge host")
    config = yaml.safe_load((REPO / "job_config.yaml").read_text(encoding="utf-8"))
    config["model_config"]["hyperparameters"] = {"n_estimators": 5, "max_depth": 8}
    config["spark_config"] |= {"driver_memory": "1g", "executor_memory": "1g", "num_executors": 1}
    (home / "job_config.yaml").write_text(yaml.safe_dump(without_empty(config), sort_keys=False), encoding="utf-8")
    (home / "a job.py").write_text(JOB, encoding="utf-8")
    env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        env.pop(name, None)
    return Edge(env, home)


def without_empty(value: Any) -> Any:
    """Sections that hold comments only are empty for a reader, and nothing when written out again."""
    if not isinstance(value, dict):
        return value
    return {key: without_empty(one) for key, one in value.items() if one is not None}


def application(cluster: Cluster, application_id: str) -> dict[str, Any]:
    return dict(cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}")["app"])


def staging(cluster: Cluster, user: str) -> list[str]:
    url = f"{cluster.webhdfs_url}/user/{user}/.sparkStaging?op=LISTSTATUS&user.name={user}"
    return [row["pathSuffix"] for row in cluster.rest(url)["FileStatuses"]["FileStatus"]]


def script(what: str, *arguments: str) -> list[str]:
    return ["-t", "custom", "--script", "a job.py", *SMALL, "-q", "ml-queue", *arguments, "--", what]


@pytest.mark.full
def test_a_model_is_trained_shown_and_used_from_hdfs_to_hdfs(cluster: Cluster, edge: Edge) -> None:
    """Raw demo data to HDFS, prepared there, training in ml-queue, its report; then it scores what came later."""
    data = edge.run("demo-data")
    assert data.returncode == 0, data.stderr
    assert data.stdout.strip() == "/ml-pipeline/data/raw"
    prepared = edge.run("submit", "-t", "data_processing", "-q", "ml-queue", "--run-id", f"first-data-{MARK}")
    assert prepared.returncode == 0, prepared.stderr
    assert "output training: 224,909 rows" in prepared.stderr

    done = edge.run("submit", "-t", "training", "-q", "ml-queue", "--run-id", f"first-training-{MARK}")
    assert done.returncode == 0, done.stderr
    app = application(cluster, done.stdout.strip())
    assert (app["state"], app["finalStatus"], app["queue"]) == ("FINISHED", "SUCCEEDED", "root.ml-queue")
    assert {"batch-submit", f"run:first-training-{MARK}", f"try:first-training-{MARK}.1"} <= set(
        app["applicationTags"].split(",")
    )
    assert "auc" in done.stderr and "held out" in done.stderr

    metrics_path = f"/ml-pipeline/metrics/arrival-delay/first-training-{MARK}/metrics.json"
    assert metrics_path in done.stderr
    metrics = cluster.rest(f"{cluster.webhdfs_url}{metrics_path}?op=OPEN&user.name=root")
    assert 0.6 < metrics["metrics"]["auc"] < 0.85
    assert metrics["rows"]["read"] == 224_909

    page = edge.run("report", f"first-training-{MARK}", "--out", "report.html")
    assert page.returncode == 0, page.stderr
    html = (edge.home / "report.html").read_text(encoding="utf-8")
    assert app["id"] in html and f"{metrics['metrics']['auc']:.3f}" in html

    scored = edge.run("submit", "-t", "prediction", "-q", "ml-queue", "--run-id", f"first-prediction-{MARK}")
    assert scored.returncode == 0, scored.stderr
    said = f"/ml-pipeline/metrics/prediction/first-prediction-{MARK}/metrics.json?op=OPEN&user.name=root"
    told = cluster.rest(cluster.webhdfs_url + said)
    assert told["rows"]["output"] == told["rows"]["input"] > 50_000
    assert told["model"]["version"] == metrics["model"]["version"]
    folder = urllib.parse.urlsplit(told["data"]["output"]["path"]).path
    listed = cluster.rest(f"{cluster.webhdfs_url}{folder}?op=LISTSTATUS&user.name=root")
    names = [row["pathSuffix"] for row in listed["FileStatuses"]["FileStatus"]]
    assert "_run.json" in names and any(name.endswith(".parquet") for name in names), names

    again = edge.run("submit", "-t", "training", "-q", "ml-queue", "--run-id", f"first-training-{MARK}")
    assert again.returncode == 0
    assert "already succeeded" in again.stderr and again.stdout.strip() == app["id"]


def test_a_job_that_raises_fails_with_1(cluster: Cluster, edge: Edge) -> None:
    done = edge.run("submit", "--json", *script("raise"))
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["state"], answer["final_status"], answer["result"]) == ("FINISHED", "FAILED", "failed")
    assert "User application exited with status 1" in done.stderr
    assert "driver's log: http" in done.stderr
    assert re.search(rf"next: .*{answer['application_id']}", done.stderr)
    assert answer["application_id"] not in staging(cluster, os_user())


def test_client_mode_gives_the_driver_here_and_the_same_truth(cluster: Cluster, edge: Edge) -> None:
    conf = ["--conf", "spark.submit.deployMode=client", "--conf", "spark.driver.host=localhost"]
    done = edge.run("submit", *script("count", *conf), "two words", "", "%%", "ä")
    assert done.returncode == 0, done.stderr
    assert application(cluster, done.stdout.strip())["finalStatus"] == "SUCCEEDED"
    refused = edge.run("submit", "--no-wait", *script("count", *conf))
    assert refused.returncode == 2 and "deploy_mode client" in refused.stderr


def test_the_same_run_id_attaches_and_a_kill_gives_6(cluster: Cluster, edge: Edge) -> None:
    run = ["--run-id", f"attach-me-{MARK}"]
    first = edge.run("submit", "--no-wait", *run, *script("sleep"))
    assert first.returncode == 0, first.stderr
    app_id = first.stdout.strip()
    with edge.start("submit", *run, *script("sleep")) as second:
        assert second.stdout is not None and second.stderr is not None
        assert second.stdout.readline().strip() == app_id
        killed = edge.run("kill", f"attach-me-{MARK}")
        assert (killed.returncode, killed.stdout.strip()) == (0, f"{app_id} killed")
        assert second.wait(60) == 6
        assert "attached to" in (told := second.stderr.read()) and "killed by user" in told
    assert len(tagged(cluster, f"run:attach-me-{MARK}")) == 1
    assert app_id not in staging(cluster, os_user())


def test_another_user_and_a_time_limit_that_yarn_keeps(cluster: Cluster, edge: Edge) -> None:
    done = edge.run("submit", "--timeout", "20s", *script("sleep"), HADOOP_USER_NAME="alice")
    assert done.returncode == 7, done.stderr
    app = application(cluster, done.stdout.strip())
    assert (app["user"], app["state"]) == ("alice", "KILLED")
    assert "exceeded the lifetime period" in done.stderr
    assert app["id"] not in staging(cluster, "alice")


@pytest.mark.parametrize(("queue", "words"), [("frozen", "STOPPED"), ("no-such-queue", "unknown queue")])
def test_a_queue_that_takes_nothing_gives_4_before_any_jvm(
    cluster: Cluster, edge: Edge, queue: str, words: str
) -> None:
    done = edge.run("submit", "--run-id", f"to-{queue}-{MARK}", *script("count", "-q", queue), JAVA_HOME="/nonexistent")
    assert done.returncode == 4, done.stderr  # 3 if Java had been looked for
    assert done.stdout == "" and words in done.stderr and "nothing was submitted" in done.stderr
    assert tagged(cluster, f"run:to-{queue}-{MARK}") == []


def test_without_a_look_beforehand_the_cluster_refuses_with_4(cluster: Cluster, edge: Edge) -> None:
    run = ["--run-id", f"refused-{MARK}", "--no-preflight"]
    done = edge.run("submit", *run, *script("count", "-q", "no-such-queue"))
    assert done.returncode == 4, done.stderr
    assert done.stdout == "" and "unknown queue" in done.stderr  # nothing was accepted
    (app,) = tagged(cluster, f"run:refused-{MARK}")
    assert app["state"] == "FAILED"


def test_a_request_above_the_maximum_gives_4_and_leaves_no_application(cluster: Cluster, edge: Edge) -> None:
    run = ["--run-id", f"too-large-{MARK}"]
    done = edge.run("submit", *run, *script("count", "--driver-memory", "15g"), JAVA_HOME="/nonexistent")
    assert done.returncode == 4 and "yarn.scheduler.maximum-allocation-mb (8192 MiB)" in done.stderr
    late = edge.run(
        "submit", *run, "--no-preflight", "--launcher", "spark-submit", *script("count", "--driver-memory", "15g")
    )
    assert late.returncode == 4 and "above the max threshold" in late.stderr
    assert done.stdout == late.stdout == "" and tagged(cluster, f"run:too-large-{MARK}") == []


def test_a_resource_manager_that_is_down_gives_5_and_nothing_is_submitted(cluster: Cluster, edge: Edge) -> None:
    cluster.run("kill", "resourcemanager")
    try:
        began = time.monotonic()
        done = edge.run("submit", "--run-id", f"while-down-{MARK}", *script("count"))
        assert done.returncode == 5, done.stderr
        assert done.stdout == "" and time.monotonic() - began < 15
    finally:
        cluster.run("up")
    assert tagged(cluster, f"run:while-down-{MARK}") == []


@pytest.mark.full
def test_the_dry_run_runs_when_pasted(cluster: Cluster, edge: Edge) -> None:
    shown = edge.run("submit", "--dry-run", "-n", "pasted", *script("sleep"))
    assert shown.returncode == 0
    pasted = subprocess.run(["bash", "-c", shown.stdout], cwd="/", env=edge.env, capture_output=True, timeout=120)
    assert pasted.returncode == 0, pasted.stderr
    (app,) = [one for one in tagged(cluster, "batch-submit") if one["name"] == "pasted"]
    assert app["applicationTags"] == "batch-submit"
    assert edge.run("kill", app["id"]).returncode == 0


@pytest.mark.full
def test_spark_jars_go_to_hdfs_once(edge: Edge, bare_spark_conf: Path) -> None:
    env = {"SPARK_CONF_DIR": str(bare_spark_conf)}
    first = edge.run("init-hdfs", "--spark", "--json", **env)
    assert first.returncode == 0, first.stderr
    answer = json.loads(first.stdout)
    second = edge.run("init-hdfs", "--spark", "--json", **env)
    assert answer["written"] is True and json.loads(second.stdout)["written"] is False
    archive = ["--conf", f"spark.yarn.archive={answer['spark.yarn.archive']}"]
    done = edge.run("submit", *script("count", *archive), "two words", "", "%%", "ä", **env)
    assert done.returncode == 0 and "uploads" not in done.stderr, done.stderr


@pytest.fixture
def bare_spark_conf(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """The cluster's spark-defaults.conf without the line that names the Spark jars."""
    lines = Path(cluster.env["SPARK_CONF_DIR"], "spark-defaults.conf").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("spark.yarn.jars")]
    (tmp_path / "spark-defaults.conf").write_text("\n".join(kept) + "\n", encoding="utf-8")
    yield tmp_path


def tagged(cluster: Cluster, tag: str) -> list[dict[str, Any]]:
    found = cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps?applicationTags={tag}").get("apps") or {}
    rows = found.get("app", [])
    return rows if isinstance(rows, list) else [rows]


def os_user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
