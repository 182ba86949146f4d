"""``history``, ``show``, ``ledger`` and ``gc`` through the command: what is recorded is told, saved and swept."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from batch_submit.ledger import Run, SqliteLedger, Try, TryState
from tests.process.canned_webhdfs import Remote
from tests.process.door import RUNNING, SUCCEEDED, Door, Step

FAILED: Step = ("FINISHED", "FAILED", {"diagnostics": "User application exited with status 1"})
ALICE = {"HADOOP_USER_NAME": "alice"}
SECRET = """\
execution: {log_file: our.log}
job_specific_config: {custom: {script: job.py, custom_spark_conf: {spark.hadoop.fs.s3a.secret.key: hunter2}}}
"""
CLAIMS = "/user/alice/.batch-submit/runs"


def ledger_of(door: Door) -> SqliteLedger:
    (place,) = door.state.glob("runs/*/*/ledger.db")
    return SqliteLedger(place.parent)


def test_a_run_is_in_the_queue_of_its_newest_try(door: Door) -> None:
    door.env |= ALICE
    for queue in ("small", "large"):
        door.submits(FAILED)
        assert door.submit("--run-id", "r1", "-q", queue, "--no-preflight").code == 1
    found = door.run("history", "--queue", "large", "--json").json
    assert [(one["run_id"], one["queue"], one["tries"]) for one in found] == [("r1", "large", 2)]


@pytest.fixture
def told(door: Door) -> Door:
    """A door with a succeeded, a failed and a living run on record, and a cluster that is down."""
    door.quick()
    door.env |= ALICE
    door.write_config(SECRET)
    assert door.submit("--run-id", "good", "-n", "nightly-load").code == 0
    door.submits(FAILED)
    assert door.submit("--run-id", "bad", "-n", "nightly-load", "-q", "ml-queue").code == 1
    door.submits(RUNNING)
    assert door.submit("--run-id", "live", "-n", "hourly", "--no-wait").code == 0
    door.rm.stop()
    return door


# --- history ----------------------------------------------------------------------------------------------------------

#: Made a day apart; `mixed` has a failed and a living try.
RECORDS = {
    "old": ("nightly-load", "training", "", "2026-01-01", [("FINISHED", "succeeded")]),
    "mixed": ("nightly-load", "custom", "ml-queue", "2026-01-02", [("FINISHED", "failed"), ("SUBMITTED", "")]),
    "lost": ("hourly", "custom", "", "2026-01-03", [("NOT_SUBMITTED", "")]),
    "late": ("hourly", "custom", "", "2026-01-04", [("FINISHED", "timed out")]),
}
FILTERS = [
    ([], ["late", "lost", "mixed", "old"]),
    (["--result", "timed-out,KILLED"], ["late"]),
    (["--result", "succeeded", "--result", "timed_out"], ["late", "old"]),
    (["--result", "failed"], []),  # of the newest try
    (["--state", "open"], ["mixed"]),
    (["--state", "ended"], ["late", "lost", "old"]),
    (["--state", "not-submitted"], ["lost"]),
    (["--state", "Planned,launching"], []),
    (["--name", "nightly-*"], ["mixed", "old"]),
    (["--name", "nightly"], []),
    (["-t", "custom", "--limit", "2"], ["late", "lost"]),
    (["--type", "training"], ["old"]),
    (["--queue", "ml-queue"], ["mixed"]),
    (["--user", "alice"], ["late", "lost", "mixed", "old"]),
    (["--user", "bob"], ["of-bob"]),
    (["--cluster", "other"], []),
    (["--since", "2026-01-03T00:00:00Z"], ["late", "lost"]),
    (["--until", "2026-01-02T12:00:00+00:00"], ["mixed", "old"]),
    (["--since", "2026-01-02T00:00Z", "--until", "2026-01-04T00:00Z"], ["lost", "mixed"]),
    (["--since", "1h"], []),
]


def write_records(door: Door) -> None:
    for run_id, (name, job_type, queue, day, tries) in RECORDS.items():
        moment = f"{day}T10:00:00Z"
        made = tuple(
            Try(number, TryState(state), moment, result=result) for number, (state, result) in enumerate(tries, 1)
        )
        run = Run(run_id, name, job_type, "yarn", "c", "alice", "edge", moment, day, "f", {}, queue=queue, tries=made)
        SqliteLedger(door.state / "runs/c/alice").save(run)
    SqliteLedger(door.state / "runs/c/bob").save(replace(run, run_id="of-bob", user="bob", created_at="2025-01-01"))


@pytest.mark.parametrize("readable", [True, False], ids=["from the database", "from the exports"])
def test_history_filters(door: Door, readable: bool) -> None:
    """They mean the same where the database can't be read."""
    write_records(door)
    if not readable:
        damage(SqliteLedger(door.state / "runs/c/alice"))
    for arguments, runs in FILTERS:
        outcome = door.run("history", "--json", *arguments)
        assert outcome.code == 0, outcome.err
        users = {row["run_id"] for row in outcome.json} - {"of-bob"} if "--user" not in arguments else set()
        found = [row["run_id"] for row in outcome.json if row["run_id"] in users or "--user" in arguments]
        assert found == runs, arguments


