"""``doctor``: one look at everything that a run needs, every problem at once, each with its remedy."""

from __future__ import annotations

import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from batch_submit.adapters.addresses import override_addresses
from batch_submit.adapters.auth import effective_user
from batch_submit.adapters.hadoop_conf import FILES, HadoopConf
from batch_submit.adapters.hdfs_probe import HdfsProbe
from batch_submit.adapters.host_probe import can_import
from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.terminal import Terminal
from batch_submit.adapters.yarn_probe import hands_out_logs
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ConfigError, ExitCode, UsageError
from batch_submit.operations.config_view import check_config
from batch_submit.operations.context import Selection, read_config, refuse_open_site
from batch_submit.operations.deep_probe import ask_nodes
from batch_submit.operations.examine import (
    REQUEST_S,
    HdfsFacts,
    HostFacts,
    Scene,
    YarnFacts,
    ask,
    look_at_hdfs,
    look_at_history,
    look_at_host,
    look_at_yarn,
)
from batch_submit.plan import health_hdfs, health_host, health_open
from batch_submit.plan.backend_choice import LOCAL, choose_backend
from batch_submit.plan.config import build_config
from batch_submit.plan.health import Finding, in_order, ok, red, reds, skipped, warn
from batch_submit.plan.merged import Config
from batch_submit.plan.proxy_user import acting_for
from batch_submit.plan.sourced import ConfigSources
from batch_submit.render.health import health_json, health_lines
from batch_submit.services import Services

#: For all looks together; what hangs longer (a name server) is reported as such.
PATIENCE_S = 12.0
_SIZED_FOLDERS = 20
_CONTAINER_ID = re.compile(r"container_(?:e\d+_)?\d+_\d+_\d+_\d+")


@dataclass(frozen=True)
class DoctorOptions:
    """How to look, and how to answer."""

    as_json: bool = False
    deep: bool = False
    deep_timeout_s: float = 180.0


def doctor(services: Services, selection: Selection, options: DoctorOptions) -> int:
    """Look at host, configuration and cluster.

    Returns
    -------
    int
        3 when something is red, else 0.
    """
    findings, scene = examine(services, selection)
    if options.deep:
        findings = [*findings, *ask_nodes(scene, selection, options.deep_timeout_s)]
    findings = in_order(findings)
    if options.as_json:
        services.terminal.answer(json.dumps(health_json(findings), sort_keys=True))
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        services.terminal.answer("\n".join(health_lines(findings, width)), for_people=True)
    return ExitCode.HOST_NOT_READY if reds(findings) else ExitCode.SUCCEEDED


def examine(services: Services, selection: Selection) -> tuple[list[Finding], Scene]:
    """All looks but the deep one."""
    found: list[Finding] = []
    scene = _set_the_scene(services, selection, found)
    host, yarn, hdfs = HostFacts(), YarnFacts(), HdfsFacts()
    looks: dict[str, Callable[[list[Finding]], None]] = {"host.look": lambda out: look_at_host(scene, out, host)}
    if scene.addresses is not None:
        looks["yarn.look"] = lambda out: look_at_yarn(scene, out, yarn)
        looks["hdfs.look"] = lambda out: look_at_hdfs(scene, out, hdfs)
        looks["history.look"] = lambda out: look_at_history(scene, out)
    else:
        why = "backend local" if scene.local else "no cluster can be asked"
        ids = ("yarn.resourcemanager", "hdfs.namenode", "history.jobhistory", "open.authentication")
        found += [skipped(id, why) for id in ids]
    found += _side_by_side(looks, lambda: _check_jobs(services, selection))
    found.append(health_host.clock(yarn.clock_offset_s, yarn.clock_server, scene.kerberos))
    if scene.addresses is not None:
        found += _taken_together(scene, host, yarn, hdfs)
    return found, scene


def _side_by_side(
    looks: dict[str, Callable[[list[Finding]], None]], meanwhile: Callable[[], list[Finding]]
) -> list[Finding]:
    """Run the looks in threads of their own, none of which can hold the others or the end of this process up."""
    outs: dict[str, list[Finding]] = {id: [] for id in looks}

    def run(id: str) -> None:
        try:
            looks[id](outs[id])
        except Exception as error:  # a look that fails is a finding; the others go on
            words = error.message if isinstance(error, BatchSubmitError) else repr(error)
            outs[id].append(warn(id, f"the look was cut short: {words}", "run it again with --json and report it"))

    threads = {id: threading.Thread(target=run, args=(id,), daemon=True, name=id) for id in looks}
    for thread in threads.values():
        thread.start()
    found = meanwhile()
    left_s = PATIENCE_S
    for id, thread in threads.items():
        thread.join(left_s)
        if thread.is_alive():
            left_s = 0.1
            what = f"no answer within {PATIENCE_S:.0f} s"
            found.append(red(id, what, "check that host names are resolved and that no firewall drops packets"))
        found += list(outs[id])
    return found


