"""Hadoop's configuration files, from values.

Sources: each ``*-default.xml`` of Hadoop 3.5.0 for names and defaults, `CapacityScheduler.md` for the queues. A comment
stands where a value differs from the default for a reason that its name does not tell.
"""

from __future__ import annotations

import platform
from xml.sax.saxutils import escape

from devcluster_lib import secure_conf, tls_conf
from devcluster_lib.layout import Cluster, Daemon
from devcluster_lib.state import write_whole

Properties = dict[str, str | int | float]

#: Besides the starting user: two for permission and queue tests, with a group each.
TEST_USERS = {"alice": "etl", "bob": "ml"}
#: Capacity in percent of each queue that accepts applications.
QUEUES = {"default": 30, "ml-queue": 40, "etl": 30}
STOPPED_QUEUE = "frozen"
NODE_MEMORY_MIB, NODE_VCORES = 16384, 16

#: Hadoop's main jar lacks these folders and every daemon asks the class path for its own (HttpServer2.getWebAppsPath).
WEBAPPS = ("hdfs", "datanode", "secondary", "journal", "static")

LOG4J = """\
# Everything goes to stdout, which `devcluster` keeps as one file per daemon.
log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.out
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
log4j.logger.org.apache.hadoop.hdfs.StateChange=WARN
log4j.logger.BlockStateChange=WARN
"""


def write_conf(cluster: Cluster) -> None:
    """Write the conf folder, and an overlay folder for each daemon that differs from its brothers."""
    first = cluster.daemon("nodemanager")
    sites: dict[str, Properties] = {
        "core-site": core_site(cluster),
        "hdfs-site": hdfs_site(cluster),
        "yarn-site": yarn_site(cluster, first),
        "mapred-site": mapred_site(cluster),
        "capacity-scheduler": capacity_scheduler(),
    }
    secure = secure_conf.sites(cluster, TEST_USERS) if cluster.secure else {}
    tls = tls_conf.sites(cluster) if cluster.tls else {}
    sites = {
        name: {**properties, **secure.get(name, {}), **tls.get(name, {}), **cluster.settings.get(name, {})}
        for name, properties in sites.items()
    }
    for name, properties in sites.items():
        write_whole(cluster.conf_dir / f"{name}.xml", to_xml(properties))
    for name, properties in (tls_conf.ssl_files(cluster) if cluster.tls else {}).items():
        write_whole(cluster.conf_dir / f"{name}.xml", to_xml(properties))
    write_whole(cluster.conf_dir / "log4j.properties", LOG4J)
    for name in WEBAPPS:
        (cluster.conf_dir / "webapps" / name).mkdir(parents=True, exist_ok=True)
    for daemon in cluster.daemons():
        overlay = cluster.overlay_conf_dir(daemon)
        if overlay is not None:
            # What tells them apart stays: all of them would want the one address that was set.
            own = _only_for(cluster, daemon)
            write_whole(overlay / "yarn-site.xml", to_xml({**sites["yarn-site"], **own}))


def to_xml(properties: Properties) -> str:
    """Hadoop's XML for `properties`, sorted by name."""
    rows = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in sorted(properties.items())
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<configuration>\n{rows}</configuration>\n'


def core_site(cluster: Cluster) -> Properties:
    """Default file system, users and retries."""
    groups = ";".join(f"{user}={group}" for user, group in TEST_USERS.items() if user != cluster.user)
    return {
        "fs.defaultFS": f"hdfs://localhost:{cluster.daemon('namenode').ports['rpc']}",
        "hadoop.tmp.dir": str(cluster.tmp_dir),
        f"hadoop.proxyuser.{cluster.user}.hosts": "*",
        f"hadoop.proxyuser.{cluster.user}.groups": "*",
        # The test users do not exist on the host: without this every look-up runs `id` and logs a stack trace.
        "hadoop.user.group.static.mapping.overrides": f"dr.who=;{groups}",
        "ipc.client.connect.max.retries": 3,
        "ipc.client.connect.retry.interval": 200,
    }


def hdfs_site(cluster: Cluster) -> Properties:
    """One DataNode, all servers on the loopback address."""
    namenode, datanode = cluster.daemon("namenode").ports, cluster.daemon("datanode").ports
    return {
        "dfs.replication": 1,
        "dfs.namenode.name.dir": (cluster.hdfs_dir / "name").as_uri(),
        "dfs.datanode.data.dir": (cluster.hdfs_dir / "data").as_uri(),
        "dfs.namenode.rpc-bind-host": "127.0.0.1",
        "dfs.namenode.http-address": f"127.0.0.1:{namenode['http']}",
        "dfs.datanode.address": f"127.0.0.1:{datanode['data']}",
        "dfs.datanode.http.address": f"127.0.0.1:{datanode['http']}",
        "dfs.datanode.ipc.address": f"127.0.0.1:{datanode['ipc']}",
        # The name that the NameNode puts into the Location headers of WebHDFS.
        "dfs.datanode.hostname": "localhost",
        "dfs.client.use.datanode.hostname": "true",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.namenode.safemode.extension": 0,
        "dfs.heartbeat.interval": 1,
        # A killed DataNode counts as dead after 2 x this + 10 heartbeats: 20 s instead of 10.5 min.
        "dfs.namenode.heartbeat.recheck-interval": 5000,
        "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
        # With one replica a file is often closed before its DataNode has reported the block; the writer looks again
        # after this time (default 400 ms). Where there are several replicas, the first report counts.
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": 20,
        "dfs.permissions.superusergroup": "supergroup",
    }


