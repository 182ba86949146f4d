"""The tls profile's certificates: a CA made on the spot, the daemons' certificate by it, and the stores of both.

By Java's own ``keytool``, as an operator would. No password stands in any configuration file: Hadoop finds them in a
credential store (``CredentialProviderAPI.md``) whose own password is in the daemons' environment.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from devcluster_lib.errors import DaemonFailed
from devcluster_lib.layout import Cluster
from devcluster_lib.state import write_whole

TIMEOUT_S = 60.0
#: Elliptic curves: made in no time, and every Java and OpenSSL of this decade knows this one.
KEY = ("-keyalg", "EC", "-groupname", "secp256r1", "-validity", "365")
#: The daemons are called by this name only: by another one (127.0.0.1) the certificate does not fit, as it should.
DAEMONS_NAME = "dns:localhost"
#: A Spark driver publishes its page under the address that it listens on.
APPLICATIONS_NAME = "dns:localhost,ip:127.0.0.1"
#: What Hadoop asks a credential store for (``SSLFactory``, ``HttpServer2``).
ALIASES = ("ssl.server.keystore.password", "ssl.server.keystore.keypassword", "ssl.server.truststore.password")
_VARIABLE = "DEVCLUSTER_STORE_SECRET"


def ca_file(cluster: Cluster) -> Path:
    """The CA's certificate as PEM: what a client has to trust."""
    return cluster.tls_dir / "ca.pem"


def truststore(cluster: Cluster) -> Path:
    """The same as JKS, for Java clients."""
    return cluster.tls_dir / "truststore.jks"


def keystore(cluster: Cluster, name: str) -> Path:
    """PKCS12 with key and certificate of ``daemons`` or ``applications``."""
    return cluster.tls_dir / f"{name}.p12"


def password_file(cluster: Cluster) -> Path:
    """The password of all stores, in a file that only the starting user reads."""
    return cluster.tls_dir / "password"


def password(cluster: Cluster) -> str:
    """The password of all stores."""
    return password_file(cluster).read_text(encoding="ascii")


def credentials(cluster: Cluster) -> str:
    """Hadoop's URI of the credential store."""
    return f"localjceks://file{cluster.tls_dir / 'credentials.jceks'}"


def environment(cluster: Cluster) -> dict[str, str]:
    """What a daemon needs to open the credential store; nothing in the other profiles."""
    return {"HADOOP_CREDSTORE_PASSWORD": password(cluster)} if cluster.tls else {}


def java_options(cluster: Cluster, kind: str) -> list[str]:
    """The ResourceManager's proxy asks applications whose page speaks TLS; it trusts what its JVM trusts."""
    if not cluster.tls or kind != "resourcemanager":
        return []
    return [f"-Djavax.net.ssl.trustStore={truststore(cluster)}", "-Djavax.net.ssl.trustStoreType=jks"]


def client_variables(cluster: Cluster) -> dict[str, str]:
    """What a client may want to name in its own configuration; nothing in the other profiles."""
    if not cluster.tls:
        return {}
    return {
        "DEVCLUSTER_CA": str(ca_file(cluster)),
        "DEVCLUSTER_TRUSTSTORE": str(truststore(cluster)),
        "DEVCLUSTER_KEYSTORE": str(keystore(cluster, "applications")),
        "DEVCLUSTER_STORE_PASSWORD_FILE": str(password_file(cluster)),
    }


def ensure_certificates(cluster: Cluster) -> None:
    """Make CA, certificates and stores, all or nothing; what is there stays.

    Raises
    ------
    DaemonFailed
        With keytool's words.
    """
    folder = cluster.tls_dir
    done = folder / "complete"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    password_file(cluster).touch(mode=0o600)
    write_whole(password_file(cluster), secrets.token_hex(16))
    password_file(cluster).chmod(0o600)
    authority = [*_store(folder / "ca.p12"), "-alias", "ca"]
    _keytool(
        cluster, "-genkeypair", *authority, *KEY, "-dname", "CN=devcluster CA",
        "-ext", "bc:c", "-ext", "ku:c=keyCertSign,cRLSign",
    )  # fmt: skip
    write_whole(ca_file(cluster), _keytool(cluster, "-exportcert", "-rfc", *authority))
    _trust(cluster, _store(truststore(cluster), "jks"))
    for name, alternatives in (("daemons", DAEMONS_NAME), ("applications", APPLICATIONS_NAME)):
        _certify(cluster, name, alternatives, authority)
    for alias in ALIASES:
        secret = f"{password(cluster)}\n"
        _keytool(
            cluster, "-importpass", *_store(folder / "credentials.jceks", "jceks"), "-alias", alias, text=secret * 2
        )
    done.touch()


def _certify(cluster: Cluster, name: str, alternatives: str, authority: list[str]) -> None:
    """A key, and a certificate for it by the CA, in one store with the CA's own."""
    store = _store(keystore(cluster, name))
    own = [*store, "-alias", name]
    _keytool(cluster, "-genkeypair", *own, *KEY, "-dname", f"CN=devcluster {name}")
    wanted = _keytool(cluster, "-certreq", *own)
    given = _keytool(
        cluster, "-gencert", "-rfc", *authority, "-validity", "365",
        "-ext", f"san={alternatives}", "-ext", "eku=serverAuth,clientAuth", text=wanted,
    )  # fmt: skip
    _trust(cluster, store)
    _keytool(cluster, "-importcert", "-noprompt", *own, text=given)


def _trust(cluster: Cluster, store: list[str]) -> None:
    _keytool(cluster, "-importcert", "-noprompt", *store, "-alias", "ca", "-file", str(ca_file(cluster)))


def _store(path: Path, kind: str = "pkcs12") -> list[str]:
    return ["-keystore", str(path), "-storetype", kind, "-storepass:env", _VARIABLE]


def _keytool(cluster: Cluster, *arguments: str, text: str = "") -> str:
    """What keytool prints; the password goes through its environment, never onto its command line."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), _VARIABLE: password(cluster)}
    command = [f"{cluster.java_home}/bin/keytool", *arguments, "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"]
    try:
        made = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DaemonFailed(f"keytool {arguments[0]} did not end well: {error}") from error
    if made.returncode != 0:
        words = f"{made.stdout}{made.stderr}".strip()
        raise DaemonFailed(f"keytool {arguments[0]} failed (exit code {made.returncode}):\n{words}")
    return made.stdout
