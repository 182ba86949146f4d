"""Rules for what a Python traceback of the driver tells: from the special to the general."""

from __future__ import annotations

from batch_submit.diagnosis.evidence import DRIVER
from batch_submit.diagnosis.rules import Extent, Rule, Where, look

_EXITED = r"(?:User application|the driver) exited with(?: status)?"
_MODULE = r"^(?:ModuleNotFoundError|ImportError): No module named '(?P<module>[^']+)'"
#: Spark's own words, with its error class or of its exception: anybody's script may say "Path does not exist".
_NO_PATH = (
    r"(?:AnalysisException: '?(?:\[PATH_NOT_FOUND\] )?Path|\[PATH_NOT_FOUND\] Path|InvalidInputException: Input path)"
    r" does not exist: (?P<path>\S+?)[.;']*(?:\s|$)"
)

SPARK_ERRORS = (
    Rule(
        "missing_module_on_executor",
        ((look(Where.WORKER, _MODULE),),),
        "the Python module {module} is missing on the executors",
        (
            "your own code: job_specific_config.<type>.additional_py_files",
            "a package: put it into an environment, job_specific_config.<type>.archives with env.tar.gz#env and"
            " PYTHON_PATH=./env/bin/python, or have it installed on every node",
        ),
    ),
    Rule(
        "missing_module",
        ((look(Where.TRACEBACK, _MODULE),),),
        "the Python module {module} is missing where the driver runs",
        (
            "your own code: job_specific_config.<type>.additional_py_files",
            "a package: put it into an environment, job_specific_config.<type>.archives with env.tar.gz#env and"
            " PYTHON_PATH=./env/bin/python, or have it installed on every node",
        ),
    ),
    Rule(
        "missing_input",
        ((look(Where.TRACEBACK, _NO_PATH),),),
        "the input path {path} does not exist",
        (
            "correct the path in data_config, or in the arguments of the script; dates in it are filled by --date",
            "or have the data written first",
        ),
    ),
    Rule(
        "output_exists",
        ((look(Where.TRACEBACK, r"\[PATH_ALREADY_EXISTS\] Path (?P<path>\S+) already exists"),),),
        "the output path {path} exists, and the script does not overwrite it",
        (
            'overwrite it on purpose: .write.mode("overwrite") in the script',
            "or write to a new path for each run, with {{{{ ds }}}} or %Y%m%d in data_config",
        ),
    ),
    Rule(
        "missing_column",
        (
            (
                look(
                    Where.TRACEBACK,
                    r"\[UNRESOLVED_COLUMN\.\w+\] A column, variable, or function parameter with name (?P<column>\S+)"
                    r" cannot be resolved\.(?: Did you mean one of the following\? \[(?P<known>[^\]]*)\])?",
                ),
            ),
        ),
        "the data has no column {column}; near it: {known}",
        ("correct the name in the script, or the columns of the input",),
    ),
    Rule(
        "missing_table",
        ((look(Where.TRACEBACK, r"\[TABLE_OR_VIEW_NOT_FOUND\] The table or view (?P<table>\S+) cannot be found"),),),
        "there is no table or view {table}",
        (
            "correct its name, or name its database: database.table",
            "a table of Hive needs hive-site.xml in Spark's configuration, and enableHiveSupport() in the script",
        ),
    ),
    Rule(
        "bad_cast",
        (
            (
                look(
                    Where.TRACEBACK,
                    r"\[CAST_INVALID_INPUT\] The value (?P<value>.+?) of the type (?P<source>\S+) cannot be cast to"
                    r" (?P<target>\S+)",
                ),
            ),
        ),
        "a value can't be converted: {value} is no {target}",
        (
            "null instead of an error: try_cast() in the script",
            "or for the whole run, as Spark 3 did: spark_config.spark.sql.ansi.enabled=false",
        ),
    ),
    Rule(
        "missing_data_source",
        ((look(Where.TRACEBACK, r"(?:Failed to find|Cannot find).{0,400}data source: ?(?P<source>[\w.$-]*\w)"),),),
        "Spark has no data source {source} here",
        (
            "add its jar: job_specific_config.<type>.additional_jars, or"
            " spark_config.spark.jars.packages (--conf spark.jars.packages=…)",
        ),
    ),
    Rule(
        "python_version",
        (
            (
                look(
                    Where.TRACEBACK,
                    r"Python in worker has different version.{0,400}?(?P<worker>\d\.\d+).{0,400}?(?P<driver>\d\.\d+)",
                ),
            ),
        ),
        "driver and executors run different versions of Python: {worker} on the executors, {driver} in the driver",
        (
            "the same interpreter for both: PYTHON_PATH, or spark_config.spark.pyspark.python",
            "or ship one: job_specific_config.<type>.archives with env.tar.gz#env, and PYTHON_PATH=./env/bin/python",
        ),
    ),
    Rule(
        "context_in_udf",
        ((look(Where.TRACEBACK, r"\[CONTEXT_ONLY_VALID_ON_DRIVER\]"),),),
        "a function that runs on the executors uses the SparkSession, which only the driver has",
        ("take what it needs out of the function: collect it first, broadcast it, or join instead",),
    ),
    Rule(
        "unpicklable",
        ((look(Where.TRACEBACK, r"PicklingError: Could not serialize object: (?P<what>.{0,400})"),),),
        "a function or value can't be sent to the executors: {what}",
        ("make such things (connections, locks, clients) inside the function, once per partition (mapPartitions)",),
    ),
)

