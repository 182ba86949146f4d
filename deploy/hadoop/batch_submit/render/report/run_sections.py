"""What was run, with which parameters, how long each step took, and what it used."""

from __future__ import annotations

from batch_submit.render.report.formats import NOTHING, count, duration, moment, per_hour, percent
from batch_submit.render.report.markup import Markup, join, link
from batch_submit.render.report.names import JOB_TITLES
from batch_submit.render.report.parts import (
    BAD,
    CAREFUL,
    GOOD,
    Column,
    badge,
    bar,
    code,
    code_text,
    details,
    facts,
    note,
    num,
    table,
)
from batch_submit.render.report.reading import Document, mapping, number, text
from batch_submit.render.report.view import Section, View

RESULT_KINDS = {"succeeded": GOOD, "failed": BAD, "refused": BAD, "killed": BAD, "timed out": BAD}
_MIB_PER_GIB = 1024


def run_section(view: View) -> Section:
    """Ids, who, when, where, from which revision."""
    document, known = view.document, view.facts
    model = mapping(document, "model")
    name = text(model.get("name")) or text(document.get("model_name"))
    version = text(model.get("version"))
    application = text(document.get("application_id")) or known.application_id
    pairs = [
        ("Job", JOB_TITLES.get(view.job_type, view.job_type)),
        ("Name", text(document.get("name")) or known.name),
        ("Run id", code_text(text(document.get("run_id")) or known.run_id)),
        ("Application id", link(application, known.page_url) if known.page_url else code_text(application)),
        ("Result", _result(view)),
        ("Algorithm", text(document.get("algorithm"))),
        ("Task", _task(document)),
        ("Label", _label(mapping(document, "label"))),
        ("Model", code_text(f"{name}@{version}" if name and version else name)),
        ("Model's path", code_text(text(model.get("path")) or text(document.get("model_path")))),
        ("User", text(document.get("user")) or known.user),
        ("Queue", known.queue),
        ("Where", _where(view)),
        ("Tries", count(known.tries) if known.tries > 1 else ""),
        ("Submitted", _known(moment(known.submitted_ms))),
        ("Waited in the queue", _waited(view)),
        ("Application started", _known(moment(known.started_ms)) if known.backend != "local" else ""),
        ("Job started", _known(moment(document.get("started_ms")))),
        ("Job finished", _known(moment(document.get("finished_ms")))),
        ("Application finished", _known(moment(known.finished_ms))),
        ("Git revision", code_text(text(document.get("git_revision"))) or "not known"),
        ("Report read from", code_text(view.metrics_path)),
    ]
    return Section("run", "What was run", join([facts(pairs), *_versions(document)]))


def _task(document: Document) -> str:
    reason = text(document.get("task_reason"))
    return text(document.get("task")) + (f" ({reason})" if reason else "")


def _label(found: Document) -> Markup | str:
    """The label's column, how it is made, and which value is the positive one."""
    if not found:
        return ""
    made, positive = text(found.get("expression")), text(found.get("positive"))
    words: list[str] = [code_text(text(found.get("column")))]
    words += ["is", code_text(made)] if made else []
    words += ["; positive:", code_text(positive)] if positive else []
    return join(words, " ")


def _waited(view: View) -> str:
    known = view.facts
    waited = known.started_ms - known.submitted_ms
    return duration(waited / 1000) if known.started_ms and known.submitted_ms and waited >= 0 else ""


def _known(words: str) -> str:
    return "" if words == NOTHING else words


def _result(view: View) -> Markup | str:
    known = view.facts
    if not known.result:
        return "not known: the report was read without a record of the run"
    return join(
        [badge(known.result, RESULT_KINDS.get(known.result, CAREFUL)), f"({known.source})" if known.source else None],
        " ",
    )


def _where(view: View) -> str:
    known = view.facts
    if known.backend == "local":
        return f"backend local on {known.host}" if known.host else "backend local"
    return f"YARN, {known.cluster}" if known.cluster else ""


def _versions(document: Document) -> list[Markup]:
    versions = mapping(document, "versions")
    if not versions:
        return []
    words = ", ".join(f"{text(name)} {text(value)}" for name, value in sorted(versions.items()))
    return [note(f"Made by {words}.")]


