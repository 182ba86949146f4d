"""This host's processes by ``/proc``: who we are, and what is left of a session.

Source: proc(5). A process is named for good by its pid, its start time and the boot id of its kernel: pids are used
again, but not while a process group or session still carries the number (Linux: ``free_pid`` waits for its last user).
"""

from __future__ import annotations

from pathlib import Path

from batch_submit.data_classes import dataclass
from batch_submit.plan.resume import Here

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One line of ``/proc/<pid>/stat``.

    Parameters
    ----------
    start
        Clock ticks since the start of the host (field 22).
    session
        The id of its session (field 6).
    is_gone
        It has ended, and nobody has asked for its status yet.
    """

    pid: int
    start: int
    session: int
    is_gone: bool


def look_at(pid: int, proc: Path = _PROC) -> Process | None:
    """A process; ``None`` when there is none of this number."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # its name stands before, and may hold anything
    return Process(pid, int(fields[19]), int(fields[3]), fields[0] in ("Z", "X", "x"))


def live_in_session(pid: int, start: int, proc: Path = _PROC) -> tuple[int, ...]:
    """The live processes of the session that a process leads or led.

    Parameters
    ----------
    pid, start
        The leader's number and start time.

    Returns
    -------
    tuple of int
        Their numbers; empty when none is left, or when the number is another process's now.
    """
    leader = look_at(pid, proc)
    if leader is not None and leader.start != start:
        return ()
    found = (look_at(int(name), proc) for name in (one.name for one in proc.iterdir()) if name.isdecimal())
    return tuple(
        sorted(
            one.pid
            for one in found
            if one is not None and not one.is_gone and one.session == pid and one.start >= start
        )
    )


#: Programs that start no other one: what is left of them in a session can't submit anything. Any other might.
_NEVER_START_ANOTHER = frozenset(("ssh-agent", "gpg-agent", "sleep", "tail", "tee", "cat", "logger"))
_JVM = "java"


def program_of(pid: int, proc: Path = _PROC) -> str:
    """The file name of the program that a process runs; "" when that can't be known.

    By its executable. Agents hide theirs from all but root; they go by their first argument where the kernel's own
    name for them is the same (a script's is its interpreter there).
    """
    folder = proc / str(pid)
    try:
        return (folder / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        pass
    try:
        first = (folder / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace").rpartition("/")[2]
        return first if first and first == _text(folder / "comm") else ""
    except OSError:
        return ""


def may_submit(pid: int, proc: Path = _PROC) -> bool:
    """Whether a process that spark-submit has left could still submit, or start what does; unknown is yes."""
    return program_of(pid, proc) not in _NEVER_START_ANOTHER


def submits(pid: int, proc: Path = _PROC) -> bool:
    """Whether a process is most likely one that submits: a JVM, or spark-submit by its command."""
    if program_of(pid, proc) == _JVM:
        return True
    try:
        return b"spark-submit" in (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False


def this_host(name: str, proc: Path = _PROC, etc: Path = Path("/etc")) -> Here:
    """Which host this is.

    Parameters
    ----------
    name
        As `Services.host` has it.
    """
    try:
        namespace = str((proc / "self" / "ns" / "pid").readlink())
    except OSError:
        namespace = ""
    return Here(
        name,
        _text(etc / "machine-id"),
        _text(proc / "sys" / "kernel" / "random" / "boot_id"),
        namespace,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True)
class Processes:
    """The same for who is handed them.

    Parameters
    ----------
    host
        As `Services.host` has it.
    """

    host: str

    def here(self) -> Here:
        """See :func:`this_host`."""
        return this_host(self.host)

    def start_of(self, pid: int) -> int:
        """When a process started, in clock ticks; 0 when there is none."""
        process = look_at(pid)
        return process.start if process is not None else 0

    def lives(self, pid: int, start: int) -> bool:
        """Whether the process that had this number and start time has not ended."""
        process = look_at(pid)
        return process is not None and process.start == start and not process.is_gone

    def live_in_session(self, pid: int, start: int) -> tuple[int, ...]:
        """See :func:`live_in_session`."""
        return live_in_session(pid, start)

    def may_submit_in_session(self, pid: int, start: int) -> tuple[int, ...]:
        """Those of them that could still submit something; see :func:`may_submit`."""
        return tuple(one for one in live_in_session(pid, start) if may_submit(one))
