"""Backend ``local`` in a home that hosts share: of a run of another host nothing is said but that host's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.door import Door, until

THERE = {"host": "edge-2", "machine": "another", "boot_id": "another"}


@pytest.fixture
def running(laptop: Door) -> Iterator[tuple[Door, Path]]:
    """A run whose driver waits, told as another host of the same home would have told it; its folder."""
    gate = laptop.holds("wait_before")
    assert laptop.submit("--run-id", "r1", "--no-wait").code == 0
    (process,) = until(lambda: list(laptop.state.glob("local/r1/1/process.json")), "the supervisor has started")
    place = process.parent
    about = json.loads((place / "about.json").read_text())
    assert about["host"] and about["boot_id"], "it names its host"
    (place / "about.json").write_text(json.dumps({**about, **THERE}))
    process.write_text(json.dumps({**json.loads(process.read_text()), "boot_id": THERE["boot_id"]}))
    yield laptop, place
    gate.touch()


@pytest.mark.parametrize(
    "verb", [["status"], ["wait"], ["monitor"], ["kill", "--yes"], ["submit", "-t", "custom", "--run-id"]]
)
def test_it_is_8_and_names_the_host(running: tuple[Door, Path], verb: list[str]) -> None:
    laptop, _ = running
    outcome = laptop.run(*verb, "r1")
    assert outcome.code == 8, outcome.err
    assert outcome.said("edge-2") and "restarted" not in outcome.err, outcome.err
    assert len(laptop.calls) == 1, "nothing is launched beside it"


def test_it_is_listed_as_unknown(running: tuple[Door, Path]) -> None:
    laptop, _ = running
    (row,) = laptop.run("list", "--json").json
    assert row["state"] == "UNKNOWN"


def test_a_waiting_call_sees_its_end(running: tuple[Door, Path]) -> None:
    """The end is a file in the home that both share."""
    laptop, place = running
    (laptop.folder / "gate-wait_before").touch()
    until((place / "exit.json").exists, "the driver has ended, and its supervisor has told so")
    assert laptop.run("wait", "r1").code == 0
    assert laptop.submit("--run-id", "r1").err.count("already succeeded") == 1
