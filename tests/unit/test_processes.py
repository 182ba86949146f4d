"""What ``/proc`` tells of a session: who is left of it, whoever has its number now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batch_submit.adapters.processes import live_in_session, look_at, may_submit, submits, this_host


def stat(pid: int, *, start: int, session: int, state: str = "S", name: str = "java") -> tuple[int, str]:
    """A line as Linux 6 writes it: pid, name, state, ppid, pgrp, session, …, start time as field 22."""
    middle = " ".join(["0"] * 15)
    return pid, f"{pid} ({name}) {state} 1 {session} {session} {middle} {start} 0 0 0"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "sys").mkdir()
    return tmp_path


def put(proc: Path, *processes: tuple[int, str]) -> None:
    for pid, line in processes:
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "stat").write_text(line, encoding="utf-8")


def test_the_leader_and_its_children_are_of_the_session(proc: Path) -> None:
    put(proc, stat(70, start=500, session=70), stat(71, start=501, session=70), stat(80, start=400, session=80))
    assert live_in_session(70, 500, proc) == (70, 71)


def test_a_session_lives_on_without_its_leader(proc: Path) -> None:
    put(proc, stat(71, start=501, session=70))
    assert live_in_session(70, 500, proc) == (71,)


@pytest.mark.parametrize("state", ["Z", "X"])
def test_who_has_ended_and_was_not_waited_for_is_gone(proc: Path, state: str) -> None:
    put(proc, stat(70, start=500, session=70, state=state))
    assert live_in_session(70, 500, proc) == ()


def test_a_number_that_another_process_has_now_is_no_session_of_ours(proc: Path) -> None:
    put(proc, stat(70, start=900, session=70), stat(71, start=901, session=70))
    assert live_in_session(70, 500, proc) == ()


def test_who_is_older_than_the_session_is_not_of_it(proc: Path) -> None:
    put(proc, stat(71, start=499, session=70))
    assert live_in_session(70, 500, proc) == ()


@pytest.mark.parametrize("name", ["a b", "x) S 1 2 3", "((", "7 (y) R"])
def test_a_name_may_hold_anything(proc: Path, name: str) -> None:
    put(proc, stat(70, start=500, session=70, name=name))
    assert live_in_session(70, 500, proc) == (70,)


def test_our_own_process_is_seen_by_the_real_proc() -> None:
    ours = look_at(os.getpid())
    assert ours is not None and not ours.is_gone and ours.session == os.getsid(0) and ours.start > 0
    assert os.getpid() in live_in_session(os.getsid(0), 0) or look_at(os.getsid(0)) is not None


def test_a_host_without_proc_tells_nothing_by_which_it_could_be_mistaken(tmp_path: Path) -> None:
    here = this_host("edge", tmp_path / "proc", tmp_path / "etc")
    assert (here.host, here.machine, here.boot_id, here.namespace) == ("edge", "", "", "")
    assert not here.sees(here)
    real = this_host("edge")
    assert real.boot_id and real.namespace.startswith("pid:[") and real.sees(real)


def program(proc: Path, pid: int, *, exe: str = "", comm: str = "", argv: str = "") -> Path:
    """One process's program, as far as it lets itself be known."""
    folder = proc / str(pid)
    folder.mkdir(parents=True, exist_ok=True)
    if exe:
        (folder / "exe").symlink_to(exe)
    (folder / "comm").write_text(f"{comm}\n")
    (folder / "cmdline").write_bytes(argv.replace(" ", "\0").encode() + b"\0")
    return proc


@pytest.mark.parametrize(
    ("how", "may", "does"),
    [
        ({"exe": "/usr/lib/jvm/bin/java", "comm": "java", "argv": "java -cp x"}, True, True),
        ({"exe": "/usr/bin/bash", "comm": "spark-submit", "argv": "bash /opt/bin/spark-submit --x"}, True, True),
        ({"exe": "/usr/bin/python3", "comm": "helper", "argv": "python3 helper.py"}, True, False),
        ({"exe": "/usr/bin/ssh-agent (deleted)", "comm": "ssh-agent", "argv": "ssh-agent"}, False, False),
        # An agent's executable can't be read; its name is the kernel's and its own.
        ({"comm": "ssh-agent", "argv": "/usr/bin/ssh-agent -s"}, False, False),
        # A script of that name is its interpreter, whatever the kernel calls it.
        ({"comm": "ssh-agent", "argv": "/bin/bash /opt/ssh-agent"}, True, False),
        ({"exe": "/bin/busybox", "comm": "sleep", "argv": "sleep 9"}, True, False),
        ({"comm": "x", "argv": ""}, True, False),
    ],
)
def test_what_a_process_of_a_session_could_do(tmp_path: Path, how: dict[str, str], may: bool, does: bool) -> None:
    proc = program(tmp_path, 70, **how)
    assert (may_submit(70, proc), submits(70, proc)) == (may, does)


def test_of_a_process_that_is_gone_nothing_is_known(tmp_path: Path) -> None:
    assert may_submit(70, tmp_path) and not submits(70, tmp_path)
