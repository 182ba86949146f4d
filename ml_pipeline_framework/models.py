"""The algorithms: a table from the names of the configuration to estimators of ``pyspark.ml``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.ml.base import Estimator
from pyspark.ml.classification import RandomForestClassifier

from ml_pipeline_framework.contract import ALGORITHMS
from ml_pipeline_framework.errors import ModelError

_SPARK_MAX_BINS = 32  # pyspark.ml's default
# Spark's 256 is per task: two tasks fill a heap of 1 GiB with histograms alone. A smaller share means more passes over
# cached rows, each of which touches fewer trees.
_MAX_MEMORY_MB = 64


@dataclass(frozen=True)
class Algorithm:
    """How one algorithm is made and what it asks of its features."""

    estimator: Callable[..., Estimator[Any]]
    is_tree: bool


TABLE: Mapping[str, Algorithm] = {"random_forest": Algorithm(RandomForestClassifier, is_tree=True)}


def spark_settings(algorithm: str, hyperparameters: Mapping[str, object]) -> dict[str, Any]:
    """Return hyper-parameters under Spark's names with values of Spark's types."""
    settings: dict[str, Any] = {}
    for one in ALGORITHMS[algorithm]:
        if one.name in hyperparameters:
            value = hyperparameters[one.name]
            if one.kind == "number":
                value = float(value)  # type: ignore[arg-type]
            elif one.kind == "choice":
                value = str(value)  # Spark takes max_features as text: "sqrt", "4", "0.5"
            settings[one.spark_name] = value
    return settings


def estimator(
    algorithm: str, hyperparameters: Mapping[str, object], *, label: str, features: str, seed: int, categories: int
) -> Estimator[Any]:
    """Return an unfitted estimator.

    Parameters
    ----------
    label, features : str
        Columns: the label (double, 0 or 1) and the feature vector.
    seed : int
        Always set: PySpark's default depends on Python's string hashing, which differs from process to process.
    categories : int
        The largest number of categories of a feature, the one for unseen values included. A tree fails when it has
        fewer bins than that.

    Raises
    ------
    ModelError
        When ``max_bins`` is set below `categories`.
    """
    entry = TABLE[algorithm]
    settings = spark_settings(algorithm, hyperparameters)
    if entry.is_tree:
        settings.setdefault("maxMemoryInMB", _MAX_MEMORY_MB)
        settings.setdefault("maxBins", max(_SPARK_MAX_BINS, categories))
        if settings["maxBins"] < categories:
            raise ModelError(
                f"model_config.hyperparameters.max_bins is {settings['maxBins']}, but a feature has {categories} "
                f"categories: leave max_bins out, set it to at least {categories}, or lower model_config.max_categories"
            )
    return entry.estimator(labelCol=label, featuresCol=features, seed=seed, **settings)


def all_settings(fitted: Any) -> dict[str, Any]:
    """Return every setting of an estimator or model, defaults included, under Spark's names."""
    values = {one.name: value for one, value in fitted.extractParamMap().items()}
    return {name: values[name] for name in sorted(values)}
