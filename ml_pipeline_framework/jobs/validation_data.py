"""Validation data: other rows to choose a candidate and a threshold on; like the training rows, and none of them.

They are read with the types that the training data have, so that both are one kind of row; what is left out is counted.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ml_pipeline_framework import datasets, features, labels, splits
from ml_pipeline_framework.contract import TrainingParams
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.jobs import scoring, scoring_input
from ml_pipeline_framework.jobs.search import Setting
from ml_pipeline_framework.jobs.training_data import KEY, LABEL, Loaded, raw_columns
from ml_pipeline_framework.schemas import quoted, require_columns

_IS_SHARED = "_is_shared"


@contextmanager
def staged(spark: SparkSession, data: DataFrame, path: str, params: TrainingParams, what: str) -> Iterator[DataFrame]:
    """Give a data set; text is read once and kept as Parquet beside the model for as long as it is needed."""
    if not datasets.is_text(path):
        yield data
        return
    folder, version = posixpath.split(params.model_path.rstrip("/"))
    with datasets.staged(spark, data, path, folder, f"{version}-{what}") as kept:
        yield kept


@contextmanager
def validation_rows(
    setting: Setting, train: DataFrame, loaded: Loaded, warnings: list[str]
) -> Iterator[tuple[DataFrame, int]]:
    """Give the rows of ``validation_path`` that have a label, with the features and `LABEL`, and their number.

    Parameters
    ----------
    train : DataFrame
        The training rows, prepared: with `KEY`.
    warnings : list of str
        What is found out is added: rows without a label or with an unknown class, rows that are training rows as well.

    Raises
    ------
    DataError
        Columns that are missing or of types that do not fit those of the training data, no labelled rows.
    """
    spark, params, where = setting.spark, setting.params, setting.params.validation_path
    known = features.schema_of(loaded.planned, loaded.data.schema)
    source = scoring_input.opened(spark, where, {one["name"]: one["type"] for one in known})
    with staged(spark, source, where, params, "validation") as data:
        like = {"name": params.model_name, "version": "this run", "input_schema": known}
        warnings += [f"validation data: {text}" for text in scoring.check_schema(data, like, where)]
        rows = _labelled(scoring.as_trained(data, like), loaded, params).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            with datasets.reading(where):
                count = _counted(rows, train, where, warnings)
            if not count:
                raise DataError(f"{where} has no labelled rows: nothing to choose on")
            yield (rows.where(F.col(LABEL).isNotNull()) if loaded.label.column else rows), count
        finally:
            rows.unpersist()


def _labelled(data: DataFrame, loaded: Loaded, params: TrainingParams) -> DataFrame:
    """Return the features, the label, and the hash of the key where the data have one."""
    kept = [F.col(quoted(name)) for name in raw_columns(loaded.planned)]
    if loaded.label.column:
        if not loaded.label.expression:
            require_columns(data, [loaded.label.column], "model_config.label_column", params.validation_path)
        kept.append(labels.label_column(data, loaded.label).alias(LABEL))
    if params.key_columns and set(params.key_columns) <= set(data.columns):
        kept.append(splits.key_hash(params.key_columns, params.seed, "order").alias(KEY))
    return data.select(*kept)


def _counted(rows: DataFrame, train: DataFrame, where: str, warnings: list[str]) -> int:
    """Return the rows that can be measured on; what is wrong with the others, and with these, becomes a warning."""
    labelled = F.col(LABEL).isNotNull() if LABEL in rows.columns else F.lit(True)
    shared = F.lit(False)
    if KEY in rows.columns:
        # One row per key, so that the join adds none.
        keys = train.select(KEY, F.lit(True).alias(_IS_SHARED)).dropDuplicates([KEY])
        rows, shared = rows.join(keys, KEY, "left"), F.coalesce(F.col(_IS_SHARED), F.lit(False))
    found = rows.agg(
        F.count(F.lit(1)).alias("read"),
        F.count_if(labelled).alias("labelled"),
        F.count_if(shared & labelled).alias("shared"),
    ).first()
    assert found is not None  # an aggregate without groups has one row
    count = int(found["labelled"])
    if found["read"] > count:
        warnings.append(
            f"{found['read'] - count:,} of {found['read']:,} rows of {where} have no label, or a class that no "
            "training row has: they are left out of the choice"
        )
    if found["shared"]:
        warnings.append(
            f"{found['shared']:,} of {count:,} validation rows have the key of a training row: what is chosen on rows "
            "that were learnt from looks better than it is; take them out of one of the two"
        )
    return count
