"""Measures of clusters: how many rows each holds, and the silhouette by Spark's own evaluator."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics.measured import Measured

FEATURES = "_features"


def measure_predictions(predictions: DataFrame, *, columns: Sequence[str] = ()) -> Measured:
    """Measure clusters; see `ml_pipeline_framework.metrics.measure`.

    The evaluator reads the predictions twice more than the count of rows does: cache them where they are dear.

    Raises
    ------
    DataError
        When there are no rows, or rows without a cluster.
    """
    sizes = {row["prediction"]: row["count"] for row in predictions.groupBy(F.col("prediction")).count().collect()}
    if not sizes:
        raise DataError("there are no predictions to measure: the input has no row")
    if None in sizes:
        raise DataError(f"the predictions can't be measured: {sizes[None]:,} rows have no cluster (prediction is null)")
    rows = sum(sizes.values())
    notes = ["segments are not measured for clusters"] if columns else []
    silhouette = None
    if len(sizes) > 1:
        silhouette = float(ClusteringEvaluator(featuresCol=FEATURES, predictionCol="prediction").evaluate(predictions))
    else:
        notes.append(f"all {rows:,} rows are in one cluster: the silhouette is null")
    table = [{"cluster": int(one), "rows": sizes[one], "share": sizes[one] / rows} for one in sorted(sizes)]
    return Measured(
        rows=rows,
        metrics={"rows": rows, "clusters": len(sizes), "silhouette": silhouette},
        curves={"clusters": table},
        notes=notes,
    )
