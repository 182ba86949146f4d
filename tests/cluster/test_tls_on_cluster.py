"""HTTPS on the real cluster: the dev cluster's tls profile, our program on it, and Spark's own encryption."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from cluster.conftest import REPO, wait_until
from cluster.secure_cluster import JOB, SLEEPER, SMALL, SecureCluster, configure
from cluster.secure_cluster import run as run_as

#: What `make test` asks of this cluster: test_security_on_cluster.py. Without a cluster: tests/process/test_tls.py.
pytestmark = pytest.mark.full

WARNING = "--insecure: the certificates of https servers are NOT checked"


@pytest.fixture(scope="module")
def tls(tls_cluster: SecureCluster) -> SecureCluster:
    return tls_cluster


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An edge user's folder with two jobs."""
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    (tmp_path / "sleeper.py").write_text(SLEEPER, encoding="utf-8")
    configure(tmp_path)
    return tmp_path


def run(
    tls: SecureCluster, home: Path, *arguments: str, code: int = 0, conf: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Our program with alice's ticket; ``conf`` is another folder of Hadoop's XML."""
    more = {"REQUESTS_CA_BUNDLE": "/nonexistent.pem"}  # what requests would obey, and must not
    if conf is not None:
        more |= {"HADOOP_CONF_DIR": str(conf), "YARN_CONF_DIR": str(conf)}
    return run_as(tls, "alice", home, *arguments, code=code, **more)


def other_conf(tls: SecureCluster, folder: Path, *, without: str = "", **changes: str) -> Path:
    """The cluster's XML without a file, and with texts replaced in the addresses of yarn-site.xml."""
    shutil.copytree(tls.env["HADOOP_CONF_DIR"], folder, ignore=lambda _, names: {without} & set(names))
    tree = ElementTree.parse(folder / "yarn-site.xml")
    for row in tree.getroot():
        value = row.find("value")
        if row.findtext("name", "").endswith("webapp.https.address"):
            assert value is not None and value.text is not None
            for old, new in changes.items():
                value.text = value.text.replace(old, new)
    tree.write(folder / "yarn-site.xml")
    return folder


def test_every_server_speaks_https_and_nothing_else(tls: SecureCluster) -> None:
    before = tls.status()
    assert before["profile"] == "tls" and before["ready"]
    paths = {
        "resourcemanager": "/ws/v1/cluster/userinfo",
        "namenode": "/webhdfs/v1/?op=LISTSTATUS",
        "datanode": "/jmx?qry=none",
        "nodemanager": "/ws/v1/node/info",
        "jobhistoryserver": "/ws/v1/history/info",
    }
    for name, path in paths.items():
        url = before["urls"][name]
        assert url.startswith("https://localhost:")
        assert tls.ask("alice", url + path)[0] == 200, name
        with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert not plain.recv(100).startswith(b"HTTP"), name
    assert tls.ask("alice", f"{tls.rm_url}/ws/v1/cluster/userinfo") == (
        200,
        {"rmLoginUser": "yarn", "requestedUser": "alice"},
    )
    authority = Path(tls.env["DEVCLUSTER_CA"]).read_bytes()
    tls.run("kill", "jobhistoryserver")
    tls.run("up", "--timeout", "300", timeout_s=400)
    assert tls.status()["ready"] and Path(tls.env["DEVCLUSTER_CA"]).read_bytes() == authority, "the CA stays"
    xml = "".join(path.read_text(encoding="utf-8") for path in (tls.dir / "conf").glob("*.xml"))
    assert Path(tls.env["DEVCLUSTER_STORE_PASSWORD_FILE"]).read_text(encoding="ascii") not in xml


def test_all_that_an_owner_does_by_the_clusters_own_truststore(tls: SecureCluster, home: Path) -> None:
    run(tls, home, "doctor", "--json")
    run(tls, home, "init-hdfs")
    (home / "a.txt").write_text("hello\n", encoding="utf-8")
    run(tls, home, "upload", "a.txt", "data/a.txt")
    run(tls, home, "download", "data/a.txt", "b.txt")
    assert (home / "b.txt").read_text(encoding="utf-8") == "hello\n"
    job = ["submit", "-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue", "--run-id", "over-https"]
    application_id = run(tls, home, *job).stdout.strip()
    again = run(tls, home, *job)
    assert "already succeeded" in again.stderr, "the claim in HDFS was read"
    assert json.loads(run(tls, home, "status", application_id, "--json").stdout)
    assert application_id in run(tls, home, "list").stdout
    assert "runs as alice" in run(tls, home, "logs", application_id).stdout
    for verb in (["queues"], ["nodes"], ["urls", application_id], ["diagnose", application_id], ["gc", "--dry-run"]):
        assert "TLS failed" not in run(tls, home, *verb).stderr
    long = ["submit", "-t", "custom", "--script", "sleeper.py", *SMALL, "-q", "ml-queue", "--no-wait"]
    sleeping = run(tls, home, *long).stdout.strip()
    page = f"{tls.rm_url}/ws/v1/cluster/apps/{sleeping}"
    wait_until(lambda: tls.ask("alice", page)[1]["app"]["state"] == "RUNNING", "it runs", 300)
    assert "Starting the user application" in run(tls, home, "logs", sleeping).stdout, "by the NodeManager"
    run(tls, home, "kill", sleeping, "--yes")
    assert tls.ask("alice", page)[1]["app"]["finalStatus"] == "KILLED"


def test_trust_that_the_configuration_names(tls: SecureCluster, home: Path) -> None:
    conf = other_conf(tls, home / "conf", without="ssl-client.xml")
    told = run(tls, home, "list", code=5, conf=conf).stderr
    assert "by a CA that is not trusted here (trusted: the system's CAs)" in told and "security_config.ca_b" in told
    password = Path(tls.env["DEVCLUSTER_STORE_PASSWORD_FILE"]).read_text(encoding="ascii")
    for trust in (
        {"ca_bundle": tls.env["DEVCLUSTER_CA"]},
        {"truststore_path": tls.env["DEVCLUSTER_TRUSTSTORE"]},
        {"truststore_path": tls.env["DEVCLUSTER_KEYSTORE"], "truststore_password": password},
    ):
        configure(home, security_config=trust)
        run(tls, home, "list", conf=conf)


def test_a_wrong_ca_and_a_wrong_name_are_told_and_nothing_is_submitted(tls: SecureCluster, home: Path) -> None:
    job = ["submit", "-t", "custom", "--script", "job.py", *SMALL]
    configure(home, security_config={"ca_bundle": str(REPO / "tests/golden/tls/other-ca.pem")})
    wrong = run(tls, home, *job, code=5)
    assert "by a CA that is not trusted here" in wrong.stderr and "other-ca.pem" in wrong.stderr
    assert "nothing was submitted" in wrong.stderr and wrong.stdout == ""
    configure(home)
    by_address = other_conf(tls, home / "conf", localhost="127.0.0.1")
    named = run(tls, home, *job, code=5, conf=by_address)
    assert "the server's certificate is not for the name 127.0.0.1" in named.stderr
    assert "use the name that stands in the certificate" in named.stderr
    assert not list(home.rglob("runs/**/*.json"))


def test_insecure_is_loud(tls: SecureCluster, home: Path) -> None:
    configure(home, security_config={"ca_bundle": str(REPO / "tests/golden/tls/other-ca.pem")})
    looked = run(tls, home, "list", "--insecure")
    assert looked.stderr.count(WARNING) == 1
    run(tls, home, "upload", "job.py", "data/insecure.py", "--insecure")


#: What the driver sees of its own encryption. The frame is one of Spark's transport (RpcRequest): who does not begin
#: with a challenge by the application's secret is told so, and the connection ends (AuthRpcHandler, 4.3.0).
LOOKS = """
import socket, ssl, sys, time
from urllib.parse import urlsplit
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
assert sc.parallelize(range(100), 2).map(lambda x: (x % 3, x)).groupByKey().count() == 3, "shuffled by executors"
conf = sc.getConf()
body = b"hello"
frame = (8 + 1 + 8 + 4 + len(body)).to_bytes(8, "big") + b"\\x03" + (1).to_bytes(8, "big")
with socket.create_connection((conf.get("spark.driver.host"), int(conf.get("spark.driver.port"))), timeout=20) as peer:
    peer.sendall(frame + len(body).to_bytes(4, "big") + body)
    print("a stranger is told", peer.recv(4000))
page = urlsplit(sc.uiWebUrl)
trusting = ssl.create_default_context(cafile=sys.argv[1])
with socket.create_connection((page.hostname, page.port), timeout=20) as plain:
    with trusting.wrap_socket(plain, server_hostname=page.hostname) as secured:
        print("the page", page.scheme, secured.version())
sys.stdout.flush()
deadline = time.monotonic() + 240
while not spark._jvm.java.io.File(sys.argv[2]).exists() and time.monotonic() < deadline:
    time.sleep(0.2)
spark.stop()
"""


@pytest.mark.parametrize("launcher", ["rest", "spark-submit"])
def test_spark_encrypts_what_its_processes_say(tls: SecureCluster, home: Path, launcher: str) -> None:
    password = Path(tls.env["DEVCLUSTER_STORE_PASSWORD_FILE"]).read_text(encoding="ascii")
    (home / "looks.py").write_text(LOOKS, encoding="utf-8")
    store = {"keystore_path": tls.env["DEVCLUSTER_KEYSTORE"], "keystore_password": password}
    configure(home, security_config={"enable_ssl": True, **store})
    gate = home / "gate"
    job = ["submit", "-t", "custom", "--script", "looks.py", *SMALL, "-q", "ml-queue", "--launcher", launcher]
    job += ["--run-id", f"encrypted-{launcher}", "--no-wait"]
    began = run(tls, home, *job, "--app-arg", tls.env["DEVCLUSTER_CA"], "--app-arg", str(gate))
    application_id = began.stdout.strip()
    page = f"{tls.rm_url}/proxy/{application_id}/api/v1/applications/{application_id}"

    def has_shuffled() -> bool:
        status, jobs = tls.ask("alice", f"{page}/jobs")
        return status == 200 and isinstance(jobs, list) and any(one["status"] == "SUCCEEDED" for one in jobs)

    wait_until(has_shuffled, "the job's page answers through the ResourceManager's proxy", 300)
    watched = run(tls, home, "monitor", application_id, "--json-lines", "--wait-timeout", "15s", code=7).stdout
    told = [one for one in map(json.loads, watched.splitlines()) if one["event"] == "progress"]
    assert told and told[-1]["jobs_done"] >= 1, "asked by us: ticket, proxy, and a driver's page that speaks https"
    _, environment = wait_until(
        lambda: (told := tls.ask("alice", f"{page}/environment"))[0] == 200 and told,
        "the environment of the application",
    )
    seen = dict(environment["sparkProperties"])
    for key in ("authenticate", "network.crypto.enabled", "io.encryption.enabled", "ssl.enabled"):
        assert seen[f"spark.{key}"] == "true", key
    assert seen["spark.network.crypto.saslFallback"] == "false" and seen["spark.ssl.keyStore"] == "ssl.keystore"
    assert password not in json.dumps(environment)
    gate.touch()
    done = run(tls, home, "wait", application_id)
    logs = run(tls, home, "logs", application_id)
    assert "Unknown challenge message" in logs.stdout, "the driver talks to nobody without the secret"
    assert "the page https TLSv1." in logs.stdout
    assert "authentication enabled" in logs.stdout
    written = [path.read_text(encoding="utf-8", errors="replace") for path in home.rglob("*.json") if path.is_file()]
    written = [text for text in written if "enable_ssl" not in text]
    for text in (*written, began.stderr, done.stderr, logs.stdout, logs.stderr):
        assert password not in text


@contextmanager
def client_certificates_wanted(tls: SecureCluster) -> Iterator[Path]:
    """HDFS lets in who has a certificate by the cluster's CA; a file with one and its key."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

    password = Path(tls.env["DEVCLUSTER_STORE_PASSWORD_FILE"]).read_bytes()
    store = Path(tls.env["DEVCLUSTER_KEYSTORE"])
    key, certificate, _ = pkcs12.load_key_and_certificates(store.read_bytes(), password)
    assert key is not None and certificate is not None
    own = store.with_name("client.pem")
    own.touch(mode=0o600)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    own.write_bytes(text)

    def want(wanted: str) -> None:
        tls.run("up", "--set", f"hdfs-site:dfs.client.https.need-auth={wanted}")
        for daemon in ("namenode", "datanode"):
            tls.run("restart", daemon, timeout_s=300)

    try:
        want("true")
        yield own
    finally:
        want("false")
        own.unlink()


def test_an_hdfs_that_wants_to_know_who_we_are(tls: SecureCluster, home: Path) -> None:
    (home / "a.txt").write_text("hello\n", encoding="utf-8")
    job = ["submit", "-t", "custom", "--script", "job.py", *SMALL, "-q", "ml-queue", "--run-id", "with-certificate"]
    with client_certificates_wanted(tls) as certificate:
        for words in (["upload", "a.txt", "data/known.txt"], job):
            stranger = run(tls, home, *words, code=5)
            assert "the server wants a client certificate" in stranger.stderr and stranger.stdout == ""
            # A submission speaks of its claim, which could not be made; an upload says at once what to name.
            assert "security_config.client_certificate" in stranger.stderr or "claims_dir" in stranger.stderr
        configure(home, security_config={"client_certificate": str(certificate)})
        run(tls, home, "upload", "a.txt", "data/known.txt")
        run(tls, home, "download", "data/known.txt", "b.txt")
        assert (home / "b.txt").read_text(encoding="utf-8") == "hello\n"
        application_id = run(tls, home, *job).stdout.strip()
        assert tls.application(application_id)["finalStatus"] == "SUCCEEDED"
        assert "runs as alice" in run(tls, home, "logs", application_id).stdout
