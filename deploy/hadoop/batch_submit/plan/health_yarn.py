"""Checks of ResourceManager, queue, nodes and container sizes. Pure functions on what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from batch_submit.data_classes import dataclass
from batch_submit.plan.health import Finding, ServerAnswer, no_answer, ok, red, skipped, warn
from batch_submit.plan.old_names import under_any_name
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.units import UnitError, format_memory, parse_memory_mib

#: Where Spark submits to when no queue is named (``spark.yarn.queue``).
DEFAULT_QUEUE = "default"
#: "Running on YARN" and ``ResourceProfile.scala``: overhead = max(least, factor x heap).
_OVERHEAD_LEAST_MIB = 384
_OVERHEAD_FACTOR = 0.10
_HEAP_MIB = 1024
_CLIENT_AM_MIB = 512


@dataclass(frozen=True)
class Queue:
    """One queue of the scheduler.

    Parameters
    ----------
    submit_acl, administer_acl
        Hadoop's "users groups" texts, ``*`` for everybody; ``None`` when the server does not tell.
    makes_children
        The scheduler makes queues below it when a job names them.
    default_priority
        Of an application that names none.
    """

    path: str
    state: str = ""
    leaf: bool = True
    submit_acl: str | None = None
    administer_acl: str | None = None
    makes_children: bool = False
    default_priority: int = 0

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True)
class Scheduler:
    """What a ResourceManager tells of its scheduler; limits are 0 when it does not tell them."""

    kind: str = ""
    queues: tuple[Queue, ...] = ()
    max_memory_mib: int = 0
    max_vcores: int = 0

    @property
    def tells_queues(self) -> bool:
        """Whether there is more than a root."""
        return any("." in queue.path for queue in self.queues)


@dataclass(frozen=True)
class Node:
    """One NodeManager."""

    id: str
    state: str
    memory_mib: int
    vcores: int
    report: str = ""


@dataclass(frozen=True)
class Container:
    """The container of a driver (with YARN's application master) or of an executor."""

    role: str
    memory_mib: int
    vcores: int
    made_of: str
    memory_key: str
    cores_key: str


def resource_managers(answers: Sequence[ServerAnswer]) -> list[Finding]:
    """Each address, and whether exactly one of them is active."""
    out = []
    active = [one for one in answers if not one.error and one.ha_state in ("ACTIVE", "")]
    for one in answers:
        if one.error:
            step = "check the address in yarn-site.xml and the ResourceManager's log"
            made = warn if active else red
            out.append(made("yarn.resourcemanager", *no_answer(one.error, step), one.url))
        else:
            out.append(ok("yarn.resourcemanager", one.described("ACTIVE"), one.url, measured=one.measured()))
    several = len(answers) > 1
    if len(active) == 1 and several:
        out.append(ok("yarn.active", f"{active[0].url} is the active one of {len(answers)}", active[0].url))
    elif len(active) > 1:
        urls = ", ".join(one.url for one in active)
        what = f"{len(active)} call themselves active: {urls}"
        out.append(red("yarn.active", what, "yarn rmadmin -getAllServiceState"))
    elif not active and any(not one.error for one in answers):
        step = "yarn rmadmin -getAllServiceState; then yarn rmadmin -transitionToActive <id>"
        out.append(red("yarn.active", "no ResourceManager is active", step))
    return out


def nodes(found: Sequence[Node] | None, why: str = "") -> Finding:
    """How many nodes take containers; which do not, and why."""
    id = "yarn.nodes"
    if found is None:
        return skipped(id, why or "the nodes were not asked for")
    states: dict[str, int] = {}
    for node in found:
        states[node.state.lower()] = states.get(node.state.lower(), 0) + 1
    running = [node for node in found if node.state == "RUNNING"]
    text = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"
    memory_mib, vcores = sum(node.memory_mib for node in running), sum(node.vcores for node in running)
    measured: dict[str, object] = {"states": states, "memory_mib": memory_mib, "vcores": vcores}
    if not running:
        return red(
            id, f"no node takes containers ({text})", "start NodeManagers; yarn node -list -all", measured=measured
        )
    sick = [node for node in found if node.state in ("UNHEALTHY", "LOST")]
    if sick:
        first = f"{sick[0].id} {sick[0].state.lower()}" + (f": {sick[0].report}" if sick[0].report else "")
        return warn(id, f"{text}; {first}", "yarn node -list -states UNHEALTHY,LOST", measured=measured)
    return ok(id, f"{text}; {format_memory(memory_mib)}, {vcores} vcores", measured=measured)


def find_queue(scheduler: Scheduler, name: str) -> Queue | None:
    """The queue of a short name or full path; of several with one short name a leaf."""
    wanted = name if name == "root" or name.startswith("root.") else f"root.{name}"
    for queue in scheduler.queues:
        if queue.path == wanted:
            return queue
    found = [queue for queue in scheduler.queues if queue.name == name]
    return next((queue for queue in found if queue.leaf), found[0] if found else None)


def queue(scheduler: Scheduler, name: str, origin: str) -> Finding:
    """Whether the queue exists, is a leaf, and runs (it and every queue above it).

    Parameters
    ----------
    name
        As configured; "" means Spark's own default.
    origin
        Where the name comes from.
    """
    id = "yarn.queue"
    asked = name or DEFAULT_QUEUE
    if not scheduler.tells_queues:
        return skipped(id, f"the ResourceManager does not tell its queues; {asked} is taken as it is")
    there = find_queue(scheduler, asked)
    leaves = sorted(one.name for one in scheduler.queues if one.leaf and one.state in ("RUNNING", ""))
    choose = f"name another one: -q, or spark_config.queue ({', '.join(leaves[:8])})"
    measured: dict[str, object] = {"queue": asked, "origin": origin, "running_queues": leaves[:50]}
    if there is None:
        if scheduler.kind == "fairScheduler" or any(one.makes_children for one in scheduler.queues):
            what = f"{asked} ({origin}) does not exist yet; this scheduler may make it when it is asked for"
            return warn(id, what, choose, measured=measured)
        return red(id, f"unknown queue {asked} ({origin})", choose, measured=measured)
    measured["path"] = there.path
    if not there.leaf:
        return red(
            id, f"{there.path} ({origin}) has queues below it and takes no applications", choose, measured=measured
        )
    line = [one for one in scheduler.queues if there.path == one.path or there.path.startswith(one.path + ".")]
    for one in line:
        if one.state not in ("", "RUNNING"):
            measured["state"] = one.state
            step = f"{choose}; an administrator starts it: yarn.scheduler.capacity.{one.path}.state=RUNNING"
            what = f"queue {one.path} ({origin}) is {one.state}: it takes no applications"
            return red(id, what, step, measured=measured)
    return ok(id, f"{there.path} is {there.state or 'there'} ({origin})", measured=measured)


def may_submit(
    scheduler: Scheduler, name: str, *, user: str, groups: Sequence[str], acl_enabled: bool | None
) -> bool | None:
    """Whether the ACLs let a user submit: his name or group on the queue or any queue above it.

    Source: ``QueueACL`` inheritance ("Capacity Scheduler": a queue's ACLs are those of its parents too); administering
    implies submitting.

    Returns
    -------
    bool or None
        ``None`` when it can't be told: the server hides its ACLs, or they name groups that this host can't vouch for.
    """
    if acl_enabled is False:
        return True
    there = find_queue(scheduler, name or DEFAULT_QUEUE)
    if there is None:
        return None
    line = [one for one in scheduler.queues if there.path == one.path or there.path.startswith(one.path + ".")]
    texts = [acl for one in line for acl in (one.submit_acl, one.administer_acl)]
    named_groups = False
    for text in texts:
        if text is None:
            continue
        users, _, allowed = text.partition(" ")
        if text.strip() == "*" or user in users.split(",") or set(groups) & set(allowed.strip().split(",")):
            return True
        named_groups = named_groups or bool(allowed.strip())
    if acl_enabled is None or named_groups or all(text is None for text in texts):
        return None  # which groups a user has is the ResourceManager's to say
    return False


def queue_access(
    scheduler: Scheduler,
    name: str,
    *,
    user: str,
    groups: Sequence[str],
    acl_enabled: bool | None,
    administers: bool | None,
) -> Finding:
    """May this user submit there?

    Parameters
    ----------
    administers
        The server takes the user for an administrator of the queue, who may submit whatever its ACL says.
    """
    id = "yarn.queue-access"
    asked = name or DEFAULT_QUEUE
    there = find_queue(scheduler, asked)
    if there is None:
        return skipped(id, f"there is no queue {asked} to ask about")
    told = may_submit(scheduler, asked, user=user, groups=groups, acl_enabled=acl_enabled)
    if administers:
        told = True
    measured: dict[str, object] = {"user": user, "queue": asked, "acl_enabled": acl_enabled}
    if told is None:
        return skipped(id, f"whether {user} may submit to {asked} can't be told: ACLs name groups, or are not shown")
    if told:
        why = ": yarn.acl.enable is false, so everybody may" if acl_enabled is False else ""
        return ok(id, f"{user} may submit to {asked}{why}", measured=measured)
    step = f"use another queue, or let yarn.scheduler.capacity.{there.path}.acl_submit_applications name {user}"
    return red(id, f"user {user} may not submit to queue {asked}", step, measured=measured)


def containers(conf: Mapping[str, Sourced], deploy_mode: str = "cluster") -> list[Container]:
    """The containers that Spark will ask for.

    Source: ``ResourceProfile.scala`` and ``yarn.Client`` of Spark 4.3.0: heap + (overhead, or
    max(384 MiB, 10 % of the heap)); for executors + ``spark.executor.pyspark.memory`` and off-heap memory.

    Raises
    ------
    UnitError
        A size that can't be read.
    """
    executor = _container(
        conf, "executor", "spark.executor", extra=_mib(conf, "spark.executor.pyspark.memory", 0) + _off_heap(conf)
    )
    if deploy_mode == "client":
        return [_container(conf, "driver", "spark.yarn.am", heap_mib=_CLIENT_AM_MIB), executor]
    return [_container(conf, "driver", "spark.driver"), executor]


def _container(
    conf: Mapping[str, Sourced], role: str, prefix: str, *, heap_mib: int = _HEAP_MIB, extra: int = 0
) -> Container:
    heap = _mib(conf, f"{prefix}.memory", heap_mib)
    overhead = overhead_mib(conf, prefix, heap)
    made_of = f"{format_memory(heap)} heap + {overhead} MiB overhead" + (f" + {extra} MiB" if extra else "")
    vcores = int(_number(conf, f"{prefix}.cores", 1))
    key = {"spark.driver": "spark_config.driver", "spark.executor": "spark_config.executor"}.get(prefix)
    names = (f"{key}_memory", f"{key}_cores") if key else (f"{prefix}.memory", f"{prefix}.cores")
    return Container(role, heap + overhead + extra, vcores, made_of, *names)


def overhead_mib(conf: Mapping[str, Sourced], prefix: str, heap_mib: int) -> int:
    """What a container has beside its heap; ``prefix`` is ``spark.driver`` or ``spark.executor``.

    Raises
    ------
    UnitError
        A size that can't be read.
    """
    least = _mib(conf, f"{prefix}.minMemoryOverhead", _OVERHEAD_LEAST_MIB)
    factor = _number(conf, f"{prefix}.memoryOverheadFactor", _OVERHEAD_FACTOR)
    return _mib(conf, f"{prefix}.memoryOverhead", max(least, int(heap_mib * factor)))


def _off_heap(conf: Mapping[str, Sourced]) -> int:
    enabled = conf.get("spark.memory.offHeap.enabled")
    if enabled is None or str(enabled.value).lower() != "true":
        return 0
    size = conf.get("spark.memory.offHeap.size")
    if size is None:
        return 0
    text = str(size.value)
    return int(text) >> 20 if text.isdecimal() else parse_memory_mib(text)


def _mib(conf: Mapping[str, Sourced], key: str, default: int) -> int:
    _, found = under_any_name(conf, key)
    if found is None:
        return default
    text = str(found.value).strip()
    return int(text) if text.isdecimal() else parse_memory_mib(text)  # a bare number is MiB for all of these


def _number(conf: Mapping[str, Sourced], key: str, default: float) -> float:
    found = conf.get(key)
    if found is None:
        return default
    try:
        return float(str(found.value))
    except ValueError as error:
        raise UnitError(f"{key}: {found.value!r} is not a number") from error


def container_size(
    container: Container, scheduler: Scheduler, found: Sequence[Node] | None, origins: Mapping[str, str]
) -> Finding:
    """A container against the scheduler's maximum and against the largest node that runs.

    vcores above the largest node are a warning: by default YARN places by memory alone.
    """
    id = f"yarn.{container.role}-size"
    running = [node for node in found or () if node.state == "RUNNING"]
    node_mib = max((node.memory_mib for node in running), default=0)
    node_vcores = max((node.vcores for node in running), default=0)
    size = f"{container.memory_mib} MiB ({container.made_of}), {container.vcores} vcore(s)"
    measured: dict[str, object] = {
        "memory_mib": container.memory_mib,
        "vcores": container.vcores,
        "maximum_memory_mib": scheduler.max_memory_mib or None,
        "maximum_vcores": scheduler.max_vcores or None,
        "largest_node_memory_mib": node_mib or None,
        "largest_node_vcores": node_vcores or None,
    }
    memory_limits = [
        (scheduler.max_memory_mib, "yarn.scheduler.maximum-allocation-mb"),
        (node_mib, "the largest node"),
    ]
    memory = _above(container.memory_mib, "MiB", memory_limits)
    vcores = _above(container.vcores, "vcores", [(scheduler.max_vcores, "yarn.scheduler.maximum-allocation-vcores")])
    if memory or vcores:
        too_large = [f"{container.memory_mib} MiB = {container.made_of}, {memory}"] if memory else []
        too_large += [f"{container.vcores} vcores, {vcores}"] if vcores else []
        what = f"the {container.role}'s container is too large: {'; '.join(too_large)}"
        keys = [key for key, text in ((container.memory_key, memory), (container.cores_key, vcores)) if text]
        named = [f"{key} ({origins[key]})" if key in origins else key for key in keys]
        return red(id, what, f"lower {' and '.join(named)}", measured=measured)
    if node_vcores and container.vcores > node_vcores:
        what = f"the {container.role} asks for {container.vcores} vcores, the largest node has {node_vcores}"
        return warn(id, what, f"lower {container.cores_key}", measured=measured)
    if not scheduler.max_memory_mib and not node_mib:
        return skipped(id, f"{size}; the cluster tells neither its maximum nor its nodes")
    limit_text = f"at most {scheduler.max_memory_mib} MiB" if scheduler.max_memory_mib else f"nodes of {node_mib} MiB"
    return ok(id, f"{size}; {limit_text}", measured=measured)


def _above(asked: int, unit: str, limits: Sequence[tuple[int, str]]) -> str:
    """Which limits a size is above, in words; "" for none. A limit of 0 is not known."""
    over = [f"{whose} ({limit} {unit})" for limit, whose in limits if limit and asked > limit]
    return f"more than {' and '.join(over)}" if over else ""
