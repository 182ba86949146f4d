"""Whether a plan can go over REST; decided before anything is submitted."""

from __future__ import annotations

from collections.abc import Mapping

from batch_submit.plan.rest.resources import KEYTAB, PRINCIPAL, local_jars, remote_jars
from batch_submit.plan.rest.words import option_words
from batch_submit.plan.storage import has_scheme
from batch_submit.plan.submission import SubmissionPlan
from batch_submit.plan.uris import lies_there

#: Properties that only Spark's own client can fulfil, and why.
_ONLY_SPARK: Mapping[str, str] = {
    "spark.jars.packages": "packages are fetched by spark-submit",
    "spark.yarn.populateHadoopClasspath": "the class path of a Spark without Hadoop",
    **dict.fromkeys(
        ("spark.files", "spark.jars", "spark.archives", "spark.submit.pyFiles"),
        "spark-submit ships what it names; use files, additional_jars, archives or additional_py_files",
    ),
    **dict.fromkeys(
        ("spark.yarn.dist.files", "spark.yarn.dist.jars", "spark.yarn.dist.archives", "spark.yarn.dist.pyFiles"),
        "Spark's client ships what it names; use files, additional_jars, archives or additional_py_files",
    ),
    "spark.yarn.config.gatewayPath": "paths of the nodes differ from those of this host",
    "spark.driver.userClassPathFirst": "the order of the class path",
    "spark.driver.limitActiveProcessorCount.enabled": "Spark's client counts the driver's processors",
    "spark.yarn.am.tokenConfRegex": "Spark's client picks the configuration that travels with the tokens",
    "spark.jars.ivySettings": "Spark's client ships that file",
    "spark.yarn.submit.file.replication": "Spark's client sets how often its files are kept",
    "spark.yarn.preserve.staging.files": "this tool deletes the staging folder of what has ended",
    **dict.fromkeys(("spark.yarn.keytab", "spark.yarn.principal"), "an old name; use security_config"),
}
#: What names servers whose tokens the driver needs besides HDFS; the file systems of several generations of Spark.
_MORE_TOKENS = (
    "spark.kerberos.access.hadoopFileSystems",
    "spark.yarn.access.hadoopFileSystems",
    "spark.yarn.access.namenodes",
    "spark.kafka.clusters.",
)
#: What sends Spark's client to other servers than ours, and each with what it may say besides.
_FILE_SYSTEM = ("spark.hadoop.fs.defaultFS", "spark.hadoop.fs.default.name")
MANAGER = "spark.hadoop.yarn.resourcemanager."
_MANAGERS = ("hostname", "ha.enabled", "ha.rm-ids")
_ONLY_SPARK_PREFIXES = ("spark.driver.resource.", "spark.yarn.driver.resource.")
_OFF = ("", "false")
#: Java options of spark-submit itself that its client hands on to the application.
_HANDED_ON = ("-Dspark.", "-Djava.net.preferIPv6Addresses=true")


def why_not(
    plan: SubmissionPlan,
    *,
    kerberos: bool,
    default_fs: str,
    metastore: bool = False,
    managers: Mapping[str, str] | None = None,
) -> str:
    """Return why a plan needs spark-submit; "" when it can go over REST.

    Parameters
    ----------
    kerberos
        Whether the cluster wants tickets.
    default_fs
        The file system that WebHDFS speaks for, such as ``hdfs://host:port``.
    metastore
        Whether this host's configuration names a Hive metastore.
    managers
        What is known of the ResourceManagers, as Spark's properties.
    """
    conf, spec = {**plan.conf, **plan.secrets}, plan.spec
    if spec.deploy_mode != "cluster":
        return f"deploy_mode {spec.deploy_mode}: the driver is spark-submit's own process"
    if not default_fs.startswith("hdfs://"):  # a token for another one (swebhdfs) is of another kind and service
        return f"the default file system is {default_fs or 'not named'}, and only hdfs:// is written to over REST"
    if other := _other_servers(conf, default_fs, managers or {}):
        return other
    if kerberos and (more := _more_tokens(conf, metastore)):
        return more
    if bool(conf.get(KEYTAB)) != bool(conf.get(PRINCIPAL)):
        return f"{KEYTAB} and {PRINCIPAL} need each other"
    for key, reason in _ONLY_SPARK.items():
        if conf.get(key, "").lower() not in _OFF:
            return f"{key} is set: {reason}"
    for key in conf:
        if key.startswith(_ONLY_SPARK_PREFIXES):
            return f"{key} is set: a resource of the application master"
    for option in option_words(plan.environment.get("SPARK_SUBMIT_OPTS", "")):
        if option.startswith(_HANDED_ON):
            return f"SPARK_SUBMIT_OPTS holds {option.partition('=')[0]}: spark-submit hands it on to the application"
    return _why_not_files(plan, conf, default_fs)


def _other_servers(conf: Mapping[str, str], default_fs: str, managers: Mapping[str, str]) -> str:
    """Which property would send Spark's client elsewhere than us; "" for none."""
    for key, value in conf.items():
        if key in _FILE_SYSTEM:
            named = value.strip().rstrip("/")
            if not has_scheme(named) or ":///" in f"{named}/" or not lies_there(f"{named}/", default_fs):
                return f"{key} is {value}, and files would go to {default_fs}"
        elif key.startswith(MANAGER):
            name = key[len(MANAGER) :]
            ours = managers.get(key, "")
            if ("address" in name or name.startswith(_MANAGERS)) and value.strip().lower() != ours.lower():
                return f"{key} is {value}, and over REST the job would go to the cluster that the Hadoop XML files name"
    return ""


def _more_tokens(conf: Mapping[str, str], metastore: bool) -> str:
    """Why the token for HDFS is not enough; "" when it is. A driver with a keytab needs none for the metastore
    (``HiveDelegationTokenProvider.delegationTokensRequired``)."""
    for key, value in conf.items():
        if value and key.startswith(_MORE_TOKENS):
            return f"{key} is set: spark-submit fetches tokens for other servers"
    metastore = metastore or bool(conf.get("spark.hadoop.hive.metastore.uris"))
    off = conf.get("spark.security.credentials.hive.enabled", "").lower() == "false"
    if metastore and not off and not conf.get(KEYTAB):
        return "the configuration names a Hive metastore: spark-submit fetches its token, or a keytab makes it needless"
    return ""


def _why_not_files(plan: SubmissionPlan, conf: Mapping[str, str], default_fs: str) -> str:
    archive, jars = conf.get("spark.yarn.archive", ""), remote_jars(conf)
    if not archive and not jars and not local_jars(conf):
        return "Spark's jars are not shared: neither spark.yarn.archive nor spark.yarn.jars is set"
    for one in jars:
        if not has_scheme(one):
            return f"spark.yarn.jars names {one}, which lies on this host: spark-submit uploads it"
        folder, _, name = one.rpartition("/")
        if set("*?[{\\") & set(folder) or set("[{\\") & set(name):
            return f"spark.yarn.jars holds the pattern {one}: only * and ? behind the last slash are read here"
    spec = plan.spec
    places = [one.path for one in spec.shipped if one.is_remote] + [archive, *jars]
    for uri in places:
        if has_scheme(uri) and not lies_there(uri, default_fs):
            return f"{uri} is not on {default_fs}"
    staging = conf.get("spark.yarn.stagingDir", "")
    if staging and not staging.startswith(("/", "hdfs:///", f"{default_fs}/")):
        return f"spark.yarn.stagingDir is {staging}: not an absolute path on {default_fs}"
    return ""
