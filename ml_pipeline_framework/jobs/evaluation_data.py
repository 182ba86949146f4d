"""The rows that an evaluation measures on: with their label as in training, counted, and known for old or new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, splits
from ml_pipeline_framework.contract import EvaluationParams
from ml_pipeline_framework.errors import DataError, ModelError
from ml_pipeline_framework.jobs import scoring, scoring_input
from ml_pipeline_framework.labels import Label, label_column, without_nan
from ml_pipeline_framework.model_store import StoredModel
from ml_pipeline_framework.schemas import TEXT, columns_read_by, kind_of, quoted, require_columns

LABEL = "_label"
#: What becomes of a row; and the columns that say it, the raw label as text, and whether it is from before a cut-off.
_MEASURED, _PASSED_OVER, _WITHOUT_LABEL, _UNKNOWN_CLASS = 0, 1, 2, 3
_STATE, _SAID, _BEFORE = "_state", "_said", "_before"
_RESERVED = (LABEL, _STATE, _SAID, _BEFORE, "prediction", "probability", "rawPrediction", "_features")
_UNKNOWN_SHOWN = 10
_NO_ROWS = "{} has no rows: check that the preparation step has written it"


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


def opened(spark: SparkSession, path: str, models: Sequence[StoredModel]) -> DataFrame:
    """Open the data as prediction would: text with the types that the model knows (of two models, the first's).

    Raises
    ------
    DataError
        See `scoring_input.opened`.
    """
    types: dict[str, str] = {}
    for model in reversed(models):
        types |= scoring.types_of(model.metadata)
    return scoring_input.opened(spark, path, types)


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


@dataclass(frozen=True)
class Prepared:
    """The data with what an evaluation needs of it and nothing else; no row has been read for it.

    ``frame`` holds what the models read, the segment columns, `LABEL`, and what becomes of each row.
    """

    frame: DataFrame
    label: Label
    warnings: Sequence[str]


def prepare(data: DataFrame, params: EvaluationParams, models: Sequence[StoredModel]) -> Prepared:
    """Check the data against every model and make the label; no Spark task is run, but to see that there are no rows.

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
        Data that does not fit a model, a label that can't be made, a segment column that is not there.
    """
    metadata, where = models[0].metadata, params.input_path
    label = label_of(params, metadata)
    warnings = [text for one in models for text in _fits(data, one, where)]
    require_columns(data, params.segment_columns, "segment_columns", where)
    taken = [name for name in params.segment_columns if name in _RESERVED]
    if taken:
        raise DataError(
            f"segment_columns: {', '.join(taken)} is a name that models give their output; rename the column"
        )
    read = (one["name"] for model in models for one in model.metadata["input_schema"])
    kept = [F.col(quoted(name)) for name in dict.fromkeys([*params.segment_columns, *read])]
    state = F.when(~_asked_for(data, params, metadata), _PASSED_OVER)
    if label.task != "clustering":
        check_label(data, label, params)
        raw, index = without_nan(data, _raw(label)), label_column(data, label)
        kept += [index.alias(LABEL), raw.cast("string").alias(_SAID)]
        state = state.when(raw.isNull(), _WITHOUT_LABEL).when(index.isNull(), _UNKNOWN_CLASS)
    kept += [state.otherwise(_MEASURED).alias(_STATE), _before_cut_off(data, metadata).alias(_BEFORE)]
    return Prepared(data.select(*kept), label, warnings)


def count(prepared: Prepared, params: EvaluationParams, metadata: Mapping[str, Any]) -> Rows:
    """Count the rows by what becomes of them, in one pass over the label's columns, and keep those to measure on.

    Raises
    ------
    DataError
        No rows, none held out, or none with a label.
    """
    frame, label = prepared.frame, prepared.label
    with datasets.reading(params.input_path):
        found = frame.groupBy(_STATE).agg(F.count(F.lit(1)).alias("n"), F.count_if(F.col(_BEFORE)).alias("before"))
        by_state = {row[_STATE]: (row["n"], row["before"]) for row in found.collect()}
    states = {
        state: by_state.get(state, (0, 0))[0] for state in (_MEASURED, _PASSED_OVER, _WITHOUT_LABEL, _UNKNOWN_CLASS)
    }
    rows = Rows(
        frame=frame.where(F.col(_STATE) == _MEASURED).drop(_STATE, _BEFORE, _SAID),
        label=label,
        read=sum(states.values()),
        held_out=sum(states.values()) - states[_PASSED_OVER],
        without_label=states[_WITHOUT_LABEL],
        unknown_class=states[_UNKNOWN_CLASS],
    )
    _check_counts(rows, params)
    before = sum(one for _, one in by_state.values())
    warnings = [*prepared.warnings, *_overlap(params, metadata, rows, before)]
    if rows.unknown_class:
        warnings.append(_unknown_classes(frame, rows.unknown_class))
    return replace(rows, warnings=tuple(dict.fromkeys(warnings)))


def _fits(data: DataFrame, model: StoredModel, where: str) -> list[str]:
    """Return what is to be said of the data's schema; where there is no row at all, that is what is wrong with it."""
    try:
        return scoring.check_schema(data, model.metadata, where)
    except DataError:
        with datasets.reading(where):
            if data.isEmpty():  # a CSV file without rows, or a frame of nothing, has types that mean nothing
                raise DataError(_NO_ROWS.format(where)) from None
        raise


def _raw(label: Label) -> Column:
    return F.expr(label.expression) if label.expression else F.col(quoted(label.column))


def _check_counts(found: Rows, params: EvaluationParams) -> None:
    where = params.input_path
    if not found.read:
        raise DataError(_NO_ROWS.format(where))
    if not found.held_out:
        raise DataError(
            f"none of the {found.read:,} rows of {where} is held out by the model's split: leave held_out_only out "
            "for data that the model was not trained on"
        )
    if not found.measured:
        classes = f", {found.unknown_class:,} are none of the classes {found.label.classes}"
        said = found.label.expression or found.label.column
        raise DataError(
            f"the label ({said}) is null in {found.without_label:,} of {found.held_out:,} rows of {where}"
            f"{classes if found.unknown_class else ''}: nothing to measure; check label_column and label_expression"
        )


def _unknown_classes(frame: DataFrame, count: int) -> str:
    """Return what is said about labels that the model has never seen; one small pass, only when there are some."""
    rows = frame.where(F.col(_STATE) == _UNKNOWN_CLASS).groupBy(_SAID).count()
    named = rows.orderBy(F.desc("count"), _SAID).limit(_UNKNOWN_SHOWN).collect()
    shown = ", ".join(f"{row[_SAID]!r} {row['count']:,}" for row in named)
    return (
        f"{count:,} rows have a label that the model was not trained on ({shown}): no prediction can be right for "
        "them; they are counted here and left out of every metric"
    )


# --- rows that the model has learnt from ------------------------------------------------------------------------------


def _asked_for(data: DataFrame, params: EvaluationParams, metadata: Mapping[str, Any]) -> Column:
    """Return whether a row is asked for; never null."""
    if not params.held_out_only:
        return F.lit(True)
    split = metadata.get("split") or {}
    if split.get("kind") == splits.TIME:
        require_columns(data, [split["time_column"]], "the time split of the model (held_out_only)", params.input_path)
        _check_types(data, [split["time_column"]], split, params.input_path)
        return F.coalesce(_time(data, split) >= _cut_off(data, split), F.lit(False))
    columns = split.get("hashed_columns") or split.get("key_columns")
    if not columns or "seed" not in split or "test_size" not in split:
        raise ModelError(
            f"held_out_only: {params.model} does not say how its test rows were chosen; give data that it was not "
            "trained on, and leave held_out_only out"
        )
    require_columns(data, columns, "the split of the model (held_out_only)", params.input_path)
    _check_types(data, columns, split, params.input_path)
    return splits.in_test(columns, split["seed"], split["test_size"])


def _check_types(data: DataFrame, columns: Sequence[str], split: Mapping[str, Any], where: str) -> None:
    """Check that the columns of the split have the types that they had in training.

    Whole numbers of any size are alike. Anything else is hashed, or compared, as another value: rows that the model has
    learnt from would be taken for held out.

    Raises
    ------
    DataError
    """
    known: Mapping[str, str] = split.get("types") or {}
    for name in columns:
        found, wanted = data.schema[name].dataType.simpleString(), known.get(name, "")
        if wanted and not scoring.equal_values(found, wanted):
            raise DataError(
                f"held_out_only: column {name!r} of {where} is {found}, and the model's split was made with {wanted}: "
                f"the rows that it held out can't be told; cast the column to {wanted} in the preparation step"
            )


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


def _overlap(params: EvaluationParams, metadata: Mapping[str, Any], rows: Rows, before_cut_off: int) -> list[str]:
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
    if before_cut_off:
        return [
            f"{before_cut_off:,} of {rows.read:,} rows lie before {split['cut_off']}, up to which the "
            "model has learnt: if they were among its training rows, the metrics are too good"
        ]
    return []


def _bare(path: str) -> str:
    """Return a path so that spellings of one place are equal: file:/x, file:///x and /x."""
    scheme, mark, rest = path.partition(":")
    plain = rest if mark and scheme == "file" else path
    return ("/" + plain.lstrip("/") if mark and scheme == "file" else plain).rstrip("/")
