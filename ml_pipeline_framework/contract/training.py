"""The parameters of the training job, and the hyper-parameters of each algorithm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.artifacts import METRICS_FILE
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.params import Params, param
from ml_pipeline_framework.contract.problems import ParamProblem, nearest
from ml_pipeline_framework.contract.values import coerce, matching, not_empty, within


@dataclass(frozen=True)
class Hyperparameter:
    """One setting of an algorithm: its name here (scikit-learn's where both mean the same) and Spark's.

    ``kind`` is integer, number, flag or choice; a choice is one of ``choices``, and where ``check`` is given also any
    number that passes it.
    """

    name: str
    spark_name: str
    kind: str
    doc: str
    check: Callable[[Any], str] | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def problem(self, value: object) -> str:
        """Return what is wrong with `value`, or nothing."""
        if isinstance(value, (list, tuple)):
            return f"{list(value)!r} is a list: a search over values is not supported, give one value"
        if self.kind == "flag":
            return "" if isinstance(value, bool) else f"{value!r} is not true or false"
        if self.kind == "choice" and (isinstance(value, str) or self.check is None):
            return "" if value in self.choices else f"{value!r} is none of {', '.join(self.choices)}"
        try:
            number = coerce("integer" if self.kind == "integer" else "number", value)
        except ValueError as error:
            return str(error)
        return self.check(number if self.kind != "choice" else value) if self.check else ""


def _share_or_count(value: Any) -> str:
    """Check ``max_features``: a whole number of features, or a share of them in (0, 1]."""
    good = value >= 1 if isinstance(value, int) else 0 < value <= 1
    return "" if good else f"{value!r} is neither a whole number of features nor a share above 0 and at or below 1"


# Spark's names and ranges: pyspark.ml.classification.RandomForestClassifier (4.3), treeParams.scala. scikit-learn's
# min_impurity_decrease is not here: it weighs the gain with the node's share of the rows, Spark's minInfoGain does not.
_FOREST = (
    Hyperparameter("n_estimators", "numTrees", "integer", "number of trees", within(1, 10_000)),
    Hyperparameter("max_depth", "maxDepth", "integer", "depth of a tree; Spark's limit is 30", within(0, 30)),
    Hyperparameter("min_samples_leaf", "minInstancesPerNode", "integer", "rows in a leaf", within(1, 10**9)),
    Hyperparameter(
        "min_weight_fraction_leaf",
        "minWeightFractionPerNode",
        "number",
        "least share of the rows in a leaf",
        within(0, 0.5, high_open=True),
    ),
    Hyperparameter("min_info_gain", "minInfoGain", "number", "least gain for a split", within(0, 1e9)),
    Hyperparameter(
        "max_features",
        "featureSubsetStrategy",
        "choice",
        "features tried per split: a word, a number of features or a share",
        _share_or_count,
        ("auto", "all", "sqrt", "log2", "onethird"),
    ),
    Hyperparameter(
        "subsample",
        "subsamplingRate",
        "number",
        "share of the rows drawn for each tree",
        within(0, 1, low_open=True),
        aliases=("max_samples",),
    ),
    Hyperparameter("bootstrap", "bootstrap", "flag", "draw rows with replacement"),
    Hyperparameter("criterion", "impurity", "choice", "impurity of a split", None, ("gini", "entropy")),
    Hyperparameter(
        "max_bins",
        "maxBins",
        "integer",
        "bins per feature; set from the categories when left out",
        within(2, 100_000),
    ),
    Hyperparameter(
        "max_memory_mb",
        "maxMemoryInMB",
        "integer",
        "memory for the histograms of one pass, per task, in MiB",
        within(16, 65_536),
    ),
)

ALGORITHMS: Mapping[str, tuple[Hyperparameter, ...]] = MappingProxyType({"random_forest": _FOREST})


def hyperparameter_names(algorithm: str) -> dict[str, Hyperparameter]:
    """Return every accepted name of an algorithm's hyper-parameters: ours, other libraries', Spark's."""
    return {name: one for one in ALGORITHMS.get(algorithm, ()) for name in (one.name, *one.aliases, one.spark_name)}


def _canonical(algorithm: str, given: Mapping[str, object]) -> dict[str, object]:
    """Return hyper-parameters under our names; what is unknown or said twice keeps the name it came with."""
    known = hyperparameter_names(algorithm)
    result: dict[str, object] = {}
    for key, value in given.items():
        if value is None:
            continue
        name = known[key].name if key in known else key
        result[key if name in result else name] = value
    return result


_NAME = matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name for a folder (letters, digits, . _ -)")


@dataclass(frozen=True, kw_only=True)
class TrainingParams(Params):
    """What one training run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.TRAINING
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("input_path",)
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("model_path", "metrics_path")
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "model_path", "metrics_path")
    STRICT_SECTIONS: ClassVar[tuple[str, ...]] = ("model_config", "job")
    NEEDS: ClassVar[tuple[str, ...]] = ("numpy",)  # pyspark.ml imports it in the driver
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({"output-path": "model_path"})

    input_path: str = param(
        "text",
        "where the training data lies: Parquet, or .csv, .json, .orc by extension",
        section="data_config",
        key="training_data_path",
        check=not_empty,
    )
    label_column: str = param("text", "name of the label", section="model_config", check=not_empty)
    key_columns: tuple[str, ...] = param(
        "texts",
        "columns that identify a row; their hash decides between training and test",
        section="model_config",
        check=not_empty,
    )
    model_name: str = param("text", "folder of the model", default="model", section="model_config", check=_NAME)
    model_path: str = param("text", "where the model goes; default models/<model_name>/<run_id>", default="")
    metrics_path: str = param(
        "text", "where the metrics go; default metrics/<model_name>/<run_id>/metrics.json", default=""
    )
    algorithm: str = param("text", "one of: " + ", ".join(ALGORITHMS), default="random_forest", section="model_config")
    hyperparameters: Mapping[str, object] = param(
        "mapping", "settings of the algorithm, by scikit-learn's or Spark's names", section="model_config"
    )
    label_expression: str = param(
        "text",
        "SQL that makes the label from columns (arr_delay > 15); its columns are no features",
        default="",
        section="model_config",
    )
    feature_columns: tuple[str, ...] = param(
        "texts", "the only columns to learn from; default all", default=(), section="model_config"
    )
    exclude_columns: tuple[str, ...] = param(
        "texts", "columns not to learn from, such as what is known only afterwards", default=(), section="model_config"
    )
    test_size: float = param(
        "number",
        "share of the rows held out as the test set",
        default=0.2,
        section="model_config",
        check=within(0, 1, low_open=True, high_open=True),
    )
    cv_folds: int = param(
        "integer", "folds of a cross-validation on the training rows; 0 for none", default=0, section="model_config"
    )
    seed: int = param(
        "integer",
        "start of every random number and part of the split",
        default=42,
        section="model_config",
        aliases=("random_state",),
        check=within(0, 2**31 - 1),
    )
    max_categories: int = param(
        "integer",
        "text columns with more values than this are left out",
        default=128,
        section="model_config",
        check=within(2, 100_000),
    )
    partitions: int = param(
        "integer",
        "parts the rows are sorted into, which the trees depend on; 0 for one per 100,000 rows",
        default=0,
        section="model_config",
        check=within(0, 100_000),
    )

    @classmethod
    def _normalise(cls, values: dict[str, Any]) -> None:
        if "algorithm" in values:
            values["algorithm"] = values["algorithm"].strip().lower().replace("-", "_")
        if "hyperparameters" in values:
            values["hyperparameters"] = _canonical(values.get("algorithm", ""), values["hyperparameters"])

    @classmethod
    def _laid_over(cls, name: str, old: Any, new: Any) -> Any:
        if name != "hyperparameters":
            return super()._laid_over(name, old, new)
        known = {key: one.name for table in ALGORITHMS for key, one in hyperparameter_names(table).items()}
        said = {known.get(key, key) for key in new}  # numTrees from a flag replaces n_estimators from the file
        return {**{key: value for key, value in old.items() if key not in said}, **new}

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        place = f"{values['model_name']}/{values['run_id']}"
        paths = {"model_path": f"models/{place}", "metrics_path": f"metrics/{place}/{METRICS_FILE}"}
        return {field: path for field, path in paths.items() if not values[field]}

    @classmethod
    def _across(cls, values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
        problems = _hyperparameter_problems(values, label)
        if values.get("cv_folds", 0) < 0 or values.get("cv_folds") == 1:
            problems.append(
                ParamProblem(label("cv_folds"), f"{values['cv_folds']} folds can't be made", "0, 2 or more")
            )
        features, excluded = values.get("feature_columns", ()), values.get("exclude_columns", ())
        both = sorted(set(features) & set(excluded))
        if both:
            problems.append(ParamProblem(label("feature_columns"), f"{both} also stand in {label('exclude_columns')}"))
        if values.get("label_column") in features:
            problems.append(ParamProblem(label("feature_columns"), f"holds the label {values['label_column']!r}"))
        return problems


def _hyperparameter_problems(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    """Return unknown algorithms, and unknown, doubled or wrong hyper-parameters."""
    if "algorithm" not in values:
        return []
    if values["algorithm"] not in ALGORITHMS:
        found = values["algorithm"]
        return [ParamProblem(label("algorithm"), f"{found!r} is not an algorithm", nearest(found, ALGORITHMS))]
    known = hyperparameter_names(values["algorithm"])
    ours = ", ".join(one.name for one in ALGORITHMS[values["algorithm"]])
    problems = []
    for key, value in values.get("hyperparameters", {}).items():
        place = f"{label('hyperparameters')}.{key}"
        if key in ("random_state", "seed"):
            problems.append(ParamProblem(place, "is not set here", "set model_config.seed"))
        elif key not in known:
            close = nearest(key, known)
            hint = f"{close} known: {ours}" if close.startswith("did") else f"known: {ours}"
            problems.append(ParamProblem(place, f"is not a hyper-parameter of {values['algorithm']}", hint))
        elif key != known[key].name:
            problems.append(ParamProblem(place, f"says the same as {known[key].name}", "keep one"))
        elif known[key].problem(value):
            problems.append(ParamProblem(place, known[key].problem(value), known[key].doc))
    return problems
