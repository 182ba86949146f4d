"""The points at which a submitting process is killed (SIGKILL), and a driver of our program that dies there.

The driver is the tests' alone: it imports the package and wraps one named function; nothing in the package knows of it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from cluster.conftest import REPO

SPARK_SUBMIT, REST = "spark-submit", "rest"


@dataclass(frozen=True)
class Point:
    """One moment of a submission.

    Parameters
    ----------
    name
        For people.
    step
        ``<module below batch_submit>:<name>`` of the function at which it dies.
    after
        When the step is done; else instead of it.
    call
        The how manieth call of it.
    """

    launcher: str
    name: str
    step: str
    after: bool = True
    call: int = 1

    def __str__(self) -> str:
        return f"{self.launcher}: {self.name}"

    @property
    def function(self) -> object:
        """The function at which it dies.

        Raises
        ------
        AttributeError
            There is none of this name any more.
        """
        module, _, name = self.step.partition(":")
        owner = importlib.import_module(f"batch_submit.{module}")
        for one in name.split("."):
            owner = getattr(owner, one)
        return owner


_PLAN, _RESERVE, _CLAIM_SUBMITTED = (f"operations.claiming:Claims.{name}" for name in ("plan", "reserve", "submitted"))
_RECORD = "operations.recording:Recorder."
_CHILD = "adapters.spark_submit:Child."
_PROGRAM = "launchers.spark_submit:SparkSubmitLauncher."
_OVER_REST = "launchers.rest:RestLauncher."
_POST = "adapters.submission:submit"


def _of(launcher: str, *between: tuple[str, str, bool, int]) -> list[Point]:
    first = [
        ("before it is claimed as planned", _PLAN, False, 1),
        ("claimed as planned", _PLAN, True, 1),
        ("recorded as planned", f"{_RECORD}plan_try", True, 1),
    ]
    last = [
        ("the id is recorded", f"{_RECORD}submitted", True, 1),
        ("the acceptance is claimed", _CLAIM_SUBMITTED, True, 1),
        ("while waiting", "operations.watch:Watcher._poll", True, 3),
        ("before the end is recorded", f"{_RECORD}finished", False, 1),
        ("the end is recorded", f"{_RECORD}finished", True, 1),
    ]
    return [Point(launcher, *row) for row in (*first, *between, *last)]


POINTS: dict[str, list[Point]] = {
    SPARK_SUBMIT: _of(
        SPARK_SUBMIT,
        ("the right to launch is claimed", _RESERVE, True, 1),
        ("spark-submit is at its gate", f"{_CHILD}__init__", True, 1),
        ("its process is recorded", f"{_CHILD}open_gate", False, 1),
        ("its gate has opened", f"{_CHILD}open_gate", True, 1),
        ("its JVM starts", f"{_CHILD}poll", True, 20),
        ("its JVM is at work", f"{_CHILD}poll", True, 50),
        ("it has ended", f"{_PROGRAM}_finish", True, 1),
        ("the application is found", f"{_PROGRAM}launch", True, 1),
    ),
    REST: _of(
        REST,
        ("an id is reserved", "adapters.submission:reserve", True, 1),
        ("the id is claimed", _RESERVE, True, 1),
        ("the reserved id is recorded", f"{_RECORD}reserved", True, 1),
        ("a file is staged", "adapters.staging:StagingFolder.put_file", True, 1),
        ("everything is staged", f"{_OVER_REST}_staged", True, 1),
        ("before it is posted", _POST, False, 1),
        ("it is posted", _POST, True, 1),
        ("it is accepted", "launchers.posting:Poster.accepted", True, 1),
    ),
}

_DRIVER = """\
import importlib, os, signal, sys
sys.path[:0] = {paths!r}
from batch_submit import cli
module, _, name = {step!r}.partition(":")
owner = importlib.import_module("batch_submit." + module)
*classes, name = name.split(".")
for one in classes:
    owner = getattr(owner, one)
real, calls = getattr(owner, name), 0
def step(*given, **how):
    global calls
    calls += 1
    if calls < {call}:
        return real(*given, **how)
    if {after}:
        real(*given, **how)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, step)
cli.main()
"""


def driver(point: Point, folder: Path) -> Path:
    """Write the program that dies at a point; its path."""
    paths = [str(REPO / "deploy" / "hadoop"), str(REPO)]
    path = folder / "driver.py"
    path.write_text(_DRIVER.format(paths=paths, step=point.step, call=point.call, after=point.after), encoding="utf-8")
    return path
