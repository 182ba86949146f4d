"""The leakage screen: which single feature tells the label alone, better than an honest one could?

Two passes over some 25,000 training rows at most, all features together: cut points of the numbers, then rows per
feature, cut and label. A correlation screen alone misses what matters most (``dep_delay`` tells late arrivals with an
AUC of 0.9 and correlates far less), so classes are screened by the area under the ROC curve of the feature by itself.

Numbers count in both directions, with the rows that have none at either end. Categories are ranked by how often they
occur with the class; the ranks of one half of the rows (by hash) are tried on the other half, so that a column of names
which never occur twice proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from pyspark.ml.feature import Bucketizer
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TIME, kind_of, quoted

SAMPLE_ROWS = 25_000
_CUTS = 200  # an AUC from 200 equal parts is within 1/200 of the exact one, since only ties inside a part are lost
_BUCKETS = 4096  # of a category's hash
_STEPS = 1_000_000
_MISSING = -1

Groups = dict[tuple[int, int], dict[int, Any]]  # (bucket, half) -> what was counted there


@dataclass(frozen=True)
class Finding:
    """How well one feature alone tells the label: an AUC (0.5 to 1), or a correlation (0 to 1) with a number."""

    column: str
    measure: str  # auc | correlation
    value: float
    limit: float

    @property
    def is_leak(self) -> bool:
        """Whether the feature tells too much."""
        return self.value > self.limit

    def to_dict(self, action: str) -> dict[str, Any]:
        """Return the finding as ``metrics.json`` has it."""
        return {"column": self.column, self.measure: self.value, "limit": self.limit, "action": action}


def screen(
    rows: DataFrame,
    names: Sequence[str],
    label: str,
    *,
    key: str,
    classes: int,
    total: int,
    max_auc: float,
    max_correlation: float,
) -> list[Finding]:
    """Measure every feature by itself, the most telling first.

    Parameters
    ----------
    rows : DataFrame
        Training rows: the columns `names` as they were read, and `label` (double, no nulls).
    names : sequence of str
        Features.
    key : str
        A long per row that hangs on nothing of the features, such as a hash of its key: thins and halves the rows.
    classes : int
        Number of classes; 0 when the label is a number.
    total : int
        Rows in `rows`, about; more than :data:`SAMPLE_ROWS` are thinned by a hash of their values.
    max_auc, max_correlation : float
        Limits above which a feature counts as a leak.
    """
    if not names:
        return []
    numbers = [name for name in names if kind_of(rows.schema[name].dataType) in (NUMBER, BOOLEAN, TIME)]
    place = {name: position for position, name in enumerate(names)}
    sample = _sample(rows, names, label, key, total, place, numbers)
    linear, cuts = _cut_points(sample, [place[name] for name in numbers], with_correlation=not classes)
    found = _count(sample, len(names), cuts, by_class=bool(classes))
    kind, limit = ("auc", max_auc) if classes else ("correlation", max_correlation)
    findings = []
    for name in names:
        groups, is_number = found.get(place[name], {}), name in numbers
        value = _best_auc(groups, classes, is_number) if classes else _cross_correlation(groups)
        value = max(value, abs(linear.get(place[name], 0.0)))
        findings.append(Finding(name, kind, min(value, 1.0), limit))
    return sorted(findings, key=lambda one: (-one.value, one.column))


# --- the two passes ---------------------------------------------------------------------------------------------------


def _sample(
    rows: DataFrame,
    names: Sequence[str],
    label: str,
    key: str,
    total: int,
    place: Mapping[str, int],
    numbers: Sequence[str],
) -> DataFrame:
    """Return the rows to screen: ``_x<i>`` (numbers as double, others as a bucket of their hash), ``_y``, ``_half``."""
    # Not a hash of the features: rows of one category would all lie in one half, and a leak would go unseen.
    hashed = F.xxhash64(F.lit("leakage"), F.col(key))
    columns = [
        _as_number(rows, name).alias(f"_x{place[name]}")
        if name in numbers
        else F.pmod(F.xxhash64(F.col(quoted(name)).cast("string")), F.lit(_BUCKETS))
        .cast("int")
        .alias(f"_x{place[name]}")
        for name in names
    ]
    half = F.pmod(F.shiftright(hashed, 24), F.lit(2)).cast("int").alias("_half")
    if total > SAMPLE_ROWS:
        rows = rows.where(F.pmod(hashed, F.lit(_STEPS)) < F.lit(round(SAMPLE_ROWS / total * _STEPS)))
    return rows.select(*columns, F.col(quoted(label)).alias("_y"), half)


def _as_number(rows: DataFrame, name: str) -> Column:
    """Return a column as a double; NaN as null."""
    column = F.col(quoted(name))
    if kind_of(rows.schema[name].dataType) == TIME:
        column = F.unix_micros(column.cast("timestamp"))
    number = column.cast("double")
    return F.when(~F.isnan(number), number)


def _cut_points(
    sample: DataFrame, places: Sequence[int], *, with_correlation: bool
) -> tuple[dict[int, float], dict[int, list[float]]]:
    """Return the linear correlation with the label (when asked for) and the cut points of each number."""
    if not places:
        return {}, {}
    shares = [step / _CUTS for step in range(1, _CUTS)]
    aggregates = [F.percentile_approx(f"_x{place}", shares, 2 * _CUTS).alias(f"cuts{place}") for place in places]
    if with_correlation:
        aggregates += [F.corr(f"_x{place}", "_y").alias(f"corr{place}") for place in places]
    row = sample.agg(*aggregates).first()
    assert row is not None  # an aggregate without groups has one row
    linear = {place: row[f"corr{place}"] or 0.0 for place in places} if with_correlation else {}
    linear = {place: value if value == value else 0.0 for place, value in linear.items()}  # NaN: a constant
    return linear, {place: sorted(set(row[f"cuts{place}"] or [0.0])) for place in places}


def _count(
    sample: DataFrame, features: int, cuts: Mapping[int, Sequence[float]], *, by_class: bool
) -> dict[int, Groups]:
    """Count the rows per feature, bucket and half: per class, or with the label's sum and sum of squares."""
    if cuts:
        ends = (float("-inf"),), (float("inf"),)
        cutter = Bucketizer(
            inputCols=[f"_x{place}" for place in cuts],
            outputCols=[f"_b{place}" for place in cuts],
            splitsArray=[[*ends[0], *values, *ends[1]] for values in cuts.values()],
            handleInvalid="keep",
        )
        sample = cutter.transform(sample)
    bucket = [F.col(f"_b{place}" if place in cuts else f"_x{place}") for place in range(features)]
    each = F.array(
        *(
            F.struct(F.lit(place).alias("f"), F.coalesce(one.cast("int"), F.lit(_MISSING)).alias("b"))
            for place, one in enumerate(bucket)
        )
    )
    long = sample.select(F.explode(each).alias("e"), "_half", "_y").select("e.f", "e.b", "_half", "_y")
    found: dict[int, Groups] = {}
    if by_class:
        counted = long.groupBy("f", "b", "_half", F.col("_y").cast("int").alias("y")).count().collect()
        for row in counted:
            group = found.setdefault(row["f"], {}).setdefault((row["b"], row["_half"]), {})
            group[row["y"]] = row["count"]
        return found
    sums = (F.count(F.lit(1)).alias("n"), F.sum("_y").alias("s"), F.sum(F.col("_y") ** 2).alias("q"))
    for row in long.groupBy("f", "b", "_half").agg(*sums).collect():
        found.setdefault(row["f"], {})[row["b"], row["_half"]] = {0: row["n"], 1: row["s"], 2: row["q"]}
    return found


