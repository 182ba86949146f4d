"""The training job: read, split by a hash of the key, fit, measure on the held-out rows, save model and metrics.

A run is a pure function of its data and parameters: the test set depends on keys and seed only, and the rows are sorted
by key into a number of partitions that follows from their count, because the trees' bootstrap samples and split
candidates depend on partitions and on the order in them.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, features, models
from ml_pipeline_framework.metrics import binary as metrics
from ml_pipeline_framework.contract import TrainingParams
from ml_pipeline_framework.errors import DataError, OutputError
from ml_pipeline_framework.features import FeaturePlan
from ml_pipeline_framework.jobs.training_report import Stopwatch, document, summary
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, columns_read_by, kind_of, quoted, require_columns
from ml_pipeline_framework.session import build_session
from ml_pipeline_framework.splits import fold_of, in_test, key_hash

RUN_FILE = "_run.json"
ROWS_PER_PARTITION = 100_000

_IN_TEST, _FOLD, _KEY, _ROW = "_in_test", "_fold", "_key", "_row"
# Tells Spark that there are two classes, which saves it a pass to count them.
_TWO_CLASSES = {"ml_attr": {"type": "nominal", "vals": ["0", "1"]}}


@dataclass(frozen=True)
class Counts:
    """Rows of the data, by what became of them."""

    read: int
    without_label: int
    train: tuple[int, int]  # negatives, positives
    test: tuple[int, int]
    keys: int  # distinct keys among the labelled rows, about

    @property
    def train_rows(self) -> int:
        """Rows to learn from."""
        return sum(self.train)

    @property
    def test_rows(self) -> int:
        """Rows held out."""
        return sum(self.test)


# --- pure functions ---------------------------------------------------------------------------------------------------


def with_label(data: DataFrame, params: TrainingParams) -> tuple[DataFrame, Mapping[str, str]]:
    """Return the data with its label (double: 0, 1 or null), and the columns that are no features, with the reason.

    Raises
    ------
    DataError
        A missing column, an expression that does not work, a label that is neither boolean nor a number.
    """
    where, label = params.input_path, params.label_column
    barred = {name: "in exclude_columns" for name in params.exclude_columns}
    if params.label_expression:
        if label in data.columns:
            raise DataError(
                f"{where} has a column {label!r} already, and model_config.label_expression would make another: "
                "leave label_expression out to use the column, or change model_config.label_column"
            )
        said_by = "model_config.label_expression"
        for name in columns_read_by(data, params.label_expression, said_by, where):
            barred[name] = "read by label_expression"
        named = [name for name in params.feature_columns if name in barred]
        if named:
            raise DataError(f"{said_by} reads {', '.join(named)}: take these out of model_config.feature_columns")
        data = data.withColumn(label, F.expr(params.label_expression))
    else:
        require_columns(data, [label], "model_config.label_column", where)
    label_type = data.schema[label].dataType
    if kind_of(label_type) not in (BOOLEAN, NUMBER):
        raise DataError(
            f"the label {label!r} of {where} is {label_type.simpleString()}, which is neither boolean nor a number: "
            f"make it 0 or 1 with model_config.label_expression, such as {label} = 'yes'"
        )
    barred[label] = "the label"
    return data.withColumn(label, F.col(quoted(label)).cast("double")), barred


def with_split(data: DataFrame, params: TrainingParams) -> DataFrame:
    """Return the data with ``_in_test`` (boolean), a function of the row's key and the seed alone."""
    require_columns(data, params.key_columns, "model_config.key_columns", params.input_path)
    return data.withColumn(_IN_TEST, in_test(params.key_columns, params.seed, params.test_size))


def survey(data: DataFrame, params: TrainingParams, names: Sequence[str]) -> tuple[Counts, Mapping[str, Any]]:
    """Count rows and profile the candidate features in one pass; features are looked at in the training rows only.

    Raises
    ------
    DataError
        No rows, no labels, labels other than 0 and 1, or one class only among the training or the test rows.
    """
    label = F.col(quoted(params.label_column))
    known = label.isNotNull()
    test, train = known & F.col(_IN_TEST), known & ~F.col(_IN_TEST)
    row = data.agg(
        F.count(F.lit(1)).alias("read"),
        F.count_if(~known).alias("without_label"),
        F.count_if(known & ~label.isin(0.0, 1.0)).alias("other"),
        F.approx_count_distinct(F.when(known, key_hash(params.key_columns, params.seed, "test")), 0.02).alias("keys"),
        *(F.count_if(part & (label == value)).alias(f"{name}_{value}") for name, part, value in _parts(train, test)),
        *features.profile(data.schema, names, train),
    ).first()
    assert row is not None  # an aggregate without groups has one row
    counts = Counts(
        row["read"],
        row["without_label"],
        (row["train_0"], row["train_1"]),
        (row["test_0"], row["test_1"]),
        row["keys"],
    )
    _check_counts(counts, row["other"], params)
    return counts, row.asDict()


def _parts(train: Column, test: Column) -> list[tuple[str, Column, int]]:
    return [(name, part, value) for name, part in (("train", train), ("test", test)) for value in (0, 1)]


def _check_counts(counts: Counts, other: int, params: TrainingParams) -> None:
    where, label = params.input_path, params.label_column
    if not counts.read:
        raise DataError(f"{where} has no rows: check that the preparation step has written it")
    if counts.without_label == counts.read:
        raise DataError(f"the label {label!r} is null in all {counts.read:,} rows of {where}: nothing to learn from")
    if other:
        raise DataError(
            f"the label {label!r} has values other than 0 and 1 in {other:,} rows of {where}: only two classes are "
            "supported; make them with model_config.label_expression"
        )
    for part, found in (("training", counts.train), ("test", counts.test)):
        if min(found) == 0:
            what = "no rows" if not sum(found) else f"only the class {int(found[1] > 0)} of the label {label!r}"
            raise DataError(
                f"{where}: the {part} set has {what} ({sum(found):,} rows): there is nothing to learn or to measure; "
                "check model_config.label_expression, key_columns (many different keys are needed) and test_size"
            )


def prepared(data: DataFrame, params: TrainingParams, planned: FeaturePlan, partitions: int) -> DataFrame:
    """Return the labelled rows with the planned columns, in an order that depends on the rows alone.

    Columns: the features as they were read, the label (double), ``_in_test`` (boolean), ``_fold`` (int; only with
    cross-validation). Rows with one key are told apart by the hash of all that is kept of them.
    """
    names = [quoted(one.name) for one in planned.features]
    label = F.col(quoted(params.label_column))
    kept = [label.alias(params.label_column, metadata=_TWO_CLASSES), F.col(_IN_TEST)]
    if params.cv_folds:
        kept.append(fold_of(params.key_columns, params.seed, params.cv_folds).alias(_FOLD))
    order = [
        key_hash(params.key_columns, params.seed, "order").alias(_KEY),
        F.xxhash64(*names, label).alias(_ROW),
    ]
    return (
        data.where(label.isNotNull())
        .select(*names, *kept, *order)
        .repartition(partitions, _KEY)
        .sortWithinPartitions(_KEY, _ROW)
        .drop(_KEY, _ROW)
    )


def partitions_for(rows: int, params: TrainingParams) -> int:
    """Return the number of partitions: as told, else one per 100,000 rows; never from the size of the cluster."""
    return params.partitions or max(1, math.ceil(rows / ROWS_PER_PARTITION))


def fit(rows: DataFrame, params: TrainingParams, planned: FeaturePlan) -> PipelineModel:
    """Fit features and model on training rows and return them as one pipeline."""
    fitted: list[Any] = []
    seen = rows
    for stage in features.stages(planned):
        one = stage.fit(seen) if hasattr(stage, "fit") else stage
        seen = one.transform(seen)
        fitted.append(one)
    categories = max(features.category_counts(fitted, planned).values(), default=0)
    learner = models.estimator(
        params.algorithm,
        params.hyperparameters,
        label=params.label_column,
        features=features.FEATURES,
        seed=params.seed,
        categories=categories,
    )
    return PipelineModel([*fitted, learner.fit(seen.select(params.label_column, features.FEATURES))])


def scored(model: PipelineModel, rows: DataFrame, params: TrainingParams, expected: int) -> list[metrics.Bin]:
    """Predict `rows` and count the predictions; a lost row is an error, not a smaller number."""
    found = metrics.bins(model.transform(rows), params.label_column)
    if metrics.rows_in(found) != expected:
        raise DataError(
            f"{metrics.rows_in(found):,} of {expected:,} rows were scored: the data at {params.input_path} changed "
            "while it was read; write it whole first, then run again"
        )
    return found


def cross_validated(train: DataFrame, params: TrainingParams, planned: FeaturePlan) -> dict[str, Any] | None:
    """Fit and measure once per fold, features included, on the training rows; None without folds.

    Raises
    ------
    DataError
        When a fold holds one class only.
    """
    if not params.cv_folds:
        return None
    label = F.col(quoted(params.label_column))
    sizes = {
        row[_FOLD]: (row["negatives"], row["positives"])
        for row in train.groupBy(_FOLD)
        .agg(F.count_if(label == 0).alias("negatives"), F.count_if(label == 1).alias("positives"))
        .collect()
    }
    held = [sizes.get(fold, (0, 0)) for fold in range(params.cv_folds)]
    for fold, (negatives, positives) in enumerate(held):
        if not negatives or not positives:
            raise DataError(
                f"fold {fold} of {params.cv_folds} holds {positives} positives and {negatives} negatives: lower "
                "model_config.cv_folds, or use more rows"
            )
    results = []
    for fold in range(params.cv_folds):
        model = fit(train.where(F.col(_FOLD) != fold), params, planned)
        found = scored(model, train.where(F.col(_FOLD) == fold), params, sum(held[fold]))
        results.append({"fold": fold, **metrics.measure(found)})
    return metrics.across_folds(results)


