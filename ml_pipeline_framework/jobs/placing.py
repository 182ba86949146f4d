"""Whose a folder of results is, and how a finished folder takes its place.

Every folder that a job writes holds ``_run.json``: the run that wrote it. Names that begin with ``_`` or ``.`` are
passed over by Spark, Hive and Hadoop when they read a folder, so the marker is no part of the data.

A result is filled beside its place (``.<name>.<run id>.tmp``) and then renamed. What lay there before is renamed aside
(``.<name>.<run id>.old``) only then, and removed last: a job that is killed while it works leaves the old result as it
was, and the same run, started again, clears what it left or finishes the exchange.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from ml_pipeline_framework import datasets
from ml_pipeline_framework.errors import DataError, OutputError

RUN_FILE = "_run.json"


@dataclass(frozen=True)
class Place:
    """A folder to be, and the two names beside it that belong to one run."""

    path: str
    waiting: str
    aside: str

    @classmethod
    def of(cls, path: str, run_id: str) -> Place:
        """Return the place of a path (bare or a URI) for a run."""
        clean = path.rstrip("/")
        folder, slash, name = clean.rpartition("/")
        beside = f"{folder}{slash}.{name}.{run_id}"
        return cls(clean, f"{beside}.tmp", f"{beside}.old")


def owner(spark: SparkSession, path: str) -> str | None:
    """Return the run that wrote the folder at `path`; "" when nothing says it; None when nothing lies there."""
    if not datasets.exists(spark, path):
        return None
    marker = f"{path.rstrip('/')}/{RUN_FILE}"
    try:
        if not datasets.exists(spark, marker):
            return ""
        return str(json.loads(datasets.read_text(spark, marker)).get("run_id") or "")
    except (ValueError, AttributeError, DataError):
        return ""


def check_free(spark: SparkSession, path: str, run_id: str, said_by: str, *, overwrite: bool = False) -> bool:
    """Check, before any work, that this run may write at `path`; True when something will be replaced.

    Parameters
    ----------
    said_by : str
        The flag or key that names the path, for the message.
    overwrite : bool
        The user allows that another run's result is replaced.

    Raises
    ------
    OutputError
        When another run's result, or anything else, lies there and `overwrite` was not said.
    """
    recover(spark, path, run_id)
    found = owner(spark, path)
    if found is None:
        return False
    if found != run_id and not overwrite:
        whose = f"it belongs to run {found}" if found else "nothing says which run it belongs to"
        raise OutputError(
            f"{path} exists already, and {whose} (this is {run_id}): give another {said_by}, say overwrite: true to "
            "replace it, or remove it first"
        )
    return True


def recover(spark: SparkSession, path: str, run_id: str) -> None:
    """Undo what an earlier try of this very run left half done: an unfinished folder, an exchange cut in two."""
    place = Place.of(path, run_id)
    if datasets.exists(spark, place.aside):
        if datasets.exists(spark, place.path):
            datasets.remove(spark, place.aside)
        else:
            move(spark, place.aside, place.path)
    datasets.remove(spark, place.waiting)


def mark(spark: SparkSession, folder: str, run_id: str, what: Mapping[str, Any]) -> None:
    """Write into a folder whose it is, and what is in it."""
    text = json.dumps({"run_id": run_id, **what}, sort_keys=True) + "\n"
    datasets.write_text(spark, f"{folder}/{RUN_FILE}", text)


def put_in_place(spark: SparkSession, place: Place, *, may_replace: Callable[[str], bool]) -> None:
    """Rename the finished folder into its place; the old one goes aside for that moment and comes back on an error.

    Parameters
    ----------
    may_replace : callable
        Gets the run that what lies there belongs to ("" when unknown) and says whether it may go.

    Raises
    ------
    OutputError
        Something that may not be replaced has appeared meanwhile, or the file system refuses.
    """
    found = owner(spark, place.path)
    if found is not None and not may_replace(found):
        whose = f"run {found}" if found else "something that names no run"
        raise OutputError(f"{place.path} was written by {whose} while this run worked: nothing of it was replaced")
    if found is not None:
        move(spark, place.path, place.aside)
    try:
        move(spark, place.waiting, place.path)
    except OutputError:
        if found is not None:
            move(spark, place.aside, place.path)
        raise
    datasets.remove(spark, place.aside)


def move(spark: SparkSession, source: str, target: str) -> None:
    """Rename; a target that exists is an error, and never a folder to move into.

    ``FileContext.rename`` is used because ``FileSystem.rename`` moves *into* an existing folder (Hadoop's file system
    specification, ``rename``).
    """
    jvm: Any = spark._jvm
    gateway: Any = spark.sparkContext._gateway
    hadoop = jvm.org.apache.hadoop.fs
    try:
        configuration = spark._jsparkSession.sessionState().newHadoopConf()
        place = hadoop.Path(target)
        file_system = place.getFileSystem(configuration)
        file_system.mkdirs(place.getParent())
        qualified = file_system.makeQualified(place)
        context = hadoop.FileContext.getFileContext(qualified.toUri(), configuration)
        options = gateway.new_array(hadoop.Options.Rename, 0)
        context.rename(file_system.makeQualified(hadoop.Path(source)), qualified, options)
    except Py4JJavaError as error:
        cause = error.java_exception
        reason = f"{cause.getClass().getSimpleName()}: {str(cause.getMessage()).splitlines()[0]}"
        raise OutputError(f"{source} can't be renamed to {target}: {reason}") from error
