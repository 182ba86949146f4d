"""The parameters of a pipeline and of the section ``mlflow``."""

from __future__ import annotations

import json

import pytest

from ml_pipeline_framework.contract import (
    ContractError,
    EvaluationParams,
    JobType,
    PipelineParams,
    PredictionParams,
    TrainingParams,
    handed_on,
    stage_types,
)


def training(**changes) -> TrainingParams:
    values = {"run_id": "r-1", "input_path": "data/in", "label_column": "late", "key_columns": ["year"]}
    return TrainingParams(**{**values, **changes})


def evaluation(**changes) -> EvaluationParams:
    return EvaluationParams(**{"run_id": "r-1", "input_path": "data/held-out", **changes})


def problems(make) -> list[str]:
    with pytest.raises(ContractError) as caught:
        make()
    return [str(problem) for problem in caught.value.problems]


def test_stages_keep_their_parameters_and_share_what_is_the_runs():
    params = PipelineParams.of(
        [training(seed=7), evaluation()], run_id="r-1", name="nightly", mlflow={"tracking_uri": "http://m:5000"}
    )
    first, second = params.jobs()
    assert (first.seed, first.run_id, first.name) == (7, "r-1", "nightly")
    assert second.mlflow == {"tracking_uri": "http://m:5000"}
    assert params.metrics_path == "metrics/pipeline/r-1/metrics.json"
    assert params.state_path == "checkpoints/pipeline/r-1"
    assert PipelineParams.from_json(params.to_json()) == params
    assert all("run_id" not in one["params"] for one in params.stages)


def test_paths_are_qualified_inside_the_stages_too():
    params = PipelineParams.of([training(), evaluation(model="models/model/r-1")], run_id="r-1")
    found = params.with_paths(lambda path: f"/root/{path}")
    assert found.state_path == "/root/checkpoints/pipeline/r-1"
    assert [one.input_path for one in found.jobs()] == ["/root/data/in", "/root/data/held-out"]
    assert found.jobs()[1].model == "/root/models/model/r-1"


def test_the_nodes_need_what_any_stage_needs():
    params = PipelineParams.of([training(algorithm="xgboost"), evaluation()], run_id="r-1")
    assert params.needs() == training(algorithm="xgboost").needs()
    assert set(params.needs()) > {"numpy"}


def test_the_model_goes_from_training_to_what_comes_after_it():
    trained = training(model_name="late")
    assert handed_on(JobType.EVALUATION, [trained]) == {"model": "models/late/r-1"}
    assert handed_on(JobType.PREDICTION, [trained, evaluation()]) == {"model": "models/late/r-1"}
    assert handed_on(JobType.PREDICTION, [evaluation()]) == {}
    assert handed_on(JobType.TRAINING, [trained]) == {}


def judged(trained: TrainingParams, *, gate: object = None, **changes) -> tuple[PipelineParams, bool, bool]:
    """A pipeline of a training and an evaluation, and whether each of the two moves the pointer."""
    values = {**handed_on(JobType.EVALUATION, [trained]), "gate": {"min_auc": 0.7} if gate is None else gate, **changes}
    params = PipelineParams.of([trained, evaluation(**values)], run_id="r-1")
    first, second = params.jobs()
    return params, first.register, second.register


@pytest.mark.parametrize("model", ["models/late/r-1", "models/late/r-1/", "late", "late@latest", "late@r-1"])
def test_a_model_becomes_the_latest_after_its_gate_and_not_before(model):
    params, first, second = judged(training(model_name="late"), model=model, compare_with="latest")
    assert (first, second) == (False, True)
    assert params.jobs()[1].model == "models/late/r-1"
    assert PipelineParams.from_json(params.to_json()) == params
    qualified = params.with_paths(lambda path: f"/root/{path}").jobs()
    assert [one.register for one in qualified] == [False, True]


@pytest.mark.parametrize(
    ("trained", "changes", "registers"),
    [
        ({}, {"gate": {}}, (True, False)),
        ({}, {"model": "champion@v3"}, (True, False)),
        ({}, {"model": "late", "models_path": "elsewhere"}, (True, False)),
        ({"register": False}, {}, (False, False)),
        ({"register": False}, {"register": True}, (False, True)),
        ({"model_path": "exports/today"}, {}, (True, False)),  # no pointer is moved there
    ],
)
def test_without_a_gate_on_the_trained_model_everything_stays_as_it_was_said(trained, changes, registers):
    assert judged(training(model_name="late", **trained), **changes)[1:] == registers


def test_a_file_of_parameters_by_hand_waits_for_the_gate_too():
    values = json.loads(PipelineParams.of([training()], run_id="r-1").to_json())
    stage = {"input_path": "data/held-out", "model": "models/model/r-1", "gate": {"min_auc": 0.7}}
    values["stages"].append({"job_type": "evaluation", "params": stage})
    assert [one.register for one in PipelineParams.from_json(json.dumps(values)).jobs()] == [False, True]


