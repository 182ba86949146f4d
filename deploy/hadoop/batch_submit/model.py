"""YARN's words as frozen types: states, final statuses, an application's report, and the verdict on a run."""

from __future__ import annotations

import re
from dataclasses import field
from enum import Enum

from batch_submit.data_classes import dataclass
from batch_submit.errors import ExitCode

#: ``application_<cluster timestamp>_<sequence>``: the sequence has at least four digits and grows without bound
#: (source: Hadoop ``ApplicationId.toString``, ``minimumIntegerDigits(4)``).
APPLICATION_ID = re.compile(r"application_(\d{8,})_(\d{4,})")


class State(str, Enum):
    """YARN's ``YarnApplicationState``, and ``UNKNOWN`` for a word this program has not met."""

    NEW = "NEW"
    NEW_SAVING = "NEW_SAVING"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"
    UNKNOWN = "UNKNOWN"

    @property
    def terminal(self) -> bool:
        """Whether the application can't change any more. Only then does the final status mean anything."""
        return self in (State.FINISHED, State.FAILED, State.KILLED)

    @property
    def before_accepted(self) -> bool:
        """Whether YARN may still refuse it, or lose it: it is being written down."""
        return self in (State.NEW, State.NEW_SAVING, State.SUBMITTED)

    @classmethod
    def parse(cls, text: str) -> State:
        """Read a server's word; an unknown one is ``UNKNOWN`` (not terminal), never an exception."""
        try:
            return cls(text.upper())
        except ValueError:
            return cls.UNKNOWN


class FinalStatus(str, Enum):
    """YARN's ``FinalApplicationStatus``. Means nothing before a terminal state."""

    UNDEFINED = "UNDEFINED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @classmethod
    def parse(cls, text: str) -> FinalStatus:
        """Read a server's word; an unknown one is ``UNDEFINED``."""
        try:
            return cls(text.upper())
        except ValueError:
            return cls.UNDEFINED


@dataclass(frozen=True)
class AttemptReport:
    """One attempt of an application (``/apps/{id}/appattempts``): its ApplicationMaster, in cluster mode the driver.

    Times are milliseconds since the epoch; what the server hides or does not know is 0 or "".
    """

    number: int
    attempt_id: str = ""
    state: str = ""
    container_id: str = ""
    node: str = ""
    node_http: str = ""
    logs_url: str = ""
    started_ms: int = 0
    finished_ms: int = 0


#: An expiry that YARN holds counts as the one that was put as long as they differ by no more than this.
LIFETIME_TOLERANCE_MS = 2000


@dataclass(frozen=True)
class ApplicationReport:
    """What the ResourceManager says of one application (``/ws/v1/cluster/apps/{id}``), absent numbers as 0 or -1.

    Times are milliseconds since the epoch by the ResourceManager's clock, memory is MiB.
    """

    application_id: str
    name: str = ""
    user: str = ""
    queue: str = ""
    state: State = State.UNKNOWN
    final_status: FinalStatus = FinalStatus.UNDEFINED
    progress: float = 0.0
    application_type: str = ""
    tags: tuple[str, ...] = ()
    diagnostics: str = ""
    tracking_url: str = ""
    started_ms: int = 0
    launched_ms: int = 0
    finished_ms: int = 0
    elapsed_ms: int = 0
    am_container_logs: str = ""
    allocated_memory_mib: int = -1
    allocated_vcores: int = -1
    running_containers: int = -1
    memory_seconds: int = 0
    vcore_seconds: int = 0
    log_aggregation_status: str = ""
    priority: int = 0
    tracking_ui: str = ""
    am_node_http: str = ""
    reserved_memory_mib: int = -1
    reserved_vcores: int = -1
    queue_usage_percent: float = -1.0
    cluster_usage_percent: float = -1.0
    preempted_memory_mib: int = 0
    preempted_vcores: int = 0
    preempted_containers: int = 0
    lifetime_expiry_ms: int = 0
    lifetime_left_s: int = -1

    def is_limited_to(self, timeout_s: float) -> bool:
        """Whether YARN holds a LIFETIME that ends it so many seconds after its start, or earlier.

        A queue's default may be a later one: that is no limit of the run's own.
        """
        latest_ms = self.started_ms + int(timeout_s * 1000) + LIFETIME_TOLERANCE_MS
        return 0 < self.lifetime_expiry_ms <= latest_ms

    @property
    def was_launched(self) -> bool:
        """Whether YARN ever started an attempt. ``False`` with a FAILED state means that the request was refused."""
        return self.launched_ms > 0 or bool(self.am_container_logs)


