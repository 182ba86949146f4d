"""A run's ``metrics.json`` as a short table; each job type has its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch_submit.render.reports import aligned

#: Of every task, the main ones first; the report has them all.
_NAMES = (
    *("auc", "pr_auc", "f1_macro", "f1_weighted", "rmse", "mae", "r2", "silhouette"),
    *("accuracy", "f1", "log_loss", "brier"),
)
_WARNINGS = 5


def metrics_lines(report: Mapping[str, Any]) -> list[str]:
    """Rows, each metric on the held-out rows beside its baseline, warnings; fields that are missing are left out."""
    measured, baseline = _mapping(report, "metrics"), _mapping(report, "baseline")
    folds = _mapping(report, "cross_validation")
    means = _mapping(folds, "mean")
    names = [name for name in _NAMES if isinstance(measured.get(name), (int, float))]
    table = [["metric", "model", "baseline", *(["cv mean"] if means else [])]]
    for name in names:
        table.append([name, _number(measured[name]), _number(baseline.get(name))])
        if means:
            table[-1].append(_number(means.get(name)))
    lines = [f"  {line}" for line in aligned(table)] if names else []
    return [*_rows(report), *lines, *_gate(report), *_warnings(report)]


def _rows(report: Mapping[str, Any]) -> list[str]:
    """Return what became of the rows, as this job counts them."""
    rows = _mapping(report, "rows")
    if "train" in rows:
        return [f"  {_count(rows.get('train'))} rows to train, {_count(rows.get('test'))} held out"]
    if "output" in rows:
        return [f"  {_count(rows.get('input'))} rows read, {_count(rows.get('output'))} predictions written"]
    written = _mappings(report, "outputs")
    if written:
        return [f"  output {one.get('name')}: {_count(one.get('rows'))} rows, {one.get('path')}" for one in written]
    stages = _mappings(report, "stages")
    return [f"  stage {one.get('name')}: {one.get('state')}, {_seconds(one.get('seconds'))}" for one in stages]


def _gate(report: Mapping[str, Any]) -> list[str]:
    """Return each condition of an evaluation's gate, and whether it held."""
    found = _mappings(_mapping(report, "gate"), "conditions")
    return [
        f"  gate {one.get('name')}: {_number(one.get('found'))} against {_number(one.get('limit'))}, "
        + ("held" if one.get("passed") else "FAILED")
        for one in found
    ]


def _mappings(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _seconds(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, (int, float)) else "-"


def _warnings(report: Mapping[str, Any]) -> list[str]:
    """Return the first warnings, and how many more there are."""
    said = report.get("warnings")
    found = [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
    more = len(found) - _WARNINGS
    return [f"  warning: {one}" for one in found[:_WARNINGS]] + ([f"  {more} more warnings"] if more > 0 else [])


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else "-"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"
