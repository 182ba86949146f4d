"""Data written whole, in files of a sensible size, counted on the way.

`write_frame` fills a folder beside the place and renames it (see `placing`). Rows are counted by the tasks that write
them (``DataFrame.observe``): there is no second pass. How many files there are follows from what is known before:

* few tasks: each writes its own file, nothing is moved between machines;
* many tasks with little in each: rows are brought together first (Spark's ``REBALANCE`` hint, whose sizes are measured
  while the job runs; ``coalesce`` where all of the input is small);
* partition columns: rows of one value are brought together first, or each task would write a file for every value.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from ml_pipeline_framework import datasets
from ml_pipeline_framework.errors import OutputError
from ml_pipeline_framework.jobs import placing
from ml_pipeline_framework.jobs.placing import Place
from ml_pipeline_framework.schemas import quoted

#: Up to this many files are never worth bringing rows together for.
FEW_FILES = 8
#: Input up to this size (bytes) is brought together without a shuffle: one task reads it in a second.
SMALL_BYTES = 32 << 20
#: Rows between two stages (unsafe rows, LZ4) take about this many times the bytes of the same rows in a columnar file.
#: 2.6 M predictions of the flights: 12 bytes per row in Parquet (zstd), 60 to 80 in a shuffle.
SHUFFLE_PER_COLUMNAR_BYTE = 5
_COLUMNAR = ("parquet", "orc")
#: The listener that brings the count may lose it when the driver is very busy; then the files are counted.
_WAIT_FOR_COUNT_S = 30.0

#: ``error``: only what this very run left is replaced. ``overwrite``: whatever lies there. ``append``: files are added,
#: each with the run's name; the same run replaces its own. ``overwrite_partitions``: only the folders ``column=value``
#: that there are rows for. ``ignore``: what lies there stays, and nothing is computed.
MODES = ("error", "overwrite", "append", "ignore", "overwrite_partitions")
_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "csv": {"header": "true"},
    "json": {"ignoreNullFields": "false"},
}


@dataclass(frozen=True)
class Form:
    """What the files of a data set look like.

    Parameters
    ----------
    format : str
        ``parquet``, ``orc``, ``csv`` (with a header line) or ``json`` (lines).
    compression : str
        A codec of that format, as Spark calls it; ``none``.
    partition_by : sequence of str
        Columns that become folders ``column=value``.
    target_file_bytes : int
        Size of file to aim at; small data gives smaller files, never many.
    options : mapping
        More of Spark's writer options.
    bytes_hint : int, optional
        How many bytes the files are expected to take, when the caller knows better than Spark's plan.
    """

    format: str = "parquet"
    compression: str = "zstd"
    partition_by: Sequence[str] = ()
    target_file_bytes: int = 128 << 20
    options: Mapping[str, str] = field(default_factory=dict)
    bytes_hint: int | None = None

    def writer_options(self) -> dict[str, str]:
        """Return Spark's options: the format's own, and those that were asked for."""
        return {**_OPTIONS.get(self.format, {}), **self.options}


#: Files where nothing is said of their form.
PARQUET = Form()


def write_frame(
    spark: SparkSession,
    frame: DataFrame,
    path: str,
    form: Form = PARQUET,
    *,
    mode: str = "error",
    run_id: str,
    said_by: str = "path",
    inspect: Callable[[str, int], None] | None = None,
) -> dict[str, Any]:
    """Write a data set whole and say what was written.

    Parameters
    ----------
    form : Form
        What the files look like.
    mode : str
        What becomes of what lies there: one of `MODES`.
    said_by : str
        The key or flag that names the path, for messages.
    inspect : callable, optional
        Gets the folder that is complete but not yet in place, and its rows; what it raises leaves the place as it was.

    Returns
    -------
    dict
        ``path``, ``rows``, ``files``, ``bytes``, ``partitions`` (folders of the partition columns; 0 without), and for
        ``ignore`` on an existing path ``skipped`` (True, with everything else 0).

    Raises
    ------
    OutputError
        Something that is not this run's lies there, a column can't be written in this format, the file system refuses.
    """
    place = _place(spark, path, mode, run_id, said_by)
    if mode == "ignore" and datasets.exists(spark, path):
        return {"path": path, "rows": 0, "files": 0, "bytes": 0, "partitions": 0, "skipped": True}
    try:
        rows = _fill(spark, frame, place.waiting, form)
        found = {"rows": rows, **_sizes(spark, place.waiting)}
        if inspect is not None:
            inspect(place.waiting, rows)
        _into_place(spark, place, form, mode, run_id, found)
    finally:
        datasets.remove(spark, place.waiting)
    return {"path": path, **found}


def _place(spark: SparkSession, path: str, mode: str, run_id: str, said_by: str) -> Place:
    """Return the place: in order after a run that was killed while it put something there, free where it must be."""
    if mode not in MODES:
        raise ValueError(f"{mode!r} is no mode: {', '.join(MODES)}")
    if mode == "error":
        placing.check_free(spark, path, run_id, said_by)
    else:
        placing.recover(spark, path, run_id)
    return Place.of(path, run_id)


def _into_place(
    spark: SparkSession, place: Place, form: Form, mode: str, run_id: str, found: Mapping[str, Any]
) -> None:
    shared = mode in ("append", "overwrite_partitions")
    if shared:
        _name_after(spark, place.waiting, run_id)
        if datasets.exists(spark, place.path):
            # First: what several runs have added to must not be taken for one run's own, and replaced by it.
            placing.mark(spark, place.path, "", {"format": form.format})
            _add(spark, place, mode, run_id)
            return
    # A folder that several runs add to belongs to none of them.
    placing.mark(spark, place.waiting, "" if shared else run_id, {**found, "format": form.format})
    placing.put_in_place(
        spark, place, may_replace=lambda whose: mode == "overwrite" or (mode == "error" and whose == run_id)
    )


def _name_after(spark: SparkSession, folder: str, run_id: str) -> None:
    """Put the run's name before the name of each file; no run id holds the sign between the two."""
    for name in datasets.sizes_in(spark, folder):
        if _is_data(name):
            parent, slash, leaf = name.rpartition("/")
            placing.move(spark, f"{folder}/{name}", f"{folder}/{parent}{slash}{run_id}~{leaf}")


