"""The output of drivers on this host, as a source of logs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from batch_submit.container_logs import ApplicationLogs, ContainerLogs, LogFile
from batch_submit.errors import ClusterUnreachable, NotFound

_PIECE_BYTES = 1 << 18


class LocalLogs:
    """Files of this host as a :class:`batch_submit.container_logs.LogSource`.

    Parameters
    ----------
    places
        The file of each container, newest try first.
    """

    name = "this host"

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = dict(places)

    def open(self, application_id: str, *, ended: bool) -> ApplicationLogs:
        """What is there now.

        Parameters
        ----------
        ended
            Whether the newest driver has ended.
        """
        found = []
        for number, (container_id, path) in enumerate(self._places.items()):
            try:
                status = path.stat()
            except OSError:
                continue
            modified_ms = int(status.st_mtime * 1000)
            file = LogFile(container_id, path.name, status.st_size, "", modified_ms, ended or number > 0)
            found.append(ContainerLogs(file, self))
        if not found:
            raise NotFound(f"no driver of {application_id} has written anything on this host")
        partial = "" if ended else f"{application_id} is running: more may be written"
        return ApplicationLogs(application_id, tuple(found), tuple(self._places), partial)

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See :class:`batch_submit.container_logs.LogSource`."""
        path = self._places.get(file.container_id)
        if path is None or file.name != path.name:
            raise NotFound(f"no log {file.name} of {file.container_id} on this host")
        return _pieces(path, start, length)


def _pieces(path: Path, start: int, length: int | None) -> Iterator[bytes]:
    try:
        with path.open("rb") as source:
            size = source.seek(0, os.SEEK_END)
            source.seek(start if start >= 0 else max(0, size + start))
            left = length
            while piece := source.read(_PIECE_BYTES if left is None else min(left, _PIECE_BYTES)):
                left = None if left is None else left - len(piece)
                yield piece
    except FileNotFoundError as error:
        raise NotFound("this log is gone", where=str(path)) from error
    except OSError as error:
        raise ClusterUnreachable(f"can't be read: {error.strerror or error}", where=str(path)) from error
