"""Whole stories on a Kerberised cluster: what an owner does, tickets that end meanwhile, keytabs, proxy users, tokens.

Who may use which verb, and who may not, is asked by ``test_verbs_on_secure_cluster``. The servers' cookies last five
seconds, so that a ticket's end is felt at once. Most share one application that sleeps.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.conftest import wait_until
from cluster.recording_proxy import RecordingProxy, Script
from cluster.secure_cluster import SLEEPER, SMALL, SecureCluster, command, env_in, run

pytestmark = pytest.mark.full

JOB = ["-t", "custom", "--script", "job.py", *SMALL]
#: Seconds that our own patience with an application may take on a busy machine.
LONG_S = 400


@pytest.fixture(scope="module")
def secure(kerberos_cluster: SecureCluster) -> SecureCluster:
    return kerberos_cluster


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A home for each user, with a job and a configuration of his own."""
    made = {}
    for user in ("alice", "bob", ""):
        home = made[user] = tmp_path_factory.mktemp(f"home-{user}")
        (home / "job.py").write_text(SLEEPER, encoding="utf-8")
        write_config(home, user or "alice")
    return made


def write_config(home: Path, user: str, **sections: Any) -> None:
    config = {
        "storage_root": f"/user/{user}/ml-pipeline",
        "execution": {"launcher": "rest", "log_file": "our.log", "shared_dir": f"/user/{user}/shared"},
        **sections,
    }
    (home / "job_config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


@pytest.fixture(scope="module")
def sleeper(secure: SecureCluster, homes: dict[str, Path]) -> str:
    """Alice's application that runs."""
    began = run(secure, "alice", homes["alice"], "submit", *JOB, "--run-id", "sleeper", "--no-wait")
    application_id = began.stdout.strip()
    url = f"{secure.rm_url}/ws/v1/cluster/apps/{application_id}"
    wait_until(lambda: secure.ask("alice", url)[1]["app"]["state"] == "RUNNING", "the sleeper runs", LONG_S)
    return application_id


def start(secure: SecureCluster, home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """A call that goes on; its stderr lies in ``<verb>.err`` of the home."""
    with (home / f"{arguments[0]}{more.pop('mark', '')}.err").open("w") as err:
        return subprocess.Popen(
            command(*arguments),
            cwd=home,
            env=env_in(secure, "", home) | more,
            stdout=subprocess.DEVNULL,
            stderr=err,
            text=True,
        )


def test_the_owner_may_use_every_command(secure: SecureCluster, homes: dict[str, Path], sleeper: str) -> None:
    home = homes["alice"]

    def ours(*arguments: str, code: int = 0) -> str:
        return run(secure, "alice", home, *arguments, code=code).stdout

    assert json.loads(ours("status", sleeper, "--json"))["application_id"] == sleeper
    assert sleeper in ours("list") and "sleeper" in ours("history") and sleeper in ours("show", "sleeper")
    assert "ml-queue" in ours("queues") and "RUNNING" in ours("nodes") and secure.rm_url in ours("urls", sleeper)
    assert ours("move", sleeper, "ml-queue").strip() == f"{sleeper} queue root.ml-queue"
    assert ours("priority", sleeper, "3").strip() == f"{sleeper} priority 3"
    assert "stderr" in ours("logs", sleeper, "--list")  # of the NodeManager, as long as it runs
    ours("doctor", "-q", "ml-queue")
    ours("init-hdfs")
    (home / "some.csv").write_text("a,b\n1,2\n", encoding="ascii")
    ours("upload", "some.csv", "data/some.csv")
    ours("download", "data/some.csv", "back.csv")
    assert (home / "back.csv").read_text() == "a,b\n1,2\n"
    ours("diagnose", sleeper)
    ours("config", "check")
    ours("ledger", "check")
    ours("gc")
    again = run(secure, "alice", home, "submit", *JOB, "--run-id", "sleeper", "--no-wait")
    assert again.stdout.strip() == sleeper and "attached" in again.stderr, "by the claim in HDFS"
    shared = secure.ask("alice", f"{secure.webhdfs_url}/user/alice/shared?op=LISTSTATUS")[1]
    assert shared["FileStatuses"]["FileStatus"], "what runs share lies in the folder that the configuration names"
    assert secure.ask("bob", f"{secure.webhdfs_url}/user/alice/shared?op=LISTSTATUS")[0] == 403
    assert sleeper not in run(secure, "bob", homes["bob"], "list").stdout, "it is not his"


def short_ticket(secure: SecureCluster, folder: Path, seconds: int) -> str:
    """A cache of alice's whose ticket lives so long, as ``KRB5CCNAME`` takes it."""
    cache = f"FILE:{folder / 'short'}"
    login = ["kinit", "-l", f"{seconds}s", "-kt", str(secure.keytab("alice")), "-c", cache, secure.principal("alice")]
    subprocess.run(login, env=secure.env, check=True, timeout=30)
    return cache


def has_expired(secure: SecureCluster, cache: str) -> bool:
    return subprocess.run(["klist", "-s", "-c", cache], env=secure.env, timeout=30, check=False).returncode != 0


def test_with_an_expired_ticket_it_says_when_it_expired(
    secure: SecureCluster, homes: dict[str, Path], sleeper: str, tmp_path: Path
) -> None:
    cache = short_ticket(secure, tmp_path, 1)
    wait_until(lambda: has_expired(secure, cache), "the ticket's end", 30)
    for arguments in (("list",), ("kill", sleeper), ("submit", *JOB), ("upload", "job.py", "data/job.py")):
        done = run(secure, "", homes["alice"], *arguments, code=3, KRB5CCNAME=cache)
        assert f"no valid ticket for {secure.principal('alice')} in {cache} (expired " in done.stderr, done.stderr
        assert f"next: kinit {secure.principal('alice')}" in done.stderr and done.stdout == ""


def test_a_ticket_that_ends_in_the_middle_of_monitor(
    secure: SecureCluster, homes: dict[str, Path], sleeper: str, tmp_path: Path
) -> None:
    home = homes["alice"]
    cache = short_ticket(secure, tmp_path, 15)
    patient = start(secure, home, "monitor", sleeper, KRB5CCNAME=cache)
    hasty = start(secure, home, "wait", sleeper, KRB5CCNAME=cache, BATCH_SUBMIT_EXECUTION__RM_PATIENCE="5s")
    try:
        assert hasty.wait(120) == 8, (home / "wait.err").read_text()
        assert "no valid ticket for" in (home / "wait.err").read_text()
        wait_until(lambda: "asking on for 15m" in (home / "monitor.err").read_text(), "monitor misses its ticket", 60)
        assert patient.poll() is None
        short_ticket(secure, tmp_path, 3600)  # as a person would, in another shell
        wait_until(lambda: "answers again" in (home / "monitor.err").read_text(), "monitor goes on", 60)
        assert patient.poll() is None
    finally:
        for process in (patient, hasty):
            process.terminate()
            process.wait(30)


@contextmanager
def short_lives(secure: SecureCluster, seconds: int) -> Iterator[None]:
    """Whatever alice asks for, her tickets live so long."""
    folder = Path(secure.env["KRB5_CONFIG"]).parent
    program = shutil.which("kadmin.local", path="/usr/sbin:/sbin:/usr/bin")
    assert program is not None

    def set_life(life: str) -> None:
        query = f"modprinc -maxlife {life} {secure.principal('alice')}"
        env = secure.env | {"KRB5_KDC_PROFILE": str(folder / "kdc.conf")}
        call = [program, "-r", secure.env["DEVCLUSTER_REALM"], "-q", query]
        done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=30, check=True)
        assert "modified" in done.stdout, done.stdout + done.stderr

    set_life(f"{seconds}seconds")
    try:
        yield
    finally:
        set_life("1days")


def test_a_keytab_outlives_its_tickets_and_leaves_none(
    secure: SecureCluster, homes: dict[str, Path], sleeper: str
) -> None:
    home = homes["alice"]
    login = {"enable_kerberos": True, "principal": secure.principal("alice"), "keytab": str(secure.keytab("alice"))}
    write_config(home, "alice", security_config=login)
    runtime = Path(tempfile.mkdtemp(prefix="krb-"))

    def private() -> list[Path]:
        return list(runtime.glob("batch-submit-ticket-*/ticket"))

    try:
        with short_lives(secure, 15):
            waiting = start(secure, home, "wait", sleeper, XDG_RUNTIME_DIR=str(runtime), mark="-keytab")
            try:
                wait_until(lambda: private(), "a login", 60)
                seen = set()

                def third() -> bool:
                    seen.update(path.read_bytes() for path in private())
                    return len(seen) >= 3

                wait_until(third, "two renewals", 120)
                time.sleep(6)  # past the end of the first tickets' cookies
                assert waiting.poll() is None
                shown = subprocess.run(
                    ["klist", "-c", str(private()[0])], env=secure.env, capture_output=True, text=True, check=True
                )
                assert secure.principal("alice") in shown.stdout
            finally:
                waiting.terminate()
                assert waiting.wait(60) == 143
        assert "no valid ticket" not in (home / "wait-keytab.err").read_text()
        assert list(runtime.iterdir()) == []
    finally:
        shutil.rmtree(runtime)
        write_config(home, "alice")


#: Bob's, since alice's own folders are hers alone.
STAGING = "spark.yarn.stagingDir=/user/bob/staging"


def test_a_proxy_user_whom_the_cluster_allows(secure: SecureCluster, homes: dict[str, Path]) -> None:
    home = homes["alice"]
    began = run(secure, "alice", home, "submit", *JOB, "--no-wait", "--proxy-user", "bob", "--conf", STAGING)
    application_id = began.stdout.strip()
    app = secure.ask("bob", f"{secure.rm_url}/ws/v1/cluster/apps/{application_id}")[1]["app"]
    assert app["user"] == "bob"
    run(secure, "alice", home, "kill", application_id, code=4)
    acting = {"BATCH_SUBMIT_SECURITY_CONFIG__PROXY_USER": "bob"}
    run(secure, "alice", home, "kill", application_id, **acting)
    refused = run(secure, "alice", home, "submit", *JOB, "--proxy-user", "mapred", code=4)
    assert "not allowed to impersonate mapred" in refused.stderr and "hadoop.proxyuser" in refused.stderr
    keytab = ["--principal", secure.principal("alice"), "--keytab", str(secure.keytab("alice"))]
    both = run(secure, "alice", home, "submit", *JOB, "--proxy-user", "bob", *keytab, code=2)
    assert "exclude each other" in both.stderr


class Refusing(RecordingProxy):
    """A NameNode that gives no tokens."""

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        if "GETDELEGATIONTOKEN" in target:
            error = {"RemoteException": {"exception": "IOException", "message": "no tokens today"}}
            return 500, [("Content-Type", "application/json")], json.dumps(error).encode()
        return super().forward(method, target, headers, body)


def test_without_a_token_auto_comes_to_spark_submit_and_leaves_nothing(
    secure: SecureCluster, homes: dict[str, Path], tmp_path: Path
) -> None:
    home = homes["alice"]
    conf = tmp_path / "conf"
    shutil.copytree(secure.env["HADOOP_CONF_DIR"], conf)
    site = conf / "hdfs-site.xml"
    place = secure.webhdfs_url.removeprefix("http://").partition("/")[0]
    script = Script()
    script.started(0)
    before = set(secure.staged())
    with Refusing(f"http://{place}", script) as namenode:
        text = site.read_text(encoding="utf-8")
        assert place in text
        site.write_text(text.replace(place, f"localhost:{namenode.url.rpartition(':')[2]}"), encoding="utf-8")
        where = {"HADOOP_CONF_DIR": str(conf), "YARN_CONF_DIR": str(conf)}
        words = ["submit", *JOB, "--no-wait", "--launcher", "auto", "--verbose"]
        began = run(secure, "alice", home, *words, **where)
    application_id = began.stdout.strip()
    assert "launcher: spark-submit, because WebHDFS does not serve us" in began.stderr
    assert "no tokens today" in began.stderr
    assert any(call.startswith("GET GETDELEGATIONTOKEN") for call in script.calls)
    assert set(secure.staged()) - before == {application_id}, "the id that was reserved over REST has left nothing"
    run(secure, "alice", home, "kill", application_id)


def test_auto_fetches_the_token_before_anything_is_recorded(secure: SecureCluster, homes: dict[str, Path]) -> None:
    home = homes["alice"]
    began = run(secure, "alice", home, "submit", *JOB, "--no-wait", "--launcher", "auto", "--run-id", "early")
    application_id = began.stdout.strip()
    lines = [line for line in secure.run("logs", "namenode", "-n", "400").stdout.splitlines() if "ugi=alice " in line]
    own = [line for line in lines if "renewer yarn" in line or application_id in line or "early" in line]
    # The NameNode makes one for each redirect to a DataNode too, which nobody renews but alice.
    token = [at for at, line in enumerate(own) if "cmd=getDelegationToken" in line]
    reserved = [at for at, line in enumerate(own) if "1-reserved.json" in line and "cmd=rename" in line]
    posted = [at for at, line in enumerate(own) if "__spark_conf__.zip" in line and "cmd=create" in line]
    assert token and reserved and posted, own
    assert token[-1] < reserved[-1] and token[-1] < posted[-1], "the right to launch is claimed after it"
    run(secure, "alice", home, "kill", application_id)


def test_the_owner_ends_it(secure: SecureCluster, homes: dict[str, Path], sleeper: str) -> None:
    home = homes["alice"]
    assert run(secure, "alice", home, "kill", sleeper).stdout.strip() == f"{sleeper} killed"
    assert sleeper not in secure.staged()
    run(secure, "alice", home, "wait", sleeper, code=6)
    assert "Traceback" not in run(secure, "alice", home, "diagnose", sleeper).stdout
    again = run(secure, "bob", homes["bob"], "kill", sleeper)
    assert f"{sleeper} killed" in again.stdout, "it has ended: there is nothing to refuse"


def test_a_model_is_trained_by_keytab_alone(secure: SecureCluster, homes: dict[str, Path]) -> None:
    home = homes["alice"]
    rows = [f"{n},{n % 7},{(n * 31) % 11},{int((n % 7) * 3 > (n * 31) % 11)}" for n in range(400)]
    (home / "rows.csv").write_text("\n".join(["id,a,b,label", *rows]) + "\n", encoding="ascii")
    write_config(
        home,
        "alice",
        data_config={"training_data_path": "data/rows.csv"},
        model_config={"algorithm": "decision_tree", "label_column": "label", "key_columns": ["id"]},
    )
    run(secure, "alice", home, "upload", "rows.csv", "data/rows.csv")
    keytab = ["--principal", secure.principal("alice"), "--keytab", str(secure.keytab("alice"))]
    words = ["submit", "-t", "training", *SMALL, *keytab, "--launcher", "spark-submit", "--run-id", "trained"]
    done = subprocess.run(
        command(*words),
        cwd=home,
        env=env_in(secure, "", home),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    model = secure.ask("alice", f"{secure.webhdfs_url}/user/alice/ml-pipeline/models?op=LISTSTATUS")[1]
    assert model["FileStatuses"]["FileStatus"]
    assert done.stdout.strip() not in secure.staged(), "the keytab least of all"