def _add(spark: SparkSession, place: Place, mode: str, run_id: str) -> None:
    """Move the files in one by one; this run's earlier ones, or whole partitions, go aside and return on errors."""
    new = [name for name in datasets.sizes_in(spark, place.waiting) if _is_data(name)]
    folders = {name.rpartition("/")[0] for name in new}
    there = [name for name in datasets.sizes_in(spark, place.path) if _is_data(name)]
    old = [
        name
        for name in there
        if (mode == "overwrite_partitions" and name.rpartition("/")[0] in folders)
        or name.rpartition("/")[2].startswith(f"{run_id}~")
    ]
    # Beside the files that replace them, and hidden: a run that is killed here leaves them to be found.
    kept = f"{place.path}/_replaced_by_{run_id}"
    moved: list[str] = []
    try:
        for name in old:
            placing.move(spark, f"{place.path}/{name}", f"{kept}/{name}")
        for name in new:
            placing.move(spark, f"{place.waiting}/{name}", f"{place.path}/{name}")
            moved.append(name)
    except OutputError:
        for name in moved:
            datasets.remove(spark, f"{place.path}/{name}")
        for name in datasets.sizes_in(spark, kept) if datasets.exists(spark, kept) else ():
            placing.move(spark, f"{kept}/{name}", f"{place.path}/{name}")
        raise
    finally:
        if not datasets.exists(spark, kept) or not any(map(_is_data, datasets.sizes_in(spark, kept))):
            datasets.remove(spark, kept)
    datasets.remove(spark, kept)


def _fill(spark: SparkSession, frame: DataFrame, folder: str, form: Form) -> int:
    """Write the files and return the number of rows in them."""
    arranged, settings = _arranged(spark, frame, form)
    seen = Observation()
    counted = arranged.observe(seen, F.count(F.lit(1)).alias("rows"))
    with temporary_settings(spark, settings):
        _save(counted, folder, form, form.partition_by)
    rows = rows_seen(seen)
    if rows is None:
        rows = read_written(spark, folder, form.format, frame.schema, form.writer_options()).count()
    if not rows and form.partition_by:
        # Without rows there is no folder, and so no schema: one empty file tells readers all of the columns.
        datasets.remove(spark, folder)
        _save(frame.limit(0), folder, form, ())
    return rows


def _save(frame: DataFrame, folder: str, form: Form, partition_by: Sequence[str]) -> None:
    writer = frame.write.format(form.format).options(**form.writer_options()).option("compression", form.compression)
    try:
        writer.partitionBy(*partition_by).save(folder)
    except AnalysisException as error:
        reason = str(error).strip().split("\n")[0]
        raise OutputError(
            f"the result can't be written as {form.format}: {reason}; rename or leave out that column, or choose "
            "another format"
        ) from error


def read_written(
    spark: SparkSession, folder: str, format: str, schema: StructType, options: Mapping[str, str] | None = None
) -> DataFrame:
    """Read what `write_frame` wrote; for CSV, texts with line breaks are read as they were."""
    form = {**_OPTIONS.get(format, {}), **({"multiLine": "true"} if format == "csv" else {}), **(options or {})}
    return spark.read.format(format).options(**form).schema(schema).load(folder)


def rows_seen(seen: Observation) -> int | None:
    """Return what was observed as ``rows``; None when Spark's listener never brought it."""
    found: list[int] = []
    waiter = threading.Thread(target=lambda: found.append(int(seen.get["rows"])), daemon=True)
    waiter.start()
    waiter.join(_WAIT_FOR_COUNT_S)
    return found[0] if found else None


def _is_data(name: str) -> bool:
    """Say whether a file, named by its path inside a folder, is one that readers of the folder see."""
    return not any(part.startswith((".", "_")) and "=" not in part for part in name.split("/"))


