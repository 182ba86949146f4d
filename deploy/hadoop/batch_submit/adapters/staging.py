"""An application's own folder in HDFS: what spark-submit's client would put there, put there over WebHDFS.

Nobody else uses its names, so that a file is written in place and may be written again; what is small goes over the
light session, which has loaded already.
"""

from __future__ import annotations

import posixpath
from contextlib import suppress
from pathlib import Path

from batch_submit.adapters.http_reply import NotJson, refuse_downgrade
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.webhdfs import FileStatus, WebHdfs
from batch_submit.adapters.webhdfs_errors import error_for
from batch_submit.errors import ClusterRefused, ClusterUnreachable, MissingFile, NotFound

#: Up to this a file is read into memory; a larger one streams through the library, which takes a moment to load.
IN_MEMORY_BYTES = 32 << 20
_TRANSFER_S = 120.0


def write_small(webhdfs: WebHdfs, session: HttpSession, place: str, data: bytes, *, permission: str) -> None:
    """Write a file under a name that nobody else uses, or over what an earlier call left there.

    Parameters
    ----------
    permission
        Octal digits.

    Raises
    ------
    ClusterRefused, ClusterUnreachable
        The NameNode's or the DataNode's no, or the connection: the file may be there, whole or not.
    """
    told = webhdfs.ask("PUT", place, "CREATE", noredirect="true", overwrite="true", permission=permission)
    location = told.get("Location")
    if not isinstance(location, str) or not location.startswith(("http://", "https://")):
        raise NotJson("the NameNode's answer names no DataNode", where=place)
    refuse_downgrade(webhdfs.url, location)
    headers = {"Content-Type": "application/octet-stream"}
    reply = session.request("PUT", location, body=data, headers=headers, timeout_s=_TRANSFER_S)
    if reply.status >= 300:
        failure = reply.failure()
        raise error_for(failure, place, "") from failure


def size_of_file(local: Path) -> int:
    """Bytes of a file of this host.

    Raises
    ------
    MissingFile
        It can't be looked at.
    """
    try:
        return local.stat().st_size
    except OSError as error:
        raise MissingFile(f"can't be read: {error.strerror or error}", where=str(local)) from error


def make_folder(webhdfs: WebHdfs, path: str, permission: str) -> None:
    """Make a folder, and those above it that are missing, with a mode in octal digits.

    Raises
    ------
    ClusterRefused
        It could not be made.
    """
    if webhdfs.ask("PUT", path, "MKDIRS", permission=permission).get("boolean") is not True:
        raise ClusterRefused("the folder could not be made", where=path)


class StagingFolder:
    """One folder.

    Parameters
    ----------
    session
        HTTP in the name of the user that `webhdfs` writes as.
    path
        Absolute; it is made with mode 700, files in it have 644 (YARN localises them as the user), a secret one 600.
    """

    def __init__(self, webhdfs: WebHdfs, session: HttpSession, path: str) -> None:
        self._webhdfs = webhdfs
        self._session = session
        self._names: set[str] = set()
        self.path = path
        #: Other calls may have put files, or folders, in it.
        self.shared = False

    def make(self) -> None:
        """Make the folder, and those above it."""
        make_folder(self._webhdfs, self.path, "700")

    def put_file(self, local: Path, name: str, *, secret: bool = False) -> FileStatus:
        """Put a file of this host; its status there.

        Raises
        ------
        MissingFile
            It can't be read.
        """
        try:
            if secret or local.stat().st_size <= IN_MEMORY_BYTES:
                return self.put(name, local.read_bytes(), "600" if secret else "644")
        except OSError as error:
            raise MissingFile(f"can't be read: {error.strerror or error}", where=str(local)) from error
        place = self._own(name)
        self._webhdfs.upload(local, place, overwrite=True)
        return self._webhdfs.status(place)

    def put(self, name: str, data: bytes, permission: str = "644") -> FileStatus:
        """Write a file, replacing what an earlier call left there; its status afterwards.

        Raises
        ------
        ClusterUnreachable
            The connection, a DataNode, or a length that is wrong afterwards.
        """
        place = self._own(name)
        write_small(self._webhdfs, self._session, place, data, permission=permission)
        found = self._webhdfs.status(place)
        if found.length != len(data):
            raise ClusterUnreachable(
                f"HDFS holds {found.length} of the {len(data)} bytes that were sent",
                where=place,
                next_step="submit again; if it stays so, look for dead DataNodes: hdfs dfsadmin -report",
            )
        return found

    def remove(self, *, whole: bool = False) -> None:
        """Delete the folder and all in it; nothing there is as good.

        Of a shared one only what this object has put there, and the folder if that leaves it empty, unless `whole`.
        """
        if whole or not self.shared:
            self._delete(self.path, recursive="true")
            return
        for name in sorted(self._names):
            self._delete(posixpath.join(self.path, name), recursive="false")
        try:
            self._delete(self.path, recursive="false")
        except ClusterRefused as error:
            if not any("not empty" in line for line in error.lines()):  # PathIsNotEmptyDirectoryException: of others
                raise

    def _delete(self, place: str, *, recursive: str) -> None:
        with suppress(NotFound):
            self._webhdfs.ask("DELETE", place, "DELETE", recursive=recursive)

    def _own(self, name: str) -> str:
        """Where a file goes, noted before it is written: the answer may be lost."""
        self._names.add(name)
        return posixpath.join(self.path, name)
