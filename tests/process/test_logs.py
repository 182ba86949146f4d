"""``logs``: sources, selection, raw bytes, following; against servers that answer as recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.canned_logs import TIME_MS, CannedLogs, site
from tests.process.door import RUNNING, SUCCEEDED, Door, Outcome, until

STDOUT = "driver marker äö€ ".encode() + b"\x00\xff\xfe\x80 end\nEnd of LogType:stdout\n***\nContainer: x on y\nlast"
STDERR = b"".join(b"line %d of stderr\n" % number for number in range(1, 2001))
EXECUTOR = b"executor marker \xc3\xa4\x00\xff\n"


def container(application_id: str, number: int, attempt: int = 1) -> str:
    return f"{application_id.replace('application', 'container')}_{attempt:02d}_{number:06d}"


@pytest.fixture
def logs(door: Door) -> Iterator[CannedLogs]:
    """NodeManager and history server, named in the door's configuration."""
    with CannedLogs() as server:
        (door.folder / "conf" / "yarn-site.xml").write_text(site(door.rm.url, server.url))
        yield server


def add(door: Door, logs: CannedLogs, *steps: object, fields: dict[str, object] | None = None) -> str:
    """An application with a driver and an executor, whose logs the servers have."""
    named: list[object] = list(steps) or [SUCCEEDED]
    number = len(door.rm.applications) + 1
    driver = container(f"application_1700000000000_{number:04d}", 1)
    link = {
        "amContainerLogs": f"{logs.url}/node/containerlogs/{driver}/alice",
        "amHostHttpAddress": logs.url.removeprefix("http://"),
    }
    plain = [(step[0], step[1], {**link, **step[2], **(fields or {})}) for step in named]  # type: ignore[index]
    application_id = door.rm.add("job", steps=plain)
    logs.containers[driver] = {"prelaunch.err": b"", "stderr": STDERR, "stdout": STDOUT}
    logs.containers[container(application_id, 2)] = {"stderr": EXECUTOR, "stdout": b""}
    return application_id


def run(door: Door, *arguments: str) -> tuple[Outcome, bytes]:
    """A call whose stdout may be no text."""
    running = door.start("logs", *arguments)
    running.process.wait(timeout=60)
    out = running._out.read_bytes()
    return Outcome(running.process.returncode, "", running.err), out


