"""What ``history`` shows: the words of its options understood."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone, tzinfo

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.model import Result
from batch_submit.plan.listing import listed_words
from batch_submit.plan.units import UnitError, parse_duration_s

DEFAULT_LIMIT = 50
#: How far the newest try has come, as the record has it (`ledger.TryState`), and words for several.
STATES = ("PLANNED", "LAUNCHING", "SUBMITTED", "NOT_SUBMITTED", "FINISHED")
STATE_WORDS = {"open": ("LAUNCHING", "SUBMITTED"), "ended": ("NOT_SUBMITTED", "FINISHED")}
#: Ends that somebody saw.
RESULTS = tuple(one.value for one in Result if one not in (Result.STILL_RUNNING, Result.UNKNOWN))


@dataclass(frozen=True)
class HistoryFilters:
    """``history`` as typed, understood. Empty fields take all.

    Parameters
    ----------
    since, until
        When the run was made: from `since` on, before `until`; as records write it, UTC.
    states, results
        Of the newest try.
    name
        A name, or a pattern with ``*``, ``?`` and ``[…]``.
    cluster, user
        The ledgers to look into.
    """

    since: str = ""
    until: str = ""
    states: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    job_type: str = ""
    queue: str = ""
    name: str = ""
    cluster: str = ""
    user: str = ""
    limit: int | None = DEFAULT_LIMIT


def parse_moment(text: str, flag: str, now: datetime, zone: tzinfo | None = None) -> str:
    """A moment as records write it: ``7d`` means so long ago, ``2026-01-31`` and ``2026-01-31T06:00`` are local time.

    Parameters
    ----------
    now
        Aware.
    zone
        Of times without one; ``None`` is this host's.

    Raises
    ------
    UsageError
        It is neither; shows examples.
    """
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        try:
            moment = now - timedelta(seconds=parse_duration_s(text))
        except (UnitError, OverflowError) as error:
            raise UsageError(
                f"{text!r} is no moment: {error}", where=flag, next_step=f"{flag} 7d, or {flag} 2026-01-31"
            ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone) if zone is not None else moment.astimezone()
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_record_states(texts: Iterable[str]) -> tuple[str, ...]:
    """States from words in any case, comma-separated or repeated.

    Raises
    ------
    UsageError
        A word that is none; lists what is valid.
    """
    found: dict[str, None] = {}
    for word in listed_words(texts):
        name = word.upper().replace("-", "_")
        if word.lower() in STATE_WORDS:
            found |= dict.fromkeys(STATE_WORDS[word.lower()])
        elif name in STATES:
            found[name] = None
        else:
            valid = ", ".join([*(state.lower().replace("_", "-") for state in STATES), *STATE_WORDS])
            raise UsageError(f"{word!r} is not a state", where="--state", next_step=f"take of: {valid}")
    return tuple(found)


def parse_results(texts: Iterable[str]) -> tuple[str, ...]:
    """Results from words in any case; ``timed-out`` is ``timed out``.

    Raises
    ------
    UsageError
        A word that is none; lists what is valid.
    """
    found: dict[str, None] = {}
    for word in listed_words(texts):
        name = word.lower().replace("-", " ").replace("_", " ")
        if name not in RESULTS:
            valid = ", ".join(result.replace(" ", "-") for result in RESULTS)
            raise UsageError(f"{word!r} is not a result", where="--result", next_step=f"take of: {valid}")
        found[name] = None
    return tuple(found)
