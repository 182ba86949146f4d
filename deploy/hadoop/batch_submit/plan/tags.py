"""The tags by which applications of ours are found again. Light, for those who only look."""

from __future__ import annotations

from collections.abc import Iterable

#: Every application of ours carries this tag, so that ``list`` finds it. Anybody may set it: look-ups also filter on
#: the user.
OUR_TAG = "batch-submit"
RUN_PREFIX, TRY_PREFIX = "run:", "try:"
#: Before a run id: the application id that backend ``local`` shows.
LOCAL_PREFIX = "local-"
_RUN_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


def run_tag(run_id: str) -> str:
    """The tag that all tries of a run share."""
    return f"{RUN_PREFIX}{run_id}"


def try_tag(run_id: str, number: int) -> str:
    """The tag of one try: it is how spark-submit's application is found."""
    return f"{TRY_PREFIX}{run_id}.{number}"


def is_run_id(text: str) -> bool:
    """Whether a text is in the grammar of run ids, ``[a-z0-9][a-z0-9._-]{0,62}``."""
    return 0 < len(text) <= 63 and _RUN_ID_CHARACTERS.issuperset(text) and text[0] not in "._-"


def as_run_id(text: str) -> str:
    """The run id that ``submit --run-id`` makes of a text; "" for an empty one. Each spelling has its own."""
    if is_run_id(text) or not text.strip():
        return text.strip()
    from batch_submit.plan.identity import normalise_run_id  # status has to start fast

    return normalise_run_id(text).value


def run_id_of(tags: Iterable[str]) -> str:
    """The run id that tags name; "" for none. Anybody may set a tag, and this becomes a file's name."""
    named = (tag.removeprefix(RUN_PREFIX) for tag in tags if tag.startswith(RUN_PREFIX))
    return next((run_id for run_id in named if is_run_id(run_id)), "")
