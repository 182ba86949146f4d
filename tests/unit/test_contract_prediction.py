"""The parameters of the prediction job: everything wrong is said on the edge, at once, with its key and a remedy."""

from __future__ import annotations

import pytest

from ml_pipeline_framework.contract import ContractError, PredictionParams
from ml_pipeline_framework.contract.output_formats import CODECS
from ml_pipeline_framework.contract.units import duration_s, size_bytes

DEFAULTS = {"run_id": "nightly-1", "name": "nightly"}
DATA = {"prediction_input_path": "new", "predictions_output_path": "predictions/dt=2026-11-21"}


def made(flags=(), data=None, **job):
    sections = {"model_config": {"model_name": "churn"}, "data_config": data or DATA, "job": job}
    return PredictionParams.from_config(sections, defaults=DEFAULTS, flags=flags)


def problems(**given):
    with pytest.raises(ContractError) as caught:
        made(**given)
    return {one.key: str(one) for one in caught.value.problems}


def test_defaults():
    params = made()
    assert (params.model, params.metrics_path) == ("churn", "metrics/prediction/nightly-1/metrics.json")
    assert (params.output_format, params.codec, params.drift, params.batch_size) == (
        "parquet",
        "zstd",
        "sample",
        10_000,
    )
    assert params.timeout_s is None and params.target_file_bytes == 128 << 20 and not params.keeps_all
    assert PredictionParams.from_json(params.to_json()) == params


def test_a_model_outside_spark_needs_more_on_the_nodes():
    assert made().needs() == ("numpy",)
    assert made(model="models/m.joblib", model_format="sklearn").needs() == ("numpy", "pyarrow", "joblib", "sklearn")


def test_as_written_in_yaml():
    params = made(
        keep_columns="all",
        prediction_timeout="1h30m",
        output_format="CSV",
        output_partition_by="dt",
        target_file_size="256MB",
        threshold=0,
        drift=False,
        model="late@v3",
    )
    assert params.keeps_all and params.output_partition_by == ("dt",)
    assert (params.codec, params.timeout_s, params.target_file_bytes) == ("gzip", 5400.0, 256 << 20)
    assert params.threshold == 0.0 and params.drift is False
    assert PredictionParams.from_json(params.to_json()) == params


def test_flags_beat_the_configuration():
    flags = ["--input-path", "other", "--output-path=p", "--model", "m@v2", "--threshold", "0.4", "--drift", "true"]
    params = made(flags=[*flags, "--keep-columns", "a,b"], threshold=0.9, model="x")
    assert (params.input_path, params.output_path, params.model) == ("other", "p", "m@v2")
    assert (params.threshold, params.drift, params.keep_columns) == (0.4, True, ("a", "b"))


def test_everything_wrong_at_once():
    said = problems(
        bach_size=5,
        batch_size=0,
        prediction_timeout="90",
        target_file_size="128",
        threshold=1.5,
        drift="maybe",
        output_format="orcc",
        keep_columns=["all", "b"],
        output_prefix="new-",
        model_format="sklern",
    )
    assert set(said) == {
        *("job.bach_size", "job.batch_size", "job.prediction_timeout", "job.target_file_size", "job.threshold"),
        *("job.drift", "job.output_format", "job.keep_columns", "job.output_prefix", "job.model_format"),
    }
    assert "did you mean batch_size?" in said["job.bach_size"]
    assert "write 90s, 90m or 90h" in said["job.prediction_timeout"]
    assert "write 128m or 128g" in said["job.target_file_size"]
    assert "did you mean orc?" in said["job.output_format"]
    assert "did you mean sklearn?" in said["job.model_format"]


@pytest.mark.parametrize("format", CODECS)
@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "lz4", "bzip2", "none", "uncompressed", "brotli"])
def test_codecs_belong_to_their_format(format, codec):
    stored = "none" if codec == "uncompressed" else codec
    if stored in CODECS[format]:
        assert made(output_format=format, output_compression=codec.upper()).codec == stored
    else:
        said = problems(output_format=format, output_compression=codec)["job.output_compression"]
        assert f"is not a codec for {format} (use {', '.join(CODECS[format])}" in said


@pytest.mark.parametrize(
    ("job", "key", "said"),
    [
        ({"model": "models/m.joblib"}, "job.model", "set model_format: sklearn; a pickle runs code"),
        ({"model_format": "sklearn"}, "job.model", "is missing"),
        ({"model_format": "sklearn", "model": "m.joblib"}, "job.model", "is not the path of such a file"),
        ({"model_format": "sklearn", "model": "churn@v1"}, "job.model", "is not the path of such a file"),
        ({"feature_columns": ["a"]}, "job.feature_columns", "is for model_format: sklearn"),
        ({"model": "churn@"}, "job.model", "neither name@version"),
    ],
)
def test_kinds_of_models(job, key, said):
    assert said in problems(**job)[key]


@pytest.mark.parametrize(
    ("read", "written"),
    [("new", "new"), ("new", "new/"), ("new", "new/predictions"), ("data/new", "data"), ("new", "")],
)
def test_the_result_does_not_lie_in_the_input(read, written):
    said = problems(data={"prediction_input_path": read, "predictions_output_path": written})
    assert list(said) == ["data_config.predictions_output_path"]
    assert ("is empty" if written == "" else "lie in one another") in said["data_config.predictions_output_path"]


def test_places_with_one_beginning_are_two_places():
    assert made(data={"prediction_input_path": "new", "predictions_output_path": "new-predictions"})


def test_paths_are_qualified_and_names_are_not():
    moved = made(model="models/m/v1").with_paths(lambda path: f"hdfs:///{path}")
    assert moved.model == "hdfs:///models/m/v1" and moved.output_path == "hdfs:///predictions/dt=2026-11-21"
    assert made(model="churn@v1").with_paths(lambda path: f"hdfs:///{path}").model == "churn@v1"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("500ms", 0.5), ("2 d", 172_800), ("1H", 3600), ("5min", 300)]
)
def test_durations(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "1.5h", "h", "0s", "-1h", "1w", "1h30"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="write"):
        duration_s(text)


@pytest.mark.parametrize(
    ("text", "size"), [("128m", 128 << 20), ("1g", 1 << 30), ("2GB", 2 << 30), ("512 k", 512 << 10)]
)
def test_sizes(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "128", "1.5g", "m", "-1m", "12x"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="write"):
        size_bytes(text)
