"""The manifest beside an archive of Spark's jars: what must be known of that Spark where there is none.

It is read on hosts other than the one that wrote it, so that everything in it is checked: its module options become
part of the application master's command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.errors import ClusterRefused
from batch_submit.plan.rest.distribution import SparkFacts
from batch_submit.plan.shared import first_name, is_shared_name

#: Larger than any manifest: a few kilobytes.
MOST_BYTES = 1 << 20
_FORMAT = 1
_OPTION = re.compile(r"-[A-Za-z0-9+:=./_,-]+")  # nothing that a shell or YARN would read
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*")


@dataclass(frozen=True)
class HeldFile:
    """A file beside the manifest: its name, bytes, and SHA-256 in hex digits."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A Spark whose jars and Python archives lie in HDFS."""

    version: str
    module_options: tuple[str, ...]
    archive: HeldFile
    python_zips: tuple[HeldFile, ...]

    def text(self) -> str:
        """As it lies in HDFS."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    def facts(self, folder: str) -> SparkFacts:
        """The Spark as a submission needs it.

        Parameters
        ----------
        folder
            URI of the folder in which the manifest lies.
        """
        zips = [f"{folder}/{one.name}#{first_name(one.name)}" for one in self.python_zips]
        return SparkFacts(self.version, self.module_options, tuple(zips))


def parse_manifest(text: str, where: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    ClusterRefused
        It is none, or holds what no manifest of ours does.
    """
    try:
        found = json.loads(text)
        if found["format"] != _FORMAT:
            raise ValueError(f"format {found['format']!r} is of another release")
        manifest = Manifest(
            _matching(_VERSION, found["version"]),
            tuple(_matching(_OPTION, one) for one in found["module_options"]),
            _held(found["archive"]),
            tuple(_held(one) for one in found["python_zips"]),
        )
        if len(manifest.python_zips) != 2:
            raise ValueError(f"{len(manifest.python_zips)} Python archives instead of 2")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ClusterRefused(
            f"this is no manifest of a Spark archive: {error}",
            where=where,
            next_step="delete it, and make it anew on a host with Spark: batch-submit init-hdfs --spark",
        ) from error
    return manifest


def _held(found: Mapping[str, Any]) -> HeldFile:
    name, size = found["name"], found["size"]
    if not isinstance(name, str) or not is_shared_name(name) or not isinstance(size, int):
        raise ValueError(f"{name!r} is no name of a shared file")
    return HeldFile(name, size, _matching(re.compile("[0-9a-f]{64}"), found["sha256"]))


def _matching(pattern: re.Pattern[str], text: Any) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"{text!r} is not allowed")
    return text
