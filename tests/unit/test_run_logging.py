"""The log file: secrets are masked however they are written, and a place that can't be written stops nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.adapters.run_logging import mask_text, start_logging, stop_logging
from batch_submit.adapters.terminal import LOGGER, Terminal, _hidden, hide


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    stop_logging()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("--conf spark.db.password=hunter2 --conf a=b", "--conf spark.db.password=******** --conf a=b"),
        ("'spark.db.password=hunter2 hunter2' next", "'spark.db.password=********' next"),
        ('"spark.db.password=hunter2 hunter2" next', '"spark.db.password=********" next'),
        ('password="hunter2 hunter2", a=1', "password=********, a=1"),
        ("password='hunter2 hunter2'", "password=********"),
        ("Passwd: hunter2", "Passwd: ********"),
        ('{"api_token": "hunter2", "a": 1}', '{"api_token": ********, "a": 1}'),
        ("--db-password hunter2 --x 1", "--db-password ******** --x 1"),
        ("--db-password 'hunter2 hunter2' 1", "--db-password ******** 1"),
        ("-Djavax.net.ssl.trustStorePassword=hunter2 -Da=1", "-Djavax.net.ssl.trustStorePassword=******** -Da=1"),
        ("fs.s3a.access.key=hunter2", "fs.s3a.access.key=********"),
        ("fs.s3a.secret.key=hunter2", "fs.s3a.secret.key=********"),
        ("http://nn/x?delegation=hunter2&op=OPEN", "http://nn/x?delegation=********&op=OPEN"),
        ("https://alice:hunter2@host/x", "https://alice:********@host/x"),
    ],
)
def test_secrets_are_masked_in_every_spelling(text: str, masked: str) -> None:
    assert mask_text(text) == masked
    assert mask_text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "",
        "application_1_0001: RUNNING (1m)",
        "spark.sql.shuffle.partitions=8",
        "the keytab /etc/x.keytab can't be read",
        "fill a file with these properties: spark.db.password, spark.x.token",
        "http://rm:8088/cluster/app/application_1_0001",
        "--token --next",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert mask_text(text) == text


@given(st.sampled_from(["=", ": ", "="]), st.from_regex(r"[A-Za-z0-9/+.$!_-]{4,30}", fullmatch=True))
def test_no_unquoted_secret_gets_through(separator: str, secret: str) -> None:
    value = f"\N{SNOWMAN}{secret}"  # found again only if it was not masked
    assert "\N{SNOWMAN}" not in mask_text(f"run x.password{separator}{value} now")


def test_the_file_holds_what_was_said_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "made" / "ours.log"
    assert start_logging(path, verbose=False) == ""
    LOGGER.info("%s", "x.password=hunter2")
    try:
        raise ValueError("token=hunter2")
    except ValueError:
        LOGGER.exception("it broke")
    text = path.read_text(encoding="utf-8")
    assert "INFO x.password=********" in text
    assert "ValueError: token=********" in text
    assert "hunter2" not in text


def test_an_unwritable_place_is_a_warning_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    warning = start_logging(tmp_path / "file" / "ours.log", verbose=False)
    assert str(tmp_path / "file" / "ours.log") in warning
    assert "going on without it" in warning
    assert start_logging(tmp_path, verbose=False) != ""  # a folder in the file's place
    LOGGER.info("and nothing breaks")


def test_verbose_shows_debug_lines_only_masked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(None, verbose=True)
    LOGGER.info("said by the terminal already")
    LOGGER.debug("a token=hunter2")
    assert capsys.readouterr().err == "debug: a token=********\n"


def test_starting_twice_writes_once_and_stopping_closes(tmp_path: Path) -> None:
    path = tmp_path / "ours.log"
    start_logging(path, verbose=False)
    start_logging(path, verbose=False)
    LOGGER.info("once")
    assert path.read_text(encoding="utf-8").count("once") == 1
    stop_logging()
    assert not [one for one in LOGGER.handlers if isinstance(one, logging.FileHandler)]


def test_the_file_rotates(tmp_path: Path) -> None:
    path = tmp_path / "ours.log"
    path.write_text("x" * 5_000_000, encoding="utf-8")
    start_logging(path, verbose=False)
    LOGGER.info("new")
    assert path.stat().st_size < 1000
    assert (tmp_path / "ours.log.1").stat().st_size == 5_000_000


def test_what_a_library_warns_of_is_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(None, verbose=False)
    root, kept = logging.getLogger(), list(logging.getLogger().handlers)
    for handler in kept:  # pytest's own: then, as in a program without any, the last resort speaks
        root.removeHandler(handler)
    try:
        logging.getLogger("some.library").warning("retrying http://dn/x?delegation=hunter2 with token=hunter2")
    finally:
        for handler in kept:
            root.addHandler(handler)
    told = capsys.readouterr().err
    assert "retrying http://dn/x" in told and "hunter2" not in told


def test_a_secret_that_was_read_is_hidden_wherever_it_turns_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hide(["correct horse battery", "multi\nline secret", "abc", ""])
    try:
        start_logging(tmp_path / "our.log", verbose=True)
        terminal = Terminal()
        terminal.note("a note on correct horse battery and abc")
        terminal.error(["what: line secret", "  multi"])
        terminal.debug("debug correct horse battery")
        try:
            raise ValueError("correct horse battery")
        except ValueError:
            LOGGER.debug("internal error", exc_info=True)
        terminal.answer(json.dumps({"x": "correct horse battery"}))
    finally:
        stop_logging()
        _hidden.clear()
    shown = capsys.readouterr()
    for text in (shown.out, shown.err, (tmp_path / "our.log").read_text()):
        assert text and "horse" not in text and "line secret" not in text
    assert "abc" in shown.err, "too short to be told from other words"
    assert "ValueError" in (tmp_path / "our.log").read_text()


def test_a_secret_is_hidden_in_quotes_json_and_urls_and_in_what_is_recorded() -> None:
    secret = 'it\'s "k3pt" größe & \\n'
    hide([secret])
    try:
        for form in (
            secret,
            json.dumps({"x": secret}),
            json.dumps([secret], ensure_ascii=False),
            repr(secret),
            repr({"x": secret}),
            repr(ValueError(repr(secret))),
            json.dumps(repr(secret)),
            f"http://h/?x={quote(secret)}",
            f"http://h/?{urlencode({'x': secret})}",
        ):
            assert "k3pt" not in mask_text(form), form
    finally:
        _hidden.clear()
