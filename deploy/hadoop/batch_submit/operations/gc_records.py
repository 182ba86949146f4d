"""``gc``: the records, exports, locks and claims of runs that ended long ago."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime

from batch_submit.backends.base import Backend
from batch_submit.errors import BatchSubmitError
from batch_submit.ledger import Run, SqliteLedger, Try, TryState
from batch_submit.ledger.run_lock import lock_path, take
from batch_submit.model import ApplicationReport
from batch_submit.operations.claim_place import ClaimPlace, RunClaims, claim_place
from batch_submit.operations.context import Context, ledger_of
from batch_submit.plan.history import RESULTS
from batch_submit.plan.moments import utc_ms
from batch_submit.plan.retention import Retention, Swept, TryEnd
from batch_submit.services import Services


def sweep_records(
    services: Services, context: Context, backend: Backend, older_than_s: float, *, dry_run: bool
) -> list[Swept]:
    """Delete the traces of runs of this cluster and user that are known to have ended, and long enough ago.

    Returns
    -------
    list
        What was deleted, or would be, and what is kept and why.

    Raises
    ------
    ClusterUnreachable
        The cluster does not answer: which runs have ended is not known then, and nothing is deleted.
    """
    ledger = ledger_of(services, backend)
    runs = ledger.runs()
    place = claim_place(context, backend)
    claimed = {one.run_id: one for one in (place.runs() if place is not None else ())}
    retention = Retention(_now_ms(services.clock.now_utc()), older_than_s)
    if not dry_run:
        _sweep_locks(ledger, {run.run_id for run in runs}, retention)
    if not runs and not claimed:
        return []
    reports = {one.application_id: one for one in backend.applications()}
    swept = []
    for run in runs:
        claims = claimed.pop(run.run_id, None)
        parts = ("record", "claims") if claims is not None else ("record",)
        reason = ledger.trouble or retention.why_kept([_end(one, reports) for one in run.tries])
        if not reason and claims is not None:
            reason = _why_claim_is_newer(run, claims)
        if not reason and not dry_run:
            reason = _deleted(ledger, run, place, claims)
        swept.append(Swept(run.run_id, parts, not reason, reason or "ended long ago"))
    for claims in claimed.values():
        assert place is not None
        swept.append(_without_record(place, claims, backend, reports, retention, dry_run=dry_run))
    return swept


def _now_ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)


def _end(one: Try, reports: Mapping[str, ApplicationReport]) -> TryEnd:
    """The end of a try: on record, or as the cluster shows it of one that nobody waited for."""
    last_ms = utc_ms(one.history[-1].at) if one.history else utc_ms(one.planned_at)
    if one.state is TryState.NOT_SUBMITTED:
        return TryEnd(True, last_ms)
    if one.state is TryState.FINISHED and one.result in RESULTS:
        return TryEnd(True, utc_ms(one.finished_at))
    return _seen_end(reports.get(one.application_id)) or TryEnd(False)


def _seen_end(report: ApplicationReport | None) -> TryEnd | None:
    return TryEnd(report.state.terminal, report.finished_ms) if report is not None else None


def _why_claim_is_newer(run: Run, claims: RunClaims) -> str:
    """Another host may have made a try that this one has no record of."""
    try:
        held = claims.held()
    except BatchSubmitError as error:
        return f"its claims can't be read: {error.message}"
    assert run.last is not None
    return "another host has claimed a newer try" if held.number > run.last.number else ""


def _deleted(ledger: SqliteLedger, run: Run, place: ClaimPlace | None, claims: RunClaims | None) -> str:
    """Delete a run's traces, the claims first: what a broken sweep leaves, the next one finds. Why not, or ""."""
    path = lock_path(ledger.folder, run.run_id)
    try:
        held = take(path)
    except OSError as error:
        return f"its lock can't be taken: {error.strerror or error}"
    if held is None:
        return "it is being submitted"
    try:
        if claims is not None and place is not None and not place.delete(claims):
            return "claimed just now"
        ledger.delete(run.run_id)
        path.unlink(missing_ok=True)
    except (BatchSubmitError, OSError) as error:
        return f"can't be deleted: {error.message if isinstance(error, BatchSubmitError) else error}"
    finally:
        os.close(held)
    return ""


def _sweep_locks(ledger: SqliteLedger, on_record: set[str], retention: Retention) -> None:
    """Delete locks of calls that never came to a record, such as of a refused job; one that is held is in use."""
    for path in ledger.folder.glob(".*.lock"):
        try:
            if path.name[1:-5] in on_record or path.stat().st_mtime * 1000 >= retention.limit_ms:
                continue
            held = take(path)
            if held is not None:
                path.unlink(missing_ok=True)
                os.close(held)
        except OSError:
            continue  # another sweep was quicker, or it is not ours: a file of no bytes does no harm


def _without_record(
    place: ClaimPlace,
    claims: RunClaims,
    backend: Backend,
    reports: Mapping[str, ApplicationReport],
    retention: Retention,
    *,
    dry_run: bool,
) -> Swept:
    """The claims of another host's run. A folder in which something was put lately is not even read."""
    reason = "claimed lately"
    if claims.modified_ms < retention.limit_ms:
        try:
            held = claims.held()
            end = _seen_end(reports.get(held.claim.application_id)) if held.claim is not None else None
            reason = retention.why_claims_kept(held, backend.user, end, claims.modified_ms)
            if not reason and not dry_run and not place.delete(claims):
                reason = "claimed just now"
        except BatchSubmitError as error:
            reason = f"can't be read or deleted: {error.message}"
    return Swept(claims.run_id, ("claims",), not reason, reason or "ended long ago")
