"""Who holds a named lock, seen from two calls at once: real lock files, a cluster and a ledger that are passed in.

Two lock files of one process exclude each other as those of two do: ``flock`` belongs to the opened file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batch_submit.adapters.named_locks import LockFile
from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import ClusterUnreachable
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import ApplicationReport, Search, State
from batch_submit.operations.locks import _Lock
from batch_submit.plan.locks import LockHolder, LockWish
from batch_submit.plan.resume import Here
from tests.unit.fake_clock import FakeClock

WISH = LockWish("nightly")


@dataclass
class Host:
    """One host: its lock files, its ledger, and what the cluster shows."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    live: list[ApplicationReport] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    processes: list[int] = field(default_factory=list)
    #: Done while a call asks the cluster who lives.
    meanwhile: Callable[[], None] = lambda: None

    @property
    def name(self) -> str:
        return "yarn"

    user = "alice"

    def left_behind(self, _run_id: str) -> tuple[int, ...]:
        return ()

    def search(self, _search: Search) -> list[ApplicationReport]:
        self.meanwhile()
        return self.live

    def find_try(self, _run_id: str, _number: int) -> None:
        return None

    def load(self, run_id: str) -> Run | None:
        return self.runs.get(run_id)

    def here(self) -> Here:
        return Here(boot_id="boot")

    def may_submit_in_session(self, _pid: int, _start: int) -> tuple[int, ...]:
        return tuple(self.processes)

    def call(self, run_id: str) -> _Lock:
        """A call of a run that wants the lock."""
        services: Any = SimpleNamespace(
            clock=self.clock, terminal=Terminal(io.StringIO(), io.StringIO()), processes=self
        )
        signals: Any = SimpleNamespace(received=[])
        me: Any = self
        return _Lock(services, me, me, signals, WISH, run_id, LockFile(self.folder, WISH.name), settle_s=5.0)

    @property
    def note(self) -> LockHolder | None:
        return LockFile(self.folder, WISH.name).holder()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "locks")


def run_being_launched(run_id: str) -> Run:
    """A run whose spark-submit lives although the call that started it is gone."""
    one = Try(1, TryState.LAUNCHING, "2026-03-29T01:02:03Z", pid=77, process_start=5, boot_id="boot")
    return Run(run_id, run_id, "custom", "yarn", "c", "alice", "h", one.planned_at, "2026-03-29", "", {}, tries=(one,))


def application(run_id: str) -> ApplicationReport:
    tags = ("batch-submit", f"run:{run_id}", WISH.tag)
    return ApplicationReport("application_1700000000000_0001", state=State.RUNNING, tags=tags)


def test_the_run_that_held_it_before_is_not_let_in_while_another_one_takes_it(host: Host) -> None:
    """The note of the former holder is beside the file that the new one has: it must not be believed."""
    before = host.call("one")
    assert before.try_take() == ""
    before.file.release()
    answers: list[str] = []
    host.meanwhile = lambda: answers.append(host.call("one").try_take())
    assert host.call("two").try_take() == ""
    assert len(answers) == 1 and "run two" in answers[0], answers


def test_a_call_of_the_same_run_joins_and_goes_on_holding_it(host: Host) -> None:
    """Its own retries are covered when the call that it joined has ended."""
    first, second = host.call("one"), host.call("one")
    assert (first.try_take(), second.try_take()) == ("", "")
    first.file.release()
    assert "run one" in host.call("two").try_take()
    third = host.call("one")
    assert third.try_take() == ""
    second.file.release()
    assert "run one" in host.call("two").try_take()
    third.file.release()
    assert host.call("two").try_take() == ""


def test_nobody_joins_a_call_that_is_still_looking(host: Host) -> None:
    """An application of a third run may hold the lock: then neither call of this run may go on."""
    host.live = [application("three")]
    answers: list[str] = []
    second = host.call("one")

    def joins() -> None:
        host.meanwhile = lambda: None
        answers.append(second.try_take())

    host.meanwhile = joins
    assert "of run three" in host.call("one").try_take()
    assert len(answers) == 1 and "run one" in answers[0], answers
    assert "of run three" in second.try_take()


def test_what_holds_it_counts_on_when_a_call_is_killed_while_it_looks(host: Host) -> None:
    """The note of who looks names the run before it, which may still be getting its application."""
    host.runs["one"] = run_being_launched("one")
    host.processes = [77]
    host.folder.mkdir()
    LockFile(host.folder, WISH.name).tell(LockHolder("one", 4, "then"))
    killed = host.call("two")
    assert killed.file.take()
    killed.file.tell(LockHolder("two", 5, "now", is_looking=True, former="one"))
    killed.file.release()
    assert "run one, which process 77 is submitting" in host.call("three").try_take()
    assert host.note == LockHolder("one")
    host.runs.clear()
    assert host.call("three").try_take() == ""


@pytest.mark.parametrize("former", [None, LockHolder("one", 4, "then")])
def test_a_call_that_is_refused_leaves_the_note_as_it_was(host: Host, former: LockHolder | None) -> None:
    host.folder.mkdir()
    LockFile(host.folder, WISH.name).tell(former)
    host.live = [application("three")]
    assert "of run three" in host.call("two").try_take()
    assert host.note == former


def test_a_cluster_that_can_t_be_asked_leaves_it_as_it_was(host: Host) -> None:
    host.folder.mkdir()
    LockFile(host.folder, WISH.name).tell(LockHolder("one", 4, "then"))

    def away() -> None:
        raise ClusterUnreachable("no answer")

    host.meanwhile = away
    with pytest.raises(ClusterUnreachable):
        host.call("two").try_take()
    assert host.note == LockHolder("one", 4, "then")
    host.meanwhile = lambda: None
    assert host.call("two").try_take() == ""


def test_what_an_earlier_release_holds_alone_can_not_be_joined(host: Host) -> None:
    host.folder.mkdir()
    held = LockFile(host.folder, WISH.name)
    assert held.take()
    held.tell(LockHolder("one", 4, "then"))
    assert "run one (process 4, since then)" in host.call("one").try_take()


def test_the_note_of_who_holds_it_is_as_earlier_releases_read_it() -> None:
    assert set(json.loads(LockHolder("one", 4, "then").to_json())) == {"run_id", "pid", "since"}
    looking = LockHolder("two", 4, "then", is_looking=True, former="one")
    assert LockHolder.from_json(looking.to_json()) == looking
    assert looking.settled == LockHolder("one")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"run_id": "a"}', '{"run_id": "a", "pid": "x", "since": ""}'])
def test_a_damaged_note_is_none(text: str) -> None:
    assert LockHolder.from_json(text) is None
