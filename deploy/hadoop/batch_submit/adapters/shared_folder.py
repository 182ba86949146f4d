"""The shared folder in HDFS: files named by their content, put there once, whole, by whoever comes first.

Seen on Hadoop 3.5.0: with CREATE without overwrite the NameNode says 200 to both of two rivals; RENAME onto a file is
``false``. So a file is written under a random name and renamed, and only ``true`` has won.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from batch_submit.adapters.http_reply import CannotConnect
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.staging import StagingFolder, make_folder
from batch_submit.adapters.visibility import Visibility
from batch_submit.adapters.webhdfs import FileStatus, Progress, WebHdfs
from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    MissingFile,
    NotFound,
    UsageError,
)
from batch_submit.plan.shared import NOTE_EVERY_MS, Entry, digest_of, is_shared_name, shared_name, upload_name

_FOLDER_MODE, _FILE_MODE = "755", "644"
_EVERYBODY_READS, _EVERYBODY_WRITES = 4, 2
_KEEP = "-1"  # SETTIMES: leave this time as it is


class SharedFolder:
    """The folder, listed once; for one command, not longer.

    Parameters
    ----------
    session
        HTTP in the name of the user that `webhdfs` writes as.
    path
        Absolute; it is made when the first file is put there.
    now_ms
        Milliseconds since the epoch.
    """

    def __init__(self, webhdfs: WebHdfs, session: HttpSession, path: str, now_ms: Callable[[], int]) -> None:
        self._webhdfs = webhdfs
        self._session = session
        self.path = path
        self.now_ms = now_ms
        self.visibility = Visibility(webhdfs)
        self._listed: dict[str, FileStatus] | None = None

    def files(self) -> dict[str, FileStatus]:
        """What lies there, by name; empty when there is no such folder.

        Raises
        ------
        UsageError
            Everybody may write to it.
        ClusterRefused
            Who may is not told.
        """
        if self._listed is None:
            try:
                found = self._webhdfs.list(self.path)
            except NotFound:
                self._listed = {}
                return self._listed
            others = self.visibility.folder(self.path).others
            if others is None:
                raise ClusterRefused("the server does not tell who may write to the shared folder", where=self.path)
            if others & _EVERYBODY_WRITES:
                raise UsageError(
                    "everybody may write to the shared folder, and what lies there runs in your applications",
                    where=self.path,
                    next_step=f"hdfs dfs -chmod o-w {self.path}, or set execution.shared_dir to another folder",
                )
            self._listed = {posixpath.basename(one.path): one for one in found}
        return self._listed

    def entries(self) -> list[Entry]:
        """The same, to be judged."""
        return [entry_of(one) for one in self.files().values()]

    def status(self, path: str) -> FileStatus:
        """A file by its path, out of the list when it lies in this folder; its use is noted when its name is ours."""
        folder, name = posixpath.split(path)
        held = (self.files().get(name) if folder == self.path else None) or self._webhdfs.status(path)
        self.used(held)
        return held

    def provide(self, local: Path) -> FileStatus:
        """A file of this host as it lies in the folder, put there if it does not.

        Raises
        ------
        MissingFile
            It can't be read.
        ClusterRefused
            What has its name there has another length.
        """
        content = _content(local)
        name = shared_name(local.name, digest_of(content))
        held = self.files().get(name)
        if held is not None:
            self._check_length(held, len(content))
            with suppress(NotFound):  # swept between the list and now
                self.used(held)
                return held
        return self.add(name, content)[0]

    def name_of(self, local: Path) -> str:
        """The name that a file of this host has in the folder; asks nobody."""
        return shared_name(local.name, digest_of(_content(local)))

    def used(self, held: FileStatus) -> None:
        """Note that a shared file is used, once a day: `plan.shared.Sweep` says what for.

        Only the owner may set times; for others HDFS notes a reading by itself, for which the question suffices.

        Raises
        ------
        NotFound
            It is gone.
        """
        now_ms = self.now_ms()
        if not is_shared_name(posixpath.basename(held.path)) or now_ms - entry_of(held).used_ms < NOTE_EVERY_MS:
            return
        try:
            times = {"modificationtime": _KEEP, "accesstime": str(now_ms)}
            self._webhdfs.ask("PUT", held.path, "SETTIMES", **times)
        except NotFound:
            raise
        except BatchSubmitError:
            with suppress(BatchSubmitError):
                self._webhdfs.ask("GET", held.path, "OPEN", noredirect="true", length="1")

    def keeps_access_times(self, held: FileStatus) -> bool:
        """Whether HDFS does; asked by setting one of our files' access time to what it is."""
        times = {"modificationtime": _KEEP, "accesstime": str(held.accessed_ms)}
        try:
            self._webhdfs.ask("PUT", held.path, "SETTIMES", **times)
        except ClusterRefused as error:
            if any("access time" in line.lower() for line in error.details):
                return False
            raise
        return True

    def add(self, name: str, content: bytes) -> tuple[FileStatus, bool]:
        """Put a small file there; how it lies there then, and whether it was us who put it."""
        staging = StagingFolder(self._webhdfs, self._session, self.path)
        return self._added(name, lambda temporary: staging.put(temporary, content))

    def add_file(self, name: str, local: Path, progress: Progress | None = None) -> tuple[FileStatus, bool]:
        """Put a large file there, as :meth:`add` a small one."""

        def send(temporary: str) -> FileStatus:
            place = posixpath.join(self.path, temporary)
            self._webhdfs.upload(local, place, progress=progress, temporary=f"{temporary}.part")
            return self._webhdfs.status(place)

        return self._added(name, send)

    def delete_unless_used(self, entry: Entry) -> bool:
        """Delete a file that was judged, unless it was used or deleted since it was listed."""
        place = posixpath.join(self.path, entry.name)
        try:
            if entry_of(self._webhdfs.status(place)).used_ms > entry.used_ms:
                return False
            return self._webhdfs.ask("DELETE", place, "DELETE", recursive="false").get("boolean") is True
        except NotFound:
            return False

    def _added(self, name: str, send: Callable[[str], FileStatus]) -> tuple[FileStatus, bool]:
        self._make()
        temporary = upload_name(name, os.urandom(6).hex())
        waiting, place = posixpath.join(self.path, temporary), posixpath.join(self.path, name)
        won = False
        try:
            sent = send(temporary)
            if not (sent.others or 0) & _EVERYBODY_READS:  # a umask of the servers
                self._webhdfs.ask("PUT", waiting, "SETPERMISSION", permission=_FILE_MODE)
            won = self._renamed(waiting, place)
        finally:
            if not won:
                with suppress(BatchSubmitError):  # gc sweeps it
                    self._webhdfs.ask("DELETE", waiting, "DELETE", recursive="false")
        held = self._webhdfs.status(place)
        self._check_length(held, sent.length)
        self.files()[name] = held
        return held, won

    def _renamed(self, waiting: str, place: str) -> bool:
        try:
            return self._webhdfs.rename(waiting, place)
        except CannotConnect:
            raise
        except ClusterUnreachable:
            if self._webhdfs.exists(waiting):
                raise
            return True  # the reply was lost, and not the rename: nobody else knows the random name

    def _make(self) -> None:
        if not self.files():
            make_folder(self._webhdfs, self.path, _FOLDER_MODE)

    def _check_length(self, held: FileStatus, wanted: int) -> None:
        if held.length != wanted:
            raise ClusterRefused(
                f"this file has {held.length:,} bytes, and what its name tells has {wanted:,}",
                where=held.path,
                next_step=f"it is damaged; delete it: hdfs dfs -rm -skipTrash {held.path}",
            )


def entry_of(held: FileStatus) -> Entry:
    """A file of the folder, to be judged."""
    name = posixpath.basename(held.path)
    return Entry(name, held.length, held.modified_ms, held.accessed_ms, held.owner, held.is_folder)


def _content(local: Path) -> bytes:
    try:
        return local.read_bytes()
    except OSError as error:
        raise MissingFile(f"can't be read: {error.strerror or error}", where=str(local)) from error
