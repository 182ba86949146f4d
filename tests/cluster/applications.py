"""Applications on the cluster under test, asked for and made past our program: over the ResourceManager's REST."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from cluster.conftest import Cluster
from cluster.edge_host import of_run


def apps_url(cluster: Cluster) -> str:
    """Where the ResourceManager keeps them."""
    return f"{cluster.rm_url}/ws/v1/cluster/apps"


def app_of(cluster: Cluster, application_id: str) -> dict[str, Any]:
    """What the ResourceManager says of one."""
    return dict(cluster.rest(f"{apps_url(cluster)}/{application_id}")["app"])


def kill_application(cluster: Cluster, application_id: str) -> None:
    """Have one killed; an ended one stays as it is."""
    cluster.rest(f"{apps_url(cluster)}/{application_id}/state?user.name=root", "PUT", {"state": "KILLED"})


def new_application_id(cluster: Cluster) -> str:
    """An id that the ResourceManager has reserved."""
    return str(cluster.rest(f"{apps_url(cluster)}/new-application?user.name=root", "POST", {})["application-id"])


def post_sleeper(
    cluster: Cluster, application_id: str, queue: str, *, memory_mib: int = 128, seconds: int = 60, **more: object
) -> None:
    """An application that takes this much of a queue, and does nothing; ``more`` goes into its submission context."""
    context = {
        "application-id": application_id,
        "application-name": f"sleeps in {queue}",
        "application-type": "SHELL",
        "queue": queue,
        "max-app-attempts": 1,
        "resource": {"memory": memory_mib, "vCores": 1},
        "am-container-spec": {"commands": {"command": f"sleep {seconds}"}},
        **more,
    }
    cluster.rest(f"{apps_url(cluster)}?user.name=root", "POST", context)


@contextlib.contextmanager
def run_of_its_own(cluster: Cluster, prefix: str) -> Iterator[str]:
    """A run id that nobody else uses; the applications that it leaves are ended."""
    name = f"{prefix}-{secrets.token_hex(5)}"
    yield name
    for app in of_run(cluster, name):
        kill_application(cluster, app["id"])
