"""All job types' parameters, and what their fields say of the configuration: every key, and its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from ml_pipeline_framework.contract.data_processing import DataProcessingParams
from ml_pipeline_framework.contract.evaluation import EvaluationParams
from ml_pipeline_framework.contract.job_types import JobType
from ml_pipeline_framework.contract.params import Params
from ml_pipeline_framework.contract.pipeline import PipelineParams
from ml_pipeline_framework.contract.prediction import PredictionParams
from ml_pipeline_framework.contract.training import TrainingParams

PARAMS: Mapping[JobType, type[Params]] = MappingProxyType(
    {
        kind.job_type: kind
        for kind in (DataProcessingParams, TrainingParams, EvaluationParams, PredictionParams, PipelineParams)
    }
)


def _keys_of(section: str) -> dict[str, str]:
    """Return every key of a section that some job reads, with its line of documentation."""
    keys: dict[str, str] = {}
    for kind in PARAMS.values():
        for one in fields(kind):
            spec = one.metadata["spec"]
            if spec.section == section:
                keys |= dict.fromkeys((spec.key or one.name, *spec.aliases), spec.doc)
    return keys


def _defaults_of(section: str) -> dict[str, object]:
    """Return the defaults of a section's keys, where a default says something."""
    found: dict[str, object] = {}
    for kind in PARAMS.values():
        for one in fields(kind):
            spec = one.metadata["spec"]
            if spec.section == section and isinstance(one.default, (bool, int, float, str)) and one.default != "":
                found |= dict.fromkeys((spec.key or one.name, *spec.aliases), one.default)
    return found


#: Keys of the section ``model_config``, and those of a job type's own section that are parameters of its job.
MODEL_CONFIG_KEYS: Mapping[str, str] = MappingProxyType(_keys_of("model_config"))
JOB_KEYS: Mapping[str, str] = MappingProxyType(_keys_of("job"))
#: Their default values, where these are plain.
MODEL_CONFIG_DEFAULTS: Mapping[str, object] = MappingProxyType(_defaults_of("model_config"))
JOB_DEFAULTS: Mapping[str, object] = MappingProxyType(_defaults_of("job"))
