"""Curves of a two-class model from its binned scores, thinned for plots. Thresholds are scores that occur."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ml_pipeline_framework.metrics.two_class import (
    LINEAR_STEPS,
    Floats,
    Steps,
    captured,
    kolmogorov_smirnov,
)

POINTS = 200
LIFT_STEPS = 20
SCORE_BINS = 50
CALIBRATION_BINS = 10


def curves(steps: Steps, *, probability: bool) -> dict[str, Any]:
    """Return the curves; None for those that need a class which is not there, or a probability."""
    return {
        "roc": roc(steps) if steps.both else None,
        "pr": precision_recall(steps) if steps.positives.any() else None,
        "ks": ks(steps) if steps.both else None,
        "lift": lift(steps) if steps.positives.any() else None,
        "calibration": calibration(steps) if probability else None,
        "scores": scores(steps, probability=probability),
    }


def _thinned(position: Floats, points: int) -> npt.NDArray[np.int64]:
    """Return the indices of at most `points` entries of a rising array, spread over its values, with both ends."""
    if len(position) <= points:
        return np.arange(len(position))
    wanted = np.linspace(position[0], position[-1], points)
    found = np.clip(np.searchsorted(position, wanted), 0, len(position) - 1)
    found[0], found[-1] = 0, len(position) - 1
    return np.unique(found)


def _downwards(steps: Steps) -> tuple[Floats, Floats, Floats]:
    """Return, from the highest step down, positives and negatives at or above it and its lowest score."""
    true, false = (np.cumsum(one[::-1]).astype(float) for one in (steps.positives, steps.negatives))
    return true, false, steps.low[::-1]


def roc(steps: Steps) -> dict[str, list[float | None]]:
    """Return false and true positive rates, from (0, 0) at no threshold (None) to (1, 1)."""
    true, false, low = _downwards(steps)
    tpr = np.concatenate([[0.0], true / true[-1]])
    fpr = np.concatenate([[0.0], false / false[-1]])
    kept = _thinned(tpr + fpr, POINTS)
    threshold = [None, *low.tolist()]
    return {"fpr": fpr[kept].tolist(), "tpr": tpr[kept].tolist(), "threshold": [threshold[at] for at in kept]}


def precision_recall(steps: Steps) -> dict[str, list[float]]:
    """Return precision and recall from the highest step down."""
    true, false, low = _downwards(steps)
    recall, seen = true / true[-1], true + false
    kept = _thinned(recall + seen / seen[-1], POINTS)
    return {
        "recall": recall[kept].tolist(),
        "precision": (true / seen)[kept].tolist(),
        "threshold": low[kept].tolist(),
    }


def ks(steps: Steps) -> dict[str, float]:
    """Return where the shares of positives and negatives at or above a threshold differ most."""
    value, at = kolmogorov_smirnov(steps.negatives, steps.positives)
    return {
        "threshold": float(steps.low[at]),
        "value": value,
        "tpr": float(steps.positives[at:].sum() / steps.positives.sum()),
        "fpr": float(steps.negatives[at:].sum() / steps.negatives.sum()),
    }


def lift(steps: Steps) -> dict[str, list[float]]:
    """Return, for the best 5 %, 10 %, ... of the rows, the share of all positives there, and that over the share."""
    share = np.arange(1, LIFT_STEPS + 1) / LIFT_STEPS
    gain = captured(steps, share) / steps.positives.sum()
    return {"share": share.tolist(), "lift": (gain / share).tolist(), "gain": gain.tolist()}


def _linear(steps: Steps, bins: int) -> npt.NDArray[np.int64]:
    """Return the equal-width bin of [0, 1] that each step of a probability lies in; `bins` divides the linear steps."""
    linear = np.floor(np.clip(steps.low, 0, 1) * LINEAR_STEPS).astype(np.int64)
    return np.minimum(linear // (LINEAR_STEPS // bins), bins - 1)


def calibration(steps: Steps) -> list[dict[str, Any]]:
    """Return, per tenth of the probability, its rows, their mean probability and their share of positives."""
    place = _linear(steps, CALIBRATION_BINS)
    found = []
    for at in range(CALIBRATION_BINS):
        here = place == at
        rows = int(steps.rows[here].sum())
        found.append(
            {
                "low": at / CALIBRATION_BINS,
                "high": (at + 1) / CALIBRATION_BINS,
                "rows": rows,
                "mean_probability": float(steps.score[here].sum() / rows) if rows else None,
                "positive_share": float(steps.positives[here].sum() / rows) if rows else None,
            }
        )
    return found


def expected_calibration_error(found: list[dict[str, Any]]) -> float:
    """Return the mean distance of mean probability and share of positives over the rows of a calibration curve."""
    rows = sum(one["rows"] for one in found)
    return float(
        sum(one["rows"] * abs(one["mean_probability"] - one["positive_share"]) for one in found if one["rows"]) / rows
    )


def scores(steps: Steps, *, probability: bool) -> dict[str, list[Any]]:
    """Return a histogram of the scores per class: of [0, 1] for probabilities, else from the lowest to the highest."""
    if probability:
        edges, place = np.linspace(0.0, 1.0, SCORE_BINS + 1), _linear(steps, SCORE_BINS)
    else:
        low, high = float(steps.low[0]), float(steps.high[-1])
        edges = np.linspace(low, high if high > low else low + 1, SCORE_BINS + 1)
        mean = steps.score / np.maximum(steps.rows, 1)
        place = np.clip(np.searchsorted(edges, mean, side="right") - 1, 0, SCORE_BINS - 1)
    return {
        "edges": edges.tolist(),
        "negatives": np.bincount(place, steps.negatives, SCORE_BINS).astype(int).tolist(),
        "positives": np.bincount(place, steps.positives, SCORE_BINS).astype(int).tolist(),
    }
