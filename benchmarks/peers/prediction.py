"""Prediction by hand: load the pipeline, transform, keep the key, write Parquet."""

from __future__ import annotations

from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def by_hand(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """Score and write, with the rows and the drift of each number's mean and nulls counted on the way."""
    model = PipelineModel.load(work["model"])
    data = spark.read.parquet(work["input"])
    p = vector_to_array("probability")
    scored = model.transform(data).select(
        *work["keys"],
        (p[1] >= work["threshold"]).cast("int").alias("prediction"),
        p[0].alias("probability_0"),
        p[1].alias("probability_1"),
    )
    scored.coalesce(4).write.mode("overwrite").option("compression", work["compression"]).parquet(work["output"])
    return {"rows": spark.read.parquet(work["output"]).count()}


def naive(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """As often seen: the scores taken out of the vector row by row in Python."""
    model = PipelineModel.load(work["model"])
    second = F.udf(lambda vector: float(vector[1]), "double", useArrow=False)
    label = F.udf(lambda value: int(value >= work["threshold"]), "int", useArrow=False)
    scored = model.transform(spark.read.parquet(work["input"])).withColumn("probability_1", second("probability"))
    scored = scored.withColumn("prediction", label("probability_1")).select(
        *work["keys"], "prediction", "probability_1"
    )
    scored.write.mode("overwrite").parquet(work["output"])
    return {"rows": spark.read.parquet(work["output"]).count()}
