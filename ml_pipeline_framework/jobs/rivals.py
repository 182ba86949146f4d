"""Which model an evaluation compares with: a named one, the latest of the name, or the version before."""

from __future__ import annotations

import json
import posixpath

from pyspark.sql import SparkSession

from ml_pipeline_framework import datasets, model_store
from ml_pipeline_framework.contract import LATEST, LATEST_FILE, MANIFEST_FILE, EvaluationParams
from ml_pipeline_framework.contract.evaluation import PREVIOUS
from ml_pipeline_framework.errors import JobError, ModelError
from ml_pipeline_framework.labels import Label
from ml_pipeline_framework.model_store import StoredModel
from ml_pipeline_framework.progress import say


def rival_of(spark: SparkSession, params: EvaluationParams, model: StoredModel, *, own: bool) -> StoredModel | None:
    """Return the model that ``compare_with`` asks for; None when it asks for none, or for one that is not there yet.

    Not there yet is the version before the first one, and the latest of a name that has no pointer.

    Parameters
    ----------
    own : bool
        Whether an earlier try of this very run left its report.

    Raises
    ------
    DataError
        No such model.
    ModelError
        One that can't be compared: the model itself, another task, other classes.
    """
    if not params.compare_with:
        return None
    if params.compare_with == PREVIOUS:
        found = _version_before(spark, model)
    elif params.compare_with == LATEST:
        found = _latest(spark, params, model, own=own)
    else:
        found = model_store.open_model(spark, params.compare_with, params.models_path)
    if found is not None:
        _check_comparable(model, found, params.compare_with)
    return found


def _latest(spark: SparkSession, params: EvaluationParams, model: StoredModel, *, own: bool) -> StoredModel | None:
    """Return the latest version of the model's name; None when nothing has been made that yet."""
    folder = posixpath.dirname(model.path.rstrip("/"))
    if not datasets.exists(spark, f"{folder}/{LATEST_FILE}"):
        return None
    models_path, name = posixpath.split(folder)
    found = model_store.open_model(spark, name, models_path)
    if not (own and params.register and _same(found, model)):
        return found
    # An earlier try of this run passed, moved the pointer and was lost: what that one was compared with still counts.
    compared = json.loads(datasets.read_text(spark, params.metrics_path)).get("comparison")
    return model_store.open_model(spark, compared["model"]["path"], models_path) if compared else None


def _version_before(spark: SparkSession, model: StoredModel) -> StoredModel | None:
    """Return the newest version of the same name that is older than the model; None when it is the first."""
    folder, own = posixpath.split(model.path.rstrip("/"))
    older: StoredModel | None = None
    for version in datasets.names_in(spark, folder):
        path = f"{folder}/{version}"
        if version in (own, LATEST_FILE) or not datasets.exists(spark, f"{path}/{MANIFEST_FILE}"):
            continue
        try:
            one = model_store.open_model(spark, path, folder)
        except JobError as error:  # a version of no interest must not keep the others from being compared
            say(f"[evaluation] {path} is passed over: {error}")
            continue
        if one.name != model.name:
            continue
        made = one.metadata["created_ms"]
        if made < model.metadata["created_ms"] and (older is None or made > older.metadata["created_ms"]):
            older = one
    return older


def other_label(model: StoredModel, other: StoredModel) -> list[str]:
    """Return the warning that two models of the same classes have learnt labels that were made differently."""
    ours, theirs = Label.from_metadata(model.metadata), Label.from_metadata(other.metadata)
    if (ours.column, ours.expression) == (theirs.column, theirs.expression):
        return []
    said = f"{theirs.expression or theirs.column}, this one {ours.expression or ours.column}"
    return [f"compare_with: {other.name}@{other.version} has learnt {said}: the comparison is not fair to it"]


def _same(one: StoredModel, other: StoredModel) -> bool:
    return one.path.rstrip("/") == other.path.rstrip("/")


def _check_comparable(model: StoredModel, other: StoredModel, said: str) -> None:
    if _same(other, model):
        raise ModelError(
            f"compare_with {said} is the model itself ({model.path}): compare with another version or {PREVIOUS} (the "
            "one before), or name another one to evaluate: model NAME@VERSION"
        )
    ours, theirs = Label.from_metadata(model.metadata), Label.from_metadata(other.metadata)
    if ours.task != theirs.task:
        raise ModelError(
            f"compare_with {said}: {other.path} is a {theirs.task} model, {model.path} a {ours.task} model: their "
            "metrics have nothing in common"
        )
    if ours.classes != theirs.classes:
        raise ModelError(
            f"compare_with {said}: {other.path} tells the classes {theirs.classes} apart, {model.path} {ours.classes}: "
            "compare models of the same label"
        )
