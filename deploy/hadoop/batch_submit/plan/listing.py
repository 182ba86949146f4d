"""What ``list`` shows: the words of its options understood, and which applications they mean."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.model import FinalStatus, Listed, State

#: What has ended is shown for so long by default, seconds.
DEFAULT_SINCE_S = 24 * 3600.0

_KNOWN_STATES = tuple(state for state in State if state is not State.UNKNOWN)
#: Words for several states at once.
STATE_WORDS = {
    "waiting": (State.NEW, State.NEW_SAVING, State.SUBMITTED, State.ACCEPTED),
    "live": tuple(state for state in _KNOWN_STATES if not state.terminal),
    "ended": tuple(state for state in _KNOWN_STATES if state.terminal),
}
#: The word for every state: also those that this release has not met, and of forgotten runs whose end nobody saw.
_ALL = "all"
#: What ``--sort`` takes: numbers largest (for times: newest) first, texts from A to Z.
SORT_KEYS = ("started", "finished", "elapsed", "memory", "name", "user", "queue", "state")


@dataclass(frozen=True)
class ListFilters:
    """``list`` as typed, understood. Empty fields take all.

    Parameters
    ----------
    all_users, all_apps
        Not only our own user's; not only those with our tag.
    name
        A name, or a pattern with ``*``, ``?`` and ``[…]``.
    since_s
        Of what has ended, only what ended in the last so many seconds; ``None``: whatever is known.
    """

    all_users: bool = False
    all_apps: bool = False
    states: tuple[State, ...] = ()
    final_statuses: tuple[FinalStatus, ...] = ()
    user: str = ""
    queue: str = ""
    job_type: str = ""
    application_type: str = ""
    name: str = ""
    since_s: float | None = DEFAULT_SINCE_S
    limit: int | None = None
    sort: str = "started"


def parse_states(texts: Iterable[str]) -> tuple[State, ...]:
    """States from words in any case, comma-separated or repeated; every one, ``UNKNOWN`` too, for ``all``.

    Raises
    ------
    UsageError
        A word that is neither a state of YARN nor one of ours; lists what is valid.
    """
    found: dict[State, None] = {}
    every = False
    for word in listed_words(texts):
        state = State.parse(word.replace("-", "_"))
        every = every or word.lower() == _ALL
        if word.lower() in STATE_WORDS:
            found |= dict.fromkeys(STATE_WORDS[word.lower()])
        elif state in _KNOWN_STATES or word.upper() == State.UNKNOWN.value:
            found[state] = None
        elif word.lower() != _ALL:
            valid = ", ".join([*(state.value for state in _KNOWN_STATES), *STATE_WORDS, "unknown", _ALL])
            raise UsageError(f"{word!r} is not a state", where="--states", next_step=f"take of: {valid}")
    return tuple(State) if every else tuple(found)


def parse_final_statuses(texts: Iterable[str]) -> tuple[FinalStatus, ...]:
    """Final statuses from words in any case.

    Raises
    ------
    UsageError
        A word that is none; lists what is valid.
    """
    found: dict[FinalStatus, None] = {}
    for word in listed_words(texts):
        if word.upper() not in FinalStatus.__members__:
            valid = ", ".join(FinalStatus.__members__)
            raise UsageError(f"{word!r} is not a final status", where="--final-status", next_step=f"take of: {valid}")
        found[FinalStatus[word.upper()]] = None
    return tuple(found)


def listed_words(texts: Iterable[str]) -> list[str]:
    """The words of an option that may be repeated and may list several with commas."""
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def is_wanted(row: Listed, filters: ListFilters, now_ms: int) -> bool:
    """Whether a row passes every filter but the queue's and the scope's, which need the server's way of comparing."""
    report = row.report
    if filters.states and report.state not in filters.states:
        return False
    if filters.final_statuses and report.final_status not in filters.final_statuses:
        return False
    if filters.name and not fnmatch.fnmatchcase(report.name, filters.name):
        return False
    if filters.job_type and row.job_type != filters.job_type:
        return False
    if filters.application_type and report.application_type.lower() != filters.application_type.lower():
        return False
    # A stranger's application may hide its times: 0 is no end in 1970. A state that we don't know may be an end too.
    ended = (report.state.terminal or report.state is State.UNKNOWN) and report.finished_ms > 0
    return not (ended and filters.since_s is not None and report.finished_ms < now_ms - filters.since_s * 1000)


def in_order(rows: Sequence[Listed], sort: str) -> list[Listed]:
    """Rows by a key of :data:`SORT_KEYS`; equal ones newest first."""
    not_ended = 1 << 62  # milliseconds; what has not ended comes before all that has
    newest = sorted(rows, key=lambda row: (row.report.started_ms, row.report.application_id), reverse=True)
    numbers = {
        "finished": lambda row: -(row.report.finished_ms or not_ended),
        "elapsed": lambda row: -row.report.elapsed_ms,
        "memory": lambda row: -row.report.memory_seconds,
    }
    texts = {
        "name": lambda row: row.report.name,
        "user": lambda row: row.report.user,
        "queue": lambda row: row.report.queue,
        "state": lambda row: row.report.state.value,
    }
    key = numbers.get(sort) or texts.get(sort)
    return sorted(newest, key=key) if key is not None else newest
