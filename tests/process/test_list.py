"""``list``: its filters, its window, its order, and the runs that the ResourceManager has forgotten."""

from __future__ import annotations

import json
import os
import pty
import pwd
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.process.door import PATIENCE_S, RUNNING, SUCCEEDED, Door, Step

ME = pwd.getpwuid(os.getuid()).pw_name
OURS = ["batch-submit"]
FAILED: Step = ("FINISHED", "FAILED", {})
HOUR_MS = 3_600_000


def now_ms() -> int:
    return int(time.time() * 1000)


def ended(hours_ago: float) -> dict[str, Any]:
    """Fields of an application that ended so long ago."""
    return {"startedTime": now_ms() - int(hours_ago * HOUR_MS) - 60_000}


def names(door: Door, *arguments: str) -> list[str]:
    outcome = door.run("list", "--json", *arguments)
    assert outcome.code == 0, outcome.err
    return [one["name"] for one in outcome.json]


def test_by_default_what_lives_and_what_ended_in_the_last_day(door: Door) -> None:
    door.rm.add("old and running", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.add("long ago", user=ME, tags=OURS, steps=[SUCCEEDED], **ended(25))
    door.rm.add("lately", user=ME, tags=OURS, steps=[FAILED], **ended(23))
    door.rm.add("a stranger's", user="mallory", tags=OURS, steps=[RUNNING])
    door.rm.add("not by this tool", user=ME, steps=[RUNNING])
    assert names(door) == ["lately", "old and running"]
    assert names(door, "--since", "26h") == ["lately", "long ago", "old and running"]
    assert names(door, "--since", "1h") == ["old and running"]
    assert names(door, "--states", "ended") == ["lately", "long ago"]


def test_the_scope_grows_by_users_and_by_applications(door: Door) -> None:
    door.rm.add("mine", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.add("theirs", user="bob", tags=OURS, steps=[RUNNING])
    door.rm.add("a shell", user="bob", steps=[RUNNING], applicationType="MAPREDUCE")
    door.rm.add("theirs, ended", user="bob", tags=OURS, steps=[SUCCEEDED], **ended(1))
    door.rm.add("theirs, long ago", user="bob", tags=OURS, steps=[SUCCEEDED], **ended(30))
    assert names(door, "--all-users") == ["theirs, ended", "theirs", "mine"]
    assert names(door, "--user", "bob", "--states", "live") == ["theirs"]
    assert names(door, "--all-users", "--all-apps", "--states", "running") == ["a shell", "theirs", "mine"]
    assert names(door, "--all-users", "--all-apps", "--app-type", "mapreduce") == ["a shell"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--states", "ACCEPTED"], ["waits"]),
        (["--states", "waiting"], ["waits"]),
        (["--states", "accepted,finished"], ["fails", "waits"]),
        (["--final-status", "failed"], ["fails"]),
        (["--queue", "etl"], ["waits"]),
        (["--queue", "root.etl"], ["waits"]),
        (["--name", "w*"], ["waits"]),
        (["--name", "w"], []),
        (["--limit", "1"], ["fails"]),
        (["--sort", "name"], ["fails", "runs", "waits"]),
        (["--sort", "memory"], ["runs", "fails", "waits"]),
    ],
)
def test_filters_and_order(door: Door, arguments: list[str], expected: list[str]) -> None:
    door.rm.add("waits", user=ME, tags=OURS, steps=[("ACCEPTED", "UNDEFINED", {})], queue="root.etl", memorySeconds=1)
    door.rm.add("runs", user=ME, tags=OURS, steps=[RUNNING], memorySeconds=99_999)
    door.rm.add("fails", user=ME, tags=OURS, steps=[FAILED], **ended(1))
    assert names(door, *arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--states", "BOGUS"], ["'BOGUS' is not a state", "ACCEPTED", "live"]),
        (["--final-status", "GOOD"], ["'GOOD' is not a final status", "SUCCEEDED"]),
        (["--since", "2"], ["--since", "missing unit"]),
        (["--type", "trainng"], ["'trainng' is not a job type", "training"]),
        (["--limit", "0"], ["--limit"]),
        (["--watch"], ["--watch draws on a terminal"]),
        (["--watch", "--json"], ["--watch"]),
    ],
)
def test_a_bad_value_is_one_clear_error(door: Door, arguments: list[str], words: list[str]) -> None:
    outcome = door.run("list", *arguments)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert outcome.err.count("error: ") == 1 and outcome.said(*words), outcome.err


def test_the_job_type_comes_from_the_record(door: Door) -> None:
    door.submits(RUNNING, startedTime=now_ms())
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    door.rm.add("of another host", user=ME, tags=[*OURS, "run:r2"], steps=[RUNNING])
    rows = {one["application_id"]: one["job_type"] for one in door.run("list", "--json").json}
    assert sorted(rows.values()) == ["", "custom"] and door.records()[0]["tries"][0]["application_id"] in rows
    assert names(door, "--type", "custom") != [] and names(door, "--type", "training") == []


