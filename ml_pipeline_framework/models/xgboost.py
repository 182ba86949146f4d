"""The optional xgboost learner: all its tasks run at the same time (a barrier stage), so it needs executors that stay.

Predictions pass through Python (a pandas UDF), unlike those of Spark's own models. Needs the packages of the extra
``xgboost`` on the driver and on every node.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.ml.base import Estimator
from pyspark.sql import SparkSession

from ml_pipeline_framework.contract import ALGORITHMS
from ml_pipeline_framework.errors import ModelError

_REGRESSION = "regression"


def estimator(
    task: str,
    settings: Mapping[str, Any],
    *,
    label: str,
    features: str,
    seed: int,
    weight: str = "",
    categorical: Sequence[bool] = (),
) -> Estimator[Any]:
    """Return an unfitted ``SparkXGBClassifier`` or ``SparkXGBRegressor``.

    Parameters
    ----------
    settings : mapping
        xgboost's own names; ``num_workers`` defaults to every slot of the application.
    categorical : sequence of bool
        Which slots of the vector are category indices and no quantities; empty when that is not known.

    Raises
    ------
    ModelError
        See `require`.
    """
    require([settings["num_workers"]] if "num_workers" in settings else [])
    learners = importlib.import_module("xgboost.spark")
    given = dict(settings)
    context = SparkSession.active().sparkContext
    workers = given.pop("num_workers", None) or slots(context.master, context.getConf())
    made = learners.SparkXGBRegressor if task == _REGRESSION else learners.SparkXGBClassifier
    if categorical and any(categorical):
        given["feature_types"] = ["c" if one else "q" for one in categorical]
    if weight:
        given["weight_col"] = weight
    return made(features_col=features, label_col=label, num_workers=workers, random_state=seed, **given)


def require(workers: Sequence[int] = ()) -> None:
    """Check packages and slots before anything is read; `workers` are the numbers of workers that are asked for.

    Raises
    ------
    ModelError
        When a package is missing, executors come and go, or the slots do not suffice. Spark itself would find out after
        ten minutes (``spark.scheduler.barrier.maxConcurrentTasksCheck.*``).
    """
    for name in ALGORITHMS["xgboost"].needs:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ModelError(
                f"model_config.algorithm xgboost needs the Python package {name}, which the driver has not ({error}): "
                "install the extra (pip install 'batch-submit[xgboost]') there and on every node, or ship an "
                "environment that has it; gbt needs nothing"
            ) from error
    context = SparkSession.active().sparkContext
    there = slots(context.master, context.getConf())
    if workers and max(workers) > there:
        raise ModelError(
            f"model_config.hyperparameters.num_workers is {max(workers)}, but the application has {there} slots "
            "(executors x cores / spark.task.cpus), and xgboost's tasks all run at once: lower num_workers or give "
            "more executors"
        )


def slots(master: str, conf: Any) -> int:
    """Return how many tasks can run at once in an application with fixed executors.

    Raises
    ------
    ModelError
        When the executors are not fixed, or too small for a task.
    """
    if (conf.get("spark.dynamicAllocation.enabled") or "false").lower() == "true":
        raise ModelError(
            "model_config.algorithm xgboost trains in one barrier stage, which Spark refuses while executors come and "
            "go: set spark.dynamicAllocation.enabled to false and spark.executor.instances to a number, or use gbt"
        )
    per_task = int(conf.get("spark.task.cpus") or "1")
    executors, cores = _executors(master, conf)
    if cores < per_task:
        raise ModelError(
            f"an executor has {cores} cores, fewer than the {per_task} that spark.task.cpus asks for one task: lower "
            "spark.task.cpus or raise spark.executor.cores"
        )
    return executors * (cores // per_task)


def _executors(master: str, conf: Any) -> tuple[int, int]:
    """Return how many executors there are, and the cores of each."""
    if master == "local":
        return 1, 1
    local = re.fullmatch(r"local\[(\d+|\*)(?:,\s*\d+)?\]", master)
    if local:
        return 1, (os.cpu_count() or 1) if local[1] == "*" else int(local[1])
    # YARN's defaults: 2 executors of 1 core.
    return int(conf.get("spark.executor.instances") or "2"), int(conf.get("spark.executor.cores") or "1")


def is_model(fitted: Any) -> bool:
    """Return whether a model is xgboost's."""
    return type(fitted).__module__.startswith("xgboost.")


def gains(fitted: Any, width: int) -> list[float]:
    """Return each slot's share of the trees' total gain."""
    found = fitted.get_feature_importances(importance_type="total_gain")
    total = sum(found.values()) or 1.0
    return [float(found.get(f"f{slot}", 0.0)) / total for slot in range(width)]
