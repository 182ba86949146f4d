"""From the name of an algorithm to an estimator, and from a fitted model to its settings and importances."""

from __future__ import annotations

from ml_pipeline_framework.models.estimators import all_settings, estimator, require, score_column, spark_settings
from ml_pipeline_framework.models.importance import importance_kind, importances

__all__ = ["all_settings", "estimator", "importance_kind", "importances", "require", "score_column", "spark_settings"]
