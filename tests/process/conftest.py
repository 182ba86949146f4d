"""What the process tests share: the servers of paper and the door to our program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kerberos_here import skip_without_kerberos
from tests.process.canned_rm import CannedResourceManager
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import Door
from tests.process.realm import Realm, running_realm


@pytest.fixture
def rm() -> Iterator[CannedResourceManager]:
    """A ResourceManager without applications."""
    with CannedResourceManager() as server:
        yield server


@pytest.fixture
def webhdfs() -> Iterator[CannedWebHdfs]:
    """An empty HDFS."""
    with CannedWebHdfs() as server:
        yield server


@pytest.fixture
def door(tmp_path: Path, rm: CannedResourceManager, webhdfs: CannedWebHdfs) -> Iterator[Door]:
    """Our program, with a cluster configured."""
    opened = Door(tmp_path, rm, webhdfs)
    yield opened
    opened.close()


@pytest.fixture
def host(tmp_path: Path, rm: CannedResourceManager, webhdfs: CannedWebHdfs) -> Iterator[Door]:
    """A host with ``launcher: auto``, whose jobs go over REST if nothing is in the way."""
    from tests.process.taking_rm import spark_home  # loads pyspark, which most tests do without

    opened = Door(tmp_path, rm, webhdfs)
    opened.env |= {"SPARK_HOME": spark_home(tmp_path), "HADOOP_USER_NAME": "alice"}
    yield opened
    opened.close()


@pytest.fixture
def laptop(tmp_path: Path, rm: CannedResourceManager, webhdfs: CannedWebHdfs) -> Iterator[Door]:
    """Our program on a host without any Hadoop configuration; the recorder succeeds as a driver."""
    opened = Door(tmp_path, rm, webhdfs)
    del opened.env["HADOOP_CONF_DIR"]
    opened.recorder()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """A Kerberos realm with a real KDC, a user ``alice`` and a web server's principal."""
    skip_without_kerberos()
    with running_realm(tmp_path_factory.mktemp("kdc") / "one") as running:
        running.add("alice")
        running.add("HTTP/localhost")
        yield running


@pytest.fixture
def kerberos_env(realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A client's environment with an empty cache, for the library in this process too."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    found = {**realm.env, "KRB5CCNAME": f"FILE:{tmp_path / 'cache'}", "XDG_RUNTIME_DIR": str(runtime)}
    for name in ("KRB5_CONFIG", "KRB5CCNAME"):
        monkeypatch.setenv(name, found[name])
    return found
