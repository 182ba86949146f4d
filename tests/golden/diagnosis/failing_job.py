"""A driver that fails in one named way: each function is one way, called by name with the arguments that follow it.

Run on a cluster by ``provoke.py``; see ``README.md``. Nothing here is run by the tests.
"""

import os
import signal
import sys
import time
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType


def session():
    return SparkSession.builder.appName("failing-job").getOrCreate()


def python_exception():
    session()
    try:
        {"features": 1}["label"]
    except KeyError as error:
        raise ValueError("no label column named in the parameters") from error


def exception_while_handling():
    session()
    try:
        int("twelve")
    except ValueError:
        [][0]


def udf_exception():
    def ratio(value):
        return 100 // (value - 5)

    session().range(10).select(F.udf(ratio, LongType())("id")).collect()


def rdd_exception():
    session().sparkContext.parallelize(range(10), 2).map(lambda value: {"a": 1}["b"]).count()


def missing_module():
    import feature_store_client  # noqa: F401


def missing_module_on_executor():
    def score(value):
        import feature_store_client

        return feature_store_client.score(value)

    session().range(10).select(F.udf(score, LongType())("id")).collect()


def missing_input():
    session().read.parquet("/ml-pipeline/data/input/not-there").count()


def output_exists():
    spark = session()
    spark.range(1).write.mode("overwrite").parquet("/tmp/diagnosis/output")
    spark.range(1).write.parquet("/tmp/diagnosis/output")


def missing_column():
    session().range(10).select("departure_delay").show()


def missing_table():
    session().sql("SELECT * FROM flights_of_may").show()


def bad_cast():
    session().sql("SELECT CAST(concat('twelve', id) AS INT) FROM range(3)").collect()


def missing_data_source():
    session().read.format("avro").load("/tmp/diagnosis").show()


def driver_heap():
    session().range(0, 400, 1, 40).select(F.expr("repeat(cast(id as string), 3000000)")).collect()


def executor_heap():
    session().range(0, 4000, 1, 1).select(F.expr("repeat(concat('x', cast(id as string)), 40000)").alias("t")).select(
        F.expr("length(array_join(collect_list(t), ''))")
    ).collect()


def driver_container_memory():
    session()
    held = []
    for _ in range(40):
        held.append(b"x" * (64 << 20))
        time.sleep(0.2)
    time.sleep(20)


def executor_container_memory():
    def hold(value):
        held = []
        for _ in range(40):
            held.append(b"x" * (64 << 20))
            time.sleep(0.2)
        time.sleep(20)
        return len(held)

    session().range(0, 1, 1, 1).select(F.udf(hold, LongType())("id")).collect()


def map_addresses():
    """Addresses without memory behind them: what only the check of virtual memory minds."""

    def reserve(value):
        import mmap

        held = mmap.mmap(-1, 8 << 30)
        time.sleep(30)
        return len(held)

    session().range(0, 1, 1, 1).select(F.udf(reserve, LongType())("id")).collect()


def large_result():
    session().range(0, 2000000, 1, 4).collect()


def executor_killed():
    def kill(value):
        # The parent of the worker is PySpark's daemon, whose parent is the executor's JVM.
        jvm = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(jvm, signal.SIGKILL)
        time.sleep(5)
        return value

    session().range(0, 1, 1, 1).select(F.udf(kill, LongType())("id")).collect()


def permission_denied():
    session().range(1).write.parquet("/user/bob/private/scores")


def kryo_buffer():
    spark = session()
    # The zero value of a fold goes through Kryo's buffer whole.
    pair = spark._jvm.scala.Tuple2("a", "b")
    pairs = spark._jvm.java.util.ArrayList()
    pairs.add(pair)
    spark.sparkContext._jsc.parallelizePairs(pairs).foldByKey("x" * 1000000, None)


def quota():
    session().range(0, 100000).write.parquet("/tmp/diagnosis/quota/scores")


def local_disk():
    session().range(0, 6000000, 1, 2).select(
        "id", F.expr("concat(uuid(), uuid(), uuid(), uuid())").alias("t")
    ).repartition(4).select(F.expr("max(t)")).collect()


def driver_disk():
    Path("/dev/full").write_text("x" * 100000)


def lost_shuffle():
    spark = session()
    pairs = spark.sparkContext.parallelize(range(2000), 4).map(lambda n: (n % 10, n)).groupByKey(4)
    print("groups:", pairs.count())

    def wipe(_):
        for folder in os.environ["LOCAL_DIRS"].split(","):
            for path in Path(folder).glob("blockmgr-*/*/shuffle_*"):
                path.unlink()
        yield 1

    spark.sparkContext.parallelize(range(4), 4).mapPartitions(wipe).count()
    pairs.mapValues(len).collect()


def staged_reduce():
    """Executors that go away while this reduces take map output along that later tasks ask for."""
    spark = session()
    pairs = spark.sparkContext.parallelize(range(2000), 6).map(lambda n: (n % 24, n)).groupByKey(24)

    def slowly(values):
        time.sleep(3)
        return len(values)

    pairs.mapValues(slowly).collect()


def sleep(seconds):
    session()
    time.sleep(float(seconds))


def tasks(seconds, partitions):
    def wait(value):
        time.sleep(float(seconds))
        return value

    session().range(0, int(partitions), 1, int(partitions)).select(F.udf(wait, LongType())("id")).collect()


def no_context(seconds):
    time.sleep(float(seconds))


def exit_code(number):
    session()
    print("no rows for this day, nothing to do")
    sys.exit(int(number))


def exit_text():
    session()
    sys.exit("the parameters name no label column")


def signalled():
    session()
    os.kill(os.getpid(), signal.SIGSEGV)


def jvm_exit():
    session()._jvm.java.lang.System.exit(0)


def context_in_udf():
    spark = session()
    spark.range(3).rdd.map(lambda row: spark.range(row.id).count()).collect()


def unpicklable():
    import threading

    lock = threading.Lock()
    session().range(3).rdd.map(lambda row: (lock, row)).collect()


def one_row():
    print("rows:", session().range(1).select(F.udf(lambda n: n, LongType())("id")).collect())


if __name__ == "__main__":
    way = globals()[sys.argv[1]]
    way(*sys.argv[2:])
