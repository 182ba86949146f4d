"""Following an application to its end. The verdict comes from its terminal state and final status, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from batch_submit.adapters.terminal import Terminal
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, NotFound, OutcomeUnknown
from batch_submit.model import ApplicationReport, Result, State, Verdict, judge
from batch_submit.operations.context import DEFAULT_RM_PATIENCE_S
from batch_submit.operations.following import Follower
from batch_submit.plan.units import format_duration
from batch_submit.services import Clock, SignalCount

if TYPE_CHECKING:
    from batch_submit.operations.lifetimes import Lifetime

#: A ResourceManager that has just restarted may not have recovered an application yet: "not found" counts after this.
_FORGOTTEN_PATIENCE_S = 30.0
#: YARN's lifetime monitor looks every 3 s by default; past this margin we kill by ourselves.
_LIFETIME_MARGIN_S = 30.0
_KILL_PATIENCE_S = 60.0
_FIRST_POLL_S = 0.5
_LAST_POLL_S = 5.0


@dataclass(frozen=True)
class WatchLimits:
    """How long what may take, seconds; ``None``: without bound.

    Parameters
    ----------
    timeout_s
        The run's own limit, from YARN's acceptance on, queue time included; measured by the ResourceManager's clock.
    wait_timeout_s
        The limit of our waiting.
    rm_patience_s
        How long the ResourceManager may be away.
    """

    timeout_s: float | None = None
    wait_timeout_s: float | None = None
    rm_patience_s: float = DEFAULT_RM_PATIENCE_S


@dataclass
class Watcher:
    """Polls one application to its end; see :meth:`run`.

    Parameters
    ----------
    follower
        Shows what is seen; ``None``: states only.
    longest_pause_s
        The pause between two polls grows up to this; ``None``: 5 s.
    on_change
        Gets every report of another state than the one before, while the application lives.
    beside
        Called at every poll: looks after what else belongs to the run.
    lifetime
        The limit by which the backend itself ends the run at ``timeout_s``, as long as it holds it; looked after too.
    """

    backend: Backend
    application_id: str
    clock: Clock
    terminal: Terminal
    limits: WatchLimits
    signals: SignalCount
    follower: Follower | None = None
    longest_pause_s: float | None = None
    on_change: Callable[[ApplicationReport], None] | None = None
    beside: Callable[[], None] = lambda: None
    lifetime: Lifetime | None = None
    _away_since: float | None = None
    _forgotten_since: float | None = None
    _trouble: str = ""
    _kill_sent: bool = False
    _kill_taken: bool = False
    _last: ApplicationReport | None = None

    def run(self) -> Verdict | None:
        """Watch until there is a verdict; ``None`` when a signal came first."""
        started = self.clock.monotonic()
        longest = self.longest_pause_s if self.longest_pause_s is not None else _LAST_POLL_S
        pause = first = min(_FIRST_POLL_S, longest)
        follower = self.follower or Follower(self.terminal, self.clock)
        last_state: State | None = None
        while True:
            self.beside()
            if self.lifetime is not None:
                self.lifetime.look()
            report = self._poll()
            self._show_output()
            if isinstance(report, Verdict):
                return report
            if report is not None:
                verdict = judge(report)
                if verdict is not None:
                    follower.ended()
                    return self._final(verdict)
                self._enforce_timeout(report)
                follower.show(report)
                if report.state is not last_state:
                    last_state, pause = report.state, first
                    if self.on_change is not None:
                        self.on_change(report)
            if self.signals.received:
                return None
            waited = self.clock.monotonic() - started
            if self.limits.wait_timeout_s is not None and waited >= self.limits.wait_timeout_s:
                # "It still runs" is said of what was seen a moment ago, and of nothing else.
                return self._give_up(
                    Result.UNKNOWN if self.doubt else Result.STILL_RUNNING,
                    f"our waiting passed --wait-timeout ({format_duration(self.limits.wait_timeout_s)})",
                )
            rest = self.limits.wait_timeout_s - waited if self.limits.wait_timeout_s is not None else pause
            self.clock.sleep(min(pause, rest))
            pause = min(longest, pause * 1.3)

    @property
    def doubt(self) -> str:
        """Why it is not known how the application stands now; "" when it was seen alive a moment ago."""
        since = self._forgotten_since if self._forgotten_since is not None else self._away_since
        if since is None:
            return "" if self._last is not None else "it has not been seen yet"
        told = f"{self._trouble} (for {format_duration(round(self._since(since)))})"
        return f"{told}; last seen {self._last.state.value}" if self._last is not None else told

    def _poll(self) -> ApplicationReport | Verdict | None:
        """The report; ``None`` when there is none this time; a verdict when patience has ended."""
        try:
            report = self.backend.report(self.application_id)
        except NotFound as error:
            return self._forgotten(error)
        except OutcomeUnknown as error:
            return self._give_up(Result.UNKNOWN, error.message)  # the backend knows that it will never know
        except BatchSubmitError as error:
            self._forgotten_since = None
            return self._missed(error)
        if self._away_since is not None:
            self.terminal.note(f"the ResourceManager answers again after {self._since(self._away_since):.0f} s")
        self._away_since = self._forgotten_since = None
        self._last = report
        return report

    def _since(self, moment: float) -> float:
        return self.clock.monotonic() - moment

    def _missed(self, error: BatchSubmitError) -> Verdict | None:
        """No answer, or none that tells anything: an expired ticket and a stand-by's refusal pass like an outage."""
        self._trouble = error.message
        if self._away_since is None:
            self._away_since = self.clock.monotonic()
            self._warn_missing(error, self.limits.rm_patience_s)
        return self._lost(error, self._since(self._away_since), self.limits.rm_patience_s)

    def _forgotten(self, error: NotFound) -> Verdict | None:
        """Counted from the first such answer, not from the outage before it: a restart ends with a recovery."""
        self._trouble = error.message
        if self._forgotten_since is None:
            self._forgotten_since = self.clock.monotonic()
            self._warn_missing(error, _FORGOTTEN_PATIENCE_S)
        return self._lost(error, self._since(self._forgotten_since), _FORGOTTEN_PATIENCE_S)

    def _warn_missing(self, error: BatchSubmitError, patience_s: float) -> None:
        self.terminal.warn(
            f"{error.message}; asking on for {format_duration(patience_s)} (the application itself is not touched)"
        )

    def _lost(self, error: BatchSubmitError, missing_s: float, patience_s: float) -> Verdict | None:
        if missing_s < patience_s:
            return None
        return self._give_up(Result.UNKNOWN, f"after {format_duration(round(missing_s))}: {error.message}")

    def _give_up(self, result: Result, reason: str) -> Verdict:
        last = self._last
        if last is None:
            return Verdict(result, self.application_id, reason=reason)
        seen = f"{reason}; last seen {last.state.value} after {format_duration(last.elapsed_ms // 1000)}"
        return Verdict(result, self.application_id, last.state, last.final_status, seen, last)

    def _show_output(self) -> None:
        output = self.backend.new_output(self.application_id)
        if output:
            self.terminal.driver_output(output)

    def _enforce_timeout(self, report: ApplicationReport) -> None:
        """End a run past its limit where the backend does not do it itself."""
        limit = self.limits.timeout_s
        if limit is None or self._kill_taken:
            return
        margin = _LIFETIME_MARGIN_S if self.lifetime is not None and self.lifetime.held else 0.0
        if report.elapsed_ms / 1000 < limit + margin:
            return
        if not self._kill_sent:
            self.terminal.note(f"{self.application_id} ran past --timeout ({format_duration(limit)}): killing it")
        self._kill_sent = True  # before the call: its answer may be lost, and the kill done all the same
        try:
            self.backend.kill(self.application_id)
            self._kill_taken = True
        except BatchSubmitError as error:
            self.terminal.warn(f"it could not be killed yet: {error.message}")

    def _final(self, verdict: Verdict) -> Verdict:
        if self._kill_sent and verdict.result is Result.KILLED:
            return Verdict(
                Result.TIMED_OUT,
                verdict.application_id,
                verdict.state,
                verdict.final_status,
                f"killed after --timeout ({format_duration(self.limits.timeout_s or 0)})",
                verdict.report,
            )
        return verdict


