"""What a ResourceManager says of queues, nodes and asks, as our types. Pure; no reply shape makes it raise.

Sources: ``CapacitySchedulerLeafQueueInfo``, ``FairSchedulerQueueInfo``, ``NodeInfo``, ``AppActivitiesInfo`` of Hadoop
3.5.0; real replies stand in ``tests/golden/scheduler``. Hadoop 2.10 tells percentages only and no ``queuePath``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch_submit.adapters.rm_replies import as_list, as_mapping
from batch_submit.plan.scheduling import Ask, Node, Queue, QueueUser, Resources, SchedulerView

#: Java's largest int: "no limit".
_UNLIMITED = 2**31 - 1
_KINDS = {"capacityScheduler": "capacity", "fairScheduler": "fair", "fifoScheduler": "fifo"}


#: No hierarchy of queues, and no tree of activities, is as deep; what lies below is left out.
_DEEPEST = 50


def parse_scheduler(reply: Any) -> SchedulerView:
    """The answer of ``/ws/v1/cluster/scheduler``."""
    outer = as_mapping(reply)
    info = as_mapping(as_mapping(outer.get("scheduler") or outer).get("schedulerInfo"))
    kind = _KINDS.get(_text(info, "type"), _text(info, "type") or "unknown")
    if kind == "fair":
        return SchedulerView(kind, _fair_queue(as_mapping(info.get("rootQueue"))))
    if kind == "fifo":
        return SchedulerView(kind, Queue("root", children=(_fifo_queue(info),)))
    return SchedulerView(kind, _capacity_queue(info, ""))


def parse_nodes(reply: Any) -> list[Node]:
    """The answer of ``/ws/v1/cluster/nodes``, by node id."""
    found = as_list(as_mapping(as_mapping(reply).get("nodes")).get("node"))
    nodes = [_node(as_mapping(item)) for item in found]
    return sorted((node for node in nodes if node.node_id), key=lambda node: node.node_id)


def parse_asks(reply: Any) -> list[Ask]:
    """What an application still asks for (``resourceRequests`` of ``/apps/{id}``), highest priority first.

    Only the requests for any node (``*``) count: those for a host or rack are the same containers once more.
    """
    app = as_mapping(as_mapping(reply).get("app")) or as_mapping(reply)
    asks = []
    for item in as_list(app.get("resourceRequests")):
        request = as_mapping(item)
        # Spark counts its executors by priority; the AM asks at 0. Hadoop 2.10 nests the priority.
        priority = request.get("priority")
        number = _int(as_mapping(priority), "priority") if isinstance(priority, Mapping) else _int(request, "priority")
        containers = _int(request, "numContainers")
        size = _resources(request.get("capability"))
        if _text(request, "resourceName") == "*" and containers > 0 and size is not None:
            asks.append((number, Ask(size, containers, _text(request, "nodeLabelExpression"))))
    return [ask for _, ask in sorted(asks, key=lambda pair: pair[0])]


def parse_activity(reply: Any) -> str:
    """Why the capacity scheduler gave the application nothing the last time it looked; empty when it does not say.

    The first question only starts the recording ("waiting for display"), and other schedulers have none.
    """
    activities = as_mapping(as_mapping(reply).get("appActivities"))
    for item in as_list(activities.get("allocations")):
        words = _leaf_words(as_mapping(item))
        if words:
            return words
    return ""


def _leaf_words(activity: Mapping[str, Any], depth: int = 0) -> str:
    """The innermost diagnostic of a tree of activities. Hadoop up to 3.2 names the branches otherwise."""
    branches = [
        *as_list(activity.get("children")),
        *as_list(activity.get("requestAllocation")),
        *as_list(activity.get("allocationAttempt")),
    ]
    for item in branches if depth < _DEEPEST else ():
        words = _leaf_words(as_mapping(item), depth + 1)
        if words:
            return words
    return _text(activity, "diagnostic").strip()


def _capacity_queue(info: Mapping[str, Any], parent: str, depth: int = 0) -> Queue:
    name = _text(info, "queueName") or "root"
    path = _text(info, "queuePath") or (f"{parent}.{name}" if parent else name)
    below = _children(info.get("queues")) if depth < _DEEPEST else []
    children = tuple(_capacity_queue(as_mapping(item), path, depth + 1) for item in below)
    percents = _first_partition(info, "capacities", "queueCapacitiesByPartition")
    usages = _first_partition(info, "resources", "resourceUsagesByPartition")
    active = _int(info, "numActiveApplications", -1)
    return Queue(
        path=path,
        state=_text(info, "state"),
        capacity=_resources(info.get("minEffectiveCapacity")) or _resources(percents.get("effectiveMinResource")),
        maximum=_resources(info.get("maxEffectiveCapacity")) or _resources(percents.get("effectiveMaxResource")),
        used=_resources(info.get("resourcesUsed")) or _resources(usages.get("used")) or _sum(children),
        reserved=_resources(usages.get("reserved")) or sum((child.reserved for child in children), Resources()),
        capacity_percent=_percent(info, percents, "absoluteCapacity", parent),
        maximum_percent=_percent(info, percents, "absoluteMaxCapacity", parent),
        used_percent=_percent(info, percents, "absoluteUsedCapacity", parent),
        running=active if not children else sum(max(0, child.running) for child in children),
        pending=_int(info, "numPendingApplications", -1)
        if not children
        else sum(max(0, child.pending) for child in children),
        containers=_int(info, "allocatedContainers", _int(info, "numContainers", -1)),
        am_used=_resources(info.get("usedAMResource")) or _resources(usages.get("amUsed")),
        am_limit=_resources(info.get("AMResourceLimit")) or _resources(usages.get("amLimit")),
        user_am_limit=_resources(info.get("userAMResourceLimit")) or _resources(usages.get("userAmLimit")),
        max_running=_limit(info, "maxParallelApps"),
        users=tuple(_user(as_mapping(item)) for item in _children(info.get("users"), "user")),
        children=children,
    )


def _fair_queue(info: Mapping[str, Any], depth: int = 0) -> Queue:
    below = _children(info.get("childQueues")) if depth < _DEEPEST else []
    children = tuple(_fair_queue(as_mapping(item), depth + 1) for item in below)
    total, used = _resources(info.get("clusterResources")), _resources(info.get("usedResources")) or Resources()
    fair, maximum = _resources(info.get("steadyFairResources")), _resources(info.get("maxResources"))
    am_limit = _resources(info.get("amMaxResources"))
    memory = total.memory_mib if total is not None else 0
    return Queue(
        path=_text(info, "queueName") or "root",
        capacity=fair,
        maximum=maximum,
        used=used,
        reserved=_resources(info.get("reservedResources")) or Resources(),
        capacity_percent=_share(fair, memory),
        maximum_percent=_share(maximum, memory),
        used_percent=_share(used, memory),
        running=_int(info, "numActiveApps", -1) if not children else sum(max(0, child.running) for child in children),
        pending=_int(info, "numPendingApps", -1) if not children else sum(max(0, child.pending) for child in children),
        containers=_int(info, "allocatedContainers", -1),
        am_used=_resources(info.get("amUsedResources")) if not children else None,
        # Seen on 3.5.0: 0 until the queue has had its first application, and for parents always.
        am_limit=am_limit if am_limit is not None and am_limit.memory_mib > 0 else None,
        max_running=_limit(info, "maxApps"),
        children=children,
    )


def _fifo_queue(info: Mapping[str, Any]) -> Queue:
    return Queue(
        path="root.default",
        state=_text(info, "qstate"),
        used=Resources(_int(info, "usedNodeCapacity")),
        maximum=Resources(_int(info, "totalNodeCapacity"), 0) if _int(info, "totalNodeCapacity") else None,
        used_percent=_float(info, "usedCapacity") * 100 if "usedCapacity" in info else None,
        containers=_int(info, "numContainers", -1),
    )


def _user(info: Mapping[str, Any]) -> QueueUser:
    return QueueUser(
        name=_text(info, "username"),
        used=_resources(info.get("resourcesUsed")) or Resources(),
        running=_int(info, "numActiveApplications"),
        pending=_int(info, "numPendingApplications"),
        am_used=_resources(info.get("AMResourceUsed")),
        limit=_resources(info.get("userResourceLimit")),
    )


def _node(info: Mapping[str, Any]) -> Node:
    labels = as_list(as_mapping(info.get("nodeLabels")).get("nodeLabel") or info.get("nodeLabels"))
    return Node(
        node_id=_text(info, "id"),
        state=_text(info, "state").upper(),
        rack=_text(info, "rack"),
        http_address=_text(info, "nodeHTTPAddress"),
        used=Resources(_int(info, "usedMemoryMB"), _int(info, "usedVirtualCores")),
        free=Resources(_int(info, "availMemoryMB"), _int(info, "availableVirtualCores")),
        containers=_int(info, "numContainers"),
        health=_text(info, "healthReport").strip(),
        last_update_ms=_int(info, "lastHealthUpdate"),
        version=_text(info, "version"),
        labels=tuple(label for label in labels if isinstance(label, str)),
    )


def _children(value: Any, name: str = "queue") -> list[Any]:
    """A list of Jersey 1 (bare), of MOXy (``{"queue": […]}``), or one object in its place."""
    return as_list(value.get(name)) if isinstance(value, Mapping) else as_list(value)


def _first_partition(info: Mapping[str, Any], outer: str, inner: str) -> Mapping[str, Any]:
    """The default partition: node labels other than ``""`` have numbers of their own that we do not show."""
    found = [as_mapping(item) for item in as_list(as_mapping(info.get(outer)).get(inner))]
    return next((one for one in found if not _text(one, "partitionName")), found[0] if found else {})


def _percent(info: Mapping[str, Any], partition: Mapping[str, Any], name: str, parent: str) -> float | None:
    """A percentage of the cluster; the root has them only in its partition, or under the short name."""
    short = {"absoluteCapacity": "capacity", "absoluteMaxCapacity": "maxCapacity"}.get(name, "usedCapacity")
    for where, key in ((info, name), (partition, name), *([] if parent else [(info, short)])):
        if isinstance(where.get(key), (int, float, str)):
            return round(_float(where, key), 2)
    return None


def _share(part: Resources | None, memory_mib: int) -> float | None:
    return round(part.memory_mib * 100 / memory_mib, 2) if part is not None and memory_mib > 0 else None


def _sum(queues: tuple[Queue, ...]) -> Resources:
    return sum((queue.used for queue in queues), Resources())


def _resources(value: Any) -> Resources | None:
    fields = as_mapping(value)
    if "memory" not in fields and "vCores" not in fields:
        return None
    return Resources(_int(fields, "memory"), _int(fields, "vCores"))


def _limit(info: Mapping[str, Any], name: str) -> int | None:
    number = _int(info, name, -1)
    return number if 0 <= number < _UNLIMITED else None


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _float(fields: Mapping[str, Any], name: str) -> float:
    value = fields.get(name)
    try:
        number = float(value) if isinstance(value, (int, float, str)) else 0.0
    except ValueError:
        return 0.0
    return number if abs(number) < 1e18 else 0.0


def _int(fields: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or value in (None, "") or isinstance(value, (Mapping, list)):
        return default
    return value if isinstance(value, int) else int(_float(fields, name))
