"""What the files of a local run and the processes that they name tell: where it is, whether it lives, how it ended."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch_submit.adapters import local_supervisor
from batch_submit.errors import ClusterUnreachable
from batch_submit.model import LIFETIME_EXCEEDED, FinalStatus, State
from batch_submit.plan.resume import Here


def read_state(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ClusterUnreachable(f"the state of the local run can't be read: {error}", where=str(path)) from error
    return value if isinstance(value, dict) else {}


def is_alive(process: Mapping[str, Any], pid: str, start: str) -> bool:
    if process.get("boot_id") and process["boot_id"] != local_supervisor.boot_id():
        return False
    return bool(process.get(pid)) and local_supervisor.start_ticks(int(process[pid])) == process.get(start)


def age_ms_of(process: Mapping[str, Any]) -> int:
    """How long a driver of this boot has run; not by the wall clock: a limit must not pass because somebody sets it."""
    start = int(process.get("driver_start") or process.get("start") or 0)
    return local_supervisor.age_ms(start) if start else 0


def where_of(about: Mapping[str, Any]) -> Here:
    return Here(*(str(about.get(name, "")) for name in ("host", "machine", "boot_id", "namespace")))


def of_another_host(about: Mapping[str, Any], here: Here) -> tuple[State, FinalStatus, str]:
    """What is known here of a run that another host has, or a container, as long as it has not ended."""
    there = str(about.get("host", ""))
    who = f"host {there}" if there else "a host that its record (of an earlier release) does not name"
    if there == here.host:
        who += ", in another container or as another machine of this name"
    text = f"it was started on {who}; whether it still runs there can't be seen from host {here.host}"
    return State.UNKNOWN, FinalStatus.UNDEFINED, text


def without_a_word(about: Mapping[str, Any], left: tuple[int, ...]) -> tuple[State, FinalStatus, str]:
    """How a run of this host ended whose processes are gone without ``exit.json``; state UNKNOWN: nobody can tell.

    After a restart of the host it was killed. Else the supervisor was, and the driver may have gone on to a good end.
    """
    if about.get("boot_id") and about["boot_id"] != local_supervisor.boot_id():
        return State.KILLED, FinalStatus.KILLED, "its processes are gone: the host restarted"
    text = "its processes are gone, and how the driver ended was not written down: its supervisor was killed"
    if left:
        text = f"its driver and supervisor are gone, and process {left[0]}, which the driver started, still lives"
    return State.UNKNOWN, FinalStatus.UNDEFINED, text


def outcome_of(ended: Mapping[str, Any]) -> tuple[State, FinalStatus, str]:
    code = int(ended.get("returncode", 1))
    if ended.get("timed_out"):
        return State.KILLED, FinalStatus.KILLED, f"the run {LIFETIME_EXCEEDED}"
    if ended.get("killed"):
        return State.KILLED, FinalStatus.KILLED, "killed by request"
    number = -code if code < 0 else code - 128
    # 255 is a script's exit(-1) and no signal, although a shell writes signal N as 128 + N.
    if code < 0 or number in signal.valid_signals():
        return State.KILLED, FinalStatus.KILLED, f"the driver was ended by signal {number}"
    if code == 0:
        return State.FINISHED, FinalStatus.SUCCEEDED, ""
    return State.FINISHED, FinalStatus.FAILED, str(ended.get("error") or f"the driver exited with status {code}")
