"""The parameters of data processing: steps, checks, inputs and outputs, down to the leaves."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from ml_pipeline_framework.contract import ContractError, DataProcessingParams

EXAMPLE = Path(__file__).parents[1] / "golden" / "data_processing" / "flights.yaml"
SMALL = {"inputs": {"a": "in.csv"}, "outputs": {"o": "out"}}


def made(section, flags=(), data_config=None):
    config = {"job": section, "data_config": data_config or {}}
    return DataProcessingParams.from_config(config, defaults={"run_id": "r1"}, flags=flags)


def problems(section, flags=(), data_config=None):
    with pytest.raises(ContractError) as caught:
        made(section, flags, data_config)
    return {one.key: str(one) for one in caught.value.problems}


def step_problems(*steps):
    return problems({**SMALL, "steps": list(steps)})


def check_problems(*checks):
    return problems({**SMALL, "quality": {"checks": list(checks)}})


def options(step, **more):
    return made({**SMALL, "steps": [step], **more}).steps_read()[0].options


# --- the whole


def example():
    return yaml.safe_load(EXAMPLE.read_text())["job_specific_config"]["data_processing"]


def test_the_example_is_read_and_survives_json_unchanged():
    params = made(example())
    assert params.main_table == "flights"
    assert params.inputs() == ("data/raw/flights.csv", "data/raw/planes.csv", "data/raw/weather.csv")
    assert "data/incoming/flights.parquet" in params.outputs()
    again = DataProcessingParams.from_json(params.to_json())
    assert again == params
    assert again.steps_read() == params.steps_read()
    assert list(again.tables_read()) == ["flights", "planes", "weather"]


def test_every_path_is_qualified_wherever_it_lies():
    section = {
        "inputs": {"a": {"path": ["x/*.csv", "y.csv"], "schema_path": "s.json"}},
        "steps": [{"quality": {"checks": [{"check": "row_count", "min": 1}], "quarantine_path": "q1"}}],
        "quality": {"checks": [{"check": "row_count", "min": 1}]},
        "outputs": {"o": "out"},
    }
    params = made(section).with_paths(lambda path: f"/root/{path}")
    found = params.tables_read()["a"]
    assert (found["path"], found["schema_path"]) == (("/root/x/*.csv", "/root/y.csv"), "/root/s.json")
    assert [one.options["quarantine_path"] for one in params.steps_read()] == [
        "/root/q1",
        "/root/quarantine/data_processing",
    ]
    assert params.outputs() == ("/root/out",)
    assert params.rejected_path == "/root/rejected/data_processing"
    assert params.metrics_path == "/root/metrics/data_processing/r1/metrics.json"
    assert params.inputs() == ("/root/y.csv",)  # a pattern is nobody's name


def test_flags_and_data_config_name_the_single_input_and_output():
    params = made({}, ["--input-path", "a.csv", "--output-path", "b.csv.gz"])
    assert params.tables_read()["data"]["format"] == "csv"
    assert params.tables_written()["output"]["path"] == "b.csv.gz"
    params = made(SMALL, ["--input-path", "other.json"], {"raw_data_path": "in-between.csv"})
    assert params.inputs() == ("other.json",)
    assert params.tables_read()["a"]["format"] == "json"
    assert params.with_flags(["--input-path", "third.orc"]).inputs() == ("third.orc",)
    two = {"inputs": {"a": {"schema": {"x": "int"}}, "b": "b.csv"}, "outputs": {"o": "out"}}
    assert made(two, ["--input-path", "a.csv"]).tables_read()["a"]["path"] == ("a.csv",)
    said = problems({**SMALL, "inputs": {"a": "a.csv", "b": "b.csv"}}, ["--input-path", "c.csv"])
    assert "the path of one input, and 0 of 2 name none" in said["--input-path"]


def test_without_input_or_output_there_is_nothing_to_do():
    said = problems({})
    assert "there is no input" in said["job.inputs"]
    assert "--output-path" in said["job.outputs"]


def test_the_quality_section_stands_before_the_first_split_else_at_the_end():
    quality = {"checks": [{"check": "not_null", "column": "k"}]}
    split = {"split": {"keys": "k", "shares": {"x": 0.5, "y": 0.5}}}
    params = made({**SMALL, "steps": [{"filter": "k > 1"}, split, {"filter": "k > 2"}], "quality": quality})
    assert [(one.op, one.index) for one in params.steps_read()] == [
        ("filter", 0),
        ("quality", -1),
        ("split", 1),
        ("filter", 2),
    ]
    params = made({**SMALL, "steps": [{"filter": "k > 1"}], "quality": quality})
    assert [one.op for one in params.steps_read()] == ["filter", "quality"]


# --- short forms


@pytest.mark.parametrize(
    ("step", "key", "value"),
    [
        ({"filter": "x > 1"}, "where", "x > 1"),
        ({"select": "x"}, "columns", ("x",)),
        ({"cast": {"x": "int", "y": "decimal(10,2)"}}, "columns", (("x", "int"), ("y", "decimal(10,2)"))),
        ({"cast": {"columns": {"x": "date"}, "on_error": None}}, "on_error", "null"),
        ({"derive": {"b": "1", "a": "b + 1"}}, "columns", (("b", "1"), ("a", "b + 1"))),
        ({"drop_duplicates": []}, "keys", ()),
        ({"sample": 0.1}, "fraction", 0.1),
        ({"repartition": 8}, "partitions", 8),
        ({"sort": ["x DESC"]}, "by", ("x DESC",)),
        ({"join": {"with": "a", "on": "k"}}, "keys", (("k", "k"),)),
        ({"join": {"with": "a", "keys": {"k": "their_k"}, "how": "outer"}}, "how", "full"),
        ({"function": "my.module:clean"}, "call", "my.module:clean"),
        ({"rename": {"columns": "c"}}, "columns", {"columns": "c"}),
    ],
)
def test_steps_are_written_short_or_long(step, key, value):
    assert options(step)[key] == value


# --- what is wrong, and where


@pytest.mark.parametrize(
    ("step", "key", "said"),
    [
        ({"filtr": "x"}, "filtr", "did you mean filter?"),
        ({"filter": ""}, "filter.where", "is empty"),
        ({"filter": {"were": "x"}}, "filter.were", "did you mean where?"),
        ({"filter": "x", "select": ["x"]}, "", "has filter and select"),
        ({"name": "x"}, "", "has no operation"),
        ({"cast": {"x": "integr"}}, "cast.columns.x", "did you mean integer?"),
        ({"cast": {"x": "decimal(40,2)"}}, "cast.columns.x", "1 to 38 digits"),
        ({"cast": {"x": "array<int"}}, "cast.columns.x", "'>' is missing"),
        ({"cast": {"columns": {"x": "int"}, "on_error": "rejct"}}, "cast.on_error", "did you mean reject?"),
        ({"cast": {"columns": {"x": "int"}, "format": "yyyy"}}, "cast.format", "is for dates"),
        ({"rename": ["x"]}, "rename.columns", "is not a mapping"),
        ({"rename": {"x": "z", "y": "z"}}, "rename.columns", "two columns the name 'z'"),
        ({"fill": {"x": None}}, "fill.columns.x", "is not a plain value"),
        ({"fill": {"x": 0.5, "y": math.nan}}, "fill.columns.y", "nan is not a number that the report can hold"),
        ({"derive": {"x": ""}}, "derive.columns.x", "is not an SQL expression"),
        ({"join": {"with": "b", "keys": "k"}}, "join.with", "'b' is not a table here (known: a)"),
        ({"join": {"with": "a"}}, "join", "has none of keys, condition"),
        ({"join": {"with": "a", "keys": "k", "condition": "x"}}, "join", "has keys and condition"),
        ({"join": {"with": "a", "keys": "k", "on": "k"}}, "join.on", "says the same as keys"),
        ({"join": {"with": "a", "keys": "k", "how": "lft"}}, "join.how", "did you mean left?"),
        ({"join": {"with": "a", "keys": "k", "how": "cross"}}, "join.keys", "no meaning in a cross join"),
        ({"union": {"with": ["c"]}}, "union.with", "'c' is not a table"),
        ({"window": {"columns": {"x": "sum(y)"}}}, "window.partition_by", "is missing"),
        ({"sample": 2}, "sample.fraction", "at or below 1"),
        ({"split": {"shares": {"x": 0.5, "y": 0.4}, "keys": "k"}}, "split.shares", "add up to 0.9"),
        ({"split": {"shares": {"x": 0.5, "y": 0.5}}}, "split.keys", "is missing"),
        ({"split": {"where": {"x-y": "k"}}}, "split", "not a name for a table"),
        ({"repartition": {}}, "repartition", "neither partitions nor by"),
        ({"function": "clean"}, "function.call", "module:function"),
        ({"sql": "DROP TABLE x"}, "sql.query", "must begin with SELECT or WITH"),
        ({"filter": "x", "table": "b"}, "table", "'b' is not a table"),
        ({"filter": "x", "as": "b c"}, "as", "not a name for a table"),
        ({"quality": {"checks": [{"check": "rnge"}]}}, "quality.checks[0].check", "did you mean range?"),
    ],
)
def test_a_wrong_step_is_named_to_the_leaf(step, key, said):
    place = "job.steps[1]" + (f".{key}" if key else "")
    found = step_problems({"filter": "x > 0"}, step)
    assert said in found[place]
    assert len(found) == 1


def test_tables_are_known_from_where_they_are_made():
    split = {"split": {"where": {"early": "x < 1"}, "others": "late"}}
    use = {"table": "early", "union": "late"}
    assert made({**SMALL, "steps": [split, use]}).steps_read()[1].options["with"] == ("late",)
    assert set(step_problems(use, split)) == {"job.steps[0].table", "job.steps[0].union.with"}


@pytest.mark.parametrize(
    ("check", "key", "said"),
    [
        ({"column": "x"}, ".check", "is missing"),
        ({"check": "range", "column": "x"}, "", "neither min nor max"),
        ({"check": "range", "column": "x", "min": 2, "max": 1}, "", "lies above"),
        ({"check": "range", "column": "x", "min": "a", "max": 1}, "", "different kinds"),
        ({"check": "null_share", "column": "x", "max": 1.5}, ".max", "at or below 1"),
        ({"check": "row_count", "min": 1, "action": "quarantine"}, ".action", "no single rows"),
        ({"check": "not_null", "colum": "x"}, ".colum", "did you mean columns?"),
        ({"check": "allowed", "column": "x", "values": [1], "action": "wrn"}, ".action", "did you mean warn?"),
        ({"check": "allowed", "column": "x", "values": []}, ".values", "is empty"),
    ],
)
def test_a_wrong_check_is_named_to_the_leaf(check, key, said):
    good = {"check": "not_null", "column": "x"}
    assert said in check_problems(good, check)[f"job.quality.checks[1]{key}"]


@pytest.mark.parametrize(
    ("section", "key", "said"),
    [
        ({"inputs": {"a-b": "x.csv"}}, "job.inputs.a-b", "not a name for a table"),
        ({"inputs": {"a": {"path": "x.csv", "sepp": ";"}}}, "job.inputs.a.sepp", "did you mean sep?"),
        ({"inputs": {"a": {"path": "x.csv", "schema": {"c": "intt"}}}}, "job.inputs.a.schema.c", "did you mean int?"),
        ({"inputs": {"a": {"path": "x.csv", "schema": "c intt"}}}, "job.inputs.a.schema", "did you mean int?"),
        ({"inputs": {"a": {"path": "x", "sep": ";"}}}, "job.inputs.a.sep", "no meaning for parquet"),
        ({"inputs": {"a": {"path": ["x.csv", "y.json"]}}}, "job.inputs.a.path", "mixes csv and json"),
        ({"inputs": {"a": {"format": "csv"}}}, "job.inputs.a.path", "or give --input-path"),
        ({"main_table": "b"}, "job.main_table", "is not an input"),
        (
            {"outputs": {"o": {"path": "x", "compression": "zip"}}},
            "job.outputs.o.compression",
            "not a codec of parquet",
        ),
        ({"outputs": {"o": {"path": "x", "mode": "overwrite_partitions"}}}, "job.outputs.o.mode", "partition_by"),
        ({"outputs": {"o": {"path": "x", "table": "b"}}}, "job.outputs.o.table", "'b' is not a table"),
        ({"outputs": {"o": {"path": "x", "target_file_size": "big"}}}, "job.outputs.o.target_file_size", "128m"),
        (
            {"outputs": {"o": {"path": "x", "table": "a"}, "p": {"path": "x/y", "table": "a"}}},
            "job.outputs.p.path",
            "the output o",
        ),
        ({"outputs": {"o": {"path": "x", "table": "a"}, "p": "y"}}, "job.outputs.p", "is no table"),
        (
            {
                "outputs": {"o": "x"},
                "quality": {"checks": [{"check": "row_count", "min": 1}], "quarantine_path": "x/bad"},
            },
            "job.quality.quarantine_path",
            "lies in o",
        ),
        ({"outputs": {"o": "x"}, "rejected_path": "x"}, "job.rejected_path", "lies in o"),
        ({"outputs": {"o": "in.csv"}}, "job.outputs.o.path", "the input a"),
        ({"quality": {"check": []}}, "job.quality.check", "did you mean checks?"),
        ({"step": []}, "job.step", "did you mean steps?"),
    ],
)
def test_wrong_inputs_outputs_and_sections(section, key, said):
    assert said in problems({**SMALL, **section})[key]


@pytest.mark.parametrize(
    "kind",
    [
        "int",
        "DECIMAL(10, 2)",
        "map<string,array<double>>",
        "struct<a: int, `b c`: string>",
        "varchar(20)",
        "timestamp_ntz",
    ],
)
def test_types_that_spark_reads_are_accepted(kind):
    assert options({"cast": {"x": kind}})["columns"] == (("x", kind),)
