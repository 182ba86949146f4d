"""The pieces that sections are built of: tables, lists of facts, bars, badges, notes, figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from batch_submit.data_classes import dataclass
from batch_submit.render.report.formats import NOTHING
from batch_submit.render.report.markup import Markup, escaped, join, tag
from batch_submit.render.report.reading import number

#: Rows of one table; who needs more opens metrics.json.
MOST_ROWS = 200
#: From here on a name may be broken anywhere, so that it does not make its column wider than the page.
_LONG_WORD = 30
GOOD, BAD, CAREFUL, PLAIN = "good", "bad", "careful", "plain"


@dataclass(frozen=True)
class Column:
    """One column of a table: ``number`` stands at the right, ``code`` in the font of code, ``wide`` takes the room."""

    title: str
    kind: str = "text"


def num(title: str) -> Column:
    """A column of numbers."""
    return Column(title, "number")


def code(title: str) -> Column:
    """A column of names as they are typed."""
    return Column(title, "code")


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    *,
    label: str,
    most: int = MOST_ROWS,
    marked: int | None = None,
    only_filled: bool = False,
) -> Markup:
    """A table in a box that scrolls by itself when the screen is narrow.

    Parameters
    ----------
    label
        What it shows, for those who hear it.
    marked
        The row that stands out.
    only_filled
        Columns with nothing in any row are left out.
    """
    rows = list(rows)
    if only_filled:
        kept = [at for at in range(len(columns)) if any(row[at] not in ("", NOTHING) for row in rows)]
        columns, rows = [columns[at] for at in kept], [[row[at] for at in kept] for row in rows]
    head = tag("tr", *(tag("th", column.title, scope="col", class_=_kind(column)) for column in columns))
    body = [
        tag(
            "tr",
            *(_cell(column, cell) for column, cell in zip(columns, row, strict=False)),
            class_="marked" if at == marked else None,
        )
        for at, row in enumerate(rows[:most])
    ]
    found = tag("table", tag("thead", head), tag("tbody", *body), aria_label=label)
    box = tag("div", found, class_="scroll", tabindex="0", role="region", aria_label=label)
    left = len(rows) - most
    return join([box, note(f"and {left:,} more; all of them are in metrics.json") if left > 0 else None])


def _kind(column: Column) -> str | None:
    return column.kind if column.kind != "text" else None


def _cell(column: Column, cell: str) -> Markup:
    if column.kind == "code" and not isinstance(cell, Markup):
        return tag("td", code_text(cell) if cell else NOTHING)
    return tag("td", cell if cell else NOTHING, class_=_kind(column))


def facts(pairs: Iterable[tuple[str, str]], *, empty: bool = False) -> Markup:
    """Names and values, one below the other; without a value left out, or with ``empty`` a dash."""
    shown = [(name, value) for name, value in pairs if value or empty]
    inside = [join([tag("dt", name), tag("dd", value or NOTHING)]) for name, value in shown]
    return tag("dl", *inside, class_="facts") if inside else Markup("")


def badge(words: str, kind: str = PLAIN) -> Markup:
    """A short word with a colour; the word alone says it too."""
    return tag("span", words, class_=f"badge {kind}")


def passed(value: object) -> Markup:
    """Whether a check passed."""
    if not isinstance(value, bool):
        return badge("not known")
    return badge("passed", GOOD) if value else badge("failed", BAD)


def bar(share: object, kind: str = PLAIN) -> Markup:
    """A bar of a share in [0, 1] of the cell; beyond it is full, unknown is empty."""
    found = number(share)
    width = min(1.0, max(0.0, found or 0.0)) * 100
    return tag(
        "span", tag("span", class_=f"fill {kind}", style=f"width:{width:.1f}%"), class_="bar", aria_hidden="true"
    )


def note(words: str) -> Markup:
    """An explanation in small print."""
    return tag("p", words, class_="note")


def warning_box(warnings: Sequence[str], title: str, kind: str = CAREFUL) -> Markup:
    """Warnings, one per line."""
    if not warnings:
        return Markup("")
    lines = tag("ul", *(tag("li", one) for one in warnings[:MOST_ROWS]))
    return tag("div", tag("h2", title), lines, class_=f"box {kind}", role="note")


def details(summary: str, body: Markup, *, is_open: bool = False) -> Markup:
    """Something that opens when it is wanted."""
    return tag("details", tag("summary", summary), body, open=is_open)


def figure(title: str, caption: str, picture: Markup | None, data: Markup, *, what: str = "the numbers") -> Markup:
    """A plot with its title, what it says in words, and its numbers as a table, which stands open without a plot."""
    return tag(
        "figure",
        tag("h3", title),
        picture,
        tag("figcaption", caption) if caption else None,
        details(what, data, is_open=picture is None) if data else None,
    )


def figures(found: Iterable[Markup]) -> Markup:
    """Figures beside each other as far as there is room."""
    found = [one for one in found if one]
    return tag("div", *found, class_="figures") if found else Markup("")


def heading(words: str) -> Markup:
    """A heading inside a section."""
    return tag("h3", words)


@dataclass(frozen=True)
class Card:
    """One number on top of the page: what, how much, and what to hold it against."""

    title: str
    value: str
    below: str = ""
    kind: str = PLAIN


def cards(found: Sequence[Card]) -> Markup:
    """The cards."""
    inside = [
        tag(
            "div",
            tag("div", one.title, class_="what"),
            tag("div", one.value, class_="value"),
            tag("div", one.below, class_="below") if one.below else None,
            class_=f"card {one.kind}",
        )
        for one in found
    ]
    return tag("div", *inside, class_="cards") if inside else Markup("")


def code_text(words: str) -> Markup:
    """A path, an id or a name as it is typed."""
    return tag("code", words, class_="long" if len(words) > _LONG_WORD else None) if words else Markup("")


def with_code(words: str, name: str) -> Markup:
    """A title and, smaller, the name under which it stands in metrics.json."""
    return join([escaped(words), tag("code", name, class_="key")], " ")
