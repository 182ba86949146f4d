"""Runs the commands of the README's picture on the cluster that HADOOP_CONF_DIR names and draws what they print.

``eval "$(deploy/devcluster/devcluster env)"; ./batch_submit.sh demo-data; python docs/images/at_work.py`` writes
``docs/images/at-work.svg``. The runs are those of user alice.
"""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

REPO = Path(__file__).resolve().parents[2]
WIDTH = 128
JOB = """\
from pyspark.sql import SparkSession
flights = SparkSession.builder.getOrCreate().read.parquet("/ml-pipeline/data/training/flights.parquet")
flights.groupBy("carier").count().show()
"""
SMALL = "--num-executors 1 --executor-memory 512m --driver-memory 512m"


def shown(folder: str) -> list[str]:
    """The commands of the picture, as they are typed."""
    Path(folder, "job.py").write_text(JOB, encoding="utf-8")
    return [
        "./batch_submit.sh submit -t training -q ml-queue --run-id nightly-2026-01-31",
        "./batch_submit.sh submit -t training -q ml-queue --run-id nightly-2026-01-31",
        f"./batch_submit.sh submit -t custom --script {folder}/job.py {SMALL}; echo exit code $?",
        "./batch_submit.sh list",
        "./batch_submit.sh submit -t training -q frozen; echo exit code $?",
        "./batch_submit.sh config show -t training --profile large-training --origin | grep spark.executor",
    ]


def main() -> None:
    """Run, draw, write."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory(prefix="demo") as folder:
        state = {"XDG_STATE_HOME": folder, "XDG_CACHE_HOME": folder, "HADOOP_USER_NAME": "alice", "COLUMNS": str(WIDTH)}
        env = {name: value for name, value in os.environ.items() if name not in state} | state
        for command in shown(folder):
            done = subprocess.run(
                ["bash", "-c", command], cwd=REPO, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            console.print(Text(f"$ {command}".replace(folder, "."), style="bold cyan"))
            for line in done.stdout.replace(str(REPO) + "/", "").replace(folder, ".").splitlines():
                if line.startswith("the nodes need"):
                    continue
                style = "red" if line.startswith("error") else "green" if "succeeded" in line else ""
                console.print(Text(line, style=style), overflow="ellipsis", no_wrap=True)
            console.print()
    target = Path(__file__).with_name("at-work.svg")
    target.write_text(console.export_svg(title="batch-submit at work"), encoding="utf-8")


if __name__ == "__main__":
    main()
