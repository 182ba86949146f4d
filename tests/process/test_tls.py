"""HTTPS for real: a TLS server of this host before servers of paper, through every session and the whole program."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.http import HttpSession, RequestsSession, StdlibSession
from batch_submit.adapters.http_reply import CannotConnect, TlsFailed
from batch_submit.adapters.plain_http import PlainSession
from batch_submit.adapters.staging import write_small
from batch_submit.adapters.tls import WARNING, Tls
from batch_submit.adapters.truststore import Truststore, pem_file
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import ClusterUnreachable, HostNotReady
from tests.process.canned_rm import CannedResourceManager
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import RECORDER, RUNNING, Door
from tests.process.tls_front import GOLDEN, TlsFront

WAIT_S = 5.0
INFO = "/ws/v1/cluster/info"
CA, OTHER_CA = str(GOLDEN / "ca.pem"), str(GOLDEN / "other-ca.pem")
CLIENT = str(GOLDEN / "client.pem")

Make = Callable[[Tls | None], HttpSession]


@pytest.fixture(params=["plain", "stdlib", "requests"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Each session; a variable that ``requests`` would obey names nonsense."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nonexistent.pem")
    sessions: dict[str, Make] = {
        "plain": lambda tls: PlainSession("alice", tls),
        "stdlib": lambda tls: StdlibSession("alice", tls),
        "requests": lambda tls: RequestsSession(tls, auth_factory=lambda: None),
    }
    return sessions[request.param]


@pytest.fixture
def front(rm: CannedResourceManager) -> Iterator[TlsFront]:
    with TlsFront(rm.port) as opened:
        yield opened


def test_a_trusted_server_answers_and_is_streamed(make: Make, front: TlsFront) -> None:
    with closing(make(Tls(CA))) as session:
        assert session.request("GET", front.url + INFO, timeout_s=WAIT_S).status == 200
        with session.stream("GET", front.url + INFO, timeout_s=WAIT_S) as reply:
            assert b"clusterInfo" in b"".join(reply)


@pytest.mark.parametrize("tls", [None, Tls(), Tls(OTHER_CA)], ids=["nothing said", "system", "another CA"])
def test_a_server_by_a_ca_that_is_not_trusted(make: Make, front: TlsFront, tls: Tls | None) -> None:
    with closing(make(tls)) as session, pytest.raises(TlsFailed) as caught:
        session.request("GET", front.url + INFO, timeout_s=WAIT_S)
    assert "by a CA that is not trusted here" in caught.value.message
    assert (OTHER_CA if tls and tls.ca_bundle else "the system's CAs") in caught.value.message
    assert "security_config.ca_bundle" in caught.value.next_step and str(front.port) in caught.value.where


def test_a_name_that_is_not_the_certificates(make: Make, front: TlsFront) -> None:
    with closing(make(Tls(CA))) as session, pytest.raises(TlsFailed, match=r"is not for the name 127\.0\.0\.1"):
        session.request("GET", f"https://127.0.0.1:{front.port}{INFO}", timeout_s=WAIT_S)


def test_an_expired_certificate(make: Make, rm: CannedResourceManager) -> None:
    with (
        TlsFront(rm.port, "expired.pem") as old,
        closing(make(Tls(CA))) as session,
        pytest.raises(TlsFailed, match="the server's certificate has expired"),
    ):
        session.request("GET", old.url + INFO, timeout_s=WAIT_S)


def test_a_server_that_speaks_no_tls(make: Make, rm: CannedResourceManager) -> None:
    with closing(make(Tls(CA))) as session, pytest.raises(CannotConnect, match="does not speak TLS on this port"):
        session.request("GET", f"https://localhost:{rm.port}{INFO}", timeout_s=WAIT_S)


def test_plain_http_to_a_server_that_speaks_tls(make: Make) -> None:
    """What Jetty answers to it (seen on Hadoop 3.5.0): an alert."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x15\x03\x03\x00\x02\x02P")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with closing(make(None)) as session, pytest.raises(ClusterUnreachable) as caught:
            session.request("GET", url + INFO, timeout_s=WAIT_S)
        thread.join()
    assert (caught.value.message, caught.value.where) == ("the server speaks TLS on this port", url)
    assert "https://" in caught.value.next_step


