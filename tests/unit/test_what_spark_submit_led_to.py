"""What the launcher says of a spark-submit that has ended: by the ResourceManager and the processes of its session."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, Interrupted, OutcomeUnknown
from batch_submit.launchers.spark_submit import LAUNCH_PATIENCE_S, SETTLE_S, SIGNAL_PATIENCE_S, Patience
from batch_submit.launchers.spark_submit import SparkSubmitLauncher as Launcher
from batch_submit.model import ApplicationReport
from tests.unit.fake_clock import FakeClock

TAG, APP = "try:nightly.1", "application_1785360606021_0002"
NEVER = float("inf")
Times = tuple[float, float]


@dataclass
class Scene:
    """When something lives in the session, when the ResourceManager is away, and when the application shows."""

    lives_until_s: float = 0.0
    shows_at_s: float = NEVER
    away_s: Times = (NEVER, NEVER)
    signals_at_s: Sequence[float] = ()
    submits: bool = True
    freed_at_s: float = NEVER
    clock: FakeClock = field(default_factory=FakeClock)
    err: io.StringIO = field(default_factory=io.StringIO)
    ended: int = 0

    @property
    def received(self) -> list[int]:
        return [15 for moment in self.signals_at_s if moment <= self.clock.seconds]

    def left(self) -> tuple[int, ...]:
        return (4711,) if self.clock.seconds < self.lives_until_s else ()

    def is_submitting(self, pids: tuple[int, ...]) -> bool:
        assert pids == (4711,)
        return self.submits

    def freed(self) -> None:
        self.freed_at_s = min(self.freed_at_s, self.clock.seconds)

    def end(self) -> None:
        self.ended += 1

    def find_by_tag(self, tag: str) -> list[ApplicationReport]:
        assert tag == TAG
        if self.away_s[0] <= self.clock.seconds < self.away_s[1]:
            raise ClusterUnreachable("no ResourceManager answers")
        return [ApplicationReport(APP)] if self.clock.seconds >= self.shows_at_s else []

    def led_to(self, status: int, output: Path | None) -> str:
        this: Any = self
        clock: Any = self.clock
        terminal = Terminal(io.StringIO(), self.err)
        patience = Patience(clock, terminal, this, LAUNCH_PATIENCE_S)
        launcher = Launcher(this, {}, Path("/nonexistent"), clock, terminal, 30.0)
        return launcher._led_to(this, TAG, status, patience, output, self.freed)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    path = tmp_path / "output"
    path.write_text("something that no rule knows\n", encoding="utf-8")
    return path


def came_to(scene: Scene, status: int, output: Path | None) -> tuple[type[BatchSubmitError], float]:
    with pytest.raises(BatchSubmitError) as caught:
        scene.led_to(status, output)
    return type(caught.value), scene.clock.seconds


def test_ended_by_itself_with_nothing_left_and_nothing_to_be_seen_it_has_failed(output: Path) -> None:
    kind, took_s = came_to(Scene(), 1, output)
    assert kind is ClusterRefused and SETTLE_S <= took_s <= SETTLE_S + 1


def test_after_a_signal_it_is_waited_for_longer(output: Path) -> None:
    kind, took_s = came_to(Scene(), -9, output)
    assert kind is ClusterRefused and 10 * SETTLE_S <= took_s <= 10 * SETTLE_S + 1


def test_a_good_end_without_an_application_is_unknown(output: Path) -> None:
    assert came_to(Scene(), 0, output)[0] is OutcomeUnknown


@pytest.mark.parametrize("status", [0, 1, -9, 137])
def test_while_something_of_the_session_lives_nothing_is_concluded(output: Path, status: int) -> None:
    """The whole hour: then it is unknown."""
    scene = Scene(lives_until_s=NEVER)
    kind, took_s = came_to(scene, status, output)
    assert kind is OutcomeUnknown and LAUNCH_PATIENCE_S <= took_s <= LAUNCH_PATIENCE_S + 1
    assert scene.err.getvalue().count("process 4711 of its session may still submit") > 60, "it is said all the time"


def test_what_may_be_a_helper_is_waited_for_no_longer_than_the_look_takes(output: Path) -> None:
    """It failed by itself, and no JVM is left: why is said at once, its slot is free, and its outcome unknown."""
    scene = Scene(lives_until_s=NEVER, submits=False)
    with pytest.raises(OutcomeUnknown) as caught:
        scene.led_to(1, output)
    assert 30 <= scene.clock.seconds <= 32 and scene.freed_at_s == 0
    assert "process 4711 of its session may still submit it" in caught.value.details
    assert "kill 4711" in caught.value.next_step and "run the same command again" in caught.value.next_step
    assert scene.err.getvalue().index("something that no rule knows") < scene.err.getvalue().index("may still submit")


def test_a_gap_in_the_answers_begins_the_look_at_a_helper_anew(output: Path) -> None:
    scene = Scene(lives_until_s=NEVER, submits=False, away_s=(20, 40))
    kind, took_s = came_to(scene, 1, output)
    assert kind is OutcomeUnknown and 70 <= took_s <= 72


def test_a_helper_that_submits_after_all_is_followed(output: Path) -> None:
    assert Scene(lives_until_s=NEVER, submits=False, shows_at_s=25).led_to(1, output) == APP


@pytest.mark.parametrize("status", [0, -9, 137])
def test_killed_or_well_ended_its_leftovers_may_be_submitting_whatever_they_are(output: Path, status: int) -> None:
    scene = Scene(lives_until_s=NEVER, submits=False)
    kind, took_s = came_to(scene, status, output)
    assert kind is OutcomeUnknown and took_s >= LAUNCH_PATIENCE_S


def test_a_slot_is_kept_while_a_jvm_of_the_session_lives(output: Path) -> None:
    scene = Scene(lives_until_s=600)
    came_to(scene, 1, output)
    assert 600 <= scene.freed_at_s <= 602


@pytest.mark.parametrize("status", [0, 1, -9])
def test_what_lives_on_leads_to_the_application(output: Path, status: int) -> None:
    scene = Scene(lives_until_s=600, shows_at_s=598)
    assert scene.led_to(status, output) == APP and 598 <= scene.clock.seconds <= 600
    assert not output.exists()


def test_what_the_last_of_them_submits_shows_after_its_end(output: Path) -> None:
    scene = Scene(lives_until_s=600, shows_at_s=600 + 9 * SETTLE_S)
    assert scene.led_to(1, output) == APP


def test_once_the_last_of_them_is_gone_it_has_failed(output: Path) -> None:
    """Its own status is not known: so long is waited as after a signal."""
    kind, took_s = came_to(Scene(lives_until_s=600), 1, output)
    assert kind is ClusterRefused and 600 + 10 * SETTLE_S <= took_s <= 602 + 10 * SETTLE_S


@pytest.mark.parametrize("away_s", [(0, NEVER), (0, 1), (1, 1.8)], ids=["all the time", "at first", "for a moment"])
def test_one_gap_in_the_answers_leaves_it_unknown(output: Path, away_s: Times) -> None:
    """A ResourceManager that is back may not have recovered all that it took."""
    assert came_to(Scene(away_s=away_s), 1, output)[0] is OutcomeUnknown


def test_a_gap_while_something_lives_is_none(output: Path) -> None:
    assert came_to(Scene(lives_until_s=600, away_s=(100, 200)), 1, output)[0] is ClusterRefused


@pytest.mark.parametrize(
    ("signals_at_s", "until_s"), [((50.0,), 50 + SIGNAL_PATIENCE_S), ((50.0, 51.0), 51.0)], ids=["one", "two"]
)
def test_signals_end_the_waiting_and_leave_it_unknown(
    output: Path, signals_at_s: tuple[float, ...], until_s: float
) -> None:
    scene = Scene(lives_until_s=NEVER, signals_at_s=signals_at_s)
    kind, took_s = came_to(scene, -9, output)
    assert kind is OutcomeUnknown and until_s <= took_s <= until_s + 1
    assert scene.ended == 0, "in cluster mode nothing is ended by a signal"


@pytest.mark.parametrize("signals_at_s", [(), (50.0,)], ids=["", "a signal"])
def test_in_client_mode_a_signal_ends_what_lives_on(signals_at_s: tuple[float, ...]) -> None:
    scene = Scene(lives_until_s=60, signals_at_s=signals_at_s)
    kind, took_s = came_to(scene, -9, None)
    assert kind is (Interrupted if signals_at_s else ClusterRefused) and 60 <= took_s <= 62 + 10 * SETTLE_S
    assert bool(scene.ended) is bool(signals_at_s)