def yarn_site(cluster: Cluster, nodemanager: Daemon) -> Properties:
    """YARN's properties as seen by clients, the ResourceManager and this NodeManager."""
    return {**_resourcemanager(cluster), **_nodemanager(cluster, nodemanager), **_yarn_logs(cluster)}


def _resourcemanager(cluster: Cluster) -> Properties:
    """Addresses, recovery and short intervals of the ResourceManagers."""
    rm = "yarn.resourcemanager"
    return {
        **_resourcemanager_addresses(cluster),
        f"{rm}.recovery.enabled": "true",
        f"{rm}.store.class": "org.apache.hadoop.yarn.server.resourcemanager.recovery.FileSystemRMStateStore",
        f"{rm}.fs.state-store.uri": cluster.rm_store_dir.as_uri(),
        # Their defaults are folders in the host's /tmp, which all clusters of a user would share.
        "yarn.node-attribute.fs-store.root-dir": (cluster.rm_store_dir / "node-attribute").as_uri(),
        "yarn.node-labels.fs-store.root-dir": (cluster.rm_store_dir / "node-labels").as_uri(),
        f"{rm}.work-preserving-recovery.scheduling-wait-ms": 1000,
        f"{rm}.am.max-attempts": 2,
        f"{rm}.nodemanagers.heartbeat-interval-ms": 100,
        f"{rm}.nodemanagers.heartbeat-interval-min-ms": 100,
        f"{rm}.nodemanagers.heartbeat-interval-max-ms": 100,
        # How soon a dead node or application master is noticed; looked at every third of it.
        "yarn.nm.liveness-monitor.expiry-interval-ms": 10000,
        "yarn.am.liveness-monitor.expiry-interval-ms": 120_000,
        f"{rm}.application-timeouts.monitor.interval-ms": 1000,
        # How long a client, an application master too, looks for a ResourceManager that is away: long enough to
        # live through `restart resourcemanager`, short enough for a person. Below the retry interval (default
        # 30 s) there is a single try only.
        f"{rm}.connect.max-wait.ms": 30000,
        f"{rm}.connect.retry-interval.ms": 500,
        "yarn.scheduler.minimum-allocation-mb": 128,
        "yarn.scheduler.minimum-allocation-vcores": 1,
        "yarn.scheduler.maximum-allocation-mb": 8192,
        "yarn.scheduler.maximum-allocation-vcores": 8,
    }


def _resourcemanager_addresses(cluster: Cluster) -> Properties:
    """One ResourceManager; or two under one file, told apart by the id that each is started with."""
    rm = "yarn.resourcemanager"
    managers = cluster.resourcemanagers()
    properties: Properties = {}
    for daemon in managers:
        suffix = f".{daemon.rm_id}" if cluster.ha else ""
        properties |= {
            f"{rm}.hostname{suffix}": "localhost",
            f"{rm}.address{suffix}": f"localhost:{daemon.ports['client']}",
            f"{rm}.scheduler.address{suffix}": f"localhost:{daemon.ports['scheduler']}",
            f"{rm}.resource-tracker.address{suffix}": f"localhost:{daemon.ports['tracker']}",
            f"{rm}.admin.address{suffix}": f"localhost:{daemon.ports['admin']}",
            f"{rm}.webapp.address{suffix}": f"localhost:{daemon.ports['http']}",
        }
    if cluster.ha:
        properties |= {
            f"{rm}.ha.enabled": "true",
            # By hand, so that a test says when: no ZooKeeper.
            f"{rm}.ha.automatic-failover.enabled": "false",
            f"{rm}.ha.rm-ids": ",".join(daemon.rm_id for daemon in managers),
            f"{rm}.cluster-id": f"devcluster-{cluster.port_offset}",
        }
    return properties


def _only_for(cluster: Cluster, daemon: Daemon) -> Properties:
    if daemon.kind == "nodemanager":
        tls = tls_conf.nodemanager(daemon.ports["http"]) if cluster.tls else {}
        return {**_addresses_and_folders(cluster, daemon), **tls}
    # Not by -D on its command line: the servlet of /proxy reads the files anew, and without the id it finds that both
    # ResourceManagers have this host's address, and answers 500.
    return {"yarn.resourcemanager.ha.id": daemon.rm_id}


