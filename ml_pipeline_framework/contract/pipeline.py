"""The parameters of the pipeline: several jobs in one application."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

from ml_pipeline_framework.contract.artifacts import LATEST, METRICS_FILE, model_reference
from ml_pipeline_framework.contract.data_processing import DataProcessingParams
from ml_pipeline_framework.contract.evaluation import EvaluationParams
from ml_pipeline_framework.contract.job_types import JobType, job_type
from ml_pipeline_framework.contract.params import SCHEMA_VERSION, Params, param
from ml_pipeline_framework.contract.prediction import PredictionParams
from ml_pipeline_framework.contract.problems import ContractError, ParamProblem, nearest
from ml_pipeline_framework.contract.training import TrainingParams

#: The jobs that a pipeline is made of, in the order that holds when none is given.
STAGE_PARAMS: Mapping[JobType, type[Params]] = MappingProxyType(
    {kind.job_type: kind for kind in (DataProcessingParams, TrainingParams, EvaluationParams, PredictionParams)}
)
#: What a stage takes from its pipeline and not from its own parameters.
_SHARED = ("run_id", "name", "mlflow")
_NAMES = tuple(kind.value for kind in STAGE_PARAMS)


def stage_types(given: object) -> tuple[JobType, ...]:
    """Return the job types of a pipeline as ``job_specific_config.pipeline.stages`` lists them; all four for ``None``.

    Raises
    ------
    ContractError
        Something other than a list of job types, none at all, one that is no stage, one named twice.
    """
    if given is None:
        return tuple(STAGE_PARAMS)
    hint = "a list of job types, such as [training, evaluation]"
    if not isinstance(given, (list, tuple)) or not all(isinstance(one, str) for one in given):
        raise ContractError([ParamProblem("job.stages", f"{given!r} is not {hint}")])
    if not given:
        raise ContractError([ParamProblem("job.stages", "is empty", f"{hint}; leave it out for all four")])
    found: list[JobType] = []
    problems = []
    for position, name in enumerate(given):
        key = f"job.stages[{position}]"
        try:
            kind = job_type(name)
        except ContractError:
            problems.append(ParamProblem(key, f"{name!r} is not a stage", nearest(name, _NAMES)))
            continue
        if kind not in STAGE_PARAMS:
            problems.append(ParamProblem(key, f"{name!r} is not a stage", f"known: {', '.join(_NAMES)}"))
        elif kind in found:
            problems.append(ParamProblem(key, f"{name!r} stands there twice", "keep one"))
        else:
            found.append(kind)
    if problems:
        raise ContractError(problems)
    return tuple(found)


def handed_on(kind: JobType, earlier: Sequence[Params]) -> dict[str, str]:
    """Return what a stage of this type takes from the stages before it, unless it is told otherwise: the model."""
    trained = [one.model_path for one in earlier if isinstance(one, TrainingParams)]
    takes = trained and kind in (JobType.EVALUATION, JobType.PREDICTION)
    return {"model": trained[-1]} if takes else {}


def gated(stages: Sequence[Params]) -> tuple[Params, ...]:
    """Return the stages such that a model which a later gate judges becomes the latest after it, and not before.

    ``register`` moves from the training to the evaluation. Stages that have no part in that stay as they are.
    """
    trained, judge = _judged(stages)
    if trained is None or judge is None or not judge.gate:
        return tuple(stages)
    unregistered = replace(trained, register=False)
    registering = replace(judge, register=True, model=trained.model_path)
    return tuple(unregistered if one is trained else registering if one is judge else one for one in stages)


def _judged(stages: Sequence[Params]) -> tuple[TrainingParams | None, EvaluationParams | None]:
    """Return the training that moves the pointer, and the evaluation of its model after it; None for what is not."""
    trained: TrainingParams | None = None
    for one in stages:
        if isinstance(one, TrainingParams) and one.register:
            trained = one
        elif isinstance(one, EvaluationParams) and trained is not None and _is_about(one, trained):
            return trained, one
    return trained, None


def _too_late(stages: Sequence[Params]) -> tuple[ParamProblem, ...]:
    """Return what is wrong when the last stage compares the model just trained with itself."""
    _, judge = _judged(stages)
    if judge is None or judge is not stages[-1] or judge.gate or judge.compare_with != LATEST:
        return ()
    said = "latest is the very model that is evaluated: without a gate it becomes that when it is trained"
    return (ParamProblem("compare_with", said, "give the evaluation a gate, or compare with previous"),)


def _is_about(judge: EvaluationParams, trained: TrainingParams) -> bool:
    """Whether an evaluation measures what was trained: by its path, or by a name that means it once it is there."""
    folder, version = posixpath.split(trained.model_path.rstrip("/"))
    if posixpath.basename(folder) != trained.model_name:
        return False  # lies outside its name's folder, where training moves no pointer either
    said = model_reference(judge.model)
    if said.path:
        return said.path.rstrip("/") == f"{folder}/{version}"
    return folder == f"{judge.models_path.rstrip('/')}/{said.name}" and said.version in (LATEST, version)


@dataclass(frozen=True, kw_only=True)
class PipelineParams(Params):
    """What one pipeline run is told. Paths are used in the job as they stand here.

    Each of ``stages`` is ``{"job_type": …, "params": {…}}``; run id, name and tracking are the pipeline's own.
    """

    job_type: ClassVar[JobType] = JobType.PIPELINE
    OUTPUT_FIELDS: ClassVar[tuple[str, ...]] = ("metrics_path",)
    PATH_FIELDS: ClassVar[tuple[str, ...]] = ("metrics_path", "state_path")

    stages: tuple[Mapping[str, object], ...] = param(
        "mappings", "the jobs, in order; default data_processing, training, evaluation, prediction", section="job"
    )
    metrics_path: str = param(
        "text", "where the report goes; default metrics/pipeline/<run_id>/metrics.json", default=""
    )
    state_path: str = param(
        "text",
        "where it is kept which stages are complete; default checkpoints/pipeline/<run_id>",
        default="",
        section="job",
    )

    @classmethod
    def of(cls, stages: Sequence[Params], **values: Any) -> PipelineParams:
        """Make a pipeline of complete parameters; `values` are its other fields.

        Parameters
        ----------
        stages : sequence of Params
            In the order in which they run, all of one run id.
        """
        return cls(stages=cls.kept(stages), **values)

    @staticmethod
    def kept(stages: Sequence[Params]) -> tuple[Mapping[str, object], ...]:
        """Return the parameters of stages in the form in which ``stages`` keeps them."""
        return tuple(_plain(one) for one in stages)

    def jobs(self) -> tuple[Params, ...]:
        """Return the parameters of every stage, in order."""
        shared = {name: getattr(self, name) for name in _SHARED}
        return tuple(_stage(one, shared) for one in self.stages)

    def inputs(self) -> tuple[str, ...]:
        """As the base class: the inputs of all stages but those that an earlier stage writes."""
        found: list[str] = []
        written: list[str] = []
        for one in self.jobs():
            found += [path for path in one.inputs() if path not in found and not _below(path, written)]
            written += [*one.outputs(), str(getattr(one, "metrics_path", ""))]
        return tuple(found)

    def needs(self) -> tuple[str, ...]:
        """As the base class: what any stage needs."""
        return tuple(dict.fromkeys(name for one in self.jobs() for name in one.needs()))

    def with_paths(self, qualify: Callable[[str], str]) -> PipelineParams:
        """As the base class, in every stage too."""
        stages = self.kept([one.with_paths(qualify) for one in self.jobs()])
        return replace(super().with_paths(qualify), stages=stages)

    @classmethod
    def _derived(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        paths = {
            "metrics_path": f"metrics/pipeline/{values['run_id']}/{METRICS_FILE}",
            "state_path": f"checkpoints/pipeline/{values['run_id']}",
        }
        return {name: path for name, path in paths.items() if not values[name]}

    @classmethod
    def _normalise(cls, values: dict[str, Any]) -> None:
        # Here and not in `of`: a file of parameters, written by hand, is to keep the pointer until the gate as well.
        shared = {name: values[name] for name in _SHARED if name in values}
        stages = values.get("stages", ())
        try:
            jobs = [_stage(one, shared) for one in stages]
        except (KeyError, TypeError, ValueError):  # `_across` says what is wrong
            return
        if jobs:
            after = zip(stages, jobs, gated(jobs), strict=True)
            values["stages"] = tuple(kept if new is old else _plain(new) for kept, old, new in after)

    @classmethod
    def _across(cls, values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
        if "stages" not in values:
            return []
        if not values["stages"]:
            return [ParamProblem(label("stages"), "is empty", "one stage at least")]
        shared = {name: values[name] for name in _SHARED if name in values}
        problems: list[ParamProblem] = []
        seen: list[object] = []
        jobs: list[Params] = []
        for position, one in enumerate(values["stages"]):
            place = f"{label('stages')}[{position}]"
            problems += [ParamProblem(f"{place}.{key}", "is not known", "") for key in one if key not in _STAGE_KEYS]
            kind = one.get("job_type")
            if kind not in _NAMES:
                problems.append(ParamProblem(f"{place}.job_type", f"{kind!r} is not a stage", f"known: {_NAMES}"))
            elif kind in seen:
                problems.append(ParamProblem(f"{place}.job_type", f"{kind!r} stands there twice", "keep one"))
            elif "run_id" in shared:
                try:
                    jobs.append(_stage(one, shared))
                    wrong = _too_late(jobs)
                except ContractError as error:
                    wrong = error.problems
                problems += [ParamProblem(f"{place}.{kind}.{what.key}", what.message, what.hint) for what in wrong]
            seen.append(kind)
        return problems


_STAGE_KEYS = ("job_type", "params")


def _plain(params: Params) -> dict[str, object]:
    """Return the parameters of a stage as a pipeline keeps them."""
    values = json.loads(params.to_json())
    own = {name: value for name, value in values.items() if name not in (*_SHARED, "schema_version", "job_type")}
    return {"job_type": params.job_type.value, "params": own}


def _stage(kept: Mapping[str, object], shared: Mapping[str, object]) -> Params:
    """Read what `_plain` wrote."""
    kind = JobType(kept["job_type"])
    params = kept.get("params", {})
    if not isinstance(params, Mapping):
        raise ContractError([ParamProblem("params", f"{params!r} is not a mapping")])
    head = {"schema_version": SCHEMA_VERSION, "job_type": kind.value}
    return STAGE_PARAMS[kind].from_json(json.dumps({**params, **shared, **head}))


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
