"""How many executors, how large: dynamic allocation, and the check against our own ``resource_limits``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from batch_submit.data_classes import dataclass
from batch_submit.errors import LimitExceeded, UsageError
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.units import format_memory, parse_memory_mib

INSTANCES = "spark.executor.instances"
DYNAMIC = "spark.dynamicAllocation.enabled"
INITIAL = "spark.dynamicAllocation.initialExecutors"
MINIMUM = "spark.dynamicAllocation.minExecutors"
MAXIMUM = "spark.dynamicAllocation.maxExecutors"
#: Spark's own defaults on YARN where the plan names nothing (Spark 4.3.0, "Running Spark on YARN"): 2 x 1 core.
SPARK_DEFAULT_INSTANCES = 2
SPARK_DEFAULT_CORES = 1


@dataclass(frozen=True)
class Resources:
    """The Spark conf after the rules of this file, and what was said about it."""

    conf: Mapping[str, Sourced]
    notices: tuple[str, ...] = ()


def _is_true(sourced: Sourced | None) -> bool:
    return sourced is not None and str(sourced.value).lower() == "true"


def _count(sourced: Sourced, key: str, least: int = 0) -> int:
    text = str(sourced.value).strip()
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise UsageError(
            f"{key} must be a whole number from {least} on, not {sourced.value!r}",
            where=sourced.origin,
            next_step=f"correct {key}",
        )
    return int(text)


def settle_dynamic_allocation(conf: Mapping[str, Sourced]) -> Resources:
    """Make ``num_executors`` the initial count under dynamic allocation and check ``min <= initial <= max``.

    Raises
    ------
    UsageError
        When the three counts contradict each other; the message names every one with its source.
    """
    if not _is_true(conf.get(DYNAMIC)):
        return Resources(conf)
    out = dict(conf)
    notices = []
    instances = out.pop(INSTANCES, None)
    if instances is not None and INITIAL in out:
        notices.append(
            f"{INITIAL} ({out[INITIAL].origin}) is used; num_executors={instances.value} ({instances.origin}) is not:"
            " dynamic allocation is on"
        )
    elif instances is not None:
        out[INITIAL] = instances
        notices.append(
            f"dynamic allocation is on: num_executors={instances.value} ({instances.origin}) is the initial count"
        )
    counts = [(key, out[key]) for key in (MINIMUM, INITIAL, MAXIMUM) if key in out]
    for (low_key, low), (high_key, high) in pairwise(counts):
        if _count(low, low_key) > _count(high, high_key):
            raise UsageError(
                f"{low_key}={low.value} ({low.origin}) is above {high_key}={high.value} ({high.origin})",
                next_step="keep minExecutors <= initialExecutors (or num_executors) <= maxExecutors",
            )
    return Resources(out, tuple(notices))


@dataclass(frozen=True)
class _Excess:
    key: str
    value: str
    origin: str
    limit_key: str
    limit: str
    limit_origin: str
    lowered: Mapping[str, str]

    def line(self) -> str:
        return (
            f"{self.key}={self.value} ({self.origin}) is above resource_limits.{self.limit_key}={self.limit}"
            f" ({self.limit_origin})"
        )


def _memory_excess(
    conf: Mapping[str, Sourced], limits: Mapping[str, Sourced], key: str, limit_key: str
) -> list[_Excess]:
    asked, limit = conf.get(key), limits.get(limit_key)
    if asked is None or limit is None:
        return []
    if parse_memory_mib(str(asked.value)) <= parse_memory_mib(str(limit.value)):
        return []
    lowered = {key: format_memory(parse_memory_mib(str(limit.value)))}
    return [_Excess(key, str(asked.value), asked.origin, limit_key, str(limit.value), limit.origin, lowered)]


def _cores_excess(conf: Mapping[str, Sourced], limits: Mapping[str, Sourced]) -> list[_Excess]:
    key = "spark.executor.cores"
    asked, limit = conf.get(key), limits.get("max_executor_cores")
    if asked is None or limit is None or _count(asked, key, 1) <= _count(limit, "max_executor_cores", 1):
        return []
    value = str(limit.value)
    return [_Excess(key, str(asked.value), asked.origin, "max_executor_cores", value, limit.origin, {key: value})]


def _total_excess(conf: Mapping[str, Sourced], limits: Mapping[str, Sourced]) -> list[_Excess]:
    limit = limits.get("max_total_cores")
    if limit is None:
        return []
    cores_value = conf.get("spark.executor.cores", Sourced(SPARK_DEFAULT_CORES, "Spark's default"))
    cores = _count(cores_value, "spark.executor.cores", 1)
    dynamic = _is_true(conf.get(DYNAMIC))
    key = MAXIMUM if dynamic else INSTANCES
    executors = conf.get(key)
    total_limit = _count(limit, "max_total_cores", 1)
    if dynamic and executors is None:
        described, origin = "no bound", "dynamic allocation without maxExecutors"
    else:
        executors = executors or Sourced(SPARK_DEFAULT_INSTANCES, "Spark's default")
        count = _count(executors, key)
        if count * cores <= total_limit:
            return []
        described, origin = f"{count} x {cores} cores = {count * cores}", executors.origin
    most = max(1, total_limit // cores)
    lowered = {key: str(most)}
    if cores > total_limit:  # one executor alone is too large
        lowered["spark.executor.cores"] = str(total_limit)
    for smaller in (INITIAL, MINIMUM):
        if dynamic and smaller in conf and _count(conf[smaller], smaller) > most:
            lowered[smaller] = str(most)
    return [_Excess(key, described, origin, "max_total_cores", str(limit.value), limit.origin, lowered)]


def apply_limits(conf: Mapping[str, Sourced], limits: Mapping[str, Sourced], *, clamp: bool) -> Resources:
    """Hold the merged plan against ``resource_limits``.

    ``max_total_cores`` counts executor cores only (executors x cores, ``maxExecutors`` under dynamic allocation), so
    that the shipped 50 x 8 profile is exactly 400; the driver's cores are not counted.

    Parameters
    ----------
    conf
        Spark conf by canonical key.
    limits
        ``resource_limits`` by key: ``max_driver_memory``, ``max_executor_memory``, ``max_executor_cores``,
        ``max_total_cores``.
    clamp
        Lower what is too large, and say so, instead of refusing.

    Raises
    ------
    LimitExceeded
        With every excess in ``details``: key, value, its source, the limit and its source.
    """
    excesses = [
        *_memory_excess(conf, limits, "spark.driver.memory", "max_driver_memory"),
        *_memory_excess(conf, limits, "spark.executor.memory", "max_executor_memory"),
        *_cores_excess(conf, limits),
    ]
    if clamp:
        out = dict(conf)
        notices = []
        for excess in excesses:
            notices.append(_lower(out, excess))
        for excess in _total_excess(out, limits):
            notices.append(_lower(out, excess))
        return Resources(out, tuple(notices))
    excesses += _total_excess(conf, limits)
    if excesses:
        raise LimitExceeded(
            "the plan is larger than resource_limits allow",
            details=[excess.line() for excess in excesses],
            next_step="ask for less, or add --clamp to lower it to the limits",
        )
    return Resources(conf)


def _lower(conf: dict[str, Sourced], excess: _Excess) -> str:
    for key, value in excess.lowered.items():
        conf[key] = Sourced(value, f"clamped to resource_limits.{excess.limit_key} ({excess.limit_origin})")
    lowered = ", ".join(f"{key}={value}" for key, value in excess.lowered.items())
    return f"clamped: {excess.line()}; now {lowered}"
