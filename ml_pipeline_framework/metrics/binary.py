"""Metrics of a two-class model from one pass over its predictions.

The pass is a groupBy: scores cut into some 10,000 steps (see ``scores``), with counts and sums per step. All else is
arithmetic on those few rows in the driver: no row of the data leaves the executors. Rows whose scores fall into one
step count as tied; ``auc_resolution`` says how far that can move the AUC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.contract import metric_names
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics import intervals, segments, two_class_curves
from ml_pipeline_framework.metrics.measured import Measured
from ml_pipeline_framework.metrics.scores import Score, score_of
from ml_pipeline_framework.metrics.separation import auc_error, separation
from ml_pipeline_framework.metrics.thresholds import choose_threshold, confusion_at
from ml_pipeline_framework.metrics.two_class import (
    Bin,
    Confusion,
    Steps,
    area_under_roc,
    average_precision,
    captured,
    kolmogorov_smirnov,
    steps_of,
)
from ml_pipeline_framework.schemas import quoted

__all__ = ["Bin", "Confusion", "baseline", "bins", "choose_threshold", "confusion_at", "measure_predictions"]

_CLIP = 1e-15  # a probability of exactly 0 or 1 would make the log loss infinite
_BAD = {-1: "a label that is null or neither 0 nor 1", -2: "a score that is null, NaN or out of range"}
_BAD[-3] = "a prediction that is null or neither 0 nor 1"
_SUMS = ("score", "log_loss", "log_loss_square", "squared_error", "squared_error_square")
_BOOTSTRAP_STEPS = 2_000  # more steps change the error of a metric by less than its replicates do

#: What is compared, and in which direction it gets better.
NAMES = metric_names.NAMES["binary"]


# --- the pass ---------------------------------------------------------------------------------------------------------


def grouped(predictions: DataFrame, label: str, threshold: float | None, columns: Sequence[str]) -> DataFrame:
    """Count predictions by part of the data, score step and predicted class; see `segments.parted` and `Bin`."""
    score = score_of(predictions)
    wanted = {
        "y": F.col(quoted(label)).cast("double"),
        "s": score.value,
        "c": (score.value >= threshold).cast("double") if threshold is not None else F.col("prediction").cast("double"),
    }
    rows = segments.parted(predictions, columns, wanted)
    y, s, c = F.col("y"), F.col("s"), F.col("c")
    step = (
        F.when(y.isNull() | ~y.isin(0.0, 1.0), F.lit(-1))
        .when(~score.valid(s), F.lit(-2))
        .when(c.isNull() | ~c.isin(0.0, 1.0), F.lit(-3))
        .otherwise(score.step(s))
    )
    keys = [segments.PART, segments.VALUE, step.alias("step"), F.when(c == 1, 1).otherwise(0).alias("predicted")]
    return rows.groupBy(*keys).agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if(y == 0).alias("negatives"),
        F.count_if(y == 1).alias("positives"),
        F.min(s).alias("low"),
        F.max(s).alias("high"),
        F.sum(s).alias("score"),
        *_errors(score, y, s),
    )


def _errors(score: Score, y: Column, s: Column) -> list[Column]:
    """Return the sums of log loss and squared error; nulls where the score is no probability."""
    names = _SUMS[1:]
    if not score.is_probability:
        return [F.lit(None).cast("double").alias(name) for name in names]
    loss = -F.log(F.greatest(F.when(y == 1, s).otherwise(1 - s), F.lit(_CLIP)))
    square = (s - y) * (s - y)
    return [
        F.sum(one).alias(name) for one, name in zip((loss, loss * loss, square, square * square), names, strict=True)
    ]


def _bins(frame: DataFrame) -> tuple[Bin, ...]:
    """Collect the bins of the whole.

    Raises
    ------
    DataError
        When rows could not be counted, saying how many and why.
    """
    fields = ("step", "predicted", "negatives", "positives", "low", "high", *_SUMS)
    rows = frame.where(F.col(segments.PART) == segments.WHOLE).select("rows", *fields).collect()
    bad = {code: sum(row["rows"] for row in rows if row["step"] == code) for code in _BAD}
    if any(bad.values()):
        said = "; ".join(f"{count:,} rows have {_BAD[code]}" for code, count in bad.items() if count)
        raise DataError(f"the predictions can't be measured: {said}. Look at these rows, or drop them before measuring")
    found = [Bin(**{name: row[name] for name in fields}) for row in rows]
    return tuple(sorted(found, key=lambda one: (one.step, one.predicted)))


def bins(predictions: DataFrame, label: str, threshold: float | None = None) -> list[Bin]:
    """Count predictions by score, in one pass.

    Parameters
    ----------
    predictions : DataFrame
        Columns `label` (double, 0 or 1) and the output of a model: ``prediction``, and ``probability`` or
        ``rawPrediction`` where there is one.
    threshold : float, optional
        Scores at or above it count as predicted 1; without one the column ``prediction`` says.
    """
    return list(_bins(grouped(predictions, label, threshold, ())))


def measure_predictions(
    predictions: DataFrame,
    label: str,
    *,
    classes: Sequence[Any] | None = None,
    threshold: float | None = None,
    columns: Sequence[str] = (),
) -> Measured:
    """Measure a two-class model; see `ml_pipeline_framework.metrics.measure`."""
    score = score_of(predictions)
    labels = [str(one) for one in classes] if classes else ["0", "1"]
    frame = grouped(predictions, label, threshold, columns)
    if not columns:
        return from_bins(_bins(frame), probability=score.is_probability, threshold=threshold, labels=labels)
    with segments.counted_once(frame) as frame:
        whole = from_bins(_bins(frame), probability=score.is_probability, threshold=threshold, labels=labels)
        kept = segments.most_frequent(frame, columns, F.col("rows"))
        whole.segments.extend(_segments(segments.with_rest(frame, kept), columns, score.is_probability))
        whole.notes.extend(kept.notes)
    return whole


# --- arithmetic -------------------------------------------------------------------------------------------------------


def from_bins(
    found: Sequence[Bin], *, probability: bool, threshold: float | None = None, labels: Sequence[str] = ("0", "1")
) -> Measured:
    """Compute everything that the bins of one set of predictions tell.

    Raises
    ------
    DataError
        When there are none.
    """
    if not found:
        raise DataError("there are no predictions to measure: the input has no labelled row")
    steps, confusion = steps_of(found), Confusion.of(found)
    negatives, positives = int(steps.negatives.sum()), int(steps.positives.sum())
    rows = negatives + positives
    curves = two_class_curves.curves(steps, probability=probability)
    notes = []
    if not steps.both:
        notes.append(
            f"all {rows:,} rows are of class {labels[int(not negatives)]}: metrics that need both classes are null"
        )
    metrics: dict[str, float | int | None] = {"rows": rows, "positives": positives, "share_of_1": positives / rows}
    metrics |= _areas(steps)
    ks = curves["ks"]
    metrics |= {"ks": ks["value"] if ks else None, "ks_threshold": ks["threshold"] if ks else None}
    metrics["top_decile_lift"] = float(captured(steps, 0.1)) / positives / 0.1 if steps.both else None
    metrics |= _losses(found, rows, probability=probability)
    metrics["ece"] = two_class_curves.expected_calibration_error(curves["calibration"]) if probability else None
    metrics |= {**confusion.rates(), "threshold": threshold}
    if not confusion.true_positive + confusion.false_positive:
        notes.append(f"no row is predicted to be of class {labels[1]}: precision is null")
    spans = _intervals(found, steps, confusion, metrics)
    metrics |= {f"auc_{end}": spans["auc"][end] if "auc" in spans else None for end in ("low", "high")}
    return Measured(
        rows=rows,
        metrics=metrics,
        curves=curves,
        confusion=confusion.to_dict(labels, threshold),
        intervals=spans,
        notes=notes,
        summary=(negatives, positives),
        bins=tuple(found),
    )


def _areas(steps: Steps) -> dict[str, float | None]:
    names = ("auc", "auc_standard_error", "auc_resolution", "pr_auc")
    if not steps.both:
        return dict.fromkeys(names)
    values = (
        *area_under_roc(steps.negatives, steps.positives),
        average_precision(steps.negatives, steps.positives),
    )
    return dict(zip(names, values, strict=True))


def _losses(found: Sequence[Bin], rows: int, *, probability: bool) -> dict[str, float | None]:
    if not probability:
        return {"log_loss": None, "brier": None}
    return {
        "log_loss": math.fsum(one.log_loss or 0.0 for one in found) / rows,
        "brier": math.fsum(one.squared_error or 0.0 for one in found) / rows,
    }


def _intervals(
    found: Sequence[Bin], steps: Steps, confusion: Confusion, metrics: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the 95 % intervals: DeLong's, Wilson's, the normal one of a mean, or by bootstrap of the counts."""
    rows = confusion.rows
    hits = confusion.true_positive
    spans = {
        "share_of_1": intervals.wilson(metrics["positives"], rows),
        "accuracy": intervals.wilson(confusion.true_negative + hits, rows),
        "precision": intervals.wilson(hits, hits + confusion.false_positive),
        "recall": intervals.wilson(hits, hits + confusion.false_negative),
    }
    if metrics["log_loss"] is not None:
        for name, total, square in (
            ("log_loss", "log_loss", "log_loss_square"),
            ("brier", "squared_error", "squared_error_square"),
        ):
            sums = [math.fsum(getattr(one, field) for one in found) for field in (total, square)]
            spans[name] = intervals.of_mean(sums[0], sums[1], rows)
    if steps.both:
        spans["auc"] = intervals.around(metrics["auc"], metrics["auc_standard_error"], 0.0, 1.0, "DeLong")
        spans |= _bootstrapped(steps, confusion, metrics)
    return {name: span for name, span in spans.items() if span is not None}


