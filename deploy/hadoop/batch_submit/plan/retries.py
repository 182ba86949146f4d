"""Which end of a run is worth another try: an infrastructure failure, or memory that can be raised. Never a job's own.

What ended a run is read from the ResourceManager's words and from the diagnosis, never from an exit code alone.
Sources: ``ContainerExitStatus``, ``RMAppAttemptImpl`` and ``AMLauncher`` of Hadoop 3.5.0, ``ApplicationMaster.scala``
and ``YarnAllocator.scala`` of Spark 4.3.0, and the recorded ends in ``tests/golden/diagnosis``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import Enum

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.model import Result, State, Verdict
from batch_submit.plan.health_yarn import overhead_mib
from batch_submit.plan.merged import Config
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.units import format_memory, parse_duration_s, parse_memory_mib

DEFAULT_WAIT_S = 30.0
LONGEST_WAIT_S = 600.0
MOST_RETRIES = 100
_LEAST_FACTOR, _MOST_FACTOR = 1.0, 10.0
#: A heap that is not named, as Spark has it.
_SPARK_HEAP = "1g"
_OVERHEAD_LEAST_MIB, _OVERHEAD_SHARE = 384, 0.1


class Cause(str, Enum):
    """Why a run may be tried again; the values are those of ``--retry-on``."""

    LOST = "lost"  #: a node, or the connection to it, went away under the application master or the executors
    PREEMPTED = "preempted"  #: the scheduler took containers for another queue
    AM_FAILURE = "am-failure"  #: the application master's container did not start, or was killed from outside
    OUT_OF_MEMORY = "out-of-memory"  #: only with ``--oom-bump``


INFRASTRUCTURE = (Cause.LOST, Cause.PREEMPTED, Cause.AM_FAILURE)


@dataclass(frozen=True)
class Reason:
    """Why a run ended, as far as it decides about another try.

    Parameters
    ----------
    side
        Which memory was too small: ``driver`` or ``executor``; "" for the other causes.
    beside_heap
        Of the container, and not the heap in it.
    """

    cause: Cause
    text: str
    side: str = ""
    beside_heap: bool = False


@dataclass(frozen=True)
class RetryPolicy:
    """What was asked for; times are seconds.

    Parameters
    ----------
    oom_bump
        The factor by which memory is raised; ``None`` when that was not asked for.
    """

    retries: int = 0
    retry_on: frozenset[Cause] = frozenset(INFRASTRUCTURE)
    wait_s: float = DEFAULT_WAIT_S
    oom_bump: float | None = None


@dataclass(frozen=True)
class Again:
    """Another try.

    Parameters
    ----------
    why
        For the record and for people.
    conf
        What it has more than the try before.
    """

    why: str
    conf: Mapping[str, Sourced] = field(default_factory=dict)


#: The exit status of an application master's container -> what it means. -1000 is looked at below; what is not here is
#: no infrastructure: 13 is a script that failed before it made a session, 134 and 139 are native code of the job.
_AM_STATUS = {
    -100: (Cause.LOST, "its node went away, or gave the container back"),
    -101: (Cause.LOST, "the disks of its node failed"),
    -106: (Cause.LOST, "the ResourceManager took it from its node"),
    -102: (Cause.PREEMPTED, "the scheduler took it for another queue"),
    -108: (Cause.PREEMPTED, "the node took it for a guaranteed container"),
    12: (Cause.AM_FAILURE, "it could not reach the ResourceManager any more"),
    137: (Cause.AM_FAILURE, "it was killed from outside of Spark and YARN (SIGKILL)"),
    143: (Cause.AM_FAILURE, "it was ended from outside of Spark and YARN (SIGTERM)"),
}
_AM_EXITED = re.compile(r"AM Container for \S+ exited with\s+exitCode: (-?\d+)")
_AM_SILENT = re.compile(r"ApplicationMaster for attempt \S+ timed out")
_AM_NOT_LAUNCHED = re.compile(r"Error launching appattempt_\S+")
_MISSING_FILE = re.compile(r"File does not exist: (\S+)")
#: Spark says this of executors whose end was nobody's fault; where a run did not get over it the diagnosis quotes it.
_EXECUTOR_LOST = re.compile(r"Container marked as failed: container_\S+.{0,200}?Exit status: -(?:100|101|106)\b")
#: Diagnosis -> whose memory, and whether it was the container's beside the heap.
_MEMORY_RULES = {
    "driver_heap": ("driver", False),
    "driver_physical_memory": ("driver", True),
    "driver_virtual_memory": ("driver", True),
    "executor_heap": ("executor", False),
    "executor_physical_memory": ("executor", True),
    "executor_virtual_memory": ("executor", True),
}


def reason_of(verdict: Verdict, rule: str, quoted: Sequence[str] = ()) -> Reason | None:
    """What ended a run, if that is worth another try.

    Parameters
    ----------
    rule
        The diagnosis' rule; "" without one.
    quoted
        The lines that the diagnosis shows as its evidence.

    Returns
    -------
    Reason or None
        ``None`` for a job's own failure, for a kill, a time limit, a refusal, and where the cause is not known.
    """
    if verdict.result is not Result.FAILED:
        return None
    if rule in _MEMORY_RULES:
        side, beside_heap = _MEMORY_RULES[rule]
        where = "beside its heap" if beside_heap else "of heap"
        return Reason(Cause.OUT_OF_MEMORY, f"the {side} ran out of memory {where}", side, beside_heap)
    if rule == "preempted":
        return Reason(Cause.PREEMPTED, "executors were preempted")
    if rule == "executor_lost" or any(_EXECUTOR_LOST.search(line) for line in quoted):
        return Reason(Cause.LOST, "executors were lost with their node")
    return _of_master(verdict.reason) if verdict.state is State.FAILED else None


def _of_master(diagnostics: str) -> Reason | None:
    """How the application master went that reported no end. Of several attempts the last one counts."""
    if _AM_SILENT.search(diagnostics):
        return Reason(Cause.LOST, "the application master was not heard of any more")
    if _AM_NOT_LAUNCHED.search(diagnostics):
        return Reason(Cause.AM_FAILURE, "the application master could not be launched on its node")
    statuses = _AM_EXITED.findall(diagnostics)
    if not statuses:
        return None
    status = int(statuses[-1])
    if status == -1000:
        missing = _MISSING_FILE.search(diagnostics)
        if missing is not None and "/.sparkStaging/" not in missing[1]:
            return None  # a file that the job names: it would be missing again
        return Reason(Cause.AM_FAILURE, "the application master's files could not be brought to its node")
    known = _AM_STATUS.get(status)
    return Reason(known[0], f"the application master ended with {status}: {known[1]}") if known is not None else None


def policy_of(config: Config) -> RetryPolicy:
    """``execution.retries``, ``retry_on``, ``retry_wait`` and ``oom_bump``.

    Raises
    ------
    UsageError
        A count, cause or factor that makes no sense, or a factor without a retry.
    """
    retries = config.get("execution.retries")
    count = int(str(retries.value)) if retries is not None and retries.value is not None else 0
    if retries is not None and count > MOST_RETRIES:
        raise UsageError(
            f"{count} retries are more than {MOST_RETRIES}",
            where=f"{retries.origin}: execution.retries",
            next_step=f"write at most {MOST_RETRIES}",
        )
    named = config.get("execution.retry_on")
    causes = _causes(named) if named is not None and named.value else frozenset(INFRASTRUCTURE)
    waited = config.get("execution.retry_wait")
    wait_s = float(parse_duration_s(str(waited.value))) if waited is not None and waited.value else DEFAULT_WAIT_S
    bump = config.get("execution.oom_bump")
    factor = float(str(bump.value)) if bump is not None and bump.value is not None else None
    if bump is not None and factor is not None:
        if not _LEAST_FACTOR < factor <= _MOST_FACTOR:
            raise UsageError(
                f"memory can't be raised by the factor {factor:g}",
                where=f"{bump.origin}: execution.oom_bump",
                next_step=f"write a factor above {_LEAST_FACTOR:g} and up to {_MOST_FACTOR:g}, such as 1.5",
            )
        if count == 0 and bump.origin.startswith("flag"):
            raise UsageError(
                "--oom-bump raises the memory of a retry, and there is none",
                where=f"{bump.origin}: execution.oom_bump",
                next_step="add --retries N (execution.retries)",
            )
    return RetryPolicy(count, causes, wait_s, factor)


def _causes(named: Sourced) -> frozenset[Cause]:
    known = {cause.value: cause for cause in INFRASTRUCTURE}
    given = [str(item.value if isinstance(item, Sourced) else item) for item in _items(named.value)]
    unknown = [text for text in given if text not in known]
    if unknown:
        hint = "; for memory there is --oom-bump" if "oom" in unknown[0] or "memory" in unknown[0] else ""
        raise UsageError(
            f"{unknown[0]!r} is no cause to try again on",
            where=f"{named.origin}: execution.retry_on",
            next_step=f"use some of: {', '.join(known)}{hint}",
        )
    return frozenset(known[text] for text in given)


def _items(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else [value]


def decide_again(
    policy: RetryPolicy,
    made: int,
    reason: Reason,
    conf: Mapping[str, Sourced],
    limits: Mapping[str, Sourced],
) -> Again | str:
    """Another try, or why there is none.

    Parameters
    ----------
    made
        Retries that this call has made so far.
    conf
        Of the try that has ended.
    limits
        ``resource_limits``.
    """
    if reason.cause is not Cause.OUT_OF_MEMORY:
        if reason.cause not in policy.retry_on:
            return f"not tried again: {reason.text}, and --retry-on does not name {reason.cause.value}"
    elif policy.oom_bump is None:
        return f"not tried again: {reason.text}; --oom-bump FACTOR would raise its memory"
    if made >= policy.retries:
        return f"not tried again: {made} of {policy.retries} retries are used"
    why = f"{reason.cause.value}: {reason.text}"
    if policy.oom_bump is None or reason.cause is not Cause.OUT_OF_MEMORY:
        return Again(why)
    raised = raise_memory(conf, limits, reason, policy.oom_bump)
    if isinstance(raised, str):
        return f"not tried again: {reason.text}, and {raised}"
    key, then, now = raised
    return Again(f"{why}; {key} {then} -> {now}", {key: Sourced(now, "--oom-bump")})


def raise_memory(
    conf: Mapping[str, Sourced], limits: Mapping[str, Sourced], reason: Reason, factor: float
) -> tuple[str, str, str] | str:
    """Property, old and new value of the memory to raise; or why it can't be raised.

    A heap grows to at most ``resource_limits.max_<side>_memory``. What a container holds beside it grows to at most
    what the container of the largest allowed heap would have, so that no container is
    larger than the limits allow anyway.
    """
    prefix, limit_key = f"spark.{reason.side}", f"max_{reason.side}_memory"
    limit = limits.get(limit_key)
    most = parse_memory_mib(str(limit.value)) if limit is not None and limit.value else None
    named = conf.get(f"{prefix}.memory")
    heap = parse_memory_mib(str(named.value) if named is not None else _SPARK_HEAP)
    if reason.beside_heap:
        key, then = f"{prefix}.memoryOverhead", overhead_mib(conf, prefix, heap)
        now = math.ceil((heap + then) * factor) - heap
        if most is not None:
            now = min(now, most + max(_OVERHEAD_LEAST_MIB, int(most * _OVERHEAD_SHARE)) - heap)
    else:
        key, then = f"{prefix}.memory", heap
        now = math.ceil(heap * factor)
        now = min(now, most) if most is not None else now
    if now <= then:
        told = f"resource_limits.{limit_key}={limit.value} ({limit.origin})" if limit is not None else "resource_limits"
        return f"{key}={format_memory(then)} is at the limit: {told}"
    return key, format_memory(then), format_memory(now)


def back_off_s(wait_s: float, made: int, fraction: float) -> float:
    """Seconds before the next try: doubled with each one up to ten minutes, and spread by a fifth to either side.

    Parameters
    ----------
    made
        Retries that were made before.
    fraction
        Random, from 0 up to 1: a hundred runs that a node has taken along are not to come back in one second.
    """
    return float(min(max(LONGEST_WAIT_S, wait_s), wait_s * 2.0**made) * (0.8 + 0.4 * fraction))
