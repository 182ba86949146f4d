"""How a submitting process may be ended, and what remains: by Airflow, by a closed terminal, by SIGKILL; each launcher.

``test_signals.py`` has single signals to the process. Here they come as they come in life: to the whole group, from a
terminal that goes away, or unannounced. The table in docs/exit-codes.md says the same in words.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.process.canned_rm import Mode
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import RUNNING, Door, Running, until
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager, spark_home
from tests.process.test_signals import take_terminal

LAUNCHERS = ["rest", "spark-submit"]
KILL_ON_EXIT = pytest.mark.parametrize("flags", [[], ["--kill-on-exit"]], ids=["", "kill on exit"])


@pytest.fixture
def rm() -> Iterator[TakingResourceManager]:
    with TakingResourceManager() as server:
        yield server


@pytest.fixture(params=LAUNCHERS)
def host(
    request: pytest.FixtureRequest, tmp_path: Path, rm: TakingResourceManager, webhdfs: CannedWebHdfs
) -> Iterator[Door]:
    """A host whose submissions go by the launcher of the test; they run until somebody ends them."""
    opened = Door(tmp_path, rm, webhdfs)
    opened.env |= {"SPARK_HOME": spark_home(tmp_path), "HADOOP_USER_NAME": "alice"}
    opened.env["BATCH_SUBMIT_EXECUTION__LAUNCHER"] = request.param
    opened.submits(RUNNING)
    yield opened
    opened.close()


def submitting(host: Door, *flags: str, **how: object) -> Running:
    return host.submitting("--run-id", "r1", "--conf", SHARED_JARS, *flags, **how)


def submitted(host: Door) -> int:
    """How often something was launched: posts over REST, and calls of spark-submit."""
    assert isinstance(host.rm, TakingResourceManager)
    return len(host.rm.posted) + len(host.calls)


def waiting(host: Door, *flags: str, **how: object) -> Running:
    running = submitting(host, *flags, **how)
    running.wait_until_said("RUNNING")
    return running


def repeated(host: Door) -> None:
    """The same command again attaches to what goes on, and nothing is launched a second time."""
    launches = submitted(host)
    again = submitting(host)
    again.wait_until_said(f"attached to {host.application_id}")
    host.application.end("FINISHED", "SUCCEEDED", "")
    outcome = again.end()
    assert (outcome.code, outcome.out) == (0, f"{host.application_id}\n"), outcome.err
    assert submitted(host) == launches and len(host.rm.applications) == 1


def run_again_after_kill(host: Door) -> None:
    """The same command again makes a new try."""
    until(lambda: host.last_try["result"] == "killed", "the kill is on record")  # said before it is written
    again = waiting(host)
    assert len(host.rm.applications) == 2 and "try 2" in again.err


@KILL_ON_EXIT
@pytest.mark.parametrize("shell", ["bash stays", "exec"])
def test_a_task_ended_by_airflow(host: Door, flags: list[str], shell: str) -> None:
    """A BashOperator starts bash in a session of its own and sends SIGTERM to its group."""
    command = {"bash stays": '"$0" "$@"; exit $?', "exec": 'exec "$0" "$@"'}[shell]
    running = waiting(host, *flags, program=["bash", "-c", command, *host.program], start_new_session=True)
    os.killpg(running.process.pid, signal.SIGTERM)
    if shell == "exec":
        assert running.process.wait(30) == 143, running.err
    else:
        assert running.process.wait(30) == -signal.SIGTERM  # bash is gone at once, and our process finishes its work
    said = f"{host.application_id}: killed" if flags else f"{host.application_id} goes on running"
    until(lambda: said in running.err, said)
    assert len(host.rm.kills) == len(flags)
    run_again_after_kill(host) if flags else repeated(host)


def test_a_second_signal_leaves_a_kill_unconfirmed(host: Door, rm: TakingResourceManager) -> None:
    rm.kills_are_slow = True
    running = waiting(host, "--kill-on-exit")
    running.send(signal.SIGTERM)
    until(lambda: rm.kills, "the kill is asked for")
    assert running.process.poll() is None
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert outcome.code == 143 and outcome.said("was asked to end and has not yet", "kill application_"), outcome.err
    assert host.last_try["state"] == "SUBMITTED"


def test_what_can_not_be_killed_is_said_to_go_on(host: Door, rm: TakingResourceManager) -> None:
    running = waiting(host, "--kill-on-exit")
    rm.mode = Mode.NONE_ACTIVE
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert outcome.code == 143, outcome.err
    assert outcome.said("could not be killed", f"kill {host.application_id}") and rm.kills == [], outcome.err
    rm.mode = Mode.ACTIVE
    repeated(host)


@KILL_ON_EXIT
def test_a_closed_terminal(host: Door, flags: list[str]) -> None:
    """The kernel sends SIGHUP to the session's foreground group, and nobody reads what we say any more."""
    master, slave = pty.openpty()
    running = submitting(
        host, *flags, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=take_terminal
    )
    os.close(slave)
    seen = b""
    while b"RUNNING" not in seen:
        seen += os.read(master, 4096)
    os.close(master)
    assert running.process.wait(30) == 129
    assert len(host.rm.kills) == len(flags)
    run_again_after_kill(host) if flags else repeated(host)


