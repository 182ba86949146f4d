"""What a running Spark application is doing, from its own REST: jobs, stages, tasks, executors; and when it stalls."""

from __future__ import annotations

import re
from dataclasses import field

from batch_submit.data_classes import dataclass

#: Executors that go because nobody needs them (dynamic allocation) are not lost.
_SENT_AWAY = re.compile(r"(?i)killed by driver|explicit termination request|idle|graceful|decommission")

_PLACE = re.compile(r"\[[^\]]+\]")
#: Descriptions that Spark itself gives to jobs that it starts beside the driver's.
_SPARKS_OWN = re.compile(r"broadcast exchange \(runId |Listing leaf files ")

_CONTAINER = re.compile(r"Container (?:from a bad node|marked as failed): (container_\w+) on host: \S+\. ")


@dataclass(frozen=True)
class Job:
    """One Spark job (an action of the driver)."""

    job_id: int
    status: str = ""
    tasks: int = 0
    done: int = 0
    active: int = 0
    failed: int = 0
    stages: int = 0
    stages_done: int = 0
    description: str = ""


@dataclass(frozen=True)
class Stage:
    """One active stage; sizes in bytes."""

    stage_id: int
    attempt: int = 0
    name: str = ""
    tasks: int = 0
    done: int = 0
    active: int = 0
    failed: int = 0
    spilled_bytes: int = 0
    shuffle_read_bytes: int = 0
    shuffle_write_bytes: int = 0
    input_bytes: int = 0


@dataclass(frozen=True)
class Executor:
    """One executor, or the driver (id ``driver``)."""

    executor_id: str
    host: str = ""
    active: bool = True
    cores: int = 0
    done: int = 0
    failed: int = 0
    reason: str = ""

    @property
    def lost(self) -> bool:
        """Whether it went against the driver's will."""
        return not self.active and not _SENT_AWAY.search(self.reason)

    @property
    def short_reason(self) -> str:
        """Why it went, on one line."""
        text = " ".join(self.reason.split()).split(" Diagnostics:")[0]
        found = _CONTAINER.match(text)
        if found:  # the long id last: what follows it says why
            text = f"{text[found.end() :].rstrip(' .')} ({found.group(1)})"
        return text[:220].rstrip(" .") or "no reason told"


@dataclass(frozen=True)
class SparkProgress:
    """One look at a running application. Jobs are those that its UI still keeps (1000 by default)."""

    jobs: tuple[Job, ...] = ()
    stages: tuple[Stage, ...] = ()
    executors: tuple[Executor, ...] = ()

    @property
    def running_jobs(self) -> tuple[Job, ...]:
        """Jobs that have not ended."""
        return tuple(job for job in self.jobs if job.status == "RUNNING")

    @property
    def doing(self) -> str:
        """What the driver says that it does: the description of the newest job that runs, else of the newest one.

        The jobs of this project say it as ``[training] fold 2/5``, in a pipeline ``[2/4 training] fold 2/5``.
        """
        told = [job for job in self.jobs if job.description and not _SPARKS_OWN.match(job.description)]
        running = [job for job in told if job.status == "RUNNING"]
        newest = max(running or told, key=lambda job: job.job_id, default=None)
        return newest.description if newest is not None else ""

    @property
    def place(self) -> str:
        """The first part of that, in brackets: the job, or the stage of a pipeline; "" when it has none."""
        found = _PLACE.match(self.doing)
        return found.group(0) if found else ""

    @property
    def jobs_done(self) -> int:
        """Jobs that succeeded."""
        return sum(job.status == "SUCCEEDED" for job in self.jobs)

    @property
    def jobs_failed(self) -> int:
        """Jobs that failed."""
        return sum(job.status == "FAILED" for job in self.jobs)

    @property
    def tasks_done(self) -> int:
        """Tasks that were finished, of all jobs."""
        return sum(job.done for job in self.jobs)

    @property
    def tasks_failed(self) -> int:
        """Attempts of tasks that failed, of all jobs."""
        return sum(job.failed for job in self.jobs)

    @property
    def tasks_active(self) -> int:
        """Tasks that run now."""
        return sum(stage.active for stage in self.stages)

    @property
    def workers(self) -> tuple[Executor, ...]:
        """Executors that are there, without the driver."""
        return tuple(one for one in self.executors if one.active and one.executor_id != "driver")

    @property
    def lost(self) -> tuple[Executor, ...]:
        """Executors that were lost."""
        return tuple(one for one in self.executors if one.lost)


@dataclass
class StallWatch:
    """Since when no task has been finished while a job was running. Times in seconds on any monotonic clock."""

    _finished: int = -1
    _since: float | None = None
    _job_ids: frozenset[int] = field(default_factory=frozenset)

    def update(self, now_s: float, progress: SparkProgress) -> float:
        """Seconds without a finished task; 0 when one was finished since the last look, or no job runs."""
        jobs = frozenset(job.job_id for job in progress.running_jobs)
        finished = progress.tasks_done
        if not jobs:
            self._since = None
        elif self._since is None or finished != self._finished or not jobs & self._job_ids:
            self._since = now_s
        self._finished, self._job_ids = finished, jobs
        return now_s - self._since if self._since is not None else 0.0
