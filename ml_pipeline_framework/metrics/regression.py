"""Metrics of a regression from one pass over its predictions.

The pass counts every row four times: for the whole, and by the value of its residual, its prediction and its label. A
value's key is some 0.01 % of it wide, whatever its size. The executors put the keys in order and join them into 1,000
groups of equal size each, and these come to the driver: quantiles and histograms are right to a thousandth of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics import intervals, segments
from ml_pipeline_framework.metrics.distribution import Distribution, Group
from ml_pipeline_framework.metrics.measured import Measured
from ml_pipeline_framework.schemas import quoted

GROUPS = 1_000
_RESIDUAL, _PREDICTION, _LABEL = -1, -2, -3  # parts beside those of the segments
_KEYS_PER_NAT = 10_000
_SMALLEST = 1e-9  # below it, keys are equally wide
_BAD = {-1: "a label that is null, NaN or infinite", -2: "a prediction that is null, NaN or infinite"}
QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


# --- the pass ---------------------------------------------------------------------------------------------------------


def _finite(value: Column) -> Column:
    return value.isNotNull() & (F.abs(value) < math.inf)  # NaN is above infinity to Spark


def _key(value: Column) -> Column:
    """Return a whole number that rises with the value: steps of 0.01 % of it."""
    return F.floor(F.signum(value) * F.log1p(F.abs(value) / _SMALLEST) * _KEYS_PER_NAT)


def _grouped(predictions: DataFrame, label: str, columns: Sequence[str]) -> DataFrame:
    """Count and add up by part, value and key; see `segments.parted`."""
    y, f = F.col(quoted(label)).cast("double"), F.col("prediction").cast("double")
    fault = F.when(~_finite(y), F.lit(-1)).when(~_finite(f), F.lit(-2)).otherwise(F.lit(0))
    keyed = ((_RESIDUAL, y - f), (_PREDICTION, f), (_LABEL, y))
    extra = F.array(*(segments.part(number, None, F.when(fault == 0, _key(value))) for number, value in keyed))
    rows = segments.parted(predictions, columns, {"y": y, "f": f, "fault": fault}, extra)
    y, f = F.col("y"), F.col("f")
    e = y - f
    value = F.when(F.col(segments.PART) == _RESIDUAL, e).when(F.col(segments.PART) == _PREDICTION, f).otherwise(y)
    relative = F.when(y != 0, F.abs(e / y))
    return rows.groupBy(segments.PART, segments.VALUE, segments.KEY, "fault").agg(
        F.count(F.lit(1)).alias("rows"),
        F.min(value).alias("low"),
        F.max(value).alias("high"),
        F.sum(y).alias("label"),
        F.sum(f).alias("prediction"),
        F.sum(e).alias("residual"),
        F.sum(F.abs(e)).alias("absolute"),
        F.sum(e * e).alias("square"),
        F.sum(e * e * e * e).alias("fourth"),
        F.sum(relative).alias("relative"),
        F.count(relative).alias("not_zero"),
        F.var_pop(y).alias("label_variance"),
        F.var_pop(e).alias("variance"),
    )


_ADDED = ("rows", "label", "residual", "absolute", "square", "fourth", "relative", "not_zero")


def _merged(frame: DataFrame) -> DataFrame:
    """Add up by part and value; variances are put together around the common mean, so that large offsets do no harm."""
    group = Window.partitionBy(segments.PART, segments.VALUE)
    rows, keys = F.col("rows"), (segments.PART, segments.VALUE)

    def centred(total: str, variance: str) -> Column:
        off = F.col(total) / rows - F.sum(total).over(group) / F.sum(rows).over(group)
        return (rows * (F.col(variance) + off * off)).alias(variance)

    deviations = [centred("label", "label_variance"), centred("residual", "variance")]
    return (
        frame.select(*keys, *_ADDED, *deviations)
        .groupBy(*keys)
        .agg(
            *(F.sum(name).alias(name) for name in _ADDED),
            *((F.sum(name) / F.sum("rows")).alias(name) for name in ("label_variance", "variance")),
        )
    )


def _distributions(frame: DataFrame) -> dict[int, Distribution]:
    """Return the values of residual, prediction and label in groups of equal size; at most `GROUPS` rows each."""
    only = frame.where(F.col(segments.PART) < segments.WHOLE)
    part = Window.partitionBy(segments.PART)
    upwards = part.orderBy(segments.KEY).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    rows = F.col("rows")
    middle = (F.sum(rows).over(upwards) - rows / 2) / F.sum(rows).over(part)
    groups = only.withColumn("group", F.floor(middle * GROUPS)).groupBy(segments.PART, "group")
    sums = groups.agg(
        *(F.sum(name).alias(name) for name in ("rows", "label", "prediction")),
        F.min("low").alias("low"),
        F.max("high").alias("high"),
    )
    found: dict[int, list[Group]] = {}
    for row in sums.collect():
        one = Group(row["low"], row["high"], row["rows"], row["label"], row["prediction"])
        found.setdefault(row[segments.PART], []).append(one)
    return {number: Distribution(tuple(sorted(groups, key=lambda one: one.low))) for number, groups in found.items()}


def measure_predictions(predictions: DataFrame, label: str, *, columns: Sequence[str] = ()) -> Measured:
    """Measure a regression; see `ml_pipeline_framework.metrics.measure`."""
    with segments.counted_once(_grouped(predictions, label, columns)) as frame:
        _check(frame)
        counted = frame.where(F.col(segments.PART) >= segments.WHOLE)
        kept = segments.most_frequent(counted, columns, F.col("rows")) if columns else segments.Kept({}, [])
        sums = [row.asDict() for row in _merged(segments.with_rest(counted, kept)).collect()]
        distributions = _distributions(frame)
    whole = next(row for row in sums if row[segments.PART] == segments.WHOLE)
    parts = [row for row in sums if row[segments.PART] != segments.WHOLE]
    found = [(row[segments.PART], row[segments.VALUE], row["rows"], _errors(row)) for row in parts]
    return _measured(whole, distributions, segments.in_order(columns, found), list(kept.notes))


def _check(frame: DataFrame) -> None:
    """Fail when there is no row, or a row that can't be counted."""
    whole = frame.where(F.col(segments.PART) == segments.WHOLE).groupBy("fault").agg(F.sum("rows").alias("rows"))
    found = {row["fault"]: row["rows"] for row in whole.collect()}
    if not found:
        raise DataError("there are no predictions to measure: the input has no labelled row")
    said = "; ".join(f"{found[code]:,} rows have {_BAD[code]}" for code in _BAD if code in found)
    if said:
        raise DataError(f"the predictions can't be measured: {said}. Look at these rows, or drop them before measuring")


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _errors(row: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the metrics that sums over the rows tell."""
    rows, spread = row["rows"], row["label_variance"]
    return {
        "rmse": math.sqrt(row["square"] / rows),
        "mae": row["absolute"] / rows,
        "r2": 1 - row["square"] / rows / spread if spread > 0 else None,
        "mape": row["relative"] / rows if row["not_zero"] == rows else None,
        "bias": -row["residual"] / rows,
        "explained_variance": 1 - row["variance"] / spread if spread > 0 else None,
    }


def _measured(
    whole: Mapping[str, Any],
    distributions: Mapping[int, Distribution],
    found: list[dict[str, Any]],
    notes: list[str],
) -> Measured:
    rows = whole["rows"]
    residuals = distributions[_RESIDUAL]
    metrics = {"rows": rows, **_errors(whole), "median_absolute_error": residuals.absolute_quantile(0.5)}
    if metrics["mape"] is None:
        notes.append(f"{rows - whole['not_zero']:,} labels are 0: mape is null")
    if metrics["r2"] is None:
        notes.append("all labels are equal: r2 and explained_variance are null")
    squared = intervals.of_mean(whole["square"], whole["fourth"], rows)
    error = math.sqrt(whole["variance"] / max(rows - 1, 1))
    spans = {
        "rmse": intervals.interval(
            math.sqrt(squared["low"]), math.sqrt(squared["high"]), "normal, of the squared error"
        ),
        "mae": intervals.of_mean(whole["absolute"], whole["square"], rows),
        "bias": intervals.around(metrics["bias"] or 0.0, error, -math.inf, math.inf, "normal"),
    }
    metrics |= {f"rmse_{end}": spans["rmse"][end] for end in ("low", "high")}
    labels = distributions[_LABEL]
    return Measured(
        rows=rows,
        metrics=metrics,
        curves={
            "residuals": residuals.histogram(),
            "by_prediction": distributions[_PREDICTION].tenths(),
            "quantiles": {str(share): residuals.quantile(share) for share in QUANTILES},
        },
        segments=found,
        intervals=spans,
        notes=notes,
        summary={
            "rows": rows,
            "mean": whole["label"] / rows,
            "variance": whole["label_variance"],
            "groups": [(one.rows, one.label / one.rows) for one in labels.groups],
        },
    )


def baseline(train: Mapping[str, Any], test: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same metrics for a model that predicts the mean of the training rows' labels for every row.

    Parameters
    ----------
    train : mapping
        ``mean`` of the labels.
    test : mapping
        ``Measured.summary`` of the rows measured: ``rows``, ``mean``, ``variance``; and ``groups`` (rows and mean label
        of groups of neighbouring labels), without which the absolute errors are None.
    """
    constant, spread = train["mean"], test["variance"]
    off = constant - test["mean"]
    square = spread + off**2
    distances = sorted((abs(mean - constant), rows) for rows, mean in test.get("groups", ()))
    return {
        "rule": "predicts the mean of the training rows' labels for every row",
        "prediction": constant,
        "rmse": math.sqrt(square),
        "mae": sum(distance * rows for distance, rows in distances) / test["rows"] if distances else None,
        "median_absolute_error": _middle(distances),
        "mape": None,
        "r2": 1 - square / spread if spread > 0 else None,
        "explained_variance": 0.0 if spread > 0 else None,
        "bias": off,
    }


def _middle(distances: Sequence[tuple[float, int]]) -> float | None:
    """Return the distance that half of the rows reach."""
    half, seen = sum(rows for _, rows in distances) / 2, 0
    for distance, rows in distances:
        seen += rows
        if seen >= half:
            return distance
    return None
