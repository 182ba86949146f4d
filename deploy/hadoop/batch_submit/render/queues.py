"""Queues, who uses them, and nodes: as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.plan.scheduling import Node, Queue, QueueUser, Resources, SchedulerView
from batch_submit.render.reports import local_time
from batch_submit.render.tables import Column, aligned, fitted

#: What goes first where the terminal is narrow; the numbers of a queue stay longest.
_QUEUE_COLUMNS = (
    Column("queue", shortest=12),
    Column("state", leave_out=6),
    Column("share", leave_out=4),
    Column("max", leave_out=2),
    Column("used"),
    Column("memory MiB"),
    Column("vcores", leave_out=5),
    Column("run"),
    Column("wait"),
    Column("drivers MiB", leave_out=1),
)


def queue_table(top: Queue, width: int | None = None) -> list[str]:
    """A queue and all below it as a tree, one line each; percentages are of the whole cluster.

    ``width`` characters wide at most; ``None``: as wide as it gets.
    """
    rows: list[tuple[str, ...]] = []
    for queue in top.walk():
        depth = queue.path.count(".") - top.path.count(".")
        name = top.path if queue is top else "  " * depth + queue.name
        rows.append(
            (
                name,
                queue.state or "-",
                _percent(queue.capacity_percent),
                _percent(queue.maximum_percent),
                _percent(queue.used_percent),
                _pair(queue.used.memory_mib, queue.maximum.memory_mib if queue.maximum else None),
                _pair(queue.used.vcores, queue.maximum.vcores if queue.maximum else None),
                _count(queue.running),
                _count(queue.pending),
                _drivers(queue),
            )
        )
    return fitted(_QUEUE_COLUMNS, rows, width)


def queue_lines(queue: Queue, kind: str) -> list[str]:
    """Everything known of one queue, one fact per line."""
    facts = {
        "queue": queue.path,
        "scheduler": kind,
        "state": queue.state or "-",
        "capacity" if kind != "fair" else "fair share": _amount(queue.capacity, queue.capacity_percent),
        "maximum": _amount(queue.maximum, queue.maximum_percent),
        "used": _amount(queue.used, queue.used_percent),
        "running": _count(queue.running) + (f" of at most {queue.max_running}" if queue.max_running else ""),
        "pending": _count(queue.pending),
        "drivers": _limited(queue.am_used, queue.am_limit),
        "drivers of one user": f"at most {queue.user_am_limit}" if queue.user_am_limit else "-",
        "containers": _count(queue.containers),
    }
    width = max(len(key) for key in facts)
    return [f"{key.ljust(width)}  {value}" for key, value in facts.items() if value != "-"]


def user_table(top: Queue) -> list[str]:
    """Who uses a queue and those below it; empty when nobody does."""
    rows = [("user", "queue", "memory MiB", "vcores", "run", "wait", "drivers MiB", "may hold MiB")]
    for queue in top.walk():
        for user in sorted(queue.users, key=lambda one: (-one.used.memory_mib, one.name)):
            rows.append(
                (
                    user.name,
                    queue.path,
                    str(user.used.memory_mib),
                    str(user.used.vcores),
                    str(user.running),
                    str(user.pending),
                    str(user.am_used.memory_mib) if user.am_used else "-",
                    str(user.limit.memory_mib) if user.limit else "-",
                )
            )
    return aligned(rows) if len(rows) > 1 else []


def queues_json(view: SchedulerView, top: Queue) -> dict[str, object]:
    """Queues for machines, parents first; memory in MiB, ``null`` where the scheduler tells nothing."""
    return {"scheduler": view.kind, "queues": [_queue_json(queue) for queue in top.walk()]}


def node_table(nodes: Sequence[Node]) -> list[str]:
    """Nodes, one line each, and below a node what is wrong with it."""
    if not nodes:
        return ["no nodes"]
    rows = [("node", "state", "memory MiB", "vcores", "containers", "last heard of")]
    rows += [
        (
            node.node_id,
            node.state or "-",
            _pair(node.used.memory_mib, node.total.memory_mib),
            _pair(node.used.vcores, node.total.vcores),
            str(node.containers),
            local_time(node.last_update_ms),
        )
        for node in nodes
    ]
    lines = aligned(rows)
    out = [lines[0]]
    for node, line in zip(nodes, lines[1:], strict=True):
        out.append(line)
        out += [f"  {part.strip()}" for part in node.health.splitlines() if part.strip()]
    return out


def node_summary(nodes: Sequence[Node]) -> str:
    """How many nodes there are in which state, and what the active ones hold."""
    states: dict[str, int] = {}
    for node in nodes:
        states[node.state] = states.get(node.state, 0) + 1
    active = [node for node in nodes if node.active]
    used = sum((node.used for node in active), Resources())
    total = sum((node.total for node in active), Resources())
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    held = f"{used.memory_mib} of {total.memory_mib} MiB and {used.vcores} of {total.vcores} vcores are used"
    return f"{counts or 'no nodes'}; {held}"


def nodes_json(nodes: Sequence[Node]) -> list[dict[str, object]]:
    """Nodes for machines; memory in MiB, times in milliseconds since the epoch."""
    return [
        {
            "node_id": node.node_id,
            "state": node.state,
            "rack": node.rack,
            "http_address": node.http_address,
            "used_memory_mib": node.used.memory_mib,
            "used_vcores": node.used.vcores,
            "total_memory_mib": node.total.memory_mib,
            "total_vcores": node.total.vcores,
            "containers": node.containers,
            "labels": list(node.labels),
            "health_report": node.health,
            "last_update_ms": node.last_update_ms,
            "version": node.version,
        }
        for node in nodes
    ]


def _queue_json(queue: Queue) -> dict[str, object]:
    return {
        "path": queue.path,
        "state": queue.state or None,
        "capacity_percent": queue.capacity_percent,
        "maximum_percent": queue.maximum_percent,
        "used_percent": queue.used_percent,
        **_both("capacity", queue.capacity),
        **_both("maximum", queue.maximum),
        **_both("used", queue.used),
        "running": queue.running if queue.running >= 0 else None,
        "pending": queue.pending if queue.pending >= 0 else None,
        "max_running": queue.max_running,
        "containers": queue.containers if queue.containers >= 0 else None,
        **_both("am_used", queue.am_used),
        **_both("am_limit", queue.am_limit),
        **_both("user_am_limit", queue.user_am_limit),
        "leaf": not queue.children,
        "users": [_user_json(user) for user in queue.users],
    }


def _user_json(user: QueueUser) -> dict[str, object]:
    return {
        "name": user.name,
        "running": user.running,
        "pending": user.pending,
        **_both("used", user.used),
        **_both("am_used", user.am_used),
        **_both("limit", user.limit),
    }


def _both(name: str, amount: Resources | None) -> dict[str, object]:
    return {
        f"{name}_memory_mib": amount.memory_mib if amount is not None else None,
        f"{name}_vcores": amount.vcores if amount is not None else None,
    }


def _percent(value: float | None) -> str:
    return f"{value:.0f}%" if value is not None else "-"


def _pair(used: int, limit: int | None) -> str:
    return f"{used}/{limit}" if limit is not None else str(used)


def _count(number: int) -> str:
    return str(number) if number >= 0 else "-"


def _drivers(queue: Queue) -> str:
    if queue.am_used is None or queue.children:
        return "-"
    return _pair(queue.am_used.memory_mib, queue.am_limit.memory_mib if queue.am_limit is not None else None)


def _amount(amount: Resources | None, percent: float | None) -> str:
    share = f"{percent:g} % of the cluster" if percent is not None else ""
    return "; ".join(part for part in (str(amount) if amount is not None else "", share) if part) or "-"


def _limited(used: Resources | None, limit: Resources | None) -> str:
    if used is None and limit is None:
        return "-"
    return f"{used or Resources()}" + (f" of at most {limit}" if limit is not None else "")
