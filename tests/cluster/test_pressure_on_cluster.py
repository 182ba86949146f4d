"""What a cluster takes away: an executor's node, a driver for another queue, a container that holds too much memory.

Which of these ends a run, and what `--retry-on` and `--oom-bump` make of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.applications import app_of, kill_application, new_application_id, post_sleeper, run_of_its_own
from cluster.conftest import Cluster, cluster_of_its_own, wait_until
from cluster.edge_host import CHEAP_JVM, GATED_JOB, EdgeHost, of_run

pytestmark = pytest.mark.full
_PREEMPTION = "yarn.resourcemanager.monitor.capacity.preemption"
SETTINGS = [
    "yarn-site:yarn.resourcemanager.scheduler.monitor.enable=true",
    f"capacity-scheduler:{_PREEMPTION}.monitoring_interval=1000",
    f"capacity-scheduler:{_PREEMPTION}.max_wait_before_kill=1000",
    f"capacity-scheduler:{_PREEMPTION}.total_preemption_per_round=1.0",
    f"capacity-scheduler:{_PREEMPTION}.natural_termination_factor=1.0",
    "yarn-site:yarn.nodemanager.container-monitor.interval-ms=500",
    "yarn-site:yarn.nodemanager.resource.memory-mb=4096",
    # What holds room in these tests is no application master and never reports.
    "yarn-site:yarn.am.liveness-monitor.expiry-interval-ms=600000",
    "capacity-scheduler:yarn.scheduler.capacity.root.etl.default-application-lifetime=90",
]
#: Driver and both executors do not fit onto one of the nodes.
TWO_EXECUTORS = f"""\
execution: {{log_file: our.log}}
spark_config:
  driver_memory: 512m
  executor_memory: 1280m
  num_executors: 2
  executor_cores: 1
  spark.eventLog.enabled: false
  spark.ui.enabled: false
  spark.driver.extraJavaOptions: "{CHEAP_JVM}"
  spark.executor.extraJavaOptions: "{CHEAP_JVM}"
"""
#: Executors that go away while this reduces take map output along that later tasks ask for. Once its file is there it
#: does so at once.
REDUCES = """
import sys, time
from pathlib import Path
from pyspark import SparkContext
context = SparkContext.getOrCreate()
again = Path(sys.argv[1]).exists()
def slowly(values):
    time.sleep(0 if again else 3)
    return len(values)