def _bootstrapped(steps: Steps, confusion: Confusion, metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return intervals of what has no formula, from the spread of replicates of the counts."""
    place = np.cumsum(steps.rows) * _BOOTSTRAP_STEPS // (steps.rows.sum() + 1)
    starts = np.unique(place, return_index=True)[1]
    cells = np.array([np.add.reduceat(one, starts) for one in (steps.negatives, steps.positives)])
    four = np.array([confusion.true_positive, confusion.false_positive, confusion.false_negative])

    def both(draw: Any) -> bool:
        return bool(draw[0].any() and draw[1].any())

    errors = {
        "pr_auc": intervals.bootstrap_error(cells, lambda draw: average_precision(*draw) if both(draw) else math.nan),
        "ks": intervals.bootstrap_error(cells, lambda draw: kolmogorov_smirnov(*draw)[0] if both(draw) else math.nan),
        "f1": intervals.bootstrap_error(
            four, lambda draw: 2 * draw[0] / (draw[0] + draw.sum()) if draw.any() else math.nan
        ),
    }
    return {
        name: intervals.around(metrics[name], error, 0.0, 1.0, "Poisson bootstrap")
        for name, error in errors.items()
        if metrics[name] is not None
    }


def _segments(frame: DataFrame, columns: Sequence[str], probability: bool) -> list[dict[str, Any]]:
    """Return the metrics of every segment; one row per segment comes to the driver."""
    at_one = F.when(F.col("predicted") == 1, F.lit(1)).otherwise(0)
    keys = (segments.PART, segments.VALUE)
    steps = (
        frame.where(F.col(segments.PART) != segments.WHOLE)
        .groupBy(*keys, "step")
        .agg(
            F.sum("negatives").alias("negatives"),
            F.sum("positives").alias("positives"),
            F.sum(F.col("positives") * at_one).alias("true_positive"),
            F.sum(F.col("negatives") * at_one).alias("false_positive"),
            *(F.sum(name).alias(name) for name in ("score", "log_loss", "squared_error")),
        )
    )
    sums = ("true_positive", "false_positive", "score", "log_loss", "squared_error")
    found = []
    for one in separation(steps, keys, sums).collect():
        row = one.asDict()
        rows = row["negatives"] + row["positives"]
        found.append((row[segments.PART], row[segments.VALUE], rows, _segment(row, rows, probability=probability)))
    return segments.in_order(columns, found)


def _segment(row: dict[str, Any], rows: int, *, probability: bool) -> dict[str, Any]:
    confusion = Confusion(
        true_negative=row["negatives"] - row["false_positive"],
        false_positive=row["false_positive"],
        false_negative=row["positives"] - row["true_positive"],
        true_positive=row["true_positive"],
    )
    area = row["auc"]
    span = (
        intervals.around(area, auc_error(row), 0.0, 1.0, "DeLong") if area is not None else {"low": None, "high": None}
    )
    return {
        "positives": row["positives"],
        "share_of_1": row["positives"] / rows,
        "mean_probability": row["score"] / rows if probability else None,
        "auc": area,
        "auc_low": span["low"],
        "auc_high": span["high"],
        "pr_auc": row["pr_auc"],
        "ks": row["ks"],
        "log_loss": row["log_loss"] / rows if probability else None,
        "brier": row["squared_error"] / rows if probability else None,
        **confusion.rates(),
    }


# --- without a model --------------------------------------------------------------------------------------------------


def baseline(train: Sequence[int], test: Sequence[int]) -> dict[str, Any]:
    """Return the same metrics for a model that knows only the share of positives among the training rows.

    It gives every row that share as its probability and the more frequent class as its prediction.

    Parameters
    ----------
    train, test : sequence of int
        Negatives and positives; both present in `train`.
    """
    prior = train[1] / sum(train)
    certain = min(max(prior, _CLIP), 1 - _CLIP)
    rows = sum(test)
    negatives, positives = test
    majority = int(prior > 0.5)
    rates = Confusion(*((0, negatives, 0, positives) if majority else (negatives, 0, positives, 0))).rates()
    both = bool(negatives and positives)
    return {
        "rule": f"predicts {majority} for every row, with the training rows' share of positives as probability",
        "prior": prior,
        "auc": 0.5 if both else None,
        "pr_auc": positives / rows if both else None,
        "ks": 0.0 if both else None,
        "log_loss": -(positives * math.log(certain) + negatives * math.log(1 - certain)) / rows,
        "brier": (positives * (1 - prior) ** 2 + negatives * prior**2) / rows,
        "ece": abs(prior - positives / rows),
        **rates,
        "top_decile_lift": 1.0 if both else None,
    }
