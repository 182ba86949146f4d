"""What ``list``, ``status`` and ``logs`` cost as whole processes, ours and ``yarn``, side by side from one run.

``python -m benchmarks.operations [--rounds 10] [--json]``. Starts the development cluster in a folder of its own. The
peer runs ``ApplicationCLI`` and ``LogsCLI`` in the smallest JVM that we know: the Hadoop jars alone,
``-XX:+UseSerialGC``, ``-XX:TieredStopAtLevel=1``; the sides take turns. Goals: a fifth of the time, a third of the
memory, also with 1,000 finished applications in the ResourceManager; a quarter of the time for the logs of a small
application. Shown without a goal: printing all the 1,000, and every file of that application one by one from the
history server (``yarn logs`` always prints every file; ours prints the driver's output unless told otherwise).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cluster import REPO, running_cluster

HADOOP_JARS = REPO / ".devcluster-jars" / "lib"
DIRECTORY = REPO / ".work" / "bench"
PORT_OFFSET = 7000
USER = "alice"
FINISHED = 1000
MAX_MEMORY_SHARE = 1 / 3
#: Goals by row: the share of the peer's time; a row without one is shown only.
LIST, STATUS, LOGS, ALL_LOGS = "list", "status", "logs, small", "logs, small, every file"
LIST_AMONG, LIST_ALL = f"list, {FINISHED} ended", f"list, {FINISHED} shown"
MAX_TIME_SHARE = {LIST: 1 / 5, STATUS: 1 / 5, LIST_AMONG: 1 / 5, LOGS: 1 / 4}
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
JOB = """
from pyspark.sql import SparkSession
print(SparkSession.builder.getOrCreate().range(1000).count())
"""
#: An application that is refused at once: FAILED without any attempt.
REFUSED_QUEUE = "no-such-queue"


@dataclass(frozen=True)
class Cost:
    """One call: wall time, CPU time, peak resident memory."""

    seconds: float
    cpu_s: float
    mb: float


def yarn(env: dict[str, str], program: str, *arguments: str) -> list[str]:
    """The peer's command; ``program`` is ``application`` or ``logs``."""
    small = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    classes = f"{env['HADOOP_CONF_DIR']}:{HADOOP_JARS}/*"
    main = {"application": ["ApplicationCLI", "application"], "logs": ["LogsCLI"]}[program]
    main[0] = f"org.apache.hadoop.yarn.client.cli.{main[0]}"
    return [f"{env['JAVA_HOME']}/bin/java", *small, "-cp", classes, *main, *arguments]


def ours(*arguments: str) -> list[str]:
    """Our command, through the door that people type."""
    return [str(REPO / "batch_submit.sh"), *arguments]


