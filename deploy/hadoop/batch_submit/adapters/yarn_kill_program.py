"""``yarn application -kill``, where the cluster's program is on PATH: for a REST service that does not let us in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping

#: A program that waits for a password or for a ResourceManager that is away must not hang a kill for ever.
TIMEOUT_S = 45.0
_ENDING_S = 5.0
_WORDS = 300


def kill_by_program(application_id: str, environment: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Ask for the end of an application by the program.

    Parameters
    ----------
    environment
        Its whole environment; it is looked for on the PATH in it.
    timeout_s
        Then it is ended, with everything that it started.

    Returns
    -------
    str or None
        "" when it exited with 0, else what went wrong; ``None`` when there is no such program.
    """
    program = shutil.which("yarn", path=environment.get("PATH", ""))
    if program is None:
        return None
    try:
        process = subprocess.Popen(
            [program, "application", "-kill", application_id],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the program is a script: its JVM ends with it
        )
    except OSError as error:
        return f"{program} can't be started: {error.strerror or error}"
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=_ENDING_S)
        return f"it did not end within {timeout_s:g} s"
    if process.returncode == 0:
        return ""
    words = " ".join(output.decode("utf-8", "replace").split())
    return f"exit status {process.returncode}: {words[-_WORDS:]}"
