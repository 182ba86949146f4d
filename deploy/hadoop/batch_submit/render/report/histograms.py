"""Distributions as plots: scores by class, residuals, predictions, candidates of a grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from batch_submit.render.report import svg
from batch_submit.render.report.charts import Chart, pairs, points_table
from batch_submit.render.report.formats import count, metric, percent
from batch_submit.render.report.markup import Markup
from batch_submit.render.report.parts import Column, num
from batch_submit.render.report.reading import Document, mapping, mappings, number, numbers


def _edges(values: Sequence[float | None], bins: int) -> list[float] | None:
    """Edges of so many bins, rising; ``None`` when these are none."""
    known = [one for one in values if one is not None]
    rising = all(a < b for a, b in itertools.pairwise(known))
    return known if len(known) == len(values) == bins + 1 and bins and rising else None


def _ranges(edges: Sequence[float]) -> list[str]:
    return [f"{metric(low)} – {metric(high)}" for low, high in itertools.pairwise(edges)]


def _thousands(axis: Any) -> None:
    """Large numbers along an axis with thousands, others as matplotlib writes them."""
    low, high = axis.get_view_interval()
    if max(abs(low), abs(high)) >= 1000:
        axis.get_major_locator().set_params(nbins=6)  # they are wide
        axis.set_major_formatter(lambda value, _position: count(value))


def _stairs(axes: Any, heights: Sequence[float], edges: Sequence[float], colour: str, label: str) -> None:
    axes.stairs(heights, edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(heights, edges, color=colour, linewidth=1.4, label=label)


def scores_by_class(curves: Document, threshold: float | None) -> Chart | None:
    """How the scores of positives and negatives are spread."""
    negatives, positives = (
        [one or 0.0 for one in numbers(curves, "scores", key)] for key in ("negatives", "positives")
    )
    edges = _edges(numbers(curves, "scores", "edges"), len(negatives))
    if edges is None or len(positives) != len(negatives) or not sum(negatives) + sum(positives):
        return None

    def paint(axes: Any) -> None:
        _stairs(axes, _shares(negatives), edges, svg.SECOND, "negatives")
        _stairs(axes, _shares(positives), edges, svg.FIRST, "positives")
        if threshold is not None and edges[0] <= threshold <= edges[-1]:
            axes.axvline(
                threshold, color=svg.INK, linewidth=1.2, linestyle="--", label=f"threshold {metric(threshold)}"
            )
        axes.set_xlabel("score")
        axes.set_ylabel("share of the class")
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        axes.legend(loc="best")

    rows = [
        [span, count(low), count(high)] for span, low, high in zip(_ranges(edges), negatives, positives, strict=False)
    ]
    data = points_table([Column("score"), num("negatives"), num("positives")], rows, "scores by class")
    says = f"{count(sum(positives))} positives and {count(sum(negatives))} negatives, each class summing to 1."
    return Chart("scores", "Scores by class", says, "Histograms of the scores of both classes.", paint, data)


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [one / total if total else 0.0 for one in counts]


def histogram(key: str, title: str, found: Document, x: str, says: str = "", *, zero: bool = False) -> Chart | None:
    """Counts by range; ``zero`` marks 0 on the axis."""
    counts = [one or 0.0 for one in numbers(found, "counts")]
    edges = _edges(numbers(found, "edges"), len(counts))
    if edges is None or not sum(counts):
        return None

    def paint(axes: Any) -> None:
        _stairs(axes, counts, edges, svg.FIRST, "rows")
        if zero and edges[0] < 0 < edges[-1]:
            axes.axvline(0, color=svg.INK, linewidth=1, linestyle="--")
        _thousands(axes.xaxis)
        axes.set_xlabel(x)
        axes.set_ylabel("rows")
        axes.set_ylim(bottom=0)
        _thousands(axes.yaxis)
        axes.grid(visible=False, axis="x")

    rows = [
        [span, count(one), percent(share)]
        for span, one, share in zip(_ranges(edges), counts, _shares(counts), strict=False)
    ]
    data = points_table([Column(x), num("rows"), num("share")], rows, title)
    return Chart(key, title, says, f"Histogram: rows by {x}.", paint, data)


def by_prediction(curves: Document) -> Chart | None:
    """Mean label against mean prediction, in tenths of the rows by prediction."""
    deciles = mappings(curves, "by_prediction")
    found = pairs(
        [number(one.get("mean_prediction")) for one in deciles], [number(one.get("mean_label")) for one in deciles]
    )
    if len(found) < 2:
        return None
    low, high = min(min(one) for one in found), max(max(one) for one in found)

    def paint(axes: Any) -> None:
        axes.plot([low, high], [low, high], color=svg.MUTED, linewidth=1, linestyle="--", label="perfect")
        axes.plot([x for x, _ in found], [y for _, y in found], "o-", color=svg.FIRST, markersize=4, label="model")
        _thousands(axes.xaxis)
        _thousands(axes.yaxis)
        axes.set_xlabel("mean prediction of the tenth")
        axes.set_ylabel("mean label")
        axes.legend(loc="upper left")

    columns = [Column("prediction"), num("rows"), num("mean prediction"), num("mean label")]
    rows = [
        [
            f"{metric(one.get('low'))} – {metric(one.get('high'))}",
            count(one.get("rows")),
            metric(one.get("mean_prediction")),
            metric(one.get("mean_label")),
        ]
        for one in deciles
    ]
    says = "Rows sorted by prediction in ten equal parts; on the diagonal the predictions are right on average."
    about = "Mean label against mean prediction in ten parts, beside the diagonal."
    return Chart(
        "by-prediction", "Label by prediction", says, about, paint, points_table(columns, rows, "label by prediction")
    )


def quantiles(curves: Document) -> Chart | None:
    """How large the residuals are, by the share of rows that lie below."""
    found = sorted(
        (share, value)
        for key, one in mapping(curves, "quantiles").items()
        if (share := _share(key)) is not None and (value := number(one)) is not None
    )
    if len(found) < 2:
        return None

    def paint(axes: Any) -> None:
        axes.axhline(0, color=svg.MUTED, linewidth=1, linestyle="--")
        axes.plot([x for x, _ in found], [y for _, y in found], "o-", color=svg.FIRST, markersize=4)
        _thousands(axes.yaxis)
        axes.set_xlim(0, 1)
        axes.set_xlabel("share of rows below")
        axes.set_ylabel("residual")

    data = points_table(
        [num("share"), num("residual")], [[percent(x), metric(y)] for x, y in found], "residual quantiles"
    )
    (low, least), (high, most) = found[0], found[-1]
    says = f"{percent(high - low, 0)} of the residuals lie between {metric(least)} and {metric(most)}."
    return Chart("quantiles", "Quantiles of the residuals", says, "Residual by quantile.", paint, data)


def _share(key: object) -> float | None:
    try:
        found = float(str(key))
    except ValueError:
        return None
    return found if 0 <= found <= 1 else None


def candidates(grid: Sequence[Document], name: str) -> Chart | None:
    """The candidates of a grid: mean over the folds and its spread."""
    found = [
        (position, mean, number(one.get("std")) or 0.0)
        for position, one in enumerate(grid, start=1)
        if (mean := main_of(one, name)) is not None
    ]
    if len(found) < 2:
        return None

    def paint(axes: Any) -> None:
        axes.errorbar(
            [x for x, _, _ in found],
            [y for _, y, _ in found],
            yerr=[spread for _, _, spread in found],
            fmt="o",
            color=svg.FIRST,
            ecolor=svg.MUTED,
            elinewidth=1.2,
            markersize=5,
            markeredgewidth=0,
        )
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("candidate, in the order of the table")
        axes.set_ylabel(name)

    says = "Mean over the folds, bars of one standard deviation: candidates whose bars overlap are hardly different."
    return Chart("candidates", "Candidates", says, f"{name} of each candidate with its spread.", paint, Markup(""))


def main_of(candidate: Document, name: str) -> float | None:
    """The main metric of a candidate of the grid: a number, or one of several under its name."""
    for key in ("main", "mean"):
        value = candidate.get(key)
        found = number(value) if number(value) is not None else number(mapping(value).get(name))
        if found is not None:
            return found
    return None
