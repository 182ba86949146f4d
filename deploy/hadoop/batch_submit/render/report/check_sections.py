"""What the run was held against: training data (drift, unseen values), another model, the gate."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.render.report import histograms
from batch_submit.render.report.data_sections import scores
from batch_submit.render.report.formats import count, difference, distance, metric, percent
from batch_submit.render.report.markup import Markup, join
from batch_submit.render.report.metric_sections import coloured
from batch_submit.render.report.names import COUNTS, better, ordered, title_of
from batch_submit.render.report.parts import (
    BAD,
    CAREFUL,
    GOOD,
    Column,
    badge,
    bar,
    code_text,
    facts,
    figures,
    note,
    num,
    passed,
    table,
    with_code,
)
from batch_submit.render.report.reading import Document, items, mapping, mappings, number, text
from batch_submit.render.report.view import Section, View

#: Of the population stability index; the bar is full here. Convention: 0.1 moderate, 0.25 major.
_FULL_PSI = 0.5
_LEVELS = {"none": GOOD, "moderate": CAREFUL, "major": BAD}
_ORDER = {"major": 0, "moderate": 1}


def drift_columns(document: Document) -> list[Document]:
    """The compared columns, the most changed first."""
    found = mappings(document, "drift", "columns") or mappings(document, "drift")
    return sorted(found, key=lambda one: (_ORDER.get(text(one.get("level")), 2), -(number(one.get("psi")) or 0.0)))


def drift(view: View) -> Section | None:
    """How far the data is from what the model was trained on."""
    found = drift_columns(view.document)
    if not found:
        return None
    rows = [
        [
            code_text(text(one.get("column"))),
            text(one.get("kind")),
            badge(text(one.get("level")) or "not known", _LEVELS.get(text(one.get("level")), "plain")),
            distance(one.get("psi")),
            bar((number(one.get("psi")) or 0) / _FULL_PSI, _LEVELS.get(text(one.get("level")), "plain")),
            distance(one.get("js")),
            _null_share(one.get("nulls_reference")),
            _null_share(one.get("nulls_current")),
            percent(one.get("unseen_share")),
            percent(one.get("below_share")),
            percent(one.get("above_share")),
            distance(one.get("chance")),
        ]
        for one in found
    ]
    columns = [
        Column("column"),
        Column("kind"),
        Column("drift"),
        num("PSI"),
        Column("", "bars"),
        num("JS"),
        num("null in training"),
        num("null here"),
        num("unseen"),
        num("below training"),
        num("above training"),
        num("PSI by chance"),
    ]
    reference = mapping(view.document, "drift").get("reference")
    rows_then = number(mapping(view.document, "drift").get("reference_rows"))
    size = f", {count(rows_then)} rows" if rows_then is not None else ""
    against = f" Held against: {text(reference)}{size}." if reference else ""
    share = number(mapping(view.document, "drift").get("share_of_rows"))
    against += f" Told from a sample of {percent(share)} of the rows." if share is not None and share < 1 else ""
    said = (
        "Population stability index: from 0.1 moderate, from 0.25 major. A convention and no test: with few rows it is"
        " large by chance."
    )
    return Section(
        "drift", "Drift", join([note(said + against), table(columns, rows, label="drift by column", only_filled=True)])
    )


def _null_share(value: object) -> str:
    """A share of 1, or where it is larger a count of rows."""
    found = number(value)
    return percent(found) if found is not None and found <= 1 else count(value)


def unseen(view: View) -> Section | None:
    """Values that the training never saw."""
    found = mappings(view.document, "unseen")
    if not found:
        return None
    rows = [
        [
            code_text(text(one.get("column"))),
            count(one.get("rows")),
            percent(one.get("share"), 2),
            bar(one.get("share"), CAREFUL),
            join((code_text(text(value, 60)) for value in items(one, "examples")[:10]), " "),
        ]
        for one in found
    ]
    columns = [Column("column"), num("rows"), num("share"), Column("", "bars"), Column("examples", "wide")]
    said = "Neither null nor among the categories of the training rows; the model takes them all as one value."
    return Section("unseen", "Unseen values", join([note(said), table(columns, rows, label="unseen values")]))


def prediction(view: View) -> Section | None:
    """What was predicted: how the scores are spread, and rows by class."""
    found = mapping(view.document, "scores")
    column = text(found.get("column")) or "score"
    counts = {"counts": items(found, "counts"), "edges": items(found, "edges")}
    chart = histograms.histogram("scored", "Scores", counts, column)
    known = [
        (key, metric(found.get(key))) for key in ("mean", "std", "min", "max") if number(found.get(key)) is not None
    ]
    without = number(found.get("without"))
    known += [("rows without a prediction", count(without))] if without else []
    body = join(
        [
            figures([chart.figure(plots=view.plots)]) if chart is not None else None,
            facts([(f"{name} of {column}" if len(name) < 5 else name, value) for name, value in known]),
            _by_class(scores(view.document)),
        ]
    )
    return Section("predictions", "Predictions", body) if body else None


def _by_class(classes: Sequence[Document]) -> Markup | None:
    total = sum(number(one["rows"]) or 0 for one in classes)
    if not total:
        return None
    rows = [
        [
            code_text(text(one["class"])),
            count(one["rows"]),
            percent((number(one["rows"]) or 0) / total),
            bar((number(one["rows"]) or 0) / total),
        ]
        for one in classes
    ]
    columns = [Column("predicted"), num("rows"), num("share"), Column("", "bars")]
    return table(columns, rows, label="rows by predicted class")


def comparison(view: View) -> Section | None:
    """The same rows, measured with another model."""
    found = mapping(view.document, "comparison")
    theirs, changes = mapping(found, "metrics"), mapping(found, "difference")
    ours = mapping(view.document, "metrics")
    names = [
        name
        for name in ordered(theirs or changes)
        if name not in COUNTS and number((theirs or changes)[name]) is not None
    ]
    if not names:
        return None
    rows = []
    for name in names:
        change = number(changes.get(name))
        if change is None and number(ours.get(name)) is not None and number(theirs.get(name)) is not None:
            change = (number(ours.get(name)) or 0.0) - (number(theirs.get(name)) or 0.0)
        shown: Markup | str = coloured(difference(change), change, better(name)) if change is not None else ""
        rows.append([with_code(title_of(name), name), metric(ours.get(name)), metric(theirs.get(name)), shown])
    columns = [Column("metric"), num("this model"), num("the other"), num("difference")]
    said = facts([("The other model", code_text(_model(mapping(found, "model")) or text(found.get("model"))))])
    return Section(
        "comparison", "Comparison", join([said, table(columns, rows, label="comparison with another model")])
    )


def _model(found: Document) -> str:
    name, version = text(found.get("name")), text(found.get("version"))
    return f"{name}@{version}" if name and version else name or text(found.get("path"))


def gate(view: View) -> Section | None:
    """The conditions that the model had to meet."""
    found = mapping(view.document, "gate")
    conditions: Sequence[Document] = mappings(found, "conditions")
    if not conditions:
        return None
    rows = [
        [
            passed(one.get("passed")),
            code_text(text(one.get("name"))),
            _limit(one.get("limit")),
            _limit(one.get("found")),
            text(one.get("note")),
        ]
        for one in conditions
    ]
    columns = [Column(""), Column("condition"), num("limit"), num("found"), Column("", "wide")]
    said = "A gate that fails is the run's failure; the report is written all the same."
    return Section(
        "gate", "Gate", join([table(columns, rows, label="conditions of the gate", only_filled=True), note(said)])
    )


def _limit(value: object) -> str:
    return metric(value) if number(value) is not None else text(value)
