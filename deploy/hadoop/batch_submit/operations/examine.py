"""The looks of ``doctor``: at the configuration, this host, YARN, HDFS and the history servers. Each goes on when a
question is not answered, and none writes anything anywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from batch_submit.adapters import host_probe
from batch_submit.adapters.addresses import Addresses
from batch_submit.adapters.auth import build_session
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.hdfs_probe import HdfsProbe
from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.spark_finder import find_java, find_spark
from batch_submit.adapters.yarn_probe import (
    administers,
    ask_json,
    ask_resource_manager,
    conf_flag,
    named_user,
    parse_nodes,
    parse_scheduler,
)
from batch_submit.backends.yarn import DEFAULT_EVENT_LOG_FOLDER, EVENT_LOG_FOLDER, REST
from batch_submit.connecting import tls_settings
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady
from batch_submit.model import ApplicationReport
from batch_submit.operations.preflight import on_default_fs, sizes
from batch_submit.plan import health_hdfs, health_host, health_open, health_yarn
from batch_submit.plan.backend_choice import LOCAL, BackendChoice
from batch_submit.plan.health import Finding, red, skipped
from batch_submit.plan.health_hdfs import Folder, NameSpace, Staged
from batch_submit.plan.health_host import Spark
from batch_submit.plan.merged import Config
from batch_submit.plan.storage import storage_root
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.adapters.tls import Tls

REQUEST_S = 3.0
#: What can't be looked at without an active ResourceManager, or NameNode.
_NEED_YARN = (
    *("yarn.queue", "yarn.queue-access", "yarn.nodes", "yarn.driver-size", "yarn.executor-size"),
    *("open.yarn-acl", "open.rest-submission"),
)
_NEED_HDFS = (
    *("hdfs.safe-mode", "hdfs.space", "hdfs.home", "hdfs.storage-root"),
    *("hdfs.event-log", "hdfs.quota", "hdfs.staging"),
)
Answer = TypeVar("Answer")


@dataclass
class Scene:
    """What is looked at.

    Parameters
    ----------
    config
        Merged; from flags and variables alone where the file has problems.
    choice
        ``None`` when no backend can be chosen.
    conf, addresses
        ``None`` where there is no cluster to ask.
    acts_for
        A proxy user.
    """

    services: Services
    config: Config
    choice: BackendChoice | None
    config_folder: str
    conf: HadoopConf | None = None
    addresses: Addresses | None = None
    user: str = ""
    kerberos: bool = False
    acts_for: str = ""
    insecure: bool = False

    @property
    def local(self) -> bool:
        """Whether runs stay on this host."""
        return self.choice is not None and self.choice.backend == LOCAL

    @property
    def queue(self) -> tuple[str, str]:
        """The configured queue ("" for none) and where it comes from."""
        named = self.config.get("spark_config.queue") or self.config.get("spark.yarn.queue")
        return (str(named.value), named.origin) if named is not None else ("", "Spark's default")

    def session(self) -> HttpSession:
        """A session of its own: sessions are not shared between threads, nor between services."""
        services = self.services
        ticket = services.private_ticket(self.config) if self.kerberos else None
        return build_session(
            self.kerberos, self.user, self.tls, env=services.env, ticket=ticket, acts_for=self.acts_for
        )

    @property
    def tls(self) -> Tls | None:
        """How to speak TLS."""
        if self.conf is None or self.addresses is None:
            return None
        urls = (*self.addresses.resource_managers, *self.addresses.name_nodes)
        return tls_settings(self.services, self.config, self.conf, urls, insecure=self.insecure)


@dataclass
class HostFacts:
    """What the look at this host tells the others."""

    spark: Spark | None = None


@dataclass
class YarnFacts:
    """What the look at YARN tells the others."""

    base: str = ""
    version: str = ""
    clock_offset_s: float | None = None
    clock_server: str = ""
    applications: list[ApplicationReport] | None = None
    log_aggregation: bool | None = None


@dataclass
class HdfsFacts:
    """What the look at HDFS tells the others."""

    probe: HdfsProbe | None = None
    staged: list[Staged] = field(default_factory=list)
    base: str = ""


def ask(out: list[Finding], id: str, question: Callable[[], Answer]) -> Answer | None:
    """The answer to a question; where none comes, ``out`` gains that this thing was not looked at, and why."""
    try:
        return question()
    except BatchSubmitError as error:
        said = f" ({error.details[0]})" if error.details else ""
        out.append(skipped(id, f"not known: {error.message}{said}"))
        return None


def _not_here(scene: Scene, id: str, error: HostNotReady) -> Finding:
    """A program that is missing: launcher rest starts none."""
    if not scene.local and scene.config.value("execution.launcher") == REST:
        return skipped(id, f"not needed with execution.launcher: rest ({error.message})")
    return red(id, error.message, error.next_step)


def look_at_host(scene: Scene, out: list[Finding], facts: HostFacts) -> None:
    """Java, Spark, Python, disk, ticket."""
    env, services = scene.services.env, scene.services
    try:
        facts.spark = host_probe.spark_versions(find_spark(env))
        out.append(health_host.spark(facts.spark))
    except HostNotReady as error:
        out.append(_not_here(scene, "host.spark", error))
    version = facts.spark.version if facts.spark is not None else ""
    try:
        path, java = host_probe.java_version(find_java(env), env)
        out.append(health_host.java(path, java, version))
    except HostNotReady as error:
        out.append(_not_here(scene, "host.java", error))
    out.append(health_host.pyspark(host_probe.installed_version("pyspark"), version))
    named = env.get("PYTHON_PATH", "")
    nodes = host_probe.interpreter(named, env) if named else None
    out.append(health_host.python(host_probe.own_python(), nodes, LOCAL if scene.local else "yarn"))
    _look_at_own_places(services, out)
    out.append(_ticket(scene))
    package = scene.kerberos and host_probe.can_import("requests_kerberos")
    out.append(health_host.kerberos_package(scene.kerberos, package))


def _look_at_own_places(services: Services, out: list[Finding]) -> None:
    try:
        state, cache = services.state_folder, services.cache_folder
    except HostNotReady as error:
        out.append(red("host.state-folder", error.message, error.next_step, error.where))
        return
    out.append(health_host.state_folder(str(state), host_probe.writable(state)))
    out += look_at_ledgers(services)
    places = [
        ("run records and logs", state),
        ("generated files", cache),
        ("temporary files", Path(tempfile.gettempdir())),
    ]
    out += health_host.disks(host_probe.disks(places))


def _ticket(scene: Scene) -> Finding:
    """The user's own ticket, or what a login by the configured keytab gives."""
    services = scene.services
    env, now = services.env, services.clock.now_utc().timestamp()
    try:
        private = services.private_ticket(scene.config) if scene.kerberos else None
    except BatchSubmitError as error:
        return red("host.ticket", error.message, error.next_step, error.where)
    if private is None:
        state = host_probe.kerberos_ticket(env, now) if scene.kerberos else ("", None)
        return health_host.ticket(scene.kerberos, *state)
    try:
        private.keep_fresh()
    except BatchSubmitError as error:
        return red("host.ticket", error.message, error.next_step, error.where)
    left_s = host_probe.kerberos_ticket(env, now, private.cache)[1]
    return health_host.ticket(True, "valid", left_s, by=f"{private.login.keytab} logs in {private.login.principal}")


