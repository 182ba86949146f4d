"""The spark-submit command of a job: one pure function, pinned by golden files."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping

from batch_submit.data_classes import dataclass
from batch_submit.plan import redaction
from batch_submit.plan.backend_choice import CONF_DIR_VARIABLES, LOCAL, YARN
from batch_submit.plan.identity import OUR_TAG, Fingerprint, all_tags
from batch_submit.plan.secret_references import keeps_secret, references
from batch_submit.plan.secrets import holds_secret, mask, mask_arguments
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.submission import SECRETS_PLACEHOLDER, JobSpec, ShippedFile, SubmissionPlan
from ml_pipeline_framework.contract import params_file_name

#: Canonical property -> the flag that spark-submit has for it; everything else travels as ``--conf``.
_FLAGS = {
    "spark.yarn.queue": "--queue",
    "spark.executor.instances": "--num-executors",
    "spark.executor.cores": "--executor-cores",
    "spark.executor.memory": "--executor-memory",
    "spark.driver.memory": "--driver-memory",
    "spark.driver.cores": "--driver-cores",
    "spark.kerberos.principal": "--principal",
    "spark.kerberos.keytab": "--keytab",
}


@dataclass(frozen=True)
class Toolchain:
    """What this host launches with; empty texts where a dry run found nothing."""

    spark_submit: str = "spark-submit"
    spark_home: str = ""
    hadoop_conf_dir: str = ""
    #: ``YARN_CONF_DIR`` where it is another folder.
    yarn_conf_dir: str = ""
    spark_conf_dir: str = ""
    java_home: str = ""
    python: str = ""
    framework_zip: str = ""
    params_file: str = ""
    spark_submit_opts: str = ""
    verbose: bool = False


def fingerprint_of(spec: JobSpec, script_digest: str) -> Fingerprint:
    """What makes this job the same job: type, script content, arguments, inputs and outputs with dates filled in."""
    parts = {"job_type": spec.job_type.value, "script": script_digest}
    shown = mask_arguments(spec.arguments)
    for number, (argument, masked) in enumerate(zip(spec.arguments, shown, strict=True), start=1):
        # A hidden argument still tells one job from another: by a short hash, which does not give it away.
        digest = hashlib.sha256(f"{spec.run_id}\0{argument}".encode(errors="surrogatepass")).hexdigest()[:8]
        parts[f"argument {number}"] = masked if masked == argument else f"{masked} #{digest}"
    if spec.params is not None:
        for key, value in json.loads(spec.params.to_json()).items():
            if key not in ("run_id", "name"):
                parts[f"params.{key}"] = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        # The framework's own script changes with every release; a repeat after an upgrade is still the same job.
        parts["script"] = "built-in"
    return Fingerprint(parts)


def build_plan(
    spec: JobSpec, tools: Toolchain, *, script_digest: str = "", try_number: int | None = None
) -> SubmissionPlan:
    """Build the command.

    Parameters
    ----------
    spec
        The checked job.
    tools
        The programs and generated files of this host.
    script_digest
        SHA-256 of the user's script, for the fingerprint.
    try_number
        The number of this try, counted from 1; ``None`` (a dry run) gives a command that belongs to no run.
    """
    tags: tuple[str, ...] = ()
    conf = dict(spec.conf)
    if spec.backend == YARN:
        tags = all_tags(spec.run_id, try_number or 1, spec.user_tags)
        if try_number is None:
            tags = (OUR_TAG, *tags[3:])  # checked like a run's, and yet no run's
        conf["spark.yarn.tags"] = Sourced(",".join(tags), "this run")
        if spec.deploy_mode == "cluster":
            conf["spark.yarn.submit.waitAppCompletion"] = Sourced("false", "this tool waits itself")
    conf.pop("spark.submit.deployMode", None)
    told = redaction.told_by(conf)
    secrets = {key: str(value.value) for key, value in conf.items() if told(key) or holds_secret(key, value.value)}
    _hush_spark(conf, secrets)
    return SubmissionPlan(
        spec=spec,
        argv=_argv(spec, tools, conf, secrets),
        environment=_environment(spec, tools),
        secrets=secrets,
        tags=tags,
        fingerprint=fingerprint_of(spec, script_digest),
        notices=spec.notices,
        origins={key: value.origin for key, value in sorted(conf.items())},
        conf={key: str(value.value) for key, value in sorted(conf.items()) if key not in secrets},
        own_py_files=(tools.framework_zip,) if tools.framework_zip else (),
        own_files=(tools.params_file,) if tools.params_file and _in_container(spec) else (),
        arguments=tuple(_job_arguments(spec, tools)),
    )


def _hush_spark(conf: dict[str, Sourced], secrets: Mapping[str, str]) -> None:
    """Have Spark hide this job's secrets in its own UI, event log and logs too."""
    # What a reference says is not what Spark will see; `…credential.provider.path` and its like may be shown.
    elsewhere, told = references(conf), redaction.told_by(conf)
    seen = {key: "" if key in elsewhere else value for key, value in secrets.items()}
    kept = {key: value for key, value in seen.items() if keeps_secret(key, told) or mask("", value) != value}
    configured = conf.get(redaction.KEY)
    if kept:
        conf[redaction.SLOW_EVENTS] = Sourced("false", "this tool: events in the driver's log would show a secret")
    wider = redaction.redaction(kept, str(configured.value) if configured is not None else None)
    if wider is not None:
        conf[redaction.KEY] = Sourced(wider, "this tool: Spark's own would show a secret of this job")


