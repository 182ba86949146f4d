"""Evaluation by hand: one scoring pass kept in memory, Spark's evaluators and a few aggregates over it."""

from __future__ import annotations

import json
from typing import Any

from pyspark import StorageLevel
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.peers.training import measured


def by_hand(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """Metrics, curves, the confusion at the threshold, segments, and the drift of the inputs."""
    model = PipelineModel.load(work["model"])
    data = spark.read.parquet(work["input"]).withColumn("label", F.expr(work["label"]).cast("double"))
    data = data.where("label is not null")
    p = vector_to_array("probability")[1]
    scored = model.transform(data).select("*", p.alias("p")).persist(StorageLevel.MEMORY_AND_DISK)
    metrics = measured(scored)
    steps = F.floor(F.col("p") * 1000)
    curve = scored.groupBy(steps.alias("step")).agg(F.sum("label"), F.count("*")).orderBy("step").collect()
    at = (F.col("p") >= work["threshold"]).cast("int")
    confusion = scored.groupBy("label", at.alias("c")).count().collect()
    segments = {
        name: [list(one) for one in scored.groupBy(name).agg(F.count("*"), F.avg("label"), F.avg("p")).collect()]
        for name in work["segments"]
    }
    numbers = [name for name, kind in data.dtypes if kind in ("int", "bigint", "double") and name != "label"]
    deciles = scored.approxQuantile(numbers, [i / 10 for i in range(11)], 0.01)
    nulls = scored.agg(*(F.count_if(F.col(name).isNull()).alias(name) for name in data.columns)).first()
    texts = [name for name, kind in data.dtypes if kind == "string"]
    pairs = F.explode(F.array(*(F.struct(F.lit(name).alias("c"), F.col(name).alias("v")) for name in texts)))
    values = scored.select(pairs.alias("s")).groupBy("s.c", "s.v").count().collect()
    report = {
        "metrics": metrics,
        "curve": [list(one) for one in curve],
        "confusion": [list(one) for one in confusion],
        "segments": segments,
        "deciles": dict(zip(numbers, deciles, strict=True)),
        "nulls": nulls.asDict(),
        "values": [list(one) for one in values],
    }
    text = json.dumps(report, default=str)
    spark.createDataFrame([(text,)], "value string").coalesce(1).write.mode("overwrite").text(work["output"])
    scored.unpersist()
    return metrics


def naive(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """As often seen: every row to the driver, scikit-learn there."""
    from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, log_loss, roc_auc_score

    model = PipelineModel.load(work["model"])
    data = spark.read.parquet(work["input"]).withColumn("label", F.expr(work["label"]).cast("double"))
    rows = model.transform(data.where("label is not null")).toPandas()
    p = rows["probability"].map(lambda vector: float(vector[1]))
    y = rows["label"]
    confusion_matrix(y, p >= work["threshold"])
    return {
        "auc": float(roc_auc_score(y, p)),
        "pr_auc": float(average_precision_score(y, p)),
        "log_loss": float(log_loss(y, p)),
        "brier": float(brier_score_loss(y, p)),
    }
