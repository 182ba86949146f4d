"""``config show`` and ``config check``: the merged configuration with its sources, and every problem, offline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from batch_submit.adapters.config_files import find_config
from batch_submit.errors import ConfigError, ExitCode, HostNotReady, UsageError
from batch_submit.operations.context import Context, Selection, read_config
from batch_submit.operations.prepare import SubmitCall, identify, make_spec
from batch_submit.plan.backend_choice import BackendChoice, choose_backend
from batch_submit.plan.config import config_error
from batch_submit.plan.merged import Config
from batch_submit.render.config import config_json, config_text
from batch_submit.services import Services
from ml_pipeline_framework.contract import PARAMS, JobType, job_type

#: Stands in for the script that only ``--script`` will name, so that everything else of the plan can be checked.
_SOME_SCRIPT = str(Path(__file__).resolve())


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
    """Report all problems of the configuration, and of the plan of each job type.

    With problems and ``as_json`` they are answered on stdout too, before the error.

    Raises
    ------
    ConfigError
        With every problem.
    """
    types = [job_type(selection.job_type)] if selection.job_type else list(JobType)
    problems: dict[str, None] = {}  # in order, each once
    warnings: dict[str, None] = {}
    for job in types:
        one = replace(selection, job_type=job.value)
        try:
            warnings.update(dict.fromkeys(_check_job(services, one, job, named=selection.job_type is not None)))
        except UsageError as error:
            problems.update(dict.fromkeys(_problems(error)))
    shown = _shown_path(services, selection)
    if problems:
        if as_json:
            services.terminal.answer(json.dumps({"ok": False, "config": shown, "problems": list(problems)}))
        raise config_error(list(problems))
    for text in warnings:
        services.terminal.warn(text)
    names = [job.value for job in types]
    if as_json:
        services.terminal.answer(json.dumps({"ok": True, "config": shown, "checked": names}))
    else:
        services.terminal.answer(f"{shown}: no problems ({', '.join(names)})")
    return ExitCode.SUCCEEDED


def _check_job(services: Services, selection: Selection, job: JobType, *, named: bool) -> tuple[str, ...]:
    """Plan a job type without submitting it; gives the warnings.

    A built-in job that was not ``named``, and of whose model and data nothing is said, is not meant to run: of it, as
    of a custom job without a script, only what does not depend on the job itself is checked (limits, shipped files).
    """
    config, path, spark = read_config(services, selection)
    script = config.get(("job", "script"))
    has_script = script is not None and bool(script.value)
    described = bool(config.section("model_config") or config.section("data_config"))
    complete = has_script or (job in PARAMS and (named or described))
    context = Context(services, config, path, _choice(services, selection, config), spark, selection)
    call = SubmitCall(job.value, name="check", script=None if complete else _SOME_SCRIPT)
    spec = make_spec(context, identify(context, call), day=None)
    if not spec.script.is_remote and Path(spec.script.path).is_dir():
        raise UsageError("the script is a directory, not a file", where=f"{spec.script.origin}: {spec.script.path}")
    return config.warnings


def _problems(error: UsageError) -> list[str]:
    """Each problem of an error as one line."""
    if not error.details:
        head, *more = error.lines()
        hint = " ".join(line.strip().removeprefix("next: ") for line in more)
        return [f"{head} ({hint})" if hint else head]
    if isinstance(error, ConfigError):
        return list(error.details)
    return [f"{error.lines()[0]}: {line}" for line in error.details]


def _shown_path(services: Services, selection: Selection) -> str:
    try:
        return str(find_config(selection.config_file, cwd=services.cwd, homes=services.config_homes()))
    except UsageError:
        return str(selection.config_file)


def _choice(services: Services, selection: Selection, config: Config) -> BackendChoice:
    """The backend that a submit would take; where it would refuse the host, the stricter rules of YARN are checked."""
    try:
        return choose_backend(
            config,
            services.env,
            etc_names_resourcemanager=services.etc_names_resourcemanager(),
            cluster_flags=selection.cluster_flags(),
        )
    except HostNotReady:
        return BackendChoice("yarn", "checked as for a cluster")
