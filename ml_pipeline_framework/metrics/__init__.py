"""Measures of predictions: one entry for every task, one pass over the data, no row in the driver.

``binary`` also chooses thresholds from ``Measured.bins`` (`binary.choose_threshold`, `binary.confusion_at`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame

from ml_pipeline_framework.contract.metric_names import MAIN, NAMES
from ml_pipeline_framework.metrics import binary, clustering, multiclass, regression
from ml_pipeline_framework.metrics.comparison import compare, gate
from ml_pipeline_framework.metrics.measured import Measured
from ml_pipeline_framework.metrics.segments import check_columns

__all__ = ["MAIN", "NAMES", "Measured", "baseline", "binary", "compare", "gate", "measure"]


def measure(
    task: str,
    predictions: DataFrame,
    label: str,
    *,
    classes: Sequence[Any] | None = None,
    threshold: float | None = None,
    segments: Sequence[str] = (),
) -> Measured:
    """Measure predictions in one pass (clustering: three).

    Parameters
    ----------
    task : str
        binary, multiclass, regression or clustering.
    predictions : DataFrame
        What a model's ``transform`` returns, with a column `label` (double: class index or number, no nulls).
    label : str
        Name of that column; not read for clustering.
    classes : sequence, optional
        The classes by index, for the texts of the report. Multiclass takes the number of classes from them; without
        them it has no areas per class.
    threshold : float, optional
        Binary only: scores at or above it count as predicted 1. Without one the column ``prediction`` says.
    segments : sequence of str, optional
        Columns whose values are measured apart as well.

    Raises
    ------
    DataError
        No rows; labels, scores or predictions that can't be used (with their number); segment columns that are missing.
    """
    check_columns(predictions, segments)
    if task == "binary":
        return binary.measure_predictions(predictions, label, classes=classes, threshold=threshold, columns=segments)
    if task == "multiclass":
        return multiclass.measure_predictions(predictions, label, classes=classes, columns=segments)
    if task == "regression":
        return regression.measure_predictions(predictions, label, columns=segments)
    if task == "clustering":
        return clustering.measure_predictions(predictions, columns=segments)
    raise ValueError(f"{task!r} is no task: known are {', '.join(NAMES)}")


def baseline(task: str, train: Any, test: Any) -> dict[str, Any]:
    """Return the metrics of a model that knows only the labels of the training rows.

    Parameters
    ----------
    task : str
    train : sequence of int or mapping
        Classification: rows per class index. Regression: a mapping with the labels' ``mean``. Not read for clustering,
        which has no baseline.
    test : sequence of int or mapping
        ``Measured.summary`` of the rows measured.
    """
    if task == "binary":
        return binary.baseline(train, test)
    if task == "multiclass":
        return multiclass.baseline(train, test)
    if task == "regression":
        return regression.baseline(train, test)
    if task == "clustering":
        return {}
    raise ValueError(f"{task!r} is no task: known are {', '.join(NAMES)}")
