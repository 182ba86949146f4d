"""``monitor``: reasons, progress, losses and the result, on a canned ResourceManager with recorded schedulers."""

from __future__ import annotations

import json
import os
import pty
import pwd
import re
import select
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.process.canned_replies import html_reply
from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Outcome, Step

ME = pwd.getpwuid(os.getuid()).pw_name
GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FAILED: Step = ("FINISHED", "FAILED", {"diagnostics": "User application exited with status 1"})
KILLED: Step = ("KILLED", "KILLED", {"diagnostics": "killed by bob"})


def golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def spark(name: str) -> dict[str, Any]:
    return {what: golden(f"spark_rest/{name}_{what}_4.3.json") for what in ("jobs", "stages", "allexecutors")}


def add(door: Door, *steps: Step, **fields: Any) -> str:
    return door.rm.add("job", user=ME, steps=steps, **fields)


def situation(door: Door, name: str) -> Step:
    """An application that waits as one did on a real cluster, and that cluster around it."""
    data = golden(f"scheduler/{name}_3.5.json")
    door.rm.scheduler_reply, door.rm.nodes_reply = data["scheduler"], data["nodes"]
    app = data["app"]["app"]
    known = ("diagnostics", "queue", "resourceRequests", "launchTime")
    return ("ACCEPTED", "UNDEFINED", {key: app[key] for key in known if key in app})


@pytest.mark.parametrize(("end", "code"), [(SUCCEEDED, 0), (FAILED, 1), (KILLED, 6)])
def test_the_exit_code_is_the_runs(door: Door, end: Step, code: int) -> None:
    application_id = add(door, RUNNING, end)
    outcome = door.run("monitor", application_id)
    assert outcome.code == code, outcome.err
    assert outcome.out.startswith(application_id)


def test_one_json_line_at_the_end(door: Door) -> None:
    application_id = add(door, FAILED)
    outcome = door.run("monitor", "-a", application_id, "--json")
    assert outcome.code == 1, outcome.err
    assert outcome.json == {
        "application_id": application_id,
        "exit_code": 1,
        "result": "failed",
        "state": "FINISHED",
        "final_status": "FAILED",
        "reason": "User application exited with status 1",
    }


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("am_limit_queue", "queue root.etl lets all its drivers hold 512 MiB, 1 vcore; they hold 512 MiB, 1 vcore"),
        ("queue_full", "queue root.etl is full: 3584 of 4915 MiB and 4 of 4 vcores are used"),
        ("no_node_fits", "no node has room: the driver asks for 3072 MiB, 1 vcore"),
        ("no_nodes", "the cluster has no node to run anything on (2 lost)"),
        ("fair_max_apps", "queue root.ml-queue runs as many applications as it may at a time (2 of 2)"),
    ],
)
def test_it_says_why_an_application_waits_and_what_can_be_done(door: Door, name: str, sentence: str) -> None:
    waits = situation(door, name)
    application_id = add(door, *[waits] * 4, SUCCEEDED)
    outcome = door.quick().run("monitor", application_id)
    assert outcome.code == 0, outcome.err
    assert outcome.err.count(f"{application_id} waits: {sentence}") == 1
    assert re.search(r"waits: .*\n  next: \w", outcome.err)


def test_progress_losses_and_the_last_work_of_spark(door: Door) -> None:
    door.rm.spark = spark("lost")
    application_id = add(door, RUNNING, RUNNING, SUCCEEDED)
    outcome = door.run("monitor", application_id)
    assert outcome.code == 0, outcome.err
    assert outcome.said(
        f"{application_id}: stage 0 reduceByKey at job.py:9: 31/40 tasks, 3 active, 6 failed",
        "jobs 0 done, 1 running; tasks 31/80 done, 3 active, 6 failed; executors 2 (2 cores), 1 lost",
        f"warning: {application_id}: executor 2 on localhost was lost: Exit status: 137",
    )
    assert outcome.err.count("was lost") == 1


def test_events_as_json_lines(door: Door) -> None:
    door.rm.spark = spark("lost")
    application_id = add(door, RUNNING, RUNNING, KILLED)
    outcome = door.run("monitor", application_id, "--json-lines")
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert [event["event"] for event in events] == ["state", "executor_lost", "progress", "end"]
    assert {event["application_id"] for event in events} == {application_id}
    assert events[2]["tasks_done"] == 31 and events[2]["stages"][0]["tasks"] == 40
    assert events[-1]["exit_code"] == outcome.code == 6


@pytest.mark.parametrize("page", [404, 500, 302, 200])
def test_a_spark_that_does_not_answer_fails_nothing(door: Door, page: int) -> None:
    door.rm.spark = {"jobs": html_reply(page, "not here")}
    outcome = door.run("monitor", add(door, RUNNING, RUNNING, SUCCEEDED))
    assert outcome.code == 0 and "warning" not in outcome.err and "error" not in outcome.err, outcome.err


