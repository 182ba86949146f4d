"""Metrics of a two-class model from one pass over its predictions.

The pass is a groupBy: scores cut into 10,000 steps, with counts and sums per step. Everything else is arithmetic on
those few rows in the driver, so that no curve and no row leaves the executors. Rows whose scores fall into one step
count as tied; ``auc_resolution`` says how far that can move the AUC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

STEPS = 10_000
_CLIP = 1e-15  # a probability of exactly 0 or 1 would make the log loss infinite

# What is compared, and in which direction it gets better.
NAMES = {
    "auc": "higher",
    "pr_auc": "higher",
    "accuracy": "higher",
    "log_loss": "lower",
    "brier": "lower",
}


@dataclass(frozen=True)
class Bin:
    """Rows of one score step and one predicted class."""

    step: int
    predicted: int
    negatives: int
    positives: int
    log_loss: float  # sum over the rows, natural logarithm
    squared_error: float  # sum over the rows


def bins(predictions: DataFrame, label: str) -> list[Bin]:
    """Count predictions by score; the only pass over the data.

    Parameters
    ----------
    predictions : DataFrame
        Columns `label` (double, 0 or 1), ``probability`` (vector of 2), ``prediction`` (double).
    """
    score = vector_to_array("probability")[1]
    scored = predictions.select(F.col(label).alias("y"), score.alias("p"), F.col("prediction").alias("c"))
    likely = F.greatest(F.when(F.col("y") == 1, F.col("p")).otherwise(1 - F.col("p")), F.lit(_CLIP))
    rows = (
        scored.groupBy(F.floor(F.col("p") * STEPS).cast("int").alias("step"), F.col("c").cast("int").alias("predicted"))
        .agg(
            F.count_if(F.col("y") == 0).alias("negatives"),
            F.count_if(F.col("y") == 1).alias("positives"),
            F.sum(-F.log(likely)).alias("log_loss"),
            F.sum((F.col("p") - F.col("y")) ** 2).alias("squared_error"),
        )
        .collect()
    )
    return sorted((Bin(**row.asDict()) for row in rows), key=lambda one: (one.step, one.predicted))


def rows_in(found: Sequence[Bin]) -> int:
    """Return how many predictions were counted."""
    return sum(one.negatives + one.positives for one in found)


def _by_step(found: Sequence[Bin]) -> list[tuple[int, int]]:
    """Return (negatives, positives) per score step, from the lowest score up."""
    steps: dict[int, tuple[int, int]] = {}
    for one in found:
        negatives, positives = steps.get(one.step, (0, 0))
        steps[one.step] = (negatives + one.negatives, positives + one.positives)
    return [steps[step] for step in sorted(steps)]


def _auc(steps: Sequence[tuple[int, int]]) -> tuple[float, float, float]:
    """Return the area under the ROC curve, its standard error, and how far ties within a step can move it.

    The area is the chance that a positive scores above a negative, ties counting half. The standard error is DeLong's
    (E. R. DeLong et al., Biometrics 44, 1988): the variance of each row's placement among the other class.
    """
    negatives, positives = sum(n for n, _ in steps), sum(p for _, p in steps)
    below_n = below_p = 0
    area = ties = square_p = square_n = 0.0
    for n, p in steps:
        placed_p = (below_n + n / 2) / negatives  # share of the negatives that a positive of this step beats
        placed_n = (positives - below_p - p / 2) / positives  # share of the positives that beat a negative of this step
        area += p * placed_p
        ties += n * p / 2
        square_p += p * placed_p**2
        square_n += n * placed_n**2
        below_n, below_p = below_n + n, below_p + p
    area /= positives
    variance = (square_p / positives - area**2) / positives + (square_n / negatives - area**2) / negatives
    return area, math.sqrt(max(variance, 0.0)), ties / (negatives * positives)


def _average_precision(steps: Sequence[tuple[int, int]]) -> float:
    """Return the area under the precision-recall curve as a sum of steps, without interpolation between them."""
    positives = sum(p for _, p in steps)
    seen = hits = 0
    area = 0.0
    for n, p in reversed(steps):
        seen, hits = seen + n + p, hits + p
        area += (p / positives) * (hits / seen)
    return area


def measure(found: Sequence[Bin]) -> dict[str, Any]:
    """Return the metrics of the predictions counted in `found`, which must hold both classes.

    ``auc`` with ``auc_standard_error``; ``pr_auc`` (average precision); ``accuracy`` and ``confusion`` at the model's
    own threshold; ``log_loss`` (nats); ``brier`` (mean squared error of the probability).
    """
    steps, rows = _by_step(found), rows_in(found)
    auc, error, resolution = _auc(steps)
    confusion = {
        "true_positive": sum(one.positives for one in found if one.predicted == 1),
        "false_positive": sum(one.negatives for one in found if one.predicted == 1),
        "true_negative": sum(one.negatives for one in found if one.predicted == 0),
        "false_negative": sum(one.positives for one in found if one.predicted == 0),
    }
    return {
        "rows": rows,
        "auc": auc,
        "auc_standard_error": error,
        "auc_resolution": resolution,
        "pr_auc": _average_precision(steps),
        "accuracy": (confusion["true_positive"] + confusion["true_negative"]) / rows,
        "log_loss": math.fsum(one.log_loss for one in found) / rows,
        "brier": math.fsum(one.squared_error for one in found) / rows,
        "confusion": confusion,
    }


def baseline(train: tuple[int, int], test: tuple[int, int]) -> dict[str, Any]:
    """Return the same metrics for a model that knows only the share of positives among the training rows.

    It gives every row that share as its probability and the more frequent class as its prediction.

    Parameters
    ----------
    train, test : tuple of int
        Negatives and positives; both present in `train`.
    """
    prior = train[1] / sum(train)
    rows = sum(test)
    negatives, positives = test
    majority = int(prior > 0.5)
    return {
        "rule": f"predicts {majority} for every row, with the training rows' share of positives as probability",
        "prior": prior,
        "auc": 0.5,
        "pr_auc": positives / rows,
        "accuracy": test[majority] / rows,
        "log_loss": -(positives * math.log(prior) + negatives * math.log(1 - prior)) / rows,
        "brier": (positives * (1 - prior) ** 2 + negatives * prior**2) / rows,
    }


def across_folds(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return mean and sample standard deviation of each metric over folds, and the folds themselves."""
    return {
        "folds": list(folds),
        "mean": {name: mean(fold[name] for fold in folds) for name in NAMES},
        "std": {name: stdev(fold[name] for fold in folds) for name in NAMES},
    }
