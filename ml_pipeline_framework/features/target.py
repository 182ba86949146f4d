"""Target encoding: a category becomes the mean of the label of its rows, shrunk towards the mean of all rows.

Not ``pyspark.ml.feature.TargetEncoder`` (Spark 4.0 and later), for three reasons. It encodes the training rows by their
own labels, which a learner takes for knowledge: of a category with one row the encoding is the label. Its model looks
a category up by going through all of them, row by row. And 3.5 has none.

Here training rows get the means of the rows of the other folds (as scikit-learn's ``TargetEncoder`` does), scoring gets
those of all training rows, and a look-up is one step into an array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.features.expressions import literal
from ml_pipeline_framework.schemas import quoted

FOLDS = 5
_SMOOTHING = 20.0  # rows' worth of the mean of all that each category starts with


class Counted:
    """Rows and sums of the label: per column a table of folds by categories, the last of them for nulls."""

    def __init__(self, sizes: Mapping[int, int]) -> None:
        self.places = tuple(sizes)
        self._rows = {place: np.zeros((FOLDS, size + 1)) for place, size in sizes.items()}
        self._sums = {place: np.zeros((FOLDS, size + 1)) for place, size in sizes.items()}

    def add(self, place: int, index: int, rows: Sequence[int], sums: Sequence[float]) -> None:
        """Note a category's rows and sums per fold."""
        self._rows[place][:, index] = rows
        self._sums[place][:, index] = sums

    def means(self, place: int, without: int | None = None) -> tuple[list[float], float]:
        """Return the mean of each category, shrunk, and of all rows; of all folds, or of all but one."""
        folds = [fold for fold in range(FOLDS) if fold != without]
        rows, sums = self._rows[place][folds].sum(axis=0), self._sums[place][folds].sum(axis=0)
        overall = float(sums.sum() / rows.sum()) if rows.sum() else 0.0
        shrunk = (sums + _SMOOTHING * overall) / (rows + _SMOOTHING)
        return [float(value) for value in shrunk], overall


def fold_of(names: Sequence[str], seed: int) -> str:
    """Return the SQL of a row's fold: a function of its values, so that equal rows share one."""
    return f"CAST(pmod(xxhash64('target:{int(seed)}', {', '.join(names)}), {FOLDS}L) AS INT)"


def count(seen: DataFrame, sizes: Mapping[int, int], label: str, fold: str) -> Counted:
    """Count in one pass over the rows for all columns together; what reaches the driver is one row per category."""
    cells = F.explode(
        F.array(
            *(
                F.struct(F.lit(place).alias("place"), F.col(f"_index_{place}").cast("int").alias("index"))
                for place in sizes
            )
        )
    )
    long = seen.select(F.expr(fold).alias("fold"), F.col(quoted(label)).alias("label"), cells.alias("cell"))
    in_fold = [F.col("fold") == number for number in range(FOLDS)]
    grouped = long.groupBy("cell.place", "cell.index").agg(
        *(F.count_if(here).alias(f"rows_{number}") for number, here in enumerate(in_fold)),
        *(
            F.sum(F.when(here, F.col("label")).otherwise(0.0)).alias(f"sum_{number}")
            for number, here in enumerate(in_fold)
        ),
    )
    counted = Counted(sizes)
    for place, index, *cell in grouped.collect():
        counted.add(place, index, cell[:FOLDS], cell[FOLDS:])
    return counted


def _look_up(place: int, means: Sequence[float], overall: float) -> str:
    """Return SQL that takes a category's mean out of a constant array; an unseen category is as the mean of all rows.

    Nine digits: sums of a regression's labels depend on the order of adding in the last ones. The text is split once,
    when Spark folds constants.
    """
    *known, null = means
    array = f"CAST(split('{' '.join(f'{value:.9g}' for value in known)}', ' ') AS ARRAY<DOUBLE>)"
    found = f"get({array}, CAST(_index_{place} AS INT))" if known else "CAST(NULL AS DOUBLE)"
    fallback = literal(float(f"{overall:.9g}"))
    return (
        f"CASE WHEN _text_{place} IS NULL THEN {literal(float(f'{null:.9g}'))} ELSE coalesce({found}, {fallback}) END"
    )


def final(counted: Counted) -> list[str]:
    """Return the encodings of all columns for scoring, as SQL."""
    return [f"{_look_up(place, *counted.means(place))} AS _target_{place}" for place in counted.places]


def cross_fitted(counted: Counted, fold: str) -> list[str]:
    """Return the encodings of all columns for the training rows, as SQL: each row by the rows of the other folds."""
    result = []
    for place in counted.places:
        cases = " ".join(
            f"WHEN {number} THEN {_look_up(place, *counted.means(place, number))}" for number in range(FOLDS)
        )
        result.append(f"CASE {fold} {cases} END AS _target_{place}")
    return result
