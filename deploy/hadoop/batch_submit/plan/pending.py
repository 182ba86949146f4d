"""Why an application waits: YARN's diagnostics and the scheduler's numbers become one sentence and a remedy.

Sources: ``AMState`` and ``CSAMContainerLaunchDiagnosticsConstants`` (capacity), ``FSLeafQueue`` and
``MaxRunningAppsEnforcer`` (fair) of Hadoop 3.5.0; every text stands in a real reply in ``tests/golden/scheduler``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from batch_submit.data_classes import dataclass
from batch_submit.model import ApplicationReport, State
from batch_submit.plan.scheduling import Ask, Node, Queue, QueueUser, Resources, SchedulerView

_RESOURCE = r"<memory:(\d+), vCores:(\d+)[^>]*>"
_LAUNCHED = "AM container is launched"
_ASSIGNED = "has assigned a container for AM"
#: Of an attempt that had its container before the ResourceManager went away (recorded in ``app_recovered_3.5.json``).
_RECOVERED = "Attempt recovered after RM restart"


class Cause(str, Enum):
    """What is waited for. The words are for machines: they stand in ``monitor --json-lines``."""

    SAVING = "saving"
    SUBMITTED = "submitted"
    NO_NODES = "no nodes"
    AM_LIMIT = "AM limit of the queue"
    USER_AM_LIMIT = "AM limit of the user"
    QUEUE_STOPPED = "queue stopped"
    MAX_RUNNING = "applications at a time"
    QUEUE_FULL = "queue full"
    USER_LIMIT = "user limit"
    CLUSTER_FULL = "cluster full"
    NO_NODE_FITS = "no node fits"
    LAUNCHING = "launching"
    REGISTERING = "registering"
    SCHEDULER = "scheduler"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Reason:
    """Why something waits.

    Parameters
    ----------
    sentence
        With numbers where the cluster tells them.
    remedy
        What can be done; empty where there is nothing to do but wait.
    """

    cause: Cause
    sentence: str
    remedy: str = ""

    @property
    def normal(self) -> bool:
        """Whether every start passes through it: worth a word only when it lasts."""
        return self.cause in (Cause.SAVING, Cause.SUBMITTED, Cause.LAUNCHING, Cause.REGISTERING, Cause.UNKNOWN)


@dataclass(frozen=True)
class Surroundings:
    """What is known around an application; everything may be missing.

    Parameters
    ----------
    asks
        What it asks for now.
    activity
        The scheduler's own reason.
    ahead
        How many applications wait in its queue and came earlier; -1: not known.
    """

    view: SchedulerView | None = None
    nodes: tuple[Node, ...] | None = None
    asks: tuple[Ask, ...] = ()
    activity: str = ""
    ahead: int = -1


def needs_scheduler(report: ApplicationReport) -> bool:
    """Whether the scheduler has a say in why it waits: not while it is stored, launched or registering."""
    if report.state is not State.ACCEPTED:
        return False
    return not any(text in report.diagnostics for text in (_LAUNCHED, _ASSIGNED, _RECOVERED))


def explain(report: ApplicationReport, around: Surroundings) -> Reason | None:
    """Why an application that has no driver yet waits.

    Returns
    -------
    Reason or None
        ``None`` for an application that does not wait for a start (running, ended).
    """
    if report.state in (State.NEW, State.NEW_SAVING):
        return Reason(Cause.SAVING, "the ResourceManager writes it into its state store")
    if report.state is State.SUBMITTED:
        return Reason(Cause.SUBMITTED, "the ResourceManager has it, the scheduler has not taken it yet")
    if report.state is not State.ACCEPTED:
        return None
    text = report.diagnostics
    if _LAUNCHED in text:
        return Reason(
            Cause.REGISTERING,
            "the driver's container is started, and the driver has not reported to the ResourceManager yet",
            "it does so when it creates its SparkSession; if that does not come, look at its log:"
            f" batch-submit logs {report.application_id}",
        )
    if _RECOVERED in text:
        return Reason(
            Cause.REGISTERING,
            "a ResourceManager has just taken over; the driver goes on and has not reported to it yet",
        )
    if _ASSIGNED in text:
        return Reason(Cause.LAUNCHING, "a container for the driver is assigned, its NodeManager prepares it")
    lines = around.view.line(report.queue) if around.view is not None else []
    return _not_activated(report, around, lines) or _no_room(
        around, lines, report.user, "the driver", around.asks[0].size if around.asks else None
    )


def explain_executors(report: ApplicationReport, around: Surroundings) -> Reason | None:
    """Why a running driver gets no executor; ``None`` when it asks for none."""
    if not around.asks:
        return None
    lines = around.view.line(report.queue) if around.view is not None else []
    return _no_room(around, lines, report.user, "an executor", around.asks[0].size)


def _not_activated(report: ApplicationReport, around: Surroundings, lines: Sequence[Queue]) -> Reason | None:
    """The scheduler does not consider it at all yet."""
    text = report.diagnostics
    queue = lines[0] if lines else None
    if "cluster resource is empty" in text or (around.nodes is not None and not any(n.active for n in around.nodes)):
        return _no_nodes(around.nodes)
    if "User's AM resource limit exceeded" in text:
        return _am_limit(report, around, queue, of_user=True)
    if "Queue's AM resource limit exceeded" in text or "exceeds maximum AM resource allowed" in text:
        return _am_limit(report, around, queue, of_user=False)
    if queue is not None and queue.state == "STOPPED":
        return Reason(
            Cause.QUEUE_STOPPED,
            f"queue {queue.path} is STOPPED: nothing in it is started",
            "another queue (batch-submit queues), or ask its administrator to start it",
        )
    most = next((one for one in lines if one.max_running is not None and one.running >= one.max_running), None)
    if "maximum limit of runnable applications" in text or (most is not None and "Activated," not in text):
        return _max_running(report, around, most)
    return None


def _no_nodes(nodes: Sequence[Node] | None) -> Reason:
    states: dict[str, int] = {}
    for node in nodes or ():
        states[node.state.lower()] = states.get(node.state.lower(), 0) + 1
    seen = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return Reason(
        Cause.NO_NODES,
        f"the cluster has no node to run anything on{f' ({seen})' if seen else ''}",
        "start its NodeManagers; what became of them: batch-submit nodes",
    )


def _am_limit(report: ApplicationReport, around: Surroundings, queue: Queue | None, *, of_user: bool) -> Reason:
    """Drivers may hold only a part of a queue. Numbers come from the diagnostics, else from the queue."""
    text = report.diagnostics
    path = queue.path if queue is not None else report.queue
    asked = _named(text, "AM Resource Request = ") or _named(text, "Resource request: ") or _asked(around)
    if of_user:
        limit = _named(text, "User AM Resource Limit of the queue = ") or (queue.user_am_limit if queue else None)
        user = _user(queue, report.user)
        used = user.am_used if user is not None else None
        whose, cause = f"queue {path} lets the drivers of one user", Cause.USER_AM_LIMIT
        holders = f"those of {report.user}"
    else:
        limit = _named(text, "Queue Resource Limit for AM = ") or (queue.am_limit if queue else None)
        used = _named(text, "Queue AM Resource Usage = ") or (queue.am_used if queue else None)
        whose, cause, holders = f"queue {path} lets all its drivers", Cause.AM_LIMIT, "they"
    parts = [f"{whose} hold {limit}" if limit is not None else f"{whose} hold no more"]
    if used is not None:
        parts.append(f"{holders} hold {used}")
    if asked is not None:
        parts.append(f"this one asks for {asked}")
    setting = "maxAMShare" if around.view is not None and around.view.kind == "fair" else "maximum-am-resource-percent"
    # The capacity scheduler lets a first driver pass whatever it asks for; the fair scheduler does not.
    never = limit is not None and asked is not None and used == Resources() and not limit.holds(asked)
    wait = "waiting does not help: " if never else "wait for a driver in it to end, "
    return Reason(
        cause,
        "; ".join(parts) + _behind(around),
        f"{wait}ask for less (--driver-memory), take another queue (batch-submit queues),"
        f" or have {setting} of {path} raised",
    )


def _max_running(report: ApplicationReport, around: Surroundings, queue: Queue | None) -> Reason:
    path = queue.path if queue is not None else report.queue
    numbers = f" ({queue.running} of {queue.max_running})" if queue is not None and queue.max_running else ""
    setting = "maxRunningApps" if around.view is not None and around.view.kind == "fair" else "max-parallel-apps"
    return Reason(
        Cause.MAX_RUNNING,
        f"queue {path} runs as many applications as it may at a time{numbers}{_behind(around)}",
        f"wait for one of them to end, take another queue (batch-submit queues), or have {setting} raised",
    )


def _no_room(
    around: Surroundings, lines: Sequence[Queue], user: str, what: str, asked: Resources | None
) -> Reason | None:
    """It may start, and there is no place for its container: queue, user, cluster and nodes are looked at in turn."""
    size = asked or Resources(1, 1)
    wants = f"{what} asks for {asked}" if asked is not None else f"{what} finds no place"
    for queue in lines:
        if queue.path == "root" and around.nodes is not None:
            continue  # the root's maximum is the cluster's, and the nodes tell more of that
        if queue.maximum is not None and not (queue.maximum - queue.held).holds(size):
            if queue.path == "root":
                return _cluster_full(queue.held, queue.maximum, wants, around)
            return Reason(
                Cause.QUEUE_FULL,
                f"queue {queue.path} is full: {_of(queue.held, queue.maximum)}; {wants}{_behind(around)}",
                "wait for containers in it to end, or take another queue (batch-submit queues)",
            )
    mine = _user(lines[0] if lines else None, user)
    if mine is not None and mine.limit is not None and not (mine.limit - mine.used).holds(size):
        return Reason(
            Cause.USER_LIMIT,
            f"{user} holds as much of queue {lines[0].path} as one user may: {_of(mine.used, mine.limit)}; {wants}",
            "wait for containers of yours in it to end, take another queue, or have its user-limit-factor raised",
        )
    return _no_room_on_nodes(around, wants, asked) or _last_words(around, wants)


def _no_room_on_nodes(around: Surroundings, wants: str, asked: Resources | None) -> Reason | None:
    nodes = [node for node in around.nodes or () if node.active]
    if around.nodes is None:
        return None
    if not nodes:
        return _no_nodes(around.nodes)
    size = asked or Resources(1, 1)
    if any(node.free.holds(size) for node in nodes):
        return None
    total = sum((node.total for node in nodes), Resources())
    used = sum((node.used for node in nodes), Resources())
    if not (total - used).holds(size):
        return _cluster_full(used, total, wants, around)
    if not any(node.total.holds(size) for node in nodes):
        largest = max(nodes, key=lambda node: (node.total.memory_mib, node.total.vcores))
        return Reason(
            Cause.NO_NODE_FITS,
            f"no node is large enough: {wants}, the largest of {len(nodes)} ({largest.node_id}) has {largest.total}",
            "ask for less (--driver-memory, --executor-memory, their cores)",
        )
    roomy = max(nodes, key=lambda node: (node.free.memory_mib, node.free.vcores))
    return Reason(
        Cause.NO_NODE_FITS,
        f"no node has room: {wants}, the most free of {len(nodes)} ({roomy.node_id}) has {roomy.free}",
        "wait for containers to end, or ask for less in one container (--driver-memory, --executor-memory)",
    )


def _cluster_full(used: Resources, total: Resources, wants: str, around: Surroundings) -> Reason:
    return Reason(
        Cause.CLUSTER_FULL,
        f"the cluster is full: {_of(used, total)}; {wants}{_behind(around)}",
        "wait for applications to end; who uses what: batch-submit queues",
    )


def _last_words(around: Surroundings, wants: str) -> Reason:
    label = next((ask.label for ask in around.asks if ask.label), "")
    if label:
        return Reason(Cause.SCHEDULER, f"{wants} on nodes with the label {label!r}; the scheduler gave it none yet")
    if around.activity:
        return Reason(Cause.SCHEDULER, f"{wants}; the scheduler says: {around.activity.rstrip('. ')}")
    return Reason(Cause.UNKNOWN, f"{wants}; the scheduler has not placed it yet{_behind(around)}")


def _of(used: Resources, limit: Resources) -> str:
    return f"{used.memory_mib} of {limit.memory_mib} MiB and {used.vcores} of {limit.vcores} vcores are used"


def _behind(around: Surroundings) -> str:
    """Its place by arrival, where that is known; priorities and fairness may overrule it."""
    if around.ahead <= 0:
        return "; none that came earlier waits" if around.ahead == 0 else ""
    return f"; {around.ahead} that came earlier wait{'s' if around.ahead == 1 else ''} too"


def _asked(around: Surroundings) -> Resources | None:
    return around.asks[0].size if around.asks else None


def _user(queue: Queue | None, name: str) -> QueueUser | None:
    return next((user for user in queue.users if user.name == name), None) if queue is not None else None


def _named(text: str, label: str) -> Resources | None:
    found = re.search(re.escape(label) + _RESOURCE, text)
    return Resources(int(found.group(1)), int(found.group(2))) if found else None
