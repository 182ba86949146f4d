"""From a call to a plan: find the script, check the job, make the generated files, build the command."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from batch_submit.adapters.addresses import override_addresses
from batch_submit.adapters.framework_archive import framework_archive, store
from batch_submit.adapters.git_revision import git_revision
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.open_places import refuse_open, who_could_change
from batch_submit.adapters.spark_finder import find_java, find_spark
from batch_submit.backends.base import Backend
from batch_submit.backends.yarn import AUTO, REST
from batch_submit.connecting import wants_kerberos
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady, MissingFile, UsageError
from batch_submit.operations.context import Context, childs_environment, config_of_type
from batch_submit.operations.job_secrets import checked_secrets, with_secrets
from batch_submit.plan.backend_choice import LOCAL, YARN
from batch_submit.plan.command import Toolchain, build_plan
from batch_submit.plan.dates import parse_day
from batch_submit.plan.identity import RunId, make_run_id, normalise_run_id
from batch_submit.plan.job_spec import Call, build_spec
from batch_submit.plan.locks import LockWish
from batch_submit.plan.merged import Config
from batch_submit.plan.shipped_files import Places, shipped_file
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.submission import JobSpec, ShippedFile, SubmissionPlan
from ml_pipeline_framework.contract import GIT_REVISION_KEY, JobType, job_type, params_file_name

_LOG4J = Path(__file__).resolve().parents[1] / "log4j"


@dataclass(frozen=True)
class SubmitCall:
    """``submit`` as typed, besides what is a configuration value."""

    job_type: str
    name: str | None = None
    run_id: str | None = None
    date: str | None = None
    script: str | None = None
    app_args: str | None = None
    app_arg: Sequence[str] = ()
    rest: Sequence[str] = ()
    clamp: bool = False
    lock: LockWish | None = None


@dataclass(frozen=True)
class Identified:
    """A call with its identity: known before anything is looked at, so that a repeat can find its record."""

    call: SubmitCall
    job: JobType
    name: str
    run_id: RunId
    explicit: bool


def identify(context: Context, call: SubmitCall) -> Identified:
    """Give the run its name and id."""
    job = job_type(call.job_type)
    clock = context.services.clock
    name = call.name or f"{job.value}-{clock.today():%Y%m%d-%H%M%S}"
    explicit = call.run_id is not None and call.run_id != "auto"
    if explicit:
        run_id = normalise_run_id(str(call.run_id))
        if run_id.original:
            context.services.terminal.note(f"run id: {run_id.value} (from {run_id.original!r})")
    else:
        run_id = RunId(make_run_id(name, clock.now_utc(), clock.random_text(6)))
    return Identified(call, job, name, run_id, explicit)


def make_spec(context: Context, identified: Identified, *, day: str | None) -> JobSpec:
    """Check the job; ``day`` is the recorded one of an earlier try, else ``--date``, else today in the local zone."""
    call, services = identified.call, context.services
    chosen = parse_day(call.date) if call.date else parse_day(day) if day else services.clock.today().date()
    places = Places(cwd=str(services.cwd), config_folder=context.config_folder, job_scripts=str(services.job_scripts()))
    script = _user_script(context, identified, places)
    spec = build_spec(
        context.config,
        Call(
            job_type=identified.job,
            name=identified.name,
            run_id=identified.run_id,
            day=chosen,
            script=call.script or "",
            app_args=call.app_args,
            app_arg=tuple(call.app_arg),
            rest=tuple(call.rest),
            clamp=call.clamp,
        ),
        backend=context.choice.backend,
        places=places,
        script=script,
        variables=services.env,
        config_of=lambda kind: config_of_type(context, kind.value),
        kerberos=wants_kerberos(context.config, _site(context)),
    )
    spec = checked_secrets(context, with_revision(context, with_addresses(context, spec)))
    if call.lock is not None:  # an application of this run holds the lock by it, for every host
        spec = replace(spec, user_tags=(*spec.user_tags, call.lock.tag))
    if context.config.value("execution.allow_world_writable") is not True:
        _refuse_open_files(context.config, spec)
    missing = [f"{one.path} ({one.origin})" for one in spec.local_files() if not Path(one.path).exists()]
    if missing:
        raise MissingFile(
            f"{len(missing)} file(s) to ship can't be found on this host", details=missing, next_step="check the paths"
        )
    keytab = spec.conf.get("spark.kerberos.keytab")
    if keytab is not None and not os.access(str(keytab.value), os.R_OK):
        raise HostNotReady(
            f"the keytab {keytab.value} can't be read on this host",
            where=keytab.origin,
            next_step="submit where it lies; or by your own ticket: leave security_config.keytab (--keytab) out",
        )
    return spec


def _refuse_open_files(config: Config, spec: JobSpec) -> None:
    """Code that runs in our name, and what it is given along, must not be anybody's to change.

    Raises
    ------
    UsageError
        A file that is shipped, or a store of Spark's TLS, could be changed by everybody on this host.
    """
    named = {one.path: one.origin for one in spec.local_files()}
    if config.value("security_config.enable_ssl") is True:  # in client mode Spark reads them where they lie
        keys = ("security_config.keystore_path", "security_config.truststore_path")
        named |= {path: key for key in keys if (path := config.local_path(key)) and path not in named}
    found = {path: who_could_change(Path(path)) for path in named}
    refuse_open((f"{path} ({named[path]}): {why}" for path, why in found.items() if why), "the job")


def with_revision(context: Context, spec: JobSpec) -> JobSpec:
    """The job with the git revision of the configuration's folder, which a model's metadata then names."""
    revision = git_revision(Path(context.config_folder), childs_environment(context.services, context.config))
    if not revision:
        return spec
    return replace(spec, conf={GIT_REVISION_KEY: Sourced(revision, "git"), **spec.conf})


def with_addresses(context: Context, spec: JobSpec) -> JobSpec:
    """The job with what Spark must be told where ``environment_config`` overrides the XML. Asks no server.

    Without a folder of XML files (a check of the configuration, a dry run elsewhere) nothing changes.
    """
    conf = _site(context)
    if conf is None:
        return spec
    named = override_addresses(context.config, conf)
    told = tuple(notice for notice in named.notices if context.services.first_time(notice))
    return replace(spec, conf={**named.overrides, **spec.conf}, notices=(*spec.notices, *told))


def _site(context: Context) -> HadoopConf | None:
    """The cluster's XML; ``None`` without a folder of it, and for runs of this host."""
    choice = context.choice
    if choice.backend != YARN or not choice.hadoop_conf_dir or not Path(choice.hadoop_conf_dir).is_dir():
        return None
    return context.services.hadoop_conf(choice.hadoop_conf_dir, choice.yarn_conf_dir)


