"""HDFS over WebHDFS: look, make folders, put a file in place whole, read, list, delete.

Questions, renames and reading in pieces go over the light :class:`~batch_submit.adapters.http.HttpSession`;
what moves data or is rarely called goes through the PyPI library ``hdfs``, loaded at its first use. Source of the
rules: Hadoop 3.5.0 ``WebHDFS.md`` and ``ExceptionHandler``.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from batch_submit.adapters.hdfs_client import HdfsLibrary, Sent
from batch_submit.adapters.http_reply import CannotConnect, HttpResponse, NotJson, RemoteFailure, refuse_downgrade
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.webhdfs_errors import NOT_HERE, error_for, unreachable
from batch_submit.adapters.webhdfs_status import FileStatus, file_status
from batch_submit.errors import ClusterRefused, ClusterUnreachable, HostNotReady, MissingFile, NotFound, UsageError

if TYPE_CHECKING:
    from batch_submit.adapters.http_stream import StreamedReply
    from batch_submit.adapters.tls import Tls

__all__ = ["FileStatus", "Progress", "WebHdfs"]

_NEXT_STEP_DATANODE = "check that the DataNodes' host names and web ports can be reached from here"
_MAX_DATANODES = 3
_NEXT_STEP_LENGTH = "submit again; if it stays so, look for dead DataNodes: hdfs dfsadmin -report"

_Reply = TypeVar("_Reply", HttpResponse, "HttpResponse | StreamedReply")

#: Called with bytes sent so far and bytes in all.
Progress = Callable[[int, int], None]


class WebHdfs:
    """The NameNodes behind one face.

    Parameters
    ----------
    urls
        Web addresses without ``/webhdfs/v1``; with high availability all of them.
    session
        HTTP for the light calls; its own, not the ResourceManager's (cookies differ).
    user
        Whose files; ``None`` or empty with simple authentication: writes are refused.
    kerberos, tls
        For the library's client.
    timeout_s
        Seconds for a question to a NameNode, and for a connection.
    data_timeout_s
        Seconds without a byte that a data transfer may last.
    """

    def __init__(
        self,
        urls: Sequence[str],
        session: HttpSession,
        *,
        user: str | None,
        kerberos: bool = False,
        tls: Tls | None = None,
        timeout_s: float = 10,
        data_timeout_s: float = 120,
    ) -> None:
        if not urls:
            raise HostNotReady(
                "the configuration names no NameNode with a web address",
                next_step="set HADOOP_CONF_DIR, or dfs.namenode.http-address in hdfs-site.xml",
            )
        self._urls = [url.rstrip("/") for url in urls]
        self._session = session
        self._user = user or ""
        self._kerberos = kerberos
        self._timeout_s = timeout_s
        self._data_timeout_s = data_timeout_s
        self._library = HdfsLibrary(
            self._urls,
            self._user,
            kerberos=kerberos,
            tls=tls,
            timeouts_s=(timeout_s, data_timeout_s),
            shared=session if kerberos else None,
        )

    def close(self) -> None:
        """Close the library's connections; the light session belongs to its maker."""
        self._library.close()

    @property
    def url(self) -> str:
        """The NameNode that answered last."""
        return self._urls[0]

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        try:
            self.status(path)
        except NotFound:
            return False
        return True

    def status(self, path: str) -> FileStatus:
        """What the NameNode knows of a path; :class:`NotFound` when it says that there is none."""
        fields = self.ask("GET", path, "GETFILESTATUS").get("FileStatus")
        if not isinstance(fields, Mapping):
            raise ClusterUnreachable("the NameNode's answer holds no FileStatus", where=path)
        return file_status(path, fields)

    def rename(self, source: str, dest: str) -> bool:
        """Give a path its final name, once.

        Returns
        -------
        bool
            Only ``True`` wins. ``False`` when ``dest`` is a file, or a folder on the way to it is missing. Onto a
            folder HDFS moves *into* it and says ``True`` (seen on 3.5.0).

        Raises
        ------
        ClusterUnreachable
            When it is not a :class:`~batch_submit.adapters.http.CannotConnect`, the reply was lost: look what is there.
        """
        self._known_user("rename", source)
        return self.ask("PUT", source, "RENAME", destination=dest).get("boolean") is True

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a small new file in one piece under a name that nobody else uses; rename it into place afterwards."""
        self._known_user("write", path)
        self._library.write(path, iter([data]) if data else iter(()), overwrite=False)
        self._check_length(path, len(data))

    def upload(
        self,
        local: Path,
        dest: str,
        *,
        overwrite: bool = False,
        progress: Progress | None = None,
        temporary: str = "",
        check: Callable[[str], None] | None = None,
    ) -> int:
        """Put a local file in place whole: temporary name beside it, length checked, then one atomic rename.

        Parameters
        ----------
        temporary
            Name to write under, beside ``dest``; random by default.
        check
            Called with the temporary path when its length is right; what it raises ends the upload.

        Returns
        -------
        int
            Bytes.

        Raises
        ------
        MissingFile
            ``local`` can't be read.
        ClusterRefused
            ``dest`` exists (without ``overwrite``) or is a folder; permission; quota.
        ClusterUnreachable
            The connection, a DataNode, or a length that is wrong afterwards; ``dest`` is as it was before.
        """
        self._known_user("write", dest)
        self._refuse_taken(dest, overwrite)
        folder, name = posixpath.split(dest)
        temporary = posixpath.join(folder, temporary or f".{name}.{os.urandom(6).hex()}.uploading")
        try:
            length = self._send(local, temporary, progress, check)
            self._move(temporary, dest, overwrite=overwrite, length=length)
        except BaseException as error:
            self._clean_up(temporary)
            if isinstance(error, ClusterRefused):
                error.where = dest  # the user never chose the temporary name
            raise
        return length

    def _send(self, local: Path, temporary: str, progress: Progress | None, check: Callable[[str], None] | None) -> int:
        """Write a local file under its temporary name and check what HDFS holds; its bytes."""
        sent = Sent()
        try:
            with local.open("rb") as source:
                total = local.stat().st_size
                self._library.write(temporary, sent.chunks(source, total, progress), overwrite=True)
            self._check_length(temporary, sent.count)
            if check is not None:
                check(temporary)  # may read the local file again
        except OSError as error:
            raise MissingFile(f"can't be read: {error.strerror or error}", where=str(local)) from error
        return sent.count

    def mkdirs(self, path: str, permission: str | None = None) -> None:
        """Make a folder and those above it. HDFS gives missing parents the same ``permission`` (octal digits)."""
        self._known_user("make a folder", path)
        self._library.call("mkdirs", path, lambda client: client.makedirs(path, permission=permission))

    def set_permission(self, path: str, permission: str) -> None:
        """Set octal digits such as ``"700"`` or ``"1777"``."""
        self._known_user("change the permission", path)
        self._library.call("set permission", path, lambda client: client.set_permission(path, permission))

    def delete(self, path: str, recursive: bool = False) -> bool:
        """Delete without trash; ``False`` when there was nothing."""
        self._known_user("delete", path)
        if posixpath.normpath(path) in ("/", "//", "."):
            raise UsageError(f"refusing to delete {path!r}")
        return bool(self._library.call("delete", path, lambda client: client.delete(path, recursive=recursive)))

    def list(self, path: str) -> list[FileStatus]:
        """What a folder holds, by name; a file is a list of itself."""
        reply = self.ask("GET", path, "LISTSTATUS")
        found = reply.get("FileStatuses")
        if not isinstance(found, Mapping):
            raise ClusterUnreachable("the NameNode's answer holds no FileStatuses", where=path)
        items = [item for item in found.get("FileStatus") or [] if isinstance(item, Mapping)]
        named = [(posixpath.join(path, suffix) if (suffix := item.get("pathSuffix")) else path, item) for item in items]
        return sorted((file_status(name, item) for name, item in named), key=lambda status: status.path)

    def read_bytes(self, path: str, limit: int) -> bytes:
        """The first ``limit`` bytes of a file."""
        return b"".join(self.open_range(path, 0, max(0, limit)))

    def open_range(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A part of a file in pieces, in constant memory, over the light session; asked for at the first piece.

        The NameNode names a DataNode that has the bytes; one that can't be reached is excluded and another asked for.

        Parameters
        ----------
        start
            First byte, from 0; behind the end HDFS refuses.
        length
            At most so many bytes; ``None``: to the end.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable, HostNotReady
            As :func:`~batch_submit.adapters.webhdfs_errors.error_for` reads the answer; ``broke off`` in the middle.
        """
        params = {"offset": str(start)} | ({} if length is None else {"length": str(length)})
        excluded: list[str] = []
        while length != 0:
            asked = params | ({"excludedatanodes": ",".join(excluded)} if excluded else {})
            data = self._in_charge("GET", path, "OPEN", asked, self._opened)
            if isinstance(data, HttpResponse):
                location = self._location(data, path)
                try:
                    data = self._session.stream("GET", location, timeout_s=self._data_timeout_s)
                except CannotConnect as error:
                    excluded.append(urlsplit(location).netloc)
                    if len(excluded) < _MAX_DATANODES:
                        continue
                    error.next_step = _NEXT_STEP_DATANODE
                    raise
            with data:
                if data.status != 200:
                    failure = data.failure()
                    raise error_for(failure, path, self._user) from failure
                yield from data
            return

    def checksum(self, path: str) -> Mapping[str, Any]:
        """HDFS's own checksum of a file: ``algorithm``, ``bytes`` (hex), ``length``."""
        found = self._library.call("checksum", path, lambda client: client.checksum(path))
        return found if isinstance(found, Mapping) else {}

    def home(self) -> str:
        """The user's folder, as the NameNode names it."""
        found = self._library.call("home", "/", lambda client: client._get_home_directory("/").json())
        path = found.get("Path") if isinstance(found, Mapping) else None
        if not isinstance(path, str) or not path:
            raise ClusterUnreachable("the NameNode does not name a home folder", where=self._urls[0])
        return path

    def _known_user(self, purpose: str, path: str) -> None:
        if not self._user and not self._kerberos:
            raise UsageError(
                f"can't {purpose}: it is not known in whose name", where=path, next_step="set HADOOP_USER_NAME"
            )

    def _refuse_taken(self, dest: str, overwrite: bool) -> None:
        try:
            there = self.status(dest)
        except NotFound:
            return
        if there.is_folder:
            raise ClusterRefused("a folder has this name", where=dest, next_step="name a file inside it")
        if not overwrite:
            raise ClusterRefused("this file exists already", where=dest)

    def _check_length(self, path: str, wanted: int) -> None:
        """The library can report success for an empty file (mtth/hdfs#183: a retry sends a spent generator)."""
        found = self.status(path).length
        if found != wanted:
            message = f"HDFS holds {found} of the {wanted} bytes that were sent"
            raise ClusterUnreachable(message, where=path, next_step=_NEXT_STEP_LENGTH)

    def _move(self, temporary: str, dest: str, *, overwrite: bool, length: int) -> None:
        """One atomic rename with options, which the library's own can't do; NONE fails even onto a folder."""
        options = "OVERWRITE" if overwrite else "NONE"
        try:
            reply = self.ask("PUT", temporary, "RENAME", destination=dest, renameoptions=options)
        except CannotConnect:
            raise
        except ClusterUnreachable:
            # The reply was lost, perhaps not the rename: our random name gone and the right length there is success.
            if self.exists(temporary) or not self.exists(dest) or self.status(dest).length != length:
                raise
            return
        if reply.get("boolean") is False:  # HttpFS, which does not know the options
            raise ClusterRefused("the file could not be renamed into place", where=dest)

    def _clean_up(self, temporary: str) -> None:
        try:
            self.delete(temporary)
        except (ClusterRefused, ClusterUnreachable, HostNotReady):
            return  # the error that brought us here says more than a leftover of a random name

    def ask(self, method: str, path: str, op: str, **params: str) -> Mapping[str, Any]:
        """One operation of a NameNode over the light session; a standby passes it on to the next address.

        A write goes to the next address only when nothing can have been carried out at this one.
        """

        def send(url: str) -> HttpResponse:
            return self._session.request(method, url, body=None, timeout_s=self._timeout_s)

        reply = self._in_charge(method, path, op, params, send)
        return self._answer(reply, path, reply.failure() if reply.status >= 300 else None)

    def _in_charge(
        self, method: str, path: str, op: str, params: Mapping[str, str], send: Callable[[str], _Reply]
    ) -> _Reply:
        """The first answer that is not "ask another NameNode"."""
        if not path.startswith("/"):
            raise UsageError(f"{path!r} is not an absolute HDFS path")
        target = f"/webhdfs/v1{quote(path)}?{urlencode({'op': op, **params})}"
        said: list[str] = []
        cause: BaseException | None = None
        for base in tuple(self._urls):
            try:
                reply = send(base + target)
            except ClusterUnreachable as error:
                if method != "GET" and not isinstance(error, CannotConnect):
                    raise
                said.append(f"{base}: {error.message}")
                cause = error
                continue
            failure = reply.failure() if isinstance(reply, HttpResponse) and reply.status >= 400 else None
            if failure is None or failure.exception not in NOT_HERE:
                self._prefer(base)
                return reply
            said.append(f"{base}: {failure}")
            cause = failure
        raise unreachable(path, said, cause) from cause

    def _opened(self, url: str) -> HttpResponse | StreamedReply:
        """What answers an OPEN: the data, or anything else as a whole."""
        reply = self._session.stream("GET", url, timeout_s=self._timeout_s)
        if reply.status == 200:
            return reply
        with reply:
            return reply.response()

    def _answer(self, reply: HttpResponse, path: str, failure: RemoteFailure | None) -> Mapping[str, Any]:
        if failure is not None:
            raise error_for(failure, path, self._user) from failure
        if not reply.body:  # RENAME with options answers nothing
            return {}
        answer = reply.json()
        if not isinstance(answer, Mapping):
            raise NotJson("the NameNode's answer is not a JSON object", where=path)
        return answer

    def _location(self, reply: HttpResponse, path: str) -> str:
        """The DataNode's address, with a token in secure mode: not for logs."""
        if reply.status >= 400:
            failure = reply.failure()
            raise error_for(failure, path, self._user) from failure
        location = reply.headers.get("location", "")
        if not location.startswith(("http://", "https://")):
            message = f"the NameNode's answer ({reply.status}) names no DataNode"
            raise ClusterUnreachable(message, where=path, details=reply.words())
        refuse_downgrade(reply.url, location)
        return location

    def _prefer(self, base: str) -> None:
        if self._urls[0] != base:
            self._urls.remove(base)
            self._urls.insert(0, base)