def parameters(view: View) -> Section | None:
    """Every parameter with its value."""
    found = mapping(view.document, "params")
    if not found:
        return None
    rows = [[code_text(text(name)), _value(value)] for name, value in sorted(found.items())]
    body = table([code("parameter"), Column("value", "wide")], rows, label="parameters")
    return Section(
        "parameters", "Parameters", details(f"{len(rows)} parameters, defaults included", body, is_open=True)
    )


def _value(value: object) -> Markup:
    if value in (None, "", [], {}):
        return Markup('<span class="dim">not set</span>')
    return code_text(text(value))


def time_section(view: View) -> Section | None:
    """Seconds per step."""
    seconds = {text(name): number(value) for name, value in mapping(view.document, "seconds").items()}
    found = {name: value for name, value in seconds.items() if value is not None and value >= 0}
    total = sum(found.values())
    if not found:
        return None
    rows = [
        [name, duration(value), percent(value / total) if total else NOTHING, bar(value / total if total else 0)]
        for name, value in found.items()
    ]
    body = table([Column("step"), num("time"), num("share"), Column("", "bars")], rows, label="time per step")
    return Section(
        "time", "Where the time went", join([body, note(f"{duration(total)} in all, as the job measured it.")])
    )


def resources(view: View) -> Section:
    """What the application used, as YARN counts it; what is not known is said."""
    known = view.facts
    elapsed_s = known.elapsed_ms / 1000 if known.elapsed_ms else None
    took = number(view.document.get("finished_ms")), number(view.document.get("started_ms"))
    of_job = (took[0] - took[1]) / 1000 if took[0] and took[1] and took[0] >= took[1] else None
    unknown = "not known"
    pairs = [
        ("Application, from submission to end", duration(elapsed_s) if elapsed_s else unknown),
        ("Job, without start and end of Spark", duration(of_job) if of_job is not None else unknown),
        ("Memory", _or(per_hour(known.memory_mib_seconds, "MiB", _MIB_PER_GIB), unknown)),
        ("Cores", _or(per_hour(known.vcore_seconds, "vcore"), unknown)),
    ]
    if elapsed_s and known.memory_mib_seconds:
        pairs.append(("Memory on average", f"{known.memory_mib_seconds / elapsed_s / _MIB_PER_GIB:,.2f} GiB"))
    if elapsed_s and known.vcore_seconds:
        pairs.append(("Cores on average", f"{known.vcore_seconds / elapsed_s:,.2f} vcores"))
    if known.preempted_containers:
        pairs.append(("Preempted", f"{count(known.preempted_containers)} containers"))
    return Section("resources", "Resources used", join([facts(pairs), _why_unknown(view)]))


def _or(words: str, otherwise: str) -> str:
    return otherwise if words == NOTHING else words


def _why_unknown(view: View) -> Markup | None:
    known = view.facts
    if known.backend == "local":
        return note("A driver on one host is not accounted by YARN: memory and cores are those of that host.")
    if not known.memory_mib_seconds and not known.vcore_seconds:
        return note("Neither the ResourceManager nor this host's record tells what the application used.")
    return note("As YARN counts it: what was allocated, times the time for which it was, summed over all containers.")


def settings(view: View) -> Section | None:
    """What the learner was set to, defaults included."""
    found = mapping(view.document, "spark_settings")
    if not found:
        return None
    rows = [[code_text(text(name)), _value(value)] for name, value in sorted(found.items())]
    body = table([code("setting"), Column("value", "wide")], rows, label="settings of the learner")
    return Section(
        "settings",
        "Settings of the learner",
        details(f"{len(rows)} settings, Spark's defaults included", body, is_open=True),
    )


def shown_rest(view: View, known: frozenset[str]) -> Section | None:
    """What the report holds beyond what this page knows."""
    rest = sorted(name for name, value in view.document.items() if name not in known and value is not None)
    rows = [[code_text(text(name)), _value(view.document[name])] for name in rest]
    if not rows:
        return None
    body = table([code("key"), Column("value", "wide")], rows, label="other keys")
    return Section("other", "Also in metrics.json", details(f"{len(rows)} more keys", body, is_open=True))
