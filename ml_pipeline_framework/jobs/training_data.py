"""What a training run learns from: the rows with their label, who is held out, and what becomes of every column.

All that depends on the data is settled here in few passes over few columns: what the label is (a pass over it alone,
and none for a boolean), where time is cut (in the same pass), and one survey of everything in the training rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, features, labels, splits
from ml_pipeline_framework.contract import ALGORITHMS, TrainingParams
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.features import FeaturePlan
from ml_pipeline_framework.jobs.labelling import ByClass, first_look, label_source, settled
from ml_pipeline_framework.jobs.splitting import IN_TEST, PART, Split
from ml_pipeline_framework.labels import Label
from ml_pipeline_framework.schemas import TIME, kind_of, quoted, require_columns

LABEL = "_label"
ROWS_PER_PARTITION = 100_000
#: A test set that is off by more than this share of its size is worth a warning.
_FAR_FROM_ASKED = 0.3
KEY, _ROW, _TRAIN, _TEST = "_key", "_row", "_train", "_test"
_RESERVED = (LABEL, IN_TEST, PART, KEY, _ROW, _TRAIN, _TEST, "_weight", features.FEATURES)


@dataclass(frozen=True)
class Counts:
    """Rows of the data, by what became of them, and a summary of the label in the training and the test rows.

    ``train`` and ``test`` hold ``rows``, and either ``classes`` (rows by class index) or ``mean``, ``std``, ``min``,
    ``max`` of a number.
    """

    read: int
    without_label: int
    without_time: int
    unknown_class: int
    keys: int  # distinct keys among the rows that are used, about
    without_group: int  # rows that are used whose group is null: they are one group
    train: Mapping[str, Any]
    test: Mapping[str, Any]

    @property
    def used(self) -> int:
        """Rows that take part."""
        return int(self.train["rows"] + self.test["rows"])


@dataclass(frozen=True)
class Loaded:
    """The data as read with ``_label``, ``_in_test`` and ``_part`` beside it, and all that was found out about it."""

    data: DataFrame
    label: Label
    reason: str
    split: Split
    counts: Counts
    planned: FeaturePlan
    window: Mapping[str, Any] | None
    warnings: list[str] = field(default_factory=list)


def load(data: DataFrame, params: TrainingParams) -> Loaded:
    """Settle label, split and features of the data that was read from ``params.input_path``.

    Raises
    ------
    DataError
        A missing column, an expression that does not work, no rows, no labels, one class only among the training or the
        test rows, no column left to learn from.
    """
    where = params.input_path
    taken = [name for name in _RESERVED if name in data.columns]
    if taken:
        raise DataError(f"{where} has columns whose names are used inside the job: {', '.join(taken)}; rename them")
    for said_by in ("key_columns", "feature_columns", "exclude_columns", "known_after_columns", "text_columns"):
        require_columns(data, getattr(params, said_by), f"model_config.{said_by}", where)
    raw, barred = label_source(data, params)
    look, split = first_look(data, raw, params)
    found_label = settled(data, raw, params, look, split)
    label = found_label.label
    _check_settings(params, label)
    data = data if raw is None else data.withColumn(LABEL, labels.label_column(data, label))
    data = data.withColumn(IN_TEST, split.in_test()).withColumn(PART, split.part())
    names, left_out = features.candidates(data.schema, allowed=params.feature_columns, barred=barred)
    names = [name for name in names if name not in _RESERVED]
    left_out = [one for one in left_out if one.name not in _RESERVED]
    counts, found = _survey(data, raw, params, label, split, names, found_label.by_class)
    check_counts(counts, label, params)
    planned = features.plan(
        data.schema,
        names,
        found,
        left_out,
        style=ALGORITHMS[params.algorithm].style,
        task=label.task,
        options=feature_options(params),
    )
    if not planned.features:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in planned.left_out)
        raise DataError(
            f"no column of {where} is left to learn from ({reasons}): "
            "change model_config.feature_columns, exclude_columns or high_cardinality"
        )
    warnings = found_label.warnings + _warnings(data, params, counts, split)
    warnings += features.almost_numbers(data.schema, names, found)
    return Loaded(data, label, found_label.reason, split, counts, planned, split.window(found), warnings)


def _check_settings(params: TrainingParams, label: Label) -> None:
    """Check the settings against the task that the label told: with ``task: auto`` the edge could not.

    Raises
    ------
    DataError
        Settings that have no meaning for it: silence would let their author believe that they count.
    """
    problems = params.problems_for(label.task)
    if problems:
        said = "; ".join(map(str, problems))
        raise DataError(f"the label {label.column!r} of {params.input_path} makes this {label.task}: {said}")


# --- survey -----------------------------------------------------------------------------------------------------------


def _survey(
    data: DataFrame,
    raw: Column | None,
    params: TrainingParams,
    label: Label,
    split: Split,
    names: Sequence[str],
    by_class: ByClass | None,
) -> tuple[Counts, Mapping[str, Any]]:
    """Count rows and profile the candidate features in one pass; features are looked at in the training rows only."""
    known = F.lit(True) if raw is None else F.col(LABEL).isNotNull()
    placed = F.col(IN_TEST).isNotNull()
    missing = F.lit(False) if raw is None else raw.isNull() if label.is_classification else ~known
    # As columns, so that they are worked out once per row and not once per aggregate.
    data = data.withColumns(
        {
            _TRAIN: F.coalesce(known & ~F.col(IN_TEST), F.lit(False)),
            _TEST: F.coalesce(known & F.col(IN_TEST), F.lit(False)),
            KEY: F.when(known & placed, splits.key_hash(params.key_columns, params.seed, "test")),
        }
    )
    train, test = F.col(_TRAIN), F.col(_TEST)
    aggregates = [
        F.count(F.lit(1)).alias("read"),
        F.count_if(missing).alias("without_label"),
        F.count_if(known & ~placed).alias("without_time"),
        F.count_if(~missing & ~known).alias("unknown_class"),
        F.approx_count_distinct(KEY, 0.02).alias("keys"),
        F.count_if(known & _without_group(params, split)).alias("without_group"),
        *split.window_aggregates(train),
    ]
    for name, part in (("train", train), ("test", test)):
        aggregates.append(F.count_if(part).alias(f"{name}_rows"))
        if label.task == labels.REGRESSION:
            value = F.when(part, F.col(LABEL))
            for what, aggregate in (("mean", F.avg), ("std", F.stddev), ("min", F.min), ("max", F.max)):
                aggregates.append(aggregate(value).alias(f"{name}_{what}"))
        elif label.is_classification and by_class is None:
            for index in range(len(label.classes or ())):
                aggregates.append(F.count_if(part & (F.col(LABEL) == index)).alias(f"{name}_{index}"))
    with datasets.reading(params.input_path):
        found = data.agg(*aggregates, *features.profile(data.schema, names, train)).first()
    assert found is not None  # an aggregate without groups has one row
    row = found.asDict()
    counted = ("read", "without_label", "without_time", "unknown_class", "keys", "without_group")
    train_rows, test_rows = (_summary(row, part, label, by_class) for part in ("train", "test"))
    return Counts(**{name: row[name] for name in counted}, train=train_rows, test=test_rows), row


def _without_group(params: TrainingParams, split: Split) -> Column:
    return F.col(quoted(params.group_column)).isNull() if split.kind == splits.GROUP else F.lit(False)


def _summary(row: Mapping[str, Any], part: str, label: Label, by_class: ByClass | None) -> dict[str, Any]:
    summary: dict[str, Any] = {"rows": row[f"{part}_rows"]}
    if label.task == labels.REGRESSION:
        summary |= {what: row[f"{part}_{what}"] for what in ("mean", "std", "min", "max")}
    elif by_class is not None:
        counted = {value: (train, test)[part == "test"] for value, train, test in by_class}
        summary["classes"] = [counted[one] for one in label.classes or ()]
    elif label.is_classification:
        summary["classes"] = [row[f"{part}_{index}"] for index in range(len(label.classes or ()))]
    return summary


def check_counts(counts: Counts, label: Label, params: TrainingParams) -> None:
    """Refuse data that there is nothing to learn from, or nothing to measure on.

    Raises
    ------
    DataError
    """
    where = params.input_path
    if not counts.read:
        raise DataError(f"{where} has no rows: check that the preparation step has written it")
    if counts.without_label == counts.read:
        raise DataError(
            f"the label {label.column!r} is null in all {counts.read:,} rows of {where}: nothing to learn from"
        )
    for part, found in (("training", counts.train), ("test", counts.test)):
        present = [index for index, rows in enumerate(found.get("classes", ())) if rows]
        what = "no rows" if not found["rows"] else ""
        if not what and label.is_classification and len(present) < 2:
            what = f"only the class {(label.classes or ())[present[0]]!r} of the label {label.column!r}"
        if what:
            raise DataError(
                f"{where}: the {part} set has {what} ({found['rows']:,} rows): there is nothing to learn "
                "or to measure; check model_config.label_expression, key_columns (many different keys are needed) and "
                "test_size"
            )


def _warnings(data: DataFrame, params: TrainingParams, counts: Counts, split: Split) -> list[str]:
    found = []
    if counts.unknown_class:
        found.append(
            f"{counts.unknown_class:,} test rows have a class that no training row has: they can't be measured and are "
            "left out"
        )
    if counts.without_time:
        found.append(
            f"{counts.without_time:,} rows have no {params.time_column}: they can't be placed and are left out"
        )
    if counts.without_group:
        found.append(
            f"{counts.without_group:,} rows have no {params.group_column}: they are taken for one group, in one part"
        )
    share = counts.test["rows"] / counts.used
    if abs(share - params.test_size) > _FAR_FROM_ASKED * params.test_size:
        found.append(
            f"the test set holds {share:.1%} of the rows and not {params.test_size:.1%}: the values of "
            f"{', '.join(split.columns)} are few or have very unequal numbers of rows"
        )
    times = [one.name for one in data.schema.fields if kind_of(one.dataType) == TIME]
    if split.kind == splits.HASH and times and not params.time_column and params.split == "auto":
        found.append(
            f"{', '.join(times)} could tell when a row happened: with model_config.time_column the test set is what "
            "happened last, which is the honest measure where the future is predicted"
        )
    return found


# --- rows to learn from -----------------------------------------------------------------------------------------------


def feature_options(params: TrainingParams) -> features.Options:
    """Return what the parameters say about features."""
    names = (
        "max_categories",
        "one_hot_max",
        "high_cardinality",
        "hash_buckets",
        "text_columns",
        "text_buckets",
        "time_parts",
    )
    return features.Options(**{name: getattr(params, name) for name in names})


def partitions_for(rows: int, params: TrainingParams) -> int:
    """Return the number of partitions: as told, else one per 100,000 rows; never from the size of the cluster."""
    return params.partitions or max(1, math.ceil(rows / ROWS_PER_PARTITION))


def prepared(loaded: Loaded, params: TrainingParams, partitions: int) -> DataFrame:
    """Return the rows that take part with the planned columns, in an order that depends on the rows alone.

    Columns: the features as they were read, ``_label`` (double; not for clustering), ``_in_test`` (boolean), ``_part``
    (int), ``_key`` (long: a hash of the key, which thins and halves rows where that must not hang on their values).
    Rows with one key are told apart by the hash of all that is kept of them.
    """
    names = [quoted(one) for one in raw_columns(loaded.planned)]
    kept, data = [F.col(IN_TEST), F.col(PART)], loaded.data.where(F.col(IN_TEST).isNotNull())
    if loaded.label.column:
        # Tells Spark how many classes there are, which saves it a pass to count them.
        nominal = {"type": "nominal", "vals": [str(index) for index in range(len(loaded.label.classes or ()))]}
        metadata = {"ml_attr": nominal} if loaded.label.is_classification else {}
        kept.append(F.col(LABEL).alias(LABEL, metadata=metadata))
        data = data.where(F.col(LABEL).isNotNull())
    order = [
        splits.key_hash(params.key_columns, params.seed, "order").alias(KEY),
        F.xxhash64(*names, *kept[2:]).alias(_ROW),
    ]
    return data.select(*names, *kept, *order).repartition(partitions, KEY).sortWithinPartitions(KEY, _ROW).drop(_ROW)


def raw_columns(planned: FeaturePlan) -> list[str]:
    """Return the columns that the features are made of, once each."""
    return list(dict.fromkeys(one.name for one in planned.features))
