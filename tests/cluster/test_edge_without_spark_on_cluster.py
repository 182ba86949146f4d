"""``launcher: rest`` from a host with neither Java nor Spark: this package and Hadoop's XML files, no more.

The host is an environment made here: a Python of its own that holds what the base install requires, and a PATH with the
four programs that the shell door needs.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from configparser import ConfigParser
from contextlib import closing
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster

from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.shared_folder import SharedFolder
from batch_submit.adapters.staging import StagingFolder
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.plan.shared import digest_of, shared_name

MARK = secrets.token_hex(3)
#: A folder of our own, so that nothing that other tests put there is met or swept.
SHARED = f"/user/root/shared-{MARK}"
DAY_MS = 24 * 3600 * 1000
MOST_STAGED_BYTES = 30_000
SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
JOB = """
from pyspark.sql import SparkSession
import ml_pipeline_framework
spark = SparkSession.builder.getOrCreate()
assert spark.sparkContext.parallelize([1], 1).map(lambda one: ml_pipeline_framework.__name__).first()
spark.stop()
"""
LOOK = """
import importlib.util, json, shutil
print(json.dumps([shutil.which("java"), shutil.which("spark-submit"), importlib.util.find_spec("pyspark") is None]))
"""


class Edge:
    """A host without Java and Spark."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.python = _bare_python(folder / "python")
        programs = folder / "bin"
        programs.mkdir()
        for name in ("bash", "env", "dirname", "readlink"):
            (programs / name).symlink_to(str(shutil.which(name)))
        self.env = {
            "HOME": str(folder),
            "PATH": str(programs),
            "LANG": "C.UTF-8",
            "HADOOP_CONF_DIR": cluster.env["HADOOP_CONF_DIR"],
            "HADOOP_USER_NAME": "root",
            "BATCH_SUBMIT_PYTHON": str(self.python),
            "BATCH_SUBMIT_EXECUTION__SHARED_DIR": SHARED,
        }
        (folder / "job.py").write_text(JOB, encoding="utf-8")
        self.configure("")

    def configure(self, archive: str) -> None:
        """Write the configuration: what the dev cluster's nodes need, and Spark's archive."""
        spark = {
            "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
            "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
            "spark.pyspark.python": sys.executable,  # of the nodes
        }
        spark |= {"spark.yarn.archive": archive} if archive else {}
        config = {"execution": {"launcher": "rest", "log_file": "our.log"}, "spark_config": spark}
        (self.folder / "job_config.yaml").write_text(json.dumps(config), encoding="utf-8")

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(REPO / "batch_submit.sh"), *arguments],
            cwd=self.folder,
            env=self.env | (env or {}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def hdfs(self, method: str, path: str, op: str, more: str = "") -> Any:
        return self.cluster.rest(f"{self.cluster.webhdfs_url}{path}?op={op}&user.name=root{more}", method)

    def files(self, path: str = SHARED) -> dict[str, dict[str, Any]]:
        found = self.hdfs("GET", path, "LISTSTATUS")["FileStatuses"]["FileStatus"]
        return {one["pathSuffix"]: one for one in found}

    def webhdfs(self, session: StdlibSession) -> WebHdfs:
        return WebHdfs([self.cluster.webhdfs_url.removesuffix("/webhdfs/v1")], session, user="root")

    def age(self, name: str, days: int) -> int:
        """Set both times of a shared file back; what they are then."""
        then_ms = int(time.time() * 1000) - days * DAY_MS
        self.hdfs("PUT", f"{SHARED}/{name}", "SETTIMES", f"&modificationtime={then_ms}&accesstime={then_ms}")
        return then_ms


def _bare_python(folder: Path) -> Path:
    """A Python that finds the packages of the base install and no others."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    (packages,) = folder.glob("lib/python3*/site-packages")
    setup = ConfigParser()
    setup.read(REPO / "setup.cfg")
    wanted = [_name(line) for line in setup["options"]["install_requires"].split("\n") if line.strip()]
    seen: set[str] = set()
    while wanted:
        found: Distribution = distribution(wanted.pop())
        if found.metadata["Name"] in seen:
            continue
        seen.add(found.metadata["Name"])
        wanted += [_name(one) for one in found.requires or [] if "extra ==" not in one and "python_version" not in one]
        for top in {file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            (packages / top).symlink_to(Path(str(found.locate_file(top))))
    return folder / "bin" / "python"


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    assert match, requirement
    return match[0]


@pytest.fixture(scope="module")
def edge(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    return Edge(cluster, tmp_path_factory.mktemp("edge"))


@pytest.fixture(scope="module")
def archive(edge: Edge) -> str:
    """The archive of Spark, put into HDFS by a host that has Spark; a second call does nothing."""
    home = edge.cluster.env["SPARK_HOME"]
    before = edge.run("init-hdfs", "--spark", home, "--check", "--json")
    assert before.returncode == 3 and len(json.loads(before.stdout)["missing"]) == 4, before.stderr
    first = edge.run("init-hdfs", "--spark", home, "--json")
    assert first.returncode == 0, first.stderr
    second = edge.run("init-hdfs", "--spark", home, "--json")
    told = json.loads(first.stdout)
    assert json.loads(second.stdout) == told | {"written": False, "missing": []} and told["written"]
    assert "is there already" in second.stderr
    uri: str = told["spark.yarn.archive"]
    assert {one["permission"] for one in edge.files().values()} == {"644"} and len(edge.files()) == 4
    edge.configure(uri)
    return uri


def test_without_a_manifest_and_without_a_spark_both_ways_out_are_named(edge: Edge) -> None:
    edge.configure(f"hdfs://{SHARED}-none/spark-4.3.0-0123456789abcdef.zip")
    done = edge.run("submit", "-t", "custom", "--script", "job.py", *SMALL, "--no-preflight")
    assert done.returncode == 3, done.stderr
    assert "init-hdfs --spark" in done.stderr and "export SPARK_HOME" in done.stderr


def test_a_run_of_a_host_without_java_and_spark_succeeds_and_stages_little(edge: Edge, archive: str) -> None:
    seen = subprocess.run([str(edge.python), "-c", LOOK], env=edge.env, capture_output=True, text=True, check=True)
    assert json.loads(seen.stdout) == [None, None, True]
    (pyspark,) = [name for name in edge.files() if name.startswith("pyspark-")]
    then_ms = edge.age(pyspark, 60)
    job = ["-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue", "--run-id", f"bare-{MARK}"]
    began = edge.run("submit", *job, "--no-wait")
    assert began.returncode == 0, began.stderr
    staged = edge.files(f"/user/root/.sparkStaging/{began.stdout.strip()}")
    assert set(staged) == {"job.py", "__spark_conf__.zip"}
    assert sum(one["length"] for one in staged.values()) < MOST_STAGED_BYTES
    done = edge.run("wait", f"bare-{MARK}")
    assert done.returncode == 0, done.stderr
    app = edge.cluster.rest(f"{edge.cluster.rm_url}/ws/v1/cluster/apps/{began.stdout.strip()}")["app"]
    assert (app["state"], app["finalStatus"]) == ("FINISHED", "SUCCEEDED")
    used = edge.files()[pyspark]
    assert used["modificationTime"] == then_ms and used["accessTime"] > then_ms + 59 * DAY_MS, "its use is noted"
    assert len([name for name in edge.files() if name.startswith("ml_pipeline_framework-")]) == 1


def test_of_many_at_the_same_time_one_wins_and_all_get_its_file(edge: Edge) -> None:
    rivals, content = 8, MARK.encode() * 50_000
    name = shared_name("ml_pipeline_framework.zip", digest_of(content))
    together, told = threading.Barrier(rivals), []

    def put() -> None:
        with closing(StdlibSession("root")) as session:
            folder = SharedFolder(edge.webhdfs(session), session, f"{SHARED}-rivals", lambda: 0)
            folder.files()
            together.wait(30)
            told.append(folder.add(name, content))

    threads = [threading.Thread(target=put) for _ in range(rivals)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(won for _, won in told) == [False] * (rivals - 1) + [True]
    assert len({held for held, _ in told}) == 1 and told[0][0].length == len(content)
    assert set(edge.files(f"{SHARED}-rivals")) == {name}


def test_gc_deletes_what_is_old_ours_and_unused_and_nothing_else(edge: Edge, archive: str) -> None:
    old, upload = f"ml_pipeline_framework-{16 * '0'}.zip", f".pyspark-{16 * '0'}.zip.{12 * '0'}.uploading"
    source = edge.files()
    with closing(StdlibSession("root")) as session:
        staging = StagingFolder(edge.webhdfs(session), session, SHARED)
        for name in (old, upload, "notes.txt", f"other-{16 * '0'}.zip", f"ml_pipeline_framework-{16 * '1'}.zip"):
            staging.put(name, b"x" * 1000)
    for name in (*source, old, upload, "notes.txt", f"other-{16 * '0'}.zip"):
        edge.age(name, 60)
    shown = edge.run("gc", "--dry-run", "--json")
    assert shown.returncode == 0, shown.stderr
    doomed = {one["name"] for one in json.loads(shown.stdout)["files"] if one["delete"]}
    assert doomed == {old, upload} and old in edge.files()
    real = edge.run("gc", "--json")
    assert real.returncode == 0, real.stderr
    assert {one["name"] for one in json.loads(real.stdout)["files"] if one["delete"]} == doomed
    left = set(edge.files())
    assert left == {*source, "notes.txt", f"other-{16 * '0'}.zip", f"ml_pipeline_framework-{16 * '1'}.zip"}
