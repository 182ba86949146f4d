"""What Spark's own REST sends, as our types. Pure; no reply shape makes it raise.

Source: ``status/api/v1/api.scala`` of Spark 2.4 to 4.3; real replies stand in ``tests/golden/spark_rest``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from batch_submit.adapters.rm_replies import as_list, as_mapping
from batch_submit.plan.spark_progress import Executor, Job, Stage


def parse_jobs(reply: Any) -> tuple[Job, ...]:
    """The answer of ``/jobs``, by job id. A task that ran twice counts once (``numCompletedIndices``, Spark 2.4)."""
    jobs = [_job(as_mapping(item)) for item in as_list(reply)]
    return tuple(sorted((job for job in jobs if job.job_id >= 0), key=lambda job: job.job_id))


def parse_stages(reply: Any) -> tuple[Stage, ...]:
    """The answer of ``/stages``: those that are active, by stage id."""
    fields = [as_mapping(item) for item in as_list(reply)]
    stages = [_stage(one) for one in fields if one.get("status", "ACTIVE") == "ACTIVE"]
    return tuple(sorted((one for one in stages if one.stage_id >= 0), key=lambda one: (one.stage_id, one.attempt)))


def parse_executors(reply: Any) -> tuple[Executor, ...]:
    """The answer of ``/allexecutors``."""
    return tuple(_executor(as_mapping(item)) for item in as_list(reply) if as_mapping(item).get("id"))


def _job(info: Mapping[str, Any]) -> Job:
    tasks = max(0, _int(info, "numTasks") - _int(info, "numSkippedTasks"))
    return Job(
        job_id=_int(info, "jobId", -1),
        status=str(info.get("status") or ""),
        tasks=tasks,
        done=_done(info, "numCompletedTasks", tasks),
        active=_int(info, "numActiveTasks"),
        failed=_int(info, "numFailedTasks"),
        stages=len(as_list(info.get("stageIds"))),
        stages_done=_int(info, "numCompletedStages") + _int(info, "numSkippedStages"),
        description=" ".join(str(info.get("description") or "").split()),
    )


def _stage(info: Mapping[str, Any]) -> Stage:
    tasks = _int(info, "numTasks")
    return Stage(
        stage_id=_int(info, "stageId", -1),
        attempt=_int(info, "attemptId"),
        # "collect at /hadoop/yarn/…/container_…/job.py:9": the folder is the container's own.
        name=re.sub(r" at \S*/([^/\s]+)$", r" at \1", str(info.get("name") or "")),
        tasks=tasks,
        done=_done(info, "numCompleteTasks", tasks),  # the stage's spelling, without "d"
        active=_int(info, "numActiveTasks"),
        failed=_int(info, "numFailedTasks"),
        spilled_bytes=_int(info, "diskBytesSpilled"),
        shuffle_read_bytes=_int(info, "shuffleReadBytes"),
        shuffle_write_bytes=_int(info, "shuffleWriteBytes"),
        input_bytes=_int(info, "inputBytes"),
    )


def _executor(info: Mapping[str, Any]) -> Executor:
    return Executor(
        executor_id=str(info.get("id")),
        host=str(info.get("hostPort") or "").rpartition(":")[0],
        active=info.get("isActive") is not False,
        cores=_int(info, "totalCores"),
        done=_int(info, "completedTasks"),
        failed=_int(info, "failedTasks"),
        reason=str(info.get("removeReason") or ""),
    )


def _done(info: Mapping[str, Any], name: str, most: int) -> int:
    return min(most, _int(info, "numCompletedIndices", _int(info, name)))


def _int(fields: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
