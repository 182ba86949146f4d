"""Prediction by hand: load the pipeline, transform, keep the key, write Parquet; then look at scores and drift."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

ROWS_FOR_DRIFT = 100_000


def drifted(sample: DataFrame, profile: dict[str, Any]) -> dict[str, float]:
    """PSI of each column of the model's training histograms, from a sample brought to the driver by Arrow."""
    rows = sample.select(*(name for name in profile if name in sample.columns)).toPandas()
    found = {}
    for name in rows.columns:
        one, values = profile[name], rows[name]
        known = values.dropna()
        if one["kind"] == "number":
            numbers = known.to_numpy(dtype=float)
            inner = one["edges"][1:-1]
            now = np.bincount(np.searchsorted(inner, numbers, side="left"), minlength=len(inner) + 1)
            now = np.append(now, len(values) - len(known)).astype(float)
            then = np.array([*one["counts"], one["nulls"]], dtype=float)
        else:
            counts = known.astype(str).value_counts()
            top = [counts.get(text, 0) for text in one["values"]]
            now = np.array([*top, len(known) - sum(top), len(values) - len(known)], dtype=float)
            then = np.array([*one["values"].values(), one["other"], one["nulls"]], dtype=float)
        now, then = (np.clip(part / max(part.sum(), 1), 1e-4, None) for part in (now, then))
        found[name] = float(((now - then) * np.log(now / then)).sum())
    return found


def by_hand(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """The whole job; returns the rows, how the scores are spread and the drift of the input."""
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
    spread = (
        spark.read.parquet(work["output"])
        .groupBy("prediction", F.floor(F.col("probability_1") * 50).alias("bin"))
        .agg(F.count("*").alias("rows"), F.sum("probability_1").alias("sum"))
        .collect()
    )
    rows = sum(one["rows"] for one in spread)
    sample = data.sample(fraction=min(1.0, ROWS_FOR_DRIFT / rows), seed=1)
    return {"rows": rows, "spread": [list(one) for one in spread], "drift": drifted(sample, work["profile"])}


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