def test_the_model_just_trained_is_not_compared_with_itself():
    found = problems(lambda: judged(training(), gate={}, compare_with="latest"))
    assert len(found) == 1
    assert found[0].startswith("stages[1].evaluation.compare_with: latest is the very model that is evaluated")
    assert judged(training(register=False), gate={}, compare_with="latest")


def test_inputs_are_those_that_no_earlier_stage_writes():
    predicted = PredictionParams(run_id="r-1", input_path="data/new", output_path="out")
    params = PipelineParams.of([predicted, training(input_path="out/part=1"), evaluation()], run_id="r-1")
    assert params.inputs() == ("data/new", "data/held-out")


def test_every_problem_names_its_stage():
    good = PipelineParams.of([training(), evaluation()], run_id="r-1")
    values = json.loads(good.to_json())
    values["stages"][0]["params"]["test_size"] = 2
    values["stages"][1]["params"]["modle"] = "x"
    values["stages"].append({"job_type": "training", "params": {}, "more": 1})
    values["stages"].append({"job_type": "custom"})
    found = problems(lambda: PipelineParams.from_json(json.dumps(values)))
    assert found[0].startswith("stages[0].training.test_size: 2.0 must lie")
    assert found[1].startswith("stages[1].evaluation.modle: is not a parameter (did you mean model?)")
    assert found[2] == "stages[2].more: is not known"
    assert found[3] == "stages[2].job_type: 'training' stands there twice (keep one)"
    assert found[4].startswith("stages[3].job_type: 'custom' is not a stage")
    assert len(found) == 5
    assert problems(lambda: PipelineParams(run_id="r-1", stages=())) == ["stages: is empty (one stage at least)"]


def test_names_of_stages():
    every = (JobType.DATA_PROCESSING, JobType.TRAINING, JobType.EVALUATION, JobType.PREDICTION)
    assert stage_types(None) == every
    assert stage_types(["prediction", "etl"]) == (JobType.PREDICTION, JobType.DATA_PROCESSING)
    assert problems(lambda: stage_types([]))[0].startswith("job.stages: is empty")
    assert problems(lambda: stage_types("training"))[0].startswith("job.stages: 'training' is not a list")
    found = problems(lambda: stage_types(["trainin", "pipeline", "etl", "data_processing"]))
    assert found == [
        "job.stages[0]: 'trainin' is not a stage (did you mean training?)",
        "job.stages[1]: 'pipeline' is not a stage (known: data_processing, training, evaluation, prediction)",
        "job.stages[3]: 'data_processing' stands there twice (keep one)",
    ]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"experiment": "x"}, ["mlflow.tracking_uri: is missing"]),
        ({"tracking_uri": "mlruns"}, ["mlflow.tracking_uri: 'mlruns' names no server"]),
        ({"tracking_uri": "http://"}, ["mlflow.tracking_uri: 'http://' names no server"]),
        ({"tracking_uri": "http://u:p@m:5000"}, ["mlflow.tracking_uri: holds a name, password or token"]),
        ({"tracking_uri": "http://[m"}, ["mlflow.tracking_uri: 'http://[m' is not an address"]),
        ({"tracking_uri": 5}, ["mlflow.tracking_uri: 5 is not an address"]),
        ({"tracking_uri": "http://u@m:5000"}, ["mlflow.tracking_uri: holds a name, password or token"]),
        ({"tracking_uri": "http://m/?token=u:p@m"}, ["mlflow.tracking_uri: holds a name, password or token"]),
        (
            {"tracking_uri": "http://m", "experimnt": "x", "log_model": "yes", "experiment": "", "tags": ["a"]},
            [
                "mlflow.experimnt: is not known (did you mean experiment?)",
                "mlflow.experiment: '' is not a name",
                "mlflow.tags: ['a'] is not a mapping",
                "mlflow.log_model: 'yes' is not true or false",
            ],
        ),
        (
            {"tracking_uri": "http://m", "tags": {"run_id": "x", "team": {"a": 1}}},
            ["mlflow.tags.run_id: is set by the job itself", "mlflow.tags.team: {'a': 1} is not a plain value"],
        ),
    ],
)
def test_what_is_wrong_with_tracking(section, said):
    found = problems(lambda: training(mlflow=section))
    assert len(found) == len(said)
    assert all(line.startswith(wanted) for line, wanted in zip(found, said, strict=True))
    assert not any("u:p@m" in line for line in found)


@pytest.mark.parametrize("uri", ["http://mlflow:5000", "https://m/x", "databricks", "file:///runs", "sqlite:///r.db"])
def test_addresses_of_tracking(uri):
    assert training(mlflow={"tracking_uri": uri, "tags": {"team": "ml", "n": 1}, "log_model": True}).mlflow
