"""The stages of a pipeline: when each ran, how it ended, and the gist of its own report."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.render.report.formats import count, duration
from batch_submit.render.report.markup import Markup, join, tag
from batch_submit.render.report.names import JOB_TITLES
from batch_submit.render.report.parts import BAD, CAREFUL, GOOD, Column, badge, cards, code_text, note, num, table
from batch_submit.render.report.reading import Document, mappings, number, text
from batch_submit.render.report.summary import is_done, summary_cards
from batch_submit.render.report.view import Section, Stage, View


def stages(view: View) -> Section | None:
    """The stages as a table with a time line, then a summary of each."""
    found = mappings(view.document, "stages")
    if not found:
        return None
    spans = _spans(found)
    rows = [
        [
            str(at),
            text(one.get("name")),
            JOB_TITLES.get(text(one.get("job_type")), text(one.get("job_type"))),
            _state(one),
            duration(one.get("seconds")),
            _span(*span),
            count(one.get("rows_in")),
            count(one.get("rows_out")),
            text(one.get("reason")),
        ]
        for at, (one, span) in enumerate(zip(found, spans, strict=False), start=1)
    ]
    columns = [
        num("#"),
        Column("stage"),
        Column("job"),
        Column("state"),
        num("time"),
        Column("", "bars"),
        num("rows in"),
        num("rows out"),
        Column("", "wide"),
    ]
    by_path = {one.metrics_path: one for one in view.stages}
    gists = [_gist(at, one, by_path.get(text(one.get("metrics_path")))) for at, one in enumerate(found, start=1)]
    return Section(
        "stages", "Stages", join([table(columns, rows, label="stages of the pipeline", only_filled=True), *gists])
    )


def _state(one: Document) -> Markup:
    words = text(one.get("state")) or "not known"
    kind = GOOD if is_done(one) else BAD if one.get("error") or "fail" in words.lower() else CAREFUL
    return badge(words, kind)


def _spans(found: Sequence[Document]) -> list[tuple[float, float]]:
    """Where each stage begins, and how long it is, as shares of the whole."""
    lengths = [max(0.0, number(one.get("seconds")) or 0.0) for one in found]
    total = sum(lengths) or 1.0
    return [(sum(lengths[:at]) / total, length / total) for at, length in enumerate(lengths)]


def _span(start: float, length: float) -> Markup:
    style = f"margin-left:{start * 100:.1f}%;width:{max(length * 100, 0.5):.1f}%"
    return tag("span", tag("span", class_="fill plain", style=style), class_="bar", aria_hidden="true")


def _gist(at: int, one: Document, stage: Stage | None) -> Markup:
    """One stage's own report in short, and where the whole lies."""
    title = tag("h3", f"{at}. {text(one.get('name')) or 'stage'}")
    path = text(one.get("metrics_path"))
    lines: list[Markup | None] = [title]
    if one.get("error"):
        lines.append(tag("p", text(one.get("error")), class_="failure"))
    if stage is not None and stage.document:
        lines.append(cards(summary_cards(View(stage.document))))
    elif stage is not None and stage.problem:
        lines.append(note(f"Its report could not be read: {stage.problem}."))
    if path:
        lines.append(tag("p", "Its report: ", code_text(path), class_="note"))
    return tag("div", *lines, class_="stage", id=f"stage-{at}")
