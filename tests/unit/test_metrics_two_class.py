"""Binned scores of a two-class model: areas, curves, thresholds and intervals against definitions and brute force."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyspark")

import numpy as np

from ml_pipeline_framework.errors import DataError
from ml_pipeline_framework.metrics import binary, intervals, two_class, two_class_curves
from ml_pipeline_framework.metrics.thresholds import choose_threshold, confusion_at, counted_at

# A row: score in hundredths, class. Few different scores, so that ties are common.
ROWS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1)), min_size=1, max_size=60)
BOTH = ROWS.filter(lambda rows: len({label for _, label in rows}) == 2)
RULES = ("f1", "f_beta:2", "f_beta:0.5", "youden", "cost:fp=1,fn=5", "cost:fp=7,fn=0.5", "recall:0.6")


def binned(rows, threshold=0.5):
    """Bins of rows, one step per score."""
    found = []
    for score, label_rows in itertools.groupby(sorted(rows), key=lambda row: row[0]):
        labels = [label for _, label in label_rows]
        p = score / 20
        losses = [-math.log(max(p if label else 1 - p, 1e-15)) for label in labels]
        squares = [(p - label) ** 2 for label in labels]
        found.append(
            two_class.Bin(
                step=score,
                predicted=int(p >= threshold),
                negatives=labels.count(0),
                positives=labels.count(1),
                low=p,
                high=p,
                score=p * len(labels),
                log_loss=sum(losses),
                log_loss_square=sum(one**2 for one in losses),
                squared_error=sum(squares),
                squared_error_square=sum(one**2 for one in squares),
            )
        )
    return found


def pairs_won(rows):
    """Share of the pairs of a positive and a negative in which the positive scores higher, ties counting half."""
    pairs = [(p, n) for (p, a), (n, b) in itertools.product(rows, rows) if a == 1 and b == 0]
    return sum((p > n) + (p == n) / 2 for p, n in pairs) / len(pairs)


def at_threshold(rows, threshold):
    """tn, fp, fn, tp by looking at every row."""
    counts = [0, 0, 0, 0]
    for score, label in rows:
        counts[2 * label + (score / 20 >= threshold)] += 1
    return counts


def value_of(rule, counts):
    """What a rule looks for, larger is better."""
    tn, fp, fn, tp = counts
    name, _, rest = rule.partition(":")
    if name in ("f1", "f_beta"):
        square = float(rest or 1) ** 2
        return (1 + square) * tp / ((1 + square) * tp + square * fn + fp)
    if name == "youden":
        return tp / (tp + fn) - fp / (fp + tn)
    if name == "cost":
        costs = dict(part.split("=") for part in rest.split(","))
        return -(float(costs["fp"]) * fp + float(costs["fn"]) * fn) / sum(counts)
    precision, recall = (tp / (tp + fp) if tp + fp else 0.0), tp / (tp + fn)
    wanted, found = (precision, recall) if name == "precision" else (recall, precision)
    return found if wanted >= float(rest) else -math.inf


@given(BOTH)
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows):
    steps = two_class.steps_of(binned(rows))
    area, error, resolution = two_class.area_under_roc(steps.negatives, steps.positives)
    assert area == pytest.approx(pairs_won(rows))
    assert error >= 0
    ties = sum(a == b for (a, y), (b, z) in itertools.product(rows, rows) if y == 1 and z == 0)
    assert resolution == pytest.approx(ties / 2 / (steps.negatives.sum() * steps.positives.sum()))
    turned = two_class.area_under_roc(steps.positives, steps.negatives)[0]
    assert turned == pytest.approx(1 - area)


@given(BOTH)
def test_areas_and_ks_are_those_of_scikit_learn(rows):
    sklearn = pytest.importorskip("sklearn.metrics")
    scores, labels = zip(*rows, strict=True)
    found = binary.from_bins(binned(rows), probability=True).metrics
    fpr, tpr, _ = sklearn.roc_curve(labels, scores)
    assert found["auc"] == pytest.approx(sklearn.roc_auc_score(labels, scores))
    assert found["pr_auc"] == pytest.approx(sklearn.average_precision_score(labels, scores))
    assert found["ks"] == pytest.approx(max(tpr - fpr))
    predicted = [score / 20 >= 0.5 for score in scores]
    assert found["f1"] == pytest.approx(sklearn.f1_score(labels, predicted, zero_division=0))
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(labels, predicted))
    assert found["brier"] == pytest.approx(sklearn.brier_score_loss(labels, [score / 20 for score in scores]))


@given(BOTH)
def test_curves_rise_and_reach_their_ends(rows):
    steps = two_class.steps_of(binned(rows))
    curves = two_class_curves.curves(steps, probability=True)
    roc = curves["roc"]
    assert (roc["fpr"][0], roc["tpr"][0], roc["threshold"][0]) == (0, 0, None)
    assert (roc["fpr"][-1], roc["tpr"][-1]) == (1, 1)
    for one in (roc["fpr"], roc["tpr"], curves["pr"]["recall"], curves["lift"]["gain"]):
        assert all(before <= after + 1e-12 for before, after in itertools.pairwise(one))
    assert np.trapezoid(roc["tpr"], roc["fpr"]) == pytest.approx(pairs_won(rows))
    assert curves["lift"]["gain"][-1] == pytest.approx(1)
    assert curves["lift"]["lift"][-1] == pytest.approx(1)
    assert sum(one["rows"] for one in curves["calibration"]) == len(rows)
    assert sum(curves["scores"]["negatives"]) + sum(curves["scores"]["positives"]) == len(rows)
    ks = curves["ks"]
    assert ks["value"] == pytest.approx(ks["tpr"] - ks["fpr"])
    tn, fp, fn, tp = at_threshold(rows, ks["threshold"])
    assert (ks["tpr"], ks["fpr"]) == pytest.approx((tp / (tp + fn), fp / (fp + tn)))


@given(BOTH, st.sampled_from(RULES))
def test_a_rule_finds_the_best_of_all_thresholds(rows, rule):
    bins = binned(rows)
    threshold, value = choose_threshold(bins, rule)
    candidates = [*sorted({score / 20 for score, _ in rows}), 2.0]
    values = [value_of(rule, at_threshold(rows, one)) for one in candidates]
    assert abs(value) == pytest.approx(abs(max(values)))
    found = counted_at(bins, threshold)
    counts = at_threshold(rows, threshold)
    assert [found.true_negative, found.false_positive, found.false_negative, found.true_positive] == counts
    assert abs(value_of(rule, counts)) == pytest.approx(abs(value))
    assert not any(
        at_threshold(rows, one) != counts and one > threshold and got > max(values) - 1e-12
        for one, got in zip(candidates, values, strict=True)
    ) or (threshold >= candidates[-2])


@given(BOTH, st.sampled_from([0.05, 0.1, 0.5, 0.9, 1.0]))
def test_the_top_takes_as_many_rows_as_it_may(rows, share):
    bins = binned(rows)
    threshold, value = choose_threshold(bins, f"top:{share}")
    taken = sorted((score / 20 for score, _ in rows), reverse=True)
    assert value == pytest.approx(sum(one >= threshold for one in taken) / len(rows))
    lower = [one for one in taken if one < threshold]
    if value > share + 1e-9:
        assert {one for one in taken if one >= threshold} == {taken[0]}  # even the best step holds more
    elif lower:
        assert sum(one >= lower[0] for one in taken) > share * len(rows)


@given(BOTH, st.sampled_from([0.2, 0.6, 1.0]))
def test_precision_is_reached_with_the_largest_recall_or_not_at_all(rows, wanted):
    rule, bins = f"precision:{wanted}", binned(rows)
    values = [value_of(rule, at_threshold(rows, score / 20)) for score, _ in rows]
    if max(values) <= 0:
        with pytest.raises(DataError, match="highest precision at any threshold"):
            choose_threshold(bins, rule)
        return
    threshold, value = choose_threshold(bins, rule)
    assert value == pytest.approx(max(values))
    assert value_of(rule, at_threshold(rows, threshold)) == pytest.approx(value)


def test_a_threshold_lies_halfway_to_the_next_lower_score():
    """A forest's scores are few: at the leaf's own score, the refitted model's leaf would fall out as a whole."""
    rows = [(4, 0)] * 5 + [(16, 1)] * 5  # scores 0.2 and 0.8
    assert choose_threshold(binned(rows), "f1") == (pytest.approx(0.5), 1.0)
    assert choose_threshold(binned([(4, 0), (4, 1)]), "f1")[0] == pytest.approx(0.2)  # nothing below: the step's own


