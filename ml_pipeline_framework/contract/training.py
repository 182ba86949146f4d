"""The parameters of the training job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.algorithms import (
    ALGORITHMS,
    algorithm_name,
    canonical,
    hyperparameter_problems,
    meanings,
)
from ml_pipeline_framework.contract.artifacts import METRICS_FILE
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.params import Params, param
from ml_pipeline_framework.contract.problems import ParamProblem
from ml_pipeline_framework.contract.training_rules import (
    HIGH_CARDINALITY,
    LEAKAGE,
    SPLITS,
    TASK_WORDS,
    TIME_PARTS,
    WEIGHTS,
    one_of,
    problems_between,
    some_of,
    threshold_problem,
)
from ml_pipeline_framework.contract.values import matching, not_empty, within

_NAME = matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name for a folder (letters, digits, . _ -)")
_SHARE = within(0, 1, low_open=True, high_open=True)


def _model(kind: str, doc: str, **more: Any) -> Any:
    """Declare a parameter that is a key of ``model_config``."""
    return param(kind, doc, section="model_config", **more)


@dataclass(frozen=True, kw_only=True)
class TrainingParams(Params):
    """What one training run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.TRAINING
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "validation_path")
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("model_path", "metrics_path")
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "validation_path", "model_path", "metrics_path")
    STRICT_SECTIONS: ClassVar[tuple[str, ...]] = ("model_config", "job")
    NEEDS: ClassVar[tuple[str, ...]] = ("numpy",)  # pyspark.ml imports it in the driver
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({"output-path": "model_path"})

    # data and places
    input_path: str = param(
        "text",
        "where the training data lies: Parquet, or .csv, .json, .orc by extension",
        section="data_config",
        key="training_data_path",
        check=not_empty,
    )
    validation_path: str = param(
        "text",
        "labelled rows to choose candidate and threshold on, instead of a part of the training rows",
        default="",
        section="data_config",
        key="validation_data_path",
    )
    model_name: str = _model("text", "folder of the model", default="model", check=_NAME)
    model_path: str = param("text", "where the model goes; default models/<model_name>/<run_id>", default="")
    metrics_path: str = param(
        "text", "where the metrics go; default metrics/<model_name>/<run_id>/metrics.json", default=""
    )
    register: bool = _model("flag", "make the new model the latest of its name", default=True)

    # what is learnt
    task: str = _model(
        "text",
        "classification (binary, multiclass), regression, clustering, or auto: told from the label",
        default="auto",
        check=one_of(TASK_WORDS),
    )
    label_column: str = _model("text", "name of the label; none for clustering", default="")
    label_expression: str = _model(
        "text", "SQL that makes the label from columns (arr_delay > 15); its columns are no features", default=""
    )
    positive_class: object = _model(
        "scalar", "of two classes the one to be found; default true, 1 or yes, else the last in order", default=None
    )
    key_columns: tuple[str, ...] = _model(
        "texts", "columns that identify a row; their hash decides between training and test", check=not_empty
    )
    feature_columns: tuple[str, ...] = _model("texts", "the only columns to learn from; default all", default=())
    exclude_columns: tuple[str, ...] = _model("texts", "columns not to learn from", default=())
    known_after_columns: tuple[str, ...] = _model(
        "texts", "columns known only after the event, which are never learnt from", default=()
    )

    # how
    algorithm: str = _model("text", "one of: " + ", ".join(ALGORITHMS), default="random_forest")
    hyperparameters: Mapping[str, object] = _model(
        "mapping", "settings of the algorithm, by scikit-learn's or Spark's names; lists of values make a grid"
    )
    class_weight: str = _model(
        "text", "balanced: rows of rare classes weigh more; none: all the same", default="none", check=one_of(WEIGHTS)
    )
    seed: int = _model(
        "integer",
        "start of every random number and part of the split",
        default=42,
        aliases=("random_state",),
        check=within(0, 2**31 - 1),
    )

    # who is held out
    split: str = _model(
        "text",
        "hash, time or group; auto: time with a time_column, else group with a group_column, else hash of the key",
        default="auto",
        check=one_of(SPLITS),
    )
    test_size: float = _model("number", "share of the rows held out as the test set", default=0.2, check=_SHARE)
    time_column: str = _model("text", "when a row happened: the test set is what happened last", default="")
    group_column: str = _model("text", "rows that must not be parted, such as those of one customer", default="")

    # how candidates and threshold are chosen
    cv_folds: int = _model("integer", "folds of a cross-validation on the training rows; 0 for none", default=0)
    validation_size: float = _model(
        "number",
        "share of the training rows to choose on where there is no cross-validation",
        default=0.2,
        check=_SHARE,
    )
    scoring: str = _model(
        "text", "metric that chooses the candidate; default auc, f1_macro, rmse or silhouette", default=""
    )
    threshold: object = _model(
        "scalar",
        "score from which a row counts as positive: a number, or a rule such as f1, youden, cost:fp=1,fn=5",
        default=None,
        check=threshold_problem,
    )
    parallelism: int = _model(
        "integer", "fits at the same time; 0 for as many as the slots serve", default=0, check=within(0, 1_000)
    )

    # leakage
    leakage: str = _model(
        "text",
        "what a feature that tells the label alone leads to: warn, fail or off",
        default="warn",
        check=one_of(LEAKAGE),
    )
    leakage_max_auc: float = _model(
        "number", "AUC of a single feature above which it counts as a leak", default=0.85, check=within(0.5, 1)
    )
    leakage_max_correlation: float = _model(
        "number", "correlation with a number above which a feature counts as a leak", default=0.95, check=within(0, 1)
    )

    # features
    max_categories: int = _model(
        "integer",
        "most categories of an indexed column (trees) before high_cardinality applies",
        default=128,
        check=within(2, 100_000),
    )
    one_hot_max: int = _model(
        "integer",
        "most categories of a one-hot column (all but trees) before high_cardinality applies",
        default=50,
        check=within(2, 10_000),
    )
    high_cardinality: str = _model(
        "text",
        "columns with more categories: target, hash, drop, or auto (target where Spark and task allow it, else hash)",
        default="auto",
        check=one_of(HIGH_CARDINALITY),
    )
    hash_buckets: int = _model(
        "integer",
        "buckets of a hashed column; 0 for max_categories (trees) or 1,024",
        default=0,
        check=within(0, 2**20),
    )
    text_columns: tuple[str, ...] = _model("texts", "columns of free text, learnt by their words", default=())
    text_buckets: int = _model(
        "integer",
        "buckets that the words of a text column are hashed into; 0 for 128 (trees) or 1,024",
        default=0,
        check=within(0, 2**20),
    )
    time_parts: tuple[str, ...] = _model(
        "texts",
        "parts of a date or timestamp to learn from: " + ", ".join(TIME_PARTS),
        default=TIME_PARTS[:-1],
        check=some_of(TIME_PARTS),
    )
    partitions: int = _model(
        "integer",
        "parts the rows are sorted into, which the trees depend on; 0 for one per 100,000 rows",
        default=0,
        check=within(0, 100_000),
    )

    def problems_for(self, task: str) -> list[ParamProblem]:
        """Return what is wrong with the parameters once the label has told the task; ``auto`` leaves it open before."""
        values = {one.name: getattr(self, one.name) for one in fields(self)} | {"task": task}
        return self._across(values, lambda name: f"model_config.{name}")

    def needs(self) -> tuple[str, ...]:
        """As the base class, and what the algorithm needs."""
        return self.NEEDS + ALGORITHMS[self.algorithm].needs

    @classmethod
    def _normalise(cls, values: dict[str, Any]) -> None:
        if "algorithm" in values:
            values["algorithm"] = algorithm_name(values["algorithm"])
        if "hyperparameters" in values:
            values["hyperparameters"] = canonical(values.get("algorithm", ""), values["hyperparameters"])

    @classmethod
    def _laid_over(cls, name: str, old: Any, new: Any) -> Any:
        if name != "hyperparameters":
            return super()._laid_over(name, old, new)
        said = {name for key in new for name in meanings(key)}  # numTrees from a flag replaces the file's n_estimators
        return {**{key: value for key, value in old.items() if key not in said}, **new}

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        place = f"{values['model_name']}/{values['run_id']}"
        paths = {"model_path": f"models/{place}", "metrics_path": f"metrics/{place}/{METRICS_FILE}"}
        return {field: path for field, path in paths.items() if not values[field]}

    @classmethod
    def _across(cls, values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
        return hyperparameter_problems(values, label) + problems_between(values, label)