def test_an_outage_of_the_resourcemanager_is_survived_and_told(door: Door) -> None:
    application_id = add(door, *[RUNNING] * 3, SUCCEEDED)
    running = door.quick().start("monitor", application_id)
    running.wait_until_said("RUNNING in root.default")
    door.rm.mode = Mode.NONE_ACTIVE
    running.wait_until_said("asking on for 15m")
    door.rm.mode = Mode.ACTIVE
    outcome = running.end()
    assert outcome.code == 0 and outcome.said("the ResourceManager answers again after"), outcome.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_watching_only(door: Door, number: int, code: int) -> None:
    application_id = add(door, RUNNING)
    running = door.start("monitor", application_id)
    running.wait_until_said("RUNNING in root.default")
    running.send(number)
    outcome = running.end()
    assert (outcome.code, outcome.out, door.rm.kills) == (code, "", [])
    assert outcome.said("no longer watching", "goes on running", f"monitor {application_id}")


def test_our_watching_ends_in_time(door: Door) -> None:
    outcome = door.run("monitor", add(door, RUNNING), "--wait-timeout", "1s")
    assert outcome.code == 7 and "our waiting passed --wait-timeout (1s)" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "monitor needs an application id"),
        (["x", "--interval", "500ms"], "--interval 500ms: the least is 1s"),
        (["x", "--stall-after", "soon"], "--stall-after: "),
        (["x", "--wait-timeout", "-1"], "--wait-timeout: "),
    ],
)
def test_a_wrong_call(door: Door, arguments: list[str], words: str) -> None:
    outcome = door.run("monitor", *arguments)
    assert outcome.code == 2 and words in outcome.err, outcome.err


def test_what_nobody_knows(door: Door) -> None:
    assert door.run("monitor", "application_1700000000000_9999").code == 4
    assert door.run("monitor", "no-such-run").code == 4


def test_submit_and_wait_tell_the_reason_too_and_less_of_the_rest(door: Door) -> None:
    waits = situation(door, "queue_full")
    door.rm.spark = spark("lost")
    door.submits(*[waits] * 4, RUNNING, RUNNING, SUCCEEDED)
    outcome = door.quick().submit()
    assert outcome.code == 0, outcome.err
    assert outcome.said("waits: queue root.etl is full", "executor 2 on localhost was lost")
    assert "at the last look" not in outcome.err


def test_a_run_of_backend_local_is_followed_as_well(door: Door) -> None:
    door.recorder(exit=0)
    done = door.submit("--backend", "local", "--run-id", "here")
    assert done.code == 0, done.err
    outcome = door.run("monitor", "local-here", env={"HADOOP_CONF_DIR": None})
    assert (outcome.code, outcome.out) == (0, "local-here succeeded\n"), outcome.err


# --- on a terminal ----------------------------------------------------------------------------------------------------


def on_a_terminal(door: Door, *arguments: str, **env: str) -> tuple[Outcome, str]:
    """Run a call whose stderr is a terminal of 80 columns; what the terminal was sent comes second."""
    primary, secondary = pty.openpty()
    size = {"COLUMNS": "80", "LINES": "24"}
    running = door.start(*arguments, env={**size, **env}, stderr=secondary)
    os.close(secondary)
    sent = b""
    with os.fdopen(primary, "rb", buffering=0) as terminal:
        while select.select([terminal], [], [], 30)[0]:
            try:
                data = terminal.read(65536)
            except OSError:  # the other side has closed
                break
            if not data:
                break
            sent += data
    return running.end(), sent.decode()


def test_a_terminal_is_drawn_over_and_over(door: Door) -> None:
    door.rm.spark = spark("lost")
    application_id = add(door, RUNNING, RUNNING, RUNNING, SUCCEEDED)
    outcome, sent = on_a_terminal(door.quick(), "monitor", application_id, TERM="xterm")
    assert outcome.code == 0
    assert "stage 0   [###############.....] 31/40 reduceByKey at job.py:9, 6 failed" in sent
    assert re.search(r"\x1b\[\dA\x1b\[J" + application_id, sent)
    assert all(len(line) < 80 for line in re.sub(r"\x1b\[\d*[A-Z]", "\n", sent).splitlines() if line.startswith("lost"))
    assert f"\x1b[J{application_id}: succeeded after" in sent.rstrip().splitlines()[-1]  # in the panel's place


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_plain_lines_gets_them(door: Door, env: dict[str, str]) -> None:
    outcome, sent = on_a_terminal(door, "monitor", add(door, RUNNING, RUNNING, SUCCEEDED), **env)
    assert outcome.code == 0 and "\x1b" not in sent and "RUNNING in root.default" in sent


@pytest.mark.parametrize("verb", ["monitor", "wait"])
@pytest.mark.parametrize("mode", [Mode.ACTIVE, Mode.NONE_ACTIVE], ids=["forgotten", "away"])
def test_an_end_on_record_needs_no_cluster(door: Door, verb: str, mode: Mode) -> None:
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0
    door.rm.applications.clear()
    door.rm.mode = mode
    outcome = door.run(verb, "r1", "--json")
    assert outcome.code == 0, outcome.err
    assert (outcome.json["result"], outcome.json["final_status"]) == ("succeeded", "SUCCEEDED")
    assert outcome.said("as this host's record has it")


@pytest.mark.parametrize("verb", ["monitor", "wait", "logs", "diagnose", "status"])
def test_an_application_of_yarn_wants_a_cluster(door: Door, verb: str) -> None:
    """Cron's bare environment: without a cluster nobody may say that it is forgotten, or not on this host."""
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        door.env.pop(name, None)
    outcome = door.run(verb, "application_1700000000000_0001")
    assert outcome.code == 3 and outcome.out == ""
    assert outcome.said("no cluster is named", "HADOOP_CONF_DIR")
