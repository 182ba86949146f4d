"""The parameters of the prediction job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.model_user import ModelUserParams
from ml_pipeline_framework.contract.output_formats import codec_or_default, codec_problem, format_problem
from ml_pipeline_framework.contract.params import param
from ml_pipeline_framework.contract.problems import ParamProblem, nearest
from ml_pipeline_framework.contract.units import duration_problem, duration_s, size_bytes, size_problem
from ml_pipeline_framework.contract.values import matching, not_empty, within

SPARK, SKLEARN = "spark", "sklearn"
ALL = "all"
#: How a scikit-learn model's file may be called; only such a file is ever unpickled.
PICKLES = (".joblib", ".pkl", ".pickle")
SAMPLE = "sample"


def _model_format_problem(name: str) -> str:
    return (
        ""
        if name.lower() in (SPARK, SKLEARN)
        else f"{name!r} is not a kind of model ({nearest(name, (SPARK, SKLEARN))})"
    )


def _drift_problem(value: object) -> str:
    good = isinstance(value, bool) or value == SAMPLE
    return "" if good else f"{value!r} is neither true, false nor {SAMPLE}"


def _target_problem(text: str) -> str:
    return size_problem(text) or within(1 << 20, 1 << 40)(size_bytes(text))


@dataclass(frozen=True, kw_only=True)
class PredictionParams(ModelUserParams):
    """What one prediction run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.PREDICTION
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("input_path",)
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("output_path", "metrics_path")
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "output_path", "metrics_path", "models_path")
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({})

    input_path: str = param(
        "text", "the rows to score", section="data_config", key="prediction_input_path", check=not_empty
    )
    output_path: str = param(
        "text", "where the predictions go", section="data_config", key="predictions_output_path", check=not_empty
    )
    model_format: str = param(
        "text",
        "spark, or sklearn: a .joblib or .pkl file, whose code runs when it is loaded",
        default=SPARK,
        section="job",
        check=_model_format_problem,
    )
    feature_columns: tuple[str, ...] = param(
        "texts",
        "the columns that an sklearn model reads, in order; default what the model itself says",
        default=(),
        section="job",
    )
    keep_columns: tuple[str, ...] = param(
        "texts",
        "columns of the input to keep beside the prediction, or all; default the key columns of the training",
        default=(),
        section="job",
    )
    output_prefix: str = param(
        "text",
        "put before the names of the columns that the job adds, when the input has such columns",
        default="",
        section="job",
        check=matching(r"[A-Za-z_][A-Za-z0-9_]{0,40}", "a prefix of letters, digits and _"),
    )
    provenance: bool = param("flag", "add the columns model_version and run_id", default=False, section="job")
    threshold: float | None = param(
        "number",
        "probability from which a row counts as positive; default the one that the training chose",
        default=None,
        section="job",
        check=within(0, 1),
    )
    batch_size: int = param(
        "integer",
        "rows per batch that a Python model gets; no effect on Spark models",
        default=10_000,
        section="job",
        check=within(1, 10_000_000),
    )
    prediction_timeout: str = param(
        "text",
        "longest time the job may take, such as 1h; then it ends with an error",
        default="",
        check=duration_problem,
    )
    output_format: str = param(
        "text", "parquet, orc, csv or json", default="parquet", section="job", check=format_problem
    )
    output_compression: str = param(
        "text", "codec of what is written; default zstd, for csv and json gzip", default="", section="job"
    )
    output_partition_by: tuple[str, ...] = param(
        "texts", "columns that become folders column=value of the output", default=(), section="job"
    )
    target_file_size: str = param(
        "text", "size of file to aim at, such as 128m", default="128m", section="job", check=_target_problem
    )
    overwrite: bool = param("flag", "replace what another run left at the output path", default=False, section="job")
    drift: object = param(
        "scalar",
        "compare the input with the training data: sample (about 100,000 rows), true (all rows) or false",
        default=SAMPLE,
        section="job",
        check=_drift_problem,
    )

    # What follows from them -------------------------------------------------------------------------------------------

    @property
    def codec(self) -> str:
        """The codec to write with."""
        return codec_or_default(self.output_format, self.output_compression)

    @property
    def timeout_s(self) -> float | None:
        """The job's time limit in seconds; None without one."""
        return duration_s(self.prediction_timeout) if self.prediction_timeout else None

    @property
    def target_file_bytes(self) -> int:
        """The size of file to aim at."""
        return size_bytes(self.target_file_size)

    @property
    def keeps_all(self) -> bool:
        """Whether every column of the input is kept."""
        return self.keep_columns == (ALL,)

    # Reading ----------------------------------------------------------------------------------------------------------

    @classmethod
    def _checked(
        cls, values: Mapping[str, object], label: Callable[[str], str]
    ) -> tuple[dict[str, Any], list[ParamProblem]]:
        """As the base class; where a list of columns is wanted, one name (``keep_columns: all``) is such a list."""
        lists = ("keep_columns", "output_partition_by", "feature_columns")
        alone = {name: [values[name]] for name in lists if isinstance(values.get(name), str) and values[name]}
        return super()._checked({**values, **alone}, label)

    @classmethod
    def _normalise(cls, values: dict[str, Any]) -> None:
        for name in ("output_format", "output_compression", "model_format"):
            if isinstance(values.get(name), str):
                values[name] = values[name].lower()
        if values.get("output_compression") == "uncompressed":
            values["output_compression"] = "none"

    def needs(self) -> tuple[str, ...]:
        """As the base class, and what a model outside Spark is loaded and fed with."""
        return (*self.NEEDS, "pyarrow", "joblib", "sklearn") if self.model_format == SKLEARN else self.NEEDS

    @classmethod
    def _across(cls, values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
        return [
            *_model_problems(values, label),
            *_column_problems(values, label),
            *_place_problems(values, label),
            *_codec_problems(values, label),
        ]


def _model_problems(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    """A pickle is code: it is loaded only when both the format and the file's name say so."""
    model, kind = values.get("model"), values.get("model_format")
    problems = []
    if kind == SKLEARN and model is not None and not (model.endswith(PICKLES) and "/" in model):
        said = f"{model!r} is not the path of such a file" if model else "is missing"
        problems.append(
            ParamProblem(label("model"), f"{said}, and model_format is {SKLEARN}", "such as models/churn/model.joblib")
        )
    if kind == SPARK and model is not None and model.endswith(PICKLES):
        hint = f"set model_format: {SKLEARN}; a pickle runs code when it is loaded, so load only files that you trust"
        problems.append(ParamProblem(label("model"), f"{model!r} is a pickled model", hint))
    if kind == SPARK and values.get("feature_columns"):
        hint = "leave it out: the model's metadata.json says what it reads"
        problems.append(ParamProblem(label("feature_columns"), f"is for model_format: {SKLEARN}", hint))
    return problems


def _column_problems(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    kept = values.get("keep_columns", ())
    if ALL in kept and len(kept) > 1:
        hint = f"write keep_columns: {ALL}, or name the columns"
        return [ParamProblem(label("keep_columns"), f"names columns beside {ALL}", hint)]
    return []


def _place_problems(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    """The result must not lie in what is read, nor around it: a reader would take the one for the other."""
    read, written = (str(values.get(name) or "").rstrip("/") for name in ("input_path", "output_path"))
    if not read or not written:
        return []
    if read == written or _inside(read, written) or _inside(written, read):
        hint = "give another path for one of them"
        return [ParamProblem(label("output_path"), f"{written} and the input {read} lie in one another", hint)]
    return []


def _inside(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _codec_problems(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    form, codec = values.get("output_format"), values.get("output_compression")
    wrong = codec_problem(form, codec) if form and codec else ""
    return [ParamProblem(label("output_compression"), wrong)] if wrong else []
