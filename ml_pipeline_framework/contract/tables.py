"""What the data processing job reads and writes: the options of ``inputs`` and ``outputs``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ml_pipeline_framework.contract.operations import TABLE_NAME
from ml_pipeline_framework.contract.options import Option, Table, canonical, filled, known, names, problems_in
from ml_pipeline_framework.contract.problems import ParamProblem, nearest
from ml_pipeline_framework.contract.sql_types import type_problem

FORMATS = ("csv", "json", "orc", "parquet")
MODES = ("error", "overwrite", "append", "overwrite_partitions")
#: Spark's codecs per format that need no native library (LZO is in none).
CODECS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "parquet": ("zstd", "snappy", "gzip", "lz4", "none"),
        "orc": ("zstd", "snappy", "zlib", "lz4", "none"),
        "csv": ("none", "gzip", "bzip2", "deflate", "snappy", "lz4"),
        "json": ("none", "gzip", "bzip2", "deflate", "snappy", "lz4"),
    }
)
#: Options of Spark's text readers and writers, by our names.
TEXT_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "header": "header",
        "sep": "sep",
        "quote": "quote",
        "escape": "escape",
        "comment": "comment",
        "encoding": "encoding",
        "multi_line": "multiLine",
        "null_value": "nullValue",
        "date_format": "dateFormat",
        "timestamp_format": "timestampFormat",
    }
)
#: Those that JSON understands too.
JSON_OPTIONS = ("encoding", "multi_line", "date_format", "timestamp_format")


def _one_sign(value: Any) -> str:
    return "" if len(value) == 1 or value in ("\\t", "\\u0001") else f"{value!r} is not one sign"


_WRITTEN: Table = {
    "header": Option("flag", "the first line holds the names of the columns", default=True),
    "sep": Option("text", "sign between columns; default a comma, a tab for .tsv"),
    "quote": Option("text", "sign around texts", check=_one_sign),
    "escape": Option("text", "sign before a quote inside a text", check=_one_sign),
    "encoding": Option("text", "encoding of the text, such as ISO-8859-1; default UTF-8"),
    "null_value": Option("text", "the text that stands for null"),
    "date_format": Option("text", "pattern of dates"),
    "timestamp_format": Option("text", "pattern of timestamps"),
}

INPUT: Table = MappingProxyType(
    {
        "path": Option("names", "file, folder, pattern (*.csv) or a list of them; default the input path of the job"),
        "format": Option("text", "default by the path's extension, else parquet", choices=FORMATS),
        "schema": Option("schema", "types by column, Spark's DDL, or infer; columns not named are inferred"),
        "schema_path": Option("text", "a file with the schema: Spark's JSON, or DDL"),
        "infer_from": Option(
            "text", "what types are told from; default sample for CSV, all for JSON", choices=("sample", "all")
        ),
        **_WRITTEN,
        "comment": Option("text", "lines that begin with this sign are passed over", check=_one_sign),
        "multi_line": Option("flag", "texts may hold line ends, or one JSON document per file", default=False),
        "bad_records": Option(
            "text",
            "lines that don't fit the schema: fail the job, or keep them aside",
            choices=("fail", "keep"),
            default="fail",
        ),
        "recursive": Option("flag", "also folders below", default=False),
    }
)

OUTPUT: Table = MappingProxyType(
    {
        "path": Option("text", "where it goes; default the output path of the job"),
        "table": Option("text", "which table; default the one of this name, else the main one"),
        "columns": Option("names", "only these columns"),
        "format": Option("text", "default by the path's extension, else parquet", choices=FORMATS),
        "mode": Option("text", "what happens to what lies there", choices=MODES, default="error"),
        "partition_by": Option("names", "one folder per value of these columns"),
        "target_file_size": Option("size", "size of file to aim at", default="128m"),
        "compression": Option("text", "codec; default zstd, for text none"),
        **_WRITTEN,
    }
)

_EXTENSIONS = {"csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "orc": "orc", "parquet": "parquet"}
_COMPRESSED = ("gz", "bz2", "zst", "snappy", "lz4", "deflate")


def format_of(path: str) -> str:
    """Return the format that a path's extension tells (``x.csv.gz``: csv); Parquet when it tells none."""
    parts = path.rstrip("/").rsplit("/", 1)[-1].lower().split(".")
    if len(parts) > 2 and parts[-1] in _COMPRESSED:
        parts.pop()
    return _EXTENSIONS.get(parts[-1], "parquet") if len(parts) > 1 else "parquet"


