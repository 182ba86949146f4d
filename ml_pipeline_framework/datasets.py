"""Reading and writing: data by format, and results that appear whole or not at all.

Files are reached through Hadoop's own file system classes in the driver's JVM, so that ``file:///…``, ``/…`` on the
default file system and ``hdfs://…`` behave alike and no further client is needed on the nodes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, SparkSession

from ml_pipeline_framework.errors import DataError, OutputError

_FORMATS = {"csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "orc": "orc", "parquet": "parquet"}
_COMPRESSED = ("gz", "bz2", "zst", "snappy", "lz4", "deflate")
_TEXT = ("csv", "json")
_STAGED = ".staged-"
#: A place beside a target, until its content is whole: .NAME.UUID.tmp
_WAITING = re.compile(r"\..+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp")
#: Age at which what a killed run has left is nobody's any more: no run is that long.
STALE_MS = 7 * 24 * 3_600_000


def format_of(path: str) -> str:
    """Return Spark's name of the format that a path's extension tells; Parquet when it tells none."""
    parts = path.rstrip("/").rsplit("/", 1)[-1].lower().split(".")
    if len(parts) > 2 and parts[-1] in _COMPRESSED:
        parts.pop()
    return _FORMATS.get(parts[-1], "parquet") if len(parts) > 1 else "parquet"


def read(spark: SparkSession, path: str) -> DataFrame:
    """Read a data set: Parquet, or CSV with a header line, JSON lines, ORC by extension.

    Raises
    ------
    DataError
        Nothing lies there, or what lies there is not of that format.
    """
    if not exists(spark, path):
        raise DataError(f"no data at {path}: nothing lies there; check the path, and that the preparation step has run")
    kind = format_of(path)
    options = {"header": "true", "mode": "FAILFAST"} if kind == "csv" else {}
    if path.rstrip("/").lower().split(".")[-1] == "tsv":
        options["sep"] = "\t"
    try:
        if kind != "csv":
            return spark.read.format(kind).load(path)
        told = spark.read.options(**options, inferSchema="true").csv(path).schema
        # With a schema Spark compares the names in each file's header with it: columns in another order are an error.
        return spark.read.options(**options, enforceSchema="false").schema(told).csv(path)
    except (AnalysisException, Py4JJavaError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(f"{path} can't be read as {kind}: {reason}; name the format by the path's extension") from error


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Say which data could not be read when Spark, which reads late, fails in the middle of a pass over it.

    Raises
    ------
    DataError
        For damaged files, values that do not have the type of their column, files that went away.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise DataError(f"{path} can't be read: {first_cause(error)}; check or write anew the file it names") from error


def first_cause(error: Exception) -> str:
    """Return in one line what Spark says went wrong: its own message, and the deepest cause where that says more."""
    java = error.java_exception if isinstance(error, Py4JJavaError) else None
    lines = [_one_line(java.getMessage()) if java is not None else _one_line(str(error))]
    for cause in _causes(java) if java is not None else ():
        text = _one_line(cause.getMessage())
        if text and "FAILED_READ_FILE" in text:
            lines[0] = text
        last = text
        if text:
            lines[1:] = [last]
    return "; ".join(dict.fromkeys(line for line in lines if line)) or type(error).__name__


def _causes(java: Any) -> Iterator[Any]:
    """Yield the causes below a Java exception, the nearest first."""
    for _ in range(20):
        java = java.getCause()
        if java is None:
            return
        yield java


def _one_line(text: object) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0].strip() if lines else ""


def describe(spark: SparkSession, path: str) -> dict[str, Any]:
    """Return what the file system knows of a data set.

    Returns
    -------
    dict
        ``path``, ``format`` (Spark's name), ``files``, ``bytes``, ``modified_ms`` (Unix time in milliseconds of
        the file changed last; None without files). Names that begin with a dot or an underscore do not count:
        Spark passes over them, too.

    Raises
    ------
    DataError
        Nothing lies there.
    """
    files = size = 0
    newest = None
    try:
        _, place, file_system = _hadoop(spark, path)
        if not file_system.exists(place):
            raise DataError(f"no data at {path}: nothing lies there; check the path")
        base = str(file_system.makeQualified(place).toUri().getPath()).rstrip("/")
        found = file_system.listFiles(place, True)
        while found.hasNext():
            one = found.next()
            inside = str(one.getPath().toUri().getPath()).removeprefix(base).lstrip("/")
            if not any(part.startswith((".", "_")) and "=" not in part for part in inside.split("/")):
                files, size = files + 1, size + int(one.getLen())
                newest = max(newest or 0, int(one.getModificationTime()))
    except Py4JJavaError as error:
        raise DataError(f"{path} can't be looked at: {_reason(error)}") from error
    return {"path": path, "format": format_of(path), "files": files, "bytes": size, "modified_ms": newest}


def is_text(path: str) -> bool:
    """Say whether a path's extension tells a text format, which is slow to read and read anew by every pass."""
    return format_of(path) in _TEXT


