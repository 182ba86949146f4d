"""Calls of our program that are killed (SIGKILL) in the middle of a submission, and what they leave."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.door import Door, Running, until

RUNS = "/user/alice/.batch-submit/runs"
SETTLE = {"BATCH_SUBMIT_EXECUTION__SUBMIT_SETTLE": "1s"}
#: For ``Door.changed_program``: our program dies, as by SIGKILL, before or after one of its own steps.
_DIES = (
    "import os, signal",
    "def dies(owner, name, after):",
    "    real = getattr(owner, name)",
    "    def step(*given, **how):",
    "        result = real(*given, **how) if after else None",
    "        os.kill(os.getpid(), signal.SIGKILL)",
    "        return result",
    "    setattr(owner, name, step)",
    "from batch_submit.operations import claiming, recording",
    "from batch_submit.adapters import spark_submit",
)


def killed_at(door: Door, step: str, *, after: bool) -> list[str]:
    """The program, with its end at a step such as ``spark_submit.Child.open_gate``."""
    owner, _, name = step.rpartition(".")
    return door.changed_program(*_DIES, f"dies({owner}, {name!r}, {after})")


def kill(running: Running) -> None:
    """SIGKILL to our program alone."""
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait()


def claims(door: Door, run_id: str = "r1") -> dict[str, dict[str, Any]]:
    """The claims of a run."""
    folder = f"{RUNS}/{run_id}/"
    return {
        path.removeprefix(folder).removesuffix(".json"): json.loads(node.data)
        for path, node in door.webhdfs.nodes.items()
        if path.startswith(folder) and node.data is not None
    }


def records(door: Door, home: str = "home") -> Iterator[Path]:
    """The files of the run records of a host."""
    return (door.folder / home / ".local/state/batch-submit").glob("runs/*/*/[!.]*.json")


def tries(door: Door, home: str = "home") -> list[dict[str, Any]]:
    """The tries of the only run on record."""
    (path,) = records(door, home)
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["tries"]
    return found


def killed_while_spark_submit_runs(door: Door, *arguments: str) -> Path:
    """A call that is killed while spark-submit, which goes on, has not submitted yet; what lets it do so."""
    gate = door.holds("wait_before")
    first = door.submitting("--run-id", "r1", *arguments)
    until(lambda: door.calls, "spark-submit runs")
    kill(first)
    return gate


@pytest.fixture
def hosts(door: Door) -> tuple[Door, dict[str, str]]:
    """The door with a short settle time, and what makes a call of it one from another host."""
    door.env |= {"HADOOP_USER_NAME": "alice", **SETTLE}
    (door.folder / "other").mkdir()
    return door, {"HOME": str(door.folder / "other")}
