"""What a scheduler holds, as frozen types: queues and who uses them, nodes, what an application asks for.

Numbers that a server does not tell are ``None`` (a limit, a share) or -1 (a count): an absent limit is no limit of 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from batch_submit.data_classes import dataclass


@dataclass(frozen=True)
class Resources:
    """Memory in MiB and vcores, as YARN counts them."""

    memory_mib: int = 0
    vcores: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.memory_mib + other.memory_mib, self.vcores + other.vcores)

    def __sub__(self, other: Resources) -> Resources:
        return Resources(self.memory_mib - other.memory_mib, self.vcores - other.vcores)

    def holds(self, other: Resources) -> bool:
        """Whether ``other`` fits into this, in memory and in vcores."""
        return other.memory_mib <= self.memory_mib and other.vcores <= self.vcores

    def __str__(self) -> str:
        return f"{self.memory_mib} MiB, {self.vcores} vcore{'' if self.vcores == 1 else 's'}"


@dataclass(frozen=True)
class QueueUser:
    """One user's part of a queue.

    Parameters
    ----------
    limit
        The most that he may hold in it now (capacity scheduler, from its user limit and user-limit-factor).
    """

    name: str
    used: Resources = Resources()
    running: int = 0
    pending: int = 0
    am_used: Resources | None = None
    limit: Resources | None = None


@dataclass(frozen=True)
class Queue:
    """One queue of a capacity or fair scheduler.

    Parameters
    ----------
    path
        The full path, ``root.etl``.
    state
        ``RUNNING``, ``STOPPED``, ``DRAINING``; empty where the scheduler has no such thing (fair).
    capacity, maximum
        What it is guaranteed (fair: its fair share) and what it may grow to.
    used, reserved
        What containers of it hold, and which part of that is only reserved: kept free on a node for a container that
        waits for more room there (seen on 3.5.0: counted as used).
    capacity_percent, maximum_percent, used_percent
        Of the whole cluster.
    running, pending
        Applications that have been activated, and that have not.
    am_used, am_limit, user_am_limit
        What application masters (drivers in cluster mode) hold, may hold together, and may hold for one user.
    max_running
        How many applications may run at a time (``max-parallel-apps``, ``maxRunningApps``).
    """

    path: str
    state: str = ""
    capacity: Resources | None = None
    maximum: Resources | None = None
    used: Resources = Resources()
    reserved: Resources = Resources()
    capacity_percent: float | None = None
    maximum_percent: float | None = None
    used_percent: float | None = None
    running: int = -1
    pending: int = -1
    containers: int = -1
    am_used: Resources | None = None
    am_limit: Resources | None = None
    user_am_limit: Resources | None = None
    max_running: int | None = None
    users: tuple[QueueUser, ...] = ()
    children: tuple[Queue, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def held(self) -> Resources:
        """What its containers hold, without reservations."""
        return self.used - self.reserved

    def walk(self) -> Iterator[Queue]:
        """This queue and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class SchedulerView:
    """All queues of a cluster; ``kind`` is ``capacity``, ``fair``, ``fifo`` or the server's own word."""

    kind: str
    root: Queue

    def find(self, name: str) -> list[Queue]:
        """The queues that a name means: a full path is one queue, a short name or an end of a path may be several."""
        everything = list(self.root.walk())
        exact = [queue for queue in everything if queue.path == name]
        return exact or [queue for queue in everything if queue.path.endswith(f".{name}")]

    def near(self, name: str) -> list[str]:
        """Paths of queues whose names look like this one."""
        by_name: dict[str, str] = {}
        for queue in self.root.walk():
            by_name.setdefault(queue.name.lower(), queue.path)
            by_name.setdefault(queue.path.lower(), queue.path)
        from difflib import get_close_matches  # for a message; it takes a while to load

        found = get_close_matches(name.lower(), by_name, n=3, cutoff=0.5)
        found += [one for one in by_name if one.startswith(name.lower())][:3]
        return list(dict.fromkeys(by_name[one] for one in found))

    def line(self, path: str) -> list[Queue]:
        """The queue of a path and its parents, the queue itself first; empty when there is no such queue."""
        return [queue for queue in reversed(list(self.root.walk())) if f"{path}.".startswith(f"{queue.path}.")]


@dataclass(frozen=True)
class Node:
    """One NodeManager as the ResourceManager sees it."""

    node_id: str
    state: str = ""
    rack: str = ""
    http_address: str = ""
    used: Resources = Resources()
    free: Resources = Resources()
    containers: int = 0
    health: str = ""
    last_update_ms: int = 0
    version: str = ""
    labels: tuple[str, ...] = ()

    @property
    def total(self) -> Resources:
        """What it offers."""
        return self.used + self.free

    @property
    def active(self) -> bool:
        """Whether containers may be started on it."""
        return self.state == "RUNNING"


@dataclass(frozen=True)
class Ask:
    """What an application has asked for and not been given: so many containers of one size."""

    size: Resources
    containers: int = 1
    label: str = ""
