"""Scoring with a scikit-learn model: the file goes to every worker once, rows go through it in batches.

The file is a pickle, and a pickle is a program: whoever can write it can run code as the user of this job, on every
node. It is therefore loaded only when the configuration says ``model_format: sklearn``, and never because of a file's
name.

Batches travel as Arrow tables (``mapInArrow``, the sibling of ``mapInPandas``): pandas is given the columns that the
model reads, and no others. Kept columns stay what they are; through pandas, a 64-bit key with a null among its batch
would come back rounded to 53 bits.
"""

from __future__ import annotations

import importlib
import io
import re
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from ml_pipeline_framework import datasets
from ml_pipeline_framework.errors import DataError, ModelError
from ml_pipeline_framework.jobs.predicted_columns import Plan
from ml_pipeline_framework.jobs.python_worker import Scorer
from ml_pipeline_framework.labels import BINARY, CLUSTERING, MULTICLASS, REGRESSION
from ml_pipeline_framework.schemas import BOOLEAN, NUMBER, TEXT, kind_of, quoted, require_columns

#: What has to be installed, on the driver as on every node: module, and the distribution that brings it.
NEEDED: Mapping[str, str] = {"numpy": "numpy", "pandas": "pandas", "pyarrow": "pyarrow", "sklearn": "scikit-learn"}
#: Learners whose ``predict`` is the class of the largest ``predict_proba`` by definition; others are asked for both.
_PREDICTS_LARGEST = re.compile(
    r"(RandomForest|ExtraTrees|ExtraTree|DecisionTree|GradientBoosting|HistGradientBoosting|Bagging|LogisticRegression|"
    r"LogisticRegressionCV|GaussianNB|MultinomialNB|BernoulliNB|ComplementNB|CategoricalNB|KNeighbors|MLP|"
    r"LinearDiscriminantAnalysis|QuadraticDiscriminantAnalysis|Dummy)(Classifier)?"
)


#: The Arrow type of each type that a prediction can have.
_ARROW: Mapping[type[DataType], str] = {
    BooleanType: "bool_",
    IntegerType: "int32",
    LongType: "int64",
    DoubleType: "float64",
    StringType: "string",
}


@dataclass(frozen=True)
class PythonModel:
    """A scikit-learn model as the driver has seen it.

    Attributes
    ----------
    key : str
        Tells it from every other model that a worker may have loaded.
    content : Broadcast
        The file, on its way to every node. (``SparkContext.addFile`` would do, but a file once added is fetched by each
        executor that starts later, for as long as the application lives.)
    features : tuple of str
        The columns that it reads, in its order.
    task : str
        binary, multiclass, regression or clustering.
    classes : tuple or None
        Plain Python values, in the order of the probabilities.
    has_probabilities : bool
    largest_wins : bool
        ``predict`` is the class of the largest probability, so that one of the two need not be asked for.
    description : str
        Such as ``Pipeline(… RandomForestClassifier)``.
    notes : tuple of str
        Warnings, such as another version of scikit-learn.
    """

    key: str
    content: Broadcast[bytes]
    features: tuple[str, ...]
    task: str
    classes: tuple[Any, ...] | None
    has_probabilities: bool
    largest_wins: bool
    description: str
    notes: tuple[str, ...]


def require_packages() -> None:
    """Check that the driver has what such a model needs.

    Raises
    ------
    ModelError
        Naming all that is missing.
    """
    missing = []
    for module, distribution in NEEDED.items():
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(distribution)
    if missing:
        raise ModelError(
            f"model_format is sklearn, and the driver has no {', '.join(missing)}: install it on every node, or ship "
            "an environment (archives: [env.tar.gz#env], PYTHON_PATH: ./env/bin/python)"
        )


@contextmanager
def opened(spark: SparkSession, path: str, feature_columns: Sequence[str]) -> Iterator[PythonModel]:
    """Look at what a model's file holds, and offer it to every node while the block runs.

    Parameters
    ----------
    path : str
        A file that ``joblib.dump`` or ``pickle.dump`` wrote; it is executed by being loaded.
    feature_columns : sequence of str
        The columns it reads, when it does not say so itself.

    Raises
    ------
    DataError
        Nothing lies there.
    ModelError
        A package is missing, the file can't be loaded, it is no model, or it does not say what it reads.
    """
    require_packages()
    if not datasets.exists(spark, path):
        raise DataError(f"no model at {path}: check the path")
    content = _content(spark, path)
    model, notes = _loaded(content, path)
    sent = spark.sparkContext.broadcast(content)
    try:
        yield PythonModel(
            key=uuid.uuid4().hex,
            content=sent,
            features=_features(model, feature_columns, path),
            task=_task(model, path),
            classes=_classes(model),
            has_probabilities=callable(getattr(model, "predict_proba", None)),
            largest_wins=bool(_PREDICTS_LARGEST.fullmatch(type(_last(model)).__name__)),
            description=_description(model),
            notes=tuple(notes),
        )
    finally:
        sent.destroy()


def _content(spark: SparkSession, path: str) -> bytes:
    """Return the file's bytes, from whichever file system it lies on."""
    jvm: Any = spark._jvm
    hadoop = jvm.org.apache.hadoop.fs
    place = hadoop.Path(path)
    file_system = place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    if file_system.getFileStatus(place).isDirectory():
        raise ModelError(f"{path} is a folder: give the .joblib or .pkl file itself, or leave model_format out")
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "model"
        file_system.copyToLocalFile(False, place, hadoop.Path(local.as_uri()), True)
        return local.read_bytes()


