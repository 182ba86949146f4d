"""The columns of a prediction: what is kept of the input, and what the model says, in plain types.

Pure functions ``DataFrame -> DataFrame``; nothing here runs a Spark task. The class that is predicted has the value and
the type that the label had in the training data, and a stored threshold decides about it; each class has its own column
of probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError, ModelError
from ml_pipeline_framework.labels import BINARY, CLUSTERING, REGRESSION
from ml_pipeline_framework.schemas import quoted, require_columns

#: Types that a label's value can have again in the output.
_LABEL_TYPES = re.compile(r"boolean|tinyint|smallint|int|bigint|float|double|string|date|decimal\(\d+,\d+\)")
_CARRIED = "_kept_{}"
_SCORES = "_scores"


@dataclass(frozen=True)
class Plan:
    """Which columns the output has.

    Attributes
    ----------
    kept : tuple of str
        Columns of the input, in the input's order.
    prediction : str
        Name of the predicted class, value or cluster.
    scores : tuple of str
        Names of the probabilities, one per class in the order of their index.
    raw : str
        Name of the raw score of a two-class model without probabilities; "" otherwise.
    constants : mapping
        Names and values of columns that are the same in every row.
    """

    kept: tuple[str, ...]
    prediction: str
    scores: tuple[str, ...]
    raw: str
    constants: Mapping[str, str]

    @property
    def added(self) -> tuple[str, ...]:
        """The names of all columns that are not the input's."""
        return (self.prediction, *self.scores, *([self.raw] if self.raw else []), *self.constants)


def plan(
    names: Sequence[str],
    keep: Sequence[str],
    *,
    classes: Sequence[Any] | None,
    has_probabilities: bool,
    raw: bool,
    prefix: str,
    constants: Mapping[str, str],
    where: str,
) -> Plan:
    """Decide about the columns of the output.

    Parameters
    ----------
    names : sequence of str
        The columns of the input.
    keep : sequence of str
        Those to keep.

    Raises
    ------
    DataError
        A column to keep has the name of one that the job adds (Spark does not tell upper from lower case).
    """
    safe = class_names(classes or ()) if has_probabilities else ()
    found = Plan(
        kept=tuple(name for name in names if name in set(keep)),
        prediction=f"{prefix}prediction",
        scores=tuple(f"{prefix}probability_{one}" for one in safe),
        raw=f"{prefix}score" if raw else "",
        constants={f"{prefix}{name}": value for name, value in constants.items()},
    )
    added = {name.casefold(): name for name in found.added}
    clashing = [name for name in found.kept if name.casefold() in added]
    if clashing:
        raise DataError(
            f"{where} has the columns {', '.join(map(repr, clashing))} that are to be kept, and the prediction adds "
            "columns of these names: set output_prefix, such as new_, or keep other columns with keep_columns"
        )
    return found


def class_names(classes: Sequence[Any]) -> tuple[str, ...]:
    """Return classes as parts of column names: letters (of any script), digits and ``_``; each name once."""
    found: list[str] = []
    for one in classes:
        text = str(one).lower() if isinstance(one, bool) else str(int(one)) if _whole(one) else str(one)
        stem = re.sub(r"\W+", "_", text).strip("_") or "_"
        name, number = stem, 1
        while name.casefold() in {other.casefold() for other in found}:
            number += 1
            name = f"{stem}_{number}"
        found.append(name)
    return tuple(found)


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def columns_to_keep(
    frame: DataFrame, keep: Sequence[str], keys: Sequence[str], partition_by: Sequence[str], where: str
) -> list[str]:
    """Return the columns of the input that go into the output.

    Parameters
    ----------
    keep : sequence of str
        As configured: names, ``all``, or nothing for the keys.
    keys : sequence of str
        The key columns of the training; without any, all columns are kept, or no row could be told from another.
    partition_by : sequence of str
        Columns that the output is laid out by; those of the input are kept.

    Raises
    ------
    DataError
        A column that the input does not have.
    """
    wanted: Sequence[str]
    if tuple(keep) == ("all",) or not (keep or keys):
        wanted = frame.columns
    elif keep:
        require_columns(frame, keep, "keep_columns", where)
        wanted = keep
    else:
        require_columns(frame, keys, "the model's key columns (name others with keep_columns)", where)
        wanted = keys
    return [*wanted, *(name for name in partition_by if name in frame.columns and name not in wanted)]


