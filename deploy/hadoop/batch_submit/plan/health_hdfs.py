"""Checks of HDFS: the NameNode, the folders that a run needs, space, quota, what killed runs left behind. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from batch_submit.data_classes import dataclass
from batch_submit.model import State
from batch_submit.plan.health import Finding, ServerAnswer, no_answer, ok, red, size_text, skipped, warn
from batch_submit.plan.units import format_duration

#: A staging folder without an application this young may belong to a submit that is under way.
_STAGING_GRACE_S = 3600.0
_QUOTA_WARN = 0.9
_SPACE_RED_BYTES = 1 << 30
_SPACE_WARN_PERCENT = 5.0
_SHOWN = 5


@dataclass(frozen=True)
class NameSpace:
    """What the active NameNode tells of HDFS as a whole; -1 where it does not.

    ``safe_mode`` is the NameNode's own text: "" when it is off.
    """

    safe_mode: str = ""
    free_bytes: int = -1
    total_bytes: int = -1
    live_datanodes: int = -1
    dead_datanodes: int = -1
    missing_blocks: int = -1


@dataclass(frozen=True)
class Folder:
    """A folder that a run needs.

    Parameters
    ----------
    access
        ``writable``, ``refused``, ``missing`` or ``not a folder``.
    parent_writable
        Of a missing one: whether the user may make it.
    said
        The NameNode's own words of a refusal.
    """

    path: str
    access: str
    parent_writable: bool = False
    said: str = ""


@dataclass(frozen=True)
class Quota:
    """Limits of a folder; -1: none."""

    path: str
    names: int
    names_limit: int
    space_bytes: int
    space_limit_bytes: int


@dataclass(frozen=True)
class Staged:
    """A folder ``.sparkStaging/<application>``; ``size_bytes`` -1 where it was not asked for."""

    path: str
    application_id: str
    age_s: float
    size_bytes: int = -1


def name_nodes(answers: Sequence[ServerAnswer]) -> list[Finding]:
    """Each NameNode, and whether one is active."""
    active = [one for one in answers if not one.error and one.ha_state in ("active", "")]
    out = []
    for one in answers:
        if one.error:
            step = "check dfs.namenode.http-address, dfs.webhdfs.enabled and the NameNode's log"
            made = warn if active else red
            what, step = no_answer(one.error, step)
            out.append(made("hdfs.namenode", f"WebHDFS {what}", step, one.url))
            continue
        out.append(ok("hdfs.namenode", one.described("active"), one.url, measured=one.measured()))
    if not active and any(not one.error for one in answers):
        out.append(red("hdfs.active", "no NameNode is active", "hdfs haadmin -getAllServiceState"))
    return out


def safe_mode(space: NameSpace | None) -> Finding:
    """Nothing can be written in safe mode, so nothing can be submitted."""
    if space is None:
        return skipped("hdfs.safe-mode", "the NameNode does not tell its state")
    if space.safe_mode:
        step = "wait until HDFS has left it; hdfs dfsadmin -safemode get"
        return red(
            "hdfs.safe-mode", "HDFS is in safe mode", step, measured={"said": " ".join(space.safe_mode.split())[:300]}
        )
    return ok("hdfs.safe-mode", "off")


def space(found: NameSpace | None) -> Finding:
    """Room on the DataNodes, and those that are dead."""
    id = "hdfs.space"
    if found is None or found.free_bytes < 0:
        return skipped(id, "the NameNode does not tell its space")
    measured: dict[str, object] = {
        "free_bytes": found.free_bytes,
        "total_bytes": found.total_bytes,
        "live_datanodes": found.live_datanodes,
        "dead_datanodes": found.dead_datanodes,
        "missing_blocks": found.missing_blocks,
    }
    percent = 100.0 * found.free_bytes / found.total_bytes if found.total_bytes > 0 else 0.0
    text = f"{size_text(found.free_bytes)} free ({percent:.0f} %), {found.live_datanodes} DataNode(s)"
    if found.live_datanodes == 0:
        return red(id, "no DataNode is alive: nothing can be written", "hdfs dfsadmin -report -live", measured=measured)
    if found.free_bytes < _SPACE_RED_BYTES:
        return red(id, f"only {text}", "delete what is not needed; hdfs dfs -du -s -h '/*'", measured=measured)
    if found.missing_blocks > 0:
        what = f"{found.missing_blocks} block(s) are missing: files can't be read"
        return warn(id, what, "hdfs fsck / -list-corruptfileblocks", measured=measured)
    if found.dead_datanodes > 0:
        return warn(id, f"{text}, {found.dead_datanodes} dead", "hdfs dfsadmin -report -dead", measured=measured)
    if percent < _SPACE_WARN_PERCENT:
        return warn(id, f"only {text}", "delete what is not needed; hdfs dfs -du -s -h '/*'", measured=measured)
    return ok(id, text, measured=measured)


def staging_folder(folder: Folder, user: str) -> Finding:
    """The folder that every submit writes its files to: the user's home, or ``spark.yarn.stagingDir``."""
    id = "hdfs.home"
    make = f"hdfs dfs -mkdir -p {folder.path} && hdfs dfs -chown {user} {folder.path}   (as HDFS superuser)"
    measured: dict[str, object] = {"access": folder.access, "user": user}
    if folder.access == "writable":
        return ok(id, f"{user} can write there", folder.path, measured=measured)
    if folder.access == "missing" and folder.parent_writable:
        return ok(id, f"does not exist yet; {user} may make it", folder.path, measured=measured)
    if folder.access == "missing":
        what = f"does not exist, and {user} may not make it: spark-submit has no place for its files"
        return red(id, what, make, folder.path, measured=measured)
    if folder.access == "not a folder":
        return red(id, "this is a file, not a folder", f"rename it; then {make}", folder.path, measured=measured)
    what = f"{user} can't write there, and spark-submit must" + (f": {folder.said}" if folder.said else "")
    return red(id, what, f"hdfs dfs -chown {user} {folder.path}   (as HDFS superuser)", folder.path, measured=measured)


