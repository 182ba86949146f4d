"""The training job: read, hold rows out, choose, fit, measure on the held-out rows, save model and metrics.

A run is a pure function of its data and parameters: who is held out depends on keys (or times) and seed only, and the
rows are sorted by key into a number of partitions that follows from their count, because the trees' bootstrap samples
and split candidates depend on partitions and on the order in them.
"""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, drift, features, labels, model_store, models, tracking
from ml_pipeline_framework.contract import TrainingParams
from ml_pipeline_framework.errors import DataError, OutputError
from ml_pipeline_framework.jobs import leakage, reporting, search
from ml_pipeline_framework.jobs.leakage import Finding
from ml_pipeline_framework.jobs.reporting import Stopwatch
from ml_pipeline_framework.jobs.search import Chosen, Round, Setting
from ml_pipeline_framework.jobs.splitting import FOLDS, IN_TEST, OTHER_DATA, PART
from ml_pipeline_framework.jobs.training_data import KEY, LABEL, Loaded, load, partitions_for, prepared, raw_columns
from ml_pipeline_framework.jobs.training_report import Outcome, document, metadata, summary
from ml_pipeline_framework.jobs.validation_data import staged, validation_rows
from ml_pipeline_framework.metrics.thresholds import choose_threshold
from ml_pipeline_framework.progress import say, step
from ml_pipeline_framework.schemas import kind_of
from ml_pipeline_framework.session import inherited, session_of

Sizes = Mapping[tuple[bool, int, int], int]  # (in the test set, part, class) -> rows


# --- data -------------------------------------------------------------------------------------------------------------


def sizes_of(rows: DataFrame, loaded: Loaded, params: TrainingParams) -> Sizes:
    """Count the rows by where they belong, which also fills the cache.

    Raises
    ------
    DataError
        There are more or fewer than were counted before.
    """
    index = F.col(LABEL).cast("int") if loaded.label.is_classification else F.lit(0)
    with datasets.reading(params.input_path):
        found = rows.groupBy(IN_TEST, PART, index.alias("index")).count().collect()
    sizes = {(row[IN_TEST], row[PART], row["index"]): row["count"] for row in found}
    if sum(sizes.values()) != loaded.counts.used:
        raise DataError(
            f"{sum(sizes.values()):,} rows of {loaded.counts.used:,} that were counted before: the data at "
            f"{params.input_path} changed while it was read; write it whole first, then run again"
        )
    return sizes


def classes_in(sizes: Sizes, label: labels.Label, wanted: Sequence[int] | None = None) -> list[int]:
    """Return the rows per class among the training rows, of some parts or of all; empty without classes."""
    return [
        sum(rows for (test, part, one), rows in sizes.items() if one == index and not test and _in(part, wanted))
        for index in range(len(label.classes or ()))
    ]


def _in(part: int, wanted: Sequence[int] | None) -> bool:
    return wanted is None or part in wanted


# --- choice -----------------------------------------------------------------------------------------------------------


def rounds_of(train: DataFrame, sizes: Sizes, loaded: Loaded, params: TrainingParams) -> list[Round]:
    """Return the rounds in which candidates are fitted and measured on the training rows.

    Raises
    ------
    DataError
        A round has nothing to learn from or to measure on.
    """
    rounds = []
    for name, fit_parts, held_parts in loaded.split.rounds():
        rows = sum(n for (test, part, _), n in sizes.items() if not test and part in held_parts)
        classes = classes_in(sizes, loaded.label, fit_parts)
        _check_round(name, loaded, classes, classes_in(sizes, loaded.label, held_parts), rows, params)
        rounds.append(Round(name, _of(train, fit_parts), _of(train, held_parts), classes, rows))
    return rounds


def _of(rows: DataFrame, parts: Sequence[int]) -> DataFrame:
    return rows.where(F.col(PART).isin(list(parts)))


def _check_round(
    name: str, loaded: Loaded, fit: Sequence[int], held: Sequence[int], rows: int, params: TrainingParams
) -> None:
    which = f"fold {name} of {params.cv_folds}" if loaded.split.choose == FOLDS else "the validation part"
    remedy = f"lower model_config.{'cv_folds' if loaded.split.choose == FOLDS else 'test_size'}, or use more rows"
    if loaded.label.task == labels.BINARY and min(*fit, *held) == 0:
        raise DataError(
            f"{which} holds {held[1]} positives and {held[0]} negatives, and {fit[1]} and {fit[0]} are left to learn "
            f"from: {remedy}"
        )
    if not rows or (fit and sum(one > 0 for one in fit) < 2):
        raise DataError(f"{which} has {rows:,} rows, and {sum(fit):,} are left to learn from: {remedy}")


