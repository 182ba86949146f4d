"""Lines that are rewritten in place, as a terminal shows them."""

from __future__ import annotations

import io
import re

import pytest

from batch_submit.adapters.terminal import Terminal


class Screen(io.StringIO):
    """A terminal that carries out what is written: text, newline, carriage return, cursor up, erase."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> list[str]:
        """The lines on the screen."""
        lines, row, column = [""], 0, 0
        for part in re.findall(r"\x1b\[\d*[A-Z]|[\s\S]", self.getvalue()):
            if part == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif part == "\r":
                column = 0
            elif part == "\x1b[K":
                lines[row] = lines[row][:column]
            elif part == "\x1b[J":
                lines[row:] = [lines[row][:column]]
            elif part.startswith("\x1b["):
                assert part.endswith("A"), part
                row -= int(part[2:-1])
            else:
                lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
                column += 1
        return lines


def live(monkeypatch: pytest.MonkeyPatch, columns: int = 40, lines: int = 10) -> tuple[Terminal, Screen]:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", str(lines))
    screen = Screen()
    return Terminal(io.StringIO(), screen, program="./batch_submit.sh"), screen


def test_a_panel_is_rewritten_in_place_and_may_grow_and_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = live(monkeypatch)
    terminal.note("before")
    terminal.panel(["one", "two", "three"])
    terminal.panel(["uno", "due"])
    assert screen.shown == ["before", "uno", "due"]
    terminal.panel(["a", "b", "c", "d"])
    assert screen.shown == ["before", "a", "b", "c", "d"]


def test_a_notice_takes_the_place_of_the_panel_and_the_next_panel_comes_below(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = live(monkeypatch)
    terminal.panel(["one", "two"])
    terminal.warn("executor 2 was lost")
    assert screen.shown == ["warning: executor 2 was lost", ""]
    terminal.panel(["one", "two"])
    terminal.event("not on the screen: the panel shows it")
    assert screen.shown == ["warning: executor 2 was lost", "one", "two"]
    terminal.answer("the answer")
    assert screen.shown == ["warning: executor 2 was lost", ""]


def test_lines_are_cut_to_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = live(monkeypatch, columns=10, lines=3)
    terminal.panel(["a" * 50, "日本語日本語", "third"])
    assert screen.shown == ["a" * 9, "日本語日"]  # eight columns of the nine
    terminal.panel(["tab\there\x1b[2J"])
    assert screen.shown == ["tabhere[2"]


def test_a_terminal_that_became_narrower_has_wrapped_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = live(monkeypatch, columns=40)
    terminal.panel(["x" * 30, "y" * 30])
    monkeypatch.setenv("COLUMNS", "20")
    terminal.panel(["z"])
    assert "\x1b[3A" in screen.getvalue()  # four rows on the screen by now


def test_commands_are_shown_as_they_can_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, screen = live(monkeypatch)
    terminal.panel(["next: batch-submit kill X"])
    assert screen.shown == ["next: ./batch_submit.sh kill X"]


def test_without_a_terminal_there_is_no_panel_and_each_event_is_a_line() -> None:
    err = io.StringIO()
    terminal = Terminal(io.StringIO(), err)
    terminal.panel(["one"])
    terminal.event("a change")
    assert err.getvalue() == "a change\n"


def test_no_color_has_no_live_display() -> None:
    screen = Screen()
    terminal = Terminal(io.StringIO(), screen, no_color=True)
    terminal.panel(["one"])
    terminal.event("a change")
    assert screen.getvalue() == "a change\n"
