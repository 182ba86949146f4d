"""``yarn logs``, where the cluster's own program is on PATH: the last source, a JVM for each question.

Its output has the banner lines of :mod:`batch_submit.adapters.framed_logs` and is streamed through. Source:
``LogsCLI`` (Hadoop >= 2.9 for the listing).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from batch_submit.adapters.aggregated_logs.parts import safe_container, safe_name
from batch_submit.adapters.framed_logs import node_address
from batch_submit.adapters.framed_source import read_framed
from batch_submit.adapters.log_replies import parse_time_ms
from batch_submit.container_logs import LogFile
from batch_submit.errors import ClusterRefused, ClusterUnreachable, NotFound

_PIECE_BYTES = 1 << 16
_CONTAINER = re.compile(r"Container: (\S+) on (\S+)")
#: ``stdout   1858   Sat Nov 21 11:48:52 +0000 2026   AGGREGATED``; a file's name may hold spaces.
_FILE = re.compile(r"\s*(\S.*?)\s+(\d+)\s+(\w{3} \w{3} \d{1,2} [\d:]{8} [+-]\d{4} \d{4})\s+(LOCAL|AGGREGATED)\s*")
_WORDS_BYTES = 4000
_ENDING_S = 10.0


class YarnLogsProgram:
    """``yarn logs`` for one application, as a :class:`batch_submit.container_logs.LogSource`.

    Parameters
    ----------
    program
        The path of ``yarn``.
    owner
        Whose logs; "" leaves it to the program.
    environment
        Its whole environment.
    timeout_s
        Seconds for the listing.
    """

    name = "yarn logs"

    def __init__(
        self, program: str, application_id: str, owner: str, environment: Mapping[str, str], *, timeout_s: float = 120
    ) -> None:
        self._command = [program, "logs", "-applicationId", application_id]
        if owner:
            self._command += ["-appOwner", owner]
        self._environment = dict(environment)
        self._timeout_s = timeout_s

    @classmethod
    def find(cls, application_id: str, owner: str, environment: Mapping[str, str]) -> YarnLogsProgram | None:
        """The program on the PATH of ``environment``; ``None`` when there is none."""
        program = shutil.which("yarn", path=environment.get("PATH", ""))
        return cls(program, application_id, owner, environment) if program else None

    def files(self) -> list[LogFile]:
        """The log files of the application, as ``-show_container_log_info`` lists them.

        Raises
        ------
        NotFound, ClusterRefused, ClusterUnreachable
            By the program's words.
        """
        command = [*self._command, "-show_container_log_info"]
        try:
            done = subprocess.run(
                command, env=self._environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=self._timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterUnreachable(f"yarn logs did not answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise ClusterUnreachable(f"yarn logs can't be started: {error.strerror or error}") from error
        found = parse_listing(done.stdout.decode("utf-8", "replace"))
        if not found:
            _fail(done.stdout + b"\n" + done.stderr)
        return found

    def read(self, file: LogFile, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See :class:`batch_submit.container_logs.LogSource`."""

        @contextmanager
        def opened(size: int | None) -> Iterator[Iterator[bytes]]:
            command = [*self._command, "-containerId", file.container_id, "-log_files", file.name]
            command += ["-size", str(size)] if size is not None else []
            with tempfile.TemporaryFile() as words:
                child = subprocess.Popen(
                    command, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words
                )
                try:
                    yield _pieces(child, words)
                finally:
                    _end(child)

        # The program adds the parts up by itself and says nothing of their number.
        yield from read_framed(opened, file, start=start, length=length, parts=1, where=self.name, noisy=True)


def parse_listing(text: str) -> list[LogFile]:
    """The files that ``yarn logs -show_container_log_info`` prints."""
    found = []
    container_id = node = ""
    for line in text.splitlines():
        if match := _CONTAINER.fullmatch(line.strip()):
            container_id, node = match.group(1), node_address(match.group(2))
        elif container_id and (match := _FILE.fullmatch(line)):
            name, size, time, kind = match.groups()
            if not safe_container(container_id) or not safe_name(name):
                continue
            length = int(size) if len(size) < 20 else None
            found.append(LogFile(container_id, name, length, node, parse_time_ms(time), kind == "AGGREGATED"))
    return found


def _pieces(child: subprocess.Popen[bytes], words: IO[bytes]) -> Iterator[bytes]:
    assert child.stdout is not None
    read: Callable[[int], bytes] = child.stdout.read1  # type: ignore[attr-defined]
    while piece := read(_PIECE_BYTES):
        yield piece
    if child.wait(_ENDING_S):
        words.seek(0)
        _fail(words.read(1 << 20))


def _end(child: subprocess.Popen[bytes]) -> None:
    """Nobody reads on: the program gets a broken pipe, or is ended."""
    assert child.stdout is not None
    child.stdout.close()
    try:
        child.wait(0.2)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _fail(output: bytes) -> None:
    text = output[-_WORDS_BYTES:].decode("utf-8", "replace")
    words = [line.strip() for line in text.splitlines() if line.strip() and " INFO " not in line][-3:]
    if any(mark in text for mark in ("AccessControlException", "Permission denied", "not authorized", "No permission")):
        raise ClusterRefused("yarn logs: not ours to read", details=words)
    if any(
        mark in text for mark in ("Can not find", "Cannot find", "does not exist", "Unable to get", "doesn't exist")
    ):
        raise NotFound("yarn logs finds none", details=words)
    raise ClusterUnreachable("yarn logs prints no log", details=words)
