"""``monitor`` beside a real Spark application: its stages, its executors, its end; and a second one that is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from cluster.conftest import REPO, Cluster

SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
#: Two jobs of two stages (a shuffle between them) of six tasks. Its tasks wait for one file, its end for another.
JOB = """
import os, sys, time
from pyspark.sql import SparkSession
seen, may_end = sys.argv[1:]
def wait_for(file):
    until = time.monotonic() + 90
    while not os.path.exists(file) and time.monotonic() < until:
        time.sleep(0.2)
spark = SparkSession.builder.getOrCreate()
for _ in range(2):
    numbers = spark.sparkContext.parallelize(range(6), 6)
    numbers.map(lambda x: wait_for(seen) or (x % 2, x)).reduceByKey(lambda a, b: a + b, 6).collect()
wait_for(may_end)
spark.stop()
"""


def start(cluster: Cluster, home: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
    with (home / f"{name}.out").open("wb") as out, (home / f"{name}.err").open("wb") as err:
        program = [str(REPO / "batch_submit.sh"), *arguments]
        return subprocess.Popen(program, cwd=home, env=env, stdout=out, stderr=err)


def wait_until_said(file: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while text not in (said := file.read_text(encoding="utf-8")):
        assert process.poll() is None and time.monotonic() < deadline, said
        time.sleep(0.1)  # between two looks; the deadline is above


def test_a_job_is_followed_to_its_end_and_a_second_watcher_may_leave(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "job_config.yaml").write_text("execution: {log_file: our.log}\n", encoding="utf-8")
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    seen_running, gate = tmp_path / "seen running", tmp_path / "may end"
    files = [str(seen_running), str(gate)]
    job = ["-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue", "--no-wait", "--", *files]
    submit = start(cluster, tmp_path, "submit", "submit", *job)
    assert submit.wait(120) == 0, (tmp_path / "submit.err").read_text(encoding="utf-8")
    app_id = (tmp_path / "submit.out").read_text(encoding="utf-8").strip()

    first = start(cluster, tmp_path, "first", "monitor", app_id, "--json-lines", "--interval", "1s")
    second = start(cluster, tmp_path, "second", "monitor", app_id)
    wait_until_said(tmp_path / "second.err", f"{app_id}: RUNNING in root.ml-queue", second)
    second.send_signal(signal.SIGINT)
    assert second.wait(30) == 130
    assert "no longer watching" in (tmp_path / "second.err").read_text(encoding="utf-8")

    wait_until_said(tmp_path / "first.out", '"stage_id": 0', first)  # its tasks wait until they have been seen
    seen_running.touch()
    wait_until_said(tmp_path / "first.out", '"jobs_done": 2', first)
    gate.touch()
    assert first.wait(120) == 0, (tmp_path / "first.err").read_text(encoding="utf-8")
    events = [json.loads(line) for line in (tmp_path / "first.out").read_text(encoding="utf-8").splitlines()]
    assert [event["state"] for event in events if event["event"] == "state"][-1] == "RUNNING"
    work = [event for event in events if event["event"] == "progress"]
    seen = {(stage["stage_id"], stage["tasks"]) for event in work for stage in event["stages"]}
    assert seen and seen <= {(number, 6) for number in range(4)}
    assert (work[-1]["jobs_done"], work[-1]["tasks_done"], work[-1]["executors"]) == (2, 24, 1)
    assert events[-1] | {"time_ms": 0} == {
        "event": "end",
        "application_id": app_id,
        "exit_code": 0,
        "result": "succeeded",
        "state": "FINISHED",
        "final_status": "SUCCEEDED",
        "reason": events[-1]["reason"],
        "time_ms": 0,
    }
    lines = (tmp_path / "first.err").read_text(encoding="utf-8")
    assert "tasks, " in lines and "executors 1 (1 core)" in lines
