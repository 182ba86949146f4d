"""What a training run may be told beyond the basics: tasks, splits, choice, leakage; and what can't stand together."""

from __future__ import annotations

import pytest

from ml_pipeline_framework.contract import TrainingParams
from tests.unit.test_contract import DEFAULTS, config, from_config, problems_of


@pytest.mark.parametrize(
    ("changes", "key", "part"),
    [
        ({"task": "clasification"}, "task", "did you mean classification?"),
        ({"task": "regression", "algorithm": "naive_bayes", "hyperparameters": {}}, "algorithm", "does not do"),
        ({"task": "classification", "algorithm": "linear_regression", "hyperparameters": {}}, "algorithm", "not do"),
        ({"label_column": None, "label_expression": None}, "label_column", "is missing"),
        ({"label_column": None, "task": "clustering", "algorithm": "kmeans", "hyperparameters": {}}, None, ""),
        ({"positive_class": 1, "task": "regression", "threshold": None}, "positive_class", "no positive class"),
        ({"positive_class": [1]}, "positive_class", "is not a text, a number"),
        ({"split": "tme"}, "split", "did you mean time?"),
        ({"split": "time"}, "split", "needs a time_column"),
        ({"split": "group"}, "split", "needs a group_column"),
        ({"time_column": "t", "group_column": "g"}, "split", "both given"),
        ({"time_column": "t", "group_column": "g", "split": "time"}, None, ""),
        ({"threshold": "f2"}, "threshold", "is no rule"),
        ({"threshold": "cost:fp=1"}, "threshold", "say both costs"),
        ({"threshold": 1.5}, "threshold", "below 1"),
        ({"threshold": True}, "threshold", "neither a number nor a rule"),
        ({"threshold": 0.3}, None, ""),
        ({"threshold": "f1", "task": "multiclass"}, "threshold", "has no threshold"),
        ({"scoring": "rmse", "task": "binary"}, "scoring", "no metric of binary"),
        ({"scoring": "acc"}, "scoring", "no metric"),
        ({"scoring": "pr_auc"}, None, ""),
        ({"class_weight": "balance"}, "class_weight", "did you mean balanced?"),
        ({"class_weight": "balanced", "task": "regression"}, "class_weight", "no classes"),
        ({"leakage": "stop"}, "leakage", "none of them"),
        ({"leakage_max_auc": 0.4}, "leakage_max_auc", "at or above 0.5"),
        ({"known_after_columns": ["hour"], "feature_columns": ["hour"]}, "feature_columns", "known_after_columns"),
        ({"text_columns": ["note"], "feature_columns": ["hour"]}, "text_columns", "are not in"),
        ({"high_cardinality": "target", "task": "multiclass"}, "high_cardinality", "target needs"),
        ({"time_parts": ["month", "yaer"]}, "time_parts", "'yaer' is not known"),
        ({"validation_size": 0}, "validation_size", "above 0"),
        ({"parallelism": -1}, "parallelism", "at or above 0"),
        ({"register": "no"}, "register", "not true or false"),
    ],
)
def test_what_can_stand_together(changes, key, part):
    said = config(**{"label_expression": None, **changes})
    said["model_config"] = {name: value for name, value in said["model_config"].items() if value is not None}
    if key is None:
        TrainingParams.from_config(said, defaults=DEFAULTS)
        return
    problems = problems_of(lambda: TrainingParams.from_config(said, defaults=DEFAULTS))
    assert list(problems) == [f"model_config.{key}"]
    assert part in problems[f"model_config.{key}"]


def test_folds_and_validation_data_are_one_too_many():
    said = config(cv_folds=3)
    said["data_config"]["validation_data_path"] = "data/validation"
    problems = problems_of(lambda: TrainingParams.from_config(said, defaults=DEFAULTS))
    assert list(problems) == ["data_config.validation_data_path"]
    said["model_config"]["cv_folds"] = 0
    params = TrainingParams.from_config(said, defaults=DEFAULTS)
    assert params.with_paths(lambda path: f"hdfs://nn/{path}").validation_path == "hdfs://nn/data/validation"
    assert params.inputs() == ("data/training/flights.parquet", "data/validation")
    assert from_config().inputs() == ("data/training/flights.parquet",)


@pytest.mark.parametrize("value", ["Yes", 1, 2.5, False])
def test_a_positive_class_of_any_kind_survives_json_and_flags(value):
    params = from_config(positive_class=value)
    again = TrainingParams.from_json(params.to_json())
    assert again == params
    assert type(again.positive_class) is type(value)
    flag = {False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    assert from_config().with_flags(["--positive-class", flag]).positive_class == value


def test_a_grid_survives_json_and_flags():
    params = from_config(hyperparameters={"max_depth": [5, 10], "numTrees": 20})
    assert params.hyperparameters == {"max_depth": [5, 10], "n_estimators": 20}
    assert TrainingParams.from_json(params.to_json()) == params
    assert from_config().with_flags(["--hyperparameters", '{"max_depth": [2, 3]}']).hyperparameters == {
        "n_estimators": 100,
        "max_depth": [2, 3],
    }
