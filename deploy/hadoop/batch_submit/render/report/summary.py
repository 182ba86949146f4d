"""The top of the page: what a reader should know first."""

from __future__ import annotations

from collections.abc import Iterator

from batch_submit.render.report.check_sections import drift_columns
from batch_submit.render.report.formats import NOTHING, count, duration, metric, percent
from batch_submit.render.report.metric_sections import interval, threshold_of
from batch_submit.render.report.model_sections import is_leak
from batch_submit.render.report.names import BESIDE, COUNTS, LOWER, MAIN, better, title_of
from batch_submit.render.report.parts import BAD, CAREFUL, GOOD, PLAIN, Card
from batch_submit.render.report.reading import Document, items, mapping, mappings, number, text
from batch_submit.render.report.view import View


def summary_cards(view: View) -> list[Card]:
    """The cards of a run, by its job type."""
    document = view.document
    found = [*_quality_of_model(view), *_gate(document), *_rows(document), *_checks(document), *_stages(document)]
    found += [*_throughput(document), *_drift(document), *_unseen(document), *_took(view)]
    return found


def _quality_of_model(view: View) -> Iterator[Card]:
    measured, baseline = mapping(view.document, "metrics"), mapping(view.document, "baseline")
    main = MAIN.get(view.task, "")
    for name in (main, *BESIDE.get(view.task, ())):
        if name not in measured:
            continue
        value = number(measured[name])
        below = [f"baseline {metric(baseline[name])}"] if number(baseline.get(name)) is not None else []
        ends = interval(view.document, name)
        if ends is not None:
            below.insert(0, f"95 %: {metric(ends[0])}–{metric(ends[1])}")
        kind = _against_baseline(name, value, number(baseline.get(name))) if name == main else PLAIN
        words = count(value) if name in COUNTS else metric(measured[name])
        yield Card(title_of(name), words, "\n".join(below) or ("not defined here" if value is None else ""), kind)
    threshold = threshold_of(view)
    if threshold is not None:
        yield Card("Threshold", metric(threshold), text(view.document.get("threshold_rule"), 60))


def _against_baseline(name: str, value: float | None, baseline: float | None) -> str:
    """Red where a model does no better than one that knows nothing."""
    if value is None or baseline is None:
        return PLAIN
    return GOOD if (value < baseline if better(name) == LOWER else value > baseline) else BAD


def _gate(document: Document) -> Iterator[Card]:
    gate = mapping(document, "gate")
    conditions = mappings(gate, "conditions")
    if conditions:
        good = sum(one.get("passed") is True for one in conditions)
        is_passed = gate.get("passed") is True
        yield Card(
            "Gate",
            "passed" if is_passed else "failed",
            f"{good} of {len(conditions)} conditions",
            GOOD if is_passed else BAD,
        )


def _rows(document: Document) -> Iterator[Card]:
    found = document.get("rows")
    rows = mapping(found)
    source, target = (number(mapping(document, "data", side).get("rows")) for side in ("input", "output"))
    if "train" in rows or "test" in rows:
        yield Card("Rows", count(rows.get("test")), f"held out; {count(rows.get('train'))} to train")
    elif "measured" in rows:
        yield Card("Rows", count(rows["measured"]), f"measured, of {count(rows.get('read'))} read")
    elif number(found) is not None:
        yield Card("Rows", count(found), "measured on")
    elif "input" in rows or "output" in rows:
        yield Card("Rows out", count(rows.get("output")), f"of {count(rows.get('input'))} read")
    elif target is not None:
        yield Card("Rows out", count(target), f"of {count(source)} read" if source is not None else "")
    elif source is not None:
        yield Card("Rows", count(source), "read")


def _checks(document: Document) -> Iterator[Card]:
    quality, casts = mappings(document, "quality"), mappings(document, "casts")
    if quality:
        good = sum(one.get("passed") is True for one in quality)
        fatal = any(one.get("passed") is False and text(one.get("action")) == "fail" for one in quality)
        kind = GOOD if good == len(quality) else BAD if fatal else CAREFUL
        yield Card("Quality checks", f"{good} of {len(quality)}", "passed", kind)
    bad = sum(number(one.get("bad_rows")) or 0 for one in casts)
    if casts:
        yield Card("Values that could not be cast", count(bad), f"{len(casts)} casts", CAREFUL if bad else PLAIN)


