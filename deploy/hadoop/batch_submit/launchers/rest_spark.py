"""Which Spark an application over REST starts: the manifest beside its archive tells, else this host's distribution."""

from __future__ import annotations

import posixpath

from batch_submit.adapters.spark_distribution import spark_facts
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import HostNotReady, NotFound
from batch_submit.plan.rest.distribution import SparkFacts
from batch_submit.plan.rest.manifest import MOST_BYTES, Manifest, parse_manifest
from batch_submit.plan.shared import manifest_name
from batch_submit.plan.storage import has_scheme
from batch_submit.plan.submission import SubmissionPlan
from batch_submit.plan.uris import cluster_path


class ManifestNotRead(HostNotReady):
    """A dry run asks nobody, and what it would show stands in HDFS."""


def spark_of(webhdfs: WebHdfs | None, plan: SubmissionPlan, default_fs: str) -> SparkFacts:
    """Return what must be known of the Spark that a plan's conf names.

    The manifest comes first, also where there is a Spark on this host: it is of the very jars that the nodes get.

    Parameters
    ----------
    webhdfs
        ``None``: HDFS is not to be asked.

    Raises
    ------
    HostNotReady
        There is neither a manifest nor a Spark on this host.
    ManifestNotRead
        This host has no Spark, and HDFS is not to be asked for the manifest.
    ClusterRefused
        The manifest can't be read, or is none.
    """
    archive = plan.conf.get("spark.yarn.archive", "")
    found = read_manifest(webhdfs, archive, default_fs) if archive and webhdfs is not None else None
    if found is not None:
        return found.facts(posixpath.dirname(archive))
    home = plan.environment.get("SPARK_HOME", "")
    if home:
        return spark_facts(home)
    if webhdfs is None and manifest_name(posixpath.basename(archive)):
        raise ManifestNotRead(
            f"what is sent is told by the manifest beside {archive}, and a dry run asks nobody",
            next_step="export SPARK_HOME=<Spark> to see it all the same",
        )
    missing = f"beside {archive} lies no manifest of its Spark" if archive else "spark.yarn.archive is not set"
    raise HostNotReady(
        f"launcher rest knows nothing of the Spark to start: {missing}, and this host has no Spark",
        next_step="either run batch-submit init-hdfs --spark once on a host with Spark, and set spark.yarn.archive to "
        "what it prints, or export SPARK_HOME=<Spark> here",
    )


def read_manifest(webhdfs: WebHdfs, archive: str, default_fs: str) -> Manifest | None:
    """Read the manifest beside an archive; ``None`` when there is none, or the archive is not one of ours."""
    folder, name = posixpath.split(archive)
    manifest = manifest_name(name)
    if not manifest or not has_scheme(archive):
        return None
    try:
        content = webhdfs.read_bytes(cluster_path(f"{folder}/{manifest}", default_fs), MOST_BYTES)
    except NotFound:
        return None
    return parse_manifest(content.decode("utf-8", "replace"), f"{folder}/{manifest}")