def test_one_file_is_its_bytes(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    outcome, out = run(door, application_id, "--file", "stdout")
    assert (outcome.code, out) == (0, STDOUT), outcome.err
    assert outcome.said(f"from JobHistoryServer 127.0.0.1:{logs.port}")
    assert "partial" not in outcome.err


def test_the_default_is_the_drivers_output_with_a_line_above_each_file(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    outcome, out = run(door, application_id, "--tail", "2")
    driver = container(application_id, 1)
    expected = (
        f"==> {driver}/stderr (localhost:8041, {len(STDERR) / 1024:.1f} KiB) <==\n".encode()
        + b"line 1999 of stderr\nline 2000 of stderr\n\n"
        + f"==> {driver}/stdout (localhost:8041, {len(STDOUT)} B) <==\n".encode()
        + b"Container: x on y\nlast"
    )
    assert (outcome.code, out) == (0, expected), outcome.err


def test_list_and_its_json(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    listed = door.run("logs", application_id, "--list", "--json").json
    assert [(one["container_id"][-6:], one["role"], one["file"], one["size_bytes"]) for one in listed] == [
        ("000001", "driver", "prelaunch.err", 0),
        ("000001", "driver", "stderr", len(STDERR)),
        ("000001", "driver", "stdout", len(STDOUT)),
        ("000002", "executor", "stderr", len(EXECUTOR)),
        ("000002", "executor", "stdout", 0),
    ]
    assert listed[0]["modified_ms"] == TIME_MS and listed[0]["node"] == "localhost:8041"
    assert listed[0]["complete"] is True and listed[0]["attempt"] == 1
    table = door.run("logs", application_id, "--list", "--executors").out.splitlines()
    assert table[0].split() == ["container", "role", "node", "file", "size", "modified"]
    assert [line.split()[3] for line in table[1:]] == ["stderr", "stdout"]


def test_grep_goes_through_all_containers(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    outcome, out = run(door, application_id, "--grep", "marker")
    assert out.split(b"\n")[:2] == [
        f"{container(application_id, 1)}/stdout:1:".encode() + STDOUT.split(b"\n")[0],
        f"{container(application_id, 2)}/stderr:1:".encode() + EXECUTOR[:-1],
    ], outcome.err
    outcome, out = run(door, application_id, "--driver", "--grep", "line 1.* of", "--tail", "1")
    assert out == f"{container(application_id, 1)}/stderr:1999:line 1999 of stderr\n".encode()
    logs.containers[container(application_id, 1)]["std\x1b[2Jout"] = b"marker of nobody\n"
    outcome, out = run(door, application_id, "--grep", "of nobody", "--file", "*")
    assert out == f"{container(application_id, 1)}/std?[2Jout:1:marker of nobody\n".encode(), outcome.err
    outcome, out = run(door, application_id, "--grep", "no such text")
    assert (outcome.code, out) == (0, b"") and outcome.said("no line matches")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "logs needs"),
        (("ID", "--json"), "--json goes with --list only"),
        (("ID", "--list", "--follow"), "exclude each other"),
        (("ID", "--out", "d", "--tail", "3"), "exclude each other"),
        (("ID", "--out", ""), "--out is empty"),
        (("ID", "--grep", "("), "is not a regular expression"),
        (("ID", "--since", "10"), "missing unit"),
        (("ID", "--container", "00000"), "no container 00000"),
        (("ID", "--container", "1"), "fits 2 containers"),
        (("ID", "--attempt", "7"), "there are logs of attempt 1"),
        (("ID", "--file", "nofile"), "no file nofile"),
        (("ID", "--source", "nowhere"), "Invalid value for '--source'"),
    ],
)
def test_what_can_not_be_meant(door: Door, logs: CannedLogs, arguments: tuple[str, ...], text: str) -> None:
    application_id = add(door, logs)
    logs.containers[container(application_id, 11)] = {"stdout": b"x"}
    outcome = door.run("logs", *(application_id if word == "ID" else word for word in arguments))
    assert outcome.code == (4 if "no " in text[:3] or "attempt" in text else 2), outcome.err
    assert outcome.out == "" and outcome.said(text) and outcome.err.count("error: ") == 1


def test_since_looks_at_the_files_time(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    outcome, out = run(door, application_id, "--since", "1s", "--file", "stdout")
    assert (outcome.code, out) == (0, b"") and outcome.said("no file is that new")
    outcome, out = run(door, application_id, "--since", "36500d", "--file", "stdout")
    assert out == STDOUT


def test_out_writes_whole_files_and_follows_no_link(door: Door, logs: CannedLogs, tmp_path: Path) -> None:
    application_id = add(door, logs)
    outcome = door.run("logs", application_id, "--out", "kept logs")
    folder = door.work / "kept logs"
    assert (outcome.code, outcome.out) == (0, f"{folder}\n"), outcome.err
    driver = folder / container(application_id, 1)
    assert (driver / "stdout").read_bytes() == STDOUT and (driver / "stderr").read_bytes() == STDERR
    assert sorted(path.name for path in driver.iterdir()) == ["prelaunch.err", "stderr", "stdout"]
    target = tmp_path / "precious"
    target.write_text("mine")
    (driver / "stdout").unlink()
    (driver / "stdout").symlink_to(target)
    outcome = door.run("logs", application_id, "--out", "kept logs")
    assert outcome.code == 2 and outcome.said("symbolic link") and target.read_text() == "mine"


def test_a_reader_that_goes_away_is_141(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    logs.containers[container(application_id, 1)]["stdout"] = b"x" * 5_000_000
    running = door.start("logs", application_id, "--file", "stdout", stdout=subprocess.PIPE)
    assert running.process.stdout is not None
    running.process.stdout.read(10)
    running.process.stdout.close()
    assert running.process.wait(timeout=60) == 141, running.err


def test_a_forgotten_application_is_looked_for_as_its_owners(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    del door.rm.applications[application_id]
    outcome, out = run(door, application_id, "--owner", "alice", "--file", "stdout")
    assert (outcome.code, out) == (0, STDOUT)
    assert outcome.said("has forgotten", "as alice's")


def test_logs_outlive_a_resource_manager_that_is_down(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    door.rm.stop()
    outcome, out = run(door, application_id, "--file", "stdout")
    assert (outcome.code, out) == (0, STDOUT), outcome.err
    assert outcome.said("the ResourceManager can't be asked")


def test_when_no_source_serves_the_error_names_them_all(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    logs.too_old = True
    outcome = door.run("logs", application_id)
    assert (outcome.code, outcome.out) == (4, ""), outcome.err
    assert outcome.said("is to be had", "JobHistoryServer", "no program yarn on PATH")
    logs.too_old = False
    logs.refuse = {entry for entry in (os.environ.get("USER", ""), "root", "alice") if entry}
    refused = door.run("logs", application_id, "--source", "jhs", env={"HADOOP_USER_NAME": "alice"})
    assert refused.code == 4 and refused.said("not authorized to view the logs")


def test_the_wait_for_aggregation_has_an_end(door: Door, logs: CannedLogs) -> None:
    now_ms = int(door.folder.stat().st_mtime * 1000)
    fields: dict[str, object] = {"logAggregationStatus": "NOT_START", "finishedTime": now_ms}
    application_id = add(door, logs, fields=fields)
    outcome, out = run(door, application_id, "--wait-for", "500ms", "--file", "stdout")
    assert (outcome.code, out) == (0, STDOUT), outcome.err
    assert outcome.said("waiting at most 0.5 s", "partial:", "NOT_START")


def test_the_nodes_serve_while_they_upload(door: Door, logs: CannedLogs) -> None:
    now_ms = int(door.folder.stat().st_mtime * 1000)
    fields: dict[str, object] = {"logAggregationStatus": "RUNNING", "finishedTime": now_ms}
    application_id = add(door, logs, fields=fields)
    logs.aggregated, logs.at_node = False, True
    outcome, out = run(door, application_id, "--wait-for", "0", "--file", "stdout")
    assert (outcome.code, out) == (0, STDOUT), outcome.err
    assert outcome.said(f"from NodeManager 127.0.0.1:{logs.port}", "partial:")


def test_a_running_application_is_read_from_its_node(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs, RUNNING)
    logs.aggregated, logs.at_node = False, True
    outcome, out = run(door, application_id, "--file", "stdout")
    assert (outcome.code, out) == (0, STDOUT), outcome.err
    assert outcome.said(f"from NodeManager 127.0.0.1:{logs.port}", "partial:", "is running")
    waiting = door.rm.add("waits", steps=[("ACCEPTED", "UNDEFINED", {})])
    outcome = door.run("logs", waiting)
    assert outcome.code == 4 and outcome.said("ACCEPTED", f"logs {waiting} --follow")


def test_follow_ends_with_the_application_and_loses_nothing(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs, RUNNING)
    driver = container(application_id, 1)
    logs.aggregated, logs.at_node = False, True
    logs.containers[driver]["stdout"] = b"one\n"
    running = door.start("logs", application_id, "--follow", "--file", "stdout")
    until(lambda: running._out.read_bytes() == b"one\n", "the first line is shown")
    logs.containers[driver]["stdout"] += b"two \xff\n" + b"x" * 50_000 + b"\nthr"
    until(lambda: running._out.read_bytes().endswith(b"\nthr"), "what came since is shown")
    logs.at_node = False  # the container is gone, and its last words with it until they are aggregated
    logs.containers[driver]["stdout"] += b"ee\nlast\n"
    logs.aggregated = True
    door.rm.applications[application_id].end("FINISHED", "SUCCEEDED", "")
    running.process.wait(timeout=60)
    assert running._out.read_bytes() == logs.containers[driver]["stdout"]
    assert running.process.returncode == 0
    assert f"from JobHistoryServer 127.0.0.1:{logs.port}" in running.err and "FINISHED, SUCCEEDED" in running.err


def test_a_signal_ends_the_following_only(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs, RUNNING)
    logs.aggregated, logs.at_node = False, True
    running = door.start("logs", application_id, "--follow", "--grep", "marker", "--driver")
    until(lambda: b"driver marker" in running._out.read_bytes(), "the first match is shown")
    running.send(signal.SIGINT)
    assert running.process.wait(timeout=60) == 130
    assert "no longer following" in running.err and door.rm.kills == []


def test_the_yarn_program_is_the_last_resort(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    driver = container(application_id, 1)
    logs.too_old = True
    text = (
        f"Container: {driver} on {'localhost_8041'}\nLogAggregationType: AGGREGATED\n====\nLogType:stdout\n"
        f"LogLastModifiedTime:Sat Nov 21 11:48:52 +0000 2026\nLogLength:{len(STDOUT)}\nLogContents:\n"
    )
    (door.folder / "framed").write_bytes(
        b"INFO a line of its own log\n" + text.encode() + STDOUT + b"\nEnd of LogType\n"
    )
    (door.folder / "listed").write_text(
        f"Container: {driver} on localhost_8041\n=====\n  LogFile \t LogLength \t LastModificationTime \t Type\n====\n"
        f"   stdout\t   {len(STDOUT)}\tSat Nov 21 11:48:52 +0000 2026\t   AGGREGATED\n"
    )
    program = door.folder / "bin" / "yarn"
    program.write_text(
        "#!/usr/bin/env bash\n"
        f'echo "$*" >>{door.folder}/asked\n'
        f'case "$*" in *-show_container_log_info*) file=listed;; *) file=framed;; esac\n'
        f"exec {os.path.realpath('/bin/cat')} {door.folder}/$file\n"
    )
    program.chmod(0o755)
    outcome, out = run(door, application_id, "--owner", "alice")
    assert (outcome.code, out) == (0, STDOUT), outcome.err
    assert outcome.said("from yarn logs")
    assert f"logs -applicationId {application_id} -appOwner alice" in (door.folder / "asked").read_text()


def test_a_local_run(laptop: Door) -> None:
    laptop.recorder(stderr="printed by the driver\n")
    submitted = laptop.run("submit", "-t", "custom", "--run-id", "r1")
    assert submitted.code == 0, submitted.err
    (log,) = laptop.state.glob("local/r1/1/driver.log")
    outcome, out = run(laptop, "r1")
    assert (outcome.code, out) == (0, log.read_bytes()), outcome.err
    assert outcome.said("from this host")
    assert laptop.run("logs", "local-r1", "--list", "--json").json[0]["file"] == "driver.log"
    assert laptop.run("logs", "local-r1", "--source", "jhs").code == 2


def test_only_what_is_needed_is_loaded(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs)
    program = door.changed_program()
    script = Path(program[1])
    text = script.read_text().splitlines()
    report = "import json, atexit; atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))"
    kept = [line for line in text if "launchers" not in line and "operations" not in line]
    script.write_text("\n".join([kept[0], report, *kept[1:]]) + "\n")
    outcome = door.run("logs", application_id, "--tail", "1", program=program)
    loaded = json.loads(outcome.err.strip().splitlines()[-1])
    heavy = {"requests", "rich", "hdfs", "urllib3", "logging.handlers", "batch_submit.adapters.webhdfs"}
    assert outcome.code == 0 and heavy & set(loaded) == set()


def test_following_bears_a_resource_manager_that_does_not_know_it_for_a_while(door: Door, logs: CannedLogs) -> None:
    application_id = add(door, logs, RUNNING)
    driver = container(application_id, 1)
    logs.aggregated, logs.at_node = False, True
    logs.containers[driver]["stdout"] = b"one\n"
    running = door.start("logs", application_id, "--follow", "--file", "stdout")
    until(lambda: running._out.read_bytes() == b"one\n", "the first line is shown")
    known = door.rm.applications.pop(application_id)
    running.wait_until_said("asking on for")
    door.rm.applications[application_id] = known
    logs.containers[driver]["stdout"] += b"two\n"
    until(lambda: running._out.read_bytes() == b"one\ntwo\n", "it goes on")
    logs.at_node, logs.aggregated = False, True
    known.end("FINISHED", "SUCCEEDED", "")
    assert running.process.wait(timeout=60) == 0
