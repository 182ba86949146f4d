"""How good the model is: metrics beside their baselines, curves, confusion, segments."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.render.report import charts, histograms
from batch_submit.render.report.formats import count, difference, metric, percent
from batch_submit.render.report.markup import Markup, join, tag
from batch_submit.render.report.names import COUNTS, HIGHER, LOWER, MAIN, better, ordered, title_of
from batch_submit.render.report.parts import (
    BAD,
    Column,
    badge,
    bar,
    code_text,
    details,
    figures,
    heading,
    note,
    num,
    table,
    with_code,
)
from batch_submit.render.report.reading import Document, items, mapping, mappings, number, numbers, text
from batch_submit.render.report.view import Section, View

#: Classes of a confusion matrix that is shown whole.
_MOST_CLASSES = 25
_NULL_NOTE = (
    "– means that the metric is not defined here: of this model (a learner without probabilities) or of these rows."
)


def metrics(view: View) -> Section | None:
    """Each metric with its interval, its baseline, and how it did in the cross-validation."""
    measured, baseline = mapping(view.document, "metrics"), mapping(view.document, "baseline")
    names = [name for name in ordered(measured) if measured[name] is None or number(measured[name]) is not None]
    if not names:
        return None
    main = MAIN.get(view.task, "")
    names.sort(key=lambda name: name != main)
    folds = mapping(view.document, "cross_validation")
    means, spreads = mapping(folds, "mean"), mapping(folds, "std")
    trained = mapping(view.document, "in_training")
    columns = [Column("metric"), num("value"), num("95 % interval"), num("baseline"), num("against it")]
    columns.append(num("on the test rows of the training"))
    columns += [num("mean of the folds"), num("standard deviation")] if means else []
    rows = []
    for name in names:
        row: list[str] = [
            with_code(title_of(name), name),
            tag("strong", _value(name, measured[name])),
            interval_text(view.document, name),
            _value(name, baseline.get(name)),
            against(name, measured[name], baseline.get(name)),
            _value(name, trained.get(name)),
        ]
        rows.append(row + ([metric(means.get(name)), metric(spreads.get(name))] if means else []))
    body = table(columns, rows, label="metrics", only_filled=True, marked=names.index(main) if main in names else None)
    rule = text(baseline.get("rule"))
    said = [
        note(f"Baseline: {rule}.") if rule else None,
        note(_NULL_NOTE) if any(measured[name] is None for name in names) else None,
        *(note(f"{text(one)}.") for one in items(view.document, "notes")),
        _threshold(view),
        _choice(view),
    ]
    return Section("metrics", "Metrics", join([body, *said]))


def _choice(view: View) -> Markup | None:
    """Which threshold a rule would choose on these very rows."""
    found = mapping(view.document, "threshold_choice")
    threshold = number(found.get("threshold"))
    if threshold is None:
        return note(f"No threshold was chosen: {text(found.get('note'))}.") if found.get("note") else None
    value = f" ({metric(found.get('value'))})" if number(found.get("value")) is not None else ""
    said = f"By the rule {text(found.get('rule'))}{value} the threshold on these rows would be {metric(threshold)}"
    return note(f"{said}: {text(found.get('note'))}." if found.get("note") else f"{said}.")


def _value(name: str, value: object) -> str:
    return count(value) if name in COUNTS else metric(value)


def _threshold(view: View) -> Markup | None:
    found = threshold_of(view)
    if found is None:
        return None
    rule = text(view.document.get("threshold_rule"))
    return note(f"A score of at least {metric(found)} counts as positive" + (f" (rule: {rule})." if rule else "."))


def threshold_of(view: View) -> float | None:
    """The threshold in use."""
    for place in (view.document, mapping(view.document, "confusion"), mapping(view.document, "metrics")):
        found = number(place.get("threshold"))
        if found is not None:
            return found
    return None


def interval(document: Document, name: str) -> tuple[float, float] | None:
    """The interval of a metric, wherever the report keeps it."""
    found = mapping(document, "intervals").get(name)
    ends = numbers(found) if items(found) else [number(mapping(found).get("low")), number(mapping(found).get("high"))]
    if len(ends) < 2 or ends[0] is None or ends[1] is None:
        measured = mapping(document, "metrics")
        ends = [number(measured.get(f"{name}_low")), number(measured.get(f"{name}_high"))]
    low, high = ends[:2]
    return (low, high) if low is not None and high is not None else None


def interval_text(document: Document, name: str) -> str:
    """The interval as text; "" without one."""
    found = interval(document, name)
    return f"{metric(found[0])} – {metric(found[1])}" if found else ""


def against(name: str, value: object, other: object) -> Markup | str:
    """How far a metric is from another value, green when that is better."""
    ours, theirs = number(value), number(other)
    way = better(name)
    if ours is None or theirs is None or not way or name in COUNTS:
        return ""
    return coloured(difference(ours - theirs), ours - theirs, way)


def coloured(words: str, change: float, way: str) -> Markup:
    """A difference with the colour of its meaning."""
    if not change or way not in (HIGHER, LOWER):
        return tag("span", words)
    good = (change > 0) == (way == HIGHER)
    return tag("span", words, class_="up" if good else "down", title="better" if good else "worse")


def curves(view: View) -> Section | None:
    """The plots of the task, each with its numbers."""
    found, measured = mapping(view.document, "curves"), mapping(view.document, "metrics")
    baseline, threshold = mapping(view.document, "baseline"), threshold_of(view)
    residuals, rates = mapping(found, "residuals"), charts.Rates.of(mapping(view.document, "confusion"))
    drawn = [
        charts.roc(found, measured, threshold, rates),
        charts.precision_recall(found, measured, baseline, threshold, rates),
        charts.gain(found),
        charts.lift(found),
        charts.calibration(found, measured),
        histograms.scores_by_class(found, threshold),
        charts.kolmogorov_smirnov(found, measured),
        histograms.histogram("residuals", "Residuals", residuals, "residual", _RESIDUALS, zero=True),
        histograms.by_prediction(found),
        histograms.quantiles(found),
    ]
    plots = figures(one.figure(plots=view.plots) for one in drawn if one is not None)
    tables = [
        (title, made) for title, made in (("Per class", _per_class(found)), ("Clusters", _clusters(found))) if made
    ]
    if not plots and not tables:
        return None
    title = "Curves" if plots else tables[0][0]
    below = (join([heading(name) if name != title else None, made]) for name, made in tables)
    return Section("curves", title, join([plots, *below]))


_RESIDUALS = "Label minus prediction: left of 0 the model says too much, right of it too little."


def _per_class(found: Document) -> Markup | None:
    classes = mappings(found, "per_class")
    if not classes:
        return None
    rows = [
        [
            code_text(text(one.get("class"))),
            count(one.get("rows")),
            metric(one.get("precision")),
            metric(one.get("recall")),
            metric(one.get("f1")),
            bar(one.get("f1")),
            metric(one.get("auc_ovr")),
        ]
        for one in classes
    ]
    columns = [
        Column("class"),
        num("rows"),
        num("precision"),
        num("recall"),
        num("F1"),
        Column("", "bars"),
        num("AUC against the rest"),
    ]
    return table(columns, rows, label="metrics per class", only_filled=True)


def _clusters(found: Document) -> Markup | None:
    clusters = mappings(found, "clusters")
    if not clusters:
        return None
    rows = [
        [text(one.get("cluster")), count(one.get("rows")), percent(one.get("share")), bar(one.get("share"))]
        for one in clusters
    ]
    columns = [Column("cluster"), num("rows"), num("share"), Column("", "bars")]
    return table(columns, rows, label="clusters")


def confusion(view: View) -> Section | None:
    """Actual against predicted classes."""
    found = mapping(view.document, "confusion")
    labels = [text(one, 60) for one in items(found, "labels")]
    matrix = [[one or 0.0 for one in numbers(row)] for row in items(found, "matrix")]
    if not labels or len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix):
        return None
    at = number(found.get("threshold"))
    where = f" at the threshold {metric(at)}" if at is not None else ""
    said = f"Rows are what was, columns what was predicted{where}; the share is of the row."
    shown = _matrix(labels, matrix) if len(labels) <= _MOST_CLASSES else _confused(labels, matrix)
    return Section("confusion", "Confusion", join([note(said), shown]))


def _matrix(labels: Sequence[str], matrix: Sequence[Sequence[float]]) -> Markup:
    head = tag(
        "tr",
        tag("th", "actual ╲ predicted", scope="col"),
        *(tag("th", code_text(one), scope="col") for one in labels),
        tag("th", "sum", scope="col"),
    )
    body = []
    for at, (label, row) in enumerate(zip(labels, matrix, strict=False)):
        total = sum(row)
        cells = [
            tag(
                "td",
                tag("b", count(one)),
                tag("small", percent(one / total if total else None)),
                class_="hit" if at == column else "miss",
                style=f"--share:{one / total if total else 0:.3f}",
            )
            for column, one in enumerate(row)
        ]
        body.append(
            tag("tr", tag("th", code_text(label), scope="row"), *cells, tag("td", count(total), class_="number"))
        )
    whole = tag("table", tag("thead", head), tag("tbody", *body), class_="confusion", aria_label="confusion matrix")
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label="confusion matrix")


def _confused(labels: Sequence[str], matrix: Sequence[Sequence[float]]) -> Markup:
    """Of many classes the pairs that are most often taken for each other."""
    wrong = sorted(
        (
            (one, labels[at], labels[column])
            for at, row in enumerate(matrix)
            for column, one in enumerate(row)
            if at != column and one
        ),
        key=lambda found: (-found[0], found[1:]),
    )
    right = sum(row[at] for at, row in enumerate(matrix))
    rows = [[code_text(actual), code_text(predicted), count(one)] for one, actual, predicted in wrong[:50]]
    said = f"{count(right)} rows of {len(labels)} classes are right; these pairs are most often confused."
    return join(
        [note(said), table([Column("actual"), Column("predicted"), num("rows")], rows, label="most confused classes")]
    )


def segments(view: View) -> Section | None:
    """The metrics of each segment; the worst of each column stands out."""
    found = mappings(view.document, "segments")
    if not found:
        return None
    main = MAIN.get(view.task, "")
    columns = list(dict.fromkeys(text(one.get("column")) for one in found))
    parts = [_segment_table(name, [one for one in found if text(one.get("column")) == name], main) for name in columns]
    return Section("segments", "Segments", join([note(_SEGMENTS), *parts]))


_SEGMENTS = "The same metrics on parts of the rows. Small segments scatter: look at the number of rows first."


def _segment_table(column: str, found: list[Document], main: str) -> Markup:
    names = ordered({name: None for one in found for name in mapping(one, "metrics")})
    names = [name for name in names if name not in COUNTS]
    main = main if main in names else names[0] if names else ""
    names = [main, *(name for name in names if name != main)][:6] if main else []
    values = [number(mapping(one, "metrics").get(main)) for one in found]
    known = [one for one in values if one is not None]
    worst = (max if better(main) == LOWER else min)(known, default=None)
    most = max((abs(one) for one in known), default=0.0)
    rows = []
    for one, value in zip(found, values, strict=False):
        lowest = badge("worst", BAD) if value is not None and value == worst and len(set(known)) > 1 else None
        title = join([code_text(text(one.get("value")) or "null"), lowest], " ")
        cells = [metric(mapping(one, "metrics").get(name)) for name in names]
        rows.append(
            [title, count(one.get("rows")), *cells, bar(abs(value) / most if value is not None and most else 0)]
        )
    titles = [Column("value"), num("rows"), *(num(title_of(name)) for name in names), Column("", "bars")]
    shown = table(titles, rows, label=f"segments by {column}", most=100, only_filled=True)
    head = f"{len(found)} segments by {column}"
    return details(head, shown, is_open=True)
