"""HDFS delegation tokens over WebHDFS: with Kerberos a container can read and write HDFS by nothing else.

Sources: ``HadoopFSDelegationTokenProvider`` of Spark 4.3.0 (what its client asks for), ``SecurityUtil`` of Hadoop 3.5.0
(how an RPC client finds its token), WebHDFS.md (``GETDELEGATIONTOKEN`` with ``kind`` and ``service``).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from batch_submit.adapters.hadoop_conf import HadoopConf, _properties
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.rm_replies import as_mapping
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, HostNotReady
from batch_submit.plan.rest.delegation import HDFS_KIND, Service, renewer_of, service_of


def names_metastore(folders: Iterable[str]) -> bool:
    """Whether a ``hive-site.xml`` in one of these folders names a metastore.

    Raises
    ------
    HostNotReady
        One can't be read or is not XML.
    """
    sites = (Path(folder, "hive-site.xml") for folder in folders if folder)
    return any(
        name == "hive.metastore.uris" and value.strip() for site in sites for name, value, _ in _properties(site)
    )


class DelegationTokens:
    """Fetches the token of one file system for one application, and takes it back.

    Parameters
    ----------
    webhdfs
        Of that file system, with a session that has a ticket: a token can't be asked for by a token.
    default_fs
        The file system as containers name it, such as ``hdfs://host:port``.
    """

    def __init__(self, webhdfs: WebHdfs, resource_manager: ResourceManager, conf: HadoopConf, default_fs: str) -> None:
        self._webhdfs = webhdfs
        self._resource_manager = resource_manager
        self._conf = conf
        self._default_fs = default_fs
        self._given: dict[str, str] = {}

    def fetch(self) -> Mapping[str, str]:
        """Return the token under its service, for the ``credentials`` of a submission; asked for once.

        It is a secret: whoever has it is the user in HDFS until it is cancelled or expires.

        Raises
        ------
        ClusterRefused, HostNotReady
            The NameNode's refusal, such as without a ticket.
        ClusterUnreachable
            Its answer holds no token.
        """
        if self._given:
            return dict(self._given)
        service = self._service()
        reply = self._webhdfs.ask(
            "GET", "/", "GETDELEGATIONTOKEN", renewer=self._renewer(), kind=HDFS_KIND, service=service
        )
        text = as_mapping(reply.get("Token")).get("urlString")
        if not isinstance(text, str) or not text:
            raise ClusterUnreachable("the NameNode's answer holds no delegation token", where=self._default_fs)
        self._given[service] = text
        return {service: text}

    def cancel(self) -> list[str]:
        """Take back what was given out, since no application will use it; what could not be, in words."""
        problems = []
        while self._given:
            try:
                self._webhdfs.ask("PUT", "/", "CANCELDELEGATIONTOKEN", token=self._given.popitem()[1])
            except BatchSubmitError as error:
                problems.append(error.message)
        return problems

    def _renewer(self) -> str:
        """Who renews it: the ResourceManager, or its submission fails."""
        managers = self._conf.resourcemanager_rpcs()
        named = renewer_of(self._conf.get("yarn.resourcemanager.principal") or "", managers[0][0] if managers else "")
        if named:
            return named
        told = self._resource_manager.get("/ws/v1/cluster/userinfo")
        login = (as_mapping(told.get("clusterUserInfo")) or told).get("rmLoginUser")
        if not isinstance(login, str) or not login:
            raise HostNotReady(
                "it is not known who renews delegation tokens",
                next_step="name the ResourceManager in yarn.resourcemanager.principal of yarn-site.xml",
            )
        return login

    def _service(self) -> str:
        found = service_of(
            self._default_fs,
            self._conf.get_list("dfs.nameservices"),
            by_ip=self._conf.get_bool("hadoop.security.token.service.use_ip", default=True),
        )
        return found.name or f"{_address(found)}:{found.port}"


def _address(service: Service) -> str:
    """The address that Java finds for a host: IPv4 before IPv6, unless it is told otherwise."""
    try:
        found = socket.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ClusterUnreachable("the NameNode's host name can't be resolved", where=service.host) from error
    return str(min(found, key=lambda one: one[0] != socket.AF_INET)[4][0])
