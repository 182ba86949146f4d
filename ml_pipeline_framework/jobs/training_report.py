"""What a training run says: ``metrics.json``, the model's ``metadata.json``, and the summary on standard output."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import SparkSession

from ml_pipeline_framework import datasets, features, labels, metrics, model_store, models
from ml_pipeline_framework.contract import ALGORITHMS, TrainingParams
from ml_pipeline_framework.jobs import reporting
from ml_pipeline_framework.jobs.leakage import Finding
from ml_pipeline_framework.jobs.search import Chosen, Fit, across_rounds, as_grid
from ml_pipeline_framework.jobs.splitting import FOLDS
from ml_pipeline_framework.jobs.training_data import Loaded
from ml_pipeline_framework.metrics import Measured

#: Spark prunes: sibling leaves that predict the same class become one (``RandomForest.run``: "real trees are always
#: pruned"). With few positives every leaf of a shallow tree predicts 0, and the whole tree becomes one leaf.
NO_SPLIT = (
    "no tree has a split, so the model says the same of every row: Spark merges leaves that predict the same class; "
    "raise hyperparameters.max_depth, or set class_weight to balanced"
)
_SLOTS_KEPT = 2000
_LEAKS_KEPT = 50
_WIDTH = 160


@dataclass(frozen=True)
class Outcome:
    """All that a run found out."""

    loaded: Loaded
    fit: Fit
    measured: Measured
    chosen: Chosen | None
    leaks: Sequence[Finding]
    profile: Mapping[str, Any]
    threshold: float | None
    threshold_rule: str
    partitions: int
    warnings: list[str]
    importances: Mapping[str, float] | None = None

    @property
    def task(self) -> str:
        """What was learnt: binary, multiclass, regression or clustering."""
        return self.loaded.label.task

    def baseline(self) -> dict[str, Any]:
        """Return the same metrics for a model that knows only the labels of the training rows."""
        return metrics.baseline(self.task, _for_baseline(self.loaded), self.measured.summary)


def _for_baseline(loaded: Loaded) -> Any:
    train = loaded.counts.train
    return train["classes"] if loaded.label.is_classification else train


# --- metrics.json -----------------------------------------------------------------------------------------------------


def document(spark: SparkSession, params: TrainingParams, outcome: Outcome) -> dict[str, Any]:
    """Return what ``metrics.json`` says beside its head; its keys are described in ``docs/training.md``."""
    loaded, counts = outcome.loaded, outcome.loaded.counts
    listed = feature_list(outcome)
    is_tree = ALGORITHMS[params.algorithm].style == "tree"
    warnings = outcome.warnings + (
        [NO_SPLIT] if is_tree and listed and not any(one.get("importance", 1.0) for one in listed) else []
    )
    return {
        "warnings": warnings,
        "data": {"input": {**datasets.describe(spark, params.input_path), "rows": counts.read}},
        "model": {"name": params.model_name, "version": version_of(params), "path": params.model_path},
        "registered": params.register,
        "task": outcome.task,
        "task_reason": loaded.reason,
        "algorithm": params.algorithm,
        "label": loaded.label.to_dict(),
        "rows": {
            "read": counts.read,
            "without_label": counts.without_label,
            "without_time": counts.without_time,
            "unknown_class": counts.unknown_class,
            "train": counts.train["rows"],
            "test": counts.test["rows"],
            "distinct_keys_about": counts.keys,
        },
        "classes": classes(loaded),
        "metrics": outcome.measured.metrics,
        "intervals": outcome.measured.intervals,
        "baseline": outcome.baseline(),
        "curves": outcome.measured.curves,
        "confusion": outcome.measured.confusion,
        "threshold": outcome.threshold,
        "threshold_rule": outcome.threshold_rule,
        "cross_validation": _cross_validation(outcome),
        "grid": as_grid(outcome.chosen, outcome.task) if outcome.chosen else [],
        "best": _best(outcome),
        "leakage": _leaks(outcome),
        "features": listed,
        "left_out": [asdict(one) for one in loaded.planned.left_out],
        "split": loaded.split.to_dict(outcome.partitions, loaded.data.schema),
        "window": loaded.window,
        "seeds": {"split": params.seed, "model": params.seed},
        "spark_settings": settings(outcome),
        "profile": outcome.profile,
    }


def classes(loaded: Loaded) -> dict[str, Any] | None:
    """Return the rows per class, by the class's text, in the training and the test rows; None without classes."""
    if not loaded.label.is_classification:
        return None
    names = [str(one) for one in loaded.label.classes or ()]
    parts = (("train", loaded.counts.train), ("test", loaded.counts.test))
    return {part: dict(zip(names, found["classes"], strict=True)) for part, found in parts}


