"""One run id is one application: a repeat attaches, says that it is done, tries again, or says that it can't know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Step, until

FAILED: Step = ("FINISHED", "FAILED", {})
#: For ``Door.changed_program``: the user is asked of the cluster as soon as it is opened, as with Kerberos.
NOBODY = (
    "from batch_submit.operations import context; connect = context.connect;"
    " context.connect = lambda *given, **how: (opened := connect(*given, **how), opened.resource_manager.identify())[0]"
)


def record(door: Door) -> Path:
    (path,) = door.state.glob("runs/*/*/[!.]*.json")
    return path


def test_a_live_run_is_attached_to(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    again = door.submitting("--run-id", "r1", "--json")
    again.wait_until_said("attached to")
    door.application.end("FINISHED", "SUCCEEDED", "")
    outcome = again.end()
    assert outcome.code == 0, outcome.err
    assert outcome.json["attached"] is True and outcome.json["application_id"] == door.application_id
    assert len(door.calls) == 1


def test_a_succeeded_run_is_not_run_again(door: Door) -> None:
    assert door.submit("--run-id", "r1").code == 0
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n")
    assert "already succeeded at 20" in outcome.err and "nothing was run" in outcome.err
    assert len(door.calls) == 1


def test_a_succeeded_run_that_the_cluster_has_forgotten_is_not_run_again(door: Door) -> None:
    assert door.submit("--run-id", "r1").code == 0
    door.rm.applications.clear()
    outcome = door.submit("--run-id", "r1")
    assert outcome.code == 0 and "already succeeded" in outcome.err
    assert len(door.calls) == 1


@pytest.mark.parametrize(
    "end", [FAILED, ("KILLED", "KILLED", {}), ("FAILED", "FAILED", {"launchTime": 0, "amContainerLogs": ""})]
)
def test_a_failed_killed_or_refused_run_is_tried_again(door: Door, end: Step) -> None:
    door.submits(end)
    assert door.submit("--run-id", "r1").code in (1, 4, 6)
    door.submits(SUCCEEDED)
    outcome = door.submit("--run-id", "r1")
    assert outcome.code == 0, outcome.err
    assert "try:r1.2" in door.calls[1].conf["spark.yarn.tags"].split(",")
    (run,) = door.records()
    assert [(one["number"], one["result"]) for one in run["tries"]][1] == (2, "succeeded")
    assert door.submit("--run-id", "r1").err.count("already succeeded") == 1


def test_a_refused_launch_is_tried_again(door: Door) -> None:
    door.recorder(status=1, stderr="JAVA_HOME is not set\n")
    program = door.changed_program("launcher.SETTLE_S = 0.05")
    assert door.submit("--run-id", "r1", program=program).code == 3
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0
    assert "try:r1.2" in door.calls[1].conf["spark.yarn.tags"].split(",")


def test_another_job_under_the_same_run_id_is_refused_showing_the_difference(door: Door) -> None:
    assert door.submit("--run-id", "r1", "--", "--day", "monday").code == 0
    outcome = door.submit("--run-id", "r1", "--", "--day", "tuesday")
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert "argument 2: monday -> tuesday" in outcome.err
    many = door.submit("--run-id", "r1", "--", *(f"--one={number}" for number in range(30)))
    assert many.code == 2 and "and 20 more" in many.err
    assert many.err.count(" -> ") == 10
    (door.work / "job.py").write_text("print('another job')\n")
    outcome = door.submit("--run-id", "r1", "--", "--day", "monday")
    assert outcome.code == 2 and "script: " in outcome.err
    assert len(door.calls) == 1


def test_resources_are_no_part_of_what_makes_a_job_the_same(door: Door) -> None:
    door.submits(FAILED)
    assert door.submit("--run-id", "r1", "--executor-memory", "1g").code == 1
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1", "--executor-memory", "2g", "-n", "bigger").code == 0


def test_a_repeat_uses_the_day_of_the_first_call(door: Door) -> None:
    door.submits(FAILED)
    argument = ["--app-arg", "in/{{ ds }}"]
    assert door.submit("--run-id", "r1", "--date", "2020-02-29", *argument).code == 1
    door.submits(SUCCEEDED)
    outcome = door.submit("--run-id", "r1", *argument)
    assert outcome.code == 0, outcome.err
    assert [call.argv[-1] for call in door.calls] == ["in/2020-02-29"] * 2


def test_a_launch_of_unknown_outcome_gives_8_until_its_application_shows(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.rewrite(state="LAUNCHING", application_id="")  # as if we had died right after the launch
    application = door.rm.applications.pop(door.application_id)
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert "run:r1" in outcome.err and len(door.calls) == 1
    door.rm.applications[str(application.fields["id"])] = application
    application.end("FINISHED", "SUCCEEDED", "")
    assert door.submit("--run-id", "r1").code == 0
    assert len(door.calls) == 1


def test_an_application_that_the_cluster_forgot_before_we_saw_its_end_gives_8(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.rm.applications.clear()
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, len(door.calls)) == (8, 1), outcome.err


PATIENCE = "execution: {rm_patience: 1s}\njob_specific_config: {custom: {script: job.py}}\n"


def submitted_and_away(door: Door, *arguments: str, state: str = "SUBMITTED") -> str:
    """A live run r1 on record; from then on no ResourceManager is active."""
    door.write_config(PATIENCE)
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait", *arguments).code == 0
    application_id = door.application_id
    door.rewrite(state=state, application_id=application_id if state == "SUBMITTED" else "")
    door.rm.mode = Mode.NONE_ACTIVE
    return application_id


def test_a_live_run_is_attached_to_by_its_record_while_nobody_can_be_asked(door: Door) -> None:
    application_id = submitted_and_away(door)
    outcome = door.submit("--run-id", "r1", "--json")
    assert outcome.code == 8, outcome.err
    assert (outcome.json["application_id"], outcome.json["attached"]) == (application_id, True)
    assert outcome.said("attached to", "by this host's record", "asking on for 1s") and len(door.calls) == 1


def test_a_live_run_attached_to_by_its_record_is_followed_to_its_end(door: Door) -> None:
    application_id = submitted_and_away(door)
    door.write_config(PATIENCE.replace("1s", "15m"))
    again = door.submitting("--run-id", "r1")
    again.wait_until_said("asking on")
    door.application.end("FINISHED", "SUCCEEDED", "")
    door.rm.mode = Mode.ACTIVE
    outcome = again.end()
    assert (outcome.code, outcome.out) == (0, f"{application_id}\n"), outcome.err
    assert door.last_try["result"] == "succeeded" and len(door.calls) == 1


def test_without_anybody_who_waits_a_live_run_gives_8_at_once(door: Door) -> None:
    application_id = submitted_and_away(door)
    outcome = door.submit("--run-id", "r1", "--no-wait")
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said(application_id, str(record(door)), "does not answer as the active one", "wait r1"), outcome.err
    assert "nothing was submitted" not in outcome.err


@pytest.mark.parametrize("call", [["submit", "-t", "custom", "--run-id", "r1"], ["wait", "r1"], ["monitor", "r1"]])
def test_a_launch_of_unknown_outcome_gives_8_while_nobody_can_be_asked(door: Door, call: list[str]) -> None:
    submitted_and_away(door, state="LAUNCHING")
    outcome = door.run(*call)
    assert (outcome.code, outcome.out) == (8, ""), outcome.err
    assert outcome.said(str(record(door)), "began to launch", "wait r1") and len(door.calls) == 1
    assert door.run("status", "r1").code == 5


@pytest.mark.parametrize("end", [FAILED, SUCCEEDED])
def test_a_run_that_has_ended_by_its_record_gives_5_while_nobody_can_be_asked(door: Door, end: Step) -> None:
    door.submits(end)
    door.submit("--run-id", "r1")
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (5, "") and outcome.said("nothing was submitted"), outcome.err


@pytest.mark.parametrize("verb", ["wait", "monitor"])
def test_a_name_is_resolved_by_the_records_while_nobody_can_be_asked(door: Door, verb: str) -> None:
    application_id = submitted_and_away(door, "-n", "nightly")
    outcome = door.run(verb, "nightly", "--json")
    assert (outcome.code, outcome.json["application_id"]) == (8, application_id), outcome.err
    assert outcome.said("nightly is taken for run r1 by this host's records", "asking on for 1s")
    unknown = door.run(verb, "weekly")
    assert (unknown.code, unknown.out) == (5, ""), unknown.err


def test_a_name_of_two_runs_on_record_is_refused_while_nobody_can_be_asked(door: Door) -> None:
    for run in ("r1", "r2"):
        assert door.submit("--run-id", run, "-n", "nightly").code == 0
    door.rm.stop()
    outcome = door.run("wait", "nightly")
    assert (outcome.code, outcome.out) == (2, "") and outcome.said("run r1", "run r2"), outcome.err


def test_where_only_the_cluster_tells_who_we_are_the_records_are_looked_at(door: Door) -> None:
    """With Kerberos the record's folder is named by a user whom nobody can tell now."""
    submitted_and_away(door)
    outcome = door.submit("--run-id", "r1", program=door.changed_program(NOBODY))
    assert (outcome.code, outcome.out) == (8, "") and outcome.said(str(record(door)), "wait r1"), outcome.err
    new = door.submit("--run-id", "r2", program=door.changed_program(NOBODY))
    assert (new.code, new.out) == (5, "") and new.said("nothing was submitted"), new.err


