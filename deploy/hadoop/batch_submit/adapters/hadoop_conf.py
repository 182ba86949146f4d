"""Hadoop's XML configuration, read as Hadoop reads it: who is the ResourceManager, where is the NameNode, what is on.

Sources of the rules: ``org.apache.hadoop.conf.Configuration`` (loading, ``final``, ``${…}``), ``core-default.xml``,
``hdfs-default.xml``, ``yarn-default.xml`` and ``mapred-default.xml`` (default ports), ``HAUtil`` and ``DFSUtil`` (names
with suffixes), ``LogAggregationFileController`` (where logs are aggregated).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from batch_submit.data_classes import dataclass
from batch_submit.errors import ConfigError, HostNotReady

#: In Hadoop's order: a later file wins, unless an earlier one said ``<final>true</final>``.
FILES = ("core-site.xml", "hdfs-site.xml", "yarn-site.xml")
#: YARN's clients do not read it: it only adds what no other file names, for the history server's address.
MAPRED_FILE = "mapred-site.xml"

RM_HTTP_PORT, RM_HTTPS_PORT = 8088, 8090
RM_SCHEDULER_PORT, RM_RPC_PORT = 8030, 8032
NN_HTTP_PORT, NN_HTTPS_PORT = 9870, 9871
WEB_PROXY_PORT = 9099
JHS_HTTP_PORT, JHS_HTTPS_PORT = 19888, 19890

#: RPC ports of a ResourceManager that people write where its web address is meant.
_RM_RPC_PORTS = {8030: "scheduler", 8031: "resource tracker", 8032: "RPC", 8033: "admin"}
_MAX_EXPANSIONS = 20  # Configuration.MAX_SUBST
_MAX_EXPANDED = 1 << 16  # characters; a variable found in itself, which Hadoop leaves alone, grows with each round
_VARIABLE = re.compile(r"\$\{([^}$\s]+)\}")
_INCLUDE = "{http://www.w3.org/2001/XInclude}include"
_MAX_INCLUDES = 5
_UNNAMED_HOSTS = ("", "0.0.0.0", "::")  # nosec B104  # compared with
#: Behind the history server's address in ``yarn.log.server.web-service.url``. A timeline server has another one.
_HISTORY_PATH = "/ws/v1/history"


@dataclass(frozen=True)
class HadoopConf:
    """What the site's XML says; built by :meth:`load`, or in a test straight from ``values``.

    Parameters
    ----------
    included
        The files that XInclude has pulled in.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    conf_dir: Path | None = None
    included: tuple[Path, ...] = ()

    @classmethod
    def load(
        cls, conf_dir: Path, env: Mapping[str, str] | None = None, *, yarn_conf_dir: Path | None = None
    ) -> HadoopConf:
        """Read core-site.xml, hdfs-site.xml, yarn-site.xml and mapred-site.xml; a missing file is an empty one.

        Parameters
        ----------
        conf_dir
            The folder, e.g. ``/etc/hadoop/conf``.
        env
            The variables that ``${env.X}`` may name.
        yarn_conf_dir
            A second folder: what ``conf_dir`` does not hold is read there, as on spark-submit's class path, which has
            ``HADOOP_CONF_DIR`` before ``YARN_CONF_DIR`` (seen on Spark 4.3.0).

        Raises
        ------
        HostNotReady
            A file can't be read or is not XML; names the file and the line.
        """
        values: dict[str, str] = {}
        final: set[str] = set()
        included: list[Path] = []
        for name in (*FILES, MAPRED_FILE):
            elsewhere = yarn_conf_dir is not None and not (conf_dir / name).exists()
            folder = yarn_conf_dir if elsewhere and yarn_conf_dir is not None else conf_dir
            taken = set(values) if name == MAPRED_FILE else final
            for key, value, is_final in _properties(folder / name, included):
                if key not in taken:
                    values[key] = value
                if is_final:
                    final.add(key)
        return cls(values, dict(env or {}), conf_dir, tuple(included))

    def beside(self, name: str) -> HadoopConf:
        """Another file of the same folder, ``ssl-client.xml`` for one; empty when it is not there."""
        if self.conf_dir is None:
            return HadoopConf()
        return HadoopConf({key: value for key, value, _ in _properties(self.conf_dir / name)}, self.env, self.conf_dir)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value with its variables filled in; ``default`` when it is absent or empty.

        An unknown variable stays as it is written, as in Hadoop, and so does a value that grows beyond all measure.
        """
        raw = text = (self.values.get(name) or "").strip()
        if not raw:
            return default
        for _ in range(_MAX_EXPANSIONS):
            if sum(len(self._variable(found)) for found in _VARIABLE.finditer(text)) > _MAX_EXPANDED:
                return raw
            expanded = _VARIABLE.sub(self._variable, text)
            if expanded == text:
                break
            text = expanded
        return text

    def get_bool(self, name: str, default: bool = False) -> bool:
        """A true/false value; anything else counts as ``default``, as in Hadoop."""
        return {"true": True, "false": False}.get((self.get(name) or "").lower(), default)

    def get_list(self, name: str) -> tuple[str, ...]:
        """A comma-separated value without empty items."""
        return tuple(item.strip() for item in (self.get(name) or "").split(",") if item.strip())

    @property
    def default_fs(self) -> str:
        """``fs.defaultFS`` (or the old ``fs.default.name``); Hadoop's own default is ``file:///``."""
        return self.get("fs.defaultFS") or self.get("fs.default.name") or "file:///"

    @property
    def kerberos(self) -> bool:
        """Whether the cluster authenticates by Kerberos."""
        return (self.get("hadoop.security.authentication") or "simple").lower() == "kerberos"

    @property
    def rm_ha(self) -> bool:
        """Whether several ResourceManagers stand in for each other."""
        return self.get_bool("yarn.resourcemanager.ha.enabled") and bool(self._rm_ids())

    @property
    def rm_https(self) -> bool:
        """Whether YARN's web services speak TLS only."""
        return (self.get("yarn.http.policy") or "").upper() == "HTTPS_ONLY"

    @property
    def nn_https(self) -> bool:
        """Whether HDFS's web services speak TLS only."""
        return (self.get("dfs.http.policy") or "").upper() == "HTTPS_ONLY"

    @property
    def names_resourcemanager(self) -> bool:
        """Whether a ResourceManager is named at all (Hadoop's default ``0.0.0.0`` is nobody)."""
        return bool(self.resourcemanager_urls())

    @property
    def cluster_key(self) -> str:
        """A file-name slug for this cluster: its ``cluster-id``, else its first ResourceManager, else ``unnamed``."""
        text = self.get("yarn.resourcemanager.cluster-id") or ""
        urls = self.resourcemanager_urls()
        if not text and urls:
            text = urlsplit(urls[0]).netloc
        return slug(text)

    @property
    def history_server_url(self) -> str:
        """The JobHistoryServer's web address without a path, such as ``http://jhs:19888``; empty when none is named."""
        named = self.get("yarn.log.server.web-service.url") or ""
        if named.rstrip("/").endswith(_HISTORY_PATH):
            return named.rstrip("/").removesuffix(_HISTORY_PATH)
        prefix = "mapreduce.jobhistory"
        rpc = _host(self.get(f"{prefix}.address") or "")
        if (self.get(f"{prefix}.http.policy") or "").upper() == "HTTPS_ONLY":
            return _url(self.get(f"{prefix}.webapp.https.address") or "", True, JHS_HTTPS_PORT, [rpc])
        # YARN's policy turns this very address to TLS (seen on 3.5.0).
        return _url(self.get(f"{prefix}.webapp.address") or "", self.rm_https, JHS_HTTP_PORT, [rpc])

    @property
    def web_proxy_url(self) -> str:
        """The web proxy that serves ``/proxy/<id>``; empty when the ResourceManagers do so themselves."""
        address = self.get("yarn.web-proxy.address") or ""
        return _url(address, self.rm_https, WEB_PROXY_PORT, [])

    @property
    def log_aggregation_enabled(self) -> bool:
        """Whether the NodeManagers bring the logs of ended applications together (Hadoop's own default: no)."""
        return self.get_bool("yarn.log-aggregation-enable")

    def remote_log_dirs(self) -> tuple[tuple[str, str, str], ...]:
        """Where aggregated logs lie: (format name, root folder, suffix), in the order in which they are to be tried.

        The format names are the site's own (``TFile``, ``IFile``, ``IndexedFormat`` …). The last entry is the folder of
        Hadoop 2 and early 3, whose TFile suffix has no format in it.
        """
        nm_root = self.get("yarn.nodemanager.remote-app-log-dir") or "/tmp/logs"  # nosec B108  # in HDFS
        nm_suffix = self.get("yarn.nodemanager.remote-app-log-dir-suffix") or "logs"
        found = []
        for name in self.get_list("yarn.log-aggregation.file-formats") or ("TFile",):
            own = f"yarn.log-aggregation.{name}.remote-app-log-dir"
            suffix = self.get(f"{own}-suffix") or f"{nm_suffix}-{name.lower()}"
            found.append((name, self.get(own) or nm_root, suffix))
        return tuple(dict.fromkeys([*found, ("TFile", nm_root, nm_suffix)]))

    def resourcemanager_urls(self) -> tuple[str, ...]:
        """The web addresses of the ResourceManagers, in the order of ``rm-ids``; empty when none is named."""
        return _unique(self._resourcemanager_url(suffix) for suffix in self._rm_suffixes())

    def resourcemanager_rpcs(self) -> tuple[tuple[str, int], ...]:
        """Host (lower case) and RPC port of the ResourceManagers that are named, in the order of ``rm-ids``."""
        found = []
        for suffix in self._rm_suffixes():
            address = self.get(f"yarn.resourcemanager.address{suffix}") or ""
            named = (address, self.get(f"yarn.resourcemanager.hostname{suffix}") or "")
            # A site may name the web address alone; the rest then stands on Hadoop's defaults.
            web = self._resourcemanager_url(suffix).partition("//")[2]
            host = next((_host(one) for one in (*named, web) if _host(one) not in _UNNAMED_HOSTS), "")
            if host:
                found.append((host, _port(address) or RM_RPC_PORT))
        return tuple(found)

    def _rm_ids(self) -> tuple[str, ...]:
        return self.get_list("yarn.resourcemanager.ha.rm-ids")

    def _rm_suffixes(self) -> list[str]:
        return [f".{rm_id}" for rm_id in self._rm_ids()] if self.rm_ha else [""]

    def webhdfs_urls(self) -> tuple[str, ...]:
        """The NameNodes' web addresses (without ``/webhdfs/v1``); empty when the default filesystem is not HDFS."""
        default = urlsplit(self.default_fs)
        if default.scheme in ("webhdfs", "swebhdfs") and default.netloc:
            return (f"{'https' if default.scheme == 'swebhdfs' else 'http'}://{default.netloc}",)
        service = default.netloc if default.scheme == "hdfs" else ""
        services = self.get_list("dfs.nameservices")
        if not service or service not in services:
            if service or not services:
                return _unique([self._namenode_url("", _host(service))])
            service = services[0]
        return self._nameservice_urls(service)

    def webhdfs_urls_of(self, authority: str) -> tuple[str, ...]:
        """The web addresses of another filesystem (``host``, ``host:port`` or a nameservice); empty when unknown."""
        services = self.get_list("dfs.nameservices")
        if authority in services:
            return self._nameservice_urls(authority)
        host = _host(authority)
        if host and host == _host(urlsplit(self.default_fs).netloc) and host not in services:
            return self.webhdfs_urls()
        prefix = "dfs.namenode.rpc-address"
        suffixes = [key.removeprefix(prefix) for key in self.values if key.startswith(prefix)]
        return _unique(
            self._namenode_url(suffix, "") for suffix in suffixes if _host(self.get(prefix + suffix) or "") == host
        )

    def _nameservice_urls(self, service: str) -> tuple[str, ...]:
        nodes = self.get_list(f"dfs.ha.namenodes.{service}")
        suffixes = [f".{service}.{node}" for node in nodes] or [f".{service}"]
        return _unique(self._namenode_url(suffix, "") for suffix in suffixes)

    def _resourcemanager_url(self, suffix: str) -> str:
        https = self.rm_https
        key = f"yarn.resourcemanager.webapp.{'https.' if https else ''}address{suffix}"
        port = RM_HTTPS_PORT if https else RM_HTTP_PORT
        # Where only the RPC address is named, the web service stands on the same host.
        hosts = [_host(self.get(f"yarn.resourcemanager.{name}{suffix}") or "") for name in ("hostname", "address")]
        return _url(self.get(key) or "", https, port, hosts)

    def _namenode_url(self, suffix: str, host: str) -> str:
        https = self.nn_https
        key = f"dfs.namenode.http{'s' if https else ''}-address{suffix}"
        rpc = _host(self.get(f"dfs.namenode.rpc-address{suffix}") or "")
        return _url(self.get(key) or "", https, NN_HTTPS_PORT if https else NN_HTTP_PORT, [host, rpc])

    def _variable(self, match: re.Match[str]) -> str:
        name = match.group(1)
        if not name.startswith("env."):
            return self.values.get(name, match.group(0))
        # ${env.X}, ${env.X:-default when empty or absent}, ${env.X-default when absent}
        parts = re.match(r"env\.([^:-]+)(:?-)?(.*)", name)
        if parts is None:
            return match.group(0)
        variable, operator, default = parts.groups()
        value = self.env.get(variable)
        if value is None or (operator == ":-" and not value):
            return default if operator else match.group(0)
        return value


