"""The result is the terminal state and final status, whatever happens on the way: exit codes 0, 1, 4, 6, 7 and 8."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Step, until

TRACEBACK = "User application exited with status 1\nValueError: no such column: late"
FAILED: Step = ("FINISHED", "FAILED", {"diagnostics": TRACEBACK})
KILLED: Step = ("KILLED", "KILLED", {"diagnostics": "Application killed by user bob"})
SHORT_PATIENCE = {"BATCH_SUBMIT_EXECUTION__RM_PATIENCE": "2s"}


@pytest.fixture
def door(door: Door) -> Door:
    """Every test here follows a run to its end: quickly."""
    return door.quick()


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        pytest.param(FAILED, 1, "ValueError: no such column: late", id="FINISHED and FAILED"),
        pytest.param(("FAILED", "FAILED", {"diagnostics": "AM exited"}), 1, "AM exited", id="FAILED after an attempt"),
        pytest.param(("FINISHED", "UNDEFINED", {}), 1, "final status UNDEFINED", id="FINISHED and UNDEFINED"),
        pytest.param(KILLED, 6, "killed by user bob", id="KILLED"),
        pytest.param(("FINISHED", "KILLED", {}), 6, "final status KILLED", id="FINISHED and KILLED"),
    ],
)
def test_a_bad_end_gives_its_code_the_diagnostics_and_the_next_command(
    door: Door, step: Step, code: int, words: str
) -> None:
    door.submits(step)
    outcome = door.submit()
    assert (outcome.code, outcome.out) == (code, f"{door.application_id}\n"), outcome.err
    assert words in outcome.err
    assert outcome.err.splitlines()[-1].endswith(f" status {door.application_id}")  # no program yarn on this PATH
    assert "  driver's log: http://localhost:8042/node/containerlogs/container_" in outcome.err
    assert f"page: {door.rm.url}/cluster/app/{door.application_id}" in outcome.err
    assert door.last_try["state"] == "FINISHED"


@pytest.mark.parametrize("flags", [[], ["--no-wait"]], ids=["wait", "no wait"])
def test_failed_without_an_attempt_means_refused(door: Door, flags: list[str]) -> None:
    reason = "Application submitted by user root to unknown queue: nope"
    door.submits(("FAILED", "FAILED", {"launchTime": 0, "amContainerLogs": "", "diagnostics": reason}))
    door.recorder(**{**door.settings(), "status": 1, "stderr": "Exception in thread main SparkException\n"})
    outcome = door.submit("-q", "nope", *flags)
    assert (outcome.code, outcome.out) == (4, ""), outcome.err
    assert reason in outcome.err


def test_running_and_succeeded_still_runs(door: Door) -> None:
    door.submits(("RUNNING", "SUCCEEDED", {}), ("RUNNING", "SUCCEEDED", {}), FAILED)
    outcome = door.submit()
    assert outcome.code == 1, outcome.err


def test_state_changes_are_told_once_each(door: Door) -> None:
    accepted: Step = ("ACCEPTED", "UNDEFINED", {})
    door.submits(accepted, accepted, accepted, RUNNING, RUNNING, SUCCEEDED)
    outcome = door.submit()
    assert outcome.code == 0, outcome.err
    told = re.findall(r": (ACCEPTED|RUNNING|FINISHED) in root\.default", outcome.err)
    assert told == ["ACCEPTED", "RUNNING"]


def test_a_failing_spark_submit_is_not_the_verdict(door: Door) -> None:
    door.recorder(**{**door.settings(), "status": 1, "stderr": "java.net.SocketTimeoutException\n"})
    outcome = door.submit()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err


def test_staging_of_a_failed_application_is_deleted_and_of_a_good_one_is_left_to_spark(door: Door) -> None:
    node = type(door.webhdfs.nodes["/"])
    for number in ("0001", "0002"):
        door.webhdfs.nodes[f"/user/alice/.sparkStaging/application_1700000000000_{number}"] = node()
    as_alice = {"HADOOP_USER_NAME": "alice"}
    door.submits(("FAILED", "FAILED", {}))
    assert door.submit(env=as_alice).code == 1
    door.submits(SUCCEEDED)
    assert door.submit(env=as_alice).code == 0
    left = [name for name in door.webhdfs.nodes if name.startswith("/user/alice/.sparkStaging/")]
    assert left == ["/user/alice/.sparkStaging/application_1700000000000_0002"]


def test_a_resource_manager_away_for_a_while_changes_nothing(door: Door) -> None:
    door.submits(RUNNING)
    waiting = door.submitting()
    waiting.wait_until_said("RUNNING")
    door.rm.stop()
    waiting.wait_until_said("warning: ")
    door.application.end("FINISHED", "SUCCEEDED", "")
    door.rm.start()
    outcome = waiting.end()
    assert outcome.code == 0, outcome.err
    assert "answers again" in outcome.err


@pytest.mark.parametrize("mode", [Mode.ERROR, Mode.NEGOTIATE, Mode.BROKEN])
def test_every_odd_answer_is_tolerated(door: Door, mode: Mode) -> None:
    door.submits(RUNNING)
    waiting = door.submitting()
    waiting.wait_until_said("RUNNING")
    door.rm.mode = mode
    waiting.wait_until_said("warning: ")
    door.application.end("FINISHED", "SUCCEEDED", "")
    door.rm.mode = Mode.ACTIVE
    outcome = waiting.end()
    assert outcome.code == 0, outcome.err


def test_a_resource_manager_gone_for_good_gives_8_and_the_way_back(door: Door) -> None:
    door.submits(RUNNING)
    waiting = door.submitting(env=SHORT_PATIENCE)
    waiting.wait_until_said("RUNNING")
    door.rm.stop()
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (8, f"{door.application_id}\n"), outcome.err
    assert "last seen RUNNING" in outcome.err
    assert f" wait {door.application_id}" in outcome.err.splitlines()[-1]
    assert door.last_try["state"] == "SUBMITTED"


def test_killed_from_outside_while_we_wait(door: Door) -> None:
    door.submits(RUNNING)
    waiting = door.submitting()
    waiting.wait_until_said("RUNNING")
    door.application.end("KILLED", "KILLED", "killed by user bob")
    assert waiting.end().code == 6


def test_timeout_is_yarns_lifetime_counted_from_the_start_time(door: Door) -> None:
    door.submits(RUNNING)
    waiting = door.submitting("--timeout", "90m")
    until(lambda: "/timeout" in "".join(door.rm.paths("PUT")), "the LIFETIME is set")
    until(lambda: door.application.expiry != "UNLIMITED", "the LIFETIME is kept")
    assert door.application.expiry == "2023-11-14T23:43:21.000+0000"  # startedTime 22:13:21 and 90 minutes
    door.rm.expire_lifetime(door.application_id)
    outcome = waiting.end()
    assert outcome.code == 7, outcome.err
    assert "exceeded the lifetime period" in outcome.err
    assert door.rm.kills == []
    assert door.last_try["result"] == "timed out"


def test_where_the_lifetime_is_refused_we_kill_at_the_timeout(door: Door) -> None:
    door.rm.refuse_lifetime = True
    door.submits(RUNNING)  # the canned application has run for 5 s
    outcome = door.submit("--timeout", "4s")
    assert outcome.code == 7, outcome.err
    assert [application_id for application_id, _ in door.rm.kills] == [door.application_id]
    assert "could not be set" in outcome.err and "--timeout" in outcome.err


def test_a_lifetime_that_is_refused_is_put_again_while_we_wait(door: Door) -> None:
    door.rm.refuse_lifetime = True
    door.submits(RUNNING)
    again = "from batch_submit.operations import lifetimes; lifetimes.AGAIN_S = 0.3"
    fast = "watch._FIRST_POLL_S = watch._LAST_POLL_S = 0.1"
    waiting = door.submitting("--timeout", "1h", program=door.changed_program(again, fast))
    waiting.wait_until_said("could not be set")
    assert door.application.expiry == "UNLIMITED"
    door.rm.refuse_lifetime = False
    waiting.wait_until_said("YARN has taken the time limit now: 1h")
    assert door.application.expiry == "2023-11-14T23:13:21.000+0000"
    puts = door.rm.paths("PUT")
    looks = len(door.rm.asked)
    until(lambda: len(door.rm.asked) > looks + 10, "it looks on")
    assert door.rm.paths("PUT") == puts, "it is there"
    door.application.end("FINISHED", "SUCCEEDED", "")
    assert waiting.end().code == 0 and door.rm.kills == []


def test_whoever_leaves_before_yarn_has_a_limit_says_that_nothing_ends_the_run(door: Door) -> None:
    door.rm.refuse_lifetime = True
    door.submits(RUNNING)
    outcome = door.submit("--timeout", "1h", "--wait-timeout", "1s")
    assert outcome.code == 7 and outcome.said("NOTHING ends it at that time", f"wait {door.application_id}"), (
        outcome.err
    )
    waiting = door.submitting("--run-id", "r1", "--timeout", "1h")
    waiting.wait_until_said("RUNNING")
    waiting.send(signal.SIGTERM)
    assert waiting.end().code == 143 and "NOTHING ends it" in waiting.err


def test_no_wait_puts_a_lifetime_again_for_some_seconds(door: Door) -> None:
    door.submits(RUNNING)
    door.rm.fail_lifetimes = 2
    outcome = door.submit("--timeout", "1h", "--no-wait")
    assert outcome.code == 0 and "could not be set" not in outcome.err, outcome.err
    assert door.application.expiry == "2023-11-14T23:13:21.000+0000" and door.rm.fail_lifetimes == 0


@pytest.mark.parametrize("trouble", ["refused", "lasting"])
def test_no_wait_says_what_remains_when_yarn_takes_no_lifetime(door: Door, trouble: str) -> None:
    door.submits(RUNNING)
    door.rm.refuse_lifetime, door.rm.fail_lifetimes = trouble == "refused", 1000
    program = door.changed_program("from batch_submit.operations import lifetimes; lifetimes.NO_WAIT_PATIENCE_S = 1.0")
    outcome = door.submit("--timeout", "1h", "--no-wait", program=program)
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    assert outcome.said("could not be set", "NOTHING ends it at that time", f" wait {door.application_id}")


def test_no_wait_with_timeout_sets_the_lifetime_only(door: Door) -> None:
    door.submits(RUNNING)
    outcome = door.submit("--timeout", "2s", "--no-wait")
    assert outcome.code == 0, outcome.err
    assert door.application.expiry != "UNLIMITED" and door.rm.kills == []


@pytest.mark.parametrize("verb", ["wait", "monitor"])
@pytest.mark.parametrize("first", [FAILED, RUNNING], ids=["a new try", "attached"])
def test_the_limit_of_the_newest_call_is_the_run_s(door: Door, first: Step, verb: str) -> None:
    door.submits(first)
    assert door.submit("--run-id", "r1", "--timeout", "4s", "--no-wait").code == 0
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--timeout", "1h", "--no-wait").code == 0
    *_, newest = door.rm.applications.values()
    expiry = newest.expiry
    assert expiry.startswith("2023-11-14T23:13:2"), "an hour after its start"
    outcome = door.run(verb, "r1", "--wait-timeout", "1s")
    assert (outcome.code, newest.expiry, door.rm.kills) == (7, expiry, []), outcome.err
    assert "still running" in outcome.err and "set now" not in outcome.err
    assert "timeout      1h" in door.run("show", "r1").out


def test_a_new_try_without_a_limit_does_not_get_that_of_the_one_before(door: Door) -> None:
    door.submits(FAILED)
    assert door.submit("--run-id", "r1", "--timeout", "4s").code == 1
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    assert door.run("wait", "r1", "--wait-timeout", "1s").code == 7
    assert "YARN holds" not in door.run("status", "r1").out
    assert [app.expiry for app in door.rm.applications.values()][1:] == ["UNLIMITED"] and door.rm.kills == []


def test_no_wait_with_a_refused_lifetime_warns_that_nothing_ends_it(door: Door) -> None:
    door.rm.refuse_lifetime = True
    door.submits(RUNNING)
    outcome = door.submit("--timeout", "2s", "--no-wait")
    assert outcome.code == 0 and "NOTHING" in outcome.err


def test_wait_timeout_ends_the_waiting_and_touches_nothing(door: Door) -> None:
    door.submits(RUNNING)
    outcome = door.submit("--wait-timeout", "1s")
    assert (outcome.code, outcome.out) == (7, f"{door.application_id}\n"), outcome.err
    assert "still running" in outcome.err and "--wait-timeout" in outcome.err
    assert door.rm.paths("PUT") == []
    assert door.last_try["state"] == "SUBMITTED"


def test_the_childs_jvm_is_gone_while_we_wait(door: Door) -> None:
    door.submits(RUNNING)
    waiting = door.submitting()
    waiting.wait_until_said("RUNNING")
    with pytest.raises(ProcessLookupError):
        os.kill(door.call.pid, 0)
    door.application.end("FINISHED", "SUCCEEDED", "")
    assert waiting.end().code == 0


def test_wait_gives_the_runs_code_and_answer(door: Door) -> None:
    door.submits(RUNNING, FAILED)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    outcome = door.run("wait", "r1", "--json")
    assert outcome.code == 1, outcome.err
    assert (outcome.json["application_id"], outcome.json["result"]) == (door.application_id, "failed")
    assert door.last_try["result"] == "failed"


def test_wait_sets_the_lifetime_again(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--timeout", "1h", "--no-wait").code == 0
    door.application.expiry = "UNLIMITED"  # as if the first caller had died before it could set it
    outcome = door.run("wait", "r1", "--wait-timeout", "1s")
    assert outcome.code == 7, outcome.err
    assert door.application.expiry != "UNLIMITED"


def test_status_says_that_a_limit_is_missing_and_monitor_sets_it(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--timeout", "1h", "--no-wait").code == 0
    assert "no limit is set" not in door.run("status", "r1").out
    door.application.expiry = "UNLIMITED"  # as if the first caller had died before it could set it
    shown = door.run("status", "r1").out
    assert "no limit is set, though its --timeout is 1h" in shown and "batch-submit wait r1" in shown
    assert door.application.expiry == "UNLIMITED", "status only looks"
    outcome = door.run("monitor", "r1", "--wait-timeout", "1s")
    assert outcome.code == 7 and outcome.said("had no time limit", "set now: 1h"), outcome.err
    assert door.application.expiry != "UNLIMITED"
    puts = door.rm.paths("PUT")
    assert door.run("monitor", "r1", "--wait-timeout", "1s").code == 7
    assert door.rm.paths("PUT") == puts, "it is there"


def test_monitor_says_where_yarn_refuses_the_missing_limit(door: Door) -> None:
    door.submits(RUNNING)
    door.rm.refuse_lifetime = True
    assert door.submit("--run-id", "r1", "--timeout", "1h", "--no-wait").code == 0
    outcome = door.run("monitor", "r1", "--wait-timeout", "1s")
    assert outcome.code == 7 and outcome.said("nothing ends"), outcome.err


def test_client_mode_takes_the_clusters_word_too(door: Door) -> None:
    door.submits(RUNNING, FAILED)
    door.holds("wait_after").touch()
    outcome = door.submit("--conf", "spark.submit.deployMode=client")
    assert outcome.code == 1, outcome.err
    assert door.call.value("--deploy-mode") == "client"
