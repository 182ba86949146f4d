"""Kerberos on the real cluster: the dev cluster's secure profile, and our program on it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest
from cluster.secure_cluster import JOB, SMALL, SecureCluster, configure, run

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def secure(kerberos_cluster: SecureCluster) -> SecureCluster:
    return kerberos_cluster


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


#: What a token's text holds at any of the three places that Base64 has for it.
KIND = b"HDFS_DELEGATION_TOKEN"
TRACES = [base64.b64encode(b"\0" * shift + KIND)[4:24].decode() for shift in range(3)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An edge user's folder with a job."""
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    configure(tmp_path)
    return tmp_path


def assert_no_secret(home: Path, *outputs: str) -> None:
    """No token, and no DataNode's address with one, in what was printed, logged or recorded."""
    kept = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".zip"]
    assert home / "our.log" in kept and any(path.suffix == ".json" for path in kept), "log and record"
    for text in (*outputs, *(path.read_text(encoding="utf-8", errors="replace") for path in kept)):
        assert not [trace for trace in TRACES if trace in text]
        assert not re.search(r"delegation=(?!\*)|Negotiate YI", text)


def test_a_submission_by_ticket_is_its_users_and_leaves_nothing_behind(secure: SecureCluster, home: Path) -> None:
    job = ["submit", "--verbose", "-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue", "--no-wait"]
    asked = f"{secure.webhdfs_url}/?op=GETDELEGATIONTOKEN&kind={KIND.decode()}"
    held = secure.ask("alice", asked)[1]["Token"]["urlString"]
    assert any(trace in held for trace in TRACES), "a token would be seen"
    began = run(secure, "alice", home, *job, "--run-id", "by-ticket")
    application_id = began.stdout.strip()
    refused = run(secure, "bob", home, "kill", application_id, code=4)
    assert "bob" in refused.stderr
    done = run(secure, "alice", home, "wait", application_id)
    app = secure.ask("alice", f"{secure.rm_url}/ws/v1/cluster/apps/{application_id}")[1]["app"]
    assert (app["state"], app["finalStatus"], app["user"]) == ("FINISHED", "SUCCEEDED", "alice")
    assert "try:by-ticket.1" in app["applicationTags"]
    written = secure.ask("alice", f"{secure.webhdfs_url}/user/alice/numbers?op=GETFILESTATUS")[1]["FileStatus"]
    assert written["owner"] == "alice"
    assert application_id not in secure.staged()
    logs = run(secure, "alice", home, "logs", application_id)
    assert "runs as alice by keytab False" in logs.stdout
    assert_no_secret(home, began.stdout, began.stderr, done.stderr, logs.stderr)
    assert secure.status()["ready"], "the NodeManager outlives the aggregation of logs"


def test_a_refused_submission_gives_its_token_back(secure: SecureCluster, home: Path) -> None:
    job = ["submit", "--verbose", "-t", "custom", "--script", "job.py", *SMALL, "-q", "nowhere", "--no-preflight"]
    before = secure.staged()
    refused = run(secure, "alice", home, *job, code=4)
    assert "nowhere" in refused.stderr and refused.stdout == ""
    assert secure.staged() == before
    audit = [line for line in secure.run("logs", "namenode", "-n", "200").stdout.splitlines() if "audit:" in line]
    told = [word for line in audit if "ugi=alice " in line for word in line.split() if "DelegationToken" in word]
    assert told[-2:] == ["cmd=getDelegationToken", "cmd=cancelDelegationToken"], audit
    assert_no_secret(home, refused.stderr)


def test_without_a_ticket_nothing_is_submitted(secure: SecureCluster, home: Path) -> None:
    refused = run(secure, "", home, "submit", "-t", "custom", "--script", "job.py", *SMALL, code=3)
    assert "no valid ticket" in refused.stderr and "next: kinit" in refused.stderr
    assert refused.stdout == "" and not list(home.rglob("runs/**/*.json"))


def use_keytab(secure: SecureCluster, home: Path, principal: str, keytab: Path) -> None:
    configure(home, security_config={"enable_kerberos": True, "principal": principal, "keytab": str(keytab)})


def test_a_keytab_is_a_login_without_any_ticket(secure: SecureCluster, home: Path) -> None:
    use_keytab(secure, home, secure.principal("alice"), secure.keytab("alice"))
    shown = run(secure, "", home, "submit", "--dry-run", "--json", "-t", "custom", "--script", "job.py", "-n", "dry")
    told = json.loads(shown.stdout)["rest"]["staging"]
    assert "/user/alice/.sparkStaging/" in told["folder"], "the ResourceManager says who we are"
    assert any(one["name"].startswith("alice.keytab-dry-") for one in told["files"])
    use_keytab(secure, home, secure.principal("bob"), secure.keytab("alice"))
    refused = run(secure, "", home, "list", code=3)
    said = f"the keytab of {secure.principal('bob')} holds no key of {secure.principal('bob')}, but of"
    assert said in refused.stderr and str(secure.keytab("alice")) in refused.stderr


def test_a_keytab_goes_with_the_job(secure: SecureCluster, home: Path) -> None:
    use_keytab(secure, home, secure.principal("alice"), secure.keytab("alice"))
    job = ["submit", "--verbose", "-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue"]
    done = run(secure, "", home, *job, "--run-id", "by-keytab")
    application_id = done.stdout.strip()
    assert application_id not in secure.staged(), "the keytab least of all"
    logs = run(secure, "", home, "logs", application_id)
    assert "runs as alice by keytab True" in logs.stdout
    assert_no_secret(home, done.stdout, done.stderr, logs.stderr)
