"""One run id, one application: our program is killed before and after each of the calls of a submission, and repeated.

The applications never run: another one holds all that application masters may have in their queue, so that they wait in
ACCEPTED until they are killed.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster, wait_until
from cluster.recording_proxy import RecordingProxy, Script

MARK = secrets.token_hex(3)
QUEUE = "etl"
RUNS = "/user/root/.batch-submit/runs"
#: All that a submission over REST asks of ResourceManager and NameNode, in this order (`--no-preflight`).
CALLS = [
    "GET LISTSTATUS .batch-submit <run>",
    "GET info",
    "GET GETFILESTATUS spark-logs",
    "GET apps",
    "PUT MKDIRS .batch-submit <run>",
    "PUT CREATE .batch-submit 1-planned.json",
    "PUT RENAME .batch-submit 1-planned.json",
    "POST apps/new-application",
    "PUT CREATE .batch-submit 1-reserved.json",
    "PUT RENAME .batch-submit 1-reserved.json",
    "PUT MKDIRS .sparkStaging <id>",
    "PUT CREATE .sparkStaging a-job.py",
    "GET GETFILESTATUS .sparkStaging a-job.py",
    "GET LISTSTATUS .batch-submit shared",
    "GET GETFILESTATUS .batch-submit shared",
    "GET GETFILESTATUS .batch-submit",
    "PUT CREATE .sparkStaging __spark_conf__.zip",
    "GET GETFILESTATUS .sparkStaging __spark_conf__.zip",
    "POST apps",
    "GET apps/<id>",
    "PUT CREATE .batch-submit 1-submitted.json",
    "PUT RENAME .batch-submit 1-submitted.json",
]
EVERY_POINT = [(call, after) for call in CALLS for after in (False, True)]
#: The windows in which an application can be lost or doubled.
DANGEROUS = [
    ("PUT RENAME .batch-submit 1-reserved.json", False),
    ("PUT RENAME .batch-submit 1-reserved.json", True),
    ("PUT CREATE .sparkStaging __spark_conf__.zip", True),
    ("POST apps", False),
    ("POST apps", True),
]


class Yarn:
    """What the tests ask of the cluster, past our program."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.apps = f"{cluster.rm_url}/ws/v1/cluster/apps"

    def of_run(self, run_id: str) -> list[dict[str, Any]]:
        found = self.cluster.rest(f"{self.apps}?applicationTags=run:{run_id}")["apps"] or {}
        return list(found.get("app") or [])

    def app(self, application_id: str) -> dict[str, Any]:
        return dict(self.cluster.rest(f"{self.apps}/{application_id}")["app"])

    def kill(self, application_id: str) -> None:
        self.cluster.rest(f"{self.apps}/{application_id}/state?user.name=root", "PUT", {"state": "KILLED"})

    def hold(self) -> str:
        """An application master that takes more than half of what the queue gives to masters, and sleeps."""
        application_id = str(
            self.cluster.rest(f"{self.apps}/new-application?user.name=root", "POST", {})["application-id"]
        )
        context = {
            "application-id": application_id,
            "application-name": "holder",
            "application-type": "YARN",
            "queue": QUEUE,
            "max-app-attempts": 1,
            "resource": {"memory": 8192, "vCores": 1},
            "am-container-spec": {"commands": {"command": "sleep 600"}},
        }
        self.cluster.rest(f"{self.apps}?user.name=root", "POST", context)
        wait_until(lambda: self.app(application_id).get("amContainerLogs"), "the holder has its container")
        return application_id


@pytest.fixture(scope="module")
def yarn(cluster: Cluster) -> Yarn:
    return Yarn(cluster)


@pytest.fixture(scope="module")
def holders(yarn: Yarn) -> Iterator[dict[str, float]]:
    """Holders by id, with when they began: YARN ends a master that does not register within two minutes."""
    begun: dict[str, float] = {}
    yield begun
    for application_id in begun:
        yarn.kill(application_id)


@pytest.fixture
def held_queue(yarn: Yarn, holders: dict[str, float]) -> None:
    """In the queue no further application master is started."""
    if any(time.monotonic() - begun < 50 for begun in holders.values()):
        return
    for application_id in holders:
        yarn.kill(application_id)  # first: beside it the next one would have to wait like any other
    holders.clear()
    holders[yarn.hold()] = time.monotonic()