def carried(
    frame: DataFrame, reads: Sequence[str], kept: Sequence[str], types: Mapping[str, str]
) -> tuple[DataFrame, dict[str, str]]:
    """Return what goes through the model, and under which name each kept column does.

    Columns that the model does not read go under names of our own: a stage of the model may make a column called as one
    of them. So do those that are given another type for the model: what is kept stays as it was read.
    """
    found = {one.name: one.dataType.simpleString() for one in frame.schema.fields}
    same = {name for name in reads if types.get(name, found[name]) == found[name]}
    through = {name: name if name in same else _CARRIED.format(place) for place, name in enumerate(kept)}
    others = [F.col(quoted(name)).alias(alias) for name, alias in through.items() if alias != name]
    return frame.select(*(F.col(quoted(name)) for name in reads), *others), through


def scored(
    frame: DataFrame,
    planned: Plan,
    through: Mapping[str, str],
    *,
    task: str,
    label: Mapping[str, Any],
    threshold: float | None,
) -> DataFrame:
    """Return the columns of the output from what a pipeline's ``transform`` gave.

    Parameters
    ----------
    frame : DataFrame
        With ``prediction`` and, as the plan says, the vectors ``probability`` or ``rawPrediction``.
    through : mapping
        From `carried`.
    task : str
        binary, multiclass, regression or clustering.
    label : mapping
        ``label`` of the model's metadata.
    threshold : float or None
        Two classes: the score from which a row is positive; None leaves the decision to the model.
    """
    vector = "probability" if planned.scores else "rawPrediction" if planned.raw else ""
    if vector:
        # Once, as a column: each use below would unpack the vector anew.
        frame = frame.withColumn(_SCORES, vector_to_array(F.col(vector)))
    score = F.col(_SCORES)
    scores = [score[place].alias(name) for place, name in enumerate(planned.scores)]
    if planned.raw:
        scores.append(score[1].alias(planned.raw))
    predicted = _predicted(task, label, score[1] if vector and task == BINARY else None, threshold)
    return frame.select(
        *(F.col(quoted(alias)).alias(name) for name, alias in through.items()),
        predicted.alias(planned.prediction),
        *scores,
        *(F.lit(value).alias(name) for name, value in planned.constants.items()),
    )


def _predicted(task: str, label: Mapping[str, Any], score: Column | None, threshold: float | None) -> Column:
    if task == CLUSTERING:
        return F.col("prediction").cast("int")
    if task == REGRESSION:
        return F.col("prediction").cast("double")
    classes = label["classes"]
    if score is not None and threshold is not None:
        # NaN counts as greater than every number in Spark: a row without a score is of no class.
        index = F.when(score >= F.lit(threshold), 1).otherwise(0)
        index = F.when(score.isNull() | F.isnan(score), None).otherwise(index)
    else:
        index = F.col("prediction").cast("int")
    values = F.array(*(_literal(one, str(label.get("type") or "")) for one in classes))
    # `get` gives null outside of the array, in ANSI mode too.
    return F.get(values, index)


def _literal(value: Any, type_name: str) -> Column:
    """Return a class as a literal of the label's type, where that type has literals."""
    kind = type_name.lower()
    if isinstance(value, str):
        kind = kind if kind == "date" else "string"
    elif not _LABEL_TYPES.fullmatch(kind) or kind == "string":
        kind = "boolean" if isinstance(value, bool) else "bigint" if isinstance(value, int) else "double"
    return F.lit(value).cast(kind)


def threshold_for(
    task: str, score_column: str, stored: float | None, asked: float | None, said_by: str = "threshold"
) -> float | None:
    """Return the threshold that decides between two classes: the one asked for, else the stored one.

    Raises
    ------
    ModelError
        One is asked for that the model has no use for.
    """
    if asked is None:
        return stored if task == BINARY else None
    if task != BINARY:
        raise ModelError(
            f"{said_by} is {asked:g}, but the model's task is {task}, which has no threshold: leave it out"
        )
    if score_column != "probability":
        raise ModelError(
            f"{said_by} is {asked:g}, but the model has no probabilities (its scores are {score_column}): leave it "
            "out, or train an algorithm that has them"
        )
    return asked
