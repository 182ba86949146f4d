"""What evaluation and prediction have in common: they name a model, and write a report of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from ml_pipeline_framework.contract.artifacts import METRICS_FILE, model_reference, reference_problem
from ml_pipeline_framework.contract.params import Params, param
from ml_pipeline_framework.contract.values import matching, not_empty

M = TypeVar("M", bound="ModelUserParams")


@dataclass(frozen=True, kw_only=True)
class ModelUserParams(Params):
    """Parameters of a job that reads a stored model."""

    NEEDS: ClassVar[tuple[str, ...]] = ("numpy",)  # pyspark.ml imports it in the driver
    #: Parameters that name a model; one that is a path is qualified like any other.
    MODEL_FIELDS: ClassVar[tuple[str, ...]] = ("model",)

    model: str = param(
        "text",
        "name@version, name (its latest) or path of the model; default model_name",
        default="",
        section="job",
        check=reference_problem,
    )
    model_name: str = param(
        "text",
        "folder of the model",
        default="model",
        section="model_config",
        check=matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name for a folder (letters, digits, . _ -)"),
    )
    models_path: str = param("text", "folder of all models", default="models", section="job", check=not_empty)
    metrics_path: str = param(
        "text", "where the report goes; default metrics/<job type>/<run_id>/metrics.json", default=""
    )

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        derived: dict[str, Any] = {}
        if not values["model"]:
            derived["model"] = values["model_name"]
        if not values["metrics_path"]:
            derived["metrics_path"] = f"metrics/{cls.job_type.value}/{values['run_id']}/{METRICS_FILE}"
        return derived

    def with_paths(self: M, qualify: Callable[[str], str]) -> M:
        """As the base class; models that are named by their path count as paths."""
        named = {name: getattr(self, name) for name in self.MODEL_FIELDS}
        paths: dict[str, Any] = {
            name: qualify(text) for name, text in named.items() if text and model_reference(text).path
        }
        return replace(super().with_paths(qualify), **paths)
