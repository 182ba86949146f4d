"""What a transfer copies and what it leaves: decided from two lists of names, before a byte moves."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from batch_submit.data_classes import dataclass

#: A temporary file of ours: hash of the final name, host, process id, start of the process.
_TEMPORARY = re.compile(r"\.([0-9a-f]{12})\.([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,20})(?:-[0-9a-f]{8})?\.uploading")
#: A temporary file of another host can't be asked whether its process lives; after this time nobody works on it.
FOREIGN_TEMPORARY_MS = 24 * 3600 * 1000
_LATEST = re.compile(r"#LATEST(?:\{\d+\})?$")


@dataclass(frozen=True)
class Item:
    """A file or folder on either side.

    Parameters
    ----------
    name
        Its path below the place that is copied, with ``/``; empty for that place itself.
    length
        Bytes; 0 for a folder.
    owner, group, mode
        Mode in octal digits without leading zeros.
    modified_ms
        Milliseconds since the epoch.
    problem
        Why it can't be copied, or written over; empty when it can.
    is_link
        A symbolic link of this host; what else stands here is of the file that it leads to.
    """

    name: str
    is_folder: bool
    length: int = 0
    owner: str = ""
    group: str = ""
    mode: str = ""
    modified_ms: int = 0
    problem: str = ""
    is_link: bool = False


@dataclass(frozen=True)
class TransferPlan:
    """What is to be done. ``compare`` holds the files of equal length: their content decides between skip and copy."""

    folders: tuple[Item, ...] = ()
    copy: tuple[Item, ...] = ()
    compare: tuple[Item, ...] = ()
    skip: tuple[Item, ...] = ()
    conflicts: tuple[str, ...] = ()

    @property
    def copy_bytes(self) -> int:
        """Bytes to copy."""
        return sum(item.length for item in self.copy)

    @property
    def skip_bytes(self) -> int:
        """Bytes that are there already."""
        return sum(item.length for item in self.skip)


@dataclass(frozen=True)
class TemporaryName:
    """Whose temporary file this is."""

    name_hash: str
    host: str
    pid: int
    started: int


def plan_transfer(source: Iterable[Item], there: Mapping[str, Item], *, overwrite: bool) -> TransferPlan:
    """Hold the source against what the destination has under the same names.

    Of two files with the same name and length only the content tells whether they are the same; it is read later.
    """
    folders: list[Item] = []
    copy: list[Item] = []
    compare: list[Item] = []
    conflicts: list[str] = []
    for item in source:
        found = there.get(item.name)
        if found is None:
            (folders if item.is_folder else copy).append(item)
        elif found.problem:
            conflicts.append(_conflict(item, found.problem))
        elif found.is_folder != item.is_folder:
            ours, theirs = ("folder", "file") if item.is_folder else ("file", "folder")
            conflicts.append(_conflict(item, f"a {theirs} is there, and this is a {ours}"))
        elif item.is_folder:
            continue
        elif found.length == item.length:
            compare.append(item)
        elif overwrite:
            copy.append(item)
        else:
            conflicts.append(
                _conflict(item, f"another file is there, of {found.length:,} bytes instead of {item.length:,}")
            )
    return TransferPlan(tuple(folders), tuple(copy), tuple(compare), (), tuple(conflicts))


def settle(plan: TransferPlan, same: Sequence[bool], *, overwrite: bool) -> TransferPlan:
    """The plan once the contents are compared; ``same`` answers for each item of ``plan.compare``."""
    skip = tuple(item for item, equal in zip(plan.compare, same, strict=True) if equal)
    differing = tuple(item for item, equal in zip(plan.compare, same, strict=True) if not equal)
    conflicts = plan.conflicts
    if not overwrite:
        conflicts += tuple(_conflict(item, "another file of the same length is there") for item in differing)
        differing = ()
    copy = tuple(sorted((*plan.copy, *differing), key=lambda item: item.name))
    return replace(plan, copy=copy, compare=(), skip=skip, conflicts=conflicts)


def shown(item: Item) -> str:
    """An item's name for a message."""
    return item.name or "."


def _conflict(item: Item, text: str) -> str:
    return f"{item.name}: {text}" if item.name else text


def hdfs_name_problem(name: str) -> str:
    """Why HDFS can't hold a file of this name, or we can't write it; empty when all is well.

    HDFS refuses ``:`` ("Invalid path name", seen on 3.5.0) and ``.snapshot``; the library ``hdfs`` takes a final
    ``#LATEST`` for the newest file of the folder.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    for part in name.split("/"):
        if ":" in part:
            return "HDFS allows no colon in a name"
        if part in (".snapshot", ".", ".."):
            return f"{part} is no name of a file in HDFS"
        if _LATEST.search(part):
            return "a name that ends in #LATEST can't be written"
    return ""


def server_name_problem(name: str) -> str:
    """Why a name that a server sent must not become a local one: it would lead out of the folder."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        return "this name would lead out of the folder"
    return ""


def destination(typed: str, source_name: str) -> str:
    """The full destination: what ends in ``/`` (or is ``.``, ``..``) is a folder to put the source into."""
    if typed.endswith("/") or posixpath.basename(typed) in (".", ".."):
        return posixpath.join(typed, source_name)
    return typed


def name_hash(name: str) -> str:
    """What a temporary name keeps of the final one, which may be as long as a name can be already."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def temporary_name(name: str, host: str, pid: int, started: int, chance: str = "") -> str:
    """The name under which a file is written before it gets its own; nobody can foresee `chance`, 8 hex digits."""
    return f".{name_hash(name)}.{host}-{pid}-{started}{f'-{chance}' if chance else ''}.uploading"


def read_temporary_name(name: str) -> TemporaryName | None:
    """The parts of a temporary name of ours; ``None`` for any other name."""
    match = _TEMPORARY.fullmatch(posixpath.basename(name))
    if match is None:
        return None
    return TemporaryName(match[1], match[2], int(match[3]), int(match[4]))


def is_left_behind(item: Item, temporary: TemporaryName, *, host: str, alive: bool, now_ms: int) -> bool:
    """Whether nobody works on a temporary file any more.

    On this host its process tells; for another host, which we can't ask, a day.
    """
    if temporary.host == host:
        return not alive
    return now_ms - item.modified_ms > FOREIGN_TEMPORARY_MS
