"""Metrics of a model of three or more classes from one pass over its predictions.

The pass counts label and prediction, and for up to `MAX_ONE_VERSUS_REST` classes also the steps of every class's
probability, from which the executors compute one area under the ROC curve per class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics import intervals, segments
from ml_pipeline_framework.metrics.measured import Measured
from ml_pipeline_framework.metrics.scores import PROBABILITY, Score, element, entries
from ml_pipeline_framework.metrics.separation import separation
from ml_pipeline_framework.metrics.two_class import Counts, Floats
from ml_pipeline_framework.schemas import quoted

#: With more classes, no area per class: every row would be counted once per class.
MAX_ONE_VERSUS_REST = 20
#: With more classes, no confusion matrix.
MAX_MATRIX = 100
_ONE_VERSUS_REST = -1  # a part beside those of the segments
_CLIP = 1e-15  # as for two classes
_BAD = {
    -1: "a label that is null or no index of a class",
    -2: "a probability that is null, NaN or missing for the label's class",
    -3: "a prediction that is null or no index of a class",
}


# --- the pass ---------------------------------------------------------------------------------------------------------


def _index(value: Column, classes: int | None, otherwise: int) -> Column:
    """Return a class index as a whole number, or `otherwise` when it is none."""
    number = value.cast("double")
    good = number.isNotNull() & (number >= 0) & (number < (classes or 2**31)) & (number == F.floor(number))  # no NaN
    return F.when(good, number.cast("int")).otherwise(F.lit(otherwise))


def _one_versus_rest(predictions: DataFrame, y: Column) -> Column:
    """Return one part per class: its index, and as key twice the step of its probability, plus 1 for rows of it."""
    score = Score(PROBABILITY, F.lit(0.0))

    def one(p: Column, at: Column) -> Column:
        step = F.when(score.valid(p), score.step(p)).otherwise(F.lit(0))  # a bad one is counted as a fault of the whole
        return segments.part(_ONE_VERSUS_REST, at, step * 2 + F.when(y == at, 1).otherwise(0))

    return F.transform(entries(predictions, PROBABILITY), one)


def _grouped(predictions: DataFrame, label: str, classes: int | None, columns: Sequence[str]) -> DataFrame:
    """Count by part, label, prediction and key; see `segments.parted`."""
    y = _index(F.col(quoted(label)), classes, -1)
    wanted = {"y": y, "c": _index(F.col("prediction"), classes, -3), "p": F.lit(None).cast("double")}
    extra, unlikely = None, F.lit(False)
    if PROBABILITY in predictions.columns:
        wanted["p"] = element(predictions, PROBABILITY, F.greatest(y, F.lit(0)))
        unlikely = F.col("p").isNull() | F.isnan("p")
        if classes is not None and classes <= MAX_ONE_VERSUS_REST:
            extra = _one_versus_rest(predictions, y)
    rows = segments.parted(predictions, columns, wanted, extra)
    y, c, counted = F.col("y"), F.col("c"), F.col(segments.PART) >= segments.WHOLE
    fault = F.when(y < 0, y).when(c < 0, c).when(unlikely, F.lit(-2)).otherwise(F.lit(0))
    p = F.col("p")
    loss = F.when(p.isNotNull(), -F.log(F.greatest(p, F.lit(_CLIP))))  # greatest passes nulls over
    return rows.groupBy(
        segments.PART,
        segments.VALUE,
        segments.KEY,
        F.when(counted, y).alias("y"),
        F.when(counted, c).alias("c"),
        F.when(counted, fault).alias("fault"),
    ).agg(F.count(F.lit(1)).alias("rows"), F.sum(loss).alias("loss"), F.sum(loss * loss).alias("loss_square"))


def _by_class(cells: DataFrame) -> DataFrame:
    """Return per part, value and class: rows of it, rows predicted to be it, and rows that are both."""
    none, rows = F.lit(0).cast("long"), F.col("rows")

    def side(name: str, actual: Column, predicted: Column, hits: Column) -> Column:
        parts = (F.col(name).alias("class"), actual.alias("actual"), predicted.alias("predicted"), hits.alias("hits"))
        return F.struct(*parts)

    both = F.when(F.col("y") == F.col("c"), rows).otherwise(none)
    sides = F.explode(F.array(side("y", rows, none, none), side("c", none, rows, both))).alias("_side")
    keys = (segments.PART, segments.VALUE)
    names = ("actual", "predicted", "hits")
    return (
        cells.select(*keys, sides)
        .groupBy(*keys, F.col("_side.class").alias("class"))
        .agg(*(F.sum(f"_side.{name}").alias(name) for name in names))
    )


def measure_predictions(
    predictions: DataFrame, label: str, *, classes: Sequence[Any] | None = None, columns: Sequence[str] = ()
) -> Measured:
    """Measure a model of several classes; see `ml_pipeline_framework.metrics.measure`."""
    with segments.counted_once(_grouped(predictions, label, len(classes) if classes else None, columns)) as frame:
        cells = frame.where(F.col(segments.PART) >= segments.WHOLE)
        whole = cells.where(F.col(segments.PART) == segments.WHOLE)
        totals = _totals(whole)
        by_class = {row["class"]: row for row in _by_class(whole).collect()}
        size = len(classes) if classes else max(by_class) + 1
        names = [str(one) for one in classes or range(size)]
        matrix = _matrix(whole, size) if size <= MAX_MATRIX else None
        areas = _areas(frame)
        kept = segments.most_frequent(cells, columns, F.col("rows")) if columns else segments.Kept({}, [])
        found = _segments(segments.with_rest(cells, kept), columns) if columns else []
    counts = np.zeros((3, size), dtype=np.int64)
    for at, row in by_class.items():
        counts[:, at] = row["actual"], row["predicted"], row["hits"]
    return _measured(counts, names, totals, matrix, areas, found, list(kept.notes))


def _totals(whole: DataFrame) -> Mapping[int, tuple[int, float | None, float | None]]:
    """Return rows, log loss and its squares.

    Raises
    ------
    DataError
        When there are no rows, or rows that can't be counted, saying how many and why.
    """
    sums = (F.sum(name).alias(name) for name in ("rows", "loss", "loss_square"))
    by_fault = whole.groupBy("fault").agg(*sums).collect()
    found = {row["fault"]: (row["rows"], row["loss"], row["loss_square"]) for row in by_fault}
    said = "; ".join(f"{found[code][0]:,} rows have {_BAD[code]}" for code in _BAD if code in found)
    if said:
        raise DataError(f"the predictions can't be measured: {said}. Look at these rows, or drop them before measuring")
    if not found:
        raise DataError("there are no predictions to measure: the input has no labelled row")
    return found


def _matrix(whole: DataFrame, size: int) -> Counts:
    matrix = np.zeros((size, size), dtype=np.int64)
    for row in whole.groupBy("y", "c").agg(F.sum("rows").alias("rows")).collect():
        matrix[row["y"], row["c"]] = row["rows"]
    return matrix


def _areas(frame: DataFrame) -> dict[int, float | None]:
    """Return the area under the ROC curve of each class against the others, where the pass counted them."""
    key, rows = F.col(segments.KEY), F.col("rows")
    own = key % 2 == 1
    steps = (
        frame.where(F.col(segments.PART) == _ONE_VERSUS_REST)
        .groupBy(F.col(segments.VALUE).alias("class"), F.floor(key / 2).alias("step"))
        .agg(
            F.sum(F.when(own, 0).otherwise(rows)).alias("negatives"),
            F.sum(F.when(own, rows).otherwise(0)).alias("positives"),
        )
    )
    return {int(row["class"]): row["auc"] for row in separation(steps, ["class"]).collect()}


def _segments(cells: DataFrame, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the metrics of every segment; one row per segment comes to the driver."""
    keys = (segments.PART, segments.VALUE)
    only = cells.where(F.col(segments.PART) > segments.WHOLE)
    actual, predicted, hits = F.col("actual"), F.col("predicted"), F.col("hits")
    precision = F.when(predicted > 0, hits / predicted).otherwise(0.0)
    recall = F.when(actual > 0, hits / actual).otherwise(0.0)
    f1 = 2 * hits / (actual + predicted)
    rates = (
        _by_class(only)
        .groupBy(*keys)
        .agg(
            F.sum(actual).alias("rows"),
            (F.sum(hits) / F.sum(actual)).alias("accuracy"),
            F.avg(f1).alias("f1_macro"),
            (F.sum(f1 * actual) / F.sum(actual)).alias("f1_weighted"),
            F.avg(precision).alias("precision_macro"),
            F.avg(recall).alias("recall_macro"),
        )
    )
    losses = {
        (row[segments.PART], row[segments.VALUE]): row["loss"]
        for row in only.groupBy(*keys).agg((F.sum("loss") / F.sum("rows")).alias("loss")).collect()
    }
    found = []
    for one in rates.collect():
        row = one.asDict()
        number, value, rows = row.pop(segments.PART), row.pop(segments.VALUE), row.pop("rows")
        found.append((number, value, rows, {**row, "log_loss": losses[number, value]}))
    return segments.in_order(columns, found)


