"""What becomes of each column: told from the schema and one profile of the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, DoubleType, FloatType, StructType

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, TIME, kind_of, quoted

# Encodings of a column.
NUMBERS, PARTS, INDEX, ONE_HOT, TARGET, HASH, WORDS = (
    "number",
    "time_parts",
    "index",
    "one_hot",
    "target",
    "hash",
    "words",
)
#: Parts of a date or timestamp that can be learnt from. ``days`` since 1970 is not among the default ones: rows to be
#: scored later lie outside the days of the training, where a tree says what it said of the last day, and a linear model
#: goes on in a straight line. A year is left to ``days`` for the same reason.
TIME_PARTS = ("month", "day", "day_of_week", "hour", "is_weekend", "days")
OUTPUTS = ("_features", "prediction", "probability", "rawPrediction")

# Relative error of the distinct counts; HyperLogLog merges alike in any order. 0.02 takes 3.5 times as long.
_RSD = 0.05
_FREQUENT_NULLS = 0.05  # of the training rows: a column of its own says where they were
_MOST_TARGETS = 16_384  # categories whose means are kept in the driver and in the model; more share buckets
_UNIQUE = 0.8  # distinct values per row from which a column is an identifier
_ALMOST = 0.9  # numbers per value from which a text was probably meant to be a number
_IDENTIFIER_ROWS = 1000  # fewer rows do not tell an identifier
_TREE_TEXT, _WIDE = 128, 1024  # default buckets: a tree looks at each one, other learners at those that are not zero


@dataclass(frozen=True)
class Options:
    """What a user may say about encodings; the keys of ``model_config`` of the same names."""

    max_categories: int = 128
    one_hot_max: int = 50
    high_cardinality: str = "auto"
    hash_buckets: int = 0
    text_columns: tuple[str, ...] = ()
    text_buckets: int = 0
    time_parts: tuple[str, ...] = ("month", "day", "day_of_week", "hour", "is_weekend")


@dataclass(frozen=True)
class Feature:
    """A column to learn from: what it is (numeric, categorical, time, text) and how it is encoded."""

    name: str
    role: str
    type: str
    nulls: int  # in the training rows
    encoding: str = ""
    buckets: int = 0  # of hash and words
    parts: tuple[str, ...] = ()  # of time_parts
    marks_nulls: bool = False  # a slot of its own says where the nulls were


@dataclass(frozen=True)
class LeftOut:
    """A column not to learn from, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeaturePlan:
    """What becomes of every column of the data except the label; `rows` of the training, `style` of the learner."""

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    style: str = "tree"
    rows: int = 0

    def names(self, role: str) -> list[str]:
        """Return the columns of one role, in order."""
        return [one.name for one in self.features if one.role == role]

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return the plan for a report; what does not apply to a feature is not in it."""
        listed = [
            {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(one).items()}
            for one in self.features
        ]
        spare = ("buckets", "parts", "marks_nulls")
        return {
            "features": [{name: one[name] for name in one if one[name] or name not in spare} for one in listed],
            "left_out": [asdict(one) for one in self.left_out],
        }


def candidates(
    schema: StructType, *, allowed: Sequence[str], barred: Mapping[str, str]
) -> tuple[list[str], list[LeftOut]]:
    """Return the columns that may become features, and those that are out without a look at the data.

    Parameters
    ----------
    allowed : sequence of str
        The only columns to learn from; empty for all.
    barred : mapping
        Column to the reason why it is out.

    Raises
    ------
    DataError
        When a column to learn from has the name of one that the model adds.
    """
    chosen: list[str] = []
    left_out: list[LeftOut] = []
    for one in schema.fields:
        kind = kind_of(one.dataType)
        if one.name in barred:
            left_out.append(LeftOut(one.name, barred[one.name]))
        elif allowed and one.name not in allowed:
            left_out.append(LeftOut(one.name, "not in feature_columns"))
        elif kind not in (NUMBER, BOOLEAN, TEXT, TIME):
            left_out.append(LeftOut(one.name, f"type {one.dataType.simpleString()} is not learnt from"))
        else:
            chosen.append(one.name)
    taken = [name for name in chosen if name.lower() in {other.lower() for other in OUTPUTS}]
    if taken:
        raise DataError(
            f"the data has a column {', '.join(map(repr, taken))}, and the model adds one of that name: rename it, or "
            "name it in model_config.exclude_columns"
        )
    return chosen, left_out


def _known(schema: StructType, name: str, where: Column) -> Column:
    """Return a column's values where `where` holds; null also for NaN and infinity, which are no quantities."""
    column = F.col(quoted(name))
    if isinstance(schema[name].dataType, (DoubleType, FloatType)):
        where = where & ~F.isnan(column) & (F.abs(column) != float("inf"))
    return F.when(where, column)


