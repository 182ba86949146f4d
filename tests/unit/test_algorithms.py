"""The table of algorithms: names, values, lists of values, and what is said of wrong ones."""

from __future__ import annotations

import pytest

from ml_pipeline_framework.contract import ALGORITHMS
from ml_pipeline_framework.contract.algorithms import (
    MOST_CANDIDATES,
    algorithm_name,
    algorithms_for,
    canonical,
    grid,
    hyperparameter_problems,
    meanings,
)
from ml_pipeline_framework.contract.hyperparameters import TASKS


def said(algorithm, task="", **hyperparameters):
    """Return the problems as texts, after the names were made ours."""
    values = {"algorithm": algorithm, "task": task, "hyperparameters": canonical(algorithm, hyperparameters)}
    return [str(one) for one in hyperparameter_problems(values, lambda field: f"model_config.{field}")]


def test_each_task_has_algorithms_and_each_algorithm_is_whole():
    assert all(algorithms_for(task) for task in TASKS)
    assert set(ALGORITHMS) >= {
        "random_forest",
        "gbt",
        "logistic_regression",
        "linear_regression",
        "decision_tree",
        "naive_bayes",
        "linear_svc",
        "kmeans",
        "xgboost",
    }
    for name, one in ALGORITHMS.items():
        assert one.name == name
        assert one.doc
        assert set(one.tasks) <= set(TASKS)
        assert one.style in ("tree", "linear", "nonnegative", "distance")
        assert bool(one.needs) == bool(one.extra)
        spoken = [word for each in one.hyperparameters for word in {each.name, each.spark_name, *each.aliases}]
        assert len(spoken) == len(set(spoken)), "two settings of one algorithm share a name"
        assert not set(spoken) & {word for word, _ in one.refused}
        assert all(each.doc and set(each.tasks) <= set(one.tasks) for each in one.hyperparameters)


@pytest.mark.parametrize(
    ("text", "name"),
    [("Random-Forest", "random_forest"), ("gradient boosting", "gbt"), ("K-Means", "kmeans"), ("nonsense", "nonsense")],
)
def test_algorithms_by_other_names(text, name):
    assert algorithm_name(text) == name


@pytest.mark.parametrize(
    ("algorithm", "given", "ours"),
    [
        ("gbt", {"maxIter": 5, "stepSize": 0.1}, {"n_estimators": 5, "learning_rate": 0.1}),
        ("logistic_regression", {"alpha": 0.1, "elasticNetParam": 1.0}, {"reg_param": 0.1, "l1_ratio": 1.0}),
        ("naive_bayes", {"alpha": 0.5, "modelType": "gaussian"}, {"smoothing": 0.5, "model_type": "gaussian"}),
        ("kmeans", {"k": 3, "initMode": "random"}, {"n_clusters": 3, "init": "random"}),
        (
            "xgboost",
            {"eta": 0.3, "lambda": 2.0, "num_round": 9},
            {"learning_rate": 0.3, "reg_lambda": 2.0, "n_estimators": 9},
        ),
        ("glm", {"family": "tweedie", "power": 1.5, "tol": None}, {"family": "tweedie", "variance_power": 1.5}),
    ],
)
def test_names_of_other_libraries(algorithm, given, ours):
    assert canonical(algorithm, given) == ours
    assert not said(algorithm, **given)


def test_a_name_said_twice_is_a_problem():
    assert said("gbt", n_estimators=6, maxIter=5) == [
        "model_config.hyperparameters.maxIter: says the same as n_estimators (keep one)"
    ]


def test_meanings_are_those_of_all_algorithms():
    assert meanings("alpha") == {"reg_param", "smoothing", "reg_alpha"}
    assert meanings("numTrees") == {"n_estimators"}
    assert meanings("nonsense") == {"nonsense"}


def test_lists_make_every_combination_in_a_stable_order():
    given = {"max_depth": [3, 5], "subsample": 0.5, "n_estimators": [10, 20]}
    assert grid(given) == [
        {"max_depth": 3, "subsample": 0.5, "n_estimators": 10},
        {"max_depth": 3, "subsample": 0.5, "n_estimators": 20},
        {"max_depth": 5, "subsample": 0.5, "n_estimators": 10},
        {"max_depth": 5, "subsample": 0.5, "n_estimators": 20},
    ]
    assert grid({}) == [{}]
    assert grid({"max_depth": [7]}) == [{"max_depth": 7}]
    assert not said("random_forest", **given)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_hyperparameter_takes_a_list_of_right_values(algorithm):
    for one in ALGORITHMS[algorithm].hyperparameters:
        values = {"flag": [True, False], "integer": [16, 17], "number": [0.25, 0.4]}.get(one.kind, list(one.choices))
        if one.name in ("variance_power", "epsilon"):
            values = [1.5, 2]
        assert one.problem(values) == "", one.name
        assert one.problem([]).startswith("is an empty list")
        assert "element 2" in one.problem([values[0], values[0]])
        assert "element 3" in one.problem([*values[:2], {"no": "value"}]), one.name


@pytest.mark.parametrize(
    ("algorithm", "task", "given", "part"),
    [
        ("random_forest", "", {"max_depth": [3, 31]}, "element 2: 31 must lie"),
        ("random_forest", "", {"max_depth": [[3]]}, "element 1, [3], is itself a list"),
        ("random_forest", "", {"max_features": ["4", 4]}, "'4' is none of"),
        ("random_forest", "", {"criterion": ["entropy", "log_loss"]}, "stands in the list twice"),
        ("random_forest", "regression", {"criterion": "gini"}, "is not for regression"),
        ("gbt", "binary", {"loss": "squared_error"}, "is not for binary"),
        ("gbt", "clustering", {}, "gbt does not do clustering (for clustering: kmeans, bisecting_kmeans)"),
        ("logistic_regression", "", {"C": 1.0}, "no exact twin: use reg_param"),
        ("linear_svc", "", {"C": 1.0}, "use reg_param (about 1 / (C * rows))"),
        ("logistic_regression", "", {"n_jobs": 4}, "the slots of the application decide"),
        ("logistic_regression", "", {"seed": 4}, "set model_config.seed"),
        ("logistic_regression", "", {"l1_ration": 0.5}, "did you mean l1_ratio? known: reg_param, l1_ratio"),
        ("linear_regression", "", {"loss": "huber", "l1_ratio": [0, 0.5]}, "l1_ratio 0.5 does not go with loss huber"),
        ("glm", "", {"family": "gamma", "link": "sqrt"}, "which takes inverse, identity, log"),
        ("glm", "", {"variance_power": 0.5}, "neither 0 nor at or above 1"),
        ("glm", "", {"variance_power": 1.5}, "belongs to family tweedie"),
        ("kmeans", "", {"n_clusters": 1}, "at or above 2"),
        ("xgboost", "", {"device": "cuda"}, "only the processor is used"),
        ("random_fores", "", {}, "did you mean random_forest?"),
        ("gbt", "", {"n_estimators": list(range(1, 51)), "max_depth": list(range(25))}, "1,250 candidates"),
    ],
)
def test_wrong_values_and_combinations_are_named(algorithm, task, given, part):
    found = said(algorithm, task, **given)
    assert len(found) == 1
    assert part in found[0]


def test_the_limit_of_candidates_is_itself_allowed():
    assert not said("gbt", n_estimators=list(range(1, MOST_CANDIDATES // 25 + 1)), max_depth=list(range(25)))
