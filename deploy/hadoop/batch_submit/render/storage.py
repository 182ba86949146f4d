"""What ``init-hdfs``, ``upload``, ``download`` and ``gc`` answer."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.plan.retention import Swept
from batch_submit.plan.shared import Judged
from batch_submit.plan.storage_tree import Difference
from batch_submit.plan.transfer import Item, TransferPlan, shown

_MOST_LINES = 40


def tree_lines(filesystem: str, root: str, folders: int, found: Sequence[Difference], *, changed: bool) -> list[str]:
    """The tree for people: one line for each difference, and what they come to."""
    name = filesystem + root
    if not found:
        return [f"{name}: {folders} folders, all as configured; nothing to change"]
    rows = [_row(one, changed=changed) for one in found[:_MOST_LINES]]
    width = max(len(path) for path, _ in rows)
    lines = [f"{path:<{width}}  {what}" for path, what in rows]
    if len(found) > _MOST_LINES:
        lines.append(f"… and {len(found) - _MOST_LINES} more; --json has them all")
    verb = "changed" if changed else "to change"
    return [*lines, f"{name}: {len(found)} {verb}"]


def _row(one: Difference, *, changed: bool) -> tuple[str, str]:
    if one.field == "missing":
        return one.path, f"made with mode {one.wanted}" if changed else "missing"
    if one.field == "file":
        return one.path, "is a file, not a folder"
    arrow = "->" if changed else "instead of"
    return one.path, f"{one.field} {one.found} {arrow} {one.wanted}"


def tree_json(
    filesystem: str, root: str, folders: int, found: Sequence[Difference], *, changed: bool
) -> dict[str, object]:
    """The same for programs."""
    return {
        "root": filesystem + root,
        "folders": folders,
        "clean": not found,
        "changed": changed,
        "differences": [
            {"path": one.path, "field": one.field, "found": one.found, "wanted": one.wanted} for one in found
        ],
    }


def transfer_lines(
    source: str, target: str, plan: TransferPlan, verified: dict[str, int], *, dry_run: bool
) -> list[str]:
    """A transfer in one line; with ``dry_run`` also each file."""
    names = [f"copy  {_size(item.length)}  {shown(item)}" for item in plan.copy] if dry_run else []
    names += [f"skip  {_size(item.length)}  {shown(item)}" for item in plan.skip] if dry_run else []
    counts = [f"{_count(plan.copy)}, {_size(plan.copy_bytes).strip()} {'to copy' if dry_run else 'copied'}"]
    if plan.skip:
        counts.append(f"{len(plan.skip)} identical, skipped")
    how = [f"{count} by {name}" for name, count in verified.items() if count]
    if how:
        counts.append("verified: " + ", ".join(how))
    return [*names, f"{source} -> {target}: {'; '.join(counts)}"]


def transfer_json(
    source: str, target: str, plan: TransferPlan, verified: dict[str, int], *, dry_run: bool
) -> dict[str, object]:
    """The same for programs."""
    return {
        "source": source,
        "destination": target,
        "dry_run": dry_run,
        "files": len(plan.copy),
        "bytes": plan.copy_bytes,
        "folders": len(plan.folders),
        "skipped": len(plan.skip),
        "skipped_bytes": plan.skip_bytes,
        "verified": verified,
    }


def _count(items: Sequence[Item]) -> str:
    return f"{len(items)} file{'' if len(items) == 1 else 's'}"


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:6.1f} {unit}"
    return f"{count:6} B "


def sweep_lines(place: str, judged: Sequence[Judged], *, dry_run: bool) -> list[str]:
    """What ``gc`` did, one line for each file of ours, and what it comes to."""
    verb = "to delete" if dry_run else "deleted"
    swept = [one for one in judged if one.delete]
    width = max((len(one.entry.name) for one in judged), default=0)
    lines = [
        f"{one.entry.name:<{width}}  {_size(one.entry.size)}  {verb if one.delete else 'kept'}: {one.reason}"
        for one in judged
    ]
    total = _size(sum(one.entry.size for one in swept)).strip()
    count = f"{len(swept)} file{'' if len(swept) == 1 else 's'}"
    return [*lines, f"{place}: {count} {verb}, {total}; {len(judged) - len(swept)} kept"]


def sweep_json(place: str, judged: Sequence[Judged], *, dry_run: bool) -> dict[str, object]:
    """The same for programs."""
    rows = [
        {
            "name": one.entry.name,
            "bytes": one.entry.size,
            "last_used_ms": one.entry.used_ms,
            "delete": one.delete,
            "reason": one.reason,
        }
        for one in judged
    ]
    deleted = sum(one.entry.size for one in judged if one.delete)
    return {"folder": place, "dry_run": dry_run, "files": rows, "bytes": deleted}


def records_lines(place: str, swept: Sequence[Swept], *, dry_run: bool) -> list[str]:
    """What ``gc`` did with runs: one line for each that goes, and how many stay for which reason."""
    if not swept:
        return []
    verb = "to delete" if dry_run else "deleted"
    going = [one for one in swept if one.delete]
    width = max((len(one.run_id) for one in going), default=0)
    lines = [f"{one.run_id:<{width}}  {verb}: {' and '.join(one.parts)}, {one.reason}" for one in going]
    reasons: dict[str, int] = {}
    for one in swept:
        if not one.delete:
            reasons[one.reason] = reasons.get(one.reason, 0) + 1
    kept = "; ".join(f"{count} kept: {reason}" for reason, count in reasons.items()) or "0 kept"
    return [*lines, f"{place}: {len(going)} run{'' if len(going) == 1 else 's'} {verb}; {kept}"]


def records_json(place: str, swept: Sequence[Swept]) -> dict[str, object]:
    """The same for programs."""
    rows = [
        {"run_id": one.run_id, "parts": list(one.parts), "delete": one.delete, "reason": one.reason} for one in swept
    ]
    return {"records_folder": place, "runs": rows}
