"""The folders that this tool keeps things in from call to call: records and locks, caches. Nobody else's are used."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from batch_submit.adapters.own_files import NotOurs, refuse_foreign
from batch_submit.errors import HostNotReady

_NAME = "batch-submit"


def own_place(env: Mapping[str, str], variable: str, below_home: str) -> Path:
    """Our folder where a variable of the XDG Base Directory Specification says, else below the home.

    What lies in it is believed: records, who holds a lock, which code is ours. So a folder that is there already has to
    be ours alone; one that is not is made when it is needed, which looks again.

    Raises
    ------
    HostNotReady
        Somebody else has made it, or could put something into it; or nobody says where our home is.
    """
    named = env.get(variable, "")
    absolute = named.startswith("/")  # a relative one is to be ignored, by the specification
    place = Path(named, _NAME) if absolute else Path(env.get("HOME") or _home(), below_home, _NAME)
    try:
        refuse_foreign(place)
    except NotOurs as error:
        raise HostNotReady(
            f"this folder can't be ours: {error.strerror}",
            where=str(place),
            next_step=f"{_remedy(place)}, or set {variable} to a folder where only you can write",
        ) from error
    except OSError:
        return place  # not there yet, or no folder, or closed to us: who needs it says so
    return place


def _home() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError as error:  # a container that runs under some number
        raise HostNotReady(
            f"this account (uid {os.getuid()}) has no home: HOME is not set, and no entry of passwd names one",
            next_step="set HOME, or XDG_STATE_HOME and XDG_CACHE_HOME",
        ) from error


def _remedy(place: Path) -> str:
    """What to do about the folder that is at fault, which may be one above."""
    for above in place.parents:
        with contextlib.suppress(OSError):
            mode = above.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return f"chmod o-w {above}"
    return f"if all that is in it is yours: chmod 700 {place}; else remove it"
