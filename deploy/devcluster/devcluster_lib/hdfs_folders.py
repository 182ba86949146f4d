"""The folders that HDFS needs before anybody works with it, made over WebHDFS as its superuser."""

from __future__ import annotations

import urllib.error
import urllib.parse

from devcluster_lib.errors import DaemonFailed
from devcluster_lib.hadoop_conf import TEST_USERS
from devcluster_lib.layout import Cluster
from devcluster_lib.web import request_json

#: Path to octal mode, all owned by the superuser, or with Kerberos by those of `OWNERS`.
SHARED = {
    "/tmp": "1777",  # nosec B108  # in HDFS
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

#: With Kerberos the daemons are users of their own. The JobHistoryServer reads aggregated logs (mode 640) by the group.
OWNERS = {
    "/app-logs": ("yarn", "hadoop"),
    "/mr-history": ("mapred", "hadoop"),
    "/mr-history/intermediate": ("mapred", "hadoop"),
    "/mr-history/done": ("mapred", "hadoop"),
}


def ensure_folders(cluster: Cluster) -> None:
    """Create what is missing; what exists keeps its owner and mode.

    Raises
    ------
    DaemonFailed
        When the NameNode refuses.
    """
    for path, mode in SHARED.items():
        _ensure(cluster, path, mode, OWNERS.get(path) if cluster.secure else None)
    # Where a user can be told from another, a home is his own.
    users, mode = (TEST_USERS, "700") if cluster.secure else ((cluster.user, *TEST_USERS), "755")
    for user in dict.fromkeys(users):
        _ensure(cluster, f"/user/{user}", mode, (user, TEST_USERS.get(user, user)))


def _ensure(cluster: Cluster, path: str, mode: str, owner: tuple[str, str] | None) -> None:
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
            _call(cluster, "PUT", path, op="SETOWNER", owner=owner[0], group=owner[1])
    except urllib.error.HTTPError as error:
        raise _refused(path, error) from error


def _call(cluster: Cluster, method: str, path: str, **parameters: str) -> None:
    # With Kerberos the ticket says who we are: the superuser, too.
    who = {} if cluster.secure else {"user.name": cluster.user}
    query = urllib.parse.urlencode({**parameters, **who})
    request_json(cluster.daemon("namenode"), f"/webhdfs/v1{urllib.parse.quote(path)}?{query}", method)


def _refused(path: str, error: urllib.error.HTTPError) -> DaemonFailed:
    return DaemonFailed(f"HDFS refused {path}: HTTP {error.code} {error.read().decode(errors='replace')[:500]}")
