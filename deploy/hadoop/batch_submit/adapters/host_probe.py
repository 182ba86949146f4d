"""Questions to this host: Java, Spark's jars, an interpreter, disk, the ticket. Every program has a time limit."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from batch_submit.adapters.spark_finder import SparkDistribution
from batch_submit.adapters.tickets import find, look_at_cache
from batch_submit.plan.health_host import Disk, Interpreter, Spark
from batch_submit.plan.tickets import TicketState

PROGRAM_TIMEOUT_S = 5.0
_JAVA_VERSION = re.compile(r'version "([^"]+)"')
_CORE = re.compile(r"spark-core_[0-9.]+-(.+)\.jar")
_HADOOP = re.compile(r"hadoop-(?:client-api|common)-(.+)\.jar")
_RELEASE = re.compile(r"Spark (\S+).*?built for Hadoop (\S+)", re.DOTALL)
_ASK_PYTHON = (
    "import platform, importlib.metadata as m\n"
    "try: n = m.version('numpy')\n"
    "except m.PackageNotFoundError: n = ''\n"
    "print(platform.python_version(), n)"
)


class Watch(Protocol):
    """The two times that a probe needs; :class:`batch_submit.services.Clock` has both."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def now_utc(self) -> datetime:
        """The wall clock in UTC."""


def java_version(java_home: str, env: Mapping[str, str]) -> tuple[str, str]:
    """The java that spark-submit will start, and its version ("" when it gives none in time).

    Parameters
    ----------
    java_home
        As :func:`batch_submit.adapters.spark_submit.find_java` gives it: "" takes the one on PATH.
    """
    path = str(Path(java_home, "bin", "java")) if java_home else shutil.which("java", path=_path(env)) or "java"
    found = _JAVA_VERSION.search(_output([path, "-version"], env))
    return path, found.group(1) if found else ""


def spark_versions(found: SparkDistribution) -> Spark:
    """Spark's version and that of the Hadoop client in it, by the names of its jars: no JVM is started."""
    versions = {"": "", "hadoop": ""}
    for jar in found.jars():
        for key, pattern in (("", _CORE), ("hadoop", _HADOOP)):
            match = pattern.fullmatch(jar.name)
            if match and not versions[key]:
                versions[key] = match.group(1)
    release = Path(found.home, "RELEASE") if found.home else None
    if release is not None and not all(versions.values()) and release.is_file():
        match = _RELEASE.search(release.read_text(encoding="utf-8", errors="replace"))
        if match:
            versions = {"": versions[""] or match.group(1), "hadoop": versions["hadoop"] or match.group(2)}
    return Spark(found.spark_submit, found.found_by, versions[""], versions["hadoop"])


def installed_version(package: str) -> str:
    """The version of an installed Python package; "" when it is not installed. Imports nothing."""
    import importlib.metadata  # loads the mail package; a submission uses this module and asks for no version

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def own_python() -> str:
    """The version of the Python that runs this."""
    return platform.python_version()


def can_import(module: str) -> bool:
    """Whether a module is there. Imports nothing."""
    return importlib.util.find_spec(module) is not None


def interpreter(path: str, env: Mapping[str, str]) -> Interpreter:
    """Ask a Python for its version and numpy's; without ``version`` when it does not answer in time."""
    clean = {name: value for name, value in env.items() if not name.startswith("PYTHON")}
    words = _output([path, "-c", _ASK_PYTHON], clean).split()
    return Interpreter(path, words[0] if words else "", words[1] if len(words) > 1 else "")


def disks(folders: Sequence[tuple[str, Path]]) -> list[Disk]:
    """Free bytes, of the nearest folder above where one does not exist yet; those that can't be asked are left out."""
    out = []
    for purpose, folder in folders:
        try:
            out.append(Disk(purpose, str(folder), shutil.disk_usage(nearest(folder)).free))
        except OSError:
            continue  # told by the check that needs the folder
    return out


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or the folder itself where it does not exist yet. Makes nothing."""
    there = nearest(folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def clock_offset_s(date_header: str, asked: float, answered: float) -> float | None:
    """Our clock minus a server's, seconds; ``None`` for a header that is no date.

    Parameters
    ----------
    asked, answered
        Our wall clock around the request, seconds since the epoch. A ``Date`` is cut to the second.
    """
    from email.utils import parsedate_to_datetime  # the mail package: a submission uses this module without it

    try:
        theirs = parsedate_to_datetime(date_header.split(", Date")[0]).timestamp()
    except (TypeError, ValueError):
        return None
    early, late = asked - (theirs + 1.0), answered - theirs
    if early <= 0.0 <= late:
        return 0.0
    return early if early > 0 else late


def kerberos_ticket(env: Mapping[str, str], now: float, cache: str = "") -> tuple[str, float | None]:
    """``missing``, ``none`` or ``valid``, and the seconds that the ticket still lives where klist's text tells.

    Parameters
    ----------
    cache
        "" is the user's own.
    """
    found = look_at_cache(env, now, cache)
    if found.state in (TicketState.NONE, TicketState.EXPIRED):
        return "none", None
    if found.state is TicketState.UNKNOWN:
        return ("valid" if find("klist", env) else "missing"), None
    return "valid", found.expires_s - now if found.expires_s is not None else None


def own_groups() -> tuple[str, ...]:
    """The names of this process's groups; those without a name are left out."""
    import grp

    names = []
    for number in {os.getgid(), *os.getgroups()}:
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return tuple(sorted(names))


def _path(env: Mapping[str, str]) -> str:
    return env.get("PATH", os.defpath)


def _output(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """What a program writes on stdout and stderr; "" when it can't be started or takes too long."""
    try:
        done = subprocess.run(
            list(argv),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode("utf-8", errors="replace")
