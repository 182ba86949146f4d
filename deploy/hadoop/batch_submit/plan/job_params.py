"""What a built-in job is told: its parameters out of the merged configuration, and a pipeline's out of its stages'."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from batch_submit.data_classes import dataclass
from batch_submit.errors import ConfigError, UsageError
from batch_submit.plan.dates import fill_dates
from batch_submit.plan.merged import Config
from batch_submit.plan.sourced import Sourced
from ml_pipeline_framework.contract import ContractError, JobType, ParamProblem, Params

if TYPE_CHECKING:
    from ml_pipeline_framework.contract import PipelineParams

#: Keys of a job type's section that this side acts on; the rest are parameters of the job.
EDGE_KEYS = frozenset(
    {
        "script",
        "additional_jars",
        "additional_py_files",
        "files",
        "archives",
        "app_args",
        "timeout",
        "wait_timeout",
    }
)

#: The configuration as it is when a job of this type is submitted.
ConfigOf = Callable[[JobType], Config]


@dataclass(frozen=True)
class Identity:
    """Which run it is, and the day that dates in paths mean."""

    run_id: str
    name: str
    day: date


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline: its type, and the configuration as if that type were submitted."""

    job_type: JobType
    config: Config


def job_params(config: Config, job_type: JobType, identity: Identity, given: Sequence[str]) -> Params:
    """The parameters of a job, with its paths as they were written.

    Parameters
    ----------
    config
        Merged for `job_type`.
    given
        The job's arguments; they are laid over the configuration.

    Raises
    ------
    ConfigError
        With every problem and the place that it comes from.
    """
    try:
        return _read(config, job_type, identity, given, {})
    except ContractError as error:
        lines = [_problem_line(config, problem) for problem in error.problems]
        raise _config_error(job_type, lines) from error


def pipeline_stages(config: Config, config_of: ConfigOf) -> tuple[Stage, ...]:
    """The stages that ``job_specific_config.pipeline.stages`` names; all four when it names none.

    Raises
    ------
    ConfigError
        Names that are no stages; a stage whose job is a script of the user's.
    """
    from ml_pipeline_framework.contract import stage_types

    listed = config.get("job.stages")
    try:
        kinds = stage_types(listed.value if listed else None)
    except ContractError as error:
        lines = [_problem_line(config, problem) for problem in error.problems]
        raise _config_error(JobType.PIPELINE, lines) from error
    stages = tuple(Stage(kind, _under(config_of(kind), config)) for kind in kinds)
    scripts = [(one, script) for one in stages if (script := one.config.get("job.script")) is not None and script.value]
    if scripts:
        raise ConfigError(
            "a pipeline runs the built-in jobs, and the configuration names scripts of your own",
            details=[f"{script.origin}: job_specific_config.{one.job_type.value}.script" for one, script in scripts],
            next_step="leave these out of job_specific_config.pipeline.stages, or make the pipeline in a script with"
            " PipelineOrchestrator and submit it with -t custom",
        )
    return stages


def _under(stage: Config, pipeline: Config) -> Config:
    """A stage's configuration below ``model_config`` and ``data_config`` of ``job_specific_config.pipeline``."""
    own = {
        path: sourced
        for path, sourced in pipeline.values.items()
        if path[0] in ("model_config", "data_config") and "job_specific_config.pipeline." in sourced.key
    }
    return replace(stage, values={**stage.values, **own})


def pipeline_params(
    config: Config, stages: Sequence[Stage], identity: Identity, given: Sequence[str]
) -> PipelineParams:
    """The parameters of a pipeline and, inside, of its stages, each read as if its type were submitted.

    Raises
    ------
    ConfigError
        With every problem of every stage.
    """
    from ml_pipeline_framework.contract import PipelineParams, handed_on

    lines: list[str] = []
    made: list[Params] = []
    for stage in stages:
        where = f"{stage.job_type.value}: "
        arguments = configured_arguments(stage.config, identity.day)
        defaults = {**_own_limit(stage), **handed_on(stage.job_type, made)}
        try:
            made.append(_read(stage.config, stage.job_type, identity, arguments, defaults))
        except ContractError as error:
            lines += [_problem_line(stage.config, problem, where) for problem in error.problems]
    sections = _sections(config, identity.day)
    job = {key: value for key, value in sections["job"].items() if key != "stages"}
    job["stages"] = PipelineParams.kept(made) if made else [{"job_type": stage.job_type.value} for stage in stages]
    try:
        params = PipelineParams.from_config({"job": job}, defaults=_defaults(identity), flags=given)
    except ContractError as error:
        # What is wrong inside a stage has been said above, in the words of the configuration.
        own = [problem for problem in error.problems if not lines or not problem.key.startswith("job.stages[")]
        lines += [_problem_line(config, problem) for problem in own]
    if lines:
        raise _config_error(JobType.PIPELINE, lines)
    return params


