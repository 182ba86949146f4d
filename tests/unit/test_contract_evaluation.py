"""The parameters of an evaluation: what is refused on the edge, and how paths are completed."""

from __future__ import annotations

import pytest

from ml_pipeline_framework.contract import ContractError, EvaluationParams

CONFIG = {
    "model_config": {"model_name": "delay", "label_column": "late", "algorithm": "gbt"},
    "data_config": {"evaluation_data_path": "data/new", "training_data_path": "data/old"},
    "job": {
        "gate": {"min_auc": 0.7, "max_regression": 0.01},
        "compare_with": "previous",
        "segment_columns": ["origin"],
    },
}


def params(**job):
    config = {**CONFIG, "job": {**CONFIG["job"], **job}}
    return EvaluationParams.from_config(config, defaults={"run_id": "r1"})


def problems(**job):
    with pytest.raises(ContractError) as caught:
        params(**job)
    return {one.key: str(one) for one in caught.value.problems}


def test_a_configuration_gives_model_and_report_path():
    found = params()
    assert (found.model, found.input_path) == ("delay", "data/new")
    assert found.metrics_path == "metrics/evaluation/r1/metrics.json"
    assert found.label_column == ""  # the model knows its label; model_config's is training's
    assert (found.drift, found.permutation_importance, found.permutation_repeats) == (True, False, 5)
    assert EvaluationParams.from_json(found.to_json()) == found


def test_conditions_are_checked_by_name_and_reach():
    said = problems(gate={"min_aux": 0.7, "max_auc": 2, "min_rmse": "low", "max_regression": {"auk": 1}})
    assert set(said) == {"job.gate.min_aux", "job.gate.max_auc", "job.gate.min_rmse", "job.gate.max_regression.auk"}
    assert "did you mean min_auc?" in said["job.gate.min_aux"]


@pytest.mark.parametrize(
    ("job", "key", "part"),
    [
        ({"compare_with": None}, "job.gate.max_regression", "set job.compare_with"),
        ({"compare_with": "delay"}, "job.compare_with", "is the model that is evaluated"),
        ({"compare_with": "a b"}, "job.compare_with", "neither name@version"),
        ({"choose_threshold": "f3"}, "job.choose_threshold", "no rule for a threshold"),
        ({"model": "delay@"}, "job.model", "neither name@version"),
        ({"permutation_repeats": 0}, "job.permutation_repeats", "at or above 1"),
        ({"permutation_importance": "yes"}, "job.permutation_importance", "not true or false"),
        ({"segment_columns": "origin"}, "job.segment_columns", "not a list"),
        ({"segment_column": ["origin"]}, "job.segment_column", "did you mean segment_columns?"),
        ({"register": True, "gate": {}}, "job.register", "needs a gate"),
        ({"register": "yes"}, "job.register", "not true or false"),
    ],
)
def test_what_can_not_work_is_refused(job, key, part):
    said = problems(**job)
    assert list(said) == [key]
    assert part in said[key]


def test_the_register_of_an_evaluation_is_not_that_of_the_training():
    config = {**CONFIG, "model_config": {**CONFIG["model_config"], "register": True}}
    assert not EvaluationParams.from_config(config, defaults={"run_id": "r1"}).register
    assert params(register=True, model="delay@v2", compare_with="latest").register


def test_models_named_by_path_count_as_paths():
    found = params(model="models/delay/v2", compare_with="models/delay/v1").with_paths(lambda path: f"hdfs://nn/{path}")
    assert found.model == "hdfs://nn/models/delay/v2"
    assert found.compare_with == "hdfs://nn/models/delay/v1"
    assert found.models_path == "hdfs://nn/models"
    found = params(model="delay@v2", compare_with="latest").with_paths(lambda path: f"hdfs://nn/{path}")
    assert (found.model, found.compare_with) == ("delay@v2", "latest")


def test_flags_lie_over_the_configuration():
    found = params().with_flags(["--gate", "min_auc=0.5", "--output-path", "m.json", "--held-out-only", "true"])
    assert found.gate == {"min_auc": 0.5, "max_regression": 0.01}
    assert (found.metrics_path, found.held_out_only) == ("m.json", True)