def chosen(
    setting: Setting, train: DataFrame, sizes: Sizes, loaded: Loaded, partitions: int, warnings: list[str]
) -> Chosen | None:
    """Return the best candidate; None when there is nothing to choose and nothing to measure on the way."""
    if loaded.split.choose == OTHER_DATA:
        with validation_rows(setting, train, loaded, warnings) as (rows, count):
            fit = Round("validation", train, rows, classes_in(sizes, loaded.label), count, is_final=True)
            return search.search(setting, [fit], partitions)
    rounds = rounds_of(train, sizes, loaded, setting.params)
    return search.search(setting, rounds, partitions) if rounds else None


def threshold_for(
    params: TrainingParams, label: labels.Label, best: Chosen | None, probability: bool, on: str
) -> tuple[float | None, str]:
    """Return the score from which a row counts as positive, and how that was chosen: never on test rows."""
    if label.task != labels.BINARY:
        return None, ""
    if isinstance(params.threshold, (int, float)):
        return float(params.threshold), "model_config.threshold"
    if params.threshold is None:
        return (0.5, "a probability of one half") if probability else (0.0, "the sign of the score")
    assert best is not None  # a rule makes a round to choose on
    threshold, value = choose_threshold(search.bins_of(best.best), str(params.threshold))
    return threshold, f"{params.threshold}, which gave {value:.4f} on the {on}"


# --- the run ----------------------------------------------------------------------------------------------------------


def screened(train: DataFrame, loaded: Loaded, params: TrainingParams, warnings: list[str]) -> list[Finding]:
    """Return how much each feature tells of the label alone.

    Raises
    ------
    DataError
        One tells too much, and ``leakage`` is fail.
    """
    if params.leakage == "off" or not loaded.label.column:
        return []
    found = leakage.screen(
        train,
        raw_columns(loaded.planned),
        LABEL,
        key=KEY,
        classes=len(loaded.label.classes or ()),
        total=int(loaded.counts.train["rows"]),
        max_auc=params.leakage_max_auc,
        max_correlation=params.leakage_max_correlation,
    )
    for one in found:
        if one.is_leak:
            text = (
                f"{one.column} tells the label alone with {'an AUC' if one.measure == 'auc' else 'a correlation'} of "
                f"{one.value:.3f} (limit {one.limit:g}): is it known before the event? If not, put it into "
                "model_config.known_after_columns"
            )
            if params.leakage == "fail":
                raise DataError(f"{params.input_path}: {text}; to learn from it all the same, set leakage to warn")
            warnings.append(text)
            say(f"[training] WARNING {text}")
    return found


def looked_at(
    setting: Setting, train: DataFrame, loaded: Loaded, warnings: list[str]
) -> tuple[list[Finding], dict[str, Any]]:
    """Return what the leakage screen found, and the profile of the training rows."""
    step(setting.spark, "[training] leakage screen")
    leaks = screened(train, loaded, setting.params, warnings)
    step(setting.spark, "[training] profile of the training rows")
    names = [(name, kind_of(train.schema[name].dataType)) for name in raw_columns(loaded.planned)]
    return leaks, drift.profile(train, names)


def learnt(setting: Setting, rows: DataFrame, loaded: Loaded, partitions: int, watch: Stopwatch) -> Outcome:
    """Choose, fit and measure on the prepared rows."""
    spark, params, label = setting.spark, setting.params, loaded.label
    warnings = list(loaded.warnings)
    step(spark, f"[training] sorting {loaded.counts.used:,} rows by key into {partitions} parts")
    sizes = sizes_of(rows, loaded, params)
    watch.lap("prepare")
    train, test = rows.where(~F.col(IN_TEST)), rows.where(F.col(IN_TEST))
    with ThreadPoolExecutor(1) as pool:
        # Beside the fits: while these work in the driver or wait for their last tasks, slots are free.
        looking = pool.submit(inherited(spark, lambda: looked_at(setting, train, loaded, warnings)))
        if params.leakage == "fail":
            looking.result()
            watch.lap("leakage screen")
        best = chosen(setting, train, sizes, loaded, partitions, warnings)
        watch.lap("choose")
        step(spark, f"[training] fitting {params.algorithm} on {loaded.counts.train['rows']:,} rows")
        final = best.best.final if best else None
        if final is None:
            winner = best.best.hyperparameters if best else dict(search.only_candidate(params))
            final = search.fit(setting, train, winner, classes_in(sizes, label))
        watch.lap("fit")
        leaks, profile = looking.result()
        watch.lap("wait for screen and profile")
    probability = models.score_column(params.algorithm, label.task) == "probability"
    threshold, rule = threshold_for(params, label, best, probability, loaded.split.choose)
    step(spark, f"[training] measuring on {loaded.counts.test['rows']:,} rows")
    found = search.measured(setting, final.pipeline, test, int(loaded.counts.test["rows"]), threshold)
    watch.lap("evaluate")
    warnings += [f"candidate {one.number} failed: {one.error}" for one in (best.trials if best else ()) if one.error]
    return Outcome(
        loaded=loaded,
        fit=final,
        measured=found,
        chosen=best,
        leaks=leaks,
        profile=profile,
        threshold=threshold,
        threshold_rule=rule,
        partitions=partitions,
        warnings=warnings + found.notes,
        importances=importance_of(final, train),
    )


