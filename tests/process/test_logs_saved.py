"""``save_logs``: the logs of a run that has ended, kept whole; a failure to keep them is not the run's."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.process.canned_logs import CannedLogs, site
from tests.process.canned_webhdfs import Remote
from tests.process.door import RUNNING, SUCCEEDED, Door

STDOUT = b"printed by the driver \x00\xff\n"
FAILED = ("FINISHED", "FAILED", {"diagnostics": "User application exited with status 1"})
APP = "application_1700000000000_0001"
DRIVER = "container_1700000000000_0001_01_000001"
#: The canned ResourceManager's time of the first start, in the local zone.
DAY = datetime.fromtimestamp(1_700_000_001).astimezone().strftime("%Y-%m-%d")
FOLDER = f"/ml-pipeline/logs/{DAY}/nightly/{APP}"
SUBMIT = ("--name", "Nightly", "--save-logs")


@pytest.fixture
def logs(door: Door) -> Iterator[CannedLogs]:
    """A history server that will have the logs of the first application."""
    with CannedLogs() as server:
        (door.folder / "conf" / "yarn-site.xml").write_text(site(door.rm.url, server.url))
        server.containers[DRIVER] = {"stdout": STDOUT, "prelaunch.err": b""}
        yield server


def saved(door: Door) -> dict[str, bytes]:
    """The files that lie under logs/, by their path below it."""
    inside = {name: node.data for name, node in door.webhdfs.nodes.items() if name.startswith("/ml-pipeline/logs/")}
    return {name: data for name, data in inside.items() if data is not None}


def test_the_logs_of_a_run_lie_under_day_name_and_application(door: Door, logs: CannedLogs) -> None:
    door.submits(RUNNING, SUCCEEDED)
    outcome = door.submit(*SUBMIT)
    assert outcome.code == 0, outcome.err
    assert saved(door) == {f"{FOLDER}/{DRIVER}/stdout": STDOUT, f"{FOLDER}/{DRIVER}/prelaunch.err": b""}
    assert outcome.said(f"logs:    {FOLDER} (2 files, ")
    assert outcome.out == f"{APP}\n"


def test_a_failed_run_keeps_its_logs_and_its_exit_code(door: Door, logs: CannedLogs) -> None:
    door.submits(RUNNING, FAILED)
    outcome = door.submit(*SUBMIT)
    assert outcome.code == 1, outcome.err
    assert f"{FOLDER}/{DRIVER}/stdout" in saved(door)


def test_the_configuration_asks_and_the_flag_refuses(door: Door, logs: CannedLogs) -> None:
    text = (door.work / "job_config.yaml").read_text()
    door.write_config(text.replace("execution:", "execution:\n  save_logs: true"))
    assert door.submit("--name", "Nightly", "--no-save-logs").code == 0
    assert saved(door) == {}
    attached = door.run("wait", APP)
    assert attached.code == 0 and saved(door) != {}, attached.err
    again = door.run("wait", APP)
    assert again.code == 0 and again.said("(saved before)")


@pytest.mark.parametrize("operation", ["CREATE", "MKDIRS", "RENAME", "GETFILESTATUS"])
def test_what_goes_wrong_is_a_warning_and_leaves_nothing_half(door: Door, logs: CannedLogs, operation: str) -> None:
    door.webhdfs.fail[operation] = Remote(403, "AccessControlException", "Permission denied: user=x")
    outcome = door.submit(*SUBMIT)
    assert outcome.code == 0, outcome.err
    assert outcome.said("warning: the logs were not saved", "Permission denied")
    assert [name for name in saved(door) if not posixpath.basename(name).startswith(".")] == []


def test_a_history_server_that_is_down_is_a_warning(door: Door, logs: CannedLogs) -> None:
    logs.aggregated = False
    outcome = door.submit(*SUBMIT)
    assert outcome.code == 0 and outcome.said("warning: the logs were not saved"), outcome.err
    assert saved(door) == {}


def test_without_waiting_nobody_can_save(door: Door) -> None:
    outcome = door.submit("--no-wait", "--save-logs")
    assert outcome.code == 2 and outcome.said("--save-logs needs the waiting") and door.calls == []


def test_a_local_run_keeps_the_drivers_output(laptop: Door) -> None:
    laptop.recorder(stderr="printed by the driver\n")
    outcome = laptop.submit("--run-id", "r1", "--name", "Nightly", "--save-logs")
    assert outcome.code == 0, outcome.err
    (kept,) = laptop.work.glob("ml-pipeline/logs/*/nightly/local-r1/local-r1/driver.log")
    (log,) = laptop.state.glob("local/r1/1/driver.log")
    assert kept.read_bytes() == log.read_bytes() != b""
    assert [path.name for path in kept.parents[1].parent.iterdir()] == ["local-r1"]