class Host:
    """An edge host: a home, and with it a ledger, of its own."""

    def __init__(self, cluster: Cluster, home: Path, work: Path) -> None:
        home.mkdir()
        self.work = work
        self.env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}

    def start(self, run_id: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        job = ["-t", "custom", "--script", "a-job.py", "--driver-memory", "7g", "-q", QUEUE, "--launcher", "rest"]
        program = [str(REPO / "batch_submit.sh"), "submit", *job, "--no-wait", "--no-preflight", "--run-id", run_id]
        return subprocess.Popen(
            [*program, *arguments],
            cwd=self.work,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def submit(self, run_id: str, *arguments: str, **env: str) -> tuple[int, str, str]:
        process = self.start(run_id, *arguments, **env)
        out, err = process.communicate(timeout=300)
        return process.returncode, out.strip(), err

    def submit_through(self, script: Script, run_id: str, cluster: Cluster) -> tuple[int, str, str]:
        """A call that reaches ResourceManager and NameNode through proxies."""
        name_node = cluster.webhdfs_url.removesuffix("/webhdfs/v1")
        script.kill_at = script.kill_at.replace("<run>", run_id)
        with ExitStack() as stack:
            rm, nn = (
                stack.enter_context(RecordingProxy(url.replace("localhost", "127.0.0.1"), script))
                for url in (cluster.rm_url, name_node)
            )
            process = self.start(
                run_id,
                BATCH_SUBMIT_ENVIRONMENT_CONFIG__RESOURCEMANAGER_WEBAPP_URL=rm.url.replace("127.0.0.1", "localhost"),
                BATCH_SUBMIT_ENVIRONMENT_CONFIG__NAMENODE_URL=nn.url,
            )
            script.started(process.pid)
            out, err = process.communicate(timeout=300)
        return process.returncode, out.strip(), err


@pytest.fixture
def hosts(cluster: Cluster, tmp_path: Path) -> list[Host]:
    """Two edge hosts, and a job in a folder that both have."""
    (tmp_path / "a-job.py").write_text("print('never')\n", encoding="utf-8")
    (tmp_path / "job_config.yaml").write_text("execution: {log_file: our.log}\n", encoding="utf-8")
    return [Host(cluster, tmp_path / name, tmp_path) for name in ("one", "two")]


@pytest.fixture
def run_id(yarn: Yarn) -> Iterator[str]:
    """A run of its own for each test; its applications are ended afterwards."""
    name = f"once-{MARK}-{secrets.token_hex(3)}"
    yield name
    for app in yarn.of_run(name):
        yarn.kill(app["id"])


def claims(cluster: Cluster, run_id: str) -> dict[str, dict[str, Any]]:
    rows = cluster.rest(f"{cluster.webhdfs_url}{RUNS}/{run_id}?op=LISTSTATUS&user.name=root")
    names = [row["pathSuffix"] for row in rows["FileStatuses"]["FileStatus"] if row["pathSuffix"][0] != "."]
    return {
        name.removesuffix(".json"): cluster.rest(f"{cluster.webhdfs_url}{RUNS}/{run_id}/{name}?op=OPEN&user.name=root")
        for name in names
    }


def staging(cluster: Cluster) -> list[str]:
    rows = cluster.rest(f"{cluster.webhdfs_url}/user/root/.sparkStaging?op=LISTSTATUS&user.name=root")
    return [row["pathSuffix"] for row in rows["FileStatuses"]["FileStatus"]]


@pytest.mark.usefixtures("held_queue")
def test_these_are_the_calls_of_a_submission(cluster: Cluster, yarn: Yarn, hosts: list[Host], run_id: str) -> None:
    """So that the points below are all of them."""
    code, first, err = hosts[0].submit(f"{run_id}-first")  # the shared files of a new cluster are brought by the first
    assert code == 0, err
    yarn.kill(first)
    script = Script()
    code, application_id, err = hosts[0].submit_through(script, run_id, cluster)
    assert code == 0, err
    asked = [call.replace(run_id, "<run>") for call in script.calls]
    # How often it looks until the application is accepted is the ResourceManager's business.
    # So is how far up it looks whether everybody may read what runs share: to the first folder that is closed.
    above = ("GET GETFILESTATUS root", "GET GETFILESTATUS user", "GET GETFILESTATUS")
    once = [call for at, call in enumerate(asked) if call not in asked[:at] and call.strip() not in above]
    assert once == CALLS, "\n".join(once)
    assert yarn.app(application_id)["state"] == "ACCEPTED"
    assert list(claims(cluster, run_id)) == ["1-planned", "1-reserved", "1-submitted"]


def killed_and_repeated(
    cluster: Cluster, yarn: Yarn, killed: Host, repeated: Host, run_id: str, point: tuple[str, bool]
) -> None:
    call, after = point
    code, out, err = killed.submit_through(script := Script(call, after), run_id, cluster)
    assert (code, out) == (-9, ""), f"it was not killed at {script.kill_at}: {script.calls}\n{err}"
    code, application_id, err = repeated.submit(run_id)
    assert code == 0, err
    assert [app["id"] for app in yarn.of_run(run_id)] == [application_id], err
    assert claims(cluster, run_id)["1-reserved"]["application_id"] == application_id
    assert yarn.app(application_id)["state"] == "ACCEPTED"
    for host in {killed, repeated}:
        assert host.submit(run_id)[:2] == (0, application_id)
    assert len(yarn.of_run(run_id)) == 1


@pytest.mark.parametrize("point", DANGEROUS, ids=lambda point: f"{'after' if point[1] else 'before'} {point[0]}")
@pytest.mark.usefixtures("held_queue")
def test_killed_in_a_dangerous_moment(
    cluster: Cluster, yarn: Yarn, hosts: list[Host], run_id: str, point: tuple[str, bool]
) -> None:
    killed_and_repeated(cluster, yarn, hosts[0], hosts[0], run_id, point)


@pytest.mark.full
@pytest.mark.parametrize("repeats", ["the same host", "another host"])
@pytest.mark.parametrize("point", EVERY_POINT, ids=lambda point: f"{'after' if point[1] else 'before'} {point[0]}")
@pytest.mark.usefixtures("held_queue")
def test_killed_before_and_after_each_call(
    cluster: Cluster, yarn: Yarn, hosts: list[Host], run_id: str, point: tuple[str, bool], repeats: str
) -> None:
    repeated = hosts[0] if repeats == "the same host" else hosts[1]
    killed_and_repeated(cluster, yarn, hosts[0], repeated, run_id, point)


def at_once(yarn: Yarn, hosts: list[Host], run_id: str) -> None:
    both = [host.start(run_id) for host in hosts]
    ended = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], [err for _, err in ended]
    (application_id,) = {out.strip() for out, _ in ended}
    assert [app["id"] for app in yarn.of_run(run_id)] == [application_id]


@pytest.mark.usefixtures("held_queue")
def test_two_hosts_at_once(yarn: Yarn, hosts: list[Host], run_id: str) -> None:
    at_once(yarn, hosts, run_id)


@pytest.mark.full
@pytest.mark.parametrize("_time", range(15))
@pytest.mark.usefixtures("held_queue")
def test_two_hosts_at_once_again_and_again(yarn: Yarn, hosts: list[Host], run_id: str, _time: int) -> None:
    at_once(yarn, hosts, run_id)


@pytest.mark.full
def test_what_another_host_posted_again_runs_to_its_end_and_leaves_nothing(
    cluster: Cluster, hosts: list[Host], run_id: str
) -> None:
    """The files of the killed call lie in the folder of the application, those of the repeated one inside it."""
    (hosts[0].work / "a-job.py").write_text(
        "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().stop()\n", encoding="utf-8"
    )
    script = Script("POST apps")
    assert hosts[0].submit_through(script, run_id, cluster)[0] == -9
    code, application_id, err = hosts[1].submit(run_id, "--wait", "-q", "ml-queue", "--driver-memory", "512m")
    assert code == 0, err
    assert application_id not in staging(cluster)


@pytest.mark.usefixtures("held_queue")
def test_a_refusal_after_the_reservation_is_4_leaves_nothing_and_makes_room(
    cluster: Cluster, yarn: Yarn, hosts: list[Host], run_id: str
) -> None:
    quota = f"{cluster.webhdfs_url}/user/root/.sparkStaging?op=%s&user.name=root"
    cluster.rest(quota % "MKDIRS", "PUT")
    files = cluster.rest(quota % "GETCONTENTSUMMARY")["ContentSummary"]
    room = files["fileCount"] + files["directoryCount"] + 2
    cluster.rest(quota % "SETQUOTA" + f"&namespacequota={room}&storagespacequota=9223372036854775807", "PUT")
    try:
        code, out, err = hosts[0].submit(run_id)
    finally:
        cluster.rest(quota % "SETQUOTA" + "&namespacequota=-1&storagespacequota=-1", "PUT")
    assert (code, out) == (4, "") and "NameSpace quota" in err, err
    found = claims(cluster, run_id)
    reserved = found["1-reserved"]["application_id"]
    assert "quota" in found["1-not-submitted"]["reason"] and reserved not in staging(cluster)
    code, application_id, err = hosts[1].submit(run_id)
    assert code == 0 and application_id != reserved, err
    found = claims(cluster, run_id)
    assert "1-closed" in found and found["2-submitted"]["application_id"] == application_id
    assert len(yarn.of_run(run_id)) == 1


@pytest.mark.full
def test_an_id_of_an_earlier_epoch_is_not_posted_again(
    cluster: Cluster, yarn: Yarn, hosts: list[Host], run_id: str
) -> None:
    assert hosts[0].submit_through(Script("POST apps"), run_id, cluster)[0] == -9
    reserved = claims(cluster, run_id)["1-reserved"]
    cluster.run("restart", "resourcemanager")
    for host in hosts:
        code, out, err = host.submit(run_id)
        assert (code, out) == (8, "") and reserved["application_id"].split("_")[1] == reserved["epoch"], err
        assert "1-reserved.json" in err and json.dumps(reserved["host"])[1:-1] in err
    assert yarn.of_run(run_id) == []


@pytest.mark.full
def test_an_id_that_may_have_run_and_been_forgotten_is_not_posted_again(
    cluster: Cluster, yarn: Yarn, hosts: list[Host], run_id: str
) -> None:
    """A ResourceManager keeps the last 1,000 ended applications, and would take a forgotten id for a new one."""
    assert hosts[0].submit_through(Script("POST apps"), run_id, cluster)[0] == -9
    for _ in range(501):
        cluster.rest(f"{yarn.apps}/new-application?user.name=root", "POST", {})
    code, out, err = hosts[1].submit(run_id)
    assert (code, out) == (8, "") and "ids were given out since" in err, err
    assert yarn.of_run(run_id) == []
