"""Two ResourceManagers: our program while one dies, none works, the other takes over, and one comes back.

One application serves the whole file: it runs until the last test lets it end.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster, cluster_of_its_own, wait_until
from process.door import Running

#: A setting of the cluster that hurts nobody, so that `--set` is seen at work.
SETTING = "yarn-site:yarn.resourcemanager.max-completed-applications=77"
JOB = """
import sys, time
from pathlib import Path
from pyspark.sql import SparkSession
with SparkSession.builder.getOrCreate():
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and not Path(sys.argv[1]).exists():
        time.sleep(0.2)
"""
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]


@dataclass
class Pair:
    """The cluster, an edge host beside it, and the application that runs."""

    cluster: Cluster
    home: Path
    env: dict[str, str]
    application_id: str = ""

    @property
    def gate(self) -> Path:
        """The application ends when this exists."""
        return self.home / "gate"

    def states(self) -> dict[str, str | None]:
        """Each ResourceManager's ``haState``."""
        rows = self.cluster.status()["daemons"].items()
        return {name: row["haState"] for name, row in rows if "haState" in row}

    def active(self) -> str:
        (one,) = [name for name, state in self.states().items() if state == "ACTIVE"]
        return one

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [str(REPO / "batch_submit.sh"), *arguments]
        return subprocess.run(
            command, cwd=self.home, env=self.env | env, capture_output=True, text=True, timeout=240, check=False
        )

    def start(self, *arguments: str, **env: str) -> Running:
        """A call that goes on; its streams are files, so that they can be read meanwhile."""
        number = len(list(self.home.glob("*.err")))
        out, err = self.home / f"{number}.out", self.home / f"{number}.err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = subprocess.Popen(
                [str(REPO / "batch_submit.sh"), *arguments],
                cwd=self.home, env=self.env | env, stdin=subprocess.DEVNULL, stdout=out_file, stderr=err_file,
            )  # fmt: skip
        return Running(process, out, err)

    def rest(self, path: str, method: str = "GET", body: object = None) -> Any:
        """The active one's answer."""
        url = self.cluster.status()["urls"][self.active()]
        return self.cluster.rest(f"{url}/ws/v1/cluster/{path}", method, body)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A cluster with two ResourceManagers and a running application."""
    with cluster_of_its_own("test-ha-cluster", "--ha", "--set", SETTING) as folder:
        cluster = Cluster(folder)
        home = tmp_path_factory.mktemp("edge")
        env = {**cluster.env, "HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable, "HADOOP_USER_NAME": "alice"}
        env = {name: value for name, value in env.items() if not name.startswith("XDG_")}
        made = Pair(cluster, home, env)
        (home / "job.py").write_text(JOB)
        done = made.run(*submission("long"), "--", str(made.gate))
        assert done.returncode == 0, done.stderr
        made.application_id = done.stdout.strip()
        wait_until(lambda: state_of(made) == "RUNNING", "the application runs", 180)
        yield made


def submission(run_id: str) -> list[str]:
    return ["submit", "-t", "custom", "--script", "job.py", "--no-wait", "--run-id", run_id, *SMALL]


def state_of(pair: Pair) -> str:
    return str(pair.rest(f"apps/{pair.application_id}/state")["state"])


def watch(pair: Pair, verb: str, **env: str) -> Running:
    """A call that follows the application, and has seen it run."""
    watching = pair.start(verb, pair.application_id, **env)
    watching.wait_until_said("RUNNING")
    return watching


def test_with_none_active_nothing_is_submitted_and_a_watcher_loses_patience(pair: Pair) -> None:
    first = pair.active()
    watching = watch(pair, "wait", BATCH_SUBMIT_EXECUTION__RM_PATIENCE="3s")
    try:
        pair.cluster.run("kill", first)

        listed = pair.run("list")
        submitted = pair.run(*submission("never"), "--", "x")
        watched = watching.end()
    finally:
        watching.close()
        pair.cluster.run("failover")

    assert listed.returncode == submitted.returncode == 5, listed.stderr + submitted.stderr
    for done in (listed, submitted):
        assert done.stdout == "" and done.stderr.count("error:") == 1
        assert "none of the ResourceManagers is active" in done.stderr and "STANDBY" in done.stderr
    assert "nothing was submitted" in submitted.stderr
    assert [app["id"] for app in pair.rest("apps")["apps"]["app"]] == [pair.application_id]
    assert watched.code == 8, watched.err
    assert watched.out.strip() == pair.application_id and "none of the ResourceManagers is active" in watched.err
    assert pair.states() == {first: None, pair.active(): "ACTIVE"}


def test_a_restart_between_submit_and_poll(pair: Pair) -> None:
    """Both restart: the dead one comes back as standby, the active one as active, with the application in its store.

    What `up --set` said at first is still in force.
    """
    before = pair.rest(f"apps/{pair.application_id}/appattempts")["appAttempts"]["appAttempt"]
    active = pair.active()
    pair.cluster.run("up")
    pair.cluster.run("restart", active)
    assert pair.active() == active
    url = pair.cluster.status()["urls"][active]
    held = pair.cluster.rest(f"{url}/conf?name=yarn.resourcemanager.max-completed-applications")
    assert held["property"]["value"] == "77"

    shown = pair.run("status", pair.application_id, "--json")
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    assert report["state"] in ("ACCEPTED", "RUNNING") and report["final_status"] == "UNDEFINED"
    wait_until(lambda: state_of(pair) == "RUNNING", "it is seen running again")
    after = pair.rest(f"apps/{pair.application_id}/appattempts")["appAttempts"]["appAttempt"]
    assert [row["containerId"] for row in after] == [row["containerId"] for row in before]


def test_a_standby_asked_first(pair: Pair) -> None:
    """``rm-ids`` begins with the standby: reads and a kill reach the active one; the new container id has an epoch.

    A planned swap made it the standby.
    """
    standby = pair.active()
    pair.cluster.run("failover")
    active = pair.active()
    assert pair.states() == {standby: "STANDBY", active: "ACTIVE"}
    rm_ids = {"resourcemanager": "rm1", "resourcemanager-2": "rm2"}
    conf = pair.home / "standby-first"
    shutil.copytree(pair.env["HADOOP_CONF_DIR"], conf)
    site = (conf / "yarn-site.xml").read_text()
    assert "<value>rm1,rm2</value>" in site
    (conf / "yarn-site.xml").write_text(
        site.replace("<value>rm1,rm2</value>", f"<value>{rm_ids[standby]},{rm_ids[active]}</value>")
    )
    place = {"HADOOP_CONF_DIR": str(conf), "YARN_CONF_DIR": str(conf)}
    victim = shell_application(pair)

    listed = pair.run("list", "--json", **place)
    assert listed.returncode == 0, listed.stderr
    assert pair.application_id in listed.stdout and victim in listed.stdout
    shown = pair.run("status", victim, "--json", **place)
    assert shown.returncode == 0, shown.stderr
    killed = pair.run("kill", victim, **place)
    assert killed.returncode == 0, killed.stderr

    app = pair.rest(f"apps/{victim}")["app"]
    assert app["state"] == "KILLED" and "by user alice" in app["diagnostics"]
    assert "/container_e" in app["amContainerLogs"]
    assert state_of(pair) == "RUNNING", "nothing else was killed"


def shell_application(pair: Pair) -> str:
    """An application without Spark whose master has a container."""
    application_id = str(pair.rest("apps/new-application?user.name=alice", "POST", {})["application-id"])
    body = {
        "application-id": application_id,
        "application-name": "victim",
        "application-type": "SHELL",
        "application-tags": {"tag": ["batch-submit"]},
        "queue": "etl",
        "max-app-attempts": 1,
        "am-container-spec": {"commands": {"command": "sleep 300"}},
        "resource": {"memory": 128, "vCores": 1},
    }
    pair.rest("apps?user.name=alice", "POST", body)
    wait_until(lambda: "amContainerLogs" in pair.rest(f"apps/{application_id}")["app"], "its master has a container")
    return application_id


def test_a_failover_in_the_middle_of_watching(pair: Pair) -> None:
    first = pair.active()
    watching = watch(pair, "monitor")
    try:
        pair.cluster.run("kill", first)
        watching.wait_until_said("none of the ResourceManagers is active; asking on")
        pair.cluster.run("failover")
        watching.wait_until_said("the ResourceManager answers again")
        assert pair.active() != first
        pair.gate.touch()
        done = watching.end()
    finally:
        watching.close()

    assert done.code == 0, done.err
    assert pair.application_id in done.out and "succeeded" in done.err
    shown = pair.run("status", pair.application_id, "--json")
    report = json.loads(shown.stdout)
    assert (report["state"], report["final_status"]) == ("FINISHED", "SUCCEEDED")
    assert "recovered" in report["diagnostics"], "what the ResourceManager says of it, and no error"
