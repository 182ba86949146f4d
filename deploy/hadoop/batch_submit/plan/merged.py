"""The merged configuration as a value to read from. Light: the rules that make it stand in :mod:`plan.config`."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import field

from batch_submit.data_classes import dataclass
from batch_submit.plan.sourced import Path, Sourced


@dataclass(frozen=True)
class Config:
    """The merged configuration.

    Values are texts (memory as ``8g``, durations as ``1h30m``), ``int``, ``bool``, tuples of texts, or for
    ``model_config`` plain values; Spark properties are always texts. Places are ``(section, key)``; the job type's own
    keys lie under ``job``.
    """

    job_type: str | None
    values: Mapping[Path, Sourced]
    overridden: Mapping[Path, tuple[Sourced, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def get(self, dotted: str | Path) -> Sourced | None:
        """A value with its source: ``execution.timeout``, ``job.script``, ``spark.executor.memory``."""
        return self.values.get(_place(dotted))

    def value(self, dotted: str | Path, default: object = None) -> object:
        """The bare value, or the default."""
        found = self.get(dotted)
        return default if found is None else found.value

    def text(self, dotted: str | Path, default: str = "") -> str:
        """The value as text, or the default."""
        found = self.get(dotted)
        return default if found is None else str(found.value)

    def local_path(self, dotted: str | Path) -> str:
        """A path of this host, a relative one from the folder of the file that names it; "" when it is not set."""
        found = self.get(dotted)
        if found is None or not found.value:
            return ""
        return posixpath.normpath(posixpath.join(found.base, str(found.value)))

    def duration_s(self, dotted: str | Path) -> int | float | None:
        """A duration in seconds; None when it is not set."""
        from batch_submit.plan.units import parse_duration_s

        found = self.get(dotted)
        return None if found is None or found.value is None else parse_duration_s(str(found.value))

    def memory_mib(self, dotted: str | Path) -> int | None:
        """A memory size in MiB; None when it is not set."""
        from batch_submit.plan.units import parse_memory_mib

        found = self.get(dotted)
        return None if found is None else parse_memory_mib(str(found.value))

    def items(self, dotted: str | Path) -> tuple[Sourced, ...]:
        """The items of a list that appends, each with the file and folder that it came from."""
        found = self.get(dotted)
        return () if found is None else found.items

    def section(self, *prefix: str) -> dict[str, Sourced]:
        """All values of a section by their last name: ``section("model_config")``, ``section("job")``."""
        size = len(prefix)
        return {
            path[size]: value for path, value in self.values.items() if path[:size] == prefix and len(path) == size + 1
        }

    def spark_conf(self) -> dict[str, Sourced]:
        """All Spark properties by their dotted names; every value is a text."""
        return self.section("spark_config")


def _place(dotted: str | Path) -> Path:
    if isinstance(dotted, str):
        if dotted.startswith("spark."):
            return ("spark_config", dotted)
        dotted = tuple(dotted.split(".", 1))
    if len(dotted) == 2 and dotted[0] == "spark_config" and not dotted[1].startswith("spark."):
        from batch_submit.plan import schema  # the table of short names: loaded only where one is asked for

        return schema.canonical(dotted)
    return dotted