def look_at_ledgers(services: Services) -> list[Finding]:
    """The run records of all clusters and users of this account."""
    from batch_submit.ledger import care, database
    from batch_submit.plan import health_ledger

    looks = []
    for _cluster, _user, ledger in services.ledgers():
        seen = care.examine(ledger)
        if seen.version or seen.damage:  # else a folder that holds no more than locks
            looks.append(
                health_ledger.LedgerLook(
                    str(seen.path),
                    () if seen.lost else seen.damage,
                    seen.version,
                    database.VERSION,
                    seen.journal,
                    seen.file_system,
                    seen.runs,
                    seen.lost,
                    seen.not_exported,
                    seen.size,
                    care.refused(ledger) if not seen.damage else "",
                )
            )
    return health_ledger.ledgers(looks, str(services.state_folder / "runs"))


def look_at_yarn(scene: Scene, out: list[Finding], facts: YarnFacts) -> None:
    """ResourceManagers, queue, nodes, container sizes, and what the cluster leaves open."""
    addresses = scene.addresses
    if addresses is None:
        return
    session, clock = scene.session(), scene.services.clock
    asked = [ask_resource_manager(session, url, clock, REQUEST_S) for url in addresses.resource_managers]
    out += health_yarn.resource_managers([answer for answer, _ in asked])
    active = [(answer, offset) for answer, offset in asked if not answer.error and answer.ha_state in ("ACTIVE", "")]
    if not active:
        out += [skipped(id, "no active ResourceManager answers") for id in _NEED_YARN]
        out.append(health_open.authentication(scene.kerberos, ""))
        return
    (answer, offset), base = active[0], active[0][0].url
    facts.base, facts.version = base, answer.version
    facts.clock_offset_s, facts.clock_server = offset, base
    _look_at_queue(scene, out, session, base)
    manager = ResourceManager([base], session, user=scene.user, timeout_s=REQUEST_S)
    facts.applications = ask([], "", lambda: manager.applications(user=scene.user))
    _look_at_doors(scene, out, session, facts)


