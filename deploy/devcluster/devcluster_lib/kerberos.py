"""The secure profile's Kerberos: a realm of its own, its MIT KDC on a port of the loopback address, the keytabs."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from devcluster_lib import spnego
from devcluster_lib.errors import HostNotReady
from devcluster_lib.layout import Cluster
from devcluster_lib.realm import ADMIN_PROGRAM, DATABASE_PROGRAM, KDC_PROGRAM, PACKAGES, Realm, program

#: ``.test`` is nobody's (RFC 6761).
REALM = "DEVCLUSTER.TEST"
SERVICES = ("nn", "dn", "rm", "nm", "jhs", "HTTP")
USERS = ("alice", "bob")


def realm(cluster: Cluster) -> Realm:
    """The realm; it may not have been made yet."""
    return Realm(cluster.kerberos_dir, REALM, cluster.daemon("kdc").ports["kdc"])


def krb5_conf(cluster: Cluster) -> Path:
    """What clients and daemons read."""
    return realm(cluster).krb5_conf


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
    return realm(cluster).environment


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
    missing = [name for name in (KDC_PROGRAM, DATABASE_PROGRAM, ADMIN_PROGRAM) if program(name) is None]
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
    secret_file(cluster).touch(mode=0o600)
    secret_file(cluster).write_text(secrets.token_hex(32), encoding="ascii")
    own = realm(cluster)
    own.create()
    own.add({principal(name): keytab(cluster, name) for name in (*SERVICES, *USERS)})
    done.touch()
