"""Handing an application to the ResourceManager over REST: an id first, then what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.rm_replies import as_mapping
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, UsageError
from batch_submit.model import APPLICATION_ID
from batch_submit.plan.resume import KEPT_BY_DEFAULT

_APPS = "/ws/v1/cluster/apps"
#: How many applications that have ended a ResourceManager keeps.
COMPLETED_KEPT = "yarn.resourcemanager.max-completed-applications"


@dataclass(frozen=True)
class Reserved:
    """An application id that is ours, and the largest container of the cluster (0: it does not say)."""

    application_id: str
    memory_mib: int = 0
    vcores: int = 0


def reserve(resource_manager: ResourceManager) -> Reserved:
    """Reserve an application id. Asking again after a lost reply only wastes a number.

    Raises
    ------
    UsageError
        It is not known in whose name to submit (without a name the server would take us for its static user).
    """
    if not resource_manager.user:
        raise UsageError("can't submit: it is not known in whose name", next_step="set HADOOP_USER_NAME")
    reply = resource_manager.post(f"{_APPS}/new-application", {})
    application_id, most = reply.get("application-id"), as_mapping(reply.get("maximum-resource-capability"))
    if not isinstance(application_id, str) or not APPLICATION_ID.fullmatch(application_id):
        raise ClusterUnreachable("the ResourceManager's answer names no new application")
    return Reserved(application_id, _count(most.get("memory")), _count(most.get("vCores")))


def _count(told: object) -> int:
    """A number of the server's; 0 for anything else: the limit is then the server's to hold."""
    text = str(told).partition(".")[0]
    return int(text) if text.isdecimal() else 0


def submit(resource_manager: ResourceManager, context: Mapping[str, Any]) -> None:
    """Hand over a submission context, once.

    Safe to repeat with the same application id while the same ResourceManager counts (seen on 3.5.0: 202 each time, one
    application), and not at another one; who repeats it looks at the epoch first. The 202 says only that it was taken:
    look at the state.

    Raises
    ------
    ClusterRefused, HostNotReady
        With the server's words: too large, not allowed, REST submissions switched off, no ticket.
    ClusterUnreachable
        No answer, or none of a working ResourceManager: it may have been taken (``NotActive`` and ``CannotConnect``:
        it was not).
    """
    resource_manager.post_once(_APPS, context)


def completed_kept(resource_manager: ResourceManager, configured: str | None) -> int:
    """How many ended applications the cluster keeps: as this host's configuration says, else as the server does (it may
    let only its administrators see its settings), else its default.

    Parameters
    ----------
    configured
        Value of `COMPLETED_KEPT` on this host.
    """
    value = configured or ""
    if not value.isdecimal():
        try:
            told = resource_manager.get("/conf", {"name": COMPLETED_KEPT}).get("property")
        except BatchSubmitError:
            return KEPT_BY_DEFAULT
        value = str(told.get("value") or "") if isinstance(told, Mapping) else ""
    return int(value) if value.isdecimal() else KEPT_BY_DEFAULT
