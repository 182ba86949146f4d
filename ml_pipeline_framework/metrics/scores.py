"""The score of a model's output, and its step: the grid on which scores are counted.

A step is the sum of two rising indices, so equal steps mean neighbouring scores wherever they lie. Of a probability p,
one index counts 5,000 equal steps and the other 5,000 equal steps of its logit from 1e-7 to 1 - 1e-7 (0.6 % of p at a
time): a model of a rare event, all of whose scores lie below 0.01, is told apart as finely as one that uses the whole
range. Of a raw score x, the indices count 5,000 steps of the logistic function of x and 5,000 of log(1 + 1000 |x|) with
the sign of x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import VectorUDT
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics.two_class import LINEAR_STEPS

PROBABILITY, RAW, PREDICTION = "probability", "rawPrediction", "prediction"
_TAIL = 1e-7  # probabilities beyond it and 1 minus it differ by equal steps only
_LOGIT_SPAN = 2 * math.log((1 - _TAIL) / _TAIL)
_RAW_LIMIT = 1e9
_RAW_SPAN = 2 * math.log1p(1000 * _RAW_LIMIT)
_ROUNDING = 1e-6  # how far a sum of floating-point shares may leave [0, 1]


@dataclass(frozen=True)
class Score:
    """The score of class 1: where it comes from, and its value as an expression on the predictions."""

    source: str  # probability, rawPrediction or prediction
    value: Column

    @property
    def is_probability(self) -> bool:
        return self.source == PROBABILITY

    def valid(self, value: Column) -> Column:
        """Return whether a score can be used: a number, and within [0, 1] where it is a probability."""
        number = value.isNotNull() & ~F.isnan(value)
        if not self.is_probability:
            return number
        return number & (value >= -_ROUNDING) & (value <= 1 + _ROUNDING)

    def step(self, value: Column) -> Column:
        """Return the step of a valid score: rises with it, and is constant within each of the equal steps of [0, 1]."""
        if self.is_probability:
            inner = _between(value, _TAIL, 1 - _TAIL)
            even = _between(value, 0.0, 1.0)
            fine = F.log(inner / (1 - inner)) / _LOGIT_SPAN + 0.5
        else:
            inner = _between(value, -_RAW_LIMIT, _RAW_LIMIT)
            even = 1 / (1 + F.exp(-_between(value, -700.0, 700.0)))
            fine = F.signum(inner) * F.log1p(F.abs(inner) * 1000) / _RAW_SPAN + 0.5
        return F.floor(even * LINEAR_STEPS) + F.floor(fine * LINEAR_STEPS)


def _between(value: Column, low: float, high: float) -> Column:
    return F.least(F.greatest(value, F.lit(low)), F.lit(high))


def score_of(predictions: DataFrame) -> Score:
    """Return the best score that the predictions hold: probability, else raw score, else the predicted class itself.

    ``probability`` and ``rawPrediction`` may be vectors, arrays (class 1 is their second entry) or plain numbers.

    Raises
    ------
    DataError
        When there is not even a prediction.
    """
    for name in (PROBABILITY, RAW, PREDICTION):
        if name in predictions.columns:
            return Score(name, element(predictions, name, 1).cast("double"))
    raise DataError(
        f"the predictions have no column {PROBABILITY}, {RAW} or {PREDICTION}; "
        f"they have: {', '.join(predictions.columns)}"
    )


def element(predictions: DataFrame, name: str, at: int | Column) -> Column:
    """Return one entry of a vector or array column, null where it is shorter; a plain number as it is."""
    if isinstance(predictions.schema[name].dataType, (VectorUDT, ArrayType)):
        return F.get(entries(predictions, name), at)
    return F.col(name)


def entries(predictions: DataFrame, name: str) -> Column:
    """Return a vector or array column as an array."""
    return vector_to_array(name) if isinstance(predictions.schema[name].dataType, VectorUDT) else F.col(name)
