"""Permutation importance: how much worse a model gets when one raw column is shuffled and all else stays.

(L. Breiman, Random Forests, Machine Learning 45, 2001; for models as they are, as in scikit-learn's
``permutation_importance``.) A shuffle is a shift: the rows of the sample stand in an order made by a hash of their
content, which has nothing to do with what they say, and each row gets its column's value from the row `n` places on.
So it does not depend on partitions, keeps every value exactly once, and needs one join for all columns.

All columns and repeats are scored in one pass over the sample, repeated once for each: the sample is what bounds it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from pyspark import StorageLevel
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ml_pipeline_framework import metrics, splits
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs.evaluation_data import LABEL, Rows
from ml_pipeline_framework.schemas import quoted

_PLACE, _FROM, _REPEAT, _WHICH = "_place", "_from", "_repeat", "_which"
_KEYS = [_WHICH, _REPEAT]
_AS_IT_IS = -1


def permutation_importance(
    pipeline: PipelineModel,
    rows: Rows,
    metadata: Mapping[str, Any],
    *,
    sample_rows: int,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Measure a model on rows in which one column after the other is shuffled.

    Parameters
    ----------
    pipeline : PipelineModel
    rows : Rows
        Labelled rows with the types of the training.
    metadata : mapping
        The model's ``metadata.json``.
    sample_rows : int
        Rows to look at, about; chosen by a hash of their content.
    repeats : int
        Shuffles per column.
    seed : int
        Of sample and shuffles.

    Returns
    -------
    dict
        ``kind`` "permutation", ``metric`` (the task's main one), ``base`` (its value on the sample as it is), ``rows``,
        ``repeats``, ``seed``, ``values``: per column ``feature``, ``importance`` (by how much the metric gets worse,
        mean over the repeats; negative when it gets better) and ``std`` (over the repeats; null for one), largest
        first.

    Raises
    ------
    DataError
        Fewer than two rows, or one class only.
    """
    names = [one["name"] for one in metadata["input_schema"]]
    sample = _sample(rows, names, sample_rows, seed).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        size = sample.count()
        if size < 2:
            raise DataError(f"permutation_importance: the sample has {size} rows; raise permutation_rows")
        scored = pipeline.transform(_shuffled(sample, names, _shifts(size, repeats, seed), size))
        found = {tuple(row[key] for key in _KEYS): row["value"] for row in _measured(scored, rows.label.task, metadata)}
    finally:
        sample.unpersist()
    return _document(rows.label.task, names, found, size, repeats, seed)


def _sample(rows: Rows, names: Sequence[str], sample_rows: int, seed: int) -> DataFrame:
    """Return about so many rows, numbered from 0 in the order of a hash of their content."""
    share = min(1.0, sample_rows / rows.measured)
    chosen = rows.frame if share == 1.0 else rows.frame.where(splits.within_share(names, seed, share, "importance"))
    order = Window.orderBy(splits.key_hash(names, seed, "shuffle"), F.col(LABEL))
    return chosen.select(*map(quoted, names), LABEL).withColumn(_PLACE, F.row_number().over(order) - 1)


def _shifts(size: int, repeats: int, seed: int) -> list[int]:
    """Return for each repeat how many rows on a value comes from; never its own row."""
    draw = random.Random(seed)  # nosec B311  # a shuffle, no secret
    return [draw.randrange(1, size) for _ in range(repeats)]


