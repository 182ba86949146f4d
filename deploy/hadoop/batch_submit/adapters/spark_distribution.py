"""What a Spark on this host says of itself: its version, what Java must open for it, its Python archives."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from batch_submit.errors import HostNotReady
from batch_submit.plan.rest.distribution import SparkFacts

_OPTIONS_CLASS = "org/apache/spark/launcher/JavaModuleOptions.class"
#: Sizes of the constants of a class file by tag (Java Virtual Machine Specification, section 4.4), the tag left out.
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_TEXT, _TAKES_TWO_PLACES = 1, (5, 6)


def spark_facts(home: str) -> SparkFacts:
    """Look at a Spark distribution.

    Parameters
    ----------
    home
        The folder that holds ``jars`` and ``python``.

    Raises
    ------
    HostNotReady
        Something is missing there.
    """
    core = sorted(Path(home, "jars").glob("spark-core_*.jar"))
    version = re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", core[0].name) if core else None
    library = Path(home, "python", "lib")
    zips = [library / "pyspark.zip", *sorted(library.glob("py4j-*-src.zip"))]
    launcher = sorted(Path(home, "jars").glob("spark-launcher_*.jar"))
    if version is None or not launcher or len(zips) != 2 or not all(one.is_file() for one in zips):
        raise HostNotReady(
            f"{home} is no whole Spark: jars/spark-core_*.jar, jars/spark-launcher_*.jar, python/lib/pyspark.zip and "
            "py4j-*-src.zip are needed",
            next_step="point SPARK_HOME to a Spark distribution",
        )
    return SparkFacts(version[1], _module_options(launcher[0]), tuple(map(str, zips)))


def spark_conf_dir(environment: Mapping[str, str]) -> str:
    """Return the folder of Spark's own configuration, which spark-submit puts on its class path; "" for none."""
    home = environment.get("SPARK_HOME", "")
    return environment.get("SPARK_CONF_DIR", "") or (f"{home}/conf" if home else "")


def _module_options(launcher: Path) -> tuple[str, ...]:
    """Return the options that stand as constants in the class that spark-submit takes them from; none before 3.3."""
    try:
        with zipfile.ZipFile(launcher) as jar:
            code = jar.read(_OPTIONS_CLASS)
    except KeyError:
        return ()
    except (OSError, zipfile.BadZipFile) as error:
        raise HostNotReady(f"{launcher} can't be read: {error}", next_step="install Spark anew") from error
    try:
        return tuple(text for text in _texts(code) if text.startswith("-"))
    except (KeyError, IndexError) as error:
        raise HostNotReady(
            f"{launcher} can't be read: {_OPTIONS_CLASS} is damaged", next_step="install Spark anew"
        ) from error


def _texts(code: bytes) -> Iterator[str]:
    """Yield the texts of a class file's constants, in their order; KeyError or IndexError for what is none."""
    count, at, place = int.from_bytes(code[8:10], "big"), 10, 1
    while place < count:
        tag = code[at]
        if tag == _TEXT:
            length = int.from_bytes(code[at + 1 : at + 3], "big")
            yield code[at + 3 : at + 3 + length].decode("utf-8", "replace")
            at += 3 + length
        else:
            at += 1 + _SIZES[tag]
        place += 2 if tag in _TAKES_TWO_PLACES else 1
