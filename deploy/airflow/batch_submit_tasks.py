"""Tasks that submit by batch-submit: put this file into the dags folder beside your DAG (docs/airflow.md).

Tested with Airflow 3.3 (`RetryPolicy` is not in earlier ones: leave it out there, and every failure is retried).
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.sensors.bash import BashSensor
from airflow.sdk import RetryDecision, RetryPolicy

#: Airflow variables with what they are on a host where nobody set them: where batch-submit lies, and the folder with
#: ``job_config.yaml`` (the working directory, so that its ``script: job.py`` is found).
HOME = "{{ var.value.get('batch_submit_home', '/opt/batch-submit') }}"
WORK = "{{ var.value.get('batch_submit_work', '/srv/ml') }}"

#: The identity of a run: a retry of the task has the same one and finds what the try before it has begun.
RUN_ID = "{{ dag.dag_id }}.{{ task.task_id }}.{{ run_id }}"
#: The day that ``{{ ds }}`` and ``%Y%m%d`` mean in job_config.yaml. A run that was triggered by hand has no logical
#: date in Airflow 3, but always a time after which it was to run.
DAY = "{{ params.get('day') or ((dag_run.logical_date or dag_run.run_after) | ds) }}"

#: Exit codes after which the same call can only fail again, or a person has decided.
FINAL = {
    1: "the application failed: read its cause in the log",
    2: "the call or the configuration is wrong",
    4: "the cluster refuses the request",
    6: "somebody killed the application",
    7: "it ran past its time limit",
}
#: `waiting_for` gives it while the application runs, or the cluster can't be asked. Of no meaning to batch-submit.
NOT_YET = 75

#: Nothing else goes to XCom, nor from there to a shell.
APPLICATION_ID = "application_[0-9]{8,}_[0-9]{4,}"


class RetryWhatMayHelp(RetryPolicy):
    """Retry unless the exit code says that a retry can't help; see the table in docs/exit-codes.md."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """Read the exit code from the only place where a BashOperator puts it: the words of its exception."""
        found = re.search(r"non-zero exit code (-?\d+)", str(exception))
        code = int(found.group(1)) if found else 0
        if code in FINAL:
            return RetryDecision.fail(f"batch-submit gave {code}: {FINAL[code]}")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Nothing but its name makes this policy."""
        return {"__type": type(self).__name__}


def application_id(last_line: str) -> str:
    """What goes to XCom: the application id out of the JSON line that ``--json`` makes the last one.

    A BashOperator reads stdout and stderr as one stream. Without ``--json`` the id is the last line of stdout only, and
    what is said of the waiting follows it.

    Raises
    ------
    ValueError
        It is no application id.
    """
    found = str(json.loads(last_line)["application_id"])
    if not re.fullmatch(APPLICATION_ID, found):
        raise ValueError(f"{found!r} is not an application id: read what batch-submit says in the log of this task")
    return found


def quoted(template: str) -> str:
    """A template as one word of a shell command, whatever it renders to.

    For the sensor: the `env` of a BashSensor replaces the worker's whole environment, that of a BashOperator need not.
    """
    return "'" + template.removesuffix("}}") + r"""| string | replace("'", "'\\''") }}'"""


def submit(task_id: str, *arguments: str, kill_on_exit: bool = True, **operator: Any) -> BashOperator:
    """A task that submits, waits for the end, and hands on the application id.

    Parameters
    ----------
    arguments
        Of ``batch-submit submit``. What is a template reaches the shell in a variable: whatever it renders to is one
        argument and no command.
    kill_on_exit
        When Airflow ends the task (marked failed or cleared, ``execution_timeout``, a worker that is shut down), the
        application is killed. Otherwise it goes on, and a retry attaches to it.
    operator
        Of the BashOperator; ``env`` is added to the variables of this function.
    """
    words = ["--json", *(["--kill-on-exit"] if kill_on_exit else []), *arguments]
    templates = {f"ARGUMENT_{number}": word for number, word in enumerate(words) if "{{" in word}
    names = {word: name for name, word in templates.items()}
    given = " ".join(f'"${names[word]}"' if word in names else shlex.quote(word) for word in words)
    # exec: the process that Airflow holds, signals, and whose exit code it reads is batch-submit itself.
    command = f'exec "$BATCH_HOME/batch_submit.sh" submit --run-id "$RUN_ID" --date "$DAY" {given}'
    env = {"BATCH_HOME": HOME, "RUN_ID": RUN_ID, "DAY": DAY, **templates, **operator.pop("env", {})}
    defaults = {"cwd": WORK, "retry_policy": RetryWhatMayHelp(), "output_processor": application_id}
    return BashOperator(task_id=task_id, bash_command=command, env=env, append_env=True, **(defaults | operator))


def waiting_for(task_id: str, submitted_by: str, **sensor: Any) -> BashSensor:
    """A sensor for an application that the task `submitted_by` has submitted with ``--no-wait``: it holds no worker.

    Parameters
    ----------
    sensor
        Of the BashSensor. Its ``timeout`` bounds the waiting; give the submission a ``--timeout`` too.
    """
    submitted = quoted(f'{{{{ ti.xcom_pull(task_ids="{submitted_by}") }}}}')
    command = f"""\
id={submitted}
[[ "$id" =~ ^{APPLICATION_ID}$ ]] || {{ echo "the task before gave no application id: see its log" >&2; exit 2; }}
cd {quoted(WORK)} || exit 3
answer=$({quoted(HOME)}/batch_submit.sh wait "$id" --wait-timeout 10s --json)
code=$?
case "$code $answer" in  # not asked (5, 8), or it runs: 7, which is the code of one that ran past --timeout, too
    '5 '* | '8 '* | '7 '*'"still running"'*) exit {NOT_YET} ;;
esac
exit "$code"
"""
    defaults = {"mode": "reschedule", "poke_interval": 60, "retry_exit_code": NOT_YET}
    return BashSensor(task_id=task_id, bash_command=command, **(defaults | sensor))