def test_a_damaged_record_of_an_older_release_gives_8_and_names_the_file(door: Door) -> None:
    """It is taken over for what it is: a run of which something was known, and not "no such run"."""
    assert door.submit("--run-id", "r1").code == 0
    (place := record(door)).write_text("{")
    (place.parent / "ledger.db").unlink()
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, len(door.calls)) == (8, 1), outcome.err
    assert str(record(door)) in outcome.err


def test_the_cluster_knows_a_run_of_another_host(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.forget_records()
    door.application.end("FINISHED", "SUCCEEDED", "")
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, len(door.calls)) == (0, 1), outcome.err
    assert "already succeeded" in outcome.err


def test_ids_outside_the_grammar_are_slugged_and_never_meet(door: Door) -> None:
    airflow = "scheduled__2026-01-31T00:00:00+00:00"
    outcome = door.submit("--run-id", airflow)
    assert outcome.code == 0
    assert f"(from {airflow!r})" in outcome.err
    (run,) = door.records()
    assert run["original_run_id"] == airflow
    assert run["run_id"].startswith("scheduled__2026-01-31t00-00-00-00-00-")
    again = door.submit("--run-id", airflow)
    assert again.code == 0 and len(door.calls) == 1
    assert door.submit("--run-id", airflow.replace("+", "-")).code == 0
    assert len(door.calls) == 2


