"""Backend ``yarn``: applications on a cluster; its truth is the ResourceManager's terminal state and final status."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from batch_submit.backends.base import Preparation
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, HostNotReady, NotFound, OutcomeUnknown
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.tags import OUR_TAG, run_tag, try_tag

if TYPE_CHECKING:
    from batch_submit.adapters.spark_submit import Child
    from batch_submit.adapters.terminal import Terminal
    from batch_submit.backends.base import LaunchRecord
    from batch_submit.container_logs import ApplicationLogs
    from batch_submit.launchers.rest import RestLauncher
    from batch_submit.model import ApplicationReport, AttemptReport, Search
    from batch_submit.plan.rest.submission import RestJob
    from batch_submit.plan.resume import Marks
    from batch_submit.plan.submission import JobSpec, SubmissionPlan
    from batch_submit.services import Clock, Cluster, SignalCount

#: How a plan reaches YARN: ``execution.launcher``.
AUTO, SPARK_SUBMIT, REST = "auto", "spark-submit", "rest"
EVENT_LOG = "spark.eventLog.enabled"
EVENT_LOG_FOLDER = "spark.eventLog.dir"
#: Looked at when nothing names an event-log folder; where most installations keep it.
DEFAULT_EVENT_LOG_FOLDER = "/spark-logs"


@dataclass
class YarnBackend:
    """Runs on a cluster.

    Parameters
    ----------
    servers
        The clients for this cluster.
    environment
        The whole environment of a launcher's child.
    folder
        Where a launcher keeps its files while it runs.
    staging_dirs
        Values of ``spark.yarn.stagingDir`` under which an application may have left files, besides the user's home.
    shared_dir
        The folder of files that many runs share: absolute, or a URI; "" is one below the user's home.
    submit_settle_s
        ``execution.submit_settle``.
    max_spark_submits
        How many spark-submits may run at once on this host; 0: as many as it has cores and GiB of memory.
    acts_for
        The proxy user; "" for ourselves. spark-submit is told by its own option, the cluster's programs by Hadoop's
        variable: without it they would kill and read as the owner of the ticket.
    """

    servers: Cluster
    environment: Mapping[str, str]
    folder: Path
    clock: Clock
    terminal: Terminal
    name: str = "yarn"
    staging_dirs: tuple[str, ...] = ()
    launcher: str = SPARK_SUBMIT
    shared_dir: str = ""
    max_spark_submits: int = 0
    submit_settle_s: float = 30.0
    acts_for: str = ""
    _child: Child | None = None

    @property
    def cluster(self) -> str:
        """The scope of run ids."""
        return self.servers.key

    @property
    def user(self) -> str:
        """In whose name everything is asked and done."""
        return self.servers.user

    def prepare(self, spec: JobSpec) -> Preparation:
        """Find the active ResourceManager, and turn the event log on when its folder is there."""
        self.servers.resource_manager.info()
        conf = dict(spec.conf)
        staging = conf.get("spark.yarn.stagingDir")
        if staging is not None and staging.value:
            self.staging_dirs = tuple(dict.fromkeys((str(staging.value), *self.staging_dirs)))
        return self._event_log(conf)

    def _event_log(self, conf: dict[str, Sourced]) -> Preparation:
        # On viewfs or s3a the folder that WebHDFS shows is not the one that Spark would find under its name.
        if EVENT_LOG in conf or self.servers.webhdfs is None or not self.servers.default_fs.startswith("hdfs://"):
            return Preparation(conf)
        named = conf.get(EVENT_LOG_FOLDER)
        folder = str(named.value) if named is not None else DEFAULT_EVENT_LOG_FOLDER
        path = _hdfs_path(folder, self.servers.default_fs)
        if not path:
            return Preparation(conf)
        try:
            there = self.servers.webhdfs.exists(path)
        except BatchSubmitError as error:
            return Preparation(conf, (f"the event log stays off: {path} can't be looked at ({error.message})",))
        if there:
            conf[EVENT_LOG] = Sourced("true", f"{path} exists")
            conf.setdefault(EVENT_LOG_FOLDER, Sourced(f"hdfs://{path}", f"{path} exists"))
            return Preparation(conf)
        notices = (f"the event log stays off: {folder} ({named.origin}) does not exist",) if named is not None else ()
        return Preparation(conf, notices)

    def submit(self, plan: SubmissionPlan, number: int, signals: SignalCount, record: LaunchRecord) -> str:
        """See :class:`batch_submit.backends.base.Backend`."""
        if self.launcher != SPARK_SUBMIT or record.reserved_id:
            from batch_submit.backends.yarn_rest import fall_back
            from batch_submit.launchers.rest_errors import NeedsSparkSubmit, internal

            if self.launcher == SPARK_SUBMIT:
                self.terminal.note(
                    f"{record.reserved_id} is posted over REST although launcher {SPARK_SUBMIT} is named: an earlier"
                    " call reserved it and may have posted it, and spark-submit would make another one beside it"
                )
            try:
                launcher, job = self.over_rest(plan)
                asks = self.launcher == AUTO and not record.reserved_id
                able = launcher.asked_whether_able(job) if asks else None
            except NeedsSparkSubmit as needed:
                fall_back(self, plan, needed, record.reserved_id)
            except OutcomeUnknown:
                raise
            except BatchSubmitError as error:
                if not record.reserved_id:
                    raise
                fall_back(self, plan, NeedsSparkSubmit(error.message), record.reserved_id)
            except Exception as error:
                if record.reserved_id:
                    raise  # an earlier call may have posted it
                raise internal(error) from error
            else:
                self.terminal.debug("launcher: rest")
                if record.reserved_id:
                    return launcher.post_again(job, signals, record)
                return launcher.launch(job, signals, record, able)
        from batch_submit.launchers.slots import one_of_the_slots
        from batch_submit.launchers.spark_submit import SparkSubmitLauncher

        by_program = SparkSubmitLauncher(
            self.servers.resource_manager,
            self.environment,
            _usable(self.folder),
            self.clock,
            self.terminal,
            self.submit_settle_s,
        )
        with ExitStack() as slot:
            slot.enter_context(one_of_the_slots(plan, by_program, signals, self.max_spark_submits))
            record.launching()
            launched = by_program.launch(plan, number, signals, record.at_gate, slot.close)
        self._child = launched.child
        return launched.application_id

    def epoch(self) -> str:
        """The ResourceManager's cluster timestamp, which stands in every application id that it gives out."""
        return str(self.servers.resource_manager.info().get("id") or "")

    def marks(self) -> Marks:
        """See :class:`batch_submit.backends.base.Backend`."""
        from batch_submit.adapters.submission import COMPLETED_KEPT, completed_kept
        from batch_submit.plan.resume import Marks

        manager = self.servers.resource_manager
        return Marks(
            self.epoch(), manager.submitted_so_far(), completed_kept(manager, self.servers.conf.get(COMPLETED_KEPT))
        )

    def over_rest(self, plan: SubmissionPlan, *, asks: bool = True) -> tuple[RestLauncher, RestJob]:
        """The launcher that needs no JVM, and the job as it takes it; see `backends.yarn_rest.over_rest`."""
        from batch_submit.backends.yarn_rest import over_rest

        return over_rest(self, plan, asks=asks)

    def find_run(self, run_id: str) -> list[ApplicationReport]:
        """See :class:`batch_submit.backends.base.Backend`."""
        return self.servers.resource_manager.find_by_tag(run_tag(run_id))

    def find_try(self, run_id: str, number: int) -> ApplicationReport | None:
        """See :class:`batch_submit.backends.base.Backend`."""
        found = self.servers.resource_manager.find_by_tag(try_tag(run_id, number))
        return found[0] if found else None

    def report(self, application_id: str) -> ApplicationReport:
        """See :class:`batch_submit.backends.base.Backend`."""
        return self.servers.resource_manager.application(application_id)

    def applications(self) -> list[ApplicationReport]:
        """See :class:`batch_submit.backends.base.Backend`."""
        found = self.servers.resource_manager.applications(tags=(OUR_TAG,), user=self.user)
        return [report for report in found if report.user == self.user]

    def search(self, search: Search) -> list[ApplicationReport]:
        """See :class:`batch_submit.backends.base.Backend`.

        With a bound on the end two questions are asked, because the server's excludes what has not ended. First for
        what lives: an application that ends between the two is then in both answers and not in none. A state that this
        release does not know can't be asked for (the server refuses words that it does not know): it is found without a
        bound, or with ``UNKNOWN`` among the states, when everything is asked for and the caller filters.
        """
        from batch_submit.model import State

        ask = self.servers.resource_manager.applications
        tags = (search.tag,) if search.tag else ()
        user, types = search.user or None, search.application_types
        states = () if State.UNKNOWN in search.states else search.states
        if search.ended_after_ms is None or State.UNKNOWN in search.states:
            found = ask(tags=tags, user=user, application_types=types, states=states)
        else:
            wanted = states or tuple(state for state in State if state is not State.UNKNOWN)
            live = tuple(state for state in wanted if not state.terminal)
            ended = tuple(state for state in wanted if state.terminal)
            found = ask(tags=tags, user=user, application_types=types, states=live) if live else []
            if ended:
                after = search.ended_after_ms
                found += ask(tags=tags, user=user, application_types=types, states=ended, finished_after_ms=after)
        latest = {report.application_id: report for report in found}
        return [report for report in latest.values() if not user or report.user == user]

    def attempts(self, application_id: str) -> list[AttemptReport]:
        """See :class:`batch_submit.backends.base.Backend`."""
        return self.servers.resource_manager.attempts(application_id)

    def kill(self, application_id: str) -> None:
        """Over REST; where its authentication does not let us in (401), by the cluster's own program if it is there.

        Raises
        ------
        HostNotReady
            The server's 401, when there is no program or it did not succeed either.
        """
        try:
            self.servers.resource_manager.kill(application_id)
        except HostNotReady as refused:
            from batch_submit.adapters.yarn_kill_program import kill_by_program

            said = kill_by_program(application_id, self._programs_environment())
            if said is None:
                raise
            if said:
                refused.details = (*refused.details, f"yarn application -kill did not help: {said}")
                raise
            self.terminal.note(f"{application_id}: REST refused (401), asked by yarn application -kill")

    def _programs_environment(self) -> Mapping[str, str]:
        return {**self.environment, "HADOOP_PROXY_USER": self.acts_for} if self.acts_for else self.environment

    def limit_lifetime(self, application_id: str, timeout_s: float) -> bool:
        """PUT the LIFETIME; expiry is the application's own start time plus the limit, never our clock."""
        from batch_submit.model import LIFETIME_TOLERANCE_MS

        report = self.report(application_id)
        if report.state.terminal or report.started_ms <= 0:
            return report.state.terminal
        expiry_ms = report.started_ms + int(timeout_s * 1000)
        held = self.servers.resource_manager.set_lifetime(application_id, expiry_ms)
        # A cluster with a maximum of its own, or an earlier limit, may answer 200 and hold another time.
        return held is not None and abs(held.expiry_ms - expiry_ms) <= LIFETIME_TOLERANCE_MS

    def leave(self) -> bool:
        """In client mode the driver is our child and ends with us; in cluster mode nothing is held."""
        if self._child is None:
            return True
        self._child.end()
        return False

    def after_failure(self, application_id: str) -> list[str]:
        """Delete ``.sparkStaging/<id>``: a failed or killed application leaves its files, keytab included, behind.

        Seen on Hadoop 3.5.0 with Spark 4.3.0: the application master deletes it only at a normal end. There it lies
        below ``<spark.yarn.stagingDir>/<user>``; older Sparks leave the user out, so both places are looked at.
        """
        webhdfs = self.servers.webhdfs
        if webhdfs is None:
            return []
        bases = [self.servers.home_folder]
        for named in self.staging_dirs:
            base = _hdfs_path(named, self.servers.default_fs)
            bases += [f"{base.rstrip('/')}/{self.user}", base.rstrip("/")] if base else []
        done = []
        for base in dict.fromkeys(bases):
            path = f"{base}/.sparkStaging/{application_id}"
            try:
                if webhdfs.delete(path, recursive=True):
                    done.append(f"deleted {path}")
            except NotFound:
                continue
            except BatchSubmitError as error:
                done.append(f"{path} may be left behind: {error.message}")
        return done

    def left_behind(self, run_id: str) -> tuple[int, ...]:
        """See :class:`batch_submit.backends.base.Backend`; YARN ends a container with all that it has started."""
        return ()

    def read_artifact(self, path: str, limit: int) -> bytes | None:
        """See :class:`batch_submit.backends.base.Backend`."""
        name = _hdfs_path(path, self.servers.default_fs)
        if self.servers.webhdfs is None or not name:
            return None
        try:
            return self.servers.webhdfs.read_bytes(name, limit)
        except NotFound:
            return None

    def open_logs(
        self,
        report: ApplicationReport,
        *,
        patience_s: float = 0.0,
        waiting: Callable[[str], None] | None = None,
        source: str = "",
        drivers_only: bool = False,
    ) -> ApplicationLogs:
        """See :class:`batch_submit.backends.base.Backend`."""
        from batch_submit.backends.yarn_logs import YarnLogs

        logs = YarnLogs(self.servers, self.clock, self._programs_environment())
        return logs.open(report, patience_s, waiting, source, drivers_only)

    def hints(self, application_id: str) -> Mapping[str, str]:
        """See :class:`batch_submit.backends.base.Backend`."""
        try:
            page = f"{self.servers.resource_manager.active_url()}/cluster/app/{application_id}"
        except BatchSubmitError:
            page = ""
        return {
            "logs": f"batch-submit logs {application_id}",
            "kill": f"batch-submit kill {application_id}",
            "page": page,
        }

    def new_output(self, application_id: str) -> str:
        """A cluster's driver writes into its container's log; nothing of it comes by here."""
        return ""


def _usable(folder: Path) -> Path:
    """The launcher's folder; where the state folder can't be written to, a new one among the temporary files."""
    from batch_submit.adapters.own_files import own_folder

    with suppress(OSError):
        own_folder(folder)
    if not os.access(folder, os.W_OK):
        import tempfile

        with suppress(OSError):
            return Path(tempfile.mkdtemp(prefix="batch-submit-"))
    return folder


def _hdfs_path(uri: str, default_fs: str) -> str:
    """The path that WebHDFS of the default filesystem knows a URI by; "" when it lies on another filesystem."""
    if uri.startswith("/"):
        return uri.rstrip("/") or "/"
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme != "hdfs":
        return ""
    authority, slash, path = rest.partition("/")
    if authority and f"hdfs://{authority}" != default_fs.rstrip("/"):
        return ""
    return (slash + path).rstrip("/") or "/"
