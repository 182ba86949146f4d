"""Checks of this host: Java, Spark, Python, disk, clock, Kerberos ticket. Pure functions on what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.data_classes import dataclass
from batch_submit.plan.health import Finding, ok, red, size_text, skipped, version_numbers, warn
from batch_submit.plan.units import format_duration

#: Spark's line -> oldest Java that it starts on, newest that its documentation names ("Overview" of each release).
_JAVA_FOR = {(4,): (17, 25), (3, 5): (8, 17), (3, 4): (8, 17), (3, 3): (8, 17), (3,): (8, 11), (2,): (8, 8)}
_DISK_RED_BYTES = 100 << 20
_DISK_WARN_BYTES = 1 << 30
_CLOCK_WARN_S = 5.0
#: Kerberos' own tolerance (MIT krb5 ``clockskew``).
_CLOCK_KERBEROS_S = 300.0
_TICKET_WARN_S = 3600.0


@dataclass(frozen=True)
class Disk:
    """Free space where something of ours is written."""

    purpose: str
    path: str
    free_bytes: int


@dataclass(frozen=True)
class Spark:
    """The Spark of this host; versions are "" where its jars do not tell."""

    spark_submit: str
    found_by: str
    version: str = ""
    hadoop_version: str = ""


@dataclass(frozen=True)
class Interpreter:
    """A Python that was asked; ``version`` "" when it did not answer, ``numpy`` "" when it has none."""

    path: str
    version: str = ""
    numpy: str = ""


def java_major(version: str) -> int:
    """``17.0.13`` -> 17, ``1.8.0_392`` -> 8; 0 when it can't be told."""
    numbers = version_numbers(version.replace("_", "."))
    if not numbers:
        return 0
    return numbers[1] if numbers[0] == 1 and len(numbers) > 1 else numbers[0]


def java(path: str, version: str, spark_version: str) -> Finding:
    """Java's version against what the Spark found here starts on.

    Parameters
    ----------
    version
        As ``java -version`` says it; "" when it did not answer.
    spark_version
        "" when unknown: any Java from 8 on passes then.
    """
    major = java_major(version)
    measured: dict[str, object] = {"path": path, "version": version, "major": major, "spark_version": spark_version}
    if not major:
        return red("host.java", "java -version gives no version", "point JAVA_HOME to Java 17", path, measured=measured)
    numbers = version_numbers(spark_version)
    line = next((_JAVA_FOR[key] for key in (numbers[:2], numbers[:1]) if key in _JAVA_FOR), None)
    if line is None:
        return ok("host.java", f"Java {version}", path, measured=measured)
    oldest, newest = line
    wanted = f"Java {oldest}" if oldest == newest else f"Java {oldest} to {newest}"
    if major < oldest:
        step = f"install Java {max(oldest, min(17, newest))} and point JAVA_HOME to it"
        what = f"Java {version} is too old: Spark {spark_version} needs {wanted}"
        return red("host.java", what, step, path, measured=measured)
    if major > newest:
        what = f"Java {version} is newer than Spark {spark_version} knows ({wanted})"
        return warn("host.java", what, f"point JAVA_HOME to Java {newest}", path, measured=measured)
    return ok("host.java", f"Java {version} (Spark {spark_version} takes {wanted})", path, measured=measured)


def spark(found: Spark) -> Finding:
    """Which spark-submit is used, and its version."""
    measured: dict[str, object] = {
        "version": found.version,
        "hadoop_version": found.hadoop_version,
        "found_by": found.found_by,
    }
    if not found.version:
        return warn(
            "host.spark",
            f"spark-submit (by {found.found_by}) belongs to a Spark whose version its jars do not tell",
            "point SPARK_HOME to a whole Spark distribution",
            found.spark_submit,
            measured=measured,
        )
    return ok("host.spark", f"Spark {found.version}, by {found.found_by}", found.spark_submit, measured=measured)


def spark_against_cluster(client: str, cluster: str) -> Finding:
    """The Hadoop client inside Spark against the cluster's Hadoop: clients of the same major version are compatible.

    Source: Hadoop's "Compatibility" page (wire compatibility holds within a major version).
    """
    id = "host.spark-hadoop"
    if not client or not cluster:
        return skipped(id, "the version of " + ("the cluster" if client else "Spark's Hadoop client") + " is not known")
    mine, theirs = version_numbers(client), version_numbers(cluster)
    measured: dict[str, object] = {"client_version": client, "cluster_version": cluster}
    if mine[:1] != theirs[:1]:
        what = f"Spark brings Hadoop {client}, the cluster runs {cluster}: another major version"
        return warn(id, what, f"use a Spark that is built for Hadoop {theirs[0]}", measured=measured)
    if mine[:2] > theirs[:2]:
        return ok(
            id, f"Spark's Hadoop client {client} is newer than the cluster's {cluster}, same major", measured=measured
        )
    return ok(id, f"Spark's Hadoop client {client} fits the cluster's {cluster}", measured=measured)


def pyspark(installed: str, spark_version: str) -> Finding:
    """The Python package pyspark, where there is one, against spark-submit."""
    id = "host.pyspark"
    if not installed:
        return skipped(id, "the package pyspark is not installed here, and not needed")
    if not spark_version:
        return skipped(id, f"pyspark {installed}; the version of spark-submit is not known")
    measured: dict[str, object] = {"pyspark_version": installed, "spark_version": spark_version}
    if version_numbers(installed)[:2] != version_numbers(spark_version)[:2]:
        what = f"pyspark {installed} is installed here, spark-submit is of Spark {spark_version}"
        step = f"pip install 'pyspark=={spark_version}', or point SPARK_HOME to a Spark {installed}"
        return warn(id, what, step, measured=measured)
    return ok(id, f"pyspark {installed} fits spark-submit", measured=measured)


