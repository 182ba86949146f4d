"""What the label of a training run is: told from its values, in one pass over it and none for a boolean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, labels
from ml_pipeline_framework.contract import ALGORITHMS, TrainingParams
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs.splitting import Split, split_of
from ml_pipeline_framework.labels import Label, without_nan
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, columns_read_by, kind_of, quoted, require_columns

#: Every value of the label with its training and its test rows.
ByClass = list[tuple[Any, int, int]]


@dataclass(frozen=True)
class Settled:
    """What is learnt, how that was told, the rows per class where they were counted, and what the user should know."""

    label: Label
    reason: str
    by_class: ByClass | None
    warnings: list[str]


def _identity(params: TrainingParams) -> dict[str, str]:
    """Return the columns that name a row or its group, and why they are no features unless they are asked for.

    All rows of such a value are in one part: what is learnt of it is never seen again.
    """
    named = {params.group_column: "the group that the split goes by (group_column)"} if params.group_column else {}
    if len(params.key_columns) == 1:
        named.setdefault(params.key_columns[0], "the key of the row (key_columns)")
    return {
        name: f"{why}; name it in feature_columns to learn from it"
        for name, why in named.items()
        if name not in params.feature_columns
    }


def label_source(data: DataFrame, params: TrainingParams) -> tuple[Column | None, dict[str, str]]:
    """Return the label as it stands in the data (None for clustering), and which columns are no features, and why."""
    where, column = params.input_path, params.label_column
    barred = dict.fromkeys(params.exclude_columns, "in exclude_columns")
    barred |= _identity(params)
    barred |= dict.fromkeys(params.known_after_columns, "known only after the event (known_after_columns)")
    if not column:
        return None, barred
    barred[column] = "the label"
    if not params.label_expression:
        require_columns(data, [column], "model_config.label_column", where)
        return without_nan(data, F.col(quoted(column))), barred
    said_by = "model_config.label_expression"
    if column in data.columns:
        raise DataError(
            f"{where} has a column {column!r} already, and {said_by} would make another: leave label_expression out to "
            "use the column, or change model_config.label_column"
        )
    for name in columns_read_by(data, params.label_expression, said_by, where):
        barred.setdefault(name, "read by label_expression")
    named = [name for name in params.feature_columns if name in barred]
    if named:
        raise DataError(f"{said_by} reads {', '.join(named)}: take these out of model_config.feature_columns")
    return without_nan(data, F.expr(params.label_expression)), barred


def _learnable(params: TrainingParams) -> tuple[str, ...]:
    return tuple(ALGORITHMS[params.algorithm].tasks)


def first_look(data: DataFrame, raw: Column | None, params: TrainingParams) -> tuple[labels.Look | None, Split]:
    """Look at label and time in one pass, where they have to be looked at; return what they are and the split."""
    aggregates: list[Column] = []
    kind, type_name = "", ""
    if raw is not None:
        data_type = data.select(raw.alias("label")).schema["label"].dataType
        kind, type_name = kind_of(data_type), data_type.simpleString()
        if kind not in (BOOLEAN, NUMBER, TEXT):
            raise DataError(
                f"the label {params.label_column!r} of {params.input_path} is {type_name}, which is neither boolean, "
                f"number nor text: make it one with model_config.label_expression, such as {params.label_column} > 0"
            )
        if kind == NUMBER and params.task == "auto":
            aggregates = labels.look(raw)
    split, cuts = split_of(data, params, raw)
    row: Mapping[str, Any] = {}
    if aggregates or cuts:
        with datasets.reading(params.input_path):
            found = data.agg(*aggregates, *cuts).first()
        assert found is not None  # an aggregate without groups has one row
        row = found.asDict()
    if cuts:
        split = split.cut_at(row, params.input_path)
    if raw is None:
        return None, split
    return labels.Look(kind, type_name, row.get("distinct", 2), row.get("fractions", 1) == 0), split


def settled(
    data: DataFrame, raw: Column | None, params: TrainingParams, look: labels.Look | None, split: Split
) -> Settled:
    """Return what is learnt, from the values of the label.

    Raises
    ------
    DataError
        One class only, too many, or a task that the algorithm does not do.
    """
    if raw is None or look is None:
        return Settled(Label("", "", labels.CLUSTERING, None, None), "there is no label", None, [])
    by_class = None
    if look.kind == TEXT and params.task != labels.REGRESSION:
        by_class = _class_counts(data, raw, split, params)
        look = labels.Look(look.kind, look.type, len(by_class), False)
    task, reason = labels.tell_task(look, params.task, _learnable(params), params.label_column)
    if task == labels.REGRESSION:
        label = Label(params.label_column, params.label_expression, task, None, None, look.type)
        return Settled(label, reason, None, [])
    if look.kind != BOOLEAN and by_class is None:
        by_class = _class_counts(data, raw, split, params)
    return _classes(data, params, look, reason, by_class)


def _classes(
    data: DataFrame, params: TrainingParams, look: labels.Look, reason: str, by_class: ByClass | None
) -> Settled:
    """Return the label of a classification: those classes that training rows have."""
    asked, column, warnings = params.task, params.label_column, []
    values = [False, True] if by_class is None else [value for value, train, _ in by_class if train]
    if len(values) < 2:
        _refuse_one_class(data, by_class or [], params)
    task = asked if asked in labels.TASKS else labels.BINARY if len(values) == 2 else labels.MULTICLASS
    if task not in _learnable(params):
        raise DataError(
            f"{params.algorithm} does not do {task}, and the label {column!r} of {params.input_path} makes it that "
            f"({reason}; {len(values)} classes): choose another model_config.algorithm, or make another label"
        )
    classes, positive, why = labels.ordered_classes(values, task, params.positive_class, column)
    if why == labels.BY_ALPHABET:
        warnings.append(
            f"of the classes {classes[0]!r} and {classes[1]!r} the last in the alphabet is taken for the positive one: "
            "set model_config.positive_class if the other is looked for"
        )
    if task == labels.MULTICLASS and look.kind == NUMBER and asked == "auto":
        warnings.append(
            f"the label {column!r} is taken for {len(values)} classes ({reason}): "
            "set model_config.task to regression if it is a quantity"
        )
    label = Label(column, params.label_expression, task, classes, positive, look.type)
    return Settled(label, reason, by_class, warnings)


def _class_counts(data: DataFrame, raw: Column, split: Split, params: TrainingParams) -> ByClass:
    """Return (value, training rows, test rows) for every value of the label."""
    part = data.select(raw.alias("value"), split.in_test().alias("test")).where(
        "value is not null and test is not null"
    )
    counted = part.groupBy("value").agg(F.count_if(~F.col("test")).alias("train"), F.count_if("test").alias("test"))
    with datasets.reading(params.input_path):
        rows = counted.limit(labels.MAX_CLASSES + 1).collect()
    if len(rows) > labels.MAX_CLASSES:
        raise DataError(
            f"the label {params.label_column!r} of {params.input_path} has more than {labels.MAX_CLASSES} values: "
            "these are not classes; set model_config.task to regression, or make fewer classes with "
            "model_config.label_expression"
        )
    return sorted((_value(row["value"]), row["train"], row["test"]) for row in rows if row["value"] == row["value"])


def _value(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _refuse_one_class(data: DataFrame, by_class: ByClass, params: TrainingParams) -> NoReturn:
    where, column = params.input_path, params.label_column
    if not by_class:
        if data.isEmpty():
            raise DataError(f"{where} has no rows: check that the preparation step has written it")
        raise DataError(f"the label {column!r} is null in all rows of {where}: nothing to learn from")
    found = ", ".join(f"{value!r} in {train:,} training and {test:,} test rows" for value, train, test in by_class)
    raise DataError(
        f"{where}: the training set has fewer than two classes of the label {column!r} ({found}): there is nothing to "
        "learn; check model_config.label_expression, key_columns (many different keys are needed) and test_size"
    )
