"""The properties of the tls profile, on top of the secure ones: HTTPS and nothing else on every web server.

Source: Hadoop 3.5.0 ``SecureMode.md``, ``HttpAuthentication.md``, and the descriptions in each ``*-default.xml``.
"""

from __future__ import annotations

from devcluster_lib import certificates
from devcluster_lib.layout import Cluster

Properties = dict[str, str | int | float]


def sites(cluster: Cluster) -> dict[str, Properties]:
    """File (without ``.xml``) to properties. A web server keeps the port that it has without TLS."""
    rm = cluster.daemon("resourcemanager").ports["http"]
    return {
        "hdfs-site": {
            "dfs.http.policy": "HTTPS_ONLY",
            "dfs.namenode.https-address": f"localhost:{cluster.daemon('namenode').ports['http']}",
            "dfs.datanode.https.address": f"localhost:{cluster.daemon('datanode').ports['http']}",
            # With HTTPS the DataNode is content with ports above 1023, as in production.
            "ignore.secure.ports.for.testing": "false",
        },
        # It turns the JobHistoryServer's webapp.address to TLS too.
        "yarn-site": {
            "yarn.http.policy": "HTTPS_ONLY",
            "yarn.resourcemanager.webapp.https.address": f"localhost:{rm}",
            **nodemanager(cluster.daemon("nodemanager").ports["http"]),
        },
    }


def nodemanager(port: int) -> Properties:
    """What each NodeManager has for itself."""
    return {"yarn.nodemanager.webapp.https.address": f"localhost:{port}"}


def ssl_files(cluster: Cluster) -> dict[str, Properties]:
    """The two files of Hadoop's own TLS: the daemons' side, and the clients'."""
    server = "ssl.server"
    return {
        "ssl-server": {
            f"{server}.keystore.location": str(certificates.keystore(cluster, "daemons")),
            f"{server}.keystore.type": "pkcs12",
            f"{server}.truststore.location": str(certificates.truststore(cluster)),
            f"{server}.truststore.type": "jks",
            "hadoop.security.credential.provider.path": certificates.credentials(cluster),
        },
        # No password: JKS certificates are not encrypted, and Java reads them without one.
        "ssl-client": {
            "ssl.client.truststore.location": str(certificates.truststore(cluster)),
            "ssl.client.truststore.type": "jks",
        },
    }
