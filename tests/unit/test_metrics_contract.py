"""Conditions of a gate and rules for a threshold, as the edge checks them; and how they are held against numbers."""

from __future__ import annotations

import pytest

from ml_pipeline_framework.contract.metric_names import MAIN, NAMES, TASKS, gate_problems, ranges
from ml_pipeline_framework.contract.threshold_rules import THRESHOLD_RULES, threshold_rule, threshold_rule_problem


def said(conditions, task=None):
    return {one.key: str(one) for one in gate_problems(conditions, task)}


def test_every_task_has_a_main_metric_of_its_own():
    assert tuple(NAMES) == TASKS
    for task, main in MAIN.items():
        assert main in NAMES[task]
        assert [other for other in TASKS if main in NAMES[other]] == [task]
    directions = {}
    for table in NAMES.values():
        for name, how in table.items():
            assert directions.setdefault(name, how) == how


def test_a_right_gate_has_no_problems():
    assert not said({"min_auc": 0.7, "max_log_loss": 3, "min_rows": 1000, "max_regression": 0.01}, "binary")
    assert not said({"max_rmse": 12.5, "min_r2": -1, "max_regression": {"rmse": 0.5, "mae": 0}}, "regression")
    assert not said({"min_silhouette": -0.2, "max_clusters": 9, "min_f1_macro": 0.5})
    assert not said({})


def test_every_fault_of_a_gate_is_named_with_its_key():
    found = said(
        {
            "min_auk": 0.7,
            "min_f1": 70,
            "max_rmse": "12",
            "max_regression": {"acc": 0.1, "auc": -1},
            "min_recall": 0.9,
            "max_recall": 0.1,
            "auc": 0.7,
            "min_brier": True,
        }
    )
    assert "did you mean min_auc?" in found["min_auk"]
    assert "between 0 and 1" in found["min_f1"]
    assert "not a finite number" in found["max_rmse"]
    assert "did you mean auc?" in found["max_regression.acc"]
    assert "out of reach" in found["max_regression.auc"]
    assert "no model can pass" in found["min_recall"]
    assert "min_auc" in found["auc"] or "max_auc" in found["auc"]
    assert "not a finite number" in found["min_brier"]
    assert len(found) == 8


def test_a_metric_of_another_task_is_none():
    assert "no condition on a metric of binary models" in said({"max_rmse": 1}, "binary")["max_rmse"]
    assert "no metric that is compared" in said({"max_regression": {"rmse": 1}}, "binary")["max_regression.rmse"]
    assert "names no metric" in said({"max_regression": {}})["max_regression"]
    assert "rmse" not in ranges("binary")


@pytest.mark.parametrize(
    ("text", "name", "numbers"),
    [
        ("f1", "f1", {}),
        ("f_beta:2", "f_beta", {"beta": 2}),
        ("cost:fp=1,fn=5", "cost", {"fp": 1, "fn": 5}),
        ("cost: fn=0.5, fp=2", "cost", {"fp": 2, "fn": 0.5}),
        ("top:0.1", "top", {"at": 0.1}),
        ("precision:1", "precision", {"at": 1}),
        ("recall:.8", "recall", {"at": 0.8}),
    ],
)
def test_rules_are_read(text, name, numbers):
    rule = threshold_rule(text)
    assert (rule.name, rule.numbers) == (name, numbers)
    assert name in {one.partition(":")[0] for one in THRESHOLD_RULES}
    assert threshold_rule_problem(text) == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("f1:2", "takes no number"),
        ("f_beta", "not a number above 0"),
        ("f_beta:inf", "not a number above 0"),
        ("cost:fp=1", "say both costs"),
        ("cost:fp=1,fn=0", "not a number above 0"),
        ("top:2", "at or below 1"),
        ("precision:nan", "at or below 1"),
        ("best", "rules: f1, f_beta:B"),
        ("", "rules: f1, f_beta:B"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(text, fault):
    assert fault in threshold_rule_problem(text)