def profile(schema: StructType, names: Sequence[str], where: Column) -> list[Column]:
    """Return aggregates over the rows where `where` holds: per column its nulls and how many values it has.

    Columns ``<i>_nulls`` (long), ``<i>_values`` (long, about the number of distinct values; for numbers and times 0, 1
    or 2, which is enough to see a constant) and for texts ``<i>_sentences`` (long, rows of four words or more) and
    ``<i>_numbers`` (long, rows that hold a number), `i` being the place in `names`; and ``profiled`` (long), the rows.
    """
    rows = F.count_if(where)
    aggregates = [rows.alias("profiled")]
    for place, name in enumerate(names):
        value = _known(schema, name, where)
        if kind_of(schema[name].dataType) == TEXT:
            values = F.approx_count_distinct(value, _RSD)
            # The text up to its third space is not the whole of it: no pattern, no split.
            sentences = F.count_if(F.substring_index(value, " ", 3) != value)
            aggregates.append(sentences.alias(f"{place}_sentences"))
            number = F.expr(f"try_cast({quoted(name)} AS DOUBLE)")
            aggregates.append(F.count_if(where & number.isNotNull()).alias(f"{place}_numbers"))
        else:
            low, high = F.min(value), F.max(value)
            values = F.when(low.isNull(), 0).when(low == high, 1).otherwise(2)
        aggregates += [(rows - F.count(value)).alias(f"{place}_nulls"), values.cast("long").alias(f"{place}_values")]
    return aggregates


def almost_numbers(schema: StructType, names: Sequence[str], found: Mapping[str, Any]) -> list[str]:
    """Return warnings about texts that are numbers in nearly all rows: a word for null makes a text of a CSV column.

    Parameters
    ----------
    found : mapping
        The row that `profile`'s aggregates gave.
    """
    said = []
    for place, name in enumerate(names):
        known, numbers = found["profiled"] - found[f"{place}_nulls"], found.get(f"{place}_numbers", 0)
        if kind_of(schema[name].dataType) == TEXT and _ALMOST * known <= numbers < known:
            said.append(
                f"{name} is text, and {numbers:,} of its {known:,} values are numbers: if the others stand for null "
                "(NA, -, ?), let data_processing read it with null_value, or cast it there"
            )
    return said


def plan(
    schema: StructType,
    names: Sequence[str],
    found: Mapping[str, Any],
    left_out: Sequence[LeftOut],
    *,
    style: str = "tree",
    task: str = "binary",
    options: Options | None = None,
) -> FeaturePlan:
    """Decide what becomes of each candidate.

    Parameters
    ----------
    found : mapping
        The row that `profile`'s aggregates gave.
    style : str
        What the learner asks of its features: ``Algorithm.style``.
    task : str
        binary, multiclass, regression or clustering: the first and the third allow target encoding.

    Raises
    ------
    DataError
        When a text column is no candidate or no text, or target encoding is asked for where there is no such thing.
    """
    said = options or Options()
    _check_options(schema, names, said, task)
    chosen: list[Feature] = []
    out = list(left_out)
    for place, name in enumerate(names):
        decided = _decided(schema, name, found, place, style=style, task=task, options=said)
        if isinstance(decided, str):
            out.append(LeftOut(name, decided))
        else:
            chosen.append(decided)
    ordered = sorted(out, key=lambda one: schema.names.index(one.name))
    return FeaturePlan(tuple(chosen), tuple(ordered), style, found["profiled"])


_ROLES = {NUMBER: "numeric", BOOLEAN: "categorical", TEXT: "categorical", TIME: "time"}


