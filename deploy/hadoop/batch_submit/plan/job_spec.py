"""From the merged configuration and a call to a :class:`JobSpec`: every value checked, every problem reported."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from batch_submit.errors import ConfigError, UsageError
from batch_submit.plan import container_text
from batch_submit.plan.backend_choice import LOCAL, YARN
from batch_submit.plan.config import Config, Sourced
from batch_submit.plan.dates import fill_dates
from batch_submit.plan.identity import RunId
from batch_submit.plan.resources import apply_limits, settle_dynamic_allocation
from batch_submit.plan.storage import has_scheme, qualify, storage_root
from batch_submit.plan.submission import JobSpec, ShippedFile
from batch_submit.plan.units import UnitError, parse_duration_s
from ml_pipeline_framework.contract import PARAMS, ContractError, JobType, Params

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


#: Keys of a job type's section that this side acts on; the rest are parameters of the job.
_EDGE_KEYS = frozenset(
    {
        "script",
        "additional_jars",
        "additional_py_files",
        "files",
        "archives",
        "app_args",
        "timeout",
        "wait_timeout",
        "prediction_timeout",
    }
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


@dataclass(frozen=True)
class Places:
    """Folders that bare local paths are looked up from, absolute."""

    cwd: str
    config_folder: str
    #: Where the scripts of the built-in jobs lie (``run_training.py`` ...).
    job_scripts: str = ""


def build_spec(
    config: Config,
    call: Call,
    *,
    backend: str,
    places: Places,
    script: ShippedFile | None,
    variables: Mapping[str, str],
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

    Raises
    ------
    UsageError
        Or one of its children: unknown job parameters, limits, unsafe texts, contradicting flags.
    """
    root = storage_root(config, backend, config_folder=places.config_folder)
    given = _given_arguments(config, call)
    params: Params | None = None
    unused = _unused_job_keys(config) if script is not None else []
    if script is None:
        params, script = _our_job(config, call, given, root=root, backend=backend, places=places)
    conf, conf_notices = _spark_conf(config, call, backend=backend, variables=variables)
    user_tags = _user_tags(conf)
    spec = JobSpec(
        job_type=call.job_type,
        name=call.name,
        run_id=call.run_id.value,
        original_run_id=call.run_id.original,
        day=call.day,
        backend=backend,
        deploy_mode=_deploy_mode(conf) if backend == YARN else "client",
        storage_root=root,
        script=script,
        arguments=given if params is None else (),
        params=params,
        conf=conf,
        py_files=_shipped(config, "additional_py_files", places),
        files=_shipped(config, "files", places),
        archives=_shipped(config, "archives", places),
        jars=_shipped(config, "additional_jars", places),
        user_tags=user_tags,
        timeout_s=_timeout(config, "timeout", call.job_type),
        wait_timeout_s=_timeout(config, "wait_timeout", call.job_type),
        notices=(*unused, *conf_notices),
    )
    _check_shipped(spec)
    if backend == YARN:
        _check_container(spec)
    return spec


def _deploy_mode(conf: Mapping[str, Sourced]) -> str:
    named = conf.get("spark.submit.deployMode")
    return str(named.value) if named is not None else "cluster"


def _given_arguments(config: Config, call: Call) -> tuple[str, ...]:
    """The job's arguments with their dates filled in: typed ones, else the configured ``app_args``."""
    # Dates first: the blanks of {{ ds }} would split it into three words.
    typed = _split(fill_dates(call.app_args, call.day, where="--app-args"), "--app-args") if call.app_args else []
    typed += [
        fill_dates(argument, call.day, where=f"argument {position}")
        for position, argument in enumerate([*call.app_arg, *call.rest], start=len(typed) + 1)
    ]
    configured = config.get("job.app_args")
    if typed or call.app_args is not None or configured is None:
        return tuple(typed)
    where = f"{configured.origin}: app_args"
    if isinstance(configured.value, (list, tuple)):
        return tuple(fill_dates(str(value), call.day, where=where) for value in configured.value)
    return tuple(_split(fill_dates(str(configured.value), call.day, where=where), where))