def test_a_threshold_needs_rows_and_classes():
    with pytest.raises(DataError, match="no predictions"):
        choose_threshold([], "f1")
    with pytest.raises(DataError, match="the 2 rows hold one class only"):
        choose_threshold(binned([(1, 0), (2, 0)]), "f1")
    assert choose_threshold(binned([(1, 0), (2, 0)]), "top:0.5") == (pytest.approx(0.075), 0.5)
    with pytest.raises(ValueError, match="rules: f1, f_beta:B, youden"):
        choose_threshold(binned([(1, 0), (2, 1)]), "f2")


def test_when_errors_cost_too_much_nothing_is_positive():
    rows = [(5, 0)] * 50 + [(6, 1)]
    threshold, value = choose_threshold(binned([*rows, (20, 0)]), "cost:fp=10,fn=1")
    assert threshold > 1
    assert value == pytest.approx(1 / 52)
    assert confusion_at(binned(rows), threshold, ["nö", "yes"]) == {
        "labels": ["nö", "yes"],
        "matrix": [[50, 0], [1, 0]],
        "threshold": threshold,
    }


@given(ROWS)
def test_one_class_only_gives_nulls_and_a_note_and_no_nan(rows):
    measured = binary.from_bins(binned(rows), probability=True)
    values = measured.metrics
    single = len({label for _, label in rows}) == 1
    assert any("are of class" in note for note in measured.notes) == single
    for name in (
        "auc",
        "auc_low",
        "auc_high",
        "auc_standard_error",
        "auc_resolution",
        "pr_auc",
        "ks",
        "top_decile_lift",
    ):
        assert (values[name] is None) == single, name
    numbers = [one for one in values.values() if one is not None]
    assert all(math.isfinite(one) for one in numbers)
    assert values["brier"] is not None
    for span in measured.intervals.values():
        assert span["low"] <= span["high"]
    for name in measured.intervals:
        assert measured.intervals[name]["low"] <= values[name] + 1e-12 <= measured.intervals[name]["high"] + 1e-9, name


