"""What following an application costs on this host: our ``monitor`` and a waiting ``spark-submit``, side by side.

``python -m benchmarks.monitor [--minutes 10] [--dir FOLDER] [--json]``. Both follow the same application, whose tasks
keep finishing, for the same time. ``--dir`` takes a development cluster that runs; else one is started.
Goals: at most a fifth of the memory and of the processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from benchmarks.cluster import REPO, client_env, running_cluster
from benchmarks.submit_overhead import DIRECTORY, PORT_OFFSET, bare, kill, resident_mb

MAX_SHARE = 0.2
JOB = """\
import time
from pyspark.sql import SparkSession
sc = SparkSession.builder.getOrCreate().sparkContext
while True:
    sc.parallelize(range(20), 20).map(lambda x: time.sleep(1) or (x % 2, x)).reduceByKey(lambda a, b: a + b).collect()
"""


def client_of(folder: str) -> AbstractContextManager[dict[str, str]]:
    """The environment of a client of a cluster that runs, or of one that is started for this."""
    return nullcontext(client_env(Path(folder))) if folder else running_cluster(DIRECTORY, PORT_OFFSET)


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def until(process: subprocess.Popen[bytes], output: Path, pattern: str) -> str:
    """What a process has written once it holds a pattern."""
    deadline = time.monotonic() + 240
    while not re.search(pattern, text := output.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, text
        time.sleep(0.2)
    return text


def measure(env: dict[str, str], folder: Path, minutes: float) -> dict[str, dict[str, float]]:
    """Follow one application by both for so many minutes."""
    job, peer_out, our_out = folder / "job.py", folder / "peer", folder / "ours"
    job.write_text(JOB)
    with peer_out.open("wb") as peer_file, our_out.open("wb") as our_file:
        peer = subprocess.Popen(bare(env, job, wait=True), env=env, stdout=peer_file, stderr=subprocess.STDOUT)
        text = until(peer, peer_out, r"Submitted application application_\d+_\d+")
        found = re.search(r"application_\d+_\d+", text)
        assert found is not None
        command = [str(REPO / "batch_submit.sh"), "monitor", found.group()]
        ours = subprocess.Popen(command, env=env, cwd=folder, stdout=our_file, stderr=subprocess.STDOUT)
        try:
            until(ours, our_out, r"stage \d+ .* tasks")
            highest = {"spark-submit": 0.0, "monitor": 0.0}
            deadline = time.monotonic() + minutes * 60
            while time.monotonic() < deadline:
                time.sleep(5)  # between two looks at the memory; the deadline is above
                assert ours.poll() is None and peer.poll() is None, our_out.read_text()
                for name, process in (("spark-submit", peer), ("monitor", ours)):
                    highest[name] = max(highest[name], resident_mb(process.pid))
            used = {"spark-submit": cpu_s(peer.pid), "monitor": cpu_s(ours.pid)}
        finally:
            kill(env, found.group())
            for process in (ours, peer):
                process.wait(60)
    return {name: {"memory_mb": round(highest[name], 1), "cpu_s": round(used[name], 2)} for name in highest}


def main() -> int:
    """Measure and print; exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--dir", default="", help="the work folder of a development cluster that runs")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with client_of(arguments.dir) as env, tempfile.TemporaryDirectory() as folder:
        figures = measure(env, Path(folder), arguments.minutes)
    peer, ours = figures["spark-submit"], figures["monitor"]
    shares = {key: round(ours[key] / peer[key], 3) for key in peer}
    if arguments.json:
        print(json.dumps({"minutes": arguments.minutes, **figures, "share": shares}))
    else:
        print(f"{arguments.minutes:g} minutes   spark-submit   monitor   share (goal {MAX_SHARE})")
        print(f"memory, MB    {peer['memory_mb']:12.1f}  {ours['memory_mb']:8.1f}   {shares['memory_mb']}")
        print(f"processor, s  {peer['cpu_s']:12.2f}  {ours['cpu_s']:8.2f}   {shares['cpu_s']}")
    return 0 if all(share <= MAX_SHARE for share in shares.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
