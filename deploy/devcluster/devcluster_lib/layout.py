"""What a cluster consists of: its folders, its daemons and their ports. Pure values, nothing is touched here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
POM = Path(__file__).resolve().parents[1] / "pom.xml"
#: Classes of ours for the daemons' JVMs.
JAVA_SOURCES = Path(__file__).resolve().parents[1] / "java"
DEFAULT_DIR = REPO / ".devcluster"

#: Hadoop's own default ports where it has them. All residues modulo 100 differ, but for the two web ports ending in 88,
#: which lie 11800 apart; so two clusters whose offsets are multiples of 100 below that never share a port. For this
#: reason the history server's admin port is 10034: its default 10033 is the ResourceManager's 8033 + 2000.
BASE_PORTS: dict[str, dict[str, int]] = {
    "kdc": {"kdc": 8890},
    "namenode": {"rpc": 9000, "http": 9870},
    "datanode": {"http": 9864, "data": 9866, "ipc": 9867},
    "resourcemanager": {"scheduler": 8030, "tracker": 8031, "client": 8032, "admin": 8033, "http": 8088},
    "nodemanager": {"localizer": 8040, "container": 8041, "http": 8042},
    "jobhistoryserver": {"rpc": 10020, "admin": 10034, "http": 19888},
}
#: What a folder's cluster may be: everybody is believed, or Kerberos for everything, or with Kerberos also HTTPS.
SIMPLE, SECURE, TLS = "simple", "secure", "tls"
PROFILES = (SIMPLE, SECURE, TLS)
PORT_OFFSET_STEP = 100
#: 19888 + 11700 stays below 32768, where Linux begins to hand out ports to outgoing connections.
MAX_PORT_OFFSET = 11700
#: With high availability; the second one's ports end in 35 to 38 and 93.
RESOURCEMANAGERS = 2
#: The eighth NodeManager's ports end in 61, 62 and 63; the DataNode's begin at 64.
MAX_NODEMANAGERS = 8

_YARN = "org.apache.hadoop.yarn.server"
MAIN_CLASSES = {
    "namenode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "datanode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "resourcemanager": f"{_YARN}.resourcemanager.ResourceManager",
    "nodemanager": f"{_YARN}.nodemanager.NodeManager",
    "jobhistoryserver": "org.apache.hadoop.mapreduce.v2.hs.JobHistoryServer",
}
#: Files of the conf folder whose properties a caller may set, without ``.xml``.
SITES = ("core-site", "hdfs-site", "yarn-site", "mapred-site", "capacity-scheduler")
HEAP_MIB = {"namenode": 256, "datanode": 256, "resourcemanager": 512, "nodemanager": 384, "jobhistoryserver": 256}


@dataclass(frozen=True)
class Daemon:
    """One process of the cluster: a JVM, or with Kerberos also the key distribution centre (KDC).

    Parameters
    ----------
    name
        What the user types: a kind, or ``nodemanager-2``, ``resourcemanager-2`` and so on.
    kind
        Key of `BASE_PORTS`.
    index
        1 but for the second and further ones of a kind.
    ports
        Role to TCP port, the offset included.
    ca_file
        The CA (PEM) of its web server's certificate; empty: plain HTTP.
    """

    name: str
    kind: str
    index: int
    ports: dict[str, int]
    ca_file: str = ""

    @property
    def url(self) -> str:
        """Address of the daemon's web server; of the KDC, which has none, the place where it listens."""
        if "http" not in self.ports:
            return f"localhost:{self.ports['kdc']}"
        return f"{'https' if self.ca_file else 'http'}://localhost:{self.ports['http']}"

    @property
    def rm_id(self) -> str:
        """Name of a ResourceManager in ``yarn.resourcemanager.ha.rm-ids``."""
        return f"rm{self.index}"


