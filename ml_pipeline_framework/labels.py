"""Labels: what is to be learnt, told from the values of the data; and the numbers that Spark learns in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, kind_of, quoted

BINARY, MULTICLASS, REGRESSION, CLUSTERING = "binary", "multiclass", "regression", "clustering"
TASKS = (BINARY, MULTICLASS, REGRESSION, CLUSTERING)
#: More classes than this are not classes: the limit of Spark's own learners, too (``Classifier.getNumClasses``).
MAX_CLASSES = 100
#: Whole numbers of more values than this are taken for a quantity.
MAX_INTEGER_CLASSES = 10
#: How the positive class was chosen where nothing spoke for one of the two.
BY_ALPHABET = "the last in the alphabet"
_YES = ("yes", "y", "true", "t", "1", "positive", "pos")


@dataclass(frozen=True)
class Label:
    """What is learnt.

    Attributes
    ----------
    column : str
        Name of the label; "" for clustering.
    expression : str
        SQL that makes it; "" when it is a column of the data.
    task : str
        One of :data:`TASKS`.
    classes : tuple or None
        The values as they are in the data, in the order of their index; None for regression and clustering.
    positive : object
        Of two classes the one with index 1; else None.
    type : str
        Type of the label in the data, in Spark's words.
    """

    column: str
    expression: str
    task: str
    classes: tuple[Any, ...] | None
    positive: Any
    type: str = ""

    @property
    def is_classification(self) -> bool:
        """Whether the label is one of some classes."""
        return self.classes is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the label as metadata.json keeps it."""
        return {
            "column": self.column,
            "expression": self.expression,
            "task": self.task,
            "type": self.type,
            "classes": None if self.classes is None else list(self.classes),
            "positive": self.positive,
        }

    @classmethod
    def from_metadata(cls, mapping: Mapping[str, Any]) -> Label:
        """Read what `to_dict` gave, or the whole ``metadata.json`` that holds it."""
        said = mapping["label"] if isinstance(mapping.get("label"), Mapping) else mapping
        classes = said.get("classes")
        return cls(
            column=said.get("column") or "",
            expression=said.get("expression") or "",
            task=said.get("task") or mapping["task"],
            classes=None if classes is None else tuple(classes),
            positive=said.get("positive"),
            type=said.get("type") or "",
        )


def without_nan(data: DataFrame, raw: Column) -> Column:
    """Return a label as it stands in `data`, null where it is infinite or NaN, as pandas writes a missing 0 or 1."""
    found = data.select(raw.alias("label")).schema["label"].dataType
    return F.when(_is_finite(raw), raw) if found.typeName() in ("double", "float") else raw


def _is_finite(number: Column) -> Column:
    return F.abs(number) < F.lit(float("inf"))  # NaN counts as greater than all


def label_column(data: DataFrame, label: Label) -> Column:
    """Return the label as a double: the index of the class, or the number; null where it is null or of no known class.

    Raises
    ------
    DataError
        Clustering, which has no label.
    """
    if not label.column:
        raise DataError("a clustering model has no label: there is nothing to compare its clusters with")
    raw = F.expr(label.expression) if label.expression else F.col(quoted(label.column))
    found = data.select(raw.alias("label")).schema["label"].dataType
    if label.classes is None:
        return _number(raw, found)
    value = _comparable(raw, found, label.classes)
    index = F.lit(None).cast("double")
    for place, one in reversed(list(enumerate(label.classes))):
        index = F.when(value == F.lit(_plain(one)), F.lit(float(place))).otherwise(index)
    return index