def _sizes(spark: SparkSession, folder: str) -> dict[str, int]:
    files = {name: size for name, size in datasets.sizes_in(spark, folder).items() if _is_data(name)}
    folders = {name.rpartition("/")[0] for name in files if "/" in name}
    return {"files": len(files), "bytes": sum(files.values()), "partitions": len(folders)}


# --- how many files ---------------------------------------------------------------------------------------------------


def _arranged(spark: SparkSession, frame: DataFrame, form: Form) -> tuple[DataFrame, dict[str, str]]:
    """Return the rows as they shall lie in files, and the settings under which to write them."""
    planned = _planned(spark, frame)
    expected = planned.bytes if form.bytes_hint is None else form.bytes_hint
    wanted = max(1, -(-expected // form.target_file_bytes))
    names = [quoted(name) for name in form.partition_by]
    if (planned.tasks <= 1 and wanted <= 2) or (planned.sorted and not names):
        return frame, {}  # sorted: bringing rows together anew would lose their order
    if not names and wanted // 2 <= planned.tasks <= max(FEW_FILES, 2 * wanted):
        return frame, {}
    if not names and planned.tasks > wanted and planned.kept:
        return frame.coalesce(max(wanted, min(FEW_FILES, spark.sparkContext.defaultParallelism))), {}
    if not names and planned.tasks > wanted and planned.input_bytes <= SMALL_BYTES:
        return frame.coalesce(wanted), {}
    if not planned.adaptive:
        return frame.repartition(min(wanted, 10_000), *names), {}
    factor = SHUFFLE_PER_COLUMNAR_BYTE if form.format in _COLUMNAR and not planned.shuffles else 1
    return _rebalanced(spark, frame, names), {
        "spark.sql.adaptive.advisoryPartitionSizeInBytes": str(form.target_file_bytes * factor),
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    }


def _rebalanced(spark: SparkSession, frame: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return the frame under the hint ``REBALANCE``; through SQL, since PySpark 3.5's ``hint`` takes no columns."""
    if not names:
        return frame.hint("rebalance")
    view = f"written_{uuid.uuid4().hex}"
    frame.createOrReplaceTempView(view)
    try:
        return spark.sql(f"SELECT /*+ REBALANCE({', '.join(names)}) */ * FROM {view}")  # nosec B608  # quoted columns
    finally:
        spark.catalog.dropTempView(view)


@dataclass(frozen=True)
class _Planned:
    """What Spark's plan tells of a frame before it runs."""

    tasks: int  # of the stage that would write
    bytes: int  # of the result, never more than all that is read
    input_bytes: int
    adaptive: bool
    shuffles: bool
    sorted: bool  # as a whole
    kept: bool  # rows come straight from a persisted table


def _planned(spark: SparkSession, frame: DataFrame) -> _Planned:
    execution = frame._jdf.queryExecution()
    optimized, physical = execution.optimizedPlan(), execution.executedPlan()
    leaves = optimized.collectLeaves()
    read = sum(_bytes(leaves.apply(number)) for number in range(leaves.size()))
    adaptive = str(spark.conf.get("spark.sql.adaptive.enabled", "true")).lower() == "true"
    kept = _kept_parts(optimized)
    if kept:
        tasks, shuffles = kept, False
    elif physical.nodeName() == "AdaptiveSparkPlan":
        # Its stages are decided while it runs; by default Spark then keeps every core busy. Asking would run it.
        tasks, shuffles = spark.sparkContext.defaultParallelism, True
    else:
        tasks, shuffles = int(physical.execute().getNumPartitions()), False
    top = _below_rows(optimized)
    is_sorted = str(top.nodeName()) == "Sort" and bool(getattr(top, "global")())
    return _Planned(tasks, min(_bytes(optimized), read), read, adaptive, shuffles, is_sorted, bool(kept))


def _below_rows(plan: Any) -> Any:
    """Return the topmost part of a plan that does more than work row by row."""
    while plan.nodeName() in ("Project", "Filter", "CollectMetrics"):
        plan = plan.children().apply(0)
    return plan


def _kept_parts(optimized: Any) -> int:
    """Return the parts of the persisted table that a plan reads row by row; 0 when it does more, or reads another."""
    node = _below_rows(optimized)
    if node.nodeName() != "InMemoryRelation" or not node.cacheBuilder().isCachedColumnBuffersLoaded():
        return 0
    return int(node.cacheBuilder().cachedColumnBuffers().getNumPartitions())


def _bytes(plan: Any) -> int:
    return int(str(plan.stats().sizeInBytes()))


@contextmanager
def temporary_settings(spark: SparkSession, values: Mapping[str, str]) -> Iterator[None]:
    """Set properties of the session for a while; what was set before comes back."""
    before = {key: spark.conf.get(key, None) for key in values}
    for key, value in values.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                spark.conf.unset(key)
            else:
                spark.conf.set(key, old)
