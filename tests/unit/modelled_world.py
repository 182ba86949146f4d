"""A world for the model of exactly-once: a cluster, two hosts, and the file system that they share, all in memory.

Every effect of a call is a step at which it may die, or at which another host's call runs. What decides and records is
the package's own code; only what stands at the borders is made here. The calls themselves are in `modelled_calls`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from batch_submit.errors import ClusterRefused, NotFound, OutcomeUnknown
from batch_submit.launchers.rest_errors import unless_posted
from batch_submit.ledger import Run
from batch_submit.model import ApplicationReport, FinalStatus, State
from batch_submit.plan.resume import KEPT_BY_DEFAULT, Here, Marks
from tests.unit.fake_clock import FakeClock
from tests.unit.modelled_launch import Manager, Program, application_of

RUN_ID, USER = "nightly", "alice"
LIVE, GOOD, BAD, KILLED = "live", "good", "bad", "killed"
_SHOWN = {
    LIVE: (State.RUNNING, FinalStatus.UNDEFINED),
    GOOD: (State.FINISHED, FinalStatus.SUCCEEDED),
    BAD: (State.FINISHED, FinalStatus.FAILED),
    KILLED: (State.KILLED, FinalStatus.KILLED),
}


class Crash(BaseException):
    """SIGKILL, seen from inside: nothing catches it."""


@dataclass
class App:
    """An application; ``forgotten``: the ResourceManager does not show it any more."""

    application_id: str
    number: int
    order: int
    state: str = LIVE
    forgotten: bool = False

    def report(self) -> ApplicationReport:
        state, final = _SHOWN[self.state]
        tags = ("batch-submit", f"run:{RUN_ID}", f"try:{RUN_ID}.{self.number}")
        return ApplicationReport(
            self.application_id,
            user=USER,
            state=state,
            final_status=final,
            tags=tags,
            started_ms=self.order,
            launched_ms=1,
        )


@dataclass
class Host:
    """A host: its records outlive its processes."""

    name: str
    boots: int = 1
    record: str = ""
    folder: Path = Path("/nonexistent")


@dataclass
class World:
    """Everything, and how far the running call has come."""

    clock: FakeClock = field(default_factory=FakeClock)
    hosts: list[Host] = field(default_factory=lambda: [Host("edge-1"), Host("edge-2")])
    files: dict[str, str] = field(default_factory=dict)
    apps: list[App] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    #: Posts that were sent by a call that died, and have not arrived.
    in_flight: list[tuple[str, int]] = field(default_factory=list)
    epoch: int = 1000
    given_ids: int = 0
    pids: int = 100
    nonces: int = 0
    #: What becomes of the next launch: ``takes``, ``refuses``, ``is slow``; by spark-submit also one of `LEADERLESS`.
    launch_goes: str = "takes"
    steps: int = 0
    dies_at: int = 0
    between: tuple[int, Callable[[], None]] | None = None
    #: How long files take to stage.
    staging_s: float = 0.0
    #: Where threads wait in which calls run at once; see `modelled_turns`.
    waits: dict[int, Callable[[], None]] = field(default_factory=dict)

    def step(self) -> None:
        """A border between two effects."""
        self.waits.get(threading.get_ident(), lambda: None)()
        self.steps += 1
        if self.between is not None and self.steps == self.between[0]:
            _, other = self.between
            self.between = None
            with self.another_call():
                other()
        if self.steps == self.dies_at:
            raise Crash

    @contextmanager
    def another_call(self) -> Iterator[None]:
        steps, dies_at, goes = self.steps, self.dies_at, self.launch_goes
        self.steps = self.dies_at = 0
        yield
        self.steps, self.dies_at, self.launch_goes = steps, dies_at, goes

    # --- what the cluster does --------------------------------------------------------------------------------------

    def new_id(self) -> str:
        self.given_ids += 1
        return f"application_{self.epoch}_{self.given_ids:04d}"

    def accept(self, application_id: str, number: int) -> None:
        """As YARN does: a known id is the same application, and an id of before a restart is taken by nobody."""
        if application_id.split("_")[1] != str(self.epoch):
            return
        if all(app.application_id != application_id or app.forgotten for app in self.apps):
            self.apps.append(App(application_id, number, len(self.apps)))

    def shown(self) -> list[App]:
        return [app for app in reversed(self.apps) if not app.forgotten]

    def shown_as(self, application_id: str) -> App:
        for app in self.shown():
            if app.application_id == application_id:
                return app
        raise NotFound(f"no {application_id}")

    def of(self, *states: str) -> list[App]:
        return [app for app in self.apps if app.state in states]

    def pending(self) -> list[Program]:
        """Programs behind their gate that may still submit."""
        return [one for one in self.programs if one.is_alive and one.is_open]

    def may_come(self, number: int) -> bool:
        """Whether a try has an application that counts, or may still get one."""
        under_way = [*(one.number for one in self.pending()), *(one for _, one in self.in_flight)]
        return number in under_way or any(app.number == number for app in self.of(LIVE, GOOD))


class Folder:
    """`adapters.claims.ClaimFolder`, in memory."""

    path = f"/user/{USER}/.batch-submit/runs/{RUN_ID}"

    def __init__(self, world: World) -> None:
        self.world = world

    def names(self) -> list[str]:
        self.world.step()
        return list(self.world.files)

    def read(self, name: str) -> str:
        self.world.step()
        return self.world.files[name]

    def make(self) -> None:
        self.world.step()

    def put_once(self, name: str, text: str, nonce: str) -> str:
        self.world.step()
        there = self.world.files.setdefault(name, text)
        self.world.step()
        return there


@dataclass
class Records:
    """`ledger.Ledger`, in memory: a record that is written is there."""

    world: World
    host: Host

    @property
    def folder(self) -> Path:
        return self.host.folder

    def load(self, run_id: str) -> Run | None:
        return Run.from_json(self.host.record) if self.host.record else None

    def update(self, run: Run, change: Callable[[Run], Run]) -> Run:
        self.world.step()
        before = self.load(run.run_id) or run
        changed = change(before)
        for one in before.tries:
            now = changed.try_of(one.number)
            assert now is not None and now.history[: len(one.history)] == one.history, "its history is lost"
        self.host.record = changed.to_json()
        self.world.step()
        return changed


@dataclass
class HostProcesses:
    """`adapters.processes.Processes`: what lives is of this boot."""

    world: World
    host: Host

    def here(self) -> Here:
        return Here(self.host.name, self.host.name, f"boot {self.host.boots}", "pid:[1]")

    def start_of(self, pid: int) -> int:
        return pid

    def may_submit_in_session(self, pid: int, start: int) -> tuple[int, ...]:
        self.world.step()
        return tuple(
            one.pid for one in self.world.programs if one.is_alive and one.pid == pid and one.host is self.host
        )


QUIET = SimpleNamespace(**dict.fromkeys(("note", "warn", "debug"), lambda _text: None))


@dataclass
class ModelBackend:
    """`backends.base.Backend` as both launchers drive it, in their order of steps."""

    world: World
    host: Host
    launcher: str
    name: str = "yarn"
    cluster: str = "c"
    user: str = USER

    def epoch(self) -> str:
        self.world.step()
        return str(self.world.epoch)

    def marks(self) -> Marks:
        return Marks(self.epoch(), self.world.given_ids)

    def find_run(self, run_id: str) -> list[ApplicationReport]:
        self.world.step()
        return [app.report() for app in self.world.shown()]

    def find_try(self, run_id: str, number: int) -> ApplicationReport | None:
        return next((app.report() for app in self.world.shown() if app.number == number), None)

    def report(self, application_id: str) -> ApplicationReport:
        self.world.step()
        return self.world.shown_as(application_id).report()

    def kill(self, application_id: str) -> None:
        self.world.step()
        for app in self.world.shown():
            if app.application_id == application_id and app.state == LIVE:
                app.state = KILLED
        self.world.step()

    def after_failure(self, application_id: str) -> list[str]:
        return []

    def submit(self, plan: Any, number: int, signals: Any, record: Any) -> str:
        if record.reserved_id:
            newest = self.world.new_id()
            if int(newest.rpartition("_")[2]) - int(record.reserved_id.rpartition("_")[2]) > KEPT_BY_DEFAULT // 2:
                raise OutcomeUnknown("it may have run and been forgotten")
            return self._post(record.reserved_id, number, record, is_again=True)
        if self.launcher == "rest":
            self.world.step()
            reserved = self.world.new_id()
            chosen = record.reserved(reserved)
            return self._post(chosen, number, record, is_again=chosen != reserved)
        return self._by_program(number, record, signals)

    def _post(self, application_id: str, number: int, record: Any, *, is_again: bool) -> str:
        world = self.world
        world.clock.sleep(world.staging_s)
        record.posting()
        if world.launch_goes == "refuses" and all(app.application_id != application_id for app in world.shown()):
            refused = ClusterRefused("no")
            if is_again:
                raise OutcomeUnknown("an earlier call may have posted it")
            manager: Any = Manager(world)
            unless_posted(application_id, refused, manager, record)
            raise refused
        try:
            world.step()
        except Crash:
            world.in_flight.append((application_id, number))
            raise
        world.accept(application_id, number)
        world.step()
        if world.launch_goes == "is slow":
            raise OutcomeUnknown("the answer was lost")
        return application_id

    def _by_program(self, number: int, record: Any, signals: Any) -> str:
        world = self.world
        record.launching()
        world.step()
        world.pids += 1
        program = Program(self.host, world.pids, number)
        world.programs.append(program)
        try:
            world.step()
            record.at_gate(program.pid)
            world.step()
        except BaseException:
            program.is_alive = False  # the pipe closes with us
            raise
        program.is_open = True
        world.step()
        return application_of(world, program, RUN_ID, QUIET, signals)


def restarted(world: World, *, remembers: bool) -> None:
    """The ResourceManager starts again; without a state store everything ends and is forgotten."""
    world.epoch += 1
    world.in_flight.clear()
    if not remembers:
        for app in world.apps:
            app.forgotten = True
            app.state = KILLED if app.state == LIVE else app.state


def many_others(world: World) -> None:
    """So many applications of others that what has ended is forgotten."""
    world.given_ids += KEPT_BY_DEFAULT // 2 + 100
    world.in_flight.clear()  # no request takes that long
    world.apps = [replace(app, forgotten=app.forgotten or app.state != LIVE) for app in world.apps]
