"""The data: what was read and written, the steps of a data processing, its quality checks and casts."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.render.report.formats import NOTHING, count, duration, percent, size
from batch_submit.render.report.markup import Markup, join
from batch_submit.render.report.parts import (
    CAREFUL,
    Column,
    badge,
    bar,
    code,
    code_text,
    facts,
    heading,
    note,
    num,
    passed,
    table,
)
from batch_submit.render.report.reading import Document, items, mapping, mappings, number, text
from batch_submit.render.report.view import Section, View

_ROW_WORDS = {
    "read": "read",
    "without_label": "without a label, dropped",
    "train": "to train",
    "test": "held out",
    "without_time": "without a time, dropped",
    "unknown_class": "of a class that is not known",
    "validation": "to validate",
    "held_out": "in question",
    "distinct_keys_about": "distinct keys, about",
    "input": "in",
    "output": "out",
}


def data(view: View) -> Section | None:
    """Paths, formats, rows, files and bytes; rows by use; classes; the split."""
    parts = [_places(view), _rows(view.document), _classes(view.document), _split(view.document)]
    body = join(part for part in parts if part)
    return Section("data", "Data", body) if body else None


def _places(view: View) -> Markup:
    named = _named_places(view.document)
    if not named:
        params = mapping(view.document, "params")
        paths = [(name, text(value)) for name, value in params.items() if name.endswith("_path") and value]
        return facts((name.replace("_", " "), code_text(path)) for name, path in paths)
    rows = [
        [
            name,
            code_text(text(one.get("path"))),
            text(one.get("format")),
            count(one.get("rows")),
            count(one.get("files")),
            size(one.get("bytes")),
            count(one.get("partitions")),
        ]
        for name, one in named
    ]
    columns = [Column(""), code("path"), Column("format"), num("rows"), num("files"), num("size"), num("partitions")]
    return table(columns, rows, label="data read and written", only_filled=True)


def _named_places(document: Document) -> list[tuple[str, Document]]:
    """What was read and written, each once: the lists tell more than the single entries."""
    found = mapping(document, "data")
    lists = {"input": mappings(found, "inputs"), "output": mappings(document, "outputs") or mappings(found, "outputs")}
    named: list[tuple[str, Document]] = []
    for name in [*found, *(["outputs"] if mappings(document, "outputs") else [])]:
        single = name.removesuffix("s")
        if lists.get(single):
            if not any(where == single for where, _ in named):
                named += [(single, one) for one in lists[single]]
        elif mapping(found, name):
            named.append((name, mapping(found, name)))
        else:
            named += [(name, one) for one in mappings(found, name)]
    named += [("put aside", one) for one in mappings(document, "put_aside")]
    return [(" ".join(word for word in (_word(name), text(one.get("name"))) if word), one) for name, one in named]


def _word(name: str) -> str:
    return {"input": "read", "output": "written"}.get(name, name.replace("_", " "))


def _rows(document: Document) -> Markup:
    found = document.get("rows")
    if number(found) is not None:
        return facts([("Rows", count(found))])
    pairs = [(name, count(value)) for name, value in mapping(found).items() if number(value) is not None]
    return (
        join([heading("Rows"), facts((_ROW_WORDS.get(name, name.replace("_", " ")), value) for name, value in pairs)])
        if pairs
        else Markup("")
    )


def _classes(document: Document) -> Markup:
    """Rows of each class, in each part of the data."""
    found = {part: mapping(one) for part, one in mapping(document, "classes").items() if mapping(one)}
    if not found:
        return Markup("")
    names = list(dict.fromkeys(name for one in found.values() for name in one if name != "share_of_1"))
    totals = {part: sum(number(one.get(name)) or 0 for name in names) for part, one in found.items()}
    rows = []
    for name in names:
        row: list[str] = [code_text(text(name))]
        for part, one in found.items():
            share = (number(one.get(name)) or 0) / totals[part] if totals[part] else None
            row += [count(one.get(name)), percent(share)]
        rows.append(row)
    columns = [Column("class"), *(num(title) for part in found for title in (f"rows, {_word(part)}", "share"))]
    return join([heading("Classes"), table(columns, rows, label="rows of each class")])


def _split(document: Document) -> Markup:
    found = mapping(document, "split")
    if not found:
        return Markup("")
    pairs = [
        (text(name).replace("_", " "), code_text(text(value)))
        for name, value in found.items()
        if value not in (None, "", [])
    ]
    said = "Which rows were held out is decided by this rule alone, not by the number of partitions or executors."
    return join([heading("Split"), facts(pairs), note(said)])


def steps(view: View) -> Section | None:
    """The steps of a data processing with rows in and out."""
    found = mappings(view.document, "steps")
    if not found:
        return None
    most = max((number(one.get(key)) or 0 for one in found for key in ("rows_in", "rows_out")), default=0)
    rows = [_step(one, position, most) for position, one in enumerate(found, start=1)]
    columns = [
        num("#"),
        code("step"),
        Column("name"),
        code("table"),
        code("into"),
        num("rows in"),
        num("rows out"),
        num("change"),
        Column("", "bars"),
        num("time"),
        Column("note", "wide"),
    ]
    return Section("steps", "Steps", table(columns, rows, label="steps with rows in and out", only_filled=True))


def _step(one: Document, position: int, most: float) -> list[str]:
    came, left = number(one.get("rows_in")), number(one.get("rows_out"))
    change = (
        f"{'+' if left > came else ''}{count(left - came)}"
        if came is not None and left is not None and left != came
        else NOTHING
    )
    return [
        count(one.get("number") if number(one.get("number")) is not None else position),
        text(one.get("op")),
        text(one.get("name")),
        code_text(text(one.get("table"))),
        code_text(text(one.get("into"))),
        count(came),
        count(left),
        change,
        bar(left / most if most and left is not None else 0),
        duration(one.get("seconds")),
        text(one.get("note")),
    ]


def quality(view: View) -> Section | None:
    """Quality checks, and casts that lost values."""
    checks, casts = mappings(view.document, "quality"), mappings(view.document, "casts")
    parts = [_checks(checks) if checks else None, _casts(casts) if casts else None]
    return Section("quality", "Quality", join(parts)) if checks or casts else None


def _checks(checks: Sequence[Document]) -> Markup:
    rows = [
        [
            passed(one.get("passed")),
            text(one.get("check")),
            text(one.get("name")),
            code_text(text(one.get("column"))),
            text(one.get("limit")),
            text(one.get("found")),
            count(one.get("rows")),
            text(one.get("action")),
        ]
        for one in checks
    ]
    columns = [
        Column(""),
        Column("check"),
        Column("name"),
        code("column"),
        Column("limit"),
        Column("found"),
        num("rows"),
        Column("action"),
    ]
    good = sum(one.get("passed") is True for one in checks)
    return join(
        [
            note(f"{good} of {len(checks)} checks passed."),
            table(columns, rows, label="quality checks", only_filled=True),
        ]
    )


def _casts(casts: Sequence[Document]) -> Markup:
    rows = [
        [
            code_text(text(one.get("column"))),
            code_text(text(one.get("type"))),
            _bad_rows(one.get("bad_rows")),
            code_text(text(one.get("kept_at"))),
        ]
        for one in casts
    ]
    columns = [code("column"), code("type"), num("rows that could not be cast"), Column("kept at", "wide")]
    return join([heading("Casts"), table(columns, rows, label="casts")])


def _bad_rows(value: object) -> Markup | str:
    return badge(count(value), CAREFUL) if number(value) else count(value)


_NOT_CLASSES = {"without", "mean", "std", "min", "max"}


def scores(document: Document) -> list[Document]:
    """Rows by predicted class, of a prediction's report; empty where values and not classes are predicted."""
    found = mapping(document, "scores")
    classes = mapping(found, "classes")
    if not classes and not items(found, "edges"):
        classes = {name: value for name, value in found.items() if name not in _NOT_CLASSES}
    return [{"class": name, "rows": value} for name, value in classes.items() if number(value) is not None]
