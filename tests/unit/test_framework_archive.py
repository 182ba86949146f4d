"""What is shipped: the same files give the same bytes on every host, in a place named by them, written once."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from batch_submit.adapters import framework_archive
from batch_submit.adapters.framework_archive import PACKAGE, archive_bytes, package_folder, store
from batch_submit.adapters.spark_archive import archive_name, build_archive
from batch_submit.errors import ExitCode, HostNotReady


def package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "pkg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "pkg"


FILES = {"__init__.py": "", "b.py": "B = 1\n", "jobs/__init__.py": "", "jobs/a.py": "A = 1\n"}


def test_the_same_files_give_the_same_bytes_whenever_and_in_whatever_order_they_were_made(tmp_path: Path) -> None:
    one = package(tmp_path / "one", FILES)
    other = package(tmp_path / "other", dict(reversed(FILES.items())))
    os.utime(other / "b.py", (0, 0))
    (other / "b.py").chmod(0o600)
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "b.cpython-311.pyc").write_bytes(b"x")
    (other / "notes.txt").write_text("not shipped", encoding="utf-8")
    assert archive_bytes(one) == archive_bytes(other)


def test_another_content_or_name_gives_other_bytes(tmp_path: Path) -> None:
    variants = [FILES, {**FILES, "b.py": "B = 2\n"}, {**FILES, "c.py": "B = 1\n"}]
    folders = [package(tmp_path / str(n), files) for n, files in enumerate(variants)]
    assert len({archive_bytes(folder) for folder in folders}) == 3


def test_the_archive_can_be_imported_from(tmp_path: Path) -> None:
    with zipfile.ZipFile(BytesIO(archive_bytes(package(tmp_path, FILES)))) as archive:
        assert archive.namelist() == ["pkg/__init__.py", "pkg/b.py", "pkg/jobs/__init__.py", "pkg/jobs/a.py"]
        assert archive.read("pkg/jobs/a.py") == b"A = 1\n"
        modes = {stat.S_IMODE(entry.external_attr >> 16) for entry in archive.infolist()}
        assert modes == {0o644}  # else another user's executors could not read it


def test_the_shipped_package_is_found_and_whole(tmp_path: Path) -> None:
    path = framework_archive.framework_archive(tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    expected = {f"{PACKAGE}/{one.relative_to(package_folder()).as_posix()}" for one in package_folder().rglob("*.py")}
    assert names == expected
    assert f"{PACKAGE}/contract/__init__.py" in names


def test_the_zip_is_made_once_and_again_after_a_change_or_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, made = package(tmp_path, FILES), []
    zipped = framework_archive.archive_bytes
    monkeypatch.setattr(framework_archive, "package_folder", lambda: folder)
    monkeypatch.setattr(framework_archive, "archive_bytes", lambda one: made.append(one) or zipped(one))
    path = framework_archive.framework_archive(tmp_path / "cache")
    assert framework_archive.framework_archive(tmp_path / "cache") == path and len(made) == 1
    path.write_bytes(b"half")
    assert framework_archive.framework_archive(tmp_path / "cache") == path and len(made) == 2
    assert path.read_bytes() == zipped(folder)
    (folder / "b.py").write_text("B = 3\n")
    assert framework_archive.framework_archive(tmp_path / "cache") != path and len(made) == 3
    for note in (tmp_path / "cache/framework").glob("*.zip-of"):
        note.write_text("../../elsewhere")
    assert framework_archive.framework_archive(tmp_path / "cache").read_bytes() == zipped(folder) and len(made) == 4


@pytest.mark.parametrize("is_replaced", [False, True], ids=["written in place", "another file in its place"])
def test_a_change_that_keeps_size_and_time_is_shipped_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    """As `rsync --times`, `cp -p` and a checkout that restores times make them."""
    folder = package(tmp_path, FILES)
    monkeypatch.setattr(framework_archive, "package_folder", lambda: folder)
    before = framework_archive.framework_archive(tmp_path / "cache")
    file, held = folder / "b.py", (folder / "b.py").stat()
    new = tmp_path / "new.py" if is_replaced else file
    new.write_text("B = 2\n", encoding="utf-8")
    for _ in range(10**6):  # a file system's clock may stand still for some milliseconds
        os.utime(new, ns=(held.st_atime_ns, held.st_mtime_ns))
        if new.stat().st_ctime_ns != held.st_ctime_ns:
            break
    new.replace(file)
    now = file.stat()
    assert (now.st_size, now.st_mtime_ns) == (held.st_size, held.st_mtime_ns)
    after = framework_archive.framework_archive(tmp_path / "cache")
    assert after != before and after.read_bytes() == archive_bytes(folder)


# --- the cache --------------------------------------------------------------------------------------------------------


def test_content_is_stored_under_its_hash_and_written_once(tmp_path: Path) -> None:
    path = store(b"content", tmp_path, folder="params", name="a.json")
    assert path == tmp_path / "params" / hashlib.sha256(b"content").hexdigest()[:16] / "a.json"
    assert path.read_bytes() == b"content"
    before = path.stat()
    assert store(b"content", tmp_path, folder="params", name="a.json") == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]


def test_other_content_never_replaces_what_a_running_submit_may_read(tmp_path: Path) -> None:
    first = store(b"one", tmp_path, folder="params", name="a.json")
    second = store(b"two", tmp_path, folder="params", name="a.json")
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")


def test_half_a_file_of_an_earlier_crash_is_replaced(tmp_path: Path) -> None:
    path = store(b"content", tmp_path, folder="params", name="a.json")
    path.write_bytes(b"cont")
    assert store(b"content", tmp_path, folder="params", name="a.json").read_bytes() == b"content"


def test_an_unwritable_cache_is_this_hosts_problem_and_says_how_to_move_it(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    with pytest.raises(HostNotReady, match="the cache can't be written: Not a directory") as caught:
        store(b"x", tmp_path / "cache", folder="params", name="a.json")
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert caught.value.where.startswith(str(tmp_path / "cache" / "params"))
    assert "XDG_CACHE_HOME" in caught.value.next_step


def test_a_failed_write_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """A folder in the file's place stands for any failure of the last step."""
    folder = tmp_path / "params" / hashlib.sha256(b"x").hexdigest()[:16]
    (folder / "a.json").mkdir(parents=True)
    with pytest.raises(HostNotReady):
        store(b"x", tmp_path, folder="params", name="a.json")
    assert [one.name for one in folder.iterdir()] == ["a.json"]


