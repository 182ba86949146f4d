"""What scores: a stored Spark pipeline, or a scikit-learn model in a file. Both say the same things of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession

from ml_pipeline_framework import model_store
from ml_pipeline_framework.contract import PredictionParams
from ml_pipeline_framework.jobs import predicted_columns, python_model, scoring
from ml_pipeline_framework.jobs.predicted_columns import Plan
from ml_pipeline_framework.jobs.python_model import PythonModel
from ml_pipeline_framework.labels import BINARY
from ml_pipeline_framework.model_store import StoredModel

SKLEARN = "sklearn"
PROBABILITY = "probability"


@dataclass(frozen=True)
class About:
    """What is known of a model before it scores.

    Attributes
    ----------
    identity : mapping
        ``name``, ``version``, ``path``, ``format`` and ``written_by`` (versions), as the report says them.
    reads : tuple of str
        The columns of the input that it reads.
    types : mapping
        Types in training, in Spark's words, of these columns and of keys, group and time; empty when nobody knows.
    score_column : str
        probability, rawPrediction or prediction: what the model is sure of.
    notes : tuple of str
        Warnings about the model itself.
    """

    identity: Mapping[str, str]
    task: str
    classes: tuple[Any, ...] | None
    key_columns: tuple[str, ...]
    reads: tuple[str, ...]
    types: Mapping[str, str]
    score_column: str
    threshold: float | None
    metadata: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def has_probabilities(self) -> bool:
        """Whether each class gets a column with its probability."""
        return self.classes is not None and self.score_column == PROBABILITY

    @property
    def has_raw_score(self) -> bool:
        """Whether there is a score that is no probability (two classes only)."""
        return self.task == BINARY and self.score_column == "rawPrediction"


class Scorer(Protocol):
    """A model that is ready to score."""

    @property
    def about(self) -> About:
        """What is known of it."""
        ...

    def check(self, frame: DataFrame, where: str) -> list[str]:
        """Compare data with what the model was trained on, without running a Spark task; return warnings."""
        ...

    def scored(self, frame: DataFrame, planned: Plan, where: str) -> DataFrame:
        """Return the columns of the output."""
        ...


@contextmanager
def opened(spark: SparkSession, params: PredictionParams) -> Iterator[Scorer]:
    """Find the model, check it and load it.

    Raises
    ------
    DataError, ModelError
        See `model_store.open_model` and `python_model.opened`.
    """
    if params.model_format == SKLEARN:
        with python_model.opened(spark, params.model, params.feature_columns) as found:
            yield SklearnScorer(_with_threshold(_about_python(found, params.model), params), found)
    else:
        stored = model_store.open_model(spark, params.model, params.models_path)
        about = _with_threshold(_about_stored(stored), params)
        yield SparkScorer(about, stored.pipeline())


def _with_threshold(about: About, params: PredictionParams) -> About:
    told = predicted_columns.threshold_for(about.task, about.score_column, about.threshold, params.threshold)
    return replace(about, threshold=told)


@dataclass(frozen=True)
class SparkScorer:
    """A pipeline of this toolkit: scored by Spark itself, in the JVM."""

    about: About
    pipeline: PipelineModel

    def check(self, frame: DataFrame, where: str) -> list[str]:
        """As `scoring.check_schema`."""
        return scoring.check_schema(frame, self.about.metadata, where)

    def scored(self, frame: DataFrame, planned: Plan, where: str) -> DataFrame:
        """As `Scorer.scored`."""
        kept = planned.kept
        # Kept columns are as they were read; only what the model reads takes the types of the training.
        rows, through = predicted_columns.carried(frame, self.about.reads, kept, self.about.types)
        return predicted_columns.scored(
            self.pipeline.transform(scoring.as_trained(rows, self.about.metadata)),
            planned,
            through,
            task=self.about.task,
            label=self.about.metadata.get("label") or {},
            threshold=self.about.threshold,
        )


@dataclass(frozen=True)
class SklearnScorer:
    """A scikit-learn model: scored in Python workers, batch by batch."""

    about: About
    model: PythonModel

    def check(self, frame: DataFrame, where: str) -> list[str]:
        """Check that the features are there and of types that scikit-learn reads."""
        python_model.inputs(frame, self.model, (), where)
        return []

    def scored(self, frame: DataFrame, planned: Plan, where: str) -> DataFrame:
        """As `Scorer.scored`."""
        rows = python_model.inputs(frame, self.model, planned.kept, where)
        return python_model.scored(rows, self.model, planned, self.about.threshold)


def _about_stored(stored: StoredModel) -> About:
    metadata = stored.metadata
    label: Mapping[str, Any] = metadata.get("label") or {}
    classes = label.get("classes")
    schema: Sequence[Mapping[str, Any]] = metadata["input_schema"]
    score_column = metadata.get("score_column") or ("probability" if classes else "prediction")
    return About(
        identity={
            "name": stored.name,
            "version": stored.version,
            "path": stored.path,
            "format": "spark",
            "written_by": f"Spark {stored.written_by}" if stored.written_by else "",
        },
        task=str(metadata["task"]),
        classes=None if classes is None else tuple(classes),
        key_columns=tuple(metadata.get("key_columns") or ()),
        reads=tuple(one["name"] for one in schema),
        types=scoring.types_of(metadata),
        score_column=score_column,
        threshold=metadata.get("threshold"),
        metadata=metadata,
        notes=tuple(stored.version_warnings()),
    )


def _about_python(found: PythonModel, path: str) -> About:
    return About(
        identity={"name": found.description, "version": "", "path": path, "format": SKLEARN, "written_by": ""},
        task=found.task,
        classes=found.classes,
        key_columns=(),
        reads=found.features,
        types={},
        score_column=PROBABILITY if found.has_probabilities else "prediction",
        threshold=None,
        metadata={},
        notes=found.notes,
    )