def _shuffled(sample: DataFrame, names: Sequence[str], shifts: Sequence[int], size: int) -> DataFrame:
    """Return the sample once per repeat as it is and once per repeat and column with that column shuffled.

    ``_which`` is the place of the shuffled column in `names`, or -1.
    """
    lent = [F.col(quoted(name)).alias(f"_lent_{place}") for place, name in enumerate(names)]
    donors = sample.select(F.col(_PLACE).alias(_FROM), *lent)
    pairs = F.posexplode(F.array(*map(F.lit, shifts)))
    shifted = sample.select("*", pairs.alias(_REPEAT, "_shift")).withColumn(
        _FROM, F.pmod(F.col(_PLACE) + F.col("_shift"), F.lit(size))
    )
    every = F.explode(F.sequence(F.lit(_AS_IT_IS), F.lit(len(names) - 1)))
    joined = shifted.join(donors, _FROM).withColumn(_WHICH, every)
    columns = [
        F.when(F.col(_WHICH) == place, F.col(f"_lent_{place}")).otherwise(F.col(quoted(name))).alias(name)
        for place, name in enumerate(names)
    ]
    return joined.select(*columns, LABEL, *_KEYS)


def _measured(scored: DataFrame, task: str, metadata: Mapping[str, Any]) -> Any:
    """Return the main metric of the task per shuffled column and repeat, as ``value``."""
    if task == "binary":
        return _auc(scored, metadata)
    if task == "multiclass":
        return _f1_macro(scored)
    square = (F.col("prediction") - F.col(LABEL)) ** 2
    return scored.groupBy(*_KEYS).agg(F.sqrt(F.avg(square)).alias("value")).collect()


def _auc(scored: DataFrame, metadata: Mapping[str, Any]) -> Any:
    """Return the exact area under the ROC curve: the chance that a positive scores above a negative, ties half."""
    name = metadata.get("score_column") or "probability"
    score = F.col("prediction") if name == "prediction" else vector_to_array(F.col(name))[1]
    n, p = F.count_if(F.col(LABEL) == 0).alias("n"), F.count_if(F.col(LABEL) == 1).alias("p")
    counts = scored.groupBy(*_KEYS, score.alias("score")).agg(n, p)
    before = Window.partitionBy(*_KEYS).orderBy("score").rowsBetween(Window.unboundedPreceding, -1)
    below = F.coalesce(F.sum("n").over(before), F.lit(0))
    placed = counts.withColumn("won", F.col("p") * (below + F.col("n") / 2))
    pairs = F.sum("n").cast("double") * F.sum("p").cast("double")
    value: Column = F.when(pairs > 0, F.sum("won") / F.when(pairs > 0, pairs))
    return placed.groupBy(*_KEYS).agg(value.alias("value")).collect()


def _f1_macro(scored: DataFrame) -> Any:
    """Return the mean F1 over the classes that occur as label or as prediction."""
    hit = (F.col(LABEL) == F.col("prediction")).cast("long")
    actual = F.struct(F.col(LABEL).alias("of"), F.lit(1).alias("n"), hit.alias("hits"))
    predicted = F.struct(F.col("prediction").alias("of"), F.lit(1).alias("n"), F.lit(0).cast("long").alias("hits"))
    counted = scored.select(*_KEYS, F.explode(F.array(actual, predicted)).alias("one")).groupBy(*_KEYS, "one.of")
    classes = counted.agg((2 * F.sum("one.hits") / F.sum("one.n")).alias("f1"))
    return classes.groupBy(*_KEYS).agg(F.avg("f1").alias("value")).collect()


def _document(
    task: str, names: Sequence[str], found: Mapping[Any, float | None], size: int, repeats: int, seed: int
) -> dict[str, Any]:
    metric = metrics.MAIN[task]
    base = found[_AS_IT_IS, 0]
    if base is None:
        raise DataError(
            f"permutation_importance: the {size:,} rows of the sample hold one class only, so {metric} has no value; "
            "raise permutation_rows"
        )
    sign = 1 if metrics.NAMES[task][metric] == "higher" else -1
    values = []
    for place, name in enumerate(names):
        worse = [sign * (base - (found[place, repeat] or 0.0)) for repeat in range(repeats)]
        values.append({"feature": name, "importance": mean(worse), "std": stdev(worse) if repeats > 1 else None})
    return {
        "kind": "permutation",
        "metric": metric,
        "base": base,
        "rows": size,
        "repeats": repeats,
        "seed": seed,
        "values": sorted(values, key=lambda one: -one["importance"]),
    }
