"""Fitting, and the choice among candidates: cross-validation or a validation part, several fits at a time.

Everything that is fitted is fitted on the rows of its round alone: medians, categories, encodings, weights, the model.
The features of a round are fitted once and serve all candidates. A candidate that fails is reported and out; only when
all fail does the run.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

from pyspark import StorageLevel
from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, features, metrics, models
from ml_pipeline_framework.contract import TrainingParams
from ml_pipeline_framework.contract.algorithms import grid
from ml_pipeline_framework.errors import DataError, ModelError
from ml_pipeline_framework.features import FeaturePlan, FittedFeatures
from ml_pipeline_framework.jobs.training_data import KEY, LABEL
from ml_pipeline_framework.labels import Label
from ml_pipeline_framework.metrics import Measured
from ml_pipeline_framework.progress import step
from ml_pipeline_framework.session import inherited

WEIGHT = "_weight"


@dataclass(frozen=True)
class Fit:
    """A fitted pipeline, and what is known of its features."""

    pipeline: PipelineModel
    features: FittedFeatures


@dataclass(frozen=True)
class Round:
    """One fit of each candidate: the rows to fit on, the rows to measure on, and how many of each class there are.

    ``is_final``: the rows to fit on are all training rows, so that the best fit is the model.
    """

    name: str
    fit: DataFrame
    held: DataFrame
    fit_classes: Sequence[int]
    held_rows: int
    is_final: bool = False


@dataclass(frozen=True)
class Setting:
    """What every fit of a run has in common."""

    spark: SparkSession
    params: TrainingParams
    label: Label
    planned: FeaturePlan


@dataclass
class Trial:
    """One candidate and what its rounds gave."""

    number: int
    hyperparameters: dict[str, Any]
    measured: dict[str, Measured] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    final: Fit | None = None

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics of each round."""
        return [one.metrics for one in self.measured.values()]


@dataclass(frozen=True)
class Chosen:
    """The best candidate and all trials."""

    best: Trial
    trials: list[Trial]
    scoring: str


# --- one fit ----------------------------------------------------------------------------------------------------------


def class_weights(classes: Sequence[int]) -> list[float]:
    """Return weights by which all classes weigh the same, and all rows their number (scikit-learn's ``balanced``)."""
    present = [rows for rows in classes if rows]
    return [sum(classes) / (len(present) * rows) if rows else 0.0 for rows in classes]


def fit_features(setting: Setting, rows: DataFrame, classes: Sequence[int]) -> FittedFeatures:
    """Fit everything before the learner on `rows`, which hold `classes` rows per class.

    The frame that comes with it holds what the learner reads: the vector, the label, and the weight of the row's class.
    """
    params, label = setting.params, setting.label
    weight = WEIGHT if weighs(params, classes) else ""
    if weight:
        rows = rows.withColumn(WEIGHT, _weight(class_weights(classes)))
    name = LABEL if label.column else ""
    key = KEY if KEY in rows.columns else ""
    return features.fit(rows, setting.planned, label=name, task=label.task, seed=params.seed, weight=weight, key=key)


def learn(
    setting: Setting,
    fitted: FittedFeatures,
    frame: DataFrame,
    hyperparameters: Mapping[str, Any],
    classes: Sequence[int],
) -> Any:
    """Fit the learner on transformed rows and return its model.

    Parameters
    ----------
    frame : DataFrame
        The frame of `fitted`, or that kept for several fits.
    classes : sequence of int
        Rows per class among those of `frame`.
    """
    params, label = setting.params, setting.label
    learner = models.estimator(
        params.algorithm,
        label.task,
        hyperparameters,
        label=LABEL,
        features=features.FEATURES,
        seed=params.seed,
        categories=fitted.arity,
        classes=len(label.classes or ()),
        weight=WEIGHT if weighs(params, classes) else "",
        slots=fitted.slots,
    )
    return learner.fit(frame)


def weighs(params: TrainingParams, classes: Sequence[int]) -> bool:
    """Say whether rows have weights."""
    return params.class_weight == "balanced" and bool(classes)


def _weight(weights: Sequence[float]) -> Column:
    column = F.lit(1.0)
    for index, weight in enumerate(weights):
        column = F.when(F.col(LABEL) == index, F.lit(weight)).otherwise(column)
    return column


