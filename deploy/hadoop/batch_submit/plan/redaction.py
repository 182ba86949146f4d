"""What Spark itself says of a job's secrets: ``spark.redaction.regex`` made to fit them, and no event logged whole."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping

KEY = "spark.redaction.regex"
#: On by default: an event that took a listener longer than a second is logged as it is, with all properties of the job
#: (seen with Spark 4.3.0 on a busy node: ``AsyncEventQueue``, "Process of event SparkListenerJobStart…").
SLOW_EVENTS = "spark.scheduler.listenerbus.logSlowEvent"
#: The default of Spark 3.5; that of 4.3 has ``credential`` too. Spark hides a value when it or its key fits
#: (``Utils.redact``).
SPARKS_OWN = "(?i)secret|password|token|access[.]?key"
_OURS = r"(?i:secret|passw|passphrase|token|access[.]?key|credential)|://[^/\s:@]*:[^/\s@]+@"


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a set in a set: Java reads it otherwise
            hides = re.compile(in_force).search
    except (re.error, FutureWarning):  # Java knows more than Python
        return _widened(in_force, secrets)
    if all(hides(key) or hides(value) for key, value in secrets.items()):
        return None
    return _widened(in_force, secrets)


def _widened(in_force: str, secrets: Mapping[str, str]) -> str:
    """With our own words, and by their names those keys that only Hadoop calls sensitive."""
    ours = re.compile(_OURS).search
    others = [re.escape(key) for key, value in sorted(secrets.items()) if not (ours(key) or ours(value))]
    return "|".join([in_force, _OURS, *others])
