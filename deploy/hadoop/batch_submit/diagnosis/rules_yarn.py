"""Rules for what YARN did: refused, killed, could not start. Most are told by the ResourceManager alone."""

from __future__ import annotations

from batch_submit.diagnosis.rules import Extent, Look, Rule, Where, look

_PHYSICAL = r"(?P<used>[\d.]+ [KMGT]?B) of (?P<limit>[\d.]+ [KMGT]?B) physical memory used"
_VIRTUAL = r"(?P<used>[\d.]+ [KMGT]?B) of (?P<limit>[\d.]+ [KMGT]?B) virtual memory used"

#: A program that is a Python by its name, or that Spark itself wanted to start as one (whatever its name).
_NO_PYTHON = r'Cannot run program "(?P<program>(?:[^"]*/)?(?:python|pypy)[\d.]*)": .*error=2'
_NO_INTERPRETER = (
    r'Cannot run program "(?P<program>[^"]+)": .*error=2.*'
    r"(?:\n\s+at java\..*){0,12}\n\s+at org\.apache\.spark\.(?:deploy\.PythonRunner|api\.python\.PythonWorkerFactory)\b"
)


def _said(pattern: str) -> tuple[Look, ...]:
    return (look(Where.DIAGNOSTICS, pattern),)


ENDED_BY_YARN = (
    Rule(
        "timed_out",
        (_said(r"exceeded the lifetime period|killed after --timeout"),),
        "the run was killed because it ran past its time limit; queue time counts",
        (
            "give it more time: --timeout T, or execution.timeout",
            "if it waited in the queue for long, choose another queue: --queue, or spark_config.queue",
        ),
        "batch-submit logs {id} --driver",
    ),
    Rule(
        "killed_by_user",
        (_said(r"killed by user (?P<user>\S*[^\s.,;])(?: at (?P<address>[\w.:-]*\w))?"),),
        "user {user} killed the application",
        ("ask {user} why; when it was a mistake, submit again",),
        "batch-submit status {id}",
        decisive=True,
    ),
    Rule(
        "queue_unknown",
        (_said(r"submitted by user \S+ to unknown queue: (?P<queue>\S+)"),),
        "the queue {queue} does not exist",
        ("name an existing queue: --queue, or spark_config.queue",),
        decisive=True,
    ),
    Rule(
        "queue_stopped",
        (_said(r"[Qq]ueue (?P<queue>[\w.-]+) is (?:STOPPED|DRAINING)"),),
        "the queue {queue} is stopped: it takes no new applications",
        ("choose another queue: --queue, or spark_config.queue", "ask the administrators to start {queue}"),
        decisive=True,
    ),
)

NOT_STARTED = (
    Rule(
        "localisation_failed",
        (_said(r"exitCode: -1000\n.{0,400}?File does not exist: (?P<path>\S+)"),),
        "the driver's container could not be started: {path} is missing, a file that YARN has to copy to the node",
        (
            "submit again: files in .sparkStaging are copied anew by each submit",
            "when the path is one of yours (additional_jars, additional_py_files, files, archives), put it back",
            "when this repeats, look for who deletes below .sparkStaging while applications wait",
        ),
        decisive=True,
    ),
    Rule(
        "driver_virtual_memory",
        (_said(r"beyond the 'VIRTUAL' memory limit.{0,400}, ?" + _VIRTUAL), _said(r"'VIRTUAL'.{0,400}; " + _VIRTUAL)),
        "YARN killed the driver's container for its virtual memory: {used} of {limit}",
        (
            "on the cluster: yarn.nodemanager.vmem-check-enabled=false, or a higher"
            " yarn.nodemanager.vmem-pmem-ratio: a JVM reserves about its heap + 2.7 GB of addresses that it never uses",
            "else a larger container: spark_config.driver_memory (--driver-memory), or"
            " spark_config.spark.driver.memoryOverhead (--conf spark.driver.memoryOverhead=2g)",
        ),
        decisive=True,
    ),
    Rule(
        "driver_physical_memory",
        (_said(r"beyond the 'PHYSICAL' memory limit.{0,400} " + _PHYSICAL),),
        "YARN killed the driver's container for its physical memory: {used} of {limit}",
        (
            "more room beside the heap, for Python too: spark_config.spark.driver.memoryOverhead"
            " (--conf spark.driver.memoryOverhead=2g)",
            "hold less in the driver: no toPandas() or collect() of large data",
        ),
        decisive=True,
    ),
    Rule(
        "python_not_found",
        (
            (look(Where.DRIVER, _NO_PYTHON),),
            (look(Where.TRACEBACK, _NO_PYTHON),),
            (look(Where.DRIVER, _NO_INTERPRETER),),
            (look(Where.TRACEBACK, _NO_INTERPRETER),),
        ),
        "the Python {program} does not exist on the node",
        (
            "name one that exists on every node: PYTHON_PATH, or spark_config.spark.pyspark.python",
            "or ship one: job_specific_config.<type>.archives with env.tar.gz#env, and PYTHON_PATH=./env/bin/python",
        ),
    ),
    Rule(
        "context_not_initialised",
        ((look(Where.DRIVER, r"Future timed out after \[(?P<wait>\d+) milliseconds\]", Extent.RECORD),),),
        "the script made no SparkSession within {wait} ms (spark.yarn.am.waitTime), and the application master gave up",
        (
            "make the SparkSession first, and load or wait afterwards",
            "or wait longer: spark_config.spark.yarn.am.waitTime (--conf spark.yarn.am.waitTime=600s)",
        ),
    ),
)
