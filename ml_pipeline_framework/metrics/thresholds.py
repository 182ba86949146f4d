"""Choosing a threshold from binned scores. A row counts as positive when its score is at or above the threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ml_pipeline_framework.contract.threshold_rules import threshold_rule
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics.two_class import Bin, Confusion, Floats, Steps, steps_of


def choose_threshold(bins: Sequence[Bin], rule: str) -> tuple[float, float]:
    """Return the best threshold and what it achieves.

    The candidates lie halfway between neighbouring steps, and one number lies above all scores (nothing is positive):
    `confusion_at` counts the same rows exactly, and the same model, fitted anew on more rows, whose scores move a
    little, still takes what it took (a tree's scores are few, and a whole leaf would fall out). Among equals the
    highest threshold wins.

    Parameters
    ----------
    bins : sequence of Bin
        ``Measured.bins`` of the validation rows; never those of the test rows.
    rule : str
        One of `contract.threshold_rules.THRESHOLD_RULES`, such as ``"f1"`` or ``"cost:fp=1,fn=5"``.

    Returns
    -------
    tuple of float
        Threshold, and the value of what the rule names: F, Youden's J, mean cost per row, share of rows (``top``),
        recall (``precision``), precision (``recall``).

    Raises
    ------
    DataError
        When no row is there, a class that the rule needs is missing, or no threshold reaches what was asked.
    ValueError
        When the rule can't be read.
    """
    asked = threshold_rule(rule)
    if not bins:
        raise DataError(f"no threshold can be chosen by {rule!r}: there are no predictions")
    steps = steps_of(bins)
    if asked.name != "top" and not steps.both:
        raise DataError(
            f"no threshold can be chosen by {rule!r}: the {int(steps.rows.sum()):,} rows hold one class only; choose "
            "on rows with both, or set a number"
        )
    above_all = math.nextafter(float(steps.high[-1]), math.inf)
    candidates = np.concatenate([[above_all], _lower_ends(steps)[::-1]])
    true, false = (np.concatenate([[0], np.cumsum(one[::-1])]) for one in (steps.positives, steps.negatives))
    best, value = _RULES[asked.name](true.astype(float), false.astype(float), asked.numbers, rule)
    return float(candidates[best]), float(value)


def _lower_ends(steps: Steps) -> Floats:
    """Return for each step, from the lowest, a score that it has and the step below it has not: halfway between."""
    below = np.concatenate([[-math.inf], steps.high[:-1]])
    halfway = (steps.low + below) / 2
    return np.where((halfway > below) & (halfway <= steps.low) & np.isfinite(below), halfway, steps.low)


def confusion_at(bins: Sequence[Bin], threshold: float, classes: Sequence[Any] = (0, 1)) -> dict[str, Any]:
    """Count actual and predicted classes at a threshold, as ``Measured.confusion``.

    Exact for a threshold of `choose_threshold` and for one that lies between steps; one within a step takes or leaves
    the step as a whole, by its mean score.
    """
    return counted_at(bins, threshold).to_dict([str(one) for one in classes], threshold)


def counted_at(bins: Sequence[Bin], threshold: float) -> Confusion:
    """Count as `confusion_at`; the result also tells accuracy, precision, recall and F1 (``rates()``)."""
    steps = steps_of(bins)
    above = np.where(steps.high < threshold, False, steps.low >= threshold)
    inside = (steps.low < threshold) & (steps.high >= threshold)
    above |= inside & (steps.score >= threshold * steps.rows)
    return Confusion(
        true_negative=int(steps.negatives[~above].sum()),
        false_positive=int(steps.negatives[above].sum()),
        false_negative=int(steps.positives[~above].sum()),
        true_positive=int(steps.positives[above].sum()),
    )


# Each rule sees how many positives and negatives lie at or above each candidate, from the highest candidate down (the
# first takes no row), and returns the index of the best with its value. argmax takes the first of equals.

Numbers = Mapping[str, float]


def _f(true: Floats, false: Floats, numbers: Numbers, _: str) -> tuple[int, float]:
    square = numbers.get("beta", 1.0) ** 2
    values = (1 + square) * true / (square * true[-1] + true + false)
    best = int(np.argmax(values))
    return best, values[best]


def _youden(true: Floats, false: Floats, _: Numbers, __: str) -> tuple[int, float]:
    values = true / true[-1] - false / false[-1]
    best = int(np.argmax(values))
    return best, values[best]


def _cost(true: Floats, false: Floats, numbers: Numbers, _: str) -> tuple[int, float]:
    values = (numbers["fp"] * false + numbers["fn"] * (true[-1] - true)) / (true[-1] + false[-1])
    best = int(np.argmin(values))
    return best, values[best]


def _top(true: Floats, false: Floats, numbers: Numbers, _: str) -> tuple[int, float]:
    """Take as many rows as allowed; the first step alone where even that holds more."""
    shares = (true + false) / (true[-1] + false[-1])
    best = max(int(np.searchsorted(shares, numbers["at"] + 1e-12, side="right")) - 1, 1)
    return best, shares[best]


def _precision(true: Floats, false: Floats, numbers: Numbers, rule: str) -> tuple[int, float]:
    precision = true / np.maximum(true + false, 1)
    recall = np.where(precision >= numbers["at"], true / true[-1], -1.0)
    best = int(np.argmax(recall))
    if recall[best] <= 0:
        raise DataError(
            f"no threshold can be chosen by {rule!r}: the highest precision at any threshold is {precision.max():.4f}; "
            "ask for less"
        )
    return best, recall[best]


def _recall(true: Floats, false: Floats, numbers: Numbers, _: str) -> tuple[int, float]:
    precision = np.where(true / true[-1] >= numbers["at"], true / np.maximum(true + false, 1), -1.0)
    best = int(np.argmax(precision))
    return best, precision[best]


_Rule = Callable[[Floats, Floats, Numbers, str], tuple[int, float]]
_RULES: Mapping[str, _Rule] = {
    "f1": _f,
    "f_beta": _f,
    "youden": _youden,
    "cost": _cost,
    "top": _top,
    "precision": _precision,
    "recall": _recall,
}
