"""Is a daemon ready for work? Each is asked its own question over HTTP.

A probe returns None when the daemon is ready, else what was seen instead, for the message of a deadline.
"""

from __future__ import annotations

import json
import socket
from http.client import HTTPException
from typing import Any

from devcluster_lib.layout import Cluster, Daemon
from devcluster_lib.web import HOST, TIMEOUT_S, request_json


def probe(cluster: Cluster, daemon: Daemon) -> str | None:
    """None when `daemon` is ready, else what it answered."""
    try:
        return _PROBES[daemon.kind](cluster, daemon)
    except (OSError, HTTPException) as error:
        return f"{daemon.url}: {getattr(error, 'reason', None) or error}"
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return f"{daemon.url}: an unexpected answer ({error!r})"


def _bean(daemon: Daemon, query: str) -> dict[str, Any]:
    beans = request_json(daemon, f"/jmx?qry=Hadoop:service={query}")["beans"]
    return beans[0]


def _kdc(_cluster: Cluster, daemon: Daemon) -> str | None:
    """It listens: whether it gives tickets, the other daemons' logins tell."""
    with socket.create_connection((HOST, daemon.ports["kdc"]), timeout=TIMEOUT_S):
        return None


def _namenode(cluster: Cluster, daemon: Daemon) -> str | None:
    """Active and out of safe mode; with blocks on disk the latter needs the DataNode."""
    state = _bean(daemon, "NameNode,name=NameNodeStatus")["State"]
    safe_mode = _bean(daemon, "NameNode,name=NameNodeInfo")["Safemode"]
    if state != "active":
        return f"its state is {state}"
    return f"it is in safe mode: {safe_mode}" if safe_mode else None


def _datanode(cluster: Cluster, daemon: Daemon) -> str | None:
    """Registered by its own account, and live by the NameNode's: that one alone is late to notice a dead DataNode."""
    actors = json.loads(_bean(daemon, "DataNode,name=DataNodeInfo")["BPServiceActorInfo"])
    if not actors or any(actor["ActorState"] != "RUNNING" for actor in actors):
        return "it has not registered with the NameNode"
    live = _bean(cluster.daemon("namenode"), "NameNode,name=FSNamesystemState")["NumLiveDataNodes"]
    return None if live >= 1 else "the NameNode counts no live DataNode"


def ha_state(daemon: Daemon) -> str | None:
    """``ACTIVE`` or ``STANDBY`` of a ResourceManager that has started, else None."""
    try:
        info = request_json(daemon, "/ws/v1/cluster/info")["clusterInfo"]
        return str(info["haState"]) if info["state"] == "STARTED" else None
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None


def active_resourcemanager(cluster: Cluster) -> Daemon | None:
    """The ResourceManager that does the work, if there is one."""
    return next((daemon for daemon in cluster.resourcemanagers() if ha_state(daemon) == "ACTIVE"), None)


def _resourcemanager(cluster: Cluster, daemon: Daemon) -> str | None:
    """Started, and active; or standby of one that is."""
    info = request_json(daemon, "/ws/v1/cluster/info")["clusterInfo"]
    seen = (info["state"], info["haState"])
    if seen == ("STARTED", "ACTIVE"):
        return None
    if seen == ("STARTED", "STANDBY") and cluster.ha:
        return None if active_resourcemanager(cluster) else "it is STANDBY and no ResourceManager is active"
    return f"its state is {'/'.join(seen)}"


def _nodemanager(cluster: Cluster, daemon: Daemon) -> str | None:
    """Healthy by its own account, and RUNNING by the ResourceManager's, in this life of the NodeManager.

    After a crash the ResourceManager goes on to call the lost node RUNNING for a while: its last health report has to
    be younger than the NodeManager's start.
    """
    own = request_json(daemon, "/ws/v1/node/info")["nodeInfo"]
    if own["nodeHealthy"] not in (True, "true"):
        return f"it is not healthy: {own.get('healthReport')}"
    manager = active_resourcemanager(cluster)
    if manager is None:
        return "no ResourceManager is active"
    node = request_json(manager, f"/ws/v1/cluster/nodes/localhost:{daemon.ports['container']}")["node"]
    if node["state"] != "RUNNING":
        return f"the ResourceManager calls it {node['state']}"
    if int(node["lastHealthUpdate"]) < int(own["nmStartupTime"]):
        return "the ResourceManager has not heard from it since it started"
    return None


def _jobhistoryserver(cluster: Cluster, daemon: Daemon) -> str | None:
    """Answers with its start time."""
    info = request_json(daemon, "/ws/v1/history/info")["historyInfo"]
    return None if int(info["startedOn"]) > 0 else "it has not started"


_PROBES = {
    "kdc": _kdc,
    "namenode": _namenode,
    "datanode": _datanode,
    "resourcemanager": _resourcemanager,
    "nodemanager": _nodemanager,
    "jobhistoryserver": _jobhistoryserver,
}