def _number(raw: Column, found: DataType) -> Column:
    """Return a number as a double; NaN, infinity and text that is no number become null, in ANSI mode too."""
    if kind_of(found) == TEXT:
        raw = F.when(raw.rlike(r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"), raw)
    number = raw.cast("double")
    return F.when(_is_finite(number), number)


def _comparable(raw: Column, found: DataType, classes: Sequence[Any]) -> Column:
    """Return the label in the form of its classes, whichever type the data at hand stores it in (1, 1.0, true, "1")."""
    if isinstance(classes[0], str):
        return raw.cast("string")
    return _number(raw, found)  # booleans are 0 and 1


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else float(value)


# --- telling the task -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What one pass over the label column tells: rows with a label, distinct values (about), what numbers they are."""

    kind: str  # boolean | number | text
    type: str
    distinct: int  # at most that exact for few values
    whole: bool  # numbers only: every value is a whole number


def look(column: Column) -> list[Column]:
    """Return the aggregates that `Look` is made of, for a column of any kind: ``distinct``, ``fractions``."""
    number = column.cast("double")
    return [
        F.approx_count_distinct(column, 0.02).alias("distinct"),
        F.count_if(number != F.floor(number)).alias("fractions"),
    ]


def tell_task(seen: Look, asked: str, learnable: Sequence[str], column: str) -> tuple[str, str]:
    """Return the task and the reason for it.

    Parameters
    ----------
    seen : Look
    asked : str
        ``model_config.task``: auto, classification, one of :data:`TASKS`.
    learnable : sequence of str
        The tasks that the algorithm can learn.
    column : str
        Name of the label, for messages.

    Raises
    ------
    DataError
        The label can't be what is asked for.
    """
    classes = BINARY if seen.distinct <= 2 or seen.kind == BOOLEAN else MULTICLASS
    possible = [task for task in (BINARY, MULTICLASS, REGRESSION) if task in learnable]
    if asked == REGRESSION or possible == [REGRESSION]:
        if seen.kind == TEXT:
            raise DataError(
                f"a regression needs a number, and the label {column!r} is text: make it a number with "
                "model_config.label_expression, or choose another model_config.task and algorithm"
            )
        return REGRESSION, "model_config.task" if asked == REGRESSION else "the algorithm learns nothing else"
    if asked in (BINARY, MULTICLASS):
        return asked, "model_config.task"
    if asked == "classification":
        return classes, f"model_config.task, and about {seen.distinct} values"
    if seen.kind != NUMBER:
        return classes, f"the label is {'boolean' if seen.kind == BOOLEAN else 'text'}"
    if seen.distinct <= 2:
        return BINARY, "the label has two values"
    if REGRESSION not in possible:
        return classes, "the algorithm learns classes only"
    if seen.whole and seen.distinct <= MAX_INTEGER_CLASSES:
        return MULTICLASS, f"the label has {seen.distinct} whole numbers as values (up to {MAX_INTEGER_CLASSES})"
    return REGRESSION, f"the label is a number with about {seen.distinct:,} values"


def ordered_classes(values: Sequence[Any], task: str, asked: Any, column: str) -> tuple[tuple[Any, ...], Any, str]:
    """Return the classes by index, the positive one, and how that was chosen.

    Parameters
    ----------
    values : sequence
        The distinct values: all boolean, all numbers or all texts.
    asked : object
        ``model_config.positive_class``; None when it was not given.

    Raises
    ------
    DataError
        A positive class that is none, or that is asked for among more than two; more classes than the task has.
    """
    found = tuple(sorted(values))
    shown = ", ".join(repr(one) for one in found[:12]) + (" ..." if len(found) > 12 else "")
    if task == MULTICLASS:
        if asked is not None:
            raise DataError(
                f"model_config.positive_class is {asked!r}, but the label {column!r} has {len(found)} classes "
                f"({shown}): leave it out, or make two classes with model_config.label_expression"
            )
        return found, None, "no positive class among more than two"
    if len(found) > 2:
        raise DataError(
            f"the label {column!r} has {len(found)} values ({shown}), a binary task two: set model_config.task to "
            "multiclass or regression, or make two classes with model_config.label_expression"
        )
    if asked is not None:
        matches = [one for one in found if same_value(one, asked)]
        if not matches:
            raise DataError(
                f"model_config.positive_class {asked!r} is not a value of the label {column!r}; its values: {shown}"
            )
        return _with_last(found, matches[0], "model_config.positive_class")
    if not isinstance(found[-1], str):
        return found, found[-1], "the larger value"
    yes = [one for one in found if one.strip().lower() in _YES]
    if len(yes) == 1:
        return _with_last(found, yes[0], "it means yes")
    return found, found[-1], BY_ALPHABET


def _with_last(found: tuple[Any, ...], positive: Any, reason: str) -> tuple[tuple[Any, ...], Any, str]:
    return (*(one for one in found if one != positive), positive), positive, reason


def same_value(value: Any, said: Any) -> bool:
    """Say whether a value of the data is the one that a configuration names: 1, 1.0 and "1" are, true and "True"."""
    if isinstance(value, str) or isinstance(said, str):
        return _text(value) == _text(said)
    return bool(value == said)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    return text.lower() if text.lower() in ("true", "false") else text
