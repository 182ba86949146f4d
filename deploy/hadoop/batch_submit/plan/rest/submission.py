"""The submission context: what is POSTed to ``/ws/v1/cluster/apps``, and the properties that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.errors import UsageError
from batch_submit.plan.rest.distribution import SparkFacts
from batch_submit.plan.rest.master import CPS, Size, command_of, environment_of, size_of
from batch_submit.plan.rest.resources import (
    ARCHIVE,
    CONF_ARCHIVE,
    FILE,
    KEYTAB,
    LIBRARIES,
    Resource,
    Staged,
    argument_of,
    doubled,
    keytab_link,
    local_jars,
    python_files,
    python_path,
    remote_jars,
    resources_of,
    uri_of,
)
from batch_submit.plan.submission import ShippedFile, SubmissionPlan
from batch_submit.plan.units import UnitError, parse_duration_s
from batch_submit.plan.uris import quoted_path

_EXECUTOR_PATH = "spark.executorEnv.PYTHONPATH"


@dataclass(frozen=True)
class RestJob:
    """All that is decided before anything is asked of the cluster.

    Parameters
    ----------
    conf
        Every Spark property, secrets included.
    py_files
        This tool's own first.
    host
        The environment of this process, from which Spark's client takes the interpreters' names and
        ``PYTHONPATH``.
    """

    plan: SubmissionPlan
    facts: SparkFacts
    conf: Mapping[str, str]
    resources: tuple[Resource, ...]
    py_files: tuple[ShippedFile, ...]
    user: str
    host: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: SubmissionPlan, facts: SparkFacts, user: str, host: Mapping[str, str] | None = None) -> RestJob:
        """Make the job of a plan.

        Raises
        ------
        UsageError
            Two files would have one name in the container, or a property that sizes or counts is no number.
        """
        resources = tuple(resources_of(plan, facts.python_zips))
        if problems := doubled(resources):
            raise UsageError(
                "two files of this job have one name", details=problems, next_step="give one an alias: path#name"
            )
        job = cls(plan, facts, {**plan.conf, **plan.secrets}, resources, tuple(python_files(plan)), user, host or {})
        try:
            job.size, _attempts(job.conf), _priority(job.conf), _interval_ms(job.conf)  # before an id is reserved
        except ValueError as error:
            raise UsageError(f"a Spark property is wrong: {error}", next_step="correct it in spark_config") from error
        return job

    @property
    def size(self) -> Size:
        """Of the application master."""
        return size_of(self.conf)

    @property
    def python_path(self) -> list[str]:
        """Entries of ``PYTHONPATH`` in all containers: this process's own come first (``Client.setupLaunchEnv``)."""
        return [*filter(None, [self.host.get("PYTHONPATH")]), *python_path(self.facts.python_zips, self.py_files)]


def spark_properties(job: RestJob, submitted_ms: int) -> dict[str, str]:
    """Return ``__spark_conf__.properties``: what the driver's SparkConf begins with."""
    spec = job.plan.spec
    of_executors = [job.conf.get(_EXECUTOR_PATH, ""), *job.python_path]
    found = {
        **job.conf,
        "spark.master": "yarn",
        "spark.submit.deployMode": "cluster",
        "spark.yarn.isPython": "true",
        "spark.app.name": spec.name,
        "spark.app.submitTime": str(submitted_ms),
        _EXECUTOR_PATH: CPS.join(filter(None, of_executors)),
    }
    if job.conf.get(KEYTAB):
        found[KEYTAB] = keytab_link(job.plan)  # the driver logs in by it, and renews its tokens
    listed = {
        "spark.submit.pyFiles": [argument_of(one) for one in job.py_files],
        "spark.yarn.dist.pyFiles": [argument_of(one) for one in job.py_files],
        "spark.yarn.dist.files": [*map(uri_of, job.plan.own_files), *map(argument_of, spec.files)],
        "spark.yarn.dist.archives": [argument_of(one) for one in spec.archives],
        "spark.yarn.dist.jars": [argument_of(one) for one in spec.jars],
    }
    if remote_jars(job.conf):
        found["spark.yarn.jars"] = ",".join(local_jars(job.conf))  # the others are localised (``Client.scala``)
    if spec.jars:
        found["spark.yarn.secondary.jars"] = ",".join(quoted_path(one.link) for one in spec.jars)
    return found | {key: ",".join(values) for key, values in listed.items() if values}


