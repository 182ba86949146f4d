"""The folders under the storage root, whose they are, and what differs from that."""

from __future__ import annotations

import posixpath
import re

from batch_submit.data_classes import dataclass
from batch_submit.errors import ConfigError, UsageError
from batch_submit.plan.merged import Config
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.transfer import Item

#: Below the root, parents first. The root itself is the empty name.
FOLDERS = (
    "",
    "data",
    "data/raw",
    "data/training",
    "data/validation",
    "data/input",
    "data/output",
    "models",
    "artifacts",
    "configs",
    "logs",
    "checkpoints",
    "metrics",
    "predictions",
)
DEFAULT_MODE = "755"

_MODE = re.compile(r"0?([01]?)([0-7]{3})")
_NAME = re.compile(r"[^\s:/,]+")
#: Folders that belong to everybody, or to Hadoop. A root here is a slip, and a recursive repair would be a disaster.
_SHARED = frozenset(
    ("/", "/user", "/tmp", "/apps", "/app-logs", "/hbase", "/home", "/mapred", "/mr-history", "/system", "/var", "/etc")  # nosec B108
)


@dataclass(frozen=True)
class Ownership:
    """Owner, group and mode as configured; empty: not looked at. New folders get :data:`DEFAULT_MODE` then."""

    owner: str = ""
    group: str = ""
    mode: str = ""


@dataclass(frozen=True)
class Difference:
    """One thing that is not as configured; ``field`` is ``missing``, ``file``, ``owner``, ``group`` or ``mode``."""

    path: str
    field: str
    found: str = ""
    wanted: str = ""


def split_owner(text: str) -> tuple[str, str]:
    """``USER``, ``USER:GROUP`` or ``:GROUP`` as owner and group.

    Raises
    ------
    UsageError
        For any other form.
    """
    owner, colon, group = text.partition(":")
    bad = (owner and not _NAME.fullmatch(owner)) or (group and not _NAME.fullmatch(group)) or (colon and not group)
    if bad or not (owner or group):
        raise UsageError(f"--owner {text!r} is not USER, USER:GROUP or :GROUP", next_step="--owner ml-pipeline:ml-team")
    return owner, group


def ownership(config: Config) -> Ownership:
    """``storage.owner``, ``storage.group`` and ``storage.mode`` of the configuration.

    Raises
    ------
    ConfigError
        With every value that can't be one.
    """
    problems = []
    for key in ("storage.owner", "storage.group"):
        named = config.get(key)
        if named is not None and not _NAME.fullmatch(str(named.value)):
            problems.append(f"{named.origin}: {key}: {str(named.value)!r} is not the name of one user or group")
    mode = config.get("storage.mode")
    digits = _octal(mode)
    if mode is not None and not digits:
        problems.append(f"{mode.origin}: storage.mode: {str(mode.value)!r} is not an octal mode such as 755 or 1777")
    if problems:
        raise ConfigError("the configuration has problems", details=problems, next_step="batch-submit config check")
    return Ownership(str(config.value("storage.owner") or ""), str(config.value("storage.group") or ""), digits)


def _octal(named: Sourced | None) -> str:
    match = _MODE.fullmatch(str(named.value)) if named is not None else None
    return (match[1] + match[2]).lstrip("0") or "0" if match else ""


def tree(root: str) -> tuple[str, ...]:
    """The paths of the tree, parents first."""
    return tuple(posixpath.join(root, name) if name else root for name in FOLDERS)


def file_mode(mode: str) -> str:
    """The mode of a file where folders have ``mode``: nobody gets to run data, and sticky means nothing for a file."""
    return f"{int(mode, 8) & 0o666:o}"


def differences(path: str, found: Item | None, wanted: Ownership, *, folder: bool = True) -> tuple[Difference, ...]:
    """What of one path is not as wanted.

    Parameters
    ----------
    folder
        Whether it must be a folder, as each path of the tree must; otherwise a file has :func:`file_mode`.
    """
    if found is None:
        return (Difference(path, "missing", "", wanted.mode or DEFAULT_MODE),)
    if folder and not found.is_folder:
        return (Difference(path, "file", "a file", "a folder"),)
    mode = wanted.mode if found.is_folder or not wanted.mode else file_mode(wanted.mode)
    pairs = (("owner", found.owner, wanted.owner), ("group", found.group, wanted.group), ("mode", found.mode, mode))
    return tuple(Difference(path, field, is_now, want) for field, is_now, want in pairs if want and want != is_now)


def refuse_shared_root(root: str, *, home: str = "") -> None:
    """Owner and mode are only ever changed at or below a root of our own.

    Parameters
    ----------
    home
        The caller's home folder: neither it nor what lies above it is a root.

    Raises
    ------
    UsageError
        When the root is ``/``, ``/user``, somebody's home folder, another folder that everybody shares, or above
        ``home``.
    """
    path = posixpath.normpath("/" + root.lstrip("/"))
    is_home = path.startswith(("/user/", "/home/")) and path.count("/") == 2
    above_home = bool(home) and (posixpath.normpath(home) + "/").startswith(path.rstrip("/") + "/")
    if path in _SHARED or is_home or above_home:
        raise UsageError(
            f"refusing to change owners or modes in {path}: it holds more than the storage tree",
            where="storage_root",
            next_step="set storage_root to a folder of its own, such as /ml-pipeline",
        )