pairs = context.parallelize(range(2000), 6).map(lambda n: (n % 40, n)).groupByKey(40)
pairs.count()
Path(sys.argv[1]).touch()
print(pairs.mapValues(slowly).collect()[:1])
context.stop()
"""
#: Its Python holds 700 MiB, which one container bears and another does not.
HOLDS = """
import sys, time
from pyspark import SparkContext
context = SparkContext.getOrCreate()
held = bytearray(b"x") * (700 << 20)
time.sleep(5)
print(len(held))
context.stop()
"""


@pytest.fixture(scope="module")
def pressed() -> Iterator[Cluster]:
    """Two small nodes, and a scheduler that takes back what a queue has beyond its share."""
    flags = [word for one in SETTINGS for word in ("--set", one)]
    with cluster_of_its_own("test-pressure-cluster", "--nodemanagers", "2", *flags) as folder:
        yield Cluster(folder)


@pytest.fixture
def host(pressed: Cluster, tmp_path: Path) -> EdgeHost:
    return EdgeHost(pressed, tmp_path / "edge")


@pytest.fixture
def run_id(pressed: Cluster) -> Iterator[str]:
    with run_of_its_own(pressed, "press") as name:
        yield name


def submission(host: EdgeHost, run_id: str, job: str, *flags: str) -> list[str]:
    (host.home / "job.py").write_text(job, encoding="utf-8")
    gate = str(host.home / "gate")
    return ["submit", "-t", "custom", "--script", "job.py", "--run-id", run_id, "--app-arg", gate, *flags]


def nodes(cluster: Cluster) -> list[dict[str, Any]]:
    return list(cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/nodes")["nodes"]["node"])


def test_an_executor_that_goes_with_its_node_is_worth_another_try(
    pressed: Cluster, host: EdgeHost, run_id: str
) -> None:
    (host.home / "job_config.yaml").write_text(TWO_EXECUTORS, encoding="utf-8")
    conf = ["--conf", "spark.stage.maxConsecutiveAttempts=1", "-q", "ml-queue"]
    running = host.begin(
        *submission(host, run_id, REDUCES, "--retries", "1", "--retry-on", "lost", "--retry-wait", "1s", *conf)
    )
    with contextlib.closing(running):
        wait_until((host.home / "gate").exists, "it reduces", 180)
        (app,) = of_run(pressed, run_id)
        (node,) = [one for one in nodes(pressed) if one["nodeHTTPAddress"] != app["amHostHttpAddress"]]
        assert node["numContainers"] > 0, "the other node has an executor"
        port = node["nodeHTTPAddress"].rpartition(":")[2]
        urls = pressed.status()["urls"]
        (name,) = [one for one, url in urls.items() if one.startswith("nodemanager") and url.rstrip("/").endswith(port)]
        pressed.run("kill", name)
        try:
            running.process.wait(300)
        finally:
            pressed.run("up")
    ended = running.end()
    assert ended.code == 0, ended.err
    assert "lost: executors were lost with their node" in ended.err
    first, second = host.tries(run_id)
    assert (first["result"], second["result"]) == ("failed", "succeeded") and "lost" in second["why"]


def test_a_driver_that_yarn_kills_for_its_memory_gets_more_when_asked(
    pressed: Cluster, host: EdgeHost, run_id: str
) -> None:
    flags = ["--retries", "1", "--oom-bump", "2", "--retry-wait", "1s"]
    ended = host.run(*submission(host, run_id, HOLDS, *flags))
    assert ended.returncode == 0, ended.stderr
    first, second = host.tries(run_id)
    assert (first["rule"], first["result"]) == ("driver_physical_memory", "failed")
    # 512 MiB of heap and 384 beside it; twice that container, all of it beside the heap.
    assert "spark.driver.memoryOverhead 384m -> 1280m" in second["why"] and second["result"] == "succeeded"
    newest, oldest = of_run(pressed, run_id)
    assert oldest["finalStatus"] == "FAILED" and "beyond the 'PHYSICAL' memory limit" in oldest["diagnostics"]
    assert newest["finalStatus"] == "SUCCEEDED"


def held(cluster: Cluster, queue: str, memory_mib: int, seconds: int) -> str:
    """An application that takes this much of a queue, and does nothing."""
    application_id = new_application_id(cluster)
    post_sleeper(cluster, application_id, queue, memory_mib=memory_mib, seconds=seconds)
    return application_id


def test_a_preempted_driver_is_worth_another_try(pressed: Cluster, host: EdgeHost, run_id: str) -> None:
    """With `spark.yarn.maxAppAttempts: 1` YARN gives a preempted application up, although no attempt has failed."""
    holder = held(pressed, "ml-queue", 3200, 600)  # less than its queue's share: nobody takes it back
    try:
        wait_until(lambda: app_of(pressed, holder).get("amContainerLogs"), "one node is held")
        flags = ["--retries", "1", "--retry-on", "preempted", "--retry-wait", "1s", "-q", "default"]
        job = submission(host, run_id, GATED_JOB, *flags, "--driver-memory", "3g")
        with contextlib.closing(host.begin(*job)) as running:
            wait_until(lambda: state_of(pressed, run_id) == "RUNNING", "the driver runs", 240)
            rival = held(pressed, "etl", 2048, 10)
            wait_until(lambda: app_of(pressed, rival).get("amContainerLogs"), "the rival has got its share", 120)
            (host.home / "gate").touch()
            running.process.wait(300)
            ended = running.end()
    finally:
        kill_application(pressed, holder)
    assert ended.code == 0, ended.err
    newest, oldest = of_run(pressed, run_id)
    assert (oldest["state"], oldest["numAMContainerPreempted"]) == ("FAILED", 1)
    assert "exitCode: -102" in oldest["diagnostics"] and "preempted by scheduler" in oldest["diagnostics"]
    assert (newest["finalStatus"], newest["id"]) == ("SUCCEEDED", ended.out.strip().splitlines()[-1])
    assert "preempted: the application master ended with -102" in host.tries(run_id)[1]["why"]


def state_of(cluster: Cluster, run_id: str) -> str:
    found = of_run(cluster, run_id)
    return str(found[0]["state"]) if found else ""


def test_a_queue_s_own_limit_holds_for_what_nobody_limited(pressed: Cluster) -> None:
    """The only bound on an application whose submitter died before it could set one, and that nobody looks at again."""
    application_id = held(pressed, "etl", 128, 60)
    try:
        app = wait_until(lambda: app_of(pressed, application_id), "it is there")
        (limit,) = app["timeouts"]["timeout"]
        assert limit["type"] == "LIFETIME" and limit["expiryTime"] != "UNLIMITED"
    finally:
        kill_application(pressed, application_id)
