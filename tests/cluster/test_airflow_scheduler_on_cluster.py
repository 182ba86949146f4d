"""A task that is marked as failed while it runs: Airflow's own scheduler, API server and workers, on the cluster."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import Cluster, wait_until
from cluster.test_airflow_on_cluster import PROGRAM, Airflow, shipped_airflow


class Scheduler:
    """The three processes of an Airflow, on a free port of 127.0.0.1."""

    def __init__(self, airflow: Airflow) -> None:
        self.airflow = airflow
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.env = airflow.env | {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": "only for this test",
            "AIRFLOW__API_AUTH__JWT_SECRET": 8 * "only for this test",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        }
        self._token = ""
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the API server, and when it answers the others: a task that can't reach it fails."""
        self._run("api-server")
        wait_until(self._answers, "Airflow's API server answers", 300)
        self._token = str(self.call("GET", "/auth/token")["access_token"])
        for what in ("dag-processor", "scheduler"):
            self._run(what)

    def _run(self, what: str) -> None:
        with (self.airflow.folder / f"{what}.log").open("wb") as log:
            self._running.append(
                subprocess.Popen(
                    [str(PROGRAM), what],
                    env=self.env,
                    cwd=self.airflow.folder,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def _answers(self) -> bool:
        try:
            return bool(self.call("GET", "/api/v2/version"))
        except OSError:
            return False

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON answer of Airflow's REST service, which is what its pages use too."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
            return json.loads(reply.read())

    def trigger(self, dag_id: str) -> str:
        """Trigger a DAG as by hand: without a logical date. The address of its task ``first``."""

        def known() -> bool:
            with contextlib.suppress(urllib.error.HTTPError):
                return bool(self.call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False}))
            return False

        wait_until(known, f"{dag_id} has been read", 120)
        run = self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})["dag_run_id"]
        return f"/api/v2/dags/{dag_id}/dagRuns/{urllib.parse.quote(run, safe='')}/taskInstances/first"

    def log(self, dag_id: str) -> str:
        """What the first try of the task ``first`` has logged."""
        found = self.airflow.folder.glob(f"airflow/logs/dag_id={dag_id}/*/task_id=first/attempt=1.log")
        return "".join(one.read_text(encoding="utf-8", errors="replace") for one in found)

    def stop(self) -> None:
        for process in reversed(self._running):
            os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def scheduler(cluster: Cluster, tmp_path: Path) -> Iterator[Scheduler]:
    begun = Scheduler(shipped_airflow(cluster, tmp_path))
    try:
        begun.start()
        yield begun
    finally:
        begun.stop()


def of_dag(cluster: Cluster, dag_id: str) -> list[dict[str, Any]]:
    """The applications of a DAG's task ``first``, oldest first."""
    found = cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps?applicationTags=batch-submit")["apps"] or {}
    ours = [app for app in found.get("app") or [] if f"run:{dag_id}.first." in app["applicationTags"]]
    return sorted(ours, key=lambda app: int(app["startedTime"]))


@pytest.mark.full
def test_a_task_that_is_marked_as_failed(cluster: Cluster, scheduler: Scheduler) -> None:
    """Airflow signals its own process, gives it five seconds, and that one signals ours by on_kill."""
    before = {app["id"] for dag_id in ("is_killed", "goes_on") for app in of_dag(cluster, dag_id)}
    tasks = {dag_id: scheduler.trigger(dag_id) for dag_id in ("is_killed", "goes_on")}

    def new(dag_id: str, state: str) -> list[str]:
        return [app["id"] for app in of_dag(cluster, dag_id) if app["id"] not in before and app["state"] == state]

    begun = {dag_id: wait_until(lambda d=dag_id: new(d, "RUNNING"), f"{dag_id} runs", 300)[0] for dag_id in tasks}
    try:
        for task in tasks.values():
            scheduler.call("PATCH", task, {"new_state": "failed"})
        wait_until(lambda: new("is_killed", "KILLED"), "the application is killed", 120)
        wait_until(lambda: "goes on running" in scheduler.log("goes_on"), "the other one is left alone", 120)
        assert new("goes_on", "RUNNING") == [begun["goes_on"]]
        assert f"SIGTERM: killing {begun['is_killed']}" in scheduler.log("is_killed")
        assert {scheduler.call("GET", task)["state"] for task in tasks.values()} == {"failed"}
    finally:
        for application_id in begun.values():
            url = f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}"
            if cluster.rest(url)["app"]["state"] not in ("FINISHED", "FAILED", "KILLED"):
                cluster.rest(f"{url}/state?user.name=root", "PUT", {"state": "KILLED"})