def _split(text: str, where: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(
            f"{where} can't be split into words: {error}",
            next_step="close the quotes, or use --app-arg once per word",
        ) from error


def _plain(section: Mapping[str, Sourced]) -> dict[str, object]:
    return {key: sourced.value for key, sourced in section.items()}


def _our_job(
    config: Config, call: Call, given: Sequence[str], *, root: str, backend: str, places: Places
) -> tuple[Params, ShippedFile]:
    params_type = PARAMS.get(call.job_type)
    if params_type is None:
        built = ", ".join(sorted(job.value for job in PARAMS))
        raise UsageError(
            f"there is no built-in job of type {call.job_type.value} yet (built in: {built})",
            next_step=f"give your own script: --script FILE, or job_specific_config.{call.job_type.value}.script",
        )
    data_config = {
        key: fill_dates(str(sourced.value), call.day, where=f"{sourced.origin}: data_config.{key}")
        for key, sourced in config.section("data_config").items()
    }
    sections: dict[str, Mapping[str, object]] = {
        "model_config": _plain(config.section("model_config")),
        "data_config": data_config,
        "job": {
            key: _dated(sourced.value, key, call.day, where=f"{sourced.origin}: {key}")
            for key, sourced in config.section("job").items()
            if key not in _EDGE_KEYS
        },
    }
    tracking = _plain(config.section("mlflow"))
    if tracking.get("tracking_uri"):
        sections["job"] = {"mlflow": tracking, **sections["job"]}
    try:
        params = params_type.from_config(
            sections, defaults={"run_id": call.run_id.value, "name": call.name}, flags=given
        )
    except ContractError as error:
        raise ConfigError(
            f"{len(error.problems)} problem(s) with the parameters of the {call.job_type.value} job",
            details=[_problem_line(config, problem.key, problem.message, problem.hint) for problem in error.problems],
            next_step="batch-submit config check -t " + call.job_type.value,
        ) from error
    params = params.with_paths(lambda path: qualify(path, root=root, backend=backend))
    script = f"run_{call.job_type.value}.py"
    return params, ShippedFile(posixpath.join(places.job_scripts, script), script, "built-in job")


def _dated(value: object, key: str, day: date, *, where: str) -> object:
    """A value of a job's section with the dates of its paths filled in: what stands under ``path`` or ``…_path``."""
    if isinstance(value, Mapping):
        return {name: _dated(one, str(name), day, where=f"{where}.{name}") for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_dated(one, key, day, where=f"{where}[{place}]") for place, one in enumerate(value)]
    if isinstance(value, str) and (key in ("path", "paths") or key.endswith("_path")):
        return fill_dates(value, day, where=where)
    return value


def _problem_line(config: Config, key: str, message: str, hint: str) -> str:
    parts = tuple(key.split("."))
    origin = ""
    while parts and not origin:
        sourced = config.get(parts)
        origin = sourced.origin if sourced is not None else ""
        parts = parts[:-1]
    line = f"{origin}: {key}: {message}" if origin else f"{key}: {message}"
    return f"{line} ({hint})" if hint else line


def _unused_job_keys(config: Config) -> list[str]:
    """A user's script is not handed the keys of the built-in jobs; that is said and not left to be found out."""
    return [
        f"{key}={sourced.value} ({sourced.origin}) is for the built-in job; your script does not get it"
        for key, sourced in config.section("job").items()
        if key in ("batch_size", "output_compression")
    ]


def _spark_conf(
    config: Config, call: Call, *, backend: str, variables: Mapping[str, str]
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
        _kerberos(config, conf)
    interpreter = variables.get("PYTHON_PATH", "")
    if interpreter and backend == YARN:
        for key in ("spark.pyspark.python", "spark.pyspark.driver.python"):
            if not (key in conf and conf[key].origin.startswith("flag")):
                conf[key] = Sourced(interpreter, "variable PYTHON_PATH")
    return conf, notices


def _kerberos(config: Config, conf: dict[str, Sourced]) -> None:
    if config.value("security_config.enable_ssl") is True:
        raise UsageError(
            "security_config.enable_ssl is not built yet",
            where=config.values[("security_config", "enable_ssl")].origin,
            next_step="set it to false and give spark.ssl.* properties in spark_config",
        )
    if config.value("security_config.enable_kerberos") is not True:
        return
    for key in ("principal", "keytab"):
        sourced = config.get(f"security_config.{key}")
        if sourced is None or not sourced.value:
            raise UsageError(
                f"security_config.enable_kerberos needs security_config.{key} too",
                where=config.values[("security_config", "enable_kerberos")].origin,
                next_step=f"add {key}: to security_config",
            )
        value = str(sourced.value)
        if key == "keytab" and sourced.base and not value.startswith("/"):
            value = posixpath.normpath(posixpath.join(sourced.base, value))
        conf[f"spark.kerberos.{key}"] = Sourced(value, sourced.origin)


def _user_tags(conf: dict[str, Sourced]) -> tuple[str, ...]:
    tags = conf.pop("spark.yarn.tags", None)
    if tags is None:
        return ()
    return tuple(tag.strip() for tag in str(tags.value).split(",") if tag.strip())


def _shipped(config: Config, key: str, places: Places) -> tuple[ShippedFile, ...]:
    return tuple(shipped_file(item, places) for item in config.items(("job", key)))


def shipped_file(sourced: Sourced, places: Places) -> ShippedFile:
    """A file ``path[#alias]``: relative to the file that names it; from a flag, to the working directory."""
    path, _, alias = str(sourced.value).partition("#")
    if not has_scheme(path) and not path.startswith("/"):
        path = posixpath.normpath(posixpath.join(sourced.base or places.cwd, path))
    elif path.startswith("file:"):
        path = path.removeprefix("file://").removeprefix("file:")
    return ShippedFile(path, alias or posixpath.basename(path), sourced.origin, bool(alias))


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


def _check_shipped(spec: JobSpec) -> None:
    """Commas split Spark's lists, and of two files of one name Spark keeps one in silence."""
    problems = []
    links: dict[str, ShippedFile] = {}
    for one in (spec.script, *spec.py_files, *spec.files, *spec.archives, *spec.jars):
        if "," in one.path:
            problems.append(f"{one.path} ({one.origin}): Spark splits its file lists at commas; rename the file")
        earlier = links.setdefault(one.link, one)
        if earlier is not one and earlier.path != one.path:
            problems.append(
                f"{one.path} ({one.origin}) and {earlier.path} ({earlier.origin}) are both called {one.link} in the"
                " container; give one of them an alias (path#alias)"
            )
    if problems:
        raise UsageError(
            "the files to ship contradict each other", details=problems, next_step="change job_specific_config"
        )


def _check_container(spec: JobSpec) -> None:
    names = [one.link for one in (spec.script, *spec.py_files, *spec.files, *spec.archives, *spec.jars)]
    container_text.refuse_unsafe(
        [
            *container_text.check_arguments(spec.arguments),
            *container_text.check_file_names(names),
            *container_text.check_conf(spec.conf),
        ]
    )
