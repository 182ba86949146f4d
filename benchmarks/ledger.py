"""What ``list``, ``history`` and their like cost with 10,000 runs on record and with 10, side by side from one run.

``python -m benchmarks.ledger [--rounds 15] [--json]``. Starts the development cluster in a folder of its own, because
``list`` asks a ResourceManager. Both ledgers hold the same kind of runs, eight a day, so that the last day is the same
in both; the rounds take turns. Goal: at most 1.3 times the time. Shown without a goal: how long the first opening
takes, which takes the JSON records of an older release over; and filters that no index helps.
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
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from batch_submit.ledger import Run, StateSeen, Try, TryState
from batch_submit.ledger.exports import write_export
from benchmarks.cluster import REPO, running_cluster

DIRECTORY = REPO / ".work" / "bench-ledger"
PORT_OFFSET = 7300
USER = "alice"
FEW, MANY = 10, 10_000
APART = timedelta(hours=3)
MAX_SHARE = 1.3
#: Calls by what is measured, and whether the goal holds for it.
CALLS: dict[str, tuple[Sequence[str], bool]] = {
    "list": (["list"], True),
    "history": (["history"], True),
    "history --limit 10": (["history", "--limit", "10"], True),
    "history --since 7d": (["history", "--since", "7d"], False),
    "history --result killed": (["history", "--result", "killed"], False),
    "history --name 'weekly-*'": (["history", "--name", "weekly-*"], False),
    "show RUN": (["show", "nightly-3"], False),
}


def ours(env: dict[str, str], *arguments: str) -> str:
    """What a call of ours answers."""
    command = [str(REPO / "batch_submit.sh"), *arguments]
    return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout


def seconds(env: dict[str, str], arguments: Sequence[str]) -> float:
    """Wall time of a call of ours, through the door that people type."""
    began = time.perf_counter()
    ours(env, *arguments)
    return time.perf_counter() - began


def example(cluster: str, number: int, now: datetime) -> Run:
    """The run of a number; 0 is the newest. One in seven has failed, and every hundredth has run twice."""
    made = now - APART * (number + 1)
    at = [(made + timedelta(seconds=step)).strftime("%Y-%m-%dT%H:%M:%SZ") for step in (0, 1, 9, 40, 600)]
    result, code = ("failed", 1) if number % 7 == 0 else ("succeeded", 0)
    states = ("PLANNED", "LAUNCHING", "SUBMITTED", "RUNNING", "FINISHED")
    argv = ("spark-submit", "--master", "yarn", *(f"--conf=spark.key{count}=value{count}" for count in range(40)))
    one = Try(
        1,
        TryState.FINISHED,
        at[0],
        application_id=f"application_1700000000000_{number:05}",
        result=result,
        exit_code=code,
        yarn_state="FINISHED",
        final_status=result.upper(),
        finished_at=at[-1],
        memory_seconds=1_000_000 + number,
        vcore_seconds=600,
        plan={"argv": list(argv), "origins": {f"spark.key{count}": "job_config.yaml:7" for count in range(40)}},
        history=tuple(StateSeen(state, moment) for state, moment in zip(states, at, strict=True)),
    )
    tries = (replace(one, number=1), replace(one, number=2)) if number % 100 == 99 else (one,)
    run_id = f"nightly-{number}"
    return Run(
        run_id=run_id,
        name=f"nightly-{number % 8}",
        job_type="training",
        backend="yarn",
        cluster=cluster,
        user=USER,
        host="edge1",
        created_at=at[0],
        day=at[0][:10],
        fingerprint="0" * 64,
        fingerprint_parts={"job_type": "training", "script": "1" * 64},
        queue="ml-queue",
        argv=argv,
        params={"algorithm": "random_forest", "seed": number},
        tries=tries,
    )


def older_records(folder: Path, count: int) -> None:
    """The JSON files that a release before SQLite would have left, with their times."""
    now = datetime.now(timezone.utc)
    for number in range(count):
        run = example(folder.parent.name, number, now)
        write_export(folder, run)
        written = (now - APART * (number + 1)).timestamp()
        os.utime(folder / f"{run.run_id}.json", (written, written))


def measure(rounds: int) -> tuple[dict[str, dict[str, float]], float]:
    """Medians by call, and the seconds of the first opening with MANY."""
    with tempfile.TemporaryDirectory() as scratch, running_cluster(DIRECTORY, PORT_OFFSET) as env:
        env |= {
            "XDG_CACHE_HOME": f"{scratch}/cache",
            "BATCH_SUBMIT_PYTHON": sys.executable,
            "HADOOP_USER_NAME": USER,
        }
        sides = {count: {**env, "XDG_STATE_HOME": f"{scratch}/{count}"} for count in (FEW, MANY)}
        for count, side in sides.items():
            place = Path(json.loads(ours(side, "ledger", "rebuild", "--offline", "--dry-run", "--json"))["ledger"])
            print(f"writing {count} records", file=sys.stderr)
            older_records(place.parent, count)
        ours(sides[FEW], "history")
        first_s = seconds(sides[MANY], ["history"])
        for count, side in sides.items():
            (state,) = json.loads(ours(side, "ledger", "check", "--json"))
            assert (state["runs"], state["damage"]) == (count, []), state
        lines = {count: len(ours(side, "list").splitlines()) for count, side in sides.items()}
        assert lines[FEW] == lines[MANY] > 5, lines
        found = {}
        for what, (arguments, _) in CALLS.items():
            pairs = [(seconds(sides[FEW], arguments), seconds(sides[MANY], arguments)) for _ in range(rounds + 1)][1:]
            few, many = (statistics.median(side) for side in zip(*pairs, strict=True))
            found[what] = {"few_s": few, "many_s": many}
        return found, first_s


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found, first_s = measure(options.rounds)
    missed = False
    if options.json:
        print(json.dumps({"calls": found, "first_opening_s": first_s}))
    else:
        print(f"{'medians':28}{f'{FEW} runs':>12}{f'{MANY} runs':>12}{'times':>8}    goal")
    for what, row in found.items():
        share = row["many_s"] / row["few_s"]
        goal = CALLS[what][1]
        missed |= goal and share > MAX_SHARE
        if not options.json:
            print(f"{what:28}{row['few_s']:>10.3f} s{row['many_s']:>10.3f} s{share:>8.2f}    "
                  f"{f'at most {MAX_SHARE}' if goal else '-'}")  # fmt: skip
    if not options.json:
        print(f"{f'first opening of {MANY}':28}{'':>12}{first_s:>10.3f} s")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
