"""Where the servers are: the XML first, then ``environment_config``. What differs goes to Spark whole, never half."""

from __future__ import annotations

import re
from dataclasses import field
from urllib.parse import urlsplit

from batch_submit.adapters.hadoop_conf import (
    NN_HTTP_PORT,
    NN_HTTPS_PORT,
    RM_HTTP_PORT,
    RM_HTTPS_PORT,
    RM_RPC_PORT,
    RM_SCHEDULER_PORT,
    HadoopConf,
    bracketed,
    slug,
    webapp_url_from,
)
from batch_submit.data_classes import dataclass
from batch_submit.errors import ConfigError
from batch_submit.plan.merged import Config
from batch_submit.plan.sourced import Sourced

RPC_KEY = "environment_config.resourcemanager_url"
WEB_KEY = "environment_config.resourcemanager_webapp_url"
NAMENODE_KEY = "environment_config.namenode_url"
_RM = "spark.hadoop.yarn.resourcemanager."
_RPC_PORTS = range(8030, 8034)  # scheduler, resource tracker, client, admin
_WEB_PORTS = (RM_HTTP_PORT, RM_HTTPS_PORT)
_NN_RPC_PORT = 8020


@dataclass
class Addresses:
    """Where the servers are, after ``environment_config``."""

    resource_managers: tuple[str, ...]
    name_nodes: tuple[str, ...]
    default_fs: str
    cluster_key: str
    #: Properties that spark-submit must be told because ``environment_config`` overrides the XML.
    overrides: dict[str, Sourced] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @property
    def told(self) -> dict[str, str]:
        """`overrides` without where they come from."""
        return {key: str(one.value) for key, one in self.overrides.items()}


@dataclass(frozen=True)
class _Rpc:
    """``resourcemanager_url``, understood; ``web`` when it was written as a web address."""

    host: str
    port: int | None
    web: str = ""


def override_addresses(config: Config, conf: HadoopConf) -> Addresses:
    """The addresses of a configuration. Opens no connection.

    Raises
    ------
    ConfigError
        An address would send Spark and us to different clusters, or can't be understood; names key, file and line.
    """
    named = Addresses(conf.resourcemanager_urls(), conf.webhdfs_urls(), conf.default_fs, conf.cluster_key)
    web = _given(config, WEB_KEY)
    rpc = _given(config, RPC_KEY)
    urls = _web_urls(web, named) if web is not None else ()
    target = _rpc_target(rpc) if rpc is not None else None
    if rpc is not None and target is None:  # a gateway, written into the other key
        urls, web = (urls, web) if web is not None else (_web_urls(rpc, named), rpc)
    if rpc is not None and target is not None:
        _by_rpc(rpc, target, urls, conf, named)
    elif web is not None:
        _by_web(web, urls, conf, named)
    name_node = _given(config, NAMENODE_KEY)
    if name_node is not None:
        _by_name_node(name_node, conf, named)
    return named


def _given(config: Config, key: str) -> Sourced | None:
    found = config.get(key)
    return found if found is not None and found.value else None


def _web_urls(given: Sourced, named: Addresses) -> tuple[str, ...]:
    values = given.value if isinstance(given.value, (list, tuple)) else (given.value,)
    urls = []
    for value in values:
        url, notice = _webapp_url(given, str(value))
        urls.append(url)
        if notice:
            named.notices.append(f"{given.origin}: {notice}")
    return tuple(dict.fromkeys(urls))


def _webapp_url(given: Sourced, text: str) -> tuple[str, str | None]:
    try:
        return webapp_url_from(text)
    except ConfigError as error:
        raise ConfigError(error.message, where=_where(given, WEB_KEY), next_step=error.next_step) from error


