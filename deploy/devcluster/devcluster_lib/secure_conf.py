"""The properties of the secure profile, on top of the common ones. Source: Hadoop 3.5.0 ``SecureMode.md``."""

from __future__ import annotations

from collections.abc import Mapping

from devcluster_lib import kerberos
from devcluster_lib.layout import Cluster

Properties = dict[str, str | int | float]

#: The users whom the daemons' principals stand for, each in the group of those who run Hadoop.
DAEMON_USERS = ("hdfs", "yarn", "mapred")


def sites(cluster: Cluster, users: Mapping[str, str]) -> dict[str, Properties]:
    """File (without ``.xml``) to properties.

    Parameters
    ----------
    users
        The test users and their groups.
    """
    return {
        "core-site": _core(cluster, users),
        "hdfs-site": _hdfs(cluster),
        "yarn-site": _yarn(cluster),
        "mapred-site": _login(cluster, "mapreduce.jobhistory", "jhs", "webapp.spnego-keytab-file"),
        # Both lists of a queue are "*" by default: everybody could kill everything.
        "capacity-scheduler": {"yarn.scheduler.capacity.root.acl_administer_queue": "yarn"},
    }


def _core(cluster: Cluster, users: Mapping[str, str]) -> Properties:
    realm = kerberos.REALM
    groups = {**dict.fromkeys(DAEMON_USERS, "hadoop"), **users, cluster.user: cluster.user, "HTTP": "hadoop"}
    web = "hadoop.http.authentication"
    return {
        "hadoop.security.authentication": "kerberos",
        "hadoop.security.authorization": "true",
        "hadoop.rpc.protection": "privacy",
        "hadoop.security.auth_to_local": "\n".join((
            f"RULE:[2:$1/$2@$0]([nd]n/localhost@{realm})s/.*/hdfs/",
            f"RULE:[2:$1/$2@$0]([rn]m/localhost@{realm})s/.*/yarn/",
            f"RULE:[2:$1/$2@$0](jhs/localhost@{realm})s/.*/mapred/",
            "DEFAULT",
        )),
        "hadoop.user.group.static.mapping.overrides": ";".join(
            ("dr.who=", *(f"{user}={group}" for user, group in groups.items()))
        ),
        "hadoop.http.filter.initializers": "org.apache.hadoop.security.AuthenticationFilterInitializer",
        f"{web}.type": "kerberos",
        f"{web}.kerberos.principal": kerberos.principal("HTTP"),
        f"{web}.kerberos.keytab": str(kerberos.keytab(cluster, "HTTP")),
        f"{web}.signature.secret.file": str(kerberos.secret_file(cluster)),
        f"{web}.simple.anonymous.allowed": "false",
    }  # fmt: skip


def _hdfs(cluster: Cluster) -> Properties:
    properties: Properties = {
        "dfs.web.authentication.kerberos.principal": kerberos.principal("HTTP"),
        "dfs.web.authentication.kerberos.keytab": str(kerberos.keytab(cluster, "HTTP")),
        "dfs.block.access.token.enable": "true",
        "dfs.data.transfer.protection": "privacy",
        # A DataNode with SASL wants HTTPS or ports below 1024, which only root and jsvc have.
        "ignore.secure.ports.for.testing": "true",
        "dfs.http.policy": "HTTP_ONLY",
        # By name: a ticket is for HTTP/localhost, and clients ask for one by the host that they read here.
        "dfs.namenode.http-address": f"localhost:{cluster.daemon('namenode').ports['http']}",
    }
    for daemon, name in (("namenode", "nn"), ("datanode", "dn")):
        properties[f"dfs.{daemon}.kerberos.principal"] = kerberos.principal(name)
        properties[f"dfs.{daemon}.keytab.file"] = str(kerberos.keytab(cluster, name))
    return properties


def _yarn(cluster: Cluster) -> Properties:
    return {
        **_login(cluster, "yarn.resourcemanager", "rm", "webapp.spnego-keytab-file"),
        **_login(cluster, "yarn.nodemanager", "nm", "webapp.spnego-keytab-file"),
        "yarn.acl.enable": "true",
        # The JobHistoryServer asks the ResourceManager about applications of others.
        "yarn.admin.acl": "yarn,mapred",
    }


def _login(cluster: Cluster, prefix: str, name: str, spnego_keytab: str) -> Properties:
    """A daemon's own login, and that of its web server."""
    return {
        f"{prefix}.principal": kerberos.principal(name),
        f"{prefix}.keytab": str(kerberos.keytab(cluster, name)),
        f"{prefix}.webapp.spnego-principal": kerberos.principal("HTTP"),
        f"{prefix}.{spnego_keytab}": str(kerberos.keytab(cluster, "HTTP")),
    }
