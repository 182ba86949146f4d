"""What the data processing job makes: functions and queries of users, outputs whole or not at all, quality."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("pyspark")
pytest.importorskip("yaml")

import yaml
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError, GateError, OutputError
from tests.spark.processing import read, rows_out

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
