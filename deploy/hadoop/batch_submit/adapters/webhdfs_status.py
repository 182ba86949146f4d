"""What WebHDFS says of one file or folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch_submit.data_classes import dataclass


@dataclass(frozen=True)
class FileStatus:
    """One file or folder on HDFS: bytes, times in milliseconds since the epoch, permission in octal digits."""

    path: str
    is_folder: bool
    length: int
    owner: str = ""
    group: str = ""
    permission: str = ""
    modified_ms: int = 0
    accessed_ms: int = 0

    @property
    def others(self) -> int | None:
        """What everybody else may do, as the last octal digit; ``None`` where the server does not say (a gateway)."""
        last = self.permission[-1:]
        return int(last) if last and last in "01234567" else None


def file_status(path: str, fields: Mapping[str, Any]) -> FileStatus:
    """What a NameNode says of ``path``; what it leaves out is 0 or empty."""

    def number(name: str) -> int:
        value = fields.get(name)
        return value if isinstance(value, int) else 0

    return FileStatus(
        path=path,
        is_folder=fields.get("type") == "DIRECTORY",
        length=number("length"),
        owner=str(fields.get("owner") or ""),
        group=str(fields.get("group") or ""),
        permission=str(fields.get("permission") or ""),
        modified_ms=number("modificationTime"),
        accessed_ms=number("accessTime"),
    )
