"""The inputs of the data processing job: what is read, with which types, and what happens to lines that don't fit."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from ml_pipeline_framework import datasets
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs import inference
from ml_pipeline_framework.jobs.inference import Found

#: Where Spark puts a line that does not fit the schema.
CORRUPT = "_corrupt_record"
#: What Spark's inference adds when it meets a line that it can't read; not `CORRUPT`, which a column may be called.
_UNREADABLE = "_line_that_is_no_record"
#: Our names of what a text file is like, and Spark's.
_SPARKS = {
    "sep": "sep",
    "quote": "quote",
    "escape": "escape",
    "comment": "comment",
    "encoding": "encoding",
    "null_value": "nullValue",
    "date_format": "dateFormat",
    "timestamp_format": "timestampFormat",
}
_COLUMNAR = ("parquet", "orc")


@dataclass
class Source:
    """An input, opened: the rows to be, and what the report says of it."""

    name: str
    frame: DataFrame
    report: dict[str, Any] = field(default_factory=dict)
    #: Lines that don't fit are kept in the column :data:`CORRUPT`.
    keeps_bad: bool = False

    @property
    def is_text(self) -> bool:
        """Whether reading it twice would parse it twice."""
        return self.report["format"] not in _COLUMNAR


def opened(spark: SparkSession, name: str, given: Mapping[str, Any]) -> Source:
    """Look at an input and say how it will be read. No data is read but the sample that types are told from.

    Parameters
    ----------
    given : mapping
        The input with all defaults, as `DataProcessingParams.tables_read` gives it.

    Raises
    ------
    DataError
        Nothing lies there, it has no header or no columns, a declared column is missing, a file is damaged.
    """
    kind, where = given["format"], f"inputs.{name}"
    files = inference.files_at(spark, given["path"])
    report: dict[str, Any] = {
        "name": name,
        "path": ", ".join(given["path"]),
        "format": kind,
        "files": len(files),
        "bytes": sum(one.bytes for one in files),
    }
    if kind in _COLUMNAR:
        frame = _columnar(spark, given, where)
        report["schema_from"] = "the files"
    else:
        try:
            frame = _text(spark, given, files, where, report)
        except (PySparkException, Py4JJavaError) as error:
            raise DataError(
                f"{where}: {report['path']} can't be read as {kind}: {datasets.first_cause(error)}; check its options "
                "and its schema"
            ) from error
    report["schema"] = [{"name": one.name, "type": one.dataType.simpleString()} for one in frame.schema]
    return Source(name, frame, report, keeps_bad=kind not in _COLUMNAR and given["bad_records"] == "keep")


def _options(given: Mapping[str, Any]) -> dict[str, str]:
    options = {_SPARKS[key]: str(given[key]) for key in _SPARKS if given[key] is not None}
    options |= {"multiLine": str(bool(given["multi_line"])).lower(), "columnNameOfCorruptRecord": _UNREADABLE}
    if given["format"] == "csv":
        options["header"] = str(bool(given["header"])).lower()
    if given["recursive"]:
        options["recursiveFileLookup"] = "true"
    return options


def _declared(spark: SparkSession, given: Mapping[str, Any]) -> StructType | None:
    """Return the schema that the configuration declares, in its order; None when it declares none."""
    if given["schema_path"]:
        return inference.schema_of(spark, datasets.read_text(spark, given["schema_path"]))
    schema = given["schema"]
    if schema is None or (isinstance(schema, str) and schema.strip() == "infer"):
        return None
    if isinstance(schema, str):
        return inference.schema_of(spark, schema)
    columns = [next(iter(one.items())) for one in schema]
    quoted = ", ".join(f"`{name.replace('`', '``')}` {kind}" for name, kind in columns)
    return inference.schema_of(spark, quoted)


def _columnar(spark: SparkSession, given: Mapping[str, Any], where: str) -> DataFrame:
    options = {"recursiveFileLookup": "true"} if given["recursive"] else {}
    try:
        frame = spark.read.format(given["format"]).options(**options).load(list(given["path"]))
    except (PySparkException, Py4JJavaError) as error:
        raise DataError(
            f"{where}: {', '.join(given['path'])} can't be read as {given['format']}: {datasets.first_cause(error)}; "
            "set its format, or write the file anew"
        ) from error
    for one in _declared(spark, given) or ():
        _check_present(one.name, frame.columns, where)
        found = frame.schema[one.name].dataType
        if found != one.dataType:
            raise DataError(
                f"{where}.schema.{one.name}: is {found.simpleString()} in the files, not "
                f"{one.dataType.simpleString()}: "
                "correct the schema, or change the type in a step cast"
            )
    return frame


def _check_present(name: str, there: list[str], where: str) -> None:
    if name not in there:
        close = difflib.get_close_matches(name, there, 1, 0.6)
        said = f" (did you mean {close[0]!r}?)" if close else ""
        raise DataError(f"{where}.schema names the column {name!r}{said}, and the data has: {', '.join(there)}")


def _text(
    spark: SparkSession, given: Mapping[str, Any], files: list[Found], where: str, report: dict[str, Any]
) -> DataFrame:
    kind, options = given["format"], _options(given)
    declared = _declared(spark, given)
    if declared is not None and (kind == "json" or not given["header"]):
        schema, report["schema_from"] = declared, "the configuration"
    else:
        schema = _inferred(spark, given, files, options, declared, where, report)
    _check_names(schema.names, where)
    if given["bad_records"] == "keep":
        if CORRUPT in [name.lower() for name in schema.names]:
            raise DataError(
                f"{where}: a column is called {CORRUPT}, which is where lines that don't fit are kept: give it another "
                "name in the file, leave it out of the schema (JSON), or set bad_records: fail"
            )
        options |= {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": CORRUPT}
        schema = StructType([*schema.fields, StructField(CORRUPT, StringType())])
    else:
        options["mode"] = "FAILFAST"
    if kind == "csv" and given["header"]:
        options["enforceSchema"] = "false"  # the names in the header are compared with the schema
    return spark.read.format(kind).options(**options).schema(schema).load(list(given["path"]))


def _check_names(names: Sequence[str], where: str) -> None:
    alike = _alike(names)
    if alike:
        raise DataError(
            f"{where} has columns that are called alike (the case of letters does not count): {', '.join(alike)}; "
            f"give {where}.schema different names, or only the one that is wanted"
        )


def _alike(names: Sequence[str]) -> list[str]:
    folded = [name.lower() for name in names]
    return [name for name in names if folded.count(name.lower()) > 1]


def _check_header(
    spark: SparkSession, given: Mapping[str, Any], files: Sequence[Found], options: Mapping[str, str], where: str
) -> None:
    """Check that the columns of a header have names, and different ones.

    Spark would give them names of its own, and then miss those in the files.
    """
    header = inference.header_of(spark, files, given["encoding"] or "UTF-8", options)
    nameless = [str(i) for i, name in enumerate(header, 1) if not name]
    alike = _alike([name for name in header if name])
    said = [f"no name for column {', '.join(nameless)}"] if nameless else []
    if alike:
        said.append(f"columns that are called alike (the case of letters does not count): {', '.join(alike)}")
    if said:
        raise DataError(
            f"{where}: the header in {', '.join(given['path'])} has {' and '.join(said)}; name them in the file, or "
            f"read it by position: header: false, a {where}.schema with all columns in order, and bad_records: keep, "
            "which puts the line of the header aside where a column is no text"
        )


def _inferred(
    spark: SparkSession,
    given: Mapping[str, Any],
    files: list[Found],
    options: Mapping[str, str],
    declared: StructType | None,
    where: str,
    report: dict[str, Any],
) -> StructType:
    """Return the schema that the data tells, declared types before inferred ones; note from how much of it."""
    kind, paths = given["format"], ", ".join(given["path"])
    types = {one.name: one.dataType for one in declared or ()}
    how = given["infer_from"] or ("sample" if kind == "csv" and not given["multi_line"] else "all")
    if how == "all":
        schema, told = (
            inference.infer_all(spark, given["path"], kind, options),
            "all of the data, read once more for it",
        )
    else:
        lines = inference.sample_lines(spark, files, given["encoding"] or "UTF-8")
        if not lines:
            raise DataError(f"{where}: {paths} holds no line: there is nothing to tell columns from")
        schema, told = StructType(), "the configuration"
        if types:
            schema = inference.infer_lines(spark, lines[:1], kind, options, types=False)
        if not types or not set(schema.names) <= set(types):
            schema = inference.infer_lines(spark, lines, kind, options)
            told = f"a sample of {len(lines):,} lines"
    if schema.names == [_UNREADABLE]:
        raise DataError(
            f"{where}: {paths} has no line that can be read as {kind}: set its format, or multi_line: true for "
            "records of several lines"
        )
    schema = StructType([one for one in schema if one.name != _UNREADABLE])
    if not schema.fields:
        raise DataError(f"{where}: {paths} has no columns: declare them with {where}.schema")
    if kind == "csv" and given["header"] and any(name.endswith(str(i)) for i, name in enumerate(schema.names)):
        _check_header(spark, given, files, options, where)  # such are the names that Spark gives
    for name in types:
        _check_present(name, schema.names, where)
    inferred = [name for name in schema.names if name not in types]
    report["schema_from"] = told if not types or not inferred else f"the configuration; {', '.join(inferred)}: {told}"
    return StructType([StructField(one.name, types.get(one.name, one.dataType)) for one in schema])
