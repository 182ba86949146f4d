"""Data paths: what a bare path means for a backend, and where a run's artifacts lie."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit

from batch_submit.errors import UsageError
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.merged import Config

YARN_ROOT = "/ml-pipeline"
LOCAL_ROOT = "ml-pipeline"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_FILE = re.compile(r"file:(?://(?=/)|(?!//))(/.*)", re.DOTALL)


def has_scheme(path: str) -> bool:
    """Whether a path names its filesystem (``hdfs://…``, ``file:/…``)."""
    return bool(_SCHEME.match(path))


def storage_root(config: Config, backend: str, *, config_folder: str) -> str:
    """The root under which relative data paths lie.

    ``storage_root`` of the configuration; without one ``/ml-pipeline`` on the cluster's default filesystem, and
    ``ml-pipeline`` beside the configuration file for backend ``local``.
    """
    configured = config.get("storage_root")
    if configured is None or not configured.value:
        return posixpath.join(config_folder, LOCAL_ROOT) if backend == LOCAL else YARN_ROOT
    root = str(configured.value)
    if backend == LOCAL and not has_scheme(root) and not root.startswith("/"):
        return posixpath.normpath(posixpath.join(configured.base or config_folder, root))
    return root.rstrip("/") or "/"


def qualify(path: str, *, root: str, backend: str) -> str:
    """Turn a data path into what Spark is given.

    With a scheme: as it is. Absolute: on the default filesystem (backend ``local``: a local file). Relative: under the
    storage root. Local paths become ``file:`` URIs: a Spark that finds Hadoop's XML would look for them in HDFS.
    """
    if has_scheme(path):
        return path
    full = path if path.startswith("/") else f"{root.rstrip('/')}/{path}"
    if has_scheme(full):
        return full
    # Not percent-encoded: Hadoop's Path takes a text as it stands, so "%20" would be part of a folder's name.
    return "file://" + full if backend == LOCAL else full


def local_path(uri: str) -> str:
    """The path of a ``file:`` URI made by :func:`qualify`; "" for another scheme."""
    if not has_scheme(uri):
        return uri
    match = _FILE.fullmatch(uri)
    return match.group(1) if match else ""


def hdfs_path(uri: str, default_fs: str) -> str:
    """The absolute path, as WebHDFS takes it, of a path on the cluster's default filesystem.

    Parameters
    ----------
    uri
        Absolute, or a URL of the default filesystem; not percent-encoded, as Hadoop's ``Path`` takes it.
    default_fs
        ``fs.defaultFS``: ``hdfs://nn:8020``, ``hdfs://nameservice``.

    Raises
    ------
    UsageError
        When it lies on another filesystem, or holds ``..``.
    """
    path = uri
    if not default_fs.startswith("hdfs://"):
        raise UsageError(
            f"the default filesystem is {default_fs or 'not named'}, and only HDFS is spoken here",
            where=uri,
            next_step="set environment_config.namenode_url to hdfs://<NameNode>",
        )
    if has_scheme(uri):
        scheme, _, rest = uri.partition(":")
        authority, slash, below = (
            rest.removeprefix("//").partition("/") if rest.startswith("//") else ("", "/", rest[1:])
        )
        if scheme.lower() != "hdfs" or (authority and _with_port(authority) != _with_port(urlsplit(default_fs).netloc)):
            raise UsageError(
                f"{uri} is not on the default filesystem {default_fs}",
                next_step="name a path of the default filesystem, or use hdfs dfs or distcp",
            )
        path = slash + below
    parts = path.split("/")
    if not path.startswith("/") or ".." in parts:
        raise UsageError(f"{uri!r} is not an absolute path without ..", next_step="write the path out")
    return posixpath.normpath("/" + path.lstrip("/"))


def _with_port(authority: str) -> str:
    """Host and port in one spelling; a nameservice is a host without a port, and only equal to itself."""
    return authority.lower().removesuffix(":8020")
