"""A running dev cluster with Kerberos, or with HTTPS too; its users' tickets, and our program with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.conftest import REPO, Cluster, cluster_of_its_own
from kerberos_here import skip_without_kerberos

SMALL = ["--driver-memory", "512m", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]
#: A driver that says who it is, and an executor that reads and writes HDFS as the same user.
JOB = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
numbers = spark.range(100).repartition(2)
numbers.write.mode("overwrite").parquet("/user/alice/numbers")
assert spark.read.parquet("/user/alice/numbers").count() == 100, "read by executors"
login = spark._jvm.org.apache.hadoop.security.UserGroupInformation.getLoginUser()
print("runs as", spark.sparkContext.sparkUser(), "by keytab", login.isFromKeytab())
spark.stop()
"""
SLEEPER = """
import time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
time.sleep(3000)
"""
#: One question with whatever ticket the environment has; prints status (0: no answer in time) and answer.
ASK = """
import json, sys, requests
from requests_kerberos import OPTIONAL, HTTPKerberosAuth
method, url, body, ca = sys.argv[1:]
auth = HTTPKerberosAuth(mutual_authentication=OPTIONAL)
with requests.Session() as session:
    session.trust_env = False
    try:
        reply = session.request(method, url, json=json.loads(body), auth=auth, verify=ca or True, timeout=30)
    except requests.Timeout as error:
        sys.exit(print(json.dumps([0, str(error)])))
try:
    answer = reply.json()
except ValueError:
    answer = reply.text
print(json.dumps([reply.status_code, answer]))
"""


class SecureCluster(Cluster):
    """A running dev cluster with Kerberos; its CA is trusted where it speaks https.

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
        command = [sys.executable, "-c", ASK, method, url, json.dumps(body), self.env.get("DEVCLUSTER_CA", "")]
        env = self.env_of(user)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        status, answer = json.loads(done.stdout.splitlines()[-1])
        return status, answer

    def keytab_login(self, user: str) -> dict[str, object]:
        """The keys of ``security_config`` for a login by the keytab of ``alice`` or ``bob``."""
        return {"enable_kerberos": True, "principal": self.principal(user), "keytab": str(self.keytab(user))}

    def application(self, application_id: str) -> dict[str, Any]:
        """What the ResourceManager tells alice of an application."""
        told: dict[str, Any] = self.ask("alice", f"{self.rm_url}/ws/v1/cluster/apps/{application_id}")[1]["app"]
        return told

    def staged(self) -> list[str]:
        """The applications that have a staging folder of alice's."""
        status, listed = self.ask("alice", f"{self.webhdfs_url}/user/alice/.sparkStaging?op=LISTSTATUS")
        return [one["pathSuffix"] for one in listed["FileStatuses"]["FileStatus"]] if status == 200 else []


@contextmanager
def secure_cluster(name: str, tickets: Path, *flags: str, profile: str = "secure") -> Iterator[SecureCluster]:
    """An empty one; skips with the reason where the host can't have one, fails then with REQUIRE_CLUSTER=1."""
    skip_without_kerberos()
    with cluster_of_its_own(name, "--profile", profile, *flags) as folder:
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
        timeout=600,
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


def configure(home: Path, **sections: object) -> None:
    """Write the configuration of a home; YAML takes JSON."""
    config = {"execution": {"launcher": "rest", "log_file": "our.log"}, **sections}
    (home / "job_config.yaml").write_text(json.dumps(config), encoding="utf-8")
