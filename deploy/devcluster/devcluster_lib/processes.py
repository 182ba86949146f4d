"""Start, recognise and end the cluster's own processes.

A process is ours when its record names its pid **and** its start time, so that a recycled pid is never signalled; or
when its environment says so: a daemon carries our mark, a container's process the work folders of its NodeManager.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from devcluster_lib import certificates, jars, kerberos, realm
from devcluster_lib.errors import DaemonFailed
from devcluster_lib.layout import HEAP_MIB, MAIN_CLASSES, Cluster, Daemon
from devcluster_lib.state import write_whole

#: Environment variable of every daemon; its value is the work folder. Containers do not inherit it: the NodeManager
#: starts them with an environment of their own.
MARK = "DEVCLUSTER_PROCESS_OF"
#: What daemons, and through the NodeManager containers, see of the caller's environment. Not HADOOP_USER_NAME: it
#: would make somebody else the superuser of HDFS. Not JAVA_TOOL_OPTIONS, CLASSPATH or SPARK_*.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ")
#: `hadoop_finalize_jpms_opts` in Hadoop's hadoop-functions.sh.
ADD_OPENS = (
    "java.io", "java.lang", "java.lang.reflect", "java.math", "java.net", "java.text", "java.util",
    "java.util.concurrent", "java.util.zip", "sun.security.util", "sun.security.x509",
)  # fmt: skip
#: The two that make a JVM start fast on few cores.
JVM_FLAGS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
#: DataNode.main takes generic options. It starts beside the NameNode, and BPServiceActor sleeps 5 s after each failed
#: round of connection attempts: one long round finds the NameNode within 200 ms.
EXTRA_ARGUMENTS = {"datanode": ("-D", "ipc.client.connect.max.retries=600")}
#: As Hadoop's own scripts do, for whoever reads the output of `ps`.
NAME_FLAG = "-Dproc_"
KILL_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Process:
    """Identity of a process: a pid means nothing without its start time and the boot it belongs to.

    Parameters
    ----------
    name
        Daemon, or a description.
    pid
        Process id.
    start_ticks
        Field 22 of ``/proc/<pid>/stat`` (proc(5)): clock ticks since boot.
    boot_id
        ``/proc/sys/kernel/random/boot_id``.
    """

    name: str
    pid: int
    start_ticks: int
    boot_id: str

    @property
    def alive(self) -> bool:
        """True while this very process runs; a zombie does not."""
        state, ticks = _stat(self.pid)
        return ticks == self.start_ticks and state not in ("Z", "X", "") and self.boot_id == _boot_id()

    def send(self, signum: int) -> None:
        """Signal the process if it is still the same one; the pidfd closes the gap between check and signal.

        One that has ended, before or meanwhile, is no error: its end is what everybody who signals wants. Who needs to
        know waits for it (`end`), and is told of what goes on.
        """
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive:
                    signal.pidfd_send_signal(handle, signum)
            except PermissionError as error:
                raise DaemonFailed(f"{self.name} (pid {self.pid}) belongs to another user: {error.strerror}") from error
            finally:
                os.close(handle)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, int]:
    """State letter and start ticks of a process, or ``("", -1)``; the name in field 2 may hold blanks and brackets."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, IndexError, ValueError):
        return "", -1


def identify(name: str, pid: int) -> Process:
    """The process that has this pid now."""
    return Process(name, pid, _stat(pid)[1], _boot_id())


def _record_path(cluster: Cluster, name: str) -> Path:
    return cluster.run_dir / f"{name}.pid"


