"""``diagnose``, and the same diagnosis at the end of ``submit`` and ``wait``; logs served as a history server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.canned_logs import CannedLogs, site
from tests.process.canned_rm import Mode
from tests.process.door import RUNNING, SUCCEEDED, Door, Step

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "diagnosis"
APP = "application_1700000000000_0001"
DRIVER = "container_1700000000000_0001_01_000001"


@pytest.fixture
def logs(door: Door) -> Iterator[CannedLogs]:
    """A history server, named in the door's configuration."""
    with CannedLogs() as server:
        (door.folder / "conf" / "yarn-site.xml").write_text(site(door.rm.url, server.url))
        yield server


def steps_of(case: str, logs: CannedLogs) -> list[Step]:
    """A golden case as the end of an application here, its logs on the history server."""
    app = json.loads((GOLDEN / case / "report.json").read_text(encoding="utf-8"))["app"]
    for path in (GOLDEN / case).glob("container_*.txt"):
        container, _, file = path.name.removesuffix(".txt").partition(".")
        here = f"{APP.replace('application', 'container')}_{'_'.join(container.split('_')[-2:])}"
        content = path.read_bytes().replace(app["id"].removeprefix("application").encode(), b"_1700000000000_0001")
        logs.containers.setdefault(here, {})[file] = content
    link = f"{logs.url}/node/containerlogs/{DRIVER}/alice"
    fields: dict[str, Any] = {
        "diagnostics": app["diagnostics"],
        "amContainerLogs": link if app.get("amContainerLogs") else "",
        "launchTime": app["launchTime"],
    }
    return [(app["state"], app["finalStatus"], fields)]


def test_one_screen_with_cause_evidence_remedy_and_the_next_command(door: Door, logs: CannedLogs) -> None:
    door.rm.add("job", steps=steps_of("python_exception", logs))
    outcome = door.run("diagnose", APP)
    lines = outcome.out.splitlines()
    assert outcome.code == 0, outcome.err
    assert lines[0].startswith(f"{APP}: failed") and lines[0].endswith("(state FINISHED, final status FAILED)")
    cause = "the driver's Python script failed with ValueError: no label column named in the parameters"
    assert lines[1] == f"  probable cause: {cause} (failing_job.py, line 25)"
    assert lines[2] == f"  evidence: lines 1-14 of stdout in {DRIVER} (driver)"
    assert lines[3] == "    Traceback (most recent call last):"
    assert "    KeyError: 'label'" in lines
    assert lines[16] == "    ValueError: no label column named in the parameters"
    assert lines[-2].startswith("  remedy: ")
    assert lines[-1].endswith(f"batch_submit.sh logs {APP} --driver")


def test_json_holds_the_lines_as_they_stand_in_the_file(door: Door, logs: CannedLogs) -> None:
    door.rm.add("job", steps=steps_of("udf_exception", logs))
    answer = door.run("diagnose", "-a", APP, "--json").json
    assert (answer["application_id"], answer["result"], answer["diagnosis"]["rule"]) == (APP, "failed", "udf_exception")
    (evidence,) = answer["diagnosis"]["evidence"]
    text = logs.containers[DRIVER]["stdout"].decode().splitlines()
    assert evidence["lines"] == text[evidence["first_line"] - 1 : evidence["last_line"]]
    assert evidence["lines"][-1] == "ZeroDivisionError: integer division or modulo by zero"


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_secret_that_a_job_wrote_into_its_log_is_not_shown(
    door: Door, logs: CannedLogs, flags: tuple[str, ...]
) -> None:
    steps = steps_of("python_exception", logs)
    words = 'no way to postgresql://etl:hunter2@db/x with password=hunter2 and {"api_key": "hunter2"}'
    text = logs.containers[DRIVER]["stdout"].decode()
    logs.containers[DRIVER]["stdout"] = text.replace("no label column named in the parameters", words).encode()
    door.rm.add("job", steps=steps)
    outcome = door.run("diagnose", APP, *flags)
    assert "postgresql://etl:********@db/x" in outcome.out and "ValueError: no way to" in outcome.out
    assert "hunter2" not in outcome.out + outcome.err