def test_auto_is_a_new_run_every_time(door: Door) -> None:
    for _ in range(2):
        assert door.submit("--run-id", "auto", "-n", "same").code == 0
    assert len(door.calls) == 2 and len(door.records()) == 2


def test_two_processes_with_one_run_id_submit_once(door: Door) -> None:
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    both = [door.submitting("--run-id", "r1", "--no-wait") for _ in range(2)]
    until(lambda: door.calls, "one of them submits")
    gate.touch()
    outcomes = [one.end() for one in both]
    assert [outcome.code for outcome in outcomes] == [0, 0], [outcome.err for outcome in outcomes]
    assert {outcome.out for outcome in outcomes} == {f"{door.application_id}\n"}
    assert len(door.calls) == 1
    assert sum("attached to" in outcome.err for outcome in outcomes) == 1


@pytest.mark.parametrize("when", ["while waiting", "during the submission"])
def test_killed_by_sigkill_the_same_command_attaches(door: Door, when: str) -> None:
    door.submits(RUNNING)
    gate = door.holds("wait_before")
    running = door.submitting("--run-id", "r1")
    until(lambda: door.calls, "spark-submit runs")
    if when == "while waiting":
        gate.touch()
        running.wait_until_said("RUNNING")
    running.close()
    gate.touch()
    until(lambda: door.rm.applications, "the application is there")
    door.application.end("FINISHED", "SUCCEEDED", "")
    outcome = door.submit("--run-id", "r1")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{door.application_id}\n" and len(door.calls) == 1


def test_the_same_run_id_of_another_user_is_another_run(door: Door) -> None:
    for user in ("alice", "bob"):
        assert door.submit("--run-id", "r1", env={"HADOOP_USER_NAME": user}).code == 0
    assert len(door.calls) == 2


def test_a_repeat_that_is_being_launched_is_not_answered_from_the_try_before_it(door: Door) -> None:
    """``wait`` and ``kill`` by run id mean the newest try; the one before it is another answer."""
    door.submits(FAILED)
    assert door.submit("--run-id", "r1").code == 1
    door.submits(RUNNING)
    gate = door.holds()
    second = door.submitting("--run-id", "r1")
    until(lambda: len(door.calls) == 2, "the second launch has begun")
    for verb in ("wait", "kill", "status"):
        outcome = door.run(verb, "r1")
        assert (outcome.code, outcome.out) == (8, ""), outcome.err
        assert "try 2 of run r1 is being launched" in outcome.err
    gate.touch()
    second.wait_until_said("RUNNING")
    assert door.run("kill", "r1").code == 0
    assert second.end().code == 6


def test_waiting_for_a_launch_whose_caller_was_killed_completes_its_record(door: Door) -> None:
    door.submits(RUNNING)
    gate = door.holds("wait_after")
    first = door.submitting("--run-id", "r1", "--timeout", "1h")
    until(lambda: door.calls and door.rm.applications, "the application was submitted")
    first.process.kill()
    first.process.wait()
    gate.touch()
    assert door.last_try["state"] == "LAUNCHING"
    waiting = door.start("wait", "r1")
    until(lambda: door.application.expiry != "UNLIMITED", "the lifetime is set by whoever attaches")
    door.application.end("FINISHED", "SUCCEEDED", "")
    assert waiting.end().code == 0
    assert (door.last_try["state"], door.last_try["result"]) == ("FINISHED", "succeeded")


def test_an_end_that_nobody_watched_is_recorded_before_the_next_try(door: Door) -> None:
    door.submits(FAILED)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    assert door.last_try["state"] == "SUBMITTED"
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0
    (run,) = door.records()
    assert [one["result"] for one in run["tries"]] == ["failed", "succeeded"]
