"""What may stand in the section ``mlflow``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from ml_pipeline_framework.contract.problems import ParamProblem, nearest

DEFAULT_EXPERIMENT = "hadoop_experiments"

#: Tags that a job sets itself, on every run.
OWN_TAGS = ("run_id", "application_id", "git_revision", "job_type", "user", "gate")


def tracking_problems(given: Mapping[str, object], label: str) -> list[ParamProblem]:
    """Return what is wrong with the mapping ``mlflow``; `label` is what its keys are called in messages.

    An empty mapping means: no tracking.
    """
    if not given:
        return []
    problems = [
        ParamProblem(f"{label}.{key}", "is not known", nearest(key, _CHECKS)) for key in given if key not in _CHECKS
    ]
    if "tracking_uri" not in given:
        problems.append(
            ParamProblem(f"{label}.tracking_uri", "is missing", "the MLflow server, such as http://mlflow:5000")
        )
    for key, check in _CHECKS.items():
        if key in given:
            problems += [ParamProblem(f"{label}.{key}{below}", wrong, hint) for below, wrong, hint in check(given[key])]
    return problems


_Wrong = list[tuple[str, str, str]]  # key below the checked one, what is wrong, what to do


def _uri(value: object) -> _Wrong:
    hint = "the MLflow server, such as http://mlflow:5000"
    if not isinstance(value, str) or not value.strip():
        return [("", f"{value!r} is not an address", hint)]
    if value == "databricks":
        return []
    try:
        parts = urlsplit(value)
        password = parts.password
    except ValueError as error:
        return [("", f"{value!r} is not an address: {error}", hint)]
    if not parts.scheme or (parts.scheme in ("http", "https") and not parts.hostname):
        return [("", f"{value!r} names no server", hint)]
    if password or (parts.scheme in ("http", "https") and (parts.username or parts.query)):
        # The parameters stand in metrics.json and in the record of the run.
        what = "leave it out, and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where the driver runs"
        return [("", "holds a name, password or token, which everybody could read in the run's report", what)]
    return []


def _experiment(value: object) -> _Wrong:
    return [] if isinstance(value, str) and value.strip() else [("", f"{value!r} is not a name", "")]


def _tags(value: object) -> _Wrong:
    if not isinstance(value, Mapping):
        return [("", f"{value!r} is not a mapping of names to values", "tags: {team: ml}")]
    wrong: _Wrong = []
    for name, one in value.items():
        if name in OWN_TAGS:
            wrong.append((f".{name}", "is set by the job itself", "choose another name"))
        elif isinstance(one, (Mapping, list, tuple)) or one is None:
            wrong.append((f".{name}", f"{one!r} is not a plain value", ""))
    return wrong


def _flag(value: object) -> _Wrong:
    return [] if isinstance(value, bool) else [("", f"{value!r} is not true or false", "")]


_CHECKS: Mapping[str, Callable[[object], _Wrong]] = {
    "tracking_uri": _uri,
    "experiment": _experiment,
    "tags": _tags,
    "log_model": _flag,
}
