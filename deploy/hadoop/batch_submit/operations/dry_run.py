"""What a dry run shows: the command, and how the plan would reach YARN; asks nobody."""

from __future__ import annotations

import json
from typing import Any

from batch_submit.errors import BatchSubmitError, UsageError
from batch_submit.operations.context import Context, open_backend
from batch_submit.plan.backend_choice import YARN
from batch_submit.plan.command import plan_json, shell_command, shown_environment
from batch_submit.plan.container_text import check_for_spark_submit, refuse_unsafe
from batch_submit.plan.secret_references import references
from batch_submit.plan.submission import SubmissionPlan


def show_plan(context: Context, plan: SubmissionPlan, *, as_json: bool) -> None:
    """Print the spark-submit command of a plan, or all that there is to know of it as JSON.

    Raises
    ------
    UsageError
        ``launcher: rest`` is asked for and can't take this job, or spark-submit would corrupt its arguments or lose its
        files.
    """
    terminal = context.services.terminal
    if plan.secrets:
        found = references(plan.spec.conf)
        keys = ", ".join(f"{key} (from {found[key]})" if key in found else key for key in sorted(plan.secrets))
        terminal.note(f"fill a file (mode 0600) with these properties and name it above: {keys}")
    for name in (name for name, shown in shown_environment(plan).items() if shown != plan.environment[name]):
        terminal.note(f"{name} holds a secret, hidden above; spark-submit puts it into its JVM's command line")
    by_rest = context.config.value("execution.launcher") == "rest"
    told = plan.spec.backend == YARN and (as_json or by_rest or bool(check_for_spark_submit(plan.spec)))
    way = way_of(context, plan) if told else {}
    if way.get("launcher") == "spark-submit":
        refuse_unsafe(check_for_spark_submit(plan.spec))
    if as_json:
        terminal.answer(json.dumps({**plan_json(plan), **way}, sort_keys=True))
        return
    if by_rest and way:
        terminal.note("launcher rest: this command shows the same job; --format json shows what is sent in its place")
    terminal.answer(shell_command(plan))


def way_of(context: Context, plan: SubmissionPlan) -> dict[str, Any]:
    """Return the launcher that this host would take, and what it would send over REST.

    Returns
    -------
    dict
        ``launcher`` (``rest`` or ``spark-submit``), ``launcher_reason`` (why not rest, or why that is not shown; ""
        where it is, or was not asked for), ``rest`` (see `launchers.rest.RestLauncher.shown`; null with spark-submit,
        and on a host without Spark). What only the cluster can say, such as that it takes no submission over REST, is
        not looked at.

    Raises
    ------
    UsageError
        ``launcher: rest`` is asked for and can't take this job, or something is wrong with the job itself: as `submit`
        would say it.
    """
    from batch_submit.backends.yarn import REST, SPARK_SUBMIT, YarnBackend
    from batch_submit.launchers.rest_errors import NeedsSparkSubmit
    from batch_submit.launchers.rest_spark import ManifestNotRead

    wanted = str(context.config.value("execution.launcher") or SPARK_SUBMIT)
    reason = ""
    if wanted != SPARK_SUBMIT:
        try:
            backend = open_backend(context)
        except BatchSubmitError as error:
            if wanted == REST:
                raise
            return {"launcher": SPARK_SUBMIT, "launcher_reason": error.message, "rest": None}
        assert isinstance(backend, YarnBackend)  # the plan says so
        try:
            launcher, job = backend.over_rest(plan, asks=False)
            return {"launcher": REST, "launcher_reason": "", "rest": launcher.shown(job)}
        except NeedsSparkSubmit as needed:
            reason = needed.message
        except ManifestNotRead as error:
            return {"launcher": REST, "launcher_reason": error.message, "rest": None}
    if wanted == REST:
        raise UsageError(f"launcher rest can't take this job: {reason}", next_step="use --launcher spark-submit")
    return {"launcher": SPARK_SUBMIT, "launcher_reason": reason, "rest": None}
