"""Spark's jars as one archive for ``spark.yarn.archive``, named by its content."""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from batch_submit.errors import HostNotReady

#: The earliest time a zip can hold: the same jars give the same bytes on every host and day.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive_name(jars: Sequence[Path], python_zips: Sequence[Path] = ()) -> str:
    """``spark-<version>-<hash>.zip``: the hash is over names and contents of the jars, and of the Python archives that
    the manifest of the same name tells of.

    Raises
    ------
    HostNotReady
        When there are no jars.
    """
    if not jars:
        raise HostNotReady(
            "the Spark distribution's jars were not found", next_step="export SPARK_HOME=<Spark>, with its folder jars"
        )
    digest = hashlib.sha256()
    for jar in (*jars, *python_zips):
        digest.update(jar.name.encode() + b"\0")
        for block in _blocks(jar):
            digest.update(block)
    versions = [match.group(1) for jar in jars if (match := re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", jar.name))]
    return f"spark-{versions[0] if versions else 'unknown'}-{digest.hexdigest()[:16]}.zip"


def build_archive(jars: Sequence[Path], target: Path, progress: Callable[[int], None]) -> int:
    """Store the jars side by side, uncompressed (they are compressed already); returns the archive's bytes.

    ``progress`` is told the bytes done so far.
    """
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for jar in jars:
            entry = zipfile.ZipInfo(jar.name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.file_size = jar.stat().st_size
            with jar.open("rb") as source, archive.open(entry, "w") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            done += entry.file_size
            progress(done)
    return target.stat().st_size


def file_digest(path: Path) -> str:
    """SHA-256 of a large file, in hex digits."""
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block
