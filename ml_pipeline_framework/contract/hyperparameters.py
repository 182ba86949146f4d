"""What an algorithm and its settings are: names, kinds, ranges, and how a value is found wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ml_pipeline_framework.contract.values import coerce

BINARY, MULTICLASS, REGRESSION, CLUSTERING = "binary", "multiclass", "regression", "clustering"
#: What a model can be asked for, in the words of ``model_config.task`` and of ``metadata.json``.
TASKS: tuple[str, ...] = (BINARY, MULTICLASS, REGRESSION, CLUSTERING)


@dataclass(frozen=True)
class Hyperparameter:
    """One setting of an algorithm: its name here (scikit-learn's where both mean the same) and Spark's.

    ``kind`` is integer, number, flag or choice; a choice is one of ``choices``, and where ``check`` is given also any
    number that passes it. ``spellings`` are pairs of another library's word for a choice and Spark's. ``tasks`` are
    those that the setting is for; empty for all of its algorithm.
    """

    name: str
    spark_name: str
    kind: str
    doc: str
    check: Callable[[Any], str] | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()
    tasks: tuple[str, ...] = ()

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`, or nothing; of a list, the first element that is wrong."""
        if isinstance(value, (list, tuple)):
            return self._list_problem(value)
        if self.kind == "flag":
            return "" if isinstance(value, bool) else f"{value!r} is not true or false"
        if self.kind == "choice" and (isinstance(value, str) or self.check is None):
            known = (*self.choices, *(word for word, _ in self.spellings))
            return "" if value in known else f"{value!r} is none of {', '.join(known)}"
        try:
            number = coerce("integer" if self.kind == "integer" else "number", value)
        except ValueError as error:
            return str(error)
        return self.check(number if self.kind != "choice" else value) if self.check else ""

    def _list_problem(self, values: list[object] | tuple[object, ...]) -> str:
        if not values:
            return "is an empty list: give one value, or the values to try"
        for place, one in enumerate(values, 1):
            if isinstance(one, (list, tuple)):
                return f"element {place}, {list(one)!r}, is itself a list"
            found = self.problem(one)
            if found:
                return f"element {place}: {found}"
            if any(self.same(one, before) for before in values[: place - 1]):
                return f"element {place}, {one!r}, stands in the list twice"
        return ""

    def spark_value(self, value: Any) -> Any:
        """Return a right value in the type and the words that Spark takes."""
        if self.kind == "number":
            return float(value)
        if self.kind == "choice":  # Spark takes max_features as text: "sqrt", "4", "0.5"
            return dict(self.spellings).get(value, str(value))
        return value

    def same(self, one: object, other: object) -> bool:
        """Return whether two right values are one and the same setting."""
        return bool(self.spark_value(one) == self.spark_value(other))


@dataclass(frozen=True)
class Algorithm:
    """A learner: what it can be used for, its settings, and what it asks of the features.

    ``style`` is how features are encoded for it: tree (categories as indices, numbers as they are), linear (one-hot
    up to a limit), nonnegative (like linear, numbers brought between 0 and 1) or distance (like linear, numbers of
    standard deviation 1). ``needs`` are Python packages beside pyspark and numpy that must be on the nodes; ``extra``
    is what installs them. ``refused`` are pairs of a known name and why it is not taken. ``together`` returns what is
    wrong with one candidate as a whole, or nothing.
    """

    name: str
    tasks: tuple[str, ...]
    hyperparameters: tuple[Hyperparameter, ...]
    style: str
    doc: str
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    extra: str = ""
    refused: tuple[tuple[str, str], ...] = ()
    together: Callable[[Mapping[str, Any]], str] | None = None

    def for_task(self, task: str) -> tuple[Hyperparameter, ...]:
        """Return the settings that serve `task`; all of them when it is not known yet."""
        return tuple(one for one in self.hyperparameters if task not in TASKS or not one.tasks or task in one.tasks)