def kill_and_confirm(
    backend: Backend,
    application_id: str,
    clock: Clock,
    *,
    patience_s: float = _KILL_PATIENCE_S,
    stop: Callable[[], bool] = lambda: False,
) -> Verdict | None:
    """Kill an application and wait for its terminal state.

    Returns
    -------
    Verdict or None
        What became of it; ``None`` when no terminal state was seen within ``patience_s``, or before ``stop`` said so.

    Raises
    ------
    OutcomeUnknown
        What became of it nobody can tell, now or later; :class:`EndUnseen`: but it runs no more.
    BatchSubmitError
        When the kill itself was refused.
    """
    report = backend.report(application_id)
    verdict = judge(report)
    if verdict is not None:
        return verdict
    backend.kill(application_id)
    deadline = clock.monotonic() + patience_s
    while clock.monotonic() < deadline and not stop():
        try:
            verdict = judge(backend.report(application_id))
        except OutcomeUnknown:
            raise  # it is not "not yet": the backend knows that it will never know
        except BatchSubmitError:
            verdict = None
        if verdict is not None:
            return verdict
        clock.sleep(0.3)
    return None


def describe(
    verdict: Verdict,
    hints: Callable[[str], str],
    explanation: Sequence[str] = (),
    again: str = "wait",
    what: str = "",
) -> list[str]:
    """The verdict for people: one line, the cluster's own words, and the next command to type.

    Parameters
    ----------
    explanation
        The diagnosis as lines; it quotes what matters of the cluster's words and ends with the next command.
    again
        The verb that goes on with the waiting: ``wait``, or ``monitor``, which never ends a run.
    what
        What it is given: the run, where it may have gone on as another application; "" is this one.
    """
    report = verdict.report
    took = f" after {format_duration(report.elapsed_ms // 1000)}" if report is not None and report.elapsed_ms else ""
    states = f" (state {verdict.state.value}, final status {verdict.final_status.value})" if report is not None else ""
    lines = [f"{verdict.application_id}: {verdict.result.value}{took}{states}"]
    if verdict.result is Result.SUCCEEDED:
        return lines
    words = [f"  {line.strip()}" for line in verdict.reason.splitlines() if line.strip()]
    lines += words[:1] if explanation else words[:12]
    if report is not None and report.am_container_logs:
        lines.append(f"  driver's log: {report.am_container_logs}")
    if explanation:
        return [*lines, *explanation]
    next_step = {
        Result.REFUSED: "",
        Result.STILL_RUNNING: f"batch-submit {again} {what or verdict.application_id}",
        Result.UNKNOWN: f"batch-submit {again} {what or verdict.application_id}",
    }.get(verdict.result, hints("logs"))
    if next_step:
        lines.append(f"  next: {next_step}")
    return lines
