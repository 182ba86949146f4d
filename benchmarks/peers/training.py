"""Training by hand: the forest of the shipped configuration on the flights.

Reads, labels, splits by time, caches what is needed, chooses the threshold of the best F1 on the last part of the
training rows with a forest that has not seen it, fits on all of them, measures on the held-out rows, screens each
feature for leakage, keeps the histograms of the training rows, saves the model and its numbers.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark import StorageLevel
from pyspark.ml import Pipeline
from pyspark.ml.classification import RandomForestClassifier
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.feature import Bucketizer, Imputer, StringIndexer, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def prepared(spark: SparkSession, work: dict[str, Any]) -> tuple[DataFrame, list[str], list[str]]:
    """The cached rows: features, ``label`` and ``_part`` (2: test, 1: for the choice); names of numbers and texts."""
    data = spark.read.parquet(work["input"]).withColumn("label", F.expr(work["label"]).cast("double"))
    data = data.where("label is not null")
    days = F.unix_date(work["time_column"])
    train = 1 - work["test_size"]
    shares = [train * (1 - work["validation_size"]), train]
    choice, test = data.agg(F.percentile_approx(days, shares, 1000)).first()[0]
    out = {*work["exclude"], *work["label_reads"], "label"}
    kinds = {one.name: one.dataType.typeName() for one in data.schema if one.name not in out}
    numbers = [name for name, kind in kinds.items() if kind not in ("string", "timestamp", "date")]
    texts = [name for name, kind in kinds.items() if kind == "string"]
    rows = (
        data.select(
            *(F.col(name).cast("double") for name in numbers),
            *texts,
            "label",
            F.when(days >= test, 2).when(days >= choice, 1).otherwise(0).alias("_part"),
        )
        .repartition(4)
        .persist(StorageLevel.MEMORY_AND_DISK)
    )
    return rows, numbers, texts


def fitted(train: DataFrame, numbers: list[str], texts: list[str], settings: dict[str, Any]) -> Any:
    """The model: medians for nulls, indices for texts, a forest."""
    arity = max((train.select(name).distinct().count() for name in texts), default=0)
    stages = [
        Imputer(strategy="median", inputCols=numbers, outputCols=[f"f_{name}" for name in numbers]),
        StringIndexer(inputCols=texts, outputCols=[f"i_{name}" for name in texts], handleInvalid="keep"),
        VectorAssembler(
            inputCols=[*(f"f_{name}" for name in numbers), *(f"i_{name}" for name in texts)],
            outputCol="features",
            handleInvalid="keep",
        ),
        RandomForestClassifier(labelCol="label", seed=42, maxBins=max(32, arity + 1), **settings),
    ]
    return Pipeline(stages=stages).fit(train)


def best_f1(scored: DataFrame) -> float:
    """The threshold of the best F1, among thousandths."""
    step = F.floor(vector_to_array("probability")[1] * 1000)
    counts = scored.groupBy(step.alias("step")).agg(F.sum("label").alias("hits"), F.count("*").alias("rows")).collect()
    positives, best = sum(one["hits"] for one in counts), (0.0, 0.5)
    hits = chosen = 0
    for one in sorted(counts, key=lambda one: -one["step"]):
        hits, chosen = hits + one["hits"], chosen + one["rows"]
        best = max(best, (2 * hits / (chosen + positives), one["step"] / 1000))
    return best[1]


def measured(scored: DataFrame) -> dict[str, Any]:
    """AUC, area under precision and recall, log loss, Brier score, confusion, calibration."""
    scored = scored.select("label", "rawPrediction", "probability", "prediction").persist(StorageLevel.MEMORY_AND_DISK)
    p = vector_to_array("probability")[1]
    likely = F.greatest(F.when(F.col("label") == 1, p).otherwise(1 - p), F.lit(1e-15))
    found = {
        name: BinaryClassificationEvaluator(metricName=metric).evaluate(scored)
        for name, metric in (("auc", "areaUnderROC"), ("pr_auc", "areaUnderPR"))
    }
    row = scored.agg(F.avg(-F.log(likely)).alias("log_loss"), F.avg((p - F.col("label")) ** 2).alias("brier")).first()
    confusion = scored.groupBy("label", "prediction").count().collect()
    calibration = scored.groupBy(F.floor(p * 10).alias("bin")).agg(F.count("*"), F.avg(p), F.avg("label")).collect()
    scored.unpersist()
    return {
        **found,
        **row.asDict(),
        "confusion": [list(one) for one in confusion],
        "calibration": [list(one) for one in calibration],
    }


def profiled(train: DataFrame, numbers: list[str], texts: list[str]) -> dict[str, Any]:
    """Deciles, counts between them and nulls per number; the fifty most frequent values per text."""
    quantiles = train.approxQuantile(numbers, [i / 10 for i in range(11)], 0.01)
    edges = {name: sorted(set(cuts)) for name, cuts in zip(numbers, quantiles, strict=True)}
    usable = [name for name in numbers if len(edges[name]) >= 3]
    bucketed = Bucketizer(
        splitsArray=[[float("-inf"), *edges[name][1:-1], float("inf")] for name in usable],
        inputCols=usable,
        outputCols=[f"b_{name}" for name in usable],
        handleInvalid="keep",
    ).transform(train)
    pairs = F.explode(
        F.array(
            *(F.struct(F.lit(name).alias("c"), F.col(f"b_{name}").cast("string").alias("v")) for name in usable),
            *(F.struct(F.lit(name).alias("c"), F.col(name).alias("v")) for name in texts),
        )
    )
    counts = bucketed.select(pairs.alias("p")).groupBy("p.c", "p.v").count().collect()
    return {"edges": edges, "counts": [list(one) for one in counts]}


def screened(train: DataFrame, numbers: list[str]) -> dict[str, float]:
    """Each number's AUC by itself, on a tenth of the rows."""
    sample = train.select(*numbers, "label").sample(fraction=0.1, seed=1).persist(StorageLevel.MEMORY_AND_DISK)
    areas = {}
    for name in numbers:
        known = sample.where(F.col(name).isNotNull()).select("label", F.col(name).alias("rawPrediction"))
        area = BinaryClassificationEvaluator(numBins=200).evaluate(known)
        areas[name] = max(area, 1 - area)
    sample.unpersist()
    return areas


