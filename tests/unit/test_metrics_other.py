"""Comparison and gate, averages over classes, and distributions of residuals: plain numbers in, plain numbers out."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyspark")

import numpy as np

from ml_pipeline_framework import metrics
from ml_pipeline_framework.metrics import multiclass, regression
from ml_pipeline_framework.metrics.distribution import Distribution, Group

OURS = {"auc": 0.71, "log_loss": 0.5, "rows": 100, "pr_auc": None, "rule": "text", "f1": 0.4}
THEIRS = {"auc": 0.70, "log_loss": 0.4, "rows": 90, "pr_auc": 0.3, "rule": "other", "ks": 0.2, "f1": 0.4}


def test_two_models_side_by_side():
    found = metrics.compare(metrics.Measured(100, OURS), THEIRS)
    assert found["auc"] == {"ours": 0.71, "theirs": 0.70, "difference": pytest.approx(0.01), "better": True}
    assert found["log_loss"]["better"] is False
    assert found["rows"]["better"] is None
    assert found["f1"]["better"] is None
    assert found["pr_auc"] == {"ours": None, "theirs": 0.3, "difference": None, "better": None}
    assert set(found) == {"auc", "log_loss", "rows", "pr_auc", "f1"}


def passed(conditions, **others):
    return {one["name"]: one["passed"] for one in metrics.gate(OURS, conditions, **others)}


def test_a_gate_passes_at_its_limit_and_fails_beyond():
    assert passed({"min_auc": 0.71, "max_log_loss": 0.5, "min_rows": 100}) == {
        "min_auc": True,
        "max_log_loss": True,
        "min_rows": True,
    }
    assert passed({"min_auc": 0.7101, "max_log_loss": 0.49}) == {"min_auc": False, "max_log_loss": False}


def test_what_can_not_be_judged_has_failed():
    assert passed({"min_pr_auc": 0.1, "max_ks": 0.9}) == {"min_pr_auc": False, "max_ks": False}
    assert metrics.gate(OURS, {"max_regression": 0.5}) == [
        {"name": "max_regression", "limit": 0.5, "found": None, "passed": False}
    ]


def test_a_regression_is_counted_in_the_direction_of_its_metric():
    better = metrics.gate(OURS, {"max_regression": 0}, reference=THEIRS)
    assert better[0]["found"] == pytest.approx(-0.01)
    assert better[0]["passed"]
    worse = metrics.gate(THEIRS, {"max_regression": 0.01}, reference=OURS)  # 0.71 - 0.70 is 0.010000000000000009
    assert worse[0]["passed"]
    assert passed({"max_regression": {"log_loss": 0.05, "auc": 0}}, reference=THEIRS) == {
        "max_regression.log_loss": False,
        "max_regression.auc": True,
    }
    errors = metrics.gate({"rmse": 3.0}, {"max_regression": 0.5}, reference=metrics.Measured(1, {"rmse": 2.0}))
    assert (errors[0]["found"], errors[0]["passed"]) == (1.0, False)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=80))
def test_averages_over_classes_are_those_of_scikit_learn(rows):
    sklearn = pytest.importorskip("sklearn.metrics")
    matrix = np.zeros((5, 5), dtype=np.int64)
    for label, prediction in rows:
        matrix[label, prediction] += 1
    whole, per_class = multiclass.rates(multiclass.of_matrix(matrix))
    labels, predictions = zip(*rows, strict=True)
    for average in ("macro", "weighted"):
        precision, recall, f1, _ = sklearn.precision_recall_fscore_support(
            labels, predictions, average=average, zero_division=0
        )
        assert whole[f"f1_{average}"] == pytest.approx(f1)
        if average == "macro":
            assert (whole["precision_macro"], whole["recall_macro"]) == pytest.approx((precision, recall))
    assert whole["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, predictions))
    each = sklearn.precision_recall_fscore_support(labels, predictions, labels=range(5), zero_division=0)
    assert per_class["f1"].tolist() == pytest.approx(each[2].tolist())


def test_the_baseline_of_several_classes():
    found = metrics.baseline("multiclass", (60, 30, 10), (10, 5, 5))
    assert found["accuracy"] == 0.5
    assert found["f1_macro"] == pytest.approx(2 / 9)
    assert found["log_loss"] == pytest.approx(-(10 * math.log(0.6) + 5 * math.log(0.3) + 5 * math.log(0.1)) / 20)
    assert set(metrics.NAMES["multiclass"]) <= set(found)


VALUES = st.lists(st.one_of(st.integers(-5, 5).map(float), st.floats(-100, 100)), min_size=1, max_size=80)


def grouped(values, size):
    """Values in groups of neighbours, equal ones always in one group."""
    groups: list[list[float]] = []
    for value in sorted(values):
        if groups and (value == groups[-1][-1] or len(groups[-1]) < size):
            groups[-1].append(value)
        else:
            groups.append([value])
    return Distribution([Group(one[0], one[-1], len(one), sum(one), 2 * sum(one)) for one in groups])


@given(VALUES, st.integers(1, 9), st.floats(0, 1))
def test_quantiles_lie_where_the_rows_say(values, size, share):
    found = grouped(values, size)
    quantile = found.quantile(share)
    below = sum(one < quantile for one in values)
    up_to = sum(one <= quantile for one in values)
    spread = max(group.rows for group in found.groups)  # within a group the place is a guess
    assert below - spread <= share * len(values) <= up_to + spread
    distance = found.absolute_quantile(share)
    within = sum(abs(one) <= distance + 1e-9 for one in values)
    assert within + 2 * spread >= share * len(values)


@given(VALUES, st.integers(1, 9))
def test_histogram_and_tenths_lose_no_row(values, size):
    found = grouped(values, size)
    histogram = found.histogram()
    assert sum(histogram["counts"]) == len(values)
    assert min(histogram["counts"]) >= 0
    assert len(histogram["edges"]) == 51
    assert all(before < after for before, after in pairwise(histogram["edges"]))
    tenths = found.tenths()
    assert sum(one["rows"] for one in tenths) == len(values)
    assert sum(one["mean_label"] * one["rows"] for one in tenths) == pytest.approx(sum(values), abs=1e-6)
    assert all(one["high"] <= after["low"] for one, after in pairwise(tenths))


@given(VALUES, st.floats(-50, 50))
def test_the_baseline_of_a_regression_is_a_constant_prediction(values, constant):
    test = {
        "rows": len(values),
        "mean": float(np.mean(values)),
        "variance": float(np.var(values)),
        "groups": [(1, value) for value in values],
    }
    found = regression.baseline({"mean": constant}, test)
    errors = np.array(values) - constant
    assert found["rmse"] == pytest.approx(float(np.sqrt(np.mean(errors**2))), abs=1e-6)
    assert found["mae"] == pytest.approx(float(np.mean(np.abs(errors))), abs=1e-9)
    assert found["bias"] == pytest.approx(-float(np.mean(errors)), abs=1e-9)
    ordered = np.sort(np.abs(errors))
    assert found["median_absolute_error"] == pytest.approx(ordered[(len(values) - 1) // 2])
