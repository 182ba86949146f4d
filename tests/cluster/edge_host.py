"""An edge host for tests that kill it: a home, and with it a ledger, of its own, and jobs that cost little."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster.conftest import REPO, Cluster
from process.door import Running

#: Hundreds of JVMs that live for seconds: what is spared here is most of a round's time.
CHEAP_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
#: The least that succeeds.
JOB = "from pyspark import SparkContext\nSparkContext.getOrCreate().stop()\n"
CONFIG = f"""\
execution: {{log_file: our.log, submit_settle: 5s}}
spark_config:
  queue: ml-queue
  driver_memory: 512m
  executor_memory: 512m
  spark.dynamicAllocation.enabled: true
  spark.dynamicAllocation.shuffleTracking.enabled: true
  spark.dynamicAllocation.minExecutors: 0
  spark.dynamicAllocation.initialExecutors: 0
  spark.eventLog.enabled: false
  spark.ui.enabled: false
  spark.driver.extraJavaOptions: "{CHEAP_JVM}"
"""
#: The same; it goes on until a file is there.
GATED_JOB = """\
import sys, time
from pathlib import Path
from pyspark import SparkContext
context = SparkContext.getOrCreate()
deadline = time.monotonic() + 300
while time.monotonic() < deadline and not Path(sys.argv[1]).exists():
    time.sleep(0.2)
context.stop()
"""
DOOR = [str(REPO / "batch_submit.sh")]


class EdgeHost:
    """A home, and so a ledger, of its own, with the job in it."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        home.mkdir()
        self.cluster, self.home = cluster, home
        quick = {"SPARK_SUBMIT_OPTS": CHEAP_JVM}
        self.env = cluster.env | quick | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
        for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.env.pop(name, None)
        (home / "job.py").write_text(JOB, encoding="utf-8")
        (home / "job_config.yaml").write_text(CONFIG, encoding="utf-8")

    def start(self, program: Sequence[str], launcher: str, run_id: str, *more: str) -> subprocess.Popen[str]:
        arguments = ["submit", "-t", "custom", "--script", "job.py", "--launcher", launcher, "--run-id", run_id, *more]
        return subprocess.Popen(
            [*program, *arguments],
            cwd=self.home,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def submit(self, program: Sequence[str], launcher: str, run_id: str) -> tuple[int, str, str]:
        process = self.start(program, launcher, run_id)
        out, err = process.communicate(timeout=300)
        return process.returncode, out.strip(), err

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A call to its end."""
        return subprocess.run(
            [*DOOR, *arguments], cwd=self.home, env=self.env, capture_output=True, text=True, timeout=300, check=False
        )

    def begin(self, *arguments: str, program: Sequence[str] = DOOR, **env: str) -> Running:
        """A call that goes on; its streams are files, so that they can be read meanwhile."""
        number = len(list(self.home.glob("*.err")))
        out, err = self.home / f"{number}.out", self.home / f"{number}.err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [*program, *arguments],
                cwd=self.home, env=self.env | env, stdin=subprocess.DEVNULL, stdout=out_file, stderr=err_file,
            )  # fmt: skip
        return Running(process, out, err)

    def waits_for(self, gate: Path) -> list[str]:
        """``submit`` arguments of a job that goes on until a file is there."""
        (self.home / "gated.py").write_text(GATED_JOB, encoding="utf-8")
        return ["submit", "-t", "custom", "--script", "gated.py", "--app-arg", str(gate)]

    def tries(self, run_id: str) -> list[dict[str, Any]]:
        """The tries of a run on record."""
        done = self.run("show", run_id, "--json")
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout)["tries"])


def of_run(cluster: Cluster, run_id: str) -> list[dict[str, Any]]:
    """The applications of a run, the newest first; the ResourceManager lists them in no order."""
    found = cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps?applicationTags=run:{run_id}")["apps"] or {}
    return sorted(found.get("app") or [], key=lambda app: (app["startedTime"], app["id"]), reverse=True)
