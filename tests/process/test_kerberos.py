"""Kerberos against a real KDC: our private ticket, one authentication per server, and what a refusal means."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch_submit.adapters import tickets
from batch_submit.adapters.auth import KeytabLogin
from batch_submit.adapters.keytab import PrivateTicket, check_keytab
from batch_submit.adapters.negotiate import KerberosSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady
from batch_submit.plan.tickets import TicketState
from tests.process.realm import ALICE, OTHER, REALM, NegotiatingServer, Realm, running_realm, silent_port


@pytest.fixture
def env(kerberos_env: dict[str, str]) -> dict[str, str]:
    return kerberos_env


@pytest.fixture
def alice(realm: Realm) -> KeytabLogin:
    return KeytabLogin(ALICE, str(realm.folder / "alice.keytab"))


@pytest.fixture
def server(realm: Realm) -> Iterator[NegotiatingServer]:
    with NegotiatingServer(realm.folder / "HTTP-localhost.keytab") as running:
        yield running


def folders(env: dict[str, str]) -> list[Path]:
    return sorted(Path(env["XDG_RUNTIME_DIR"]).glob("batch-submit-ticket-*"))


def test_a_private_ticket_is_ours_alone_and_gone_at_the_end(env: dict[str, str], alice: KeytabLogin) -> None:
    ticket = PrivateTicket(alice, env)
    ticket.keep_fresh()
    (folder,) = folders(env)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ticket").stat().st_mode) == 0o600
    held = tickets.look_at_cache(env, time.time(), ticket.cache)
    assert (held.state, held.principal, held.name) == (TicketState.VALID, ALICE, ticket.cache)
    assert tickets.look_at_cache(env, time.time()).state is TicketState.NONE, "the user's own cache is as it was"
    ticket.close()
    assert folders(env) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_private_ticket_is_gone_after_a_signal_too(env: dict[str, str], alice: KeytabLogin, number: int) -> None:
    program = (
        "import sys, time; from batch_submit.adapters.auth import KeytabLogin;"
        " from batch_submit.adapters.keytab import PrivateTicket; import os;"
        " PrivateTicket(KeytabLogin(*sys.argv[1:]), os.environ).keep_fresh(); print('there', flush=True);"
        " time.sleep(60)"
    )
    command = [sys.executable, "-c", program, alice.principal, alice.keytab]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, env={**env, **path}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"there\n"
        assert folders(env) != []
        process.send_signal(number)
        assert process.wait(20) == 128 + number
    assert folders(env) == []


def test_a_private_ticket_is_renewed_before_its_end_and_only_then(
    env: dict[str, str], alice: KeytabLogin, realm: Realm
) -> None:
    now = time.time()
    moment = [now]
    ticket = PrivateTicket(alice, env, now_s=lambda: moment[0])
    before = realm.asked("AS_REQ")
    ticket.keep_fresh()
    (folder,) = folders(env)
    first = (folder / "ticket").read_bytes()
    for moment[0] in (now + 3600, now + 9.8 * 3600):  # it lives 10 h; the last 10 minutes are too late
        ticket.keep_fresh()
    assert realm.asked("AS_REQ") == before + 1 and (folder / "ticket").read_bytes() == first
    moment[0] = now + 9.9 * 3600
    ticket.keep_fresh()
    assert realm.asked("AS_REQ") == before + 2 and (folder / "ticket").read_bytes() != first
    ticket.close()


def test_while_the_kdc_is_away_a_ticket_that_still_counts_is_used(env: dict[str, str], tmp_path: Path) -> None:
    with running_realm(tmp_path / "kdc") as own:
        login = KeytabLogin(ALICE, str(own.add("alice")))
        now = time.time()
        moment = [now]
        ticket = PrivateTicket(login, {**env, **own.env}, now_s=lambda: moment[0])
        ticket.keep_fresh()
        own.stop()
        moment[0] = now + 9.9 * 3600
        ticket.keep_fresh()
        own.start()
        moment[0] = now + 9.95 * 3600
        ticket.keep_fresh()
        assert own.asked("AS_REQ") == 2
        own.stop()
        moment[0] = now + 10.1 * 3600
        with pytest.raises(ClusterUnreachable, match=r"no answer of the Kerberos server \(KDC\) of ONE\.TEST"):
            ticket.keep_fresh()
        ticket.close()


def test_a_call_that_was_killed_leaves_a_ticket_that_the_next_one_removes(
    env: dict[str, str], alice: KeytabLogin
) -> None:
    program = (
        "import os, sys\nfrom batch_submit.adapters.auth import KeytabLogin\n"
        "from batch_submit.adapters.keytab import PrivateTicket\n"
        "ticket = PrivateTicket(KeytabLogin(*sys.argv[1:]), dict(os.environ))\nticket.keep_fresh()\nos._exit(9)\n"
    )
    here = os.environ | env | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", program, alice.principal, alice.keytab], env=here, timeout=60, check=False)
    (left,) = folders(env)
    held = PrivateTicket(alice, env)
    held.keep_fresh()
    assert left in folders(env), "it may be a call's that just began"
    long_ago = time.time() - 3600
    for folder in folders(env):
        os.utime(folder, (long_ago, long_ago))
    ticket = PrivateTicket(alice, env)
    ticket.keep_fresh()
    assert left not in folders(env) and len(folders(env)) == 2, "one in use stays, however old"
    for one in (ticket, held):
        one.close()


def test_a_keytab_is_checked_before_it_is_used(env: dict[str, str], alice: KeytabLogin, tmp_path: Path) -> None:
    check_keytab(alice, env)
    check_keytab(KeytabLogin("alice", alice.keytab), env)
    mine = tmp_path / "mine.keytab"
    mine.write_bytes(Path(alice.keytab).read_bytes())
    for mode in (0o640, 0o604, 0o666):
        mine.chmod(mode)
        with pytest.raises(HostNotReady, match=f"can be used by others \\(mode {mode:o}\\)[^$]*chmod 600"):
            check_keytab(KeytabLogin(ALICE, str(mine)), env)
    mine.chmod(0o400)
    check_keytab(KeytabLogin(ALICE, str(mine)), env)
    for login, words in (
        (KeytabLogin(f"bob@{REALM}", str(mine)), f"holds no key of bob@{REALM}, but of {ALICE}"),
        (KeytabLogin(f"alice@{OTHER}", str(mine)), f"holds no key of alice@{OTHER}"),
        (KeytabLogin(ALICE, str(tmp_path / "none")), "No such file or directory"),
        (KeytabLogin(ALICE, str(tmp_path)), "is not a file"),
    ):
        with pytest.raises(HostNotReady, match=words) as error:
            check_keytab(login, env)
        assert error.value.where == login.keytab and error.value.next_step
    for garbage in (b"", b"\x05\x02\xff\xff", b"no keytab at all", os.urandom(512)):
        mine.chmod(0o600)
        mine.write_bytes(garbage)
        with pytest.raises(HostNotReady, match=r"is no keytab|holds no key"):
            check_keytab(KeytabLogin(ALICE, str(mine)), env)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_keytab_of_another_account_is_refused(env: dict[str, str], alice: KeytabLogin, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.keytab"
    theirs.write_bytes(Path(alice.keytab).read_bytes())
    theirs.chmod(0o600)
    os.chown(theirs, 12345, 12345)
    with pytest.raises(HostNotReady, match=r"belongs to another account \(12345\)"):
        check_keytab(KeytabLogin(ALICE, str(theirs)), env)


def test_a_key_that_was_changed_since(env: dict[str, str], tmp_path: Path) -> None:
    with running_realm(tmp_path / "kdc") as own:
        keytab = own.add("carol")
        old = tmp_path / "old.keytab"
        old.write_bytes(keytab.read_bytes())
        old.chmod(0o600)
        own.add("HTTP/localhost")
        subprocess.run(
            ["kadmin.local", "-r", own.name, "-q", f"ktadd -k {tmp_path / 'new'} carol"],
            env=own.server_env, check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        ticket = PrivateTicket(KeytabLogin(f"carol@{REALM}", str(old)), {**env, **own.env})
        with pytest.raises(HostNotReady, match="key has changed since the keytab was made") as error:
            ticket.keep_fresh()
        ticket.close()
        assert "Preauthentication failed" in str(error.value) or "Password incorrect" in str(error.value)


def test_a_kdc_that_never_answers_hangs_nobody(
    env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer, realm: Realm, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    realm.kinit(ALICE, Path(alice.keytab), env=env)
    with silent_port() as port:
        conf = tmp_path / "silent.conf"
        conf.write_text(realm.conf.read_text().replace(str(realm.port), str(port)))
        began = time.monotonic()
        ticket = PrivateTicket(alice, {**env, "KRB5_CONFIG": str(conf)}, limit_s=1.0)
        with pytest.raises(ClusterUnreachable, match="KDC") as error:
            ticket.keep_fresh()
        ticket.close()
        assert "ended after 1 s" in str(error.value)
        monkeypatch.setenv("KRB5_CONFIG", str(conf))  # and for the service ticket, inside the library
        with closing(KerberosSession(env=env, limit_s=1.0)) as session:
            with pytest.raises(ClusterUnreachable, match="KDC") as error:
                session.request("GET", f"{server.url}/", timeout_s=5)
            assert "no ticket for HTTP/localhost within 1 s" in str(error.value)
        assert time.monotonic() - began < 10


def test_one_authentication_for_each_server_whatever_is_asked(
    env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer, realm: Realm
) -> None:
    info = b'{"clusterInfo": {"haState": "ACTIVE", "state": "STARTED"}}'
    status = b'{"FileStatus": {"type": "FILE", "length": 3, "modificationTime": 1}}'
    server.answers["/ws/v1/cluster/info"] = (200, "application/json", info)
    server.answers["/webhdfs/v1/a"] = (200, "application/json", status)
    ticket = PrivateTicket(alice, env)
    with (
        NegotiatingServer(server.keytab) as namenode,
        closing(KerberosSession(env=env, ticket=ticket)) as session,
    ):
        namenode.answers["/webhdfs/v1/a"] = (200, "application/json", status)
        namenode.answers["/webhdfs/v1/made"] = (200, "application/json", b'{"boolean": true}')
        manager = ResourceManager([server.url], session, user="alice")
        files = WebHdfs([namenode.url], session, user="alice", kerberos=True)
        before = realm.asked("TGS_REQ")
        for _ in range(3):
            manager.info()
            assert files.exists("/a")
            files.mkdirs("/made")  # by the library
            files.rename("/made", "/a")
        for one in (server, namenode):
            assert one.count(401) == 1, one.asked
            assert [ask.by for ask in one.asked[1:2]] == ["ticket"]
            assert {ask.by for ask in one.asked[2:]} == {"cookie"}
            assert {ask.user for ask in one.asked[1:]} == {"alice"}
        assert realm.asked("TGS_REQ") == before + 1, "one ticket of the service for both"
    ticket.close()


def test_a_cookie_that_ran_out_is_replaced(env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer) -> None:
    server.cookie_s = 0.0
    ticket = PrivateTicket(alice, env)
    with closing(KerberosSession(env=env, ticket=ticket)) as session:
        for _ in range(2):
            assert session.request("GET", f"{server.url}/", timeout_s=5).status == 200
    assert [one.status for one in server.asked] == [401, 200, 401, 200]
    ticket.close()


def test_the_body_of_an_error_is_kept(env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer) -> None:
    words = b"Unauthorized attempt to kill appid application_1_0001 by remote user alice@ONE.TEST"
    server.answers["/no"] = (403, "application/json", words)
    ticket = PrivateTicket(alice, env)
    with closing(KerberosSession(env=env, ticket=ticket)) as session:
        for _ in range(2):  # the first with a ticket, the second with the cookie
            reply = session.request("PUT", f"{server.url}/no", body=b"{}", timeout_s=5)
            assert (reply.status, reply.body) == (403, words)
    ticket.close()


def refusal(env: dict[str, str], url: str) -> BatchSubmitError:
    with closing(KerberosSession(env=env)) as session, pytest.raises(BatchSubmitError) as error:
        session.request("GET", url, timeout_s=5)
    assert error.value.where == url.rstrip("/") and error.value.next_step, error.value
    return error.value


def test_no_ticket_and_an_expired_one(
    env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer, realm: Realm
) -> None:
    cache = env["KRB5CCNAME"].removeprefix("FILE:")
    said = refusal(env, f"{server.url}/")
    assert type(said) is HostNotReady and said.next_step == "kinit"
    assert said.message == f"no valid ticket in {cache} (there is none): the server wants authentication (401)"
    realm.kinit(ALICE, Path(alice.keytab), "-l", "1s", env=env)
    wait_until_expired(env)
    expired = tickets.look_at_cache(env, time.time()).expires_s
    at = time.strftime("%H:%M", time.localtime(expired))
    said = refusal(env, f"{server.url}/")
    assert f"no valid ticket for {ALICE} in FILE:{cache} (expired {at})" in said.message
    assert said.next_step == f"kinit {ALICE}"
    realm.kinit(ALICE, Path(alice.keytab), env=env)
    with closing(KerberosSession(env=env)) as session:
        assert session.request("GET", f"{server.url}/", timeout_s=5).status == 200


def wait_until_expired(env: dict[str, str]) -> None:
    deadline = time.monotonic() + 20
    while tickets.look_at_cache(env, time.time()).state is not TicketState.EXPIRED:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_server_that_has_no_principal_under_this_name(
    env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer, realm: Realm
) -> None:
    realm.kinit(ALICE, Path(alice.keytab), env=env)
    said = refusal(env, server.url.replace("localhost", "127.0.0.1"))
    assert type(said) is HostNotReady
    assert f"the KDC knows no HTTP/127.0.0.1@{REALM}" in said.message and "HTTP/<host>" in said.next_step


def test_a_ticket_of_another_realm(
    env: dict[str, str], server: NegotiatingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_realm(tmp_path / "other", OTHER, host_realm=REALM) as other:
        theirs = {**env, **other.env}
        other.kinit(f"alice@{OTHER}", other.add("alice"))
        for name in ("KRB5_CONFIG", "KRB5CCNAME"):
            monkeypatch.setenv(name, theirs[name])
        said = refusal(theirs, server.url)
        assert type(said) is HostNotReady
        assert f"is of the realm {OTHER}, and the server is of another one" in said.message, said
        assert "[domain_realm]" in said.next_step


def test_a_ticket_that_the_server_does_not_take(
    env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer, realm: Realm, tmp_path: Path
) -> None:
    realm.kinit(ALICE, Path(alice.keytab), env=env)
    with running_realm(tmp_path / "kdc") as own:  # a server whose keytab is of another KDC
        server.keytab = own.add("HTTP/localhost")
        said = refusal(env, server.url)
    assert type(said) is HostNotReady
    assert "the server does not take our ticket (401), with a valid ticket for alice@ONE.TEST" in said.message
    assert "Authentication required" in str(said), "its own words"


def test_a_server_that_wants_something_else(env: dict[str, str], server: NegotiatingServer) -> None:
    server.offers = 'Basic realm="gateway"'
    said = refusal(env, server.url)
    assert "by Basic and not by Kerberos" in said.message


def test_a_403_about_the_token_is_not_one_about_permissions(
    env: dict[str, str], alice: KeytabLogin, server: NegotiatingServer, realm: Realm
) -> None:
    realm.kinit(ALICE, Path(alice.keytab), env=env)
    page = b"<html><p>Error 403 GSSException: Failure unspecified at GSS-API level (Checksum failed)</p></html>"
    server.answers["/webhdfs/v1/a"] = (403, "text/html", page)
    with closing(KerberosSession(env=env)) as session:
        files = WebHdfs([server.url], session, user="alice", kerberos=True)
        for ask in (lambda: files.exists("/a"), lambda: files.delete("/a")):
            with pytest.raises(HostNotReady, match=r"can't check our Kerberos token \(403\)[^$]*Checksum failed"):
                ask()


def test_the_library_is_told_the_same(env: dict[str, str], server: NegotiatingServer) -> None:
    with closing(KerberosSession(env=env)) as session:
        files = WebHdfs([server.url], session, user="alice", kerberos=True)
        with pytest.raises(HostNotReady, match=r"no valid ticket in .*there is none"):
            files.mkdirs("/made")
