"""Where the storage root of a context lies, and how the paths that people type become paths there."""

from __future__ import annotations

from pathlib import Path

from batch_submit.adapters.local_store import LocalStore
from batch_submit.adapters.stores import Store
from batch_submit.connecting import connect
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady, UsageError
from batch_submit.operations.context import Context
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.storage import hdfs_path, local_path, qualify, storage_root
from batch_submit.services import Cluster


@dataclass(frozen=True)
class Place:
    """The filesystem of a backend, and the root on it.

    Parameters
    ----------
    store
        Its files.
    root
        The storage root, an absolute path.
    filesystem
        ``hdfs://nn:8020``; empty for this host.
    """

    store: Store
    root: str
    filesystem: str
    backend: str

    def path(self, typed: str) -> str:
        """The absolute path that a typed one means: relative ones lie under the root.

        Raises
        ------
        UsageError
            Another filesystem, or ``..`` on HDFS.
        """
        full = qualify(typed, root=self.root, backend=self.backend)
        if self.backend != LOCAL:
            return hdfs_path(full, self.filesystem)
        if not (found := local_path(full)):
            raise UsageError(f"{typed} is not a local path, and this is backend local", next_step="--backend yarn")
        return found

    def shown(self, path: str) -> str:
        """A path with its filesystem."""
        return self.filesystem + path


def open_place(context: Context) -> Place:
    """The place of a context's backend. Opens no connection.

    Raises
    ------
    HostNotReady
        The configuration names no NameNode with a web address.
    """
    backend = context.choice.backend
    root = storage_root(context.config, backend, config_folder=context.config_folder)
    if backend == LOCAL:
        folder = local_path(root)
        if not folder:
            raise UsageError(f"storage_root {root} is not a local folder", next_step="--backend yarn")
        return Place(LocalStore(), str(Path(folder)), "", backend)
    cluster = connect(context.services, context.config, context.choice, insecure=context.selection.insecure)
    for notice in cluster.notices:
        if context.services.first_time(notice):
            context.services.terminal.note(notice)
    return Place(_hdfs_store(cluster), hdfs_path(root, cluster.default_fs), cluster.default_fs.rstrip("/"), backend)


def _hdfs_store(cluster: Cluster) -> Store:
    from batch_submit.adapters.webhdfs_admin import HdfsStore

    if cluster.webhdfs is None:
        raise HostNotReady(
            "the configuration names no NameNode web address",
            next_step="add dfs.namenode.http-address to hdfs-site.xml",
        )
    return HdfsStore(cluster.webhdfs)