def _rpc_target(given: Sourced) -> _Rpc | None:
    """Host and port of ``resourcemanager_url``; ``None`` for a gateway's address, which has a path."""
    text = str(given.value).strip()
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _no_address(given, str(error)) from error
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host):
        raise _no_address(given, "it names no host")
    is_http = parts.scheme in ("http", "https")
    if is_http and parts.path.rstrip("/"):
        url, _ = _webapp_url(given, text)
        if urlsplit(url).path:
            return None
    written_as_web = port in _WEB_PORTS or (is_http and port is not None and port not in _RPC_PORTS)
    if not written_as_web:
        return _Rpc(host, port)
    scheme = parts.scheme if is_http else "https" if port == RM_HTTPS_PORT else "http"
    return _Rpc(host, None, f"{scheme}://{bracketed(host)}:{port}")


def _no_address(given: Sourced, why: str) -> ConfigError:
    return ConfigError(
        f"{given.value!r} is not the address of a ResourceManager: {why}",
        where=_where(given, RPC_KEY),
        next_step=f"write host:{RM_RPC_PORT}",
    )


def _where(given: Sourced, key: str) -> str:
    return f"{given.origin}: {given.key or key}"


def _by_rpc(given: Sourced, target: _Rpc, urls: tuple[str, ...], conf: HadoopConf, named: Addresses) -> None:
    """``resourcemanager_url`` says where Spark submits; we look at the same ResourceManager."""
    known = dict(reversed(conf.resourcemanager_rpcs()))  # of two on one host the first counts
    port = target.port or known.get(target.host, RM_RPC_PORT)
    rpc = f"{bracketed(target.host)}:{port}"
    if target.web:
        named.notices.append(f"{given.origin}: {given.value} is a web address; the RPC address is taken to be {rpc}")
    same = (target.host, port) in conf.resourcemanager_rpcs()
    own = tuple(url for url in named.resource_managers if _host(url) == target.host)
    looked_at = urls or ((target.web,) if target.web else own)
    if not looked_at:
        web_port, scheme = (RM_HTTPS_PORT, "https") if conf.rm_https else (RM_HTTP_PORT, "http")
        looked_at = (f"{scheme}://{bracketed(target.host)}:{web_port}",)
        named.notices.append(f"{given.origin}: its web address is taken to be {looked_at[0]}; else set {WEB_KEY}")
    if same:
        _order(given, looked_at, conf, named)
        return
    if named.resource_managers:
        before = ", ".join(f"{bracketed(host)}:{number}" for host, number in conf.resourcemanager_rpcs())
        named.notices.append(f"{given.origin}: ResourceManager {rpc} overrides the XML's {before}")
    _whole(given, target.host, port, looked_at, conf, named)


def _whole(
    given: Sourced, host: str, port: int, looked_at: tuple[str, ...], conf: HadoopConf, named: Addresses
) -> None:
    """Everything that Spark's client and its application master ask a ResourceManager by."""
    named.resource_managers = looked_at
    named.cluster_key = slug(urlsplit(looked_at[0]).netloc)
    properties = {"hostname": host, "address": f"{bracketed(host)}:{port}"}
    scheduler = conf.values.get("yarn.resourcemanager.scheduler.address", "")
    if scheduler:  # named by itself it would not follow the host name, and the application master asks there
        properties["scheduler.address"] = f"{bracketed(host)}:{_port(scheduler) or RM_SCHEDULER_PORT}"
    if conf.rm_ha:
        properties["ha.enabled"] = "false"
    properties |= _webapp_property(looked_at)
    named.overrides |= _sourced(given, properties)


def _webapp_property(urls: tuple[str, ...]) -> dict[str, str]:
    parts = urlsplit(urls[0])
    if len(urls) != 1 or parts.path:
        return {}
    return {f"webapp.{'https.' if parts.scheme == 'https' else ''}address": parts.netloc}


def _sourced(given: Sourced, properties: dict[str, str]) -> dict[str, Sourced]:
    origin = f"{given.origin}, which overrides the XML"
    return {f"{_RM}{name}": Sourced(value, origin) for name, value in properties.items()}


