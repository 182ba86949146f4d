"""The cheap look before a submit: what the cluster would refuse anyway is refused in milliseconds, before any JVM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import TypeVar

from batch_submit.adapters.addresses import override_addresses
from batch_submit.adapters.auth import build_session
from batch_submit.adapters.hdfs_probe import HdfsProbe
from batch_submit.adapters.host_probe import own_groups
from batch_submit.adapters.http_session import HttpSession
from batch_submit.adapters.yarn_probe import ask_json, conf_flag, parse_nodes, parse_scheduler
from batch_submit.backends.base import Backend
from batch_submit.backends.yarn import YarnBackend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, MissingFile, UsageError
from batch_submit.operations.context import Context
from batch_submit.plan import health_hdfs, health_yarn
from batch_submit.plan.health import Finding, reds
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.storage import hdfs_path
from batch_submit.plan.submission import JobSpec
from batch_submit.plan.units import UnitError
from batch_submit.services import Cluster

#: For all questions together; what is not known by then is left to spark-submit.
PATIENCE_S = 4.0
_REQUEST_S = 2.0
_PRIORITY = "spark.yarn.priority"
_PATTERN_CHARACTERS = frozenset("*?[]{}")
Answer = TypeVar("Answer")


@dataclass
class _Look:
    """One look: its deadline, and what it has found."""

    context: Context
    servers: Cluster
    session: HttpSession
    spec: JobSpec
    deadline: float
    findings: list[Finding] = field(default_factory=list)

    def left_s(self) -> float:
        return self.deadline - self.context.services.clock.monotonic()

    def asked(self, what: str, question: Callable[[float], Answer]) -> Answer | None:
        """The answer to a question; ``None``, and a line for ``--verbose``, where none came: that blocks nobody."""
        left = self.left_s()
        try:
            if left <= 0:
                raise ClusterUnreachable(f"no time left of {PATIENCE_S:g} s")
            return question(min(_REQUEST_S, left))
        except BatchSubmitError as error:
            self.context.services.terminal.debug(f"before the launch: {what} is not known: {error.message}")
            return None


def look_before_launch(context: Context, backend: Backend, spec: JobSpec) -> JobSpec:
    """Ask the cluster what it would refuse; every problem at once.

    At most six small GETs; a question that is not answered blocks nothing.

    Returns
    -------
    JobSpec
        With the priority that its queue gives an application that names none: a submission over REST can't leave it
        open (`plan.rest.submission`).

    Raises
    ------
    ClusterRefused
        Queue, its ACL, a container above the maximum or larger than every node, no place for the staged files.
    MissingFile
        The input of a built-in job does not exist.
    ClusterUnreachable
        HDFS is in safe mode, and that is the only problem.
    """
    if not isinstance(backend, YarnBackend):
        return spec
    servers = backend.servers
    session = servers.session or build_session(servers.conf.kerberos, servers.user)
    clock = context.services.clock
    look = _Look(context, servers, session, spec, clock.monotonic() + PATIENCE_S)
    began = clock.monotonic()
    priority = _ask_yarn(look)
    missing = _ask_hdfs(look)
    context.services.terminal.debug(f"before the launch: looked in {1000 * (clock.monotonic() - began):.0f} ms")
    _refuse(reds(look.findings), missing)
    if not priority or _PRIORITY in spec.conf:
        return spec
    return replace(spec, conf={**spec.conf, _PRIORITY: Sourced(str(priority), f"queue {spec.queue}")})


def _ask_yarn(look: _Look) -> int:
    """What YARN would refuse is found; the default priority of the queue is returned, 0 where it is not known."""
    base = look.asked("the active ResourceManager", lambda _: look.servers.resource_manager.active_url())
    if base is None:
        return 0
    reply = look.asked("the scheduler", lambda wait: _json(look.session, f"{base}/ws/v1/cluster/scheduler", wait))
    if reply is None:
        return 0
    spec, user = look.spec, look.servers.user
    scheduler = parse_scheduler(reply)
    named = spec.conf.get("spark.yarn.queue")
    look.findings.append(health_yarn.queue(scheduler, spec.queue, named.origin if named is not None else "default"))
    groups = own_groups() if user == look.context.services.os_user else ()
    # Everybody may where ACLs are off; that is asked only if it matters.
    if health_yarn.may_submit(scheduler, spec.queue, user=user, groups=groups, acl_enabled=True) is not True:
        enabled = look.asked("yarn.acl.enable", lambda wait: conf_flag(look.session, base, "yarn.acl.enable", wait))
        look.findings.append(
            health_yarn.queue_access(
                scheduler, spec.queue, user=user, groups=groups, acl_enabled=enabled, administers=None
            )
        )
    answer = look.asked("the nodes", lambda wait: _json(look.session, f"{base}/ws/v1/cluster/nodes", wait))
    nodes = parse_nodes(answer) if answer is not None else None
    look.findings += sizes(spec.conf, spec.deploy_mode, scheduler, nodes)
    there = health_yarn.find_queue(scheduler, spec.queue or health_yarn.DEFAULT_QUEUE)
    return there.default_priority if there is not None else 0


def sizes(
    conf: Mapping[str, Sourced],
    deploy_mode: str,
    scheduler: health_yarn.Scheduler,
    nodes: list[health_yarn.Node] | None,
) -> list[Finding]:
    """The containers of a plan against the cluster; nothing where a size can't be read (that is said elsewhere)."""
    try:
        wanted = health_yarn.containers(conf, deploy_mode)
    except (UnitError, ValueError, OverflowError):  # also a factor of "nan" or "inf"
        return []
    origins = {
        "spark_config.driver_memory": "spark.driver.memory",
        "spark_config.driver_cores": "spark.driver.cores",
        "spark_config.executor_memory": "spark.executor.memory",
        "spark_config.executor_cores": "spark.executor.cores",
    }
    named = {key: conf[place].origin for key, place in origins.items() if place in conf}
    return [health_yarn.container_size(one, scheduler, nodes, named) for one in wanted]


