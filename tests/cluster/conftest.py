"""The real dev cluster, once per test run."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cluster.secure_cluster import SecureCluster

REPO = Path(__file__).resolve().parents[2]
DEVCLUSTER = REPO / "deploy" / "devcluster" / "devcluster"
CLUSTER_DIR = REPO / ".work" / "test-cluster"
FIRST_OFFSET, LAST_OFFSET = 3000, 6000
HOST_NOT_READY = 3
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
#: The copy of Spark's configuration that the tests use, in the cluster's folder.
QUICK_CONF = "spark-conf-of-tests"
#: Settings of the caller that must not reach the programs under test.
FOREIGN_PREFIXES = (
    "HADOOP_",
    "YARN_",
    "SPARK_",
    "PYSPARK_",
    "BATCH_SUBMIT_",
    "JAVA_TOOL_OPTIONS",
    "PYTHON_PATH",
    "KRB5",
)


class Cluster:
    """A running dev cluster.

    Parameters
    ----------
    directory
        Its work folder, ``dir``.

    Attributes
    ----------
    env
        A clean environment with what ``devcluster env`` exports; copy it before changing it.
    rm_url, webhdfs_url
        The ResourceManager's web server, and WebHDFS with its ``/webhdfs/v1``.
    """

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        urls = self.status()["urls"]
        self.rm_url: str = urls["resourcemanager"]
        self.webhdfs_url: str = urls["webhdfs"]
        self.env = clean_environment()
        for line in self.run("env").stdout.splitlines():
            name, _, value = shlex.split(line)[1].partition("=")
            self.env[name] = value
        if "SPARK_CONF_DIR" in self.env:
            self.env["SPARK_CONF_DIR"] = str(self._quick_jvms(Path(self.env["SPARK_CONF_DIR"])))

    def _quick_jvms(self, spark_conf: Path) -> Path:
        """A copy of Spark's configuration for JVMs that live for seconds: to compile well costs more than it saves."""
        folder = self.dir / QUICK_CONF
        shutil.copytree(spark_conf, folder, dirs_exist_ok=True)
        file = folder / "spark-defaults.conf"
        values = dict(line.split(" ", 1) for line in file.read_text(encoding="utf-8").splitlines())
        for key in ("spark.driver.defaultJavaOptions", "spark.executor.defaultJavaOptions"):
            values[key] = f"{values.get(key, '')} {QUICK_JVM}".strip()
        file.write_text("".join(f"{key} {value}\n" for key, value in values.items()), encoding="utf-8")
        return folder

    def run(self, *arguments: str, check: bool = True, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        """Run a verb of ``devcluster`` on this cluster: ``cluster.run("restart", "resourcemanager")``."""
        done = devcluster(*arguments, "--dir", str(self.dir), timeout_s=timeout_s)
        assert not check or done.returncode == 0, f"devcluster {' '.join(arguments)}: {done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        """What ``devcluster status --json`` says; its exit code is not looked at."""
        return json.loads(self.run("status", "--json", check=False).stdout)

    def rest(self, url: str, method: str = "GET", body: object = None) -> Any:
        """The JSON reply of one of the cluster's servers; an HTTP error is raised as urllib's, with its body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as reply:
                text = reply.read()
        except urllib.error.HTTPError as error:
            with error:
                error.msg = f"{error.msg} for {method} {url}: {error.read(2000).decode(errors='replace')}"
            raise
        return json.loads(text) if text else None

    def put(self, path: str, data: bytes) -> None:
        """Write a file into HDFS."""
        query = "op=CREATE&user.name=root&overwrite=true&noredirect=true"
        place = self.rest(f"{self.webhdfs_url}{path}?{query}", "PUT")["Location"]
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(place, data=data, method="PUT"), timeout=60
        ):
            pass


def wait_until(condition: Callable[[], Any], what: str, deadline_s: float = 90) -> Any:
    """Wait until a condition gives something true, and give it back."""
    deadline = time.monotonic() + deadline_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {deadline_s} s: {what}"
        time.sleep(0.2)  # between two looks; the deadline is above
    return found


def clean_environment() -> dict[str, str]:
    """The caller's environment without any setting of Hadoop, Spark or this project."""
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_PREFIXES)}


