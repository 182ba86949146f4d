"""``config show`` and ``config check``: the merged configuration with its sources, and every problem, offline."""

from __future__ import annotations

import json

from batch_submit.errors import ConfigError, ExitCode, HostNotReady, UsageError
from batch_submit.operations.context import Context, Selection, read_config
from batch_submit.operations.prepare import SubmitCall, identify, make_spec
from batch_submit.plan.backend_choice import BackendChoice, choose_backend
from batch_submit.plan.config import Config
from batch_submit.render.config import config_json, config_text
from batch_submit.services import Services
from ml_pipeline_framework.contract import PARAMS, JobType, job_type


def show_config(services: Services, selection: Selection, *, origin: bool, as_json: bool) -> int:
    """Print the merged result; with ``origin``, per value its file and line, variable or flag."""
    config, _, _ = read_config(services, selection)
    for text in config.warnings:
        services.terminal.warn(text)
    if as_json:
        services.terminal.answer(json.dumps(config_json(config), sort_keys=True))
    else:
        services.terminal.answer(config_text(config, origin=origin))
    return ExitCode.SUCCEEDED


def check_config(services: Services, selection: Selection, *, as_json: bool) -> int:
    """Report all problems of the configuration, and of the plan of each job type that can be planned.

    Raises
    ------
    ConfigError
        With every problem.
    """
    types = [job_type(selection.job_type)] if selection.job_type else list(JobType)
    problems: list[str] = []
    warnings: list[str] = []
    path = None
    for job in types:
        one = Selection(selection.config_file, selection.env, selection.profile, job.value, selection.flags)
        try:
            config, path, spark = read_config(services, one)
            warnings += [text for text in config.warnings if text not in warnings]
            if job in PARAMS or config.value(("job", "script")):
                context = Context(services, config, path, _choice(services, one, config), spark)
                make_spec(context, identify(context, SubmitCall(job.value, name="check")), day=None)
        except ConfigError as error:
            problems += [line for line in error.details if line not in problems]
        except UsageError as error:
            problems += [line for line in error.lines() if line not in problems]
    if problems:
        raise ConfigError(f"{len(problems)} problem(s) in the configuration", details=problems)
    for text in warnings:
        services.terminal.warn(text)
    checked = ", ".join(job.value for job in types)
    if as_json:
        services.terminal.answer(json.dumps({"ok": True, "config": str(path), "checked": [job.value for job in types]}))
    else:
        services.terminal.answer(f"{path}: no problems ({checked})")
    return ExitCode.SUCCEEDED


def _choice(services: Services, selection: Selection, config: Config) -> BackendChoice:
    """The backend that a submit would take; where it would refuse the host, the stricter rules of YARN are checked."""
    try:
        return choose_backend(
            config, services.env, etc_names_resourcemanager=False, cluster_flags=selection.cluster_flags()
        )
    except HostNotReady:
        return BackendChoice("yarn", "checked as for a cluster")