def _look_at_queue(scene: Scene, out: list[Finding], session: HttpSession, base: str) -> None:
    queue, origin = scene.queue
    reply = ask(out, "yarn.queue", lambda: _json(session, f"{base}/ws/v1/cluster/scheduler"))
    scheduler = parse_scheduler(reply)
    if reply is not None:
        out.append(health_yarn.queue(scheduler, queue, origin))
        name = queue or health_yarn.DEFAULT_QUEUE
        administers_it = ask([], "", lambda: administers(session, base, name, scene.user, REQUEST_S))
        enabled = ask([], "", lambda: conf_flag(session, base, "yarn.acl.enable", REQUEST_S))
        groups = host_probe.own_groups() if scene.user == scene.services.os_user else ()
        out.append(
            health_yarn.queue_access(
                scheduler, name, user=scene.user, groups=groups, acl_enabled=enabled, administers=administers_it
            )
        )
    answer = ask(out, "yarn.nodes", lambda: _json(session, f"{base}/ws/v1/cluster/nodes"))
    nodes = parse_nodes(answer) if answer is not None else None
    if nodes is not None:
        out.append(health_yarn.nodes(nodes))
    conf = scene.config.spark_conf()
    mode = conf.get("spark.submit.deployMode")
    out += sizes(conf, str(mode.value) if mode is not None else "cluster", scheduler, nodes)


def _look_at_doors(scene: Scene, out: list[Finding], session: HttpSession, facts: YarnFacts) -> None:
    """What the cluster leaves open, by asking."""
    base = facts.base

    def flag(name: str) -> bool | None:
        return ask([], "", lambda: conf_flag(session, base, name, REQUEST_S))

    anonymous = (
        "" if scene.kerberos else ask([], "", lambda: named_user(StdlibSession(None, scene.tls), base, REQUEST_S)) or ""
    )
    out.append(health_open.authentication(scene.kerberos, anonymous))
    out.append(health_open.yarn_acl(flag("yarn.acl.enable")))
    out.append(health_open.rest_submission(flag("yarn.webapp.enable-rest-app-submissions"), scene.kerberos))
    facts.log_aggregation = flag("yarn.log-aggregation-enable")