def python(ours: str, nodes: Interpreter | None, backend: str) -> Finding:
    """This Python, and the one that ``PYTHON_PATH`` names for the nodes (which need not exist on this host)."""
    id = "host.python"
    if nodes is None:
        where_from = "spark-submit takes this one" if backend == "local" else "the nodes take their own python3"
        return ok(id, f"Python {ours}; PYTHON_PATH is not set: {where_from}", measured={"version": ours})
    measured: dict[str, object] = {
        "version": ours,
        "python_path": nodes.path,
        "python_path_version": nodes.version,
        "numpy": nodes.numpy,
    }
    if not nodes.version:
        what = f"PYTHON_PATH={nodes.path} does not answer on this host"
        if backend == "local":
            return red(id, what, "point PYTHON_PATH to a Python 3", nodes.path, measured=measured)
        step = "it must exist on the nodes: batch-submit doctor --deep asks them"
        return warn(id, what, step, nodes.path, measured=measured)
    if not nodes.numpy:
        what = f"PYTHON_PATH={nodes.path} (Python {nodes.version}) has no numpy here, which the built-in jobs need"
        return warn(
            id, what, f"{nodes.path} -m pip install numpy; --deep asks the nodes", nodes.path, measured=measured
        )
    what = f"Python {ours}; PYTHON_PATH: Python {nodes.version} with numpy {nodes.numpy}"
    return ok(id, what, nodes.path, measured=measured)


def disks(measured: Sequence[Disk]) -> list[Finding]:
    """Free space of the folders that this tool and spark-submit write to."""
    out = []
    for disk in measured:
        text = f"{size_text(disk.free_bytes)} free for {disk.purpose}"
        numbers: dict[str, object] = {"purpose": disk.purpose, "free_bytes": disk.free_bytes}
        if disk.free_bytes < _DISK_RED_BYTES:
            out.append(
                red("host.disk", f"only {text}", "free some space, or use another folder", disk.path, measured=numbers)
            )
        elif disk.free_bytes < _DISK_WARN_BYTES:
            out.append(warn("host.disk", f"only {text}", "free some space soon", disk.path, measured=numbers))
        else:
            out.append(ok("host.disk", text, disk.path, measured=numbers))
    return out


def state_folder(path: str, writable: bool) -> Finding:
    """Run records must be written before anything is launched."""
    if writable:
        return ok("host.state-folder", "run records can be written", path)
    step = "make it writable, or set XDG_STATE_HOME to a folder that is"
    return red("host.state-folder", "run records can't be written", step, path)


def clock(offset_s: float | None, server: str, kerberos: bool) -> Finding:
    """This host's clock against a server's ``Date``; ``offset_s`` > 0: we are ahead."""
    id = "host.clock"
    if offset_s is None:
        return skipped(id, "no server told its time")
    side = "ahead of" if offset_s > 0 else "behind"
    measured: dict[str, object] = {"offset_s": round(offset_s, 1), "kerberos": kerberos}
    if abs(offset_s) <= _CLOCK_WARN_S:
        return ok(id, f"within {max(1.0, abs(offset_s)):.0f} s of the cluster's", server, measured=measured)
    what = f"this clock is {format_duration(round(abs(offset_s)))} {side} the cluster's"
    step = "set the clock, and keep it by NTP: timedatectl set-ntp true"
    if kerberos and abs(offset_s) > _CLOCK_KERBEROS_S:
        return red(id, f"{what}; Kerberos refuses from 5 minutes on", step, server, measured=measured)
    return warn(id, what, step, server, measured=measured)


def ticket(kerberos: bool, state: str, left_s: float | None, by: str = "") -> Finding:
    """The Kerberos ticket.

    Parameters
    ----------
    state
        ``missing`` (no ``klist`` program), ``none`` (no valid ticket) or ``valid``.
    left_s
        Seconds that it still lives; ``None`` when klist's text was not understood.
    by
        The keytab by which it was got, and is got again in time; "" for the user's own.
    """
    id = "host.ticket"
    if not kerberos:
        return skipped(id, "the cluster does not use Kerberos")
    if state == "missing":
        step = "install the Kerberos client (apt-get install krb5-user)"
        return warn(id, "there is no klist: whether there is a ticket can't be told", step)
    if state != "valid":
        return red(id, "there is no valid Kerberos ticket", "kinit, or kinit -kt <keytab> <principal>")
    if left_s is None:
        return ok(id, "there is a valid Kerberos ticket")
    text = f"the Kerberos ticket is valid for {format_duration(int(left_s))}"
    if by:
        return ok(id, f"{by}; {text}, and renewed in time", measured={"left_s": int(left_s)})
    if left_s < _TICKET_WARN_S:
        return warn(id, text, "kinit again before a long run", measured={"left_s": int(left_s)})
    return ok(id, text, measured={"left_s": int(left_s)})


def kerberos_package(kerberos: bool, found: bool) -> Finding:
    """``requests-kerberos``, without which nothing of a Kerberos cluster can be asked."""
    id = "host.kerberos-package"
    if not kerberos:
        return skipped(id, "the cluster does not use Kerberos")
    if found:
        return ok(id, "the package requests-kerberos is there")
    return red(id, "the package requests-kerberos is missing", "pip install 'batch-submit[kerberos]'")
