"""Which runs on record, and which claims, ``gc`` may delete: only what is known to have ended, and long ago.

With its record and its claims goes what a repeat of a run id would be told: after that it is a run like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.data_classes import dataclass
from batch_submit.plan.claims import Held, Step

NOT_ENDED = "not known to have ended"
LATELY = "ended lately"


@dataclass(frozen=True)
class TryEnd:
    """Whether and when a try is known to have ended; milliseconds since the epoch."""

    ended: bool
    ended_ms: int = 0


@dataclass(frozen=True)
class Swept:
    """What becomes of a run's traces, and why.

    Parameters
    ----------
    parts
        ``record`` (with its export and its lock), ``claims``.
    """

    run_id: str
    parts: tuple[str, ...]
    delete: bool
    reason: str


@dataclass(frozen=True)
class Retention:
    """What decides.

    Parameters
    ----------
    now_ms, older_than_s
        What ended within that time is kept.
    """

    now_ms: int
    older_than_s: float

    @property
    def limit_ms(self) -> int:
        """What ended before this moment may go."""
        return int(self.now_ms - self.older_than_s * 1000)

    def why_kept(self, tries: Sequence[TryEnd]) -> str:
        """Why a run on record stays; "" when it may go. A moment that nobody knows is none long ago."""
        if not tries or not all(one.ended for one in tries):
            return NOT_ENDED
        newest = max(one.ended_ms for one in tries)
        return "" if 0 < newest < self.limit_ms else LATELY

    def why_claims_kept(self, held: Held, user: str, end: TryEnd | None, claimed_ms: int) -> str:
        """Why the claims of a run that this host has no record of stay.

        Parameters
        ----------
        end
            Of the application that the newest try is claimed with, as the cluster tells it now; ``None``: it does not.
        claimed_ms
            When the newest claim was made.
        """
        if held.claim is None:
            return NOT_ENDED
        if held.claim.user != user:
            return f"of user {held.claim.user}"
        if held.steps & {Step.NOT_SUBMITTED, Step.GIVEN_UP} and Step.SUBMITTED not in held.steps:
            return self.why_kept([TryEnd(True, claimed_ms)])
        return self.why_kept([end] if end is not None else [])
