"""How well scores separate two classes within groups, computed in the executors: one row per group comes back.

The same measures as in ``two_class``, as window functions over the score steps of each group.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from ml_pipeline_framework.metrics.two_class import delong_error


def separation(steps: DataFrame, keys: Sequence[str], sums: Sequence[str] = ()) -> DataFrame:
    """Return one row per group with its area under the ROC curve and what belongs to it.

    Parameters
    ----------
    steps : DataFrame
        One row per group and score step: the `keys`, ``step`` (rises with the score), ``negatives``, ``positives`` and
        the columns of `sums`.
    sums : sequence of str
        Further columns to be added up per group.

    Returns
    -------
    DataFrame
        The keys, ``negatives``, ``positives``, the sums, ``auc``, ``square_p`` and ``square_n`` (for `auc_error`),
        ``pr_auc``, ``ks``; null where a group holds one class only.
    """
    group = Window.partitionBy(*keys)
    upwards = group.orderBy("step").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    n, p = F.col("negatives"), F.col("positives")
    counted = steps.select(
        *keys,
        "negatives",
        "positives",
        *sums,
        F.sum(n).over(upwards).alias("_n"),
        F.sum(p).over(upwards).alias("_p"),
        F.sum(n).over(group).alias("_all_n"),
        F.sum(p).over(group).alias("_all_p"),
    )
    all_n, all_p = _not_zero(F.col("_all_n")), _not_zero(F.col("_all_p"))
    placed_p = (F.col("_n") - n / 2) / all_n
    placed_n = (all_p - F.col("_p") + p / 2) / all_p
    hits, misses = all_p - F.col("_p") + p, all_n - F.col("_n") + n
    return counted.groupBy(*keys).agg(
        F.sum(n).alias("negatives"),
        F.sum(p).alias("positives"),
        *(F.sum(name).alias(name) for name in sums),
        F.sum(p * placed_p / all_p).alias("auc"),
        F.sum(p * placed_p * placed_p / all_p).alias("square_p"),
        F.sum(n * placed_n * placed_n / all_n).alias("square_n"),
        F.sum(p / all_p * hits / _not_zero(hits + misses)).alias("pr_auc"),
        F.max(hits / all_p - misses / all_n).alias("ks"),  # zero at the lowest step, so never below
    )


def _not_zero(count: Column) -> Column:
    return F.when(count > 0, count)


def auc_error(row: dict[str, float]) -> float:
    """Return DeLong's standard error of the area of one row of `separation` that holds both classes."""
    return delong_error(row["auc"], row["square_p"], row["square_n"], row["positives"], row["negatives"])
