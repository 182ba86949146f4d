"""``ledger check`` and ``ledger rebuild``."""

from __future__ import annotations

import json
from dataclasses import asdict, field

from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ExitCode
from batch_submit.ledger import Run, SqliteLedger
from batch_submit.ledger.care import Examined, examine, replace_with, saved_from
from batch_submit.ledger.exports import Unreadable, read_exports
from batch_submit.ledger.rebuild import newer_of, with_claim, with_report
from batch_submit.operations.claim_place import claim_place
from batch_submit.operations.context import Context, Selection, ledger_of, open_backend, open_context
from batch_submit.plan.tags import OUR_TAG, run_id_of
from batch_submit.services import Services

_MOST_PROBLEMS = 5


def check_ledgers(services: Services, *, as_json: bool) -> int:
    """Look at every ledger of this account on this host; exit code 3 when one is damaged."""
    looked = [examine(ledger) for _cluster, _user, ledger in services.ledgers()]
    found = [one for one in looked if one.version or one.damage]  # a folder may hold no more than locks
    if as_json:
        services.terminal.answer(json.dumps([{**asdict(one), "path": str(one.path)} for one in found]))
    else:
        lines = [line for one in found for line in _examined_lines(one)]
        services.terminal.answer(
            "\n".join(lines or [f"no ledger below {services.state_folder / 'runs'}"]), for_people=True
        )
    return ExitCode.HOST_NOT_READY if any(one.damage for one in found) else ExitCode.SUCCEEDED


def _examined_lines(one: Examined) -> list[str]:
    if one.damage:
        return [f"{one.path}: damaged", *(f"  {line}" for line in one.damage), "  next: batch-submit ledger rebuild"]
    facts = [
        f"{one.runs} runs",
        f"{one.size / 1000:.1f} kB",
        f"version {one.version}",
        f"journal mode {one.journal}",
        f"on {one.file_system or 'a file system that this host does not name'}",
    ]
    if one.not_exported:
        facts.append(f"{one.not_exported} runs without their JSON file")
    return [f"{one.path}: ok ({', '.join(facts)})"]


@dataclass(frozen=True)
class RebuildOptions:
    """``ledger rebuild`` as typed."""

    offline: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass
class _Collected:
    """Runs by their ids, how many runs each source told of, and what could not be read."""

    runs: dict[str, Run] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, Unreadable] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, source: str, run: Run | None, run_id: str) -> None:
        if run is not None:
            self.runs[run_id] = run
            self.counts[source] = self.counts.get(source, 0) + 1


def rebuild_ledger(services: Services, selection: Selection, options: RebuildOptions) -> int:
    """Build the ledger of the configured cluster and user again; the old file is moved aside.

    Raises
    ------
    ClusterUnreachable
        The cluster does not answer, and without ``--offline`` it is asked; nothing was changed.
    HostNotReady
        The new one can't be written; the old one is as it was.
    """
    context = open_context(services, selection)
    backend = open_backend(context)
    ledger = ledger_of(services, backend)
    collected = _on_this_host(ledger)
    if not options.offline:
        _from_claims(context, backend, collected)
        _from_applications(backend, collected)
    moved = []
    if not options.dry_run:
        stamp = services.clock.now_utc().strftime("%Y%m%dt%H%M%Sz")
        left = [one for run_id, one in collected.unreadable.items() if run_id not in collected.runs]
        moved = replace_with(ledger, collected.runs.values(), left, stamp)
    for line in collected.problems[:_MOST_PROBLEMS]:
        services.terminal.warn(line)
    if len(collected.problems) > _MOST_PROBLEMS:
        services.terminal.warn(f"and {len(collected.problems) - _MOST_PROBLEMS} more of the kind")
    places = [str(path) for path in moved]
    if options.as_json:
        answer = {"ledger": str(ledger.path), "runs": len(collected.runs), "sources": collected.counts}
        services.terminal.answer(json.dumps({**answer, "moved_aside": places, "dry_run": options.dry_run}))
        return ExitCode.SUCCEEDED
    told = ", ".join(f"{count} {source}" for source, count in collected.counts.items()) or "no source tells of any"
    verb = "would be rebuilt" if options.dry_run else "rebuilt"
    plural = "" if len(collected.runs) == 1 else "s"
    services.terminal.answer(f"{ledger.path}: {verb} with {len(collected.runs)} run{plural} ({told})")
    for place in places:
        services.terminal.note(f"the old file is {place}")
    return ExitCode.SUCCEEDED


def _on_this_host(ledger: SqliteLedger) -> _Collected:
    """What the old database still gives, and the exports."""
    collected = _Collected()
    for run in saved_from(ledger):
        collected.add("from the old ledger", run, run.run_id)
    for found, _ in read_exports(ledger.folder):
        if isinstance(found, Unreadable):
            collected.unreadable[found.run_id] = found
            if found.run_id not in collected.runs:
                collected.problems.append(f"{found.place} can't be read: {found.reason}")
            continue
        there = collected.runs.get(found.run_id)
        collected.add("exported", newer_of(there, found) if there is not None else found, found.run_id)
    return collected


def _from_claims(context: Context, backend: Backend, collected: _Collected) -> None:
    """What is claimed by our user; one claim that can't be read does not keep the others from being taken."""
    place = claim_place(context, backend)
    for claims in place.runs() if place is not None else ():
        try:
            held = claims.held()
        except BatchSubmitError as error:
            collected.problems.append(f"the claim of run {claims.run_id} can't be read: {error.message}")
            continue
        if held.claim is None or held.claim.user != backend.user or held.claim.run_id != claims.run_id:
            continue
        there = collected.runs.get(claims.run_id)
        known = with_claim(there, held, claims.folder.path, backend=backend.name, cluster=backend.cluster)
        collected.add("claimed", known, claims.run_id)


def _from_applications(backend: Backend, collected: _Collected) -> None:
    """What carries our tag and a run's, and is our own user's: anybody may set a tag."""
    for report in reversed(backend.applications()):  # oldest first: tries come in their order
        run_id = run_id_of(report.tags)
        if run_id and OUR_TAG in report.tags and report.user == backend.user:
            there = collected.runs.get(run_id)
            known = with_report(there, run_id, report, backend=backend.name, cluster=backend.cluster)
            collected.add("seen on the cluster", known, run_id)
