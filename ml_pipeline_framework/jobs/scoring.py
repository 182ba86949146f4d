"""Is this data what the model was trained on? Looked at before the first Spark task, by evaluation and prediction.

The rule is that of MLflow's signatures, a little wider: a column that the model reads must be there, with its type in
training or one that casts into it without loss. What is more in the data is not looked at.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.schemas import quoted

# Digits that a whole number of each type needs at most, and that a floating one keeps exactly.
_WHOLE = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_ORDER = {"tinyint": 0, "smallint": 1, "int": 2, "bigint": 3}
_EXACT_IN = {"float": 7, "double": 15}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_TEXT = re.compile(r"string(?: collate \w+)?|(?:var)?char\(\d+\)")


def _digits(kind: str) -> tuple[int, int] | None:
    """Return how many digits before and after the point a type of exact numbers holds; None for other types."""
    if kind in _WHOLE:
        return _WHOLE[kind], 0
    match = _DECIMAL.fullmatch(kind)
    return (int(match[1]) - int(match[2]), int(match[2])) if match else None


def widens(found: str, wanted: str) -> bool:
    """Say whether every value of type `found` has its equal in type `wanted` (Spark's simple names, such as bigint).

    bigint into double counts as widening although whole numbers above 2^53 are rounded: ``pyspark.ml`` makes a double
    of every number, so that the model never saw more of them.
    """
    if found == wanted or (found == "float" and wanted == "double") or found == "void":
        return True
    if found in _ORDER and wanted in _ORDER:
        return _ORDER[found] < _ORDER[wanted]
    if _TEXT.fullmatch(found) and _TEXT.fullmatch(wanted):
        return True
    have, room = _digits(found), _digits(wanted)
    if have and room:
        return have[0] <= room[0] and have[1] <= room[1]
    if have and wanted == "double":
        return found == "bigint" or sum(have) <= _EXACT_IN["double"]
    return bool(have) and wanted == "float" and sum(have or ()) <= _EXACT_IN["float"]


def equal_values(found: str, wanted: str) -> bool:
    """Say whether two types write equal values alike: the same type, two whole numbers, two texts."""
    whole = found in _WHOLE and wanted in _WHOLE
    return found == wanted or whole or bool(_TEXT.fullmatch(found) and _TEXT.fullmatch(wanted))


def types_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the types that columns had in training: of what the model reads, and of keys, group and time."""
    split: Mapping[str, str] = (metadata.get("split") or {}).get("types") or {}
    return {**split, **{one["name"]: one["type"] for one in metadata["input_schema"]}}


def check_schema(frame: DataFrame, metadata: Mapping[str, Any], where: str) -> list[str]:
    """Compare data with the ``input_schema`` of a model's metadata; no Spark task is run.

    Parameters
    ----------
    frame : DataFrame
        The data as read. Columns that the model does not read are passed over.
    metadata : mapping
        The content of the model's ``metadata.json``.
    where : str
        Where the data came from, for messages.

    Returns
    -------
    list of str
        Warnings: columns whose type is narrower than in training and is cast (see `as_trained`); another time zone.

    Raises
    ------
    DataError
        A missing column, or one whose values need not fit the type of the training; all of them at once.
    """
    found = {one.name: one.dataType.simpleString() for one in frame.schema.fields}
    problems, warnings = [], []
    for one in metadata["input_schema"]:
        name, wanted = one["name"], one["type"]
        if name not in found:
            close = difflib.get_close_matches(name, found, 1, 0.6)
            same = [other for other in found if other.lower() == name.lower()] or close
            problems.append(f"column {name!r} ({wanted}) is missing" + (f"; did you mean {same[0]!r}?" if same else ""))
        elif not widens(found[name], wanted):
            how = "narrower" if widens(wanted, found[name]) else "another type"
            problems.append(f"column {name!r} is {found[name]}, the model was trained on {wanted}, which is {how}")
        elif found[name] == "void":
            warnings.append(f"column {name!r} has no type (null in every row) and is taken for {wanted}")
        elif found[name] != wanted and not _TEXT.fullmatch(wanted):
            warnings.append(f"column {name!r} is {found[name]} and was {wanted} in training: cast without loss")
    if problems:
        raise DataError(
            f"{where} does not fit the model {metadata.get('name')}@{metadata.get('version')}: {'; '.join(problems)}. "
            f"The data has: {', '.join(f'{name} {kind}' for name, kind in found.items())}. "
            "Prepare it as the training data was (a cast or rename step of data_processing), or train on data like it"
        )
    return warnings + _other_zone(frame, metadata)


def _other_zone(frame: DataFrame, metadata: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the session's time zone: an instant's hour and day are those of the zone."""
    now, then = frame.sparkSession.conf.get("spark.sql.session.timeZone"), metadata.get("timezone")
    instants = [one["name"] for one in metadata["input_schema"] if one["type"] == "timestamp"]
    if not then or now == then or not instants:
        return []
    return [
        f"hours and days of {', '.join(instants)} are those of {now} here and were those of {then} in training: set "
        f"spark.sql.session.timeZone to {then}"
    ]


def as_trained(frame: DataFrame, metadata: Mapping[str, Any]) -> DataFrame:
    """Return the data with every column that the model reads cast to the type that it had in training.

    Call `check_schema` first: this casts without a look at what is lost.
    """
    found = {one.name: one.dataType.simpleString() for one in frame.schema.fields}
    casts = {
        one["name"]: F.col(quoted(one["name"])).cast(one["type"])
        for one in metadata["input_schema"]
        if found[one["name"]] != one["type"] and not _TEXT.fullmatch(one["type"])
    }
    return frame.withColumns(casts) if casts else frame