def _stages(document: Document) -> Iterator[Card]:
    stages = mappings(document, "stages")
    if stages:
        done = sum(is_done(one) for one in stages)
        yield Card("Stages", f"{done} of {len(stages)}", "complete", GOOD if done == len(stages) else BAD)


#: How an orchestrator may call the end of a stage that went well.
_DONE = {"succeeded", "done", "complete", "completed", "finished", "resumed", "skipped", "reused", "ok"}


def is_done(stage: Document) -> bool:
    """Whether a stage came to a good end, in this try or an earlier one."""
    return text(stage.get("state")).lower() in _DONE and not stage.get("error")


def _throughput(document: Document) -> Iterator[Card]:
    found = number(document.get("throughput_rows_per_s"))
    if found is not None:
        yield Card("Throughput", f"{count(round(found))} rows/s", "scoring and writing")


def _drift(document: Document) -> Iterator[Card]:
    columns = drift_columns(document)
    if columns:
        major = sum(text(one.get("level")) == "major" for one in columns)
        moderate = sum(text(one.get("level")) == "moderate" for one in columns)
        kind = BAD if major else CAREFUL if moderate else GOOD
        yield Card("Drift", f"{major} major", f"{moderate} moderate, of {len(columns)} columns", kind)


def _unseen(document: Document) -> Iterator[Card]:
    found = mappings(document, "unseen")
    rows = max((number(one.get("rows")) or 0 for one in found), default=0)
    if rows:
        share = max((number(one.get("share")) or 0 for one in found), default=0)
        yield Card(
            "Unseen values",
            f"{len(found)} column{'s' if len(found) > 1 else ''}",
            f"at most {percent(share)} of the rows",
            CAREFUL,
        )


def _took(view: View) -> Iterator[Card]:
    started, finished = (number(view.document.get(key)) for key in ("started_ms", "finished_ms"))
    if started and finished and finished >= started:
        queued = f"application {duration(view.facts.elapsed_ms / 1000)}" if view.facts.elapsed_ms else ""
        yield Card("Job took", duration((finished - started) / 1000), queued)
        return
    steps = [number(one) for one in mapping(view.document, "seconds").values()]
    total = sum(one for one in steps if one is not None)
    if total and duration(total) != NOTHING:
        yield Card("Job took", duration(total))


def _said(document: Document) -> list[str]:
    """The job's own warnings."""
    return [words for one in items(document, "warnings") if (words := text(one))]


def warnings_of(view: View) -> list[str]:
    """What deserves attention, in words: the job's own warnings, then what its numbers say."""
    found = _said(view.document)
    for one in mappings(view.document, "leakage"):
        column = text(one.get("column"))
        if column and is_leak(one) and not any(column in said for said in found):
            found.append(f"{column} predicts the label by itself: possible leakage, see below")
    for position, stage in enumerate(view.stages, start=1):
        found += [f"stage {position}: {one}" for one in _said(stage.document)]
    return list(dict.fromkeys(found))


_ENDED = {"killed": "was killed", "refused": "was refused"}


def alarms_of(view: View) -> list[str]:
    """What went wrong though a report was written."""
    document, known = view.document, view.facts
    found = []
    if known.result and known.result not in ("succeeded", "unknown"):
        reason = f": {known.reason.splitlines()[0][:300]}" if known.reason.strip() else ""
        found.append(f"The run {_ENDED.get(known.result, known.result)}{reason}")
    failing = [text(one.get("name")) for one in mappings(document, "gate", "conditions") if one.get("passed") is False]
    if failing:
        found.append(f"The gate failed: {', '.join(failing)}")
    bad = [
        one for one in mappings(document, "quality") if one.get("passed") is False and text(one.get("action")) == "fail"
    ]
    found += [
        f"A quality check failed: {text(one.get('check'))} of {text(one.get('column')) or 'the rows'}" for one in bad
    ]
    found += [
        f"Stage {text(one.get('name'))} did not succeed: {text(one.get('error')) or text(one.get('state'))}"
        for one in mappings(document, "stages")
        if not is_done(one)
    ]
    return found
