"""Spark's jars as one archive for ``spark.yarn.archive``, named by its content."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from batch_submit.errors import HostNotReady


def archive_name(jars: Sequence[Path]) -> str:
    """``spark-<version>-<hash>.zip``: the hash is over the jars' names and contents.

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
    for jar in jars:
        digest.update(jar.name.encode() + b"\0")
        with jar.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    versions = [match.group(1) for jar in jars if (match := re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", jar.name))]
    return f"spark-{versions[0] if versions else 'unknown'}-{digest.hexdigest()[:12]}.zip"


def build_archive(jars: Sequence[Path], target: Path, progress: Callable[[int], None]) -> int:
    """Store the jars side by side, uncompressed (they are compressed already); returns the archive's bytes.

    ``progress`` is told the bytes done so far.
    """
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for jar in jars:
            archive.write(jar, jar.name)
            done += jar.stat().st_size
            progress(done)
    return target.stat().st_size
