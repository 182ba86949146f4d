"""Provoke failures on a dev cluster and keep what the cluster says of them, raw: ``provoke.py OUT CASE…``.

Needs the environment of ``devcluster env``. Writes ``OUT/<case>/report.json`` (the ResourceManager's reply) and
``OUT/<case>/<container>.<file>.txt`` (whole log files, from the JobHistoryServer); ``record.py`` makes golden cases of
them. Cases that need a cluster of their own or a hand at the right moment are told in ``README.md``.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONF = {
    p.findtext("name"): p.findtext("value")
    for p in ET.parse(Path(os.environ["HADOOP_CONF_DIR"], "yarn-site.xml")).getroot()
}
RM = "http://" + CONF["yarn.resourcemanager.webapp.address"]
JHS = CONF["yarn.log.server.web-service.url"]
PYTHON = os.environ.get("PYTHON_PATH", "python3")

#: case: what the script is told, properties, other flags of spark-submit.
CASES = {
    "python_exception": ("python_exception",),
    "python_exception_chained": ("exception_while_handling",),
    "udf_exception": ("udf_exception",),
    "rdd_exception": ("rdd_exception",),
    "missing_module": ("missing_module",),
    "missing_module_on_executor": ("missing_module_on_executor",),
    "missing_input": ("missing_input",),
    "output_exists": ("output_exists",),
    "missing_column": ("missing_column",),
    "missing_table": ("missing_table",),
    "bad_cast": ("bad_cast",),
    "missing_data_source": ("missing_data_source",),
    "driver_heap": ("driver_heap", {"spark.driver.maxResultSize": "0"}),
    "executor_heap": ("executor_heap",),
    "driver_container_memory": ("driver_container_memory",),
    "executor_container_memory": ("executor_container_memory",),
    "result_too_large": ("large_result", {"spark.driver.maxResultSize": "1m"}),
    "executor_killed": ("executor_killed",),
    "permission_denied": ("permission_denied", {}, {"HADOOP_USER_NAME": "alice"}),
    "kryo_buffer": (
        "kryo_buffer",
        {
            "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
            "spark.kryoserializer.buffer": "64k",
            "spark.kryoserializer.buffer.max": "128k",
        },
    ),
    "hdfs_quota": ("quota",),
    "local_disk": ("local_disk",),
    "driver_disk": ("driver_disk",),
    "fetch_failed": (
        "lost_shuffle",
        {"spark.stage.maxConsecutiveAttempts": "1", "spark.executor.instances": "2"},
    ),
    "killed_by_user": ("sleep 120",),
    "timed_out": ("sleep 120",),
    "executor_cannot_start": (
        "tasks 1 2",
        {
            "spark.executor.maxNumFailures": "2",
            "spark.executor.extraJavaOptions": "-javaagent:/opt/monitoring/agent.jar",
        },
    ),
    "max_executor_failures": (
        "tasks 1 2",
        {"spark.executor.maxNumFailures": "2", "spark.executorEnv.JAVA_HOME": "/opt/jdk-21"},
    ),
    "context_not_initialised": ("no_context 30", {"spark.yarn.am.waitTime": "5s"}),
    "script_exit": ("exit_code 3",),
    "script_exit_text": ("exit_text",),
    "script_exit_zero": ("exit_code 0",),
    "script_signalled": ("signalled",),
    "jvm_exit": ("jvm_exit",),
    "context_in_udf": ("context_in_udf",),
    "unpicklable": ("unpicklable",),
    "wrong_python": ("one_row", {"spark.pyspark.python": "/opt/python3.9/bin/python"}),
    "wrong_python_on_executor": (
        "one_row",
        {"spark.pyspark.python": "/opt/python3.9/bin/python", "spark.pyspark.driver.python": PYTHON},
    ),
    "python_version": (
        "one_row",
        {"spark.pyspark.python": os.environ.get("OTHER_PYTHON", "python3.12"), "spark.pyspark.driver.python": PYTHON},
    ),
    "unknown_queue": ("one_row", {"spark.yarn.queue": "nightly"}),
    "stopped_queue": ("one_row", {"spark.yarn.queue": "frozen"}),
    "virtual_memory": ("sleep 40",),
    "virtual_memory_executor": (
        "map_addresses",
        {"spark.driver.memory": "2400m", "spark.executor.memory": "2400m"},
    ),
    "preempted": (
        "staged_reduce",
        {"spark.yarn.queue": "default", "spark.executor.instances": "3", "spark.stage.maxConsecutiveAttempts": "1"},
    ),
    "executor_killed_in_reduce": (
        "staged_reduce",
        {"spark.executor.instances": "2", "spark.stage.maxConsecutiveAttempts": "1"},
    ),
    "two_attempts": ("python_exception", {"spark.yarn.maxAppAttempts": "2"}),
}


def get(url):
    with urllib.request.urlopen(url, timeout=30) as reply:
        return json.load(reply)


def as_list(value):
    return value if isinstance(value, list) else [value] if value else []


def without_banner(text):
    """The file itself, out of the lines that the JobHistoryServer puts around it."""
    head, _, rest = text.partition(b"\nLogContents:\n")
    length = int(head.rpartition(b"LogLength:")[2].split()[0])
    return rest[:length]


def submit(case):
    words, conf, env = (*CASES[case], {}, {})[:3]
    tag = f"provoke-{case}-{int(time.time())}"
    conf = {
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.executor.instances": "1",
        "spark.executor.cores": "1",
        "spark.pyspark.python": PYTHON,
        "spark.yarn.tags": tag,
        "spark.yarn.maxAppAttempts": "1",
        "spark.yarn.submit.waitAppCompletion": "false",
        "spark.ui.showConsoleProgress": "false",
        **conf,
    }
    argv = [f"{os.environ['SPARK_HOME']}/bin/spark-submit", "--master", "yarn", "--deploy-mode", "cluster"]
    argv += [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    argv += ["--name", case, str(HERE / "failing_job.py"), *words.split()]
    done = subprocess.run(argv, env={**os.environ, **env}, capture_output=True, text=True)
    found = (get(f"{RM}/ws/v1/cluster/apps?applicationTags={tag}").get("apps") or {}).get("app") or []
    if not found:
        sys.exit(f"{case}: no application; spark-submit said\n{done.stderr[-3000:]}")
    return found[0]["id"]


def collect(case, application_id, out):
    deadline = time.monotonic() + 300
    while True:
        report = get(f"{RM}/ws/v1/cluster/apps/{application_id}")
        if report["app"]["state"] in ("FINISHED", "FAILED", "KILLED"):
            break
        if time.monotonic() > deadline:
            sys.exit(f"{case}: {application_id} does not end")
        time.sleep(0.5)
    folder = Path(out, case)
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for _ in range(20):
        report = get(f"{RM}/ws/v1/cluster/apps/{application_id}")
        try:
            listing = get(f"{JHS}/aggregatedlogs?appid={application_id}")
        except urllib.error.HTTPError:
            listing = None
        if listing and report["app"].get("logAggregationStatus") in ("SUCCEEDED", "TIME_OUT", "FAILED"):
            break
        if not report["app"].get("amContainerLogs") or report["app"].get("logAggregationStatus") == "DISABLED":
            break
        time.sleep(1)
    (folder / "report.json").write_text(json.dumps(report, indent=1))
    for container in as_list(((listing or {}).get("containerLogsInfoes") or {}).get("containerLogsInfo")):
        for info in as_list(container["containerLogInfo"]):
            url = f"{JHS}/containerlogs/{container['containerId']}/{info['fileName']}"
            with urllib.request.urlopen(url, timeout=60) as reply:
                text = without_banner(reply.read())
            files[f"{container['containerId']}.{info['fileName']}"] = text
    for name, text in files.items():
        (folder / f"{name}.txt").write_bytes(text)
    app = report["app"]
    print(case, application_id, app["state"], app["finalStatus"], len(files), "files:", app["diagnostics"][:160])


if __name__ == "__main__":
    for name in sys.argv[2:]:
        name, _, known = name.partition("=")
        collect(name, known or submit(name), sys.argv[1])