def _nodemanager(cluster: Cluster, daemon: Daemon) -> Properties:
    """Addresses, folders, size and recovery of one NodeManager."""
    nm = "yarn.nodemanager"
    # NMLeveldbStateStoreService loads leveldbjni-all 1.8, which holds Linux libraries for x86 only.
    recovery = "true" if platform.machine() == "x86_64" else "false"
    return {
        **_addresses_and_folders(cluster, daemon),
        f"{nm}.hostname": "localhost",
        f"{nm}.recovery.enabled": recovery,
        # Supervised: containers outlive a NodeManager that ends; `down` ends them itself.
        f"{nm}.recovery.supervised": recovery,
        # Larger than the host on purpose: three small applications have to run side by side on two cores.
        f"{nm}.resource.memory-mb": NODE_MEMORY_MIB,
        f"{nm}.resource.cpu-vcores": NODE_VCORES,
        f"{nm}.pmem-check-enabled": "true",
        # Since 3.x the default true leaves memory to cgroups; without them the check above does nothing then.
        f"{nm}.resource.memory.enforced": "false",
        # A JVM reserves far more address space than it uses; the check (ratio 2.1) would kill every container.
        f"{nm}.vmem-check-enabled": "false",
        f"{nm}.disk-health-checker.max-disk-utilization-per-disk-percentage": 99.9,
        f"{nm}.disk-health-checker.min-free-space-per-disk-mb": 0,
        # A NodeManager gives up, and takes its containers along, when the ResourceManager is away for longer.
        f"{nm}.resourcemanager.connect.max-wait.ms": 900000,
        f"{nm}.resourcemanager.connect.retry-interval.ms": 500,
    }


def _addresses_and_folders(cluster: Cluster, daemon: Daemon) -> Properties:
    """What each NodeManager has for itself."""
    folder = cluster.nodemanager_dir(daemon)
    nm = "yarn.nodemanager"
    return {
        f"{nm}.address": f"localhost:{daemon.ports['container']}",
        f"{nm}.localizer.address": f"localhost:{daemon.ports['localizer']}",
        f"{nm}.webapp.address": f"localhost:{daemon.ports['http']}",
        f"{nm}.local-dirs": str(folder / "local"),
        f"{nm}.log-dirs": str(folder / "logs"),
        f"{nm}.recovery.dir": str(folder / "recovery"),
    }


def _yarn_logs(cluster: Cluster) -> Properties:
    """Log aggregation into HDFS, served by the JobHistoryServer."""
    history = cluster.daemon("jobhistoryserver").url
    return {
        "yarn.log-aggregation-enable": "true",
        "yarn.nodemanager.remote-app-log-dir": "/app-logs",
        "yarn.log-aggregation.retain-seconds": -1,
        "yarn.log-aggregation.file-formats": "TFile",
        "yarn.log-aggregation.file-controller.TFile.class": (
            "org.apache.hadoop.yarn.logaggregation.filecontroller.tfile.LogAggregationTFileController"
        ),
        "yarn.nodemanager.log-aggregation.compression-type": "none",
        "yarn.log.server.url": f"{history}/jobhistory/logs",
        "yarn.log.server.web-service.url": f"{history}/ws/v1/history",
    }


def mapred_site(cluster: Cluster) -> Properties:
    """The JobHistoryServer's addresses and folders."""
    ports = cluster.daemon("jobhistoryserver").ports
    history = "mapreduce.jobhistory"
    return {
        "mapreduce.framework.name": "yarn",
        f"{history}.address": f"localhost:{ports['rpc']}",
        f"{history}.admin.address": f"localhost:{ports['admin']}",
        f"{history}.webapp.address": f"localhost:{ports['http']}",
        f"{history}.intermediate-done-dir": "/mr-history/intermediate",
        f"{history}.done-dir": "/mr-history/done",
        f"{history}.move.interval-ms": 1000,
        "yarn.app.mapreduce.am.staging-dir": "/user",
    }


def capacity_scheduler() -> Properties:
    """Three open queues and a stopped one."""
    prefix = "yarn.scheduler.capacity"
    properties: Properties = {
        f"{prefix}.root.queues": ",".join((*QUEUES, STOPPED_QUEUE)),
        # The default of 0.1 lets one application master run on a cluster of this size: the next stays ACCEPTED.
        f"{prefix}.maximum-am-resource-percent": 0.9,
        f"{prefix}.node-locality-delay": -1,
        # The default calculator counts memory only.
        f"{prefix}.resource-calculator": "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator",
    }
    for queue, capacity in {**QUEUES, STOPPED_QUEUE: 0}.items():
        properties[f"{prefix}.root.{queue}.capacity"] = capacity
        properties[f"{prefix}.root.{queue}.maximum-capacity"] = 100
        # One user may take the whole cluster, through a queue of any capacity.
        properties[f"{prefix}.root.{queue}.user-limit-factor"] = 10
        properties[f"{prefix}.root.{queue}.state"] = "STOPPED" if queue == STOPPED_QUEUE else "RUNNING"
    return properties