# --- Spark's own jars -------------------------------------------------------------------------------------------------


def jars(folder: Path, **contents: str) -> list[Path]:
    folder.mkdir(parents=True)
    for name, text in contents.items():
        (folder / f"{name}.jar").write_text(text, encoding="utf-8")
    return sorted(folder.glob("*.jar"))


def test_the_jars_archive_is_named_by_version_and_content(tmp_path: Path) -> None:
    core = {"spark-core_2.13-4.3.0": "core"}
    one, same = jars(tmp_path / "1", **core, a="x"), jars(tmp_path / "2", **core, a="x")
    names = [archive_name(found) for found in (one, same, jars(tmp_path / "3", **core, a="y"))]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("spark-4.3.0-") and names[0].endswith(".zip")
    assert archive_name(jars(tmp_path / "4", a="x")).startswith("spark-unknown-")


def test_the_jars_lie_side_by_side_and_progress_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    target = tmp_path / "a.zip"
    size = build_archive(jars(tmp_path / "jars", a="xx", b="yyy"), target, told.append)
    with zipfile.ZipFile(target) as archive:
        assert {entry.filename: entry.compress_type for entry in archive.infolist()} == {
            "a.jar": zipfile.ZIP_STORED,
            "b.jar": zipfile.ZIP_STORED,
        }
    assert told == [2, 5]
    assert size == target.stat().st_size


def test_no_jars_is_this_hosts_problem() -> None:
    with pytest.raises(HostNotReady, match="jars were not found") as caught:
        archive_name([])
    assert "SPARK_HOME" in caught.value.next_step
