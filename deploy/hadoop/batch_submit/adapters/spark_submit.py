"""Running spark-submit in a session of its own, and the file that keeps secrets out of its command."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from batch_submit.adapters.own_files import open_private, own_folder
from batch_submit.adapters.processes import live_in_session, look_at, may_submit, submits
from batch_submit.adapters.terminal import LOGGER
from batch_submit.errors import HostNotReady


def write_secret_properties(secrets: Mapping[str, str], folder: Path) -> str:
    """Write the secret properties to a new Java properties file of mode 0600; returns its path.

    Raises
    ------
    HostNotReady
        When it can't be written: nothing was launched then.
    """
    text = "".join(f"{_escape(key)}={_escape(value)}\n" for key, value in sorted(secrets.items()))
    try:
        own_folder(folder)
        descriptor, name = tempfile.mkstemp(prefix="secrets-", suffix=".properties", dir=folder)  # mkstemp: mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise HostNotReady(
            f"the file for the secret properties can't be written: {error.strerror or error}",
            where=str(folder),
            next_step="make the folder writable, or set XDG_STATE_HOME to one that is",
        ) from error
    return name


@contextlib.contextmanager
def secret_properties(secrets: Mapping[str, str], folder: Path) -> Iterator[str]:
    """The same file, gone at the end of the block; locked within, so that no other call takes it for left behind."""
    name = write_secret_properties(secrets, folder)
    with Path(name).open("rb") as file:
        with contextlib.suppress(
            OSError
        ):  # a file system without locks: then its age tells, as it does of a dead call's
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield name
        finally:
            Path(name).unlink(missing_ok=True)


def is_in_use(path: Path) -> bool:
    """Whether a living call holds a secrets file. Its age does not tell: clocks are set."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _escape(text: str) -> str:
    """Escape as ``java.util.Properties.store`` does, so that no character is read as a separator or comment."""
    out = []
    for character in text:
        if character in "\\:=#! ":
            out.append("\\" + character)
        elif character in "\n\r\t":
            out.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character])
        elif not 0x20 <= ord(character) <= 0x7E:
            data = character.encode("utf-16-be")
            out += [f"\\u{data[i]:02x}{data[i + 1]:02x}" for i in range(0, len(data), 2)]
        else:
            out.append(character)
    return "".join(out)


def _refuse_unless_runnable(program: str, environment: Mapping[str, str]) -> None:
    """What a shell would only say by its exit status is found before anything is started."""
    if shutil.which(program, path=environment.get("PATH", os.defpath)) is None:
        there = Path(program).exists()
        raise _cannot_start(program, "it is not executable" if there else "no such file")


def _cannot_start(program: str, why: str) -> HostNotReady:
    return HostNotReady(f"{program} can't be started: {why}", next_step="check the program and its mode")


def _folder_to_start_in() -> str | None:
    """Ours; the root where ours was removed under us, because a JVM does not start there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return "/"
    return None


#: What the child is until its gate opens: it waits for one line from a pipe whose other end only we hold. If we die,
#: the end of the file comes instead, and it exits. ``--posix``: no ``BASH_ENV`` is read; and unlike dash, bash hands on
#: what it can't use itself (exported functions, names with dots).
_GATE = 'read -r _ <&{0} || exit 125; exec {0}<&-; exec "$@"'


class Child:
    """A program in a session of its own, so that a signal to our process group does not end it, behind a gate.

    It runs once :meth:`open_gate` is called, and never if we die or :meth:`abandon` it before. Its output goes to a
    file, not a pipe: it can't be blocked by us, nor end by our death. Its pid does not change when the gate opens.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], output: Path | None) -> None:
        _refuse_unless_runnable(argv[0], environment)
        waiting, self._gate = os.pipe()  # neither is inherited by other programs (PEP 446)
        try:
            target = open_private(output, "a") if output is not None else None
            try:
                self._process = subprocess.Popen(
                    ["bash", "--norc", "--noprofile", "--posix", "-c", _GATE.format(waiting), "gate", *argv],
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=target if target is not None else 2,
                    stderr=subprocess.STDOUT if target is not None else None,
                    cwd=_folder_to_start_in(),
                    start_new_session=True,
                    pass_fds=(waiting,),
                )
            finally:
                if target is not None:
                    target.close()
        except OSError as error:
            os.close(self._gate)
            raise _cannot_start("bash", error.strerror or str(error)) from error
        finally:
            os.close(waiting)
        process = look_at(self._process.pid)  # nobody has asked for its status yet, so that it is there
        self._start = process.start if process is not None else 0

    def open_gate(self) -> None:
        """Let it run."""
        try:
            os.write(self._gate, b"go\n")
        except BrokenPipeError:
            # Somebody ended it at its gate: the same case as ended right behind it, and looked at in one place. `poll`
            # gives the exit code, and the cluster tells whether an application came of it.
            LOGGER.debug("spark-submit (pid %d) was ended before it began", self.pid)
        finally:
            os.close(self._gate)
            self._gate = -1

    def abandon(self) -> None:
        """End it at its gate, so that it never runs; after :meth:`open_gate` nothing happens."""
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process id, which is the id of its session and group too."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status (negative: ended by that signal); ``None`` while it runs."""
        return self._process.poll()

    def left(self) -> tuple[int, ...]:
        """The live processes of its session that could submit: what it started goes on when it ends, or is killed."""
        return tuple(pid for pid in self._session() if may_submit(pid))

    @staticmethod
    def is_submitting(pids: Sequence[int]) -> bool:
        """Whether one of these processes is a JVM, or spark-submit by its command."""
        return any(map(submits, pids))

    def _session(self) -> tuple[int, ...]:
        return live_in_session(self.pid, self._start) if self._start else ()

    def end(self) -> None:
        """Ask the whole group to end, if anything of it lives: its number may be another's afterwards."""
        if self._session():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
