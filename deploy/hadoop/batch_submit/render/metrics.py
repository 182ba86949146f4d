"""A training run's ``metrics.json`` as a short table."""

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
    rows = _mapping(report, "rows")
    folds = _mapping(report, "cross_validation")
    means = _mapping(folds, "mean")
    names = [name for name in _NAMES if isinstance(measured.get(name), (int, float))]
    table = [["metric", "model", "baseline", *(["cv mean"] if means else [])]]
    for name in names:
        table.append([name, _number(measured[name]), _number(baseline.get(name))])
        if means:
            table[-1].append(_number(means.get(name)))
    lines = [f"  {line}" for line in aligned(table)] if names else []
    if rows:
        lines.insert(0, f"  {_count(rows.get('train'))} rows to train, {_count(rows.get('test'))} held out")
    return lines + _warnings(report)


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