@dataclass(frozen=True)
class Search:
    """Which applications to ask a backend for; empty fields take all.

    Parameters
    ----------
    tag, user, application_types
        What the application must carry.
    states
        Any of these.
    ended_after_ms
        Of those that have ended, only these; milliseconds since the epoch by the server's clock.
    """

    tag: str = ""
    user: str = ""
    application_types: tuple[str, ...] = ()
    states: tuple[State, ...] = ()
    ended_after_ms: int | None = None


@dataclass(frozen=True)
class Listed:
    """A row of ``list``: an application, and what this host's records add to it.

    Parameters
    ----------
    job_type
        By the record; "" when this host has none.
    forgotten
        The ResourceManager does not know it any more: everything here is the record's.
    result
        How it ended: judged by state and final status, or of a forgotten one as recorded; "" while it lives.
    """

    report: ApplicationReport
    job_type: str = ""
    forgotten: bool = False
    result: str = ""


@dataclass(frozen=True)
class SparkHistoryReport:
    """What a Spark History Server says of an application. It tells that an event log is complete, never how it ended.

    Times are milliseconds since the epoch, 0 for none.
    """

    application_id: str
    name: str = ""
    user: str = ""
    spark_version: str = ""
    attempts: int = 0
    started_ms: int = 0
    ended_ms: int = 0
    completed: bool = False
    page: str = ""


@dataclass(frozen=True)
class ApplicationFacts:
    """Everything known of one application, and who says so.

    Parameters
    ----------
    listed
        The application and what this host's record adds to it.
    source
        Who the state is from: ``ResourceManager``, ``this host``, ``this host's record``, ``Spark History Server``.
    run_id
        By its tags or its record.
    limit_s
        The time limit on record; ``None`` for none, or without a record.
    next_try
        The further try that a living call may make of the run, for people; "" for none.
    next_try_at
        When that one is due, ISO 8601 in UTC; "" as long as it is not decided on.
    """

    listed: Listed
    source: str
    attempts: tuple[AttemptReport, ...] = ()
    run_id: str = ""
    history: SparkHistoryReport | None = None
    limit_s: float | None = None
    next_try: str = ""
    next_try_at: str = ""


class Result(str, Enum):
    """How a run ended, or what stopped us from seeing its end. Each has one exit code (``CONTRACTS`` table in docs)."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    KILLED = "killed"
    TIMED_OUT = "timed out"
    STILL_RUNNING = "still running"
    UNKNOWN = "unknown"

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that tells this result to a shell."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    Result.SUCCEEDED: ExitCode.SUCCEEDED,
    Result.FAILED: ExitCode.FAILED,
    Result.REFUSED: ExitCode.REFUSED,
    Result.KILLED: ExitCode.KILLED,
    Result.TIMED_OUT: ExitCode.TIMED_OUT,
    Result.STILL_RUNNING: ExitCode.TIMED_OUT,
    Result.UNKNOWN: ExitCode.UNKNOWN,
}

#: What the ResourceManager writes into the diagnostics of an application that ran past its LIFETIME
#: (seen on Hadoop 3.5.0; source: ``RMAppLifetimeMonitor``).
LIFETIME_EXCEEDED = "exceeded the lifetime period"


@dataclass(frozen=True)
class Verdict:
    """The truth about one run: how it ended and why we say so."""

    result: Result
    application_id: str = ""
    state: State = State.UNKNOWN
    final_status: FinalStatus = FinalStatus.UNDEFINED
    reason: str = ""
    report: ApplicationReport | None = field(default=None, compare=False)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that tells this verdict to a shell."""
        return self.result.exit_code


def judge(report: ApplicationReport) -> Verdict | None:
    """Decide how an application ended from its state and final status alone.

    Returns
    -------
    Verdict or None
        ``None`` while the state is not terminal: RUNNING with SUCCEEDED is a running application whose driver has
        unregistered, not a success. FINISHED with UNDEFINED counts as failed, FINISHED with KILLED as killed.
    """
    if not report.state.terminal:
        return None
    killed = report.state is State.KILLED or (
        report.state is State.FINISHED and report.final_status is FinalStatus.KILLED
    )
    if report.state is State.FINISHED and report.final_status is FinalStatus.SUCCEEDED:
        result = Result.SUCCEEDED
    elif killed and LIFETIME_EXCEEDED in report.diagnostics:
        result = Result.TIMED_OUT
    elif killed:
        result = Result.KILLED
    elif report.state is State.FAILED and not report.was_launched:
        result = Result.REFUSED
    else:
        result = Result.FAILED
    return Verdict(result, report.application_id, report.state, report.final_status, report.diagnostics.strip(), report)
