"""Checks of the run records on this host: can they be read and written, and by this release? Pure."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.data_classes import dataclass
from batch_submit.plan.file_systems import is_network
from batch_submit.plan.health import Finding, ok, red, size_text, warn

ID = "host.ledger"
REBUILD = "batch-submit ledger rebuild"
#: SQLite's words for a file that another process holds longer than was waited for (``SQLITE_BUSY``).
_LOCKED = "locked"


@dataclass(frozen=True)
class LedgerLook:
    """What a look at one ledger's file has shown.

    Parameters
    ----------
    damage
        What is wrong with it; empty for a file that is whole.
    version, known
        Of its schema, and the newest that this release knows.
    journal
        SQLite's journal mode.
    lost
        JSON files of runs, of which there is no database.
    not_exported
        Runs without their JSON file.
    refused
        Why it can't be written now; "" when it can.
    """

    path: str
    damage: Sequence[str] = ()
    version: int = 0
    known: int = 0
    journal: str = ""
    file_system: str = ""
    runs: int = 0
    lost: int = 0
    not_exported: int = 0
    size_bytes: int = 0
    refused: str = ""


def ledgers(looks: Sequence[LedgerLook], folder: str) -> list[Finding]:
    """One finding for each ledger; `folder` is where the first run makes one."""
    return [ledger(one) for one in looks] or [ok(ID, "none yet: the first run makes one", folder)]


def ledger(look: LedgerLook) -> Finding:
    """One ledger. Red where a repeated run id would be refused, or could not be told from a new one."""
    measured: dict[str, object] = {
        "runs": look.runs,
        "size_bytes": look.size_bytes,
        "version": look.version,
        "journal": look.journal,
        "file_system": look.file_system,
        "not_exported": look.not_exported,
    }
    if look.version > look.known:
        what = f"it is of version {look.version}, and this release knows {look.known}: nothing is submitted beside it"
        step = "use the newer release of this tool, or set XDG_STATE_HOME to another folder"
        return red(ID, what, step, look.path, measured)
    if look.damage:
        measured["damage"] = list(look.damage)
        what = f"damaged: {look.damage[0]}"
        return red(ID, what, f"{REBUILD}   (the old file is moved aside)", look.path, measured)
    if look.refused:
        measured["refused"] = look.refused
        if _LOCKED in look.refused:
            step = f"see who holds it: fuser -v {look.path}"
            return warn(ID, f"another process holds it: {look.refused}", step, look.path, measured)
        step = "make file and folder writable for this account, or set XDG_STATE_HOME to another folder"
        return red(ID, f"run records can't be written: {look.refused}", step, look.path, measured)
    if look.lost:
        measured["lost"] = look.lost
        what = f"there is none, and JSON files of {look.lost} runs are; the next submit takes them over"
        return warn(ID, what, f"{REBUILD}   (also asks the cluster)", look.path, measured)
    return _whole(look, measured)


def _whole(look: LedgerLook, measured: dict[str, object]) -> Finding:
    text = f"{look.runs} runs, {size_text(look.size_bytes)}, version {look.version}"
    if is_network(look.file_system):
        what = f"{text}; on a file system that hosts share ({look.file_system}): as safe as its locks, and slower"
        step = "set XDG_STATE_HOME to a folder on a disk of this host"
        return warn(ID, what, step, look.path, measured)
    if look.not_exported:
        what = f"{text}; {look.not_exported} of them without the JSON file that would survive it"
        return warn(ID, what, f"{REBUILD} --offline   (writes them)", look.path, measured)
    return ok(ID, text, look.path, measured)
