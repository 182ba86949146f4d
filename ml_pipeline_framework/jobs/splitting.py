"""How a training run parts its rows: the test set, and the parts of the training rows that choices are made on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from ml_pipeline_framework import datasets, splits
from ml_pipeline_framework.contract import TrainingParams
from ml_pipeline_framework.contract.algorithms import grid
from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.schemas import NUMBER, TEXT, TIME, kind_of, quoted, require_columns

IN_TEST, PART = "_in_test", "_part"
NONE, FOLDS, HELD_OUT, OTHER_DATA = "none", "cross-validation", "validation part", "validation data"
# Data of this size has fewer rows than the cut-offs of a time split are taken from.
_SMALL_BYTES = 10_000_000


def choosing(params: TrainingParams) -> str:
    """Return on what candidates are compared and the threshold is chosen; NONE when there is nothing to choose."""
    if params.cv_folds:
        return FOLDS
    if params.validation_path:
        return OTHER_DATA
    to_choose = len(grid(params.hyperparameters)) > 1 or isinstance(params.threshold, str)
    return HELD_OUT if to_choose else NONE


@dataclass(frozen=True)
class Split:
    """Who goes where, as columns of the data; both columns are null for rows that can't be placed.

    ``parts`` counts the parts of the training rows: folds of equal standing for a hash, blocks in time order for a time
    split; 1 where nothing is chosen.
    """

    kind: str
    columns: tuple[str, ...]
    params: TrainingParams
    choose: str
    parts: int
    time_type: DataType | None = None
    cuts: tuple[float, ...] = ()
    cut_texts: tuple[str, ...] = ()

    def in_test(self) -> Column:
        """Return whether a row is held out."""
        if self.kind == splits.TIME:
            return F.when(self._time().isNotNull(), self._time() >= F.lit(self.cuts[-1]))
        return splits.in_test(self.columns, self.params.seed, self.params.test_size)

    def part(self) -> Column:
        """Return the part of a training row: a fold, a block of time, or 1 for the validation part, else 0."""
        if self.kind == splits.TIME:
            return splits.block_of(self._time(), self.cuts[:-1])
        if self.choose == FOLDS:
            return splits.fold_of(self.columns, self.params.seed, self.parts)
        if self.choose == HELD_OUT:
            return splits.within_share(self.columns, self.params.seed, self.params.validation_size, "validation").cast(
                "int"
            )
        return F.lit(0)

    def _time(self) -> Column:
        assert self.time_type is not None  # a time split has one
        return splits.time_number(self.columns[0], self.time_type)

    def rounds(self) -> list[tuple[str, list[int], list[int]]]:
        """Return the parts that are fitted on and those that are measured on, by the name of the round."""
        if self.choose == HELD_OUT:
            return [("validation", [0], [1])]
        if self.choose != FOLDS:
            return []
        every = range(self.parts)
        if self.kind == splits.TIME:  # never on the future: each block is tried on what happened before it
            return [(str(block), list(every[: block + 1]), [block + 1]) for block in every[:-1]]
        return [(str(fold), [one for one in every if one != fold], [fold]) for fold in every]

    def shares(self) -> list[float]:
        """Return where time is cut, as shares of the rows."""
        if self.choose == HELD_OUT:
            train = 1 - self.params.test_size
            return [train * (1 - self.params.validation_size), train]
        return splits.time_shares(self.params.test_size, self.parts)

    def cut_at(self, row: Mapping[str, Any], where: str) -> Split:
        """Return the split with its cuts, from the row that the aggregates of `split_of` gave."""
        column = self.columns[0]
        if row["unreadable_times"]:
            raise DataError(
                f"model_config.time_column {column!r} of {where} is text, and {row['unreadable_times']:,} rows can't "
                "be read as a timestamp: cast it in the preparation step"
            )
        if row["cuts"] is None:
            raise DataError(f"model_config.time_column {column!r} of {where} is null in all labelled rows")
        return replace(self, cuts=tuple(row["cuts"]), cut_texts=tuple(row["cut_texts"]))

    def window_aggregates(self, train: Column) -> list[Column]:
        """Return aggregates that give the first and last time of the training rows."""
        if self.time_type is None:
            return []
        return [
            splits.time_text(how(F.when(train, self._time())), self.time_type).alias(name)
            for name, how in (("window_from", F.min), ("window_to", F.max))
        ]

    def window(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the time that the training rows cover."""
        if self.time_type is None:
            return None
        return {"column": self.columns[0], "from": row["window_from"], "to": row["window_to"]}

    def to_dict(self, partitions: int, schema: StructType) -> dict[str, Any]:
        """Return the split as ``metadata.json`` and ``metrics.json`` have it; `schema` is that of the data."""
        said: dict[str, Any] = {"kind": self.kind, "key_columns": list(self.params.key_columns)}
        # A key is hashed as text: the same value of another type has another text, and would go elsewhere.
        names = dict.fromkeys([*self.params.key_columns, *self.columns])
        said["types"] = {name: schema[name].dataType.simpleString() for name in names}
        if self.kind == splits.TIME:
            rule = f"{self.columns[0]} at or after the cut-off is the test set"
            said |= {"time_column": self.columns[0], "cut_off": self.cut_texts[-1], "cuts": list(self.cut_texts[:-1])}
        else:
            rule = "pmod(xxhash64('test:<seed>', columns as text), 1000000) < test_size * 1000000"
            said |= {"hashed_columns": list(self.columns)}
        return {
            "rule": rule,
            **said,
            "test_size": self.params.test_size,
            "seed": self.params.seed,
            "chosen_on": self.choose,
            "parts": self.parts,
            "partitions": partitions,
        }