def context_json(
    job: RestJob,
    application_id: str,
    staged: Mapping[str, Staged],
    staging: str,
    submitted_ms: int,
    tokens: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the body of the POST.

    Parameters
    ----------
    staged
        By link: every resource, the archive of the configuration (`CONF_ARCHIVE`), and Spark's jars (`LIBRARIES`, or
        each below it) where they are localised.
    staging
        URI of the application's staging folder.
    tokens
        Delegation tokens by their service: secrets, which make the whole body one.
    """
    conf = job.conf
    found: dict[str, Any] = {
        "application-id": application_id,
        "application-name": job.plan.spec.name,
        "application-type": conf.get("spark.yarn.applicationType") or "SPARK",
        "am-container-spec": _container(job, application_id, staged, staging, submitted_ms)
        | _credentials(tokens or {}),
        "unmanaged-AM": False,
        "max-app-attempts": _attempts(conf),
        "resource": {"memory": job.size.memory_mib, "vCores": job.size.vcores},
        "application-tags": {"tag": list(job.plan.tags)},
        "keep-containers-across-application-attempts": False,
        "queue": conf.get("spark.yarn.queue") or "default",
        "priority": _priority(conf),
        "log-aggregation-context": _log_patterns(conf),
        "attempt-failures-validity-interval": _interval_ms(conf),
        "am-container-node-label-expression": conf.get("spark.yarn.am.nodeLabelExpression") or None,
    }
    said = {key: value for key, value in found.items() if value is not None}
    # A missing label would be taken as "", the default partition, and not as the default label of the queue (3.5.0).
    return {**said, "app-node-label-expression": None}


def _container(
    job: RestJob, application_id: str, staged: Mapping[str, Staged], staging: str, submitted_ms: int
) -> dict[str, Any]:
    """Return what YARN starts for the application master."""
    kinds = {one.link: one.kind for one in job.resources} | {CONF_ARCHIVE: ARCHIVE, LIBRARIES: ARCHIVE}
    environment = environment_of(
        job.conf,
        job.facts,
        user=job.user,
        staging=staging,
        python_path=job.python_path,
        submitted_ms=submitted_ms,
        host=job.host,
    )
    script, arguments = job.plan.spec.script.link, job.plan.arguments
    return {
        "commands": {"command": command_of(job.conf, job.facts, job.size, script, arguments, application_id)},
        "environment": _entries(environment),
        "local-resources": {"entry": [_resource(link, at, kinds.get(link, FILE)) for link, at in staged.items()]},
        "application-acls": _entries(access_lists(job.conf, job.user)),
    }


def _credentials(tokens: Mapping[str, str]) -> dict[str, Any]:
    return {"credentials": {"tokens": _entries(tokens)}} if tokens else {}


def access_lists(conf: Mapping[str, str], user: str) -> dict[str, str]:
    """Return who may look and who may change: the user, the administrators, and those whom the conf names.

    ``YarnSparkHadoopUtil.getApplicationAclsForYarn``: users, a blank, groups; ``*`` alone for everybody.
    """

    def merged(*keys: str) -> str:
        named = [one.strip() for key in keys for one in conf.get(key, "").split(",") if one.strip()]
        return "*" if "*" in named else ",".join(dict.fromkeys(named))

    def listed(what: str) -> str:
        users = merged("spark.admin.acls", what)
        users = users if users == "*" else ",".join(dict.fromkeys([user, *filter(None, users.split(","))]))
        return f"{users} {merged('spark.admin.acls.groups', f'{what}.groups')}"

    return {"VIEW_APP": listed("spark.ui.view.acls"), "MODIFY_APP": listed("spark.modify.acls")}


def _log_patterns(conf: Mapping[str, str]) -> dict[str, str] | None:
    said = {
        "rolled-log-include-pattern": conf.get("spark.yarn.rolledLog.includePattern", ""),
        "rolled-log-exclude-pattern": conf.get("spark.yarn.rolledLog.excludePattern", ""),
    }
    return {key: value for key, value in said.items() if value} or None


def _attempts(conf: Mapping[str, str]) -> int | None:
    return _whole(conf, "spark.yarn.maxAppAttempts")


def _priority(conf: Mapping[str, str]) -> int:
    """Return the priority; 0 where none is asked for, as a missing one is taken as -1, below everybody's (3.5.0)."""
    return _whole(conf, "spark.yarn.priority") or 0


def _whole(conf: Mapping[str, str], key: str) -> int | None:
    try:
        return int(conf[key]) if key in conf else None
    except ValueError as error:
        raise UnitError(f"{key}: {conf[key]!r} is no whole number") from error


def _interval_ms(conf: Mapping[str, str]) -> int | None:
    key = "spark.yarn.am.attemptFailuresValidityInterval"
    text = conf.get(key, "")
    try:
        return int(text) if text.isdecimal() else int(parse_duration_s(text) * 1000) if text else None
    except UnitError as error:
        raise UnitError(f"{key}: {error}") from error


def _resource(link: str, at: Staged, kind: str) -> dict[str, Any]:
    value = {
        "resource": at.uri,
        "type": kind,
        "visibility": at.visibility,
        "size": at.size,
        "timestamp": at.timestamp_ms,
    }
    return {"key": link, "value": value}


def _entries(values: Mapping[str, str]) -> dict[str, list[dict[str, str]]]:
    return {"entry": [{"key": key, "value": value} for key, value in values.items()]}
