"""What NodeManager and JobHistoryServer say about logs, as our types; no reply shape of Hadoop 2.10 to 3.5 raises.

The root is ``containerLogsInfoes`` (history server), ``containerLogsInfo`` (NodeManager), or none and a bare list (in
older ones); one object stands for a list of one; ``fileSize`` is a number or a text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

from batch_submit.adapters.aggregated_logs.parts import safe_container, safe_name
from batch_submit.adapters.framed_logs import node_address
from batch_submit.adapters.http_reply import HttpResponse
from batch_submit.adapters.rm_replies import as_list, as_mapping
from batch_submit.container_logs import LogFile
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, HostNotReady, NotFound

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = re.compile(r"\w{3} (\w{3}) (\d{1,2}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d) (\d{4})")
#: Words of a server for "not yours" (sources: ``NMWebServices``, ``LogServlet``; seen on 3.5.0 with ACLs on).
_REFUSALS = (
    "not authorized",
    "does not have privilege",
    "Permission denied",
    "AccessControlException",
    "AuthorizationException",
)
#: Words of a server for "there is none"; they come with 404, 500 or 503.
_ABSENCES = ("does not exist", "Can not find", "Cannot find", "Unknown container", "HTTP 404", "NotFoundException")


#: ``isdigit`` takes digits that ``int`` does not, and any number of them.
_SIZE = re.compile(r"[0-9]{1,18}")


def parse_log_files(reply: Any, *, complete: bool, only: str = "") -> list[LogFile]:
    """The files of a listing. The parts of a rolling aggregation count as one file: sizes added, the latest time.

    Parameters
    ----------
    complete
        Whether the files of this listing can't grow any more.
    only
        Take only entries of this ``logAggregationType`` (those without one too): ``LOCAL``, ``AGGREGATED``.
    """
    found: dict[tuple[str, str], LogFile] = {}
    for file in _parts(reply, complete, only):
        earlier = found.get((file.container_id, file.name))
        found[file.container_id, file.name] = file if earlier is None else _joined(earlier, file)
    return sorted(found.values(), key=lambda file: (file.container_id, file.name))


def parts_of(reply: Any) -> Counter[tuple[str, str]]:
    """Of how many parts each file of a listing consists, by container id and name."""
    return Counter((file.container_id, file.name) for file in _parts(reply, True, ""))


def _parts(reply: Any, complete: bool, only: str) -> Iterator[LogFile]:
    entries = reply
    for root in ("containerLogsInfoes", "containerLogsInfo"):
        entries = entries.get(root, entries) if isinstance(entries, Mapping) else entries
    for one in as_list(entries):
        entry = as_mapping(one)
        if only and entry.get("logAggregationType") not in (only, None, ""):
            continue
        container_id, node = str(entry.get("containerId") or ""), node_address(str(entry.get("nodeId") or ""))
        for item in as_list(entry.get("containerLogInfo")):
            file = _log_file(as_mapping(item), container_id, node, complete)
            if safe_container(file.container_id) and safe_name(file.name):
                yield file


def _log_file(item: Mapping[str, Any], container_id: str, node: str, complete: bool) -> LogFile:
    text = str(item.get("fileSize", "")).strip()
    return LogFile(
        container_id,
        str(item.get("fileName") or ""),
        int(text) if _SIZE.fullmatch(text) else None,
        node,
        parse_time_ms(str(item.get("lastModifiedTime") or "")),
        complete,
    )


def _joined(first: LogFile, second: LogFile) -> LogFile:
    size = None if first.size is None or second.size is None else first.size + second.size
    latest = max(first.modified_ms, second.modified_ms)
    return LogFile(
        first.container_id, first.name, size, first.node or second.node, latest, first.complete and second.complete
    )


def parse_time_ms(text: str) -> int:
    """``Sat Nov 21 11:48:52 +0000 2026`` as milliseconds since the epoch; 0 for what can't be read.

    Read by hand: :func:`time.strptime` knows the month names of this host's locale only.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or match.group(1).lower() not in _MONTHS:
        return 0
    month, day, hour, minute, second, sign, zone_h, zone_m, year = match.groups()
    offset = timedelta(hours=int(zone_h), minutes=int(zone_m)) * (1 if sign == "+" else -1)
    try:
        number = _MONTHS.index(month.lower()) + 1
        moment = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset))
    except ValueError:
        return 0
    return int(moment.timestamp() * 1000)


def raise_for(reply: HttpResponse, who: str) -> NoReturn:
    """Map an answer that is no log and no listing; the server's words go along.

    Raises
    ------
    NotFound
        It does not have it: also a redirect (it says that somebody else has it) and a server too old for the path.
    ClusterRefused
        It says that the caller may not read it.
    HostNotReady
        It wants a ticket.
    ClusterUnreachable
        Anything else.
    """
    failure = reply.failure()
    words = failure.message or " ".join(reply.words())
    where = reply.url.partition("?")[0]
    error: BatchSubmitError
    if 300 <= reply.status < 400:
        error = NotFound(f"{who} does not have it and sends on to another server", where=where)
    elif reply.status == 401:
        error = HostNotReady(f"{who} wants authentication (401)", where=where, next_step="klist -s || kinit")
    elif reply.status == 403 or any(text in f"{failure.exception} {words}" for text in _REFUSALS):
        error = ClusterRefused(f"{who} refuses ({reply.status})", where=where, details=_lines(words))
    elif reply.status == 404 or any(text in words for text in _ABSENCES):
        error = NotFound(f"{who} does not have it ({reply.status})", where=where, details=_lines(words))
    else:
        error = ClusterUnreachable(f"{who} answers with an error ({reply.status})", where=where, details=_lines(words))
    raise error from failure


def _lines(words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line.strip() for line in words.splitlines() if line.strip()))[:5]
