"""Waiting: the verdict is YARN's, every outage has its patience, and every limit ends what it says it ends.

The cluster is a fake that is passed in, and the clock one that moves only when it is slept on.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from batch_submit.adapters.terminal import Terminal
from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    ExitCode,
    HostNotReady,
    NotFound,
)
from batch_submit.model import ApplicationReport, FinalStatus, Result, State, Verdict
from batch_submit.operations.watch import Watcher, WatchLimits, describe, kill_and_confirm
from tests.unit.fake_clock import FakeClock

APP = "application_1785360606021_0002"
AWAY = ClusterUnreachable("http://rm:8088 does not answer")
GONE = NotFound("the ResourceManager knows no such application")
LIFETIME = "Application exceeded the lifetime period of 60 seconds"

ACCEPTED = (State.ACCEPTED, FinalStatus.UNDEFINED, "")
RUNNING = (State.RUNNING, FinalStatus.UNDEFINED, "")
SUCCEEDED = (State.FINISHED, FinalStatus.SUCCEEDED, "")
FAILED = (State.FINISHED, FinalStatus.FAILED, "it broke")
KILLED = (State.KILLED, FinalStatus.KILLED, "killed by user alice")
Step = tuple[State, FinalStatus, str] | BatchSubmitError


@dataclass
class FakeCluster:
    """What a watch asks of a backend. ``script``: (from this second on, this answer)."""

    clock: FakeClock
    script: Sequence[tuple[float, Step]]
    kill_errors: list[BatchSubmitError] = field(default_factory=list)
    #: What the application becomes when it is killed; None: it does not end.
    killed: Step | None = KILLED
    #: A lost answer: the kill is done and an error raised all the same.
    kill_answer_lost: bool = False
    kills: list[float] = field(default_factory=list)
    output: str = ""

    def report(self, application_id: str) -> ApplicationReport:
        assert application_id == APP
        step = [step for since, step in self.script if since <= self.clock.seconds][-1]
        if isinstance(step, BatchSubmitError):
            raise step
        state, final, diagnostics = step
        elapsed = int(self.clock.seconds * 1000)
        return ApplicationReport(
            APP, queue="ml", state=state, final_status=final, diagnostics=diagnostics, elapsed_ms=elapsed, launched_ms=1
        )

    def kill(self, application_id: str) -> None:
        assert application_id == APP
        self.kills.append(self.clock.seconds)
        error = self.kill_errors.pop(0) if self.kill_errors else None
        if self.killed is not None and (error is None or self.kill_answer_lost):
            self.script = [*self.script, (self.clock.seconds, self.killed)]
        if error is not None:
            raise error

    def new_output(self, application_id: str) -> str:
        text, self.output = self.output, ""
        return text


@dataclass
class Signals:
    """The signals that have come by the clock."""

    clock: FakeClock
    at: Sequence[float] = ()

    @property
    def received(self) -> list[int]:
        return [2 for moment in self.at if moment <= self.clock.seconds]


class Terminals(io.StringIO):
    """A stderr that may be a terminal."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@dataclass
class Seen:
    """What came of a watch."""

    verdict: Verdict | None
    cluster: FakeCluster
    stderr: str
    seconds: float
    doubt: str = ""


def watch(
    *script: tuple[float, Step],
    limits: WatchLimits | None = None,
    signals: Sequence[float] = (),
    terminal: bool = False,
    change: Callable[[FakeCluster], None] = lambda cluster: None,
    longest_pause_s: float | None = None,
    clock: FakeClock | None = None,
    held: bool = False,
) -> Seen:
    clock = clock or FakeClock()
    cluster = FakeCluster(clock, script)
    change(cluster)
    err = Terminals(terminal=terminal)
    watcher = Watcher(
        cluster,  # type: ignore[arg-type]
        APP,
        clock,  # type: ignore[arg-type]
        Terminal(io.StringIO(), err),
        limits or WatchLimits(),
        Signals(clock, signals),
        longest_pause_s=longest_pause_s,
        lifetime=SimpleNamespace(held=held, look=lambda: None),  # type: ignore[arg-type]
    )
    verdict = watcher.run()
    return Seen(verdict, cluster, err.getvalue(), clock.seconds, watcher.doubt)


