"""``queues`` and ``nodes``: where there is room, who uses it, and what is wrong with a node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.scheduler import Scheduler
from batch_submit.errors import ExitCode, NotFound, UsageError
from batch_submit.model import ApplicationReport, State
from batch_submit.operations.context import Selection, open_backend, open_context
from batch_submit.plan.scheduling import Queue, QueueUser, Resources, SchedulerView
from batch_submit.render.queues import (
    node_summary,
    node_table,
    nodes_json,
    queue_lines,
    queue_table,
    queues_json,
    user_table,
)
from batch_submit.services import Services

#: ``NodeState`` of YARN.
NODE_STATES = (
    "NEW", "RUNNING", "UNHEALTHY", "DECOMMISSIONING", "DECOMMISSIONED", "LOST", "REBOOTED", "SHUTDOWN",
)  # fmt: skip
_LIVE = (State.SUBMITTED, State.ACCEPTED, State.RUNNING)


def show_queues(services: Services, selection: Selection, name: str | None, *, as_json: bool) -> int:
    """All queues, or one with all that is known of it; by its short name or its full path."""
    manager = _manager(services, selection)
    view = Scheduler(manager).view()
    top = _one_queue(view, name) if name else view.root
    if view.kind == "fair":
        top = _with_users(top, manager.applications(states=_LIVE))
    if as_json:
        services.terminal.answer(json.dumps(queues_json(view, top)))
        return ExitCode.SUCCEEDED
    lines = queue_lines(top, view.kind) if name else [f"{view.kind} scheduler"]
    if not name or top.children:
        lines += ["", *queue_table(top, services.answer_width())]
    users = user_table(top)
    services.terminal.answer("\n".join([*lines, *(["", *users] if users else [])]))
    return ExitCode.SUCCEEDED


def show_nodes(services: Services, selection: Selection, states: str, *, as_json: bool) -> int:
    """The nodes: state, health, memory and vcores."""
    wanted = [state.strip().upper() for state in states.split(",") if state.strip()]
    unknown = [state for state in wanted if state not in NODE_STATES]
    if unknown:
        raise UsageError(f"--states: {unknown[0]} is no state of a node", next_step=f"one of {', '.join(NODE_STATES)}")
    nodes = Scheduler(_manager(services, selection)).nodes(",".join(wanted))
    nodes = [node for node in nodes if not wanted or node.state in wanted]
    if as_json:
        services.terminal.answer(json.dumps(nodes_json(nodes)))
        return ExitCode.SUCCEEDED
    services.terminal.answer("\n".join(node_table(nodes)))
    services.terminal.note(node_summary(nodes))
    return ExitCode.SUCCEEDED


def _manager(services: Services, selection: Selection) -> ResourceManager:
    backend = open_backend(open_context(services, selection, reading=True))
    servers = getattr(backend, "servers", None)
    if servers is None:
        raise UsageError(
            f"backend {backend.name} has no queues and no nodes",
            next_step="name a cluster by HADOOP_CONF_DIR, or by --backend yarn and the configuration",
        )
    manager: ResourceManager = servers.resource_manager
    return manager


def _one_queue(view: SchedulerView, name: str) -> Queue:
    found = view.find(name)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} queues are called {name!r}",
            details=[queue.path for queue in found],
            next_step=f"batch-submit queues {found[0].path}",
        )
    near = view.near(name)
    raise NotFound(
        f"there is no queue {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""),
        next_step="batch-submit queues",
    )


def _with_users(top: Queue, applications: Sequence[ApplicationReport]) -> Queue:
    """The fair scheduler does not tell who uses a queue: count it from the applications."""
    if top.children:
        return replace(top, children=tuple(_with_users(child, applications) for child in top.children))
    users: dict[str, QueueUser] = {}
    for report in applications:
        if report.queue not in (top.path, top.path.removeprefix("root.")):
            continue
        held = Resources(max(0, report.allocated_memory_mib), max(0, report.allocated_vcores))
        user = users.get(report.user, QueueUser(report.user))
        runs = held.memory_mib > 0
        users[report.user] = replace(
            user, used=user.used + held, running=user.running + runs, pending=user.pending + (not runs)
        )
    return replace(top, users=tuple(users.values()))