@contextmanager
def staged(spark: SparkSession, data: DataFrame, path: str, folder: str, name: str) -> Iterator[DataFrame]:
    """Write `data` once as Parquet into a hidden folder of `folder`, and give it back read from there.

    `path` is where the data comes from, for messages. The folder ``.staged-<name>`` is removed at the end, on failure
    too. What a killed run of that name has left is replaced; for what others have left there is `sweep`.

    Raises
    ------
    DataError
        When `data` can't be read.
    OutputError
        When the folder can't be written or removed.
    """
    folder = folder.rstrip("/")
    place = f"{folder}/{_STAGED}{name}"
    try:
        with reading(path):
            data.write.mode("overwrite").parquet(place)
        yield spark.read.schema(data.schema).parquet(place)
    finally:
        remove(spark, place)


def sweep(spark: SparkSession, folder: str, older_than_ms: int = STALE_MS) -> list[str]:
    """Remove what killed runs have left in `folder` (of `staged`, `save_whole`) and is older; return the names."""
    removed = []
    try:
        _, place, file_system = _hadoop(spark, folder)
        if file_system.exists(place):
            for one in file_system.listStatus(place):
                name, age_ms = str(one.getPath().getName()), time.time() * 1000 - int(one.getModificationTime())
                is_ours = name.startswith(_STAGED) or _WAITING.fullmatch(name) is not None
                if is_ours and age_ms > older_than_ms:
                    file_system.delete(one.getPath(), True)
                    removed.append(name)
    except Py4JJavaError as error:
        raise OutputError(f"{folder} can't be tidied up: {_reason(error)}") from error
    return removed


def _hadoop(spark: SparkSession, path: str) -> tuple[Any, Any, Any]:
    """Return the JVM, the path as Hadoop's Path, and the file system it lies on."""
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    return jvm, place, place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())


def exists(spark: SparkSession, path: str) -> bool:
    """Say whether something lies at a path."""
    try:
        _, place, file_system = _hadoop(spark, path)
        return bool(file_system.exists(place))
    except Py4JJavaError as error:
        raise DataError(f"{path} can't be looked at: {_reason(error)}") from error


def read_text(spark: SparkSession, path: str) -> str:
    """Return a small file's text (UTF-8)."""
    jvm, place, file_system = _hadoop(spark, path)
    try:
        stream = file_system.open(place)
        try:
            return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()
    except Py4JJavaError as error:
        raise DataError(f"{path} can't be read: {_reason(error)}") from error


def write_text(spark: SparkSession, path: str, text: str) -> None:
    """Write a small file (UTF-8) at a place of the caller's own, such as inside a folder that is not yet in place."""
    _, place, file_system = _hadoop(spark, path)
    try:
        stream = file_system.create(place, True)
        try:
            stream.write(bytearray(text.encode()))
        finally:
            stream.close()
    except Py4JJavaError as error:
        raise OutputError(f"{path} can't be written: {_reason(error)}") from error


def remove(spark: SparkSession, path: str) -> None:
    """Remove what lies at a path, a folder with all that is in it; nothing there is no error."""
    try:
        _, place, file_system = _hadoop(spark, path)
        file_system.delete(place, True)
    except Py4JJavaError as error:
        raise OutputError(f"{path} can't be removed: {_reason(error)}") from error


def save_whole(spark: SparkSession, path: str, write: Callable[[str], None], *, replace: bool = False) -> None:
    """Let `write` fill a temporary place beside `path`, then rename it: a reader sees all of it or nothing.

    Parameters
    ----------
    path : str
        Where the file or folder shall be.
    write : callable
        Gets the temporary path and writes there.
    replace : bool
        Delete what lies at `path` just before the rename, when the caller knows it for its own.

    Raises
    ------
    OutputError
        Something lies at `path`, or the file system refuses.
    """
    if not replace and exists(spark, path):
        raise OutputError(f"{path} exists already and is not overwritten: give another path, or remove it first")
    jvm, place, file_system = _hadoop(spark, path)
    # A leading dot: Spark and Hadoop pass over such names when they read the folder meanwhile.
    waiting = jvm.org.apache.hadoop.fs.Path(
        place.getParent(), f".{place.getName()}.{jvm.java.util.UUID.randomUUID()}.tmp"
    )
    try:
        file_system.mkdirs(place.getParent())
        try:
            write(waiting.toString())
            _rename(spark, jvm, file_system, waiting, place, replace)
        finally:
            file_system.delete(waiting, True)
    except Py4JJavaError as error:
        raise OutputError(f"{path} can't be written: {_reason(error)}") from error


