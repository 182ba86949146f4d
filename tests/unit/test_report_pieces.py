"""What the report's page is built of: formats, escaping, tolerant reading, inline SVG."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.local_store import LocalStore
from batch_submit.errors import UsageError
from batch_submit.operations.report_sources import Shelf
from batch_submit.render.report import formats, svg
from batch_submit.render.report.markup import Markup, join, link, tag, trusted
from batch_submit.render.report.reading import items, mapping, mappings, number, numbers, text


@pytest.mark.parametrize(
    ("function", "value", "shown"),
    [
        (formats.count, 336776, "336,776"),
        (formats.count, 2.5, "2.50"),
        (formats.count, None, "–"),
        (formats.count, -9430, "−9,430"),
        (formats.metric, 0.7131112, "0.7131"),
        (formats.metric, -0.00001, "−1.0e-05"),
        (formats.metric, -0.00000, "0.0000"),
        (formats.metric, 3989.437, "3,989.44"),
        (formats.metric, float("nan"), "–"),
        (formats.metric, True, "–"),
        (formats.metric, 10**400, "–"),
        (formats.metric, 1e300, "1.0000e+300".replace("1.0000", "1.000")),
        (formats.distance, 0.00002, "< 0.001"),
        (formats.distance, 0.0, "0.000"),
        (formats.percent, 0.0004, "< 0.1 %"),
        (formats.difference, 0.0123, "+0.0123"),
        (formats.difference, -0.0123, "−0.0123"),
        (formats.percent, 0.23736, "23.7 %"),
        (formats.size, 31053112, "29.6 MiB"),
        (formats.size, 12, "12 bytes"),
        (formats.size, 1 << 60, "1,048,576.0 TiB"),
        (formats.duration, 3.214, "3.21 s"),
        (formats.duration, 42.06, "42.1 s"),
        (formats.duration, 252, "4 min 12 s"),
        (formats.duration, 7500, "2 h 5 min"),
        (formats.duration, 3600, "1 h"),
        (formats.duration, 100_000, "1 d 3 h"),
        (formats.duration, -1, "–"),
        (formats.moment, 1795254411000, "2026-11-21 09:46:51 UTC"),
        (formats.moment, 0, "–"),
        (formats.moment, 10**18, "–"),
    ],
)
def test_formats(function: Any, value: object, shown: str) -> None:
    assert function(value) == shown


def test_memory_seconds_as_hours_too() -> None:
    assert formats.per_hour(1_834_221, "MiB", 1024) == "1,834,221 MiB s (0.50 GiB h)"
    assert formats.per_hour(0, "MiB", 1024) == "–"


def test_only_markup_stays_markup() -> None:
    assert tag("td", "<b>", trusted("<i></i>"), None, class_='"x"') == '<td class="&quot;x&quot;">&lt;b&gt;<i></i></td>'
    assert tag("details", open=True, hidden=False) == "<details open></details>"
    assert join(["a", Markup("<br>"), "&"], " ") == "a <br> &amp;"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//host/x", "", "http://[bad", "file:///x"]
)
def test_only_addresses_of_the_web_are_links(address: str) -> None:
    assert link("<x>", address) == "&lt;x&gt;"
    assert link("x", 'https://rm/app?a=1&b="').startswith('<a href="https://rm/app?a=1&amp;b=&quot;" rel=')


def test_reading_what_is_not_there() -> None:
    document = {"a": {"b": [1, "x", {"c": 2}]}, "n": None}
    assert mapping(document, "a", "x", "y") == {} and items(document, "a", "b")[0] == 1 and items(document, "a") == []
    assert mappings(document, "a", "b") == [{"c": 2}] and numbers(document, "a", "b") == [1.0, None, None]
    assert number(True) is None and number("1") is None and number(3) == 3.0
    assert text({"a": [1.0, True, None]}) == "a: 1, yes, –" and len(text("x" * 10_000)) == 600


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe{", "no JSON"),
        (b"[1]", "not the report of a job"),
        (b'{"a": 1}', "not the report of a job"),
        (b'{"run_id": 1' + b"0" * 5000 + b"}", "no JSON"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, said: str) -> None:
    place = tmp_path / "metrics.json"
    place.write_bytes(content)
    with pytest.raises(UsageError, match=said) as caught:
        Shelf(LocalStore(), str(place), "shown", str).document()
    assert caught.value.where == "shown"


def drawn(paint: Any = None) -> str:
    """A small plot."""

    def default(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], "o-", color=svg.FIRST, label="$a_1$ <b> & 列")
        axes.fill_between([0, 1], [0, 1], color=svg.SECOND, alpha=0.2)
        axes.legend()

    return svg.draw("k", "a title <", "about & more", paint or default)


def test_a_plot_is_a_small_element_with_the_pages_colours_and_font() -> None:
    found = drawn()
    assert found.startswith('<svg viewBox="') and len(found) < 8_000
    assert '<title id="k-title">a title &lt;</title>' in found and "about &amp; more</desc>" in found
    assert not re.search(r":#|font-family|xmlns|metadata|<style|\d\.\d\d", found)
    assert "var(--first)" in found and "var(--second)" in found
    assert "$a_1$ &lt;b&gt; &amp; 列" in found  # text, and no formula


def test_a_plot_is_the_same_each_time_whatever_the_user_likes() -> None:
    import matplotlib

    before = drawn()
    with matplotlib.rc_context({"lines.linewidth": 9, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert drawn() == before
