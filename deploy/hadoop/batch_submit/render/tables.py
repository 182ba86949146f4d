"""Tables of text that fit where they are shown: columns are shortened and left out in a fixed order, ids never."""

from __future__ import annotations

from collections.abc import Sequence

from batch_submit.data_classes import dataclass

_GAP = 2
_CUT = "…"


@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    title
        Its head.
    shortest
        It may be cut to so many characters; ``None``: never cut.
    leave_out
        It is left out when the table does not fit, the smallest number first; ``None``: never.
    right
        Numbers stand at the right.
    """

    title: str
    shortest: int | None = None
    leave_out: int | None = None
    right: bool = False


def printable(text: str) -> str:
    """A text from elsewhere without what would steer a terminal: anybody may give an application a name."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


def cells(text: str) -> int:
    """How many columns of a terminal a text takes; letters of East Asia take two."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of texts as lines with aligned columns, two spaces apart."""
    return _lines([[printable(text) for text in row] for row in rows], [False] * len(rows[0]))


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """A table with a head, as lines of at most ``width`` characters; ``None`` takes what it needs.

    What can't be made to fit by leaving out and cutting goes beyond: an id that is cut is no id.
    """
    table = [[column.title for column in columns], *([printable(text) for text in row] for row in rows)]
    if width is None:
        return _lines(table, [column.right for column in columns])
    needed = [max(cells(row[at]) for row in table) for at in range(len(columns))]
    shown, sizes = _fit(columns, needed, width)
    cut = [[_cut(row[at], sizes[at]) for at in shown] for row in table]
    return _lines(cut, [columns[at].right for at in shown])


def _fit(columns: Sequence[Column], needed: list[int], width: int) -> tuple[list[int], list[int]]:
    """Which columns are shown, and how wide each may be."""
    shown = list(range(len(columns)))
    going = sorted((at for at in shown if columns[at].leave_out is not None), key=lambda at: columns[at].leave_out or 0)

    def least(at: int) -> int:
        shortest = columns[at].shortest
        return needed[at] if shortest is None else min(needed[at], max(shortest, cells(columns[at].title)))

    def total(sizes: list[int]) -> int:
        return sum(sizes) + _GAP * (len(sizes) - 1)

    while going and total([least(at) for at in shown]) > width:
        shown.remove(going.pop(0))
    sizes = list(needed)
    over = total([sizes[at] for at in shown]) - width
    for at in shown:
        taken = min(max(0, over), sizes[at] - least(at))
        sizes[at] -= taken
        over -= taken
    return shown, sizes


def _cut(text: str, size: int) -> str:
    if cells(text) <= size:
        return text
    kept = ""
    for one in text:
        if cells(kept + one) >= size:
            break
        kept += one
    return kept + _CUT


def _lines(rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    columns = [_padded(column, at_right) for column, at_right in zip(zip(*rows, strict=True), right, strict=True)]
    return [(" " * _GAP).join(row).rstrip() for row in zip(*columns, strict=True)]


def _padded(texts: Sequence[str], at_right: bool) -> list[str]:
    """The texts of a column, all of one width."""
    if all(map(str.isascii, texts)):  # the usual case, which a long table has to be quick in
        size = max(map(len, texts))
        return [text.rjust(size) if at_right else text.ljust(size) for text in texts]
    widths = [cells(text) for text in texts]
    gaps = [" " * (max(widths) - width) for width in widths]
    return [gap + text if at_right else text + gap for text, gap in zip(texts, gaps, strict=True)]
