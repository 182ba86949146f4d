"""A ticket that ends before the run does: said while something can still be done about it."""

from __future__ import annotations

from batch_submit.adapters.tickets import look_at_cache
from batch_submit.backends.base import Backend
from batch_submit.backends.yarn import YarnBackend
from batch_submit.operations.context import Context
from batch_submit.plan.submission import JobSpec
from batch_submit.plan.tickets import somebody_elses, too_short


def warn_of_short_ticket(context: Context, backend: Backend, spec: JobSpec) -> None:
    """Compare the user's own ticket with how long this call means to wait, and with the principal that is configured.

    A keytab renews in time.
    """
    if not isinstance(backend, YarnBackend) or not backend.servers.conf.kerberos or backend.servers.child_variables:
        return
    wait_s = context.config.duration_s("execution.wait_timeout")
    bounds = [(spec.timeout_s, "--timeout"), (wait_s, "--wait-timeout")]
    known = [(float(seconds), name) for seconds, name in bounds if seconds is not None]
    wanted = str(context.config.value("security_config.principal") or "")
    if not known and not wanted:
        return
    services = context.services
    now = services.clock.now_utc().timestamp()
    cache = look_at_cache(services.env, now)
    for warning in (somebody_elses(cache, wanted), too_short(cache, *min(known), now) if known else ""):
        if warning:
            services.terminal.warn(warning)
