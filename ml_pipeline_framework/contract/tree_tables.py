"""The algorithms made of trees: their settings with Spark's or xgboost's names and ranges.

Sources: the parameters' documentation and validators of ``pyspark.ml`` 4.3 and 3.5 (``treeParams.scala``) and of
``xgboost`` 3.2. A name is scikit-learn's only where both mean the same.
"""

from __future__ import annotations

from typing import Any

from ml_pipeline_framework.contract.hyperparameters import BINARY, MULTICLASS, REGRESSION, Algorithm, Hyperparameter
from ml_pipeline_framework.contract.values import within

_CLASSES = (BINARY, MULTICLASS)
_SUPERVISED = (BINARY, MULTICLASS, REGRESSION)
_MANY = 10**9


def _share_or_count(value: Any) -> str:
    """Check ``max_features``: a whole number of features, or a share of them in (0, 1]."""
    good = not isinstance(value, bool) and (value >= 1 if isinstance(value, int) else 0 < value <= 1)
    return "" if good else f"{value!r} is neither a whole number of features nor a share above 0 and at or below 1"


# scikit-learn's min_impurity_decrease is not here: it weighs the gain with the node's share of the rows,
# Spark's minInfoGain does not.

_DEPTH = Hyperparameter("max_depth", "maxDepth", "integer", "depth of a tree; Spark's limit is 30", within(0, 30))
_GROWTH = (
    _DEPTH,
    Hyperparameter("min_samples_leaf", "minInstancesPerNode", "integer", "rows in a leaf", within(1, _MANY)),
    Hyperparameter(
        "min_weight_fraction_leaf",
        "minWeightFractionPerNode",
        "number",
        "least share of the rows in a leaf",
        within(0, 0.5, high_open=True),
    ),
    Hyperparameter("min_info_gain", "minInfoGain", "number", "least gain for a split", within(0, 1e9)),
)
_BINS = (
    Hyperparameter(
        "max_bins",
        "maxBins",
        "integer",
        "bins per feature; set from the categories when left out",
        within(2, 100_000),
    ),
    Hyperparameter(
        "max_memory_mb",
        "maxMemoryInMB",
        "integer",
        "memory for the histograms of one pass, per task, in MiB",
        within(16, 65_536),
    ),
)
_CRITERION = Hyperparameter(
    "criterion",
    "impurity",
    "choice",
    "impurity of a split; in a regression it is always the variance",
    None,
    ("gini", "entropy"),
    spellings=(("log_loss", "entropy"),),
    tasks=_CLASSES,
)
_MAX_FEATURES = Hyperparameter(
    "max_features",
    "featureSubsetStrategy",
    "choice",
    "features tried per split: a word, a number of features or a share",
    _share_or_count,
    ("auto", "all", "sqrt", "log2", "onethird"),
)
_SUBSAMPLE = Hyperparameter(
    "subsample",
    "subsamplingRate",
    "number",
    "share of the rows drawn for each tree",
    within(0, 1, low_open=True),
    aliases=("max_samples",),
)
_TREE_REFUSED = (
    ("max_leaf_nodes", "Spark grows trees level by level and has no limit on leaves: use max_depth"),
    ("min_samples_split", "Spark has a limit on leaves only: use min_samples_leaf"),
    (
        "min_impurity_decrease",
        "weighs the gain with the node's share of the rows, which Spark does not: use min_info_gain",
    ),
)

_RANDOM_FOREST = Algorithm(
    "random_forest",
    _SUPERVISED,
    (
        Hyperparameter("n_estimators", "numTrees", "integer", "number of trees", within(1, 10_000)),
        *_GROWTH,
        _MAX_FEATURES,
        _SUBSAMPLE,
        Hyperparameter("bootstrap", "bootstrap", "flag", "draw rows with replacement"),
        _CRITERION,
        *_BINS,
    ),
    "tree",
    "many trees on random parts of rows and features, averaged",
    refused=_TREE_REFUSED,
)

_DECISION_TREE = Algorithm(
    "decision_tree",
    _SUPERVISED,
    (*_GROWTH, _CRITERION, *_BINS),
    "tree",
    "one tree",
    refused=(
        *_TREE_REFUSED,
        ("max_features", "Spark's single tree tries every feature: use random_forest with n_estimators 1"),
        ("n_estimators", "this is one tree: use random_forest or gbt"),
    ),
)

