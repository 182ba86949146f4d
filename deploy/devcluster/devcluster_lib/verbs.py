"""The stories of the verbs that change or describe a cluster, one function each, top to bottom."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster_lib import (
    certificates,
    client_env,
    hadoop_conf,
    host_checks,
    jars,
    kerberos,
    processes,
    state,
    transitions,
)
from devcluster_lib.errors import DaemonFailed, UsageError
from devcluster_lib.layout import SIMPLE, Cluster, Daemon
from devcluster_lib.readiness import active_resourcemanager, ha_state, probe
from devcluster_lib.startup import Startup

#: A NodeManager with containers takes the longest, 2 to 3 s on two cores.
STOP_GRACE_S = 15.0
#: Who has to register anew with a daemon that was restarted, before the cluster can work again.
CLIENTS = {"namenode": "datanode", "resourcemanager": "nodemanager"}


def say(line: str) -> None:
    """Progress goes to stderr; stdout holds answers only."""
    print(f"devcluster: {line}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Wishes:
    """What a call of `up` wants; what it leaves open stays as the folder's cluster has it.

    Parameters
    ----------
    port_offset, nodemanagers
        None: as it is; 0 and 1 in a new cluster.
    settings
        Hadoop properties by file, added to those of earlier calls.
    ha
        Two ResourceManagers or one; None: as it is, one in a new cluster.
    profile
        One of `layout.PROFILES`; None: as it is, simple in a new cluster.
    """

    port_offset: int | None = None
    nodemanagers: int | None = None
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ha: bool | None = None
    profile: str | None = None

    def cluster(self, directory: Path, before: Cluster | None, user: str, java_home: str) -> Cluster:
        """The cluster that is to run.

        Raises
        ------
        UsageError
            Another profile than the folder's, whose HDFS belongs to another superuser; two ResourceManagers with
            Kerberos.
        """
        old = before.settings if before else {}
        profile = self.profile or (before.profile if before else SIMPLE)
        if before and before.profile != profile:
            raise UsageError(
                f"the cluster in {directory} has the profile {before.profile}: `devcluster down --wipe` it first, or "
                "take another --dir"
            )
        cluster = Cluster(
            directory,
            _first_given(self.port_offset, before.port_offset if before else None, 0),
            _first_given(self.nodemanagers, before.nodemanagers if before else None, 1),
            user,
            java_home,
            {site: {**old.get(site, {}), **self.settings.get(site, {})} for site in {**old, **self.settings}},
            bool(before and before.ha) if self.ha is None else self.ha,
            profile,
        )
        if cluster.secure and cluster.ha:
            raise UsageError(f"--ha and --profile {profile} do not go together: take one of them")
        return cluster


def up(directory: Path, wishes: Wishes, deadline_s: float) -> Cluster:
    """Start what does not run, and return when every daemon is ready. Repeatable."""
    user = host_checks.current_user()
    java_home = host_checks.find_java()
    state.claim_directory(directory)
    host_checks.check_disk(directory)
    lib = jars.resolve()
    with state.locked(directory):
        before = state.load(directory)
        cluster = wishes.cluster(directory, before, user, java_home)
        if cluster.secure:
            kerberos.check_host(cluster)
            jars.compile_own(cluster.java_home, lib)
        _settle_with_what_runs(before, cluster)
        missing = [d for d in cluster.daemons() if not processes.running(cluster, d.name)]
        if before and before.settings != cluster.settings and len(missing) < len(cluster.daemons()):
            say("a daemon that runs takes up new settings by `devcluster restart DAEMON`")
        host_checks.check_ports(missing)
        state.save(cluster)
        kerberos.be_client(cluster)
        if cluster.tls:
            certificates.ensure_certificates(cluster)
        hadoop_conf.write_conf(cluster)
        spark_home = client_env.find_spark_home()
        if spark_home:
            client_env.write_spark_conf(cluster, spark_home)
        Startup(cluster, lib, deadline_s, say).run(cluster.daemons())
    return cluster


def _first_given(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _settle_with_what_runs(before: Cluster | None, cluster: Cluster) -> None:
    """End daemons that no record names or that the new number of NodeManagers leaves out; refuse to move ports."""
    recorded = [processes.running(before, d.name) for d in before.daemons()] if before else []
    running = {process.pid: process for process in recorded if process}
    if before and running and _identity(before) != _identity(cluster):
        ha = "with" if before.ha else "without"
        raise UsageError(
            f"the cluster in {cluster.dir} runs with --port-offset {before.port_offset} as {before.user} {ha} --ha: "
            "`devcluster down` it first, or take another --dir"
        )
    wanted = {daemon.name for daemon in cluster.daemons()}
    surplus = [process for process in running.values() if process.name not in wanted]
    # A work folder deleted under a running cluster leaves such: they would hold the ports.
    surplus += [process for process in processes.marked(cluster.dir)[0] if process.pid not in running]
    if surplus:
        say(f"ending left-over daemons: {', '.join(process.name for process in surplus)}")
        processes.end(surplus, STOP_GRACE_S)


def _identity(cluster: Cluster) -> tuple[int, str, bool]:
    """What can't change under running daemons."""
    return cluster.port_offset, cluster.user, cluster.ha


