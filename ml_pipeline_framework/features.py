"""The feature plan: told from the schema and one profile of the training rows, turned into pipeline stages.

For trees: numbers with their nulls replaced by the median, texts and booleans as indices with a place of their own for
nulls and unseen values; never one-hot. Nothing drops a row. What is left out is listed with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from pyspark.ml.base import Estimator, Transformer
from pyspark.ml.feature import Imputer, SQLTransformer, StringIndexer, VectorAssembler
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, FloatType, StructType

from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, kind_of, quoted

Stage: TypeAlias = "Transformer | Estimator[Any]"

FEATURES = "_features"
_RSD = 0.02  # relative error of the distinct counts; HyperLogLog merges alike in any order


@dataclass(frozen=True)
class Feature:
    """A column to learn from."""

    name: str
    role: str  # numeric | categorical
    type: str
    nulls: int  # in the training rows


@dataclass(frozen=True)
class LeftOut:
    """A column not to learn from, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeaturePlan:
    """What becomes of every column of the data except the label."""

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]

    def names(self, role: str) -> list[str]:
        """Return the columns of one role, in order."""
        return [one.name for one in self.features if one.role == role]

    def to_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return the plan for a report."""
        return {"features": [asdict(one) for one in self.features], "left_out": [asdict(one) for one in self.left_out]}


def candidates(
    schema: StructType, *, allowed: Sequence[str], barred: Mapping[str, str]
) -> tuple[list[str], list[LeftOut]]:
    """Return the columns that may become features, and those that are out without a look at the data.

    Parameters
    ----------
    allowed : sequence of str
        The only columns to learn from; empty for all.
    barred : mapping
        Column to the reason why it is out.
    """
    chosen: list[str] = []
    left_out: list[LeftOut] = []
    for one in schema.fields:
        kind = kind_of(one.dataType)
        if one.name in barred:
            left_out.append(LeftOut(one.name, barred[one.name]))
        elif allowed and one.name not in allowed:
            left_out.append(LeftOut(one.name, "not in feature_columns"))
        elif kind not in (NUMBER, BOOLEAN, TEXT):
            left_out.append(LeftOut(one.name, f"type {one.dataType.simpleString()} is not learnt from"))
        else:
            chosen.append(one.name)
    return chosen, left_out


def _missing(schema: StructType, name: str) -> Column:
    column = F.col(quoted(name))
    is_float = isinstance(schema[name].dataType, (DoubleType, FloatType))
    return column.isNull() | F.isnan(column) if is_float else column.isNull()


def profile(schema: StructType, names: Sequence[str], where: Column) -> list[Column]:
    """Return aggregates over the rows where `where` holds: per column its nulls and how many values it has.

    Columns ``<i>_nulls`` (long) and ``<i>_values`` (long, about the number of distinct values; for numbers 0, 1 or 2,
    which is enough to see a constant), `i` being the place in `names`.
    """
    aggregates = []
    for place, name in enumerate(names):
        value = F.when(where & ~_missing(schema, name), F.col(quoted(name)))
        if kind_of(schema[name].dataType) == TEXT:
            values = F.approx_count_distinct(value, _RSD)
        else:
            low, high = F.min(value), F.max(value)
            values = F.when(low.isNull(), 0).when(low == high, 1).otherwise(2)
        aggregates += [
            F.count_if(where & _missing(schema, name)).alias(f"{place}_nulls"),
            values.cast("long").alias(f"{place}_values"),
        ]
    return aggregates


def plan(
    schema: StructType, names: Sequence[str], found: Mapping[str, Any], left_out: Sequence[LeftOut], max_categories: int
) -> FeaturePlan:
    """Decide what becomes of each candidate; `found` is the row that `profile`'s aggregates gave."""
    chosen: list[Feature] = []
    out = list(left_out)
    for place, name in enumerate(names):
        nulls, values = found[f"{place}_nulls"], found[f"{place}_values"]
        data_type = schema[name].dataType
        role = "numeric" if kind_of(data_type) == NUMBER else "categorical"
        if values == 0:
            out.append(LeftOut(name, "null in every training row"))
        elif values == 1 and (
            nulls == 0 or role == "numeric"
        ):  # a filled number is constant, a null text is a category
            out.append(LeftOut(name, "one value in all training rows"))
        elif role == "categorical" and values > max_categories:
            out.append(LeftOut(name, f"about {values} categories, more than max_categories {max_categories}"))
        else:
            chosen.append(Feature(name, role, data_type.simpleString(), nulls))
    return FeaturePlan(tuple(chosen), tuple(sorted(out, key=lambda one: schema.names.index(one.name))))


def stages(planned: FeaturePlan) -> list[Stage]:
    """Return the stages that turn the planned columns into the vector `FEATURES`, the order of ``plan.features``.

    The casts are a stage too, so that the saved model takes the data as it was read.
    """
    place = {one.name: position for position, one in enumerate(planned.features)}
    numbers, texts = planned.names("numeric"), planned.names("categorical")
    result: list[Stage] = []
    casts = [f"CAST({quoted(name)} AS DOUBLE) AS _number_{place[name]}" for name in numbers]
    casts += [f"CAST({quoted(name)} AS STRING) AS _text_{place[name]}" for name in texts]
    result.append(SQLTransformer(statement=f"SELECT *, {', '.join(casts)} FROM __THIS__"))
    if numbers:
        raw = [f"_number_{place[name]}" for name in numbers]
        filled = [f"_filled_{place[name]}" for name in numbers]
        result.append(Imputer(strategy="median", inputCols=raw, outputCols=filled))
    if texts:
        raw = [f"_text_{place[name]}" for name in texts]
        index = [f"_index_{place[name]}" for name in texts]
        result.append(StringIndexer(inputCols=raw, outputCols=index, handleInvalid="keep"))
    inputs = [f"{'_filled' if one.role == 'numeric' else '_index'}_{place[one.name]}" for one in planned.features]
    result.append(VectorAssembler(inputCols=inputs, outputCol=FEATURES, handleInvalid="keep"))
    return result


def category_counts(fitted: Sequence[Any], planned: FeaturePlan) -> dict[str, int]:
    """Return each categorical feature's number of indices in fitted stages, the one for null and unseen included."""
    indexers = [one for one in fitted if hasattr(one, "labelsArray")]
    return {
        name: len(labels) + 1
        for indexer in indexers
        for name, labels in zip(planned.names("categorical"), indexer.labelsArray, strict=True)
    }