def split_of(data: DataFrame, params: TrainingParams, label: Column | None) -> tuple[Split, list[Column]]:
    """Return the split, and the aggregates that a time split needs before it is complete (`Split.cut_at`)."""
    kind = _kind(params)
    for name, said_by in ((params.time_column, "time_column"), (params.group_column, "group_column")):
        require_columns(data, [name] if name else [], f"model_config.{said_by}", params.input_path)
    choose = choosing(params)
    parts = {FOLDS: params.cv_folds, HELD_OUT: 2}.get(choose, 1)
    if kind == splits.GROUP:
        return Split(kind, (params.group_column,), params, choose, parts), []
    if kind == splits.HASH:
        return Split(kind, params.key_columns, params, choose, parts), []
    data_type = data.schema[params.time_column].dataType
    if kind_of(data_type) not in (TIME, NUMBER, TEXT):
        raise DataError(
            f"model_config.time_column {params.time_column!r} of {params.input_path} is {data_type.simpleString()}: "
            "a date, a timestamp or a number that grows with time is needed"
        )
    parts += choose == FOLDS  # the oldest block is never measured on
    split = Split(kind, (params.time_column,), params, choose, parts, data_type)
    return split, _cut_aggregates(data, params, split, label, data_type)


def _kind(params: TrainingParams) -> str:
    if params.split != "auto":
        return params.split
    return splits.TIME if params.time_column else splits.GROUP if params.group_column else splits.HASH


def _cut_aggregates(
    data: DataFrame, params: TrainingParams, split: Split, label: Column | None, data_type: DataType
) -> list[Column]:
    """Return the exact percentiles of a sample by key, so that neither files nor partitions move a cut."""
    name = params.time_column
    time = splits.time_number(name, data_type)
    wanted = F.lit(True) if label is None else label.isNotNull()
    share = _sample_share(data, params)
    sampled = wanted
    if share < 1:
        sampled = wanted & splits.within_share(params.key_columns, params.seed, share, "time")
    shares = split.shares()
    cuts = F.percentile(F.when(sampled, time), shares)
    texts: Sequence[Column] = [splits.time_text(cuts[place], data_type) for place in range(len(shares))]
    return [
        cuts.alias("cuts"),
        F.array(*texts).alias("cut_texts"),
        F.count_if(F.col(quoted(name)).isNotNull() & time.isNull()).alias("unreadable_times"),
    ]


def _sample_share(data: DataFrame, params: TrainingParams) -> float:
    size = datasets.describe(data.sparkSession, params.input_path)["bytes"]
    rows = data.count() if size > _SMALL_BYTES else 0  # of Parquet this reads the footers only
    return min(1.0, splits.TIME_SAMPLE_ROWS / rows) if rows else 1.0
