"""Questions of ``doctor`` and of the look before a submit to ResourceManagers and history servers. GETs only.

Sources: Hadoop 3.5.0 ``ResourceManagerRest.md``, ``CapacitySchedulerInfo``, ``FairSchedulerInfo``, ``ConfServlet``;
recorded replies stand in ``tests/golden/doctor``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from batch_submit.adapters.host_probe import Watch, clock_offset_s
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.rm_replies import as_list, as_mapping
from batch_submit.errors import BatchSubmitError
from batch_submit.plan.health import ServerAnswer
from batch_submit.plan.health_yarn import Node, Queue, Scheduler

_INFO = "/ws/v1/cluster/info"
_JSON = {"Accept": "application/json"}


def ask_resource_manager(
    session: HttpSession, url: str, clock: Watch, timeout_s: float
) -> tuple[ServerAnswer, float | None]:
    """What one ResourceManager says of itself, and this host's clock minus its clock in seconds."""
    began, asked = clock.monotonic(), clock.now_utc().timestamp()
    try:
        reply = session.request("GET", url + _INFO, headers=_JSON, timeout_s=timeout_s)
        answered = clock.now_utc().timestamp()
        if reply.status != 200:
            said = reply.words(200)
            return ServerAnswer(url, error=f"{reply.status} {said[0] if said else ''}".strip()), None
        info = as_mapping(as_mapping(reply.json()).get("clusterInfo"))
    except BatchSubmitError as error:
        return ServerAnswer(url, error=_first_line(error)), None
    latency_ms = 1000 * (clock.monotonic() - began)
    if not info:
        return ServerAnswer(url, error="its answer holds no clusterInfo"), None
    version = str(info.get("hadoopVersion") or info.get("resourceManagerVersion") or "")
    offset_s = clock_offset_s(reply.headers.get("date", ""), asked, answered)
    return ServerAnswer(url, str(info.get("haState") or ""), version, latency_ms), offset_s


#: No hierarchy of queues is as deep.
_DEEPEST = 50


def parse_scheduler(reply: Any) -> Scheduler:
    """The answer of ``/ws/v1/cluster/scheduler``, of whatever scheduler."""
    info = as_mapping(as_mapping(as_mapping(reply).get("scheduler")).get("schedulerInfo"))
    kind = str(info.get("type") or "")
    root = as_mapping(info.get("rootQueue")) if kind == "fairScheduler" else info
    queues = tuple(_queues(root, "")) if root else ()
    limit = as_mapping(info.get("maximumAllocation"))
    return Scheduler(kind, queues, _whole(limit.get("memory")), _whole(limit.get("vCores")))


def _queues(fields: Mapping[str, Any], parent: str, depth: int = 0) -> Iterator[Queue]:
    """A queue and those below it, parents first."""
    name = str(fields.get("queuePath") or fields.get("queueName") or "root")
    path = name if not parent or name.startswith(f"{parent}.") else f"{parent}.{name}"
    below = [*_children(fields.get("queues")), *_children(fields.get("childQueues"))]
    kind = str(fields.get("type") or "")
    leaf = not below and (not kind or "leaf" in kind.lower()) and path != "root"
    acls = _acls(fields)
    yield Queue(
        path,
        state=str(fields.get("state") or ""),
        leaf=leaf,
        submit_acl=acls.get("SUBMIT_APP", acls.get("SUBMIT_APPLICATIONS")),
        administer_acl=acls.get("ADMINISTER_QUEUE"),
        makes_children=str(fields.get("autoCreationEligibility") or "off") != "off"
        or fields.get("autoCreateChildQueueEnabled") is True,
        default_priority=_whole(fields.get("defaultPriority")),
    )
    for one in below if depth < _DEEPEST else ():
        yield from _queues(one, path, depth + 1)


def _children(value: Any) -> list[Mapping[str, Any]]:
    """``{"queue": [...]}``, a list of queues, or one queue (Fair Scheduler of Hadoop 2)."""
    inner = as_mapping(value).get("queue", value)
    return [as_mapping(one) for one in as_list(inner) if as_mapping(one).get("queueName")]


def _acls(fields: Mapping[str, Any]) -> dict[str, str]:
    rows = as_list(as_mapping(fields.get("queueAcls")).get("queueAcl"))
    return {
        str(as_mapping(row).get("accessType") or ""): str(as_mapping(row).get("accessControlList") or "")
        for row in rows
    }


