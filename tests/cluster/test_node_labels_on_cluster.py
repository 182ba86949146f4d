"""Node labels over REST and by spark-submit: the same nodes, and the queue's default label where none is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster, cluster_of_its_own, wait_until

pytestmark = pytest.mark.full
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
QUEUE = "capacity-scheduler:yarn.scheduler.capacity.root"
SETTINGS = (
    "yarn-site:yarn.node-labels.enabled=true",
    f"{QUEUE}.accessible-node-labels=gpu",
    f"{QUEUE}.accessible-node-labels.gpu.capacity=100",
    f"{QUEUE}.default.accessible-node-labels=gpu",
    f"{QUEUE}.default.accessible-node-labels.gpu.capacity=50",
    f"{QUEUE}.etl.accessible-node-labels=gpu",
    f"{QUEUE}.etl.accessible-node-labels.gpu.capacity=50",
    f"{QUEUE}.etl.default-node-label-expression=gpu",
)
JOB = """
from pyspark.sql import SparkSession
assert SparkSession.builder.getOrCreate().range(9).repartition(2).count() == 9
"""
MASTER, EXECUTORS = "spark.yarn.am.nodeLabelExpression=gpu", "spark.yarn.executor.nodeLabelExpression=gpu"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, str]]:
    """A cluster of two nodes, and the one of them that bears the label gpu, which only its own applications use."""
    store = tmp_path_factory.mktemp("labels").as_uri()  # not HDFS, which is up only after the ResourceManager
    settings = (*SETTINGS, f"yarn-site:yarn.node-labels.fs-store.root-dir={store}")
    flags = [word for setting in settings for word in ("--set", setting)]
    with cluster_of_its_own("test-label-cluster", "--nodemanagers", "2", *flags) as folder:
        cluster = Cluster(folder)
        base = f"{cluster.rm_url}/ws/v1/cluster"
        label = {"nodeLabelInfo": [{"name": "gpu", "exclusivity": "true"}]}
        cluster.rest(f"{base}/add-node-labels?user.name=root", "POST", label)
        nodes = [one["id"] for one in cluster.rest(f"{base}/nodes")["nodes"]["node"]]
        assert len(nodes) == 2
        cluster.rest(f"{base}/nodes/{nodes[0]}/replace-labels?labels=gpu&user.name=root", "POST")
        wait_until(lambda: "gpu" in str(cluster.rest(f"{base}/nodes/{nodes[0]}")), "the node bears its label")
        yield cluster, nodes[0]


def ran(cluster: Cluster, home: Path, launcher: str, *flags: str) -> dict[str, Any]:
    """Submit, and give what the ResourceManager says of it, with the nodes of its containers."""
    env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
    (home / "job.py").write_text(JOB, encoding="utf-8")
    command = [str(REPO / "batch_submit.sh"), "submit", "-t", "custom", "--script", "job.py", *SMALL, *flags]
    done = subprocess.run(
        [*command, "--launcher", launcher], cwd=home, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{done.stdout.strip()}")["app"])


@pytest.mark.parametrize(
    ("flags", "on_gpu"),
    [
        pytest.param(["--conf", MASTER, "--conf", EXECUTORS], True, id="named"),
        pytest.param([], False, id="none"),
        pytest.param(["-q", "etl"], True, id="of the queue"),
    ],
)
def test_both_launchers_land_on_the_same_nodes(
    labelled: tuple[Cluster, str], tmp_path: Path, flags: list[str], on_gpu: bool
) -> None:
    cluster, node = labelled
    told = {launcher: ran(cluster, tmp_path, launcher, *flags) for launcher in ("rest", "spark-submit")}
    for launcher, app in told.items():
        assert (app["masterNodeId"] == node) is on_gpu, (launcher, app)
    keys = ("amNodeLabelExpression", "appNodeLabelExpression")
    assert [told["rest"].get(key) for key in keys] == [told["spark-submit"].get(key) for key in keys]
