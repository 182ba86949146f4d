"""Who else could change a file or put another in its place: the one rule for every file that we act on."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from batch_submit.errors import UsageError

#: The switch that lets such files pass, as the environment says it.
ALLOWING_VARIABLE = "BATCH_SUBMIT_EXECUTION__ALLOW_WORLD_WRITABLE"
_MOST_LINKS = 40  # as the kernel's


def who_could_change(path: Path) -> str:
    """Why everybody on this host could put other content where a file is; "" when nobody else could.

    Looked at is every folder and every link on the way there. What lies in a folder with the sticky bit (``/tmp``) is
    safe from others when it is ours or root's.

    Who owns the file counts nowhere else: the checkout of a colleague, or of an account that deploys, is used by
    choice, and its owner could be named. What everybody may write to has no such name.
    """
    try:
        return _on_the_way(str(path.absolute()))
    except (OSError, ValueError):
        return ""  # there is no such file, or it is not ours to look at: who reads it says so


def who_could_change_site(path: Path) -> str:
    """The same of a file of the site (``core-site.xml``, ``spark-defaults.conf``): root's own are taken as they are,
    wherever they lie, unless everybody may write to the file itself, or somebody else's link leads to it."""
    try:
        found = path.stat()
        roots = found.st_uid == 0 and not found.st_mode & stat.S_IWOTH
        return "" if roots and not _by_strangers_link(path) else who_could_change(path)
    except OSError:
        return ""


def _by_strangers_link(path: Path) -> bool:
    """Whether a link to a file, or to its folder, is neither ours nor root's."""
    for one in (path, path.parent):
        for _ in range(_MOST_LINKS):
            found = one.lstat()
            if not stat.S_ISLNK(found.st_mode):
                break
            if found.st_uid not in (os.geteuid(), 0):
                return True
            one = one.parent / one.readlink()
    return False


def refuse_open(found: Iterable[str], what: str, *, by_file: bool = True) -> None:
    """Refuse what everybody could have changed.

    Parameters
    ----------
    found
        A line for each such file: which, who names it, and why.
    what
        What they are, in a message.
    by_file
        The configuration may allow them; of its own files only whoever calls can say so.

    Raises
    ------
    UsageError
        There are any.
    """
    problems = list(found)
    if problems:
        key = " (execution.allow_world_writable)" if by_file else ""
        raise UsageError(
            f"{len(problems)} file(s) of {what} could have been changed by anybody on this host",
            details=problems,
            next_step=f"chmod o-w what is named, or move it to a folder of yours; to take it all the same:"
            f" submit --allow-world-writable{key}, or for every verb {ALLOWING_VARIABLE}=true",
        )


def allowed_by_call(env: Mapping[str, str], typed: object) -> bool:
    """Whether the caller allows such files: by the flag, or by the variable, and by nothing that a file says."""
    return typed is True or env.get(ALLOWING_VARIABLE, "").strip() == "true"


def owner_of(found: os.stat_result) -> str:
    """Owner and mode of a file, for messages."""
    try:
        name = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        name = f"uid {found.st_uid}"
    return f"owner {name}, mode {stat.S_IMODE(found.st_mode):04o}"


def _on_the_way(path: str) -> str:
    """Walk there as the kernel does. With texts, not with paths: ``list`` has to answer in a tenth of a second."""
    ahead = path.split("/")[::-1]
    here, links = "", 0  # "" is the root
    held = os.lstat("/")
    while ahead:
        name = ahead.pop()
        if name in ("", "."):
            continue
        if name == "..":
            here = here.rpartition("/")[0]
            held = os.lstat(here or "/")
            continue
        inside = f"{here}/{name}"
        found = os.lstat(inside)
        if problem := _in_open_folder(here or "/", held, inside, found):
            return problem
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = str(Path(inside).readlink())
            here = "" if target.startswith("/") else here
            held = os.lstat(here or "/")
            ahead += target.split("/")[::-1]
        else:
            here, held = inside, found
    return f"everybody may write to {here} ({owner_of(held)})" if held.st_mode & stat.S_IWOTH else ""


def _in_open_folder(folder: str, held: os.stat_result, inside: str, found: os.stat_result) -> str:
    """Why what is ``inside`` could be somebody else's; "" when it could not."""
    if not held.st_mode & stat.S_IWOTH:
        return ""
    if not held.st_mode & stat.S_ISVTX:
        return f"everybody may write to {folder} ({owner_of(held)})"
    if found.st_uid in (os.geteuid(), 0):
        return ""
    return f"{inside} is somebody else's ({owner_of(found)}), in a folder that everybody may write to"
