"""Folders that keep the logs of one application: filled under another name, then renamed, so that they appear whole."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from batch_submit.adapters.own_files import own_folder
from batch_submit.errors import BatchSubmitError, ClusterRefused, HostNotReady, UsageError

if TYPE_CHECKING:
    from batch_submit.adapters.webhdfs import WebHdfs


class SavedLogs(Protocol):
    """One such folder."""

    @property
    def path(self) -> str:
        """Its final name."""

    def exists(self) -> bool:
        """Whether somebody has filled it already."""

    def put(self, container_id: str, name: str, pieces: Iterable[bytes]) -> int:
        """Add a file; its bytes."""

    def finish(self) -> None:
        """Give the folder its name."""

    def abandon(self) -> None:
        """Delete what was written; never raises."""


def _unfinished(name: str) -> str:
    return f".{name}.{os.urandom(4).hex()}.saving"


class LocalSavedLogs:
    """On this host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._growing = folder.with_name(_unfinished(folder.name))

    @property
    def path(self) -> str:
        """See :class:`SavedLogs`."""
        return str(self._folder)

    def exists(self) -> bool:
        """See :class:`SavedLogs`."""
        return self._folder.exists()

    def put(self, container_id: str, name: str, pieces: Iterable[bytes]) -> int:
        """See :class:`SavedLogs`."""
        from batch_submit.adapters.log_folder import LogFolder

        return LogFolder(self._growing).put(container_id, name, pieces)

    def finish(self) -> None:
        """See :class:`SavedLogs`."""
        try:
            self._growing.rename(self._folder)
        except OSError as error:
            raise HostNotReady(f"can't be given its name: {error.strerror or error}", where=self.path) from error

    def abandon(self) -> None:
        """See :class:`SavedLogs`."""
        shutil.rmtree(self._growing, ignore_errors=True)


class HdfsSavedLogs:
    """In HDFS, through WebHDFS.

    Parameters
    ----------
    spool
        A folder of this host: WebHDFS takes a file of known length, so each lies here while it is sent.
    """

    def __init__(self, webhdfs: WebHdfs, folder: str, spool: Path) -> None:
        self._webhdfs = webhdfs
        self._folder = folder.rstrip("/")
        above, name = posixpath.split(self._folder)
        self._growing = posixpath.join(above, _unfinished(name))
        self._spool = spool

    @property
    def path(self) -> str:
        """See :class:`SavedLogs`."""
        return self._folder

    def exists(self) -> bool:
        """See :class:`SavedLogs`."""
        return self._webhdfs.exists(self._folder)

    def put(self, container_id: str, name: str, pieces: Iterable[bytes]) -> int:
        """See :class:`SavedLogs`. A server gave the names: none leads out of the folder."""
        from batch_submit.adapters.aggregated_logs.parts import safe_container, safe_name

        if not safe_container(container_id) or not safe_name(name):
            raise UsageError(
                f"{container_id!r}, {name!r}: not the names of a container and its file", where=self._folder
            )
        dest = posixpath.join(self._growing, container_id, name)
        self._webhdfs.mkdirs(posixpath.dirname(dest))
        try:
            own_folder(self._spool)
            with tempfile.NamedTemporaryFile(dir=self._spool, prefix=".log-") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                return self._webhdfs.upload(Path(file.name), dest)
        except OSError as error:
            raise HostNotReady(f"can't be written: {error.strerror or error}", where=str(self._spool)) from error

    def finish(self) -> None:
        """See :class:`SavedLogs`. Without the option a second saver's folder would be moved into the first one's."""
        reply = self._webhdfs.ask("PUT", self._growing, "RENAME", destination=self._folder, renameoptions="NONE")
        if reply.get("boolean") is False:  # HttpFS, which does not know the option
            raise ClusterRefused("the folder could not be given its name", where=self._folder)

    def abandon(self) -> None:
        """See :class:`SavedLogs`."""
        with contextlib.suppress(BatchSubmitError):
            self._webhdfs.delete(self._growing, recursive=True)