def _user_script(context: Context, identified: Identified, places: Places) -> ShippedFile | None:
    """``--script`` (a path, or the stem of a file in ``scripts/``), else the configured one, else ``None``: our job."""
    typed = identified.call.script
    configured = context.config.get(("job", "script"))
    if not typed and configured is not None and configured.value:
        return shipped_file(configured, places)
    if not typed:
        if identified.job is JobType.CUSTOM:
            raise UsageError(
                "job type custom needs a script", next_step="--script FILE, or job_specific_config.custom.script"
            )
        return None
    scripts = context.services.job_scripts()
    candidates = [
        Path(places.cwd, typed),
        scripts / typed,
        *(() if typed.endswith(".py") else (scripts / f"{typed}.py",)),
    ]
    found = next((one for one in candidates if one.is_file()), None)
    if found is None:
        raise MissingFile(
            f"the script {typed} does not exist",
            details=[f"looked at {one}" for one in candidates],
            next_step="give --script the path of a Python file",
        )
    return shipped_file(Sourced(str(found), "flag --script"), places)


def _may_need_none(context: Context, spec: JobSpec) -> bool:
    """Whether the job may go over REST, which starts no program; a fallback to spark-submit looks for them itself."""
    launcher = context.config.value("execution.launcher")
    return spec.backend == YARN and (launcher == REST or (launcher == AUTO and spec.deploy_mode == "cluster"))


def make_tools(context: Context, spec: JobSpec, *, needed: bool) -> Toolchain:
    """The programs of this host and the generated files; with ``needed`` false (a dry run) programs may be missing,
    as with the launcher that starts none.

    Raises
    ------
    HostNotReady
        When spark-submit or Java is needed for sure and missing.
    """
    services = context.services
    needed = needed and not _may_need_none(context, spec)
    spark = find_spark(services.env) if needed else context.spark
    java = find_java(services.env) if needed else services.env.get("JAVA_HOME", "")
    home = spark.home if spark is not None else services.env.get("SPARK_HOME", "")
    params_file = ""
    if spec.params is not None:
        content = spec.params.to_json().encode()
        name = params_file_name(spec.job_type)
        params_file = str(store(content, services.cache_folder, folder="params", name=name))
    return Toolchain(
        spark_submit=spark.spark_submit if spark is not None else "spark-submit",
        spark_home=home,
        hadoop_conf_dir=context.choice.hadoop_conf_dir,
        yarn_conf_dir=context.choice.yarn_conf_dir,
        spark_conf_dir=services.env.get("SPARK_CONF_DIR", ""),
        java_home=java,
        python=services.env.get("PYTHON_PATH") or services.env.get("PYSPARK_PYTHON") or sys.executable,
        framework_zip=str(framework_archive(services.cache_folder)),
        params_file=params_file,
        spark_submit_opts=_submit_opts(context, spec),
        verbose=services.verbose,
    )


