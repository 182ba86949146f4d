"""Questions of ``doctor`` and of the look before a submit to NameNodes. GETs only: nothing is written to find out.

Sources: Hadoop 3.5.0 ``WebHDFS.md`` (CHECKACCESS, GETQUOTAUSAGE), the beans of the NameNode's ``/jmx``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from batch_submit.adapters.host_probe import Watch
from batch_submit.adapters.http_reply import HttpResponse
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.rm_replies import as_list, as_mapping
from batch_submit.adapters.webhdfs_errors import NOT_HERE, error_for
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, NotFound
from batch_submit.plan.health import ServerAnswer
from batch_submit.plan.health_hdfs import Folder, NameSpace, Quota, Staged

_BEAN = "Hadoop:service=NameNode,name="


class HdfsProbe:
    """One cluster's NameNodes; finds the active one at the first question that needs it.

    Parameters
    ----------
    urls
        Web addresses without ``/webhdfs/v1``.
    """

    def __init__(self, urls: tuple[str, ...], session: HttpSession, user: str, clock: Watch, timeout_s: float) -> None:
        self._urls = urls
        self._session = session
        self._user = user
        self._clock = clock
        self._timeout_s = timeout_s
        self._active = ""

    def answers(self) -> list[ServerAnswer]:
        """What each NameNode says of itself."""
        return [self._ask(url) for url in self._urls]

    def _ask(self, url: str) -> ServerAnswer:
        began = self._clock.monotonic()
        try:
            reply = self._get(url, "/webhdfs/v1/?op=GETFILESTATUS")
        except BatchSubmitError as error:
            said = f" ({error.details[0]})" if error.details else ""
            return ServerAnswer(url, error=error.message + said)
        latency_ms = 1000 * (self._clock.monotonic() - began)
        failure = reply.failure() if reply.status >= 300 else None
        if failure is not None and failure.exception == "StandbyException":
            return ServerAnswer(url, "standby", self._bean(url, "NameNodeInfo", "SoftwareVersion"), latency_ms)
        if failure is not None:
            return ServerAnswer(url, error=" ".join(str(failure).split())[:200])
        self._active = self._active or url
        return ServerAnswer(url, "active", self._bean(url, "NameNodeInfo", "SoftwareVersion"), latency_ms)

    def name_space(self) -> NameSpace | None:
        """Safe mode and space, from the active NameNode's ``/jmx``; ``None`` where that is not served (HttpFS)."""
        base = self._active or self._urls[0]
        state = self._beans(base, "FSNamesystemState")
        if not state:
            return None
        text = ""
        if str(state.get("FSState") or "Operational") != "Operational":
            text = self._bean(base, "NameNodeInfo", "Safemode") or "safe mode"
        return NameSpace(
            safe_mode=text,
            free_bytes=_number(state, "CapacityRemaining"),
            total_bytes=_number(state, "CapacityTotal"),
            live_datanodes=_number(state, "NumLiveDataNodes"),
            dead_datanodes=_number(state, "NumDeadDataNodes"),
        )

    def missing_blocks(self) -> int:
        """Blocks without any replica; -1 when it is not told."""
        text = self._bean(self._active or self._urls[0], "FSNamesystem", "MissingBlocks")
        return int(text) if text.isdecimal() else -1

    def folder(self, path: str, *, look: bool = True) -> Folder:
        """Whether the user can write into a folder, by the NameNode's own judgement.

        Parameters
        ----------
        look
            Ask for its kind too; without it (one question less) a file counts as a folder.
        """
        try:
            if look and as_mapping(self._op(path, "GETFILESTATUS").get("FileStatus")).get("type") == "FILE":
                return Folder(path, "not a folder")
            self._op(path, "CHECKACCESS", fsaction="-wx")
        except NotFound:
            return Folder(path, "missing", parent_writable=self._can_make(path))
        except ClusterRefused as error:
            return Folder(path, "refused", said=error.details[0] if error.details else error.message)
        return Folder(path, "writable")

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        try:
            self._op(path, "GETFILESTATUS")
        except NotFound:
            return False
        return True

    def _can_make(self, path: str) -> bool:
        above = posixpath.dirname(path)
        while True:
            try:
                self._op(above, "CHECKACCESS", fsaction="-wx")
                return True
            except NotFound:
                if above == "/":
                    return False
                above = posixpath.dirname(above)
            except ClusterRefused:
                return False

    def quota(self, path: str) -> Quota | None:
        """The limits of a folder; ``None`` when there is no such folder."""
        try:
            found = as_mapping(self._op(path, "GETQUOTAUSAGE").get("QuotaUsage"))
        except NotFound:
            return None
        names, space = _number(found, "fileAndDirectoryCount"), _number(found, "spaceConsumed")
        return Quota(path, names, _number(found, "quota"), space, _number(found, "spaceQuota"))

    def staged(self, base: str) -> list[Staged]:
        """The application folders below ``<base>/.sparkStaging``, without their sizes."""
        folder = posixpath.join(base, ".sparkStaging")
        try:
            listed = as_mapping(self._op(folder, "LISTSTATUS").get("FileStatuses")).get("FileStatus")
        except NotFound:
            return []
        now_ms = self._clock.now_utc().timestamp() * 1000
        out = []
        for row in as_list(listed):
            name = str(as_mapping(row).get("pathSuffix") or "")
            if name.startswith("application_"):
                age_s = max(0.0, (now_ms - _number(as_mapping(row), "modificationTime")) / 1000)
                out.append(Staged(posixpath.join(folder, name), name, age_s))
        return out

    def size_bytes(self, path: str) -> int:
        """Bytes of everything below a folder; -1 when it is gone by now."""
        try:
            return _number(as_mapping(self._op(path, "GETCONTENTSUMMARY").get("ContentSummary")), "length")
        except NotFound:
            return -1

    def _op(self, path: str, op: str, **params: str) -> Mapping[str, Any]:
        """One WebHDFS question to the active NameNode.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable, HostNotReady
            As :func:`batch_submit.adapters.webhdfs_errors.error_for` reads the answer.
        """
        target = f"/webhdfs/v1{quote(path)}?{urlencode({'op': op, **params})}"
        last: BatchSubmitError = ClusterUnreachable("no NameNode answers", where=path)
        for base in dict.fromkeys((self._active, *self._urls) if self._active else self._urls):
            try:
                reply = self._get(base, target)
            except ClusterUnreachable as error:
                last = error
                continue
            failure = reply.failure() if reply.status >= 300 else None
            if failure is not None and failure.exception in NOT_HERE:
                last = error_for(failure, path, self._user)
                continue
            if failure is not None:
                raise error_for(failure, path, self._user) from failure
            self._active = base
            return as_mapping(reply.json()) if reply.body else {}  # CHECKACCESS says yes by an empty 200
        raise last

    def _beans(self, base: str, bean: str) -> Mapping[str, Any]:
        return self._jmx(base, f"qry={_BEAN}{bean}")

    def _bean(self, base: str, bean: str, attribute: str) -> str:
        value = self._jmx(base, f"get={_BEAN}{bean}::{attribute}").get(attribute)
        return str(value) if isinstance(value, (str, int, float)) else ""

    def _jmx(self, base: str, query: str) -> Mapping[str, Any]:
        try:
            reply = self._get(base, f"/jmx?{query}")
            if reply.status != 200:
                return {}
            beans = as_list(as_mapping(reply.json()).get("beans"))
        except BatchSubmitError:
            return {}  # a gateway serves WebHDFS alone
        return as_mapping(beans[0]) if beans else {}

    def _get(self, base: str, target: str) -> HttpResponse:
        return self._session.request("GET", base + target, timeout_s=self._timeout_s)


def _number(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else -1
