"""Which log files a call means. Pure: files in, files out, or an error that shows what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from batch_submit.container_logs import ApplicationLogs, ContainerLogs
from batch_submit.data_classes import dataclass
from batch_submit.errors import NotFound, UsageError

#: What a person means without ``--file``: what the program itself wrote. ``prelaunch.err`` only when it is not empty.
_OUTPUT = ("stdout", "stderr", "driver.log")
_BEFORE_THE_PROGRAM = "prelaunch.err"
_YARN_CONTAINER = re.compile(r"container_(?:e\d+_)?\d+_\d+_(\d+)_\d+")
_MOST_NAMED = 8


@dataclass(frozen=True)
class WantedLogs:
    """What of an application's logs is wanted.

    Parameters
    ----------
    drivers, executors
        The drivers, the other containers; neither: see ``all_containers``.
    containers
        Container ids, or endings that only one id has.
    attempt
        YARN's attempt, of backend ``local`` the try; ``None``: of drivers the last one, of executors all.
    files
        Names or patterns (``*``, ``?``, ``[…]``); empty: what the program wrote.
    modified_after_ms
        Milliseconds since the epoch; a file whose time is not known passes.
    all_containers, all_files
        What is meant when nothing else is said.
    """

    drivers: bool = False
    executors: bool = False
    containers: tuple[str, ...] = ()
    attempt: int | None = None
    files: tuple[str, ...] = ()
    modified_after_ms: int | None = None
    all_containers: bool = False
    all_files: bool = False

    @property
    def only_drivers(self) -> bool:
        """Whether no other container than a driver's can be meant."""
        return not (self.executors or self.containers or (self.all_containers and not self.drivers))


def select_logs(logs: ApplicationLogs, wanted: WantedLogs) -> list[ContainerLogs]:
    """The files that are wanted, in the order of the listing.

    Raises
    ------
    NotFound
        There is no such container, attempt or file; the message names those that there are.
    UsageError
        An ending fits several containers.
    """
    ids = list(dict.fromkeys(one.file.container_id for one in logs.files))
    chosen = _containers(logs, ids, wanted)
    if not chosen:
        raise _nothing(logs, "no container that fits", _attempts_text(logs, ids, wanted))
    inside = [one for one in logs.files if one.file.container_id in chosen]
    found = _files(inside, wanted)
    if not found:
        names = dict.fromkeys(one.file.name for one in inside)
        raise _nothing(logs, f"no file {' or '.join(wanted.files) or 'that fits'}", f"there are: {_some(names)}")
    after = wanted.modified_after_ms
    return [one for one in found if after is None or not one.file.modified_ms or one.file.modified_ms >= after]


def attempt_of(container_id: str, drivers: Sequence[str] = ()) -> int:
    """The attempt that a container belongs to; of what is no YARN container its place among the drivers, from 1."""
    match = _YARN_CONTAINER.fullmatch(container_id)
    if match is not None:
        return int(match.group(1))
    return len(drivers) - list(drivers).index(container_id) if container_id in drivers else 1


def role_of(logs: ApplicationLogs, container_id: str) -> str:
    """``driver``, ``executor 3``, or ``executor`` where Spark's number is not known."""
    if container_id in logs.drivers:
        return "driver"
    return f"executor {logs.executors.get(container_id, '')}".rstrip()


def _containers(logs: ApplicationLogs, ids: Sequence[str], wanted: WantedLogs) -> set[str]:
    if wanted.containers:
        found = {_one(logs, ids, text) for text in wanted.containers}
        return {one for one in found if wanted.attempt in (None, attempt_of(one, logs.drivers))}
    of_attempt = [one for one in ids if wanted.attempt in (None, attempt_of(one, logs.drivers))]
    if wanted.all_containers and not wanted.drivers and not wanted.executors:
        return set(of_attempt)
    chosen: set[str] = set()
    if wanted.executors:
        chosen |= {one for one in of_attempt if one not in logs.drivers}
    if wanted.drivers or not wanted.executors:
        chosen |= set([one for one in logs.drivers if one in of_attempt][:1])
    return chosen


def _one(logs: ApplicationLogs, ids: Sequence[str], text: str) -> str:
    if text in ids:
        return text
    found = [one for one in ids if text and one.endswith(text)]
    if len(found) > 1:
        raise UsageError(
            f"--container {text} fits {len(found)} containers",
            details=found[:_MOST_NAMED],
            next_step="write more of it",
        )
    if not found:
        raise _nothing(logs, f"no container {text}", f"there are: {_some(ids)}")
    return found[0]


def _files(inside: Sequence[ContainerLogs], wanted: WantedLogs) -> list[ContainerLogs]:
    if wanted.files:
        return [one for one in inside if any(fnmatchcase(one.file.name, pattern) for pattern in wanted.files)]
    if wanted.all_files:
        return list(inside)
    if not any(one.file.name in _OUTPUT for one in inside):
        return list(inside)
    return [
        one
        for one in inside
        if one.file.name in _OUTPUT or (one.file.name == _BEFORE_THE_PROGRAM and one.file.size != 0)
    ]


def _attempts_text(logs: ApplicationLogs, ids: Iterable[str], wanted: WantedLogs) -> str:
    if wanted.attempt is None:
        return "the driver's container has no logs (yet)" if not wanted.executors else "only the driver has logs"
    attempts = sorted({attempt_of(one, logs.drivers) for one in ids})
    return f"there are logs of attempt {', '.join(map(str, attempts))}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_MOST_NAMED]) + (
        f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    )


def _nothing(logs: ApplicationLogs, what: str, there: str) -> NotFound:
    return NotFound(
        f"{logs.application_id}: {what}", details=(there,), next_step=f"batch-submit logs {logs.application_id} --list"
    )