def webapp_url_from(text: str) -> tuple[str, str | None]:
    """Understand what a user writes as a ResourceManager's web address.

    Parameters
    ----------
    text
        ``http://rm:8088``, ``rm:8088``, ``rm``, a gateway's ``https://knox:8443/gateway/x/resourcemanager``, a page
        such as ``http://rm:8088/cluster/apps``, or by mistake an RPC address (``rm:8032``).

    Returns
    -------
    tuple of str and (str or None)
        The base URL without a slash at its end, and a notice when something was changed that the user should know.

    Raises
    ------
    ConfigError
        The text is no address.
    """
    given = text.strip()
    try:
        parts = urlsplit(given if "://" in given else f"http://{given}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _bad_address(given, str(error)) from error
    if parts.scheme not in ("http", "https"):
        raise _bad_address(given, f"the scheme {parts.scheme!r} is not http or https")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-f:.]+", host) or host in _UNNAMED_HOSTS:
        raise _bad_address(given, "it names no host")
    if parts.username or parts.query or parts.fragment:
        raise _bad_address(given, "user, query and fragment have no place in it")
    path = re.sub(r"/(cluster|ws/v1/cluster|ws/v1|ws)(/.*)?$", "", parts.path).rstrip("/")
    notice = None
    if path != parts.path.rstrip("/"):
        notice = f"{given} is a page of the ResourceManager"
    if port in _RM_RPC_PORTS and not path:
        notice = f"{given}: {port} is the ResourceManager's {_RM_RPC_PORTS[port]} port, not its web port"
        port = None
    if port is None and not path:
        port = RM_HTTPS_PORT if parts.scheme == "https" else RM_HTTP_PORT
    url = f"{parts.scheme}://{bracketed(host)}" + (f":{port}" if port else "") + path
    return url, f"{notice}; using {url}" if notice else None