def fit(setting: Setting, rows: DataFrame, hyperparameters: Mapping[str, Any], classes: Sequence[int]) -> Fit:
    """Fit features and learner on training rows."""
    fitted = fit_features(setting, rows, classes)
    model = learn(setting, fitted, fitted.frame, hyperparameters, classes)
    return Fit(PipelineModel([*fitted.stages, model]), fitted)


def measured(
    setting: Setting, model: PipelineModel, rows: DataFrame, expected: int, threshold: float | None = None
) -> Measured:
    """Predict `rows` and measure the predictions; a lost row is an error, not a smaller number.

    Raises
    ------
    DataError
        The number of rows is not the one that was counted before.
    """
    label = setting.label
    found = metrics.measure(label.task, model.transform(rows), LABEL, classes=label.classes, threshold=threshold)
    if found.rows != expected:
        raise DataError(
            f"{found.rows:,} of {expected:,} rows were scored: the data at {setting.params.input_path} changed "
            "while it was read; write it whole first, then run again"
        )
    return found


# --- all candidates ---------------------------------------------------------------------------------------------------


def fits_at_a_time(setting: Setting, partitions: int, candidates: int) -> int:
    """Return how many fits run at the same time: as told, else as many as the slots serve with a task per partition."""
    if setting.params.parallelism:
        return min(setting.params.parallelism, candidates)
    slots = int(setting.spark.sparkContext.defaultParallelism)
    return max(1, min(slots // max(1, partitions), candidates))


def only_candidate(params: TrainingParams) -> dict[str, Any]:
    """Return the hyper-parameters where there is no grid."""
    return grid(params.hyperparameters)[0]


def search(setting: Setting, rounds: Sequence[Round], partitions: int) -> Chosen:
    """Fit every candidate in every round and return the one with the best mean of the metric that chooses.

    Raises
    ------
    ModelError
        Every candidate failed.
    JobError
        The only candidate failed: its own error.
    """
    task = setting.label.task
    scoring = setting.params.scoring or metrics.MAIN[task]
    if scoring not in metrics.NAMES[task]:
        raise ModelError(
            f"model_config.scoring {scoring!r} is no metric of a {task} task; known: {', '.join(metrics.NAMES[task])}"
        )
    trials = [Trial(number, one) for number, one in enumerate(grid(setting.params.hyperparameters), 1)]
    work = _Work(setting, rounds, trials, scoring)
    with ThreadPoolExecutor(fits_at_a_time(setting, partitions, len(trials))) as pool:
        for one in rounds:
            prepared = work.open(one)
            try:
                list(pool.map(work.task(one, prepared), [trial for trial in trials if not trial.error]))
            finally:
                prepared[1].unpersist()
    good = [trial for trial in trials if not trial.error]
    if not good:
        raise ModelError(f"all {len(trials)} candidates failed; the first one: {trials[0].error}")
    return Chosen(_best(good, scoring, metrics.NAMES[task][scoring]), trials, scoring)


class _Work:
    """The fits of a search, their progress, and the forecast of its end."""

    def __init__(self, setting: Setting, rounds: Sequence[Round], trials: Sequence[Trial], scoring: str) -> None:
        self._setting, self._trials, self._scoring = setting, trials, scoring
        self._names = {one.name: place for place, one in enumerate(rounds, 1)}
        self._total = len(rounds) * len(trials)
        self._done = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def open(self, one: Round) -> tuple[FittedFeatures, DataFrame]:
        """Fit the features of a round; with several candidates their transformed rows are kept for all of them."""
        step(self._setting.spark, f"[training] {self._place(one)}: features")
        fitted = fit_features(self._setting, one.fit, one.fit_classes)
        return fitted, fitted.frame.persist(StorageLevel.MEMORY_AND_DISK) if len(self._trials) > 1 else fitted.frame

    def task(self, one: Round, ready: tuple[FittedFeatures, DataFrame]) -> Callable[[Trial], None]:
        """Return what a thread does for a trial: Spark's local properties (job description, pool) go along with it."""
        return inherited(self._setting.spark, lambda trial: self.fit(one, ready, trial))

    def fit(self, one: Round, ready: tuple[FittedFeatures, DataFrame], trial: Trial) -> None:
        """Fit and measure one candidate in one round."""
        setting = self._setting
        step(setting.spark, f"[training] {self._place(one)}, {self._candidate(trial)}")
        started = time.monotonic()
        try:
            model = learn(setting, *ready, trial.hyperparameters, one.fit_classes)
            pipeline = PipelineModel([*ready[0].stages, model])
            asked = setting.params.threshold  # a number holds for the choice too; a rule is applied after it
            at = float(asked) if isinstance(asked, (int, float)) else None
            trial.measured[one.name] = measured(setting, pipeline, one.held, one.held_rows, at)
            if one.is_final:
                trial.final = Fit(pipeline, ready[0])
        except Exception as error:  # of whatever kind: a learner's limits come as Java, Python and our own errors
            if len(self._trials) == 1 or setting.spark.sparkContext._jsc.sc().isStopped():
                raise
            trial.error = f"{type(error).__name__}: {datasets.first_cause(error)}"
        trial.seconds += time.monotonic() - started
        self._report(one, trial)

    def _report(self, one: Round, trial: Trial) -> None:
        with self._lock:
            self._done += 1
            if trial.error:  # the rounds that are left are not tried
                self._total -= len(self._names) - self._names[one.name]
            left = (time.monotonic() - self._started) / self._done * (self._total - self._done)
            value = trial.measured[one.name].metrics[self._scoring] if one.name in trial.measured else None
            result = f"failed: {trial.error}" if trial.error else f"{self._scoring} {_short(value)}"
            text = f"[training] {self._done}/{self._total} fits: {self._place(one)}, {self._candidate(trial)}: {result}"
            step(self._setting.spark, f"{text}, about {left:.0f} s left" if self._done < self._total else text)

    def _place(self, one: Round) -> str:
        return one.name if len(self._names) == 1 else f"fold {self._names[one.name]}/{len(self._names)}"

    def _candidate(self, trial: Trial) -> str:
        said = ", ".join(f"{name} {value}" for name, value in trial.hyperparameters.items())
        return f"candidate {trial.number}/{len(self._trials)}" + (f" ({said})" if said else "")


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else "not known"


def _best(trials: Sequence[Trial], scoring: str, better: str) -> Trial:
    """Return the trial with the best mean; of equal ones the first.

    Raises
    ------
    ModelError
        No trial has a value to compare.
    """
    sign = 1.0 if better == "higher" else -1.0

    def rank(trial: Trial) -> float:
        values = [one.get(scoring) for one in trial.metrics()]
        if not values or any(value is None for value in values):
            return -math.inf
        return sign * mean(float(value) for value in values if value is not None)

    best = max(trials, key=rank)
    if len(trials) > 1 and rank(best) == -math.inf:
        raise ModelError(
            f"no candidate has a value of {scoring} in every round, so none can be called the best: choose another "
            "model_config.scoring, or use more rows"
        )
    return best


# --- what the search gave ---------------------------------------------------------------------------------------------


def across_rounds(trial: Trial, names: Sequence[str]) -> dict[str, Any]:
    """Return mean and sample standard deviation of each metric over the rounds, and the rounds themselves."""
    rounds = [{"fold": name, **one.metrics} for name, one in trial.measured.items()]
    return {
        "folds": rounds,
        "mean": _over(trial, names, mean),
        "std": _over(trial, names, stdev) if len(rounds) > 1 else dict.fromkeys(names),
    }


def _over(trial: Trial, names: Sequence[str], how: Callable[[Any], float]) -> dict[str, float | None]:
    columns = {name: [one.get(name) for one in trial.metrics()] for name in names}
    return {name: None if None in values else float(how(values)) for name, values in columns.items()}


def as_grid(chosen: Chosen, task: str) -> list[dict[str, Any]]:
    """Return every candidate as ``metrics.json`` has it."""
    listed = []
    for trial in chosen.trials:
        one: dict[str, Any] = {"candidate": trial.number, "hyperparameters": trial.hyperparameters}
        one |= {"seconds": round(trial.seconds, 3)}
        if trial.error:
            listed.append({**one, "error": trial.error})
            continue
        found = across_rounds(trial, list(metrics.NAMES[task]))
        listed.append({**one, "mean": found["mean"], "std": found["std"], "main": found["mean"].get(chosen.scoring)})
    return listed


def bins_of(trial: Trial) -> tuple[Any, ...]:
    """Return the score counts of all rounds together: what a threshold is chosen from."""
    return tuple(one for found in trial.measured.values() for one in found.bins)
