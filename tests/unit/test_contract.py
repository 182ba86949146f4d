"""The parameters of the jobs: what is accepted, what is refused and how it is said."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest

from ml_pipeline_framework.contract import (
    ALGORITHMS,
    ALIASES,
    MODEL_CONFIG_KEYS,
    PARAMS,
    ContractError,
    JobType,
    TrainingParams,
    job_type,
    params_file_name,
)

CONFIG = {
    "model_config": {
        "model_name": "arrival-delay",
        "algorithm": "random_forest",
        "hyperparameters": {"n_estimators": 100, "max_depth": 10},
        "label_column": "late",
        "label_expression": "arr_delay > 15",
        "key_columns": ["year", "month", "day", "carrier", "flight", "origin"],
        "exclude_columns": ["dep_delay", "air_time"],
        "test_size": 0.2,
        "cv_folds": 0,
        "seed": 42,
    },
    "data_config": {"training_data_path": "data/training/flights.parquet", "prediction_input_path": "data/new"},
    "job": {},
}
DEFAULTS = {"run_id": "nightly-1", "name": "nightly"}


def config(**changes):
    """The configuration with keys of model_config replaced; None removes one."""
    changed = copy.deepcopy(CONFIG)
    changed["model_config"].update(changes)
    return changed


def problems_of(call):
    """What `call` complains about: key to the whole line."""
    with pytest.raises(ContractError) as caught:
        call()
    assert str(caught.value) == "\n".join(str(one) for one in caught.value.problems)
    return {one.key: str(one) for one in caught.value.problems}


def from_config(**changes):
    return TrainingParams.from_config(config(**changes), defaults=DEFAULTS)


# --- job types


@pytest.mark.parametrize(
    ("name", "expected"),
    [(kind.value, kind) for kind in JobType]
    + [("Data-Processing", JobType.DATA_PROCESSING), ("ETL", JobType.DATA_PROCESSING)]
    + [(" TRAINING ", JobType.TRAINING), ("model_evaluation", JobType.EVALUATION)]
    + list(ALIASES.items()),
)
def test_job_types_by_name_and_alias(name, expected):
    assert job_type(name) is expected


def test_an_unknown_job_type_lists_all_and_the_nearest():
    said = problems_of(lambda: job_type("trianing"))["job type"]
    assert "did you mean training?" in said
    assert all(kind.value in said for kind in JobType)


def test_params_file_names_differ():
    assert params_file_name(JobType.TRAINING) == "training-params.json"
    assert len({params_file_name(kind) for kind in JobType}) == len(JobType)


# --- from the configuration


def test_configuration_gives_all_values_and_derives_paths():
    params = from_config()
    assert params.run_id == "nightly-1"
    assert params.input_path == "data/training/flights.parquet"
    assert params.hyperparameters == {"n_estimators": 100, "max_depth": 10}
    assert params.key_columns == ("year", "month", "day", "carrier", "flight", "origin")
    assert params.model_path == "models/arrival-delay/nightly-1"
    assert params.metrics_path == "metrics/arrival-delay/nightly-1/metrics.json"
    assert set(params.PATH_FIELDS) == set(params.INPUT_FIELDS + params.OUTPUT_FIELDS)


def test_the_jobs_own_section_wins():
    changed = config()
    changed["job"] = {"input_path": "data/other.csv", "output_path": "/models/mine"}
    params = TrainingParams.from_config(changed, defaults=DEFAULTS)
    assert (params.input_path, params.model_path) == ("data/other.csv", "/models/mine")


def test_null_means_not_given():
    params = from_config(test_size=None, hyperparameters={"max_depth": None, "n_estimators": 5})
    assert params.test_size == 0.2
    assert params.hyperparameters == {"n_estimators": 5}


def test_all_problems_at_once_under_the_keys_of_the_configuration():
    wrong = {
        "model_config": {
            "hyperparameters": {"n_estimatorz": 100, "maxDepth": 31, "subsample": 0, "max_features": "most"},
            "test_sise": 0.3,
            "test_size": 1,
            "cv_folds": 1,
            "seed": "42",
            "key_columns": "flight",
        },
        "data_config": {},
        "job": {"batch_sise": 1},
        "dataconfig": {},
    }
    said = problems_of(lambda: TrainingParams.from_config(wrong, defaults={"name": "n"}))
    assert set(said) == {
        "dataconfig",
        "model_config.test_sise",
        "job.batch_sise",
        "job.run_id",
        "data_config.training_data_path",
        "model_config.label_column",
        "model_config.key_columns",
        "model_config.test_size",
        "model_config.seed",
        "model_config.cv_folds",
        "model_config.hyperparameters.n_estimatorz",
        "model_config.hyperparameters.max_depth",
        "model_config.hyperparameters.subsample",
        "model_config.hyperparameters.max_features",
    }
    assert "did you mean test_size?" in said["model_config.test_sise"]
    unknown = said["model_config.hyperparameters.n_estimatorz"]
    assert "did you mean n_estimators?" in unknown
    assert all(one.name in unknown for one in ALGORITHMS["random_forest"].hyperparameters)


@pytest.mark.parametrize(
    ("hyperparameters", "stored"),
    [
        ({"numTrees": 7, "maxDepth": 3}, {"n_estimators": 7, "max_depth": 3}),
        ({"max_samples": 0.5}, {"subsample": 0.5}),
        ({"max_features": 4}, {"max_features": 4}),
        ({"featureSubsetStrategy": "onethird"}, {"max_features": "onethird"}),
        ({"max_features": 0.5, "bootstrap": False}, {"max_features": 0.5, "bootstrap": False}),
    ],
)
def test_hyperparameters_by_other_names(hyperparameters, stored):
    assert from_config(hyperparameters=hyperparameters).hyperparameters == stored


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("n_estimators", 0, "at or above 1"),
        ("n_estimators", 10.5, "not a whole number"),
        ("n_estimators", True, "not a whole number"),
        ("n_estimators", "100", "not a whole number"),
        ("n_estimators", [50, 50], "element 2, 50, stands in the list twice"),
        ("max_depth", -1, "at or above 0"),
        ("min_weight_fraction_leaf", 0.5, "below 0.5"),
        ("subsample", 1.1, "at or below 1"),
        ("max_features", 0, "neither a whole number"),
        ("max_features", 1.5, "neither a whole number"),
        ("max_features", True, "not a number"),
        ("bootstrap", "yes", "not true or false"),
        ("criterion", "mse", "gini, entropy"),
        ("random_state", 1, "model_config.seed"),
        ("min_impurity_decrease", 0.1, "use min_info_gain"),
    ],
)
def test_wrong_hyperparameters_are_named(key, value, part):
    said = problems_of(lambda: from_config(hyperparameters={key: value}))
    assert list(said) == [f"model_config.hyperparameters.{key}"]
    assert part in said[f"model_config.hyperparameters.{key}"]


def test_one_setting_under_two_names_is_refused():
    said = problems_of(lambda: from_config(hyperparameters={"n_estimators": 5, "numTrees": 6}))
    assert "says the same as n_estimators" in said["model_config.hyperparameters.numTrees"]
    said = problems_of(lambda: from_config(random_state=7))
    assert "says the same as seed" in said["model_config.random_state"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"algorithm": "randomforrest"}, "model_config.algorithm"),
        ({"algorithm": 3}, "model_config.algorithm"),
        ({"key_columns": []}, "model_config.key_columns"),
        ({"key_columns": ["day", "day"]}, "model_config.key_columns"),
        ({"model_name": "../up"}, "model_config.model_name"),
        ({"test_size": float("nan")}, "model_config.test_size"),
        ({"cv_folds": -3}, "model_config.cv_folds"),
        ({"feature_columns": ["late"]}, "model_config.feature_columns"),
        ({"feature_columns": ["air_time"]}, "model_config.feature_columns"),
        ({"hyperparameters": [1]}, "model_config.hyperparameters"),
    ],
)
def test_wrong_values_are_named_once(changes, key):
    assert list(problems_of(lambda: from_config(**changes))) == [key]


def test_a_run_id_outside_its_grammar_is_refused():
    said = problems_of(lambda: TrainingParams.from_config(CONFIG, defaults={"run_id": "manual__2026-01-01T00:00"}))
    assert "is not a run id" in said["job.run_id"]


def test_direct_construction_and_replace_check_too():
    params = from_config()
    with pytest.raises(ContractError, match="test_size"):
        dataclasses.replace(params, test_size=2.0)
    moved = dataclasses.replace(params, input_path="hdfs://nn/data", model_path="hdfs://nn/m")
    assert (moved.input_path, moved.model_path) == ("hdfs://nn/data", "hdfs://nn/m")


def test_every_key_of_model_config_is_documented_and_known():
    assert {key for key in CONFIG["model_config"]} <= set(MODEL_CONFIG_KEYS)
    assert "random_state" in MODEL_CONFIG_KEYS
    assert all(MODEL_CONFIG_KEYS.values())
    assert PARAMS[JobType.TRAINING] is TrainingParams


# --- flags


def test_flags_lie_over_the_configuration():
    argv = ["--input-path", "x.csv", "--output-path=/m", "--key_columns", "a, b", "--random-state", "7"]
    more = ["--hyperparameters", "numTrees=5", "--hyperparameters", '{"max_features": 0.5}']
    params = from_config().with_flags([*argv, *more])
    assert (params.input_path, params.model_path, params.seed) == ("x.csv", "/m", 7)
    assert params.hyperparameters == {"n_estimators": 5, "max_depth": 10, "max_features": 0.5}
    assert params.key_columns == ("a", "b")
    assert params.metrics_path == "metrics/arrival-delay/nightly-1/metrics.json"


def test_derived_paths_follow_a_new_name_and_given_ones_stay():
    params = from_config()
    assert params.with_flags(["--model-name", "b"]).model_path == "models/b/nightly-1"
    placed = dataclasses.replace(params, model_path="hdfs://nn/m")
    assert placed.with_flags(["--model-name", "b"]).model_path == "hdfs://nn/m"


def test_no_flags_change_nothing():
    assert from_config().with_flags([]) == from_config()


def test_all_wrong_flags_at_once():
    said = problems_of(
        lambda: from_config().with_flags(
            [
                "--input-pth",
                "x",
                "stray",
                "--seed",
                "many",
                "--test-size",
                "--cv-folds=0",
                "--cv-folds=2",
                "--hyperparameters",
                "n_estimators",
                "--max-categories=1",
            ]
        )
    )
    assert "did you mean --input-path?" in said["--input-pth"]
    assert "is not a flag" in said["stray"]
    assert "not a whole number" in said["--seed"]
    assert "has no value" in said["--test-size"]
    assert "says the same" in said["--cv-folds"]
    assert "name=value" in said["--hyperparameters"]
    assert "at or above 2" in said["--max-categories"]


# --- the command line of the job


FLAGS = ["--run-id", "r1", "--input-path", "x", "--label-column", "late", "--key-columns", "a,b"]


def test_plain_flags_make_parameters():
    params = TrainingParams.from_argv(FLAGS)
    assert (params.run_id, params.model_path, params.test_size) == ("r1", "models/model/r1", 0.2)


def test_plain_flags_name_what_is_missing():
    said = problems_of(lambda: TrainingParams.from_argv([]))
    assert set(said) == {"--run-id", "--input-path", "--label-column", "--key-columns"}


@pytest.mark.parametrize("form", [["--params", "{}"], ["--params={}"]])
def test_a_params_file_is_read_and_flags_lie_over_it(tmp_path, form):
    file = tmp_path / params_file_name(JobType.TRAINING)
    file.write_text(from_config().to_json())
    argv = [one.format(file) for one in form]
    assert TrainingParams.from_argv(argv) == from_config()
    assert TrainingParams.from_argv([*argv, "--seed", "7"]).seed == 7


@pytest.mark.parametrize("argv", [["--params"], ["--params", "nowhere.json"], ["--params="]])
def test_a_params_file_that_is_not_there(tmp_path, monkeypatch, argv):
    monkeypatch.chdir(tmp_path)
    assert "--params" in problems_of(lambda: TrainingParams.from_argv(argv))


# --- JSON


def test_json_is_stable_and_complete():
    text = from_config().to_json()
    assert text.endswith("}\n")
    assert text.isascii()
    said = json.loads(text)
    assert list(said) == sorted(said)
    assert said["schema_version"] == 1
    assert said["job_type"] == "training"
    assert set(said) == {one.name for one in dataclasses.fields(TrainingParams)} | {"schema_version", "job_type"}
    swapped = from_config(hyperparameters={"max_depth": 10, "n_estimators": 100}, seed=42)
    assert swapped.to_json() == text


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"schema_version": True}, "schema_version"),
        ({"job_type": "prediction"}, "job_type"),
        ({"input_pth": "x"}, "input_pth"),
        ({"seed": "42"}, "seed"),
        ({"hyperparameters": {"n_estimators": 0}}, "hyperparameters.n_estimators"),
    ],
)
def test_json_that_does_not_fit(changes, key):
    said = json.loads(from_config().to_json()) | changes
    assert list(problems_of(lambda: TrainingParams.from_json(json.dumps(said)))) == [key]


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_what_is_not_a_json_object(text):
    assert "params" in problems_of(lambda: TrainingParams.from_json(text))


def test_errors_and_parameters_survive_pickling():
    assert pickle.loads(pickle.dumps(from_config())) == from_config()
    with pytest.raises(ContractError) as caught:
        job_type("nothing")
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems
