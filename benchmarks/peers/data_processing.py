"""Data processing by hand: the steps of the shipped configuration on the flights, weather and planes.

Explicit types for what inference would miss, one pass for the checks over the cached rows, three outputs, and the
rows of each.
"""

from __future__ import annotations

from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

KEY = ["departure", "carrier", "flight", "origin"]
AFTERWARDS = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"]


def tables(spark: SparkSession, raw: str) -> tuple[DataFrame, DataFrame, DataFrame]:
    """The three tables; the types are those that a look at the head of each file gives."""
    flights = spark.read.csv(
        f"file://{raw}/flights.csv",
        header=True,
        nullValue="NA",
        schema="year int, month int, day int, dep_time int, sched_dep_time int, dep_delay double, arr_time int, "
        "sched_arr_time int, arr_delay double, carrier string, flight int, tailnum string, origin string, dest string, "
        "air_time double, distance double, hour int, minute int, time_hour timestamp",
    )
    weather = spark.read.csv(f"file://{raw}/weather.csv", header=True, nullValue="NA", inferSchema=True)
    planes = spark.read.csv(f"file://{raw}/planes.csv", header=True, nullValue="NA", inferSchema=True)
    return flights, weather, planes


def prepared(spark: SparkSession, raw: str) -> DataFrame:
    """Joined, with what is derived from them."""
    flights, weather, planes = tables(spark, raw)
    weather = weather.select(
        "origin", "time_hour", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"
    )
    planes = planes.select("tailnum", F.col("year").alias("year_built"), "engines", "seats")
    rows = (
        flights.dropDuplicates(["year", "month", "day", "carrier", "flight", "origin"])
        .join(F.broadcast(weather), ["origin", "time_hour"], "left")
        .join(F.broadcast(planes), "tailnum", "left")
        .withColumn("plane_age", F.col("year") - F.col("year_built"))
        .withColumn("departure", F.make_date("year", "month", "day"))
        .withColumn("weekday", F.weekday("departure"))
    )
    days = F.datediff("departure", F.lit("1970-01-01").cast("date"))
    week_before = Window.partitionBy("carrier").orderBy(days).rangeBetween(-7, -1)
    return rows.withColumn("carrier_delay_7d", F.avg("arr_delay").over(week_before)).drop("year_built")


def by_hand(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """The whole job; returns the rows of each output."""
    rows = prepared(spark, work["raw"]).persist(StorageLevel.MEMORY_AND_DISK)
    bad = ~F.coalesce(F.col("distance").between(50, 6000), F.lit(True)) | ~F.coalesce(
        F.col("arr_delay") >= -120, F.lit(True)
    )
    checks = rows.agg(
        F.count("*").alias("rows"),
        F.count_if(bad).alias("bad"),
        F.count_if(~F.col("origin").isin("EWR", "JFK", "LGA")).alias("origin"),
        F.count_if((F.col("plane_age") < 0) | (F.col("plane_age") > 60)).alias("plane_age"),
        *(F.count_if(F.col(name).isNull()).alias(name) for name in ("carrier", "flight", "dest", "departure")),
        *(F.avg(F.col(name).isNull().cast("int")).alias(f"{name}_nulls") for name in ("temp", "seats")),
    ).first()
    assert rows.groupBy(*KEY).count().where("count > 1").limit(1).count() == 0
    assert checks["origin"] + checks["carrier"] + checks["flight"] + checks["dest"] + checks["departure"] == 0
    if checks["bad"]:
        rows.where(bad).write.mode("overwrite").parquet(work["output"] + "/quarantine")
    good = rows.where(~bad)
    first, second = F.lit("2013-09-01").cast("date"), F.lit("2013-11-01").cast("date")
    parts = {
        "training": good.where(F.col("departure") < first),
        "evaluation": good.where((F.col("departure") >= first) & (F.col("departure") < second)),
        "incoming": good.where(F.col("departure") >= second).drop(*AFTERWARDS),
    }
    counts = {}
    for name, part in parts.items():
        path = f"{work['output']}/{name}"
        part.coalesce(2).write.mode("overwrite").option("compression", "zstd").parquet(path)
        counts[name] = spark.read.parquet(path).count()
    rows.unpersist()
    return {"rows": counts, "checks": checks.asDict()}


def naive(spark: SparkSession, work: dict[str, Any]) -> dict[str, Any]:
    """As often seen: a count after every step and for every check, nothing cached."""
    flights, _, _ = tables(spark, work["raw"])
    counts = [flights.count(), flights.dropDuplicates(["year", "month", "day", "carrier", "flight", "origin"]).count()]
    rows = prepared(spark, work["raw"])
    counts.append(rows.count())
    for condition in (
        "carrier is null",
        "flight is null",
        "dest is null",
        "departure is null",
        "origin not in ('EWR', 'JFK', 'LGA')",
        "distance not between 50 and 6000",
        "arr_delay < -120",
        "plane_age not between 0 and 60",
        "temp is null",
        "seats is null",
    ):
        counts.append(rows.where(condition).count())
    counts.append(rows.select(*KEY).distinct().count())
    for name, condition in (
        ("training", "departure < '2013-09-01'"),
        ("evaluation", "departure >= '2013-09-01' and departure < '2013-11-01'"),
        ("incoming", "departure >= '2013-11-01'"),
    ):
        part = rows.where(condition)
        counts.append(part.count())
        part.write.mode("overwrite").parquet(f"{work['output']}/{name}")
    return {"counts": counts}
