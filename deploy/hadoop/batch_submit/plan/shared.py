"""The shared folder in HDFS: names that tell a file's content, and which of its files nobody needs any more."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Collection, Iterable

from batch_submit.data_classes import dataclass

#: A file's use is written down (its access time) when the last note is older than this. Each submission looks.
NOTE_EVERY_MS = 24 * 3600 * 1000
#: Clocks differ, and HDFS itself notes a reading an hour late (``dfs.namenode.accesstime.precision``).
SLACK_MS = 24 * 3600 * 1000
#: An upload lasts minutes; what is older was left behind by a process that was killed.
STALE_UPLOAD_MS = 24 * 3600 * 1000
#: Shorter than the notes and their slack, an age says nothing about use.
LEAST_AGE_S = (NOTE_EVERY_MS + SLACK_MS) // 1000

_HASH = r"[0-9a-f]{16}"
_VERSION = r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,60}"
_OURS = (
    rf"(?:(?:pyspark|py4j-{_VERSION}-src|ml_pipeline_framework)-{_HASH}\.zip|spark-{_VERSION}-{_HASH}\.(?:zip|json))"
)
_NAME = re.compile(_OURS)
_ARCHIVE = re.compile(rf"spark-{_VERSION}-{_HASH}\.zip")
_UPLOAD = re.compile(rf"\.{_OURS}\.[0-9a-f]{{12}}\.uploading(?:\.part)?")


def digest_of(content: bytes) -> str:
    """SHA-256 in hex digits."""
    return hashlib.sha256(content).hexdigest()


def shared_name(file_name: str, digest: str) -> str:
    """``pyspark.zip`` and the digest of its content as ``pyspark-<16 hex digits>.zip``."""
    stem, suffix = posixpath.splitext(file_name)
    return f"{stem}-{digest[:16]}{suffix}"


def first_name(name: str) -> str:
    """The name that a file had before it was shared: ``pyspark-<hash>.zip`` as ``pyspark.zip``."""
    stem, suffix = posixpath.splitext(name)
    return stem.rpartition("-")[0] + suffix


def is_shared_name(name: str) -> bool:
    """Whether this program gives such names in the shared folder."""
    return _NAME.fullmatch(name) is not None


def upload_name(name: str, random_hex: str) -> str:
    """The temporary name of an upload; ``random_hex`` has twelve digits."""
    return f".{name}.{random_hex}.uploading"


def manifest_name(archive: str) -> str:
    """The manifest's name beside an archive of Spark's jars; "" when the archive's is none of ours."""
    return f"{archive.removesuffix('.zip')}.json" if _ARCHIVE.fullmatch(archive) else ""


@dataclass(frozen=True)
class Entry:
    """A file of the shared folder; times in milliseconds since the epoch."""

    name: str
    size: int
    modified_ms: int
    accessed_ms: int
    owner: str
    is_folder: bool = False

    @property
    def used_ms(self) -> int:
        """When it was used last, as far as HDFS knows."""
        return max(self.modified_ms, self.accessed_ms)


@dataclass(frozen=True)
class Judged:
    """What becomes of an entry, and why."""

    entry: Entry
    delete: bool
    reason: str


@dataclass(frozen=True)
class Sweep:
    """What decides about the entries.

    Parameters
    ----------
    now_ms, older_than_s
        What was used within that time is kept.
    user
        Only this user's files are deleted.
    in_use
        Names that this program would use now, or that a configuration names.
    live_since_ms
        Start of the oldest live application that carries this tool's tag; ``None`` when none lives. An application used
        its files at its start at the earliest, and that use was noted unless there was a note of the day before; so
        what was last used two days before the oldest start is used by no live application.
    keeps_access_times
        Whether HDFS does (``dfs.namenode.accesstime.precision`` is not 0). Where it does not, uses can't be told, and
        nothing is deleted while an application lives.
    """

    now_ms: int
    older_than_s: float
    user: str
    in_use: Collection[str]
    live_since_ms: int | None = None
    keeps_access_times: bool = True

    def judge(self, entries: Iterable[Entry]) -> list[Judged]:
        """Judge the files that are ours by their names; others are not even mentioned. Sorted by name."""
        entries = sorted(entries, key=lambda one: one.name)
        last_used: dict[str, int] = {}
        for one in entries:  # an archive and its manifest live and go together
            group = posixpath.splitext(one.name)[0]
            last_used[group] = max(one.used_ms, last_used.get(group, 0))
        kept_groups = {posixpath.splitext(name)[0] for name in self.in_use}
        judged = []
        for one in entries:
            if one.is_folder:
                continue
            if _UPLOAD.fullmatch(one.name):
                judged.append(self._upload(one))
            elif is_shared_name(one.name):
                group = posixpath.splitext(one.name)[0]
                reason = self._why_kept(one, last_used[group], named=group in kept_groups)
                judged.append(Judged(one, not reason, reason or "unused"))
        return judged

    def _upload(self, one: Entry) -> Judged:
        if one.owner != self.user:
            return Judged(one, False, f"of user {one.owner}")
        stale = self.now_ms - one.modified_ms > STALE_UPLOAD_MS
        return Judged(one, stale, "left behind by an upload" if stale else "an upload that may be under way")

    def _why_kept(self, one: Entry, used_ms: int, *, named: bool) -> str:
        if one.owner != self.user:
            return f"of user {one.owner}"
        if named:
            return "in use by this version or this configuration"
        if used_ms > self.now_ms - self.older_than_s * 1000:
            return "used lately"
        if self.live_since_ms is None:
            return ""
        if not self.keeps_access_times:
            return "an application is live, and HDFS keeps no access times"
        return (
            "an application that may use it is live" if used_ms > self.live_since_ms - NOTE_EVERY_MS - SLACK_MS else ""
        )
