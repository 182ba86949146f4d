"""The jobs that both launchers submit, and the script that tells what the containers saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Arguments that spark-submit in cluster mode delivers as they are; what it corrupts, ours delivers (see
#: ``test_rest_launcher_on_cluster``), and it is never given to spark-submit.
ODD = ["two words", "", "ä 東京", "it's", 'say "x"', "a\\b", "$HOME", "100%%", "--flag=a,b", "*", "; exit 3", "a&b|c"]

SCRIPT = """
import hashlib, json, os, sys, urllib.request
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
out, rm = sys.argv[1:3]


def look(_=None):
    files = {}
    for folder, folders, names in os.walk(".", followlinks=True):
        folders[:] = sorted(one for one in folders if one not in ("tmp", "__spark_libs__"))
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith((".crc", ".pyc")) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                files[os.path.relpath(path)] = hashlib.sha256(file.read()).hexdigest()[:12]
    return {"files": files, "environment": dict(os.environ), "path": sys.path}


def text(name):
    with open(name, encoding="utf-8") as file:
        return file.read()


told = {"arguments": sys.argv[3:], "driver": look(), "launch": text("launch_container.sh")}
told["conf"] = dict(spark.sparkContext.getConf().getAll())
told["command"] = text(f"/proc/{os.getppid()}/cmdline").split(chr(0))  # of the application master
told["modules"] = sorted(name for name in ("alone", "zipped") if __import__("importlib.util").util.find_spec(name))
told["properties"] = text("__spark_conf__/__spark_conf__.properties")
told["cache"] = text("__spark_conf__/__spark_dist_cache__.properties")
if spark.conf.get("spark.dynamicAllocation.enabled", "false") != "true":
    told["executor"] = spark.sparkContext.parallelize([1], 1).map(look).first()
application = spark.sparkContext.applicationId
with urllib.request.urlopen(f"{rm}/ws/v1/cluster/apps/{application}", timeout=30) as reply:
    told["application"] = json.load(reply)["app"]
