"""What Python and numpy the nodes have: the tiny application of ``batch-submit doctor --deep``.

Writes one JSON file to the path that it is given: the driver's interpreter, those of the executors, or the words of the
error that kept the executors from answering (another minor version of Python, for one).
"""

import json
import platform
import socket
import sys

from pyspark.sql import SparkSession

TASKS = 4


def describe():
    """This interpreter, as a dictionary of texts."""
    try:
        import numpy
    except ImportError as error:
        found, why = "", str(error)
    else:
        found, why = numpy.__version__, ""
    return {
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "numpy": found,
        "numpy_error": why,
    }


def ask_executors(spark):
    """The same of the workers, and the error when they can't answer."""
    try:
        rows = spark.sparkContext.parallelize(range(TASKS), TASKS).map(lambda _: describe()).collect()
    except Exception as error:  # whatever keeps a worker from starting is the answer
        return [], str(error)[-4000:]
    return [dict(row) for row in {tuple(sorted(row.items())) for row in rows}], ""


def write(spark, path, text):
    """Write through the driver's JVM: no Python worker has a part in it."""
    context = spark.sparkContext
    target = context._jvm.org.apache.hadoop.fs.Path(path)
    stream = target.getFileSystem(context._jsc.hadoopConfiguration()).create(target, True)
    stream.write(bytearray(text, "utf-8"))
    stream.close()


def main(arguments):
    spark = SparkSession.builder.getOrCreate()
    executors, error = ask_executors(spark)
    answer = {"driver": describe(), "executors": executors, "error": error, "spark": spark.version}
    write(spark, arguments[0], json.dumps(answer, sort_keys=True))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
