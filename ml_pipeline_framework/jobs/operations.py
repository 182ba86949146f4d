"""The operations of the data processing job as functions of DataFrames; options as the contract reads them.

All of them describe work and do none: Spark checks names and types when they are called, before the first task.
"""

from __future__ import annotations

import difflib
import importlib
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    DoubleType,
    FloatType,
    MapType,
    NullType,
    StructField,
    StructType,
)

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, OTHER, TEXT, TIME, kind_of, quoted
from ml_pipeline_framework.splits import key_hash, within_share

_ORDER = re.compile(r"(?P<what>.+?)(?:\s+(?P<way>asc|desc))?(?:\s+nulls\s+(?P<nulls>first|last))?", re.I | re.S)
_STEPS = 1_000_000
#: How a date, or the date of a timestamp, begins: Spark takes 10:30 for today's, and text behind a date for nothing.
_DAY = re.compile(r"\s*\d{4,}(-\d{1,2}){0,2}")


def need(frame: DataFrame, names: Sequence[str], what: str = "") -> None:
    """Check that columns exist; the caller adds what there is."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        close = {name: difflib.get_close_matches(name, frame.columns, 1, 0.6) for name in missing}
        said = [repr(name) + (f" (did you mean {close[name][0]!r}?)" if close[name] else "") for name in missing]
        raise DataError(f"there is no column {', '.join(said)}{what}")


def columns_of(names: Sequence[str]) -> list[Column]:
    """Return columns by name, whatever signs are in the names."""
    return [F.col(quoted(name)) for name in names]


def select(frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Keep columns, in this order."""
    need(frame, columns)
    return frame.select(*columns_of(columns))


