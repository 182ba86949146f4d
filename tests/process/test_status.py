"""``status`` and ``urls``: what the ResourceManager knows laid out, and what is left when it has forgotten."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.process.canned_replies import Reply, json_reply
from tests.process.door import RUNNING, SUCCEEDED, Door, write_xml
from tests.process.quiet_server import QuietHandler, QuietServer

ME = pwd.getpwuid(os.getuid()).pw_name
GONE = "application_1600000000000_0001"
#: Of a Spark 4.3.0 History Server, shortened.
HISTORY = {
    "id": GONE,
    "name": "nightly",
    "attempts": [
        {
            "attemptId": "1",
            "startTime": "2020-09-13T12:26:40.000GMT",
            "endTime": "2020-09-13T12:36:40.000GMT",
            "duration": 600000,
            "sparkUser": "alice",
            "completed": True,
            "appSparkVersion": "4.3.0",
            "startTimeEpoch": 1600000000000,
            "endTimeEpoch": 1600000600000,
        }
    ],
}


@contextmanager
def history_server(known: dict[str, Any]) -> Iterator[str]:
    """A Spark History Server that knows these applications; its address."""

    class Handler(QuietHandler):
        def answer(self) -> None:
            application_id = self.asked()[0].rpartition("/")[2]
            found = known.get(application_id)
            self.send(
                json_reply(200, found)
                if found
                else Reply(404, b"no such app: " + application_id.encode(), "text/plain")
            )

    server = QuietServer(0, Handler, None)
    server.start("spark-history")
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.stop()


def with_history(door: Door, address: str) -> None:
    door.write_config(
        "execution:\n  log_file: our.log\njob_specific_config:\n  custom:\n    script: job.py\n"
        f"spark_config:\n  spark.yarn.historyServer.address: {address}\n"
    )


def test_everything_that_is_known_stands_in_the_answer(door: Door) -> None:
    tags = ["batch-submit", "run:r1", "try:r1.1"]
    one = door.rm.add(
        "job", user=ME, tags=tags, steps=[RUNNING], queue="root.etl", priority=3, queueUsagePercentage=12.5
    )
    outcome = door.run("status", one)
    assert outcome.code == 0, outcome.err
    facts = {line[:16].strip(): line[16:].strip() for line in outcome.out.splitlines() if line[:1].strip()}
    assert facts["state"] == "RUNNING" and facts["final status"] == "UNDEFINED"
    assert (facts["queue"], facts["priority"], facts["run"]) == ("root.etl", "3", "r1")
    assert facts["allocated now"] == "2048 MiB, 2 vcores" and facts["used in sum"] == "12345 MiB s, 12 vcore s"
    assert facts["tags"] == ", ".join(tags) and facts["source"] == "ResourceManager"
    assert facts["tracking URL"].endswith("(ApplicationMaster)")
    container = one.replace("application", "container") + "_01_000001"
    attempts = outcome.out.partition("attempts\n")[2]
    assert "1  RUNNING" in attempts and "on localhost:8041" in attempts and container in attempts
    data = door.run("status", one, "--json").json
    assert data["attempts"][0]["container_id"] == container and data["source"] == "ResourceManager"
    assert (data["forgotten"], data["result"], data["priority"]) == (False, "", 3)


def test_a_forgotten_one_whose_end_was_seen_has_the_recorded_result(door: Door) -> None:
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0
    application_id = door.application_id
    door.rm.applications.clear()
    for target in ("r1", application_id):
        data = door.run("status", target, "--json").json
        assert (data["forgotten"], data["source"], data["result"]) == (True, "this host's record", "succeeded")
    assert "the ResourceManager has forgotten it" in door.run("status", "r1").out


def test_a_forgotten_one_whose_end_nobody_saw_is_unknown_and_never_a_success(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.rm.applications.clear()
    outcome = door.run("status", "r1")
    assert outcome.code == 0, outcome.err
    assert "unknown" in outcome.out and "SUCCEEDED" not in outcome.out
    assert door.run("status", "r1", "--json").json["result"] == "unknown"


def test_the_spark_history_server_is_asked_and_its_complete_log_is_no_success(door: Door) -> None:
    with history_server({GONE: HISTORY}) as address:
        with_history(door, address)
        outcome = door.run("status", GONE)
        data = door.run("status", GONE, "--json").json
    assert outcome.code == 0, outcome.err
    assert data["source"] == "Spark History Server" and data["spark_history"]["completed"] is True
    assert (data["state"], data["result"], data["name"]) == ("UNKNOWN", "unknown", "nightly")
    assert "SUCCEEDED" not in outcome.out and f"http://{address}/history/{GONE}/" in outcome.out


def test_nobody_knows_it(door: Door) -> None:
    with history_server({}) as address:
        with_history(door, address)
        outcome = door.run("status", GONE)
    assert (outcome.code, outcome.out) == (4, ""), outcome.err


def test_a_history_server_that_is_down_is_said_and_changes_nothing(door: Door) -> None:
    with history_server({}) as address:
        pass
    with_history(door, address)
    outcome = door.run("status", GONE)
    assert outcome.code == 4 and outcome.said("the Spark History Server was asked too")


def test_a_stranger_sees_zeros_and_no_attempt(door: Door) -> None:
    hidden = {"startedTime": 0, "elapsedTime": 0, "amContainerLogs": "", "memorySeconds": 0}
    one = door.rm.add("theirs", user="mallory", steps=[("RUNNING", "UNDEFINED", hidden)])
    outcome = door.run("status", one)
    assert outcome.code == 0 and "started          -" in outcome.out, outcome.out


def test_a_name_can_not_steer_the_terminal(door: Door) -> None:
    one = door.rm.add("\x1b]0;owned\x07\x1b[31m", user="mallory", steps=[RUNNING])
    for arguments in (["status", one], ["list", "--all-users", "--all-apps"]):
        outcome = door.run(*arguments)
        assert outcome.code == 0 and "\x1b" not in outcome.out and "owned" in outcome.out


def test_urls_come_from_the_configuration_and_the_server(door: Door) -> None:
    write_xml(door.folder / "conf", door.rm.url, door.webhdfs.url)
    more = {
        "yarn.log.server.web-service.url": "http://jhs.example:19888/ws/v1/history",
        "yarn.log-aggregation-enable": "true",
        "yarn.nodemanager.remote-app-log-dir": "/logs-here",
    }
    site = door.folder / "conf" / "yarn-site.xml"
    inside = "".join(f"<property><name>{key}</name><value>{value}</value></property>" for key, value in more.items())
    site.write_text(site.read_text().replace("</configuration>", f"{inside}</configuration>"))
    with_history(door, "shs.example:18081")
    one = door.rm.add("job", user="alice", steps=[RUNNING])
    cluster = door.run("urls", "--json").json
    assert cluster == {
        "resource_manager": f"{door.rm.url}/cluster",
        "name_node": door.webhdfs.url,
        "job_history_server": "http://jhs.example:19888/jobhistory",
        "spark_history_server": "http://shs.example:18081",
    }
    found = door.run("urls", one, "--json").json
    assert found["application"] == f"{door.rm.url}/cluster/app/{one}"
    assert found["spark_ui"] == f"{door.rm.url}/proxy/{one}/"
    assert found["spark_history"] == f"http://shs.example:18081/history/{one}/"
    assert found["aggregated_logs"] == f"hdfs://127.0.0.1:9000/logs-here/alice/bucket-logs-tfile/0001/{one}"
    lines = door.run("urls", one).out.splitlines()
    assert len(lines) == len(found) and lines[0].startswith("resource manager")


def test_urls_with_a_resource_manager_that_is_down_are_the_configured_ones(door: Door) -> None:
    door.rm.stop()
    write_xml(door.folder / "conf", door.rm.url, door.webhdfs.url)
    outcome = door.run("urls", "--json")
    assert outcome.code == 0 and outcome.json["resource_manager"] == f"{door.rm.url}/cluster"


@pytest.mark.parametrize("verb", ["urls", "move", "priority"])
def test_a_local_run_has_no_place_on_a_cluster(laptop: Door, verb: str) -> None:
    assert laptop.submit("--run-id", "r1").code == 0
    more = {"urls": ["local-r1"], "move": ["local-r1", "etl"], "priority": ["local-r1", "3"]}[verb]
    outcome = laptop.run(verb, *more)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
