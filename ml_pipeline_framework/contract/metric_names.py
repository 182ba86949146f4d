"""The measures that an evaluation reports, by name: which way each gets better, its range, and the conditions on them.

The edge checks a gate here before anything is launched; how each measure is computed stands in ``docs/metrics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from ml_pipeline_framework.contract.problems import ParamProblem, nearest

TASKS = ("binary", "multiclass", "regression", "clustering")
HIGHER, LOWER = "higher", "lower"
_INFINITE = math.inf

#: Per task and measure: the direction in which it gets better, and the range of its values.
_TABLE: Mapping[str, Mapping[str, tuple[str, float, float]]] = MappingProxyType(
    {
        "binary": {
            "auc": (HIGHER, 0, 1),
            "pr_auc": (HIGHER, 0, 1),
            "ks": (HIGHER, 0, 1),
            "log_loss": (LOWER, 0, _INFINITE),
            "brier": (LOWER, 0, 1),
            "ece": (LOWER, 0, 1),
            "accuracy": (HIGHER, 0, 1),
            "precision": (HIGHER, 0, 1),
            "recall": (HIGHER, 0, 1),
            "f1": (HIGHER, 0, 1),
            "top_decile_lift": (HIGHER, 0, _INFINITE),
        },
        "multiclass": {
            "f1_macro": (HIGHER, 0, 1),
            "f1_weighted": (HIGHER, 0, 1),
            "accuracy": (HIGHER, 0, 1),
            "precision_macro": (HIGHER, 0, 1),
            "recall_macro": (HIGHER, 0, 1),
            "log_loss": (LOWER, 0, _INFINITE),
        },
        "regression": {
            "rmse": (LOWER, 0, _INFINITE),
            "mae": (LOWER, 0, _INFINITE),
            "median_absolute_error": (LOWER, 0, _INFINITE),
            "mape": (LOWER, 0, _INFINITE),
            "r2": (HIGHER, -_INFINITE, 1),
            "explained_variance": (HIGHER, -_INFINITE, 1),
        },
        "clustering": {"silhouette": (HIGHER, -1, 1)},
    }
)

#: What is compared between models and with a baseline, and the direction in which it gets better.
NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {task: MappingProxyType({name: how[0] for name, how in table.items()}) for task, table in _TABLE.items()}
)

#: The one measure by which candidates and versions of a model are ranked.
MAIN: Mapping[str, str] = MappingProxyType(
    {"binary": "auc", "multiclass": "f1_macro", "regression": "rmse", "clustering": "silhouette"}
)

#: Numbers beside the measures that a gate may ask for: counts, and the ends of the 95 % intervals. They have no better.
COUNTS: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "binary": {
            "rows": (0, _INFINITE),
            "positives": (0, _INFINITE),
            "share_of_1": (0, 1),
            "auc_low": (0, 1),
            "auc_high": (0, 1),
        },
        "multiclass": {"rows": (0, _INFINITE)},
        "regression": {
            "rows": (0, _INFINITE),
            "bias": (-_INFINITE, _INFINITE),
            "rmse_low": (0, _INFINITE),
            "rmse_high": (0, _INFINITE),
        },
        "clustering": {"rows": (0, _INFINITE), "clusters": (0, _INFINITE)},
    }
)

MAX_REGRESSION = "max_regression"


def ranges(task: str | None = None) -> dict[str, tuple[float, float]]:
    """Return the range of everything that a gate can name; of every task when none is given."""
    found: dict[str, tuple[float, float]] = {}
    for one in (task,) if task else TASKS:
        found |= {name: how[1:] for name, how in _TABLE[one].items()}
        found |= COUNTS[one]
    return found


def gate_problems(conditions: Mapping[str, object], task: str | None = None) -> list[ParamProblem]:
    """Return what is wrong with the conditions of a gate; keys of the problems are those of `conditions`.

    Parameters
    ----------
    conditions : mapping
        ``min_<metric>``, ``max_<metric>``, and ``max_regression``: a number for the main metric, or a mapping of
        metrics to numbers.
    task : str, optional
        One of `TASKS`, where it is known; else the metrics of all tasks are allowed.
    """
    problems = []
    for name, limit in conditions.items():
        if name == MAX_REGRESSION:
            problems += _regression_problems(limit, task)
            continue
        side, _, metric = name.partition("_")
        known = ranges(task)
        if side not in ("min", "max") or metric not in known:
            names = [f"{end}_{one}" for one in known for end in ("min", "max")]
            hint = nearest(name, [*names, MAX_REGRESSION])
            about = f" of {task} models" if task else ""
            problems.append(ParamProblem(name, f"is no condition on a metric{about}", hint))
        elif fault := _limit_problem(limit, known[metric]):
            problems.append(ParamProblem(name, fault))
    return problems + _crossed(conditions)


def _limit_problem(limit: object, span: tuple[float, float]) -> str:
    """Return what is wrong with a limit for values within `span`."""
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not math.isfinite(limit):
        return f"{limit!r} is not a finite number"
    low, high = span
    if low <= limit <= high:
        return ""
    return f"{limit!r} is out of reach: the metric lies between {low:g} and {high:g}".replace(
        "and inf", "and infinity"
    ).replace("between -inf", "between minus infinity")


def _regression_problems(limit: object, task: str | None) -> list[ParamProblem]:
    """Return what is wrong with the value of ``max_regression``."""
    if not isinstance(limit, Mapping):
        fault = _limit_problem(limit, (0, _INFINITE))
        return [ParamProblem(MAX_REGRESSION, fault)] if fault else []
    known = {name for one in ((task,) if task else TASKS) for name in NAMES[one]}
    problems = []
    for metric, allowed in limit.items():
        key = f"{MAX_REGRESSION}.{metric}"
        if metric not in known:
            problems.append(ParamProblem(key, "is no metric that is compared", nearest(str(metric), known)))
        elif fault := _limit_problem(allowed, (0, _INFINITE)):
            problems.append(ParamProblem(key, fault))
    if not limit:
        problems.append(
            ParamProblem(MAX_REGRESSION, "names no metric", "give a number, or a mapping such as auc: 0.01")
        )
    return problems


def _crossed(conditions: Mapping[str, object]) -> list[ParamProblem]:
    """Return the pairs of a lower and an upper limit that no value can meet."""
    problems = []
    for name, low in conditions.items():
        high = conditions.get("max_" + name[4:]) if name.startswith("min_") else None
        if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
            problems.append(ParamProblem(name, f"{low!r} lies above max_{name[4:]} {high!r}: no model can pass"))
    return problems