def _set_the_scene(services: Services, selection: Selection, out: list[Finding]) -> Scene:
    """The configuration and where it leads; each problem is a finding, and the rest goes on without that part."""
    config, folder = _read(services, selection, out)
    scene = Scene(services, config, None, folder, insecure=selection.insecure)
    try:
        scene.choice = choose_backend(
            config,
            services.env,
            etc_names_resourcemanager=services.etc_names_resourcemanager(),
            cluster_flags=selection.cluster_flags(),
        )
    except BatchSubmitError as error:
        out.append(red("config.backend", error.message, error.next_step, measured={"details": list(error.details)}))
        return scene
    choice = scene.choice
    out.append(ok("config.backend", f"{choice.backend} ({choice.reason})", measured={"backend": choice.backend}))
    if choice.backend == LOCAL:
        scene.user = services.os_user
        return scene
    try:
        refuse_open_site(services, config, choice)
    except UsageError as error:
        out.append(_problem_finding("config.hadoop-conf", error))
        return scene
    try:
        scene.conf = services.hadoop_conf(choice.hadoop_conf_dir, choice.yarn_conf_dir)
        scene.addresses = override_addresses(config, scene.conf)
    except BatchSubmitError as error:
        out.append(red("config.hadoop-conf", error.message, error.next_step, error.where or choice.hadoop_conf_dir))
        return scene
    folders = [Path(one) for one in (choice.hadoop_conf_dir, choice.yarn_conf_dir) if one]
    out += _hadoop_files(scene.conf, folders, scene.addresses.default_fs)
    if not scene.addresses.resource_managers:
        step = "add yarn.resourcemanager.hostname or .webapp.address to yarn-site.xml"
        out.append(red("yarn.resourcemanager", "no ResourceManager is named", step, choice.hadoop_conf_dir))
    _identify(scene, out)
    return scene


def _identify(scene: Scene, out: list[Finding]) -> None:
    """In whose name the cluster is asked; with Kerberos the ResourceManager tells."""
    assert scene.conf is not None and scene.addresses is not None
    services = scene.services
    scene.kerberos = scene.conf.kerberos or scene.config.value("security_config.enable_kerberos") is True
    scene.user = effective_user(services.env, services.os_user, scene.kerberos)
    try:
        scene.acts_for = acting_for(scene.config, services.env, kerberos=scene.kerberos)
    except BatchSubmitError as error:
        out.append(red("config.proxy-user", error.message, error.next_step, error.where))
    if not scene.kerberos or not scene.addresses.resource_managers:
        return
    try:
        manager = ResourceManager(scene.addresses.resource_managers, scene.session(), user=None, timeout_s=REQUEST_S)
        scene.user = manager.identify()
    except BatchSubmitError as error:
        out.append(
            red("yarn.user", f"who we are is not known: {error.message}", error.next_step or "klist -s || kinit")
        )
        if not can_import("requests_kerberos"):
            scene.addresses = None  # nothing can be asked without it


def _read(services: Services, selection: Selection, out: list[Finding]) -> tuple[Config, str]:
    try:
        config, path, _ = read_config(services, selection)
        out.append(ok("config.file", "read", str(path)))
        return config, str(path.parent)
    except UsageError as error:
        out.append(_problem_finding("config.file", error))
    try:
        bare = build_config(
            sources=ConfigSources(None),
            job_type=selection.job_type,
            env=None,
            profile=None,
            variables=services.env,
            flags=selection.flags or {},
        )
        return bare, str(services.cwd)
    except ConfigError:
        return Config(None, {}), str(services.cwd)  # the flags are wrong too, and said to be


def _problem_finding(id: str, error: UsageError) -> Finding:
    lines = list(error.details) or [error.message]
    what = error.message if len(lines) == 1 and not error.details else f"{error.message}: " + "; ".join(lines)
    return red(id, what, error.next_step or "batch-submit config check", error.where, measured={"problems": lines})


