"""A run's time limit as YARN's LIFETIME, put until YARN holds it, by whoever attaches: who submitted it may have died.

YARN takes no limit with a submission (its REST body and Spark's client have no field for one), so there is a moment
between acceptance and this in which nobody but us knows of it; and in that moment the ResourceManager may be away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterRefused
from batch_submit.model import judge
from batch_submit.plan.units import format_duration
from batch_submit.services import Services

if TYPE_CHECKING:
    from batch_submit.operations.targets import Target

#: How often a limit that YARN does not hold is put again while somebody waits.
AGAIN_S = 20.0
#: How long a call that does not wait tries.
NO_WAIT_PATIENCE_S = 10.0
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 2.0


@dataclass
class Lifetime:
    """One application's limit.

    Parameters
    ----------
    only_missing
        A limit that YARN holds already is left as it is, unless it is later than this one: the default of the queue.
    held
        YARN ends the application by itself, or it has ended.
    was_put
        By this call.
    refused
        The cluster has said no: asking again in a moment is of no use.
    """

    services: Services
    backend: Backend
    application_id: str
    timeout_s: float
    only_missing: bool = False
    held: bool = False
    was_put: bool = False
    refused: bool = False
    _why: str = ""
    _tried: float = -AGAIN_S

    def put(self) -> bool:
        """Try once; whether YARN holds it now."""
        again, self._tried = self._tried >= 0, self.services.clock.monotonic()
        self._why, self.refused = "the cluster did not confirm it", False
        try:
            if (again or self.only_missing) and self._needs_none():
                self.held = True
            else:
                self.held = self.was_put = self.backend.limit_lifetime(self.application_id, self.timeout_s)
        except BatchSubmitError as error:
            self._why, self.refused = error.message, isinstance(error, ClusterRefused)
        return self.held

    def _needs_none(self) -> bool:
        report = self.backend.report(self.application_id)
        return judge(report) is not None or (self.only_missing and report.is_limited_to(self.timeout_s))

    def put_within(self, patience_s: float, stop: Callable[[], bool]) -> bool:
        """Try again and again, unless the cluster says no, for so many seconds or until ``stop`` says so."""
        clock, pause = self.services.clock, _FIRST_PAUSE_S
        deadline = clock.monotonic() + patience_s
        while not self.put() and not self.refused and clock.monotonic() + pause <= deadline and not stop():
            clock.sleep(pause)
            pause = min(_LAST_PAUSE_S, pause * 2)
        return self.held

    def passed_on(self, application_id: str) -> Lifetime:
        """The same limit, put for another application of the run, which goes on as that one."""
        other = Lifetime(self.services, self.backend, application_id, self.timeout_s, self.only_missing)
        if not other.put():
            other.tell(f"it is put again every {AGAIN_S:.0f} s")
        return other

    def look(self) -> None:
        """At every poll of a waiting: put it again where YARN does not hold it, when it is time to."""
        if self.held or self.services.clock.monotonic() - self._tried < AGAIN_S:
            return
        if self.put() and self.was_put:
            limit = format_duration(self.timeout_s)
            self.services.terminal.note(f"{self.application_id}: YARN has taken the time limit now: {limit}")

    def left(self) -> None:
        """Nobody waits any more: say what that means for an application that YARN does not end by itself."""
        self.look()
        if not self.held:
            self.tell(f"NOTHING ends it at that time; to have it set: batch-submit wait {self.application_id}")

    def tell(self, instead: str) -> None:
        """Say that it is not set, why, and what is done instead."""
        limit = format_duration(self.timeout_s)
        self.services.terminal.warn(
            f"{self.application_id}: YARN's own time limit ({limit}) could not be set: {self._why}; {instead}"
        )


def limited(services: Services, backend: Backend, application_id: str, timeout_s: float | None) -> Lifetime | None:
    """Set the limit for a call that waits, and itself ends the run at that time; ``None`` for a run without one."""
    if timeout_s is None:
        return None
    lifetime = Lifetime(services, backend, application_id, timeout_s)
    if not lifetime.put():
        lifetime.tell(f"it is put again every {AGAIN_S:.0f} s, and this call kills the run at that time")
    return lifetime


def set_where_missing(services: Services, target: Target) -> Lifetime | None:
    """For whoever only watches: set the limit on record where YARN holds none, and say so; ``None``: there is none."""
    timeout_s = target.run.limit_s(target.application_id) if target.run is not None else None
    if timeout_s is None or target.backend.name == "local":  # there the supervisor was started with it
        return None
    lifetime = Lifetime(services, target.backend, target.application_id, timeout_s, only_missing=True)
    if not lifetime.put():
        lifetime.tell(f"nothing ends it at that time; it is put again every {AGAIN_S:.0f} s while this call watches")
    elif lifetime.was_put:
        services.terminal.note(
            f"{target.application_id} had no time limit of its own (who submitted it was gone before); set now:"
            f" {format_duration(timeout_s)}"
        )
    return lifetime