def drop(frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Leave columns out."""
    need(frame, columns)
    return frame.select(*columns_of([name for name in frame.columns if name not in columns]))


def rename(frame: DataFrame, columns: Mapping[str, str]) -> DataFrame:
    """Rename columns all at once: two can change their names with each other."""
    need(frame, list(columns))
    return frame.select(*(F.col(quoted(name)).alias(columns.get(name, name)) for name in frame.columns))


def fill(frame: DataFrame, columns: Mapping[str, Any]) -> DataFrame:
    """Put values in the place of nulls (not of NaN)."""
    need(frame, list(columns))
    filled = {name: _filled(frame.sparkSession, frame.schema[name], value) for name, value in columns.items()}
    return frame.select(*(filled.get(name, F.col(quoted(name))).alias(name) for name in frame.columns))


def _filled(spark: SparkSession, column: StructField, value: Any) -> Column:
    wanted = BOOLEAN if isinstance(value, bool) else NUMBER if isinstance(value, (int, float)) else TEXT
    kind, constant = kind_of(column.dataType), value
    fits = kind == wanted or (kind == TIME and wanted == TEXT)
    if fits and kind in (NUMBER, TIME):
        # As text: 0.1 is not 0.1 any more once it was a double and becomes a decimal.
        constant = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        fits = _stays(spark, column.dataType, value, constant)
    if not fits:
        raise DataError(
            f"the column {column.name!r} is {column.dataType.simpleString()}, which {value!r} is not: give a value of "
            "that type, or cast the column in a step before"
        )
    return F.coalesce(F.col(quoted(column.name)), F.lit(constant).cast(column.dataType))


def _stays(spark: SparkSession, data_type: DataType, value: Any, text: str) -> bool:
    """Whether a value is still the same in a type: nothing is cut off, rounded or too large."""
    if kind_of(data_type) == TIME:
        day = _DAY.match(text)
        if day is None or (isinstance(data_type, DateType) and text[day.end() :].strip()):
            return False
    query = f"SELECT CAST(try_cast(:text AS {data_type.simpleString()}) AS string) AS found"
    row = spark.sql(query, args={"text": text}).first()
    if row is None or row["found"] is None:
        return False
    if isinstance(value, str):
        return True
    if isinstance(value, float) and isinstance(data_type, (FloatType, DoubleType)):
        return math.isfinite(float(row["found"]))  # rounded they are, whatever is done
    return Decimal(row["found"]) == Decimal(text)


def keep_rows(frame: DataFrame, condition: str) -> DataFrame:
    """Keep the rows for which a condition is true."""
    return frame.where(visible(frame, condition))


def visible(frame: DataFrame, expression: str) -> Column:
    """Return an expression that reads columns of this frame only.

    ``where`` and ``orderBy`` also find columns that a ``select`` before them has left out; ``select`` does not.
    """
    column = F.expr(expression)
    frame.select(column)
    return column


def derive(frame: DataFrame, columns: Sequence[tuple[str, object]]) -> DataFrame:
    """Add or replace columns; each expression sees the columns before it."""
    for name, expression in columns:
        frame = frame.withColumn(name, F.expr(sql_text(expression)))
    return frame


def sql_text(value: object) -> str:
    """Return an expression as SQL; YAML gives constants as numbers and booleans."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def drop_duplicates(frame: DataFrame, keys: Sequence[str] | None, order_by: Sequence[str] | None) -> DataFrame:
    """Keep one row of each key: the first in an order, else any."""
    need(frame, keys or ())
    if not keys:
        return frame.dropDuplicates()
    if not order_by:
        return frame.dropDuplicates(list(keys))
    plain = [one.name for one in frame.schema if not isinstance(one.dataType, MapType)]
    last = f"xxhash64({', '.join(quoted(name) for name in plain)})"  # ties: the same row in every run
    by = ", ".join(quoted(name) for name in keys)
    number = F.expr(f"row_number() OVER (PARTITION BY {by} ORDER BY {', '.join(order_by)}, {last})")
    own = "_" * max(len(name) for name in frame.columns) + "number"  # longer than all: nobody's name
    return frame.withColumn(own, number).where(f"{own} = 1").drop(own)


def alike(one: DataType, other: DataType) -> bool:
    """Whether values of two types are of one kind: Spark turns none into something else to bring them together."""
    if isinstance(one, NullType) or isinstance(other, NullType):
        return True
    if isinstance(one, ArrayType) and isinstance(other, ArrayType):
        return alike(one.elementType, other.elementType)
    if isinstance(one, MapType) and isinstance(other, MapType):
        return alike(one.keyType, other.keyType) and alike(one.valueType, other.valueType)
    if isinstance(one, StructType) and isinstance(other, StructType):
        theirs = {field.name.lower(): field.dataType for field in other}
        return all(alike(field.dataType, theirs.get(field.name.lower(), field.dataType)) for field in one)
    kind = kind_of(one)
    return type(one) is type(other) if kind == OTHER else kind == kind_of(other)


def key_types(left: DataFrame, right: DataFrame, options: Mapping[str, Any]) -> list[DataType]:
    """Return the types in which the keys of a join are compared.

    Raises
    ------
    DataError
        A key is missing; or a number is to be compared with a text, say: Spark would read the text as a number, and
        ``02`` and ``2`` would be the same key.
    """
    pairs, other = options["keys"], options["with"]
    need(left, [mine for mine, _ in pairs])
    need(right, [their for _, their in pairs], f" in {other}")
    types = [(left.schema[mine].dataType, right.schema[their].dataType) for mine, their in pairs]
    unlike = [
        f"{mine} is {one.simpleString()} and {their} of {other} is {two.simpleString()}"
        for (mine, their), (one, two) in zip(pairs, types, strict=True)
        if not alike(one, two)
    ]
    if unlike:
        raise DataError(f"the keys are of different types: {'; '.join(unlike)}; cast one of them in a step before")
    return [_common(left.sparkSession, one, two) for one, two in types]


def _common(spark: SparkSession, one: DataType, other: DataType) -> DataType:
    """Return the type in which Spark compares two: a large bigint is not itself any more beside a double."""
    if one == other:
        return one
    both = F.coalesce(F.lit(None).cast(one), F.lit(None).cast(other))
    return spark.range(0).select(both.alias("both")).schema["both"].dataType


def doubled_keys(frame: DataFrame, keys: Mapping[str, DataType]) -> DataFrame:
    """Return the keys that several rows have, and how many; nulls match nothing and don't count."""
    names = [f"_{i}" for i in range(len(keys))]
    columns = [F.col(quoted(key)).cast(keys[key]).alias(name) for key, name in zip(keys, names, strict=True)]
    known = frame.select(*columns).where(" AND ".join(f"{name} IS NOT NULL" for name in names))
    return known.groupBy(*names).agg(F.count(F.lit(1)).alias("_n")).where("_n > 1")


def join(left: DataFrame, right: DataFrame, options: Mapping[str, Any]) -> tuple[DataFrame, list[str]]:
    """Join two tables whose `key_types` are checked.

    The columns of the right one whose names were taken, with the names they got, are told. Keys become columns of one
    name, as with SQL's ``USING``. In a condition the columns of the right table go by the names that they have in the
    result.
    """
    how, pairs = options["how"], dict(options["keys"])
    theirs = [name for name in right.columns if name not in pairs.values()]
    if options["select"]:
        need(right, options["select"], f" in {options['with']}")
        theirs = [name for name in theirs if name in options["select"]]
    suffix = options["suffix"] or f"_{options['with']}"
    taken = {name.lower() for name in left.columns}
    names = {name: f"{name}{suffix}" if name.lower() in taken else name for name in theirs}
    if how in ("left_semi", "left_anti") and not options["condition"]:
        names = {}
    brought = right.select(
        *(F.col(quoted(their)).alias(mine) for mine, their in pairs.items()),
        *(F.col(quoted(name)).alias(new) for name, new in names.items()),
    )
    if options["broadcast"]:
        brought = F.broadcast(brought)
    if how == "cross":
        joined = left.crossJoin(brought)
    elif options["condition"]:
        joined = left.join(brought, F.expr(options["condition"]), how)
    else:
        joined = left.join(brought, list(pairs), how)
        joined = joined.select(*columns_of([*left.columns, *names.values()]))
    told = [f"{name} of {options['with']} is {new}" for name, new in names.items() if new != name]
    return joined, told


def union(frame: DataFrame, others: Mapping[str, DataFrame], missing: str) -> DataFrame:
    """Put the rows of several tables into one, columns by name."""
    for name, other in others.items():
        theirs = {one.name.lower(): one.dataType for one in other.schema}
        unlike = [
            f"{one.name} is {one.dataType.simpleString()} here and {their.simpleString()} in {name}"
            for one in frame.schema
            if (their := theirs.get(one.name.lower())) is not None and not alike(one.dataType, their)
        ]
        if unlike:
            raise DataError(f"columns are of different types: {'; '.join(unlike)}; cast one of them in a step before")
        frame = frame.unionByName(other, allowMissingColumns=missing == "fill")
    return frame


def aggregate(frame: DataFrame, by: Sequence[str] | None, columns: Sequence[tuple[str, object]]) -> DataFrame:
    """Make one row per group."""
    need(frame, by or ())
    made = [F.expr(sql_text(expression)).alias(name) for name, expression in columns]
    return frame.groupBy(*columns_of(by or ())).agg(*made)


def window(frame: DataFrame, options: Mapping[str, Any]) -> DataFrame:
    """Add columns computed over neighbouring rows; all of them see the table as it was before."""
    need(frame, options["partition_by"])
    parts = [f"PARTITION BY {', '.join(quoted(name) for name in options['partition_by'])}"]
    if options["order_by"]:
        parts.append(f"ORDER BY {', '.join(options['order_by'])}")
    if options["between"]:
        parts.append(options["between"])
    over = " ".join(parts)
    return frame.withColumns(
        {name: F.expr(f"{sql_text(expression)} OVER ({over})") for name, expression in options["columns"]}
    )


def sample(frame: DataFrame, fraction: float, keys: Sequence[str] | None, seed: int) -> DataFrame:
    """Keep a share of the keys: by their hash, so that neither partitions nor the cluster's size matter."""
    need(frame, keys or ())
    return frame.where(within_share(keys or frame.columns, seed, fraction, "sample"))


def split(frame: DataFrame, options: Mapping[str, Any]) -> dict[str, DataFrame]:
    """Divide rows among named tables: by conditions (the first that is true) or by the hash of a key."""
    if options["where"]:
        tests = {name: F.coalesce(visible(frame, sql_text(text)), F.lit(False)) for name, text in options["where"]}
    else:
        need(frame, options["keys"])
        place = F.pmod(key_hash(options["keys"], options["seed"], "split"), F.lit(_STEPS))
        tests, low = {}, 0.0
        for name, share in options["shares"]:
            high = low + share
            tests[name] = (place >= F.lit(round(low * _STEPS))) & (place < F.lit(round(high * _STEPS)))
            low = high
    parts, taken = {}, F.lit(False)
    for name, test in tests.items():
        parts[name] = frame.where(test & ~taken)
        taken = taken | test
    if options["others"]:
        parts[options["others"]] = frame.where(~taken)
    return parts


def ordered(frame: DataFrame, texts: Sequence[str]) -> list[Column]:
    """Return ``col``, ``col DESC``, ``col ASC NULLS LAST`` as columns to sort by."""
    found = []
    for text in texts:
        match = _ORDER.fullmatch(text.strip())
        if match is None:
            raise DataError(f"{text!r} is not of the form column [ASC|DESC] [NULLS FIRST|LAST]")
        name = f"{(match['way'] or 'asc').lower()}{'_nulls_' + match['nulls'].lower() if match['nulls'] else ''}"
        found.append(getattr(visible(frame, match["what"]), name)())
    return found


def sort(frame: DataFrame, by: Sequence[str], within_partitions: bool) -> DataFrame:
    """Put rows in order, as a whole or each partition by itself."""
    columns = ordered(frame, by)
    return frame.sortWithinPartitions(*columns) if within_partitions else frame.orderBy(*columns)


def repartition(frame: DataFrame, partitions: int | None, by: Sequence[str] | None) -> DataFrame:
    """Lay rows out anew."""
    need(frame, by or ())
    return frame.repartition(*([partitions] if partitions else []), *columns_of(by or ()))


def call(frame: DataFrame, name: str, args: Mapping[str, Any]) -> DataFrame:
    """Hand a table to a user's function and take back the one that it returns.

    Raises
    ------
    DataError
        The module or the function is not there, it raises, or it returns something else.
    """
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise DataError(
            f"the module {module_name!r} can't be imported ({error}): name its file in additional_py_files"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        there = ", ".join(sorted(one for one in vars(module) if not one.startswith("_"))) or "nothing"
        raise DataError(f"{module_name} has no function {function_name!r}; it has: {there}")
    try:
        result = function(frame, **args)
    except Exception as error:
        raise DataError(f"{name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(result, DataFrame):
        raise DataError(f"{name} returned {type(result).__name__}, not a DataFrame")
    return result


def query(spark: SparkSession, text: str, tables: Mapping[str, DataFrame]) -> DataFrame:
    """Run a query over tables by their names; nothing of it stays in the session."""
    for name, frame in tables.items():
        frame.createOrReplaceTempView(name)
    try:
        return spark.sql(text)
    finally:
        for name in tables:
            spark.catalog.dropTempView(name)