def cost(command: Sequence[str], env: dict[str, str]) -> Cost:
    """Run a command to its end."""
    began = time.monotonic()
    with Path(os.devnull).open("wb") as nowhere, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=env, stdout=nowhere, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"{shlex.join(command)}: {said.read().decode(errors='replace')}")
    return Cost(took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def side_by_side(mine: Sequence[str], theirs: Sequence[str], env: dict[str, str], rounds: int) -> dict[str, float]:
    """Medians of both; the first call of each is not counted: it fills the caches of the disk and our own."""
    pairs = [(cost(mine, env), cost(theirs, env)) for _ in range(rounds + 1)][1:]
    found = {}
    for name, costs in (("ours", [one for one, _ in pairs]), ("peer", [other for _, other in pairs])):
        found[f"{name}_s"] = statistics.median(one.seconds for one in costs)
        found[f"{name}_cpu_s"] = statistics.median(one.cpu_s for one in costs)
        found[f"{name}_mb"] = statistics.median(one.mb for one in costs)
    return found


def post(base: str, path: str, body: object) -> Any:
    """A write over REST; the JSON that comes back, ``None`` for an empty answer."""
    request = urllib.request.Request(
        f"{base}/ws/v1/cluster/{path}?user.name={USER}",
        data=json.dumps(body).encode(),
        method="POST",
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
        text = reply.read()
    return json.loads(text) if text else None


def add_finished(base: str, number: int) -> str:
    """Leave so many ended applications in the ResourceManager; the id of the last."""
    application_id = ""
    for count in range(number):
        application_id = post(base, "apps/new-application", {})["application-id"]
        post(
            base,
            "apps",
            {
                "application-id": application_id,
                "application-name": f"bench-{count}",
                "application-type": "SPARK",
                "queue": REFUSED_QUEUE,
                "am-container-spec": {"commands": {"command": "true"}},
                "resource": {"memory": 128, "vCores": 1},
            },
        )
    return application_id


def ended(base: str, application_id: str) -> None:
    """Wait until an application has ended: refusing is not instant."""
    deadline = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"{base}/ws/v1/cluster/apps/{application_id}/state", timeout=30) as reply:  # nosec B310  # http of our own cluster
            if json.loads(reply.read())["state"] == "FAILED":
                return
        assert time.monotonic() < deadline, f"{application_id} does not end"
        time.sleep(0.1)


def logs_of_a_small_application(env: dict[str, str], folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """What a small Spark application wrote, to stdout: each side's plain call, and ours for every file."""
    (folder / "job.py").write_text(JOB, encoding="utf-8")
    submit = [*ours("submit", "-t", "custom", "--script", str(folder / "job.py")), *SMALL]
    application = subprocess.run(submit, env=env, check=True, capture_output=True, text=True).stdout.strip()
    mine = ours("logs", application)
    every = [*mine, "--driver", "--executors", "--file", "*"]
    # Waits until the nodes have uploaded, so that both sides read the same.
    subprocess.run([*every, "--wait-for", "60s"], env=env, check=True, capture_output=True)
    theirs = yarn(env, "logs", "-applicationId", application)
    return {LOGS: side_by_side(mine, theirs, env, rounds), ALL_LOGS: side_by_side(every, theirs, env, rounds)}


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """All figures of one run."""
    with tempfile.TemporaryDirectory() as folder, running_cluster(DIRECTORY, PORT_OFFSET) as env:
        env |= {
            "XDG_STATE_HOME": f"{folder}/state",
            "XDG_CACHE_HOME": f"{folder}/cache",
            "BATCH_SUBMIT_PYTHON": sys.executable,
            "HADOOP_USER_NAME": USER,
        }
        shown = subprocess.run([*ours("urls"), "--json"], env=env, check=True, capture_output=True, text=True).stdout
        base = json.loads(shown)["resource_manager"].removesuffix("/cluster")
        one = add_finished(base, 1)
        ended(base, one)
        found = {
            LIST: side_by_side(ours("list"), yarn(env, "application", "-list"), env, rounds),
            STATUS: side_by_side(ours("status", one), yarn(env, "application", "-status", one), env, rounds),
        }
        found |= logs_of_a_small_application(env, Path(folder), rounds)
        print(f"adding {FINISHED} applications", file=sys.stderr)
        # With the two above; the ResourceManager keeps no more than 1,000.
        ended(base, add_finished(base, FINISHED - 2))
        found[LIST_AMONG] = side_by_side(ours("list"), yarn(env, "application", "-list"), env, rounds)
        every = ["list", "--all-users", "--all-apps", "--states", "all"]
        lines = subprocess.run(ours(*every), env=env, check=True, capture_output=True, text=True).stdout
        assert len(re.findall(r"^application_", lines, re.MULTILINE)) == FINISHED, lines[-500:]
        theirs = yarn(env, "application", "-list", "-appStates", "ALL")
        found[LIST_ALL] = side_by_side(ours(*every), theirs, env, rounds)
        return found


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds)
    if options.json:
        print(json.dumps(found))
    else:
        print(f"{'medians':26}{'ours':>10}{'yarn':>10}{'share':>8}    goal")
    missed = False
    for what, row in found.items():
        time_share, memory_share = row["ours_s"] / row["peer_s"], row["ours_mb"] / row["peer_mb"]
        goal = MAX_TIME_SHARE.get(what)
        time_goal, memory_goal = (f"{goal:.0%}", f"{MAX_MEMORY_SHARE:.0%}") if goal is not None else ("-", "-")
        missed |= goal is not None and (time_share > goal or memory_share > MAX_MEMORY_SHARE)
        if options.json:
            continue
        print(f"{what:26}{row['ours_s']:>8.3f} s{row['peer_s']:>8.3f} s{time_share:>8.0%}    {time_goal}")
        cpu_share = row["ours_cpu_s"] / row["peer_cpu_s"]
        print(f"{'  CPU':26}{row['ours_cpu_s']:>8.3f} s{row['peer_cpu_s']:>8.3f} s{cpu_share:>8.0%}")
        print(f"{'  peak memory':26}{row['ours_mb']:>7.1f} MB{row['peer_mb']:>7.1f} MB{memory_share:>8.0%}    "
              f"{memory_goal}")  # fmt: skip
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
