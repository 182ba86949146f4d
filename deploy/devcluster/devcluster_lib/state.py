"""What a work folder remembers: `cluster.json`, the lock, and which folders are ours to delete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devcluster_lib.errors import HostNotReady, UsageError
from devcluster_lib.layout import MAX_NODEMANAGERS, PROFILES, RESOURCEMANAGERS, SIMPLE, Cluster

STATE_FILE = "cluster.json"
LOCK_FILE = "lock"
#: Everything that a cluster makes in its folder; `wipe` deletes these and nothing else.
OWN_NAMES = (
    "conf", "spark-conf", "hdfs", "rmstore", "logs", "run", "tmp", "nodemanager", "kerberos", "tls",
    *(f"conf-resourcemanager{suffix}" for suffix in ("", *(f"-{index}" for index in range(2, RESOURCEMANAGERS + 1)))),
    *(f"{prefix}nodemanager-{index}" for prefix in ("", "conf-") for index in range(2, MAX_NODEMANAGERS + 1)),
)  # fmt: skip
LOCK_PATIENCE_S = 150.0


def write_whole(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old file or the new one, never a part; untouched when it is the same."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def save(cluster: Cluster) -> None:
    """Record the cluster in its folder."""
    write_whole(cluster.dir / STATE_FILE, json.dumps(as_record(cluster), indent=2) + "\n")


def as_record(cluster: Cluster) -> dict[str, Any]:
    """What the cluster was configured with; `load` reads it."""
    return {
        "dir": str(cluster.dir),
        "port_offset": cluster.port_offset,
        "nodemanagers": cluster.nodemanagers,
        "user": cluster.user,
        "java_home": cluster.java_home,
        "settings": cluster.settings,
        "ha": cluster.ha,
        "profile": cluster.profile,
    }


def load(directory: Path) -> Cluster | None:
    """The cluster that was configured in `directory`, or None."""
    path = directory / STATE_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Cluster(
            directory,
            int(record["port_offset"]),
            int(record["nodemanagers"]),
            record["user"],
            record["java_home"],
            # Absent in the record of an older devcluster.
            settings={site: dict(values) for site, values in record.get("settings", {}).items()},
            ha=bool(record.get("ha", False)),
            profile=PROFILES[PROFILES.index(record.get("profile", SIMPLE))],
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise UsageError(f"{path} can't be read ({error!r}): delete it, or choose another --dir") from error


def require(directory: Path) -> Cluster:
    """The cluster configured in `directory`; without one the host is not ready."""
    cluster = load(directory)
    if cluster is None:
        raise HostNotReady(f"no cluster in {directory}: run `devcluster up` first, or name its folder with --dir")
    return cluster


def claim_directory(directory: Path) -> None:
    """Create the work folder, or check that it is ours: never mix a cluster into somebody's files.

    Raises
    ------
    UsageError
        For a path that Hadoop can't take, or a folder that holds other things.
    HostNotReady
        When it can't be created.
    """
    bad = sorted({character for character in str(directory) if character.isspace() or character in ",'\"%${}#?:;*"})
    if bad:
        # These end up in comma-separated path lists, URIs and shell scripts of Hadoop that do not quote them.
        raise UsageError(f"--dir {directory}: Hadoop can't work in a path that holds {' '.join(map(repr, bad))}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        foreign = [p.name for p in directory.iterdir() if p.name not in (STATE_FILE, LOCK_FILE)]
    except OSError as error:
        raise HostNotReady(f"can't use {directory} ({error.strerror}): choose another --dir") from error
    if foreign and not (directory / STATE_FILE).exists():
        raise UsageError(
            f"{directory} holds other files ({sorted(foreign)[0]}, ...): choose an empty folder with --dir"
        )


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the folder's lock, so that of two `up` at once the second finds a running cluster."""
    with (directory / LOCK_FILE).open("w", encoding="utf-8") as handle:
        deadline = time.monotonic() + LOCK_PATIENCE_S
        waiting = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HostNotReady(
                        f"another devcluster command has been at work in {directory} for {LOCK_PATIENCE_S:.0f} s"
                    ) from None
                if not waiting:
                    print(f"devcluster: waiting for another command in {directory}", file=sys.stderr)
                    waiting = True
                time.sleep(0.1)
        yield


def wipe(directory: Path) -> None:
    """Delete what the cluster made, and the folder when nothing else is in it.

    Raises
    ------
    HostNotReady
        When something can't be deleted; the record stays, so that `down --wipe` can be tried again.
    """
    for name in OWN_NAMES:
        try:
            shutil.rmtree(directory / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostNotReady(f"can't delete {error.filename or directory / name}: {error.strerror}") from error
    for name in (STATE_FILE, LOCK_FILE):
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()
