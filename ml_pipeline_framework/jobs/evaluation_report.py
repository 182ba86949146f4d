"""What an evaluation says: ``metrics.json``, the summary on standard output, and why a gate is not passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession

from ml_pipeline_framework import datasets, metrics
from ml_pipeline_framework.contract import LATEST, EvaluationParams
from ml_pipeline_framework.contract.metric_names import MAX_REGRESSION
from ml_pipeline_framework.jobs.evaluation_data import Rows
from ml_pipeline_framework.metrics import Measured
from ml_pipeline_framework.model_store import StoredModel

_SMALL = 1_000  # rows below which a metric says little


@dataclass(frozen=True)
class Findings:
    """All that an evaluation found out."""

    model: StoredModel
    rows: Rows
    measured: Measured
    rival: StoredModel | None
    rival_measured: Measured | None
    drift: dict[str, Any] | None
    permutation: dict[str, Any] | None
    threshold_choice: dict[str, Any] | None


# --- metrics.json -----------------------------------------------------------------------------------------------------


def document(spark: SparkSession, params: EvaluationParams, found: Findings) -> dict[str, Any]:
    """Return what ``metrics.json`` says beside its head; its keys are described in ``docs/evaluation.md``."""
    metadata, measured = found.model.metadata, found.measured
    told = _told_by_model(metadata)
    described = datasets.describe(spark, params.input_path)
    return {
        "warnings": _warnings(found, params),
        "data": {"input": {**described, "rows": found.rows.read}},
        "model": _named(found.model),
        "task": found.rows.label.task,
        "algorithm": metadata.get("algorithm"),
        "label": found.rows.label.to_dict(),
        "rows": found.rows.counts(),
        "metrics": measured.metrics,
        "baseline": _baseline(metadata, measured),
        "in_training": metadata.get("metrics"),
        "intervals": measured.intervals,
        "curves": measured.curves,
        "confusion": measured.confusion,
        "threshold": metadata.get("threshold"),
        "threshold_rule": metadata.get("threshold_rule"),
        "threshold_choice": found.threshold_choice,
        "segments": measured.segments,
        "importance": found.permutation or told,
        "importance_of_model": told,
        "drift": found.drift,
        "comparison": _comparison(found),
        "gate": _gate(params, found),
    }


def _named(model: StoredModel) -> dict[str, Any]:
    return {"name": model.name, "version": model.version, "path": model.path}


def _told_by_model(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the importances that training wrote down; None for an algorithm that tells none."""
    values = [
        {"feature": one["name"], "importance": one["importance"]}
        for one in metadata.get("features", ())
        if one.get("importance") is not None
    ]
    if not values:
        return None
    return {"kind": "model", "values": sorted(values, key=lambda one: -one["importance"])}


def _baseline(metadata: Mapping[str, Any], measured: Measured) -> dict[str, Any]:
    """Return the metrics of a model that knows only the training labels; empty where the model does not say them."""
    task, training = str(metadata["task"]), metadata.get("training") or {}
    if task in ("binary", "multiclass"):
        counts = training.get("classes") or {}
        train = [counts.get(str(one), 0) for one in metadata["label"]["classes"]]
        return metrics.baseline(task, train, measured.summary) if all(train) else {}
    mean = (metadata.get("baseline") or {}).get("prediction")
    return {} if mean is None else metrics.baseline(task, {"mean": mean}, measured.summary)


def _comparison(found: Findings) -> dict[str, Any] | None:
    if found.rival is None or found.rival_measured is None:
        return None
    sides = metrics.compare(found.measured, found.rival_measured)
    return {
        "model": _named(found.rival),
        "rows": found.rival_measured.rows,
        "metrics": found.rival_measured.metrics,
        "difference": {name: one["difference"] for name, one in sides.items()},
        "better": {name: one["better"] for name, one in sides.items()},
        "intervals": found.rival_measured.intervals,
    }