def _check_jobs(services: Services, selection: Selection) -> list[Finding]:
    """All problems of the plans of all job types (of one with ``-t``), as ``config check`` finds them."""
    quiet = replace(services, terminal=Terminal(io.StringIO(), io.StringIO()))
    try:
        check_config(quiet, selection, as_json=False)
    except UsageError as error:
        step = "batch-submit config check; correct what it lists"
        problems = list(error.details) or [error.message]
        return [red("config.job", "; ".join(problems), step, measured={"problems": problems})]
    except BatchSubmitError as error:
        return [skipped("config.job", f"not checked: {error.message}")]
    return [ok("config.job", f"no problems in the plan of {selection.job_type or 'any job type'}")]


def _hadoop_files(conf: HadoopConf, folders: Sequence[Path], default_fs: str) -> list[Finding]:
    there = [name for name in FILES if any((folder / name).is_file() for folder in folders)]
    missing = [name for name in FILES if name not in there]
    where = ", ".join(map(str, folders))
    step = "copy it from a node of the cluster, or point HADOOP_CONF_DIR to the right folder"
    id, out = "config.hadoop-conf", []
    if "core-site.xml" in missing or "yarn-site.xml" in missing:
        out.append(red(id, f"{', '.join(missing)} missing", step, where, measured={"missing": missing}))
    elif missing:
        out.append(warn(id, f"{', '.join(missing)} missing", step, where, measured={"missing": missing}))
    else:
        out.append(ok(id, ", ".join(there), where))
    id, measured = "config.default-fs", {"default_fs": default_fs}
    if default_fs.startswith("hdfs://"):
        out.append(ok(id, default_fs, measured=measured))
    elif default_fs.startswith("file:"):
        what = f"fs.defaultFS is {default_fs}: the files of a run would stay on this host"
        out.append(red(id, what, "set fs.defaultFS to hdfs://<NameNode> in core-site.xml", where, measured=measured))
    else:
        what = f"fs.defaultFS is {default_fs}: this tool speaks HDFS only, and can't look at its folders"
        out.append(warn(id, what, "set environment_config.namenode_url to hdfs://<NameNode>", where, measured=measured))
    return out


def _taken_together(scene: Scene, host: HostFacts, yarn: YarnFacts, hdfs: HdfsFacts) -> list[Finding]:
    """What needs the answers of more than one look."""
    assert scene.conf is not None
    client = host.spark.hadoop_version if host.spark is not None else ""
    out = [health_host.spark_against_cluster(client, yarn.version)]
    told = yarn.log_aggregation
    by_xml = scene.conf.log_aggregation_enabled if "yarn.log-aggregation-enable" in scene.conf.values else None
    said_by = "the ResourceManager" if told is not None else "yarn-site.xml"
    out.append(health_open.log_aggregation(told if told is not None else by_xml, said_by))
    out.append(_history_logs(scene, yarn))
    out += _left_behind(yarn, hdfs)
    return out


def _history_logs(scene: Scene, yarn: YarnFacts) -> Finding:
    """Ask the history server for the log list of our newest finished driver without saying who we are."""
    assert scene.conf is not None
    url = scene.conf.history_server_url
    if scene.kerberos:
        return health_open.history_logs(True, None, "", "")
    if not url:
        return health_open.history_logs(False, None, "", "no history server is named")
    for report in yarn.applications or []:
        match = _CONTAINER_ID.search(report.am_container_logs) if report.state.terminal else None
        if match:
            container = match.group(0)
            told = ask([], "", lambda: hands_out_logs(StdlibSession(None, scene.tls), url, container, REQUEST_S))  # noqa: B023
            return health_open.history_logs(
                False, told, container, f"the history server does not tell about {container}"
            )
    return health_open.history_logs(False, None, "", "no finished application of ours to try it with")


def _left_behind(yarn: YarnFacts, hdfs: HdfsFacts) -> list[Finding]:
    """Staging folders without a live application; the first of them with their sizes."""
    if hdfs.probe is None or not hdfs.base:
        return []
    if yarn.applications is None and hdfs.staged:
        return [skipped("hdfs.staging", "which applications live is not known: the ResourceManager was not asked")]
    states = {report.application_id: report.state for report in yarn.applications or []}
    left = health_hdfs.leftovers(hdfs.staged, states)
    probe = hdfs.probe
    sized = [replace(one, size_bytes=_size(probe, one.path)) for one in left[:_SIZED_FOLDERS]]
    in_use = len(hdfs.staged) - len(left)
    return [health_hdfs.staging([*sized, *left[_SIZED_FOLDERS:]], in_use, states, f"{hdfs.base}/.sparkStaging")]


def _size(probe: HdfsProbe, path: str) -> int:
    size = ask([], "", lambda: probe.size_bytes(path))
    return -1 if size is None else size
