"""Many submissions at once from one host: no more spark-submits than slots, the rest in a queue that is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from batch_submit.adapters.launch_slots import launch_slot, slots_of_this_host
from batch_submit.errors import HostNotReady
from tests.process.door import Door, Running, until

CONFIG = "execution:\n  max_spark_submits: 2\njob_specific_config:\n  custom:\n    script: job.py\n"
QUEUED = "waiting for a free spark-submit slot"


def alive(door: Door) -> int:
    """How many spark-submits of this world are running."""
    return sum(Path(f"/proc/{call.pid}").exists() for call in door.calls)


def many(door: Door, count: int) -> list[Running]:
    """So many submissions, two of which are in their spark-submits and stay there."""
    door.write_config(CONFIG)
    running = [door.submitting("--no-wait", "--run-id", f"r{number}") for number in range(count)]
    until(lambda: len(door.calls) == 2, "two spark-submits run")
    until(lambda: sum(QUEUED in one.err for one in running) == count - 2, "the others say that they wait")
    return running


def test_the_rest_queue_visibly_and_all_are_submitted(door: Door) -> None:
    gate = door.holds("wait_before")
    running = many(door, 8)
    positions = sorted(int(one.err.split(QUEUED + " (")[1].split(" ")[0]) for one in running if QUEUED in one.err)
    assert positions[0] == 0 and all("2 at once on this host" in one.err for one in running if QUEUED in one.err)
    assert (len(door.calls), alive(door)) == (2, 2)
    gate.touch()
    ended = [one.end() for one in running]
    assert [one.code for one in ended] == [0] * 8, [one.err for one in ended]
    assert len(door.calls) == len(door.rm.applications) == 8
    assert [path.name for path in door.state.glob("launch/slots/ticket-*")] == []


@pytest.mark.full
def test_fifty_at_once_are_fifty_applications_and_never_more_than_four_spark_submits(door: Door) -> None:
    door.write_config(CONFIG.replace("2", "4"))
    running = [door.submitting("--no-wait", "--run-id", f"r{number}") for number in range(50)]
    most = 0
    deadline = time.monotonic() + 300
    while any(one.process.poll() is None for one in running):
        assert time.monotonic() < deadline
        most = max(most, alive(door))
        time.sleep(0.02)
    assert [one.process.returncode for one in running] == [0] * 50
    assert 1 <= most <= 4
    assert len(door.calls) == len(door.rm.applications) == 50


def test_a_slot_and_a_place_in_the_queue_end_with_their_process(door: Door) -> None:
    gate = door.holds("wait_before")
    running = many(door, 5)
    for one in [one for one in running if QUEUED in one.err][:2]:
        one.send(signal.SIGKILL)  # two of those that wait
        one.process.wait()
    for one in [one for one in running if one.process.poll() is None and QUEUED not in one.err]:
        one.send(signal.SIGKILL)  # both that have a slot; their spark-submits go on in their own sessions
        one.process.wait()
    (left,) = [one for one in running if one.process.poll() is None]
    until(lambda: len(door.calls) == 3, "the last one gets its turn")
    gate.touch()
    assert left.end().code == 0


def test_a_signal_in_the_queue_submits_nothing(door: Door) -> None:
    gate = door.holds("wait_before")
    running = many(door, 3)
    (queued,) = [one for one in running if QUEUED in one.err]
    queued.send(signal.SIGTERM)
    done = queued.end()
    assert done.code == 143 and done.said("nothing was submitted"), done.err
    states = {record["tries"][-1]["state"] for record in door.records()}
    assert "NOT_SUBMITTED" in states
    gate.touch()
    assert all(one.end().code == 0 for one in running if one is not queued)
    assert len(door.calls) == 2


def test_the_queue_is_in_the_order_of_arrival(tmp_path: Path) -> None:
    order: list[int] = []
    first = threading.Event()
    waiting = [threading.Event() for _ in range(5)]

    def one(number: int) -> None:
        with launch_slot(tmp_path, 1, sleep=lambda _s: time.sleep(0.01), waiting=lambda _a: waiting[number].set()):
            order.append(number)

    with launch_slot(tmp_path, 1, sleep=time.sleep, waiting=lambda _ahead: None):
        first.set()
        threads = []
        for number in range(5):
            threads.append(threading.Thread(target=one, args=(number,)))
            threads[-1].start()
            assert waiting[number].wait(10)
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]


def test_what_a_killed_process_has_left_is_no_obstacle(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from batch_submit.adapters.launch_slots import launch_slot\n"
        "with launch_slot(Path(sys.argv[1]), 1, sleep=time.sleep, waiting=print):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        holder.kill()
        holder.wait()
    (tmp_path / f"ticket-{0:020d}-1").touch()  # of a process that was killed while it waited
    asked: list[int] = []
    with launch_slot(tmp_path, 1, sleep=time.sleep, waiting=asked.append):
        assert asked == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slot-1"]


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    slot = launch_slot(tmp_path / "file" / "slots", 1, sleep=time.sleep, waiting=print)
    with pytest.raises(HostNotReady, match="no slot for spark-submit"), slot:
        pass


def test_this_host_has_at_least_one_slot_and_not_more_than_cores() -> None:
    assert 1 <= slots_of_this_host() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("value", ["0", "many", "1.5"])
def test_a_number_of_slots_that_makes_no_sense_is_refused(door: Door, value: str) -> None:
    done = door.submit(env={"BATCH_SUBMIT_EXECUTION__MAX_SPARK_SUBMITS": value})
    assert (done.code, door.calls) == (2, []) and done.said("a whole number, 1 or more"), done.err
