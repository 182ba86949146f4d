"""The ledger among processes: written by several at once, by one that is killed, gone, locked or full in mid-run."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from batch_submit.ledger import Run, SqliteLedger
from tests.process.door import PATIENCE_S, REPOSITORY, RUNNING, SUCCEEDED, Door, until

#: Adds one to a counter in one run, again and again, and makes a run of its own each time.
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from batch_submit.ledger import Run, SqliteLedger, Try, TryState
folder, who, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ledger = SqliteLedger(folder)
empty = Run("both", "n", "custom", "yarn", "c", "u", "h", "2026-01-01T00:00:00Z", "2026-01-01", "f", {})
print("ready", flush=True)
sys.stdin.readline()
for count in range(times):
    ledger.update(empty, lambda run: replace(run, params={**run.params, who: run.params.get(who, 0) + 1}))
    one = Try(1, TryState.PLANNED, "t").passed("PLANNED", "t").passed("LAUNCHING", "t")
    ledger.update(replace(empty, run_id=f"{who}-{count}"), lambda run: run.with_try(one))
"""


def writer(folder: Path, who: str, times: int) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'deploy/hadoop'}:{REPOSITORY}"}
    command = [sys.executable, "-c", WRITER, str(folder), who, str(times)]
    return subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def whole(ledger: SqliteLedger) -> bool:
    with closing(sqlite3.connect(ledger.path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_what_several_processes_write_at_once_is_all_there(tmp_path: Path) -> None:
    """They also race for making the file."""
    folder, times = tmp_path / "runs", 40
    processes = [writer(folder, who, times) for who in ("a", "b", "c")]
    go(*processes)
    for process in processes:
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    ledger = SqliteLedger(folder)
    both = ledger.load("both")
    assert both is not None and both.params == {"a": times, "b": times, "c": times}
    assert len(ledger.runs()) == 3 * times + 1 and whole(ledger)
    assert len(list(folder.glob("[!.]*.json"))) == 3 * times + 1
    assert list(folder.glob(".*.json.*")) == []


def test_a_writer_that_is_killed_leaves_whole_records(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    ledger = SqliteLedger(folder)
    before = 0
    for number in range(8):
        process = writer(folder, f"w{number}", 100_000)
        go(process)
        seen = before

        def grown() -> bool:
            return len(ledger.runs()) > seen + number  # another moment each time  # noqa: B023

        until(grown, "it has written something")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
        runs = ledger.runs()
        assert whole(ledger) and len(runs) > before
        assert all(len(run.tries) == 1 and len(run.tries[0].history) == 2 for run in runs if run.run_id != "both")
        before = len(runs)


def ledger_of(door: Door) -> SqliteLedger:
    (place,) = door.state.glob("runs/*/*/ledger.db")
    return SqliteLedger(place.parent)


@pytest.mark.parametrize("what", ["deleted", "truncated", "overwritten", "all records deleted"])
def test_a_ledger_that_is_lost_in_mid_run_changes_no_exit_code(door: Door, what: str) -> None:
    """And the run is found on record afterwards: in the new ledger, or in its export."""
    door.quick().submits(RUNNING)
    waiting = door.submitting("--run-id", "r1")
    waiting.wait_until_said("RUNNING")
    ledger = ledger_of(door)
    if what == "truncated":
        os.truncate(ledger.path, ledger.path.stat().st_size // 2)
    elif what == "overwritten":
        ledger.path.write_bytes(b"x" * 50_000)
    else:
        for path in ledger.folder.glob("[!.]*" if what.startswith("all") else "ledger.db*"):
            path.unlink()
    door.application.end("FINISHED", "SUCCEEDED", "")
    outcome = waiting.end()
    assert (outcome.code, outcome.out) == (0, f"{door.application_id}\n"), outcome.err
    damaged = what in ("truncated", "overwritten")
    assert outcome.err.count("warning: ") == (1 if damaged else 0)
    found = ledger.load("r1")
    assert found is not None and found.last is not None and found.last.result == "succeeded"
    again = door.submit("--run-id", "r1")
    assert again.code == 0 and again.said("already succeeded") and len(door.calls) == 1


def test_a_ledger_that_another_program_holds_is_waited_for_and_then_done_without(door: Door) -> None:
    door.quick()
    assert door.submit("--run-id", "first").code == 0
    with closing(sqlite3.connect(ledger_of(door).path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        program = door.changed_program(
            "watch._FIRST_POLL_S = 0.1", "from batch_submit.ledger import store; store.BUSY_S = 0.3"
        )
        outcome = door.submit("--run-id", "r1", program=program)
        assert (outcome.code, outcome.out.count("\n")) == (0, 1), outcome.err
        assert outcome.err.count("warning: ") == 1 and outcome.said("database is locked", "fuser ledger.db")
        refused = door.submit("--run-id", "r2", "--claim", "none", program=program)
        assert (refused.code, refused.out, len(door.calls)) == (3, "", 2), refused.err
        other.execute("ROLLBACK")
    assert door.run("ledger", "rebuild").code == 0
    states = {run.run_id: run.tries[-1].state.value for run in ledger_of(door).runs()}
    assert states == {"first": "FINISHED", "r1": "FINISHED", "r2": "PLANNED"}
    again = door.submit("--run-id", "r1")
    assert again.code == 0 and again.said("already succeeded"), again.err


def test_on_a_full_disk_a_claimed_run_goes_on_and_another_is_refused(door: Door) -> None:
    """A file system of 200 kB of its own, in namespaces of its own."""
    disk = door.folder / "disk"
    disk.mkdir()
    unshare = shutil.which("unshare")
    mounts = f'mount -t tmpfs -o size=200k tmpfs {disk} && exec "$@"'
    prefix = [str(unshare), "--user", "--map-root-user", "--mount", "sh", "-c", mounts, "sh"]
    if unshare is None or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this host lets nobody make a namespace with a file system of its own")
    env = {"XDG_STATE_HOME": str(disk), "PATH": f"{door.env['PATH']}:{os.environ['PATH']}", "TMPDIR": str(door.folder)}
    script = door.folder / "full.sh"
    door.quick()
    calls = " ".join(f"'{word}'" for word in door.program)
    script.write_text(
        f'set -u\n{calls} submit -t custom --run-id first; echo "@ $?" >&2\n'
        f"head -c 300000 /dev/zero > {disk}/filler 2>/dev/null\n"
        f'{calls} submit -t custom --run-id r1; echo "@ $?" >&2\n'
        f'{calls} submit -t custom; echo "@ $?" >&2\n'
        f'{calls} submit -t custom --run-id r2 --claim none; echo "@ $?" >&2\n'
        f'rm {disk}/filler\n{calls} submit -t custom --run-id first; echo "@ $?" >&2\n{calls} history >&2\n'
    )
    outcome = door.run(program=[*prefix, "bash", str(script)], env=env)
    parts = outcome.err.split("@ ")
    codes = [part.partition("\n")[0] for part in parts[1:]]
    assert codes == ["0", "0", "0", "3", "0"], outcome.err
    for number in (1, 2):
        assert parts[number].count("warning: ") == 1 and "free some space" in parts[number], outcome.err
    assert "already succeeded" in parts[4] and len(door.calls) == 3, outcome.err
    assert "first" in parts[5]


def test_the_records_of_the_json_release_are_taken_over_by_whatever_comes_first(door: Door) -> None:
    door.quick()
    door.submits(("FINISHED", "FAILED", {}))
    assert door.submit("--run-id", "r1").code == 1
    for path in ledger_of(door).folder.glob("ledger.db*"):
        path.unlink()
    listed = door.run("list", "--states", "all", "--json")
    assert listed.code == 0 and listed.said("took 1 run record over into")
    assert [row["job_type"] for row in listed.json] == ["custom"]
    door.submits(SUCCEEDED)
    again = door.submit("--run-id", "r1")
    assert again.code == 0 and "took" not in again.err
    run = ledger_of(door).load("r1")
    assert isinstance(run, Run) and [one.number for one in run.tries] == [1, 2]
