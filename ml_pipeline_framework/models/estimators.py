"""The algorithms: a table from the names of the configuration to estimators of ``pyspark.ml``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyspark.ml.base import Estimator
from pyspark.ml.classification import (
    DecisionTreeClassifier,
    GBTClassifier,
    LinearSVC,
    LogisticRegression,
    NaiveBayes,
    RandomForestClassifier,
)
from pyspark.ml.clustering import BisectingKMeans, KMeans
from pyspark.ml.regression import (
    DecisionTreeRegressor,
    GBTRegressor,
    GeneralizedLinearRegression,
    LinearRegression,
    RandomForestRegressor,
)

from ml_pipeline_framework.contract import ALGORITHMS
from ml_pipeline_framework.contract.algorithms import algorithms_for
from ml_pipeline_framework.errors import ModelError
from ml_pipeline_framework.models import xgboost

BINARY, MULTICLASS, REGRESSION, CLUSTERING = "binary", "multiclass", "regression", "clustering"

_SPARK_MAX_BINS = 32  # pyspark.ml's default
# Spark's 256 is per task: two tasks fill a heap of 1 GiB with histograms alone. A smaller share means more passes over
# cached rows, each of which touches fewer trees.
_MAX_MEMORY_MB = 64

_CLASSIFIERS: Mapping[str, Callable[..., Estimator[Any]]] = {
    "random_forest": RandomForestClassifier,
    "gbt": GBTClassifier,
    "decision_tree": DecisionTreeClassifier,
    "logistic_regression": LogisticRegression,
    "linear_svc": LinearSVC,
    "naive_bayes": NaiveBayes,
}
_REGRESSORS: Mapping[str, Callable[..., Estimator[Any]]] = {
    "random_forest": RandomForestRegressor,
    "gbt": GBTRegressor,
    "decision_tree": DecisionTreeRegressor,
    "linear_regression": LinearRegression,
    "glm": GeneralizedLinearRegression,
}
_CLUSTERERS: Mapping[str, Callable[..., Estimator[Any]]] = {"kmeans": KMeans, "bisecting_kmeans": BisectingKMeans}
_TABLES = {BINARY: _CLASSIFIERS, MULTICLASS: _CLASSIFIERS, REGRESSION: _REGRESSORS, CLUSTERING: _CLUSTERERS}

_NO_PROBABILITY = ("linear_svc",)


def spark_settings(algorithm: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyper-parameters under Spark's names with values of Spark's types."""
    table = ALGORITHMS[algorithm].hyperparameters
    return {one.spark_name: one.spark_value(hyperparameters[one.name]) for one in table if one.name in hyperparameters}


def score_column(algorithm: str, task: str = BINARY) -> str:
    """Return the output column that ranks rows: ``probability``, ``rawPrediction`` or ``prediction``."""
    if task not in (BINARY, MULTICLASS):
        return "prediction"
    return "rawPrediction" if algorithm in _NO_PROBABILITY else "probability"


def require(algorithm: str, hyperparameters: Mapping[str, Any]) -> None:
    """Check what an algorithm needs of the cluster, before anything is read; values may be lists.

    Raises
    ------
    ModelError
        When a package is missing, or the application can't run the learner's tasks at once (xgboost).
    """
    if algorithm == "xgboost":
        asked = hyperparameters.get("num_workers", ())
        xgboost.require(asked if isinstance(asked, (list, tuple)) else [asked])


def estimator(
    algorithm: str,
    task: str,
    hyperparameters: Mapping[str, Any],
    *,
    label: str,
    features: str,
    seed: int,
    categories: int = 0,
    classes: int = 2,
    weight: str = "",
    slots: Sequence[Mapping[str, Any]] = (),
) -> Estimator[Any]:
    """Return an unfitted estimator.

    Parameters
    ----------
    task : str
        binary, multiclass, regression or clustering.
    hyperparameters : mapping
        One candidate, under our names.
    label, features, weight : str
        Columns: the label (double; for classes their index), the feature vector, and the weights where there are any.
    seed : int
        Set wherever Spark's learner has one.
    categories : int
        The largest number of categories of an indexed feature, the one for unseen values included. A tree fails when
        it has fewer bins than that.
    classes : int
        Number of classes.
    slots : sequence of mappings
        Of the vector (`features.FittedFeatures.slots`); tells xgboost which slots are categories.

    Raises
    ------
    ModelError
        When the algorithm does not serve the task, ``max_bins`` lies below `categories`, weights are given to a
        learner that takes none, or a package or the cluster does not allow it.
    """
    _check(algorithm, task, classes, hyperparameters)
    settings = spark_settings(algorithm, hyperparameters)
    if algorithm == "xgboost":
        categorical = ["arity" in slot for slot in slots]
        return xgboost.estimator(
            task, settings, label=label, features=features, seed=seed, weight=weight, categorical=categorical
        )
    _set_tree_defaults(algorithm, settings, categories)
    made = _TABLES[task][algorithm](featuresCol=features, **settings)
    _set_columns(made, algorithm, label=label, weight=weight, seed=seed)
    return made


def _check(algorithm: str, task: str, classes: int, hyperparameters: Mapping[str, Any]) -> None:
    """Check what depends on task and label, which the edge may not have known."""
    table = ALGORITHMS[algorithm]
    if task not in table.tasks:
        known = ", ".join(algorithms_for(task))
        raise ModelError(f"model_config.algorithm {algorithm} does not do {task}: choose one of {known}")
    if (task == BINARY and classes != 2) or (task == MULTICLASS and classes < 3):
        raise ModelError(f"the label has {classes} classes, which is not {task}: leave model_config.task out")
    allowed = {one.name for one in table.for_task(task)}
    wrong = [one for one in table.hyperparameters if one.name in hyperparameters and one.name not in allowed]
    for one in wrong:
        raise ModelError(f"model_config.hyperparameters.{one.name} is not for {task} ({one.doc}): leave it out")


def _set_tree_defaults(algorithm: str, settings: dict[str, Any], categories: int) -> None:
    if ALGORITHMS[algorithm].style != "tree":
        return
    settings.setdefault("maxMemoryInMB", _MAX_MEMORY_MB)
    settings.setdefault("maxBins", max(_SPARK_MAX_BINS, categories))
    if settings["maxBins"] < categories:
        raise ModelError(
            f"model_config.hyperparameters.max_bins is {settings['maxBins']}, but a feature has {categories} "
            f"categories: leave max_bins out, set it to at least {categories}, or lower model_config.max_categories"
        )


def _set_columns(made: Any, algorithm: str, *, label: str, weight: str, seed: int) -> None:
    if made.hasParam("labelCol"):
        made.set(made.labelCol, label)
    if made.hasParam("seed"):  # PySpark's default depends on Python's string hashing: another one in each process
        made.set(made.seed, seed)
    if weight:
        if not made.hasParam("weightCol"):
            raise ModelError(f"model_config.algorithm {algorithm} takes no weights: leave the weights out")
        made.set(made.weightCol, weight)


def all_settings(fitted: Any) -> dict[str, Any]:
    """Return every setting of an estimator or model, defaults included, under Spark's names, as plain values."""
    values = {one.name: value for one, value in fitted.extractParamMap().items()}
    return {name: _finite(value) for name, value in sorted(values.items()) if _is_plain(value)}


def _finite(value: Any) -> Any:
    """Return xgboost's ``missing: NaN`` as text: JSON has no such number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(one) for one in value)
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_plain(one) for name, one in value.items())
    return value is None or isinstance(value, (bool, int, float, str))