def test_history_asks_no_server_and_shows_what_people_want(told: Door) -> None:
    outcome = told.run("history", "--limit", "2")
    assert outcome.code == 0 and outcome.said("these are the newest 2")
    head, *rows = outcome.out.splitlines()
    assert "  ".join(head.split()) == (
        "run  name  type  result  exit  started  took  tries  queue  application  memory-seconds  user  cluster  cause"
    )
    assert len(rows) == 2
    (bad,) = told.run("history", "--json", "--result", "failed").json
    assert (bad["exit_code"], bad["tries"], bad["user"], bad["state"]) == (1, 1, "alice", "FINISHED")
    assert bad["cause"] and bad["rule"] and bad["application_id"].startswith("application_")
    (live,) = told.run("history", "--json", "--state", "submitted").json
    assert (live["exit_code"], live["result"], live["finished_at"]) == (None, "", "")
    assert told.run("history", "--user", "bob").out == "no runs\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--state", "walking"], "not-submitted, finished, open, ended"),
        (["--result", "won"], "succeeded, failed, refused, killed, timed-out"),
        (["--since", "yesterday"], "--since 2026-01-31"),
        (["--until", "99999999999999d"], "--until 7d"),
        (["-t", "nope"], "take of: "),
        (["--limit", "0"], "history --help"),
    ],
)
def test_wrong_filters(door: Door, arguments: list[str], words: str) -> None:
    outcome = door.run("history", *arguments)
    assert (outcome.code, outcome.out) == (2, "") and words in outcome.err, outcome.err


# --- show -------------------------------------------------------------------------------------------------------------


def test_show_tells_everything_on_record(told: Door) -> None:
    shown = told.run("show", "bad", "--json").json
    (one,) = shown["tries"]
    states = [seen["state"] for seen in one["history"]]
    assert states[:3] == ["PLANNED", "LAUNCHING", "SUBMITTED"] and states[-1] == "FINISHED"
    times = [seen["at"] for seen in one["history"]]
    assert times == sorted(times) and all(time.endswith("Z") for time in times)
    assert (one["result"], one["exit_code"], one["final_status"]) == ("failed", 1, "FAILED")
    assert one["plan"]["argv"] == shown["argv"] and one["plan"]["queue"] == shown["queue"] == "ml-queue"
    assert one["plan"]["environment"]["HADOOP_CONF_DIR"] == told.env["HADOOP_CONF_DIR"]
    assert one["claim"] == f"{CLAIMS}/bad" and shown["host"] == os.uname().nodename
    assert Path(shown["ledger"]).is_file() and json.loads(Path(shown["export"]).read_text())["run_id"] == "bad"
    text = told.run("show", one["application_id"]).out
    for words in ("FINISHED  failed", "spark-submit", "exited with status 1", one["application_id"], "exit code"):
        assert words in text


