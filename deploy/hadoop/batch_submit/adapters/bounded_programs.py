"""Programs of this host that are asked for something: each ends, with all that it started, when its time is over."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

_ENDING_S = 5.0


class TookTooLong(Exception):
    """A program was ended because its time was over."""


def run(argv: Sequence[str], env: Mapping[str, str], limit_s: float) -> tuple[int, bytes, bytes]:
    """Exit status, stdout and stderr; never asks anybody for a password.

    Parameters
    ----------
    env
        All of its environment.
    limit_s
        Seconds.

    Raises
    ------
    TookTooLong
        It and what it started are ended then.
    OSError
        It can't be started.
    """
    process = subprocess.Popen(
        list(argv),
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # without a terminal there is nobody to be asked; and it can be ended as a whole
    )
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise TookTooLong(f"{argv[0]} was ended after {limit_s:g} s") from error
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):  # something has left the session, and holds the pipes
                process.communicate(timeout=_ENDING_S)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_ENDING_S)
    return process.returncode, out, err
