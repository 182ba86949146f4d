"""Names that Spark properties once had and that Spark still reads (``SparkConf.configsWithAlternatives``, 4.3.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

_OLD_NAMES = {
    "spark.driver.memoryOverhead": "spark.yarn.driver.memoryOverhead",
    "spark.executor.memoryOverhead": "spark.yarn.executor.memoryOverhead",
}

Value = TypeVar("Value")


def under_any_name(conf: Mapping[str, Value], key: str) -> tuple[str, Value | None]:
    """Look a property up under its name and then under its old one.

    Returns
    -------
    tuple of str and value
        The name under which it was found, or `key`; ``None`` where it is not set.
    """
    old = _OLD_NAMES.get(key, "")
    found = old if key not in conf and old in conf else key
    return found, conf.get(found)
