"""The rows to score: with the types that the model knows, in enough pieces to keep every core busy."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StringType, StructField, StructType

from ml_pipeline_framework import datasets
from ml_pipeline_framework.jobs import inference
from ml_pipeline_framework.schemas import quoted

#: Bytes in one piece of the input above which it is worth dealing out, when there are fewer pieces than cores.
_LARGE_PIECE = 32 << 20


def opened(spark: SparkSession, path: str, types: Mapping[str, str]) -> DataFrame:
    """Open a data set; text gets the types of the training, not those that its values look like.

    A text file has no types. Told from its values, a code like ``007`` would become the number 7, and a number that is
    null in every row a text. So the model's columns are read as what they were in training; a value that is no such
    thing ends the job. Other columns get the types that they look like.

    Parameters
    ----------
    types : mapping
        Column to type, for the columns that the model reads; empty when nobody knows.

    Raises
    ------
    DataError
        See `datasets.read`.
    """
    if not types or not datasets.is_text(path):
        return datasets.read(spark, path)
    kind = datasets.format_of(path)
    options = {"mode": "FAILFAST"}
    if kind == "csv":
        options |= {"header": "true", "enforceSchema": "false"}
        if path.rstrip("/").lower().split(".")[-1] == "tsv":
            options["sep"] = "\t"
        names = _header(spark, path, options)
    else:
        names = []
    if not names or not set(names) <= set(types):
        looks = {one.name: one for one in datasets.read(spark, path).schema.fields}
    else:
        looks = {name: StructField(name, StringType()) for name in names}
    known = inference.schema_of(spark, ", ".join(f"{quoted(name)} {kind}" for name, kind in types.items()))
    trained = {one.name: one for one in known.fields}
    schema = StructType([trained.get(name, one) for name, one in looks.items()])
    return spark.read.format(kind).options(**options).schema(schema).load(path)


def _header(spark: SparkSession, path: str, options: Mapping[str, str]) -> list[str]:
    """Return the names in a CSV file's first line."""
    if not datasets.exists(spark, path):
        return []  # datasets.read says it
    plain = {name: value for name, value in options.items() if name in ("header", "sep")}
    return list(spark.read.format("csv").options(**plain).load(path).columns)


def spread(spark: SparkSession, frame: DataFrame) -> DataFrame:
    """Deal out rows that come in few large pieces (a gzip file is one), so that all cores can score."""
    execution = frame._jdf.queryExecution()
    physical = execution.executedPlan()
    if physical.nodeName() == "AdaptiveSparkPlan":
        return frame
    pieces, cores = int(physical.execute().getNumPartitions()), spark.sparkContext.defaultParallelism
    size = int(str(execution.optimizedPlan().stats().sizeInBytes()))
    if not pieces or 2 * pieces > cores or size / pieces < _LARGE_PIECE:
        return frame
    return frame.repartition(cores)
