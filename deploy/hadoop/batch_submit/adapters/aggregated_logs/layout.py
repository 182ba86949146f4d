"""Where the aggregated logs of an application lie, and what the names in that folder mean. Pure.

Source: ``LogAggregationUtils`` and ``LogAggregationFileController`` of Hadoop 3.5.0.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit

from batch_submit.adapters.aggregated_logs.remote_file import UnsupportedLogs
from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError

_APPLICATION = re.compile(r"application_\d+_(\d+)")
_BUCKETS = 10_000
_NODE_FILE = re.compile(r"(?P<host>.+)_(?P<port>\d{1,5})(?:_(?P<uploaded_ms>\d{10,}))?")
_HDFS_SCHEMES = ("", "hdfs", "webhdfs", "swebhdfs")


class Kind(Enum):
    """What a file in an application's folder is."""

    NODE = "the logs of one NodeManager"
    UNFINISHED = "an upload under way"
    ARCHIVE = "a Hadoop archive"
    OTHER = "a side file"


@dataclass(frozen=True)
class NodeFile:
    """The name of a file in an application's folder.

    Parameters
    ----------
    node
        ``host:port``; empty when it is not a NodeManager's file.
    uploaded_ms
        When a long-running application's piece was uploaded; 0 for a file that was written once, at the end.
    """

    kind: Kind
    node: str = ""
    uploaded_ms: int = 0


def node_file(name: str) -> NodeFile:
    """Read the name of a file."""
    if name.endswith(".har"):
        return NodeFile(Kind.ARCHIVE)
    kind = Kind.UNFINISHED if name.endswith(".tmp") else Kind.NODE
    found = _NODE_FILE.fullmatch(name.removesuffix(".tmp"))
    if found is None or name.endswith("-checksum"):
        return NodeFile(Kind.OTHER)
    return NodeFile(kind, f"{found['host']}:{found['port']}", int(found["uploaded_ms"] or 0))


def folders(
    application_id: str, owner: str, places: Sequence[tuple[str, str, str]], default_fs: str = ""
) -> tuple[str, ...]:
    """The folders that may hold the application's logs, the likeliest first.

    Parameters
    ----------
    owner
        Who submitted the application.
    places
        Name of the format, root folder and suffix, as ``HadoopConf.remote_log_dirs`` gives them.
    default_fs
        The filesystem that will be asked, e.g. ``hdfs://cluster``.

    Raises
    ------
    UsageError
        The id or the owner can't be one.
    UnsupportedLogs
        Every root lies in another filesystem.
    """
    found = _APPLICATION.fullmatch(application_id)
    if found is None:
        raise UsageError(f"{application_id!r} is not an application id")
    if not owner or "/" in owner or owner in (".", ".."):
        raise UsageError(f"{owner!r} is not the name of a user", next_step="name the application's owner")
    bucket = f"{int(found[1]) % _BUCKETS:04d}"
    here = [(root, suffix) for _, named, suffix in places if (root := _path(named, default_fs))]
    if not here and places:
        raise UnsupportedLogs("a folder outside of the default HDFS", places[0][1])
    new = [posixpath.join(root, owner, f"bucket-{suffix}", bucket, application_id) for root, suffix in here]
    old = [posixpath.join(root, owner, suffix, application_id) for root, suffix in here]
    return tuple(dict.fromkeys([*new, *old]))


def _path(root: str, default_fs: str) -> str:
    """The path of a root in the filesystem that is asked; empty when it lies in another."""
    parts, default = urlsplit(root), urlsplit(default_fs)
    elsewhere = parts.netloc and default.netloc and parts.netloc != default.netloc
    if parts.scheme not in _HDFS_SCHEMES or elsewhere or not parts.path.startswith("/"):
        return ""
    return posixpath.normpath(parts.path)