def test_executors_are_read_when_the_driver_lost_them(door: Door, logs: CannedLogs) -> None:
    door.rm.add("job", steps=steps_of("executor_heap", logs))
    diagnosis = door.run("diagnose", APP, "--json").json["diagnosis"]
    assert diagnosis["rule"] == "executor_heap"
    assert diagnosis["evidence"][0]["role"] == "executor"
    assert diagnosis["others"][0]["rule"] == "executor_killed"


def test_executors_are_not_read_when_the_driver_tells_enough(door: Door, logs: CannedLogs) -> None:
    door.rm.add("job", steps=steps_of("udf_exception", logs))
    door.run("diagnose", APP)
    assert not any("_000002" in path for path in logs.asked)


def test_of_a_long_log_the_end_is_read_and_its_lines_have_no_numbers(door: Door, logs: CannedLogs) -> None:
    door.rm.add("job", steps=steps_of("python_exception", logs))
    logs.containers[DRIVER]["stdout"] = b"a line that says nothing\n" * 100_000 + logs.containers[DRIVER]["stdout"]
    diagnosis = door.run("diagnose", APP, "--json").json["diagnosis"]
    assert diagnosis["rule"] == "python_exception"
    assert (diagnosis["evidence"][0]["first_line"], diagnosis["evidence"][0]["last_line"]) == (None, None)
    assert f"  evidence: the end of stdout in {DRIVER} (driver)" in door.run("diagnose", APP).out


def test_what_the_resource_manager_tells_needs_no_log(door: Door, logs: CannedLogs) -> None:
    door.rm.add("job", steps=steps_of("driver_virtual_memory", logs))
    diagnosis = door.run("diagnose", APP, "--json").json["diagnosis"]
    assert diagnosis["rule"] == "driver_virtual_memory"
    assert logs.asked == []


def test_without_readable_logs_the_diagnostics_and_the_reason_are_the_answer(door: Door, logs: CannedLogs) -> None:
    door.rm.add("job", steps=steps_of("missing_input", logs))
    logs.refuse.add("alice")
    outcome = door.run("diagnose", APP, env={"HADOOP_USER_NAME": "alice"})
    assert outcome.code == 0, outcome.err
    assert "  cause: not recognised" in outcome.out
    assert "    User application exited with status 1" in outcome.out
    assert "  note: no logs could be read: " in outcome.out
    assert "is not authorized to view the logs" in outcome.out


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (SUCCEEDED, "succeeded; there is nothing to explain"),
        (RUNNING, "still running; there is no end to explain"),
    ],
    ids=["succeeded", "running"],
)
def test_what_did_not_end_badly_is_said_to(door: Door, logs: CannedLogs, step: Step, words: str) -> None:
    door.rm.add("job", steps=[step])
    outcome = door.run("diagnose", APP)
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, f"{APP}: {words}"), outcome.err
    answer = door.run("diagnose", APP, "--json").json
    assert (answer["diagnosis"], answer["result"]) == (None, words.partition(";")[0])
    assert logs.asked == []


def test_a_forgotten_application_is_explained_from_its_logs(door: Door, logs: CannedLogs) -> None:
    steps_of("missing_column", logs)
    outcome = door.run("diagnose", APP)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0] == f"{APP}: the ResourceManager has forgotten it"
    assert outcome.out.splitlines()[1] == "  cause: how it ended is not known"
    seen = "the data has no column `departure_delay`; near it: `id` [missing_column]"
    assert f"  also seen in its logs: {seen}" in outcome.out
    assert "probable cause" not in outcome.out and "remedy" not in outcome.out
    answer = door.run("diagnose", APP, "--json").json
    assert (answer["result"], answer["diagnosis"]["rule"]) == ("unknown", "unknown")


@pytest.mark.parametrize("how", ["forgotten", Mode.HTML_404, Mode.ERROR])
def test_a_recorded_success_is_not_explained_whatever_its_logs_say(
    door: Door, logs: CannedLogs, how: Mode | str
) -> None:
    steps_of("missing_column", logs)
    door.quick()
    door.submits(SUCCEEDED)
    assert door.submit("--run-id", "r1").code == 0
    _lose(door, how)
    for target in ("r1", APP):
        outcome = door.run("diagnose", target)
        assert outcome.code == 0, outcome.err
        assert "this host's record says succeeded; there is nothing to explain" in outcome.out
        assert len(outcome.out.splitlines()) == 1
    answer = door.run("diagnose", "r1", "--json").json
    assert (answer["result"], answer["final_status"], answer["diagnosis"]) == ("succeeded", "SUCCEEDED", None)


