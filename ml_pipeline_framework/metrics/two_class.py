"""Arithmetic on the binned scores of a two-class model: areas, rates and what else needs no row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ml_pipeline_framework.metrics.measured import ratio

#: Equal steps of a probability. Every step of a bin lies within one of them, so that any grid whose lines are among
#: these (tenths, fiftieths) can be counted from bins without error.
LINEAR_STEPS = 5_000

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Rows of one score step and one predicted class.

    ``low`` and ``high`` are the lowest and highest score that occur. The last five are sums over the rows: of the
    score, of the log loss (nats) and its square, of the squared error and its square; the last four are None where the
    score is no probability.
    """

    step: int
    predicted: int
    negatives: int
    positives: int
    low: float
    high: float
    score: float
    log_loss: float | None = None
    log_loss_square: float | None = None
    squared_error: float | None = None
    squared_error_square: float | None = None


@dataclass(frozen=True)
class Steps:
    """Counts per score step, from the lowest score up; both predicted classes together."""

    negatives: Counts
    positives: Counts
    low: Floats
    high: Floats
    score: Floats  # sum over the rows

    @property
    def rows(self) -> Counts:
        return self.negatives + self.positives

    @property
    def both(self) -> bool:
        """Whether both classes occur, without which no curve exists."""
        return bool(self.negatives.any() and self.positives.any())


def steps_of(bins: Sequence[Bin]) -> Steps:
    """Merge the predicted classes of each step."""
    ordered = sorted(bins, key=lambda one: one.step)
    starts = [at for at, one in enumerate(ordered) if at == 0 or one.step != ordered[at - 1].step]

    def sums(values: list[float]) -> Floats:
        return np.add.reduceat(np.array(values, dtype=float), starts)

    return Steps(
        negatives=sums([one.negatives for one in ordered]).astype(np.int64),
        positives=sums([one.positives for one in ordered]).astype(np.int64),
        low=np.minimum.reduceat(np.array([one.low for one in ordered], dtype=float), starts),
        high=np.maximum.reduceat(np.array([one.high for one in ordered], dtype=float), starts),
        score=sums([one.score for one in ordered]),
    )


def area_under_roc(negatives: npt.ArrayLike, positives: npt.ArrayLike) -> tuple[float, float, float]:
    """Return the area under the ROC curve, its standard error, and how far ties within a step can move it.

    The area is the chance that a positive scores above a negative, ties counting half. The standard error is DeLong's
    (E. R. DeLong et al., Biometrics 44, 1988): the variance of each row's placement among the other class.

    Parameters
    ----------
    negatives, positives : array of int
        Counts per step, from the lowest score up; neither all zero.
    """
    n, p = np.asarray(negatives, dtype=float), np.asarray(positives, dtype=float)
    all_n, all_p = n.sum(), p.sum()
    placed_p = (np.cumsum(n) - n / 2) / all_n  # share of the negatives that a positive of this step beats
    placed_n = (all_p - np.cumsum(p) + p / 2) / all_p  # share of the positives that beat a negative of this step
    area = float((p * placed_p).sum() / all_p)
    error = delong_error(area, (p * placed_p**2).sum() / all_p, (n * placed_n**2).sum() / all_n, all_p, all_n)
    return area, error, float((n * p).sum() / 2 / (all_n * all_p))


def delong_error(area: float, square_p: float, square_n: float, positives: float, negatives: float) -> float:
    """Return the standard error of an area from the mean squared placements of the positives and the negatives."""
    variance = (square_p - area**2) / positives + (square_n - area**2) / negatives
    return math.sqrt(max(float(variance), 0.0))


def average_precision(negatives: npt.ArrayLike, positives: npt.ArrayLike) -> float:
    """Return the area under the precision-recall curve as a sum of steps, without interpolation between them."""
    n, p = np.asarray(negatives, dtype=float)[::-1], np.asarray(positives, dtype=float)[::-1]
    seen = np.cumsum(n + p)
    return float((p * np.cumsum(p) / np.where(seen > 0, seen, 1)).sum() / p.sum())


def kolmogorov_smirnov(negatives: npt.ArrayLike, positives: npt.ArrayLike) -> tuple[float, int]:
    """Return the largest difference between the shares of positives and of negatives at or above a step, and that step.

    Zero when no step separates them the right way round; among equals the highest step.
    """
    n, p = np.asarray(negatives, dtype=float)[::-1], np.asarray(positives, dtype=float)[::-1]
    difference = np.cumsum(p) / p.sum() - np.cumsum(n) / n.sum()
    best = int(np.argmax(difference))
    return max(float(difference[best]), 0.0), len(p) - 1 - best


def captured(steps: Steps, share: npt.ArrayLike) -> Floats:
    """Return how many positives lie among the best `share` of the rows; within a step they count as spread evenly."""
    wanted = np.asarray(share, dtype=float) * steps.rows.sum()
    seen = np.concatenate([[0.0], np.cumsum(steps.rows[::-1])])
    hits = np.concatenate([[0.0], np.cumsum(steps.positives[::-1])])
    found: Floats = np.interp(wanted, seen, hits)
    return found


@dataclass(frozen=True)
class Confusion:
    """Counts of actual and predicted class; positives are class 1."""

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int

    @classmethod
    def of(cls, bins: Sequence[Bin]) -> Confusion:
        """Count by the predicted class of the bins."""
        return cls(
            true_negative=sum(one.negatives for one in bins if one.predicted == 0),
            false_positive=sum(one.negatives for one in bins if one.predicted == 1),
            false_negative=sum(one.positives for one in bins if one.predicted == 0),
            true_positive=sum(one.positives for one in bins if one.predicted == 1),
        )

    @property
    def rows(self) -> int:
        return self.true_negative + self.false_positive + self.false_negative + self.true_positive

    def rates(self) -> dict[str, float | None]:
        """Return accuracy, precision, recall and F1; None where the denominator is zero."""
        hits = self.true_positive
        wrong = self.false_positive + self.false_negative
        return {
            "accuracy": ratio(self.true_negative + hits, self.rows),
            "precision": ratio(hits, hits + self.false_positive),
            "recall": ratio(hits, hits + self.false_negative),
            "f1": ratio(2 * hits, 2 * hits + wrong),
        }

    def to_dict(self, labels: Sequence[str], threshold: float | None) -> dict[str, object]:
        """Return it as reports hold it: rows are actual classes, columns predicted ones."""
        matrix = [[self.true_negative, self.false_positive], [self.false_negative, self.true_positive]]
        return {"labels": list(labels), "matrix": matrix, "threshold": threshold}
