"""Where a YARN application's logs are to be had now: NodeManagers while it runs, then who serves the aggregated ones.

The order after the end: JobHistoryServer, the aggregated files in HDFS read by us, the ``yarn`` program. Every source
that does not serve leaves its reason; only when none does is there an error, which names them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field

from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.running_containers import CONTAINER_ID, RunningContainer, RunningContainers
from batch_submit.container_logs import ApplicationLogs, ContainerLogs, LogFile, LogSource
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, HostNotReady, NotFound
from batch_submit.model import ApplicationReport, State
from batch_submit.services import Clock, Cluster

NODE_MANAGERS, HISTORY_SERVER, HDFS, PROGRAM = "nm", "jhs", "hdfs", "yarn"
#: The names that ``--source`` takes.
SOURCES = (NODE_MANAGERS, HISTORY_SERVER, HDFS, PROGRAM)

#: Words of ``logAggregationStatus`` after which nothing more comes.
_SETTLED = ("SUCCEEDED", "FAILED", "TIME_OUT", "DISABLED")
#: A NodeManager uploads within a minute or two. What was not uploaded so long after the end never will be: after a
#: restart of the ResourceManager the status may say NOT_START for ever (seen on 3.5.0).
_UPLOAD_IS_OVER_MS = 10 * 60 * 1000
_FIRST_LOOK_S, _LAST_LOOK_S = 0.5, 3.0

Waiting = Callable[[str], None]
#: Files, who serves them, and why something may be missing.
_Served = tuple[list[LogFile], LogSource, str]


@dataclass
class YarnLogs:
    """Opens the logs of applications of one cluster; see :meth:`batch_submit.backends.base.Backend.open_logs`."""

    servers: Cluster
    clock: Clock
    environment: Mapping[str, str]
    _notices: list[str] = field(default_factory=list)

    def open(
        self, report: ApplicationReport, patience_s: float, waiting: Waiting | None, source: str, drivers_only: bool
    ) -> ApplicationLogs:
        """The log files, from the best source that has them now.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable
            No source serves; ``details`` has a line for each that was asked.
        """
        failures: list[BatchSubmitError] = []
        if not _ended(report) and source in ("", NODE_MANAGERS):
            try:
                return self._from_nodes(report, drivers_only)
            except BatchSubmitError as error:
                failures.append(error)
            if source:
                raise self._none(report, failures)
            report = self._again(report)
            if not _ended(report):
                raise self._none(report, failures)
        if source != NODE_MANAGERS:
            report = self._await_aggregation(report, patience_s, waiting)
        for kind in (source,) if source else self._order(report):
            try:
                return self._ask(kind, report, drivers_only)
            except BatchSubmitError as error:
                failures.append(error)
                self._notices.append(_line(error))
        raise self._none(report, failures)

    def _order(self, report: ApplicationReport) -> tuple[str, ...]:
        # While the nodes upload they still serve what they have; later they only send on to the history server.
        uploading = report.state is not State.UNKNOWN and report.log_aggregation_status not in _SETTLED
        return (HISTORY_SERVER, HDFS, *((NODE_MANAGERS,) if uploading else ()), PROGRAM)

    def _ask(self, kind: str, report: ApplicationReport, drivers_only: bool) -> ApplicationLogs:
        """What one source has; raises when that is nothing."""
        if kind == NODE_MANAGERS:
            return self._from_nodes(report, drivers_only)
        opener = {HISTORY_SERVER: self._from_history, HDFS: self._from_hdfs, PROGRAM: self._from_program}[kind]
        files, source, partial = opener(report)
        if not files:
            raise NotFound(f"{source.name} lists no file")
        missing = "; ".join(text for text in (_missing(report), partial) if text)
        return self._collected(report, [ContainerLogs(file, source) for file in files], missing)

    def _from_history(self, report: ApplicationReport) -> _Served:
        from batch_submit.adapters.history_server import HistoryServer

        url = self.servers.conf.history_server_url
        if not url:
            raise NotFound("JobHistoryServer: the configuration names none (yarn.log.server.web-service.url)")
        history = HistoryServer(url, self._session())
        return history.files(report.application_id), history, ""

    def _from_hdfs(self, report: ApplicationReport) -> _Served:
        from batch_submit.adapters.aggregated_logs.source import AggregatedLogs

        opener = self.servers.open_webhdfs
        webhdfs = self.servers.webhdfs or (opener() if opener is not None else None)
        if webhdfs is None:
            raise NotFound("HDFS: the configuration names no NameNode")
        aggregated = AggregatedLogs(webhdfs, self.servers.conf)
        files = aggregated.files(report.application_id, report.user)
        return files, aggregated, aggregated.partial

    def _from_program(self, report: ApplicationReport) -> _Served:
        from batch_submit.adapters.yarn_logs_program import YarnLogsProgram

        program = YarnLogsProgram.find(report.application_id, report.user, self.environment)
        if program is None:
            raise NotFound("yarn logs: no program yarn on PATH")
        return program.files(), program, ""

    def _from_nodes(self, report: ApplicationReport, drivers_only: bool) -> ApplicationLogs:
        """From the NodeManagers: one listing for each container.

        Raises
        ------
        NotFound
            No container runs (yet), or the nodes have none of its logs.
        """
        from batch_submit.adapters.node_manager import NodeManager

        session = self._session()
        asking = RunningContainers(self.servers.resource_manager, session, self._scheme())
        running = asking.find(report, masters_only=drivers_only)
        self._notices += asking.notices
        nodes: dict[str, NodeManager] = {}
        found: list[ContainerLogs] = []
        failed: list[BatchSubmitError] = []
        for one in running:
            node = nodes.setdefault(one.node_url, NodeManager(one.node_url, session))
            try:
                found += [ContainerLogs(file, node) for file in node.files(one.container_id)]
            except BatchSubmitError as error:
                failed.append(error)
                self._notices.append(f"{one.container_id}: {_line(error)}")
        if not found:
            strangers = report.state is State.RUNNING and report.user != self.servers.user
            if failed and not (strangers and all(isinstance(error, NotFound) for error in failed)):
                raise failed[0]
            if strangers:
                # A driver runs for sure; a stranger is shown an application without containers, and by the nodes of
                # those that Spark's own page names an answer as of containers that are no more (seen on 3.5.0).
                raise ClusterRefused(
                    f"the containers of {report.user}'s application are not shown to {self.servers.user}",
                    next_step=f"ask {report.user}; for the next one: spark.acls.enable and spark.ui.view.acls",
                )
            raise NotFound(f"no container of {report.application_id} has begun to write ({report.state.value})")
        partial = f"{report.application_id} is running: more may be written"
        if _ended(report):
            partial = _missing(report)
        return self._collected(report, found, partial, running)

    def _collected(
        self,
        report: ApplicationReport,
        files: Iterable[ContainerLogs],
        partial: str,
        running: Iterable[RunningContainer] = (),
    ) -> ApplicationLogs:
        ordered = sorted(files, key=lambda one: (one.file.container_id, one.file.name))
        ids = list(dict.fromkeys(one.file.container_id for one in ordered))
        masters = [one.container_id for one in running if one.is_master] or _masters(ids, report.am_container_logs)
        return ApplicationLogs(
            report.application_id,
            tuple(ordered),
            tuple(masters),
            partial,
            tuple(self._notices),
            {one.container_id: one.executor for one in running if one.executor},
        )

    def _await_aggregation(
        self, report: ApplicationReport, patience_s: float, waiting: Waiting | None
    ) -> ApplicationReport:
        """Ask until aggregation has settled, at most ``patience_s`` seconds; the last report."""
        deadline = self.clock.monotonic() + patience_s
        pause_s = _FIRST_LOOK_S
        while self._may_still_upload(report) and (left_s := deadline - self.clock.monotonic()) > 0:
            if waiting is not None:
                waiting(f"log aggregation: {report.log_aggregation_status}")
            self.clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, _LAST_LOOK_S)
            report = self._again(report)
        return report

    def _may_still_upload(self, report: ApplicationReport) -> bool:
        if not report.state.terminal or report.log_aggregation_status in ("", *_SETTLED) or not report.was_launched:
            return False
        now_ms = self.clock.now_utc().timestamp() * 1000
        return report.finished_ms <= 0 or now_ms - report.finished_ms < _UPLOAD_IS_OVER_MS

    def _again(self, report: ApplicationReport) -> ApplicationReport:
        try:
            return self.servers.resource_manager.application(report.application_id)
        except BatchSubmitError as error:
            self._notices.append(_line(error))
            return report

    def _session(self) -> HttpSession:
        if self.servers.session is None:
            raise HostNotReady("there is no HTTP session for the logs' servers")
        return self.servers.session

    def _scheme(self) -> str:
        return "https" if self.servers.conf.rm_https else "http"

    def _none(self, report: ApplicationReport, failures: list[BatchSubmitError]) -> BatchSubmitError:
        """The one error when nobody serves: a refusal says more than an absence, an outage asks for another try."""
        details = [_line(error) for error in failures]
        step = ""
        if not _ended(report):
            step = f"batch-submit logs {report.application_id} --follow   (waits for its containers)"
        elif report.state.terminal and not report.was_launched:
            details.append("no container of it was ever started: nothing was written")
            step = f"batch-submit status {report.application_id}"
        elif not self.servers.conf.log_aggregation_enabled:
            details.append("yarn.log-aggregation-enable is not true: logs stay on the nodes and are deleted there")
        text = f"no log of {report.application_id} is to be had"
        kinds: tuple[type[BatchSubmitError], ...] = (ClusterRefused, ClusterUnreachable, HostNotReady)
        if not _ended(report):
            # While it runs only its nodes can serve: that a history server refuses says nothing then.
            kinds = (ClusterUnreachable, ClusterRefused, HostNotReady)
        for kind in kinds:
            chosen = [error for error in failures if isinstance(error, kind) and not isinstance(error, NotFound)]
            if chosen:
                return kind(text, details=details, next_step=chosen[0].next_step or step)
        return NotFound(text, details=details, next_step=step)


def _ended(report: ApplicationReport) -> bool:
    """Whether nothing runs any more; an application that nobody knows is taken for one that ended long ago."""
    return report.state.terminal or report.state is State.UNKNOWN


def _missing(report: ApplicationReport) -> str:
    """What may be missing from aggregated logs; "" when everything is there."""
    status = report.log_aggregation_status
    if status in ("", "SUCCEEDED") or not report.state.terminal:
        return ""
    if status in _SETTLED:
        return f"log aggregation of {report.application_id} ended as {status}: logs of some nodes may be missing"
    return f"log aggregation of {report.application_id} says {status}: what is not uploaded yet is missing"


def _masters(container_ids: list[str], link: str) -> list[str]:
    """The application masters among containers, newest attempt first.

    The ResourceManager's link names the newest attempt's; of the others it is the first container of each attempt.
    """
    first: dict[str, str] = {}
    for container_id in sorted(container_ids):
        match = CONTAINER_ID.fullmatch(container_id)
        if match is not None:
            first.setdefault(match.group(1), container_id)
    named = CONTAINER_ID.search(link)
    if named is not None:
        first[named.group(1)] = named.group(0)
    return [first[attempt] for attempt in sorted(first, key=int, reverse=True)]


def _line(error: BatchSubmitError) -> str:
    words = "; ".join(error.details[:2])
    where = f"{error.where}: " if error.where else ""
    return f"{where}{error.message}" + (f" ({words})" if words else "")
