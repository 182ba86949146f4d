"""What the metrics are called here, and which way each is better. Defined in ``ml_pipeline_framework.metrics``."""

from __future__ import annotations

from batch_submit.data_classes import dataclass

HIGHER, LOWER, NEITHER = "higher", "lower", ""


@dataclass(frozen=True)
class Name:
    """One metric: its title and the better direction."""

    title: str
    better: str = NEITHER


#: In the order of the page.
METRICS = {
    "auc": Name("ROC AUC", HIGHER),
    "pr_auc": Name("PR AUC", HIGHER),
    "ks": Name("Kolmogorov–Smirnov", HIGHER),
    "log_loss": Name("Log-loss", LOWER),
    "brier": Name("Brier score", LOWER),
    "ece": Name("Expected calibration error", LOWER),
    "accuracy": Name("Accuracy", HIGHER),
    "precision": Name("Precision", HIGHER),
    "recall": Name("Recall", HIGHER),
    "f1": Name("F1", HIGHER),
    "top_decile_lift": Name("Lift of the top decile", HIGHER),
    "f1_macro": Name("F1, macro", HIGHER),
    "f1_weighted": Name("F1, weighted", HIGHER),
    "precision_macro": Name("Precision, macro", HIGHER),
    "recall_macro": Name("Recall, macro", HIGHER),
    "rmse": Name("RMSE", LOWER),
    "mae": Name("MAE", LOWER),
    "median_absolute_error": Name("Median absolute error", LOWER),
    "mape": Name("MAPE", LOWER),
    "r2": Name("R²", HIGHER),
    "explained_variance": Name("Explained variance", HIGHER),
    "bias": Name("Bias (prediction minus label)"),
    "silhouette": Name("Silhouette", HIGHER),
    "clusters": Name("Clusters"),
    "threshold": Name("Threshold"),
    "rows": Name("Rows"),
    "positives": Name("Positives"),
    "share_of_1": Name("Share of positives"),
}
#: Said elsewhere on the page, or a part of another metric.
PARTS = ("_low", "_high", "_standard_error", "_resolution", "_threshold")
MAIN = {"binary": "auc", "multiclass": "f1_macro", "regression": "rmse", "clustering": "silhouette"}
#: Beside the main metric on the cards.
BESIDE = {
    "binary": ("pr_auc", "ks", "brier"),
    "multiclass": ("accuracy", "f1_weighted", "log_loss"),
    "regression": ("mae", "r2", "bias"),
    "clustering": ("clusters",),
}
#: A metric that is a count, not a value between others.
COUNTS = {"rows", "positives", "clusters"}

JOB_TITLES = {
    "training": "Training",
    "evaluation": "Evaluation",
    "prediction": "Prediction",
    "data_processing": "Data processing",
    "pipeline": "Pipeline",
    "custom": "Custom job",
}


def title_of(metric: str) -> str:
    """A metric's title; of an unknown one its own name."""
    return METRICS[metric].title if metric in METRICS else metric.replace("_", " ")


def better(metric: str) -> str:
    """``higher``, ``lower`` or "" for a metric of which neither can be said."""
    return METRICS[metric].better if metric in METRICS else NEITHER


def ordered(names: object) -> list[str]:
    """Names of metrics in the page's order, unknown ones last and by name; parts of others are left out."""
    found = [str(name) for name in names] if isinstance(names, (list, tuple, set, dict)) else []
    order = list(METRICS)
    kept = [name for name in found if not name.endswith(PARTS)]
    return sorted(kept, key=lambda name: (order.index(name) if name in METRICS else len(order), name))