_GBT = Algorithm(
    "gbt",
    (BINARY, REGRESSION),
    (
        Hyperparameter(
            "n_estimators",
            "maxIter",
            "integer",
            "number of trees, one after the other",
            within(1, 10_000),
            aliases=("max_iter",),
        ),
        Hyperparameter(
            "learning_rate", "stepSize", "number", "share of each tree that is taken", within(0, 1, low_open=True)
        ),
        *_GROWTH,
        _MAX_FEATURES,
        _SUBSAMPLE,
        Hyperparameter(
            "loss",
            "lossType",
            "choice",
            "what a regression minimises; for classes it is always the logistic loss",
            None,
            ("squared", "absolute"),
            spellings=(("squared_error", "squared"), ("absolute_error", "absolute")),
            tasks=(REGRESSION,),
        ),
        *_BINS,
    ),
    "tree",
    "trees that correct each other; two classes at most",
    aliases=("gradient_boosting", "gradient_boosted_trees"),
    refused=(
        *_TREE_REFUSED,
        ("criterion", "boosted trees are regression trees: their impurity is always the variance"),
        ("n_iter_no_change", "needs a validation column, which is not set: search n_estimators with a list"),
        ("early_stopping", "needs a validation column, which is not set: search n_estimators with a list"),
    ),
)

# --- xgboost


def _xgb(name: str, kind: str, doc: str, check: Any, *aliases: str) -> Hyperparameter:
    return Hyperparameter(name, name, kind, doc, check, aliases=aliases)


_SHARE = within(0, 1, low_open=True)
_XGBOOST = Algorithm(
    "xgboost",
    _SUPERVISED,
    (
        _xgb("n_estimators", "integer", "number of rounds", within(1, 100_000), "num_boost_round", "num_round"),
        _xgb("max_depth", "integer", "depth of a tree; 0 for no limit", within(0, 1000)),
        _xgb("learning_rate", "number", "share of each tree that is taken", _SHARE, "eta"),
        _xgb("min_child_weight", "number", "least weight in a leaf", within(0, 1e9)),
        _xgb("gamma", "number", "least gain for a split", within(0, 1e9), "min_split_loss"),
        _xgb("subsample", "number", "share of the rows drawn for each tree", _SHARE),
        _xgb("colsample_bytree", "number", "share of the features drawn for each tree", _SHARE),
        _xgb("colsample_bylevel", "number", "share of the features drawn for each level", _SHARE),
        _xgb("colsample_bynode", "number", "share of the features drawn for each split", _SHARE),
        _xgb("reg_lambda", "number", "L2 penalty on leaf weights", within(0, 1e9), "lambda"),
        _xgb("reg_alpha", "number", "L1 penalty on leaf weights", within(0, 1e9), "alpha"),
        _xgb("max_bin", "integer", "bins per feature", within(2, 100_000), "max_bins"),
        _xgb("max_leaves", "integer", "most leaves of a tree; 0 for no limit", within(0, _MANY), "max_leaf_nodes"),
        _xgb("max_delta_step", "number", "largest step of a leaf; 0 for no limit", within(0, 1e9)),
        _xgb("scale_pos_weight", "number", "weight of the positive class", within(0, 1e9, low_open=True)),
        Hyperparameter(
            "tree_method", "tree_method", "choice", "how splits are found", None, ("auto", "hist", "approx")
        ),
        Hyperparameter(
            "grow_policy", "grow_policy", "choice", "which node is split next", None, ("depthwise", "lossguide")
        ),
        _xgb("num_workers", "integer", "tasks that train together; default all slots", within(1, 100_000)),
    ),
    "tree",
    "boosted trees of the xgboost package; all its tasks run at once, so executors must be fixed",
    needs=("xgboost", "sklearn", "pandas", "pyarrow"),
    extra="xgboost",
    refused=(
        ("early_stopping_rounds", "needs a validation column, which is not set: search n_estimators with a list"),
        ("device", "only the processor is used"),
        ("objective", "follows from the task"),
    ),
)

TREES: tuple[Algorithm, ...] = (_RANDOM_FOREST, _GBT, _DECISION_TREE)
XGBOOST: Algorithm = _XGBOOST
