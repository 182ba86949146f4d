"""The shared folder's names, what is swept from it, and the manifest of a Spark that lies there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import ClusterRefused
from batch_submit.plan.rest.manifest import HeldFile, Manifest, parse_manifest
from batch_submit.plan.rest.resources import link_of
from batch_submit.plan.shared import (
    LEAST_AGE_S,
    Entry,
    Sweep,
    digest_of,
    first_name,
    is_shared_name,
    manifest_name,
    shared_name,
    upload_name,
)

DAY_MS = 24 * 3600 * 1000
NOW_MS = 1_800_000_000_000
HASH = "0123456789abcdef"
FRAMEWORK, PYSPARK = f"ml_pipeline_framework-{HASH}.zip", f"pyspark-{HASH}.zip"
ARCHIVE, JSON = f"spark-4.3.0-{HASH}.zip", f"spark-4.3.0-{HASH}.json"
MANIFEST = Manifest(
    "4.3.0",
    ("-XX:+IgnoreUnrecognizedVMOptions", "--add-opens=java.base/java.lang=ALL-UNNAMED"),
    HeldFile(ARCHIVE, 422_000_000, 64 * "a"),
    (HeldFile(PYSPARK, 3_957_012, 64 * "b"), HeldFile(f"py4j-0.10.9.9-src-{HASH}.zip", 43_108, 64 * "c")),
)


def entry(name: str, *, days: float = 60, modified_days: float | None = None, owner: str = "alice") -> Entry:
    """A file last read so many days ago."""
    modified = days if modified_days is None else modified_days
    return Entry(name, 10, NOW_MS - int(modified * DAY_MS), NOW_MS - int(days * DAY_MS), owner)


def sweep(**changes: object) -> Sweep:
    values: dict[str, object] = {"now_ms": NOW_MS, "older_than_s": 30 * 86_400, "user": "alice", "in_use": ()}
    return Sweep(**{**values, **changes})  # type: ignore[arg-type]


def deleted(found: Sweep, *entries: Entry) -> set[str]:
    return {one.entry.name for one in found.judge(entries) if one.delete}


@pytest.mark.parametrize("name", ["pyspark.zip", "py4j-0.10.9.9-src.zip", "ml_pipeline_framework.zip"])
def test_a_name_tells_the_content_and_gives_the_first_name_back(name: str) -> None:
    one, other = (shared_name(name, digest_of(content)) for content in (b"one", b"other"))
    assert one != other and is_shared_name(one) and first_name(one) == name
    assert shared_name(name, digest_of(b"one")) == one


@pytest.mark.parametrize(
    "name",
    ["pyspark.zip", "data-0123456789abcdef.zip", f"pyspark-{HASH}.json", f"x{PYSPARK}", f"{PYSPARK}x", f"a/{PYSPARK}"],
)
def test_other_names_are_not_ours(name: str) -> None:
    assert not is_shared_name(name)
    assert sweep().judge([entry(name)]) == []


def test_the_manifest_lies_beside_an_archive_of_ours() -> None:
    assert manifest_name(ARCHIVE) == JSON
    assert manifest_name("spark-libs.zip") == manifest_name(PYSPARK) == manifest_name("") == ""


def test_what_is_old_is_deleted_and_what_was_changed_or_read_lately_is_kept() -> None:
    assert deleted(sweep(), entry(FRAMEWORK, days=31)) == {FRAMEWORK}
    assert deleted(sweep(), entry(FRAMEWORK, days=29)) == set()
    assert deleted(sweep(), entry(FRAMEWORK, days=29, modified_days=400)) == set()
    assert deleted(sweep(), entry(FRAMEWORK, days=20_000, modified_days=3)) == set()


def test_what_this_version_uses_and_what_others_own_is_kept_and_the_reason_told() -> None:
    (kept,) = sweep(in_use={FRAMEWORK}).judge([entry(FRAMEWORK)])
    assert not kept.delete and "in use" in kept.reason
    (kept,) = sweep().judge([entry(FRAMEWORK, owner="bob")])
    assert not kept.delete and kept.reason == "of user bob"


def test_an_archive_and_its_manifest_go_together() -> None:
    assert deleted(sweep(), entry(ARCHIVE), entry(JSON)) == {ARCHIVE, JSON}
    assert deleted(sweep(), entry(ARCHIVE), entry(JSON, days=1)) == set()
    assert deleted(sweep(in_use={ARCHIVE}), entry(ARCHIVE), entry(JSON)) == set()


@given(
    started_days=st.floats(0, 400),
    noted_before_start_days=st.floats(0, 1),
    limit_days=st.integers(LEAST_AGE_S // 86_400, 100),
    others=st.lists(st.floats(0, 400), max_size=3),
)
def test_nothing_that_a_live_application_may_use_is_deleted(
    started_days: float, noted_before_start_days: float, limit_days: int, others: list[float]
) -> None:
    """It used the file at its start, when that was noted unless it had been a day before at most."""
    used = entry(FRAMEWORK, days=started_days + noted_before_start_days)
    oldest_ms = NOW_MS - int(max([started_days, *others]) * DAY_MS)
    assert deleted(sweep(older_than_s=limit_days * 86_400, live_since_ms=oldest_ms), used) == set()


def test_what_was_used_before_any_live_application_began_is_deleted() -> None:
    assert deleted(sweep(live_since_ms=NOW_MS - 50 * DAY_MS), entry(FRAMEWORK, days=60)) == {FRAMEWORK}
    assert deleted(sweep(live_since_ms=NOW_MS - 59 * DAY_MS), entry(FRAMEWORK, days=60)) == set()


def test_without_access_times_a_live_application_keeps_everything() -> None:
    blind = sweep(keeps_access_times=False, live_since_ms=NOW_MS)
    assert deleted(blind, entry(FRAMEWORK)) == set()
    assert deleted(replace(blind, live_since_ms=None), entry(FRAMEWORK)) == {FRAMEWORK}


@pytest.mark.parametrize("suffix", ["", ".part"])
def test_what_an_upload_left_behind_is_deleted_after_a_day(suffix: str) -> None:
    name = upload_name(PYSPARK, "0123456789ab") + suffix
    assert deleted(sweep(live_since_ms=NOW_MS), entry(name, days=1.1)) == {name}
    assert deleted(sweep(), entry(name, days=0.9)) == set()
    assert deleted(sweep(), entry(name, owner="bob")) == set()


def test_a_folder_of_such_a_name_is_left_alone() -> None:
    assert sweep().judge([replace(entry(FRAMEWORK), is_folder=True)]) == []


def test_a_manifest_comes_back_as_it_was_and_tells_where_things_lie() -> None:
    assert parse_manifest(MANIFEST.text(), "here") == MANIFEST
    facts = MANIFEST.facts("hdfs:///shared")
    assert (facts.version, facts.module_options) == (MANIFEST.version, MANIFEST.module_options)
    assert [link_of(one) for one in facts.python_zips] == ["pyspark.zip", "py4j-0.10.9.9-src.zip"]
    assert facts.python_zips[0] == f"hdfs:///shared/{PYSPARK}#pyspark.zip"


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"version": "4; id"},
        {"module_options": ["-Dx=`id`"]},
        {"module_options": ["-Dx={{y}}"]},
        {"module_options": ["java"]},
        {"module_options": [1]},
        {"python_zips": []},
        {"python_zips": [{"name": f"../{PYSPARK}", "size": 1, "sha256": 64 * "a"}] * 2},
        {"python_zips": [{"name": PYSPARK, "size": "1", "sha256": 64 * "a"}] * 2},
        {"archive": {"name": ARCHIVE, "size": 1, "sha256": "a"}},
        {"archive": None},
    ],
)
def test_a_manifest_that_holds_anything_else_is_refused(changes: dict[str, object]) -> None:
    text = json.dumps({**json.loads(MANIFEST.text()), **changes})
    with pytest.raises(ClusterRefused, match="no manifest") as caught:
        parse_manifest(text, "hdfs:///shared/x.json")
    assert caught.value.where == "hdfs:///shared/x.json" and "init-hdfs --spark" in caught.value.next_step


@pytest.mark.parametrize("text", ["", "[]", "{}", "\x00", "3"])
def test_what_is_no_manifest_at_all_is_refused_too(text: str) -> None:
    with pytest.raises(ClusterRefused, match="no manifest"):
        parse_manifest(text, "x")