def _rename(spark: SparkSession, jvm: Any, file_system: Any, source: Any, target: Any, replace: bool) -> None:
    """Rename so that an existing target is an error.

    ``FileSystem.rename`` answers with a boolean and moves *into* an existing folder; ``FileContext.rename`` without
    options refuses a target that exists (Hadoop's file system specification, ``rename``).
    """
    if replace and file_system.exists(target):
        # The old one goes only when the new one is in its place; killed between the two, it still lies beside it.
        old = jvm.org.apache.hadoop.fs.Path(
            target.getParent(), f".{target.getName()}.{jvm.java.util.UUID.randomUUID()}.tmp"
        )
        _move(spark, jvm, file_system, target, old)
        try:
            _move(spark, jvm, file_system, source, target)
        except Py4JJavaError:
            _move(spark, jvm, file_system, old, target)
            raise
        file_system.delete(old, True)
        return
    _move(spark, jvm, file_system, source, target)


def _move(spark: SparkSession, jvm: Any, file_system: Any, source: Any, target: Any) -> None:
    """Rename to a place where nothing lies."""
    if file_system.getScheme() == "file" and not file_system.exists(target):
        # Local files have a checksum beside them; one that stayed when somebody removed the file would bar its name.
        file_system.getRawFileSystem().delete(file_system.getChecksumFile(target), False)
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    qualified = file_system.makeQualified(target)
    context = jvm.org.apache.hadoop.fs.FileContext.getFileContext(qualified.toUri(), configuration)
    gateway: Any = spark.sparkContext._gateway
    options = gateway.new_array(jvm.org.apache.hadoop.fs.Options.Rename, 0)
    context.rename(file_system.makeQualified(source), qualified, options)


def _reason(error: Py4JJavaError) -> str:
    """Return the JVM's message in one line, without its stack."""
    cause = error.java_exception
    return f"{cause.getClass().getSimpleName()}: {_one_line(cause.getMessage())}"


def names_in(spark: SparkSession, path: str) -> list[str]:
    """Return the names of what lies in a folder, sorted, hidden ones left out; a missing folder has none."""
    try:
        _, place, file_system = _hadoop(spark, path)
        if not file_system.exists(place):
            return []
        names = [str(one.getPath().getName()) for one in file_system.listStatus(place)]
    except Py4JJavaError as error:
        raise DataError(f"{path} can't be looked at: {_reason(error)}") from error
    return sorted(name for name in names if not name.startswith((".", "_")))


def sizes_in(spark: SparkSession, path: str) -> dict[str, int]:
    """Return every file below a folder, by its path relative to it, with its size in bytes."""
    found: dict[str, int] = {}
    try:
        _, place, file_system = _hadoop(spark, path)
        base = str(file_system.makeQualified(place).toUri().getPath()).rstrip("/") + "/"
        files = file_system.listFiles(place, True)
        while files.hasNext():
            one = files.next()
            found[str(one.getPath().toUri().getPath()).removeprefix(base)] = int(one.getLen())
    except Py4JJavaError as error:
        raise DataError(f"{path} can't be looked at: {_reason(error)}") from error
    return dict(sorted(found.items()))


def replace_text(spark: SparkSession, path: str, text: str) -> None:
    """Write a small file in place of the one that is there: readers see the old text or the new one, never neither."""
    jvm, place, file_system = _hadoop(spark, path)
    waiting = jvm.org.apache.hadoop.fs.Path(
        place.getParent(), f".{place.getName()}.{jvm.java.util.UUID.randomUUID()}.tmp"
    )
    try:
        file_system.mkdirs(place.getParent())
        try:
            write_text(spark, waiting.toString(), text)
            target = file_system.makeQualified(place)
            configuration = spark._jsparkSession.sessionState().newHadoopConf()
            context = jvm.org.apache.hadoop.fs.FileContext.getFileContext(target.toUri(), configuration)
            rename = jvm.org.apache.hadoop.fs.Options.Rename
            gateway: Any = spark.sparkContext._gateway
            options = gateway.new_array(rename, 1)
            options[0] = rename.OVERWRITE
            context.rename(file_system.makeQualified(waiting), target, options)
        finally:
            file_system.delete(waiting, True)
    except Py4JJavaError as error:
        raise OutputError(f"{path} can't be written: {_reason(error)}") from error
