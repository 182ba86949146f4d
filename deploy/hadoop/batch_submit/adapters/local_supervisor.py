"""The process that stands over a local driver, run by its path: it outlives us, and writes down how the driver ended.

``python local_supervisor.py FOLDER TIMEOUT_S -- ARGV…``. Standard library only; imports nothing of this package. It
writes ``process.json`` (its own and the driver's pid with their start times) before anything else is known, the
driver's output to ``driver.log``, and ``exit.json`` at the end; each whole, by rename. SIGTERM ends the driver and all
that it has started in its session: TERM, ten seconds, KILL; ``exit.json`` comes once nothing of it is left. So does
``stop.json``, which is looked at before the driver is started and once ``process.json`` is there: whoever ends a run
writes the one before it looks for the other.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

GRACE_S = 10.0
#: Beside ``process.json``: the run is to end, also if its driver has not been started yet.
STOP = "stop.json"
_MOST_NOTED = 4096
#: How often what is left of the driver is looked at while it is being ended.
_LOOK_S = 0.1


def start_ticks(pid: int) -> int:
    """Start time of a process in clock ticks since boot (field 22 of ``/proc/<pid>/stat``); 0 when it is gone.

    With the pid it names a process for good: pids are used again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] == "Z" else int(fields[19])


def boot_id() -> str:
    """Of the running kernel; "" where it does not tell. Start times count from its start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def age_ms(start: int) -> int:
    """How long ago a process of this boot was started, milliseconds; by ``/proc/uptime``, which nobody can set.

    Parameters
    ----------
    start
        As :func:`start_ticks` gives it.
    """
    uptime_s = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    return max(0, int((uptime_s - start / os.sysconf("SC_CLK_TCK")) * 1000))


def _private(path: Path, flags: int) -> int:
    """A file for its owner alone. (This module runs by itself and imports nothing of ours.)"""
    return os.open(path, flags | os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def write_whole(path: Path, value: dict[str, object]) -> None:
    """Write JSON under a temporary name, then rename."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    with os.fdopen(_private(temporary, os.O_EXCL), "w", encoding="utf-8") as file:
        file.write(json.dumps(value))
    temporary.replace(path)


class _Signals:
    """SIGTERM, and SIGCHLD to be woken by, as bytes in a pipe.

    No step is cut short by one, so that no driver is started and then forgotten, nor its status asked for and lost.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._from, into = os.pipe()
        os.set_blocking(self._from, False)
        os.set_blocking(into, False)
        signal.set_wakeup_fd(into, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, _noted)

    def wait(self, seconds: float | None) -> None:
        """Wait for one of them, at most so long; ``None``: without bound."""
        select.select([self._from], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self.stopped |= signal.SIGTERM in os.read(self._from, _MOST_NOTED)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The pipe has it."""


def _groups_in(session: int) -> set[int]:
    """The process groups in which processes of a session live."""
    groups = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat = (process / "stat").read_bytes()
        except OSError:
            continue  # it ended meanwhile
        state, _, group, its_session = stat.rpartition(b")")[2].split()[:4]
        if int(its_session) == session and state not in (b"Z", b"X", b"x"):
            groups.add(int(group))
    return groups


def _signal(groups: set[int], number: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # ended; or of another user, and waited for
            os.killpg(group, number)


def _end(child: subprocess.Popen[bytes], signals: _Signals) -> int:
    """End the driver and what it has started in its session; its status, once nothing of that is left.

    A wrapper may be gone at once while the JVM that it started still works in its shutdown hooks. The leader's status
    is asked for last: until then its number is nobody else's.
    """
    deadline = time.monotonic() + GRACE_S
    _signal(_groups_in(child.pid), signal.SIGTERM)
    while left := _groups_in(child.pid):
        if time.monotonic() >= deadline:
            _signal(left, signal.SIGKILL)
        signals.wait(_LOOK_S)
    return child.wait()


def main(argv: list[str]) -> None:
    """Run the driver to its end."""
    folder, timeout_s, separator, *command = argv
    assert separator == "--"
    place, signals = Path(folder), _Signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    began = time.monotonic()
    ended: dict[str, object] = {"killed": False, "timed_out": False}
    ended |= _ran(command, place, signals, began + float(timeout_s) if float(timeout_s) else None)
    ended |= {"finished_ms": int(time.time() * 1000), "elapsed_ms": int((time.monotonic() - began) * 1000)}
    for leftover in place.glob("secrets-*.properties"):
        leftover.unlink(missing_ok=True)
    write_whole(place / "exit.json", ended)


def _ran(command: list[str], place: Path, signals: _Signals, deadline: float | None) -> dict[str, object]:
    """Start the driver, unless it is to end already; how it ended."""
    signals.wait(0)
    if signals.stopped or (place / STOP).exists():
        return {"killed": True, "returncode": -signal.SIGTERM}
    child: subprocess.Popen[bytes] | None = None
    try:
        with os.fdopen(_private(place / "driver.log", os.O_APPEND), "ab") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        _tell_of(child, place)
    except OSError as error:
        if child is not None:
            _end(child, signals)  # a driver that is not written down can't be found again
        return {"returncode": 127, "error": f"{command[0]}: {error.strerror or error}"}
    while (code := child.poll()) is None:
        # The mark of a kill that came before process.json was there; a later one finds it, and sends SIGTERM.
        if signals.stopped or (place / STOP).exists():
            return {"killed": True, "returncode": _end(child, signals)}
        left_s = deadline - time.monotonic() if deadline is not None else None
        if left_s is not None and left_s <= 0:
            return {"timed_out": True, "returncode": _end(child, signals)}
        signals.wait(left_s)
    return {"returncode": code}


def _tell_of(child: subprocess.Popen[bytes], place: Path) -> None:
    mine = os.getpid()
    write_whole(
        place / "process.json",
        {
            "pid": mine,
            "start": start_ticks(mine),
            "driver_pid": child.pid,
            "driver_start": start_ticks(child.pid),
            "boot_id": boot_id(),
            "started_ms": int(time.time() * 1000),
        },
    )


if __name__ == "__main__":
    main(sys.argv[1:])
