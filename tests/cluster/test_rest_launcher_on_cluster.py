"""``launcher: rest`` on the real cluster: no spark-submit, and the same job, arguments and files as with it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from cluster.conftest import REPO, Cluster

MARK = secrets.token_hex(3)
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
#: Arguments that spark-submit in cluster mode corrupts or runs, and some that it does not.
WORDS = [
    "two words",
    "",
    "ä",
    "$HOME",
    "`id`",
    '{"a":{"b":1}}',
    "{{",
    "}}}",
    "<CPS>",
    "<LOG_DIR>",
    "it's",
    'say "x"',
    "a\\b",
]
JOB = """
import json, os, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
import alone, zipped
assert spark.range(1000).repartition(2).count() == 1000
def seen(_):
    return alone.HERE, zipped.HERE, open("renamed.txt").read(), open("a[1].txt").read(), open("c d").read()
out = {"arguments": sys.argv[2:], "executor": spark.sparkContext.parallelize([1], 1).map(seen).first()}
out |= {"driver": open("renamed.txt").read(), "environment": os.environ.get("MARK")}
out["archive"] = sorted(os.listdir("data"))
out["conf"] = {key: value for key, value in spark.sparkContext.getConf().getAll() if key.startswith("spark.my")}
spark.createDataFrame([(json.dumps(out),)], "value string").coalesce(1).write.mode("overwrite").text(sys.argv[1])
spark.stop()
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a job and all kinds of files."""
    (tmp_path / "my job.py").write_text(JOB, encoding="utf-8")
    (tmp_path / "alone.py").write_text("HERE = 'alone'\n", encoding="utf-8")
    (tmp_path / "zipped.py").write_text("HERE = 'zipped'\n", encoding="utf-8")
    (tmp_path / "some.txt").write_text("text", encoding="utf-8")
    for name in ("a[1].txt", "x%20y {1}|.txt"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    for archive, member in (("lib.zip", "zipped.py"), ("data.zip", "some.txt")):
        subprocess.run([sys.executable, "-m", "zipfile", "-c", archive, member], cwd=tmp_path, check=True)
    (tmp_path / "zipped.py").unlink()
    custom = {
        "additional_py_files": ["alone.py", "lib.zip"],
        "files": ["some.txt#renamed.txt", "a[1].txt", "x%20y {1}|.txt#c d"],
        "archives": ["data.zip#data"],
        "custom_spark_conf": {"spark.my.value": "a: b = c # ü", "spark.yarn.appMasterEnv.MARK": "m"},
    }
    config = {"execution": {"launcher": "rest", "log_file": "our.log"}, "job_specific_config": {"custom": custom}}
    (tmp_path / "job_config.yaml").write_text(json.dumps(config), encoding="utf-8")
    return tmp_path


def run(cluster: Cluster, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
    program = [str(REPO / "batch_submit.sh"), *arguments]
    return subprocess.run(program, cwd=home, env=env, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.full
def test_everything_arrives_and_nothing_is_left_in_staging(cluster: Cluster, home: Path) -> None:
    out = f"/tmp/rest-{MARK}"
    job = ["-t", "custom", "--script", "my job.py", *SMALL, "-q", "ml-queue", "--timeout", "10m"]
    done = run(cluster, home, "submit", *job, "--run-id", f"rest-{MARK}", "--", out, *WORDS)
    assert done.returncode == 0, done.stderr
    application_id = done.stdout.strip()
    app = cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}")["app"]
    assert (app["state"], app["finalStatus"], app["queue"]) == ("FINISHED", "SUCCEEDED", "root.ml-queue")
    assert f"try:rest-{MARK}.1" in app["applicationTags"] and app["applicationType"] == "SPARK"
    listed = cluster.rest(f"{cluster.webhdfs_url}{out}?op=LISTSTATUS&user.name=root")["FileStatuses"]["FileStatus"]
    part = next(one["pathSuffix"] for one in listed if one["pathSuffix"].startswith("part-"))
    told = cluster.rest(f"{cluster.webhdfs_url}{out}/{part}?op=OPEN&user.name=root")
    assert told == {
        "arguments": WORDS,
        "executor": ["alone", "zipped", "text", "a[1].txt", "x%20y {1}|.txt"],
        "driver": "text",
        "environment": "m",
        "archive": ["some.txt"],
        "conf": {"spark.my.value": "a: b = c # ü"},
    }
    staging = cluster.rest(f"{cluster.webhdfs_url}/user/root/.sparkStaging?op=LISTSTATUS&user.name=root")
    assert application_id not in [one["pathSuffix"] for one in staging["FileStatuses"]["FileStatus"]]


def test_a_refused_queue_and_a_size_too_large_are_4_in_the_servers_words(cluster: Cluster, home: Path) -> None:
    small = ["-t", "custom", "--script", "my job.py", *SMALL, "--no-preflight"]
    queue = run(cluster, home, "submit", *small, "-q", "nowhere", "--", "/tmp/none")
    assert queue.returncode == 4 and "nowhere" in queue.stderr, queue.stderr
    large = ["-t", "custom", "--script", "my job.py", "--no-preflight", "--driver-memory", "900g"]
    size = run(cluster, home, "submit", *large, "--", "/tmp/none")
    assert size.returncode == 4 and "at most" in size.stderr, size.stderr