def _own_limit(stage: Stage) -> dict[str, str]:
    """The time limit of a prediction inside a pipeline: the job keeps it itself, since the application has its own."""
    limit = stage.config.text("job.prediction_timeout")
    return {"prediction_timeout": limit} if limit and stage.job_type is JobType.PREDICTION else {}


def pipeline_notices(config: Config, stages: Sequence[Stage]) -> list[str]:
    """Which Spark properties of a stage's own section have no effect: one application has one set of them."""
    notices = []
    ours = config.spark_conf()
    for stage in stages:
        name = stage.job_type.value
        other = [
            f"{key} ({sourced.origin})"
            for key, sourced in stage.config.spark_conf().items()
            if f"job_specific_config.{name}." in sourced.key
            if (mine := ours.get(key)) is None or mine.value != sourced.value
        ]
        if other:
            notices.append(
                f"{', '.join(other)}: for -t {name} alone; a pipeline is one application with the Spark properties of"
                " job_specific_config.pipeline"
            )
    return notices


def configured_arguments(config: Config, day: date) -> tuple[str, ...]:
    """The arguments that ``app_args`` of the job's section gives, with their dates filled in."""
    configured = config.get("job.app_args")
    if configured is None:
        return ()
    where = f"{configured.origin}: app_args"
    if isinstance(configured.value, (list, tuple)):
        return tuple(fill_dates(str(value), day, where=where) for value in configured.value)
    return tuple(split(fill_dates(str(configured.value), day, where=where), where))


def split(text: str, where: str) -> list[str]:
    """The words of a shell-quoted text.

    Raises
    ------
    UsageError
        Quotes that do not close.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"{where} can't be split into words: {error}",
            next_step="close the quotes, or use --app-arg once per word",
        ) from error


def _defaults(identity: Identity) -> dict[str, str]:
    return {"run_id": identity.run_id, "name": identity.name}


def _read(
    config: Config, job_type: JobType, identity: Identity, given: Sequence[str], more: Mapping[str, str]
) -> Params:
    defaults = {**_defaults(identity), **more}
    from ml_pipeline_framework.contract import PARAMS  # loads what a script of the user's own does not need

    return PARAMS[job_type].from_config(_sections(config, identity.day), defaults=defaults, flags=given)


def _sections(config: Config, day: date) -> dict[str, Mapping[str, object]]:
    """The sections that the contract reads, with the dates of their paths filled in."""
    data_config = {
        key: fill_dates(str(sourced.value), day, where=f"{sourced.origin}: data_config.{key}")
        for key, sourced in config.section("data_config").items()
    }
    sections: dict[str, Mapping[str, object]] = {
        "model_config": _plain(config.section("model_config")),
        "data_config": data_config,
        "job": {
            key: _dated(sourced.value, key, day, where=f"{sourced.origin}: {key}")
            for key, sourced in config.section("job").items()
            if key not in EDGE_KEYS
        },
    }
    tracking = _plain(config.section("mlflow"))
    if tracking.get("tracking_uri"):
        sections["job"] = {"mlflow": tracking, **sections["job"]}
    return sections


def _plain(section: Mapping[str, Sourced]) -> dict[str, object]:
    return {key: sourced.value for key, sourced in section.items()}


def _dated(value: object, key: str, day: date, *, where: str) -> object:
    """A value of a job's section with the dates of its paths filled in: what stands under ``path`` or ``…_path``."""
    if isinstance(value, Mapping):
        short = key in ("inputs", "outputs")  # of data processing, which may name a table by its path alone
        names = {one: "path" if short and not isinstance(value[one], Mapping) else str(one) for one in value}
        return {name: _dated(one, names[name], day, where=f"{where}.{name}") for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_dated(one, key, day, where=f"{where}[{place}]") for place, one in enumerate(value)]
    if isinstance(value, str) and (key in ("path", "paths") or key.endswith("_path")):
        return fill_dates(value, day, where=where)
    return value


def _config_error(job_type: JobType, lines: list[str]) -> ConfigError:
    return ConfigError(
        f"{len(lines)} problem(s) with the parameters of the {job_type.value} job",
        details=lines,
        next_step="batch-submit config check -t " + job_type.value,
    )


def _problem_line(config: Config, problem: ParamProblem, where: str = "") -> str:
    """A problem with the place of its key in the configuration; `where` says whose it is."""
    key = problem.key
    if key.startswith("job.mlflow") and config.section("mlflow"):
        key = key.removeprefix("job.")  # as it was written
    parts = tuple(key.partition("[")[0].split("."))
    origin = ""
    while parts and not origin:
        sourced = config.get(parts)
        origin = sourced.origin if sourced is not None else ""
        parts = parts[:-1]
    line = f"{where}{key}: {problem.message}"
    line = f"{origin}: {line}" if origin else line
    return f"{line} ({problem.hint})" if problem.hint else line
