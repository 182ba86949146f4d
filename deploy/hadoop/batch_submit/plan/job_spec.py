"""From the merged configuration and a call to a :class:`JobSpec`: every value checked, every problem reported."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from datetime import date

from batch_submit.data_classes import dataclass
from batch_submit.errors import ConfigError, UsageError
from batch_submit.plan import container_text
from batch_submit.plan.backend_choice import LOCAL, YARN
from batch_submit.plan.dates import fill_dates
from batch_submit.plan.encryption import encryption
from batch_submit.plan.identity import RunId
from batch_submit.plan.job_params import (
    ConfigOf,
    Identity,
    Stage,
    configured_arguments,
    job_params,
    pipeline_notices,
    pipeline_params,
    pipeline_stages,
    split,
)
from batch_submit.plan.keytab_login import keytab_login
from batch_submit.plan.merged import Config
from batch_submit.plan.proxy_user import proxy_user_of
from batch_submit.plan.resources import apply_limits, settle_dynamic_allocation
from batch_submit.plan.rest.words import option_words
from batch_submit.plan.shipped_files import Places, names_in_container, refuse_contradictions, shipped_files
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.storage import qualify, storage_root
from batch_submit.plan.submission import JobSpec, ShippedFile
from batch_submit.plan.units import UnitError, parse_duration_s
from ml_pipeline_framework.contract import ContractError, JobType, Params

#: Spark properties that only mean something on YARN; backend ``local`` leaves them out.
_CLUSTER_ONLY = (
    "spark.yarn.",
    "spark.dynamicAllocation.",
    "spark.executor.instances",
    "spark.executor.cores",
    "spark.executor.memory",
    "spark.submit.deployMode",
    "spark.eventLog.",
    "spark.shuffle.service.",
)


@dataclass(frozen=True)
class Call:
    """What the caller typed besides configuration values."""

    job_type: JobType
    name: str
    run_id: RunId
    day: date
    script: str = ""
    app_args: str | None = None
    app_arg: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    clamp: bool = False


def build_spec(
    config: Config,
    call: Call,
    *,
    backend: str,
    places: Places,
    script: ShippedFile | None,
    variables: Mapping[str, str],
    config_of: ConfigOf,
    kerberos: bool = False,
) -> JobSpec:
    """Build and check the job.

    Parameters
    ----------
    config
        Merged for ``call.job_type``.
    script
        The user's script, already found (``--script`` or ``job_specific_config.<type>.script``); ``None``: our own job.
    variables
        The environment; only ``PYTHON_PATH`` is read here.
    config_of
        The configuration as if another type were submitted: what the stages of a pipeline are read from.
    kerberos
        Whether the cluster authenticates by Kerberos: only there a keytab goes with the job.

    Raises
    ------
    UsageError
        Or one of its children: unknown job parameters, limits, unsafe texts, contradicting flags.
    """
    root = storage_root(config, backend, config_folder=places.config_folder)
    given = _given_arguments(config, call)
    if script is None:
        job = _our_job(config, call, given, config_of, root=root, backend=backend, places=places)
    else:
        job = _Job(script, arguments=given)
    settings = _settings(config, call, job, backend=backend, variables=variables, kerberos=kerberos)
    spec = _put_together(config, call, job, settings, backend=backend, root=root, places=places)
    container_text.refuse_nul(spec)
    refuse_contradictions(spec)
    _check_heap(spec.conf)
    if backend == YARN:
        # Over REST every argument arrives as it is; when `auto` comes to spark-submit, it looks at them again.
        may_go_over_rest = config.value("execution.launcher") != "spark-submit" and spec.deploy_mode == "cluster"
        _check_container(spec, quotes_all=may_go_over_rest)
    return spec


@dataclass(frozen=True)
class _Job:
    """What runs: a script, and its arguments, or the parameters of a built-in job with the stages of a pipeline."""

    script: ShippedFile
    arguments: tuple[str, ...] = ()
    params: Params | None = None
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class _Settings:
    """Spark's properties, what is not one of them any more, and what there is to say about them."""

    conf: Mapping[str, Sourced]
    user_tags: tuple[str, ...]
    files: tuple[ShippedFile, ...]
    notices: tuple[str, ...]