def test_a_recorded_failure_is_explained_from_its_logs(door: Door, logs: CannedLogs) -> None:
    door.quick()
    door.submits(*steps_of("missing_column", logs))
    assert door.submit("--run-id", "r1").code == 1
    _lose(door, "forgotten")
    outcome = door.run("diagnose", "r1")
    assert outcome.out.splitlines()[0].endswith("has forgotten it; this host's record says failed")
    assert "  probable cause: the data has no column `departure_delay`; near it: `id`" in outcome.out
    assert door.run("diagnose", "r1", "--json").json["result"] == "failed"


def _lose(door: Door, how: Mode | str) -> None:
    """Make the ResourceManager forget everything, or answer nonsense."""
    if isinstance(how, Mode):
        door.rm.mode = how
    else:
        door.rm.applications.clear()


def test_submit_and_wait_tell_the_same_at_a_bad_end(door: Door, logs: CannedLogs) -> None:
    door.quick()
    door.submits(*steps_of("missing_module", logs))
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (1, f"{APP}\n"), outcome.err
    told = outcome.err[outcome.err.index("  probable cause: ") :]
    assert told.startswith("  probable cause: the Python module feature_store_client is missing where the driver runs")
    assert "    ModuleNotFoundError: No module named 'feature_store_client'" in told
    assert told.splitlines()[-1].endswith(f" logs {APP} --driver")
    waited = door.run("wait", "r1")
    assert waited.code == 1
    assert told in waited.err
    screen = door.run("diagnose", "r1").out.replace("batch-submit logs", told.splitlines()[-1].split()[1] + " logs")
    assert screen.partition("\n")[2] == told


def test_our_timeout_is_known_from_the_record(door: Door, logs: CannedLogs) -> None:
    door.quick()
    steps = steps_of("killed_by_user", logs)
    door.submits(RUNNING, *[RUNNING] * 3, *steps)
    door.submit("--run-id", "r1")
    door.rewrite(reason=f"killed after --timeout (1h){door.last_try['reason']}")
    answer = door.run("diagnose", "r1", "--json").json
    assert answer["diagnosis"]["rule"] == "timed_out"


def test_a_local_run_is_explained_from_its_drivers_output(laptop: Door) -> None:
    laptop.quick()
    text = (GOLDEN / "missing_module/container_1795261034488_0040_01_000001.stdout.txt").read_text(encoding="utf-8")
    laptop.recorder(stderr=text, status=1)
    submitted = laptop.submit("--run-id", "r1")
    assert submitted.code == 1
    assert submitted.err.count("ModuleNotFoundError") == 1  # the driver has said it itself
    assert "probable cause: the Python module feature_store_client is missing" in submitted.err
    outcome = laptop.run("diagnose", "local-r1")
    assert outcome.code == 0, outcome.err
    assert "of driver.log in local-r1 (driver)" in outcome.out
    assert "    ModuleNotFoundError: No module named 'feature_store_client'" in outcome.out


def test_an_unknown_id_and_no_id_are_errors(door: Door) -> None:
    assert door.run("diagnose", "never-heard-of").code == 4
    assert door.run("diagnose").code == 2


def test_an_id_that_nobody_ever_knew_is_an_error(door: Door, logs: CannedLogs) -> None:
    outcome = door.run("diagnose", "application_1700000000000_9999")
    assert (outcome.code, outcome.out) == (4, "")
    assert "nothing is known of application_1700000000000_9999" in outcome.err
    assert " list --all-users" in outcome.err
    logs.containers[DRIVER] = {"stdout": b"x\n"}
    logs.refuse.add("alice")
    hidden = door.run("diagnose", APP, env={"HADOOP_USER_NAME": "alice"})  # its logs are there, so it was there
    assert (hidden.code, "is not authorized to view the logs" in hidden.out) == (0, True), hidden.err
    local = door.run("diagnose", "local-nope")
    assert (local.code, local.out) == (4, "")
    assert "no local run local-nope on this host" in local.err
    assert "ResourceManager" not in local.err
