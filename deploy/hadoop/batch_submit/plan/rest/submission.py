"""The submission context: what is POSTed to ``/ws/v1/cluster/apps``, and the properties that go with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batch_submit.errors import UsageError
from batch_submit.plan.rest.distribution import SparkFacts
from batch_submit.plan.rest.master import CPS, Size, command_of, environment_of, size_of
from batch_submit.plan.rest.resources import (
    ARCHIVE,
    CONF_ARCHIVE,
    LIBRARIES,
    Resource,
    Staged,
    argument_of,
    doubled,
    python_files,
    python_path,
    resources_of,
)
from batch_submit.plan.submission import SubmissionPlan
from batch_submit.plan.units import parse_duration_s

#: Not told to the driver: what only spark-submit's own process reads.
_NOT_SENT = ("spark.submit.deployMode",)


@dataclass(frozen=True)
class RestJob:
    """All that is decided before anything is asked of the cluster.

    Parameters
    ----------
    conf
        Every Spark property, secrets included.
    py_files
        Local paths or URIs, this tool's own first.
    """

    plan: SubmissionPlan
    facts: SparkFacts
    conf: Mapping[str, str]
    resources: tuple[Resource, ...]
    py_files: tuple[str, ...]
    user: str

    @classmethod
    def of(cls, plan: SubmissionPlan, facts: SparkFacts, user: str) -> RestJob:
        """Make the job of a plan.

        Raises
        ------
        UsageError
            Two files would have one name in the container.
        """
        resources = tuple(resources_of(plan, facts.python_zips))
        if problems := doubled(resources):
            raise UsageError(
                "two files of this job have one name", details=problems, next_step="give one an alias: path#name"
            )
        return cls(plan, facts, {**plan.conf, **plan.secrets}, resources, tuple(python_files(plan)), user)

    @property
    def size(self) -> Size:
        """Of the application master."""
        return size_of(self.conf)


def spark_properties(job: RestJob, submitted_ms: int) -> dict[str, str]:
    """Return ``__spark_conf__.properties``: what the driver's SparkConf begins with."""
    spec = job.plan.spec
    found = {key: value for key, value in job.conf.items() if key not in _NOT_SENT}
    found |= {
        "spark.master": "yarn",
        "spark.submit.deployMode": "cluster",
        "spark.yarn.isPython": "true",
        "spark.app.name": spec.name,
        "spark.app.submitTime": str(submitted_ms),
        "spark.executorEnv.PYTHONPATH": CPS.join(python_path(job.facts.python_zips, job.py_files)),
    }
    listed = {
        "spark.submit.pyFiles": [_uri(path) for path in job.py_files],
        "spark.yarn.dist.pyFiles": [_uri(path) for path in job.py_files],
        "spark.yarn.dist.files": [*map(_uri, job.plan.own_files), *map(argument_of, spec.files)],
        "spark.yarn.dist.archives": [argument_of(one) for one in spec.archives],
        "spark.yarn.dist.jars": [argument_of(one) for one in spec.jars],
    }
    if spec.jars:
        found["spark.yarn.secondary.jars"] = ",".join(one.link for one in spec.jars)
    return found | {key: ",".join(values) for key, values in listed.items() if values}


def _uri(path: str) -> str:
    return path if "://" in path else f"file://{path}"


def context_json(
    job: RestJob,
    application_id: str,
    staged: Mapping[str, Staged],
    staging: str,
    submitted_ms: int,
    credentials: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the body of the POST.

    Parameters
    ----------
    staged
        By link: every resource, the archive of the configuration (`CONF_ARCHIVE`), and Spark's jars (`LIBRARIES`) where
        they are localised.
    staging
        URI of the application's staging folder.
    credentials
        Service to delegation token, on a secure cluster.
    """
    conf, spec = job.conf, job.plan.spec
    kinds = {one.link: one.kind for one in job.resources} | {CONF_ARCHIVE: ARCHIVE, LIBRARIES: ARCHIVE}
    environment = environment_of(
        conf,
        job.facts,
        user=job.user,
        staging=staging,
        python_path=python_path(job.facts.python_zips, job.py_files),
        submitted_ms=submitted_ms,
    )
    container: dict[str, Any] = {
        "commands": {"command": command_of(conf, job.facts, job.size, job.plan.spec.script.link, job.plan.arguments)},
        "environment": _entries(environment),
        "local-resources": {"entry": [_resource(link, at, kinds[link]) for link, at in staged.items()]},
        "application-acls": _entries(access_lists(conf, job.user)),
    }
    if credentials:
        container["credentials"] = {"tokens": _entries(credentials)}
    found: dict[str, Any] = {
        "application-id": application_id,
        "application-name": spec.name,
        "application-type": "SPARK",
        "am-container-spec": container,
        "unmanaged-AM": False,
        "max-app-attempts": int(conf.get("spark.yarn.maxAppAttempts", "0")) or None,
        "resource": {"memory": job.size.memory_mib, "vCores": job.size.vcores},
        "application-tags": {"tag": list(job.plan.tags)},
        "keep-containers-across-application-attempts": False,
        "queue": conf.get("spark.yarn.queue") or "default",
        "priority": int(conf["spark.yarn.priority"]) if "spark.yarn.priority" in conf else None,
        "log-aggregation-context": _log_patterns(conf),
        "attempt-failures-validity-interval": _interval_ms(conf),
    }
    return {key: value for key, value in found.items() if value is not None}


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


def _interval_ms(conf: Mapping[str, str]) -> int | None:
    text = conf.get("spark.yarn.am.attemptFailuresValidityInterval", "")
    if not text:
        return None
    return int(text) if text.isdecimal() else int(parse_duration_s(text) * 1000)


def _resource(link: str, at: Staged, kind: str) -> dict[str, Any]:
    value = {
        "resource": at.uri,
        "type": kind,
        "visibility": at.visibility,
        "size": at.size,
        "timestamp": at.timestamp_ms,
    }
    return {"key": link, "value": value}


def _entries(values: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, Sequence[dict[str, str]]]:
    pairs = values.items() if isinstance(values, Mapping) else values
    return {"entry": [{"key": key, "value": value} for key, value in pairs]}
