"""The curves of a model as plots, each with what it says in words and with its numbers as a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from batch_submit.data_classes import dataclass
from batch_submit.render.report import svg
from batch_submit.render.report.formats import count, metric, percent
from batch_submit.render.report.markup import Markup
from batch_submit.render.report.parts import Column, figure, num, table
from batch_submit.render.report.reading import Document, items, mapping, mappings, number, numbers

#: Points of a curve that its table shows.
_MOST_POINTS = 21

Pairs = list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """One plot. ``key`` is unique on the page, ``says`` is the caption, ``about`` describes the picture."""

    key: str
    title: str
    says: str
    about: str
    paint: Callable[[Any], None]
    data: Markup

    def figure(self, *, plots: bool) -> Markup:
        """The figure; without ``plots`` its table alone."""
        picture = svg.draw(self.key, self.title, self.about, self.paint) if plots else None
        return figure(self.title, self.says, picture, self.data)


def pairs(first: Sequence[float | None], second: Sequence[float | None]) -> Pairs:
    """Points of which both numbers are known."""
    return [(x, y) for x, y in zip(first, second, strict=False) if x is not None and y is not None]


def thinned(rows: Sequence[Any], most: int = _MOST_POINTS) -> list[Any]:
    """At most so many members, evenly, the first and the last among them."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(at * (len(rows) - 1) / (most - 1))] for at in range(most)]


def points_table(columns: Sequence[Column], rows: Sequence[Sequence[str]], label: str) -> Markup:
    """The numbers of a curve, thinned."""
    shown = thinned(rows)
    cut = f"{label}: {len(shown)} of {len(rows)} points" if len(shown) < len(rows) else label
    return table(columns, shown, label=cut)


def share_axes(axes: Any, x: str, y: str) -> None:
    """Both axes from 0 to 1."""
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _draw(axes: Any, found: Pairs, colour: str = svg.FIRST, **how: Any) -> None:
    axes.plot([x for x, _ in found], [y for _, y in found], color=colour, **how)


def _reference(axes: Any, xs: Sequence[float], ys: Sequence[float], label: str) -> None:
    axes.plot(xs, ys, color=svg.MUTED, linewidth=1, linestyle="--", label=label)


def _mark(axes: Any, point: tuple[float, float] | None, label: str) -> None:
    if point is not None:
        x, y = point
        axes.plot([x], [y], "o", color=svg.SECOND, markersize=6, markeredgewidth=0, label=label)


@dataclass(frozen=True)
class Rates:
    """What the confusion matrix of two classes says at the threshold in use; ``None`` where nothing can be divided."""

    false_positive_rate: float | None
    recall: float | None
    precision: float | None

    @classmethod
    def of(cls, confusion: Document) -> Rates | None:
        """Read a matrix of actual by predicted classes; ``None`` when it is none of two."""
        rows = [numbers(row) for row in items(confusion, "matrix")]
        if [len(row) for row in rows] != [2, 2] or any(one is None or one < 0 for row in rows for one in row):
            return None
        (negative, false_positive), (missed, hits) = [[one or 0.0 for one in row] for row in rows]
        return cls(
            _ratio(false_positive, negative + false_positive),
            _ratio(hits, hits + missed),
            _ratio(hits, hits + false_positive),
        )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _point(x: float | None, y: float | None) -> tuple[float, float] | None:
    return (x, y) if x is not None and y is not None else None


def roc(curves: Document, measured: Document, threshold: float | None, rates: Rates | None) -> Chart | None:
    """True positives against false positives at every threshold."""
    fpr, tpr = numbers(curves, "roc", "fpr"), numbers(curves, "roc", "tpr")
    thresholds = numbers(curves, "roc", "threshold")
    found = pairs(fpr, tpr)
    if len(found) < 2:
        return None
    point = _point(rates.false_positive_rate, rates.recall) if rates and threshold is not None else None

    def paint(axes: Any) -> None:
        _reference(axes, [0, 1], [0, 1], "chance")
        axes.fill_between([x for x, _ in found], [y for _, y in found], color=svg.FIRST, alpha=0.08)
        _draw(axes, found, label="model")
        _mark(axes, point, f"threshold {metric(threshold)}")
        share_axes(axes, "false positive rate", "true positive rate")
        axes.legend(loc="lower right")

    says = f"Area {metric(measured.get('auc'))}; 0.5 is chance, 1 is perfect."
    if point is not None:
        says += (
            f" At the threshold {percent(point[1])} of the positives are found with {percent(point[0])} false alarms."
        )
    rows = [[metric(x), metric(y), metric(one)] for x, y, one in _three(fpr, tpr, thresholds)]
    data = points_table([num("false positive rate"), num("true positive rate"), num("threshold")], rows, "ROC curve")
    return Chart("roc", "ROC curve", says, "ROC curve of the model above the diagonal of chance.", paint, data)


