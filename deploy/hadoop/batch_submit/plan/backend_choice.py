"""Where a run goes: ``yarn`` or ``local``, and why. A host meant for a cluster never trains locally in silence."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady
from batch_submit.plan.merged import Config

YARN = "yarn"
LOCAL = "local"
#: The variables that name the folder of the Hadoop XML files. Either suffices and both are exported to the child; two
#: folders are exported as given, and Spark looks for a file in the first of them before the second.
CONF_DIR_VARIABLES = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
ETC_HADOOP_CONF = "/etc/hadoop/conf"
_CLUSTER_KEYS = ("namenode_url", "resourcemanager_url", "resourcemanager_webapp_url")


@dataclass(frozen=True)
class BackendChoice:
    """The chosen backend, the reason (shown first on stderr), and the folder of the Hadoop XML files ("" for none).

    ``yarn_conf_dir`` is set only where ``YARN_CONF_DIR`` names another folder than ``HADOOP_CONF_DIR``.
    """

    backend: str
    reason: str
    hadoop_conf_dir: str = ""
    yarn_conf_dir: str = ""


def _conf_dir(config: Config, variables: Mapping[str, str], etc_names_resourcemanager: bool) -> tuple[str, str]:
    for name in CONF_DIR_VARIABLES:
        if variables.get(name):
            return variables[name], f"{name}={variables[name]}"
    configured = config.get("environment_config.hadoop_conf_dir")
    if configured is not None and configured.value:
        # Like every local path: relative to the file that names it, from a flag or variable to the working directory.
        folder = posixpath.normpath(posixpath.join(configured.base, str(configured.value)))
        return folder, f"environment_config.hadoop_conf_dir ({configured.origin})"
    if etc_names_resourcemanager:
        return ETC_HADOOP_CONF, f"{ETC_HADOOP_CONF} names a ResourceManager"
    return "", ""


def _conf_dirs(config: Config, variables: Mapping[str, str], etc_names_resourcemanager: bool) -> tuple[str, str, str]:
    """The folder of the XML files, the other one that ``YARN_CONF_DIR`` names, and what named them."""
    conf_dir, why = _conf_dir(config, variables, etc_names_resourcemanager)
    hadoop, yarn = (variables.get(name, "") for name in CONF_DIR_VARIABLES)
    if hadoop and yarn and posixpath.normpath(yarn) != posixpath.normpath(hadoop):
        return conf_dir, yarn, f"{why}, YARN_CONF_DIR={yarn}"
    return conf_dir, "", why


def choose_backend(
    config: Config,
    variables: Mapping[str, str],
    *,
    etc_names_resourcemanager: bool,
    cluster_flags: tuple[str, ...] = (),
) -> BackendChoice:
    """Choose the backend.

    ``--backend`` (a flag is a layer of the configuration: ``execution.backend``) comes first, then the folder of the
    Hadoop XML: ``HADOOP_CONF_DIR``/``YARN_CONF_DIR``, ``environment_config.hadoop_conf_dir``, ``/etc/hadoop/conf`` if
    it names a ResourceManager; else ``local``.

    Parameters
    ----------
    config
        The merged configuration.
    variables
        The environment.
    etc_names_resourcemanager
        Whether ``/etc/hadoop/conf`` holds a yarn-site.xml that names a ResourceManager.
    cluster_flags
        Those of ``--queue``, ``--env``, ``--profile`` that were typed: they make sense on a cluster only.

    Raises
    ------
    HostNotReady
        When the cluster is meant but no folder of XML files is found: cron's bare environment must not train on the
        edge host in silence, and spark-submit refuses ``--master yarn`` without the XML.
    """
    conf_dir, second, why = _conf_dirs(config, variables, etc_names_resourcemanager)
    asked = config.get("execution.backend")
    wanted = str(asked.value) if asked is not None else "auto"
    if wanted == LOCAL:
        return BackendChoice(LOCAL, f"{_origin(config)}", conf_dir, second)
    if wanted == YARN or conf_dir:
        if conf_dir:
            return BackendChoice(YARN, why if wanted != YARN else f"{_origin(config)}; {why}", conf_dir, second)
        raise HostNotReady(
            f"backend yarn ({_origin(config)}) needs the Hadoop XML files, and no folder is named",
            next_step="export HADOOP_CONF_DIR=<folder with core-site.xml and yarn-site.xml>",
        )
    if meant := [*cluster_flags, *_cluster_keys(config)]:
        raise HostNotReady(
            f"{', '.join(meant)} means a cluster, but no folder with the Hadoop XML files is known here",
            details=["looked at HADOOP_CONF_DIR, YARN_CONF_DIR, environment_config.hadoop_conf_dir, /etc/hadoop/conf"],
            next_step="export HADOOP_CONF_DIR=<folder>, or say --backend local if this host is meant",
        )
    return BackendChoice(LOCAL, "no Hadoop configuration on this host")


def _cluster_keys(config: Config) -> list[str]:
    """The keys that are set and name a server of a cluster."""
    keys = [f"environment_config.{key}" for key in _CLUSTER_KEYS]
    return [key for key in keys if config.value(key)]


def _origin(config: Config) -> str:
    asked = config.get("execution.backend")
    return asked.origin if asked is not None else "default"
