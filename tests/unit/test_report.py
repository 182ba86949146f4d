"""The report's page: what stands on it for each job, and that nothing in a document can break it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_submit.render.report import RunFacts, View, is_page, report_page
from batch_submit.render.report.names import BESIDE, MAIN, METRICS
from ml_pipeline_framework.contract import metric_names
from tests.unit.report_text import GOLDEN, SAMPLES, Page, page_of, sample, view_of


@cache
def drawn(name: str) -> str:
    """The page of a sample with its plots."""
    return report_page(view_of(name, plots=True))


EVIL = "</td></table><script>alert('1')</script><img src=x onerror=alert(2)>"


@pytest.mark.parametrize("name", SAMPLES)
def test_everything_that_a_job_reports_stands_on_the_page(name: str) -> None:
    expected = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert page_of(view_of(name)).lines == expected


#: In the order of the page; what every job has at its end stands once.
LAST = "run resources time parameters"
SECTIONS = {
    "training": f"metrics curves confusion data importance features leakage search {LAST} settings",
    "evaluation": f"metrics gate comparison curves confusion segments data drift importance {LAST}",
    "evaluation_regression": f"metrics curves segments data importance {LAST}",
    "training_multiclass": f"metrics curves confusion data importance features {LAST}",
    "training_clustering": f"metrics curves data {LAST}",
    "prediction": f"predictions data drift unseen {LAST}",
    "data_processing": f"steps quality data {LAST}",
    "pipeline": "stages run resources parameters",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_sections_in_order_and_each_in_the_table_of_contents(name: str) -> None:
    page = page_of(view_of(name))
    found = [one for one in page.sections if one != "other"]
    assert found == SECTIONS[name].split()
    assert [value for value in page.values("href") if value.startswith("#")][1:] == [f"#{one}" for one in page.sections]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_page_stands_alone(name: str) -> None:
    text = drawn(name)
    page = Page.of(text)
    assert len(text.encode()) < 500_000
    assert set(page.tags) & {"script", "link", "img", "iframe", "object", "embed", "form", "base"} == set()
    assert page.values("src") == [] and not [key for _, key, _ in page.attributes if key.startswith("on")]
    outside = [value for value in page.values("href") if not value.startswith("#")]
    assert outside == [f"http://rm.example:8088/cluster/app/{sample(name)['application_id']}"]
    assert "url(http" not in text and "@import" not in text and "xmlns" not in text
    assert is_page(text.encode()[:2048])


@pytest.mark.parametrize("name", SAMPLES)
def test_ids_are_unique_and_what_is_pointed_to_is_there(name: str) -> None:
    text = drawn(name)
    page = Page.of(text)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r"url\(#([^)]+)\)", text)) | {value[1:] for value in page.values("href") if value[0] == "#"}
    wanted |= {one for value in page.values("aria-labelledby") for one in value.split()}
    assert wanted <= set(ids)


def test_the_same_report_gives_the_same_page() -> None:
    assert report_page(view_of("training", plots=True)) == drawn("training")


def test_without_plots_the_tables_of_the_curves_stand_open() -> None:
    with_plots, plain = drawn("training"), report_page(view_of("training"))
    assert with_plots.count("<svg") == 8 and plain.count("<svg") == 0
    assert plain.count("<summary>the numbers</summary>") == 7
    assert (
        plain.count("<details open><summary>the numbers") == 7
        and "<details open><summary>the numbers" not in with_plots
    )


def test_what_comes_from_data_is_text_and_never_markup() -> None:
    document = _poisoned(sample("evaluation"))
    document |= {
        "leakage": [{"column": EVIL, "auc": 0.99, "limit": 0.9}],
        "something": {EVIL: EVIL},
        "warnings": [EVIL],
    }
    facts = RunFacts(
        run_id=EVIL, name=EVIL, user=EVIL, queue=EVIL, page_url="javascript:alert(1)", reason=EVIL, result="failed"
    )
    text = report_page(View(document, facts, metrics_path=EVIL, notes=(EVIL,)))
    page = page_of(View(document, facts, metrics_path=EVIL, notes=(EVIL,)))
    assert "script" not in page.tags and "img" not in page.tags and "<script" not in text
    assert not [key for _, key, _ in page.attributes if key.startswith("on")]
    assert sum(EVIL in line for line in page.lines) > 60
    assert not [value for value in page.values("href") if not value.startswith("#")]


def _poisoned(value: Any) -> Any:
    """A document with every text replaced by one that is markup."""
    if isinstance(value, dict):
        return {key: _poisoned(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_poisoned(one) for one in value]
    return EVIL if isinstance(value, str) else value


def test_names_in_any_script_control_characters_and_half_surrogates() -> None:
    document = {
        "run_id": "r",
        "name": "Ångström 日本語 \x00\x1b[31m\ud800",
        "features": [{"name": "列<b>", "importance": 1}],
    }
    page = page_of(View(document))
    assert page.lines[0] == "Ångström 日本語 \ufffd\ufffd[31m\ufffd – Report"
    assert "列<b> | 1.0000" in page.lines
    report_page(View(document)).encode()


def test_a_gate_that_failed_and_a_failed_run_stand_on_top() -> None:
    lines = page_of(view_of("evaluation")).lines
    assert lines.index("Attention") < lines.index("Warnings") < lines.index("Metrics")
    assert "The run failed: User application exited with status 1" in lines
    assert "The gate failed: min_auc, max_regression" in lines


def test_what_was_used_is_told_or_said_to_be_unknown() -> None:
    lines = page_of(view_of("training")).lines
    assert "Memory | 1,834,221 MiB s (0.50 GiB h)" in lines and "Cores | 702 vcore s (0.20 vcore h)" in lines
    unknown = page_of(View(sample("training"))).lines
    assert (
        "Memory | not known" in unknown
        and "Result | not known: the report was read without a record of the run" in unknown
    )
    local = page_of(View(sample("training"), RunFacts(backend="local", host="edge", result="succeeded"))).lines
    assert any("not accounted by YARN" in line for line in local)


def test_a_metric_that_is_null_is_a_dash_with_its_reason() -> None:
    lines = page_of(view_of("evaluation_regression")).lines
    assert "MAPE mape | – | – | – | –" in lines and "mape is null: 3 labels are 0." in lines


def test_colours_of_differences_follow_the_metric() -> None:
    text = report_page(view_of("evaluation"))
    log_loss = text[text.index('<code class="key">log_loss</code>', text.index('id="comparison"')) :]
    assert 'class="up" title="better">−0.0021' in log_loss[:400]  # lower is better


def test_long_tables_are_cut_and_say_so() -> None:
    rows = [{"name": f"column_{number}", "reason": "all null"} for number in range(1000)]
    page = page_of(View({"run_id": "r", "left_out": rows}))
    assert "and 800 more; all of them are in metrics.json" in page.lines
    page = page_of(View({"run_id": "r", "name": "x" * 100_000}))
    assert max(map(len, page.lines)) < 1000


def test_many_classes_show_the_most_confused_pairs() -> None:
    names = [f"class {number}" for number in range(40)]
    matrix = [[9 if row == column else row % 2 for column in range(40)] for row in range(40)]
    page = page_of(View({"run_id": "r", "confusion": {"labels": names, "matrix": matrix}}))
    assert any(line.startswith("360 rows of 40 classes are right") for line in page.lines)


def test_directions_and_main_metrics_are_the_contracts() -> None:
    known = {name: way for table in metric_names.NAMES.values() for name, way in table.items()}
    assert {name: METRICS[name].better for name in known} == known
    assert dict(metric_names.MAIN) == MAIN and set(BESIDE) == set(MAIN)


_junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(data=st.data(), name=st.sampled_from(SAMPLES))
def test_no_shape_of_a_document_breaks_the_page(data: st.DataObject, name: str) -> None:
    document = sample(name)
    for _ in range(6):
        _spoil(data, document)
    page_of(replace(view_of(name), document=document))


@settings(max_examples=6)
@given(data=st.data())
def test_no_shape_of_the_curves_breaks_the_plots(data: st.DataObject) -> None:
    document = sample(data.draw(st.sampled_from(["training", "evaluation_regression"])))
    for _ in range(3):
        _spoil(data, document["curves"])
    page_of(View(document, plots=True))


def _spoil(data: st.DataObject, place: Any) -> None:
    """Put something else somewhere into a document."""
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner and data.draw(st.booleans()):
            place = inner
            continue
        place[key] = data.draw(_junk)
        return