def _three(
    first: Sequence[float | None], second: Sequence[float | None], third: Sequence[float | None]
) -> list[tuple[float | None, float | None, float | None]]:
    """Three columns; the third may be shorter."""
    filled = [*third, *[None] * max(0, len(first) - len(third))]
    return list(zip(first, second, filled, strict=False))


def precision_recall(
    curves: Document, measured: Document, baseline: Document, threshold: float | None, rates: Rates | None
) -> Chart | None:
    """Precision against recall at every threshold."""
    recall, precision = numbers(curves, "pr", "recall"), numbers(curves, "pr", "precision")
    thresholds = numbers(curves, "pr", "threshold")
    found = pairs(recall, precision)
    if len(found) < 2:
        return None
    prior = number(baseline.get("pr_auc")) or number(measured.get("share_of_1"))
    point = _point(rates.recall, rates.precision) if rates and threshold is not None else None

    def paint(axes: Any) -> None:
        if prior is not None:
            _reference(axes, [0, 1], [prior, prior], "share of positives")
        _draw(axes, found, label="model")
        _mark(axes, point, f"threshold {metric(threshold)}")
        share_axes(axes, "recall", "precision")
        axes.legend(loc="upper right")

    says = f"Average precision (the area) {metric(measured.get('pr_auc'))}"
    says += f"; a model that knows nothing has {metric(prior)}, the share of positives." if prior is not None else "."
    rows = [[metric(x), metric(y), metric(one)] for x, y, one in _three(recall, precision, thresholds)]
    data = points_table([num("recall"), num("precision"), num("threshold")], rows, "precision-recall curve")
    about = "Precision against recall of the model."
    return Chart("pr", "Precision–recall curve", says, about, paint, data)


def gain(curves: Document) -> Chart | None:
    """Which share of the positives the best-scored rows hold."""
    share, gained, lifts = (numbers(curves, "lift", key) for key in ("share", "gain", "lift"))
    found = pairs(share, gained)
    if not found:
        return None
    from_zero = found if found[0][0] <= 0 else [(0.0, 0.0), *found]

    def paint(axes: Any) -> None:
        _reference(axes, [0, 1], [0, 1], "in any order")
        _draw(axes, from_zero, label="best scores first", marker="o", markersize=3, markeredgewidth=0)
        share_axes(axes, "share of all rows", "share of the positives")
        axes.legend(loc="lower right")

    tenth = next((y for x, y in found if abs(x - 0.1) < 1e-9), None)
    says = f"The tenth with the highest scores holds {percent(tenth)} of the positives." if tenth is not None else ""
    rows = [[percent(x), percent(y), metric(one)] for x, y, one in _three(share, gained, lifts)]
    data = points_table(
        [num("share of rows"), num("share of positives"), num("lift")], rows, "cumulative gain and lift"
    )
    about = "Share of the positives among the best-scored rows, above the diagonal of any order."
    return Chart("gain", "Cumulative gain", says, about, paint, data)


def lift(curves: Document) -> Chart | None:
    """How many times more positives the best-scored rows hold than as many rows at random."""
    share, lifts = numbers(curves, "lift", "share"), numbers(curves, "lift", "lift")
    found = pairs(share, lifts)
    if not found:
        return None

    def paint(axes: Any) -> None:
        width = 0.8 * min((b[0] - a[0] for a, b in itertools.pairwise(found)), default=0.05)
        axes.bar([x for x, _ in found], [y for _, y in found], width=abs(width) or 0.04, color=svg.FIRST)
        axes.axhline(1, color=svg.MUTED, linewidth=1, linestyle="--")
        axes.set_xlim(0, 1.03)
        axes.set_xlabel("share of all rows, best scores first")
        axes.set_ylabel("lift")
        axes.grid(visible=False, axis="x")

    says = (
        f"The first {percent(found[0][0], 0)} of the rows hold {metric(found[0][1])} times as many positives as chance."
    )
    rows = [[percent(x), metric(y)] for x, y in found]
    data = points_table([num("share of rows"), num("lift")], rows, "lift")
    return Chart("lift", "Lift", says, "Lift by share of the rows; the dashed line at 1 is chance.", paint, data)


