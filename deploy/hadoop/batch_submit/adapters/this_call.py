"""Who called this program, from where and under which name."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path


def program_name() -> str:
    """How this program was called, for the commands that messages tell people to type."""
    called = Path(sys.argv[0])
    if called.name in ("__main__.py", "submit_job.py"):
        home = Path(__file__).resolve().parents[4]
        return "./batch_submit.sh" if str(home) == working_directory() else str(home / "batch_submit.sh")
    return called.name


def os_user() -> str:
    """The account's name, or its number in a container without an entry in ``/etc/passwd``."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def working_directory() -> str:
    """Where this program was called; ``/`` when that folder was removed under us, as happens to long-running shells."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "/"
