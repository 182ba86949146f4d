"""What a training run reports: ``metrics.json`` and the summary on standard output."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from typing import Any

import pyspark
from pyspark.ml import PipelineModel

from ml_pipeline_framework import features, models
from ml_pipeline_framework.metrics import binary as metrics
from ml_pipeline_framework.contract import FRAMEWORK_VERSION, TrainingParams
from ml_pipeline_framework.features import FeaturePlan

REPORT_SCHEMA_VERSION = 1
#: Spark prunes: sibling leaves that predict the same class become one (``RandomForest.run``: "real trees are always
#: pruned"). With few positives every leaf of a shallow tree predicts 0, and the whole tree becomes one leaf.
NO_SPLIT = (
    "no tree has a split, so the model says the same of every row: Spark merges leaves that predict the same class; "
    "raise hyperparameters.max_depth"
)


class Stopwatch:
    """Seconds per step, in order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self.seconds: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Note the time since the last lap under `step`."""
        now = self._clock()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now


def _feature_list(plan: FeaturePlan, model: PipelineModel) -> list[dict[str, Any]]:
    """Return the features with their importance (sum 1; how much of the trees' gain each one made) and categories."""
    listed = plan.to_dict()["features"]
    categories = features.category_counts(model.stages, plan)
    importances = getattr(model.stages[-1], "featureImportances", None)
    for place, one in enumerate(listed):
        if one["name"] in categories:
            one["categories"] = categories[one["name"]]
        if importances is not None:
            one["importance"] = float(importances[place])
    return listed


def document(
    params: TrainingParams,
    *,
    counts: Mapping[str, Any],
    plan: FeaturePlan,
    model: PipelineModel,
    results: Mapping[str, Any],
    partitions: int,
    seconds: Mapping[str, float],
    spark_version: str,
) -> dict[str, Any]:
    """Return the content of ``metrics.json``; its keys are described in ``docs/training.md``."""
    train, test = counts["train"], counts["test"]
    return {
        "schema_version": REPORT_SCHEMA_VERSION,
        "run_id": params.run_id,
        "name": params.name,
        "model_name": params.model_name,
        "algorithm": params.algorithm,
        "model_path": params.model_path,
        **results,
        "rows": {
            "read": counts["read"],
            "without_label": counts["without_label"],
            "train": sum(train),
            "test": sum(test),
            "distinct_keys_about": counts["keys"],
        },
        "classes": {"train": _balance(train), "test": _balance(test)},
        "split": {
            "rule": "pmod(xxhash64('test:<seed>', keys as text), 1000000) < test_size * 1000000",
            "key_columns": list(params.key_columns),
            "test_size": params.test_size,
            "seed": params.seed,
            "partitions": partitions,
        },
        "features": _feature_list(plan, model),
        "left_out": plan.to_dict()["left_out"],
        "params": _plain(params),
        "spark_settings": models.all_settings(model.stages[-1]),
        "versions": {
            "ml_pipeline_framework": FRAMEWORK_VERSION,
            "python": platform.python_version(),
            "pyspark": pyspark.__version__,
            "spark": spark_version,
        },
        "seconds": dict(seconds),
    }


def _balance(found: tuple[int, int]) -> dict[str, float]:
    return {"0": found[0], "1": found[1], "share_of_1": found[1] / sum(found)}


def _plain(params: TrainingParams) -> dict[str, Any]:
    values = vars(params).items()
    return {name: list(value) if isinstance(value, tuple) else value for name, value in sorted(values)}


def summary(report: Mapping[str, Any]) -> str:
    """Return the report in some twenty lines of plain text."""
    rows, classes = report["rows"], report["classes"]
    folds = report["cross_validation"]
    lines = [
        f"Training of {report['model_name']} ({report['algorithm']}), run {report['run_id']}",
        f"  rows       {rows['read']:,} read, {rows['without_label']:,} without label (dropped), "
        f"{rows['train']:,} train, {rows['test']:,} test",
        f"  positives  {classes['train']['share_of_1']:.1%} of train, {classes['test']['share_of_1']:.1%} of test",
        f"  {'on the test rows':<18}{'model':>9}{'baseline':>10}" + (f"{'cv mean':>10}{'cv std':>9}" if folds else ""),
    ]
    for name, better in metrics.NAMES.items():
        line = f"  {name + ' (' + better + ')':<18}{report['metrics'][name]:>9.4f}{report['baseline'][name]:>10.4f}"
        lines.append(line + (f"{folds['mean'][name]:>10.4f}{folds['std'][name]:>9.4f}" if folds else ""))
    confusion = report["metrics"]["confusion"]
    lines.append("  confusion  " + ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in confusion.items()))
    ranked = sorted(report["features"], key=lambda one: -one.get("importance", 0.0))
    lines.append("  features   " + ", ".join(f"{one['name']} {one.get('importance', 0.0):.2f}" for one in ranked))
    if ranked and not any(one.get("importance", 1.0) for one in ranked):
        lines.append(f"  WARNING    {NO_SPLIT}")
    lines += [f"  left out   {one['name']}: {one['reason']}" for one in report["left_out"]]
    lines.append("  seconds    " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in report["seconds"].items()))
    lines.append(f"  model      {report['model_path']}")
    lines.append(f"  metrics    {report['params']['metrics_path']}")
    return "\n".join(lines)
