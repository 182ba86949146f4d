"""The secure profile's Kerberos: a realm of its own, its MIT KDC on a high port of the loopback address, the keytabs.

Source: the MIT documentation of ``krb5.conf`` and ``kdc.conf``. Nothing of the host's own Kerberos is read or changed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from devcluster_lib import spnego
from devcluster_lib.errors import DaemonFailed, HostNotReady
from devcluster_lib.layout import Cluster
from devcluster_lib.state import write_whole

#: ``.test`` is nobody's (RFC 6761).
REALM = "DEVCLUSTER.TEST"
KDC_PROGRAM, DATABASE_PROGRAM, ADMIN_PROGRAM = "krb5kdc", "kdb5_util", "kadmin.local"
SERVICES = ("nn", "dn", "rm", "nm", "jhs", "HTTP")
USERS = ("alice", "bob")
#: Not on the path of ordinary users.
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
PACKAGES = "krb5-kdc krb5-admin-server krb5-user"
TIMEOUT_S = 30.0

KRB5_CONF = """\
[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
  ticket_lifetime = 24h
  renew_lifetime = 7d
  forwardable = true
  permitted_enctypes = aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
[domain_realm]
  localhost = {realm}
[logging]
  kdc = STDERR
"""
KDC_CONF = """\
[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/kadm5.acl
    max_life = 24h
    max_renewable_life = 7d
    supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
  }}
"""


def krb5_conf(cluster: Cluster) -> Path:
    """What clients and daemons read."""
    return cluster.kerberos_dir / "krb5.conf"


def keytabs_dir(cluster: Cluster) -> Path:
    """One keytab for each of `SERVICES` and `USERS`, mode 600."""
    return cluster.kerberos_dir / "keytabs"


def keytab(cluster: Cluster, name: str) -> Path:
    """The keytab of a service or user."""
    return keytabs_dir(cluster) / f"{name}.keytab"


def principal(name: str) -> str:
    """The principal of a service, or of a user."""
    return f"{name}/localhost@{REALM}" if name in SERVICES else f"{name}@{REALM}"


def secret_file(cluster: Cluster) -> Path:
    """What the web servers sign their cookies with."""
    return cluster.kerberos_dir / "http-secret"


def environment(cluster: Cluster) -> dict[str, str]:
    """Variables for MIT's server programs."""
    return {"KRB5_CONFIG": str(krb5_conf(cluster)), "KRB5_KDC_PROFILE": str(cluster.kerberos_dir / "kdc.conf")}


def java_options(cluster: Cluster) -> list[str]:
    """What every JVM needs that is to know the realm; nothing in the simple profile."""
    return [f"-Djava.security.krb5.conf={krb5_conf(cluster)}"] if cluster.secure else []


def client_variables(cluster: Cluster) -> dict[str, str]:
    """What a shell needs to get a ticket and to use it; nothing in the simple profile."""
    if not cluster.secure:
        return {}
    return {
        "KRB5_CONFIG": str(krb5_conf(cluster)),
        # Not the caller's own cache: a ticket of this realm would replace his.
        "KRB5CCNAME": f"FILE:{cluster.kerberos_dir / 'krb5cc'}",
        "SPARK_SUBMIT_OPTS": " ".join(java_options(cluster)),
        "DEVCLUSTER_REALM": REALM,
        "DEVCLUSTER_KEYTABS": str(keytabs_dir(cluster)),
    }


def be_client(cluster: Cluster) -> None:
    """Make this process the superuser of HDFS towards the cluster's web servers, by the NameNode's keytab.

    Through this process's environment, as libkrb5 knows no other way to name its configuration. The ticket stays in
    memory. Nothing happens in the simple profile.
    """
    if cluster.secure:
        os.environ["KRB5_CONFIG"] = str(krb5_conf(cluster))
        os.environ["KRB5_CLIENT_KTNAME"] = f"FILE:{keytab(cluster, 'nn')}"
        os.environ["KRB5CCNAME"] = "MEMORY:devcluster"


def check_host(cluster: Cluster) -> None:
    """Kerberos programs, the GSSAPI library, and a Java that compiles.

    Raises
    ------
    HostNotReady
        Naming what is missing, and the packages.
    """
    missing = [name for name in (KDC_PROGRAM, DATABASE_PROGRAM, ADMIN_PROGRAM) if _program(name) is None]
    missing += [] if spnego.available() else [spnego.LIBRARY]
    if missing:
        raise HostNotReady(
            f"the {cluster.profile} profile needs {', '.join(missing)}: apt-get install {PACKAGES} (or, from a "
            "checkout, deploy/host/ensure.sh kerberos)"
        )
    if not os.access(f"{cluster.java_home}/bin/javac", os.X_OK):
        raise HostNotReady(
            f"the {cluster.profile} profile compiles a class and {cluster.java_home} holds no bin/javac: apt-get "
            "install openjdk-17-jdk-headless, and point JAVA_HOME at it"
        )


def kdc_command() -> list[str]:
    """The KDC in the foreground."""
    return [_program(KDC_PROGRAM) or KDC_PROGRAM, "-n"]


def ensure_realm(cluster: Cluster) -> None:
    """Make the realm's configuration, database, principals and keytabs, all or nothing; what is there stays.

    Raises
    ------
    DaemonFailed
        With the words of MIT's programs.
    """
    folder = cluster.kerberos_dir
    done = folder / "complete"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    keytabs_dir(cluster).mkdir(parents=True)
    folder.chmod(0o700)
    values = {"realm": REALM, "port": cluster.daemon("kdc").ports["kdc"], "folder": folder}
    write_whole(krb5_conf(cluster), KRB5_CONF.format(**values))
    write_whole(folder / "kdc.conf", KDC_CONF.format(**values))
    secret_file(cluster).touch(mode=0o600)
    secret_file(cluster).write_text(secrets.token_hex(32), encoding="ascii")
    master_key = secrets.token_hex(32)
    _run(cluster, [DATABASE_PROGRAM, "create", "-s", "-r", REALM], f"{master_key}\n{master_key}\n")
    queries = []
    for name in (*SERVICES, *USERS):
        queries += [f"addprinc -randkey {principal(name)}", f"ktadd -k {keytab(cluster, name)} {principal(name)}"]
    said = _run(cluster, [ADMIN_PROGRAM, "-r", REALM], "".join(f"{query}\n" for query in queries))
    for name in (*SERVICES, *USERS):
        if not keytab(cluster, name).is_file():  # kadmin.local ends with 0 whatever its queries did
            raise DaemonFailed(f"kdc: no keytab was made for {principal(name)}:\n{said}")
    done.touch()


def _run(cluster: Cluster, command: list[str], text: str) -> str:
    program = _program(command[0])
    if program is None:
        raise HostNotReady(f"{command[0]} is missing: apt-get install {PACKAGES}")
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS))
    try:
        done = subprocess.run(
            [program, *command[1:]], input=text, env={"PATH": path, **environment(cluster)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DaemonFailed(f"kdc: {command[0]} did not end well: {error}") from error
    if done.returncode != 0:
        raise DaemonFailed(f"kdc: {command[0]} failed (exit code {done.returncode}):\n{done.stdout.strip()}")
    return done.stdout


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS)))
