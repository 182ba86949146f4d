"""The part of the configuration that commands need which only look or act on what runs, and its form in a file.

Building the whole configuration loads the YAML reader and the table of all keys, which takes longer than the answer of
a ResourceManager. What ``list`` and its like need of it is a handful of addresses; it is kept between calls under a key
that holds everything that it was made from. No secret is among it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch_submit.plan.merged import Config, _place
from batch_submit.plan.sourced import Path, Sourced

_SECTIONS = ("execution", "environment_config")
_PLACES = frozenset(
    {
        ("security_config", "enable_kerberos"),
        ("security_config", "principal"),
        ("security_config", "keytab"),
        ("security_config", "ca_bundle"),
        ("spark_config", "spark.yarn.stagingDir"),
        ("spark_config", "spark.yarn.historyServer.address"),
        ("storage_root",),
    }
)


def is_readable(place: Path) -> bool:
    """Whether a place belongs to the part."""
    return place[0] in _SECTIONS or place in _PLACES


@dataclass(frozen=True)
class ReadingConfig(Config):
    """That part. Asking for anything else is a mistake in this program, never an absent value."""

    def get(self, dotted: str | Path) -> Sourced | None:
        """See :meth:`Config.get`."""
        place = _place(dotted)
        if not is_readable(place):
            raise LookupError(f"{'.'.join(place)} is no part of the configuration for reading: open the whole one")
        return self.values.get(place)

    def section(self, *prefix: str) -> dict[str, Sourced]:
        """See :meth:`Config.section`."""
        if prefix[0] not in _SECTIONS:
            raise LookupError(f"{'.'.join(prefix)} is no part of the configuration for reading: open the whole one")
        return super().section(*prefix)


def reading_part(config: Config) -> ReadingConfig:
    """The part of a whole configuration."""
    values = {place: value for place, value in config.values.items() if is_readable(place)}
    return ReadingConfig(config.job_type, values, {}, config.warnings)


def to_text(config: ReadingConfig) -> str:
    """The part as JSON."""
    values = [[list(place), _plain(value)] for place, value in config.values.items()]
    return json.dumps({"job_type": config.job_type, "values": values, "warnings": list(config.warnings)})


def from_text(text: str) -> ReadingConfig:
    """Read what :func:`to_text` wrote.

    Raises
    ------
    ValueError
        It is something else.
    """
    try:
        data = json.loads(text)
        values = {tuple(place): _sourced(value) for place, value in data["values"]}
        return ReadingConfig(data["job_type"], values, {}, tuple(data["warnings"]))
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"not a configuration for reading: {error}") from error


def _plain(value: Sourced) -> dict[str, Any]:
    listed = isinstance(value.value, (list, tuple))
    items = [_plain(item) for item in value.items]
    return {
        "value": list(value.value) if isinstance(value.value, (list, tuple)) else value.value,
        "listed": listed,
        "origin": value.origin,
        "base": value.base,
        "key": value.key,
        "items": items,
    }


def _sourced(data: Mapping[str, Any]) -> Sourced:
    value = tuple(data["value"]) if data["listed"] else data["value"]
    items = tuple(_sourced(item) for item in data["items"])
    return Sourced(value, data["origin"], data["base"], data["key"], items)