def _argv(spec: JobSpec, tools: Toolchain, conf: Mapping[str, Sourced], secrets: Mapping[str, str]) -> tuple[str, ...]:
    argv = [tools.spark_submit]
    argv += (
        ["--master", "yarn", "--deploy-mode", spec.deploy_mode] if spec.backend == YARN else ["--master", "local[*]"]
    )
    argv += ["--name", spec.name]
    argv += ["--proxy-user", spec.proxy_user] if spec.proxy_user else []
    if secrets:
        argv += ["--properties-file", SECRETS_PLACEHOLDER]
    for key, flag in _FLAGS.items():
        if key in conf:
            argv += [flag, str(conf[key].value)]
    for key in sorted(conf):
        if key not in _FLAGS and key not in secrets:
            argv += ["--conf", f"{key}={conf[key].value}"]
    argv += _files(spec, tools)
    if tools.verbose:
        argv.append("--verbose")
    argv += [spec.script.path, *_job_arguments(spec, tools)]
    return tuple(argv)


def _files(spec: JobSpec, tools: Toolchain) -> list[str]:
    py_files = [one.argument() for one in spec.py_files]
    files = [one.argument() for one in spec.files]
    if tools.framework_zip:
        py_files.insert(0, tools.framework_zip)
    if tools.params_file and _in_container(spec):
        files.insert(0, tools.params_file)
    out: list[str] = []
    for flag, items in (
        ("--py-files", py_files),
        ("--files", files),
        ("--archives", [one.argument() for one in spec.archives]),
        ("--jars", [one.argument() for one in spec.jars]),
    ):
        if items:
            out += [flag, ",".join(items)]
    return out


def _in_container(spec: JobSpec) -> bool:
    """Whether the driver runs in a container, where shipped files lie in its working directory."""
    return spec.backend == YARN and spec.deploy_mode == "cluster"


def _job_arguments(spec: JobSpec, tools: Toolchain) -> list[str]:
    if spec.params is None:
        return list(spec.arguments)
    name = params_file_name(spec.job_type)
    return ["--params", name if _in_container(spec) else tools.params_file or name]


def _environment(spec: JobSpec, tools: Toolchain) -> dict[str, str]:
    environment: dict[str, str] = {}
    if tools.spark_home:
        environment["SPARK_HOME"] = tools.spark_home
    if tools.spark_conf_dir:
        environment["SPARK_CONF_DIR"] = tools.spark_conf_dir
    if tools.java_home:
        environment["JAVA_HOME"] = tools.java_home
    if spec.backend == YARN and tools.hadoop_conf_dir:
        hadoop, yarn = CONF_DIR_VARIABLES
        environment |= {hadoop: tools.hadoop_conf_dir, yarn: tools.yarn_conf_dir or tools.hadoop_conf_dir}
    if spec.backend == LOCAL:
        # A laptop's own name often resolves to another interface; a local run needs the loopback only.
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"
        if tools.python:
            environment["PYSPARK_PYTHON"] = tools.python
    if tools.spark_submit_opts:
        environment["SPARK_SUBMIT_OPTS"] = tools.spark_submit_opts
    return environment


def shown_environment(plan: SubmissionPlan) -> dict[str, str]:
    """The variables as they may be shown: ``SPARK_SUBMIT_OPTS`` often opens a truststore."""
    return {name: str(mask(name, value)) for name, value in plan.environment.items()}


def shell_command(plan: SubmissionPlan) -> str:
    """The command as one shell-quoted line that runs when pasted (after secrets, if any, are filled in)."""
    words = [shlex.quote(word) for word in plan.argv]
    if not plan.environment:
        return " ".join(words)
    variables = [f"{name}={shlex.quote(value)}" for name, value in sorted(shown_environment(plan).items())]
    return " ".join(["env", *variables, *words])


def plan_json(plan: SubmissionPlan) -> dict[str, object]:
    """The plan for machines: argv, environment, files, tags, and where every value came from. Holds no secret."""
    spec = plan.spec

    def shipped(items: tuple[ShippedFile, ...]) -> list[dict[str, str]]:
        return [{"path": one.path, "link": one.link, "origin": one.origin} for one in items]

    files: Mapping[str, object] = {
        "script": spec.script.path,
        "py_files": shipped(spec.py_files),
        "files": shipped(spec.files),
        "archives": shipped(spec.archives),
        "jars": shipped(spec.jars),
    }
    return {
        "job_type": spec.job_type.value,
        "name": spec.name,
        "run_id": spec.run_id,
        "backend": spec.backend,
        "deploy_mode": spec.deploy_mode,
        "queue": spec.queue,
        "storage_root": mask("", spec.storage_root),
        "argv": list(plan.argv),
        "environment": shown_environment(plan),
        "files": files,
        "params": json.loads(spec.params.to_json()) if spec.params is not None else None,
        "tags": list(plan.tags),
        "secret_keys": sorted(plan.secrets),
        "origins": dict(plan.origins),
        "fingerprint": plan.fingerprint.digest,
        "timeout_s": spec.timeout_s,
        "notices": list(plan.notices),
    }