def by_hand(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """The whole job; returns the metrics."""
    rows, numbers, texts = prepared(spark, work)
    counts = [list(one) for one in rows.groupBy("_part", "label").count().collect()]
    first = fitted(rows.where("_part = 0"), numbers, texts, work["settings"])
    threshold = best_f1(first.transform(rows.where("_part = 1")))
    train, test = rows.where("_part < 2"), rows.where("_part = 2")
    model = fitted(train, numbers, texts, work["settings"])
    metrics = measured(model.transform(test))
    numbers_of_data = {
        "counts": counts,
        "threshold": threshold,
        "profile": profiled(train, numbers, texts),
        "leakage": screened(train, numbers),
    }
    model.write().overwrite().save(work["output"] + "/model")
    text = json.dumps({"metrics": metrics, **numbers_of_data}, default=str)
    spark.createDataFrame([(text,)], "value string").coalesce(1).write.mode("overwrite").text(
        work["output"] + "/metrics"
    )
    rows.unpersist()
    return metrics


def naive(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """As often seen: the CSV read again by every pass, nothing cached, ``randomSplit``."""
    data = spark.read.csv(work["raw"] + "/flights.csv", header=True, inferSchema=True, nullValue="NA")
    numbers = ["month", "day", "sched_dep_time", "sched_arr_time", "hour", "minute", "distance"]
    texts = ["carrier", "origin", "dest"]
    data = data.withColumn("label", F.expr(work["label"]).cast("double")).where("label is not null")
    for name in numbers:
        data = data.withColumn(name, F.col(name).cast("double"))
    train, test = data.randomSplit([0.8, 0.2], seed=42)
    model = fitted(train, numbers, texts, work["settings"])
    metrics = {"auc": BinaryClassificationEvaluator().evaluate(model.transform(test))}
    metrics["accuracy"] = model.transform(test).where("label = prediction").count() / test.count()
    model.write().overwrite().save(work["output"] + "/model")
    return metrics