def _put_together(
    config: Config, call: Call, job: _Job, settings: _Settings, *, backend: str, root: str, places: Places
) -> JobSpec:
    configs = (config, *(stage.config for stage in job.stages))
    unused = _unused_job_keys(config) if job.params is None else []
    return JobSpec(
        job_type=call.job_type,
        name=call.name,
        run_id=call.run_id.value,
        original_run_id=call.run_id.original,
        day=call.day,
        backend=backend,
        deploy_mode=_deploy_mode(settings.conf) if backend == YARN else "client",
        storage_root=root,
        script=job.script,
        arguments=job.arguments,
        params=job.params,
        conf=settings.conf,
        py_files=shipped_files(configs, "additional_py_files", places),
        files=(*shipped_files(configs, "files", places), *settings.files),
        archives=shipped_files(configs, "archives", places),
        jars=shipped_files(configs, "additional_jars", places),
        user_tags=settings.user_tags,
        timeout_s=_timeout(config, "timeout", call.job_type),
        wait_timeout_s=_timeout(config, "wait_timeout", call.job_type),
        notices=(*unused, *settings.notices, *pipeline_notices(config, job.stages)),
        proxy_user=proxy_user_of(config, kerberos=True) if backend == YARN else "",
    )


def _settings(
    config: Config, call: Call, job: _Job, *, backend: str, variables: Mapping[str, str], kerberos: bool
) -> _Settings:
    conf, notices = _spark_conf(config, call, backend=backend, variables=variables, kerberos=kerberos)
    encrypted = encryption(config, conf, backend=backend, deploy_mode=_deploy_mode(conf))
    conf = {**encrypted.conf, **conf}
    if backend == YARN and job.params is None:
        _locale(conf, job.arguments)
    return _Settings(conf, _user_tags(conf), encrypted.files, (*notices, *encrypted.notices))


def _deploy_mode(conf: Mapping[str, Sourced]) -> str:
    named = conf.get("spark.submit.deployMode")
    return str(named.value) if named is not None else "cluster"


def _given_arguments(config: Config, call: Call) -> tuple[str, ...]:
    """The job's arguments with their dates filled in: typed ones, else the configured ``app_args``."""
    # Dates first: the blanks of {{ ds }} would split it into three words.
    typed = split(fill_dates(call.app_args, call.day, where="--app-args"), "--app-args") if call.app_args else []
    typed += [
        fill_dates(argument, call.day, where=f"argument {position}")
        for position, argument in enumerate([*call.app_arg, *call.rest], start=len(typed) + 1)
    ]
    return tuple(typed) if typed or call.app_args is not None else configured_arguments(config, call.day)


def _our_job(
    config: Config,
    call: Call,
    given: Sequence[str],
    config_of: ConfigOf,
    *,
    root: str,
    backend: str,
    places: Places,
) -> _Job:
    from ml_pipeline_framework.contract import PARAMS  # a script of the user's own needs none of them

    stages = pipeline_stages(config, config_of) if call.job_type is JobType.PIPELINE else ()
    if call.job_type not in PARAMS:
        built = ", ".join(sorted(job.value for job in PARAMS))
        raise UsageError(
            f"there is no built-in job of type {call.job_type.value} yet (built in: {built})",
            next_step=f"give your own script: --script FILE, or job_specific_config.{call.job_type.value}.script",
        )
    identity = Identity(call.run_id.value, call.name, call.day)
    params: Params
    if stages:
        params = pipeline_params(config, stages, identity, given)
    else:
        params = job_params(config, call.job_type, identity, given)
    try:
        params = params.with_paths(lambda path: qualify(path, root=root, backend=backend))
    except ContractError as error:  # two spellings of one place are seen as one only now
        raise ConfigError(
            f"{len(error.problems)} problem(s) with the paths of the {call.job_type.value} job",
            details=[str(problem) for problem in error.problems],
            next_step="batch-submit config show -t " + call.job_type.value,
        ) from error
    script = f"run_{call.job_type.value}.py"
    return _Job(
        ShippedFile(posixpath.join(places.job_scripts, script), script, "built-in job"), params=params, stages=stages
    )


def _unused_job_keys(config: Config) -> list[str]:
    """A user's script is not handed the keys of the built-in jobs; that is said and not left to be found out."""
    return [
        f"{key}={sourced.value} ({sourced.origin}) is for the built-in job; your script does not get it"
        for key, sourced in config.section("job").items()
        if key in ("batch_size", "output_compression")
    ]


