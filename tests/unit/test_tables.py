"""Tables fit where they are shown; an id is never cut, and no text from elsewhere steers the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.render.tables import Column, aligned, cells, fitted, printable

COLUMNS = (
    Column("id"),
    Column("name", shortest=6),
    Column("user", leave_out=1),
    Column("mib", leave_out=2, right=True),
)
ROWS = [("application_1", "a-long-name", "alice", "12"), ("application_22", "b", "bob", "4096")]


def test_without_a_width_everything_is_shown() -> None:
    assert fitted(COLUMNS, ROWS, None) == [
        "id              name         user    mib",
        "application_1   a-long-name  alice    12",
        "application_22  b            bob    4096",
    ]


@pytest.mark.parametrize(
    ("width", "second"),
    [
        (40, "application_1   a-long-name  alice    12"),
        (39, "application_1   a-long-na…  alice    12"),
        (34, "application_1   a-long-name    12"),
        (28, "application_1   a-lon…    12"),
        (27, "application_1   a-long-name"),
        (22, "application_1   a-lon…"),
        (10, "application_1   a-lon…"),  # what can't fit goes beyond; the id stays whole
    ],
)
def test_it_is_cut_and_columns_go_in_a_fixed_order(width: int, second: str) -> None:
    assert fitted(COLUMNS, ROWS, width)[1] == second


@given(st.integers(40, 200), st.lists(st.tuples(*[st.text(max_size=60)] * 4), min_size=1, max_size=4))
def test_no_line_is_wider_than_asked_for(width: int, rows: list[tuple[str, ...]]) -> None:
    table = [(f"application_{number:04d}", *row[1:]) for number, row in enumerate(rows)]
    lines = fitted(COLUMNS, table, width)
    assert all(cells(line) <= width for line in lines)
    assert [line.split()[0] for line in lines[1:]] == [row[0] for row in table]


def test_letters_of_east_asia_take_two_columns() -> None:
    assert (cells("größe"), cells("訓練"), cells("e\u0301")) == (5, 4, 1)
    assert fitted((Column("name", shortest=4), Column("x")), [("訓練訓練", "1"), ("ab", "2")], 7) == [
        "name  x",
        "訓…   1",
        "ab    2",
    ]


def test_control_characters_are_shown_as_question_marks() -> None:
    assert printable("a\x1b[31mb\nc") == "a?[31mb?c"
    assert aligned([["\x1b[2J", "x"]]) == ["?[2J  x"]


def test_aligned() -> None:
    assert aligned([["a", "bbb", "c"], ["aaa", "b", ""]]) == ["a    bbb  c", "aaa  b"]
