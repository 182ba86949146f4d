"""What a ResourceManager sends, as our types. Pure; no reply shape of Hadoop 2.10 to 3.5 makes it raise.

Absent, ``null``, ``""`` and ``{}`` are equal, and one object is a list of one: Hadoop up to 3.4 writes JSON with
Jersey 1, 3.5 with MOXy (YARN-11874), and they differ in all of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.model import APPLICATION_ID, ApplicationReport, AttemptReport, FinalStatus, State

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Lifetime:
    """Until when YARN lets an application live (timeout type ``LIFETIME``).

    Parameters
    ----------
    expiry_ms
        Milliseconds since the epoch by the ResourceManager's clock.
    remaining_s
        Seconds that are left; 0 once it has expired, ``None`` when the server does not say.
    """

    expiry_ms: int
    remaining_s: int | None = None


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """List, single object, ``null``, ``""`` and ``{}`` as one list."""
    if isinstance(value, list):
        return [item for item in value if item not in (None, "", {})]
    return [value] if value not in (None, "", {}) else []


def parse_application(reply: Any) -> ApplicationReport:
    """One application, either as ``{"app": {…}}`` or as the inner object.

    Returns
    -------
    ApplicationReport
        Numbers that are absent, or that a server hides from strangers, have the defaults of the type; an unknown state
        is ``UNKNOWN``, which is not terminal. The ``application_id`` is empty without an ``id``.
    """
    outer = as_mapping(reply)
    app = as_mapping(outer.get("app")) or outer
    tags = _text(app, "applicationTags").lower().split(",")
    timeouts = app.get("timeouts")
    lifetime = parse_lifetime(timeouts) if timeouts else None
    return ApplicationReport(
        application_id=_application_id(app),
        name=_text(app, "name"),
        user=_text(app, "user"),
        queue=_text(app, "queue"),
        state=State.parse(_text(app, "state")),
        final_status=FinalStatus.parse(_text(app, "finalStatus")),
        progress=_float(app, "progress"),
        application_type=_text(app, "applicationType"),
        tags=tuple(tag.strip() for tag in tags if tag.strip()),
        diagnostics=_text(app, "diagnostics"),
        tracking_url=_text(app, "trackingUrl"),
        started_ms=_time(app, "startedTime"),
        launched_ms=_time(app, "launchTime"),
        finished_ms=_time(app, "finishedTime"),
        elapsed_ms=_time(app, "elapsedTime"),
        am_container_logs=_text(app, "amContainerLogs"),
        allocated_memory_mib=_int(app, "allocatedMB", -1),
        allocated_vcores=_int(app, "allocatedVCores", -1),
        running_containers=_int(app, "runningContainers", -1),
        memory_seconds=_time(app, "memorySeconds"),
        vcore_seconds=_time(app, "vcoreSeconds"),
        log_aggregation_status=_text(app, "logAggregationStatus"),
        priority=_int(app, "priority", 0),
        tracking_ui=_text(app, "trackingUI"),
        am_node_http=_text(app, "amHostHttpAddress"),
        reserved_memory_mib=_int(app, "reservedMB", -1),
        reserved_vcores=_int(app, "reservedVCores", -1),
        queue_usage_percent=_float(app, "queueUsagePercentage", -1.0),
        cluster_usage_percent=_float(app, "clusterUsagePercentage", -1.0),
        preempted_memory_mib=_time(app, "preemptedResourceMB"),
        preempted_vcores=_time(app, "preemptedResourceVCores"),
        preempted_containers=_time(app, "numNonAMContainerPreempted") + _time(app, "numAMContainerPreempted"),
        lifetime_expiry_ms=lifetime.expiry_ms if lifetime is not None else 0,
        lifetime_left_s=lifetime.remaining_s if lifetime is not None and lifetime.remaining_s is not None else -1,
    )


def _application_id(app: Mapping[str, Any]) -> str:
    """The id; "" for a text that is none: it goes into paths, command lines and other people's scripts."""
    text = _text(app, "id")
    return text if APPLICATION_ID.fullmatch(text) else ""


