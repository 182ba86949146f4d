"""What a fitted model says about how much each feature counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml_pipeline_framework.models import xgboost


def importances(
    fitted: Any, slots: Sequence[Mapping[str, str]], deviations: Sequence[float] | None = None
) -> dict[str, float] | None:
    """Return how much each feature counts in a fitted model, or None where the model does not say.

    Parameters
    ----------
    fitted : pyspark.ml.Model
    slots : sequence of mappings
        ``feature`` of each slot of the vector; a feature's slots are summed.
    deviations : sequence of float, optional
        Standard deviation of each slot in the training rows (`features.deviations`), which makes coefficients of
        columns of different scales comparable. What the numbers are, `importance_kind` says.
    """
    found = _per_slot(fitted, len(slots))
    if found is None:
        return None
    if deviations is not None and importance_kind(fitted) == "coefficient":
        found = [value * deviation for value, deviation in zip(found, deviations, strict=True)]
    result: dict[str, float] = {}
    for slot, value in zip(slots, found, strict=True):
        result[slot["feature"]] = result.get(slot["feature"], 0.0) + float(value)
    return result


def importance_kind(fitted: Any) -> str:
    """Return what `importances` says: gain, coefficient, or nothing.

    gain: the feature's share of what all splits of all trees gained, sum 1.
    coefficient: the absolute coefficient, the mean over the classes, times the slot's standard deviation where given.
    """
    if hasattr(fitted, "featureImportances") or xgboost.is_model(fitted):
        return "gain"
    # The matrix first: asked for the coefficients, a model of several classes fails.
    return "coefficient" if hasattr(fitted, "coefficientMatrix") or hasattr(fitted, "coefficients") else ""


def _per_slot(fitted: Any, width: int) -> list[float] | None:
    if xgboost.is_model(fitted):
        return xgboost.gains(fitted, width)
    if hasattr(fitted, "featureImportances"):
        return [float(value) for value in fitted.featureImportances.toArray()]
    if hasattr(fitted, "coefficientMatrix"):
        matrix = abs(fitted.coefficientMatrix.toArray())
        return [float(value) for value in matrix.mean(axis=0)]
    if hasattr(fitted, "coefficients"):
        return [float(value) for value in abs(fitted.coefficients.toArray())]
    return None
