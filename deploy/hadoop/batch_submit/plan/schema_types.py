"""What a configuration key can be: its type, how layers combine, where it may be set."""

from __future__ import annotations

from enum import Enum

from batch_submit.data_classes import dataclass
from batch_submit.plan.sourced import Path


class Kind(Enum):
    """The type of a value. The text says what a user writes (shown in error messages and in the docs)."""

    COUNT = "a whole number, 1 or more"
    WHOLE = "a whole number, 0 or more"
    CORES = "a whole number of cores, 1 or more"
    MEMORY = "a memory size with a unit (512m, 8g)"
    DURATION = "a duration with units (90s, 15m, 1h30m)"
    BOOLEAN = "true or false"
    TEXT = "text"
    SECRET = "a secret text"  # nosec B105  # a name
    ENUM = "one of the words listed"
    NUMBER = "a number"
    LOCAL_PATH = "a local path"
    LOCAL_PATHS = "a list of local paths or URLs"
    URL = "an address (scheme://host:port or host:port)"
    URLS = "an address or a list of addresses"
    DATA_PATH = "a path of data (bare or a URL)"
    CONF_VALUE = "a Spark property's value: text, number or true/false"
    CONF_MAP = "a map of dotted Spark properties"
    FREE_MAP = "a map"
    TEXTS = "a list of texts"
    ANY = "any value (checked by the job)"


class Combiner(Enum):
    """How a later layer's value meets an earlier one. One per key; this is the whole table."""

    REPLACE = "replaces"
    MERGE = "merges by key"
    APPEND = "appends (null as first item clears)"


class Where(Enum):
    """Where a key may be set."""

    FILE = "file"
    VARIABLE = "variable"
    FLAG = "flag"


EVERYWHERE = frozenset(Where)


@dataclass(frozen=True)
class Key:
    """One row of the table of keys.

    Parameters
    ----------
    path
        Its place. ``*`` stands for a job type or a name, ``spark.*`` for any Spark property, ``*_path`` for any such
        name.
    kind
        Its type.
    doc
        One line for the user.
    example
        As it would stand in the file.
    combiner
        How layers combine.
    choices
        Of an ``ENUM``, the words.
    where
        Where it may be set: a password never as a flag, which everybody on the host can read.
    """

    path: Path
    kind: Kind
    doc: str
    example: str
    combiner: Combiner = Combiner.REPLACE
    choices: tuple[str, ...] = ()
    where: frozenset[Where] = EVERYWHERE

    @property
    def dotted(self) -> str:
        """The key as the docs write it."""
        wildcard = "<name>" if self.path[0] in ("profiles", "environments") else "<type>"
        return ".".join(wildcard if part == "*" else part for part in self.path)