def test_what_the_resource_manager_has_forgotten_is_shown_from_the_record_and_marked(door: Door) -> None:
    door.submits(SUCCEEDED, startedTime=now_ms())
    assert door.submit("--run-id", "seen", "-n", "its-end-was-seen").code == 0
    door.submits(RUNNING, startedTime=now_ms())
    assert door.submit("--run-id", "unseen", "-n", "its-end-was-not", "--no-wait").code == 0
    door.rm.applications.clear()  # as after a restart without a state store
    outcome = door.run("list", "--json")
    rows = {one["name"]: one for one in outcome.json}
    assert {name: (row["forgotten"], row["state"], row["result"]) for name, row in rows.items()} == {
        "its-end-was-seen": (True, "FINISHED", "succeeded"),
        "its-end-was-not": (True, "UNKNOWN", "unknown"),
    }
    table = door.run("list")
    lines = {line.split()[1]: line.split() for line in table.out.splitlines()[1:]}
    assert "FINISHED*" in lines["its-end-was-seen"] and "unknown*" in lines["its-end-was-not"]
    assert "SUCCEEDED" not in lines["its-end-was-not"]
    assert table.said("forgotten by the ResourceManager")
    assert set(names(door, "--states", "all")) == set(rows)
    assert names(door, "--states", "unknown") == ["its-end-was-not"]
    # With the scope widened the answer holds strangers' applications; what is ours is still looked at whole.
    assert {one["name"] for one in door.run("list", "--json", "--all-users").json} == set(rows)


@pytest.mark.parametrize("scope", [[], ["--all-users", "--all-apps"]])
def test_a_state_that_this_release_does_not_know_is_not_lost(door: Door, scope: list[str]) -> None:
    door.rm.add("odd", user=ME, tags=OURS, steps=[("PAUSED", "UNDEFINED", {})])
    door.rm.add("runs", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.add("long ago", user=ME, tags=OURS, steps=[SUCCEEDED], **ended(25))
    # Others' applications are asked for by the states that are known, or there would be no bound on the answer.
    assert names(door, *scope) == (["runs"] if scope else ["runs", "odd"])
    assert names(door, *scope, "--states", "all", "--since", "2h") == ["runs", "odd"]
    assert names(door, *scope, "--states", "all") == ["long ago", "runs", "odd"]
    assert names(door, *scope, "--states", "unknown", "--since", "2h") == ["odd"]


def test_named_states_with_a_bound_are_asked_of_the_server(door: Door) -> None:
    door.rm.add("runs", user=ME, tags=OURS, steps=[RUNNING])
    door.rm.add("long ago", user=ME, tags=OURS, steps=[SUCCEEDED], **ended(25))
    door.rm.add("lately", user=ME, tags=OURS, steps=[SUCCEEDED], **ended(1))
    assert names(door, "--all-users", "--states", "live,finished", "--since", "2h") == ["lately", "runs"]
    bounds = [asked.query.get("finishedTimeBegin") for asked in door.rm.asked if asked.path.endswith("/apps")]
    assert [bound is not None for bound in bounds][:2] == [False, True]


def test_what_is_still_known_but_out_of_the_window_is_not_called_forgotten(door: Door) -> None:
    door.submits(RUNNING, startedTime=now_ms())
    assert door.submit("--run-id", "r1", "--no-wait").code == 0
    (application,) = door.rm.applications.values()
    application.fields["startedTime"] = now_ms() - 40 * HOUR_MS
    application.end("FINISHED", "SUCCEEDED", "")
    assert door.run("list", "--json").json == []
    assert door.run("list", "--json", "--all-users").json == []


def test_a_pipe_gets_every_column_and_no_colour(door: Door) -> None:
    door.rm.add("n" * 90, user=ME, tags=OURS, steps=[RUNNING])
    outcome = door.run("list", env={"COLUMNS": "80"})
    assert "n" * 90 in outcome.out and "memory-seconds" in outcome.out
    assert "\x1b" not in outcome.out + outcome.err


def on_a_terminal(
    door: Door, columns: int, *arguments: str, stop_after: str = "", answer: str = "", **env: str
) -> tuple[str, int]:
    """What a call writes on a terminal of so many columns, and its exit code.

    Parameters
    ----------
    stop_after
        SIGINT once it has written this.
    answer
        Typed as the answer to the question on stderr, which is on the terminal too then, else nowhere.
    """
    master, slave = pty.openpty()
    environment = {**door.env, "COLUMNS": str(columns), "TERM": "xterm", **env}
    with Path(os.devnull).open("wb") as nowhere:
        streams = {"stdin": slave, "stdout": slave, "stderr": slave if answer else nowhere}
        command = [*door.program, *arguments]
        process = subprocess.Popen(command, env=environment, cwd=door.work, start_new_session=True, **streams)
    os.close(slave)
    text, deadline, sent = b"", time.monotonic() + PATIENCE_S, False
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
            if answer and not sent and b"[y/N]" in text:
                os.write(master, f"{answer}\n".encode())
                sent = True
            if stop_after and not sent and stop_after.encode() in text:
                process.send_signal(signal.SIGINT)
                sent = True
        return text.decode().replace("\r\n", "\n"), process.wait(PATIENCE_S)
    finally:
        os.close(master)
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_it_fits_and_ids_stay_whole(door: Door, columns: int) -> None:
    long = door.rm.add("n" * 90, user=ME, tags=OURS, steps=[RUNNING])
    text, code = on_a_terminal(door, columns, "list")
    lines = text.splitlines()
    assert code == 0 and max(len(line) for line in lines) <= columns
    assert lines[1].split()[0] == long and "…" in lines[1] and "RUNNING" in lines[1]
    assert "\x1b" not in text
    assert ("queue" in lines[0].split()) == (columns == 120)


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}], ids=["", "NO_COLOR"])
def test_watch_draws_until_a_signal(door: Door, env: dict[str, str]) -> None:
    door.rm.add("watched", user=ME, tags=OURS, steps=[RUNNING])
    text, code = on_a_terminal(door, 100, "list", "--watch", stop_after="watched", **env)
    assert "1 application;" in text and "\x1b[2J" in text
    assert code == 130


def test_json_is_one_line(door: Door) -> None:
    door.rm.add("größe", user=ME, tags=OURS, steps=[RUNNING])
    outcome = door.run("list", "--json")
    assert outcome.out.count("\n") == 1 and json.loads(outcome.out)[0]["name"] == "größe"