def canonical_tables(given: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return inputs or outputs as they are stored; a path alone stands for a mapping with it."""
    result: dict[str, Any] = {}
    for name, one in given.items():
        if one is None:
            continue
        value = {"path": one} if isinstance(one, (str, list, tuple)) else one
        if isinstance(value, Mapping):
            value = canonical(value, table)
            schema = value.get("schema")
            if isinstance(schema, Mapping):
                value["schema"] = [{str(column): kind} for column, kind in schema.items()]
        result[name] = value
    return result


def read_table(one: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """Return a checked, canonical input or output with its defaults and its format."""
    values = filled(one, table)
    paths = names(values["path"])
    values["format"] = values["format"] or (format_of(paths[0]) if paths else "parquet")
    if values["sep"] is None and paths and ".tsv" in paths[0].lower():
        values["sep"] = "\t"
    return values


def input_problems(place: str, inputs: Mapping[str, Any]) -> list[ParamProblem]:
    """Return what is wrong with canonical inputs."""
    problems = []
    for name, one in inputs.items():
        here = f"{place}.{name}"
        if wrong := TABLE_NAME(name):
            problems.append(ParamProblem(here, wrong))
        plain = {key: value for key, value in one.items() if key != "schema"} if isinstance(one, Mapping) else one
        found = problems_in(here, plain, INPUT, "an input")
        if isinstance(one, Mapping):
            found += _schema_problems(f"{here}.schema", one)
        problems += found or _input_across(here, one)
    return problems


def _schema_problems(place: str, one: Mapping[str, Any]) -> list[ParamProblem]:
    schema = one.get("schema")
    if schema is None:
        return []
    if one.get("schema_path") is not None:
        return [ParamProblem(place, "says the same as schema_path", "keep one")]
    if isinstance(schema, str):
        if schema.strip() == "infer":
            return []
        wrong = type_problem(f"struct<{schema}>")
        return [ParamProblem(place, wrong, "such as a int, b string; or infer")] if wrong else []
    return problems_in(
        place.rpartition(".")[0], {"schema": schema}, {"schema": Option("types", "column to type")}, "an input"
    )


def _input_across(here: str, one: Mapping[str, Any]) -> list[ParamProblem]:
    paths = names(one.get("path"))
    kinds = {format_of(path) for path in paths}
    problems = []
    if one.get("format") is None and len(kinds) > 1:
        problems.append(ParamProblem(f"{here}.path", f"mixes {' and '.join(sorted(kinds))}", "one input per format"))
    kind = one.get("format") or next(iter(kinds), "parquet")
    problems += _not_for(here, one, kind, {*TEXT_OPTIONS, "bad_records", "infer_from"})
    return problems


def _not_for(here: str, one: Mapping[str, Any], kind: str, text_only: set[str]) -> list[ParamProblem]:
    """Return the options that the format does not know."""
    if kind == "csv":
        return []
    known_here = {*JSON_OPTIONS, "bad_records", "infer_from"} if kind == "json" else set()
    return [
        ParamProblem(f"{here}.{name}", f"has no meaning for {kind}", "leave it out, or set format: csv")
        for name in sorted(text_only - known_here)
        if one.get(name) is not None
    ]


def output_problems(place: str, outputs: Mapping[str, Any], tables: Iterable[str]) -> list[ParamProblem]:
    """Return what is wrong with canonical outputs; `tables` are those that there are after all steps."""
    there = sorted(tables)
    problems = []
    for name, one in outputs.items():
        here = f"{place}.{name}"
        found = problems_in(here, one, OUTPUT, "an output")
        if not found:
            found = _output_across(here, one)
        if isinstance(one, Mapping) and isinstance(one.get("table"), str):
            found += known(f"{here}.table", [one["table"]], there)
        elif len(outputs) > 1 and isinstance(one, Mapping) and not one.get("table") and name not in there:
            hint = f"{nearest(name, there)} or say which table it is: {name}: {{table: ...}}"
            found.append(ParamProblem(here, "is no table, and there are several outputs", hint))
        problems += found
    return problems


def _output_across(here: str, one: Mapping[str, Any]) -> list[ParamProblem]:
    kind = one.get("format") or (format_of(one["path"]) if one.get("path") else "parquet")
    problems = _not_for(here, one, kind, {name for name in TEXT_OPTIONS if name in OUTPUT})
    codec = one.get("compression")
    if codec is not None and codec not in CODECS[kind]:
        hint = f"codecs of {kind}: {', '.join(CODECS[kind])}"
        problems.append(ParamProblem(f"{here}.compression", f"{codec!r} is not a codec of {kind}", hint))
    if one.get("mode") == "overwrite_partitions" and not one.get("partition_by"):
        problems.append(ParamProblem(f"{here}.mode", "overwrite_partitions needs partition_by", "name its columns"))
    return problems


def path_problems(place: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[ParamProblem]:
    """Return outputs that lie in one another, or in an input."""
    problems: list[ParamProblem] = []
    read = [(name, path.rstrip("/")) for name, one in inputs.items() for path in names(one.get("path"))]
    written: list[tuple[str, str]] = []
    for name, one in outputs.items():
        path = str(one.get("path") or "").rstrip("/")
        if not path:
            continue
        for what, others in (("input", read), ("output", written)):
            for other, where in others:
                if path == where or path.startswith(where + "/") or where.startswith(path + "/"):
                    message = f"{path} lies at or in the same place as the {what} {other} ({where})"
                    problems.append(ParamProblem(f"{place}.{name}.path", message, "give another path"))
        written.append((name, path))
    return problems


def with_paths(one: Mapping[str, Any], qualify: Callable[[str], str], keys: Iterable[str]) -> dict[str, Any]:
    """Return a mapping with the paths under some of its keys qualified."""
    changed = dict(one)
    for key in keys:
        value = changed.get(key)
        if isinstance(value, str) and value:
            changed[key] = qualify(value)
        elif isinstance(value, (list, tuple)):
            changed[key] = [qualify(path) for path in value]
    return changed
