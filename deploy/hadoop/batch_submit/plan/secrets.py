"""Which values must never be shown, and what stands in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

#: Spark's ``spark.redaction.regex`` (default of Spark 4), and ``passphrase``.
_SECRET = re.compile(r"(?i)secret|password|passwd|passphrase|token|access[.]?key|credential")

#: What Spark prints in the place of a secret (source: ``Utils.REDACTION_REPLACEMENT_TEXT``).
MASK = "*********(redacted)"

# A secret inside a longer text: ``-Djavax.net.ssl.keyStorePassword=x`` and the password of ``https://user:x@host``.
_ASSIGNMENT = re.compile(
    r"(?i)([\w.\-]*(?:secret|password|passwd|passphrase|token|access[.]?key|credential)[\w.\-]*\s*[=:]\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s,;]+)"
)
_USERINFO = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.\-]*://[^/\s:@]*:)([^/\s@]+)(@)")


def is_secret(key: str) -> bool:
    """Whether a value under this key must be masked. Matches anywhere in the key, as Spark's redaction does."""
    return _SECRET.search(key) is not None


def mask(key: str, value: object) -> object:
    """The value as it may be shown: secrets replaced, everything else as it is.

    Parameters
    ----------
    key
        The full key. When it is a secret's, the whole value is replaced.
    value
        Text, number, list or map. Maps are masked by their own keys too; texts lose passwords written inside them
        (``-Dsome.password=...``, ``https://user:...@host``).
    """
    if value is None:
        return None
    if is_secret(key):
        return MASK
    if isinstance(value, str):
        masked = _ASSIGNMENT.sub(lambda match: match[1] + MASK, value)
        return _USERINFO.sub(lambda match: match[1] + MASK + match[3], masked)
    if isinstance(value, Mapping):
        return {name: mask(str(name), item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask("", item) for item in value]
    return value


def holds_secret(key: str, value: object) -> bool:
    """Whether a property must not be shown: by its key, or because a secret stands inside its value."""
    return is_secret(key) or mask(key, value) != (list(value) if isinstance(value, tuple) else value)


def holds_password(value: object) -> bool:
    """Whether an address somewhere in a value, a list or a map names a password (``//user:password@host``)."""
    if isinstance(value, str):
        return _USERINFO.search(value) is not None
    if isinstance(value, Mapping):
        return any(holds_password(item) for item in value.values())
    return isinstance(value, (list, tuple)) and any(holds_password(item) for item in value)


def mask_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command line as it may be recorded, without what follows ``--password``, ``password=`` or ``//user:``."""
    out: list[str] = []
    secret_follows = False
    for argument in arguments:
        name, assigned, _ = argument.partition("=")
        if secret_follows and not argument.startswith("--"):
            out.append(MASK)
        elif assigned and name.startswith("-") and is_secret(name):
            out.append(f"{name}={MASK}")
        else:
            out.append(str(mask("", argument)))
        secret_follows = name.startswith("-") and not assigned and is_secret(name)
    return tuple(out)
