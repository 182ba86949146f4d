"""The stages that turn planned columns into the feature vector, fitted on training rows.

All are stages of ``pyspark.ml`` and take the columns as they were read: a saved pipeline needs nothing of this package.
None drops a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.ml.base import Transformer
from pyspark.ml.feature import (
    FeatureHasher,
    HashingTF,
    MinMaxScaler,
    OneHotEncoder,
    RegexTokenizer,
    SQLTransformer,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
)
from pyspark.ml.stat import Summarizer
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.features import expressions, target
from ml_pipeline_framework.features.planning import HASH, INDEX, NUMBERS, ONE_HOT, PARTS, TARGET, WORDS, FeaturePlan
from ml_pipeline_framework.schemas import quoted

FEATURES = "_features"
_KEPT_CATEGORIES = 200
_EXACT_ROWS = 200_000  # medians of more rows come from about half as many of them
_FEW_ROWS = 10_000


@dataclass(frozen=True)
class FittedFeatures:
    """What was fitted.

    Attributes
    ----------
    stages : list of Transformer
        In order; the last one makes the column `FEATURES`.
    frame : DataFrame
        The training rows: label, weight and kept columns where given, and `FEATURES`.
    arity : int
        The largest number of categories of an indexed slot, the one for null and unseen included; 0 without any.
    slots : list of dict
        Per slot of the vector its ``name`` and its ``feature``; a slot of category indices also has ``arity``.
    categories : dict
        Per feature with known categories ``values`` (the 200 most frequent) and ``arity`` (all, plus the one for null
        and unseen).
    """

    stages: list[Transformer]
    frame: DataFrame
    arity: int
    slots: list[dict[str, Any]]
    categories: dict[str, dict[str, Any]] = field(default_factory=dict)


def fit(
    rows: DataFrame,
    planned: FeaturePlan,
    *,
    label: str = "",
    task: str = "binary",
    seed: int = 0,
    weight: str = "",
    keep: Sequence[str] = (),
    key: str = "",
) -> FittedFeatures:
    """Fit the stages on `rows`.

    Parameters
    ----------
    rows : DataFrame
        Training rows with the planned columns and the label (double, no nulls). They are read once for the medians,
        once for the categories, once for the target encoding and once for the scales, each only where that is needed.
    label : str
        Column of the label; empty for clustering.
    seed : int
        Part of the hash that splits the rows for the target encoding.
    weight, keep : str, sequence of str
        More columns for ``frame``.
    key : str
        A long per row that hangs on nothing of the features, such as a hash of its key: it splits the rows for the
        target encoding. Without one the features do, and a category that decides all of them is then in one part alone.

    Raises
    ------
    DataError
        When no slot is left, because every category is null in these rows.
    """
    return _Fitting(rows, planned, label, task, seed, key).result([one for one in (label, weight, *keep) if one])


@dataclass
class _Fitting:
    """One fit under way: the stages so far, and the rows as they come out of the last of them."""

    rows: DataFrame
    planned: FeaturePlan
    label: str
    task: str
    seed: int
    key: str = ""
    stages: list[Transformer] = field(default_factory=list)
    blocks: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)  # columns of the vector, their slots
    categories: dict[str, dict[str, Any]] = field(default_factory=dict)

    def result(self, kept: Sequence[str]) -> FittedFeatures:
        self.seen = self.rows
        self._prepare()
        self._index()
        self._encode_targets()
        self._scale()
        self._one_hot()
        self._hash()
        if not self.blocks:
            names = ", ".join(one.name for one in self.planned.features)
            raise DataError(f"all of {names} is null in the rows to learn from: use more rows, or fewer cv_folds")
        self._add(
            VectorAssembler(inputCols=[name for name, _ in self.blocks], outputCol=FEATURES, handleInvalid="keep")
        )
        slots = [slot for _, block in self.blocks for slot in block]
        arity = max((slot.get("arity", 0) for slot in slots), default=0)
        frame = self.seen.select(*map(quoted, kept), FEATURES)
        return FittedFeatures(self.stages, frame, arity, slots, self.categories)

    def _places(self, *encodings: str) -> list[tuple[int, Any]]:
        return [(place, one) for place, one in enumerate(self.planned.features) if one.encoding in encodings]

    def _add(self, stage: Any) -> Any:
        fitted = stage.fit(self.seen) if hasattr(stage, "fit") else stage
        self.seen = fitted.transform(self.seen)
        self.stages.append(fitted)
        return fitted

    def _prepare(self) -> None:
        """Cast, fill and take apart, in one projection."""
        style = self.planned.style
        quantities: dict[str, str] = {}  # column -> expression that may be null
        made: list[str] = []
        self.numbers: list[tuple[str, dict[str, Any]]] = []
        for place, one in enumerate(self.planned.features):
            if one.encoding == NUMBERS:
                quantities[f"_number_{place}"] = expressions.number(self._type(one.name), one.name)
                self._number(f"_number_{place}", one.name, one.name)
                if one.marks_nulls:
                    made.append(f"{expressions.mark(self._type(one.name), one.name)} AS _missing_{place}")
                    self._number(f"_missing_{place}", f"{one.name} is missing", one.name)
            elif one.encoding == PARTS:
                for part in one.parts:
                    for name, text in expressions.time_part(one.name, part, cyclic=style != "tree").items():
                        column = f"_{name}_{place}"
                        if part == "days":
                            quantities[column] = text
                        else:
                            made.append(f"{text} AS {column}")
                        self._number(column, f"{one.name} {name}", one.name)
            else:
                buckets = one.buckets if one.encoding == TARGET or (one.encoding == HASH and style == "tree") else 0
                made.append(f"{expressions.text(one.name, buckets, words=one.encoding == WORDS)} AS _text_{place}")
        medians = _medians(self.rows, quantities, self.planned)
        filled = [
            f"coalesce({text}, {expressions.literal(medians[name])}) AS {name}" for name, text in quantities.items()
        ]
        if made or filled:
            self._add(SQLTransformer(statement=f"SELECT *, {', '.join(filled + made)} FROM __THIS__"))  # nosec B608  # quoted columns

    def _type(self, name: str) -> Any:
        return self.rows.schema[name].dataType

    def _number(self, column: str, name: str, feature: str) -> None:
        self.numbers.append((column, {"name": name, "feature": feature}))

    def _index(self) -> None:
        """Index every category, in one pass; the last index is for null and unseen."""
        hashed = self._places(HASH) if self.planned.style == "tree" else []
        places = sorted([*self._places(INDEX, ONE_HOT, TARGET), *hashed])
        if not places:
            return
        indexer = StringIndexer(
            inputCols=[f"_text_{place}" for place, _ in places],
            outputCols=[f"_index_{place}" for place, _ in places],
            handleInvalid="keep",
            stringOrderType="frequencyDesc",
        )
        fitted = self._add(indexer)
        self.labels: dict[int, list[str]] = {}
        for (place, one), labels in zip(places, fitted.labelsArray, strict=True):
            self.labels[place] = list(labels)
            if not one.buckets:
                self.categories[one.name] = {"values": list(labels[:_KEPT_CATEGORIES]), "arity": len(labels) + 1}
            if one.encoding in (INDEX, HASH):
                slot = {"name": one.name, "feature": one.name, "arity": len(labels) + 1}
                self.blocks.append((f"_index_{place}", [slot]))

    def _encode_targets(self) -> None:
        """Replace each category by the mean of the label, shrunk towards the mean of all.

        The training rows get the mean of the other rows' labels (`target.cross_fitted`), scoring that of all rows.
        """
        sizes = {place: len(self.labels[place]) for place, _ in self._places(TARGET)}
        if not sizes:
            return
        said_by = [self.key] if self.key else [one.name for one in self.planned.features]
        folds = target.fold_of([quoted(name) for name in said_by], self.seed)
        counted = target.count(self.seen, sizes, self.label, folds)
        self.seen = self.seen.selectExpr("*", *target.cross_fitted(counted, folds))
        self.stages.append(SQLTransformer(statement=f"SELECT *, {', '.join(target.final(counted))} FROM __THIS__"))  # nosec B608
        for place, one in self._places(TARGET):
            self._number(f"_target_{place}", one.name, one.name)

    def _scale(self) -> None:
        """Bring quantities to one scale where the learner does not do so itself.

        Spark's linear learners standardise by themselves (``standardization``): a scaler before them would cost a pass
        and change nothing. Ones and zeros of categories stay as they are.
        """
        slots = [slot for _, slot in self.numbers]
        scaler = {"distance": StandardScaler, "nonnegative": MinMaxScaler}.get(self.planned.style)
        if not slots:
            return
        if scaler is None:
            self.blocks = [*((name, [slot]) for name, slot in self.numbers), *self.blocks]
            return
        self._add(
            VectorAssembler(inputCols=[name for name, _ in self.numbers], outputCol="_numbers", handleInvalid="keep")
        )
        self._add(scaler(inputCol="_numbers", outputCol="_scaled"))
        self.blocks.insert(0, ("_scaled", slots))

    def _one_hot(self) -> None:
        # Spark refuses a column without a single category, as a fold may have: it would get no slot anyway.
        places = [(place, one) for place, one in self._places(ONE_HOT) if self.labels[place]]
        if not places:
            return
        # dropLast drops the index for null and unseen: these rows are zero in all of the feature's slots.
        self._add(
            OneHotEncoder(
                inputCols=[f"_index_{place}" for place, _ in places],
                outputCols=[f"_hot_{place}" for place, _ in places],
                dropLast=True,
            )
        )
        for place, one in places:
            slots = [{"name": f"{one.name}={value}", "feature": one.name} for value in self.labels[place]]
            self.blocks.append((f"_hot_{place}", slots))

    def _hash(self) -> None:
        for place, one in self._places(WORDS):
            self._add(RegexTokenizer(inputCol=f"_text_{place}", outputCol=f"_words_{place}", pattern=r"(?U)\W+"))
            self._add(HashingTF(inputCol=f"_words_{place}", outputCol=f"_hashed_{place}", numFeatures=one.buckets))
        for place, one in self._places(HASH) if self.planned.style != "tree" else []:
            self._add(
                FeatureHasher(inputCols=[f"_text_{place}"], outputCol=f"_hashed_{place}", numFeatures=one.buckets)
            )
        for place, one in self._places(WORDS, HASH):
            if one.encoding == WORDS or self.planned.style != "tree":
                slots = [{"name": f"{one.name}[{bucket}]", "feature": one.name} for bucket in range(one.buckets)]
                self.blocks.append((f"_hashed_{place}", slots))


def _medians(rows: DataFrame, quantities: Mapping[str, str], planned: FeaturePlan) -> dict[str, float]:
    """Return the median of each expression, the same for any partitioning of the rows; 0 where all are null.

    ``Imputer`` and ``percentile_approx`` merge sketches in the order in which tasks end, so that their answer may
    differ from run to run; they are also slower (`docs/algorithms.md`). The exact percentile has neither fault, but
    keeps every distinct value: of many rows a part is taken, by a hash of the row.
    """
    if not quantities:
        return {}
    part = max(1, math.ceil(2 * planned.rows / _EXACT_ROWS)) if planned.rows > _EXACT_ROWS else 1
    asked = [F.expr(f"percentile({text}, 0.5)").alias(name) for name, text in quantities.items()]
    row_hash = F.xxhash64(*(F.col(quoted(one.name)) for one in planned.features))
    found = None
    if part > 1:
        sample = rows.where(F.pmod(row_hash, F.lit(part)) == 0)
        found = sample.agg(F.approx_count_distinct(row_hash).alias("_rows"), *asked).first()
        if found is not None and found["_rows"] < _FEW_ROWS:  # many equal rows: the part may hold few of them
            found = None
    if found is None:
        found = rows.agg(*asked).first()
    assert found is not None  # an aggregate without groups has one row
    return {name: float(found[name]) if found[name] is not None else 0.0 for name in quantities}


def deviations(frame: DataFrame) -> list[float]:
    """Return the standard deviation of each slot of `FEATURES`, in one pass."""
    row = frame.select(Summarizer.std(F.col(FEATURES)).alias("std")).first()
    assert row is not None
    return [float(value) for value in row["std"].toArray()]