def test_what_waiting_saw_of_yarns_states_is_recorded(door: Door) -> None:
    door.quick().submits(("ACCEPTED", "UNDEFINED", {}), RUNNING, RUNNING, SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0
    (one,) = door.run("show", "r1", "--json").json["tries"]
    states = [seen["state"] for seen in one["history"]]
    assert states[:3] == ["PLANNED", "LAUNCHING", "SUBMITTED"] and states[-2:] == ["RUNNING", "FINISHED"]
    assert one["tracking_url"].startswith("http")


def test_no_secret_stands_in_any_file_of_the_ledger(told: Door) -> None:
    folder = ledger_of(told).folder
    assert b"hunter2" not in b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert "hunter2" not in told.run("show", "good").out + told.run("show", "good", "--json").out
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_name_of_several_and_a_text_of_none(told: Door) -> None:
    several = told.run("show", "nightly-load")
    assert (several.code, several.out) == (2, "") and several.said("2 runs", "good", "bad", "--cluster")
    assert told.run("show", "hourly", "--json").json["run_id"] == "live"
    none = told.run("show", "weekly")
    assert (none.code, none.out) == (4, "") and none.said("weekly", "history")
    assert told.run("show").code == 2


def test_a_local_run_is_shown_too(laptop: Door) -> None:
    assert laptop.submit("--run-id", "r1").code == 0
    shown = laptop.run("show", "local-r1", "--json").json
    assert (shown["cluster"], shown["tries"][0]["exit_code"]) == ("local", 0)
    assert [row["run_id"] for row in laptop.run("history", "--cluster", "local", "--json").json] == ["r1"]


# --- check and rebuild ------------------------------------------------------------------------------------------------


def damage(ledger: SqliteLedger) -> None:
    ledger.path.write_bytes(b"this is no database" * 1000)


def test_check_tells_a_whole_ledger_from_a_damaged_one(told: Door) -> None:
    outcome = told.run("ledger", "check")
    assert outcome.code == 0 and ": ok (3 runs, " in outcome.out and "journal mode wal" in outcome.out
    damage(ledger_of(told))
    outcome = told.run("ledger", "check")
    assert outcome.code == 3 and "file is not a database" in outcome.out and "ledger rebuild" in outcome.out
    assert told.run("ledger", "check", "--json").json[0]["damage"] == ["file is not a database"]
    assert told.run("ledger", "check", env={"XDG_STATE_HOME": "/nonexistent"}).out.startswith("no ledger below ")


def test_with_a_damaged_ledger_work_goes_on_with_one_warning(told: Door) -> None:
    """The claim keeps a run from being made twice; what only the record would tell apart is refused."""
    damage(ledger_of(told))
    assert {row["run_id"] for row in told.run("history", "--json").json} == {"live", "bad", "good"}
    told.rm.start()
    told.submits(SUCCEEDED)
    for arguments in ([], ["--run-id", "new"], ["--run-id", "good"]):
        outcome = told.submit(*arguments)
        assert outcome.code == 0, outcome.err
        assert outcome.err.count("warning: the ledger can't be") == 1 and "ledger rebuild" in outcome.err
        assert ("already succeeded" in outcome.err) is ("good" in arguments)
    calls = len(told.calls)
    outcome = told.submit("--run-id", "other", "--claim", "none")
    assert (outcome.code, outcome.out, len(told.calls)) == (3, "", calls), outcome.err
    assert told.run("list").said("the ledger can't be read")


@pytest.mark.parametrize("flags", [[], ["--offline"]])
def test_rebuild_moves_the_damaged_file_aside_and_finds_everything_again(told: Door, flags: list[str]) -> None:
    ledger = ledger_of(told)
    before = {run.run_id: run for run in ledger.runs()}
    damage(ledger)
    unreachable = told.run("ledger", "rebuild")
    assert unreachable.code == 5 and ledger.path.read_bytes().startswith(b"this is no")
    told.rm.start()
    asked = len(told.rm.asked)
    assert "would be rebuilt with 3 runs" in told.run("ledger", "rebuild", "--dry-run", *flags).out
    assert ledger.path.read_bytes().startswith(b"this is no")
    outcome = told.run("ledger", "rebuild", *flags)
    assert outcome.code == 0 and "rebuilt with 3 runs" in outcome.out, outcome.err
    assert (len(told.rm.asked) == asked) is bool(flags)
    (aside,) = ledger.folder.glob("ledger.db.aside-*")
    assert aside.read_bytes().startswith(b"this is no") and str(aside) in outcome.err
    after = {run.run_id: run for run in ledger_of(told).runs()}
    assert {**after, "live": None} == {**before, "live": None}
    live, was = after["live"].last, before["live"].last
    assert live is not None and was is not None
    known = {} if flags else {"tracking_url": live.tracking_url, "logs_url": live.logs_url}  # learnt on the way
    assert live == replace(was, **known)
    assert told.run("ledger", "check").code == 0


def test_without_any_file_claims_and_cluster_tell(told: Door) -> None:
    """What they don't know (the name before the cluster is asked, a plan) stays empty, and a repeat is as before."""
    before = {run.run_id: run for run in ledger_of(told).runs()}
    told.forget_records()
    told.rm.start()
    outcome = told.run("ledger", "rebuild")
    assert outcome.code == 0 and "3 claimed, 3 seen on the cluster" in outcome.out, outcome.out + outcome.err
    for run_id, was in before.items():
        run = ledger_of(told).load(run_id)
        assert run is not None and run.last is not None and was.last is not None
        assert run.fingerprint == was.fingerprint and (run.name, run.day, run.job_type) == (was.name, was.day, "custom")
        assert (run.last.application_id, run.last.result) == (was.last.application_id, was.last.result)
    done = told.submit("--run-id", "good")
    assert done.code == 0 and done.said("already succeeded") and len(told.calls) == 3, done.err
    told.submits(SUCCEEDED)
    assert told.submit("--run-id", "bad", "-n", "nightly-load", "-q", "ml-queue").code == 0
    (run,) = [run for run in ledger_of(told).runs() if run.run_id == "bad"]
    assert [one.number for one in run.tries] == [1, 2]


def test_a_newer_ledger_is_refused_by_every_verb_and_left_as_it_is(told: Door) -> None:
    ledger = ledger_of(told)
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = ledger.path.read_bytes()
    told.rm.start()
    for arguments in (["history"], ["show", "bad"], ["list"], ["ledger", "rebuild"], ["submit", "-t", "custom"]):
        outcome = told.run(*arguments)
        assert (outcome.code, outcome.out) == (3, ""), outcome.err
        assert outcome.said("of version 99, and this release knows 1")
    assert len(told.calls) == 3 and ledger.path.read_bytes() == content


# --- gc ---------------------------------------------------------------------------------------------------------------

LONG_AGO = datetime(2026, 1, 1, tzinfo=timezone.utc)


def aged(door: Door, run_id: str) -> None:
    """As if a run had been made, and its end seen, long ago."""
    ledger = ledger_of(door)
    run = ledger.load(run_id)
    assert run is not None
    old = json.loads(run.to_json())
    moment = LONG_AGO.strftime("%Y-%m-%dT%H:%M:%SZ")
    old["created_at"] = moment
    for one in old["tries"]:
        one["planned_at"] = moment
        one["finished_at"] = moment if one["finished_at"] else ""
        one["history"] = [{**seen, "at": moment} for seen in one["history"]]
    ledger.save(Run.from_json(json.dumps(old)))
    for path, node in door.webhdfs.nodes.items():
        if path.startswith(f"{CLAIMS}/{run_id}"):
            node.modified_ms = int(LONG_AGO.timestamp() * 1000)


def claimed(door: Door) -> set[str]:
    names = {
        path.removeprefix(f"{CLAIMS}/").partition("/")[0] for path in door.webhdfs.nodes if path.startswith(CLAIMS)
    }
    return names - {CLAIMS, ""}


def test_gc_sweeps_the_traces_of_runs_that_ended_long_ago(told: Door) -> None:
    told.rm.start()
    for run_id in ("good", "live"):
        aged(told, run_id)
    folder = ledger_of(told).folder
    shown = told.run("gc", "--dry-run")
    assert shown.code == 0, shown.err
    assert "good  to delete: record and claims, ended long ago" in shown.out
    assert ": 1 run to delete; " in shown.out
    assert "1 kept: not known to have ended" in shown.out and "1 kept: ended lately" in shown.out
    assert claimed(told) == {"good", "bad", "live"} and (folder / "good.json").exists()
    swept = told.run("gc", "--json").json
    assert {row["run_id"]: row["delete"] for row in swept["runs"]} == {"good": True, "bad": False, "live": False}
    assert {run.run_id for run in ledger_of(told).runs()} == claimed(told) == {"bad", "live"}
    assert not (folder / "good.json").exists() and not (folder / ".good.lock").exists()
    assert (folder / ".bad.lock").exists()


def test_gc_takes_the_end_of_a_run_that_nobody_waited_for_from_the_cluster(told: Door) -> None:
    told.rm.start()
    aged(told, "live")
    (live,) = [app for app in told.rm.applications.values() if "run:live" in app.fields["applicationTags"]]
    live.end("FINISHED", "SUCCEEDED", "")
    live.fields["finishedTime"] = int(LONG_AGO.timestamp() * 1000)
    assert "live  deleted" in told.run("gc").out
    assert "live" not in claimed(told)


def test_gc_sweeps_claims_of_other_hosts_only_when_their_end_is_known(told: Door) -> None:
    told.rm.start()
    for run_id in ("good", "bad", "live"):
        aged(told, run_id)
    told.forget_records()
    forgotten = next(app for app in told.rm.applications.values() if "run:bad" in app.fields["applicationTags"])
    for app in list(told.rm.applications.values()):
        if "run:good" in app.fields["applicationTags"]:
            app.fields["finishedTime"] = int(LONG_AGO.timestamp() * 1000)
    del told.rm.applications[str(forgotten.fields["id"])]
    rows = {row["run_id"]: (row["delete"], row["reason"]) for row in told.run("gc", "--json").json["runs"]}
    assert rows["good"][0] is True
    assert rows["bad"] == rows["live"] == (False, "not known to have ended")
    assert claimed(told) == {"bad", "live"}


def test_gc_deletes_nothing_while_the_cluster_does_not_answer(told: Door) -> None:
    aged(told, "good")
    assert told.run("gc").code == 5
    told.rm.start()
    told.webhdfs.fail["LISTSTATUS"] = Remote(403, "SafeModeException", "Name node is in safe mode.")
    assert told.run("gc").code in (4, 5)
    assert ledger_of(told).load("good") is not None and "good" in claimed(told)


def test_gc_leaves_a_run_alone_that_is_being_submitted(told: Door) -> None:
    told.rm.start()
    aged(told, "bad")
    told.submits(SUCCEEDED)
    gate = told.holds()
    repeat = told.submitting("--run-id", "bad", "-n", "nightly-load", "-q", "ml-queue")
    repeat.wait_until_said("try 2")
    assert "bad  deleted" not in told.run("gc").out
    gate.touch()
    assert repeat.end().code == 0
    assert "bad" in claimed(told)


def test_gc_on_backend_local_sweeps_records(laptop: Door) -> None:
    assert laptop.submit("--run-id", "good").code == 0
    aged(laptop, "good")
    assert "good  deleted: record, ended long ago" in laptop.run("gc").out
    assert ledger_of(laptop).runs() == []
