"""Printing 300 MB of aggregated logs: our ``logs`` through WebHDFS and ``yarn logs``, side by side.

``python -m benchmarks.logs [--rounds 10] [--megabytes 300] [--cluster-dir DIR] [--json]``. Starts the development
cluster in a folder of its own, or takes the running one of ``--cluster-dir``. Hadoop's own writer makes the logs
(format TFile, not compressed and ``gz``) as those of an ended application that the ResourceManager does not know.
Goals: not slower than ``yarn logs``, at most 80 MB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

from benchmarks.cluster import CLUSTER, REPO, client_env, running_cluster

DIRECTORY = REPO / ".work" / "bench-logs-cluster"
PORT_OFFSET = 6800
WRITER = REPO / "tests" / "golden" / "aggregated_logs" / "generator" / "WriteAggregatedLogs.java"
OWNER = "bench"
CODECS = ("none", "gz")
CONTAINERS = 6
LINE_HEAD = b"25/11/21 "
MAX_TIME_SHARE = 1.0
MAX_MEMORY_MB = 80


@contextmanager
def cluster(directory: Path | None) -> Iterator[dict[str, str]]:
    """The environment of a client of a running cluster, or of one that is started and ended here."""
    running = nullcontext(client_env(directory)) if directory else running_cluster(DIRECTORY, PORT_OFFSET)
    with running as env:
        jars = subprocess.run([CLUSTER, "jars"], check=True, capture_output=True, text=True).stdout.strip()
        yield env | {"BATCH_SUBMIT_PYTHON": sys.executable, "HADOOP_USER_NAME": OWNER, "HADOOP_JARS": jars}


def java(env: Mapping[str, str], *arguments: str, path: str = "") -> list[str]:
    """A command on Hadoop's classes and the cluster's configuration."""
    where = ":".join(part for part in (path, env["HADOOP_CONF_DIR"], f"{env['HADOOP_JARS']}/*") if part)
    return [f"{env['JAVA_HOME']}/bin/java", "-cp", where, *arguments]


def write_local_logs(folder: Path, application: str, megabytes: int) -> int:
    """Log lines as Spark writes them; for each executor one large file and two small ones.

    Returns
    -------
    int
        Bytes of the executors' files. The driver's are a few more.
    """
    words = ["Starting task", "Finished task", "Block broadcast stored as values in memory", "Getting non-empty blocks"]
    each = megabytes * 1_000_000 // CONTAINERS
    total = 0
    for container in range(1, CONTAINERS + 2):
        place = folder / application / f"{application.replace('application', 'container')}_01_{container:06d}"
        place.mkdir(parents=True)
        if container == 1:
            (place / "stderr").write_bytes(b"the driver's\n")
            continue
        (place / "prelaunch.err").write_bytes(b"")
        with (place / "stderr").open("wb") as file:
            number = 0
            while file.tell() < each:
                lines = range(number, number + 1000)
                file.write(
                    b"".join(
                        LINE_HEAD
                        + f"12:{n % 60:02d}:{n * 7 % 60:02d} INFO TaskSetManager: {words[n % 4]} "
                        f"{n * 2654435761 % 100003}.0 in stage {n // 997}.0 (TID {n}) (worker-{container})\n".encode()
                        for n in lines
                    )
                )
                number += 1000
            total += file.tell()
        (place / "stdout").write_bytes(LINE_HEAD + b"the end\n")
        total += len(LINE_HEAD) + 8
    return total


@contextmanager
def aggregated(env: Mapping[str, str], folder: Path, megabytes: int) -> Iterator[dict[str, tuple[str, int]]]:
    """For each codec an application in HDFS, with the bytes of its logs; removed afterwards."""
    classes = folder / "classes"
    jars = f"{env['HADOOP_JARS']}/*"
    subprocess.run([f"{env['JAVA_HOME']}/bin/javac", "-cp", jars, "-d", str(classes), str(WRITER)], check=True)
    shell = java(env, "org.apache.hadoop.fs.FsShell")
    quiet = {"check": True, "stderr": subprocess.DEVNULL}
    made: dict[str, tuple[str, int]] = {}
    root = f"/app-logs/{OWNER}"
    superuser = dict(env) | {"HADOOP_USER_NAME": Path(env["HADOOP_CONF_DIR"]).owner()}
    try:
        for number, codec in enumerate(CODECS, start=9001):
            application = f"application_{int(time.time())}000_{number}"
            target = f"{root}/bucket-logs-tfile/{number:04d}/{application}"
            total = write_local_logs(folder / codec, application, megabytes)
            subprocess.run([*shell, "-mkdir", "-p", target], env=superuser, **quiet)
            subprocess.run([*shell, "-chown", "-R", OWNER, root], env=superuser, **quiet)
            what = ["TFile", codec, OWNER, application, "localhost:8041", f"{target}/localhost_8041"]
            writer = java(env, "WriteAggregatedLogs", *what, str(folder / codec), path=str(classes))
            subprocess.run(writer, env=env, **quiet)
            made[codec] = application, total
        yield made
    finally:
        subprocess.run([*shell, "-rm", "-r", "-skipTrash", root], env=superuser, stdout=subprocess.DEVNULL)


def ours(application: str) -> list[str]:
    """Our command for everything that an application wrote."""
    everything = ["--executors", "--file", "*", "--source", "hdfs", "--owner", OWNER]
    return [str(REPO / "batch_submit.sh"), "logs", application, *everything]


def yarn(env: Mapping[str, str], application: str) -> list[str]:
    """The peer's command; the program behind the script ``yarn logs``."""
    program = "org.apache.hadoop.yarn.client.cli.LogsCLI"
    return java(env, program, "-applicationId", application, "-appOwner", OWNER)


