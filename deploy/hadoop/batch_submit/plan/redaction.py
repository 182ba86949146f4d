"""What Spark itself says of a job's secrets: ``spark.redaction.regex`` made to fit them, and no event logged whole.

A pattern that the configuration names says what is a secret, too: :func:`told_by`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache

from batch_submit.errors import UsageError
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.spark_keys import is_sparks_own

KEY = "spark.redaction.regex"
#: On by default: an event that took a listener longer than a second is logged as it is, with all properties of the job
#: (seen with Spark 4.3.0 on a busy node: ``AsyncEventQueue``, "Process of event SparkListenerJobStart…").
SLOW_EVENTS = "spark.scheduler.listenerbus.logSlowEvent"
#: The default of Spark 3.5; that of 4.3 has ``credential`` too. Spark hides a value when it or its key fits
#: (``Utils.redact``).
SPARKS_OWN = "(?i)secret|password|token|access[.]?key"
_OURS = r"(?i:secret|passw|passphrase|token|access[.]?key|credential)|://[^/\s:@]*:[^/\s@]+@"


#: What Java's patterns have and Python's have not, or not at that place.
_JAVAS = re.compile(
    r"\\[pPQEGhHRXzZNkx]|\(\?<[A-Za-z]|&&|(?<!^)\(\?[a-zA-Z-]+\)|\[[^\]]*\[|[*+?}]\+|\(\?[a-zA-Z]*[dUu]"
)


def told_by(conf: Mapping[str, Sourced]) -> Callable[[str], bool]:
    """Whether a key is a secret's by the pattern of these properties, in addition to our own words.

    Without one nothing is, nor by one that can't be read here, or that fits everything.
    """
    told = conf.get(KEY)
    pattern = _compiled(str(told.value)) if told is not None and told.value else None
    if pattern is None or pattern.search(""):
        return lambda key: False
    search = pattern.search
    return lambda key: search(key) is not None and not is_sparks_own(key)


def check_pattern(conf: Mapping[str, Sourced]) -> list[str]:
    """What to warn of: a pattern that only Java can read.

    Raises
    ------
    UsageError
        It is none: Spark would not start with it.
    """
    told = conf.get(KEY)
    if told is None or not told.value or _compiled(str(told.value)) is not None:
        return []
    pattern, where = str(told.value), f"{told.origin}: {told.key or KEY}"
    if _JAVAS.search(pattern):
        return [f"{where} is written as only Java reads it: here only this tool's own words tell what is a secret"]
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(
            f"{told.key or KEY} is no pattern: {error}",
            where=told.origin,
            next_step="correct it, as in (?i)secret|password|token|pin",
        ) from error
    return [f"{where} may mean something else to Java: here only this tool's own words tell what is a secret"]


@lru_cache(maxsize=8)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern, where Java and Python read it alike."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a set in a set: Java reads it otherwise
            return re.compile(pattern)
    except (re.error, FutureWarning, RecursionError, OverflowError):  # Java knows more than Python
        return None


def redaction(secrets: Mapping[str, str], configured: str | None) -> str | None:
    """The pattern to set, or ``None`` where the one in force hides all secrets.

    Parameters
    ----------
    secrets
        Secret properties, and those that hold a secret inside their value.
    configured
        The user's own pattern; ``None`` for Spark's default.
    """
    in_force = SPARKS_OWN if configured is None else configured
    pattern = _compiled(in_force)
    if pattern is not None and all(pattern.search(key) or pattern.search(value) for key, value in secrets.items()):
        return None
    return _widened(in_force, secrets)


def _widened(in_force: str, secrets: Mapping[str, str]) -> str:
    """With our own words, and by their names those keys that only Hadoop calls sensitive."""
    ours = re.compile(_OURS).search
    others = [re.escape(key) for key, value in sorted(secrets.items()) if not (ours(key) or ours(value))]
    return "|".join([in_force, _OURS, *others])