def _gate(params: EvaluationParams, found: Findings) -> dict[str, Any]:
    """Return the conditions and what was found; without a version to compare with, nothing can have got worse."""
    conditions = metrics.gate(found.measured, params.gate, found.rival_measured)
    for one in conditions:
        if found.rival is None and one["name"].partition(".")[0] == MAX_REGRESSION:
            one |= {"passed": True, "note": _no_rival(params)}
        elif one["found"] is None:
            one["note"] = "; ".join(found.measured.notes) or "the metric has no value on these rows"
    return {"passed": all(one["passed"] for one in conditions), "conditions": conditions}


def _no_rival(params: EvaluationParams) -> str:
    """Return why there is nothing to compare with, although it was asked for."""
    if params.compare_with == LATEST:
        return "no version of its name is the latest yet: there is none to compare with"
    return "there is no earlier version to compare with"


def _warnings(found: Findings, params: EvaluationParams) -> list[str]:
    said = [*found.model.version_warnings(), *found.rows.warnings, *found.measured.notes]
    if found.rows.measured < _SMALL:
        said.append(f"only {found.rows.measured:,} rows were measured: look at the intervals, not at the metrics alone")
    if found.rival is not None:
        said += found.rival.version_warnings() + _other_rows(found.model, found.rival, params)
    elif params.compare_with:
        said.append(f"{found.model.path}: {_no_rival(params)}")
    choice = found.threshold_choice
    if choice:
        said.append(f"threshold_choice: {choice['note']}")
    if params.drift and not found.drift:
        said.append("the model has no histograms of its training rows: drift is not told")
    for one in (found.drift or {}).get("columns", ()):
        if one["level"] == "major":
            said.append(
                f"drift: {one['column']} is far from the training rows (PSI {one['psi']:.2f}); a season looks alike"
            )
        if one["unseen_share"]:
            said.append(
                f"drift: {one['unseen_share']:.1%} of the rows have a value of {one['column']} unseen in training"
            )
    return list(dict.fromkeys(said))


def _other_rows(model: StoredModel, rival: StoredModel, params: EvaluationParams) -> list[str]:
    """Return a warning when the rows held out by one model may be among the training rows of the other."""
    keys = ("kind", "hashed_columns", "time_column", "cut_off", "seed", "test_size")
    ours, theirs = (one.metadata.get("split") or {} for one in (model, rival))
    if not params.held_out_only or all(ours.get(key) == theirs.get(key) for key in keys):
        return []
    return [
        f"{rival.name}@{rival.version} holds out other rows than {model.name}@{model.version}: it may have learnt from "
        "rows that it is measured on here, and look better than it is"
    ]


def gate_message(report: Mapping[str, Any]) -> str:
    """Return why a gate is not passed: each condition with its numbers, and what to do."""
    failed = []
    for one in report["gate"]["conditions"]:
        if not one["passed"]:
            value = "none" if one["found"] is None else f"{one['found']:.6g}"
            why = f" ({one['note']})" if one.get("note") else ""
            failed.append(f"{one['name']}: limit {one['limit']:g}, found {value}{why}")
    model, params = report["model"], report["params"]
    stays = ", and latest stays as it was" if params["register"] else ""
    return (
        f"the gate of {model['name']}@{model['version']} is not passed{stays}: {'; '.join(failed)}. The report is at "
        f"{params['metrics_path']}; keep the earlier version in use, or train again with another --run-id; another "
        "gate takes another --run-id too, since a repeat of a run keeps its parameters"
    )


# --- standard output --------------------------------------------------------------------------------------------------


