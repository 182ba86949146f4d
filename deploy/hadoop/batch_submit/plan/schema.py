"""Look-ups in the table of keys, and the nearest right name for a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from batch_submit.plan.schema_keys import BUILT_IN_DEFAULTS, FLAG_STYLE, KEYS
from batch_submit.plan.schema_types import Combiner, Key, Kind, Where
from batch_submit.plan.sourced import Path
from ml_pipeline_framework.contract import ALIASES, JobType

__all__ = [
    "BUILT_IN_DEFAULTS",
    "FLAG_STYLE",
    "JOB_SECTION",
    "JOB_TYPES",
    "KEYS",
    "SECTIONS",
    "Combiner",
    "Key",
    "Kind",
    "Where",
    "canonical",
    "combiner_of",
    "did_you_mean",
    "find",
    "known_names",
    "resolve_job_type",
]

JOB_SECTION = "job_specific_config"
JOB_TYPES: tuple[str, ...] = tuple(kind.value for kind in JobType)

#: Every name that may stand at the top of a file, in the table's order.
SECTIONS: tuple[str, ...] = tuple(dict.fromkeys(key.path[0] for key in KEYS))

_BY_PATH = {key.path: key for key in KEYS}
_SPARK_PROPERTY = re.compile(r"spark\.[A-Za-z0-9_][^\s=:#]*")


def find(path: Path) -> Key | None:
    """The row of a key by its place in the file (job types and names may be real or ``*``); None when there is none."""
    if len(path) > 1 and path[0] == "spark_config" and is_spark_property(path[1]) and len(path) == 2:
        return _spark_key(path[1])
    if len(path) == 2 and path[0] == "data_config" and path not in _BY_PATH and _is_data_path(path[1]):
        return _BY_PATH[("data_config", "*_path")]
    if len(path) > 1 and path[0] in (JOB_SECTION, "profiles", "environments"):
        path = (path[0], "*", *path[2:])
    return _BY_PATH.get(path) if not any("*" in part and part != "*" for part in path) else None


def is_spark_property(name: str) -> bool:
    """Whether this is the dotted name of a Spark property."""
    return _SPARK_PROPERTY.fullmatch(name) is not None


def canonical(path: Path) -> Path:
    """The place of a value after the merge: short names of Spark properties become dotted ones."""
    if len(path) == 2 and path[0] == "spark_config":
        return ("spark_config", FLAG_STYLE.get(path[1], path[1]))
    return path


def combiner_of(path: Path) -> Combiner:
    """How layers combine at a place of the merged configuration (``("job", "files")``)."""
    if path[0] == "job":
        path = (JOB_SECTION, "*", *path[1:])
    key = find(path)
    return Combiner.APPEND if key is not None and key.combiner is Combiner.APPEND else Combiner.REPLACE


def known_names(prefix: Path) -> tuple[str, ...]:
    """The names that may stand under a place, without patterns."""
    if prefix and prefix[0] == JOB_SECTION:
        if len(prefix) == 1:
            return JOB_TYPES
        prefix = (JOB_SECTION, "*")
    names = dict.fromkeys(
        key.path[len(prefix)] for key in KEYS if key.path[: len(prefix)] == prefix and len(key.path) > len(prefix)
    )
    return tuple(name for name in names if "*" not in name)


def resolve_job_type(name: str) -> str | None:
    """The job type for a name or an alias (``etl``); None for neither."""
    if name in JOB_TYPES:
        return name
    return ALIASES[name].value if name in ALIASES else None


def did_you_mean(name: str, candidates: Iterable[str], prefix: str = "") -> str:
    """``did you mean 'x'?`` for the nearest of the right names; empty when none is near."""
    by_shape = {_shape(candidate): candidate for candidate in candidates}
    import difflib  # for a message; it takes a while to load

    close = difflib.get_close_matches(_shape(name), list(by_shape), n=1, cutoff=0.6)
    if not close and len(name) > 2:  # "prod" for "production": an abbreviation is far away letter by letter
        close = [shape for shape in by_shape if shape.startswith(_shape(name))]
    return f"did you mean {prefix + by_shape[close[0]]!r}?" if close else ""


def hint_for_key(name: str, prefix: Path) -> str:
    """The nearest right name for an unknown key: under the same section first, else where that name does exist."""
    if _snake(name) in ("insecure", "verify", "verify_ssl", "ssl_verify"):
        return "no file can switch the checking of certificates off; --insecure does it for one call, and says so"
    homes = [key.dotted for key in KEYS if key.path[-1] == _snake(name) and key.path[:-1] != prefix]
    if homes and not prefix:
        return f"did you mean {homes[0]!r}?"
    if hint := did_you_mean(name, known_names(prefix)):
        return hint
    if prefix[:1] in ((), ("spark_config",)) and name.startswith("spark"):
        return "write Spark properties under spark_config, dotted: 'spark.sql.adaptive.enabled: true'"
    if homes:
        return f"did you mean {homes[0]!r}?"
    known = known_names(prefix)
    return "known here: " + ", ".join(known) if known else ""


def _spark_key(name: str) -> Key:
    """A dotted property that has a short name has the short name's type; any other takes whatever Spark takes."""
    for short, dotted in FLAG_STYLE.items():
        if name == dotted:
            return _BY_PATH[("spark_config", short)]
    return _BY_PATH[("spark_config", "spark.*")]


def _is_data_path(name: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9_]*_path", name) is not None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).replace("-", "_").lower()


_shape = _snake
