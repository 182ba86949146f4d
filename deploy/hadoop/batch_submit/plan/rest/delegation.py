"""What a delegation token for HDFS is to say; decided without asking anybody."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from batch_submit.data_classes import dataclass

#: The kind that the RPC client looks for; WebHDFS's own would be "WEBHDFS delegation".
HDFS_KIND = "HDFS_DELEGATION_TOKEN"
#: ``HdfsClientConfigKeys.DFS_NAMENODE_RPC_PORT_DEFAULT``
_RPC_PORT = 8020
_HOST = "_HOST"


@dataclass(frozen=True)
class Service:
    """Under which name an RPC client looks for its token.

    Parameters
    ----------
    name
        That name; empty where it is the address of `host`, with `port`.
    """

    name: str = ""
    host: str = ""
    port: int = 0


def service_of(default_fs: str, nameservices: Sequence[str], *, by_ip: bool = True) -> Service:
    """Return the service of a file system (``SecurityUtil.buildTokenService``, ``HAUtilClient``).

    Parameters
    ----------
    default_fs
        ``hdfs://host[:port]`` or ``hdfs://nameservice``.
    nameservices
        ``dfs.nameservices``.
    by_ip
        ``hadoop.security.token.service.use_ip``.
    """
    authority = urlsplit(default_fs).netloc
    if authority in nameservices:
        return Service(f"ha-hdfs:{authority}")
    parts = urlsplit(f"//{authority}")
    host, port = parts.hostname or "", parts.port or _RPC_PORT
    return Service(host=host, port=port) if by_ip else Service(f"{host.lower()}:{port}")


def renewer_of(principal: str, host: str) -> str:
    """Return whom to name as renewer: the ResourceManager's principal, which the NameNode shortens by its own rules.

    Parameters
    ----------
    principal
        ``yarn.resourcemanager.principal``; may hold ``_HOST``, and be empty: then the answer is.
    host
        The ResourceManager's, for ``_HOST`` (``Master.getMasterPrincipal``).
    """
    parts = principal.replace("@", "/").split("/")
    if len(parts) == 3 and parts[1] == _HOST:
        return principal.replace(_HOST, host.lower()) if host else ""
    return principal