def summary(report: Mapping[str, Any]) -> str:
    """Return the report in some twenty-five lines of plain text."""
    rows, model = report["rows"], report["model"]
    lost = f", {rows['unknown_class']:,} of unknown class (left out)" if rows["unknown_class"] else ""
    lines = [
        f"Evaluation of {model['name']}@{model['version']} ({report['algorithm']}, {report['task']}), "
        f"run {report['run_id']}",
        f"  rows       {rows['read']:,} read, {rows['held_out']:,} in question, {rows['without_label']:,} without label"
        f"{lost}, {rows['measured']:,} measured",
        *_metric_lines(report),
        *_confusion_lines(report),
        *_list_lines(report),
        *(f"  WARNING    {line}" for line in report["warnings"][:8]),
        *_gate_lines(report),
        "  seconds    " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in report["seconds"].items()),
        f"  metrics    {report['params']['metrics_path']}",
    ]
    return "\n".join(lines)


def _number(value: Any, width: int = 11) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width},.4f}"


def _metric_lines(report: Mapping[str, Any]) -> list[str]:
    """Return a line per metric: here, on the model's own test rows, the baseline, and the other model."""
    rival = report["comparison"]
    head = f"  {'on these rows':<32}{'model':>11}{'95 % from':>11}{'to':>11}{'baseline':>11}{'at training':>13}"
    lines = [head + (f"  {rival['model']['version'][:20]:>12}" if rival else "")]
    for name, better in metrics.NAMES[report["task"]].items():
        if name not in report["metrics"]:
            continue
        between = report["intervals"].get(name) or {}
        line = f"  {f'{name} ({better})':<32}{_number(report['metrics'][name])}"
        line += _number(between.get("low")) + _number(between.get("high")) + _number(report["baseline"].get(name))
        line += _number((report["in_training"] or {}).get(name), 13)
        lines.append(line + (_number(rival["metrics"].get(name), 14) if rival else ""))
    return lines


def _confusion_lines(report: Mapping[str, Any]) -> list[str]:
    confusion, lines = report["confusion"], []
    if confusion and report["task"] == "binary":
        (tn, fp), (fn, tp) = confusion["matrix"]
        at = "" if report["threshold"] is None else f" at {report['threshold']:.4f}"
        lines.append(
            f"  confusion{at}: {tp:,} true positive, {fp:,} false positive, {tn:,} true negative, {fn:,} false negative"
        )
    choice = report["threshold_choice"]
    if choice and choice["threshold"] is not None:
        lines.append(
            f"  threshold  {choice['rule']} would be {choice['value']:.4f} at {choice['threshold']:.4f} on these rows"
        )
    return lines


def _list_lines(report: Mapping[str, Any]) -> list[str]:
    """Return segments, importances and drift, the first few of each."""
    main, lines = metrics.MAIN[report["task"]], []
    for one in report["segments"][:6]:
        value = "null" if one["value"] is None else one["value"]
        lines.append(
            f"  segment    {one['column']} {value}: {one['rows']:,} rows, {main}{_number(one['metrics'].get(main), 8)}"
        )
    if len(report["segments"]) > 6:
        lines.append(f"  segment    ... {len(report['segments']) - 6} more in the report")
    told = report["importance"]
    if told:
        lines.append(
            _first(
                f"  importance ({told['kind']}) ",
                [f"{one['feature']} {one['importance']:.3f}" for one in told["values"]],
            )
        )
    drifted = [one for one in (report["drift"] or {}).get("columns", ()) if one["level"] != "none"]
    if report["drift"]:
        shown = [f"{one['column']} {one['psi']:.2f}" for one in drifted]
        lines.append(_first("  drift (PSI) ", shown) if shown else "  drift      none above 0.1")
    return lines


def _first(head: str, words: Sequence[str], most: int = 8) -> str:
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return head + ", ".join(words[:most]) + more


def _gate_lines(report: Mapping[str, Any]) -> list[str]:
    lines = []
    for one in report["gate"]["conditions"]:
        value = "none" if one["found"] is None else f"{one['found']:.4f}"
        lines.append(
            f"  gate       {one['name']} {one['limit']:g}: found {value}, {'passed' if one['passed'] else 'FAILED'}"
        )
    return lines