def _decided(
    schema: StructType, name: str, found: Mapping[str, Any], place: int, *, style: str, task: str, options: Options
) -> Feature | str:
    """Decide what becomes of one column: a feature, or the reason why it is left out."""
    rows, nulls, values = found["profiled"], found[f"{place}_nulls"], found[f"{place}_values"]
    kind = kind_of(schema[name].dataType)
    feature = Feature(name, _ROLES[kind], schema[name].dataType.simpleString(), nulls)
    if values == 0:
        return "null in every training row"
    if values == 1 and (nulls == 0 or kind in (NUMBER, TIME)):
        return "one value in all training rows"  # a filled number is constant, a null text is a category
    if kind == NUMBER:
        return replace(feature, encoding=NUMBERS, marks_nulls=nulls >= _FREQUENT_NULLS * rows)
    if kind == TIME:
        return _time(feature, schema, options)
    if name in options.text_columns or (kind == TEXT and _is_prose(found, place, rows)):
        return replace(feature, role="text", encoding=WORDS, buckets=options.text_buckets or _buckets(style))
    return _category(feature, values, rows, style=style, task=task, options=options)


def _check_options(schema: StructType, names: Sequence[str], options: Options, task: str) -> None:
    for name in options.text_columns:
        if name not in names or kind_of(schema[name].dataType) != TEXT:
            raise DataError(
                f"model_config.text_columns names {name!r}, which is no text column to learn from: texts are "
                + (", ".join(one for one in names if kind_of(schema[one].dataType) == TEXT) or "not in the data")
            )
    if options.high_cardinality == "target" and task not in ("binary", "regression"):
        raise DataError(
            "model_config.high_cardinality target needs a label that is a number or one of two classes, and the task "
            f"is {task}: set it to hash, drop or auto"
        )


def _buckets(style: str) -> int:
    return _TREE_TEXT if style == "tree" else _WIDE


def _is_prose(found: Mapping[str, Any], place: int, rows: int) -> bool:
    """Return whether a text is surely no category: nearly every row says something else, in four words or more."""
    known = rows - found[f"{place}_nulls"]
    return bool(
        known >= _IDENTIFIER_ROWS
        and found[f"{place}_values"] > 0.5 * known
        and found[f"{place}_sentences"] > _UNIQUE * known
    )


def _time(feature: Feature, schema: StructType, options: Options) -> Feature | str:
    is_date = isinstance(schema[feature.name].dataType, DateType)
    parts = tuple(one for one in TIME_PARTS if one in options.time_parts and not (is_date and one == "hour"))
    if not parts:
        return "model_config.time_parts names no part of it"
    return replace(feature, encoding=PARTS, parts=parts)


def _category(feature: Feature, values: int, rows: int, *, style: str, task: str, options: Options) -> Feature | str:
    """Choose the encoding of a category by the number of its values."""
    limit, said_by = (
        (options.max_categories, "max_categories") if style == "tree" else (options.one_hot_max, "one_hot_max")
    )
    if values <= limit:
        return replace(feature, encoding=INDEX if style == "tree" else ONE_HOT)
    way = options.high_cardinality
    if way == "drop":
        return f"about {values:,} categories, more than {said_by} {limit} (high_cardinality: drop)"
    known = rows - feature.nulls
    if way == "auto" and known >= _IDENTIFIER_ROWS and values > _UNIQUE * known:
        return (
            f"about {values:,} values in {known:,} rows: an identifier (high_cardinality: hash takes it all the same)"
        )
    if way == "auto":
        way = TARGET if task in ("binary", "regression") else HASH
    if way == TARGET:
        return replace(feature, encoding=TARGET, buckets=_MOST_TARGETS if values > _MOST_TARGETS else 0)
    return replace(feature, encoding=HASH, buckets=options.hash_buckets or (limit if style == "tree" else _WIDE))


def schema_of(planned: FeaturePlan, schema: StructType) -> list[dict[str, Any]]:
    """Return every raw column that the pipeline reads, for ``metadata.json``: name, type, nullable, role."""
    return [
        {"name": one.name, "type": one.type, "nullable": schema[one.name].nullable, "role": one.role}
        for one in planned.features
    ]
