"""The submitting process is killed at a named point and the command repeated: exactly one application has succeeded.

Three points for each launcher in `make test`, by the day's date in turn; all of them, again and again in a seeded
order, in `make soak` (SOAK_ROUNDS, SOAK_SEED, SOAK_AT_ONCE), which prints what became of each.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pytest
from cluster.conftest import Cluster, wait_until
from cluster.edge_host import DOOR, EdgeHost, of_run
from cluster.fault_points import POINTS, REST, SPARK_SUBMIT, Point, driver

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "10"))
SEED = int(os.environ.get("SOAK_SEED", "20260131"))
#: Applications at once: on two idle cores more only wait for each other.
AT_ONCE = int(os.environ.get("SOAK_AT_ONCE", "4"))
#: Races of two hosts at once: each is about one run, and two launches.
RACES, RACES_AT_ONCE = 50, 2


@dataclass(frozen=True)
class Outcome:
    """What became of one point, and how long kill and repeat took together, seconds."""

    point: Point
    repeat: str
    applications: tuple[str, ...]
    took_s: float

    @property
    def row(self) -> str:
        """For the table."""
        return f"{self.point!s:55} {self.repeat:28} {' '.join(self.applications):22} {self.took_s:6.1f} s"


def killed_and_repeated(cluster: Cluster, folder: Path, point: Point) -> Outcome:
    """Kill a submission at a point, repeat it, and hold what the cluster shows against the promise."""
    began = time.monotonic()
    run_id = f"kill-{secrets.token_hex(5)}"
    host = EdgeHost(cluster, folder / run_id)
    code, out, err = host.submit([sys.executable, str(driver(point, host.home))], point.launcher, run_id)
    assert code == -signal.SIGKILL, f"{point} was never reached (exit {code}): {err}"
    code, application_id, repeated = host.submit(DOOR, point.launcher, run_id)
    assert code == 0, f"{point}: {repeated}"
    apps = of_run(cluster, run_id)
    told = tuple(sorted(f"{app['state']}/{app['finalStatus']}" for app in apps))
    assert told == ("FINISHED/SUCCEEDED",), f"{point}: {told}\n{err}\n{repeated}"
    assert application_id == apps[0]["id"] and out in ("", application_id), f"{point}: {repeated}"
    again, same, said = host.submit(DOOR, point.launcher, run_id)
    assert (again, same) == (0, application_id) and "already succeeded" in said, f"{point}: {said}"
    assert len(of_run(cluster, run_id)) == 1
    words = {"attached to": "attached", "already succeeded": "already succeeded", ", try 2": "submitted as try 2"}
    repeat = next((short for text, short in words.items() if text in repeated), "submitted")
    return Outcome(point, repeat, told, time.monotonic() - began)


def todays(points: Sequence[Point]) -> list[Point]:
    """Three of them, so that every one has its turn within days."""
    first = 3 * datetime.now(timezone.utc).toordinal()
    return [points[(first + step) % len(points)] for step in range(3)]


def test_there_are_at_least_twelve_points_of_each_launcher_and_each_has_its_day() -> None:
    for points in POINTS.values():
        assert len({(point.step, point.after, point.call) for point in points}) == len(points) >= 12
        assert all(callable(point.function) for point in points)
        days = {points[(3 * day + step) % len(points)] for day in range(len(points)) for step in range(3)}
        assert days == set(points)


def test_killed_at_todays_points_and_repeated(cluster: Cluster, tmp_path: Path) -> None:
    points = [point for both in zip(*(todays(points) for points in POINTS.values()), strict=True) for point in both]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda point: killed_and_repeated(cluster, tmp_path, point), points))
    assert Counter(outcome.point.launcher for outcome in outcomes) == {SPARK_SUBMIT: 3, REST: 3}


def held_to(cluster: Cluster, folder: Path, point: Point) -> Outcome | str:
    """The outcome of a point, or what was wrong: a fault at one of them must not hide the others."""
    try:
        return killed_and_repeated(cluster, folder, point)
    except Exception as error:
        return f"{point!s:55} FAULT: {error!r}"


@pytest.mark.soak
def test_killed_at_every_point_again_and_again(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = random.Random(SEED)
    faults = []
    for number in range(1, ROUNDS + 1):
        points = [point for points in POINTS.values() for point in points]
        order.shuffle(points)
        began = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(lambda point: held_to(cluster, tmp_path, point), points))
        wrong = [outcome for outcome in outcomes if isinstance(outcome, str)]
        faults += wrong
        good = f"{len(points) - len(wrong)} of {len(points)} points with exactly one application, which succeeded"
        with capsys.disabled():
            print(f"\nround {number} of {ROUNDS}, seed {SEED}, {time.monotonic() - began:.0f} s: {good}", flush=True)
            for row in sorted(one if isinstance(one, str) else one.row for one in outcomes):
                print(f"  {row}", flush=True)
    assert not faults, "\n".join(faults)


@dataclass(frozen=True)
class Race:
    """What came of two hosts that submit one run at once: their exit codes, and the applications of the run."""

    launcher: str
    codes: tuple[int, ...]
    applications: int


def raced(cluster: Cluster, folder: Path, launcher: str) -> Race:
    """Two hosts submit one run at once; a repeat of who gave up attaches."""
    run_id = f"race-{secrets.token_hex(5)}"
    hosts = [EdgeHost(cluster, folder / f"{run_id}-{name}") for name in ("one", "two")]
    flags = ["--no-wait", "--no-preflight"]
    both = [host.start(DOOR, launcher, run_id, *flags) for host in hosts]
    ended = [process.communicate(timeout=300) for process in both]
    codes = tuple(process.returncode for process in both)
    allowed = {SPARK_SUBMIT: {(0, 8), (8, 0), (0, 0)}, REST: {(0, 0)}}[launcher]
    assert codes in allowed, [err for _, err in ended]
    ids = {out.strip() for out, _ in ended if out.strip()}
    for host in hosts:
        process = host.start(DOOR, launcher, run_id, *flags)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        ids.add(out.strip())
    shown = [app["id"] for app in of_run(cluster, run_id)]
    assert shown == list(ids) and len(shown) == 1, (shown, ids)
    (application_id,) = ids
    url = f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}"
    cluster.rest(f"{url}/state?user.name=root", "PUT", {"state": "KILLED"})
    wait_until(lambda: cluster.rest(url)["app"]["state"] in ("KILLED", "FINISHED", "FAILED"), "it has ended")
    return Race(launcher, codes, len(of_run(cluster, run_id)))


@pytest.mark.parametrize("launcher", POINTS)
def test_two_hosts_race_for_one_run(cluster: Cluster, tmp_path: Path, launcher: str) -> None:
    assert raced(cluster, tmp_path, launcher).applications == 1


@pytest.mark.soak
def test_two_hosts_race_fifty_times(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    launchers = [SPARK_SUBMIT, REST] * (RACES // 2)
    races: list[Race] = []
    with ThreadPoolExecutor(RACES_AT_ONCE) as pool:
        for race in pool.map(lambda launcher: raced(cluster, tmp_path, launcher), launchers):
            races.append(race)
            told = f"{race.launcher}, exit codes {race.codes}, applications: {race.applications}"
            with capsys.disabled():
                print(f"\nrace {len(races)} of {RACES}: {told}", flush=True)
    with capsys.disabled():
        made = sum(race.applications for race in races)
        print(f"\n{len(races)} races of two hosts for one run: {made} applications")
        for (launcher, both), count in sorted(Counter((race.launcher, race.codes) for race in races).items()):
            print(f"  {launcher:14} exit codes {both}: {count}")
    assert [race.applications for race in races] == [1] * RACES