def feature_list(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the features with what they became, and their importance where the algorithm tells one."""
    importances, known = outcome.importances or {}, outcome.fit.features.categories
    listed = outcome.loaded.planned.to_dict()["features"]
    for one in listed:
        if one["name"] in known:
            one |= {"categories": known[one["name"]]["values"], "arity": known[one["name"]]["arity"]}
        if one["name"] in importances:
            one["importance"] = importances[one["name"]]
    return listed


def settings(outcome: Outcome) -> dict[str, Any]:
    """Return every setting of the learner, defaults included, under Spark's names."""
    return models.all_settings(outcome.fit.pipeline.stages[-1])


def _cross_validation(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.chosen is None:
        return None
    found = across_rounds(outcome.chosen.best, list(metrics.NAMES[outcome.task]))
    return {"kind": outcome.loaded.split.choose, **found}


def _best(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.chosen is None:
        return None
    best = outcome.chosen.best
    return {"candidate": best.number, "hyperparameters": best.hyperparameters, "scoring": outcome.chosen.scoring}


def _leaks(outcome: Outcome) -> list[dict[str, Any]]:
    return [one.to_dict("warned" if one.is_leak else "none") for one in outcome.leaks[:_LEAKS_KEPT]]


def version_of(params: TrainingParams) -> str:
    """Return the model's version: the name of its folder, which is the run id unless a path was given."""
    return posixpath.basename(params.model_path.rstrip("/"))


# --- metadata.json ----------------------------------------------------------------------------------------------------


def metadata(spark: SparkSession, params: TrainingParams, outcome: Outcome) -> dict[str, Any]:
    """Return what ``metadata.json`` says of the model; its keys are described in ``docs/models.md``."""
    loaded = outcome.loaded
    fitted = outcome.fit.features
    training: dict[str, Any] = {
        "rows": loaded.counts.train["rows"],
        "classes": (classes(loaded) or {}).get("train"),
        "data": datasets.describe(spark, params.input_path),
    }
    if params.validation_path:
        training["validation_data"] = datasets.describe(spark, params.validation_path)
    if loaded.window:
        training["window"] = loaded.window
    return {
        "schema_version": model_store.METADATA_SCHEMA_VERSION,
        "kind": "spark_pipeline",
        "name": params.model_name,
        "version": version_of(params),
        "run_id": params.run_id,
        "application_id": spark.sparkContext.applicationId,
        "created_ms": reporting.now_ms(),
        "timezone": spark.conf.get("spark.sql.session.timeZone"),
        "task": outcome.task,
        "algorithm": params.algorithm,
        "label": loaded.label.to_dict(),
        "key_columns": list(params.key_columns),
        "input_schema": features.schema_of(loaded.planned, loaded.data.schema),
        "features": feature_list(outcome),
        "left_out": [asdict(one) for one in loaded.planned.left_out],
        "vector": fitted.slots if len(fitted.slots) <= _SLOTS_KEPT else [],
        "training": training,
        "profile": outcome.profile,
        "split": loaded.split.to_dict(outcome.partitions, loaded.data.schema),
        "seeds": {"split": params.seed, "model": params.seed},
        "threshold": outcome.threshold,
        "threshold_rule": outcome.threshold_rule,
        "params": reporting.plain(params),
        "spark_settings": settings(outcome),
        "versions": reporting.versions(spark),
        "git_revision": reporting.git_revision(spark),
        "metrics": outcome.measured.metrics,
        "baseline": outcome.baseline(),
        "score_column": models.score_column(params.algorithm, outcome.task),
    }


# --- standard output --------------------------------------------------------------------------------------------------


def summary(report: Mapping[str, Any]) -> str:
    """Return the report in some twenty-five lines of plain text."""
    rows, model = report["rows"], report["model"]
    lines = [
        f"Training of {model['name']} ({report['algorithm']}, {report['task']}: {report['task_reason']}), "
        f"run {report['run_id']}",
        f"  rows       {rows['read']:,} read, {rows['without_label']:,} without label (dropped), "
        f"{rows['train']:,} train, {rows['test']:,} test ({report['split']['kind']} split)",
        *_balance(report),
        *_metrics_table(report),
        *_choice(report),
    ]
    ranked = sorted(report["features"], key=lambda one: -(one.get("importance") or 0.0))
    told = [f"{one['name']} {one['importance']:.2f}" if "importance" in one else one["name"] for one in ranked]
    lines.append(_shortened("  features   ", told))
    reasons: dict[str, list[str]] = {}
    for one in report["left_out"]:
        reasons.setdefault(one["reason"], []).append(one["name"])
    lines += [_shortened("  left out   ", names) + f": {reason}" for reason, names in list(reasons.items())[:8]]
    lines += [f"  WARNING    {one}" for one in report["warnings"]]
    lines.append("  seconds    " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in report["seconds"].items()))
    lines.append(f"  model      {model['path']}" + (" (latest)" if report["registered"] else ""))
    lines.append(f"  metrics    {report['params']['metrics_path']}")
    return "\n".join(lines)


def _shortened(head: str, words: Sequence[str]) -> str:
    """Return words after a head, as many as a line holds, and how many more there are."""
    line, left = head, len(words)
    for place, word in enumerate(words):
        if place and len(line) + len(word) > _WIDTH:
            return f"{line.rstrip(', ')} and {left} more"
        line, left = f"{line}{word}, ", left - 1
    return line.rstrip(", ")


def _balance(report: Mapping[str, Any]) -> list[str]:
    if report["task"] == labels.BINARY:
        parts = [list(found.values()) for found in report["classes"].values()]
        train, test = (part[1] / sum(part) for part in parts)
        return [f"  positives  {train:.1%} of train, {test:.1%} of test ({report['label']['positive']!r})"]
    if report["classes"]:
        shown = [f"{name} {count:,}" for name, count in report["classes"]["train"].items()]
        return [_shortened("  classes    ", shown)]
    return []


def _metrics_table(report: Mapping[str, Any]) -> list[str]:
    folds = report["cross_validation"]
    head = f"  {'on the test rows':<32}{'model':>12}{'baseline':>12}"
    lines = [head + (f"{'cv mean' if folds['kind'] == FOLDS else 'validation':>12}{'cv std':>10}" if folds else "")]
    for name, better in metrics.NAMES[report["task"]].items():
        if report["metrics"].get(name) is None:
            continue
        line = f"  {name + ' (' + better + ')':<32}{_number(report['metrics'][name], 12)}"
        line += _number(report["baseline"].get(name), 12)
        lines.append(line + (_number(folds["mean"][name], 12) + _number(folds["std"][name], 10) if folds else ""))
    return lines


def _number(value: float | None, width: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width},.4f}"


def _choice(report: Mapping[str, Any]) -> list[str]:
    lines = []
    if len(report["grid"]) > 1:
        best = report["best"]
        said = ", ".join(f"{name} {value}" for name, value in best["hyperparameters"].items())
        lines.append(
            f"  best       candidate {best['candidate']} of {len(report['grid'])} by {best['scoring']}: {said}"
        )
    if report["threshold"] is not None:
        lines.append(f"  threshold  {report['threshold']:.4f} ({report['threshold_rule']})")
    confusion = report["confusion"]
    if confusion and report["task"] == labels.BINARY:
        (tn, fp), (fn, tp) = confusion["matrix"]
        lines.append(
            f"  confusion  {tp:,} true positive, {fp:,} false positive, {tn:,} true negative, {fn:,} false negative"
        )
    return lines