def storage_root(folder: Folder, user: str) -> Finding:
    """Where relative data paths lie; built-in jobs write models and metrics below it."""
    id = "hdfs.storage-root"
    if folder.access == "writable":
        return ok(id, f"{user} can write there", folder.path, measured={"access": folder.access})
    if folder.access == "missing" and folder.parent_writable:
        return ok(id, f"does not exist yet; {user} may make it", folder.path, measured={"access": folder.access})
    what = {
        "missing": f"does not exist, and {user} may not make it",
        "not a folder": "this is a file, not a folder",
    }.get(folder.access, f"{user} can't write there" + (f": {folder.said}" if folder.said else ""))
    step = "let its owner grant access, or set storage_root to a folder of your own"
    return warn(
        id, f"{what}: jobs with relative output paths fail", step, folder.path, measured={"access": folder.access}
    )


def event_log(folder: Folder | None, named: bool) -> Finding:
    """The folder of Spark's event logs; without it finished runs leave no history."""
    id = "hdfs.event-log"
    if folder is None:
        return skipped(id, "the event log does not lie on this HDFS")
    if folder.access == "writable":
        return ok(id, "is there and can be written", folder.path, measured={"access": folder.access})
    if folder.access == "missing" and not named:
        what = "does not exist and spark.eventLog.dir names no other: finished runs leave no history"
        step = f"hdfs dfs -mkdir {folder.path} && hdfs dfs -chmod 1777 {folder.path}   (as HDFS superuser)"
        return warn(id, what, step, folder.path, measured={"access": folder.access})
    what = "does not exist" if folder.access == "missing" else f"can't be written {folder.said}".strip()
    step = f"hdfs dfs -chmod 1777 {folder.path}   (as HDFS superuser), or change spark.eventLog.dir"
    return warn(id, f"spark.eventLog.dir {what}", step, folder.path, measured={"access": folder.access})


def quotas(found: Sequence[Quota]) -> list[Finding]:
    """How much of the quotas is used."""
    id = "hdfs.quota"
    limited = [one for one in found if one.names_limit > 0 or one.space_limit_bytes > 0]
    if not limited:
        paths = ", ".join(one.path for one in found)
        return [ok(id, f"none on {paths}")] if paths else [skipped(id, "the NameNode does not tell quotas")]
    out = []
    for one in limited:
        names = one.names / one.names_limit if one.names_limit > 0 else 0.0
        used = one.space_bytes / one.space_limit_bytes if one.space_limit_bytes > 0 else 0.0
        parts = []
        if one.names_limit > 0:
            parts.append(f"{one.names} of {one.names_limit} names")
        if one.space_limit_bytes > 0:
            parts.append(f"{size_text(one.space_bytes)} of {size_text(one.space_limit_bytes)}")
        text = ", ".join(parts) + " used"
        measured: dict[str, object] = {"names_used": round(names, 3), "space_used": round(used, 3)}
        step = f"delete what is not needed, or ask for more: hdfs dfs -count -q -h {one.path}"
        if max(names, used) >= 1.0:
            out.append(red(id, f"the quota is used up: {text}", step, one.path, measured=measured))
        elif max(names, used) >= _QUOTA_WARN:
            out.append(warn(id, text, step, one.path, measured=measured))
        else:
            out.append(ok(id, text, one.path, measured=measured))
    return out


def leftovers(staged: Sequence[Staged], states: Mapping[str, State]) -> list[Staged]:
    """The staging folders that nobody will use again: of ended applications, and old ones that YARN does not know."""
    out = []
    for one in staged:
        state = states.get(one.application_id)
        if state is None and one.age_s < _STAGING_GRACE_S:
            continue
        if state is None or state.terminal:
            out.append(one)
    return sorted(out, key=lambda one: -one.age_s)


def staging(left: Sequence[Staged], in_use: int, known: Collection[str], base: str) -> Finding:
    """What killed and failed applications have left behind."""
    id = "hdfs.staging"
    if not left:
        text = f"nothing left behind; {in_use} in use" if in_use else "nothing left behind"
        return ok(id, text, base, measured={"left": [], "in_use": in_use})
    sized = [one.size_bytes for one in left if one.size_bytes >= 0]
    rows = [
        {
            "path": one.path,
            "size_bytes": one.size_bytes if one.size_bytes >= 0 else None,
            "age_s": int(one.age_s),
            "application": "ended" if one.application_id in known else "unknown to YARN",
        }
        for one in left
    ]
    at_least = "at least " if len(sized) < len(left) else ""
    oldest = format_duration(int(left[0].age_s) // 60 * 60 or int(left[0].age_s))
    what = (
        f"{len(left)} folder(s) of ended applications are left behind, {at_least}{size_text(sum(sized))},"
        f" the oldest of {oldest} ago"
    )
    shown = " ".join(one.path for one in left[:_SHOWN])
    more = f"   ({len(left) - _SHOWN} more: --json lists them)" if len(left) > _SHOWN else ""
    return warn(id, what, f"hdfs dfs -rm -r -skipTrash {shown}{more}", base, measured={"left": rows, "in_use": in_use})