# --- arithmetic -------------------------------------------------------------------------------------------------------


def rates(counts: Counts) -> tuple[dict[str, float], dict[str, Floats]]:
    """Return the averages over classes, and the values per class.

    Parameters
    ----------
    counts : array of int, 3 x classes
        Rows of each class, rows predicted to be it, rows that are both.

    Notes
    -----
    As scikit-learn averages: over the classes that occur as label or prediction; a class that is never predicted has a
    precision of 0, one without rows a recall of 0.
    """
    actual, predicted, hits = counts.astype(float)
    per_class = {
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(actual, 1),
        "f1": 2 * hits / np.maximum(actual + predicted, 1),
    }
    there = (actual + predicted) > 0
    rows = actual.sum()
    whole = {
        "accuracy": float(hits.sum() / rows),
        "f1_macro": float(per_class["f1"][there].mean()),
        "f1_weighted": float((per_class["f1"] * actual).sum() / rows),
        "precision_macro": float(per_class["precision"][there].mean()),
        "recall_macro": float(per_class["recall"][there].mean()),
    }
    return whole, per_class


def of_matrix(matrix: Counts) -> Counts:
    """Return the counts that `rates` takes, from a confusion matrix."""
    return np.array([matrix.sum(axis=1), matrix.sum(axis=0), np.diagonal(matrix)])


