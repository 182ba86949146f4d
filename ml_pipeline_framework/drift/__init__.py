"""Drift: the training data's histograms, and how far other data is from them.

A profile takes two passes over all columns together, a comparison one. What leaves the executors are counts: per number
its bins, per category its values. Bins follow the deciles of the training rows; a number with few values, or with one
that many rows share, gets cuts between the values instead, so that no change hides inside a bin. Nulls, and rows below
and above all that training saw, are counted for themselves.
"""

from ml_pipeline_framework.drift.distance import MAJOR, MODERATE, compare
from ml_pipeline_framework.drift.likeness import profile_like
from ml_pipeline_framework.drift.profiles import profile, share_for

__all__ = ["MAJOR", "MODERATE", "compare", "profile", "profile_like", "share_for"]