def result(seen: Seen) -> Result | None:
    return seen.verdict.result if seen.verdict is not None else None


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "code"), [(SUCCEEDED, 0), (FAILED, 1), (KILLED, 6)])
def test_the_verdict_is_that_of_the_terminal_state(end: Step, code: int) -> None:
    seen = watch((0, ACCEPTED), (3, RUNNING), (60, end))
    assert seen.verdict is not None and seen.verdict.exit_code == code
    assert 60 <= seen.seconds <= 66  # never more than a poll late


def test_running_with_succeeded_is_waited_for_and_may_fail_yet() -> None:
    seen = watch((0, (State.RUNNING, FinalStatus.SUCCEEDED, "")), (30, FAILED))
    assert result(seen) is Result.FAILED


def test_polls_are_quick_at_first_and_after_a_change_and_never_rarer_than_5_s() -> None:
    seen = watch((0, ACCEPTED), (100, RUNNING), (200, SUCCEEDED))
    sleeps = seen.cluster.clock.sleeps
    assert sleeps[0] == 0.5 and max(sleeps) == 5.0
    assert sleeps.count(0.5) == 2
    assert len(sleeps) < 70


def test_the_longest_pause_can_be_chosen() -> None:
    sleeps = watch((0, RUNNING), (300, SUCCEEDED), longest_pause_s=30.0).cluster.clock.sleeps
    assert (sleeps[0], max(sleeps)) == (0.5, 30.0)


# --- outages ----------------------------------------------------------------------------------------------------------

PATIENCE = WatchLimits(rm_patience_s=900)


@pytest.mark.parametrize(
    "outage", [AWAY, HostNotReady("the ticket has expired"), ClusterRefused("HTTP 403 by the stand-by")]
)
def test_an_outage_within_patience_changes_nothing_but_is_told_once(outage: BatchSubmitError) -> None:
    seen = watch((0, RUNNING), (10, outage), (800, RUNNING), (820, SUCCEEDED), limits=PATIENCE)
    assert result(seen) is Result.SUCCEEDED
    assert seen.stderr.count(f"{outage.message}; asking on for 15m") == 1
    assert "answers again after 7" in seen.stderr


def test_an_outage_past_patience_is_unknown_with_what_was_last_seen() -> None:
    seen = watch((0, RUNNING), (10, AWAY), limits=PATIENCE)
    assert seen.verdict is not None
    assert (seen.verdict.result, seen.verdict.exit_code) == (Result.UNKNOWN, 8)
    assert seen.verdict.reason.startswith("after 15m")
    assert "http://rm:8088 does not answer; last seen RUNNING after" in seen.verdict.reason
    assert 905 <= seen.seconds <= 920


def test_an_outage_from_the_start_names_the_application_all_the_same() -> None:
    seen = watch((0, AWAY), limits=PATIENCE)
    assert seen.verdict is not None
    assert (seen.verdict.result, seen.verdict.application_id) == (Result.UNKNOWN, APP)
    assert "last seen" not in seen.verdict.reason


def test_two_outages_have_their_patience_each() -> None:
    seen = watch((0, RUNNING), (10, AWAY), (800, RUNNING), (820, AWAY), (1600, SUCCEEDED), limits=PATIENCE)
    assert result(seen) is Result.SUCCEEDED


def test_not_found_passes_while_a_restarted_resourcemanager_recovers() -> None:
    """Its patience starts with the first such answer, not with the outage that came before."""
    seen = watch((0, RUNNING), (10, AWAY), (700, GONE), (715, RUNNING), (730, SUCCEEDED), limits=PATIENCE)
    assert result(seen) is Result.SUCCEEDED
    assert f"{GONE.message}; asking on for 30s" in seen.stderr


