"""What a run is called: run ids, tags, fingerprints. The name (``-n``) is a label and never an identity."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from batch_submit.data_classes import dataclass
from batch_submit.errors import RunConflict, UsageError
from batch_submit.plan.tags import OUR_TAG, RUN_PREFIX, TRY_PREFIX, run_tag, try_tag

__all__ = [
    "MAX_TAGS",
    "MAX_TAG_LENGTH",
    "OUR_TAG",
    "RUN_ID",
    "Fingerprint",
    "RunId",
    "all_tags",
    "local_application_id",
    "make_run_id",
    "normalise_run_id",
    "refuse_another_job",
    "run_tag",
    "slug",
    "try_tag",
]

RUN_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
#: Limits of YARN (``yarn.resourcemanager.application.max-tags``, ``max-tag.length``); Spark refuses more.
MAX_TAGS = 10
MAX_TAG_LENGTH = 100
#: Lines of what differs from the run that a run id was used for.
MOST_SHOWN = 10
#: With these tags a run is found again, so nobody else's may begin like them.
_OUR_PREFIXES = (RUN_PREFIX, TRY_PREFIX)


def slug(text: str, limit: int) -> str:
    """Lower-case ``text``, everything outside ``[a-z0-9._-]`` as ``-``, at most ``limit`` characters, never empty."""
    cleaned = re.sub(r"[^a-z0-9._-]+", "-", text.lower())[:limit].strip("-._")
    return cleaned or "run"


def make_run_id(name: str, now_utc: datetime, random_text: str) -> str:
    """Make a run id ``<name slug>-<UTC yyyymmddthhmmssz>-<6 random>``.

    Parameters
    ----------
    name
        The run's name.
    now_utc
        The moment of the call, in UTC.
    random_text
        Six characters of ``[a-z0-9]`` that make two calls of one second differ.
    """
    stamp = now_utc.strftime("%Y%m%dt%H%M%Sz")
    tail = f"-{stamp}-{random_text}"
    return slug(name, 63 - len(tail)) + tail


@dataclass(frozen=True)
class RunId:
    """A run id in YARN's and HDFS' grammar, and what the caller gave when that differs."""

    value: str
    original: str = ""


def normalise_run_id(given: str) -> RunId:
    """Bring a given run id into the grammar ``[a-z0-9][a-z0-9._-]{0,62}``.

    An id outside the grammar (Airflow's hold ``:`` and ``+``, which HDFS refuses in names) becomes
    ``<slug>-<8 hex of SHA-256 of the original>``, so that two originals never meet in one id.

    Raises
    ------
    UsageError
        When nothing is left to name the run by.
    """
    if not given.strip():
        raise UsageError("the run id is empty", next_step="give --run-id a text, or --run-id auto")
    if RUN_ID.fullmatch(given):
        return RunId(given)
    # surrogatepass: a command line may hold bytes that are no UTF-8, and they come here as surrogates.
    digest = hashlib.sha256(given.encode(errors="surrogatepass")).hexdigest()[:8]
    return RunId(f"{slug(given, 63 - 9)}-{digest}", given)


def local_application_id(run_id: str) -> str:
    """The id under which backend ``local`` shows a run."""
    return f"local-{run_id}"


def all_tags(run_id: str, number: int, user_tags: Sequence[str]) -> tuple[str, ...]:
    """Our tags and then the user's own, as YARN stores them (lower case, no repetition).

    Raises
    ------
    UsageError
        More than 10 tags, a tag over 100 characters, or one that is not ASCII: Spark refuses them after its JVM
        has started, so they are refused here. And a user's tag that looks like one of a run's.
    """
    tags = [OUR_TAG, run_tag(run_id), try_tag(run_id, number)]
    for tag in user_tags:
        lowered = tag.strip().lower()
        if lowered and lowered not in tags:
            tags.append(lowered)
    foreign = [tag for tag in tags[3:] if tag.startswith(_OUR_PREFIXES)]
    if foreign:
        raise UsageError(
            f"the tag {foreign[0]!r} looks like one by which this tool finds a run",
            next_step="change spark.yarn.tags: run: and try: are taken",
        )
    bad = [tag for tag in tags if len(tag) > MAX_TAG_LENGTH or not tag.isascii()]
    if bad:
        raise UsageError(
            f"YARN refuses the tag {bad[0]!r}: at most {MAX_TAG_LENGTH} ASCII characters",
            next_step="change spark.yarn.tags",
        )
    if len(tags) > MAX_TAGS:
        raise UsageError(
            f"{len(tags)} tags, YARN takes {MAX_TAGS} of which three are ours",
            next_step=f"keep at most {MAX_TAGS - 3} in spark.yarn.tags",
        )
    return tuple(tags)


@dataclass(frozen=True)
class Fingerprint:
    """What makes two submissions the same job: job type, script content, arguments, inputs and outputs."""

    parts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over the parts, hexadecimal."""
        return hashlib.sha256(json.dumps(dict(self.parts), sort_keys=True).encode()).hexdigest()

    def difference(self, earlier: Mapping[str, str]) -> list[str]:
        """What differs from an earlier submission, one line each: ``key: then -> now``.

        Of a part that is JSON (``params.stages``) only what differs inside it, by its dotted path.
        """
        lines = []
        for key in sorted(set(self.parts) | set(earlier)):
            then, now = earlier.get(key, _ABSENT), self.parts.get(key, _ABSENT)
            if then != now:
                lines += _inner_difference(key, _nested(then), _nested(now)) or [f"{key}: {then} -> {now}"]
        return lines


_ABSENT = "(not there)"
_SHOWN = 80


def _nested(part: str) -> object:
    """The value of a part whose text is a JSON mapping or list; any other text is the value."""
    if part[:1] not in ("{", "["):
        return part
    try:
        return json.loads(part)
    except ValueError:
        return part


def _inner_difference(key: str, then: object, now: object) -> list[str]:
    """The lines of what differs between two values of one key; none when nothing does."""
    if _text(then) == _text(now):
        return []
    lines: list[str] = []
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in sorted(set(then) | set(now)):
            lines += _inner_difference(f"{key}.{name}", then.get(name, _ABSENT), now.get(name, _ABSENT))
    elif isinstance(then, list) and isinstance(now, list):
        for place in range(max(len(then), len(now))):
            one, other = (side[place] if place < len(side) else _ABSENT for side in (then, now))
            lines += _inner_difference(f"{key}[{place}]", one, other)
    else:
        lines.append(f"{key}: {_short(then)} -> {_short(now)}")
    return lines


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)  # unlike ==, it tells 1, 1.0 and true apart


def _short(value: object) -> str:
    """A value as a line can hold it: what is missing on the other side may be a whole job's parameters."""
    text = value if isinstance(value, str) else _text(value)
    return text if isinstance(value, str) or len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def refuse_another_job(run_id: str, origin: str, now: Fingerprint, then: Mapping[str, str]) -> None:
    """One run id is one job.

    Raises
    ------
    RunConflict
        Showing at most `MOST_SHOWN` of the differences.
    """
    if difference := now.difference(then):
        more = [f"and {len(difference) - MOST_SHOWN} more"] if len(difference) > MOST_SHOWN else []
        raise RunConflict(
            f"run id {run_id} was used {origin} for another job",
            details=[*difference[:MOST_SHOWN], *more],
            next_step="choose another --run-id, or repeat the call exactly",
        )
