"""Planted secrets on the real cluster: looked for in everything that a run produces, while it runs and afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import secrets
import stat
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.conftest import REPO, Cluster, wait_until

SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
#: The driver proves that it has the secrets by their hashes, and waits so that all can be looked at meanwhile.
JOB = """
import hashlib, json, sys, time
from pathlib import Path
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
assert spark.range(100).repartition(2).count() == 100, "executors"
for key, wanted in json.loads(Path(sys.argv[1], "hashes.json").read_text()).items():
    got = spark.sparkContext.getConf().get(key)
    assert hashlib.sha256(got.encode()).hexdigest() == wanted, key
Path(sys.argv[1], "runs").touch()
deadline = time.monotonic() + 120
while not Path(sys.argv[1], "go").exists() and time.monotonic() < deadline:
    time.sleep(0.1)
print("the job has ended")
spark.stop()
"""
#: The properties, and how each secret comes into the configuration.
PLANTED = {
    "spark.my.password": "${PLANTED_PASSWORD}",
    "spark.my.passphrase": "${PLANTED_PASSPHRASE}",  # not hidden by Spark's own rule
    "spark.my.token": "file:secret.txt",
    "spark.hadoop.fs.s3a.secret.key": "${PLANTED_S3}",
    "spark.ssl.trustStorePassword": "${PLANTED_STORE}",
    "spark.my.url": "https://user:{}@host/path",
    "spark.my.other.token": "BATCH_SUBMIT_SPARK_CONFIG__spark.my.other.token",
}
#: Where a secret may be while the application lives, by SECURITY.md: Spark's own archive of the configuration.
SLOW = "spark.scheduler.listenerbus.logSlowEvent"
TRAVELS = "__spark_conf__"
#: Where it stays: executors get the archive as PRIVATE (``ApplicationMaster.prepareLocalResources``, 4.3.0), which a
#: NodeManager keeps for the user's next application until its cache is full.
KEPT = re.compile(
    r"/usercache/[^/]+/filecache/\d+/__spark_conf__[.]zip/__spark_(conf__[.]properties|hadoop_conf__[.]xml)$"
)


class Planted:
    """Secrets that stand nowhere else in the world, and where they are found."""

    def __init__(self) -> None:
        self.of = {key: f"pl4nted-{secrets.token_hex(8)}" for key in PLANTED}
        self._since = time.time() - 1.0
        self._marks = {key: value.encode() for key, value in self.of.items()}

    def within(self, data: bytes) -> list[str]:
        """The keys whose secrets stand in some bytes; also inside of a zip or of what zlib has packed."""
        found = {key for key, mark in self._marks.items() if mark in data}
        if data[:2] == b"PK":
            with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as held:
                if len(held.namelist()) < 500:
                    found |= {key for name in held.namelist() for key in self.within(held.read(name))}
        elif data[:1] == b"\x78" or data[:2] == b"\x1f\x8b":
            with contextlib.suppress(zlib.error):
                found |= {key for key, mark in self._marks.items() if mark in zlib.decompress(data, 47)}
        return sorted(found)

    def below(self, *folders: Path) -> dict[str, list[str]]:
        """Path -> keys, of every file that was made since; files may vanish while we look."""
        found = {}
        for folder in folders:
            for path in folder.rglob("*"):
                with contextlib.suppress(OSError):
                    status = path.lstat()
                    fresh = stat.S_ISREG(status.st_mode) and status.st_ctime >= self._since
                    if fresh and (keys := self.within(path.read_bytes())):
                        found[str(path)] = keys
        return found


class Processes(threading.Thread):
    """Looks at all processes of this host again and again: command lines and environments."""

    def __init__(self, planted: Planted) -> None:
        super().__init__(daemon=True)
        self._planted = planted
        self._enough = threading.Event()
        self.seen: set[str] = set()
        self.looks = 0
        self.java = 0

    def run(self) -> None:
        while not self._enough.wait(0.05):
            self.looks += 1
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    self._look(process)

    def _look(self, process: Path) -> None:
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            self.java += b"java" in command[:100]
            self.seen |= {f"command line of {command[:200]!r}: {key}" for key in self._planted.within(command)}
            if b"batch_submit" in command.replace(b"-", b"_") and b"spark-submit" not in command:
                return  # our own process has what its caller gave it
            environment = (process / "environ").read_bytes()
            self.seen |= {f"environment of {command[:200]!r}: {key}" for key in self._planted.within(environment)}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self._enough.set()
            self.join(30)


def configured(home: Path, planted: Planted, launcher: str, **sections: object) -> dict[str, str]:
    """Write job and configuration; the environment that holds the rest."""
    (home / "job.py").write_text(JOB, encoding="utf-8")
    (home / "secret.txt").write_text(planted.of["spark.my.token"] + "\n", encoding="utf-8")
    (home / "secret.txt").chmod(0o600)
    env = {}
    conf = {"spark.eventLog.enabled": "true", "spark.eventLog.compress": "false"}
    # By it Spark would write every event, with every property, into the driver's log, as it does on a busy node.
    conf |= {SLOW: "true", f"{SLOW}.threshold": "1us"}
    for key, told in PLANTED.items():
        if told.startswith("${"):
            env[told[2:-1]] = planted.of[key]
            conf[key] = told
        elif told.startswith("BATCH_SUBMIT_"):
            env[told] = planted.of[key]
        else:
            conf[key] = told.format(planted.of[key])
    config = {
        "execution": {"launcher": launcher, "log_file": "our.log", "save_logs": True},
        "storage_root": f"/tmp/{home.name}-{secrets.token_hex(4)}",
        "spark_config": conf,
        **sections,
    }
    (home / "job_config.yaml").write_text(json.dumps(config), encoding="utf-8")
    return env


@pytest.mark.parametrize("launcher", [pytest.param("spark-submit", marks=pytest.mark.full), "rest"])
def test_a_secret_is_nowhere_but_where_it_has_to_be(cluster: Cluster, tmp_path: Path, launcher: str) -> None:
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    planted = Planted()
    env = cluster.env | {"HOME": str(home), "TMPDIR": str(home / "tmp"), "BATCH_SUBMIT_PYTHON": sys.executable}
    with_secrets = env | configured(home, planted, launcher)
    given = {str(home / "secret.txt"), str(home / "job_config.yaml")}  # what the user wrote

    def ours(*arguments: str) -> str:
        """A call of ours without the secrets in its environment; both streams."""
        program = [str(REPO / "batch_submit.sh"), *arguments]
        done = subprocess.run(program, cwd=home, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    hashes = {key: hashlib.sha256(conf_value(planted, key).encode()).hexdigest() for key in PLANTED}
    (tmp_path / "hashes.json").write_text(json.dumps(hashes))
    run_id = f"secrets-{secrets.token_hex(4)}"
    submit = ["submit", "-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue", "--verbose", "--run-id", run_id]
    watcher = Processes(planted)
    with watcher.watching(), (home / "out.txt").open("wb") as out:
        command = [str(REPO / "batch_submit.sh"), *submit, "--", str(tmp_path)]
        process = subprocess.Popen(command, cwd=home, env=with_secrets, stdout=out, stderr=subprocess.STDOUT)
        wait_until(lambda: (tmp_path / "runs").exists() or process.poll() is not None, "the driver runs", 420)
        travelling = planted.below(home, cluster.dir)
        (tmp_path / "go").touch()
        assert process.wait(420) == 0, (home / "out.txt").read_text()
    assert watcher.looks > 50 and watcher.java > 100, "it has looked, and seen JVMs"
    assert watcher.seen == set()

    on_the_way = {path: keys for path, keys in travelling.items() if path not in given}
    localised = [path for path in on_the_way if path.endswith(f"{TRAVELS}.properties")]
    assert localised and all(on_the_way[path] == sorted(PLANTED) for path in localised), "so the search does find them"
    elsewhere = {path for path in on_the_way if TRAVELS not in path and "/hdfs/" not in path}
    assert elsewhere == set(), "HDFS keeps the archive in the staging folder, and nothing else has any"

    application_id = next(
        word
        for word in (home / "out.txt").read_text().split()
        if word.startswith("application_") and word[-1].isdigit()
    )
    ours("logs", application_id, "--out", str(home / "logs"))
    ours("logs", application_id, "--executors", "--out", str(home / "logs"))
    names = {path.name for path in (home / "logs").rglob("*") if path.is_file()}
    assert {"stdout", "stderr", "launch_container.sh", "directory.info"} <= names, names
    for verb in (["show", run_id, "--json"], ["status", application_id], ["history"], ["diagnose", application_id]):
        (home / f"{verb[0]}.txt").write_text(ours(*verb))
    for told in (["config", "show", "-t", "custom", "--origin"], ["config", "show", "-t", "custom", "--json"]):
        (home / f"config{len(told[-1])}.txt").write_text(ours(*told))
    (home / "dry.txt").write_text(ours("submit", "-t", "custom", "--script", "job.py", "--dry-run", "--json"))
    (home / "page.json").write_text(json.dumps(cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}")))
    (home / "events.txt").write_bytes(event_log(cluster, application_id))
    assert b"spark.my.passphrase" in (home / "events.txt").read_bytes(), "the key, and not its value"

    def left() -> dict[str, list[str]]:
        found = planted.below(home, cluster.dir)
        return {path: keys for path, keys in found.items() if path not in given and not KEPT.search(path)}

    # HDFS deletes blocks, and the NodeManager the application's folders, some seconds after the end.
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not left(), "nothing is left", 60)
    assert left() == {}
    kept = [Path(path) for path in planted.below(cluster.dir / "nodemanager")]
    assert all(path.parent.stat().st_mode & 0o077 == 0 for path in kept), "its user's alone"


@pytest.mark.full
@pytest.mark.parametrize("launcher", ["rest", "spark-submit"])
def test_the_page_of_a_run_with_secrets_shows_none(cluster: Cluster, tmp_path: Path, launcher: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    planted = Planted()
    sections = {
        "data_config": {"training_data_path": "rows.csv"},
        "model_config": {"algorithm": "decision_tree", "label_column": "label", "key_columns": ["id"]},
    }
    variables = configured(home, planted, launcher, **sections)
    given = {str(home / "secret.txt"), str(home / "job_config.yaml")}
    rows = [f"{n},{n % 7},{(n * 31) % 11},{int((n % 7) * 3 > (n * 31) % 11)}" for n in range(400)]
    (home / "rows.csv").write_text("\n".join(["id,a,b,label", *rows]) + "\n", encoding="ascii")
    env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
    run_id = f"page-{secrets.token_hex(4)}"

    def ours(*arguments: str, **more: str) -> str:
        program = [str(REPO / "batch_submit.sh"), *arguments]
        done = subprocess.run(program, cwd=home, env=env | more, capture_output=True, text=True, timeout=420)
        assert done.returncode == 0, done.stdout + done.stderr
        (home / f"{arguments[0]}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
        return done.stdout.strip()

    ours("upload", "rows.csv", "rows.csv")
    ours("submit", "-t", "training", *SMALL, "-q", "ml-queue", "--verbose", "--run-id", run_id, **variables)
    page = Path(ours("report", run_id, "--out", "page.html"))
    assert "decision_tree" in page.read_text(encoding="utf-8")
    plan = json.loads(ours("show", run_id, "--json"))
    metrics = re.search(r'"(/[^"]*/metrics[.]json)"', json.dumps(plan))
    assert metrics, plan
    ours("download", metrics[1], "metrics.json")
    assert planted.within((home / "metrics.json").read_bytes()) == []
    assert {path: keys for path, keys in planted.below(home).items() if path not in given} == {}


def conf_value(planted: Planted, key: str) -> str:
    """What the driver gets."""
    told = PLANTED[key]
    return told.format(planted.of[key]) if "{}" in told else planted.of[key]


def event_log(cluster: Cluster, application_id: str) -> bytes:
    """All of an application's event log; Spark 4 writes a folder of files."""
    import urllib.request

    def listed(path: str) -> list[dict[str, str]]:
        reply = cluster.rest(f"{cluster.webhdfs_url}{path}?op=LISTSTATUS&user.name=root")
        return list(reply["FileStatuses"]["FileStatus"])

    def files(path: str) -> Iterator[str]:
        for one in listed(path):
            below = f"{path}/{one['pathSuffix']}"
            if application_id in below:
                yield from files(below) if one["type"] == "DIRECTORY" else [below]

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    data = b""
    for path in files("/spark-logs"):
        with opener.open(f"{cluster.webhdfs_url}{path}?op=OPEN&user.name=root", timeout=30) as reply:
            data += reply.read()
    return data
