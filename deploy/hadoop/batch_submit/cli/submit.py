"""``submit``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from batch_submit.cli.options import backend_option, config_options, insecure, json_option, verbose_option
from batch_submit.errors import UsageError
from batch_submit.operations.claiming import CLAIM_AUTO, CLAIM_NONE
from batch_submit.operations.context import Selection
from batch_submit.operations.once import SubmitOptions
from batch_submit.operations.prepare import SubmitCall
from batch_submit.operations.submit import submit
from batch_submit.plan.locks import lock_wish
from batch_submit.services import build_services
from ml_pipeline_framework.contract import ContractError, job_type

#: Flag -> its place in the configuration: a flag is the last layer, checked and shown like every other value.
_VALUE_FLAGS = {
    "queue": (("spark_config", "queue"), "--queue"),
    "num_executors": (("spark_config", "num_executors"), "--num-executors"),
    "executor_memory": (("spark_config", "executor_memory"), "--executor-memory"),
    "executor_cores": (("spark_config", "executor_cores"), "--executor-cores"),
    "driver_memory": (("spark_config", "driver_memory"), "--driver-memory"),
    "driver_cores": (("spark_config", "driver_cores"), "--driver-cores"),
    "backend": (("execution", "backend"), "--backend"),
    "launcher": (("execution", "launcher"), "--launcher"),
    "principal": (("security_config", "principal"), "--principal"),
    "keytab": (("security_config", "keytab"), "--keytab"),
    "proxy_user": (("security_config", "proxy_user"), "--proxy-user"),
    "timeout": (("execution", "timeout"), "--timeout"),
    "wait_timeout": (("execution", "wait_timeout"), "--wait-timeout"),
    "kill_on_exit": (("execution", "kill_on_exit"), "--kill-on-exit"),
    "allow_world_writable": (("execution", "allow_world_writable"), "--allow-world-writable"),
    "save_logs": (("execution", "save_logs"), "--save-logs"),
    "retries": (("execution", "retries"), "--retries"),
    "retry_on": (("execution", "retry_on"), "--retry-on"),
    "retry_wait": (("execution", "retry_wait"), "--retry-wait"),
    "oom_bump": (("execution", "oom_bump"), "--oom-bump"),
}


#: Flags that name something: an empty text is a variable that was not set, not a wish.
_NAMING_FLAGS = {
    "name": "-n/--name",
    "date": "--date",
    "run_id": "--run-id",
    "script": "--script",
    "env": "--env",
    "profile": "--profile",
    "principal": "--principal",
    "keytab": "--keytab",
    "proxy_user": "--proxy-user",
}


def typed_job_type(name: str) -> str:
    """The job type that a name or an alias means.

    Raises
    ------
    UsageError
        For neither, with the known names.
    """
    try:
        return job_type(name).value
    except ContractError as error:
        (problem,) = error.problems
        raise UsageError(problem.message, where="--type", next_step=problem.hint) from error


def _name_alone(text: str) -> str:
    """A ``--conf`` that is none, without what may be a secret behind its name."""
    name = re.split(r"[\s=:]", text, maxsplit=1)[0]
    return text if name == text else f"{name}…"


def _refuse_empty(typed: Mapping[str, Any]) -> None:
    for name, flag in _NAMING_FLAGS.items():
        if typed[name] is not None and not typed[name].strip():
            raise UsageError(f"{flag} is empty", next_step=f"give {flag} a value, or leave it out")


def submission_of(typed: Mapping[str, Any]) -> tuple[Selection, SubmitCall, SubmitOptions]:
    """What a command line of ``submit`` asks for.

    Raises
    ------
    UsageError
        It can't be meant so.
    """
    if typed["type_name"] is None:
        raise UsageError("submit needs a job type", next_step="add -t TYPE (--type), or --many FILE")
    job = typed_job_type(typed["type_name"])
    _refuse_empty(typed)
    flags: dict[tuple[str, ...], tuple[object, str]] = {
        path: (typed[name], flag) for name, (path, flag) in _VALUE_FLAGS.items() if typed[name] is not None
    }
    if typed["save_logs"] and not typed["wait"]:
        raise UsageError(
            "--save-logs needs the waiting: nobody is there to save them at the end of a run with --no-wait",
            next_step="leave --no-wait out, or set execution.save_logs and use batch-submit wait",
        )
    for text in typed["conf"]:
        key, separator, value = text.partition("=")
        if not separator or not key.startswith("spark."):
            raise UsageError(
                f"--conf {_name_alone(text)!r} is not spark.KEY=VALUE",
                next_step="write --conf spark.sql.shuffle.partitions=8",
            )
        flags[("spark_config", key)] = (value, "--conf")
    call = SubmitCall(
        job_type=job,
        name=typed["name"],
        run_id=typed["run_id"],
        date=typed["date"],
        script=typed["script"],
        app_args=typed["app_args"],
        app_arg=typed["app_arg"],
        rest=typed["rest"],
        clamp=typed["clamp"],
        lock=lock_wish(typed["lock"], typed["lock_wait"], typed["skip_if_running"]),
    )
    options = SubmitOptions(
        dry_run=typed["dry_run"],
        as_json=typed["as_json"],
        wait=typed["wait"],
        preflight=not typed["no_preflight"],
        claim=typed["claim"],
    )
    chosen = Selection(typed["config_file"], typed["env"], typed["profile"], job, flags, insecure(typed["env"]))
    return chosen, call, options


@click.command("submit", short_help="Submit a job and wait for its end.")
@click.option(
    "-t",
    "--type",
    "type_name",
    metavar="TYPE",
    help="training, prediction, data_processing, evaluation, pipeline, custom.",
)
@click.option("-n", "--name", metavar="NAME", help="A label; default TYPE-YYYYmmdd-HHMMSS.")
@click.option("-q", "--queue", metavar="QUEUE", help="YARN queue.")
@config_options
@backend_option
@click.option(
    "--launcher",
    metavar="L",
    help="auto, rest (no JVM) or spark-submit: how it reaches YARN.",
)
@click.option("--num-executors", metavar="N", help="Executors; the initial count under dynamic allocation.")
@click.option("--executor-memory", metavar="M", help="Heap of an executor, with unit: 8g.")
@click.option("--executor-cores", metavar="N", help="Cores of an executor.")
@click.option("--driver-memory", metavar="M", help="Heap of the driver, with unit: 4g.")
@click.option("--driver-cores", metavar="N", help="Cores of the driver.")
@click.option("--conf", "conf", multiple=True, metavar="K=V", help="A Spark property; repeatable.")
@click.option("--principal", metavar="P", help="Kerberos: whom the keytab logs in.")
@click.option("--keytab", metavar="FILE", help="Kerberos: log in by it, here and in the driver.")
@click.option("--proxy-user", metavar="U", help="Kerberos: act for this user by our own ticket; not with --keytab.")
@click.option("--script", metavar="FILE", help="Your own script instead of the built-in job.")
@click.option(
    "--allow-world-writable",
    is_flag=True,
    default=None,
    help="Take the configuration and what is shipped although everybody on this host could have changed it.",
)
@click.option("--app-args", metavar='"…"', help="Arguments of the job as one shell-quoted text.")
@click.option("--app-arg", multiple=True, metavar="X", help="One argument of the job; repeatable.")
@click.option("--many", metavar="FILE", help="The runs of a YAML file: a list, or a range of days.")
@click.option(
    "--max-parallel",
    type=click.IntRange(1, 200),
    metavar="N",
    help="Of --many at most N live at a time; default 4.",
)
@click.option("--lock", metavar="NAME", help="At most one live run of this name; else exit 5.")
@click.option("--lock-wait", metavar="T", help="Wait up to T for the lock; default: not at all.")
@click.option("--skip-if-running", is_flag=True, help="Somebody holds the lock: exit 0, nothing is submitted.")
@click.option("--dry-run", is_flag=True, help="Print the spark-submit command; touches nothing.")
@click.option("--no-preflight", is_flag=True, help="Do not ask the cluster beforehand what it would refuse.")
@click.option("--clamp", is_flag=True, help="Lower what exceeds resource_limits instead of refusing.")
@click.option("--run-id", metavar="R", help="Identity of the run: a repeat attaches instead of submitting again.")
@click.option(
    "--claim",
    type=click.Choice((CLAIM_AUTO, CLAIM_NONE)),
    default=CLAIM_AUTO,
    help="none: submit a --run-id that can't be claimed in HDFS.",
)
@click.option("--date", metavar="D", help="The day that %Y%m%d and {{ ds }} mean; default today.")
@click.option("--wait/--no-wait", default=True, help="Wait for the end (default), or only for acceptance.")
@click.option("--timeout", metavar="T", help="Kill the run T after its acceptance: 90s, 30m, 2h.")
@click.option("--wait-timeout", metavar="T", help="Stop waiting after T; the run goes on.")
@click.option("--kill-on-exit", is_flag=True, default=None, help="A signal to this process kills the application too.")
@click.option("--save-logs/--no-save-logs", default=None, help="Keep the containers' logs under <storage root>/logs.")
@click.option(
    "--retries", metavar="N", help="Further tries after an infrastructure failure; never after the job's own."
)
@click.option("--retry-on", metavar="LIST", help="Which: lost,preempted,am-failure (default: all three).")
@click.option("--retry-wait", metavar="T", help="Wait before the first retry, doubled with each; default 30s.")
@click.option("--oom-bump", metavar="F", help="A retry after out-of-memory too, with F times the memory: 1.5.")
@json_option
@verbose_option
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGS…]")
def submit_command(**typed: Any) -> int:
    """Submit a job and wait for its end; the exit code tells the result.

    \b
    batch-submit submit -t training -q ml-queue
    batch-submit submit -t training --run-id nightly-2026-01-31
    batch-submit submit -t custom --script job.py -- --input data/input
    batch-submit submit --many runs.yaml --max-parallel 8
    """
    if typed["many"] is not None:
        from batch_submit.cli.many import many

        return many(click.get_current_context(), typed)
    if typed["max_parallel"] is not None:
        raise UsageError("--max-parallel is about --many", next_step="add --many FILE, or leave it out")
    selection, call, options = submission_of(typed)
    services = build_services(verbose=typed["verbose"])
    return submit(services, selection, call, options)
