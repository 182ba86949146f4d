"""Rules for what happened to executors, memory, disks and data on the way."""

from __future__ import annotations

from batch_submit.diagnosis.evidence import EXECUTOR
from batch_submit.diagnosis.rules import Extent, Rule, Where, look

_LOST = r"(?:ExecutorLostFailure|Container from a bad node|Container (?:killed|marked)|Lost executor)"
_GONE = look(Where.DRIVER, r"(?:Container (?:from a bad node|killed|marked as failed)|ExecutorLostFailure)")
_HEAP = r"java\.lang\.OutOfMemoryError: (?P<what>Java heap space|GC overhead limit exceeded)"
_LESS_DATA = "fewer rows at a time per executor: more partitions (spark_config.spark.sql.shuffle.partitions)"

EXECUTORS = (
    Rule(
        "executor_virtual_memory",
        (
            (look(Where.TRACEBACK, r"(?P<used>\d[\d.]* \w+) of (?P<limit>\d[\d.]* \w+) virtual memory used"),),
            (look(Where.DRIVER, r"(?P<used>\d[\d.]* \w+) of (?P<limit>\d[\d.]* \w+) virtual memory used"),),
        ),
        "YARN killed executors for their virtual memory: {used} of {limit}",
        (
            "on the cluster: yarn.nodemanager.vmem-check-enabled=false, or a higher"
            " yarn.nodemanager.vmem-pmem-ratio: a JVM reserves about its heap + 2.7 GB of addresses that it never uses",
            "else larger containers: spark_config.executor_memory (--executor-memory), or"
            " spark_config.spark.executor.memoryOverhead (--conf spark.executor.memoryOverhead=2g)",
        ),
        about_executors=True,
    ),
    Rule(
        "executor_physical_memory",
        (
            (look(Where.TRACEBACK, r"(?P<used>\d[\d.]* \w+) of (?P<limit>\d[\d.]* \w+) physical memory used"),),
            (look(Where.DRIVER, r"(?P<used>\d[\d.]* \w+) of (?P<limit>\d[\d.]* \w+) physical memory used"),),
        ),
        "YARN killed executors for their physical memory: {used} of {limit}",
        (
            "more room beside the heap, for Python workers and buffers: spark_config.spark.executor.memoryOverhead"
            " (--conf spark.executor.memoryOverhead=2g)",
            "fewer tasks at once per executor: spark_config.executor_cores (--executor-cores)",
        ),
        about_executors=True,
    ),
    Rule(
        "executor_heap",
        (
            (look(Where.EXECUTOR, _HEAP, Extent.RECORD), _GONE),
            (look(Where.TRACEBACK, r"(?:Lost task|ExecutorLostFailure).{0,400}" + _HEAP),),
        ),
        "executors ran out of heap: {what}",
        ("more heap: spark_config.executor_memory (--executor-memory)", _LESS_DATA),
        about_executors=True,
    ),
    Rule(
        "preempted",
        ((look(Where.DRIVER, r"Container (?P<container>container_\w+).{0,400} was preempted"),),),
        "the scheduler took executors away for another queue (preemption), and the run did not get over it",
        (
            "submit to a queue whose own share is enough: --queue, or spark_config.queue",
            "let a stage be repeated more often: spark_config.spark.stage.maxConsecutiveAttempts (default 4)",
        ),
        "batch-submit status {id}",
        about_executors=True,
    ),
    Rule(
        "executor_lost",
        (
            (look(Where.DRIVER, _LOST + r".{0,400}Exit status: (?P<status>-(?:100|101|106))\b"),),
            (look(Where.TRACEBACK, _LOST + r".{0,400}Exit status: (?P<status>-(?:100|101|106))\b"),),
        ),
        "executors were lost with their node (container status {status}), and the run did not get over it",
        (
            "submit again: --retries 1 --retry-on lost does it by itself",
            "let a stage be repeated more often: spark_config.spark.stage.maxConsecutiveAttempts (default 4)",
            "keep shuffle files when executors go: the external shuffle service of the cluster, with"
            " spark_config.spark.shuffle.service.enabled=true",
        ),
        "batch-submit nodes",
        about_executors=True,
    ),
    Rule(
        "executor_cannot_start",
        (
            (
                look(
                    Where.EXECUTOR,
                    r"^(?:Error: Could not create the Java Virtual Machine|Error occurred during init"
                    r"|Error opening zip file)",
                ),
                look(Where.DIAGNOSTICS, r"Max number of executor failures \((?P<count>\d+)\) reached"),
            ),
        ),
        "no executor could start ({count} tries): its Java refused to run",
        ("correct spark_config.spark.executor.extraJavaOptions, or the environment in spark.executorEnv.*",),
    ),
    Rule(
        "executor_killed",
        (
            (look(Where.DRIVER, _LOST + r".{0,400}Exit status: (?P<status>137|143)\b"),),
            (look(Where.TRACEBACK, _LOST + r".{0,400}Exit status: (?P<status>137|143)\b"),),
        ),
        "executors were killed from outside of Spark and YARN (exit status {status})",
        (
            "137 is SIGKILL: most often the node itself ran out of memory; ask the administrators for its kernel log",
            "if so, ask for less: spark_config.executor_memory (--executor-memory), spark_config.num_executors",
        ),
        about_executors=True,
    ),
    Rule(
        "max_executor_failures",
        ((look(Where.DIAGNOSTICS, r"Max number of executor failures \((?P<count>\d+)\) reached"),),),
        "{count} executors failed, the limit (spark.executor.maxNumFailures)",
        ("the executors' own logs tell why they ended",),
        "batch-submit logs {id} --executors",
        ending=EXECUTOR,
    ),
    Rule(
        "fetch_failed",
        (
            (look(Where.TRACEBACK, r"has failed the maximum allowable number of times: (?P<times>\d+)"),),
            (look(Where.TRACEBACK, r"FetchFailedException"),),
        ),
        "shuffle files could not be fetched: the executor that wrote them is gone, or its disk was cleaned",
        (
            "keep shuffle files when executors go: the external shuffle service of the cluster, with"
            " spark_config.spark.shuffle.service.enabled=true",
            "if executors were lost, look for why: batch-submit logs {id} --driver --grep 'Lost executor'",
        ),
    ),
)

