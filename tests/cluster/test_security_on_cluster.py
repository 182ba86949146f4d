"""What `make test` asks of a cluster with Kerberos that speaks https and nothing else; the rest is marked `full`.

Each feature once: a login by keytab and nothing else, a job over REST that takes the keytab along, who may look, kill
and change, files by way of a DataNode, no ticket, another CA, plain HTTP.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cluster.conftest import REPO, wait_until
from cluster.secure_cluster import JOB, SMALL, SecureCluster, configure, run

SUBMIT = ["submit", "-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An edge user's folder with a job."""
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    configure(tmp_path)
    return tmp_path


def keytabs_on_the_node(cluster: SecureCluster) -> list[Path]:
    """What is left of a job's keytab in the NodeManager's folders."""
    return [path for path in (cluster.dir / "nodemanager").rglob("*") if "keytab" in path.name]


def test_a_keytab_alone_submits_over_https_and_goes_with_the_job(
    tls_cluster: SecureCluster, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    configure(home, security_config=tls_cluster.keytab_login("alice"))
    began = run(tls_cluster, "", home, *SUBMIT, "--run-id", "by-keytab", "--no-wait", "--verbose")
    application_id = began.stdout.strip()
    assert application_id in run(tls_cluster, "", home, "list").stdout
    assert "alice" in run(tls_cluster, "", home, "status", application_id).stdout
    bobs = tmp_path_factory.mktemp("bob")
    configure(bobs)
    for verb, words in (("kill", "kill"), ("move", "move"), ("priority", "change priority of")):
        more = {"move": ["etl"], "priority": ["3"]}.get(verb, [])
        refused = run(tls_cluster, "bob", bobs, verb, application_id, *more, code=4)
        assert f"Unauthorized attempt to {words} appid {application_id} by remote user bob@" in refused.stderr
    done = run(tls_cluster, "", home, "wait", application_id)
    app = tls_cluster.application(application_id)
    assert (app["finalStatus"], app["user"]) == ("SUCCEEDED", "alice")
    logs = run(tls_cluster, "", home, "logs", application_id)
    assert "runs as alice by keytab True" in logs.stdout
    assert application_id not in tls_cluster.staged(), "the keytab least of all"
    wait_until(lambda: not keytabs_on_the_node(tls_cluster), "the node keeps no keytab", 60)
    told = "".join((began.stdout, began.stderr, done.stderr, logs.stderr, (home / "our.log").read_text("utf-8")))
    assert not re.search(r"delegation=(?!\*)|Negotiate YI", told)


def test_its_owner_kills_an_application(tls_cluster: SecureCluster, home: Path) -> None:
    """Before a container of it runs, which would cost the test's time and tell no more."""
    configure(home, security_config=tls_cluster.keytab_login("alice"))
    application_id = run(tls_cluster, "", home, *SUBMIT, "--run-id", "killed", "--no-wait").stdout.strip()
    assert f"{application_id} killed" in run(tls_cluster, "", home, "kill", application_id).stdout
    app = tls_cluster.application(application_id)
    assert (app["state"], app["user"]) == ("KILLED", "alice")


def test_a_file_goes_and_comes_by_way_of_a_datanode(tls_cluster: SecureCluster, home: Path) -> None:
    """By a library and by our own session, each with the keytab's ticket; more than one piece of the transfer."""
    configure(home, security_config=tls_cluster.keytab_login("alice"), storage_root="/user/alice/files")
    sent = bytes(range(256)) * 4096
    (home / "sent.bin").write_bytes(sent)
    run(tls_cluster, "", home, "upload", "sent.bin", "a/sent.bin")
    run(tls_cluster, "", home, "download", "a/sent.bin", "back.bin")
    assert (home / "back.bin").read_bytes() == sent
    refused = run(tls_cluster, "", home, "upload", "sent.bin", "/user/bob/sent.bin", code=4)
    assert "HDFS refuses access to user alice" in refused.stderr


def test_without_a_ticket_nothing_is_submitted(tls_cluster: SecureCluster, home: Path) -> None:
    before = tls_cluster.staged()
    refused = run(tls_cluster, "", home, *SUBMIT, code=3)
    assert "no valid ticket" in refused.stderr and "next: kinit" in refused.stderr
    assert refused.stdout == "" and not list(home.rglob("runs/**/*.json")) and tls_cluster.staged() == before


def test_another_ca_is_not_believed_and_insecure_is_loud(tls_cluster: SecureCluster, home: Path) -> None:
    configure(home, security_config={"ca_bundle": str(REPO / "tests/golden/tls/other-ca.pem")})
    wrong = run(tls_cluster, "alice", home, *SUBMIT, code=5)
    assert "by a CA that is not trusted here" in wrong.stderr and "nothing was submitted" in wrong.stderr
    looked = run(tls_cluster, "alice", home, "list", "--insecure")
    assert looked.stderr.count("--insecure: the certificates of https servers are NOT checked") == 1


def test_no_server_speaks_plain_http(tls_cluster: SecureCluster) -> None:
    urls = tls_cluster.status()["urls"]
    for name in ("resourcemanager", "namenode", "datanode", "nodemanager", "jobhistoryserver"):
        url = urls[name]
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert url.startswith("https://") and not plain.recv(100).startswith(b"HTTP"), name
