"""The Spark History Server's address and answers."""

from __future__ import annotations

import pytest

from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.spark_history import history_url, parse_history

CONF = HadoopConf({"yarn.resourcemanager.hostname": "rm.example"})


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("shs:18080", "http://shs:18080"),
        ("shs", "http://shs:18080"),
        ("http://shs:18080/", "http://shs:18080"),
        ("https://shs.example/gateway", "https://shs.example/gateway"),
        ("${hadoopconf-yarn.resourcemanager.hostname}:18080", "http://rm.example:18080"),
        ("${hadoopconf-no.such.key}:18080", ""),
        ("", ""),
    ],
)
def test_its_address(address: str, url: str) -> None:
    assert history_url(address, CONF) == url


def attempt(number: int, start: int, end: int, completed: bool) -> dict[str, object]:
    return {"attemptId": str(number), "startTimeEpoch": start, "endTimeEpoch": end, "completed": completed}


def test_the_last_attempt_counts_and_the_first_gives_the_start() -> None:
    app = {"id": "a", "name": "n", "attempts": [attempt(2, 20, 30, True), attempt(1, 10, 15, True)]}
    found = parse_history(app, "page")
    assert (found.started_ms, found.ended_ms, found.completed, found.attempts) == (10, 30, True, 2)


def test_a_log_without_an_end_has_none() -> None:
    found = parse_history({"id": "a", "attempts": attempt(1, 10, 15, False)}, "page")  # one object in place of a list
    assert (found.ended_ms, found.completed, found.attempts) == (0, False, 1)


@pytest.mark.parametrize("reply", [None, "", [], {}, {"attempts": None}, {"attempts": [{"startTimeEpoch": "x"}]}])
def test_no_shape_makes_it_raise(reply: object) -> None:
    found = parse_history(reply, "page")
    assert (found.application_id, found.completed, found.started_ms) == ("", False, 0)
