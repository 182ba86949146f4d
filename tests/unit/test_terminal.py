"""The streams: the answer alone on stdout, everything else on stderr, and a stream that is gone stops nothing."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest

from batch_submit.adapters.terminal import LOGGER, Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A terminal that was closed under us."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise self.error


@pytest.fixture
def streams() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    out, err = io.StringIO(), io.StringIO()
    yield out, err


def test_only_the_answer_goes_to_stdout(streams: tuple[io.StringIO, io.StringIO]) -> None:
    out, err = streams
    terminal = Terminal(out, err)
    terminal.note("a note")
    terminal.warn("a warning")
    terminal.error(["what", "  next: do this"])
    terminal.progress("key", "a step")
    terminal.driver_output("driver\n")
    terminal.debug("for the log only")
    assert out.getvalue() == ""
    terminal.answer("application_1_0001")
    assert out.getvalue() == "application_1_0001\n"
    assert err.getvalue() == "a note\nwarning: a warning\nerror: what\n  next: do this\na step\ndriver\n"


def test_progress_without_a_terminal_is_a_line_per_change(streams: tuple[io.StringIO, io.StringIO]) -> None:
    terminal = Terminal(*streams)
    for key in ("ACCEPTED", "ACCEPTED", "RUNNING", "RUNNING", "ACCEPTED"):
        terminal.progress(key, key)
    assert streams[1].getvalue().split() == ["ACCEPTED", "RUNNING", "ACCEPTED"]


def test_progress_on_a_terminal_is_one_line_that_anything_else_clears() -> None:
    out, err = io.StringIO(), Screen()
    terminal = Terminal(out, err)
    terminal.progress("RUNNING", "1 s")
    terminal.progress("RUNNING", "2 s")
    terminal.note("note")
    terminal.note("more")
    terminal.progress("RUNNING", "3 s")
    terminal.answer("id")
    clear = "\r\x1b[K"
    assert err.getvalue() == f"{clear}1 s{clear}2 s{clear}note\nmore\n{clear}3 s{clear}"
    assert out.getvalue() == "id\n"


def test_no_color_means_no_live_line() -> None:
    err = Screen()
    terminal = Terminal(io.StringIO(), err, no_color=True)
    terminal.progress("RUNNING", "1 s")
    terminal.progress("RUNNING", "2 s")
    assert err.getvalue() == "1 s\n"


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError(5, "Input/output error"), ValueError("closed file")])
def test_a_stderr_that_is_gone_is_silent_from_then_on(error: Exception) -> None:
    out, err = io.StringIO(), Broken(error)
    terminal = Terminal(out, err)
    for _ in range(3):
        terminal.note("x")
    terminal.answer("id")
    assert err.writes == 1
    assert out.getvalue() == "id\n"


def test_a_broken_stdout_is_the_callers_business() -> None:
    with pytest.raises(BrokenPipeError):
        Terminal(Broken(BrokenPipeError()), io.StringIO()).answer("id")


def test_streams_that_were_closed_before_the_start_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """``>&- 2>&-``: Python has None in their place."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    terminal = Terminal()
    terminal.note("x")
    terminal.progress("k", "x")
    terminal.answer("id")
    assert terminal.live is False


def test_commands_are_shown_with_the_name_that_was_typed_and_a_drivers_words_as_they_are(
    streams: tuple[io.StringIO, io.StringIO],
) -> None:
    terminal = Terminal(*streams, program="./batch_submit.sh")
    terminal.note("next: batch-submit wait a1, tag batch-submit")
    terminal.driver_output("batch-submit wait a1\n")
    assert streams[1].getvalue() == "next: ./batch_submit.sh wait a1, tag batch-submit\nbatch-submit wait a1\n"


class Kept(logging.Handler):
    """A log that is a list."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_what_is_said_is_logged_once_per_change(
    streams: tuple[io.StringIO, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    monkeypatch.setattr(LOGGER, "handlers", [kept])
    before = LOGGER.level
    LOGGER.setLevel(logging.DEBUG)
    try:
        terminal = Terminal(*streams)
        terminal.note("note %s")  # a percent sign is no directive
        terminal.progress("k", "step")
        terminal.progress("k", "step, later")
        terminal.debug("detail")
    finally:
        LOGGER.setLevel(before)
    assert kept.messages == ["note %s", "step", "detail"]
