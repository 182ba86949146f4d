"""The application master of a cluster-mode PySpark application: its size, its command, its environment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from batch_submit.data_classes import dataclass
from batch_submit.plan.old_names import under_any_name
from batch_submit.plan.rest.distribution import SparkFacts
from batch_submit.plan.rest.resources import CONF_ARCHIVE, LIBRARIES, local_jars
from batch_submit.plan.rest.words import option_words, quoted, quoted_option
from batch_submit.plan.units import UnitError, parse_memory_mib

LOG_DIR = "<LOG_DIR>"
CPS = "<CPS>"  # the separator of a class path on the node's platform
#: Spark's defaults (4.3.0, "Configuration"): heap 1 GiB, 1 core, overhead a tenth of the heap and at least 384 MiB.
DEFAULT_MEMORY, DEFAULT_CORES, OVERHEAD_FACTOR, LEAST_OVERHEAD_MIB = "1g", 1, 0.10, 384
_MASTER = "org.apache.spark.deploy.yarn.ApplicationMaster"
_PYTHON_RUNNER = "org.apache.spark.deploy.PythonRunner"
_MASTER_ENVIRONMENT = "spark.yarn.appMasterEnv."
#: From this release on the client says whether IPv6 is preferred (seen with 3.5.x and 4.3.0).
_SAYS_IPV6 = (3, 4)
_INTERPRETERS = ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON")


@dataclass(frozen=True)
class Size:
    """What the container of the application master gets."""

    heap_mib: int
    overhead_mib: int
    vcores: int

    @property
    def memory_mib(self) -> int:
        """Heap and overhead: what YARN is asked for."""
        return self.heap_mib + self.overhead_mib


def size_of(conf: Mapping[str, str]) -> Size:
    """Return the size by Spark's rules (``Client.scala``: overhead = max(factor x heap, the least), or as told).

    Raises
    ------
    UnitError
        A value that is no size or number; the message names the key.
    """
    heap = _mib(conf, "spark.driver.memory", DEFAULT_MEMORY)
    key, told = under_any_name(conf, "spark.driver.memoryOverhead")
    if told:
        overhead = _mib(conf, key, "")
    else:
        factor = _number(conf, "spark.driver.memoryOverheadFactor", OVERHEAD_FACTOR)
        least = _mib(conf, "spark.driver.minMemoryOverhead", f"{LEAST_OVERHEAD_MIB}m")
        overhead = max(math.floor(factor * heap), least)
    return Size(heap, overhead, int(_number(conf, "spark.driver.cores", DEFAULT_CORES)))


def _mib(conf: Mapping[str, str], key: str, default: str) -> int:
    text = conf.get(key, default).strip()
    try:
        return int(text) if text.isdecimal() else parse_memory_mib(text)  # a bare number is MiB for these keys
    except UnitError as error:
        raise UnitError(f"{key}: {error}") from error


def _number(conf: Mapping[str, str], key: str, default: float) -> float:
    try:
        return float(conf.get(key, default))
    except ValueError as error:
        raise UnitError(f"{key}: {conf[key]!r} is no number") from error


def command_of(
    conf: Mapping[str, str], facts: SparkFacts, size: Size, script: str, arguments: Sequence[str], application_id: str
) -> str:
    """Return the command that YARN is to run.

    Parameters
    ----------
    script
        The name that the script has in the container.
    arguments
        Those of the script; each arrives as it is given here.
    application_id
        For ``{{APP_ID}}`` in Java options.
    """
    words = ["{{JAVA_HOME}}/bin/java", "-server"]
    if facts.generation >= _SAYS_IPV6:
        words.append("-Djava.net.preferIPv6Addresses=false")
    words += facts.module_options
    words += [f"-Xmx{size.heap_mib}m", "-Djava.io.tmpdir={{PWD}}/tmp"]
    for key in ("spark.driver.defaultJavaOptions", "spark.driver.extraJavaOptions"):
        words += [quoted_option(one, application_id) for one in option_words(conf.get(key, ""))]
    words.append(f"-Dspark.yarn.app.container.log.dir={LOG_DIR}")
    words += [_MASTER, "--class", quoted(_PYTHON_RUNNER), "--primary-py-file", quoted(script)]
    for one in arguments:
        words += ["--arg", quoted(one)]
    folder = f"{{{{PWD}}}}/{CONF_ARCHIVE}"
    words += ["--properties-file", f"{folder}/{CONF_ARCHIVE}.properties"]
    words += ["--dist-cache-conf", f"{folder}/__spark_dist_cache__.properties"]
    words += ["1>", f"{LOG_DIR}/stdout", "2>", f"{LOG_DIR}/stderr"]
    library_path = conf.get("spark.driver.extraLibraryPath", "")
    prefix = f'LD_LIBRARY_PATH=\\"{library_path}:$LD_LIBRARY_PATH\\" ' if library_path else ""
    return prefix + " ".join(words)


def environment_of(
    conf: Mapping[str, str],
    facts: SparkFacts,
    *,
    user: str,
    staging: str,
    python_path: Sequence[str],
    submitted_ms: int,
    host: Mapping[str, str],
) -> dict[str, str]:
    """Return the application master's environment; a path of the user's is joined to ours (``addPathToEnvironment``).

    Parameters
    ----------
    staging
        URI of the application's staging folder.
    python_path
        Entries of ``PYTHONPATH``.
    submitted_ms
        Now, in milliseconds since the epoch.
    host
        The environment of the submitting process: its ``PYSPARK_PYTHON`` and ``PYSPARK_DRIVER_PYTHON`` count where the
        configuration names none (``Client.setupLaunchEnv``).
    """
    found = {
        "SPARK_YARN_STAGING_DIR": staging,
        "SPARK_USER": user,
        "CLASSPATH": CPS.join(class_path(conf)),
        "PYTHONPATH": CPS.join(python_path),
        "PYTHONHASHSEED": "0",
        "APP_SUBMIT_TIME_ENV": str(submitted_ms),
    }
    if facts.generation >= _SAYS_IPV6:
        found["SPARK_PREFER_IPV6"] = "false"
    own = {
        key.removeprefix(_MASTER_ENVIRONMENT): value
        for key, value in conf.items()
        if key.startswith(_MASTER_ENVIRONMENT)
    }
    found["PYTHONPATH"] = CPS.join([*filter(None, [own.pop("PYTHONPATH", "")]), found["PYTHONPATH"]])
    found["CLASSPATH"] = CPS.join([found["CLASSPATH"], *filter(None, [own.pop("CLASSPATH", "")])])
    interpreters = {name: host[name] for name in _INTERPRETERS if name in host}
    return {**found, **interpreters, **own}


def class_path(conf: Mapping[str, str]) -> list[str]:
    """Return the class path of the application master (``Client.populateClasspath``; a Spark without Hadoop's jars
    also takes ``yarn.application.classpath``, which its own configuration says)."""
    extra = conf.get("spark.driver.extraClassPath", "")
    local = [one.removeprefix("local:").removeprefix("//") for one in local_jars(conf)]
    return [
        *([extra] if extra else []),
        "{{PWD}}",
        f"{{{{PWD}}}}/{CONF_ARCHIVE}",
        f"{{{{PWD}}}}/{LIBRARIES}/*",
        *local,
        f"{{{{PWD}}}}/{CONF_ARCHIVE}/__hadoop_conf__",
    ]
