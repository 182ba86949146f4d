"""The one door between the edge program and the jobs: job types, their parameters, the names of what they write.

The edge checks a configuration here before anything is launched, so that a misspelt parameter fails in a second and not
after ten minutes in a queue; the job reads the very same parameters in the cluster. Standard library only: the edge has
no Spark, and the nodes have nothing of the edge. What is not listed in ``__all__`` does not cross.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType

from ml_pipeline_framework.contract.job_types import ALIASES, JobType, job_type, params_file_name
from ml_pipeline_framework.contract.params import SCHEMA_VERSION, Params
from ml_pipeline_framework.contract.problems import ContractError, ParamProblem
from ml_pipeline_framework.contract.training import (
    ALGORITHMS,
    METRICS_FILE,
    RUN_FILE,
    Hyperparameter,
    TrainingParams,
)

__all__ = [
    "ALGORITHMS",
    "ALIASES",
    "FRAMEWORK_VERSION",
    "METRICS_FILE",
    "MODEL_CONFIG_KEYS",
    "PARAMS",
    "RUN_FILE",
    "SCHEMA_VERSION",
    "ContractError",
    "Hyperparameter",
    "JobType",
    "ParamProblem",
    "Params",
    "TrainingParams",
    "job_type",
    "params_file_name",
]

#: The version of the shipped package; edge and cluster compare it by what they find in records and metrics.
FRAMEWORK_VERSION = "0.1.0"

PARAMS: Mapping[JobType, type[Params]] = MappingProxyType({JobType.TRAINING: TrainingParams})


def _keys_of(section: str) -> dict[str, str]:
    """Return every key of a section that some job reads, with its line of documentation."""
    keys: dict[str, str] = {}
    for kind in PARAMS.values():
        docs = {one.name: one.metadata["spec"].doc for one in fields(kind)}
        keys |= {key: docs[name] for key, name in kind.places()[section].items()}
    return keys


MODEL_CONFIG_KEYS: Mapping[str, str] = MappingProxyType(_keys_of("model_config"))