def test_insecure_believes_everybody_and_urllib3_keeps_quiet(
    make: Make, rm: CannedResourceManager, recwarn: pytest.WarningsRecorder
) -> None:
    with TlsFront(rm.port, "expired.pem") as old, closing(make(Tls(OTHER_CA, insecure=True))) as session:
        for _ in range(2):
            assert session.request("GET", f"https://127.0.0.1:{old.port}{INFO}", timeout_s=WAIT_S).status == 200
    assert [str(one.message) for one in recwarn if "nverified" in str(one.message)] == []


def test_a_server_that_wants_to_know_who_we_are(make: Make, rm: CannedResourceManager) -> None:
    with TlsFront(rm.port, wants_client=True) as strict:
        with closing(make(Tls(CA, certificate=CLIENT))) as session:
            assert session.request("GET", strict.url + INFO, timeout_s=WAIT_S).status == 200
        with closing(make(Tls(CA))) as session, pytest.raises(ClusterUnreachable) as caught:
            session.request("GET", strict.url + INFO, timeout_s=WAIT_S)
    assert "the server wants a client certificate" in caught.value.message
    assert "security_config.client_certificate" in caught.value.next_step


def test_a_key_in_a_file_of_its_own(make: Make, rm: CannedResourceManager, tmp_path: Path) -> None:
    text = (GOLDEN / "client.pem").read_text(encoding="ascii")
    at = text.index("-----BEGIN CERTIFICATE")
    key, certificate = tmp_path / "own.key", tmp_path / "own.pem"
    key.write_text(text[:at], encoding="ascii")
    certificate.write_text(text[at:], encoding="ascii")
    tls = Tls(CA, certificate=str(certificate), key=str(key))
    with TlsFront(rm.port, wants_client=True) as strict, closing(make(tls)) as session:
        assert session.request("GET", strict.url + INFO, timeout_s=WAIT_S).status == 200


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        (Tls("/nonexistent.pem"), "the CA bundle can't be read: No such file"),
        (Tls(str(GOLDEN / "truststore.jks")), "the CA bundle can't be read"),
        (Tls(CA, certificate="/nonexistent.pem"), "the client certificate can't be used: No such file"),
        (Tls(CA, certificate=CA), "the client certificate can't be used"),
        (Tls(CA, certificate=CLIENT, key=str(GOLDEN / "encrypted.key")), "the key of the client certificate is encr"),
    ],
    ids=["no bundle", "a JKS as bundle", "no certificate", "no key in it", "encrypted"],
)
def test_files_that_can_not_be_used(make: Make, front: TlsFront, tls: Tls, message: str) -> None:
    with closing(make(tls)) as session, pytest.raises(HostNotReady) as caught:
        session.request("GET", front.url + INFO, timeout_s=WAIT_S)
    assert message in caught.value.message and caught.value.where and caught.value.next_step


