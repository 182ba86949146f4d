"""Run ids, tags and fingerprints: always in YARN's and HDFS' grammar, and never two things under one identity."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import ExitCode, UsageError
from batch_submit.plan.identity import (
    MAX_TAG_LENGTH,
    MAX_TAGS,
    RUN_ID,
    Fingerprint,
    all_tags,
    local_application_id,
    make_run_id,
    normalise_run_id,
    slug,
)

NOW = datetime(2026, 3, 29, 1, 2, 3, tzinfo=timezone.utc)
RANDOM = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=6, max_size=6)


@given(st.text(), st.integers(1, 63))
def test_a_slug_is_a_run_id_within_its_limit(text: str, limit: int) -> None:
    made = slug(text, limit)
    assert RUN_ID.fullmatch(made)
    assert len(made) <= max(limit, len("run"))
    assert made[-1] not in "-._"


@given(st.text(max_size=200), st.datetimes(min_value=datetime(1900, 1, 1)), RANDOM)
def test_a_made_run_id_is_in_the_grammar_and_ends_with_moment_and_random(name: str, now: datetime, tail: str) -> None:
    made = make_run_id(name, now, tail)
    assert RUN_ID.fullmatch(made)
    assert made.endswith(f"-{now:%Y%m%d}t{now:%H%M%S}z-{tail}")


def test_a_made_run_id_reads_as_the_contract_says() -> None:
    assert make_run_id("Nightly Training", NOW, "a1b2c3") == "nightly-training-20260329t010203z-a1b2c3"
    assert make_run_id("学習", NOW, "a1b2c3") == "run-20260329t010203z-a1b2c3"


@pytest.mark.parametrize("given_id", ["a", "0", "nightly.2026-03-29_1", "a" * 63])
def test_a_given_id_in_the_grammar_stays_as_it_is(given_id: str) -> None:
    assert normalise_run_id(given_id).value == given_id
    assert normalise_run_id(given_id).original == ""


def test_airflows_id_becomes_slug_and_hash_and_keeps_the_original() -> None:
    airflow = "scheduled__2026-03-29T00:00:00+00:00"
    made = normalise_run_id(airflow)
    assert made.value == "scheduled__2026-03-29t00-00-00-00-00-32dc1621"
    assert made.original == airflow


@pytest.mark.parametrize("given_id", ["A", "a:b", "-a", ".a", "a" * 64, "ü", "a b", "a/b", "a\n", "../../etc"])
def test_a_given_id_outside_the_grammar_is_brought_into_it(given_id: str) -> None:
    assert normalise_run_id(given_id).original == given_id


# Surrogates too: bytes of a command line that are no UTF-8 come as such.
@given(st.text(st.characters() | st.integers(0xDC80, 0xDCFF).map(chr), min_size=1).filter(lambda text: text.strip()))
def test_every_given_id_ends_in_the_grammar_and_a_second_pass_changes_nothing(text: str) -> None:
    made = normalise_run_id(text).value
    assert RUN_ID.fullmatch(made)
    assert normalise_run_id(made).value == made


def test_two_originals_with_one_slug_do_not_meet() -> None:
    ids = {normalise_run_id(one).value for one in ("Load:1", "load:1", "load+1", "LOAD:1", "load 1")}
    assert len(ids) == 5


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_run_id_is_refused(empty: str) -> None:
    with pytest.raises(UsageError, match=r"run id is empty") as caught:
        normalise_run_id(empty)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "--run-id auto" in caught.value.next_step


def test_local_application_ids_name_the_run() -> None:
    assert local_application_id("nightly") == "local-nightly"


# --- tags -------------------------------------------------------------------------------------------------------------


def test_our_tags_come_first_and_the_users_are_stored_as_yarn_does() -> None:
    tags = all_tags("nightly", 3, ["Team-A", "team-a", " cost:42 ", "", "batch-submit"])
    assert tags == ("batch-submit", "run:nightly", "try:nightly.3", "team-a", "cost:42")


@given(RANDOM.map(lambda text: text * 10 + "abc"), st.integers(1, 10**9), st.lists(st.text()))
def test_accepted_tags_never_break_yarns_limits(run_id: str, number: int, user_tags: list[str]) -> None:
    try:
        tags = all_tags(run_id, number, user_tags)
    except UsageError:
        return
    assert len(tags) == len(set(tags)) <= MAX_TAGS
    assert all(tag.isascii() and tag == tag.lower() and 0 < len(tag) <= MAX_TAG_LENGTH for tag in tags)


def test_the_longest_run_id_leaves_room_for_its_try() -> None:
    assert max(map(len, all_tags("a" * 63, 10**9, []))) <= MAX_TAG_LENGTH


@pytest.mark.parametrize(
    ("user_tags", "message"),
    [
        (["x" * 101], "at most 100 ASCII characters"),
        (["größe"], "größe"),
        ([f"tag{n}" for n in range(8)], "11 tags, YARN takes 10 of which three are ours"),
        (["run:other"], "'run:other' looks like one by which this tool finds a run"),
        (["TRY:nightly.2"], "'try:nightly.2' looks like one"),
    ],
)
def test_tags_that_yarn_or_we_can_not_take_are_refused(user_tags: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        all_tags("nightly", 1, user_tags)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "spark.yarn.tags" in caught.value.next_step


def test_seven_tags_of_the_user_fit() -> None:
    assert len(all_tags("nightly", 1, [f"tag{n}" for n in range(7)])) == MAX_TAGS


# --- fingerprints -----------------------------------------------------------------------------------------------------

PARTS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5)


@given(PARTS, PARTS)
def test_fingerprints_are_equal_exactly_when_nothing_differs(one: dict[str, str], other: dict[str, str]) -> None:
    same = Fingerprint(one).digest == Fingerprint(other).digest
    assert same == (one == other)
    assert same == (Fingerprint(one).difference(other) == [])


def test_a_difference_says_what_was_and_what_is() -> None:
    now = Fingerprint({"job_type": "training", "script": "s", "argument 1": "b"})
    assert now.difference({"job_type": "training", "argument 1": "a", "argument 2": "x"}) == [
        "argument 1: a -> b",
        "argument 2: x -> (not there)",
        "script: (not there) -> s",
    ]


def test_of_nested_values_only_what_differs_is_shown() -> None:
    stage = {"job_type": "training", "params": {"seed": 1, "keys": ["a", "b"], "label": "x"}}
    changed = {"job_type": "training", "params": {"seed": 1, "keys": ["a", "c"], "weight": 2.0, "label": "x"}}
    more = {"job_type": "prediction", "params": dict.fromkeys("abcdefghij", "a long value")}
    now = Fingerprint({"params.stages": json.dumps([changed, more]), "params.limit": "[1]", "argument 1": "{a"})
    earlier = {"params.stages": json.dumps([stage]), "params.limit": "[true]", "argument 1": "[b"}
    assert now.difference(earlier) == [
        "argument 1: [b -> {a",
        "params.limit[0]: true -> 1",
        "params.stages[0].params.keys[1]: b -> c",
        "params.stages[0].params.weight: (not there) -> 2.0",
        f"params.stages[1]: (not there) -> {json.dumps(more, sort_keys=True)[:80]}...",
    ]
    assert Fingerprint({"a": "[1]"}).difference({"a": "[ 1]"}) == ["a: [ 1] -> [1]"]  # another text is another job
