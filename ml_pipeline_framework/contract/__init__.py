"""The one door between the edge program and the jobs: job types, their parameters, the names of what they write.

The edge checks a configuration here before anything is launched, so that a misspelt parameter fails in a second and not
after ten minutes in a queue; the job reads the very same parameters in the cluster. Standard library only: the edge has
no Spark, and the nodes have nothing of the edge. What is not listed in ``__all__`` does not cross.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from ml_pipeline_framework.contract.algorithms import ALGORITHMS
from ml_pipeline_framework.contract.artifacts import (
    GIT_REVISION_KEY,
    LATEST,
    LATEST_FILE,
    MANIFEST_FILE,
    METADATA_FILE,
    METRICS_FILE,
    PIPELINE_FOLDER,
    ModelReference,
    model_reference,
)
from ml_pipeline_framework.contract.data_processing import DataProcessingParams
from ml_pipeline_framework.contract.evaluation import EvaluationParams
from ml_pipeline_framework.contract.hyperparameters import Hyperparameter
from ml_pipeline_framework.contract.job_types import ALIASES, JobType, job_type, params_file_name
from ml_pipeline_framework.contract.params import SCHEMA_VERSION, Params
from ml_pipeline_framework.contract.pipeline import PipelineParams, handed_on, stage_types
from ml_pipeline_framework.contract.prediction import PredictionParams
from ml_pipeline_framework.contract.problems import ContractError, ParamProblem
from ml_pipeline_framework.contract.training import (
    TrainingParams,
)

__all__ = [
    "ALGORITHMS",
    "ALIASES",
    "FRAMEWORK_VERSION",
    "GIT_REVISION_KEY",
    "JOB_DEFAULTS",
    "JOB_KEYS",
    "LATEST",
    "LATEST_FILE",
    "MANIFEST_FILE",
    "METADATA_FILE",
    "METRICS_FILE",
    "MODEL_CONFIG_DEFAULTS",
    "MODEL_CONFIG_KEYS",
    "PARAMS",
    "PIPELINE_FOLDER",
    "SCHEMA_VERSION",
    "ContractError",
    "DataProcessingParams",
    "EvaluationParams",
    "Hyperparameter",
    "JobType",
    "ModelReference",
    "ParamProblem",
    "Params",
    "PipelineParams",
    "PredictionParams",
    "TrainingParams",
    "handed_on",
    "job_type",
    "model_reference",
    "params_file_name",
    "stage_types",
]

#: The version of the shipped package; edge and cluster compare it by what they find in records and metrics.
FRAMEWORK_VERSION = "0.1.0"

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
