"""Named locks: what a name may be, who holds one, and what is said of it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.plan.units import UnitError, parse_duration_s

#: As a run id: YARN stores tags in lower case, and the name is a file's name too.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
#: The tag by which an application holds a lock, for whoever asks from whichever host.
LOCK_PREFIX = "lock:"


@dataclass(frozen=True)
class LockWish:
    """``--lock`` as typed.

    Parameters
    ----------
    wait_s
        How long to wait for it, seconds; 0: not at all.
    skip_if_running
        Somebody holds it: that is no failure, there is nothing to do.
    """

    name: str
    wait_s: float = 0.0
    skip_if_running: bool = False

    @property
    def tag(self) -> str:
        """The tag of its applications."""
        return f"{LOCK_PREFIX}{self.name}"


@dataclass(frozen=True)
class LockHolder:
    """Who took a lock last, on this host; whether it holds it still, process and application tell.

    Parameters
    ----------
    since
        ISO 8601, UTC.
    is_looking
        It has the lock's file and is still looking whether an application of another run holds the lock. Nothing of
        this run was launched under it.
    former
        With `is_looking`: the run that held it before, which counts until the looking is done; "" for none.
    """

    run_id: str
    pid: int = 0
    since: str = ""
    is_looking: bool = False
    former: str = ""

    @property
    def settled(self) -> LockHolder | None:
        """Who held it last for sure; ``None`` for nobody."""
        if not self.is_looking:
            return self
        return LockHolder(self.former) if self.former else None

    def to_json(self) -> str:
        """The content of the file."""
        data = asdict(self)
        if not self.is_looking:
            del data["is_looking"], data["former"]
        return json.dumps(data, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LockHolder | None:
        """Read the content of the file; ``None`` for a damaged one: then only process and tag tell."""
        try:
            data = json.loads(text)
            looking, former = data.get("is_looking", False) is True, str(data.get("former", ""))
            return cls(str(data["run_id"]), int(data["pid"]), str(data["since"]), looking, former)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return None


def lock_wish(name: str | None, wait: str | None, skip_if_running: bool) -> LockWish | None:
    """The flags ``--lock``, ``--lock-wait`` and ``--skip-if-running``, checked; ``None`` without any of them.

    Raises
    ------
    UsageError
        A name that can be neither a tag nor a file, a time that can't be read, or a flag that has no lock to be about.
    """
    if name is None:
        if wait is not None or skip_if_running:
            flag = "--skip-if-running" if skip_if_running else "--lock-wait"
            raise UsageError(f"{flag} is about a lock, and none is named", next_step=f"add --lock NAME to {flag}")
        return None
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be the name of a lock: at most 63 of a-z, 0-9, '.', '_' and '-'",
            where="--lock",
            next_step=f"write for example --lock {_near(name)}",
        )
    if wait is not None and skip_if_running:
        raise UsageError(
            "--skip-if-running does not wait, and --lock-wait does", next_step="leave one of the two flags out"
        )
    try:
        wait_s = 0.0 if wait in (None, "0") else float(parse_duration_s(str(wait)))
    except UnitError as error:
        raise UsageError(str(error), where="--lock-wait", next_step="write for example --lock-wait 10m") from error
    return LockWish(name, wait_s, skip_if_running)


def _near(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:63] or "nightly"