def parse_attempts(reply: Any) -> list[AttemptReport]:
    """The attempts of an application, first to last; of a stranger's application only their numbers."""
    outer = as_mapping(reply)
    inner = as_mapping(outer.get("appAttempts")) or outer
    attempts = [as_mapping(item) for item in as_list(inner.get("appAttempt"))]
    found = [
        AttemptReport(
            number=_int(one, "id", 0),
            attempt_id=_text(one, "appAttemptId"),
            state=_text(one, "appAttemptState"),
            container_id=_text(one, "containerId"),
            node=_text(one, "nodeId"),
            node_http=_text(one, "nodeHttpAddress"),
            logs_url=_text(one, "logsLink"),
            started_ms=_time(one, "startTime"),
            finished_ms=_time(one, "finishedTime"),
        )
        for one in attempts
    ]
    return sorted((one for one in found if one.number > 0), key=lambda one: one.number)


def parse_applications(reply: Any) -> list[ApplicationReport]:
    """The applications of a listing, in the server's order, which means nothing; without those that lack an id."""
    reports = [parse_application(item) for item in as_list(as_mapping(as_mapping(reply).get("apps")).get("app"))]
    return [report for report in reports if report.application_id]


def parse_lifetime(reply: Any) -> Lifetime | None:
    """The answer of ``/apps/{id}/timeouts/LIFETIME`` or ``/timeouts``; ``None`` without a bound."""
    outer = as_mapping(reply)
    inner = as_mapping(outer.get("timeouts")) or outer
    for item in as_list(inner.get("timeout")) or [inner]:
        entry = as_mapping(item)
        if _text(entry, "type").upper() not in ("LIFETIME", ""):
            continue
        expiry_ms = _expiry_ms(_text(entry, "expiryTime"))
        if expiry_ms is not None:
            remaining = _int(entry, "remainingTimeInSeconds", -1)
            return Lifetime(expiry_ms, remaining if remaining >= 0 else None)
    return None


def parse_priority(reply: Any) -> int | None:
    """The answer of ``/apps/{id}/priority``; ``None`` for one that names none."""
    held = str(as_mapping(reply).get("priority") or 0)
    return int(held) if len(held) <= 11 and held.isascii() and held.removeprefix("-").isdecimal() else None


def lifetime_text(expiry: datetime | int) -> str:
    """An expiry as the ResourceManager reads it: ``yyyy-MM-dd'T'HH:mm:ss.SSSZ`` in UTC (source: YARN ``Times``).

    Parameters
    ----------
    expiry
        A datetime with a zone, or milliseconds since the epoch.
    """
    if isinstance(expiry, datetime):
        if expiry.tzinfo is None:
            raise UsageError(f"the expiry {expiry.isoformat()} has no time zone")
        moment = expiry.astimezone(timezone.utc)
    else:
        moment = _EPOCH + timedelta(milliseconds=expiry)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def queue_matches(reported: str, wanted: str) -> bool:
    """Whether two names mean one queue: 3.5 reports ``root.ml-queue`` for what was submitted to ``ml-queue``."""
    return reported == wanted or reported.endswith(f".{wanted}") or wanted.endswith(f".{reported}")


def _expiry_ms(text: str) -> int | None:
    if not text or text.upper() == "UNLIMITED":
        return None
    # Read here and not by strptime, whose first call loads the calendar and the locale.
    zoned = text[:-1] + "+00:00" if text.endswith("Z") else text[:-2] + ":" + text[-2:]
    try:
        return (datetime.fromisoformat(zoned) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError):  # TypeError: without a zone
        return None


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else ""


def _float(fields: Mapping[str, Any], name: str, default: float = 0.0) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return default
    try:
        number = float(value)
    except ValueError:
        return default
    return number if abs(number) < 1e18 else default  # NaN and infinities fail the comparison too


def _int(fields: Mapping[str, Any], name: str, default: int) -> int:
    value = fields.get(name)
    if type(value) is int:  # and no bool
        return value  # not through a float, which has 53 bits
    return int(_float(fields, name, default))


def _time(fields: Mapping[str, Any], name: str) -> int:
    """A number that is never negative: 0 for absent and for the -1 of the servers."""
    value = fields.get(name)
    if type(value) is not int:  # the usual case comes first: a listing has tens of thousands of these
        value = _int(fields, name, 0)
    return value if value > 0 else 0