def test_the_environment_has_no_say_in_whom_we_trust(
    make: Make, front: TlsFront, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nor does it get the keys of our connections: OpenSSL's own variables, which ``ssl`` and ``urllib3`` obey."""
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    monkeypatch.setenv("SSL_CERT_DIR", str(GOLDEN))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    for system in (None, Tls()):
        with closing(make(system)) as session, pytest.raises(TlsFailed, match="not trusted here"):
            session.request("GET", front.url + INFO, timeout_s=WAIT_S)
    monkeypatch.setenv("SSL_CERT_FILE", OTHER_CA)
    with closing(make(Tls(CA))) as session:
        assert session.request("GET", front.url + INFO, timeout_s=WAIT_S).status == 200
    with closing(make(Tls(OTHER_CA))) as session, pytest.raises(TlsFailed, match="not trusted here"):
        session.request("GET", front.url + INFO, timeout_s=WAIT_S)
    assert not (tmp_path / "keys").exists()


def test_the_library_for_hdfs_trusts_nobody_by_the_environment(
    secured: TlsFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", CA)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", CA)
    with closing(PlainSession("alice")) as session:
        client = WebHdfs([secured.url], session, user="alice", timeout_s=WAIT_S, data_timeout_s=WAIT_S)
        with pytest.raises(TlsFailed, match="not trusted here"):
            client.mkdirs("/user/alice/x")


def test_a_truststore_of_java_is_turned_into_pem_on_the_way(make: Make, front: TlsFront, tmp_path: Path) -> None:
    tls = Tls(store=Truststore(str(GOLDEN / "truststore.jks"), "ssl-client.xml"), cache_folder=tmp_path)
    with closing(make(tls)) as session:
        assert session.request("GET", front.url + INFO, timeout_s=WAIT_S).status == 200
    assert [path.suffix for path in tmp_path.iterdir()] == [".pem"]


@pytest.mark.skipif(shutil.which("keytool") is None, reason="no keytool on PATH")
def test_keytool_reads_pkcs12_and_its_refusal_is_passed_on(tmp_path: Path) -> None:
    path, env = str(GOLDEN / "truststore.p12"), {"PATH": "/usr/bin:/bin"}
    env["PATH"] = str(Path(str(shutil.which("keytool"))).parent)
    made = pem_file(Truststore(path, "c.yaml:3", "changeit"), tmp_path / "right", env)
    assert made.read_text(encoding="ascii").split() == (GOLDEN / "ca.pem").read_text(encoding="ascii").split()
    with pytest.raises(HostNotReady, match=r"keytool can't read it: .*password was incorrect"):
        pem_file(Truststore(path, "c.yaml:3", "wrong"), tmp_path / "wrong", env)


def test_pkcs12_without_java(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    path = str(GOLDEN / "truststore.p12")
    made = pem_file(Truststore(path, "c.yaml:3", "changeit"), tmp_path / "right", {"PATH": "/nowhere"})
    assert made.read_text(encoding="ascii").split() == (GOLDEN / "ca.pem").read_text(encoding="ascii").split()
    with pytest.raises(HostNotReady, match="it is PKCS12 and does not open"):
        pem_file(Truststore(path, "c.yaml:3", "wrong"), tmp_path / "wrong", {"PATH": "/nowhere"})


@pytest.fixture
def secured(webhdfs: CannedWebHdfs) -> Iterator[TlsFront]:
    """An HDFS that speaks https, DataNodes too."""
    with TlsFront(webhdfs.port) as opened:
        webhdfs.seen_as = opened.url
        yield opened


def test_files_come_and_go_over_https(webhdfs: CannedWebHdfs, secured: TlsFront, tmp_path: Path) -> None:
    local = tmp_path / "a.bin"
    local.write_bytes(b"0123456789" * 1000)
    with closing(StdlibSession("alice", Tls(CA))) as session:
        client = WebHdfs([secured.url], session, user="alice", tls=Tls(CA), timeout_s=WAIT_S, data_timeout_s=WAIT_S)
        client.upload(local, "/user/alice/a.bin")
        assert b"".join(client.open_range("/user/alice/a.bin", 5, 10)) == b"5678901234"
        write_small(client, session, "/user/alice/b", b"small", permission="600")
        assert client.read_bytes("/user/alice/b", 10) == b"small"


def test_the_library_too_says_what_is_wrong_with_tls(webhdfs: CannedWebHdfs, secured: TlsFront, tmp_path: Path) -> None:
    with closing(StdlibSession("alice", Tls(CA))) as session:
        client = WebHdfs([secured.url], session, user="alice", tls=Tls(OTHER_CA), timeout_s=WAIT_S)
        with pytest.raises(TlsFailed, match="by a CA that is not trusted here"):
            client.mkdirs("/user/alice/x")


def test_https_never_leads_to_plain_http(webhdfs: CannedWebHdfs, secured: TlsFront) -> None:
    webhdfs.seen_as = ""  # the NameNode on https names DataNodes on http
    with closing(StdlibSession("alice", Tls(CA))) as session:
        client = WebHdfs([secured.url], session, user="alice", tls=Tls(CA), timeout_s=WAIT_S, data_timeout_s=WAIT_S)
        ways: list[Callable[[], Any]] = [
            lambda: client.write_bytes("/user/alice/a", b"x"),
            lambda: write_small(client, session, "/user/alice/b", b"x", permission="600"),
            lambda: client.checksum("/tmp"),
        ]
        webhdfs.nodes["/user/alice/c"] = type(webhdfs.nodes["/"])(b"abc")
        ways.append(lambda: client.read_bytes("/user/alice/c", 3))
        for way in ways[:2] + ways[3:]:
            with pytest.raises(ClusterUnreachable, match="a server on https sends us on to plain HTTP"):
                way()


# --- the whole program ------------------------------------------------------------------------------------------------


def secure_xml(door: Door, front: TlsFront, **client: str) -> None:
    """Hadoop's XML with https for YARN, and an ssl-client.xml if anything is to stand in it."""
    values = {
        "yarn.http.policy": "HTTPS_ONLY",
        "yarn.resourcemanager.hostname": "localhost",
        "yarn.resourcemanager.webapp.https.address": f"localhost:{front.port}",
    }
    write_properties(door.folder / "conf" / "yarn-site.xml", values)
    if client:
        named = {f"ssl.client.truststore.{name}": value for name, value in client.items()}
        write_properties(door.folder / "conf" / "ssl-client.xml", named)


def write_properties(path: Path, values: dict[str, str]) -> None:
    inside = [f"<property><name>{key}</name><value>{value}</value></property>" for key, value in values.items()]
    path.write_text(f"<configuration>{''.join(inside)}</configuration>\n", encoding="utf-8")


def test_the_clusters_own_truststore_is_enough(door: Door, front: TlsFront) -> None:
    one = door.rm.add("job", user="root", tags=["batch-submit"], steps=[RUNNING])
    secure_xml(door, front, location=str(GOLDEN / "truststore.jks"))
    for _ in range(2):
        outcome = door.run("status", one, "--json")
        assert outcome.code == 0, outcome.err
        assert outcome.json["id"] == one if "id" in outcome.json else one in outcome.out
    kept = list((door.folder / "home/.cache/batch-submit/tls").iterdir())
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600]


def test_without_it_the_error_names_server_reason_and_remedy(door: Door, front: TlsFront) -> None:
    secure_xml(door, front)
    outcome = door.run("list")
    assert outcome.code == 5 and outcome.out == ""
    assert outcome.said("by a CA that is not trusted here", f"https://localhost:{front.port}", "security_config.ca_b")


def test_a_bundle_a_truststore_with_its_password_and_a_client_certificate(
    door: Door, rm: CannedResourceManager
) -> None:
    with TlsFront(rm.port, wants_client=True) as strict:
        secure_xml(door, strict)
        for trust in (f"ca_bundle: {CA}", f"truststore_path: {GOLDEN}/truststore.jks, truststore_password: changeit"):
            door.write_config(f"security_config: {{{trust}, client_certificate: {CLIENT}}}\n")
            outcome = door.run("list")
            assert outcome.code == 0, outcome.err
        assert "changeit" not in "".join(
            path.read_text(encoding="utf-8") for path in (door.folder / "home").rglob("*.json")
        ), "a configuration with a password is not kept"
        door.write_config(f"security_config: {{client_key: {CLIENT}}}\n")
        assert door.run("list").said("client_key is given without a client_certificate")


def test_a_truststores_password_is_a_reference_as_any_other(door: Door, front: TlsFront) -> None:
    secure_xml(door, front)
    door.env["PATH"] += f":{Path(str(shutil.which('keytool'))).parent}"
    held = door.work / "secret.txt"
    held.write_text("changeit\n", encoding="ascii")
    held.chmod(0o600)
    store = f"truststore_path: {GOLDEN}/truststore.p12"
    for number, reference in enumerate(("${STORE_SECRET}", "file:secret.txt")):
        door.env["XDG_CACHE_HOME"] = str(door.folder / f"cache{number}")  # else the PEM is there already
        door.write_config(
            f"security_config: {{{store}, truststore_password: '{reference}'}}\nenvironments: {{prod: {{}}}}\n"
        )
        outcome = door.run("list", "--env", "prod", env={"STORE_SECRET": "changeit"})
        assert outcome.code == 0, outcome.err
    door.env["XDG_CACHE_HOME"] = str(door.folder / "cache2")
    door.write_config(f"security_config: {{{store}, truststore_password: '${{NOT_THERE}}'}}\n")
    outcome = door.run("list")
    assert outcome.code == 3 and outcome.said("the variable is not set", "job_config.yaml:1"), outcome.err


def test_ssl_client_xml_may_keep_its_password_in_a_credential_provider(door: Door, front: TlsFront) -> None:
    """By Hadoop's own classes, from a store that Java's keytool has made."""
    pyspark = pytest.importorskip("pyspark")
    java = Path(str(shutil.which("java"))).resolve().parents[1]
    store = door.folder / "store.jceks"
    alias = "ssl.client.truststore.password"
    made = [
        str(java / "bin" / "keytool"),
        "-importpass",
        "-storetype",
        "jceks",
        "-keystore",
        str(store),
        "-alias",
        alias,
    ]
    typed = "changeit\nchangeit\n"
    subprocess.run([*made, "-storepass", "of the store"], input=typed, text=True, check=True, capture_output=True)
    secure_xml(door, front, location=str(GOLDEN / "truststore.p12"))
    file = door.folder / "conf" / "ssl-client.xml"
    provider = f"localjceks://file{store}"
    name = "hadoop.security.credential.provider.path"
    more = f"<property><name>{name}</name><value>{provider}</value></property></configuration>"
    file.write_text(file.read_text(encoding="utf-8").replace("</configuration>", more), encoding="utf-8")
    spark = door.folder / "spark"
    (spark / "bin").mkdir(parents=True)
    (spark / "jars").symlink_to(Path(pyspark.__file__).parent / "jars")
    (spark / "bin" / "spark-submit").symlink_to(RECORDER / "spark-submit")
    door.env |= {"SPARK_HOME": str(spark), "JAVA_HOME": str(java)}
    wrong = door.run("list", env={"HADOOP_CREDSTORE_PASSWORD": "wrong"})
    assert wrong.code == 3 and wrong.said("the credential provider can't be read", provider), wrong.err
    right = door.run("list", env={"HADOOP_CREDSTORE_PASSWORD": "of the store"})
    assert right.code == 0, right.err
    assert door.run("list").code == 0, "once is enough: the certificates are kept"


@pytest.mark.parametrize("verb", [["list"], ["nodes"], ["submit", "-t", "custom", "--no-wait"]])
def test_insecure_works_and_is_loud_once(door: Door, front: TlsFront, verb: list[str]) -> None:
    secure_xml(door, front)
    outcome = door.run(*verb, "--insecure")
    assert outcome.code == 0, outcome.err
    assert outcome.err.count(WARNING[:60]) == 1


def test_insecure_can_not_be_written_down(door: Door, front: TlsFront) -> None:
    secure_xml(door, front)
    for text in ("security_config: {insecure: true}", "insecure: true", "security_config: {verify: false}"):
        door.write_config(text + "\n")
        outcome = door.run("list")
        assert outcome.code == 2 and outcome.said("no file can switch the checking of certificates off"), outcome.err
    door.write_config("{}\n")
    outcome = door.run("list", env={"BATCH_SUBMIT_SECURITY_CONFIG__INSECURE": "true"})
    assert outcome.code == 2 and outcome.said("unknown key")
    (door.work / "runs.yaml").write_text("defaults: {insecure: true}\nruns: [{run-id: a}]\n", encoding="utf-8")
    outcome = door.run("submit", "-t", "custom", "--many", "runs.yaml")
    assert outcome.code == 2 and outcome.said("insecure")


@pytest.mark.parametrize("env", ["prod", "production", "PROD", "prod-eu"])
def test_insecure_is_refused_in_production(door: Door, front: TlsFront, env: str) -> None:
    secure_xml(door, front)
    door.write_config(f"environments: {{{env}: {{security_config: {{ca_bundle: {CA}}}}}}}\n")
    for verb in (["list"], ["submit", "-t", "custom"], ["doctor"]):
        outcome = door.run(*verb, "--env", env, "--insecure")
        assert outcome.code == 2 and outcome.said(f"--insecure is refused with --env {env}"), outcome.err
    assert door.run("list", "--env", env).code == 0


def test_insecure_of_many_runs_reaches_each(door: Door, front: TlsFront) -> None:
    secure_xml(door, front)
    (door.work / "runs.yaml").write_text("runs: [{run-id: a}, {run-id: b}]\n", encoding="utf-8")
    outcome = door.run("submit", "-t", "custom", "--claim", "none", "--many", "runs.yaml", "--insecure")
    assert outcome.code == 0, outcome.err
    assert len(door.calls) == 2
