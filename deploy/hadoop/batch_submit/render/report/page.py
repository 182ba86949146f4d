"""The page: head, cards, table of contents, sections."""

from __future__ import annotations

from batch_submit.render.report import check_sections, data_sections, metric_sections, model_sections, run_sections
from batch_submit.render.report.formats import NOTHING, moment
from batch_submit.render.report.markup import Markup, escaped, join, tag, trusted
from batch_submit.render.report.names import JOB_TITLES
from batch_submit.render.report.parts import BAD, CAREFUL, badge, cards, note, warning_box
from batch_submit.render.report.pipeline_section import stages
from batch_submit.render.report.reading import text
from batch_submit.render.report.run_sections import RESULT_KINDS
from batch_submit.render.report.style import STYLE
from batch_submit.render.report.summary import alarms_of, summary_cards, warnings_of
from batch_submit.render.report.view import Section, View

#: By this a page of ours is known again, so that no other file is overwritten.
GENERATOR = "batch-submit report"
_MARK = f'<meta name="generator" content="{GENERATOR}">'
#: The browser itself refuses scripts and every request, whatever a column is called.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: Keys of metrics.json that have a place on the page, or are not for reading (the histograms for drift).
# fmt: off
_KNOWN = frozenset({
    "schema_version", "job_type", "run_id", "name", "application_id", "user", "started_ms", "finished_ms",
    "git_revision", "versions", "params", "seconds", "warnings", "data", "model", "model_name", "model_path",
    "task", "algorithm", "rows", "classes", "metrics", "baseline", "curves", "confusion", "threshold",
    "threshold_rule", "cross_validation", "grid", "best", "leakage", "features", "left_out", "split",
    "spark_settings", "profile", "intervals", "segments", "importance", "drift", "comparison", "gate", "scores",
    "unseen", "throughput_rows_per_s", "steps", "quality", "casts", "outputs", "stages", "notes", "label",
    "in_training", "threshold_choice", "task_reason", "importance_of_model", "put_aside",
})
# fmt: on
_SECTIONS = (
    stages,
    metric_sections.metrics,
    check_sections.gate,
    check_sections.comparison,
    check_sections.prediction,
    metric_sections.curves,
    metric_sections.confusion,
    metric_sections.segments,
    data_sections.steps,
    data_sections.quality,
    data_sections.data,
    check_sections.drift,
    check_sections.unseen,
    model_sections.importance,
    model_sections.features,
    model_sections.leakage,
    model_sections.search,
    run_sections.run_section,
    run_sections.resources,
    run_sections.time_section,
    run_sections.parameters,
    run_sections.settings,
)


def report_page(view: View) -> str:
    """The whole page; the same view gives the same text."""
    made = [section(view) for section in _SECTIONS]
    sections = [one for one in (*made, run_sections.shown_rest(view, _KNOWN)) if one is not None and one.body]
    title = _title(view)
    head = tag(
        "head",
        trusted('<meta charset="utf-8">'),
        trusted(_MARK),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        trusted('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        trusted('<meta name="color-scheme" content="light dark">'),
        trusted('<meta name="referrer" content="no-referrer">'),
        tag("title", f"{title} – {_kind(view)}"),
        trusted(f"<style>{STYLE}</style>"),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        _header(view, title),
        tag("div", _contents(sections), tag("main", *map(_section, sections), id="content"), class_="layout"),
        _footer(view),
    )
    return f'<!DOCTYPE html>\n<html lang="en">\n{head}\n{body}\n</html>\n'


def is_page(start: bytes) -> bool:
    """Whether a file that begins so is a page of ours."""
    return start.lstrip().startswith(b"<!DOCTYPE html>") and _MARK.encode() in start


def _title(view: View) -> str:
    return text(view.document.get("name")) or view.facts.name or text(view.document.get("run_id")) or "Report"


def _kind(view: View) -> str:
    return JOB_TITLES.get(view.job_type, view.job_type) or "Report"


def _header(view: View, title: str) -> Markup:
    known, document = view.facts, view.document
    run_id = text(document.get("run_id")) or known.run_id
    application = text(document.get("application_id")) or known.application_id
    finished = moment(document.get("finished_ms"))
    words = [run_id if run_id != title else "", application, text(document.get("user")) or known.user, known.queue]
    words += [finished if finished != NOTHING else ""]
    result = badge(known.result, RESULT_KINDS.get(known.result, CAREFUL)) if known.result else None
    return tag(
        "header",
        tag("p", _kind(view), class_="kind"),
        tag("h1", join([escaped(title), result], " ")),
        tag("p", join((tag("span", word) for word in words if word), trusted(" · ")), class_="ids"),
        warning_box(alarms_of(view), "Attention", BAD),
        warning_box([*warnings_of(view), *view.notes], "Warnings"),
        cards(summary_cards(view)),
    )


def _contents(sections: list[Section]) -> Markup:
    lines = [tag("li", tag("a", one.title, href=f"#{one.anchor}")) for one in sections]
    return tag("nav", tag("ol", *lines), aria_label="Contents")


def _section(one: Section) -> Markup:
    return tag(
        "section",
        tag("h2", one.title, id=f"{one.anchor}-title"),
        one.body,
        id=one.anchor,
        aria_labelledby=f"{one.anchor}-title",
    )


def _footer(view: View) -> Markup:
    made = f"Made by batch-submit {view.version}".strip()
    source = f" from {view.metrics_path}" if view.metrics_path else ""
    return tag("footer", note(f"{made}{source}. This page needs no network and holds no script; times are UTC."))
