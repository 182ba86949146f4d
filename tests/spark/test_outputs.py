"""Data written whole: whose it is, how many files, how many rows, and what a killed writer leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install '.[spark]'")

from pyspark.sql import functions as F

from ml_pipeline_framework.errors import OutputError
from ml_pipeline_framework.jobs import placing
from ml_pipeline_framework.jobs.outputs import Form, write_frame


def rows(spark, count, partitions=2):
    """Rows in no order that Spark knows of: an order would be kept."""
    numbers = spark.range(0, count, 1, partitions).select((F.col("id") * 2).alias("id"))
    return numbers.withColumn("dt", F.concat(F.lit("d"), F.col("id") % 3))


def seen(folder: Path) -> list[str]:
    """What lies in a folder, hidden names included."""
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("adaptive", ["true", "false"])
@pytest.mark.parametrize(
    ("format", "compression", "ending"),
    [
        ("parquet", "zstd", ".zstd.parquet"),
        ("orc", "none", ".orc"),
        ("csv", "gzip", ".csv.gz"),
        ("json", "none", ".json"),
    ],
)
def test_rows_are_counted_while_they_are_written(spark, tmp_path, format, compression, ending, adaptive):
    spark.conf.set("spark.sql.adaptive.enabled", adaptive)
    try:
        path = tmp_path / "über uns" / "out"
        found = write_frame(spark, rows(spark, 1000), str(path), Form(format, compression), run_id="a")
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    files = list(path.glob(f"part-*{ending}"))
    assert found == {
        "path": str(path),
        "rows": 1000,
        "files": 2,
        "bytes": sum(one.stat().st_size for one in files),
        "partitions": 0,
    }
    assert len(files) == 2
    reader = spark.read.format(format).option("header", "true")
    assert reader.load(str(path)).count() == 1000
    assert seen(path.parent) == ["out"], "nothing is left beside the result"


def test_many_small_tasks_make_few_files(spark, tmp_path):
    for adaptive in ("true", "false"):
        spark.conf.set("spark.sql.adaptive.enabled", adaptive)
        try:
            plain = write_frame(spark, rows(spark, 500, 40), str(tmp_path / f"p{adaptive}"), run_id="a")
            big = rows(spark, 500, 40)
            form = Form(partition_by=["dt"], bytes_hint=1000)
            parts = write_frame(spark, big, str(tmp_path / f"q{adaptive}"), form, run_id="a")
        finally:
            spark.conf.set("spark.sql.adaptive.enabled", "false")
        assert plain["files"] == 1
        assert parts["rows"] == 500
        assert parts["partitions"] == 3
        assert parts["files"] == 3, "one file per value, not one per value and task"


def test_settings_of_the_session_are_as_before(spark, tmp_path):
    key = "spark.sql.adaptive.coalescePartitions.parallelismFirst"
    before = spark.conf.get(key)
    spark.conf.set("spark.sql.adaptive.enabled", "true")
    try:
        write_frame(spark, rows(spark, 50, 4), str(tmp_path / "p"), Form(partition_by=["dt"]), run_id="a")
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    assert spark.conf.get(key) == before


@pytest.mark.parametrize("partition_by", [(), ("dt",)])
def test_no_rows_leave_a_readable_folder_with_all_columns(spark, tmp_path, partition_by):
    path = str(tmp_path / "none")
    empty = rows(spark, 10).where("id < 0")
    found = write_frame(spark, empty, path, Form(partition_by=partition_by), run_id="a")
    assert found["rows"] == 0
    assert found["files"] == 1
    again = spark.read.parquet(path)
    assert [(one.name, one.dataType) for one in again.schema] == [(one.name, one.dataType) for one in empty.schema]
    assert again.count() == 0


def test_a_run_replaces_its_own_and_nobody_elses(spark, tmp_path):
    path = tmp_path / "out"
    write_frame(spark, rows(spark, 10), str(path), run_id="first")
    assert json.loads((path / "_run.json").read_text())["rows"] == 10
    assert write_frame(spark, rows(spark, 20), str(path), run_id="first")["rows"] == 20
    with pytest.raises(OutputError, match=r"belongs to run first \(this is second\).*another --output-path"):
        write_frame(spark, rows(spark, 30), str(path), run_id="second", said_by="--output-path")
    assert spark.read.parquet(str(path)).count() == 20
    assert write_frame(spark, rows(spark, 30), str(path), run_id="second", mode="overwrite")["rows"] == 30
    assert placing.owner(spark, str(path)) == "second"
    skipped = write_frame(spark, rows(spark, 40), str(path), run_id="third", mode="ignore")
    assert skipped["skipped"] and spark.read.parquet(str(path)).count() == 30
    assert seen(tmp_path) == ["out"]


def test_what_names_no_run_is_not_replaced(spark, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("x")
    with pytest.raises(OutputError, match="nothing says which run it belongs to"):
        write_frame(spark, rows(spark, 10), str(tmp_path / "out"), run_id="a")
    assert seen(tmp_path / "out") == ["precious.txt"]


def test_append_adds_and_a_repeat_does_not_add_twice(spark, tmp_path):
    path = str(tmp_path / "out")
    for run_id, count in (("a", 10), ("b", 20), ("b", 20), ("a", 10)):
        found = write_frame(spark, rows(spark, count), path, run_id=run_id, mode="append")
        assert found["rows"] == count
    assert spark.read.parquet(path).count() == 30
    with pytest.raises(OutputError, match="nothing says which run"):
        write_frame(spark, rows(spark, 1), path, run_id="a")


def test_partitions_are_replaced_one_by_one(spark, tmp_path):
    path = str(tmp_path / "out")
    by_day = Form(partition_by=["dt"])
    write_frame(spark, rows(spark, 9), path, by_day, run_id="a", mode="overwrite_partitions")
    one = rows(spark, 300).where("dt = 'd1'")
    found = write_frame(spark, one, path, by_day, run_id="b", mode="overwrite_partitions")
    assert found["partitions"] == 1
    counts = {row["dt"]: row["count"] for row in spark.read.parquet(path).groupBy("dt").count().collect()}
    assert counts == {"d0": 3, "d1": 100, "d2": 3}


def test_a_column_that_the_format_has_no_room_for(spark, tmp_path):
    frame = spark.range(3).withColumn("many", F.array("id"))
    with pytest.raises(OutputError, match="can't be written as csv"):
        write_frame(spark, frame, str(tmp_path / "out"), Form("csv", "none"), run_id="a")
    assert seen(tmp_path) == []


def test_an_exchange_that_was_cut_in_two_is_finished(spark, tmp_path):
    path = tmp_path / "out"
    write_frame(spark, rows(spark, 10), str(path), run_id="a")
    path.rename(tmp_path / ".out.a.old")
    (tmp_path / ".out.a.tmp").mkdir()
    assert placing.check_free(spark, str(path), "a", "path")
    assert spark.read.parquet(str(path)).count() == 10
    assert seen(tmp_path) == ["out"]


SLOW = """
    import sys, time
    from pyspark.sql import SparkSession, functions as F
    from ml_pipeline_framework.jobs.outputs import write_frame
    spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
             .config("spark.log.level", "OFF").getOrCreate())
    slow = F.udf(lambda n: time.sleep(0.2) or n, "long")
    frame = spark.range(0, 4000, 1, 2).withColumn("slow", slow("id"))
    write_frame(spark, frame, sys.argv[1], run_id="first")
"""


def test_a_writer_killed_at_work_leaves_the_old_result(spark, tmp_path):
    path = tmp_path / "out"
    write_frame(spark, rows(spark, 10), str(path), run_id="first")
    command = [sys.executable, "-c", textwrap.dedent(SLOW), str(path)]
    job = subprocess.Popen(command, env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}, start_new_session=True)
    try:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob(".out.first.tmp/_temporary/0/_temporary/*")):
            assert job.poll() is None, "the writer ended by itself"
            assert time.monotonic() < deadline, f"the writer never began: {seen(tmp_path)}"
            time.sleep(0.1)
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    assert spark.read.parquet(str(path)).count() == 10
    assert seen(tmp_path) == [".out.first.tmp", "out"]
    assert write_frame(spark, rows(spark, 20), str(path), run_id="first")["rows"] == 20
    assert seen(tmp_path) == ["out"], "the same run clears what it left"
