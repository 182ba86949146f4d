"""Looking behind a state: what is asked when, that it is asked sparingly, and that no answer is no disaster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http_reply import Headers, HttpResponse
from batch_submit.adapters.rm_replies import parse_application
from batch_submit.errors import ClusterUnreachable
from batch_submit.model import ApplicationReport, State
from batch_submit.operations.insight import Insight, Sight
from batch_submit.plan.pending import Cause
from tests.unit.fake_clock import FakeClock

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SCHEDULER, NODES = "/ws/v1/cluster/scheduler", "/ws/v1/cluster/nodes"


@dataclass
class Manager:
    """A ResourceManager in a recorded situation."""

    data: Mapping[str, Any]
    down: bool = False
    waiting: list[ApplicationReport] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    urls: tuple[str, ...] = ("http://rm:8088",)

    def active_url(self) -> str:
        return "http://rm:8088"

    def applications(self, **filters: Any) -> list[ApplicationReport]:
        return self.waiting

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        self.asked.append(path)
        if self.down:
            raise ClusterUnreachable("http://rm:8088 does not answer")
        name = "activities" if "app-activities" in path else path.split("/")[4]
        return self.data["app" if name == "apps" else name]


@dataclass
class Session:
    """Spark's REST as recorded, or a page."""

    works: bool = True
    asked: list[str] = field(default_factory=list)

    def request(self, method: str, url: str, **how: Any) -> HttpResponse:
        self.asked.append(url)
        name = url.rpartition("/")[2].partition("?")[0]
        body = (GOLDEN / "spark_rest" / f"lost_{name}_4.3.json").read_bytes()
        return HttpResponse(200 if self.works else 404, Headers({"Content-Type": "application/json"}), body)

    def close(self) -> None:
        """Nothing is kept."""


@dataclass
class Cluster:
    resource_manager: Manager
    session: Session
    conf: HadoopConf = field(default_factory=lambda: HadoopConf({}))


@dataclass
class World:
    """One application, its cluster, and a clock."""

    name: str = "queue_full"
    clock: FakeClock = field(default_factory=FakeClock)
    session: Session = field(default_factory=Session)

    def __post_init__(self) -> None:
        data = json.loads((GOLDEN / "scheduler" / f"{self.name}_3.5.json").read_text(encoding="utf-8"))
        self.manager = Manager(data)
        self.waits = replace(parse_application(data["app"]), elapsed_ms=0)
        self.runs = replace(self.waits, state=State.RUNNING, application_type="SPARK", diagnostics="")
        cluster = Cluster(self.manager, self.session)
        self.insight = Insight(cluster, self.waits.application_id, self.clock)  # type: ignore[arg-type]

    def look(self, report: ApplicationReport, at: float) -> Sight:
        self.clock.seconds = at
        return self.insight.look(replace(report, elapsed_ms=int(at * 1000)))


def test_a_quick_start_asks_the_scheduler_nothing() -> None:
    world = World()
    assert [world.look(world.waits, at).reason for at in (0.0, 0.5, 1.5)] == [None] * 3
    assert world.manager.asked == []


def test_a_full_queue_is_found_without_asking_for_the_nodes() -> None:
    world = World()
    earlier = replace(world.waits, started_ms=world.waits.started_ms - 1000)
    world.manager.waiting = [world.waits, earlier, replace(earlier, launched_ms=1)]
    reason = world.look(world.waits, 3.0).reason
    assert reason is not None and reason.cause is Cause.QUEUE_FULL
    assert reason.sentence.endswith("; 1 that came earlier waits too")
    assert SCHEDULER in world.manager.asked and NODES not in world.manager.asked


def test_the_nodes_are_asked_where_the_queues_leave_it_open() -> None:
    world = World("no_node_fits")
    reason = world.look(world.waits, 3.0).reason
    assert reason is not None and reason.cause is Cause.NO_NODE_FITS
    assert NODES in world.manager.asked


def test_ten_minutes_of_waiting_are_some_sixty_questions_to_the_scheduler() -> None:
    world = World()
    for second in range(0, 600, 5):
        world.look(world.waits, float(second))
    assert 50 <= world.manager.asked.count(SCHEDULER) <= 61


def test_a_scheduler_that_does_not_answer_is_asked_less_and_less() -> None:
    world = World()
    world.manager.down = True
    sights = [world.look(world.waits, float(second)) for second in range(0, 600, 5)]
    assert {sight.reason for sight in sights} == {None}
    assert len(world.manager.asked) <= 22
    world.manager.down = False
    assert world.look(world.waits, 700.0).reason is not None


def test_progress_and_a_stall() -> None:
    world = World()
    sight = world.look(world.runs, 0.0)
    assert sight.progress is not None and sight.progress.tasks_done == 31
    assert [world.look(world.runs, at).stalled_s for at in (100.0, 400.0)] == [100.0, 400.0]
    assert world.manager.asked == []  # executors are there: nothing to explain


def test_a_spark_without_ui_is_asked_now_and_then_and_shows_nothing() -> None:
    world = World(session=Session(works=False))
    for second in range(0, 600, 5):
        assert world.look(world.runs, float(second)).progress is None
    assert len(world.session.asked) <= 23


def test_other_kinds_of_applications_have_no_spark_to_ask() -> None:
    world = World()
    assert world.look(replace(world.runs, application_type="TEZ"), 0.0).progress is None
    assert world.session.asked == []


@pytest.mark.parametrize("state", [State.FINISHED, State.UNKNOWN])
def test_in_no_other_state_anything_is_asked(state: State) -> None:
    world = World()
    assert world.look(replace(world.runs, state=state), 60.0) == Sight(active_url="http://rm:8088")
    assert world.manager.asked == [] and world.session.asked == []
