"""Two measurements side by side, and the conditions that one has to meet. Plain numbers in, plain numbers out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ml_pipeline_framework.contract.metric_names import MAIN, MAX_REGRESSION, NAMES
from ml_pipeline_framework.metrics.measured import Measured

_ROUNDING = 1e-12  # what 0.71 - 0.70 misses 0.01 by
Numbers = Measured | Mapping[str, Any]


def _metrics(found: Numbers) -> Mapping[str, Any]:
    return found.metrics if isinstance(found, Measured) else found


def _directions() -> dict[str, str]:
    return {name: how for table in NAMES.values() for name, how in table.items()}


def compare(ours: Numbers, theirs: Numbers) -> dict[str, dict[str, Any]]:
    """Set the metrics of two models side by side.

    Parameters
    ----------
    ours, theirs : Measured or mapping
        Metrics by name, of the same rows; what is no number is passed over.

    Returns
    -------
    dict
        Per metric that both name: ``ours``, ``theirs``, ``difference`` (ours minus theirs; None where one is None) and
        ``better`` (whether ours is; None for a tie and for numbers that have no better, such as counts).
    """
    one, other = _metrics(ours), _metrics(theirs)
    directions = _directions()
    found = {}
    for name, value in one.items():
        if name not in other or not all(_plain(side) for side in (value, other[name])):
            continue
        difference = None if value is None or other[name] is None else value - other[name]
        better = None
        if difference and name in directions:
            better = (difference > 0) == (directions[name] == "higher")
        found[name] = {"ours": value, "theirs": other[name], "difference": difference, "better": better}
    return found


def _plain(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def gate(metrics: Numbers, conditions: Mapping[str, Any], reference: Numbers | None = None) -> list[dict[str, Any]]:
    """Hold metrics against conditions; one that can't be judged has failed.

    Parameters
    ----------
    metrics : Measured or mapping
        Of the model in question.
    conditions : mapping
        As `contract.metric_names.gate_problems` accepts them: ``min_<metric>``, ``max_<metric>``, ``max_regression``.
    reference : Measured or mapping, optional
        Metrics of the model compared with, on the same rows.

    Returns
    -------
    list of dict
        ``name``, ``limit``, ``found`` (the metric; for a regression how much worse it is than the reference's, negative
        when better; None where there is no number), ``passed``.
    """
    one = _metrics(metrics)
    other = _metrics(reference) if reference is not None else {}
    found = []
    for name, limit in conditions.items():
        if name == MAX_REGRESSION:
            found += _regressions(one, other, limit)
            continue
        side, _, metric = name.partition("_")
        value = one.get(metric)
        passed = value is not None and (value >= limit - _ROUNDING if side == "min" else value <= limit + _ROUNDING)
        found.append({"name": name, "limit": limit, "found": value, "passed": passed})
    return found


def _regressions(one: Mapping[str, Any], other: Mapping[str, Any], limit: Any) -> list[dict[str, Any]]:
    """Return one condition per metric that may get worse by at most its limit."""
    if isinstance(limit, Mapping):
        limits = {f"{MAX_REGRESSION}.{name}": (name, allowed) for name, allowed in limit.items()}
    else:
        main = next((name for name in MAIN.values() if name in one), None)
        limits = {MAX_REGRESSION: (main, limit)}
    directions = _directions()
    found = []
    for key, (name, allowed) in limits.items():
        ours, theirs = one.get(name), other.get(name)
        worse = None
        if ours is not None and theirs is not None:
            worse = theirs - ours if directions[name] == "higher" else ours - theirs
        passed = worse is not None and not math.isnan(worse) and worse <= allowed + _ROUNDING
        found.append({"name": key, "limit": allowed, "found": worse, "passed": passed})
    return found
