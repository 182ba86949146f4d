"""Sizes and durations: what is read, what is refused, and what the message says to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.plan.units import (
    UnitError,
    format_duration,
    format_memory,
    parse_duration_s,
    parse_memory_mib,
    spark_memory,
)


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("8g", 8192),
        ("8G", 8192),
        (" 8gb ", 8192),
        ("512m", 512),
        ("512MB", 512),
        ("2t", 2 << 20),
        ("1tb", 1 << 20),
        ("2048k", 2),
        ("1500kb", 1),
        ("1048576b", 1),
        ("007g", 7 * 1024),
    ],
)
def test_memory_is_read_as_spark_reads_it(text: str, mib: int) -> None:
    assert parse_memory_mib(text) == mib


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("8", "missing unit: write 8g"),
        ("2048", "missing unit: write 2048m"),
        ("1.5g", "Perhaps you meant 1536m"),
        (".5g", "Perhaps you meant 512m"),
        ("1,5g", "Perhaps you meant 1536m"),
        ("8 g", "Perhaps you meant 8g"),
        ("8gib", "Perhaps you meant 8g"),
        ("8x", "use k, m, g or t"),
        ("-4g", "Perhaps you meant 4g"),
        ("100k", "less than 1 MiB"),
        ("0g", "Perhaps you meant 1g"),
        ("", "8g"),
        ("lots", "8g"),
        ("9" * 40 + "g", "not a memory size"),
        ("٣g", "not a memory size"),
    ],
)
def test_a_bad_memory_size_says_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(UnitError, match=r".") as caught:
        parse_memory_mib(text)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("text", "written"), [("8GB", "8g"), ("512mb", "512m"), ("8g", "8g"), ("1048576b", "1m"), (" 4G", "4g")]
)
def test_memory_is_written_as_the_jvm_accepts_it(text: str, written: str) -> None:
    assert spark_memory(text) == written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("15min", 900),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2d", 172800),
        ("500ms", 0.5),
        ("1s500ms", 1.5),
        ("1H", 3600),
        ("30sec", 30),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("90", "missing unit: write 90s, 90m or 90h"),
        ("1.5h", "Perhaps you meant 1h30m"),
        ("1:30", "Perhaps you meant 1h30m"),
        ("2 hours", "Perhaps you meant 2h"),
        ("1w", "Perhaps you meant 7d"),
        ("1h30", "missing unit after 30"),
        ("1h2h", "twice"),
        ("1m1min", "twice"),
        ("0s", "at least 1s"),
        ("-5m", "not a duration"),
        ("soon", "Write for example"),
        ("", "Write for example"),
    ],
)
def test_a_bad_duration_says_what_to_write(text: str, advice: str) -> None:
    with pytest.raises(UnitError, match=r".") as caught:
        parse_duration_s(text)
    assert advice in str(caught.value)


@given(st.integers(min_value=1, max_value=1 << 40))
def test_memory_round_trip(mib: int) -> None:
    assert parse_memory_mib(format_memory(mib)) == mib


@given(st.integers(min_value=1, max_value=10**12))
def test_duration_round_trip(milliseconds: int) -> None:
    assert parse_duration_s(format_duration(milliseconds / 1000)) * 1000 == pytest.approx(milliseconds)


@given(st.text(max_size=30))
def test_any_text_gives_a_number_or_a_unit_error(text: str) -> None:
    for parse in (parse_memory_mib, parse_duration_s):
        try:
            assert parse(text) > 0
        except UnitError as error:
            assert str(error)
