"""What `devcluster` says when it can't start: no daemon runs here."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "devcluster"
#: Java as far as the version check looks.
FAKE_JAVA = """\
#!/bin/sh
echo '    java.home = /opt/fake' >&2
echo '    java.specification.version = {version}' >&2
"""


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """An environment with a Java 17 and a complete, empty jar cache."""
    jars = tmp_path / "jars"
    (jars / "lib").mkdir(parents=True)
    pom_hash = hashlib.sha256((FOLDER / "pom.xml").read_bytes()).hexdigest()
    (jars / "complete.json").write_text(json.dumps({"pom_sha256": pom_hash, "jars": 0}))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "JAVA_HOME": str(fake_java(tmp_path / "jdk17", "17")),
        "DEVCLUSTER_JARS": str(jars),
    }


def fake_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text(FAKE_JAVA.format(version=version))
    java.chmod(0o755)
    return home


def run(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "devcluster"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("version", ["1.8", "11", "25"])
def test_another_java_is_refused_in_one_line(host: dict[str, str], tmp_path: Path, version: str) -> None:
    home = fake_java(tmp_path / "other", version)
    code, message = run({**host, "JAVA_HOME": str(home)}, "up", "--dir", str(tmp_path / "c"))
    assert code == 3
    assert len(message.splitlines()) == 1
    assert f"JAVA_HOME={home} is Java {version.removeprefix('1.')}" in message
    assert "openjdk-17" in message
    assert not (tmp_path / "c").exists()


def test_java_home_without_java(host: dict[str, str], tmp_path: Path) -> None:
    code, message = run({**host, "JAVA_HOME": "/nowhere"}, "up", "--dir", str(tmp_path / "c"))
    assert code == 3
    assert "JAVA_HOME=/nowhere holds no bin/java" in message


def test_a_port_in_use_is_named_with_its_daemon_and_the_remedy(host: dict[str, str], tmp_path: Path) -> None:
    offset = 11000
    with socket.create_server(("127.0.0.1", 8088 + offset)):
        code, message = run(host, "up", "--dir", str(tmp_path / "c"), "--port-offset", str(offset))
    assert code == 3
    assert len(message.splitlines()) == 1
    assert "port 19088 (resourcemanager http) is in use" in message
    assert "--port-offset" in message


def test_without_maven_the_package_to_install_is_named(host: dict[str, str], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {**host, "PATH": str(empty), "DEVCLUSTER_JARS": str(tmp_path / "none")}
    assert run(environment, "jars") == (
        3,
        "devcluster: mvn is missing; it fetches Hadoop's jars: apt-get install maven",
    )


def test_mavens_last_lines_are_shown_after_two_failures(host: dict[str, str], tmp_path: Path) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\necho 'Could not transfer artifact'\nexit 1\n")
    maven.chmod(0o755)
    environment = {**host, "PATH": f"{maven.parent}:{host['PATH']}", "DEVCLUSTER_JARS": str(tmp_path / "none")}
    code, message = run(environment, "jars")
    assert code == 3
    assert "Could not transfer artifact" in message
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_folder_with_other_files_is_left_alone(host: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    assert run(host, "up", "--dir", str(tmp_path / "mine"))[0] == 2
    assert run(host, "down", "--wipe", "--dir", str(tmp_path / "mine"))[0] == 0
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["up", "--port-offset", "1"], 2, "multiple of 100"),
        (["up", "--port-offset", "x"], 2, "multiple of 100"),
        (["up", "--nodemanagers", "0"], 2, "not from 1 to 8"),
        (["up", "--dir", "/tmp/a b"], 2, "can't work in a path"),
        (["fly"], 2, "invalid choice"),
        (["env", "--dir", "/nonexistent"], 3, "run `devcluster up` first"),
        (["down", "--dir", "/nonexistent"], 0, "nothing was running"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(host: dict[str, str], arguments: list[str], code: int, words: str) -> None:
    answer, message = run(host, *arguments)
    assert answer == code
    assert words in message


def test_clusters_with_different_offsets_share_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from devcluster_lib.layout import BASE_PORTS, MAX_NODEMANAGERS, MAX_PORT_OFFSET, PORT_OFFSET_STEP, make_daemon

    daemons = [
        make_daemon(kind, index, 0)
        for kind in BASE_PORTS
        for index in range(1, (MAX_NODEMANAGERS if kind == "nodemanager" else 1) + 1)
    ]
    ports = sorted(port for daemon in daemons for port in daemon.ports.values())
    assert all(one < other for one, other in pairwise(ports))
    gaps = {other - one for one in ports for other in ports if other > one}
    assert not [gap for gap in gaps if gap % PORT_OFFSET_STEP == 0 and gap <= MAX_PORT_OFFSET]
    assert max(ports) + MAX_PORT_OFFSET < 32768  # net.ipv4.ip_local_port_range begins there
