"""Who else could change a file: what we write is ours alone, and what we ship is nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batch_submit.adapters.framework_archive import store
from batch_submit.adapters.own_files import open_private, who_could_change
from batch_submit.adapters.run_logging import start_logging, stop_logging
from batch_submit.adapters.temporary_names import own_temporary


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder as ``/tmp`` is."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_we_write_is_ours_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_private(tmp_path / "made", "w") as file:
            file.write(b"x")
        assert start_logging(tmp_path / "our.log", verbose=False) == ""
        kept = store(b"content", tmp_path / "cache", folder="framework", name="x.zip")
    finally:
        os.umask(before)
        stop_logging()
    assert [mode(tmp_path / "made"), mode(tmp_path / "our.log"), mode(kept), mode(kept.parent)] == [0o600] * 3 + [0o700]


def test_no_link_is_followed_where_everybody_may_put_one(shared: Path, tmp_path: Path) -> None:
    target = tmp_path / "somebody's.txt"
    target.write_text("before")
    (shared / "our.log").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        open_private(shared / "our.log", "a")
    told = start_logging(shared / "our.log", verbose=False)
    stop_logging()
    assert "can't be written" in told and target.read_text() == "before"
    (tmp_path / "mine.log").symlink_to(target)
    with open_private(tmp_path / "mine.log", "a") as file:
        file.write(b" and after")
    assert target.read_text() == "before and after", "in a folder of ours a link is our own wish"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file somebody else's")
def test_no_file_of_somebody_else_is_taken_where_everybody_may_put_one(shared: Path) -> None:
    theirs = shared / "our.log"
    theirs.write_text("")
    os.chown(theirs, 12345, 12345)
    with pytest.raises(OSError, match="somebody else"):
        open_private(theirs, "a")
    assert "somebody else's" in who_could_change(theirs)
    folder = shared / "folder"
    folder.mkdir()
    (folder / "job.py").write_text("")
    assert who_could_change(folder / "job.py") == ""
    os.chown(folder, 12345, 12345)
    assert "somebody else's" in who_could_change(folder / "job.py")


def test_code_that_everybody_could_change_is_seen(shared: Path, tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text("")
    assert who_could_change(script) == ""
    assert who_could_change(tmp_path / "not-there") == ""
    script.chmod(0o666)
    assert who_could_change(script) == f"everybody may write to {script}"
    script.chmod(0o644)
    in_sticky = shared / "job.py"
    in_sticky.write_text("")
    assert who_could_change(in_sticky) == "", "ours, and the sticky bit keeps it so"
    shared.chmod(0o777)
    assert who_could_change(in_sticky) == f"everybody may write to {shared}"
    (tmp_path / "link.py").symlink_to(in_sticky)
    assert who_could_change(tmp_path / "link.py") == f"everybody may write to {shared}"
    (shared / "link.py").symlink_to(script)
    assert who_could_change(shared / "link.py") == f"everybody may write to {shared}", "the link is anybody's to change"


def test_the_cache_takes_nothing_for_ours_that_is_not(tmp_path: Path) -> None:
    kept = store(b"content", tmp_path, folder="framework", name="x.zip")
    kept.write_bytes(b"CONTENT")
    assert store(b"content", tmp_path, folder="framework", name="x.zip").read_bytes() == b"content"
    kept.chmod(0o666)
    assert mode(store(b"content", tmp_path, folder="framework", name="x.zip")) == 0o600


def test_temporary_names_can_not_be_foreseen() -> None:
    assert len({own_temporary("x") for _ in range(20)}) == 20
