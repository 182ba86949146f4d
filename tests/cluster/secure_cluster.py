"""A running dev cluster with Kerberos, its users' tickets, and our program with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster, cluster_of_its_own

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


@contextmanager
def secure_cluster(name: str, tickets: Path, *flags: str) -> Iterator[SecureCluster]:
    """An empty one; skips with the reason where the host can't have one, fails then with REQUIRE_CLUSTER=1."""
    if find_spec("requests_kerberos") is None:
        assert os.environ.get("REQUIRE_CLUSTER") != "1", "no requests-kerberos: make kerberos"
        pytest.skip("no requests-kerberos: make kerberos")
    with cluster_of_its_own(name, "--profile", "secure", *flags) as folder:
        yield SecureCluster(folder, tickets)


def run(
    secure: SecureCluster, user: str, home: Path, *arguments: str, code: int = 0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Our program with the user's ticket; ``more`` are variables."""
    done = subprocess.run(
        command(*arguments),
        cwd=home,
        env=env_in(secure, user, home) | more,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def command(*arguments: str) -> list[str]:
    """Our program's door."""
    return [str(REPO / "batch_submit.sh"), *arguments]


def env_in(secure: SecureCluster, user: str, home: Path) -> dict[str, str]:
    """The environment of a user whose home is a folder of the test."""
    env = {name: value for name, value in secure.env_of(user).items() if not name.startswith("XDG_")}
    return env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