def devcluster(*arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
    """Run ``devcluster`` with plain arguments; without a locale, as daemons often run: what we submit bears that."""
    env = {name: value for name, value in clean_environment().items() if not name.startswith("LC_")} | {"LANG": "C"}
    return subprocess.run(
        [str(DEVCLUSTER), *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=env,
        check=False,
    )


def free_offset() -> int:
    """A port offset whose ResourceManager, NameNode and NodeManager ports nobody uses."""
    for offset in range(FIRST_OFFSET, LAST_OFFSET, 100):
        if all(
            _is_free(base + offset) for base in (8030, 8032, 8040, 8042, 8088, 8890, 9000, 9864, 9870, 10020, 19888)
        ):
            return offset
    raise AssertionError(f"no free port offset from {FIRST_OFFSET} to {LAST_OFFSET}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _runs_already() -> bool:
    found = devcluster("status", "--json", "--dir", str(CLUSTER_DIR))
    if not found.stdout:
        return False
    return any(row["state"] == "running" for row in json.loads(found.stdout)["daemons"].values())


def _up_again() -> subprocess.CompletedProcess[str]:
    return devcluster("up", "--dir", str(CLUSTER_DIR))


def _up_anew(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Start an empty cluster; tries further offsets when somebody takes a port after we looked."""
    devcluster("down", "--wipe", "--dir", str(folder))
    shutil.rmtree(folder / QUICK_CONF, ignore_errors=True)  # ours: `up` takes a folder without anything of others only
    for _ in range(5):
        place = ("--dir", str(folder), "--port-offset", str(free_offset()))
        began = devcluster("up", *flags, *place, timeout_s=1200)
        if "is in use by another process" not in began.stderr:
            break
    return began


@contextlib.contextmanager
def cluster_of_its_own(name: str, *flags: str) -> Iterator[Path]:
    """The folder of an empty cluster beside the common one, with flags of ``devcluster up``; wiped at the end.

    Skips with the reason where the host can't have one, fails then with REQUIRE_CLUSTER=1.
    """
    folder = REPO / ".work" / name
    try:
        began = _up_anew(folder, *flags)
        if began.returncode == HOST_NOT_READY and os.environ.get("REQUIRE_CLUSTER") != "1":
            pytest.skip(f"no dev cluster: {began.stderr.strip()}")
        assert began.returncode == 0, began.stderr
        yield folder
    finally:
        devcluster("down", "--wipe", "--dir", str(folder))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The dev cluster; skips with the reason where the host can't have one, fails then with REQUIRE_CLUSTER=1.

    KEEP_CLUSTER=1 leaves it running with its data. One that runs already is used, and left as it is.
    """
    found_running = _runs_already()
    began = _up_again() if found_running else _up_anew(CLUSTER_DIR)
    if began.returncode == HOST_NOT_READY and os.environ.get("REQUIRE_CLUSTER") != "1":
        pytest.skip(f"no dev cluster: {began.stderr.strip()}")
    assert began.returncode == 0, began.stderr
    try:
        yield Cluster(CLUSTER_DIR)
    finally:
        if not found_running and os.environ.get("KEEP_CLUSTER") != "1":
            devcluster("down", "--wipe", "--dir", str(CLUSTER_DIR))


#: Short cookies, so that a ticket's end is felt at once; a proxy user; priorities.
_KERBEROS_SETTINGS = (
    "core-site:hadoop.http.authentication.token.validity=5",
    "core-site:hadoop.proxyuser.alice.hosts=*",
    "core-site:hadoop.proxyuser.alice.users=bob",
    "yarn-site:yarn.cluster.max-application-priority=10",
)


@pytest.fixture(scope="session")
def kerberos_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """One with Kerberos over plain HTTP; what skips or fails as :func:`cluster` does."""
    from cluster.secure_cluster import secure_cluster

    flags = [word for setting in _KERBEROS_SETTINGS for word in ("--set", setting)]
    with secure_cluster("test-kerberos-cluster", tmp_path_factory.mktemp("tickets"), *flags) as running:
        yield running


@pytest.fixture(scope="session")
def tls_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """One with Kerberos and HTTPS; what skips or fails as :func:`cluster` does."""
    from cluster.secure_cluster import secure_cluster

    # A driver on a busy host takes longer than the dev cluster's two minutes to register.
    patient = "yarn-site:yarn.am.liveness-monitor.expiry-interval-ms=600000"
    flags = ("--timeout", "300", "--set", patient)
    with secure_cluster("test-tls-cluster", tmp_path_factory.mktemp("tickets"), *flags, profile="tls") as running:
        yield running


@pytest.fixture
def other_devcluster(tmp_path: Path) -> Iterator[list[str]]:
    """Arguments that name a second, empty cluster folder and free ports; whatever runs there is ended."""
    place = ["--dir", str(tmp_path / "other"), "--port-offset", str(free_offset())]
    yield place
    devcluster("down", "--wipe", "--dir", place[1])