def recorded(cluster: Cluster, name: str) -> Process | None:
    """What the pid file of daemon `name` says, whether that process still runs or not."""
    try:
        return Process(**json.loads(_record_path(cluster, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def running(cluster: Cluster, name: str) -> Process | None:
    """The process of daemon `name`, if it runs."""
    process = recorded(cluster, name)
    return process if process and process.alive else None


def forget(cluster: Cluster) -> None:
    """Remove all pid files."""
    for path in cluster.run_dir.glob("*.pid"):
        path.unlink(missing_ok=True)


def start(cluster: Cluster, daemon: Daemon, lib: Path) -> Process:
    """Start a daemon, detached from the terminal, and record it; the last run's log is kept as ``.log.1``."""
    log = cluster.log_file(daemon.name)
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    process = launch(cluster, daemon, lib, EXTRA_ARGUMENTS.get(daemon.kind, ()))
    record = identify(daemon.name, process.pid)
    write_whole(_record_path(cluster, daemon.name), json.dumps(asdict(record)) + "\n")
    return record


def launch(cluster: Cluster, daemon: Daemon, lib: Path, arguments: Iterable[str]) -> subprocess.Popen[bytes]:
    """Run the daemon's program with `arguments`; its output is appended to the daemon's log.

    setsid(2) keeps a Ctrl-C in the terminal away from it.
    """
    for folder in (cluster.logs_dir, cluster.run_dir, cluster.tmp_dir):
        folder.mkdir(parents=True, exist_ok=True)
    environment = {**clean_environment(cluster), MARK: str(cluster.dir), **certificates.environment(cluster)}
    if daemon.kind == "kdc":
        command, environment = realm.kdc_command(), environment | kerberos.environment(cluster)
    else:
        command = java_command(cluster, daemon, lib)
    with cluster.log_file(daemon.name).open("ab") as log:
        return subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            cwd=cluster.run_dir,  # neutral: HttpServer2 has a development mode that looks for src/main/webapps
            env=environment, start_new_session=True,
        )  # fmt: skip


def clean_environment(cluster: Cluster) -> dict[str, str]:
    """What a JVM of ours sees of the caller's environment, and its Java."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # Containers inherit it, and Java 17 reads arguments by it: without one, letters beyond ASCII become "?".
    passed_on.setdefault("LANG", "C.UTF-8")
    return {**passed_on, "JAVA_HOME": cluster.java_home}


def java_command(cluster: Cluster, daemon: Daemon, lib: Path) -> list[str]:
    """The JVM's command line up to the main class."""
    overlay = cluster.overlay_conf_dir(daemon)
    class_path = [str(folder) for folder in (overlay, cluster.conf_dir) if folder] + [f"{lib}/*"]
    if cluster.secure and daemon.kind == "nodemanager":
        class_path.insert(0, str(jars.own_classes()))
    return [
        f"{cluster.java_home}/bin/java", f"-Xmx{HEAP_MIB[daemon.kind]}m", *JVM_FLAGS,
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ADD_OPENS),
        "-Djava.net.preferIPv4Stack=true", f"-Djava.io.tmpdir={cluster.tmp_dir}", *kerberos.java_options(cluster),
        *certificates.java_options(cluster, daemon.kind),
        f"-XX:ErrorFile={cluster.logs_dir}/{daemon.name}.hs_err",
        f"-Dhadoop.log.dir={cluster.logs_dir}", f"-Dyarn.log.dir={cluster.logs_dir}",
        f"-Dhadoop.log.file={daemon.name}.log", f"-Dhadoop.id.str={cluster.user}", f"{NAME_FLAG}{daemon.name}",
        "-cp", ":".join(class_path), MAIN_CLASSES[daemon.kind],
    ]  # fmt: skip


def marked(cluster_dir: Path) -> tuple[list[Process], list[Process]]:
    """Running processes of the cluster in `cluster_dir`: its daemons, and what the containers run."""
    mark = f"{MARK}={cluster_dir}".encode()
    # Set by the NodeManager for all that it launches (ApplicationConstants.Environment), its wrapper scripts included.
    local_dirs = f"LOCAL_DIRS={cluster_dir}/nodemanager".encode()
    daemons: list[Process] = []
    containers: list[Process] = []
    for entry in Path("/proc").glob("[0-9]*"):
        process = identify(f"process {entry.name}", int(entry.name))
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # gone meanwhile, or another user's and so not ours
        if process.pid == os.getpid() or not process.alive:
            continue
        if any(item.startswith(local_dirs) for item in environment):
            containers.append(process)
        elif mark in environment:
            daemons.append(replace(process, name=_daemon_name(process.pid) or process.name))
    return daemons, containers


def _daemon_name(pid: int) -> str:
    """The name that `java_command` gave to a daemon's JVM, ``kdc``, or an empty string."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    if Path(arguments[0]).name == realm.KDC_PROGRAM:
        return "kdc"
    return next((argument.removeprefix(NAME_FLAG) for argument in arguments if argument.startswith(NAME_FLAG)), "")


def end(processes: Iterable[Process], grace_s: float) -> None:
    """Ask all to end; kill those that still run after `grace_s` seconds.

    Raises
    ------
    DaemonFailed
        When one survives even that.
    """
    remaining = [process for process in processes if process.alive]
    for signum, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_PATIENCE_S)):
        if signum == signal.SIGTERM and grace_s <= 0:
            continue
        for process in remaining:
            process.send(signum)
        deadline = time.monotonic() + patience_s
        while remaining and time.monotonic() < deadline:
            remaining = [process for process in remaining if process.alive]
            time.sleep(0.05)
    if remaining:
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in remaining)
        raise DaemonFailed(f"still running after SIGKILL: {names}")
