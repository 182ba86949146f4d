"""The shipped tasks in a real Airflow 3 (its own environment, SQLite, ``airflow dags test``) on the real cluster."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.conftest import REPO, Cluster, wait_until
from cluster.test_submit_on_cluster import without_empty

#: Airflow takes a minute and 500 MB to install.
pytestmark = pytest.mark.full
PROGRAM = REPO / ".venv-airflow" / "bin" / "airflow"
SHIPPED = REPO / "deploy" / "airflow"
#: Waits, when told so, until a file of HDFS appears that is named like the DAG run.
JOB = """
import sys, time
from pyspark.sql import SparkSession
what, *rest = sys.argv[1:]
if what == "raise":
    raise ValueError("a job that raises")
spark = SparkSession.builder.getOrCreate()
print("said", rest)
if what == "say":
    assert rest[1:] == ['$(id) "two words"', "'"], rest
if what == "wait":
    path = spark._jvm.org.apache.hadoop.fs.Path("/tmp/go-on/" + "".join(one for one in rest[0] if one.isalnum()))
    files = path.getFileSystem(spark._jsc.hadoopConfiguration())
    while not files.exists(path):
        time.sleep(0.5)
spark.stop()
"""


class Airflow:
    """An Airflow of its own: home, database and dags folder."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        dags = folder / "dags"
        dags.mkdir()
        for file in (*SHIPPED.glob("*.py"), REPO / "tests" / "cluster" / "airflow_dags.py"):
            shutil.copy(file, dags)
        (folder / "work").mkdir()
        self.configure({})
        (folder / "work" / "job.py").write_text(JOB, encoding="utf-8")
        self.env = cluster.env | {
            "HOME": str(folder),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_VAR_BATCH_SUBMIT_HOME": str(REPO),
            "AIRFLOW_VAR_BATCH_SUBMIT_WORK": str(folder / "work"),
            "AIRFLOW_VAR_BATCH_SUBMIT_QUEUE": "ml-queue",
            "BATCH_SUBMIT_PYTHON": sys.executable,
            "NO_COLOR": "1",
        }
        for name in ("PYTHONPATH", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            self.env.pop(name, None)
        self.run("db", "migrate")

    def configure(self, config: dict[str, Any]) -> None:
        """Write the job_config.yaml of the working directory."""
        config = {**config, "execution": {**(config.get("execution") or {}), "log_file": "our.log"}}
        (self.folder / "work" / "job_config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(PROGRAM), *arguments], env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, dag_id: str) -> Test:
        return Test(self, dag_id)


class Test:
    """One ``airflow dags test DAG``, which runs its tasks in its own process, as a worker does."""

    __test__ = False

    def __init__(self, airflow: Airflow, dag_id: str) -> None:
        self.airflow, self.dag_id = airflow, dag_id
        self._log = airflow.folder / f"{dag_id}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(PROGRAM), "dags", "test", dag_id],
                env=airflow.env,
                cwd=airflow.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> int:
        try:
            return self.process.wait(2400)  # a busy host takes its time for the four jobs
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.log}") from None

    def said(self, pattern: str, what: str) -> re.Match[str]:
        """Wait until the log has it."""
        found = wait_until(
            lambda: re.search(pattern, self.log) or (self.process.poll() is not None and "ended"), what, 300
        )
        assert isinstance(found, re.Match), f"never: {what}\n{self.log}"
        return found

    def states(self) -> dict[str, tuple[str, int]]:
        """State and number of tries of each task, from Airflow's database."""
        with closing(sqlite3.connect(self.airflow.folder / "airflow" / "airflow.db")) as database:
            rows = database.execute(
                "select task_id, state, try_number from task_instance where dag_id = ?", (self.dag_id,)
            )
            return {task: (state, tries) for task, state, tries in rows}

    def handed_on(self, task_id: str = "first") -> str:
        """The XCom of a task."""
        with closing(sqlite3.connect(self.airflow.folder / "airflow" / "airflow.db")) as database:
            query = "select value from xcom where dag_id = ? and task_id = ? and key = 'return_value'"
            (value,) = database.execute(query, (self.dag_id, task_id)).fetchone()
            return str(value).strip('"')

    def applications(self) -> list[dict[str, Any]]:
        """What the cluster shows of the task ``first``, by the run's tag."""
        tag = "run:" + self.said(r"run id: (\S+)", "the run id is made").group(1)
        url = f"{self.airflow.cluster.rm_url}/ws/v1/cluster/apps?applicationTags={tag}"
        return list((self.airflow.cluster.rest(url)["apps"] or {}).get("app") or [])

    def running(self) -> str:
        """Wait until the application runs; its id."""
        return str(
            wait_until(lambda: [one["id"] for one in self.applications() if one["state"] == "RUNNING"], "it runs", 300)[
                0
            ]
        )

    def submitters(self) -> list[int]:
        """The processes of batch-submit below this Airflow."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            if f"AIRFLOW_HOME={self.airflow.folder}/airflow".encode() in environment and b"__main__.py" in command:
                found.append(int(folder.name))
        return found

    def go_on(self) -> None:
        """Let the job of the task ``first`` come to its end."""
        run_id = self.said(r"\(from '\w+\.first\.(\S+)'\)", "Airflow's run id").group(1)
        self.airflow.cluster.put("/tmp/go-on/" + "".join(one for one in run_id if one.isalnum()), b"")

    def close(self) -> None:
        """End what this test has left running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for pid in self.submitters():
            os.kill(pid, signal.SIGKILL)
        if "run id: " in self.log:
            for one in self.applications():
                if one["state"] not in ("FINISHED", "FAILED", "KILLED"):
                    url = f"{self.airflow.cluster.rm_url}/ws/v1/cluster/apps/{one['id']}/state?user.name={one['user']}"
                    self.airflow.cluster.rest(url, "PUT", {"state": "KILLED"})


def shipped_airflow(cluster: Cluster, folder: Path) -> Airflow:
    """An Airflow in an empty folder; skips where none is installed, fails then with REQUIRE_CLUSTER=1."""
    if not PROGRAM.exists():
        assert os.environ.get("REQUIRE_CLUSTER") != "1", "no .venv-airflow: make airflow"
        pytest.skip("no .venv-airflow: make airflow")
    return Airflow(cluster, folder)


@pytest.fixture(scope="module")
def airflow(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    return shipped_airflow(cluster, tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def dag(airflow: Airflow, request: pytest.FixtureRequest) -> Iterator[Test]:
    if request.param == "nightly_model":
        request.getfixturevalue("with_data")
    begun = airflow.start(request.param)
    yield begun
    begun.close()


def of(dag_id: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("dag", [dag_id], indirect=True)


@of("hands_on")
def test_a_task_runs_an_application_and_hands_its_id_on(dag: Test) -> None:
    assert dag.end() == 0, dag.log
    (app,) = dag.applications()
    assert (app["finalStatus"], app["queue"]) == ("SUCCEEDED", "root.ml-queue")
    assert dag.handed_on() == app["id"] and f"told: {app['id']}" in dag.log
    assert dag.states() == {"first": ("success", 1), "told": ("success", 1)}


@of("fails")
def test_a_failing_job_fails_the_task_with_its_cause_and_is_not_tried_again(dag: Test) -> None:
    """Two retries are allowed, and exit code 1 says that none of them would help."""
    assert dag.end() != 0
    assert "Command exited with return code 1" in dag.log and "ValueError: a job that raises" in dag.log
    assert "batch-submit gave 1: the application failed" in dag.log
    assert dag.states() == {"first": ("failed", 1)}
    assert [one["finalStatus"] for one in dag.applications()] == ["FAILED"]


@of("attaches")
def test_a_retry_attaches_to_the_application_that_runs(dag: Test) -> None:
    application_id = dag.running()
    (submitter,) = dag.submitters()
    os.kill(submitter, signal.SIGKILL)
    dag.said(r"Command exited with return code -9", "Airflow sees the end of the first try")
    dag.said(rf"attached to {application_id}", "the second try attaches")
    dag.go_on()
    assert dag.end() == 0, dag.log
    assert dag.states() == {"first": ("success", 2)}
    assert [one["id"] for one in dag.applications()] == [application_id] == [dag.handed_on()]


@of("is_killed")
def test_a_task_that_airflow_ends_kills_its_application_when_asked(airflow: Airflow, dag: Test) -> None:
    dag.running()
    dag.process.send_signal(signal.SIGTERM)  # to a worker: it calls on_kill, which signals the process group
    assert dag.end() != 0
    assert "SIGTERM: killing" in dag.log and "Command exited with return code 143" in dag.log
    assert [one["state"] for one in dag.applications()] == ["KILLED"]
    assert dag.states() == {"first": ("failed", 1)}


@of("goes_on")
def test_without_being_asked_the_application_goes_on(airflow: Airflow, dag: Test) -> None:
    application_id = dag.running()
    dag.process.send_signal(signal.SIGTERM)
    assert dag.end() != 0
    assert f"{application_id} goes on running" in dag.log and "Command exited with return code 143" in dag.log
    assert [one["state"] for one in dag.applications()] == ["RUNNING"]


@of("takes_too_long")
def test_airflows_own_time_limit_kills_the_application(airflow: Airflow, dag: Test) -> None:
    """Airflow does not wait for the end of what it signals: our process confirms the kill after the task has ended."""
    assert dag.end() != 0
    assert "AirflowTaskTimeout" in dag.log
    wait_until(lambda: [one["state"] for one in dag.applications()] == ["KILLED"], "the application is killed", 120)


@of("is_watched")
def test_a_sensor_watches_what_another_task_has_submitted(dag: Test) -> None:
    dag.running()
    dag.said("will retry later", "the sensor has looked once")
    dag.go_on()
    assert dag.end() == 0, dag.log
    assert dag.states() == {"first": ("success", 1), "second": ("success", 1)}


@of("nightly_model")
def test_the_shipped_dag_prepares_trains_evaluates_and_predicts(
    cluster: Cluster, with_data: Airflow, dag: Test
) -> None:
    assert dag.end() == 0, dag.log
    jobs = ["data_processing", "training", "evaluation", "prediction"]
    assert dag.states() == {job: ("success", 1) for job in jobs}
    apps = [cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{dag.handed_on(job)}")["app"] for job in jobs]
    assert [app["finalStatus"] for app in apps] == ["SUCCEEDED"] * 4
    day = datetime.now(timezone.utc).date()  # Airflow's days are those of UTC
    assert {app["name"] for app in apps} <= {f"{one}-{job}" for job in jobs for one in (day, day - timedelta(days=1))}
    for earlier, later in pairwise(apps):
        assert later["startedTime"] >= earlier["finishedTime"]


@pytest.fixture
def with_data(airflow: Airflow) -> Iterator[Airflow]:
    """The shipped configuration with a small forest, and the raw data of the demo in HDFS."""
    config = yaml.safe_load((REPO / "job_config.yaml").read_text(encoding="utf-8"))
    config["model_config"]["hyperparameters"] = {"n_estimators": 5, "max_depth": 8}
    config["spark_config"] |= {"driver_memory": "1g", "executor_memory": "1g", "num_executors": 1}
    airflow.configure(without_empty(config))
    program = [str(REPO / "batch_submit.sh"), "demo-data"]
    done = subprocess.run(program, env=airflow.env, cwd=airflow.folder / "work", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    yield airflow
    airflow.configure({})
