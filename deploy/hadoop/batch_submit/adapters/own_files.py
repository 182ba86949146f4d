"""Who else could change a file or put another in its place: for what we write, and for the code that we ship."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedWriter, FileIO
from pathlib import Path


def open_private(path: Path | str, mode: str) -> BufferedWriter:
    """Open a file to write bytes (mode ``w``, ``a`` or ``x``); what is made has mode 0600.

    In a folder where everybody may put files, ``/tmp`` for one, no symbolic link is followed and no file of somebody
    else's is taken.

    Raises
    ------
    OSError
        ``ELOOP`` for such a link, ``EPERM`` for such a file.
    """
    return BufferedWriter(FileIO(path, mode, opener=_private))


def make_private(folder: Path) -> None:
    """Make a folder and what is missing above it, each with mode 0700."""
    for one in reversed((folder, *folder.parents)):
        if not one.exists():
            one.mkdir(mode=0o700, exist_ok=True)


def _private(path: str, flags: int) -> int:
    shared = bool(Path(path).absolute().parent.stat().st_mode & stat.S_IWOTH)
    descriptor = os.open(path, flags | os.O_CLOEXEC | (os.O_NOFOLLOW if shared else 0), 0o600)
    if shared and os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise OSError(errno.EPERM, "it is somebody else's file, in a folder where everybody may put files", path)
    return descriptor


def who_could_change(path: Path) -> str:
    """Why everybody on this host could put other content where a file is; "" when nobody else could.

    Looked at is the way there as it is typed, and the way without links. What lies in a folder with the sticky bit
    (``/tmp``) is safe from others when it is ours or root's.
    """
    absolute = Path(os.path.normpath(path.absolute()))
    try:
        return _open_place(absolute) or _open_place(absolute.resolve(strict=True))
    except (OSError, RuntimeError):
        return ""  # there is no such file, or it is not ours to look at: who reads it says so


def _open_place(path: Path) -> str:
    for folder in reversed(path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IWOTH:
            continue
        if not mode & stat.S_ISVTX:
            return f"everybody may write to {folder}"
        inside = folder / path.parts[len(folder.parts)]
        if inside.lstat().st_uid not in (os.geteuid(), 0):
            return f"{inside} is somebody else's, in a folder that everybody may write to"
    if not path.is_symlink() and path.stat().st_mode & stat.S_IWOTH:
        return f"everybody may write to {path}"
    return ""
