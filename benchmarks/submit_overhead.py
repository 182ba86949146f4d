"""What our ``submit`` (by spark-submit) adds to a bare one and what each holds in memory while it waits, side by side.

``python -m benchmarks.submit_overhead [--rounds 5] [--json]``. Starts the development cluster in a folder of its own.
Goals: at most 0.5 s more until an application is accepted, at most a fifth of the memory while waiting.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cluster import REPO, running_cluster

DIRECTORY = REPO / ".work" / "bench-cluster"
PORT_OFFSET = 6500
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
JOB = "import time\nfrom pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate()\ntime.sleep(600)\n"
MAX_EXTRA_S = 0.5
MAX_MEMORY_SHARE = 0.2


def ours(job: Path, *more: str) -> list[str]:
    """Our command."""
    return [
        str(REPO / "batch_submit.sh"),
        "submit",
        "-t",
        "custom",
        "--script",
        str(job),
        "-q",
        "ml-queue",
        *SMALL,
        *more,
    ]


def bare(env: dict[str, str], job: Path, *, wait: bool) -> list[str]:
    """The peer's command: the same Spark, job and sizes."""
    program = f"{env['SPARK_HOME']}/bin/spark-submit"
    conf = ["--conf", f"spark.yarn.submit.waitAppCompletion={str(wait).lower()}"]
    return [program, "--master", "yarn", "--deploy-mode", "cluster", "--queue", "ml-queue", *SMALL, *conf, str(job)]


def kill(env: dict[str, str], output: str) -> None:
    """End the application that a command's output names, and wait until it has ended."""
    found = re.search(r"application_\d+_\d+", output)
    assert found, output
    subprocess.run([REPO / "batch_submit.sh", "kill", found.group()], env=env, check=True, capture_output=True)


def seconds_to_acceptance(command: list[str], env: dict[str, str]) -> float:
    """Wall time of a command that returns when the application is accepted; the application is ended afterwards."""
    began = time.monotonic()
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    took = time.monotonic() - began
    kill(env, done.stdout + done.stderr)
    return took


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its children, MB."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            status = stat.with_name("status").read_text()
        except OSError:
            continue  # it has ended between the two looks
        if stat.parent.name == str(pid) or fields[1] == str(pid):
            found = re.search(r"VmRSS:\s+(\d+) kB", status)
            total += int(found.group(1)) if found else 0
    return total / 1024


def memory_while_waiting(command: list[str], env: dict[str, str], waits: Callable[[str], bool]) -> float:
    """Resident memory 10 s after a waiting command has seen its application RUNNING, MB."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 120
        text = ""
        while not waits(text):
            assert process.poll() is None and time.monotonic() < deadline, text
            time.sleep(0.2)
            output.seek(0)
            text = output.read()
        time.sleep(10)  # what is measured is a process at rest
        held = resident_mb(process.pid)
        kill(env, text)
        process.wait(60)
    return held


def measure(rounds: int) -> dict[str, float]:
    """All figures of one run; the two sides take turns."""
    with tempfile.TemporaryDirectory() as folder, running_cluster(DIRECTORY, PORT_OFFSET) as env:
        env |= {
            "XDG_STATE_HOME": f"{folder}/state",
            "XDG_CACHE_HOME": f"{folder}/cache",
            "BATCH_SUBMIT_PYTHON": sys.executable,
        }
        job = Path(folder, "job.py")
        job.write_text(JOB)
        mine, theirs = [], []
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            theirs.append(seconds_to_acceptance(bare(env, job, wait=False), env))
            mine.append(seconds_to_acceptance(ours(job, "--no-wait", "--launcher", "spark-submit"), env))
        print("memory while waiting", file=sys.stderr)

        def waits(text: str) -> bool:
            return "RUNNING" in text

        return {
            "ours_s": statistics.median(mine),
            "bare_s": statistics.median(theirs),
            "ours_waiting_mb": memory_while_waiting(ours(job), env, waits),
            "bare_waiting_mb": memory_while_waiting(bare(env, job, wait=True), env, waits),
        }


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds)
    extra, share = found["ours_s"] - found["bare_s"], found["ours_waiting_mb"] / found["bare_waiting_mb"]
    if options.json:
        print(json.dumps(found | {"extra_s": extra, "memory_share": share}))
    else:
        print(f"{'':34}{'ours':>10}{'spark-submit':>14}{'':4}goal")
        times = f"{found['ours_s']:>8.2f} s{found['bare_s']:>12.2f} s"
        print(f"{'submitted and accepted (median)':34}{times}    {extra:+.2f} s, at most +{MAX_EXTRA_S} s")
        sizes = f"{found['ours_waiting_mb']:>7.0f} MB{found['bare_waiting_mb']:>11.0f} MB"
        print(f"{'resident memory while waiting':34}{sizes}    {share:.0%}, at most {MAX_MEMORY_SHARE:.0%}")
    return int(extra > MAX_EXTRA_S or share > MAX_MEMORY_SHARE)


if __name__ == "__main__":
    sys.exit(main())
