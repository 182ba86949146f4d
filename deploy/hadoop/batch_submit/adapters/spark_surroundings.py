"""What on this host makes spark-submit start a job otherwise than the launcher ``rest`` would.

Sources (Spark 4.3.0): ``Client.createConfArchive`` writes the client's whole Hadoop configuration into
``__spark_hadoop_conf__.xml``, which the driver reads; that holds the XML files of Spark's own folder, which is first on
spark-submit's class path, and keys of the environment (``SparkHadoopUtil``, ``appendS3CredentialsFromEnvironment``).
``bin/load-spark-env.sh`` runs ``spark-env.sh``. A Spark built without Hadoop says so in its YARN module
(``isHadoopProvided``); its client adds the class path of the nodes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

#: Files that Hadoop and Hive read from a class path.
_SITES = ("core-site.xml", "hdfs-site.xml", "yarn-site.xml", "mapred-site.xml", "hive-site.xml")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
#: Where Hadoop's clients in Java find tokens besides those that they fetch (``UserGroupInformation``).
_TOKENS = ("HADOOP_TOKEN_FILE_LOCATION", "HADOOP_TOKEN")
_BUILD = "org/apache/spark/deploy/yarn/config.properties"
_PROVIDED = "spark.yarn.isHadoopProvided"


def needs_sparks_client(spark_home: str, spark_folder: str, environment: Mapping[str, str]) -> str:
    """Return what of this host only spark-submit gives to a job, and where it was found; "" for nothing.

    Parameters
    ----------
    spark_home
        "" where this host has no Spark.
    spark_folder
        Spark's own configuration; "" for none.
    environment
        That in which spark-submit would run.
    """
    for name in _SITES if spark_folder else ():
        if Path(spark_folder, name).is_file():
            return f"{Path(spark_folder, name)} is part of the configuration that Spark's client makes for the driver"
    for name in _KEYS:
        if environment.get(name):
            return f"{name} is set, which Spark's client hands to the driver as fs.s3a.*"
    for name in _TOKENS:
        if environment.get(name):
            return f"{name} is set: Spark's client reads tokens there, and hands them to the driver"
    if environment.get("SPARK_DIST_CLASSPATH"):
        return "SPARK_DIST_CLASSPATH is set: the class path of a Spark without Hadoop"
    if spark_folder and _says_something(Path(spark_folder, "spark-env.sh")):
        return f"{Path(spark_folder, 'spark-env.sh')} sets what only a shell can read"
    if spark_home and lacks_hadoop(spark_home):
        return f"the Spark in {spark_home} is built without Hadoop: its client puts that of the nodes on the class path"
    return ""


def lacks_hadoop(spark_home: str) -> bool:
    """Whether a Spark is built without Hadoop; ``False`` where its YARN module is missing or does not say."""
    for jar in sorted(Path(spark_home, "jars").glob("spark-yarn_*.jar")):
        try:
            with zipfile.ZipFile(jar) as held:
                lines = held.read(_BUILD).decode("latin-1").splitlines()
        except (KeyError, OSError, zipfile.BadZipFile):
            continue
        pairs = [line.partition("=") for line in lines]
        return any(key.strip() == _PROVIDED and value.strip().lower() == "true" for key, _, value in pairs)
    return False


def _says_something(script: Path) -> bool:
    """Whether a shell script holds more than blank lines and comments; one that can't be read may."""
    try:
        lines = script.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)
