"""Which of two ResourceManagers is active: changed by Hadoop's own admin program, as an operator would.

Source: ``HAAdmin`` of Hadoop 3.5.0. Without ``--forceactive`` a transition first asks the other ResourceManager, and
fails when that one is dead; with it nobody is asked.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from devcluster_lib import processes
from devcluster_lib.errors import DaemonFailed
from devcluster_lib.layout import Cluster, Daemon

ADMIN_CLASS = "org.apache.hadoop.yarn.client.cli.RMAdminCLI"
TIMEOUT_S = 60.0


def make_active(cluster: Cluster, lib: Path, daemon: Daemon) -> None:
    """Make a standby the active one; whoever was active has to be standby or dead.

    Raises
    ------
    DaemonFailed
        With the admin program's last words.
    """
    others = [other for other in cluster.resourcemanagers() if other.name != daemon.name]
    dead = any(processes.running(cluster, other.name) is None for other in others)
    _admin(cluster, lib, "-transitionToActive", *(["--forceactive"] if dead else []), daemon.rm_id)


def make_standby(cluster: Cluster, lib: Path, daemon: Daemon) -> None:
    """Take the active one out of work.

    Raises
    ------
    DaemonFailed
        With the admin program's last words.
    """
    _admin(cluster, lib, "-transitionToStandby", daemon.rm_id)


def _admin(cluster: Cluster, lib: Path, *arguments: str) -> None:
    command = [
        f"{cluster.java_home}/bin/java", "-Xmx128m", *processes.JVM_FLAGS, "-Djava.net.preferIPv4Stack=true",
        "-cp", f"{cluster.conf_dir}:{lib}/*", ADMIN_CLASS, *arguments,
    ]  # fmt: skip
    what = f"yarn rmadmin {' '.join(arguments)}"
    try:
        done = subprocess.run(
            command,
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
            env=processes.clean_environment(cluster),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DaemonFailed(f"{what} did not end within {TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        words = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise DaemonFailed(f"{what} failed (exit code {done.returncode}):\n{words}")
