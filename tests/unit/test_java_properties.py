"""``spark-defaults.conf`` is read as Java and Spark read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.plan.java_properties import parse_properties


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("spark.a 1", "spark.a", "1"),
        ("spark.a=1", "spark.a", "1"),
        ("spark.a : 1", "spark.a", "1"),
        ("  spark.a\t=  1  ", "spark.a", "1"),
        ("spark.a=b=c:d", "spark.a", "b=c:d"),
        ("spark.a", "spark.a", ""),
        ("spark.a\\\n   1", "spark.a1", ""),
        ("spark.a x,\\\n   y", "spark.a", "x,y"),
        ("spark.a x\\\\\nspark.b y", "spark.a", "x\\"),
        ("spark.a x,\\\n#y", "spark.a", "x,#y"),
        ("spark.a\\ b 1", "spark.a b", "1"),
        ("spark.a\\=b=1", "spark.a=b", "1"),
        ("spark.a caf\\u00e9\\n", "spark.a", "café\n"),
        ("spark.a C:\\\\x \\q", "spark.a", "C:\\x q"),
        ("spark.a 1 # no comment", "spark.a", "1 # no comment"),
        ("spark.a 1\r\nspark.b 2", "spark.a", "1"),
    ],
)
def test_javas_rules(text: str, key: str, value: str) -> None:
    entry = parse_properties(text, "f").entries[0]
    assert (entry.key, entry.value, entry.line) == (key, value, 1)


def test_comments_and_blank_lines_and_line_numbers() -> None:
    found = parse_properties("# c\n\n  ! c\nspark.a 1\nspark.b x\\\n y\nspark.a 2", "f")
    assert found.entries == (("spark.a", "1", 4), ("spark.b", "xy", 5), ("spark.a", "2", 7))


def test_other_keys_are_ignored_with_a_warning() -> None:
    found = parse_properties("spark.a 1\nhadoop.b 2", "spark-defaults.conf")
    assert [entry.key for entry in found.entries] == ["spark.a"]
    assert found.warnings == (
        "spark-defaults.conf:2: 'hadoop.b' is ignored, as Spark does: it does not start with 'spark.'",
    )


def test_a_malformed_escape_is_an_error_with_its_line() -> None:
    found = parse_properties("spark.a 1\nspark.b \\u00g1", "f")
    assert found.errors[0][0] == 2
    assert "malformed" in found.errors[0][1]


@given(st.text(alphabet="spark.a=: \\\n\r\t#!u0é", max_size=60))
def test_any_text_is_read_without_an_exception(text: str) -> None:
    found = parse_properties(text, "f")
    assert all(entry.key.startswith("spark.") for entry in found.entries)