WORKERS = (
    Rule(
        "python_worker_crashed",
        ((look(Where.TRACEBACK, r"Python worker exited unexpectedly \(crashed\)"),),),
        "a Python worker on an executor crashed: by native code in a package, or for want of memory",
        (
            "see where: spark_config.spark.python.worker.faulthandler.enabled=true, for UDFs"
            " spark_config.spark.sql.execution.pyspark.udf.faulthandler.enabled=true",
            "when it was memory: spark_config.spark.executor.memoryOverhead"
            " (--conf spark.executor.memoryOverhead=2g), or fewer rows at a time",
        ),
    ),
    Rule(
        "program_not_found",
        ((look(Where.TRACEBACK, r'Cannot run program "(?P<program>[^"]+)": .*error=2'),),),
        "the program {program} does not exist on the node",
        ("have it installed on every node, or ship it: job_specific_config.<type>.archives",),
    ),
)

EXCEPTIONS = (
    Rule(
        "udf_exception",
        ((look(Where.WORKER, r"^(?P<error>.+)"),),),
        "a Python function on an executor failed with {error}{worker_place}",
        ("correct the function, or what it does with such a row",),
    ),
    Rule(
        "python_exception",
        ((look(Where.TRACEBACK, r"\A"),),),
        "the driver's Python script failed with {error}{error_place}",
        ("correct the script, its arguments or its input",),
    ),
    Rule(
        "script_signalled",
        (
            (
                look(
                    Where.DIAGNOSTICS,
                    r"exited with (?:status )?(?P<status>1(?:29|3\d|4\d|5\d))\b|ended by signal (?P<signal>\d+)",
                ),
            ),
        ),
        "the driver's Python was ended by a signal (status {status}{signal}; 139: a crash in native code, 137: a kill)",
        (
            "139: look for a package with native code that was built for another system",
            "137: the node ran out of memory: spark_config.spark.driver.memoryOverhead",
        ),
    ),
    Rule(
        "script_exit",
        (
            (look(Where.DIAGNOSTICS, rf"{_EXITED} (?P<status>(?!1\b)\d+)"),),
            # 1 is also what an exception leaves with: without the driver's output nobody can tell.
            (look(Where.DIAGNOSTICS, rf"{_EXITED} (?P<status>1)\b"), look(Where.DRIVER, r"\A", Extent.NOTHING)),
        ),
        "the script ended itself with status {status} (sys.exit){how}",
        ("what it printed last tells why; end with status 0, or without sys.exit, when that is no failure",),
        ending=DRIVER,
    ),
    Rule(
        "ended_early",
        ((look(Where.DIAGNOSTICS, r"Shutdown hook called before final status was reported"),),),
        "the driver's JVM was shut down before the script had ended: by System.exit in the script or its libraries",
        ("let the script end by itself, with spark.stop() as its last step",),
    ),
)
