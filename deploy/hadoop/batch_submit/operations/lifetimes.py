"""A run's time limit as YARN's LIFETIME, set by whoever attaches: who submitted it may have died before it could.

YARN takes no limit with a submission (its REST body and Spark's client have no field for one), so there is a moment
between acceptance and this in which nobody but us knows of it.
"""

from __future__ import annotations

from batch_submit.errors import BatchSubmitError
from batch_submit.model import judge
from batch_submit.operations.targets import Target
from batch_submit.plan.units import format_duration
from batch_submit.services import Services


def renew(target: Target) -> bool:
    """Set the limit that is on record; whether YARN holds it now. A run without one has none to be set."""
    timeout_s = target.run.timeout_s if target.run is not None else None
    if timeout_s is None:
        return False
    try:
        if judge(target.backend.report(target.application_id)) is not None:
            return True
        return target.backend.limit_lifetime(target.application_id, timeout_s)
    except BatchSubmitError:
        return False


def set_where_missing(services: Services, target: Target) -> None:
    """For whoever only watches: set the limit on record where YARN holds none, and say so."""
    timeout_s = target.run.timeout_s if target.run is not None else None
    if timeout_s is None or target.backend.name == "local":  # there the supervisor was started with it
        return
    try:
        report = target.backend.report(target.application_id)
        if report.state.terminal or report.lifetime_expiry_ms:
            return
        held = target.backend.limit_lifetime(target.application_id, timeout_s)
    except BatchSubmitError as error:
        services.terminal.warn(f"nothing ends {target.application_id} after its --timeout: {error.message}")
        return
    limit = format_duration(timeout_s)
    if held:
        services.terminal.note(
            f"{target.application_id} had no time limit (who submitted it was gone before); set now: {limit}"
        )
    else:
        services.terminal.warn(
            f"nothing ends {target.application_id} after its --timeout {limit}: YARN did not take it"
        )
