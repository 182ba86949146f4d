"""Files of this host as one side of a transfer: listed with care, written whole."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from pathlib import Path

from batch_submit.adapters.stores import Done, Verified, compare_bytes
from batch_submit.errors import ClusterUnreachable, HostNotReady, MissingFile, UsageError
from batch_submit.plan.transfer import Item

_PIECE_BYTES = 1 << 20
_OCCUPIED = (errno.EEXIST, errno.ENOTEMPTY)
#: Filesystems without hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)


class LocalStore:
    """Folders and files of this host, under absolute paths."""

    def find(self, path: str) -> Item | None:
        """See :class:`~batch_submit.adapters.stores.Store`. A link is what it leads to: somebody typed this path."""
        try:
            found = Path(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return _dangling(path)
        except OSError as error:
            raise _unreadable(error, path) from error
        return _item("", found)

    def list(self, path: str) -> Iterator[Item]:
        """See :class:`~batch_submit.adapters.stores.Store`. Links to files are followed, links to folders are not."""
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise _unreadable(error, path) from error
        for entry in found:
            try:
                item = _item(entry.name, entry.stat(), is_link=entry.is_symlink())
            except OSError as error:
                yield Item(entry.name, False, problem=f"can't be read: {error.strerror or error}")
                continue
            if item.is_folder and item.is_link:
                item = Item(entry.name, False, problem="is a link to a folder", is_link=True)
            yield item

    def make_folder(self, path: str, mode: str = "") -> None:
        """See :class:`~batch_submit.adapters.stores.Store`. Folders above get what the umask allows."""
        with _mapped("the folder can't be made", path):
            Path(path).mkdir(parents=True, exist_ok=True)
        if mode:
            self.set_mode(path, mode)

    def set_mode(self, path: str, mode: str) -> None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        with _mapped("the mode can't be set", path):
            Path(path).chmod(int(mode, 8))

    def set_owner(self, path: str, owner: str, group: str) -> None:
        """Local folders belong to whoever makes them."""
        raise UsageError("backend local sets no owners", where=path, next_step="leave --owner out, or use chown")

    def delete(self, path: str) -> None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        with _mapped("the file can't be deleted", path):
            Path(path).unlink(missing_ok=True)

    def put(
        self, local: Path, path: str, *, temporary: str, overwrite: bool, done: Done, check: Callable[[str], None]
    ) -> None:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        length = local.stat().st_size
        write_whole(
            self.read(str(local)), Path(path), length, temporary=temporary, overwrite=overwrite, done=done, check=check
        )

    def read(self, path: str) -> Iterator[bytes]:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        try:
            with Path(path).open("rb") as source:
                while piece := source.read(_PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise _unreadable(error, path) from error

    def compare(self, local: Path, path: str) -> Verified:
        """See :class:`~batch_submit.adapters.stores.Store`."""
        return compare_bytes(local, self.read(path))


def write_whole(
    pieces: Iterable[bytes],
    target: Path,
    length: int,
    *,
    temporary: str,
    overwrite: bool,
    done: Done,
    check: Callable[[str], None],
    mode: int = 0o666,
) -> None:
    """Write a file under a temporary name beside ``target``, check it, and give it its name in one step.

    Parameters
    ----------
    mode
        Of the file, less the umask.

    Raises
    ------
    HostNotReady
        It can't be written: permission, disk full.
    ClusterUnreachable
        The source gave another number of bytes than ``length``.
    UsageError
        Somebody made ``target`` meanwhile (without ``overwrite``).
    """
    place = target.with_name(temporary)
    try:
        with _mapped("the file can't be written", str(target)), _made(place, mode) as out:
            count = 0
            for piece in pieces:
                out.write(piece)
                count += len(piece)
                done(count)
            out.flush()
            os.fsync(out.fileno())
        if count != length:
            message = f"{count} of {length} bytes arrived"
            raise ClusterUnreachable(message, where=str(target), next_step="run it again")
        check(str(place))
        with _mapped("the file can't be put in its place", str(target)):
            _into_place(place, target, overwrite=overwrite)
    finally:
        with suppress(OSError):
            place.unlink(missing_ok=True)


def _made(place: Path, mode: int) -> BufferedWriter:
    """A new file, and no link that somebody has put there."""
    return BufferedWriter(FileIO(place, "x", opener=lambda path, flags: os.open(path, flags | os.O_CLOEXEC, mode)))


def _into_place(place: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        place.replace(target)
        return
    try:
        target.hardlink_to(place)  # unlike a rename it fails when somebody made the file meanwhile
    except OSError as error:
        if error.errno in _NO_LINKS and not os.path.lexists(target):
            place.replace(target)
        elif error.errno in _OCCUPIED or os.path.lexists(target):
            raise UsageError("this file exists already", where=str(target), next_step="--overwrite") from error
        else:
            raise


def _item(name: str, found: os.stat_result, *, is_link: bool = False) -> Item:
    is_folder = stat.S_ISDIR(found.st_mode)
    return Item(
        name,
        is_folder,
        0 if is_folder else found.st_size,
        owner=_name(lambda: pwd.getpwuid(found.st_uid).pw_name, found.st_uid),
        group=_name(lambda: grp.getgrgid(found.st_gid).gr_name, found.st_gid),
        mode=f"{stat.S_IMODE(found.st_mode):o}",
        modified_ms=found.st_mtime_ns // 1_000_000,
        problem="" if is_folder or stat.S_ISREG(found.st_mode) else "is neither a file nor a folder",
        is_link=is_link,
    )


def _name(of: Callable[[], str], number: int) -> str:
    try:
        return of()
    except KeyError:
        return str(number)


def _dangling(path: str) -> Item | None:
    return Item("", False, problem="is a link that leads nowhere") if Path(path).is_symlink() else None


def _unreadable(error: OSError, path: str) -> MissingFile:
    return MissingFile(f"can't be read: {error.strerror or error}", where=path)


@contextmanager
def _mapped(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostNotReady(
            f"{what}: {error.strerror or error}", where=path, next_step="name a folder that you may write to"
        ) from error
