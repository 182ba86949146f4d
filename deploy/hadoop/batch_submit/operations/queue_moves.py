"""``move`` and ``priority``: change how an application stands in the scheduler, and read back what came of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.rm_replies import queue_matches
from batch_submit.errors import ClusterRefused, ExitCode, NotFound, UsageError
from batch_submit.operations.context import Selection
from batch_submit.operations.targets import Target, resolve
from batch_submit.services import Services


def move_to_queue(services: Services, selection: Selection, text: str, queue: str, *, as_json: bool) -> int:
    """Move an application to another queue.

    Raises
    ------
    ClusterRefused
        With the scheduler's words; also when it answered well and the application is elsewhere all the same, or has
        ended (a move to the queue that it is in is no move, and not refused: seen on 3.5.0).
    """
    target = resolve(services, selection, text, reading=True, changing=True)
    server = _server_of(target, "move")
    with _known(target):
        now = server.move(target.application_id, queue)
        _refuse_ended(server, target, "nothing can be moved")
    if not queue_matches(now, queue):
        raise ClusterRefused(f"{target.application_id} is in queue {now or 'unknown'} and not in {queue}")
    _tell(services, target, "queue", now, as_json=as_json)
    return ExitCode.SUCCEEDED


def change_priority(services: Services, selection: Selection, text: str, priority: int, *, as_json: bool) -> int:
    """Set an application's priority.

    Raises
    ------
    ClusterRefused
        With the server's words; also when it answered well and holds another priority: it cuts what is over
        ``yarn.cluster.max-application-priority``, and an application that has ended keeps its own (seen on 3.5.0).
    """
    target = resolve(services, selection, text, reading=True, changing=True)
    server = _server_of(target, "priority")
    with _known(target):
        held = server.set_priority(target.application_id, priority)
        _refuse_ended(server, target, f"it keeps priority {held}")
    if held != priority:
        raise ClusterRefused(
            f"{target.application_id} has priority {held} and not {priority}",
            next_step="an administrator raises yarn.cluster.max-application-priority, or the queue's",
        )
    _tell(services, target, "priority", held, as_json=as_json)
    return ExitCode.SUCCEEDED


@contextlib.contextmanager
def _known(target: Target) -> Iterator[None]:
    """Name the next step where the cluster does not know the application."""
    try:
        yield
    except NotFound as gone:
        gone.next_step = f"batch-submit status {target.application_id}"
        raise


def _refuse_ended(server: ResourceManager, target: Target, so: str) -> None:
    state = server.application(target.application_id).state
    if state.terminal:
        raise ClusterRefused(f"{target.application_id}: it has ended ({state.value}), {so}")


def _server_of(target: Target, verb: str) -> ResourceManager:
    from batch_submit.backends.yarn import YarnBackend

    if not isinstance(target.backend, YarnBackend):
        raise UsageError(f"{verb} is for applications on a cluster; {target.application_id} runs on this host")
    return target.backend.servers.resource_manager


def _tell(services: Services, target: Target, key: str, value: object, *, as_json: bool) -> None:
    if as_json:
        services.terminal.answer(json.dumps({"application_id": target.application_id, key: value}))
    else:
        services.terminal.answer(f"{target.application_id} {key} {value}")