def importance_of(fit: search.Fit, train: DataFrame) -> dict[str, float] | None:
    """Return how much each feature counts; coefficients are made comparable by their columns' standard deviations."""
    model, slots = fit.pipeline.stages[-1], fit.features.slots
    linear = models.importance_kind(model) == "coefficient"
    deviations = features.deviations(fit.pipeline.transform(train)) if linear else None
    return models.importances(model, slots, deviations)


def own_outputs(spark: SparkSession, params: TrainingParams) -> bool:
    """Check that the outputs are free; True when they hold what an earlier try of this very run left.

    Raises
    ------
    OutputError
        When another run's results, or anything else, lie there.
    """
    owner = model_store.owner(spark, params.model_path)
    if owner is not None and owner != params.run_id:
        whose = f"it belongs to run {owner}" if owner else "nothing says which run it belongs to"
        raise OutputError(
            f"{params.model_path} exists already, and {whose} (this is {params.run_id}): give another --model-path, or "
            "remove it first"
        )
    return reporting.check_free(spark, params.metrics_path, params.run_id, "--metrics-path") or owner is not None


def save(spark: SparkSession, params: TrainingParams, outcome: Outcome, *, replace: bool) -> None:
    """Save the model whole or not at all."""
    step(spark, f"[training] saving {params.model_path}")
    if replace:
        datasets.remove(spark, params.metrics_path)  # first: metrics must not stand beside a model that is not theirs
    model_store.save(spark, params.model_path, outcome.fit.pipeline, metadata(spark, params, outcome), replace=replace)


def run(spark: SparkSession, params: TrainingParams) -> dict[str, Any]:
    """Train, measure and save; return what ``metrics.json`` says.

    The model comes first, then the metrics, then the pointer to the latest: who finds one finds all before it.

    Raises
    ------
    DataError, ModelError, OutputError
        Before anything is written, except for an `OutputError` while writing.
    """
    started_ms, watch = reporting.now_ms(), Stopwatch()
    models.require(params.algorithm, params.hyperparameters)
    replace = own_outputs(spark, params)
    datasets.sweep(spark, posixpath.dirname(params.model_path.rstrip("/")))
    step(spark, f"[training] reading {params.input_path}")
    with staged(spark, datasets.read(spark, params.input_path), params.input_path, params, "training") as data:
        watch.lap("read")
        step(spark, "[training] survey of the data")
        loaded = load(data, params)
        watch.lap("survey")
        partitions = partitions_for(loaded.counts.used, params)
        rows = prepared(loaded, params, partitions).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            outcome = learnt(Setting(spark, params, loaded.label, loaded.planned), rows, loaded, partitions, watch)
        finally:
            rows.unpersist()
    save(spark, params, outcome, replace=replace)
    watch.lap("save model")
    head = reporting.head(spark, params, started_ms=started_ms, seconds=watch.seconds)
    report = {**head, **document(spark, params, outcome)}
    tracking.log(spark, params, report)
    reporting.write(spark, params.metrics_path, report, replace=False)
    if params.register and _is_a_version(params):
        model_store.point_latest(spark, params.model_path, params.run_id)
    return report


def _is_a_version(params: TrainingParams) -> bool:
    """Whether the model lies in its own name's folder: elsewhere the pointer would be another model's, or nobody's."""
    return posixpath.basename(posixpath.dirname(params.model_path.rstrip("/"))) == params.model_name


def main(argv: Sequence[str]) -> None:
    """Run the job for command-line arguments; an error leaves its traceback and a non-zero exit code."""
    params = TrainingParams.from_argv(argv)
    with session_of(f"training {params.model_name}") as spark:
        print(summary(run(spark, params)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
