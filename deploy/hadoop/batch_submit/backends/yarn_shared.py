"""Where a cluster keeps the files that many runs share."""

from __future__ import annotations

from batch_submit.adapters.shared_folder import SharedFolder
from batch_submit.errors import HostNotReady
from batch_submit.plan.storage import hdfs_path
from batch_submit.services import Clock, Cluster


def shared_folder(servers: Cluster, shared_dir: str, clock: Clock) -> SharedFolder:
    """The folder of one command; nothing is asked yet.

    Parameters
    ----------
    shared_dir
        ``execution.shared_dir``, absolute or a URI; "" is the default below the user's home.

    Raises
    ------
    HostNotReady
        No NameNode with a web address is known.
    UsageError
        It lies on another filesystem.
    """
    if servers.webhdfs is None or servers.session is None:
        raise HostNotReady(
            "the configuration names no NameNode web address",
            next_step="add dfs.namenode.http-address to hdfs-site.xml",
        )
    path = hdfs_path(shared_dir or f"{servers.home_folder}/.batch-submit/shared", servers.default_fs)
    return SharedFolder(servers.webhdfs, servers.session, path, lambda: int(clock.now_utc().timestamp() * 1000))
