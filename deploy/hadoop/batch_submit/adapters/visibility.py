"""Whether everybody may read a file in HDFS: YARN then keeps one copy per node for all (as Spark's client decides it).

A wrong claim fails the application (``FSDownload``: "not publicly accessible"), so that it is looked at each time.
"""

from __future__ import annotations

import posixpath

from batch_submit.adapters.webhdfs import FileStatus, WebHdfs

PUBLIC, PRIVATE = "PUBLIC", "PRIVATE"
#: Nodes delete it with the application; a private file they keep for the user's next one.
APPLICATION = "APPLICATION"


class Visibility:
    """Looks once at each folder; for one submission, not longer."""

    def __init__(self, webhdfs: WebHdfs) -> None:
        self._webhdfs = webhdfs
        self._folders: dict[str, FileStatus] = {}

    def of(self, held: FileStatus) -> str:
        """YARN's word for a file."""
        if not (held.others or 0) & 4:
            return PRIVATE
        folder = posixpath.dirname(held.path)
        while (self.folder(folder).others or 0) & 1:
            if folder == "/":
                return PUBLIC
            folder = posixpath.dirname(folder)
        return PRIVATE

    def folder(self, path: str) -> FileStatus:
        """The status of a folder, asked for once."""
        if path not in self._folders:
            self._folders[path] = self._webhdfs.status(path)
        return self._folders[path]