def parse_nodes(reply: Any) -> list[Node]:
    """The answer of ``/ws/v1/cluster/nodes``."""
    out = []
    for row in as_list(as_mapping(as_mapping(reply).get("nodes")).get("node")):
        fields = as_mapping(row)
        total = as_mapping(fields.get("totalResource"))
        memory = _whole(total.get("memory")) or _whole(fields.get("usedMemoryMB")) + _whole(fields.get("availMemoryMB"))
        vcores = _whole(total.get("vCores")) or _whole(fields.get("usedVirtualCores")) + _whole(
            fields.get("availableVirtualCores")
        )
        report = " ".join(str(fields.get("healthReport") or "").split())[:200]
        out.append(Node(str(fields.get("id") or ""), str(fields.get("state") or ""), memory, vcores, report))
    return out


def conf_value(session: HttpSession, url: str, name: str, timeout_s: float) -> str | None:
    """A property of a running daemon (``/conf``, Hadoop >= 2.9); ``None`` when it does not tell."""
    reply = session.request(
        "GET", f"{url}/conf?{urlencode({'name': name, 'format': 'json'})}", headers=_JSON, timeout_s=timeout_s
    )
    if reply.status != 200 or not reply.says_json:
        return None
    answer = as_mapping(reply.json())
    rows = as_list(answer.get("property")) or as_list(answer.get("properties"))  # older: everything
    for row in rows:
        if as_mapping(row).get("key") == name:
            return str(as_mapping(row).get("value") or "")
    return None


def conf_flag(session: HttpSession, url: str, name: str, timeout_s: float) -> bool | None:
    """The same for true and false."""
    return {"true": True, "false": False}.get((conf_value(session, url, name, timeout_s) or "").lower())


def administers(session: HttpSession, url: str, queue: str, user: str, timeout_s: float) -> bool | None:
    """Whether the server takes us for an administrator of a queue, who may submit to it; ``None``: it does not say so.

    The question (``/queues/{queue}/access``) is whether ``user`` may submit, yet only an administrator of the queue may
    ask it, even about himself (else 403), and he may submit even where the answer is "not allowed" (all seen on 3.5.0,
    which has the answer as XML only: as JSON it is a 503, "MessageBodyWriter not found").
    """
    query = urlencode({"queue-acl-type": "SUBMIT_APPLICATIONS", "user": user})
    path = f"/ws/v1/cluster/queues/{quote(queue, safe='')}/access?{query}"
    reply = session.request("GET", url + path, headers={"Accept": "application/xml"}, timeout_s=timeout_s)
    return True if reply.status == 200 and b"allowed" in reply.body else None


def named_user(session: HttpSession, url: str, timeout_s: float) -> str:
    """For whom the ResourceManager takes this session; "" when it refuses to say."""
    reply = session.request("GET", f"{url}/ws/v1/cluster/userinfo", headers=_JSON, timeout_s=timeout_s)
    if reply.status != 200 or not reply.says_json:
        return ""
    answer = as_mapping(reply.json())
    name = (as_mapping(answer.get("clusterUserInfo")) or answer).get("requestedUser")
    return name if isinstance(name, str) else ""


def ask_json(session: HttpSession, url: str, timeout_s: float) -> tuple[Mapping[str, Any], str]:
    """A JSON object, or what went wrong in a few words."""
    try:
        reply = session.request("GET", url, headers=_JSON, timeout_s=timeout_s)
        if reply.status != 200:
            return {}, f"status {reply.status}"
        return as_mapping(reply.json()), ""
    except BatchSubmitError as error:
        return {}, _first_line(error)


def hands_out_logs(session: HttpSession, history_url: str, container: str, timeout_s: float) -> bool | None:
    """Whether the history server lists a container's logs for this session; ``None`` when its answer says neither."""
    url = f"{history_url}/ws/v1/history/containers/{quote(container)}/logs"
    reply = session.request("GET", url, headers=_JSON, timeout_s=timeout_s)
    if reply.status == 200:
        return b"fileName" in reply.body or None
    return False if reply.status in (401, 403) else None


def _first_line(error: BatchSubmitError) -> str:
    return f"{error.message} ({error.details[0]})" if error.details else error.message


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return max(0, int(value))
