"""What can't stand together in the parameters of a training run, and the words that they know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ml_pipeline_framework.contract.algorithms import ALGORITHMS
from ml_pipeline_framework.contract.hyperparameters import BINARY, CLUSTERING, MULTICLASS, REGRESSION, TASKS
from ml_pipeline_framework.contract.metric_names import NAMES
from ml_pipeline_framework.contract.problems import ParamProblem, nearest
from ml_pipeline_framework.contract.threshold_rules import threshold_rule_problem

CLASSIFICATION = "classification"
TASK_WORDS = ("auto", CLASSIFICATION, *TASKS)
SPLITS = ("auto", "hash", "time", "group")
LEAKAGE = ("warn", "fail", "off")
WEIGHTS = ("none", "balanced")
HIGH_CARDINALITY = ("auto", "target", "hash", "drop")
#: ``days`` (since 1970) comes last and is not learnt from by default: no test row of the future has a day seen before.
TIME_PARTS = ("month", "day", "day_of_week", "hour", "is_weekend", "days")


def one_of(words: Sequence[str]) -> Callable[[Any], str]:
    """Return a check that a text is one of some words."""
    return lambda value: "" if value in words else f"{value!r} is none of them ({nearest(value, words)})"


def some_of(words: Sequence[str]) -> Callable[[Any], str]:
    """Return a check that every text of a list is one of some words."""
    return lambda value: "; ".join(f"{one!r} is not known ({nearest(one, words)})" for one in value if one not in words)


def threshold_problem(value: object) -> str:
    """Check a threshold: a number between 0 and 1, or a rule by which it is chosen."""
    if isinstance(value, bool):
        return f"{value!r} is neither a number nor a rule"
    if isinstance(value, (int, float)):
        return "" if 0 < value < 1 else f"{value!r} must lie above 0 and below 1"
    return threshold_rule_problem(str(value))


def possible_tasks(values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tasks that are still possible before the label is looked at."""
    asked = values.get("task") or "auto"
    known = {"auto": TASKS, CLASSIFICATION: (BINARY, MULTICLASS)}.get(asked, (asked,))
    algorithm = ALGORITHMS.get(values.get("algorithm", ""))
    both = tuple(one for one in known if algorithm is None or one in algorithm.tasks)
    if CLUSTERING in both and len(both) > 1:
        both = tuple(one for one in both if one != CLUSTERING)  # clustering is never told from a label
    return both


def problems_between(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    """Return what is wrong between parameters; `values` holds only those that are right by themselves.

    Parameters
    ----------
    label : callable
        Makes of a field's name the key as the user knows it.
    """
    tasks = possible_tasks(values)
    problems = _of_label(values, tasks, label) + _of_columns(values, label) + _of_split(values, label)
    folds = values.get("cv_folds", 0)
    if folds < 0 or folds == 1:
        problems.append(ParamProblem(label("cv_folds"), f"{folds} folds can't be made", "0, 2 or more"))
    elif folds and values.get("validation_path"):
        said = f"and {label('cv_folds')} {folds} both say what candidates are compared on"
        problems.append(ParamProblem(label("validation_path"), said, "keep one; 0 folds to use the validation data"))
    if values.get("validation_path") and values["validation_path"] == values.get("input_path"):
        said = f"is {label('input_path')} itself: candidates and threshold would be chosen on the test rows"
        problems.append(ParamProblem(label("validation_path"), said, "leave it out, or give other rows"))
    return problems + _of_choice(values, tasks, label)


def _of_label(values: Mapping[str, Any], tasks: Sequence[str], label: Callable[[str], str]) -> list[ParamProblem]:
    column, problems = values.get("label_column"), []
    if not tasks:
        asked, algorithm = values.get("task"), values.get("algorithm")
        if asked == CLASSIFICATION:  # the single tasks are looked at with the algorithm
            problems.append(ParamProblem(label("algorithm"), f"{algorithm} does not do {asked}"))
        return problems
    if tasks == (CLUSTERING,):
        for name in ("label_column", "label_expression", "positive_class"):
            if values.get(name) not in ("", None):
                hint = (
                    "leave it out, or put the column into exclude_columns" if name == "label_column" else "leave it out"
                )
                problems.append(ParamProblem(label(name), "clustering has no label", hint))
    elif column == "":
        problems.append(
            ParamProblem(label("label_column"), "is missing", "name of the label; only clustering has none")
        )
    if values.get("positive_class") is not None and BINARY not in tasks and tasks != (CLUSTERING,):
        problems.append(
            ParamProblem(label("positive_class"), f"{' or '.join(tasks)} has no positive class", "leave it out")
        )
    return problems


def _of_columns(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    features, problems = values.get("feature_columns", ()), []
    for name in ("exclude_columns", "known_after_columns"):
        both = sorted(set(features) & set(values.get(name, ())))
        if both:
            problems.append(ParamProblem(label("feature_columns"), f"{both} also stand in {label(name)}"))
    column = values.get("label_column")
    if column and column in features:
        problems.append(ParamProblem(label("feature_columns"), f"holds the label {column!r}"))
    texts = [name for name in values.get("text_columns", ()) if features and name not in features]
    if texts:
        problems.append(ParamProblem(label("text_columns"), f"{texts} are not in {label('feature_columns')}"))
    return problems


def _of_split(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    split, problems = values.get("split"), []
    for kind in ("time", "group"):
        if split == kind and not values.get(f"{kind}_column", "?"):
            hint = f"name the column in {label(f'{kind}_column')}"
            problems.append(ParamProblem(label("split"), f"{kind} needs a {kind}_column", hint))
    if split == "auto" and values.get("time_column") and values.get("group_column"):
        problems.append(
            ParamProblem(
                label("split"),
                f"is not clear: {label('time_column')} and {label('group_column')} are both given",
                "set it to time, group or hash",
            )
        )
    return problems


def _of_choice(values: Mapping[str, Any], tasks: Sequence[str], label: Callable[[str], str]) -> list[ParamProblem]:
    problems, classes = [], [one for one in tasks if one in (BINARY, MULTICLASS)]
    scoring = values.get("scoring")
    known = [name for task in tasks for name in NAMES[task]]
    if scoring and tasks and scoring not in known:
        problems.append(
            ParamProblem(label("scoring"), f"{scoring!r} is no metric of {' or '.join(tasks)}", nearest(scoring, known))
        )
    if values.get("threshold") is not None and tasks and BINARY not in tasks:
        problems.append(ParamProblem(label("threshold"), f"{' or '.join(tasks)} has no threshold", "leave it out"))
    if values.get("class_weight") == "balanced" and tasks and not classes:
        problems.append(ParamProblem(label("class_weight"), f"{' or '.join(tasks)} has no classes", "leave it out"))
    if values.get("high_cardinality") == "target" and tasks and not {BINARY, REGRESSION} & set(tasks):
        said = f"target needs two classes or a number, not {' or '.join(tasks)}"
        problems.append(ParamProblem(label("high_cardinality"), said, "auto, hash or drop"))
    return problems
