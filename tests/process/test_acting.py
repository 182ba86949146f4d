"""``kill``, ``move``, ``priority``, and names as targets: exactly what was meant is touched, and the outcome said."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from tests.process.canned_replies import html_reply
from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Step
from tests.process.test_list import on_a_terminal

ME = pwd.getpwuid(os.getuid()).pw_name
OURS = ["batch-submit"]
ACCEPTED: Step = ("ACCEPTED", "UNDEFINED", {})
#: For ``Door.changed_program``: a kill asks on for a moment only.
IMPATIENT = "from batch_submit.operations import kill as ending; ending._RM_PATIENCE_S = 0.1"


def killed(door: Door) -> list[str]:
    return [application_id for application_id, _ in door.rm.kills]


def test_a_name_means_the_only_run_of_that_name(door: Door) -> None:
    one = door.rm.add("nightly", user=ME, tags=[*OURS, "run:n1", "try:n1.1"], steps=[RUNNING])
    for other in (
        {"name": "nightly", "user": "mallory", "tags": OURS},
        {"name": "nightly", "user": ME, "tags": []},
        {"name": "nightly-2", "user": ME, "tags": OURS},
        {"name": "NIGHTLY", "user": ME, "tags": OURS},
    ):
        door.rm.add(steps=[RUNNING], **other)
    assert door.run("status", "nightly", "--json").json["application_id"] == one
    outcome = door.run("kill", "nightly")
    assert (outcome.code, outcome.out) == (0, f"{one} killed\n"), outcome.err
    assert killed(door) == [one]


@pytest.mark.parametrize("is_on_record", [True, False])
def test_a_run_is_meant_by_the_id_that_it_was_given(door: Door, is_on_record: bool) -> None:
    given = "nightly.train.manual__2026-01-31T02:30:00+00:00"
    door.submits(RUNNING)
    assert door.submit("--run-id", given, "--no-wait").code == 0
    if is_on_record:
        assert f"given as     {given}" in door.run("show", given).out
    else:
        door.forget_records()
    assert door.run("status", given, "--json").json["application_id"] == door.application_id
    outcome = door.run("kill", given)
    assert (outcome.code, outcome.out) == (0, f"{door.application_id} killed\n"), outcome.err


@pytest.mark.parametrize("more", [["--run-id", "Nightly-1"], ["--name", "Nightly-1"]], ids=["run id", "name"])
def test_a_text_never_means_a_run_that_is_spelled_otherwise(door: Door, more: list[str]) -> None:
    for flags in (["--run-id", "nightly-1"], more):
        door.submits(RUNNING)
        assert door.submit("--no-wait", *flags).code == 0
    other, meant = door.rm.applications
    outcome = door.run("kill", "Nightly-1")
    assert (outcome.code, outcome.out, killed(door)) == (0, f"{meant} killed\n", [meant]), outcome.err
    assert door.rm.applications[other].state == "RUNNING"


def test_the_tries_of_one_run_are_one_run(door: Door) -> None:
    door.rm.add("nightly", user=ME, tags=[*OURS, "run:n1", "try:n1.1"], steps=[("FAILED", "FAILED", {})])
    second = door.rm.add("nightly", user=ME, tags=[*OURS, "run:n1", "try:n1.2"], steps=[RUNNING])
    assert door.run("status", "nightly", "--json").json["application_id"] == second


@pytest.mark.parametrize("verb", ["status", "kill", "wait"])
def test_an_ambiguous_name_lists_the_candidates_newest_first(door: Door, verb: str) -> None:
    older, newer = (
        door.rm.add("nightly", user=ME, tags=[*OURS, f"run:{run}", f"try:{run}.1"], steps=[RUNNING])
        for run in ("n1", "n2")
    )
    outcome = door.run(verb, "nightly")
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert outcome.said("2 runs are named 'nightly'", "run n1", "run n2")
    assert 0 < outcome.err.index(newer) < outcome.err.index(older)
    assert door.rm.kills == []


def test_a_name_on_record_finds_a_run_that_the_cluster_has_forgotten(door: Door) -> None:
    door.submits(SUCCEEDED)
    assert door.submit("-n", "by-name").code == 0
    application_id = door.application_id
    door.rm.applications.clear()
    assert door.run("status", "by-name", "--json").json["application_id"] == application_id


def test_the_beginning_of_an_id_is_no_id(door: Door) -> None:
    door.rm.add("job", user=ME, tags=OURS, steps=[RUNNING], id="application_1700000000000_00010")
    outcome = door.run("kill", "application_1700000000000_0001", "application_1700000000000", "application")
    assert outcome.code == 4 and door.rm.kills == []


def test_two_different_ids_are_not_one(door: Door) -> None:
    outcome = door.run("status", "one", "-a", "another")
    assert outcome.code == 2 and outcome.said("two are given")


def bystanders(door: Door) -> list[str]:
    """What ``--all-mine`` must leave alone."""
    return [
        door.rm.add("theirs with our tag", user="mallory", tags=OURS, steps=[RUNNING]),
        door.rm.add("mine by another tool", user=ME, steps=[RUNNING]),
        door.rm.add("like our tag", user=ME, tags=["batch-submit-2"], steps=[RUNNING]),
        door.rm.add("ended", user=ME, tags=OURS, steps=[SUCCEEDED]),
    ]


def test_all_mine_kills_what_is_mine_and_lives(door: Door) -> None:
    others = bystanders(door)
    first = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    second = door.rm.add("b", user=ME, tags=OURS, steps=[ACCEPTED], queue="root.etl")
    outcome = door.run("kill", "--all-mine", "--yes", "--json")
    assert outcome.code == 0, outcome.err
    assert {one["application_id"]: one["result"] for one in outcome.json} == {first: "killed", second: "killed"}
    assert sorted(killed(door)) == sorted([first, second])
    assert [door.rm.applications[one].state for one in others] == ["RUNNING", "RUNNING", "RUNNING", "FINISHED"]


@pytest.mark.parametrize("queue", ["etl", "root.etl"])
def test_a_queue_bounds_it(door: Door, queue: str) -> None:
    bystanders(door)
    door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    second = door.rm.add("b", user=ME, tags=OURS, steps=[RUNNING], queue="root.etl")
    assert door.run("kill", "--queue", queue, "--yes").code == 0
    assert killed(door) == [second]


def test_it_works_also_where_the_server_filters_nothing(door: Door) -> None:
    door.rm.ignore_filters = True
    bystanders(door)
    assert door.run("kill", "--all-mine", "--yes").code == 0
    assert door.rm.kills == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all-mine"], "there is no terminal to ask on"),
        (["--queue", "etl"], "there is no terminal to ask on"),
        (["--all-mine", "--yes", "application_1700000000000_0001"], "either name what is to be killed"),
        ([], "kill needs at least one"),
    ],
)
def test_what_is_not_said_clearly_kills_nothing(door: Door, arguments: list[str], words: str) -> None:
    door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING], queue="root.etl")
    outcome = door.run("kill", *arguments)
    assert outcome.code == 2 and outcome.said(words), outcome.err
    assert door.rm.kills == []


def test_nothing_lives(door: Door) -> None:
    outcome = door.run("kill", "--all-mine", "--yes", "--json")
    assert (outcome.code, outcome.json) == (0, [])


def yarn_program(door: Door, *lines: str) -> None:
    """A ``yarn`` on the PATH of this door."""
    program = Path(door.folder, "bin", "yarn")
    program.write_text("#!/usr/bin/env bash\n" + "\n".join(lines) + "\n")
    program.chmod(0o755)


def test_where_rest_wants_a_ticket_the_yarn_program_is_asked(door: Door) -> None:
    one = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.writes_need_ticket = True
    said = door.folder / "said"
    # The real program asks over RPC; this one says what it was told, and the application is ended for it.
    yarn_program(door, f'echo "$*" > {said}')
    running = door.start("kill", one)
    running.wait_until_said("asked by yarn application -kill")
    door.rm.applications[one].end("KILLED", "KILLED", "killed by yarn")
    outcome = running.end()
    assert (outcome.code, outcome.out) == (0, f"{one} killed\n"), outcome.err
    assert said.read_text() == f"application -kill {one}\n"


def test_a_program_that_fails_too_is_told_with_its_words(door: Door) -> None:
    one = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.writes_need_ticket = True
    yarn_program(door, "echo 'no ticket either' >&2", "exit 3")
    outcome = door.run("kill", one)
    assert outcome.code == 3 and outcome.said("401", "exit status 3", "no ticket either"), outcome.err


def test_without_a_program_the_ticket_is_named(door: Door) -> None:
    one = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.writes_need_ticket = True
    outcome = door.run("kill", one)
    assert outcome.code == 3 and outcome.said("kinit")


def test_the_program_is_not_asked_for_another_reason(door: Door) -> None:
    theirs = door.rm.add("theirs", user="mallory", steps=[RUNNING])
    door.rm.refuse_kill_by.add(ME)
    yarn_program(door, f"touch {door.folder}/called")
    assert door.run("kill", theirs).code == 4
    door.rm.mode = Mode.ERROR
    assert door.run("kill", theirs, program=door.changed_program(IMPATIENT)).code == 5
    assert not (door.folder / "called").exists()


def test_move_is_confirmed(door: Door) -> None:
    one = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    outcome = door.run("move", one, "etl")
    assert (outcome.code, outcome.out) == (0, f"{one} queue root.etl\n"), outcome.err
    assert door.run("move", "a", "default", "--json").json == {"application_id": one, "queue": "root.default"}


def test_move_gives_the_schedulers_words(door: Door) -> None:
    one = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    outcome = door.run("move", one, "nope")
    assert outcome.code == 4 and outcome.said("The specified Queue: nope doesn't exist"), outcome.err
    door.rm.applications[one].end("KILLED", "KILLED", "")
    outcome = door.run("move", one, "etl")
    assert outcome.code == 4 and outcome.said("App in KILLED state cannot be moved."), outcome.err
    # Told the queue that it was in, the server answers 200 and moves nothing.
    outcome = door.run("move", one, "root.default")
    assert (outcome.code, outcome.out) == (4, "") and outcome.said("it has ended (KILLED)"), outcome.err


def test_priority_is_read_back(door: Door) -> None:
    one = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    outcome = door.run("priority", one, "7")
    assert (outcome.code, outcome.out) == (0, f"{one} priority 7\n"), outcome.err
    assert door.run("priority", one, "0", "--json").json == {"application_id": one, "priority": 0}
    cut = door.run("priority", one, "99")
    assert cut.code == 4 and cut.said("has priority 10 and not 99", "max-application-priority")
    door.rm.applications[one].end("FINISHED", "SUCCEEDED", "")
    late = door.run("priority", one, "3")
    assert late.code == 4 and late.said("it has ended (FINISHED)")
    same = door.run("priority", one, "10")
    assert (same.code, same.out) == (4, "") and same.said("it has ended (FINISHED), it keeps priority 10"), same.err


@pytest.mark.parametrize("arguments", [["kill"], ["move", "etl"], ["priority", "1"]], ids=lambda words: words[0])
def test_an_id_that_the_cluster_does_not_know_has_a_next_step(door: Door, arguments: list[str]) -> None:
    verb, *rest = arguments
    gone = "application_1700000000000_9999"
    outcome = door.run(verb, gone, *rest)
    assert (outcome.code, outcome.out) == (4, "") and outcome.said("next: ", f"status {gone}"), outcome.err


def test_a_forgotten_one_whose_end_is_on_record_has_ended(door: Door) -> None:
    assert door.submit("--run-id", "r1").code == 0
    application_id = door.application_id
    door.rm.applications.clear()
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (0, f"{application_id} succeeded (as recorded)\n"), outcome.err
    (told,) = door.run("kill", application_id, "--json").json
    assert told == {
        "target": application_id,
        "application_id": application_id,
        "result": "succeeded",
        "state": "FINISHED",
        "final_status": "SUCCEEDED",
        "forgotten": True,
    }


def test_a_forgotten_one_whose_end_nobody_saw_is_not_said_to_have_ended(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    application_id = door.application_id
    door.rm.applications.clear()
    outcome = door.run("kill", "r1")
    assert (outcome.code, outcome.out) == (4, ""), outcome.err
    assert outcome.said("nobody has seen how it ended", f"status {application_id}")
    assert door.last_try["state"] == "SUBMITTED"


def test_kill_asks_on_through_a_failover(door: Door) -> None:
    one, other = (door.rm.add(name, user=ME, tags=OURS, steps=[RUNNING]) for name in ("a", "b"))
    door.rm.mode = Mode.NONE_ACTIVE
    running = door.start("kill", "a", other)
    running.wait_until_said("asking on for 30 s")
    assert running.process.poll() is None
    door.rm.mode = Mode.ACTIVE
    outcome = running.end()
    assert (outcome.code, outcome.out) == (0, f"{one} killed\n{other} killed\n"), outcome.err
    assert outcome.err.count("asking on") == 1


def test_a_name_that_the_cluster_did_not_confirm_kills_nothing(door: Door) -> None:
    """A second run of the name, of another host, comes to light when the cluster answers again."""
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "-n", "nightly", "--no-wait").code == 0
    door.rm.add("nightly", user=ME, tags=[*OURS, "run:r2", "try:r2.1"], steps=[RUNNING])
    door.rm.mode = Mode.NONE_ACTIVE
    running = door.start("kill", "nightly")
    running.wait_until_said("asking on")
    door.rm.mode = Mode.ACTIVE
    outcome = running.end()
    assert (outcome.code, door.rm.kills) == (2, []), outcome.err
    assert outcome.said("2 runs are named 'nightly'")


@pytest.mark.parametrize("arguments", [["kill"], ["move", "etl"], ["priority", "3"]], ids=lambda words: words[0])
def test_where_only_the_listing_fails_a_name_on_record_is_not_enough_to_change_anything(
    door: Door, arguments: list[str]
) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "-n", "nightly", "--no-wait").code == 0
    door.rm._listing = lambda asked: html_reply(500, "too many applications")  # type: ignore[method-assign]
    verb, *rest = arguments
    outcome = door.run(verb, "nightly", *rest, program=door.changed_program(IMPATIENT))
    assert (outcome.code, outcome.out, door.rm.paths("PUT")) == (5, "", []), outcome.err
    assert door.run("status", "nightly").said("nightly is taken for run r1")


def test_its_patience_ends(door: Door) -> None:
    one = door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.mode = Mode.NONE_ACTIVE
    outcome = door.run("kill", one, "a", program=door.changed_program(IMPATIENT))
    assert (outcome.code, outcome.out) == (5, "") and outcome.err.count("asking on") == 1, outcome.err


@pytest.mark.parametrize("number", ["abc", "-1"])
def test_a_priority_is_a_number_from_0(door: Door, number: str) -> None:
    outcome = door.run("priority", "application_1700000000000_0001", "--", number)
    assert outcome.code == 2 and outcome.err.count("error: ") == 1


@pytest.mark.parametrize(("answer", "kills"), [("y", True), ("YES", True), ("n", False), (" ", False), ("sure", False)])
def test_on_a_terminal_it_shows_what_it_will_kill_and_asks(door: Door, answer: str, kills: bool) -> None:
    bystanders(door)
    one = door.rm.add("to-be-killed", user=ME, tags=OURS, steps=[RUNNING])
    text, code = on_a_terminal(door, 100, "kill", "--all-mine", answer=answer)
    shown = text.partition("[y/N]")[0]
    assert "1 live application of" in shown and "kill 1 application?" in shown
    assert one in shown and "to-be-killed" in shown
    assert "mallory" not in text and "mine by another tool" not in text
    assert (code, killed(door)) == ((0, [one]) if kills else (2, []))


def test_what_it_will_kill_is_shown_with_the_job_type_on_record(door: Door) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "-n", "typed", "--no-wait").code == 0
    door.rm.add("b", user=ME, tags=OURS, steps=[RUNNING])
    outcome = door.run("kill", "--all-mine", "--yes")
    assert outcome.code == 0 and outcome.said("2 live applications of"), outcome.err
    (line,) = [line for line in outcome.err.splitlines() if "typed" in line.split()]
    assert line.split()[2] == "custom"


def test_where_the_question_can_not_be_seen_nothing_is_killed(door: Door) -> None:
    door.rm.add("a", user=ME, tags=OURS, steps=[RUNNING])
    _, code = on_a_terminal(door, 100, "kill", "--all-mine")  # its stderr is no terminal
    assert code == 2 and door.rm.kills == []
