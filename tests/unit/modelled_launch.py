"""spark-submit in the modelled world: the launcher's own code follows what the model makes of the program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batch_submit.launchers.spark_submit import Patience, SparkSubmitLauncher
from batch_submit.model import ApplicationReport
from batch_submit.plan.identity import try_tag

if TYPE_CHECKING:
    from tests.unit.modelled_world import Host, World

#: Ways of a launch by spark-submit whose wrapper dies, while the JVM that it started lives.
ITS_LEADER_DIES = "its leader dies"
LEADERLESS = (ITS_LEADER_DIES, "its leader dies, then it submits", "its leader dies, then it fails")
#: At which look at its session a program without its leader comes to its end.
_LOOKS = 3
PATIENCE_S = 60.0


@dataclass
class Program:
    """A spark-submit: at its gate, or behind it."""

    host: Host
    pid: int
    number: int
    is_open: bool = False
    is_alive: bool = True


@dataclass
class ModelChild:
    """`adapters.spark_submit.Child` behind its gate: what it does was chosen when it was launched."""

    world: World
    program: Program
    goes: str
    looks: int = 0

    @property
    def pid(self) -> int:
        return self.program.pid

    def poll(self) -> int | None:
        if self.goes == "is slow":
            return None
        if self.goes in LEADERLESS:
            return -9
        self._ends(submits=self.goes == "takes")
        return 0 if self.goes == "takes" else 1

    def left(self) -> tuple[int, ...]:
        self.looks += 1
        if self.looks == _LOOKS and self.goes in LEADERLESS and self.goes != ITS_LEADER_DIES:
            self._ends(submits=self.goes.endswith("submits"))
        return (self.pid,) if self.program.is_alive else ()

    def is_submitting(self, pids: tuple[int, ...]) -> bool:
        return self.pid in pids  # a JVM, as far as its name tells

    def _ends(self, *, submits: bool) -> None:
        if self.program.is_alive:
            self.program.is_alive = False
            if submits:
                self.world.accept(self.world.new_id(), self.program.number)


@dataclass
class Manager:
    """`adapters.resource_manager.ResourceManager`, as far as the launchers ask it."""

    world: World

    def application(self, application_id: str) -> ApplicationReport:
        self.world.step()
        return self.world.shown_as(application_id).report()

    def find_by_tag(self, tag: str) -> list[ApplicationReport]:
        self.world.step()
        return [report for app in self.world.shown() if tag in (report := app.report()).tags]


def application_of(world: World, program: Program, run_id: str, terminal: Any, signals: Any) -> str:
    """What the launcher says of a program whose gate is open; raises what it raises."""
    child: Any = ModelChild(world, program, world.launch_goes)
    manager: Any = Manager(world)
    clock: Any = world.clock
    folder = program.host.folder
    launcher = SparkSubmitLauncher(manager, {}, folder, clock, terminal)
    patience = Patience(clock, terminal, signals, clock.monotonic() + PATIENCE_S)
    status = launcher._finish(child, run_id, patience, None)
    return launcher._led_to(child, try_tag(run_id, program.number), status, patience, folder / "output")
