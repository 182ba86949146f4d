"""What the data processing job reads: texts that do not fit, and what stops a run before it works."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pyspark")
pytest.importorskip("yaml")

import yaml

from ml_pipeline_framework.errors import DataError, GateError
from tests.spark.processing import read, rows_out

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
