"""The folder of a run's claims in HDFS: look, read, and put a file in place once.

CREATE without overwrite does not do: the NameNode answers 200 to both of two rivals, and a writer that dies leaves half
a file. RENAME of a whole file decides: only the answer ``true`` wins (both seen on Hadoop 3.5.0).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from batch_submit.adapters.http_reply import CannotConnect
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.staging import make_folder, write_small
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, NotFound

#: More than any claim: the parameters of a job are in it.
MAX_BYTES = 4 << 20


class ClaimFolder:
    """One run's folder.

    Parameters
    ----------
    session
        HTTP in the name of the user that `webhdfs` writes as.
    path
        Absolute.
    folder_mode, file_mode
        Octal digits; the folder's go to folders above it that are missing, too.
    """

    def __init__(
        self, webhdfs: WebHdfs, session: HttpSession, path: str, *, folder_mode: str = "700", file_mode: str = "600"
    ) -> None:
        self._webhdfs = webhdfs
        self._session = session
        self.path = path
        self._folder_mode, self._file_mode = folder_mode, file_mode

    def names(self) -> list[str] | None:
        """What lies in it; ``None`` when there is no such folder."""
        try:
            found = self._webhdfs.ask("GET", self.path, "LISTSTATUS").get("FileStatuses")
        except NotFound:
            return None
        rows = found.get("FileStatus") if isinstance(found, Mapping) else None
        if not isinstance(rows, list):
            raise ClusterUnreachable("the NameNode's answer holds no FileStatuses", where=self.path)
        return [str(row.get("pathSuffix") or "") for row in rows if isinstance(row, Mapping)]

    def read(self, name: str) -> str:
        """One file."""
        return self._webhdfs.read_bytes(self._place(name), MAX_BYTES).decode("utf-8", errors="replace")

    def make(self) -> None:
        """Make the folder, and those above it."""
        make_folder(self._webhdfs, self.path, self._folder_mode)

    def put_once(self, name: str, text: str, nonce: str) -> str:
        """Put a file in place unless there is one.

        Returns
        -------
        str
            What lies there afterwards: `text` for the winner, another's otherwise.

        Raises
        ------
        ClusterRefused, ClusterUnreachable
            It was not put in place, or that can't be known; asking again is safe.
        """
        place = self._place(name)
        temporary = self._written(name, text, nonce)
        if self._renamed(temporary, place):
            return text
        try:
            there = self.read(name)
        except NotFound as error:
            raise ClusterRefused(
                "the file could not be renamed into place", where=place, next_step="try again"
            ) from error
        if there != text:
            self._discard(temporary)
        return there

    def _written(self, name: str, text: str, nonce: str) -> str:
        temporary = self._place(f".{name}.{nonce}")
        try:
            write_small(self._webhdfs, self._session, temporary, text.encode(), permission=self._file_mode)
        except CannotConnect:
            raise
        except ClusterUnreachable:
            # A server before 3.0 redirects whatever it is asked; the library follows, under a name of its own in case
            # that only the reply was lost.
            temporary += ".again"
            self._webhdfs.write_bytes(temporary, text.encode())
        return temporary

    def _renamed(self, temporary: str, place: str) -> bool:
        try:
            return self._webhdfs.rename(temporary, place)
        except CannotConnect:
            raise
        except ClusterUnreachable:
            # The reply was lost, perhaps not the rename. Where it was carried out, our temporary file is gone, a second
            # one is answered `false`, and the caller reads back what is there.
            return self._webhdfs.rename(temporary, place)

    def _place(self, name: str) -> str:
        return posixpath.join(self.path, name)

    def _discard(self, temporary: str) -> None:
        try:
            self._webhdfs.ask("DELETE", temporary, "DELETE", recursive="false")
        except BatchSubmitError:
            return  # a leftover under a random name, which nobody reads
