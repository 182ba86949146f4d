"""DAGs for the tests with a real Airflow, which reads this file from its dags folder; the job is ``job.py`` there.

They use what deploy/airflow ships and the cheapest applications that there are.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from batch_submit_tasks import submit, waiting_for

SMALL = ["--num-executors", "1", "--executor-cores", "1", "--driver-memory", "512m", "--executor-memory", "512m"]
JOB = ["-t", "custom", "--script", "job.py", "-q", "ml-queue", *SMALL]
TOLD = "{{ ti.xcom_pull(task_ids='first') }}"


def dag_of(name: str, retries: int = 0) -> DAG:
    """A DAG that nothing but a test starts; a retry comes at once."""
    again = {"retries": retries, "retry_delay": timedelta(seconds=0)}
    return DAG(dag_id=name, schedule=None, start_date=datetime(2026, 1, 1), default_args=again)


with dag_of("hands_on") as hands_on:
    # A run id of Airflow, with its `:` and `+`, and what a shell would take for a command: one argument each.
    first = submit("first", *JOB, "--", "say", "{{ run_id }}", "{{ '$(id) \"two words\"' }}", "'")
    told = BashOperator(task_id="told", bash_command='echo "told: $ID"', env={"ID": TOLD}, append_env=True)
    first >> told

with dag_of("fails", retries=2) as fails:
    submit("first", *JOB, "--", "raise")

with dag_of("attaches", retries=1) as attaches:
    submit("first", *JOB, "--", "wait", "{{ run_id }}")

with dag_of("is_killed") as is_killed:
    submit("first", *JOB, "--", "wait", "for ever")

with dag_of("goes_on") as goes_on:
    submit("first", *JOB, "--", "wait", "for ever", kill_on_exit=False)

with dag_of("takes_too_long") as takes_too_long:
    submit("first", *JOB, "--", "wait", "for ever", execution_timeout=timedelta(seconds=30))

with dag_of("is_watched") as is_watched:
    begun = submit("first", "--no-wait", "--timeout", "10m", *JOB, "--", "wait", "{{ run_id }}")
    begun >> waiting_for("second", submitted_by="first", poke_interval=1, timeout=300)
