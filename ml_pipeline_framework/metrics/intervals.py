"""95 % intervals of metrics, from counts alone and the same at every run."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

_Z = 1.959963984540054  # the standard normal's 97.5 % quantile
REPLICATES = 200
_SEED = 20_111


def interval(low: float, high: float, method: str) -> dict[str, Any]:
    """Return an interval as reports hold it."""
    return {"low": float(low), "high": float(high), "method": method}


def wilson(hits: int, rows: int) -> dict[str, Any] | None:
    """Return Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927); None without rows."""
    if not rows:
        return None
    share, square = hits / rows, _Z**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = _Z / (1 + square / rows) * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2))
    return interval(max(middle - half, 0.0), min(middle + half, 1.0), "Wilson")


def around(value: float, error: float, low: float, high: float, method: str) -> dict[str, Any]:
    """Return the normal interval of a value with a standard error, cut to the range of the metric."""
    return interval(max(value - _Z * error, low), min(value + _Z * error, high), method)


def of_mean(total: float, square: float, rows: int, method: str = "normal") -> dict[str, Any]:
    """Return the normal interval of the mean of numbers at or above zero, from their sum and their sum of squares."""
    mean = total / rows
    variance = max(square / rows - mean**2, 0.0) / max(rows - 1, 1)
    return around(mean, math.sqrt(variance), 0.0, math.inf, method)


def bootstrap_error(cells: npt.NDArray[np.int64], statistic: Callable[[npt.NDArray[Any]], float]) -> float:
    """Return the standard deviation of a statistic of counts over Poisson bootstrap replicates.

    Drawing every row k times with k from Poisson(1) turns a cell's count c into a draw from Poisson(c), so that counts
    are all that replicates need (N. Chamandy et al., "Estimating uncertainty for massive data streams", Google, 2012).
    The draws are the same at every run.

    Parameters
    ----------
    cells : array of int
        Counts, in any shape that `statistic` takes; a replicate that has no value (NaN) is left out.
    """
    generator = np.random.default_rng(_SEED)
    values = [statistic(generator.poisson(cells)) for _ in range(REPLICATES)]
    good = [value for value in values if math.isfinite(value)]
    return float(np.std(good, ddof=1)) if len(good) > 1 else 0.0
