"""What a Python worker does with the batches of a scikit-learn model.

Every worker imports this module before its first batch: it therefore imports nothing but the standard library, and what
the model needs when the first batch is there.
"""

from __future__ import annotations

import importlib
import io
import platform
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Of one worker process: the model of the job that it works for.
_LOADED: dict[str, Any] = {}


@dataclass(frozen=True)
class Scorer:
    """Scores Arrow batches whose columns are the features, in order, and then the kept columns.

    Attributes
    ----------
    key : str
        Tells the model from every other one that a worker may have loaded.
    content : Broadcast of bytes
        The model's file.
    features : tuple of str
        Names of the first columns.
    names : tuple of str
        Names of the columns that come out: the kept ones, the prediction, the probabilities.
    arrow_type : str
        Name of the prediction's type in pyarrow.
    has_probabilities : bool
    largest_wins : bool
        The class of the largest probability is what ``predict`` says.
    threshold : float or None
        Two classes: the probability of the second from which it is predicted.
    """

    key: str
    content: Any
    features: tuple[str, ...]
    names: tuple[str, ...]
    arrow_type: str
    has_probabilities: bool
    largest_wins: bool
    threshold: float | None

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yield one batch of results for each batch of rows."""
        pyarrow = _imported("pyarrow")
        estimator, count = self._estimator(), len(self.features)
        for batch in batches:
            if not batch.num_rows:
                continue
            table = pyarrow.Table.from_batches([batch])
            features = table.select(list(range(count))).to_pandas()
            features.columns = list(self.features)
            predicted, probabilities = self._predicted(estimator, features)
            arrays = [batch.column(place) for place in range(count, batch.num_columns)]
            arrays.append(pyarrow.array(predicted, type=getattr(pyarrow, self.arrow_type)()))
            arrays += [pyarrow.array(probabilities[:, place]) for place in range(probabilities.shape[1])]
            yield pyarrow.RecordBatch.from_arrays(arrays, names=list(self.names))

    def _estimator(self) -> Any:
        """Return the model of this process; it is loaded for the first batch, and for none after it."""
        if self.key not in _LOADED:
            for name in ("sklearn", "pandas"):
                _imported(name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the driver has said them once
                loaded = _imported("joblib").load(io.BytesIO(self.content.value))
            _LOADED.clear()
            _LOADED[self.key] = loaded
        return _LOADED[self.key]

    def _predicted(self, estimator: Any, features: Any) -> tuple[Any, Any]:
        """Return predictions and probabilities (no column of them for models that have none) of a batch."""
        numpy = _imported("numpy")
        # As the model was fitted: with names, or on an array.
        given = features if hasattr(estimator, "feature_names_in_") else features.to_numpy()
        try:
            if not self.has_probabilities:
                return estimator.predict(given), numpy.empty((len(features), 0))
            probabilities = numpy.asarray(estimator.predict_proba(given), dtype="float64")
            classes = numpy.asarray(estimator.classes_)
            if self.threshold is not None:
                return classes[(probabilities[:, 1] >= self.threshold).astype(int)], probabilities
            if self.largest_wins:
                return classes[probabilities.argmax(axis=1)], probabilities
            return estimator.predict(given), probabilities
        except (ValueError, TypeError) as error:
            nulls = [str(name) for name in features.columns if features[name].isna().any()]
            said = f"; columns with nulls in this batch: {', '.join(nulls)}" if nulls else ""
            raise ValueError(f"the model can't predict a batch of {len(features)} rows: {error}{said}") from error


def _imported(name: str) -> Any:
    """Return a module; when it is missing, say where."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"the node {platform.node()} has no {name}, which a scikit-learn model needs ({error}): install it on "
            "every node, or ship an environment (archives: [env.tar.gz#env], PYTHON_PATH: ./env/bin/python)"
        ) from error