def look_at_hdfs(scene: Scene, out: list[Finding], facts: HdfsFacts) -> None:
    """NameNodes, safe mode, space, the folders that a run needs, quotas, what was left behind."""
    addresses, conf = scene.addresses, scene.conf
    if addresses is None or conf is None:
        return
    if not addresses.name_nodes:
        out.append(skipped("hdfs.namenode", f"the default filesystem {addresses.default_fs} is not HDFS"))
        return
    clock = scene.services.clock
    probe = HdfsProbe(addresses.name_nodes, scene.session(), scene.user, clock, REQUEST_S)
    answers = probe.answers()
    out += health_hdfs.name_nodes(answers)
    if not any(one.ha_state == "active" for one in answers):
        out += [skipped(id, "no active NameNode answers") for id in _NEED_HDFS]
        return
    facts.probe = probe
    space = probe.name_space()
    out.append(health_hdfs.safe_mode(space))
    out.append(health_hdfs.space(_with_missing_blocks(space, probe)))
    _look_at_folders(scene, out, facts, probe)


def _with_missing_blocks(space: NameSpace | None, probe: HdfsProbe) -> NameSpace | None:
    return replace(space, missing_blocks=probe.missing_blocks()) if space is not None else None


def _look_at_folders(scene: Scene, out: list[Finding], facts: HdfsFacts, probe: HdfsProbe) -> None:
    assert scene.conf is not None and scene.addresses is not None
    default_fs, conf = scene.addresses.default_fs, scene.config.spark_conf()
    home = f"{scene.conf.get('dfs.user.home.dir.prefix') or '/user'}/{scene.user}"
    named = conf.get("spark.yarn.stagingDir")
    base = home
    if named is not None and named.value:
        place = on_default_fs(str(named.value), default_fs)
        base = f"{place.rstrip('/')}/{scene.user}" if place else ""
    if base:
        folder = ask(out, "hdfs.home", lambda: probe.folder(base))
        if folder is not None:
            out.append(health_hdfs.staging_folder(folder, scene.user))
        facts.base = base
        facts.staged = ask(out, "hdfs.staging", lambda: probe.staged(base)) or []
    root = on_default_fs(storage_root(scene.config, "yarn", config_folder=scene.config_folder), default_fs)
    if root:
        found = ask(out, "hdfs.storage-root", lambda: probe.folder(root))
        if found is not None:
            out.append(health_hdfs.storage_root(found, scene.user))
    _look_at_event_log(scene, out, probe, default_fs)
    limits = [quota for path in dict.fromkeys((home, root)) if path for quota in [ask([], "", _quota(probe, path))]]
    out += health_hdfs.quotas([quota for quota in limits if quota is not None])


def _quota(probe: HdfsProbe, path: str) -> Callable[[], health_hdfs.Quota | None]:
    return lambda: probe.quota(path)


def _look_at_event_log(scene: Scene, out: list[Finding], probe: HdfsProbe, default_fs: str) -> None:
    named = scene.config.spark_conf().get(EVENT_LOG_FOLDER)
    path = on_default_fs(str(named.value) if named is not None else DEFAULT_EVENT_LOG_FOLDER, default_fs)
    folder: Folder | None = ask(out, "hdfs.event-log", lambda: probe.folder(path)) if path else None
    if folder is not None or not path:
        out.append(health_hdfs.event_log(folder, named is not None))


def look_at_history(scene: Scene, out: list[Finding]) -> None:
    """The JobHistoryServer and Spark's history server."""
    if scene.conf is None:
        return
    session = scene.session()
    url = scene.conf.history_server_url
    reply, error = ask_json(session, f"{url}/ws/v1/history/info", REQUEST_S) if url else ({}, "")
    info = reply.get("historyInfo")
    version = str(info.get("hadoopVersion") or "") if isinstance(info, dict) else ""
    out.append(health_open.job_history(url, version, error))
    named = scene.config.spark_conf().get("spark.yarn.historyServer.address")
    address = str(named.value) if named is not None and "${" not in str(named.value) else ""
    if address and "://" not in address:
        address = f"http://{address}"
    told, wrong = ask_json(session, f"{address.rstrip('/')}/api/v1/version", REQUEST_S) if address else ({}, "")
    out.append(health_open.spark_history(address, str(told.get("spark") or ""), wrong))


def _json(session: HttpSession, url: str) -> object:
    answer, wrong = ask_json(session, url, REQUEST_S)
    if wrong:
        raise ClusterUnreachable(wrong, where=url)
    return answer
