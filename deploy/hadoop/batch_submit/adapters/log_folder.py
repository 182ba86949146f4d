"""Log files put into a folder of this host: ``<folder>/<container>/<file>``, each whole or not at all.

Container ids and file names come from a server, so no name leads out of the folder and no symbolic link is followed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from batch_submit.errors import HostNotReady, UsageError


class LogFolder:
    """A folder that the user named; made when it is not there.

    Raises
    ------
    UsageError
        It is a file.
    HostNotReady
        It can't be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise UsageError("this is a file", where=str(folder), next_step="name a folder") from error
        except OSError as error:
            raise _cannot(error, folder) from error

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder

    def put(self, container_id: str, name: str, pieces: Iterable[bytes]) -> int:
        """Write one file under a temporary name and rename it; an earlier copy is replaced.

        Returns
        -------
        int
            Bytes.

        Raises
        ------
        UsageError
            A symbolic link or a folder stands where it would go, or its name is none for a file.
        HostNotReady
            It can't be written.
        """
        for part in (container_id, name):
            if part in ("", ".", "..") or "/" in part or "\0" in part:
                raise UsageError(f"{part!r} is not a name for a file", where=str(self._folder))
        place = self._folder / container_id
        with contextlib.ExitStack() as cleaning:
            try:
                with contextlib.suppress(FileExistsError):
                    place.mkdir(mode=0o700)
                # Everything below goes through this descriptor: nobody can put a link in the way any more.
                at = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                cleaning.callback(os.close, at)
                self._refuse_taken(at, place / name)
                return _write_whole(at, name, pieces)
            except NotADirectoryError as error:
                raise UsageError("this is a symbolic link or a file", where=str(place)) from error
            except BrokenPipeError:
                raise
            except OSError as error:
                raise _cannot(error, place) from error

    def _refuse_taken(self, at: int, path: Path) -> None:
        try:
            mode = os.stat(path.name, dir_fd=at, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISREG(mode):
            raise UsageError("this is a symbolic link or a folder; it is left as it is", where=str(path))


def _write_whole(at: int, name: str, pieces: Iterable[bytes]) -> int:
    temporary = f".{name[:100]}.{os.urandom(6).hex()}.part"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=at)
    count = 0
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
                count += len(piece)
        os.replace(temporary, name, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=at)
        raise
    return count


def _cannot(error: OSError, path: Path) -> HostNotReady:
    return HostNotReady(
        f"can't be written: {error.strerror or error}", where=str(path), next_step="name a folder that you may write to"
    )
