"""Every night: prepare the data, train, evaluate, predict; each a Spark application, submitted by batch-submit.

Put it with ``batch_submit_tasks.py`` into the dags folder; docs/airflow.md says what it needs and what happens when.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param, chain
from batch_submit_tasks import DAY, submit

QUEUE = "{{ var.value.get('batch_submit_queue', 'default') }}"
JOBS = ("data_processing", "training", "evaluation", "prediction")

with DAG(
    dag_id="nightly_model",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # two nights would write the same tables
    params={"day": Param("", type="string", description="YYYY-MM-DD; empty: the day of the run")},
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=5),  # Airflow's; --timeout is YARN's, which a dead worker can't forget
    },
) as dag:
    tasks = [submit(job, "-t", job, "-q", QUEUE, "-n", f"{DAY}-{job}", "--timeout", "4h") for job in JOBS]
    chain(*tasks)