def _submit_opts(context: Context, spec: JobSpec) -> str:
    """``SPARK_SUBMIT_OPTS`` with a log4j file of the right generation: debug for ``--verbose``, quiet for local."""
    given = context.services.env.get("SPARK_SUBMIT_OPTS", "")
    if "log4j" in given:
        return given
    kind = "debug" if context.services.verbose else "quiet" if spec.backend == LOCAL else ""
    if not kind:
        return given
    generation = context.spark.log4j_generation if context.spark is not None else 2
    file = _LOG4J / (f"log4j2-{kind}.properties" if generation == 2 else f"log4j-{kind}.properties")
    option = "log4j2.configurationFile" if generation == 2 else "log4j.configuration"
    return f"{given} -D{option}={file.as_uri()}".strip()


def jars_notice(context: Context, spec: JobSpec) -> str:
    """What a submit without shared Spark jars costs; "" when they are shared."""
    if spec.backend != YARN or "spark.yarn.jars" in spec.conf or "spark.yarn.archive" in spec.conf:
        return ""
    jars = context.spark.jars() if context.spark is not None else []
    size_mb = sum(jar.stat().st_size for jar in jars) / 1e6
    size = f"{size_mb:.0f} MB" if jars else "all jars of the Spark distribution"
    return (
        f"neither spark.yarn.archive nor spark.yarn.jars is set: this submit uploads {size};"
        " put them into HDFS once with: batch-submit init-hdfs --spark"
    )


def make_plan(
    context: Context, spec: JobSpec, *, needed: bool, try_number: int | None, tools: Toolchain | None = None
) -> SubmissionPlan:
    """The command for one try; with ``needed`` its secrets are read from where they lie."""
    tools = tools or make_tools(context, spec, needed=needed)
    digest = script_digest(spec)
    plan = build_plan(_with_safe_script_name(context, spec), tools, script_digest=digest, try_number=try_number)
    return with_secrets(context, plan) if needed else plan


def _with_safe_script_name(context: Context, spec: JobSpec) -> JobSpec:
    """Ship a script whose name Spark would mangle under a name that it does not.

    Seen on Spark 4.3.0 in cluster mode: the application master is told ``--primary-py-file a%20job.py`` while the file
    is localised as ``a job.py``, and the driver ends with status 2 because there is no such file.
    """
    script = spec.script
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", script.link)
    if spec.backend != YARN or spec.deploy_mode != "cluster" or script.is_remote or safe == script.link:
        return spec
    copy = store(Path(script.path).read_bytes(), context.services.cache_folder, folder="scripts", name=safe)
    return replace(
        spec,
        script=replace(script, path=str(copy), link=safe),
        notices=(*spec.notices, f"{script.path} is shipped as {safe}: Spark can't start a script of that name"),
    )


def script_digest(spec: JobSpec) -> str:
    """SHA-256 of the user's script; "" for one that lies on the cluster."""
    if spec.script.is_remote:
        return spec.script.path
    try:
        return hashlib.sha256(Path(spec.script.path).read_bytes()).hexdigest()
    except OSError as error:
        raise MissingFile(f"the script can't be read: {error.strerror or error}", where=spec.script.path) from error


def with_preparation(backend: Backend, spec: JobSpec) -> JobSpec:
    """The job after a look at the backend."""
    prepared = backend.prepare(spec)
    return replace(spec, conf=prepared.conf, notices=(*spec.notices, *prepared.notices))


def python_needs(spec: JobSpec) -> str:
    """What the nodes need for a built-in job beyond Python itself."""
    needs = ", ".join(spec.params.needs()) if spec.params is not None else ""
    if not needs or spec.backend != YARN:
        return ""
    interpreter = spec.conf.get("spark.pyspark.python")
    where = f"{interpreter.value} ({interpreter.origin})" if interpreter is not None else "python3 on PATH"
    return f"the nodes need {needs} in {where}; another interpreter: PYTHON_PATH, or archives in the job's section"


def check_call(spec: JobSpec, *, wait: bool) -> None:
    """Refuse what can't be asked of this job.

    Raises
    ------
    UsageError
        ``--no-wait`` in client mode.
    """
    if not wait and spec.backend == "yarn" and spec.deploy_mode == "client":
        raise UsageError(
            "--no-wait is not possible with deploy_mode client: the driver would end with this process",
            next_step="use deploy_mode: cluster, or wait",
        )


def tell_of(context: Context, plan: SubmissionPlan) -> None:
    """Say what people may not expect of a plan."""
    terminal = context.services.terminal
    for notice in plan.notices:
        terminal.note(notice)
    for text in (jars_notice(context, plan.spec), python_needs(plan.spec)):
        if text:
            terminal.note(text)
    attempts = plan.spec.conf.get("spark.yarn.maxAppAttempts")
    if attempts is not None and str(attempts.value) != "1":
        terminal.note(
            f"spark.yarn.maxAppAttempts={attempts.value} ({attempts.origin}): YARN may run a failed driver"
            f" {attempts.value} times inside one application"
        )