@KILL_ON_EXIT
def test_sigkill_while_waiting(host: Door, flags: list[str]) -> None:
    """Nothing is asked of us any more, ``--kill-on-exit`` included: the application goes on."""
    running = waiting(host, *flags, "--timeout", "1h")
    running.process.kill()
    running.process.wait()
    assert host.rm.kills == [] and host.last_try["state"] == "SUBMITTED"
    assert host.application.state == "RUNNING"
    assert host.application.expiry != "UNLIMITED", "YARN ends it at --timeout, with nobody waiting"
    repeated(host)


@pytest.fixture
def held(host: Door, rm: TakingResourceManager) -> Iterator[Callable[[], None]]:
    """The launch of `host` is held at its last step, the application being there; calling it lets the launch go on."""
    event = rm.hold_reply_to_post = threading.Event()
    gate = host.holds("wait_after")

    def release() -> None:
        event.set()
        gate.touch()

    yield release
    release()


@KILL_ON_EXIT
def test_a_task_ended_by_airflow_during_the_launch(host: Door, held: Callable[[], None], flags: list[str]) -> None:
    running = submitting(host, *flags, start_new_session=True)
    until(lambda: submitted(host) and host.rm.applications, "the launch is at its last step")
    os.killpg(running.process.pid, signal.SIGTERM)
    held()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (143, f"{host.application_id}\n"), outcome.err
    assert len(host.rm.kills) == len(flags)
    run_again_after_kill(host) if flags else repeated(host)


@KILL_ON_EXIT
def test_sigkill_during_the_launch(host: Door, held: Callable[[], None], flags: list[str]) -> None:
    running = submitting(host, *flags)
    until(lambda: submitted(host) and host.rm.applications, "the launch is at its last step")
    running.process.kill()
    running.process.wait()
    held()
    assert host.rm.kills == [] and host.last_try["state"] == "LAUNCHING"
    repeated(host)


@KILL_ON_EXIT
def test_a_reader_that_goes_away(host: Door, flags: list[str]) -> None:
    """Nobody asked to end anything: it goes on, and the exit code tells that nobody heard the answer."""
    running = submitting(host, *flags, stdout=subprocess.PIPE)
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert running.end().code == 141
    assert host.rm.kills == []
    repeated(host)


def test_sigkill_in_client_mode_leaves_the_driver(door: Door) -> None:
    door.quick().submits(RUNNING)
    gate = door.holds("wait_after")
    running = door.submitting("--run-id", "r1", "--conf", "spark.submit.deployMode=client")
    running.wait_until_said("RUNNING")
    running.process.kill()
    running.process.wait()
    assert Path(f"/proc/{door.call.pid}").exists() and door.rm.kills == []
    gate.touch()
    until(lambda: not Path(f"/proc/{door.call.pid}").exists(), "the driver comes to its own end")


@pytest.mark.parametrize("host", ["rest"], indirect=True)
def test_over_rest_nothing_is_posted_after_a_signal(host: Door, webhdfs: CannedWebHdfs) -> None:
    """What is staged is deleted, and nothing is launched: a signal in the staging comes before the launch."""
    staging = webhdfs.hold_reply_of["CREATE"] = threading.Event()
    running = submitting(host, "--claim", "none")
    try:
        until(lambda: [path for path in webhdfs.nodes if "/.sparkStaging/" in path], "files are staged")
        running.send(signal.SIGTERM)
    finally:
        staging.set()
    outcome = running.end()
    assert (outcome.code, outcome.out) == (143, ""), outcome.err
    assert outcome.said("nothing was submitted"), outcome.err
    assert submitted(host) == 0 and not [path for path in webhdfs.nodes if "application_" in path]
    assert host.last_try["state"] == "NOT_SUBMITTED"
    webhdfs.hold_reply_of.clear()
    again = waiting(host, "--claim", "none")
    assert submitted(host) == 1, again.err
