"""The parameters of the evaluation job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.artifacts import METRICS_FILE, model_reference, reference_problem
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.params import Params, param
from ml_pipeline_framework.contract.values import not_empty


@dataclass(frozen=True, kw_only=True)
class EvaluationParams(Params):
    """What one evaluation run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.EVALUATION
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("input_path",)
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("metrics_path",)
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("input_path", "metrics_path", "models_path")
    NEEDS: ClassVar[tuple[str, ...]] = ("numpy",)
    FLAG_ALIASES: ClassVar[Mapping[str, str]] = MappingProxyType({})

    input_path: str = param(
        "text", "labelled rows to measure on", section="data_config", key="evaluation_data_path", check=not_empty
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
        "text", "where the report goes; default metrics/evaluation/<run_id>/metrics.json", default=""
    )
    gate: Mapping[str, object] = param(
        "mapping", "conditions that must hold, such as min_auc: 0.7; one that fails is the run's failure", section="job"
    )

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        derived: dict[str, Any] = {}
        if not values["model"]:
            derived["model"] = values["model_name"]
        if not values["metrics_path"]:
            derived["metrics_path"] = f"metrics/evaluation/{values['run_id']}/{METRICS_FILE}"
        return derived

    def with_paths(self, qualify: Callable[[str], str]) -> EvaluationParams:
        """As the base class; a model that is named by its path counts as a path."""
        found = super().with_paths(qualify)
        reference = model_reference(self.model)
        return replace(found, model=qualify(self.model)) if reference.path else found