def _bad_address(given: str, why: str) -> ConfigError:
    return ConfigError(
        f"{given!r} is not the web address of a ResourceManager: {why}", next_step="write http://host:8088"
    )


def _url(address: str, https: bool, port: int, hosts: list[str]) -> str:
    """``address``, with the first named of ``hosts`` in place of an unnamed one; empty when there is none."""
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname or "", parts.port or port
    except ValueError:
        return ""
    candidates = [name for name in (host, *hosts) if name not in _UNNAMED_HOSTS]
    return f"{'https' if https else 'http'}://{bracketed(candidates[0])}:{port}" if candidates else ""


def _host(address: str) -> str:
    try:
        return urlsplit(f"//{address}").hostname or ""
    except ValueError:
        return ""


def _port(address: str) -> int | None:
    try:
        return urlsplit(f"//{address}").port
    except ValueError:
        return None


def slug(text: str) -> str:
    """A text as a part of file names; ``unnamed`` when nothing is left of it."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.") or "unnamed"


def bracketed(host: str) -> str:
    """A host as it stands before ``:port``."""
    return f"[{host}]" if ":" in host else host


def _unique(urls: Iterator[str] | list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(url for url in urls if url))


def _properties(path: Path, included: list[Path] | None = None, depth: int = 0) -> Iterator[tuple[str, str, bool]]:
    """Name, value and finality of every property of a file, following XInclude, which sites use for shared parts.

    What it pulls in is added to `included`.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())  # nosec B314  # this host's own file, and see test_fuzz
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostNotReady(f"can't be read: {error.strerror}", where=str(path)) from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        line = error.position[0] if isinstance(error, ElementTree.ParseError) else 1
        raise HostNotReady(f"this is not XML: {error}", where=f"{path}:{line}", next_step="repair the file") from error
    for element in root:
        if element.tag == _INCLUDE and depth < _MAX_INCLUDES:
            part = path.parent / element.get("href", "")
            if included is not None:
                included.append(part)
            yield from _properties(part, included, depth + 1)
        elif element.tag == "property":
            name = (element.findtext("name") or element.get("name") or "").strip()
            value = element.findtext("value") if element.find("value") is not None else element.get("value")
            is_final = (element.findtext("final") or element.get("final") or "").strip() == "true"
            if name and value is not None:
                yield name, value, is_final
