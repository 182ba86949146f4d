"""Dates in paths: what is known is filled, what is not is an error, and everything else stays as it is."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import ExitCode, UsageError
from batch_submit.plan.dates import fill_dates, parse_day

DAY = date(2013, 2, 3)
DAYS = st.dates(min_value=date(1000, 1, 1))


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("dt=%Y-%m-%d", "dt=2013-02-03"),
        ("%y%j", "13034"),
        ("p/dt={{ ds }}/x", "p/dt=2013-02-03/x"),
        ("{{ds}}{{  ds_nodash}}", "2013-02-0320130203"),
        ("100%% of %Y", "100% of 2013"),
        ("%%Y", "%Y"),
        ("%%%Y", "%2013"),
        ("{ds} {{ ds", "{ds} {{ ds"),
        ("", ""),
    ],
)
def test_known_words_are_filled(text: str, filled: str) -> None:
    assert fill_dates(text, DAY, where="here") == filled


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("%H", "'%H'"),
        ("a%", "'%'"),
        ("%-d", "'%-'"),
        ("% Y", "'% '"),
        ("{{ dt }}", "'{{ dt }}'"),
        ("{{}}", "'{{}}'"),
        ("{{ DS }}", "'{{ DS }}'"),
        ("{{ macros.ds_add(ds, 1) }}", "macros.ds_add"),
        ("{{ ds-nodash }}", "ds-nodash"),
    ],
)
def test_unknown_words_are_errors_that_name_place_and_remedy(text: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        fill_dates(text, DAY, where="c.yaml:7: data_config.predictions_output_path")
    assert caught.value.exit_code is ExitCode.USAGE
    assert word in caught.value.message
    assert caught.value.where == "c.yaml:7: data_config.predictions_output_path"
    assert "{{ ds }}" in caught.value.next_step or "%%" in caught.value.next_step


@given(st.text().filter(lambda text: "%" not in text and "{{" not in text), DAYS)
def test_a_text_without_directives_is_never_changed(text: str, day: date) -> None:
    assert fill_dates(text, day, where="") == text


@given(st.text(), DAYS)
def test_a_doubled_percent_sign_protects_every_text_without_braces(text: str, day: date) -> None:
    plain = text.replace("{", "")
    assert fill_dates(plain.replace("%", "%%"), day, where="") == plain


@given(DAYS)
def test_what_is_filled_in_reads_back_as_the_day(day: date) -> None:
    assert parse_day(fill_dates("%Y%m%d", day, where="")) == day
    assert parse_day(fill_dates("{{ ds }}", day, where="")) == day
    assert parse_day(fill_dates("{{ ds_nodash }}", day, where="")) == day


@pytest.mark.parametrize(
    "text", ["2013-2-3", "2013-02-30", "20130230", "03.02.2013", "2013-0203", "today", "", "\uff12013-02-03"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_day(text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert f"--date {text!r} is not a day" in caught.value.message
    assert "2013-12-31" in caught.value.next_step


def test_both_spellings_of_a_day_are_read() -> None:
    assert parse_day(" 2013-02-03 ") == parse_day("20130203") == DAY
