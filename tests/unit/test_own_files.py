"""Who else could change a file: what we write is ours alone, and what we ship is nobody else's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batch_submit.adapters.config_cache import load, save
from batch_submit.adapters.framework_archive import store
from batch_submit.adapters.named_locks import LockFile
from batch_submit.adapters.open_places import who_could_change, who_could_change_site
from batch_submit.adapters.own_files import NotOurs, open_private, own_folder, write_whole
from batch_submit.adapters.own_places import own_place
from batch_submit.adapters.run_logging import start_logging, stop_logging
from batch_submit.adapters.temporary_names import own_temporary
from batch_submit.errors import HostNotReady
from batch_submit.plan.locks import LockHolder
from batch_submit.plan.merged import Config

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file somebody else's")


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
        assert start_logging(tmp_path / "state" / "our.log", verbose=False) == ""
        kept = store(b"content", tmp_path / "cache", folder="framework", name="x.zip")
    finally:
        os.umask(before)
        stop_logging()
    assert mode(tmp_path / "state") == 0o700
    assert [mode(tmp_path / "made"), mode(tmp_path / "our.log"), mode(kept), mode(kept.parent)] == [0o600] * 3 + [0o700]


def of_a_stranger(*paths: Path) -> None:
    for path in paths:
        os.chown(path, 12345, 12345, follow_symlinks=False)


@as_root
@pytest.mark.parametrize("folder_mode", [0o1777, 0o777, 0o2775, 0o755])
def test_a_strangers_link_is_not_followed_wherever_it_lies(shared: Path, tmp_path: Path, folder_mode: int) -> None:
    target = tmp_path / "ours.txt"
    target.write_text("before")
    target.chmod(0o644)
    folder = shared / "logs"  # a neighbour was first
    folder.mkdir()
    folder.chmod(folder_mode)
    (folder / "our.log").symlink_to(target)
    of_a_stranger(folder / "our.log", folder)
    with pytest.raises(NotOurs, match="somebody else's link"):
        open_private(folder / "our.log", "a")
    told = start_logging(folder / "our.log", verbose=False)
    stop_logging()
    assert "can't be written" in told and (target.read_text(), mode(target)) == ("before", 0o644)


@as_root
def test_a_strangers_file_in_his_folder_in_a_shared_one_is_not_written(shared: Path) -> None:
    log = shared / "logs" / "our.log"
    log.parent.mkdir(mode=0o755)
    log.write_text("")
    log.chmod(0o666)
    of_a_stranger(log, log.parent)
    told = start_logging(log, verbose=False)
    stop_logging()
    assert "can't be written (it is somebody else's file" in told and log.read_text() == ""


def test_a_link_of_ours_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("before")
    (tmp_path / "mine.log").symlink_to(target)
    with open_private(tmp_path / "mine.log", "a") as file:
        file.write(b" and after")
    assert target.read_text() == "before and after", "it is our own wish"


@as_root
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
    assert who_could_change(script).startswith(f"everybody may write to {script} (owner ")
    assert who_could_change(script).endswith(", mode 0666)")
    script.chmod(0o644)
    in_sticky = shared / "job.py"
    in_sticky.write_text("")
    assert who_could_change(in_sticky) == "", "ours, and the sticky bit keeps it so"
    shared.chmod(0o777)
    assert who_could_change(in_sticky).startswith(f"everybody may write to {shared} (")
    (tmp_path / "link.py").symlink_to(in_sticky)
    assert who_could_change(tmp_path / "link.py").startswith(f"everybody may write to {shared} (")
    (shared / "link.py").symlink_to(script)
    assert who_could_change(shared / "link.py"), "the link is anybody's to change"


def test_a_link_in_the_middle_of_the_way_is_looked_at_too(shared: Path, tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text("")
    (tmp_path / "first.py").symlink_to(shared / "second.py")
    (shared / "second.py").symlink_to(script)
    assert who_could_change(tmp_path / "first.py") == ""
    shared.chmod(0o777)
    assert who_could_change(tmp_path / "first.py").startswith(f"everybody may write to {shared} (")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    assert who_could_change(tmp_path / "round") == "", "who reads it says that it leads nowhere"


@as_root
def test_another_accounts_file_counts_only_where_everybody_may_put_one(shared: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir(mode=0o775)
    config = checkout / "job_config.yaml"
    config.write_text("")
    for path in (checkout, config):
        os.chown(path, 12345, 12345)
    assert who_could_change(config) == "", "a colleague's checkout is used by choice"
    planted = shared / "job_config.yaml"
    planted.write_text("")
    os.chown(planted, 12345, 12345)
    assert "somebody else's (owner uid 12345, mode 0644)" in who_could_change(planted)


@as_root
def test_a_file_of_the_site_that_is_roots_is_taken_as_it_is(tmp_path: Path) -> None:
    site = tmp_path / "conf"
    site.mkdir()
    site.chmod(0o777)
    xml = site / "core-site.xml"
    xml.write_text("")
    xml.chmod(0o644)
    assert who_could_change_site(xml) == "" and who_could_change(xml) != ""
    xml.chmod(0o666)
    assert who_could_change_site(xml) != ""
    xml.chmod(0o644)
    os.chown(xml, 12345, 12345)
    assert "everybody may write to" in who_could_change_site(xml)
    assert who_could_change_site(tmp_path / "none.xml") == ""


def test_a_folder_of_ours_is_closed_to_others_and_one_that_they_could_fill_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    own_folder(folder)
    assert [mode(folder), mode(folder.parent)] == [0o700, 0o700]
    folder.chmod(0o755)
    own_folder(folder)
    assert mode(folder) == 0o700
    folder.chmod(0o777)
    with pytest.raises(NotOurs, match="everybody may write to"):
        own_folder(folder)
    folder.chmod(0o700)
    (tmp_path / "mine").symlink_to(folder)
    own_folder(tmp_path / "mine")


@as_root
def test_a_folder_or_a_link_that_somebody_else_has_made_is_not_taken(shared: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with pytest.raises(NotOurs, match="not ours alone: owner uid 12345"):
        own_folder(theirs)
    target = tmp_path / "ours"
    target.mkdir(mode=0o700)
    (shared / "batch-submit").symlink_to(target)
    os.chown(shared / "batch-submit", 12345, 12345, follow_symlinks=False)
    with pytest.raises(NotOurs, match="somebody else's"):
        own_folder(shared / "batch-submit")
    with pytest.raises(HostNotReady) as error:
        own_place({"XDG_STATE_HOME": str(shared)}, "XDG_STATE_HOME", ".local/state")
    assert error.value.where == str(shared / "batch-submit") and "XDG_STATE_HOME" in error.value.next_step
    below_home = own_place({"HOME": str(tmp_path)}, "XDG_STATE_HOME", ".local/state")
    assert below_home == tmp_path / ".local/state/batch-submit"


def test_a_log_of_ours_that_others_could_read_is_closed_and_a_pipe_is_none(tmp_path: Path) -> None:
    log = tmp_path / "our.log"
    log.write_text("before\n")
    log.chmod(0o644)
    assert start_logging(log, verbose=False) == ""
    stop_logging()
    assert mode(log) == 0o600 and log.read_text() == "before\n"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        told = start_logging(tmp_path / "pipe", verbose=False)
    finally:
        stop_logging()
        os.close(reader)
    assert "it is no regular file" in told
    assert "can't be written" in start_logging(tmp_path / "pipe", verbose=False), "and nobody is waited for"
    stop_logging()
    assert start_logging(Path(os.devnull), verbose=False) == ""
    stop_logging()


def test_no_file_is_cut_off_before_it_has_proven_to_be_ours(shared: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=r"no regular file|No such device"):
        open_private(tmp_path / "pipe", "w")
    (tmp_path / "old").write_text("longer than the new one")
    with open_private(tmp_path / "old", "w") as file:
        file.write(b"new")
    assert (tmp_path / "old").read_text() == "new"


def test_what_lies_under_a_temporary_name_that_was_foreseen_is_never_written_through(tmp_path: Path) -> None:
    target = tmp_path / "somebody's.txt"
    target.write_text("before")
    names = [f".{name}.{os.getpid()}" for name in ("kept.pem", "key.json", "nightly.json", "key")]
    for name in names:
        (tmp_path / name).symlink_to(target)
    write_whole(tmp_path / "kept.pem", b"x")
    save(tmp_path, "key", Config(None, {}))
    lock = LockFile(tmp_path, "nightly")
    assert lock.take()
    lock.tell(LockHolder("r1", 1, "now"))
    lock.release()
    assert target.read_text() == "before" and all((tmp_path / name).is_symlink() for name in names)
    assert load(tmp_path, "key", Config) is not None and lock.holder() is not None
    made = {path.name: mode(path) for path in tmp_path.iterdir() if path.is_file() and not path.is_symlink()}
    assert {made[name] for name in ("kept.pem", "key.json", "nightly.json", "nightly.lock")} == {0o600}


def test_a_lock_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "nightly.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostNotReady, match="the lock can't be taken"):
        LockFile(tmp_path, "nightly").take()
    assert not (tmp_path / "elsewhere").exists()


def test_the_cache_takes_nothing_for_ours_that_is_not(tmp_path: Path) -> None:
    kept = store(b"content", tmp_path, folder="framework", name="x.zip")
    kept.write_bytes(b"CONTENT")
    assert store(b"content", tmp_path, folder="framework", name="x.zip").read_bytes() == b"content"
    kept.chmod(0o666)
    assert mode(store(b"content", tmp_path, folder="framework", name="x.zip")) == 0o600


def test_temporary_names_can_not_be_foreseen() -> None:
    assert len({own_temporary("x") for _ in range(20)}) == 20


def test_an_account_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(HostNotReady, match="uid 54321") as error:
        own_place({}, "XDG_STATE_HOME", ".local/state")
    assert error.value.next_step == "set HOME, or XDG_STATE_HOME and XDG_CACHE_HOME"