def _by_web(given: Sourced, urls: tuple[str, ...], conf: HadoopConf, named: Addresses) -> None:
    """Only the web address is named: right for a gateway and for the XML's own ResourceManagers."""
    if any(urlsplit(url).path for url in urls):
        named.notices.append(f"{given.origin}: ResourceManager asked through {', '.join(urls)}")
        if not named.resource_managers:
            named.cluster_key = slug("".join(urlsplit(urls[0])[1:3]))
        named.resource_managers = urls
        return
    known = {host for host, _ in conf.resourcemanager_rpcs()} | {_host(url) for url in named.resource_managers}
    strange = [url for url in urls if _host(url) not in known]
    if not strange:
        _order(given, urls, conf, named)
    elif known:
        raise ConfigError(
            f"{', '.join(strange)} is not of the XML's ResourceManager ({', '.join(sorted(known))}): Spark would"
            " submit there while we look here",
            where=_where(given, WEB_KEY),
            next_step=f"name {RPC_KEY} too: {_host(strange[0])}:{RM_RPC_PORT}",
        )
    elif len(urls) == 1:
        host = _host(urls[0])
        named.notices.append(
            f"{given.origin}: the XML names no ResourceManager; its RPC address is taken to be {host}:{RM_RPC_PORT}"
        )
        _whole(given, host, RM_RPC_PORT, urls, conf, named)
    else:
        named.resource_managers, named.cluster_key = urls, slug(urlsplit(urls[0]).netloc)


def _order(given: Sourced, urls: tuple[str, ...], conf: HadoopConf, named: Addresses) -> None:
    """The XML's own ResourceManagers, maybe at other web addresses: we ask these first, Spark submits as before."""
    if set(urls) <= set(named.resource_managers):
        named.resource_managers = tuple(dict.fromkeys((*urls, *named.resource_managers)))
        return
    if named.resource_managers:
        named.notices.append(
            f"{given.origin}: ResourceManager {', '.join(urls)} overrides the XML's"
            f" {', '.join(named.resource_managers)}"
        )
    hosts = {_host(url) for url in urls}
    others = [url for url in named.resource_managers if _host(url) not in hosts] if conf.rm_ha else []
    named.resource_managers = (*urls, *others)
    if not conf.rm_ha:
        named.overrides |= _sourced(given, _webapp_property(urls))


def _by_name_node(given: Sourced, conf: HadoopConf, named: Addresses) -> None:
    value = str(given.value).rstrip("/")
    if value.startswith(("http://", "https://")):
        named.name_nodes = (value,)  # our own calls only
        return
    parts = urlsplit(value)
    if parts.scheme != "hdfs" or not parts.hostname or parts.path:
        raise ConfigError(
            f"{value} can't be the default filesystem: only hdfs:// and WebHDFS's own http(s):// are understood",
            where=_where(given, NAMENODE_KEY),
            next_step="write hdfs://host:8020 or hdfs://<nameservice>, or name the filesystem in core-site.xml",
        )
    if _name_node(value) == _name_node(conf.default_fs):
        return
    urls = conf.webhdfs_urls_of(parts.netloc)
    if not urls and parts.port is None:
        raise ConfigError(
            f"{value}: the Hadoop XML files know no nameservice or NameNode of this name, and no port is named",
            where=_where(given, NAMENODE_KEY),
            next_step="write hdfs://host:8020, or add the nameservice to hdfs-site.xml",
        )
    if not urls:
        scheme, port = ("https", NN_HTTPS_PORT) if conf.nn_https else ("http", NN_HTTP_PORT)
        urls = (f"{scheme}://{bracketed(parts.hostname)}:{port}",)
        named.notices.append(f"{given.origin}: the NameNode's web address is taken to be {urls[0]}")
    named.notices.append(f"{given.origin}: default filesystem {value} overrides the XML's {conf.default_fs}")
    named.default_fs, named.name_nodes = value, urls
    named.overrides["spark.hadoop.fs.defaultFS"] = Sourced(value, f"{given.origin}, which overrides the XML")


def _name_node(uri: str) -> tuple[str, str, int]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname or "", _port(parts.netloc) or _NN_RPC_PORT


def _port(address: str) -> int | None:
    try:
        return urlsplit(f"//{address}").port
    except ValueError:
        return None


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
