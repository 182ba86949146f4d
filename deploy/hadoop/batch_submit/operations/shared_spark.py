"""``init-hdfs --spark``: a Spark in HDFS, once for all: its jars, its Python archives, and what to know of it."""

from __future__ import annotations

import json
import posixpath
import tempfile
from pathlib import Path

from batch_submit.adapters.shared_folder import SharedFolder
from batch_submit.adapters.spark_archive import archive_name, build_archive, file_digest
from batch_submit.adapters.spark_distribution import spark_facts
from batch_submit.adapters.spark_finder import find_spark
from batch_submit.adapters.spark_surroundings import lacks_hadoop
from batch_submit.adapters.transfer_progress import transfer_progress
from batch_submit.backends.yarn import YarnBackend
from batch_submit.backends.yarn_shared import shared_folder
from batch_submit.data_classes import dataclass
from batch_submit.errors import ClusterRefused, ExitCode, HostNotReady, UsageError
from batch_submit.operations.context import Selection, open_backend, open_context
from batch_submit.plan.rest.manifest import HeldFile, Manifest
from batch_submit.plan.shared import digest_of, manifest_name, shared_name
from batch_submit.services import Services


@dataclass(frozen=True)
class SparkOptions:
    """``init-hdfs --spark`` as typed; ``home`` "" is the Spark of this host."""

    home: str = ""
    check: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class _Spark:
    """A Spark of this host, and the names that its files have in HDFS."""

    version: str
    module_options: tuple[str, ...]
    jars: tuple[Path, ...]
    archive: str
    zips: tuple[tuple[str, Path], ...]

    @property
    def names(self) -> list[str]:
        """In the order in which they are put there: the manifest says that all else is there."""
        return [*(name for name, _ in self.zips), self.archive, manifest_name(self.archive)]


def put_spark(services: Services, selection: Selection, options: SparkOptions) -> int:
    """Put what is missing into the shared folder, and say which key to set; a second time there is nothing to do.

    Returns
    -------
    int
        0; with ``check`` 3 when something is missing.

    Raises
    ------
    HostNotReady
        There is no whole Spark on this host, or it is one without Hadoop.
    """
    context = open_context(services, selection)
    backend = open_backend(context)
    if not isinstance(backend, YarnBackend):
        raise UsageError(
            "init-hdfs needs a cluster, and this is backend local", next_step="export HADOOP_CONF_DIR=<folder>"
        )
    spark = _look_at(options.home or find_spark(services.env).home)
    shared = shared_folder(backend.servers, backend.shared_dir, backend.clock)
    missing = [name for name in spark.names if name not in shared.files()]
    written = bool(missing) and not (options.check or options.dry_run)
    if written:
        _put(services, shared, spark, missing)
    terminal, uri = services.terminal, f"hdfs://{posixpath.join(shared.path, spark.archive)}"
    for name in missing:
        terminal.note(f"{posixpath.join(shared.path, name)}: {'written' if written else 'missing'}")
    if not missing:
        terminal.note(f"{posixpath.join(shared.path, spark.archive)} and what belongs to it is there already")
    terminal.note(f"set in spark_config:  spark.yarn.archive: {uri}")
    answer = {"spark.yarn.archive": uri, "version": spark.version, "missing": missing, "written": written}
    terminal.answer(json.dumps(answer) if options.as_json else uri)
    return ExitCode.HOST_NOT_READY if options.check and missing else ExitCode.SUCCEEDED


def _look_at(home: str) -> _Spark:
    if not home:
        raise HostNotReady(
            "it is not known where Spark lies", next_step="batch-submit init-hdfs --spark <home of a Spark>"
        )
    facts = spark_facts(home)
    if lacks_hadoop(home):
        raise HostNotReady(
            "this Spark is built without Hadoop: its jars alone start no application",
            where=home,
            next_step="name a Spark with Hadoop: batch-submit init-hdfs --spark <home of a Spark>",
        )
    jars = tuple(sorted(Path(home, "jars").glob("*.jar")))
    zips = [Path(one) for one in facts.python_zips]
    named = tuple((shared_name(one.name, digest_of(one.read_bytes())), one) for one in zips)
    return _Spark(facts.version, facts.module_options, jars, archive_name(jars, zips), named)


def _put(services: Services, shared: SharedFolder, spark: _Spark, missing: list[str]) -> None:
    """The Python archives, the jars, the manifest; a file that another host has put meanwhile is as good as ours."""
    for _, zip_file in spark.zips:
        shared.provide(zip_file)
    total, monotonic = sum(jar.stat().st_size for jar in spark.jars), services.clock.monotonic
    with tempfile.TemporaryDirectory(prefix="spark-archive-") as folder:
        archive = Path(folder, spark.archive)
        with transfer_progress(services.terminal, "packing", total, monotonic) as advance:
            size = build_archive(spark.jars, archive, advance)
        if spark.archive in missing:
            with transfer_progress(services.terminal, "uploading", size, monotonic) as advance:
                shared.add_file(spark.archive, archive, lambda done, _total: advance(done))
        digest = file_digest(archive)
    held = shared.files()[spark.archive]
    if held.length != size:
        raise ClusterRefused(
            f"this file has {held.length:,} bytes, and this Spark's jars make {size:,}",
            where=held.path,
            next_step=f"it is damaged; delete it: hdfs dfs -rm -skipTrash {held.path}",
        )
    manifest = Manifest(
        spark.version,
        spark.module_options,
        HeldFile(spark.archive, size, digest),
        tuple(HeldFile(name, path.stat().st_size, digest_of(path.read_bytes())) for name, path in spark.zips),
    )
    shared.add(manifest_name(spark.archive), manifest.text().encode())