# --- arithmetic on what was counted -----------------------------------------------------------------------------------


def _best_auc(groups: Groups, classes: int, is_number: bool) -> float:
    """Return the largest AUC of the feature for one class against all others."""
    best = 0.5
    for one in (1,) if classes == 2 else range(classes):
        best = max(best, _auc_of_number(groups, one) if is_number else _auc_of_category(groups, one))
    return best


def _auc_of_number(groups: Groups, positive: int) -> float:
    """Return the AUC of a number in its better direction, rows without it first or last, whichever tells more."""
    counts: dict[int, tuple[int, int]] = {}
    for (bucket, _), classes in groups.items():
        n, p = counts.get(bucket, (0, 0))
        counts[bucket] = (n + sum(classes.values()) - classes.get(positive, 0), p + classes.get(positive, 0))
    ordered = [counts[bucket] for bucket in sorted(counts) if bucket != _MISSING]
    ends = [[*ordered, counts[_MISSING]], [counts[_MISSING], *ordered]] if _MISSING in counts else [ordered]
    areas = [_area(steps) for steps in ends]
    return max(max(area, 1 - area) for area in areas)


def _auc_of_category(groups: Groups, positive: int) -> float:
    """Return the mean AUC of ranking each half of the rows by the class's share per category in the other half."""
    areas = []
    for half in (0, 1):
        known = _shares(groups, 1 - half, lambda classes: (sum(classes.values()), classes.get(positive, 0)))
        scored: dict[float, tuple[int, int]] = {}
        for (bucket, which), classes in groups.items():
            if which == half:
                score = known(bucket)
                n, p = scored.get(score, (0, 0))
                scored[score] = (n + sum(classes.values()) - classes.get(positive, 0), p + classes.get(positive, 0))
        areas.append(_area([scored[score] for score in sorted(scored)]))
    return mean(areas)


def _shares(
    groups: Groups, half: int, count: Callable[[dict[int, Any]], tuple[float, float]]
) -> Callable[[int], float]:
    """Return what a half of the rows says of a bucket: the mean there; of an unknown bucket the mean of all."""
    counts = {bucket: count(found) for (bucket, which), found in groups.items() if which == half}
    rows, total = sum(n for n, _ in counts.values()), sum(s for _, s in counts.values())
    prior = total / rows if rows else 0.0
    return lambda bucket: counts[bucket][1] / counts[bucket][0] if bucket in counts else prior


def _area(steps: Sequence[tuple[int, int]]) -> float:
    """Return the AUC of (negatives, positives) per score, from the lowest up; 0.5 when a class is missing."""
    negatives, positives = sum(n for n, _ in steps), sum(p for _, p in steps)
    if not negatives or not positives:
        return 0.5
    below, area = 0, 0.0
    for n, p in steps:
        area += p * (below + n / 2)
        below += n
    return area / negatives / positives


def _cross_correlation(groups: Groups) -> float:
    """Return the correlation of a number with its mean per bucket, as the other half of the rows knows that."""
    n = s = q = t = u = v = 0.0  # rows, sums of y, y^2, x, x^2, x*y, where x is the mean that the other half gives
    known = [_shares(groups, 1 - half, lambda sums: (sums[0], sums[1])) for half in (0, 1)]
    for (bucket, half), sums in groups.items():
        x = known[half](bucket)
        n, s, q = n + sums[0], s + sums[1], q + sums[2]
        t, u, v = t + x * sums[0], u + x * x * sums[0], v + x * sums[1]
    if not n:
        return 0.0
    spread = (q / n - (s / n) ** 2) * (u / n - (t / n) ** 2)
    return max(0.0, float((v / n - s * t / n / n) / spread**0.5)) if spread > 0 else 0.0
