"""From columns to the feature vector: which columns, encoded how, and the stages that do it, fitted on training rows.

`candidates` looks at the schema, `profile` at the rows (aggregates for the caller's own pass), `plan` decides, `fit`
fits. Everything that learns from rows is fitted in `fit`, so that a cross-validation calls it inside each fold.
"""

from __future__ import annotations

from ml_pipeline_framework.features.fitting import FEATURES, FittedFeatures, deviations, fit
from ml_pipeline_framework.features.planning import (
    TIME_PARTS,
    Feature,
    FeaturePlan,
    LeftOut,
    Options,
    almost_numbers,
    candidates,
    plan,
    profile,
    schema_of,
)

__all__ = [
    "FEATURES",
    "TIME_PARTS",
    "Feature",
    "FeaturePlan",
    "FittedFeatures",
    "LeftOut",
    "Options",
    "almost_numbers",
    "candidates",
    "deviations",
    "fit",
    "plan",
    "profile",
    "schema_of",
]