LIMITS = (
    Rule(
        "result_too_large",
        (
            (
                look(
                    Where.TRACEBACK,
                    r"Total size of serialized results of (?P<tasks>\d+) tasks \((?P<size>[^)]+)\) is bigger than"
                    r" spark\.driver\.maxResultSize \((?P<limit>[^)]+)\)",
                ),
            ),
        ),
        "the driver collected more than spark.driver.maxResultSize allows: {size} with {tasks} tasks, {limit} allowed",
        (
            "write the result instead of collecting it: no collect() or toPandas() of large data",
            "or allow more: spark_config.spark.driver.maxResultSize, with spark_config.driver_memory (--driver-memory)"
            " larger than it",
        ),
    ),
    Rule(
        "kryo_buffer",
        (
            (
                look(
                    Where.TRACEBACK,
                    r"Kryo serialization failed: Buffer overflow\. Available: \d+, required: (?P<needed>\d+)",
                ),
            ),
        ),
        "one object was larger than Kryo's buffer (needed: {needed} bytes more)",
        (
            "a larger buffer: spark_config.spark.kryoserializer.buffer.max"
            " (--conf spark.kryoserializer.buffer.max=256m; below 2048m)",
        ),
    ),
    Rule(
        "driver_heap",
        ((look(Where.TRACEBACK, r"^: " + _HEAP),), (look(Where.DRIVER, r'Exception in thread "[^"]*" ' + _HEAP),)),
        "the driver ran out of heap: {what}",
        (
            "more heap: spark_config.driver_memory (--driver-memory)",
            "hold less in the driver: no collect() or toPandas() of large data, no large broadcast",
        ),
    ),
    Rule(
        "hdfs_permission",
        (
            (
                look(
                    Where.TRACEBACK,
                    r"Permission denied: user=(?P<user>[^,\s]+), access=(?P<access>\w+), inode=\"(?P<path>[^\"]*)\""
                    r":(?P<owner>[^:\s]*):(?P<group>[^:\s]*):(?P<mode>\S+)",
                ),
            ),
        ),
        "HDFS denies {user} the access {access} to {path} (owner {owner}, group {group}, mode {mode})",
        (
            "read and write elsewhere: the paths in data_config, or the arguments of the script",
            "or have the owner allow it: hdfs dfs -setfacl -m user:{user}:rwx {path}",
        ),
    ),
    Rule(
        "hdfs_quota",
        (
            (
                look(
                    Where.TRACEBACK,
                    r"The (?P<kind>DiskSpace|NameSpace) quota(?: \(\w+ and \w+\))? of (?P<path>\S+) is exceeded:"
                    r"(?P<numbers>.{0,400})",
                ),
            ),
            (
                look(
                    Where.DRIVER,
                    r"The (?P<kind>DiskSpace|NameSpace) quota of (?P<path>\S+) is exceeded:(?P<numbers>.{0,400})",
                ),
            ),
        ),
        "the {kind} quota of {path} in HDFS is used up:{numbers}",
        ("delete what is no longer needed below {path}, or ask for a larger quota", "or write elsewhere: data_config"),
    ),
    Rule(
        "disk_full",
        (
            (look(Where.TRACEBACK, r"No space left on device"),),
            (look(Where.EXECUTOR, r"No space left on device"), _GONE),
        ),
        "a local disk is full: no space left on device",
        (
            "when it was a shuffle or spill on an executor: spread it over more nodes (spark_config.num_executors),"
            " or have the administrators enlarge yarn.nodemanager.local-dirs",
            "when the script wrote to the node's own disk: write to HDFS",
        ),
    ),
)