hadoop = spark._jvm.org.apache.hadoop.fs
path = hadoop.Path(out)
stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).create(path)
stream.write(bytearray(json.dumps(told).encode()))
stream.close()
spark.stop()
"""

#: No executor: the driver alone tells most of it, in half the time.
NO_EXECUTOR = {
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.minExecutors": "0",
    "spark.dynamicAllocation.initialExecutors": "0",
}


@dataclass(frozen=True)
class Alike:
    """One job.

    Parameters
    ----------
    conf
        Spark properties.
    job
        Keys of its section.
    flags, arguments
        Of ``submit``, and behind ``--``.
    executor
        Whether it runs one, which tells what it saw too.
    sample
        Whether it belongs to the few that ``make test`` runs.
    spark35
        With the Spark 3.5 of ``.venv-spark35``.
    environment
        Of the submitting process.
    """

    name: str
    conf: dict[str, str] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    executor: bool = False
    sample: bool = False
    spark35: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, object]:
        """All Spark properties, as one writes them into a configuration."""
        small = {"spark.driver.memory": "512m", "spark.executor.memory": "512m", "spark.executor.cores": "1"}
        texts = {**small, **({"spark.executor.instances": "1"} if self.executor else NO_EXECUTOR), **self.conf}
        return {key: int(text) if text.isdecimal() else text for key, text in texts.items()}


ALL_FILES = {
    "additional_py_files": ["alone.py", "lib.zip"],
    "files": ["some.txt#renamed.txt", "other.txt"],
    "archives": ["data.zip#data"],
    "additional_jars": ["empty.jar"],
}
_OPTIONS = "-Dmy.a=1 -Dmy.b='two words' -Dmy.c=\"q\""
_EVERYTHING = {
    "spark.driver.memoryOverhead": "450m",
    "spark.driver.extraJavaOptions": _OPTIONS,
    "spark.yarn.priority": "2",
    "spark.yarn.appMasterEnv.MARK": "m",
    "spark.executorEnv.MARK": "e",
    "spark.yarn.stagingDir": "hdfs:///tmp/alike-all",
    "spark.yarn.rolledLog.includePattern": "spark.*",
    "spark.ui.view.acls": "bob",
    "spark.yarn.tags": "mine",
}

PLANS = [
    Alike("plain", sample=True),
    Alike("everything", _EVERYTHING, ALL_FILES, ("-q", "ml-queue", "--timeout", "20m"), tuple(ODD), True, True),
    Alike("arguments", arguments=tuple(ODD), sample=True),
    Alike("python files", job={"additional_py_files": ALL_FILES["additional_py_files"]}, executor=True),
    Alike("files", job={"files": ALL_FILES["files"]}, executor=True),
    Alike("archives", job={"archives": ["data.zip#data", "lib.zip"]}),
    Alike("jars", job={"additional_jars": ["empty.jar"]}, executor=True),
    Alike("overhead", {"spark.driver.memoryOverhead": "500m"}),
    Alike("overhead by its old name", {"spark.yarn.driver.memoryOverhead": "500"}),
    Alike("overhead factor", {"spark.driver.memory": "2g", "spark.driver.memoryOverheadFactor": "0.3"}, sample=True),
    Alike("overhead least", {"spark.driver.minMemoryOverhead": "512m"}),
    Alike("cores of the driver", {"spark.driver.cores": "2"}),
    Alike("environment", {"spark.yarn.appMasterEnv.A": "b c", "spark.executorEnv.D": "e;f"}, executor=True),
    Alike("a path of modules", {"spark.yarn.appMasterEnv.PYTHONPATH": "/opt/own"}),
    Alike("a path of modules of the host", environment={"PYTHONPATH": "/opt/of-the-host"}, executor=True),
    Alike(
        "paths of both",
        {
            "spark.executorEnv.PYTHONPATH": "/opt/of-executors",
            "spark.yarn.appMasterEnv.PYTHONPATH": "/opt/of-the-driver",
            "spark.yarn.appMasterEnv.CLASSPATH": "/opt/nothing.jar",
        },
        executor=True,
    ),
    Alike("priority", {"spark.yarn.priority": "3"}),
    Alike("tags", {"spark.yarn.tags": "Mine,other-one"}),
    Alike("attempts", {"spark.yarn.maxAppAttempts": "2", "spark.yarn.am.attemptFailuresValidityInterval": "1h"}),
    Alike("rolled logs", {"spark.yarn.rolledLog.includePattern": "x.*", "spark.yarn.rolledLog.excludePattern": "y"}),
    Alike("access", {"spark.ui.view.acls": "bob", "spark.modify.acls": "*", "spark.admin.acls.groups": "ops"}),
    Alike("staging", {"spark.yarn.stagingDir": "hdfs:///tmp/alike"}, {"files": ["other.txt"]}, sample=True),
    Alike("java options", {"spark.driver.extraJavaOptions": _OPTIONS, "spark.driver.defaultJavaOptions": "-Dz=1"}),
    Alike(
        "java options that name folders",
        {
            "spark.driver.defaultJavaOptions": "-Dmy.logs=<LOG_DIR>",
            "spark.driver.extraJavaOptions": "-Xlog:gc:file=<LOG_DIR>/gc.log -Dmy.pwd={{PWD}}/x -Dmy.app={{APP_ID}}",
        },
    ),
    Alike(
        "class path", {"spark.driver.extraClassPath": "/opt/x.jar:/opt/y", "spark.driver.extraLibraryPath": "/opt/l"}
    ),
    Alike("an interpreter", {"spark.pyspark.driver.python": "python3"}),
    Alike("an interpreter of the host", environment={"PYSPARK_DRIVER_PYTHON": "python3"}),
    Alike("queue and lifetime", flags=("-q", "ml-queue", "--timeout", "20m")),
    Alike("odd values", {"spark.my.value": "a: b = c # ü \\ !x", "spark.my.other": " x y "}, sample=True),
    Alike("jars in HDFS", {"spark.yarn.jars": "{jars},hdfs:///tmp/alike-jars/*.jar"}, executor=True),
    Alike("Spark 3.5", {"spark.yarn.jars": "local:{spark35}/jars/*"}, ALL_FILES, (), tuple(ODD), True, spark35=True),
    # Only what spark-submit delivers: a name with brackets is a pattern to it, an odd alias is decoded twice.
    Alike("odd names", job={"files": ["a b.txt", "x%20y.txt", "c d.txt#e.txt"]}, executor=True),
    # Of a zip with an alias spark-submit names the file in PYTHONPATH, which is not there: ours names the alias.
    Alike("a python file's alias", job={"additional_py_files": ["alone.py#renamed.py", "lib.zip"]}, executor=True),
    Alike("a name", flags=("-n", 'it\'s a "name" $HOME'), arguments=("x",)),
]
