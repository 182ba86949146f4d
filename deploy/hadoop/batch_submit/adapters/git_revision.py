"""The revision of the project that a run comes from, asked of ``git`` where there is one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_TIMEOUT_S = 5.0


def git_revision(folder: Path, env: Mapping[str, str]) -> str:
    """Return the commit that `folder` is at, with ``-dirty`` behind it when tracked files differ from that commit.

    "" outside a repository, without git, and when git does not answer in 5 s: a revision is worth knowing and never
    worth a failure.
    """
    program = shutil.which("git", path=env.get("PATH"))
    if program is None or not folder.is_dir():
        return ""
    # --exclude: the commit itself, not the nearest tag and the distance to it.
    command = [program, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    given, nowhere = dict(env), subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, env=given, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=nowhere
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