def calibration(curves: Document, measured: Document) -> Chart | None:
    """Predicted probabilities against what happened."""
    bins = [one for one in mappings(curves, "calibration") if number(one.get("rows"))]
    found = pairs(
        [number(one.get("mean_probability")) for one in bins], [number(one.get("positive_share")) for one in bins]
    )
    if not found:
        return None
    most = max(number(one.get("rows")) or 0 for one in bins)

    def paint(axes: Any) -> None:
        _reference(axes, [0, 1], [0, 1], "perfect")
        for one in bins:
            low, high = number(one.get("low")), number(one.get("high"))
            if low is not None and high is not None and high > low:
                tall = 0.18 * (number(one.get("rows")) or 0) / most
                axes.bar([(low + high) / 2], [tall], width=(high - low) * 0.9, color=svg.MUTED, alpha=0.3)
        _draw(axes, found, label="model", marker="o", markersize=4, markeredgewidth=0)
        share_axes(axes, "predicted probability (mean of the bin)", "share of positives")
        axes.legend(loc="upper left")

    error = measured.get("ece")
    says = f"Expected calibration error {metric(error)}. " if number(error) is not None else ""
    says += "On the diagonal a predicted 30 % happens 30 times in 100; grey bars show how many rows are in each bin."
    rows = [
        [
            f"{metric(one.get('low'))} – {metric(one.get('high'))}",
            count(one.get("rows")),
            metric(one.get("mean_probability")),
            metric(one.get("positive_share")),
        ]
        for one in mappings(curves, "calibration")
    ]
    columns = [Column("predicted"), num("rows"), num("mean probability"), num("share of positives")]
    data = points_table(columns, rows, "calibration")
    about = "Share of positives against the predicted probability, beside the diagonal of a calibrated model."
    return Chart("calibration", "Calibration", says, about, paint, data)


def kolmogorov_smirnov(curves: Document, measured: Document) -> Chart | None:
    """The two classes' rates above each threshold, and where they are farthest apart."""
    thresholds = numbers(curves, "roc", "threshold")
    points = [
        (at, x, y)
        for at, x, y in zip(thresholds, numbers(curves, "roc", "fpr"), numbers(curves, "roc", "tpr"), strict=False)
        if at is not None and x is not None and y is not None
    ]
    best = mapping(curves, "ks")
    at, high, low = number(best.get("threshold")), number(best.get("tpr")), number(best.get("fpr"))
    if len(points) < 2 or at is None or high is None or low is None:
        return None

    def paint(axes: Any) -> None:
        _draw(axes, [(one, y) for one, _, y in points], svg.FIRST, label="positives")
        _draw(axes, [(one, x) for one, x, _ in points], svg.SECOND, label="negatives", linestyle=(0, (4, 1.5)))
        axes.plot([at, at], [low, high], color=svg.INK, linewidth=1.2, label=f"KS {metric(value)}")
        axes.set_ylim(-0.01, 1.02)
        axes.set_xlabel("score")
        axes.set_ylabel("share of rows scored at least so")
        axes.legend(loc="upper right")

    value = number(best.get("value")) if number(best.get("value")) is not None else number(measured.get("ks"))
    says = f"At a score of {metric(at)} the classes are farthest apart: {percent(high)} of the positives and "
    says += f"{percent(low)} of the negatives lie above it."
    rows = [[metric(one), metric(y), metric(x), metric(y - x)] for one, x, y in points]
    columns = [num("score"), num("positives above"), num("negatives above"), num("apart")]
    data = points_table(columns, rows, "Kolmogorov-Smirnov")
    about = "Shares of positives and of negatives above each score, with the largest distance marked."
    return Chart("ks", "Kolmogorov–Smirnov", says, about, paint, data)
