"""Every verb on a Kerberised cluster in four situations: its owner, another user, nobody, an expired ticket.

One application of alice's, which sleeps, is what they are about; bob's configuration names alice's storage. What is
asked is who may, and in whose words it is refused.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.conftest import wait_until
from cluster.secure_cluster import SLEEPER, SMALL, SecureCluster, configure, run

from batch_submit.plan.verbs import VERBS

pytestmark = pytest.mark.full

JOB = ["-t", "custom", "--script", "job.py", *SMALL]
SITUATIONS = ("owner", "other", "nobody", "expired")
#: Exit code, and a phrase of what is printed.
Cell = tuple[int, str]
NONE: Cell = (3, "no valid ticket in ")
EXPIRED: Cell = (3, "no valid ticket for alice@")
DENIED: Cell = (4, "HDFS refuses access to user bob")


def asks(arguments: str, owner: Cell, other: Cell, nobody: Cell = NONE) -> tuple[str, tuple[Cell, ...]]:
    """A row of a verb that asks a server: without a valid ticket nothing is said, nor done."""
    return arguments, (owner, other, nobody, EXPIRED)


def alone(arguments: str, said: str) -> tuple[str, tuple[Cell, ...]]:
    """A row of a verb that asks nobody."""
    return arguments, ((0, said),) * len(SITUATIONS)


#: ``{app}`` is the sleeper, ``{job}`` the flags of a small job.
TABLE = [
    asks("submit {job} --run-id sleeper --no-wait", (0, "attached"), (0, "application_")),
    asks("wait {app} --wait-timeout 1s", (7, "still running"), (7, "still running")),
    asks("monitor {app} --wait-timeout 1s", (7, "still running"), (7, "still running")),
    asks("list --all-users", (0, "{app}"), (0, "{app}")),
    asks("status {app}", (0, "RUNNING"), (0, "alice")),
    asks("urls {app}", (0, "/cluster/app/{app}"), (0, "/cluster/app/{app}")),
    asks("queues", (0, "ml-queue"), (0, "ml-queue")),
    asks("nodes", (0, "RUNNING"), (0, "RUNNING")),
    asks("logs {app} --list", (0, "stderr"), (4, "the containers of alice's application are not shown to bob")),
    asks("diagnose {app}", (0, "{app}"), (0, "{app}")),
    asks("report {app}", (4, "is a custom job"), (4, "this host has no record of {app}")),
    asks("resolve sleeper --application {app}", (2, "there is nothing to decide"), (2, "there is nothing to decide")),
    asks("move {app} etl", (0, "queue root.etl"), (4, "Unauthorized attempt to move appid {app} by remote user bob@")),
    asks(
        "priority {app} 3", (0, "priority 3"), (4, "Unauthorized attempt to change priority of appid {app} by remote")
    ),
    asks("doctor", (0, "ticket is valid for"), (0, "ticket is valid for"), (3, "there is no valid Kerberos ticket")),
    asks("init-hdfs", (0, "/user/alice/ml-pipeline"), DENIED),
    asks("upload job.py data/job.py", (0, "/user/alice/ml-pipeline/data/job.py"), DENIED),
    asks("download data/job.py here.py", (0, "here.py"), DENIED),
    asks("demo-data", (0, "/user/alice/ml-pipeline/data/raw"), DENIED),
    asks("gc --dry-run", (0, "/runs/"), (0, "/runs/")),
    alone("history", "sleeper"),
    alone("show sleeper", "sleeper"),
    alone("config check -t custom", ": no problems (custom)"),
    alone("ledger check", "ledger.db: ok"),
    alone("completion bash", "_completion()"),
    asks("kill {app}", (0, "{app} killed"), (4, "Unauthorized attempt to kill appid {app} by remote user bob@")),
]
#: Each row in all situations, and the owner last: what he does changes what the others would see.
CELLS = [
    pytest.param(row, place, id=f"{row[0].split()[0]}-{SITUATIONS[place]}") for row in TABLE for place in (1, 2, 3, 0)
]


def test_the_table_holds_every_verb() -> None:
    assert {row[0].split()[0] for row in TABLE} == set(VERBS)


@pytest.fixture(scope="module")
def homes(kerberos_cluster: SecureCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A home for alice and one for bob, whose configurations name alice's storage."""
    made = {}
    for user in ("alice", "bob"):
        home = made[user] = tmp_path_factory.mktemp(f"verbs-{user}")
        (home / "job.py").write_text(SLEEPER, encoding="utf-8")
        execution = {"launcher": "rest", "log_file": "our.log", "shared_dir": f"/user/{user}/shared"}
        configure(home, storage_root="/user/alice/ml-pipeline", execution=execution)
    yield made
    run(kerberos_cluster, "bob", made["bob"], "kill", "--all-mine", "--yes")


@pytest.fixture(scope="module")
def sleeper(kerberos_cluster: SecureCluster, homes: dict[str, Path]) -> str:
    """Alice's application that runs."""
    began = run(kerberos_cluster, "alice", homes["alice"], "submit", *JOB, "--run-id", "sleeper", "--no-wait")
    application_id = began.stdout.strip()
    wait_until(lambda: kerberos_cluster.application(application_id)["state"] == "RUNNING", "the sleeper runs", 400)
    return application_id


@pytest.fixture(scope="module")
def expired(kerberos_cluster: SecureCluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ticket cache of alice's whose ticket has run out, as ``KRB5CCNAME`` takes it."""
    cache = f"FILE:{tmp_path_factory.mktemp('expired') / 'cache'}"
    keytab, principal = str(kerberos_cluster.keytab("alice")), kerberos_cluster.principal("alice")
    login = ["kinit", "-l", "1s", "-kt", keytab, "-c", cache, principal]
    subprocess.run(login, env=kerberos_cluster.env, check=True, timeout=30)
    look = ["klist", "-s", "-c", cache]
    wait_until(lambda: subprocess.run(look, env=kerberos_cluster.env, timeout=30).returncode != 0, "its end")
    return cache


@pytest.mark.parametrize(("row", "place"), CELLS)
def test_each_verb_in_each_situation(
    kerberos_cluster: SecureCluster,
    homes: dict[str, Path],
    sleeper: str,
    expired: str,
    row: tuple[str, tuple[Cell, ...]],
    place: int,
) -> None:
    text, cells = row
    code, phrase = cells[place]
    flags = {"app": sleeper}
    words = [word for part in text.split() for word in (JOB if part == "{job}" else [part.format(**flags)])]
    user = {"owner": "alice", "other": "bob"}.get(SITUATIONS[place], "")
    home = homes["bob" if user == "bob" else "alice"]
    more = {"KRB5CCNAME": expired} if SITUATIONS[place] == "expired" else {}
    done = run(kerberos_cluster, user, home, *words, code=code, **more)
    said = done.stdout + done.stderr
    assert phrase.format(**flags) in said and "Traceback" not in said, said
    if SITUATIONS[place] in ("nobody", "expired") and code:
        assert "kinit" in said and "sleeper" not in done.stdout, said
