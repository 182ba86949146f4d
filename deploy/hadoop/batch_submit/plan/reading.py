"""The form of a configuration in a file, and the part that commands need which only look or act on what runs.

Building a configuration loads the YAML reader and the table of all keys, which takes longer than the answer of a
ResourceManager. So it is kept between calls under a key that holds everything that it was made from: a handful of
addresses for ``list`` and its like, all of it for ``submit``. One that holds a secret is not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from batch_submit.data_classes import dataclass
from batch_submit.plan.merged import Config, _place
from batch_submit.plan.sourced import Path, Sourced

_Kind = TypeVar("_Kind", bound=Config)
_SECTIONS = ("execution", "environment_config")
_PLACES = frozenset(
    {
        ("security_config", "enable_kerberos"),
        ("security_config", "principal"),
        ("security_config", "keytab"),
        ("security_config", "proxy_user"),
        ("security_config", "ca_bundle"),
        ("security_config", "truststore_path"),
        ("security_config", "truststore_password"),  # to open a truststore of PKCS12
        ("security_config", "client_certificate"),
        ("security_config", "client_key"),
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


def to_text(config: Config) -> str:
    """A configuration as JSON, without what its values have overridden."""
    values = [[list(place), _plain(value)] for place, value in config.values.items()]
    return json.dumps({"job_type": config.job_type, "values": values, "warnings": list(config.warnings)})


def from_text(text: str, kind: type[_Kind]) -> _Kind:
    """Read what :func:`to_text` wrote.

    Parameters
    ----------
    kind
        `Config` or `ReadingConfig`.

    Raises
    ------
    ValueError
        It is something else.
    """
    try:
        data = json.loads(text)
        values = {tuple(place): _sourced(value) for place, value in data["values"]}
        return kind(data["job_type"], values, {}, tuple(data["warnings"]))
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a configuration: {error}") from error


def may_be_kept(config: Config) -> bool:
    """Whether a configuration may lie in a file: it holds no secret, and JSON holds all of it as it is."""
    from batch_submit.plan.redaction import told_by
    from batch_submit.plan.secrets import holds_secret  # its patterns are for commands that need not start so fast

    told = told_by({place[-1]: value for place, value in config.values.items()})
    if any(told(place[-1]) or holds_secret(".".join(place), value.value) for place, value in config.values.items()):
        return False
    try:
        return from_text(to_text(config), Config).values == dict(config.values)
    except (TypeError, ValueError):  # such as a date
        return False


def _plain(value: Sourced) -> dict[str, Any]:
    listed = isinstance(value.value, tuple)
    items = [_plain(item) for item in value.items]
    return {
        "value": value.value,
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
