"""Is this host fit for a cluster? Each check answers or raises one clear line."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from devcluster_lib.errors import HostNotReady
from devcluster_lib.layout import Daemon

#: Hadoop 3.5.0: "server requires Java 17" (release page); its clients, Spark among them, run on 17 and 21.
MIN_JAVA, MAX_JAVA = 17, 21
MIN_FREE_BYTES = 1 << 30
JAVA_REMEDY = "install one (apt-get install openjdk-17-jdk-headless) and point JAVA_HOME at it"


def current_user() -> str:
    """Name of the OS user, as Hadoop's ``UnixLoginModule`` sees it; `HADOOP_USER_NAME` has no say in it."""
    if not sys.platform.startswith("linux"):
        raise HostNotReady("the dev cluster needs Linux: it tells its processes apart by /proc")
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise HostNotReady(f"user id {os.getuid()} has no name in /etc/passwd, which Hadoop needs") from None


def find_java() -> str:
    """``java.home`` of the Java in JAVA_HOME or on PATH, once its major version is known to fit.

    Raises
    ------
    HostNotReady
        Naming what was found, where, and what to install.
    """
    home = os.environ.get("JAVA_HOME")
    if home:
        java, origin = str(Path(home) / "bin" / "java"), f"JAVA_HOME={home}"
        if not os.access(java, os.X_OK):
            raise HostNotReady(f"{origin} holds no bin/java; Java {MIN_JAVA} to {MAX_JAVA} is needed: {JAVA_REMEDY}")
    else:
        found = shutil.which("java")
        if found is None:
            raise HostNotReady(f"no java on PATH and no JAVA_HOME; Java {MIN_JAVA} is needed: {JAVA_REMEDY}")
        java, origin = found, f"{found} (first on PATH)"
    try:
        reply = subprocess.run(
            [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostNotReady(f"{origin} does not run ({error}): {JAVA_REMEDY}") from error
    text = reply.stderr + reply.stdout
    specification = re.search(r"java\.specification\.version = (?:1\.)?(\d+)", text)
    version = specification or re.search(r'version "(?:1\.)?(\d+)', text)
    if version is None:
        raise HostNotReady(f"{origin} does not tell its version: {JAVA_REMEDY}")
    if not MIN_JAVA <= int(version[1]) <= MAX_JAVA:
        raise HostNotReady(
            f"{origin} is Java {version[1]}; Hadoop's daemons need {MIN_JAVA} to {MAX_JAVA}: {JAVA_REMEDY}"
        )
    java_home = re.search(r"java\.home = (.+)", text)
    return java_home[1].strip() if java_home else str(Path(java).resolve().parents[1])


def check_disk(directory: Path) -> None:
    """At least `MIN_FREE_BYTES` free where the cluster writes."""
    free = shutil.disk_usage(directory).free
    if free < MIN_FREE_BYTES:
        raise HostNotReady(
            f"disk full: {free >> 20} MiB free in {directory}, {MIN_FREE_BYTES >> 20} MiB needed: "
            "free some, or choose another --dir"
        )


def check_ports(daemons: Iterable[Daemon], patience_s: float = 0.0) -> None:
    """Every port of `daemons` is free on 127.0.0.1.

    Parameters
    ----------
    patience_s
        For daemons that have just ended: on a busy host (load 26) the port of a NameNode was seen taken for a while
        after its process was gone.
    """
    deadline = time.monotonic() + patience_s
    for daemon in daemons:
        for role, port in daemon.ports.items():
            while not (free := port_is_free(port)) and time.monotonic() < deadline:
                time.sleep(0.05)
            if not free:
                raise HostNotReady(
                    f"port {port} ({daemon.name} {role}) is in use by another process: "
                    "end that one, or take other ports with --port-offset (and another --dir)"
                )


def port_is_free(port: int) -> bool:
    """True when a server may listen on 127.0.0.1:`port`."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As Java's servers do: connections in TIME_WAIT do not count, a listening socket does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
