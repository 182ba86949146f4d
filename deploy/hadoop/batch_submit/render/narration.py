"""What is worth a line: the changes of an application that is followed, each told once.

A log file of a ten-hour run must hold a page and not a book: states and reasons when they change, the work of Spark now
and then, lost executors and stalls always.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from batch_submit.data_classes import dataclass
from batch_submit.model import ApplicationReport, State
from batch_submit.plan.pending import Reason
from batch_submit.plan.spark_progress import SparkProgress
from batch_submit.render.progress import doing_text, head_line, lost_text, stages_text, stalled_text, totals_text

#: After a failover an application that runs may be shown ACCEPTED for about a second.
_RECOVERY_S = 5.0
#: More lost executors than this at a time are counted and not listed.
_MOST_LOST = 5
_ATTEMPT = re.compile(r"container_(?:e\d+_)?\d+_\d+_(\d+)_\d+")


@dataclass(frozen=True)
class Event:
    """One change.

    Parameters
    ----------
    kind
        ``state``, ``waiting``, ``step``, ``progress``, ``executor_lost``, ``stalled``, ``attempt``, ``failover``.
    text
        For people.
    warning
        Whether it deserves attention.
    data
        The same for machines.
    """

    kind: str
    text: str
    warning: bool = False
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Manner:
    """How much is told; seconds.

    Parameters
    ----------
    stage_s, progress_s
        The shortest time between two lines about other stages, and about progress in the same ones.
    normal_after_s
        How long a phase that every start passes through lasts before it gets a line.
    stall_after_s
        How long no task finishes before that is told.
    remedies
        Whether a reason comes with its remedy.
    """

    stage_s: float
    progress_s: float
    normal_after_s: float
    stall_after_s: float = 300.0
    remedies: bool = True


@dataclass
class Narrator:
    """Turns what is seen into what has changed."""

    manner: Manner
    _state: State | None = None
    _stepped_back: float | None = None
    _reason: tuple[str, str] | None = None
    _attempt: int = 0
    _stages: tuple[tuple[int, int], ...] = ()
    _told_progress: tuple[str, float] | None = None
    _place: str = ""
    _seen: Event | None = None
    _lost: set[str] = field(default_factory=set)
    _stalled: bool = False
    _active_url: str = ""

    def changes(
        self,
        now_s: float,
        report: ApplicationReport,
        reason: Reason | None = None,
        progress: SparkProgress | None = None,
        stalled_s: float = 0.0,
        active_url: str = "",
    ) -> list[Event]:
        """What has changed since the last call. ``now_s`` is a monotonic clock's."""
        events = [*self._server(active_url), *self._new_state(now_s, report), *self._new_attempt(report)]
        events += self._waits(report, reason)
        if progress is not None:
            events += [*self._losses(report, progress), *self._new_place(report, progress)]
            events += self._work(now_s, report, progress)
        events += self._stall(report, stalled_s)
        return events

    def _server(self, url: str) -> list[Event]:
        before, self._active_url = self._active_url, url or self._active_url
        if not before or not url or url == before:
            return []
        return [Event("failover", f"the active ResourceManager is now {url}", data={"resource_manager": url})]

    def _new_state(self, now_s: float, report: ApplicationReport) -> list[Event]:
        if report.state is self._state:
            self._stepped_back = None
            return []
        if self._state is State.RUNNING and report.state is State.ACCEPTED:
            self._stepped_back = self._stepped_back if self._stepped_back is not None else now_s
            if now_s - self._stepped_back < _RECOVERY_S:
                return []
        self._state, self._stepped_back = report.state, None
        return [Event("state", head_line(report), data={"state": report.state.value, "elapsed_ms": report.elapsed_ms})]

    def _new_attempt(self, report: ApplicationReport) -> list[Event]:
        found = _ATTEMPT.search(report.am_container_logs)
        before, self._attempt = self._attempt, int(found.group(1)) if found else self._attempt
        if not before or self._attempt <= before:
            return []
        text = f"{report.application_id}: attempt {self._attempt} has begun, the one before it ended"
        return [Event("attempt", text, warning=True, data={"attempt": self._attempt})]

    def _waits(self, report: ApplicationReport, reason: Reason | None) -> list[Event]:
        """A reason is new by its cause and its place; that its numbers move is no news."""
        if reason is None or (reason.normal and report.elapsed_ms / 1000 < self.manner.normal_after_s):
            return []
        key = (reason.cause.value, reason.sentence.partition(":")[0])
        if key == self._reason:
            return []
        self._reason = key
        remedy = f"\n  next: {reason.remedy}" if reason.remedy and self.manner.remedies else ""
        data = {"cause": reason.cause.value, "reason": reason.sentence, "remedy": reason.remedy}
        return [Event("waiting", f"{report.application_id} waits: {reason.sentence}{remedy}", data=data)]

    def _losses(self, report: ApplicationReport, progress: SparkProgress) -> list[Event]:
        fresh = [one for one in progress.lost if one.executor_id not in self._lost]
        self._lost.update(one.executor_id for one in fresh)
        events = [
            Event(
                "executor_lost",
                f"{report.application_id}: {lost_text(one)}",
                warning=True,
                data={"executor_id": one.executor_id, "host": one.host, "reason": one.reason},
            )
            for one in fresh[:_MOST_LOST]
        ]
        if len(fresh) > _MOST_LOST:
            text = f"{report.application_id}: {len(fresh) - _MOST_LOST} more executors were lost"
            events.append(Event("executor_lost", text, warning=True, data={"count": len(fresh) - _MOST_LOST}))
        return events

    def _new_place(self, report: ApplicationReport, progress: SparkProgress) -> list[Event]:
        """Another stage of a pipeline, or the job that the driver says it has begun: told at once, each one once."""
        place = progress.place
        if not place or place == self._place:
            return []
        self._place = place
        data = {"step": place.strip("[]"), "description": progress.doing}
        return [Event("step", f"{report.application_id}: {doing_text(progress)}", data=data)]

    def _work(self, now_s: float, report: ApplicationReport, progress: SparkProgress) -> list[Event]:
        stages = tuple((stage.stage_id, stage.attempt) for stage in progress.stages)
        text = f"{report.application_id}: {stages_text(progress)}; {totals_text(progress)}"
        totals = f"{report.application_id}: at the last look {totals_text(progress)}"
        self._seen = Event("progress", totals, data=_numbers(progress))
        if self._told_progress is not None:
            told, at = self._told_progress
            pause = self.manner.stage_s if stages != self._stages else self.manner.progress_s
            if told == totals or now_s - at < pause:
                return []
        self._stages, self._told_progress = stages, (totals, now_s)
        return [Event("progress", text, data=_numbers(progress))]

    def last_work(self) -> Event | None:
        """What Spark had done when it was last seen; ``None`` when that was told, or Spark was never seen."""
        seen, self._seen = self._seen, None
        if seen is None or (self._told_progress is not None and self._told_progress[0] == seen.text):
            return None
        return seen

    def _stall(self, report: ApplicationReport, stalled_s: float) -> list[Event]:
        stalled = stalled_s >= self.manner.stall_after_s
        before, self._stalled = self._stalled, stalled
        if not stalled or before:
            return []
        text = f"{report.application_id}: {stalled_text(stalled_s)}"
        return [Event("stalled", text, warning=True, data={"stalled_s": int(stalled_s)})]


def _numbers(progress: SparkProgress) -> dict[str, object]:
    """The work of Spark for machines."""
    return {
        "doing": progress.doing,
        "jobs_done": progress.jobs_done,
        "jobs_running": len(progress.running_jobs),
        "jobs_failed": progress.jobs_failed,
        "tasks_done": progress.tasks_done,
        "tasks_active": progress.tasks_active,
        "tasks_failed": progress.tasks_failed,
        "executors": len(progress.workers),
        "executors_lost": len(progress.lost),
        "stages": [
            {"stage_id": one.stage_id, "attempt": one.attempt, "name": one.name, "tasks": one.tasks}
            | {"tasks_done": one.done, "tasks_active": one.active, "tasks_failed": one.failed}
            for one in progress.stages
        ],
    }