def test_not_found_for_good_is_unknown_and_no_failure() -> None:
    seen = watch((0, RUNNING), (10, GONE), limits=PATIENCE)
    assert seen.verdict is not None
    assert (seen.verdict.result, seen.verdict.exit_code) == (Result.UNKNOWN, 8)
    assert GONE.message in seen.verdict.reason
    assert 40 <= seen.seconds <= 50


# --- --timeout --------------------------------------------------------------------------------------------------------


def test_past_the_timeout_it_is_killed_by_us_where_nobody_else_does() -> None:
    seen = watch((0, RUNNING), limits=WatchLimits(timeout_s=60))
    assert seen.verdict is not None
    assert (seen.verdict.result, seen.verdict.exit_code) == (Result.TIMED_OUT, 7)
    assert seen.verdict.reason == "killed after --timeout (1m)"
    assert len(seen.cluster.kills) == 1 and 60 <= seen.cluster.kills[0] <= 66
    assert "ran past --timeout (1m): killing it" in seen.stderr


def test_time_in_the_queue_counts() -> None:
    assert result(watch((0, ACCEPTED), limits=WatchLimits(timeout_s=60))) is Result.TIMED_OUT


def test_yarns_own_lifetime_is_given_a_margin_before_we_kill() -> None:
    seen = watch((0, RUNNING), limits=WatchLimits(timeout_s=60), held=True)
    assert result(seen) is Result.TIMED_OUT
    assert 90 <= seen.cluster.kills[0] <= 96


def test_a_lifetime_kill_by_yarn_is_a_timeout() -> None:
    end = (State.KILLED, FinalStatus.KILLED, LIFETIME)
    seen = watch((0, RUNNING), (62, end), limits=WatchLimits(timeout_s=60), held=True)
    assert seen.verdict is not None and seen.verdict.exit_code == 7
    assert seen.cluster.kills == []


def test_a_success_just_before_the_kill_stays_a_success() -> None:
    seen = watch((0, RUNNING), limits=WatchLimits(timeout_s=60), change=lambda one: setattr(one, "killed", SUCCEEDED))
    assert result(seen) is Result.SUCCEEDED


def test_a_kill_that_fails_is_told_and_tried_again() -> None:
    def refuse_twice(cluster: FakeCluster) -> None:
        cluster.kill_errors = [AWAY, ClusterRefused("not yours")]

    seen = watch((0, RUNNING), limits=WatchLimits(timeout_s=60), change=refuse_twice)
    assert result(seen) is Result.TIMED_OUT
    assert len(seen.cluster.kills) == 3
    assert "could not be killed yet: not yours" in seen.stderr
    assert seen.stderr.count("killing it") == 1


def test_a_kill_whose_answer_was_lost_is_still_our_timeout() -> None:
    def lose(cluster: FakeCluster) -> None:
        cluster.kill_errors, cluster.kill_answer_lost = [AWAY], True

    seen = watch((0, RUNNING), limits=WatchLimits(timeout_s=60), change=lose)
    assert result(seen) is Result.TIMED_OUT


def test_killed_by_somebody_else_before_the_timeout_is_killed() -> None:
    assert result(watch((0, RUNNING), (30, KILLED), limits=WatchLimits(timeout_s=60))) is Result.KILLED


# --- --wait-timeout and signals ---------------------------------------------------------------------------------------


def test_our_waiting_ends_on_time_and_touches_nothing() -> None:
    seen = watch((0, RUNNING), limits=WatchLimits(wait_timeout_s=47.3))
    assert seen.verdict is not None
    assert (seen.verdict.result, seen.verdict.exit_code) == (Result.STILL_RUNNING, 7)
    assert "our waiting passed --wait-timeout (47s300ms); last seen RUNNING" in seen.verdict.reason
    assert seen.seconds == pytest.approx(47.3, abs=0.01)
    assert seen.cluster.kills == []


def test_our_waiting_ends_during_an_outage_too() -> None:
    seen = watch((0, RUNNING), (5, AWAY), limits=WatchLimits(wait_timeout_s=60))
    assert result(seen) is Result.UNKNOWN  # it ran 55 s ago; that it still does is not known


