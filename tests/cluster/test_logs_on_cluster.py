"""``logs`` on a real cluster: the same bytes from the NodeManager, the history server and HDFS, and kept by the run."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path

import yaml
from cluster.conftest import REPO, Cluster, wait_until

RUN = f"logs-{secrets.token_hex(3)}"
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
MARKER = "driver marker äö€ ".encode() + b"\x00\xff\xfe\x80\nEnd of LogType:stdout\n*****\n"
JOB = r"""
import os, sys, time
from pyspark.sql import SparkSession

def on_executor(_):
    os.write(2, b"executor marker \xc3\xa4 \x00\xff\n")
    return 1

spark = SparkSession.builder.getOrCreate()
os.write(1, "driver marker äö€ ".encode() + b"\x00\xff\xfe\x80\nEnd of LogType:stdout\n*****\n")
spark.sparkContext.parallelize([1], 1).map(on_executor).count()
deadline = time.time() + 90
while not os.path.exists(sys.argv[1]) and time.time() < deadline:
    print("tick", flush=True)
    time.sleep(1)
os.write(1, b"the last line\n")
spark.stop()
"""


class Edge:
    """An edge host with a home of its own."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.cluster = cluster
        self.home = home
        self.env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
        for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.env.pop(name, None)
        (home / "job_config.yaml").write_text(yaml.safe_dump({"storage_root": f"/{RUN}"}), encoding="utf-8")
        (home / "job.py").write_text(JOB, encoding="utf-8")

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        out, err = (self.home / f"{name}.{stream}" for stream in ("out", "err"))
        with out.open("wb") as out_file, err.open("wb") as err_file:
            return subprocess.Popen(
                [str(REPO / "batch_submit.sh"), *arguments],
                cwd=self.home,
                env=self.env,
                stdout=out_file,
                stderr=err_file,
            )

    def logs(self, *arguments: str) -> tuple[bytes, str]:
        done = subprocess.run(
            [str(REPO / "batch_submit.sh"), "logs", RUN, *arguments],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout, done.stderr.decode()

    def said(self, name: str) -> str:
        return (self.home / f"{name}.err").read_text(encoding="utf-8", errors="replace")

    def hdfs(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.cluster.webhdfs_url}{path}?op=OPEN&user.name=hdfs", timeout=20) as reply:
            return bytes(reply.read())


def test_the_same_bytes_from_every_source(cluster: Cluster, tmp_path: Path) -> None:
    edge = Edge(cluster, tmp_path)
    gate = tmp_path / "go on"  # the dev cluster's nodes are this host
    script = ["-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue", "--name", "Logs", "--run-id", RUN]
    submitted = edge.start("submit", "submit", *script, "--save-logs", "--", str(gate))
    following = None
    try:
        wait_until(lambda: "submitted as" in edge.said("submit") or submitted.poll() is not None, "an application")
        following = edge.start("follow", "logs", RUN, "--follow", "--driver", "--file", "stdout")
        followed = tmp_path / "follow.out"
        wait_until(lambda: MARKER in followed.read_bytes() or following.poll() is not None, edge.said("follow"))
        assert following.poll() is None and submitted.poll() is None, edge.said("follow")
        assert re.search(r"from NodeManager \S+:\d+", edge.said("follow"))
        running = json.loads(edge.logs("--list", "--json")[0])
        assert {(one["role"], one["complete"]) for one in running} == {("driver", False), ("executor", False)}
        assert {one["executor_id"] for one in running if one["role"] == "executor"} == {"1"}
        gate.touch()
        assert submitted.wait(120) == 0, edge.said("submit")
        assert following.wait(60) == 0, edge.said("follow")
    finally:
        for process in (submitted, following):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
    compare(edge, followed.read_bytes())


def compare(edge: Edge, stdout: bytes) -> None:
    assert MARKER in stdout and stdout.endswith(b"the last line\n")
    assert "from JobHistoryServer" in edge.said("follow")
    from_history, said = edge.logs("--file", "stdout")
    assert "from JobHistoryServer" in said and "partial" not in said
    from_hdfs, said = edge.logs("--file", "stdout", "--source", "hdfs")
    assert "from HDFS /" in said
    assert stdout == from_history == from_hdfs
    listed = json.loads(edge.logs("--list", "--json")[0])
    names = {one["file"] for one in listed if one["role"] == "driver"}
    assert {"stdout", "stderr", "launch_container.sh"} <= names
    assert edge.logs("--driver", "--file", "stdout", "--tail", "2")[0].endswith(b"\nthe last line\n")
    matches = edge.logs("--grep", "^(driver|executor) marker", "--source", "hdfs")[0].splitlines()
    assert [line.split(b"/")[1].split(b":")[0] for line in matches] == [b"stdout", b"stderr"]
    assert matches[1].endswith(b"executor marker \xc3\xa4 \x00\xff")
    edge.logs("--out", "kept")
    saved = re.search(r"logs:    (/\S+) \((\d+) files", edge.said("submit"))
    assert saved is not None and int(saved.group(2)) == len(listed), edge.said("submit")
    for one in listed:
        place = f"{one['container_id']}/{one['file']}"
        local = (edge.home / "kept" / place).read_bytes()
        assert len(local) == one["size_bytes"]
        assert edge.hdfs(f"{saved.group(1)}/{place}") == local