def _spark_conf(
    config: Config, call: Call, *, backend: str, variables: Mapping[str, str], kerberos: bool
) -> tuple[dict[str, Sourced], list[str]]:
    conf = config.spark_conf()
    notices: list[str] = []
    for key in ("spark.master", "spark.app.name", "spark.yarn.submit.waitAppCompletion"):
        dropped = conf.pop(key, None)
        if dropped is not None:
            notices.append(f"{key}={dropped.value} ({dropped.origin}) is not used: this tool decides it")
    settled = settle_dynamic_allocation(conf)
    limited = apply_limits(settled.conf, config.section("resource_limits"), clamp=call.clamp)
    conf = dict(limited.conf)
    notices += limited.notices  # a driver is clamped on a laptop too
    if backend == LOCAL:
        conf = {key: value for key, value in conf.items() if not key.startswith(_CLUSTER_ONLY)}
    else:
        notices += settled.notices
        _kerberos(config, conf, kerberos=kerberos)
    interpreter = variables.get("PYTHON_PATH", "")
    if interpreter and backend == YARN:
        for key in ("spark.pyspark.python", "spark.pyspark.driver.python"):
            if not (key in conf and conf[key].origin.startswith("flag")):
                conf[key] = Sourced(interpreter, "variable PYTHON_PATH")
    return conf, notices


def _kerberos(config: Config, conf: dict[str, Sourced], *, kerberos: bool) -> None:
    login = keytab_login(config)  # a keytab without a principal is wrong on every cluster
    if login is not None and kerberos:
        conf["spark.kerberos.principal"], conf["spark.kerberos.keytab"] = login.principal, login.keytab


def _locale(conf: dict[str, Sourced], arguments: Sequence[str]) -> None:
    """Have arguments beyond ASCII read as UTF-8: Java decodes them by the locale, which a NodeManager may not have.

    Seen on Hadoop 3.5.0 with Java 17: with ``LANG`` unset each such letter arrives as ``?``, with either launcher.
    """
    named = any(f"spark.yarn.appMasterEnv.{name}" in conf for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    if not named and not all(argument.isascii() for argument in arguments):
        conf["spark.yarn.appMasterEnv.LC_CTYPE"] = Sourced("C.UTF-8", "default (arguments beyond ASCII)")


def _user_tags(conf: dict[str, Sourced]) -> tuple[str, ...]:
    tags = conf.pop("spark.yarn.tags", None)
    if tags is None:
        return ()
    return tuple(tag.strip() for tag in str(tags.value).split(",") if tag.strip())


def _timeout(config: Config, key: str, job_type: JobType) -> float | None:
    """The run's own time limit: the job type's, else the general one; seconds."""
    places = [f"execution.{key}", f"job.{key}"]
    if key == "timeout" and job_type is JobType.PREDICTION:
        places.insert(1, "job.prediction_timeout")
    found = [sourced for place in places if (sourced := config.get(place)) is not None and sourced.value is not None]
    if not found:
        return None
    # Flags after variables after files, as in every layer; within one of them the job type's own comes last.
    chosen = max(enumerate(found), key=lambda one: (_typed_rank(one[1]), one[0]))[1]
    try:
        seconds = float(parse_duration_s(str(chosen.value)))
    except UnitError as error:
        raise UsageError(str(error), where=f"{chosen.origin}: {key}") from error
    if seconds <= 0:
        raise UsageError(f"{key} must be longer than nothing, not {chosen.value}", where=chosen.origin)
    return seconds


def _typed_rank(sourced: Sourced) -> int:
    return 2 if sourced.origin.startswith("flag") else 1 if sourced.origin.startswith("variable") else 0


def _check_heap(conf: Mapping[str, Sourced]) -> None:
    """Spark refuses ``-Xmx`` among Java options: of the driver before it starts, of executors in the driver (4.3.0,
    ``SparkSubmitCommandBuilder.checkJavaOptions``, ``SparkConf.validateSettings``)."""
    for role in ("driver", "executor"):
        for key in (f"spark.{role}.defaultJavaOptions", f"spark.{role}.extraJavaOptions"):
            given = conf.get(key)
            heap = [one for one in option_words(str(given.value)) if one.startswith("-Xmx")] if given else []
            if given and heap:
                raise UsageError(
                    f"{key} holds {heap[0]}, which Spark refuses among Java options",
                    where=given.origin,
                    next_step=f"remove it and set spark_config.{role}_memory (--{role}-memory)",
                )


def _check_container(spec: JobSpec, *, quotes_all: bool) -> None:
    container_text.refuse_unsafe(
        [
            *container_text.check_arguments(spec.arguments, quotes_all=quotes_all),
            *container_text.check_file_names(names_in_container(spec)),
            *(() if quotes_all else container_text.check_names_for_spark_submit(spec)),
            *container_text.check_conf(spec.conf),
            *container_text.check_params(json.loads(spec.params.to_json()) if spec.params is not None else {}),
        ]
    )
