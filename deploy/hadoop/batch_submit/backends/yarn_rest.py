"""Whether a plan goes over REST, and what happens where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from batch_submit.adapters.delegation import DelegationTokens, names_metastore
from batch_submit.adapters.spark_distribution import spark_conf_dir
from batch_submit.adapters.spark_surroundings import needs_sparks_client
from batch_submit.adapters.submission import COMPLETED_KEPT
from batch_submit.adapters.webhdfs_errors import SafeMode
from batch_submit.backends.yarn import REST, _hdfs_path
from batch_submit.backends.yarn_shared import shared_folder
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady, OutcomeUnknown, UsageError
from batch_submit.launchers.rest import RestLauncher
from batch_submit.launchers.rest_errors import NeedsSparkSubmit
from batch_submit.launchers.rest_spark import ManifestNotRead, spark_of
from batch_submit.plan.backend_choice import CONF_DIR_VARIABLES
from batch_submit.plan.rest.choice import MANAGER, why_not
from batch_submit.plan.rest.submission import RestJob

if TYPE_CHECKING:
    from batch_submit.backends.yarn import YarnBackend
    from batch_submit.plan.rest.distribution import SparkFacts
    from batch_submit.plan.submission import SubmissionPlan
    from batch_submit.services import Cluster


def over_rest(backend: YarnBackend, plan: SubmissionPlan, *, asks: bool = True) -> tuple[RestLauncher, RestJob]:
    """The launcher that needs no JVM, and the job as it takes it.

    Parameters
    ----------
    asks
        Whether HDFS may be asked for the manifest of Spark's archive; a dry run asks nobody.

    Raises
    ------
    NeedsSparkSubmit
        It can't take this job.
    UsageError
        Nobody can: something is wrong with the job itself.
    """
    servers = backend.servers
    webhdfs, session, default_fs = servers.webhdfs, servers.session, servers.default_fs.rstrip("/")
    if webhdfs is None or session is None:
        raise NeedsSparkSubmit("no NameNode with a web address is known")
    conf, manager = servers.conf, servers.resource_manager
    folders = [plan.environment[name] for name in CONF_DIR_VARIABLES if plan.environment.get(name)]
    spark_folder = spark_conf_dir(plan.environment)
    try:
        _refuse_what_it_can_t_take(backend, plan, default_fs, folders, spark_folder)
        shared = shared_folder(servers, backend.shared_dir, backend.clock)
        facts = spark_of(webhdfs if asks else None, plan, default_fs)
    except BatchSubmitError as error:
        if backend.launcher == REST or isinstance(error, (ManifestNotRead, SafeMode)):
            raise
        raise NeedsSparkSubmit(error.message) from error
    job = _job_of(plan, facts, backend)
    tokens = DelegationTokens(webhdfs, manager, conf, default_fs) if conf.kerberos else None
    base = _hdfs_path(job.conf.get("spark.yarn.stagingDir", ""), default_fs)
    launcher = RestLauncher(
        manager,
        webhdfs,
        session,
        tuple(dict.fromkeys(folders)),
        default_fs,
        f"{base}/{backend.user}" if base else servers.home_folder,
        shared,
        backend.clock,
        backend.terminal,
        spark_folder,
        tokens,
        conf.get(COMPLETED_KEPT),
    )
    return launcher, job


def _refuse_what_it_can_t_take(
    backend: YarnBackend, plan: SubmissionPlan, default_fs: str, folders: Sequence[str], spark_folder: str
) -> None:
    """Raise `NeedsSparkSubmit` for a plan, a configuration or a Spark that only Spark's own client can serve.

    Parameters
    ----------
    folders, spark_folder
        Where Spark would find Hadoop's configuration and its own.
    """
    kerberos = backend.servers.conf.kerberos
    metastore = kerberos and names_metastore([*folders, spark_folder])
    known = _managers(backend.servers)
    if reason := why_not(plan, kerberos=kerberos, default_fs=default_fs, metastore=metastore, managers=known):
        raise NeedsSparkSubmit(reason)
    if reason := needs_sparks_client(plan.environment.get("SPARK_HOME", ""), spark_folder, backend.environment):
        raise NeedsSparkSubmit(reason)


def _managers(servers: Cluster) -> dict[str, str]:
    """What the XML, and ``environment_config`` over it, say of the ResourceManagers, as Spark's properties."""
    conf, prefix = servers.conf, MANAGER.removeprefix("spark.hadoop.")
    known = {f"spark.hadoop.{key}": conf.get(key) or "" for key in conf.values if key.startswith(prefix)}
    named = conf.resourcemanager_rpcs()
    if len(named) == 1 and not conf.rm_ha:  # a site may name its host alone, or its web address
        host, port = named[0]
        known = {f"{MANAGER}hostname": host, f"{MANAGER}address": f"{host}:{port}", **known}
    return {**known, **servers.overrides}


def _job_of(plan: SubmissionPlan, facts: SparkFacts, backend: YarnBackend) -> RestJob:
    """The job; what is wrong with it is wrong for spark-submit too, and is told here in 0.1 s.

    Raises
    ------
    UsageError
        See `RestJob.of`.
    """
    try:
        return RestJob.of(plan, facts, backend.user, backend.environment)
    except ArithmeticError as error:  # a factor of "inf"
        raise UsageError(f"a Spark property is wrong: {error}", next_step="correct it in spark_config") from error


def fall_back(backend: YarnBackend, plan: SubmissionPlan, needed: NeedsSparkSubmit, reserved_id: str) -> None:
    """Let spark-submit do it, where that is allowed and does no harm to the job."""
    if reserved_id:
        raise OutcomeUnknown(
            f"{reserved_id}, which an earlier call reserved, can't be posted again: {needed.message}",
            next_step="undo what was changed since and run the same command again, or use another --run-id",
        )
    if backend.launcher == REST:
        raise UsageError(
            f"launcher rest can't take this job: {needed.message}",
            next_step="use --launcher spark-submit (execution.launcher)",
        )
    from batch_submit.plan.container_text import check_for_spark_submit, refuse_unsafe

    backend.terminal.debug(f"launcher: spark-submit, because {needed.message}")
    _check_programs(backend, needed)
    refuse_unsafe(check_for_spark_submit(plan.spec))  # `auto` let them pass, because rest delivers them


def _check_programs(backend: YarnBackend, needed: NeedsSparkSubmit) -> None:
    """`auto` let a host pass that has no Spark or Java: REST needs neither.

    Raises
    ------
    HostNotReady
        One is missing; the details say why it is not REST.
    ClusterUnreachable
        The same where the cluster was away, or half of it: this host needs none of them once it is back.
    """
    from batch_submit.adapters.spark_finder import find_java, find_spark

    try:
        find_spark(backend.environment)
        find_java(backend.environment)
    except HostNotReady as missing:
        outage = needed.__cause__
        if isinstance(outage, ClusterUnreachable):
            outage.details = (*outage.details, f"spark-submit can't do it in its place: {missing.message}")
            raise outage from missing
        missing.details = (*missing.details, f"launcher rest, which needs none, can't take this job: {needed.message}")
        raise
