"""Files and folders that are ours alone: what we write, and where we keep what we believe later."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from io import BufferedWriter, FileIO
from pathlib import Path

from batch_submit.adapters.open_places import owner_of, who_could_change

#: What others may neither do with a file of ours nor with a folder of ours.
_OTHERS = 0o077
_OTHERS_WRITE = 0o022
_MOST_LINKS = 40  # as the kernel's


class NotOurs(PermissionError):
    """A file or folder that somebody else has made, or could change."""


def open_private(path: Path | str, mode: str) -> BufferedWriter:
    """Open a file to write bytes (mode ``w``, ``a`` or ``x``); it has mode 0600 afterwards, old or new.

    A symbolic link is followed only when it is ours or root's. Where everybody may put files, in ``/tmp`` or a folder
    that somebody else has made there, no file of somebody else's is taken.

    Raises
    ------
    OSError
        ``EPERM`` for such a link or file, and for what is no regular file: a pipe would hold us up.
    """
    return BufferedWriter(FileIO(path, mode, opener=_private))


def open_locked_file(path: Path | str) -> int:
    """A descriptor of a file to be locked, made when it is not there: mode 0600, no link, nothing but a regular file.

    Raises
    ------
    OSError
        It can't be made, or something else stands there.
    """
    return _checked(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)


def write_whole(path: Path, content: bytes, *, to_disk: bool = False) -> None:
    """Write a file of mode 0600, whole or not at all: under a name that nobody can foresee, then renamed.

    Parameters
    ----------
    to_disk
        Return only when the disk has it.

    Raises
    ------
    OSError
        It can't be written; what was there is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        with open_private(temporary, "x") as file:
            file.write(content)
            if to_disk:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def make_private(folder: Path) -> None:
    """Make a folder and what is missing above it, each with mode 0700."""
    for one in reversed((folder, *folder.parents)):
        if not one.exists():
            one.mkdir(mode=0o700, exist_ok=True)


def own_folder(folder: Path) -> None:
    """Make a folder that is ours alone, or see that it is.

    Raises
    ------
    OSError
        It can't be made; or `refuse_foreign` says whose it is.
    """
    make_private(folder)
    refuse_foreign(folder)


def refuse_foreign(folder: Path) -> None:
    """See that nobody else can put anything into a folder. What others could only read is closed to them.

    A link to it counts as ours when nobody else could have put it there.

    Raises
    ------
    NotOurs
        It is somebody else's, or others may write to it or on the way to it.
    """
    if problem := who_could_change(folder):
        raise NotOurs(errno.EPERM, problem, str(folder))
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid():
            if found.st_mode & _OTHERS:
                os.fchmod(descriptor, 0o700)
        elif found.st_uid != 0 or found.st_mode & _OTHERS_WRITE:
            raise NotOurs(errno.EPERM, f"it is not ours alone: {owner_of(found)}", str(folder))
    finally:
        os.close(descriptor)


def _private(path: str, flags: int) -> int:
    real = _through_own_links(Path(path).absolute())
    shared = bool(who_could_change(real.parent))
    # O_NOFOLLOW: what stands there was no link a moment ago. Cut off only when it has proven to be ours.
    descriptor = _checked(real, (flags & ~os.O_TRUNC) | os.O_NOFOLLOW)
    try:
        if shared and os.fstat(descriptor).st_uid != os.geteuid():
            raise NotOurs(errno.EPERM, "it is somebody else's file, where everybody may put files", path)
        if flags & os.O_TRUNC:
            os.ftruncate(descriptor, 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _through_own_links(path: Path) -> Path:
    """Where a link leads; one that somebody else has put there would lead our lines where he likes."""
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            break
        found = path.lstat()
        if found.st_uid not in (os.geteuid(), 0):
            raise NotOurs(errno.EPERM, f"{path} is somebody else's link ({owner_of(found)})", str(path))
        path = path.parent / path.readlink()
    return path


def _checked(path: Path | str, flags: int) -> int:
    # O_NONBLOCK: opening a pipe to write would wait for who reads it; of a regular file it means nothing.
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    found = os.fstat(descriptor)
    try:
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EPERM, "it is no regular file", str(path))
        if found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
            os.fchmod(descriptor, 0o600)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