def measured(command: list[str], env: Mapping[str, str], total: int) -> tuple[float, float]:
    """Seconds and MB of one whole process that prints ``total`` bytes of log lines."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = sum(len(line) for line in output if line.startswith(LINE_HEAD))
        errors.seek(0)
        assert process.returncode == 0 and printed == total, (command, printed, total, errors.read()[-2000:])
    return took, used.ru_maxrss * 1024 / 1e6


def measure(rounds: int, megabytes: int, directory: Path | None) -> dict[str, float]:
    """All figures of one run; the two sides take turns."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, cluster(directory) as env:
        env |= {"XDG_STATE_HOME": f"{name}/state", "XDG_CACHE_HOME": f"{name}/cache"}
        with aggregated(env, Path(name), megabytes) as applications:
            for codec, (application, total) in applications.items():
                mine, theirs = [], []
                for number in range(rounds):
                    print(f"{codec}: round {number + 1} of {rounds}", file=sys.stderr)
                    mine.append(measured(ours(application), env, total))
                    theirs.append(measured(yarn(env, application), env, total))
                for side, taken in (("ours", mine), ("yarn", theirs)):
                    found[f"{side}_{codec}_s"] = statistics.median(seconds for seconds, _ in taken)
                    found[f"{side}_{codec}_mb"] = max(held for _, held in taken)
                found[f"{codec}_bytes"] = total
    return found


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--cluster-dir", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds, options.megabytes, options.cluster_dir)
    missed = False
    lines = [f"{'aggregated logs printed (median)':36}{'ours':>10}{'yarn logs':>12}    goal"]
    for codec in CODECS:
        share, held = found[f"ours_{codec}_s"] / found[f"yarn_{codec}_s"], found[f"ours_{codec}_mb"]
        missed |= share > MAX_TIME_SHARE or held > MAX_MEMORY_MB
        title = f"TFile {codec}, {found[f'{codec}_bytes'] / 1e6:.0f} MB"
        times = f"{found[f'ours_{codec}_s']:>8.2f} s{found[f'yarn_{codec}_s']:>10.2f} s"
        sizes = f"{held:>7.0f} MB{found[f'yarn_{codec}_mb']:>9.0f} MB"
        lines.append(f"{title:36}{times}    {share:.0%}, at most {MAX_TIME_SHARE:.0%}")
        lines.append(f"{'  peak memory':36}{sizes}    at most {MAX_MEMORY_MB} MB")
    print(json.dumps(found) if options.json else "\n".join(lines))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
