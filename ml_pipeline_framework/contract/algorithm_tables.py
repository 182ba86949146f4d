"""The algorithms in their order, and the settings of those that are not trees, with Spark's names and ranges.

Sources: the parameters' documentation and validators of ``pyspark.ml`` 4.3 and 3.5 (``sharedParams.scala`` and each
learner's). A name is scikit-learn's only where both mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_pipeline_framework.contract.hyperparameters import (
    BINARY,
    CLUSTERING,
    MULTICLASS,
    REGRESSION,
    Algorithm,
    Hyperparameter,
)
from ml_pipeline_framework.contract.tree_tables import TREES, XGBOOST
from ml_pipeline_framework.contract.values import within

_CLASSES = (BINARY, MULTICLASS)
_MANY = 10**9


def _iterations(doc: str, *, high: int = 10_000, aliases: tuple[str, ...] = ()) -> Hyperparameter:
    return Hyperparameter("max_iter", "maxIter", "integer", doc, within(1, high), aliases=aliases)


# --- linear models

_REG_PARAM = Hyperparameter(
    "reg_param",
    "regParam",
    "number",
    "strength of the penalty, per row and on standardised features",
    within(0, 1e9),
    aliases=("alpha",),
)
_L1_RATIO = Hyperparameter(
    "l1_ratio", "elasticNetParam", "number", "share of the L1 penalty; the rest is L2", within(0, 1)
)
_TOL = Hyperparameter("tol", "tol", "number", "stop when an iteration gains less than this", within(0, 1))
_INTERCEPT = Hyperparameter("fit_intercept", "fitIntercept", "flag", "learn a constant too")
_STANDARDIZATION = Hyperparameter(
    "standardization", "standardization", "flag", "penalise coefficients as if features had standard deviation 1"
)
_C = (
    "C",
    "scikit-learn's C weighs a sum over rows of unscaled features; Spark's penalty is per row and on standardised "
    "features, so there is no exact twin: use reg_param (about 1 / (C * rows)) and l1_ratio",
)
_PENALTY = ("penalty", "is told by numbers here: l1_ratio 0 is l2, 1 is l1, between is elasticnet; reg_param 0 is none")
_MULTI_CLASS = ("multi_class", "use family: auto, binomial or multinomial")

_LOGISTIC_REGRESSION = Algorithm(
    "logistic_regression",
    _CLASSES,
    (
        _REG_PARAM,
        _L1_RATIO,
        _iterations("most iterations of L-BFGS or OWL-QN"),
        _TOL,
        _INTERCEPT,
        _STANDARDIZATION,
        Hyperparameter(
            "family", "family", "choice", "how classes are modelled", None, ("auto", "binomial", "multinomial")
        ),
    ),
    "linear",
    "linear in the logarithm of the odds",
    aliases=("logit",),
    refused=(_C, _PENALTY, _MULTI_CLASS, ("solver", "Spark picks it: OWL-QN with an L1 penalty, else L-BFGS")),
)


def _huber(candidate: Mapping[str, Any]) -> str:
    if candidate.get("loss") != "huber":
        return "epsilon belongs to loss huber: set it, or leave epsilon out" if "epsilon" in candidate else ""
    if candidate.get("l1_ratio", 0) != 0:
        return f"l1_ratio {candidate['l1_ratio']} does not go with loss huber, which has an L2 penalty only"
    return "solver normal does not go with loss huber: use l-bfgs" if candidate.get("solver") == "normal" else ""


_LINEAR_REGRESSION = Algorithm(
    "linear_regression",
    (REGRESSION,),
    (
        _REG_PARAM,
        _L1_RATIO,
        _iterations("most iterations of the solver"),
        _TOL,
        _INTERCEPT,
        _STANDARDIZATION,
        Hyperparameter(
            "loss",
            "loss",
            "choice",
            "what is minimised; huber bears outliers, and takes l1_ratio 0 only",
            None,
            ("squaredError", "huber"),
            spellings=(("squared_error", "squaredError"),),
        ),
        Hyperparameter(
            "epsilon", "epsilon", "number", "where huber begins to be linear", within(1, 1e9, low_open=True)
        ),
        Hyperparameter("solver", "solver", "choice", "how it is solved", None, ("auto", "normal", "l-bfgs")),
    ),
    "linear",
    "a weighted sum of the features",
    refused=(("C", "belongs to classifiers: use reg_param"), _PENALTY),
    together=_huber,
)

_LINKS = {
    "gaussian": ("identity", "log", "inverse"),
    "poisson": ("log", "identity", "sqrt"),
    "gamma": ("inverse", "identity", "log"),
}


def _family(candidate: Mapping[str, Any]) -> str:
    family, link = candidate.get("family", "gaussian"), candidate.get("link")
    if family == "tweedie":
        return "link is not for family tweedie, where it follows from variance_power" if link else ""
    if "variance_power" in candidate:
        return f"variance_power belongs to family tweedie, not {family}"
    if link is None or link in _LINKS[family]:
        return ""
    return f"link {link} does not go with family {family}, which takes {', '.join(_LINKS[family])}"


_GLM = Algorithm(
    "glm",
    (REGRESSION,),
    (
        Hyperparameter(
            "family",
            "family",
            "choice",
            "distribution of the label: gaussian any number, poisson 0 and above, gamma above 0, tweedie 0 and above",
            None,
            ("gaussian", "poisson", "gamma", "tweedie"),
        ),
        Hyperparameter(
            "link", "link", "choice", "what is linear in the features", None, ("identity", "log", "inverse", "sqrt")
        ),
        Hyperparameter(
            "variance_power",
            "variancePower",
            "number",
            "power of the variance of tweedie: 0, or 1 and above",
            lambda value: "" if value == 0 or value >= 1 else f"{value!r} is neither 0 nor at or above 1",
            aliases=("power",),
        ),
        _REG_PARAM,
        _iterations("most rounds of reweighted least squares"),
        _TOL,
        _INTERCEPT,
    ),
    "linear",
    "a linear model of counts, amounts and the like; at most 4,096 features",
    aliases=("generalized_linear_regression",),
    refused=(
        ("l1_ratio", "Spark's generalised linear regression has an L2 penalty only: use linear_regression"),
        ("solver", "there is one: iteratively reweighted least squares"),
    ),
    together=_family,
)

_LINEAR_SVC = Algorithm(
    "linear_svc",
    (BINARY,),
    (_REG_PARAM, _iterations("most iterations of OWL-QN"), _TOL, _INTERCEPT, _STANDARDIZATION),
    "linear",
    "a linear margin between two classes; no probabilities",
    aliases=("linear_svm", "svm"),
    refused=(
        _C,
        ("penalty", "there is one: l2"),
        ("loss", "there is one: hinge"),
        ("l1_ratio", "there is one penalty: l2"),
    ),
)

_NAIVE_BAYES = Algorithm(
    "naive_bayes",
    _CLASSES,
    (
        Hyperparameter("smoothing", "smoothing", "number", "added to every count", within(0, 1e9), aliases=("alpha",)),
        Hyperparameter(
            "model_type",
            "modelType",
            "choice",
            "distribution of a feature in a class",
            None,
            ("multinomial", "complement", "gaussian"),
        ),
    ),
    "nonnegative",
    "features independent of each other within a class; one pass",
    refused=(("var_smoothing", "Spark's gaussian model has none"), ("fit_prior", "the prior is always learnt")),
)

# --- clusters

_CLUSTERS = Hyperparameter(
    "n_clusters", "k", "integer", "number of clusters", within(2, 10_000), aliases=("n_components",)
)
_DISTANCE = Hyperparameter(
    "distance_measure", "distanceMeasure", "choice", "how far rows are apart", None, ("euclidean", "cosine")
)
_KMEANS = Algorithm(
    "kmeans",
    (CLUSTERING,),
    (
        _CLUSTERS,
        _iterations("most rounds"),
        _TOL,
        Hyperparameter("init", "initMode", "choice", "how the first centres are found", None, ("k-means||", "random")),
        Hyperparameter("init_steps", "initSteps", "integer", "rounds of k-means||", within(1, 100)),
        _DISTANCE,
    ),
    "distance",
    "clusters around centres",
    aliases=("k_means",),
    refused=(("n_init", "Spark starts once: search with another seed"),),
)
_BISECTING_KMEANS = Algorithm(
    "bisecting_kmeans",
    (CLUSTERING,),
    (
        _CLUSTERS,
        _iterations("most rounds of each division"),
        Hyperparameter(
            "min_divisible_cluster_size",
            "minDivisibleClusterSize",
            "number",
            "fewest rows (from 1 on) or least share of them in a cluster that is divided",
            within(0, _MANY, low_open=True),
        ),
        _DISTANCE,
    ),
    "distance",
    "clusters divided in two again and again",
)

TABLES: tuple[Algorithm, ...] = (
    *TREES,
    _LOGISTIC_REGRESSION,
    _LINEAR_REGRESSION,
    _GLM,
    _LINEAR_SVC,
    _NAIVE_BAYES,
    _KMEANS,
    _BISECTING_KMEANS,
    XGBOOST,
)
