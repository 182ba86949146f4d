"""A time limit is put until YARN holds it: again and again while somebody waits, and what remains is said."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable
from batch_submit.model import ApplicationReport, FinalStatus, Result, State
from batch_submit.operations.lifetimes import AGAIN_S, Lifetime, limited, set_where_missing
from batch_submit.operations.watch import Watcher, WatchLimits
from tests.unit.fake_clock import FakeClock

APP = "application_1785360606021_0002"
STARTED_MS = 1_785_360_700_000
AWAY, REFUSED = ClusterUnreachable("no ResourceManager answers"), ClusterRefused("not yours")
#: An answer, and another limit held than was asked for.
OTHER = False


@dataclass
class FakeCluster:
    """A ResourceManager that gives these answers to PUTs, one after the other, and takes what comes then."""

    clock: FakeClock
    answers: list[BatchSubmitError | bool] = field(default_factory=list)
    ends_at_s: float = 1e9
    expiry_ms: int = 0
    puts: list[float] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    name: str = "yarn"

    def report(self, application_id: str) -> ApplicationReport:
        assert application_id == APP
        killed = self.clock.seconds >= self.ends_at_s or self.kills
        state, final = (State.KILLED, FinalStatus.KILLED) if killed else (State.RUNNING, FinalStatus.UNDEFINED)
        elapsed = int(self.clock.seconds * 1000)
        return ApplicationReport(
            APP,
            state=state,
            final_status=final,
            elapsed_ms=elapsed,
            started_ms=STARTED_MS,
            launched_ms=STARTED_MS,
            lifetime_expiry_ms=self.expiry_ms,
        )

    def limit_lifetime(self, application_id: str, timeout_s: float) -> bool:
        assert (application_id, timeout_s) == (APP, 3600.0)
        self.puts.append(self.clock.seconds)
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, BatchSubmitError):
            raise answer
        return answer

    def kill(self, application_id: str) -> None:
        self.kills.append(self.clock.seconds)

    def new_output(self, application_id: str) -> str:
        return ""


@dataclass
class World:
    cluster: FakeCluster
    services: Any
    err: io.StringIO

    def lifetime(self, **how: Any) -> Lifetime:
        return Lifetime(self.services, self.cluster, APP, 3600.0, **how)  # type: ignore[arg-type]

    def watched(self, lifetime: Lifetime | None, limits: WatchLimits) -> Result | None:
        signals: Any = SimpleNamespace(received=[])
        clock: Any = self.cluster.clock
        terminal = self.services.terminal
        watcher = Watcher(self.cluster, APP, clock, terminal, limits, signals, lifetime=lifetime)  # type: ignore[arg-type]
        verdict = watcher.run()
        return verdict.result if verdict is not None else None


def world(*answers: BatchSubmitError | bool, **cluster: Any) -> World:
    clock, err = FakeClock(), io.StringIO()
    services = SimpleNamespace(clock=clock, terminal=Terminal(io.StringIO(), err))
    return World(FakeCluster(clock, list(answers), **cluster), services, err)


@pytest.mark.parametrize("answer", [AWAY, REFUSED, OTHER], ids=["away", "refused", "another limit"])
def test_while_somebody_waits_it_is_put_again_until_it_is_taken(answer: BatchSubmitError | bool) -> None:
    here = world(answer, answer, answer, ends_at_s=300)
    lifetime = limited(here.services, here.cluster, APP, 3600.0)  # type: ignore[arg-type]
    assert lifetime is not None and not lifetime.held
    assert "(1h) could not be set" in here.err.getvalue() and "put again every 20 s" in here.err.getvalue()
    assert here.watched(lifetime, WatchLimits(timeout_s=3600.0)) is Result.KILLED
    first, *again = here.cluster.puts
    assert first == 0 and len(again) == 3 and lifetime.held
    pauses = [later - earlier for earlier, later in zip([first, *again], again, strict=False)]
    assert all(AGAIN_S <= pause <= AGAIN_S + 6 for pause in pauses), pauses
    assert here.err.getvalue().count("has taken the time limit now: 1h") == 1


def test_what_is_held_is_not_put_again() -> None:
    here = world(ends_at_s=300)
    lifetime = limited(here.services, here.cluster, APP, 3600.0)  # type: ignore[arg-type]
    assert here.watched(lifetime, WatchLimits(timeout_s=3600.0)) is Result.KILLED
    assert here.cluster.puts == [0] and "time limit" not in here.err.getvalue()


def test_the_margin_is_given_as_soon_as_it_is_held() -> None:
    """YARN ends it by itself then; until it is held this call does, at the time itself."""
    here = world(*[AWAY] * 500)
    assert here.watched(here.lifetime(), WatchLimits(timeout_s=3600.0)) is Result.TIMED_OUT
    assert 3600 <= here.cluster.kills[0] <= 3606
    here = world(AWAY)
    assert here.watched(here.lifetime(), WatchLimits(timeout_s=3600.0)) is Result.TIMED_OUT
    assert 3630 <= here.cluster.kills[0] <= 3636


def test_of_an_application_that_has_ended_nothing_is_said() -> None:
    here = world(AWAY)
    lifetime = here.lifetime()
    assert not lifetime.put()
    here.cluster.clock.seconds = here.cluster.ends_at_s = 60
    lifetime.look()
    assert lifetime.held and here.err.getvalue() == "" and len(here.cluster.puts) == 1


def test_a_call_that_does_not_wait_tries_for_some_seconds() -> None:
    here = world(AWAY, OTHER, AWAY)
    assert here.lifetime().put_within(10.0, stop=lambda: False)
    assert len(here.cluster.puts) == 4 and here.cluster.puts[-1] <= 10
    here = world(*[AWAY] * 99)
    lifetime = here.lifetime()
    assert not lifetime.put_within(10.0, stop=lambda: False)
    assert 5 <= len(here.cluster.puts) <= 10 and here.cluster.clock.seconds <= 10
    lifetime.left()
    assert "NOTHING ends it at that time" in here.err.getvalue()
    assert f"batch-submit wait {APP}" in here.err.getvalue() and AWAY.message in here.err.getvalue()


def test_a_no_of_the_cluster_and_a_signal_end_the_trying() -> None:
    here = world(REFUSED)
    assert not here.lifetime().put_within(10.0, stop=lambda: False)
    assert here.cluster.puts == [0]
    here = world(AWAY, AWAY)
    assert not here.lifetime().put_within(10.0, stop=lambda: True)
    assert here.cluster.puts == [0]


@pytest.mark.parametrize("expiry_ms", [STARTED_MS + 60_000, STARTED_MS + 3_600_000, STARTED_MS + 3_602_000])
def test_who_only_watches_leaves_a_limit_that_is_there(expiry_ms: int) -> None:
    here = world(expiry_ms=expiry_ms)
    lifetime = here.lifetime(only_missing=True)
    assert lifetime.put() and not lifetime.was_put and here.cluster.puts == []


def test_a_later_limit_is_the_queue_s_and_does_not_stand_for_the_run_s() -> None:
    here = world(expiry_ms=STARTED_MS + 86_400_000)
    lifetime = here.lifetime(only_missing=True)
    assert lifetime.put() and lifetime.was_put and here.cluster.puts == [0]


@pytest.mark.parametrize(("timeout_s", "backend"), [(None, "yarn"), (3600.0, "local")])
def test_a_run_without_a_limit_of_yarns_has_none_to_be_set(timeout_s: float | None, backend: str) -> None:
    here = world(name=backend)
    run = SimpleNamespace(limit_s={APP: timeout_s}.get)
    target: Any = SimpleNamespace(run=run, backend=here.cluster, application_id=APP)
    assert set_where_missing(here.services, target) is None and here.cluster.puts == []
    assert limited(here.services, here.cluster, APP, None) is None  # type: ignore[arg-type]