# --- effects ----------------------------------------------------------------------------------------------------------


def own_outputs(spark: SparkSession, params: TrainingParams) -> bool:
    """Check that the outputs are free; True when they hold what an earlier try of this very run left.

    Raises
    ------
    OutputError
        When another run's results, or anything else, lie there.
    """
    found = False
    for path, said_in in ((params.model_path, f"{params.model_path}/{RUN_FILE}"), (params.metrics_path,) * 2):
        if not datasets.exists(spark, path):
            continue
        owner = None
        if datasets.exists(spark, said_in):
            try:
                owner = json.loads(datasets.read_text(spark, said_in)).get("run_id")
            except (ValueError, AttributeError, DataError):
                owner = None
        if owner != params.run_id:
            whose = f"it belongs to run {owner}" if owner else "nothing says which run it belongs to"
            raise OutputError(
                f"{path} exists already, and {whose} (this is {params.run_id}): give another --model-path or "
                "--metrics-path, or remove it first"
            )
        found = True
    return found


def save_model(spark: SparkSession, params: TrainingParams, model: PipelineModel, *, replace: bool) -> None:
    """Save the model whole or not at all, and inside it the run that it belongs to."""

    def write(place: str) -> None:
        model.write().save(place)
        datasets.write_text(spark, f"{place}/{RUN_FILE}", json.dumps({"run_id": params.run_id}) + "\n")

    if replace:
        datasets.remove(spark, params.metrics_path)  # first: metrics must not stand beside a model that is not theirs
    datasets.save_whole(spark, params.model_path, write, replace=replace)


def load(spark: SparkSession, params: TrainingParams) -> tuple[DataFrame, Counts, FeaturePlan]:
    """Read the data and return it with label and split, its counts, and what becomes of its columns.

    Raises
    ------
    DataError
        See `with_label`, `with_split`, `survey`; also when no column is left to learn from.
    """
    data, barred = with_label(datasets.read(spark, params.input_path), params)
    for said_by in ("feature_columns", "exclude_columns"):
        require_columns(data, getattr(params, said_by), f"model_config.{said_by}", params.input_path)
    names, left_out = features.candidates(data.schema, allowed=params.feature_columns, barred=barred)
    data = with_split(data, params)
    counts, found = survey(data, params, names)
    planned = features.plan(data.schema, names, found, left_out, params.max_categories)
    if not planned.features:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in planned.left_out)
        raise DataError(
            f"no column of {params.input_path} is left to learn from ({reasons}): "
            "change model_config.feature_columns, exclude_columns or max_categories"
        )
    return data, counts, planned


def run(spark: SparkSession, params: TrainingParams) -> dict[str, Any]:
    """Train, measure and save; return what ``metrics.json`` says.

    Raises
    ------
    DataError, ModelError, OutputError
        Before anything is written, except for an `OutputError` while writing.
    """
    watch = Stopwatch()
    replace = own_outputs(spark, params)
    data, counts, planned = load(spark, params)
    watch.lap("survey")
    partitions = partitions_for(counts.train_rows + counts.test_rows, params)
    rows = prepared(data, params, planned, partitions).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        rows.count()
        watch.lap("prepare")
        train, test = rows.where(~F.col(_IN_TEST)), rows.where(F.col(_IN_TEST))
        folds = cross_validated(train, params, planned)
        watch.lap("cross-validate")
        model = fit(train, params, planned)
        watch.lap("fit")
        measured = metrics.measure(scored(model, test, params, counts.test_rows))
        watch.lap("evaluate")
    finally:
        rows.unpersist()
    save_model(spark, params, model, replace=replace)
    watch.lap("save model")
    report = document(
        params,
        counts=asdict(counts),
        plan=planned,
        model=model,
        results={
            "metrics": measured,
            "baseline": metrics.baseline(counts.train, counts.test),
            "cross_validation": folds,
        },
        partitions=partitions,
        seconds=watch.seconds,
        spark_version=spark.version,
    )
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    # Last of all: who finds the metrics finds a complete model.
    datasets.save_whole(spark, params.metrics_path, lambda place: datasets.write_text(spark, place, text))
    return report


def main(argv: Sequence[str]) -> None:
    """Run the job for command-line arguments; an error leaves its traceback and a non-zero exit code."""
    params = TrainingParams.from_argv(argv)
    spark = build_session(f"training {params.model_name}")
    try:
        print(summary(run(spark, params)), flush=True)
    finally:
        spark.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
