"""The shipped package as a zip for ``--py-files``: reproducible, named by its content, made once."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import zipfile
from pathlib import Path

from batch_submit.adapters.open_places import who_could_change
from batch_submit.adapters.own_files import own_folder, write_whole
from batch_submit.errors import HostNotReady

PACKAGE = "ml_pipeline_framework"
#: The earliest time a zip can hold: the same files give the same bytes on every host and day.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def package_folder() -> Path:
    """The folder of the shipped package, found without importing any of it.

    Raises
    ------
    HostNotReady
        When the package is not installed beside this program.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise HostNotReady(
            f"the package {PACKAGE} is not installed beside this program",
            next_step="run batch_submit.sh from a complete checkout, or pip install batch-submit",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def archive_bytes(folder: Path) -> bytes:
    """Zip the Python files of a package: sorted, without times and owners."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.py")):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def store(content: bytes, cache: Path, *, folder: str, name: str) -> Path:
    """Put content into the cache under a name that tells it: ``<cache>/<folder>/<hash>/<name>``; written whole, once.

    What lies there already is taken only when it is the same: it is code that runs in our name.

    Raises
    ------
    HostNotReady
        When the cache can't be written.
    """
    target = cache / folder / hashlib.sha256(content).hexdigest()[:16] / name
    with contextlib.suppress(OSError):
        if target.is_file() and target.read_bytes() == content and not who_could_change(target):
            return target
    _write_whole(target, content)
    return target


def _write_whole(target: Path, content: bytes) -> None:
    try:
        own_folder(target.parent)
        write_whole(target, content)
    except OSError as error:
        raise HostNotReady(
            f"the cache can't be written: {error.strerror or error}",
            where=str(target.parent),
            next_step="make it writable for you alone, or set XDG_CACHE_HOME to a folder that is",
        ) from error


def framework_archive(cache: Path) -> Path:
    """The zip of the shipped package in the cache.

    Zipping a hundred files takes a tenth of a submission over REST: which zip is theirs is kept under a hash of their
    names, sizes and times of change. Without that note, or with one that leads nowhere, they are zipped anew.
    """
    folder = package_folder()
    note = cache / "framework" / f"{_state_of(folder)}.zip-of"
    with contextlib.suppress(OSError, ValueError):
        named = note.read_text(encoding="ascii")
        target = cache / "framework" / named / f"{PACKAGE}.zip"
        right = named.isalnum() and hashlib.sha256(target.read_bytes()).hexdigest().startswith(named)
        if right and not (who_could_change(note) or who_could_change(target)):
            return target
    target = store(archive_bytes(folder), cache, folder="framework", name=f"{PACKAGE}.zip")
    _write_whole(note, target.parent.name.encode("ascii"))
    return target


def _state_of(folder: Path) -> str:
    """A hash that changes with every change of the package's files."""
    files = sorted((str(path), path.stat()) for path in folder.rglob("*.py"))
    state = [(name, held.st_size, held.st_mtime_ns, held.st_ctime_ns, held.st_ino) for name, held in files]
    return hashlib.sha256(repr(state).encode(errors="surrogateescape")).hexdigest()[:32]
