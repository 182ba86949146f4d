"""The parameters of the data processing job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ml_pipeline_framework.contract.artifacts import METRICS_FILE
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.params import Params, param


@dataclass(frozen=True, kw_only=True)
class DataProcessingParams(Params):
    """What one data processing run is told. Paths are used in the job as they stand here."""

    job_type: ClassVar[JobType] = JobType.DATA_PROCESSING
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("metrics_path",)
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("metrics_path",)

    steps: tuple[Mapping[str, object], ...] = param("mappings", "what is done, in order", default=(), section="job")
    metrics_path: str = param(
        "text", "where the report goes; default metrics/data_processing/<run_id>/metrics.json", default=""
    )

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        if values["metrics_path"]:
            return {}
        return {"metrics_path": f"metrics/data_processing/{values['run_id']}/{METRICS_FILE}"}
