"""The parameters of the prediction job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.artifacts import METRICS_FILE, model_reference, reference_problem
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.params import Params, param
from ml_pipeline_framework.contract.values import not_empty, within


@dataclass(frozen=True, kw_only=True)
class PredictionParams(Params):
    """What one prediction run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.PREDICTION
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("input_path",)
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("output_path", "metrics_path")
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "output_path", "metrics_path", "models_path")
    NEEDS: ClassVar[tuple[str, ...]] = ("numpy",)
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({})

    input_path: str = param(
        "text", "the rows to score", section="data_config", key="prediction_input_path", check=not_empty
    )
    output_path: str = param(
        "text", "where the predictions go", section="data_config", key="predictions_output_path", check=not_empty
    )
    model: str = param(
        "text",
        "name@version, name (its latest) or path of the model; default model_name",
        default="",
        section="job",
        check=reference_problem,
    )
    model_name: str = param("text", "folder of the model", default="model", section="model_config")
    models_path: str = param("text", "folder of all models", default="models", section="job")
    metrics_path: str = param(
        "text", "where the report goes; default metrics/prediction/<run_id>/metrics.json", default=""
    )
    batch_size: int = param(
        "integer", "rows per batch of a Python model", default=10_000, section="job", check=within(1, 10_000_000)
    )
    output_compression: str = param("text", "codec of what is written", default="zstd", section="job")

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        derived: dict[str, Any] = {}
        if not values["model"]:
            derived["model"] = values["model_name"]
        if not values["metrics_path"]:
            derived["metrics_path"] = f"metrics/prediction/{values['run_id']}/{METRICS_FILE}"
        return derived

    def with_paths(self, qualify: Callable[[str], str]) -> PredictionParams:
        """As the base class; a model that is named by its path counts as a path."""
        found = super().with_paths(qualify)
        reference = model_reference(self.model)
        return replace(found, model=qualify(self.model)) if reference.path else found
