"""Our own command as a child process, in a session of its own: what ends the parent does not end it unasked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from batch_submit.adapters.own_files import open_private
from batch_submit.errors import ExitCode, HostNotReady

_TAIL_BYTES = 4096


def own_command() -> list[str]:
    """How this program is started again: the installed console script, else this package by its path."""
    called = Path(sys.argv[0])
    if called.name == "batch-submit" and os.access(called, os.X_OK):
        return [str(called)]
    return [sys.executable, str(Path(__file__).resolve().parents[1] / "__main__.py")]


class ChildSubmit:
    """One running child.

    Parameters
    ----------
    words
        Behind ``batch-submit``.
    log
        Takes what it says on stderr; its answer goes to the same name with ``.out``.
    """

    def __init__(self, words: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self.log = log
        self._answer = log.with_suffix(".out")
        try:
            for path in (log, self._answer):
                path.unlink(missing_ok=True)  # a child of an earlier call that was killed may still write into it
            with open_private(log, "w") as err, open_private(self._answer, "w") as out:
                self._process = subprocess.Popen(
                    [*own_command(), *words],
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                )
        except OSError as error:
            raise HostNotReady(
                f"a run can't be started: {error.strerror or error}",
                where=str(error.filename or log),
                next_step="free some space, or raise the limits of processes and open files (ulimit -u, -n)",
            ) from error

    def poll(self) -> int | None:
        """The exit code; 8 for a child that was killed: its application may be running; ``None`` while it runs."""
        status = self._process.poll()
        return int(ExitCode.UNKNOWN) if status is not None and status < 0 else status

    def send(self, number: int) -> None:
        """Hand a signal on."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.Signals(number))

    def answer(self) -> str:
        """The last line of its stdout; "" for none."""
        lines = self._answer.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else ""

    def forget_answer(self) -> None:
        """Delete the file of its answer."""
        self._answer.unlink(missing_ok=True)

    def last_line(self) -> str:
        """What it said last."""
        with self.log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def last_error(self) -> str:
        """Its last ``error:`` line, without the word: why it ended badly."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        found = [line for line in text.splitlines() if line.startswith("error: ")]
        return found[-1].removeprefix("error: ") if found else self.last_line()
