"""A failure on a real cluster is explained: by ``submit`` when it happens, and by ``diagnose`` afterwards."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from cluster.conftest import REPO, Cluster

SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
JOB = """\
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def per_mile(miles):
    return 100 // miles


spark = SparkSession.builder.getOrCreate()
try:
    spark.range(3).select(F.udf(per_mile, "long")("id")).collect()
except Exception as error:
    raise RuntimeError("the flights could not be scored") from error
"""


def test_an_exception_on_an_executor_is_shown_whole(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text(JOB)
    (tmp_path / "job_config.yaml").write_text("job_specific_config: {custom: {script: score.py}}\n")
    env = cluster.env | {"HOME": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(REPO / "batch_submit.sh"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)

    done = run("submit", "-t", "custom", *SMALL)
    application_id = done.stdout.strip()
    assert done.returncode == 1, done.stderr
    told = done.stderr[done.stderr.index("  probable cause: ") :]
    assert "ZeroDivisionError: integer division or modulo by zero (score.py, line 6)" in told.splitlines()[0]
    for line in (
        '    File "./score.py", line 11, in <module>',
        "    The above exception was the direct cause of the following exception:",
        "    RuntimeError: the flights could not be scored",
    ):
        assert line.strip() in told, done.stderr

    screen = run("diagnose", application_id)
    # The last line names the command: as it was called on stderr, by its plain name on stdout.
    assert (screen.returncode, screen.stdout.splitlines()[1:-1]) == (0, told.splitlines()[:-1]), screen.stderr

    answer = json.loads(run("diagnose", application_id, "--json").stdout)
    (evidence,) = answer["diagnosis"]["evidence"]
    assert (answer["result"], answer["diagnosis"]["rule"], evidence["file"]) == ("failed", "udf_exception", "stdout")
    assert evidence["container_id"].endswith("_01_000001")
    lines = run("logs", application_id, "--driver", "--file", "stdout").stdout.splitlines()
    assert evidence["lines"] == lines[evidence["first_line"] - 1 : evidence["last_line"]]