def test_wilson_by_the_book():
    # Wilson (1927) as tabulated by R: prop.test(8, 10, correct=FALSE) gives 0.4901625 and 0.9433178.
    assert intervals.wilson(8, 10) == {
        "low": pytest.approx(0.4901625, abs=1e-6),
        "high": pytest.approx(0.9433178, abs=1e-6),
        "method": "Wilson",
    }
    assert intervals.wilson(0, 10)["low"] == 0
    assert intervals.wilson(0, 0) is None


def test_the_bootstrap_of_counts_is_the_bootstrap_of_rows():
    """Against 2,000 drawn samples of the rows themselves: the same spread within what 200 replicates can tell."""
    rng = np.random.default_rng(5)
    labels = rng.random(600) < 0.3
    scores = np.clip(np.round(rng.normal(0.4 + 0.15 * labels, 0.2), 2), 0, 1)
    rows = [(round(score * 20), int(label)) for score, label in zip(scores, labels, strict=True)]
    found = binary.from_bins(binned(rows), probability=True)
    drawn = {"pr_auc": [], "ks": [], "f1": [], "auc": [], "brier": []}
    for _ in range(400):
        sample = [rows[at] for at in rng.integers(0, len(rows), len(rows))]
        steps = two_class.steps_of(binned(sample))
        _, fp, fn, tp = at_threshold(sample, 0.5)
        drawn["pr_auc"].append(two_class.average_precision(steps.negatives, steps.positives))
        drawn["ks"].append(two_class.kolmogorov_smirnov(steps.negatives, steps.positives)[0])
        drawn["auc"].append(two_class.area_under_roc(steps.negatives, steps.positives)[0])
        drawn["f1"].append(2 * tp / (2 * tp + fp + fn))
        drawn["brier"].append(sum((score / 20 - label) ** 2 for score, label in sample) / len(sample))
    for name, values in drawn.items():
        span = found.intervals[name]
        assert (span["high"] - span["low"]) / 2 / 1.96 == pytest.approx(np.std(values), rel=0.2), name


def test_the_baseline_of_a_constant_score():
    train, test = (30, 10), (15, 9)
    found = binary.baseline(train, test)
    constant = [(5, int(at < 9)) for at in range(24)]
    measured = binary.from_bins(binned(constant), probability=True).metrics
    for name in binary.NAMES:
        assert found[name] == pytest.approx(measured[name]), name
    assert binary.baseline(train, (5, 0))["auc"] is None