def down(directory: Path, wipe: bool) -> None:
    """End the daemons and whatever the containers run; keep HDFS and YARN's state unless `wipe`."""
    cluster = state.load(directory)
    if cluster is None:
        # Perhaps the folder was deleted under a running cluster. There is nothing to lock, and nothing to wipe.
        _end_all(None, directory)
        return
    with state.locked(directory):
        _end_all(cluster, directory)
        processes.forget(cluster)
        # Unpacked web applications and native libraries; those of a killed JVM are nobody's any more.
        shutil.rmtree(cluster.tmp_dir, ignore_errors=True)
        if wipe:
            state.wipe(directory)
            say(f"wiped {directory}")


def _end_all(cluster: Cluster | None, directory: Path) -> None:
    recorded = [processes.running(cluster, d.name) for d in cluster.daemons()] if cluster else []
    named = {process.pid: process for process in recorded if process}
    strays = [process for process in processes.marked(directory)[0] if process.pid not in named]
    daemons = [*named.values(), *strays]
    processes.end(daemons, STOP_GRACE_S)
    # Last: with its NodeManager gone nobody starts a container anew. One look is not enough, a shell may just be
    # about to start its child.
    containers: set[int] = set()
    while leftover := processes.marked(directory)[1]:
        containers.update(process.pid for process in leftover)
        processes.end(leftover, grace_s=0)
    if daemons:
        also = f" and {len(containers)} container processes" if containers else ""
        say(f"ended {', '.join(process.name for process in daemons)}{also}")
    else:
        say(f"nothing was running in {directory}")


def status(cluster: Cluster) -> dict[str, Any]:
    """What runs, and whether it is ready: the value that ``status --json`` prints."""
    daemons = {daemon.name: _daemon_status(cluster, daemon) for daemon in cluster.daemons()}
    return {
        "ready": all(row["ready"] for row in daemons.values()),
        **state.as_record(cluster),
        "hadoop_conf_dir": str(cluster.conf_dir),
        "spark_conf_dir": str(cluster.spark_conf_dir),
        "urls": {
            "fs": f"hdfs://localhost:{cluster.daemon('namenode').ports['rpc']}",
            "webhdfs": f"{cluster.daemon('namenode').url}/webhdfs/v1",
            **{daemon.name: daemon.url for daemon in cluster.daemons()},
        },
        "daemons": daemons,
    }


def _daemon_status(cluster: Cluster, daemon: Daemon) -> dict[str, Any]:
    """State ``running``; ``dead`` when it ended without `down`; ``stopped`` when it was never started or is down."""
    record = processes.recorded(cluster, daemon.name)
    alive = record is not None and record.alive
    seen = probe(cluster, daemon) if alive else None
    ha = {"haState": ha_state(daemon) if alive else None} if daemon.kind == "resourcemanager" else {}
    return {
        "state": "running" if alive else "dead" if record else "stopped",
        "ready": alive and seen is None,
        "pid": record.pid if record and alive else None,
        "ports": daemon.ports,
        "url": daemon.url,
        "log": str(cluster.log_file(daemon.name)),
        "last_seen": seen,
        **ha,
    }


