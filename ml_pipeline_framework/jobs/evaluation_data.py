"""The rows that an evaluation measures on: with their label as in training, counted, and known for old or new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, splits
from ml_pipeline_framework.contract import EvaluationParams
from ml_pipeline_framework.errors import DataError, ModelError
from ml_pipeline_framework.jobs import scoring
from ml_pipeline_framework.labels import Label, label_column
from ml_pipeline_framework.model_store import StoredModel
from ml_pipeline_framework.schemas import TEXT, columns_read_by, kind_of, quoted, require_columns

LABEL = "_label"
_UNKNOWN_SHOWN = 10


@dataclass(frozen=True)
class Rows:
    """Rows to measure on: what the models read, the segment columns and `LABEL` (double; absent for clustering)."""

    frame: DataFrame
    label: Label
    read: int  # rows of the input
    held_out: int  # of them in question: all, or those that the model's split holds out
    without_label: int
    unknown_class: int  # rows whose label is none of the model's classes
    warnings: Sequence[str] = field(default_factory=tuple)

    @property
    def measured(self) -> int:
        """Rows that have a label which the model can be right or wrong about."""
        return self.held_out - self.without_label - self.unknown_class

    def counts(self) -> dict[str, int]:
        """Return the counts as the report has them."""
        return {
            "read": self.read,
            "held_out": self.held_out,
            "without_label": self.without_label,
            "unknown_class": self.unknown_class,
            "measured": self.measured,
        }


def label_of(params: EvaluationParams, metadata: Mapping[str, Any]) -> Label:
    """Return the label as it was made in training, or as the parameters say it is made here."""
    label = Label.from_metadata(metadata)
    if params.label_expression:
        return replace(label, expression=params.label_expression, column=params.label_column or label.column or "label")
    if params.label_column:
        return replace(label, expression="", column=params.label_column)
    return label


def check_label(data: DataFrame, label: Label, params: EvaluationParams) -> None:
    """Check that the label can be made from the data; no Spark task is run.

    Raises
    ------
    DataError
        A missing column, or an expression that does not work.
    """
    where = params.input_path
    if label.expression:
        said_by = "label_expression" if params.label_expression else "the model's label_expression"
        columns_read_by(data, label.expression, said_by, where)
    elif label.column not in data.columns:
        said_by = "label_column" if params.label_column else "the model's label_column"
        try:
            require_columns(data, [label.column], said_by, where)
        except DataError as error:
            hint = "an evaluation needs labelled rows; name the label with label_column or label_expression"
            raise DataError(f"{error}; {hint}") from None


def load(data: DataFrame, params: EvaluationParams, models: Sequence[StoredModel]) -> Rows:
    """Check the data against every model, make the label, and count: one pass over the label's columns alone.

    Parameters
    ----------
    data : DataFrame
        As read.
    params : EvaluationParams
    models : sequence of StoredModel
        The model in question first, then the one it is compared with.

    Raises
    ------
    DataError
        Data that does not fit a model, a label that can't be made, no rows, or none with a label.
    """
    metadata, where = models[0].metadata, params.input_path
    label = label_of(params, metadata)
    warnings = [text for one in models for text in scoring.check_schema(data, one.metadata, where)]
    require_columns(data, params.segment_columns, "segment_columns", where)
    wanted = dict.fromkeys(
        [*params.segment_columns, *(one["name"] for m in models for one in m.metadata["input_schema"])]
    )
    kept = [F.col(quoted(name)) for name in wanted]
    known = F.lit(True)
    if label.task != "clustering":
        check_label(data, label, params)
        known = label_column(data, label).isNotNull()
        kept.append(label_column(data, label).alias(LABEL))
    asked, by_split = _asked_for(data, params, metadata)
    counts = _counted(data, label, known, asked, metadata, where)
    found = Rows(
        frame=data.where(known & asked).select(*kept),
        label=label,
        read=counts["read"],
        held_out=counts["held_out"],
        without_label=counts["without_label"],
        unknown_class=counts["unknown"],
    )
    _check_counts(found, params)
    warnings += by_split + _overlap(params, metadata, counts)
    if found.unknown_class:
        warnings.append(_unknown_classes(data, found, known & asked, label))
    return replace(found, warnings=tuple(dict.fromkeys(warnings)))


def _raw(label: Label) -> Column:
    return F.expr(label.expression) if label.expression else F.col(quoted(label.column))


def _counted(
    data: DataFrame, label: Label, known: Column, asked: Column, metadata: Mapping[str, Any], where: str
) -> dict[str, int]:
    """Count the rows by what becomes of them."""
    missing = _raw(label).isNull() if label.task != "clustering" else F.lit(False)
    with datasets.reading(where):
        row = data.agg(
            F.count(F.lit(1)).alias("read"),
            F.count_if(asked).alias("held_out"),
            F.count_if(asked & missing).alias("without_label"),
            F.count_if(asked & ~missing & ~known).alias("unknown"),
            F.count_if(_before_cut_off(data, metadata)).alias("before_cut_off"),
        ).first()
    assert row is not None  # an aggregate without groups has one row
    return {str(name): int(value) for name, value in row.asDict().items()}


def _check_counts(found: Rows, params: EvaluationParams) -> None:
    where = params.input_path
    if not found.read:
        raise DataError(f"{where} has no rows: check that the preparation step has written it")
    if not found.held_out:
        raise DataError(
            f"none of the {found.read:,} rows of {where} is held out by the model's split: leave held_out_only out "
            "for data that the model was not trained on"
        )
    if not found.measured:
        unlike = (
            f", {found.unknown_class:,} are none of the classes {found.label.classes}" if found.unknown_class else ""
        )
        said = found.label.expression or found.label.column
        raise DataError(
            f"the label ({said}) is null in {found.without_label:,} of {found.held_out:,} rows of {where}{unlike}: "
            "nothing to measure; check label_column and label_expression"
        )


def _unknown_classes(data: DataFrame, found: Rows, used: Column, label: Label) -> str:
    """Return what is said about labels that the model has never seen; one small pass, only when there are some."""
    raw = _raw(label).alias("label")
    rows = data.where(~used).select(raw).where(F.col("label").isNotNull()).groupBy("label").count()
    named = [
        one for one in rows.orderBy(F.desc("count"), "label").limit(_UNKNOWN_SHOWN + len(label.classes or ())).collect()
    ]
    classes = {str(one) for one in label.classes or ()}
    shown = ", ".join(f"{row['label']!r} {row['count']:,}" for row in named if str(row["label"]) not in classes)
    return (
        f"{found.unknown_class:,} rows have a label that the model was not trained on ({shown}): no prediction can be "
        "right for them; they are counted here and left out of every metric"
    )


# --- rows that the model has learnt from ------------------------------------------------------------------------------


def _asked_for(data: DataFrame, params: EvaluationParams, metadata: Mapping[str, Any]) -> tuple[Column, list[str]]:
    """Return which rows are asked for, and what is to be said about it."""
    if not params.held_out_only:
        return F.lit(True), []
    split = metadata.get("split") or {}
    if split.get("kind") == splits.TIME:
        require_columns(data, [split["time_column"]], "the time split of the model (held_out_only)", params.input_path)
        return F.coalesce(_time(data, split) >= _cut_off(data, split), F.lit(False)), []
    columns = split.get("hashed_columns") or split.get("key_columns")
    if not columns or "seed" not in split or "test_size" not in split:
        raise ModelError(
            f"held_out_only: {params.model} does not say how its test rows were chosen; give data that it was not "
            "trained on, and leave held_out_only out"
        )
    require_columns(data, columns, "the split of the model (held_out_only)", params.input_path)
    return splits.in_test(columns, split["seed"], split["test_size"]), []


def _time(data: DataFrame, split: Mapping[str, Any]) -> Column:
    return splits.time_number(split["time_column"], data.schema[split["time_column"]].dataType)


def _cut_off(data: DataFrame, split: Mapping[str, Any]) -> Column:
    """Return the cut-off, which is kept as text, on the scale of `splits.time_number`."""
    kind = data.schema[split["time_column"]].dataType
    text = F.lit(str(split["cut_off"]))
    if kind_of(kind) == TEXT:
        return F.unix_micros(text.cast("timestamp")).cast("double")
    if kind.simpleString() == "date":
        return F.datediff(text.cast("date"), F.lit("1970-01-01").cast("date")).cast("double")
    if kind.simpleString().startswith("timestamp"):
        return F.unix_micros(text.cast("timestamp")).cast("double")
    return text.cast("double")


def _before_cut_off(data: DataFrame, metadata: Mapping[str, Any]) -> Column:
    """Return whether a row is from the time that a model with a time split has learnt from."""
    split = metadata.get("split") or {}
    if split.get("kind") != splits.TIME or split.get("time_column") not in data.columns:
        return F.lit(False)
    return F.coalesce(_time(data, split) < _cut_off(data, split), F.lit(False))


def _overlap(params: EvaluationParams, metadata: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """Return warnings about rows that the model has learnt from: on those every model looks better than it is."""
    if params.held_out_only:
        return []
    trained_on = ((metadata.get("training") or {}).get("data") or {}).get("path")
    split = metadata.get("split") or {}
    if trained_on and _bare(trained_on) == _bare(params.input_path):
        return [
            f"this is the data that the model was trained on ({trained_on}): the metrics are too good; give other "
            "data, or set held_out_only to measure only the rows that its split holds out"
        ]
    if counts["before_cut_off"]:
        return [
            f"{counts['before_cut_off']:,} of {counts['read']:,} rows lie before {split['cut_off']}, up to which the "
            "model has learnt: if they were among its training rows, the metrics are too good"
        ]
    return []


def _bare(path: str) -> str:
    """Return a path so that spellings of one place are equal: file:/x, file:///x and /x."""
    scheme, mark, rest = path.partition(":")
    plain = rest if mark and scheme == "file" else path
    return ("/" + plain.lstrip("/") if mark and scheme == "file" else plain).rstrip("/")
