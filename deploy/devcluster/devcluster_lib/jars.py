"""The daemons' jars: resolved once by Maven from the pinned `pom.xml`, shared by all clusters of this checkout."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from devcluster_lib.errors import HostNotReady
from devcluster_lib.layout import POM, REPO

STAMP_FILE = "complete.json"
MAVEN_TIMEOUT_S = 900
ATTEMPTS = 2


def cache_dir() -> Path:
    """Where the jars are kept: `DEVCLUSTER_JARS`, else ``.devcluster-jars`` of the checkout."""
    return Path(os.environ.get("DEVCLUSTER_JARS") or REPO / ".devcluster-jars").absolute()


def resolve() -> Path:
    """Folder with all jars; asks Maven only when the stamp does not fit the pom.

    Raises
    ------
    HostNotReady
        Without Maven, or when it fails twice.
    """
    cache = cache_dir()
    if _complete(cache):
        return cache / "lib"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two clusters that start at once resolve once
        if not _complete(cache):
            _fetch(cache)
    return cache / "lib"


def _pom_hash() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


def _complete(cache: Path) -> bool:
    """True when the stamp names this pom and as many jars as are there."""
    try:
        stamp = json.loads((cache / STAMP_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return stamp == {"pom_sha256": _pom_hash(), "jars": _count(cache / "lib")}


def _count(lib: Path) -> int:
    return sum(1 for _ in lib.glob("*.jar"))


def _fetch(cache: Path) -> None:
    """Let Maven fill a fresh folder, then put it in place and write the stamp last."""
    maven = shutil.which("mvn")
    if maven is None:
        raise HostNotReady("mvn is missing; it fetches Hadoop's jars: apt-get install maven")
    print(f"devcluster: fetching Hadoop's jars into {cache / 'lib'} (about 100 MB, once)", file=sys.stderr)
    (cache / STAMP_FILE).unlink(missing_ok=True)
    fresh = cache / "lib.partial"
    output = ""
    for _ in range(ATTEMPTS):  # Maven Central answers 429 and 5xx at times
        shutil.rmtree(fresh, ignore_errors=True)
        code, output = _run_maven([
            maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
            "-DincludeScope=runtime", f"-DoutputDirectory={fresh}",
        ])  # fmt: skip
        if code == 0 and _count(fresh):
            break
    else:
        tail = "\n".join(output.strip().splitlines()[-15:])
        raise HostNotReady(f"mvn could not fetch Hadoop's jars (is Maven Central reachable?). Its last lines:\n{tail}")
    shutil.rmtree(cache / "lib", ignore_errors=True)
    fresh.rename(cache / "lib")
    stamp = {"pom_sha256": _pom_hash(), "jars": _count(cache / "lib")}
    (cache / STAMP_FILE).write_text(json.dumps(stamp) + "\n", encoding="utf-8")


def _run_maven(command: list[str]) -> tuple[int, str]:
    """Exit code and output of one Maven run."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            text=True, errors="replace", timeout=MAVEN_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -1, f"no result within {MAVEN_TIMEOUT_S} s"
    except OSError as error:
        return -1, str(error)
    return done.returncode, done.stdout