def restart(cluster: Cluster, name: str, deadline_s: float) -> None:
    """End one daemon in good order and bring it back; one that does not run is started.

    Returns when those that registered with it have done so again.
    """
    daemon = named_daemon(cluster, name)
    lib = jars.resolve()
    with state.locked(cluster.dir):
        process = processes.running(cluster, name)
        if process:
            processes.end([process], STOP_GRACE_S)
        host_checks.check_ports([daemon], patience_s=20.0)
        clients = [d for d in cluster.daemons() if d.kind == CLIENTS.get(daemon.kind)]
        waiting = [daemon, *(d for d in clients if processes.running(cluster, d.name))]
        Startup(cluster, lib, deadline_s, say).run(waiting)


def failover(cluster: Cluster, name: str | None, deadline_s: float) -> Daemon:
    """Make another ResourceManager the active one; return it when the NodeManagers have registered with it.

    The active one, if it lives, becomes standby first; if it is dead the other takes over by force.

    Parameters
    ----------
    name
        Who; None: the first one that runs and is not active.

    Raises
    ------
    UsageError
        There is no second ResourceManager, or that one does not run.
    DaemonFailed
        The transition failed, with the words of Hadoop's admin program.
    """
    if not cluster.ha:
        raise UsageError(f"the cluster in {cluster.dir} has one ResourceManager: `devcluster up --ha` makes it two")
    lib = jars.resolve()
    with state.locked(cluster.dir):
        active = active_resourcemanager(cluster)
        target = _failover_target(cluster, name, active)
        if active is not None and active.name == target.name:
            say(f"{target.name} is active already")
            return target
        if active is not None:
            transitions.make_standby(cluster, lib, active)
        transitions.make_active(cluster, lib, target)
        say(f"{target.name} is active{f', {active.name} is standby' if active else ''}")
        nodes = [d for d in cluster.daemons() if d.kind == "nodemanager" and processes.running(cluster, d.name)]
        Startup(cluster, lib, deadline_s, lambda _: None).run([target, *nodes])
    return target


def _failover_target(cluster: Cluster, name: str | None, active: Daemon | None) -> Daemon:
    running = [d for d in cluster.resourcemanagers() if processes.running(cluster, d.name)]
    if name is not None:
        target = named_daemon(cluster, name)
        if target not in cluster.resourcemanagers():
            raise UsageError(f"{name} is no ResourceManager")
        if target not in running:
            raise UsageError(f"{name} does not run: `devcluster up` starts it")
        return target
    candidates = [daemon for daemon in running if daemon != active]
    if not candidates:
        raise UsageError("no other ResourceManager runs: `devcluster up` starts it")
    return candidates[0]


def kill(cluster: Cluster, name: str) -> None:
    """End one daemon the hard way (SIGKILL), as a crash would."""
    named_daemon(cluster, name)
    with state.locked(cluster.dir):
        process = processes.running(cluster, name)
        if process is None:
            say(f"{name} is not running")
            return
        processes.end([process], grace_s=0)
        say(f"killed {name} (pid {process.pid}, {signal.SIGKILL.name})")


def named_daemon(cluster: Cluster, name: str) -> Daemon:
    """The daemon called `name`, or a usage error that lists the names."""
    try:
        return cluster.daemon(name)
    except KeyError:
        known = ", ".join(daemon.name for daemon in cluster.daemons())
        raise UsageError(f"no daemon {name!r} in this cluster; it has {known}") from None


def client_exports(cluster: Cluster) -> str:
    """``export`` lines for a client of the cluster; the Spark conf follows the Spark that is found now."""
    spark_home = client_env.find_spark_home()
    if spark_home:
        client_env.write_spark_conf(cluster, spark_home)
    else:
        say("no Spark found (.venv of the checkout, SPARK_HOME, python3's pyspark): SPARK_HOME is left out")
    return client_env.export_lines(client_env.client_environment(cluster, spark_home))


def follow(cluster: Cluster, name: str, wait: Callable[[], None]) -> None:
    """Print what is added to a daemon's log, until interrupted; a restarted daemon's new file is taken up."""
    path = cluster.log_file(named_daemon(cluster, name).name)
    if not path.exists():
        raise DaemonFailed(f"{name} has written no log yet")
    handle = path.open(encoding="utf-8", errors="replace")
    handle.seek(0, 2)
    while True:
        text = handle.read()
        if text:
            print(text, end="", flush=True)
            continue
        wait()
        if path.exists() and path.stat().st_ino != os.fstat(handle.fileno()).st_ino:
            handle.close()
            handle = path.open(encoding="utf-8", errors="replace")
