"""The folders that HDFS needs before anybody works with it, made over WebHDFS as its superuser."""

from __future__ import annotations

import urllib.error
import urllib.parse

from devcluster_lib.errors import DaemonFailed
from devcluster_lib.hadoop_conf import TEST_USERS
from devcluster_lib.layout import Cluster
from devcluster_lib.web import request_json

#: Path to octal mode, all owned by the superuser.
SHARED = {
    "/tmp": "1777",
    "/user": "755",
    # The NodeManager makes one folder per user below it, as that user.
    "/app-logs": "1777",
    "/spark-logs": "1777",
    # The modes that the JobHistoryServer would set itself (JobHistoryUtils).
    "/mr-history": "755",
    "/mr-history/intermediate": "1777",
    "/mr-history/done": "770",
    # Root of the pipeline's data: everybody may add, nobody may delete what is another's.
    "/ml-pipeline": "1777",
}


def ensure_folders(cluster: Cluster) -> None:
    """Create what is missing; what exists keeps its owner and mode.

    Raises
    ------
    DaemonFailed
        When the NameNode refuses.
    """
    for path, mode in SHARED.items():
        _ensure(cluster, path, mode, None)
    for user in dict.fromkeys((cluster.user, *TEST_USERS)):
        _ensure(cluster, f"/user/{user}", "755", user)


def _ensure(cluster: Cluster, path: str, mode: str, owner: str | None) -> None:
    try:
        _call(cluster, "GET", path, op="GETFILESTATUS")
        return
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise _refused(path, error) from error
    try:
        _call(cluster, "PUT", path, op="MKDIRS", permission=mode)
        # MKDIRS applies the umask and drops the sticky bit.
        _call(cluster, "PUT", path, op="SETPERMISSION", permission=mode)
        if owner:
            _call(cluster, "PUT", path, op="SETOWNER", owner=owner, group=TEST_USERS.get(owner, owner))
    except urllib.error.HTTPError as error:
        raise _refused(path, error) from error


def _call(cluster: Cluster, method: str, path: str, **parameters: str) -> None:
    query = urllib.parse.urlencode({**parameters, "user.name": cluster.user})
    request_json(cluster.daemon("namenode").ports["http"], f"/webhdfs/v1{urllib.parse.quote(path)}?{query}", method)


def _refused(path: str, error: urllib.error.HTTPError) -> DaemonFailed:
    return DaemonFailed(f"HDFS refused {path}: HTTP {error.code} {error.read().decode(errors='replace')[:500]}")
