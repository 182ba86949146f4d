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
from devcluster_lib.layout import JAVA_SOURCES, POM, REPO

STAMP_FILE = "complete.json"
MAVEN_TIMEOUT_S = 900
COMPILE_TIMEOUT_S = 120
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


def own_classes() -> Path:
    """Folder for our own classes, named by what they are made of; `compile_own` fills it."""
    sources = hashlib.sha256(_pom_hash().encode())
    for source in _own_sources():
        sources.update(source.read_bytes())
    return cache_dir() / f"classes-{sources.hexdigest()[:16]}"


def compile_own(java_home: str, lib: Path) -> None:
    """Compile `JAVA_SOURCES` against the jars in `lib`, once.

    Raises
    ------
    HostNotReady
        With the compiler's words.
    """
    classes = own_classes()
    if classes.is_dir():
        return
    fresh = classes.with_name(f"{classes.name}.{os.getpid()}")
    command = [f"{java_home}/bin/javac", "-proc:none", "-nowarn", "-d", str(fresh), "-cp", f"{lib}/*"]
    code, output = _run([*command, *map(str, _own_sources())], COMPILE_TIMEOUT_S)
    if code != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise HostNotReady(f"javac failed:\n{output.strip()}")
    try:
        fresh.rename(classes)
    except OSError:  # another cluster was faster
        shutil.rmtree(fresh, ignore_errors=True)


def _own_sources() -> list[Path]:
    return sorted(JAVA_SOURCES.rglob("*.java"))


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
        command = [
            maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
            "-DincludeScope=runtime", f"-DoutputDirectory={fresh}",
        ]  # fmt: skip
        code, output = _run(command, MAVEN_TIMEOUT_S)
        if code == 0 and _count(fresh):
            break
    else:
        tail = "\n".join(output.strip().splitlines()[-15:])
        raise HostNotReady(f"mvn could not fetch Hadoop's jars (is Maven Central reachable?). Its last lines:\n{tail}")
    shutil.rmtree(cache / "lib", ignore_errors=True)
    fresh.rename(cache / "lib")
    stamp = {"pom_sha256": _pom_hash(), "jars": _count(cache / "lib")}
    (cache / STAMP_FILE).write_text(json.dumps(stamp) + "\n", encoding="utf-8")


def _run(command: list[str], timeout_s: float) -> tuple[int, str]:
    """Exit code and output of one run of a program."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            text=True, errors="replace", timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return -1, f"no result within {timeout_s:g} s"
    except OSError as error:
        return -1, str(error)
    return done.returncode, done.stdout
