"""What stands behind an application's state: why it waits, and what its Spark does. Asked sparingly, never fatal."""

from __future__ import annotations

from dataclasses import field

from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.scheduler import Scheduler
from batch_submit.adapters.spark_rest import SparkRest
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError
from batch_submit.model import ApplicationReport, State
from batch_submit.plan.pending import Cause, Reason, Surroundings, explain, explain_executors, needs_scheduler
from batch_submit.plan.spark_progress import SparkProgress, StallWatch
from batch_submit.services import Clock, Cluster

#: A start that takes no longer than this needs no reasons.
_QUICK_START_S = 2.0
#: A driver that has no executor after this is asked about.
_QUICK_EXECUTORS_S = 15.0
_SCHEDULER_EVERY_S = 10.0
_SPARK_EVERY_S = 5.0
_LONGEST_PAUSE_S = 30.0
#: Looking may take one part in so many of our time, and of the server's that answers: large clusters answer in MB.
_SHARE_OF_TIME = 8.0
_WAITING = (State.NEW, State.NEW_SAVING, State.SUBMITTED, State.ACCEPTED)


@dataclass(frozen=True)
class Sight:
    """What one look has brought; ``active_url`` is the ResourceManager that answered."""

    reason: Reason | None = None
    progress: SparkProgress | None = None
    stalled_s: float = 0.0
    active_url: str = ""


@dataclass
class Pace:
    """When the next look is due: regularly, later after a failure, and never so often that it costs much. Seconds."""

    clock: Clock
    every_s: float
    _due: float = 0.0
    _failures: int = 0

    def due(self) -> bool:
        """Whether to look now."""
        return self.clock.monotonic() >= self._due

    def looked(self, began: float, *, well: bool) -> None:
        """A look that began at ``began`` has ended."""
        now = self.clock.monotonic()
        self._failures = 0 if well else self._failures + 1
        pause = self.every_s * 2 ** min(self._failures, 4)
        self._due = now + min(max(pause, (now - began) * _SHARE_OF_TIME), max(_LONGEST_PAUSE_S, self.every_s))


@dataclass
class Insight:
    """Looks behind one application on a cluster.

    Parameters
    ----------
    interval_s
        The user's ``--interval``: looks at Spark are no rarer than it has to be, and no more frequent than this.
    """

    cluster: Cluster
    application_id: str
    clock: Clock
    interval_s: float | None = None
    _stall: StallWatch = field(default_factory=StallWatch)
    _around: Surroundings | None = None
    _progress: SparkProgress | None = None
    _stalled_s: float = 0.0
    _phase: tuple[State, float] = (State.UNKNOWN, 0.0)

    def __post_init__(self) -> None:
        self._scheduler = Scheduler(self.cluster.resource_manager)
        session = self.cluster.session
        self._spark = self._open_spark(session) if session else None
        self._scheduler_pace = Pace(self.clock, max(_SCHEDULER_EVERY_S, self.interval_s or 0))
        self._spark_pace = Pace(self.clock, self.interval_s or _SPARK_EVERY_S)

    def _open_spark(self, session: HttpSession) -> SparkRest:
        manager, conf = self.cluster.resource_manager, self.cluster.conf
        proxies = (*manager.urls, conf.web_proxy_url)
        return SparkRest(manager, session, self.application_id, proxies=proxies, proves=conf.kerberos)

    def look(self, report: ApplicationReport) -> Sight:
        """Look at what is due. Needs a report that has just come, so that the ResourceManager is known to answer."""
        now = self.clock.monotonic()
        if report.state is not self._phase[0]:
            self._phase, self._around = (report.state, now), None
        lasted_s = now - self._phase[1]
        url = self._active_url()
        if report.state in _WAITING:
            return Sight(self._why_it_waits(report, max(lasted_s, report.elapsed_ms / 1000)), active_url=url)
        if report.state is not State.RUNNING or report.application_type not in ("SPARK", ""):
            return Sight(active_url=url)
        self._look_at_spark(report)
        reason = self._why_no_executors(report, lasted_s)
        return Sight(reason, self._progress, self._stalled_s, url)

    def _active_url(self) -> str:
        try:
            return self.cluster.resource_manager.active_url()
        except BatchSubmitError:
            return ""

    def _why_it_waits(self, report: ApplicationReport, lasted_s: float) -> Reason | None:
        if not needs_scheduler(report):
            return explain(report, Surroundings())
        if lasted_s >= _QUICK_START_S and self._scheduler_pace.due():
            self._look_at_scheduler(report)
        return explain(report, self._around) if self._around is not None else None

    def _why_no_executors(self, report: ApplicationReport, lasted_s: float) -> Reason | None:
        progress = self._progress
        if progress is None or progress.workers or lasted_s < _QUICK_EXECUTORS_S:
            self._around = None
            return None
        if self._scheduler_pace.due():
            self._look_at_scheduler(report)
        return explain_executors(report, self._around) if self._around is not None else None

    def _look_at_scheduler(self, report: ApplicationReport) -> None:
        """The queues first; nodes and the scheduler's own words, which cost it more, only when they leave it open."""
        began = self.clock.monotonic()
        why = explain if report.state is State.ACCEPTED else explain_executors
        try:
            asks = tuple(self._scheduler.asks(self.application_id))
            around = Surroundings(self._scheduler.view(), None, asks, "", self._ahead(report))
            reason = why(report, around)
            if reason is not None and reason.cause in (Cause.UNKNOWN, Cause.NO_NODES):
                around = Surroundings(around.view, tuple(self._scheduler.nodes()), asks, "", around.ahead)
                reason = why(report, around)
            if reason is not None and reason.cause is Cause.UNKNOWN:
                activity = self._scheduler.activity(self.application_id)
                around = Surroundings(around.view, around.nodes, asks, activity, around.ahead)
        except BatchSubmitError:
            self._scheduler_pace.looked(began, well=False)
            return
        self._around = around
        self._scheduler_pace.looked(began, well=True)

    def _ahead(self, report: ApplicationReport) -> int:
        """How many applications of its queue wait and came earlier."""
        if report.state is not State.ACCEPTED or report.started_ms <= 0:
            return -1
        waiting = self.cluster.resource_manager.applications(states=_WAITING, queue=report.queue)
        # launchTime is set when the driver's container is given out: what has one waits for something else.
        return sum(one.launched_ms == 0 and one.started_ms < report.started_ms for one in waiting)

    def _look_at_spark(self, report: ApplicationReport) -> None:
        if self._spark is None or not self._spark_pace.due():
            return
        began = self.clock.monotonic()
        try:
            self._progress = self._spark.progress(report.tracking_url)
        except BatchSubmitError:
            self._progress, self._stalled_s = None, 0.0
            self._spark_pace.looked(began, well=False)
            return
        self._stalled_s = self._stall.update(self.clock.monotonic(), self._progress)
        self._spark_pace.looked(began, well=True)