@dataclass(frozen=True)
class Cluster:
    """One cluster: its work folder and what was asked for.

    Parameters
    ----------
    dir
        Absolute work folder; everything that the cluster writes is below it.
    port_offset
        Added to every port of `BASE_PORTS`.
    nodemanagers
        How many NodeManagers, 1 to `MAX_NODEMANAGERS`.
    user
        OS user that runs the daemons: the superuser of HDFS.
    java_home
        The Java of daemons and containers.
    settings
        Properties that the caller wants otherwise: one of `SITES` to property to value.
    ha
        Two ResourceManagers, of which one is active.
    profile
        One of `PROFILES`.
    """

    dir: Path
    port_offset: int
    nodemanagers: int
    user: str
    java_home: str
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    ha: bool = False
    profile: str = SIMPLE

    @property
    def secure(self) -> bool:
        """Whether everybody has to prove by Kerberos who he is."""
        return self.profile in (SECURE, TLS)

    @property
    def tls(self) -> bool:
        """Whether every web server speaks HTTPS, and nothing else."""
        return self.profile == TLS

    @property
    def superuser(self) -> str:
        """Who may do anything in HDFS: whoever runs the NameNode, or whom its principal stands for."""
        return "hdfs" if self.secure else self.user

    @property
    def kerberos_dir(self) -> Path:
        """The KDC's database, ``krb5.conf`` and the keytabs; of the secure profile only."""
        return self.dir / "kerberos"

    @property
    def tls_dir(self) -> Path:
        """The CA, the daemons' certificate and the stores; of the tls profile only."""
        return self.dir / "tls"

    @property
    def conf_dir(self) -> Path:
        """First on every daemon's class path, and the clients' ``HADOOP_CONF_DIR``."""
        return self.dir / "conf"

    @property
    def spark_conf_dir(self) -> Path:
        """The clients' ``SPARK_CONF_DIR``."""
        return self.dir / "spark-conf"

    @property
    def hdfs_dir(self) -> Path:
        """Name and data folders of HDFS."""
        return self.dir / "hdfs"

    @property
    def rm_store_dir(self) -> Path:
        """State store of the ResourceManager: local, so that it need not wait for the NameNode."""
        return self.dir / "rmstore"

    @property
    def logs_dir(self) -> Path:
        """One log per daemon."""
        return self.dir / "logs"

    @property
    def run_dir(self) -> Path:
        """Process records; also the daemons' working directory."""
        return self.dir / "run"

    @property
    def tmp_dir(self) -> Path:
        """``hadoop.tmp.dir`` and ``java.io.tmpdir``."""
        return self.dir / "tmp"

    def log_file(self, name: str) -> Path:
        """Log of the daemon `name`: its log4j output and whatever its JVM prints."""
        return self.logs_dir / f"{name}.log"

    def overlay_conf_dir(self, daemon: Daemon) -> Path | None:
        """Folder with a ``yarn-site.xml`` of its own, before the common folder on the class path; else None.

        Further NodeManagers have one; with high availability each ResourceManager, for the id that it has there.
        """
        own = daemon.index > 1 if daemon.kind == "nodemanager" else self.ha and daemon.kind == "resourcemanager"
        return self.dir / f"conf-{daemon.name}" if own else None

    def nodemanager_dir(self, daemon: Daemon) -> Path:
        """Local, log and recovery folders of one NodeManager."""
        return self.dir / daemon.name

    def daemons(self) -> list[Daemon]:
        """All daemons, in the order in which a person would list them."""
        numbers = {
            "kdc": int(self.secure),
            "nodemanager": self.nodemanagers,
            "resourcemanager": RESOURCEMANAGERS if self.ha else 1,
        }
        return [
            make_daemon(kind, index, self.port_offset, str(self.tls_dir / "ca.pem") if self.tls else "")
            for kind in BASE_PORTS
            for index in range(1, numbers.get(kind, 1) + 1)
        ]

    def resourcemanagers(self) -> list[Daemon]:
        """The one ResourceManager, or with high availability all of them."""
        return [daemon for daemon in self.daemons() if daemon.kind == "resourcemanager"]

    def daemon(self, name: str) -> Daemon:
        """The daemon called `name`.

        Raises
        ------
        KeyError
            When this cluster has none of that name.
        """
        return {daemon.name: daemon for daemon in self.daemons()}[name]


def make_daemon(kind: str, index: int, port_offset: int, ca_file: str = "") -> Daemon:
    """The daemon of this kind; the ports of number `index` follow those of the one before."""
    shift = port_offset + len(BASE_PORTS[kind]) * (index - 1)
    ports = {role: port + shift for role, port in BASE_PORTS[kind].items()}
    return Daemon(kind if index == 1 else f"{kind}-{index}", kind, index, ports, ca_file)