def _loaded(content: bytes, path: str) -> tuple[Any, list[str]]:
    """Load the model, and say what its loading warned of."""
    joblib, sklearn = importlib.import_module("joblib"), importlib.import_module("sklearn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = joblib.load(io.BytesIO(content))
    except Exception as error:  # unpickling runs code of others, which raises what it likes
        raise ModelError(
            f"{path} can't be loaded with scikit-learn {sklearn.__version__} ({type(error).__name__}: {error}): use "
            "the versions of Python and of the packages that wrote it, or save it anew"
        ) from error
    if not callable(getattr(model, "predict", None)):
        raise ModelError(f"{path} holds a {type(model).__name__}, which has no predict: save the fitted model itself")
    found = [getattr(one.message, "original_sklearn_version", None) for one in caught]
    versions = sorted({str(one) for one in found if one is not None})
    notes = [
        f"the model was written by scikit-learn {', '.join(versions)} and is read by {sklearn.__version__}: "
        "scikit-learn promises nothing across versions; save it anew with the version that scores"
    ]
    return model, notes if versions else []


def _features(model: Any, given: Sequence[str], path: str) -> tuple[str, ...]:
    own = getattr(model, "feature_names_in_", None)
    expected = getattr(model, "n_features_in_", None)
    names = tuple(given) or (tuple(str(one) for one in own) if own is not None else ())
    if not names:
        raise ModelError(
            f"the model {path} does not say which columns it reads (it was fitted on an array): list them in the "
            "order of the training as feature_columns"
        )
    if expected is not None and len(names) != expected:
        raise ModelError(f"feature_columns names {len(names)} columns, the model {path} reads {expected}")
    if own is not None and set(names) != {str(one) for one in own}:
        differing = sorted(set(names) ^ {str(one) for one in own})
        raise ModelError(f"feature_columns and the model {path} disagree about {', '.join(differing)}: leave it out")
    return tuple(str(one) for one in own) if own is not None else names


def _task(model: Any, path: str) -> str:
    classes = getattr(model, "classes_", None)
    if classes is not None:
        if not hasattr(classes, "dtype") or getattr(classes, "ndim", 1) != 1:
            raise ModelError(f"the model {path} predicts several outputs at once, which is not supported")
        return BINARY if len(classes) == 2 else MULTICLASS
    clusterer = getattr(importlib.import_module("sklearn.base"), "is_clusterer", None)
    if clusterer(model) if clusterer else getattr(model, "_estimator_type", "") == "clusterer":
        return CLUSTERING
    return REGRESSION


def _classes(model: Any) -> tuple[Any, ...] | None:
    classes = getattr(model, "classes_", None)
    return None if classes is None else tuple(classes.tolist())


def _last(model: Any) -> Any:
    steps = getattr(model, "steps", None)
    return steps[-1][1] if steps else model


def _description(model: Any) -> str:
    last = type(_last(model)).__name__
    return last if _last(model) is model else f"{type(model).__name__}(… {last})"


# --- columns ----------------------------------------------------------------------------------------------------------


def inputs(frame: DataFrame, model: PythonModel, kept: Sequence[str], where: str) -> DataFrame:
    """Return the rows as workers get them: features ``f0``, ``f1`` …, then the kept columns ``k0``, ``k1`` ….

    Decimals become doubles; every other type travels as it is.

    Raises
    ------
    DataError
        A missing column, or one of a type that no scikit-learn model reads.
    """
    require_columns(frame, model.features, "the model's features", where)
    strange = [
        f"{name} ({frame.schema[name].dataType.simpleString()})"
        for name in model.features
        if kind_of(frame.schema[name].dataType) not in (NUMBER, BOOLEAN, TEXT)
    ]
    if strange:
        raise DataError(f"{where}: scikit-learn does not read columns like {', '.join(strange)}: make numbers of them")
    features = [
        F.col(quoted(name)).cast("double")
        if isinstance(frame.schema[name].dataType, DecimalType)
        else F.col(quoted(name))
        for name in model.features
    ]
    return frame.select(
        *(one.alias(f"f{place}") for place, one in enumerate(features)),
        *(F.col(quoted(name)).alias(f"k{place}") for place, name in enumerate(kept)),
    )


def predicted_type(model: PythonModel) -> DataType:
    """Return the type of the predicted class, value or cluster."""
    if model.classes is None:
        return IntegerType() if model.task == CLUSTERING else DoubleType()
    for kind, type_of in ((bool, BooleanType()), (int, LongType()), (float, DoubleType())):
        if all(isinstance(one, kind) for one in model.classes):
            return type_of
    return StringType()


def scored(frame: DataFrame, model: PythonModel, planned: Plan, threshold: float | None) -> DataFrame:
    """Return the columns of the output for rows from `inputs`."""
    kept = [StructField(name, frame.schema[f"k{place}"].dataType) for place, name in enumerate(planned.kept)]
    schema = StructType(
        [
            *kept,
            StructField(planned.prediction, predicted_type(model)),
            *(StructField(name, DoubleType()) for name in planned.scores),
        ]
    )
    scorer = Scorer(
        key=model.key,
        content=model.content,
        features=model.features,
        names=tuple(schema.names),
        arrow_type=_ARROW[type(predicted_type(model))],
        has_probabilities=model.has_probabilities,
        largest_wins=model.largest_wins,
        threshold=threshold,
    )
    batches = frame.mapInArrow(scorer, schema)
    return batches.select(
        *(F.col(quoted(name)) for name in schema.names),
        *(F.lit(value).alias(name) for name, value in planned.constants.items()),
    )
