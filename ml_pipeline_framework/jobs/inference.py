"""Types of a text input, told once and from a bounded sample: Spark's own inference reads all of the data.

The sample is taken from places spread evenly over all files (compressed files: from their beginning), so that data
sorted by time is not judged by its first day. At most :data:`CHUNKS` pieces of :data:`CHUNK_BYTES` are read, by the
driver. Types told wrong can't go unnoticed in CSV: a value that does not fit is a bad record, and fails the job or is
kept aside. A JSON field that no sample shows would be lost in silence: JSON is read as a whole unless told otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from ml_pipeline_framework import datasets
from ml_pipeline_framework.errors import DataError

CHUNKS = 16
CHUNK_BYTES = 64 << 10


@dataclass(frozen=True)
class Found:
    """A file of an input."""

    path: str
    bytes: int


def files_at(spark: SparkSession, paths: Sequence[str]) -> list[Found]:
    """Return the files that paths and patterns stand for, sorted; hidden ones left out, as Spark does.

    Raises
    ------
    DataError
        Where nothing lies at a path.
    """
    jvm: Any = spark._jvm
    found: dict[str, int] = {}
    for path in paths:
        try:
            place = jvm.org.apache.hadoop.fs.Path(path)
            file_system = place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
            matches = file_system.globStatus(place)
            if not matches:
                raise DataError(
                    f"no data at {path}: nothing lies there; check the path, and that the step before has run"
                )
            for one in matches:
                found |= _below(file_system, one)
        except Py4JJavaError as error:
            raise DataError(f"{path} can't be looked at: {datasets.first_cause(error)}") from error
    return [Found(path, size) for path, size in sorted(found.items())]


def _below(file_system: Any, status: Any) -> dict[str, int]:
    if status.isFile():
        return {status.getPath().toString(): int(status.getLen())}
    found = {}
    base = status.getPath().toString().rstrip("/") + "/"
    files = file_system.listFiles(status.getPath(), True)
    while files.hasNext():
        one = files.next()
        inside = one.getPath().toString().removeprefix(base)
        if not any(part.startswith((".", "_")) and "=" not in part for part in inside.split("/")):
            found[one.getPath().toString()] = int(one.getLen())
    return found


def sample_lines(spark: SparkSession, files: Sequence[Found], encoding: str) -> list[str]:
    """Return whole lines from all over the files; the first one is the first line of the first file."""
    filled = [one for one in files if one.bytes]
    step = max(1, -(-len(filled) // CHUNKS))
    chosen = filled[::step]
    lines: list[str] = []
    for one in chosen:
        lines += _lines_of(spark, one, max(1, CHUNKS // len(chosen)), encoding)
    return lines


def _lines_of(spark: SparkSession, file: Found, chunks: int, encoding: str) -> list[str]:
    """Return lines of one file, from its beginning and from places spread over it."""
    jvm: Any = spark._jvm
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    place = jvm.org.apache.hadoop.fs.Path(file.path)
    codec = jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(configuration).getCodec(place)
    lines: list[str] = []
    try:
        stream = place.getFileSystem(configuration).open(place)
        try:
            if codec is not None:
                data = _some(jvm, codec.createInputStream(stream), CHUNK_BYTES * chunks)
                return _whole_lines(data, encoding, cut_front=False, cut_back=len(data) == CHUNK_BYTES * chunks)
            size = min(CHUNK_BYTES, file.bytes)
            wanted = max(1, min(chunks, file.bytes // CHUNK_BYTES))
            for number in range(wanted):
                start = (file.bytes - size) * number // max(1, wanted - 1)
                stream.seek(start)
                data = _some(jvm, stream, size)
                lines += _whole_lines(data, encoding, cut_front=start > 0, cut_back=start + size < file.bytes)
        finally:
            stream.close()
    except Py4JJavaError as error:
        raise DataError(f"{file.path} can't be read: {datasets.first_cause(error)}") from error
    return lines


def _some(jvm: Any, stream: Any, most: int) -> bytes:
    return bytes(
        jvm.org.apache.commons.io.IOUtils.toByteArray(
            jvm.org.apache.commons.io.input.BoundedInputStream(stream, most),
        )
    )


def _whole_lines(data: bytes, encoding: str, *, cut_front: bool, cut_back: bool) -> list[str]:
    """Return the lines of a piece; what may be cut in two at its ends is left out."""
    try:
        text = data.decode(encoding, errors="replace")
    except LookupError:
        raise DataError(f"{encoding!r} is not an encoding: write it as in Java, such as UTF-8 or ISO-8859-1") from None
    lines = text.split("\n")
    if cut_back and len(lines) > 1:
        lines.pop()
    if cut_front:
        lines = lines[1:]
    return [line.removesuffix("\r") for line in lines if line.strip("\r\ufeff")]


def infer_lines(
    spark: SparkSession, lines: Sequence[str], kind: str, options: Mapping[str, str], *, types: bool = True
) -> StructType:
    """Return what Spark's inference says of lines of CSV or JSON; without `types` CSV columns are all texts."""
    dataset = _dataset(spark, lines)
    reader = spark.read.options(**{**options, "inferSchema": str(types).lower()})._jreader
    found = reader.csv(dataset) if kind == "csv" else reader.json(dataset)
    return _from_java(found.schema())


def _dataset(spark: SparkSession, lines: Sequence[str]) -> Any:
    jvm: Any = spark._jvm
    java: Any = spark._jsparkSession
    # One text across the border: a list would cross it line by line.
    one_by_one = jvm.org.apache.commons.io.IOUtils.readLines(jvm.java.io.StringReader("\n".join(lines)))
    return java.createDataset(one_by_one, jvm.org.apache.spark.sql.Encoders.STRING())


def infer_all(spark: SparkSession, paths: Sequence[str], kind: str, options: Mapping[str, str]) -> StructType:
    """Return what Spark's inference says of all the data: one pass over it."""
    try:
        return spark.read.options(**{**options, "inferSchema": "true"}).format(kind).load(list(paths)).schema
    except (PySparkException, Py4JJavaError) as error:
        cause = datasets.first_cause(error)
        if "COLUMN_ALREADY_EXISTS" in cause:
            cause += "; it has columns that are called alike but for case: name the one that is wanted in a schema"
        raise DataError(f"{', '.join(paths)} can't be read as {kind}: {cause}") from error


def header_of(spark: SparkSession, files: Sequence[Found], encoding: str, options: Mapping[str, str]) -> list[str]:
    """Return the names in the header of a CSV as they stand there; Spark gives alike and missing ones others."""
    lines = sample_lines(spark, [one for one in files if one.bytes][:1], encoding)
    plain = {**options, "header": "false", "inferSchema": "false"}
    row = spark.read.options(**plain)._jreader.csv(_dataset(spark, lines)).first()
    return [row.getString(i) or "" for i in range(row.length())]


def schema_of(spark: SparkSession, text: str) -> StructType:
    """Return the schema that a text holds: Spark's JSON, or DDL (``a int, b string``).

    Raises
    ------
    DataError
        When it is neither.
    """
    types: Any = spark._jvm.org.apache.spark.sql.types
    try:
        is_json = text.lstrip().startswith("{")
        return _from_java(types.DataType.fromJson(text) if is_json else types.StructType.fromDDL(text))
    except (PySparkException, Py4JJavaError) as error:
        raise DataError(
            f"a schema can't be read: {datasets.first_cause(error)}; write Spark's JSON, or DDL such as a int, b string"
        ) from error


def _from_java(schema: Any) -> StructType:
    return StructType.fromJson(json.loads(schema.json()))
