"""The shapes of Hadoop 2.10, 3.3 and 3.5 all become the same report."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.adapters.rm_replies import (
    Lifetime,
    as_list,
    lifetime_text,
    parse_application,
    parse_applications,
    parse_attempts,
    parse_lifetime,
    queue_matches,
)
from batch_submit.errors import UsageError
from batch_submit.model import LIFETIME_EXCEEDED, FinalStatus, Result, State, judge

GOLDEN = Path(__file__).parents[1] / "golden" / "rm"


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("app_*.json")), ids=lambda path: path.stem)
def test_every_recorded_application_has_the_fields_that_decide(path: Path) -> None:
    report = parse_application(json.loads(path.read_text()))

    assert report.application_id.startswith("application_")
    assert report.user == "alice"
    assert report.state is not State.UNKNOWN
    assert report.queue and report.name


def test_a_real_success() -> None:
    report = parse_application(golden("app_finished_3.5"))

    assert (report.state, report.final_status) == (State.FINISHED, FinalStatus.SUCCEEDED)
    assert report.queue == "root.default"
    assert report.tags == ("batch-submit", "try:rec-ok.1")
    assert report.started_ms < report.launched_ms < report.finished_ms
    assert report.elapsed_ms == report.finished_ms - report.started_ms
    assert report.memory_seconds > 0 and report.vcore_seconds > 0
    assert report.running_containers == -1
    assert report.was_launched


def test_2_10_has_no_launch_time_and_was_launched_all_the_same() -> None:
    report = parse_application(golden("app_finished_2.10"))

    assert report.launched_ms == 0
    assert report.was_launched


def test_a_lifetime_kill_is_told_from_a_kill() -> None:
    over = judge(parse_application(golden("app_lifetime_killed_3.5")))
    killed = judge(parse_application(golden("app_killed_3.5")))

    assert over is not None and LIFETIME_EXCEEDED in over.reason and over.result is Result.TIMED_OUT
    assert killed is not None and killed.result is Result.KILLED
    assert "was killed by user alice" in killed.reason


def test_what_a_stranger_sees_is_zeros_and_not_an_error() -> None:
    report = parse_application(golden("app_hidden_from_stranger_3.5"))

    assert (report.state, report.started_ms, report.am_container_logs) == (State.RUNNING, 0, "")


def test_a_refused_request_is_a_failed_application_that_was_never_launched() -> None:
    report = parse_application(golden("app_refused_3.5"))

    assert report.state is State.FAILED
    assert not report.was_launched
    verdict = judge(report)
    assert verdict is not None and verdict.result is Result.REFUSED


@pytest.mark.parametrize(
    "reply",
    [None, "", [], {}, {"apps": None}, {"apps": ""}, {"apps": {}}, {"apps": {"app": None}}, {"apps": {"app": []}}],
)
def test_every_empty_listing_is_empty(reply: Any) -> None:
    assert parse_applications(reply) == []


def test_recorded_empty_listings() -> None:
    assert parse_applications(golden("apps_empty_3.5")) == []
    assert parse_applications(golden("apps_empty_2.10")) == []


def test_one_object_is_a_list_of_one() -> None:
    (report,) = parse_applications(golden("apps_one_object_3.3"))

    assert report.application_id == "application_1600000000000_10001"
    assert report.tags == ()


def test_a_recorded_listing() -> None:
    reports = parse_applications(golden("apps_3.5"))

    assert {report.name for report in reports} == {"rec-ok", "rec-slow", "rec-life"}


@pytest.mark.parametrize("absent", [None, "", {}, [], "N/A"])
def test_an_absent_number_is_the_default(absent: Any) -> None:
    names = ("startedTime", "allocatedMB", "progress", "priority", "memorySeconds", "launchTime")
    app = {"id": "application_1700000000000_0001", **dict.fromkeys(names, absent)}

    report = parse_application({"app": app})

    assert (report.started_ms, report.allocated_memory_mib, report.progress, report.priority) == (0, -1, 0.0, 0)


def test_numbers_may_be_text_and_times_are_never_negative() -> None:
    report = parse_application({"id": "x", "startedTime": "1700000000123", "finishedTime": -1, "progress": "NaN"})

    assert (report.started_ms, report.finished_ms, report.progress) == (1700000000123, 0, 0.0)


def test_an_unknown_state_is_not_terminal() -> None:
    report = parse_application({"id": "x", "state": "KILLING", "finalStatus": "ENDED"})

    assert report.state is State.UNKNOWN
    assert not report.state.terminal
    assert report.final_status is FinalStatus.UNDEFINED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["app", "apps", "id", "x"]), inner),
    max_leaves=8,
)
FIELDS = ["id", "state", "finalStatus", "startedTime", "progress", "applicationTags", "allocatedMB", "diagnostics"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_no_json_makes_the_reader_raise(reply: Any) -> None:
    parse_application(reply)
    parse_applications({"apps": {"app": reply}})
    parse_lifetime(reply)
    as_list(reply)


def test_lifetimes() -> None:
    assert parse_lifetime(golden("lifetime_unlimited_3.5")) is None
    assert parse_lifetime(golden("timeouts_3.5")) is None
    assert parse_lifetime(golden("lifetime_ended_3.5")) == Lifetime(1795251726238, 0)
    assert parse_lifetime(golden("app_running_3.3")["app"]) == Lifetime(1600003600000, 3599)
    assert parse_lifetime({}) is None


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_a_lifetime_survives_the_way_there_and_back(expiry_ms: int) -> None:
    reply = {"timeout": {"type": "LIFETIME", "expiryTime": lifetime_text(expiry_ms), "remainingTimeInSeconds": 7}}

    assert parse_lifetime(reply) == Lifetime(expiry_ms, 7)


def test_the_format_of_a_lifetime() -> None:
    moment = datetime(2026, 11, 21, 9, 2, 6, 238999, tzinfo=timezone.utc)

    assert lifetime_text(moment) == "2026-11-21T09:02:06.238+0000"
    with pytest.raises(UsageError, match="no time zone"):
        lifetime_text(moment.replace(tzinfo=None))


def test_queue_names_match_in_both_forms() -> None:
    assert queue_matches("root.ml-queue", "ml-queue")
    assert queue_matches("ml-queue", "root.ml-queue")
    assert queue_matches("ml-queue", "ml-queue")
    assert not queue_matches("root.ml-queue", "queue")


def test_recorded_attempts_of_a_running_application() -> None:
    (one,) = parse_attempts(golden("attempts_running_3.5"))
    assert (one.number, one.state, one.finished_ms) == (1, "RUNNING", 0)
    assert one.container_id == "container_1795261034488_0028_01_000001" and one.node == "localhost:8141"
    assert one.attempt_id == "appattempt_1795261034488_0028_000001" and one.logs_url.endswith("/lister")


def test_attempts_of_2_10_are_one_object_and_may_carry_an_epoch() -> None:
    (one,) = parse_attempts(golden("attempts_one_object_2.10"))
    assert (one.number, one.state, one.attempt_id) == (2, "", "")
    assert one.container_id == "container_e17_1326821518301_0005_02_000001"
    assert parse_attempts(golden("attempts_empty_2.10")) == []


@pytest.mark.parametrize("nothing", [None, "", [], {}])
def test_every_way_to_have_no_attempts(nothing: Any) -> None:
    assert parse_attempts(nothing) == parse_attempts({"appAttempts": nothing}) == []
    assert parse_attempts({"appAttempts": {"appAttempt": nothing}}) == []


def test_attempts_come_in_their_order_and_a_strangers_are_numbers_only() -> None:
    hidden = {"startTime": 0, "containerId": "", "nodeHttpAddress": "", "nodeId": "", "logsLink": ""}
    found = parse_attempts({"appAttempts": {"appAttempt": [{"id": 2, **hidden}, {"id": 1, **hidden}]}})
    assert [(one.number, one.container_id, one.started_ms) for one in found] == [(1, "", 0), (2, "", 0)]


def test_what_a_running_application_holds_now_and_when_it_will_be_killed() -> None:
    report = parse_application(golden("app_running_3.5"))
    assert (report.reserved_memory_mib, report.reserved_vcores, report.preempted_containers) == (0, 0, 0)
    assert (report.queue_usage_percent, report.cluster_usage_percent) == (41.66836, 12.5)
    assert report.tracking_ui == "ApplicationMaster" and report.am_node_http == "localhost:8542"
    assert (report.lifetime_expiry_ms, report.lifetime_left_s) == (0, -1)
    lifetime = {"type": "LIFETIME", "expiryTime": "2026-11-21T12:16:58.598+0000", "remainingTimeInSeconds": 844}
    bound = {"timeouts": {"timeout": [lifetime]}}
    report = parse_application({"app": {**golden("app_running_3.5")["app"], **bound}})
    assert (report.lifetime_expiry_ms, report.lifetime_left_s) == (1795263418598, 844)


@pytest.mark.parametrize("name", ["app_finished_2.10", "app_hidden_from_stranger_3.5"])
def test_what_an_older_or_a_silent_server_leaves_out_is_not_known(name: str) -> None:
    report = parse_application(golden(name))
    assert (report.lifetime_expiry_ms, report.lifetime_left_s, report.preempted_containers) == (0, -1, 0)


@pytest.mark.parametrize("text", ["2026-11-21T12:16:58", "soon", "2026-11-21", "UNLIMITED", "", "Z"])
def test_an_expiry_that_is_none(text: str) -> None:
    assert parse_lifetime({"timeout": {"type": "LIFETIME", "expiryTime": text}}) is None
