"""Queues, nodes and the scheduler's reasons, asked from the active ResourceManager. Decides nothing."""

from __future__ import annotations

from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.scheduler_replies import parse_activity, parse_asks, parse_nodes, parse_scheduler
from batch_submit.plan.scheduling import Ask, Node, SchedulerView

_BASE = "/ws/v1/cluster"
#: The scheduler records an application's activities for so long after each question.
_RECORD_S = 3


class Scheduler:
    """The scheduler behind a ResourceManager. All methods raise what :class:`ResourceManager` raises."""

    def __init__(self, manager: ResourceManager) -> None:
        self._manager = manager

    def view(self) -> SchedulerView:
        """All queues."""
        return parse_scheduler(self._manager.get(f"{_BASE}/scheduler"))

    def nodes(self, states: str = "") -> list[Node]:
        """The nodes of these states (``RUNNING,LOST``); without any, those that the server lists by itself."""
        return parse_nodes(self._manager.get(f"{_BASE}/nodes", {"states": states}))

    def asks(self, application_id: str) -> list[Ask]:
        """What an application asks for and has not been given."""
        return parse_asks(self._manager.get(f"{_BASE}/apps/{application_id}"))

    def activity(self, application_id: str) -> str:
        """Why it was given nothing, in the scheduler's words; the first question only starts the recording."""
        query = {"maxTime": str(_RECORD_S), "groupBy": "diagnostic", "limit": "1"}
        return parse_activity(self._manager.get(f"{_BASE}/scheduler/app-activities/{application_id}", query))
