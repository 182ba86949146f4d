"""The one door between the edge program and the jobs: job types, their parameters, the names of what they write.

The edge checks a configuration here before anything is launched, so that a misspelt parameter fails in a second and not
after ten minutes in a queue; the job reads the very same parameters in the cluster. Standard library only: the edge has
no Spark, and the nodes have nothing of the edge. What is not listed in ``__all__`` does not cross.

Each name is loaded when it is first asked for (PEP 562): a script of the user's own needs none of the jobs' parameters,
and loading them all takes a tenth of a submission over REST.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from ml_pipeline_framework.contract.catalogue import (
        JOB_DEFAULTS,
        JOB_KEYS,
        MODEL_CONFIG_DEFAULTS,
        MODEL_CONFIG_KEYS,
        PARAMS,
    )
    from ml_pipeline_framework.contract.data_processing import DataProcessingParams
    from ml_pipeline_framework.contract.evaluation import EvaluationParams
    from ml_pipeline_framework.contract.hyperparameters import Hyperparameter
    from ml_pipeline_framework.contract.job_types import ALIASES, JobType, job_type, params_file_name
    from ml_pipeline_framework.contract.params import SCHEMA_VERSION, Params
    from ml_pipeline_framework.contract.pipeline import PipelineParams, handed_on, stage_types
    from ml_pipeline_framework.contract.prediction import PredictionParams
    from ml_pipeline_framework.contract.problems import ContractError, ParamProblem
    from ml_pipeline_framework.contract.training import TrainingParams

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

_MODULES = {
    "algorithms": ("ALGORITHMS",),
    "artifacts": (
        "GIT_REVISION_KEY",
        "LATEST",
        "LATEST_FILE",
        "MANIFEST_FILE",
        "METADATA_FILE",
        "METRICS_FILE",
        "PIPELINE_FOLDER",
        "ModelReference",
        "model_reference",
    ),
    "data_processing": ("DataProcessingParams",),
    "evaluation": ("EvaluationParams",),
    "hyperparameters": ("Hyperparameter",),
    "job_types": (
        "ALIASES",
        "JobType",
        "job_type",
        "params_file_name",
    ),
    "params": (
        "SCHEMA_VERSION",
        "Params",
    ),
    "pipeline": (
        "PipelineParams",
        "handed_on",
        "stage_types",
    ),
    "prediction": ("PredictionParams",),
    "problems": (
        "ContractError",
        "ParamProblem",
    ),
    "training": ("TrainingParams",),
    "catalogue": (
        "JOB_DEFAULTS",
        "JOB_KEYS",
        "MODEL_CONFIG_DEFAULTS",
        "MODEL_CONFIG_KEYS",
        "PARAMS",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load the module of a name."""
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value
