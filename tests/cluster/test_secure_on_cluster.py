"""Kerberos on the real cluster: the dev cluster's secure profile, and our program on it. One cluster for the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import HOST_NOT_READY, REPO, Cluster, devcluster, free_offset

SECURE_DIR = REPO / ".work" / "test-secure-cluster"
#: One question with whatever ticket the environment has; prints status and answer.
ASK = """
import json, sys, requests
from requests_kerberos import OPTIONAL, HTTPKerberosAuth
method, url, body = sys.argv[1:]
auth = HTTPKerberosAuth(mutual_authentication=OPTIONAL)
with requests.Session() as session:
    session.trust_env = False
    reply = session.request(method, url, json=json.loads(body), auth=auth, timeout=30)
try:
    answer = reply.json()
except ValueError:
    answer = reply.text
print(json.dumps([reply.status_code, answer]))
"""


class SecureCluster(Cluster):
    """A running dev cluster with Kerberos.

    Parameters
    ----------
    directory
        Its work folder.
    caches
        Where the users' ticket caches are kept.
    """

    def __init__(self, directory: Path, caches: Path) -> None:
        super().__init__(directory)
        self._caches = caches

    def keytab(self, user: str) -> Path:
        """The keytab of ``alice`` or ``bob``."""
        return Path(self.env["DEVCLUSTER_KEYTABS"], f"{user}.keytab")

    def principal(self, user: str) -> str:
        """Of ``alice`` or ``bob``."""
        return f"{user}@{self.env['DEVCLUSTER_REALM']}"

    def env_of(self, user: str) -> dict[str, str]:
        """An environment with a ticket of the user; for ``""`` one with none."""
        cache = self._caches / f"krb5cc-{user or 'nobody'}"
        env = self.env | {"KRB5CCNAME": f"FILE:{cache}"}
        if user and not cache.exists():
            login = ["kinit", "-kt", str(self.keytab(user)), self.principal(user)]
            subprocess.run(login, env=env, check=True, timeout=30)
        return env

    def ask(self, user: str, url: str, method: str = "GET", body: object = None) -> tuple[int, Any]:
        """Status and JSON (else text) of a server's answer to the user, who may be ``""``."""
        command = [sys.executable, "-c", ASK, method, url, json.dumps(body)]
        env = self.env_of(user)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        status, answer = json.loads(done.stdout.splitlines()[-1])
        return status, answer


def up() -> subprocess.CompletedProcess[str]:
    """Start an empty cluster; tries further offsets when somebody takes a port after we looked."""
    devcluster("down", "--wipe", "--dir", str(SECURE_DIR))
    for _ in range(5):
        place = ("--dir", str(SECURE_DIR), "--port-offset", str(free_offset()))
        began = devcluster("up", "--profile", "secure", *place, timeout_s=1200)
        if "is in use by another process" not in began.stderr:
            break
    return began


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureCluster]:
    """The cluster; skips with the reason where the host can't have one, fails then with REQUIRE_CLUSTER=1."""
    required = os.environ.get("REQUIRE_CLUSTER") == "1"
    if find_spec("requests_kerberos") is None:
        assert not required, "no requests-kerberos: make kerberos"
        pytest.skip("no requests-kerberos: make kerberos")
    began = up()
    if began.returncode == HOST_NOT_READY and not required:
        pytest.skip(f"no secure dev cluster: {began.stderr.strip()}")
    try:
        assert began.returncode == 0, began.stderr
        yield SecureCluster(SECURE_DIR, tmp_path_factory.mktemp("tickets"))
    finally:
        devcluster("down", "--wipe", "--dir", str(SECURE_DIR))


def test_every_server_wants_a_ticket_and_knows_whose_it_is(secure: SecureCluster) -> None:
    urls = secure.status()["urls"]
    for url in (
        f"{secure.rm_url}/ws/v1/cluster/userinfo",
        f"{secure.webhdfs_url}/?op=LISTSTATUS",
        f"{urls['nodemanager']}/ws/v1/node/info",
        f"{urls['jobhistoryserver']}/ws/v1/history/info",
    ):
        assert secure.ask("", f"{url}&user.name=alice" if "?" in url else f"{url}?user.name=alice")[0] == 401, url
        assert secure.ask("alice", url)[0] == 200, url
    told = secure.ask("alice", f"{secure.rm_url}/ws/v1/cluster/userinfo")
    assert told == (200, {"rmLoginUser": "yarn", "requestedUser": "alice"})


def test_a_home_is_its_owners(secure: SecureCluster) -> None:
    made = f"{secure.webhdfs_url}/user/alice/mine"
    assert secure.ask("bob", f"{made}?op=MKDIRS", "PUT")[0] == 403
    assert secure.ask("alice", f"{made}?op=MKDIRS", "PUT") == (200, {"boolean": True})
    assert secure.ask("alice", f"{made}?op=GETFILESTATUS")[1]["FileStatus"]["owner"] == "alice"
    assert secure.ask("bob", f"{made}?op=GETFILESTATUS")[0] == 403


def test_the_kdc_is_a_daemon_like_the_others(secure: SecureCluster) -> None:
    before = secure.status()
    assert before["profile"] == "secure" and before["ready"]
    secure.run("kill", "kdc")
    assert secure.status()["daemons"]["kdc"]["state"] == "dead"
    secure.run("up")
    after = secure.status()
    assert after["ready"]
    changed = [name for name, row in after["daemons"].items() if row["pid"] != before["daemons"][name]["pid"]]
    assert changed == ["kdc"], "and its principals are the same: alice's keytab still counts"
    login = ["kinit", "-kt", str(secure.keytab("alice")), "-c", "MEMORY:", secure.principal("alice")]
    subprocess.run(login, env=secure.env, check=True, timeout=30)
    assert "krb5kdc" in secure.run("logs", "kdc").stdout
    assert secure.run("up", "--profile", "simple", check=False).returncode == 2
