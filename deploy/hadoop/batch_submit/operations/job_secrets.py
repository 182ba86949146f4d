"""The secrets of a job: looked at with the rest of it, and read from where they lie when it is launched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.hadoop_credentials import HadoopCredentials
from batch_submit.adapters.secret_sources import SecretSources
from batch_submit.adapters.terminal import hide, keep_run_id
from batch_submit.connecting import login_variables
from batch_submit.operations.context import Context
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.redaction import check_pattern
from batch_submit.plan.secret_references import (
    CREDENTIAL,
    PROVIDER_PATH,
    left_to_hadoop,
    literal_values,
    literals,
    literals_by_pattern,
    references,
    refuse_literals,
)
from batch_submit.plan.submission import JobSpec, SubmissionPlan


def checked_secrets(context: Context, spec: JobSpec) -> JobSpec:
    """The job with a warning for each secret that stands in the configuration, and without what Hadoop reads itself.

    Raises
    ------
    UsageError
        ``--env prod`` and such a secret; a reference that names nothing; a ``spark.redaction.regex`` that is none.
    """
    warnings = check_pattern(spec.conf) + refuse_literals(context.selection.env, literals(spec.conf))
    warnings += literals_by_pattern(spec.conf)
    for text in warnings:
        if context.services.first_time(text):
            context.services.terminal.warn(text)
    found = references(spec.conf)
    provider = _provider(context, spec)
    hadoops = left_to_hadoop(found, provider, same_host=spec.backend == LOCAL) if provider else frozenset[str]()
    if not hadoops:
        return spec
    return replace(
        spec,
        conf={key: value for key, value in spec.conf.items() if key not in hadoops},
        notices=(*spec.notices, *(f"{key}: read by Hadoop itself from {provider}" for key in sorted(hadoops))),
    )


def with_secrets(context: Context, plan: SubmissionPlan) -> SubmissionPlan:
    """The plan with each reference replaced by its secret, which nothing prints or logs from here on.

    Raises
    ------
    MissingFile, HostNotReady
        Naming every secret that can't be had.
    """
    found = references(plan.spec.conf)
    keep_run_id(plan.spec.run_id)
    hide(literal_values(plan.spec.conf, plan.secrets))
    if not found:
        return plan
    spec, services = plan.spec, context.services
    credentials = None
    if any(one.kind == CREDENTIAL for one in found.values()):
        conf = _hadoop_conf(context)
        credentials = HadoopCredentials(
            provider=_provider(context, spec),
            spark_home=context.spark.home if context.spark is not None else "",
            conf_dirs=tuple(filter(None, (context.choice.hadoop_conf_dir, context.choice.yarn_conf_dir))),
            env=services.env,
            login=lambda: login_variables(services, context.config, conf),
        )
    read = SecretSources(services.env, credentials).read(found, {key: spec.conf[key].origin for key in found})
    hide(read.values())
    return replace(plan, secrets={**plan.secrets, **read})


def _provider(context: Context, spec: JobSpec) -> str:
    """Hadoop's provider path: of the job's own properties, else of the cluster's XML; "" for none."""
    told = spec.conf.get(f"spark.hadoop.{PROVIDER_PATH}")
    if told is not None:
        return str(told.value)
    conf = _hadoop_conf(context)
    return (conf.get(PROVIDER_PATH) if conf is not None else "") or ""


def _hadoop_conf(context: Context) -> HadoopConf | None:
    """The cluster's XML, where there is one."""
    folder = context.choice.hadoop_conf_dir
    if not folder or not Path(folder).is_dir():
        return None
    return context.services.hadoop_conf(folder, context.choice.yarn_conf_dir)
