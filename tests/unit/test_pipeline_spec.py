"""``submit -t pipeline``: the parameters of every stage out of one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from batch_submit.errors import ConfigError
from batch_submit.plan.backend_choice import YARN
from batch_submit.plan.command import fingerprint_of
from batch_submit.plan.config import Config, ConfigSources, SourceText, build_config
from batch_submit.plan.identity import RunId
from batch_submit.plan.job_spec import Call, build_spec
from batch_submit.plan.shipped_files import Places
from batch_submit.plan.submission import JobSpec
from ml_pipeline_framework.contract import JobType, PipelineParams

PLACES = Places(cwd="/cwd", config_folder="/conf", job_scripts="/opt/ours/scripts")
CONFIG = """\
model_config:
  model_name: late
  label_column: late
  key_columns: [year, flight]
  seed: 7
data_config:
  training_data_path: data/flights.parquet
  evaluation_data_path: data/evaluation.parquet
  prediction_input_path: "in/{{ ds }}"
  predictions_output_path: "out/{{ ds }}"
mlflow:
  tracking_uri: http://mlflow:5000
job_specific_config:
  pipeline:
    stages: [training, evaluation, prediction]
"""


def pipeline(
    text: str = CONFIG, *rest: str, name: str = "My Job", variables: Mapping[str, str] | None = None
) -> JobSpec:
    def config_of(kind: JobType) -> Config:
        return build_config(
            sources=ConfigSources(SourceText(text, "c.yaml", "/conf")),
            job_type=kind.value,
            env=None,
            profile=None,
            variables=variables or {},
            flags={},
        )

    return build_spec(
        config_of(JobType.PIPELINE),
        Call(JobType.PIPELINE, name, RunId("my-run"), date(2013, 2, 3), rest=rest),
        backend=YARN,
        places=PLACES,
        script=None,
        variables={},
        config_of=config_of,
    )


def stages(spec: JobSpec) -> dict[str, Any]:
    assert isinstance(spec.params, PipelineParams)
    return {one.job_type.value: one for one in spec.params.jobs()}


def refused(text: str, *rest: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        pipeline(text, *rest)
    assert caught.value.next_step
    return list(caught.value.details)


def test_each_stage_is_read_as_if_its_type_were_submitted() -> None:
    spec = pipeline(CONFIG + "  training: {model_config: {seed: 8}, app_args: [--test-size, '0.3']}\n")
    assert spec.script.link == "run_pipeline.py" and spec.arguments == ()
    found = stages(spec)
    assert list(found) == ["training", "evaluation", "prediction"]
    assert {one.run_id for one in found.values()} == {"my-run"}
    assert (found["training"].seed, found["training"].test_size) == (8, 0.3)
    assert found["training"].input_path == "/ml-pipeline/data/flights.parquet"
    assert found["prediction"].output_path == "/ml-pipeline/out/2013-02-03"
    assert found["evaluation"].mlflow == {"tracking_uri": "http://mlflow:5000"}
    assert isinstance(spec.params, PipelineParams)
    assert spec.params.metrics_path == "/ml-pipeline/metrics/pipeline/my-run/metrics.json"
    assert spec.params.state_path == "/ml-pipeline/checkpoints/pipeline/my-run"


def test_the_model_is_handed_on_unless_one_is_named() -> None:
    found = stages(pipeline())
    assert found["training"].model_path == "/ml-pipeline/models/late/my-run"
    assert found["evaluation"].model == found["prediction"].model == "/ml-pipeline/models/late/my-run"
    named = stages(pipeline(CONFIG + "  prediction: {model: champion@v3}\n"))
    assert (named["evaluation"].model, named["prediction"].model) == ("/ml-pipeline/models/late/my-run", "champion@v3")
    alone = stages(pipeline(CONFIG.replace("[training, evaluation, prediction]", "[prediction]")))
    assert alone["prediction"].model == "late"


def test_a_gate_decides_what_becomes_the_latest() -> None:
    gated = CONFIG + "  evaluation: {gate: {min_auc: 0.7, max_regression: 0.01}, compare_with: latest}\n"
    found = stages(pipeline(gated))
    assert (found["training"].register, found["evaluation"].register) == (False, True)
    kept = stages(pipeline(gated.replace("  seed: 7\n", "  register: false\n")))
    assert (kept["training"].register, kept["evaluation"].register) == (False, False)
    named = stages(pipeline(gated.replace("compare_with: latest", "compare_with: latest, model: late")))
    assert named["evaluation"].model == named["training"].model_path and named["evaluation"].register
    assert stages(pipeline())["training"].register
    lines = refused(CONFIG + "  evaluation: {compare_with: latest}\n")
    assert len(lines) == 1 and "job.stages[1].evaluation.compare_with: latest is the very model" in lines[0]


def test_what_another_gate_changes_is_one_line() -> None:
    one, other = (
        fingerprint_of(pipeline(CONFIG + f"  evaluation: {{gate: {{min_auc: {limit}}}}}\n"), "")
        for limit in (0.7, 0.65)
    )
    assert other.difference(one.parts) == ["params.stages[1].params.gate.min_auc: 0.7 -> 0.65"]


def test_all_four_stages_when_none_are_named_and_their_order_is_kept() -> None:
    reordered = pipeline(CONFIG.replace("[training, evaluation, prediction]", "[prediction, training]"))
    assert list(stages(reordered)) == ["prediction", "training"]
    assert stages(reordered)["prediction"].model == "late"  # nothing was trained before it


def test_stages_that_are_none_are_named_with_their_place() -> None:
    lines = refused(CONFIG.replace("[training, evaluation, prediction]", "[trainin, custom, evaluation, evaluation]"))
    assert [line.split(": ", 2)[:2] for line in lines] == [
        ["c.yaml:15", "job.stages[0]"],
        ["c.yaml:15", "job.stages[1]"],
        ["c.yaml:15", "job.stages[3]"],
    ]
    assert "did you mean training?" in lines[0] and "twice" in lines[2]


def test_problems_of_all_stages_come_at_once_and_name_the_stage() -> None:
    text = CONFIG.replace("  seed: 7\n", "  test_size: 2\n").replace('  prediction_input_path: "in/{{ ds }}"\n', "")
    lines = refused(text + "  evaluation: {model: 'a b'}\n", "--seed", "3")
    assert any(line.startswith("c.yaml:5: training: model_config.test_size: ") for line in lines)
    assert any(line.startswith("c.yaml:15: evaluation: job.model: ") for line in lines)
    assert any(line.startswith("prediction: data_config.prediction_input_path: is missing") for line in lines)
    assert any("--seed: is not a flag of this job" in line for line in lines)
    assert len(lines) == 4


def test_a_wrong_key_of_tracking_is_named_as_it_was_written() -> None:
    lines = refused(CONFIG.replace("http://mlflow:5000", "mlruns"))
    assert all("c.yaml:12: " in line and "mlflow.tracking_uri: 'mlruns' names no server" in line for line in lines)


def test_a_stage_can_not_be_a_script_of_the_users() -> None:
    lines = refused(CONFIG + "  evaluation: {script: mine.py}\n")
    assert lines == ["c.yaml:16: job_specific_config.evaluation.script"]


def test_what_the_pipelines_own_section_says_comes_last_but_for_variables() -> None:
    own = CONFIG + "    model_config: {seed: 9}\n"
    assert stages(pipeline(own + "  training: {model_config: {seed: 8}}\n"))["training"].seed == 9
    assert stages(pipeline(own, variables={"BATCH_SUBMIT_MODEL_CONFIG__SEED": "10"}))["training"].seed == 10


def test_a_prediction_in_a_pipeline_keeps_its_time_limit_itself() -> None:
    spec = pipeline(CONFIG + "  prediction: {prediction_timeout: 90m}\n")
    assert stages(spec)["prediction"].timeout_s == 5400
    assert spec.timeout_s is None


def test_files_of_the_stages_travel_once_and_their_spark_properties_do_not() -> None:
    spec = pipeline(
        CONFIG
        + "  training: {additional_py_files: [lib/a.py], custom_spark_conf: {spark.task.maxFailures: 8}}\n"
        + "  prediction: {additional_py_files: [lib/a.py, lib/b.py]}\n"
    )
    assert [one.path for one in spec.py_files] == ["/conf/lib/a.py", "/conf/lib/b.py"]
    assert "spark.task.maxFailures" not in spec.conf
    assert any(one.startswith("spark.task.maxFailures (c.yaml:16): for -t training alone") for one in spec.notices)


def test_inputs_that_an_earlier_stage_writes_are_not_looked_for() -> None:
    params = pipeline().params
    assert params is not None
    assert params.inputs() == (
        "/ml-pipeline/data/flights.parquet",
        "/ml-pipeline/data/evaluation.parquet",
        "/ml-pipeline/in/2013-02-03",
    )
    text = CONFIG.replace("[training, evaluation, prediction]", "[prediction, training]")
    again = pipeline(text.replace("data/flights.parquet", "out/2013-02-03")).params
    assert again is not None and again.inputs() == ("/ml-pipeline/in/2013-02-03",)


def test_the_label_of_a_run_is_no_part_of_its_fingerprint() -> None:
    assert fingerprint_of(pipeline(), "").digest == fingerprint_of(pipeline(name="other"), "").digest
    assert fingerprint_of(pipeline(), "").digest != fingerprint_of(pipeline(CONFIG.replace("7", "8")), "").digest
