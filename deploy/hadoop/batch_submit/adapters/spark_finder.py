"""Finding Spark, its site defaults and Java on this host. Light: also for commands that never start Spark."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady


@dataclass(frozen=True)
class SparkDistribution:
    """A Spark on this host: its spark-submit, and its home ("" when the program's folder does not tell it)."""

    spark_submit: str
    home: str
    found_by: str

    def jars(self) -> list[Path]:
        """The jars that a submit without ``spark.yarn.jars``/``archive`` uploads each time."""
        return sorted(Path(self.home, "jars").glob("*.jar")) if self.home else []

    @property
    def log4j_generation(self) -> int:
        """1 for Spark up to 3.2, 2 from 3.3 on."""
        return 1 if any(jar.name.startswith("log4j-1.2.1") for jar in self.jars()) else 2


def find_spark(env: Mapping[str, str]) -> SparkDistribution:
    """Find spark-submit by ``SPARK_HOME``, then ``PATH``, then an installed pyspark (not imported).

    Raises
    ------
    HostNotReady
        Naming what was looked at.
    """
    home = env.get("SPARK_HOME", "")
    if home:
        program = Path(home, "bin", "spark-submit")
        if not os.access(program, os.X_OK):
            raise HostNotReady(
                f"SPARK_HOME={home} holds no bin/spark-submit", next_step="point SPARK_HOME to a Spark distribution"
            )
        return SparkDistribution(str(program), home, "SPARK_HOME")
    import shutil  # here and below: loaded only where SPARK_HOME does not say it

    on_path = shutil.which("spark-submit", path=env.get("PATH", os.defpath))
    if on_path:
        return SparkDistribution(on_path, _home_of(Path(on_path)), "PATH")
    import importlib.util

    spec = importlib.util.find_spec("pyspark")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        program = Path(folder, "bin", "spark-submit")
        if program.is_file():
            return SparkDistribution(str(program), folder, "the installed pyspark")
    raise HostNotReady(
        "no spark-submit: SPARK_HOME is not set, none is on PATH, and pyspark is not installed",
        next_step="export SPARK_HOME=<Spark>, or pip install 'batch-submit[spark]'",
    )


def _home_of(program: Path) -> str:
    """The Spark home of a spark-submit on PATH.

    pip puts a copy into ``<venv>/bin`` that fails without ``SPARK_HOME`` ("Could not find valid SPARK_HOME") unless
    that environment's python is first on PATH; the distribution then lies in its site-packages.
    """
    resolved = program.resolve()
    prefix = resolved.parent.parent
    if (prefix / "jars").is_dir():
        return str(prefix)
    for candidate in sorted(prefix.glob("lib/python*/site-packages/pyspark")):
        if (candidate / "jars").is_dir():
            return str(candidate)
    return ""


def find_java(env: Mapping[str, str]) -> str:
    """``JAVA_HOME`` if set and usable, "" if ``java`` is on PATH.

    Raises
    ------
    HostNotReady
        When there is neither.
    """
    home = env.get("JAVA_HOME", "")
    if home:
        if not os.access(Path(home, "bin", "java"), os.X_OK):
            raise HostNotReady(f"JAVA_HOME={home} holds no bin/java", next_step="point JAVA_HOME to Java 17")
        return home
    import shutil

    if shutil.which("java", path=env.get("PATH", os.defpath)):
        return ""
    raise HostNotReady(
        "no Java: JAVA_HOME is not set and no java is on PATH",
        next_step="install Java 17 (apt-get install openjdk-17-jre-headless) or export JAVA_HOME",
    )


def spark_defaults_file(env: Mapping[str, str], spark_home: str) -> Path | None:
    """The site's ``spark-defaults.conf``: ``$SPARK_CONF_DIR``, ``$SPARK_HOME/conf``, ``/etc/spark/conf``."""
    folders = [env.get("SPARK_CONF_DIR", ""), f"{spark_home}/conf" if spark_home else "", "/etc/spark/conf"]
    for folder in folders:
        if folder:
            path = Path(folder, "spark-defaults.conf")
            if path.is_file():
                return path
            if folder == env.get("SPARK_CONF_DIR"):
                return None  # a named folder without the file means: no defaults, as for Spark itself
    return None
