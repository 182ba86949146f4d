"""The parts of the jobs: schemas, reading and writing."""

from __future__ import annotations

import pytest

pytest.importorskip("pyspark")

from pyspark.sql import functions as F

from ml_pipeline_framework import datasets
from ml_pipeline_framework.errors import DataError, OutputError
from ml_pipeline_framework.schemas import columns_read_by, require_columns


@pytest.fixture(scope="module")
def small(spark):
    """Columns of every kind, with nulls."""
    rows = [
        (1, 1.0, "a", True, None, "k", None, "x y"),
        (2, None, "b", None, None, "k", 5.0, "x y"),
        (3, float("nan"), None, False, None, "k", None, None),
        (4, 4.0, "a", True, None, "k", 5.0, "x y"),
    ]
    schema = "id long, n double, t string, b boolean, empty double, same string, one double, `odd.name` string"
    return spark.createDataFrame(rows, schema).withColumn("at", F.current_timestamp()).withColumn("many", F.array("id"))


def test_missing_columns_are_all_named(small):
    with pytest.raises(DataError, match=r"'sane' \(did you mean 'same'\?\), 'zzz', named in key_columns"):
        require_columns(small, ["id", "sane", "zzz"], "key_columns", "here")


def test_columns_of_an_expression(small):
    assert columns_read_by(small, "n > 1 and t = 'same' and `odd.name` is null", "it", "here") == ("n", "t", "odd.name")
    assert columns_read_by(small, "N > 1 and EMPTY is null", "it", "here") == ("n", "empty")  # Spark minds no case


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/flights.parquet", "parquet"),
        ("/a/flights", "parquet"),
        ("hdfs://nn/a/flights.CSV.gz", "csv"),
        ("/a.csv/flights", "parquet"),
        ("/a/part.json/", "json"),
        ("/a/x.orc", "orc"),
    ],
)
def test_formats_by_extension(path, expected):
    assert datasets.format_of(path) == expected


def test_csv_is_read_with_its_header(spark, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,x\n2,\n")
    frame = datasets.read(spark, (tmp_path / "x.csv").as_uri())
    assert [tuple(row) for row in frame.collect()] == [(1, "x"), (2, None)]


def test_writing_whole(spark, tmp_path):
    target = (tmp_path / "deep" / "ä.json").as_uri()

    def write(text):
        return lambda place: datasets.write_text(spark, place, text)

    datasets.save_whole(spark, target, write("é1"))
    assert datasets.read_text(spark, target) == "é1"
    with pytest.raises(OutputError, match="exists already"):
        datasets.save_whole(spark, target, write("2"))
    datasets.save_whole(spark, target, write("3"), replace=True)
    assert datasets.read_text(spark, target) == "3"
