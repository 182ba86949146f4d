"""``init-hdfs``, ``upload`` and ``download`` on a real HDFS: owners, odd names, an interruption in the middle."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cluster.conftest import REPO, Cluster

MARK = secrets.token_hex(3)
SUPERUSER = getpass.getuser()
ODD = ("a b", "p%20q+r;s", "ümläut {1} #?*[", "new\nline", "back\\slash")
BIG_BYTES = 300_000_000
PATIENCE_S = 60.0


class Storage:
    """A root of its own on the cluster's HDFS."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self.root = f"/storage-{MARK}"
        self.env = cluster.env | {"BATCH_SUBMIT_STORAGE_ROOT": self.root, "XDG_STATE_HOME": str(folder / "state")}

    def start(self, *arguments: str, user: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(REPO / "batch_submit.sh"), *arguments],
            cwd=self.folder,
            env=self.env | {"HADOOP_USER_NAME": user},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, user: str = "alice", code: int = 0) -> tuple[str, str]:
        with self.start(*arguments, user=user) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, err
        return out, err

    def answer(self, *arguments: str, user: str = "alice", code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", user=user, code=code)[0])

    def ask(self, method: str, path: str, op: str, user: str = SUPERUSER, more: str = "") -> Any:
        url = f"{self.cluster.webhdfs_url}{quote(self.root + path)}?op={op}&user.name={user}{more}"
        return self.cluster.rest(url, method)

    def names(self, path: str) -> dict[str, int]:
        found = self.ask("GET", path, "LISTSTATUS")["FileStatuses"]["FileStatus"]
        return {fields["pathSuffix"]: fields["length"] for fields in found}


@pytest.fixture(scope="module")
def storage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return Storage(cluster, tmp_path_factory.mktemp("storage"))


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_the_tree_its_owners_and_its_drift(storage: Storage) -> None:
    flags = ["--owner", "alice:etl", "--mode", "755"]
    _, denied = storage.run("init-hdfs", user="alice", code=4)
    assert "Permission denied: user=alice" in denied
    made = storage.answer("init-hdfs", *flags, user=SUPERUSER)
    assert made["changed"] and len(made["differences"]) == made["folders"] == 14
    assert set(storage.names("/data")) == {"raw", "training", "validation", "input", "output"}
    status = storage.ask("GET", "/metrics", "GETFILESTATUS")["FileStatus"]
    assert (status["owner"], status["group"], status["permission"]) == ("alice", "etl", "755")
    assert storage.answer("init-hdfs", *flags, user=SUPERUSER)["clean"]
    assert storage.answer("init-hdfs", "--check", *flags)["clean"]

    storage.ask("PUT", "/logs", "SETPERMISSION", user="alice", more="&permission=1777")
    (drift,) = storage.answer("init-hdfs", "--check", *flags, code=3)["differences"]
    assert drift == {"path": f"{storage.root}/logs", "field": "mode", "found": "1777", "wanted": "755"}
    assert not storage.answer("init-hdfs", *flags)["clean"]  # the owner may
    _, refused = storage.run("init-hdfs", "--owner", "bob", code=4)
    assert "not a super user" in refused


def test_a_tree_of_odd_names_there_and_back(storage: Storage) -> None:
    source = storage.folder / "source"
    (source / "sub dir" / "ü").mkdir(parents=True)
    (source / "empty").mkdir()
    for at, name in enumerate(ODD):
        (source / "sub dir" / "ü" / name).write_bytes(os.urandom(1000 * at))
    # Above the length from which HDFS's own checksum is asked for.
    (source / "large").write_bytes(os.urandom(9_000_001))

    up = storage.answer("upload", "source", "data/input/odd")
    assert (up["files"], up["skipped"], up["folders"]) == (6, 0, 4)
    assert (up["verified"]["checksum"], up["verified"]["reading"]) == (1, 4)
    assert storage.names("/data/input/odd/sub dir/ü") == {name: 1000 * at for at, name in enumerate(ODD)}
    again = storage.answer("upload", "source", "data/input/odd")
    assert (again["files"], again["skipped"]) == (0, 6)

    assert storage.answer("download", "data/input/odd", "back")["files"] == 6
    compared = subprocess.run(["diff", "-r", source, storage.folder / "back"], capture_output=True, check=False)
    assert compared.returncode == 0, compared.stdout

    (storage.folder / "10:30.csv").write_text("x")
    _, refused = storage.run("upload", "10:30.csv", "data/", code=2)
    assert "no colon" in refused
    _, denied = storage.run("upload", "source", "data/input/bobs", user="bob", code=4)
    assert "Permission denied: user=bob" in denied


def test_an_upload_that_is_interrupted_goes_on(storage: Storage) -> None:
    source = storage.folder / "parts"
    source.mkdir()
    (source / "a").write_bytes(b"small")
    with (source / "b").open("wb") as big:
        big.truncate(BIG_BYTES)
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -9)):
        with storage.start("upload", "parts", "data/output/parts", user="alice") as process:
            try:
                until(lambda: _uploading(storage), "the big file is under way")
                process.send_signal(number)
                process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
        assert process.returncode == code
        assert (storage.names("/data/output/parts") == {"a": 5}) is (number == signal.SIGINT)
    ended = storage.answer("upload", "parts", "data/output/parts")
    assert (ended["files"], ended["skipped"], ended["verified"]["checksum"]) == (1, 1, 1)
    assert storage.names("/data/output/parts") == {"a": 5, "b": BIG_BYTES}


def _uploading(storage: Storage) -> bool:
    if "parts" not in storage.names("/data/output"):
        return False
    inside = storage.names("/data/output/parts")
    return "a" in inside and len(inside) > 1