def _ask_hdfs(look: _Look) -> list[str]:
    """Safe mode and the folder of the staged files; the inputs of a built-in job that are missing are returned."""
    probe = hdfs_probe(look.servers, look.session, look.context, _REQUEST_S)
    if probe is None:
        return []
    user = look.servers.user
    place = staging_place(look.spec.conf, look.servers)
    if place:
        folder = look.asked(f"whether {user} can write to {place}", lambda _: probe.folder(place, look=False))
        if folder is not None:
            look.findings.append(health_hdfs.staging_folder(folder, user))
    space = look.asked("the state of HDFS", lambda _: probe.name_space())
    if space is not None:
        look.findings.append(health_hdfs.safe_mode(space))
    return [path for path in _inputs(look) if look.asked(f"whether {path} exists", _exists(probe, path)) is False]


def _exists(probe: HdfsProbe, path: str) -> Callable[[float], bool]:
    return lambda _: probe.exists(path)


def _inputs(look: _Look) -> list[str]:
    """The inputs of a built-in job that lie on the default filesystem and are no patterns."""
    params = look.spec.params
    if params is None:
        return []
    plain = [path for path in params.inputs() if not _PATTERN_CHARACTERS & set(path)]
    return [path for path in (on_default_fs(one, look.servers.default_fs) for one in plain) if path]


def hdfs_probe(servers: Cluster, session: HttpSession, context: Context, timeout_s: float) -> HdfsProbe | None:
    """A probe of the NameNodes that the configuration names; ``None`` when the default filesystem is not HDFS."""
    urls = override_addresses(context.config, servers.conf).name_nodes
    return HdfsProbe(urls, session, servers.user, context.services.clock, timeout_s) if urls else None


def staging_place(conf: Mapping[str, Sourced], servers: Cluster) -> str:
    """The folder in which ``.sparkStaging`` is made: below ``spark.yarn.stagingDir``, else the home; "" elsewhere."""
    named = conf.get("spark.yarn.stagingDir")
    if named is not None and named.value:
        base = on_default_fs(str(named.value), servers.default_fs)
        return f"{base.rstrip('/')}/{servers.user}" if base else ""
    return f"{servers.conf.get('dfs.user.home.dir.prefix') or '/user'}/{servers.user}"


def on_default_fs(path: str, default_fs: str) -> str:
    """The path on the default filesystem; "" for one that lies elsewhere."""
    try:
        return hdfs_path(path, default_fs)
    except UsageError:
        return ""


def _json(session: HttpSession, url: str, timeout_s: float) -> Mapping[str, object]:
    answer, wrong = ask_json(session, url, timeout_s)
    if wrong:
        raise ClusterUnreachable(wrong, where=url)
    return answer


def _refuse(found: list[Finding], missing: list[str]) -> None:
    if not found and missing:
        raise MissingFile(
            f"the input {missing[0]} does not exist in HDFS; nothing was submitted",
            details=missing[1:],
            next_step="correct the path in data_config, or batch-submit upload it; --no-preflight submits all the same",
        )
    if not found:
        return
    details = [f"{one.where}: {one.what}" if one.where else one.what for one in found]
    details += [f"{path}: this input does not exist in HDFS" for path in missing]
    steps = "; ".join(dict.fromkeys(one.remedy for one in found))
    if all(one.id == "hdfs.safe-mode" for one in found):
        raise ClusterUnreachable("HDFS is in safe mode", details=details[1:], next_step=steps)
    many = f"the cluster would refuse this: {len(details)} problems"
    raise ClusterRefused(
        f"{details[0] if len(details) == 1 else many}; nothing was submitted",
        details=details if len(details) > 1 else (),
        next_step=f"{steps}; --no-preflight leaves the refusal to the cluster",
    )
