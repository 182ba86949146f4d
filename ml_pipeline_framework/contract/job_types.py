"""The job types and their names."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from ml_pipeline_framework.contract.problems import ContractError, ParamProblem


class JobType(str, Enum):
    """What can be submitted. ``CUSTOM`` is a user's own script: it has no parameters of ours."""

    TRAINING = "training"
    PREDICTION = "prediction"
    DATA_PROCESSING = "data_processing"
    EVALUATION = "evaluation"
    PIPELINE = "pipeline"
    CUSTOM = "custom"


ALIASES: Mapping[str, JobType] = MappingProxyType(
    {
        "etl": JobType.DATA_PROCESSING,
        "data-processing": JobType.DATA_PROCESSING,
        "model-evaluation": JobType.EVALUATION,
    }
)


def job_type(name: str) -> JobType:
    """Return the job type called `name`: any case, ``-`` as good as ``_``, aliases included.

    Raises
    ------
    ContractError
        For an unknown name; the message lists all names and the nearest one.
    """
    wanted = name.strip().lower().replace("-", "_")
    names = {kind.value: kind for kind in JobType} | {alias.replace("-", "_"): kind for alias, kind in ALIASES.items()}
    if wanted in names:
        return names[wanted]
    import difflib  # for a message; it takes a while to load

    close = difflib.get_close_matches(wanted, list(names), 1, 0.6)
    known = "job types: " + ", ".join([kind.value for kind in JobType] + sorted(ALIASES))
    hint = f"did you mean {close[0]}? {known}" if close else known
    raise ContractError([ParamProblem("job type", f"{name!r} is not a job type", hint)])


def params_file_name(kind: JobType) -> str:
    """Return the name under which a run's parameters reach the container's working directory."""
    return f"{kind.value}-params.json"
