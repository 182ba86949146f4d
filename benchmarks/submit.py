"""One submission, and fifty at once: over REST, by our spark-submit launcher, and by bare spark-submit, side by side.

``python -m benchmarks.submit [--rounds 5] [--many 50] [--json]``. Starts the development cluster in a folder of its own
and ends its NodeManager: what is submitted stays ACCEPTED, so that no driver of an earlier round disturbs a later one.
Goals for REST as a whole process: at most 0.5 s and at least 8 times faster than bare spark-submit; many in parallel at
least 20 times faster.
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
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.cluster import CLUSTER, REPO, running_cluster
from benchmarks.submit_overhead import DIRECTORY, PORT_OFFSET, bare, ours

SIDES = ("rest", "spark-submit", "bare")
MOST_S, ONE_TIMES, MANY_TIMES = 0.5, 8.0, 20.0
#: JVMs of spark-submit that run at once: more than that only wait for the two cores, and each holds 250 MB.
MOST_JVMS = 8


def command(side: str, env: dict[str, str], job: Path) -> list[str]:
    """The command of a side."""
    return (
        bare(env, job, wait=False) if side == "bare" else ours(job, "--no-wait", "--no-preflight", "--launcher", side)
    )


def submit(words: list[str], env: dict[str, str]) -> tuple[float, float, str]:
    """Run one submission to acceptance: wall seconds, the largest resident memory of one of its processes, MB, its id.

    The memory is what ``wait4`` reports of the process and those that it waited for.
    """
    with tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            ["/usr/bin/env", sys.executable, "-c", _MEASURED, *words], env=env, stdout=output, stderr=subprocess.STDOUT
        )
        process.wait(300)
        took = time.monotonic() - began
        output.seek(0)
        text = output.read()
    assert process.returncode == 0, text
    found = re.findall(r"application_\d+_\d+", text)
    measured = re.findall(r"measured ([\d.]+) s ([\d.]+) MB", text)
    assert found and measured, text
    return min(took, float(measured[-1][0])), float(measured[-1][1]), found[-1]


#: Runs a command and says how long it took and the most memory of any process that it waited for.
_MEASURED = """
import resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call(sys.argv[1:])
took = time.monotonic() - began
print(f"measured {took:.3f} s {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.1f} MB", flush=True)
sys.exit(code)
"""


def accepted(words: list[str], env: dict[str, str]) -> str:
    """Run one submission to acceptance; its id."""
    done = subprocess.run(words, env=env, check=True, capture_output=True, text=True)
    return re.findall(r"application_\d+_\d+", done.stdout + done.stderr)[-1]


def kill_all(env: dict[str, str], ids: list[str]) -> None:
    """End the applications."""
    subprocess.run([REPO / "batch_submit.sh", "kill", *ids], env=env, check=True, capture_output=True)


def many(side: str, env: dict[str, str], job: Path, count: int) -> float:
    """Wall time of so many submissions started together, s."""
    workers = count if side == "rest" else min(count, MOST_JVMS)
    began = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        ids = list(pool.map(lambda _: accepted(command(side, env, job), env), range(count)))
    took = time.monotonic() - began
    assert len(set(ids)) == count, "every submission is an application of its own"
    kill_all(env, ids)
    return took


def end_the_only_node() -> None:
    """Leave the ResourceManager without a node, and wait until it knows that."""
    place = ["--dir", str(DIRECTORY)]
    subprocess.run([CLUSTER, "kill", "nodemanager", *place], check=True, capture_output=True)
    told = subprocess.run([CLUSTER, "status", "--json", *place], check=False, capture_output=True, text=True).stdout
    url = f"{json.loads(told)['urls']['resourcemanager']}/ws/v1/cluster/metrics"
    deadline = time.monotonic() + 900
    while True:
        with urllib.request.urlopen(url, timeout=20) as reply:  # nosec B310  # http of our own cluster
            if json.load(reply)["clusterMetrics"]["activeNodes"] == 0:
                return
        assert time.monotonic() < deadline, "the ResourceManager still counts its node"
        time.sleep(1)  # between two looks; the deadline is above


def measure(rounds: int, count: int) -> dict[str, dict[str, float]]:
    """All figures of one run; the sides take turns."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder, running_cluster(DIRECTORY, PORT_OFFSET) as env:
        env |= {
            "XDG_STATE_HOME": f"{folder}/state",
            "XDG_CACHE_HOME": f"{folder}/cache",
            "BATCH_SUBMIT_PYTHON": sys.executable,
        }
        end_the_only_node()
        job = Path(folder, "job.py")
        job.write_text("pass\n")
        runs: dict[str, list[tuple[float, float, str]]] = {side: [] for side in SIDES}
        for number in range(rounds + 1):
            print(f"round {number} of {rounds}" + (" (warm-up)" if not number else ""), file=sys.stderr)
            for side in SIDES:
                one = submit(command(side, env, job), env)
                kill_all(env, [one[2]])
                if number:
                    runs[side].append(one)
        for side in SIDES:
            print(f"{count} by {side}", file=sys.stderr)
            found[side] = {
                "one_s": statistics.median(one[0] for one in runs[side]),
                "memory_mb": max(one[1] for one in runs[side]),
                "many_s": many(side, env, job, count),
            }
    return found


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.rounds, options.many)
    rest, peer = found["rest"], found["bare"]
    one, all_of_them = peer["one_s"] / rest["one_s"], peer["many_s"] / rest["many_s"]
    if options.json:
        print(json.dumps(found | {"times_faster": {"one": one, "many": all_of_them}}))
    else:
        print(f"{'':24}{'rest':>10}{'our spark-submit':>18}{'bare':>10}    goal")
        for title, key, unit, goal in (
            ("one (median)", "one_s", "s", f"{one:.1f} times faster, at least {ONE_TIMES:.0f}; at most {MOST_S} s"),
            ("memory of one", "memory_mb", "MB", ""),
            (f"{options.many} at once", "many_s", "s", f"{all_of_them:.1f} times faster, at least {MANY_TIMES:.0f}"),
        ):
            cells = "".join(
                f"{found[side][key]:>{width}.2f} {unit}" for side, width in zip(SIDES, (8, 16, 8), strict=True)
            )
            print(f"{title:24}{cells}    {goal}")
    return int(rest["one_s"] > MOST_S or one < ONE_TIMES or all_of_them < MANY_TIMES)


if __name__ == "__main__":
    sys.exit(main())