def _measured(
    counts: Counts,
    names: Sequence[str],
    totals: Mapping[int, tuple[int, float | None, float | None]],
    matrix: Counts | None,
    areas: Mapping[int, float | None],
    found: list[dict[str, Any]],
    notes: list[str],
) -> Measured:
    rows, loss, loss_square = totals[0]
    whole, per_class = rates(counts)
    hits = int(counts[2].sum())
    spans = {"accuracy": intervals.wilson(hits, rows)}
    if loss is not None and loss_square is not None:
        spans["log_loss"] = intervals.of_mean(loss, loss_square, rows)
    if matrix is not None:
        for name in ("f1_macro", "f1_weighted", "precision_macro", "recall_macro"):
            error = intervals.bootstrap_error(matrix, _statistic(name))
            spans[name] = intervals.around(whole[name], error, 0.0, 1.0, "Poisson bootstrap")
    else:
        notes.append(f"{len(names):,} classes: no confusion matrix above {MAX_MATRIX}")
    absent = [name for name, actual in zip(names, counts[0], strict=True) if not actual]
    if absent:
        said = ", ".join(absent[:10]) + (", ..." if len(absent) > 10 else "")
        notes.append(f"{len(absent):,} of {len(names):,} classes have no row: {said}")
    if not areas:
        notes.append(f"no auc_ovr: it needs probabilities of at most {MAX_ONE_VERSUS_REST} known classes")
    table = [
        {
            "class": name,
            "rows": int(counts[0][at]),
            **{key: float(values[at]) for key, values in per_class.items()},
            "auc_ovr": areas.get(at),
        }
        for at, name in enumerate(names)
    ]
    return Measured(
        rows=rows,
        metrics={"rows": rows, **whole, "log_loss": None if loss is None else loss / rows},
        curves={"per_class": table},
        confusion=None if matrix is None else {"labels": list(names), "matrix": matrix.tolist()},
        segments=found,
        intervals={name: span for name, span in spans.items() if span is not None},
        notes=notes,
        summary=tuple(int(one) for one in counts[0]),
    )


def _statistic(name: str) -> Any:
    def statistic(matrix: Counts) -> float:
        return rates(of_matrix(matrix))[0][name] if matrix.any() else math.nan

    return statistic


def baseline(train: Sequence[int], test: Sequence[int]) -> dict[str, Any]:
    """Return the same metrics for a model that knows only the shares of the classes among the training rows.

    It gives every row those shares as its probabilities and the most frequent class as its prediction.

    Parameters
    ----------
    train, test : sequence of int
        Rows per class, in the order of the class indices.
    """
    shares = np.array(train, dtype=float) / sum(train)
    majority = int(np.argmax(shares))
    actual = np.array(test, dtype=np.int64)
    counts = np.zeros((3, len(actual)), dtype=np.int64)
    counts[0], counts[1][majority], counts[2][majority] = actual, actual.sum(), actual[majority]
    loss = -(actual * np.log(np.maximum(shares, _CLIP))).sum() / actual.sum()
    return {
        "rule": f"predicts class {majority} (by index) for every row, with the training rows' shares as probabilities",
        **rates(counts)[0],
        "log_loss": float(loss),
    }