class ClockThatIsSet(FakeClock):
    """At every sleep somebody sets the wall clock, by hours and in turn back and forth."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.wall_s = (-1) ** len(self.sleeps) * 3600.0 * len(self.sleeps)


@pytest.mark.parametrize(
    ("script", "limits"),
    [
        ([(0, RUNNING)], WatchLimits(wait_timeout_s=100)),
        ([(0, RUNNING), (20, AWAY)], WatchLimits(rm_patience_s=60)),
        ([(0, RUNNING), (20, GONE)], WatchLimits()),
        ([(0, RUNNING)], WatchLimits(timeout_s=90)),
        ([(0, RUNNING), (20, AWAY), (50, RUNNING), (80, SUCCEEDED)], WatchLimits(rm_patience_s=60)),
    ],
    ids=["wait-timeout", "outage", "forgotten", "timeout", "succeeds"],
)
def test_no_limit_is_measured_by_the_wall_clock(script: list[tuple[float, Step]], limits: WatchLimits) -> None:
    steady = watch(*script, limits=limits)
    jumping = watch(*script, limits=limits, clock=ClockThatIsSet())
    assert (result(jumping), jumping.seconds, jumping.cluster.kills) == (
        result(steady),
        steady.seconds,
        steady.cluster.kills,
    )


def test_a_signal_ends_the_waiting_without_a_verdict() -> None:
    seen = watch((0, RUNNING), signals=[20])
    assert seen.verdict is None
    assert 20 <= seen.seconds <= 26
    assert seen.cluster.kills == []


@pytest.mark.parametrize("trouble", [AWAY, GONE, HostNotReady("the ticket has expired")])
def test_what_was_not_seen_a_moment_ago_is_in_doubt(trouble: BatchSubmitError) -> None:
    """ "It goes on running" is said of what is known to."""
    assert watch((0, RUNNING), signals=[20]).doubt == ""
    assert watch((0, RUNNING), (5, trouble), (15, RUNNING), signals=[20]).doubt == ""
    seen = watch((0, RUNNING), (5, trouble), signals=[20])
    assert seen.verdict is None and seen.doubt.startswith(f"{trouble.message} (for 1")
    assert seen.doubt.endswith("s); last seen RUNNING")
    assert watch((0, trouble), signals=[0]).doubt == f"{trouble.message} (for 0s)"


def test_an_end_seen_together_with_a_signal_is_the_verdict() -> None:
    assert result(watch((0, SUCCEEDED), signals=[0])) is Result.SUCCEEDED


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_without_a_terminal_each_state_is_one_line() -> None:
    seen = watch((0, ACCEPTED), (300, RUNNING), (3600, SUCCEEDED))
    lines = seen.stderr.splitlines()
    assert [line.split(" (")[0] for line in lines] == [f"{APP}: ACCEPTED in ml", f"{APP}: RUNNING in ml"]


def test_on_a_terminal_one_line_is_rewritten_with_the_time() -> None:
    seen = watch((0, RUNNING), (60, SUCCEEDED), terminal=True)
    shown = seen.stderr.split("\r\x1b[K")[1:]
    assert len(set(shown)) > 10
    assert "\n" not in seen.stderr


def test_the_drivers_output_is_passed_on_even_at_the_end() -> None:
    seen = watch((0, SUCCEEDED), change=lambda one: setattr(one, "output", "last words\n"))
    assert "last words\n" in seen.stderr


# --- killing ----------------------------------------------------------------------------------------------------------


def kill(script: Sequence[tuple[float, Step]], *, stop_at: float = 1e9, killed: Step | None = KILLED) -> Seen:
    clock = FakeClock()
    cluster = FakeCluster(clock, script, killed=killed)
    verdict = kill_and_confirm(
        cluster,  # type: ignore[arg-type]
        APP,
        clock,  # type: ignore[arg-type]
        patience_s=60,
        stop=lambda: clock.seconds >= stop_at,
    )
    return Seen(verdict, cluster, "", clock.seconds)


def test_a_kill_is_confirmed_by_the_terminal_state() -> None:
    assert result(kill([(0, RUNNING)])) is Result.KILLED


def test_what_has_ended_is_not_killed() -> None:
    seen = kill([(0, SUCCEEDED)])
    assert (result(seen), seen.cluster.kills) == (Result.SUCCEEDED, [])


def test_a_kill_without_an_end_gives_up_after_its_patience_or_when_told() -> None:
    assert kill([(0, RUNNING)], killed=None).verdict is None
    assert kill([(0, RUNNING)], killed=None).seconds == pytest.approx(60, abs=1)
    assert kill([(0, RUNNING)], killed=None, stop_at=3).seconds == pytest.approx(3, abs=1)


@pytest.mark.parametrize("outage", [AWAY, GONE, HostNotReady("the ticket has expired")])
def test_after_the_kill_an_outage_is_waited_out(outage: BatchSubmitError) -> None:
    clock = FakeClock()
    cluster = FakeCluster(clock, [(0, RUNNING), (0.1, outage), (20, KILLED)], killed=None)
    verdict = kill_and_confirm(cluster, APP, clock)  # type: ignore[arg-type]
    assert verdict is not None and verdict.result is Result.KILLED


def test_a_kill_that_is_refused_is_an_error() -> None:
    clock = FakeClock()
    cluster = FakeCluster(clock, [(0, RUNNING)], kill_errors=[ClusterRefused("not yours")])
    with pytest.raises(ClusterRefused, match="not yours") as caught:
        kill_and_confirm(cluster, APP, clock)  # type: ignore[arg-type]
    assert caught.value.exit_code is ExitCode.REFUSED


# --- words for people -------------------------------------------------------------------------------------------------

HINTS = {"logs": f"yarn logs -applicationId {APP}"}


def told(kind: Result, state: State, final: FinalStatus, reason: str = "") -> list[str]:
    one = ApplicationReport(APP, state=state, final_status=final, elapsed_ms=90_000)
    return describe(Verdict(kind, APP, state, final, reason, one), lambda name: HINTS.get(name, ""))


def test_a_success_is_one_line() -> None:
    assert told(Result.SUCCEEDED, State.FINISHED, FinalStatus.SUCCEEDED) == [
        f"{APP}: succeeded after 1m30s (state FINISHED, final status SUCCEEDED)"
    ]


def test_a_failure_has_yarns_words_and_the_next_command() -> None:
    lines = told(Result.FAILED, State.FINISHED, FinalStatus.FAILED, "User application exited\n\n  with 1\n")
    assert lines[0].startswith(f"{APP}: failed after 1m30s")
    assert lines[1:] == ["  User application exited", "  with 1", f"  next: yarn logs -applicationId {APP}"]


@pytest.mark.parametrize("kind", [Result.STILL_RUNNING, Result.UNKNOWN])
def test_what_has_not_ended_can_be_waited_for(kind: Result) -> None:
    assert told(kind, State.RUNNING, FinalStatus.UNDEFINED, "why")[-1] == f"  next: batch-submit wait {APP}"


def test_a_refused_application_has_no_logs_to_look_at() -> None:
    assert told(Result.REFUSED, State.FAILED, FinalStatus.FAILED, "unknown queue")[-1] == "  unknown queue"


def test_endless_diagnostics_are_cut() -> None:
    reason = "\n".join(f"line {n}" for n in range(100))
    assert len(told(Result.FAILED, State.FAILED, FinalStatus.FAILED, reason)) == 1 + 12 + 1


@pytest.mark.parametrize("first", [AWAY, GONE])
def test_nobody_says_still_running_of_what_was_never_seen(first: Step) -> None:
    seen = watch((0, first), limits=WatchLimits(wait_timeout_s=5))
    assert result(seen) is Result.UNKNOWN
    seen = watch((0, RUNNING), (2, first), limits=WatchLimits(wait_timeout_s=5))
    assert result(seen) is Result.UNKNOWN
