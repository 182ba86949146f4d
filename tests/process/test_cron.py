"""The shipped crontab, run as cron runs it: its lines, an environment of nothing, and what would be mailed."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.process.canned_webhdfs import Node
from tests.process.door import RECORDER, REPOSITORY, RUNNING, Door, Outcome, Running, until

CRONTAB = REPOSITORY / "deploy" / "cron" / "batch-submit.crontab"
QUIETLY = REPOSITORY / "deploy" / "cron" / "quietly.sh"


class Cron:
    """What cron makes of a crontab (crontab(5)): variables, and commands of which ``%`` ends the first line."""

    def __init__(self, door: Door) -> None:
        self.door = door
        text = CRONTAB.read_text(encoding="utf-8")
        for shipped, here in (
            ("/opt/batch-submit", str(REPOSITORY)),
            ("/etc/hadoop/conf", str(door.folder / "conf")),
            ("/opt/spark", str(self._spark())),
            ("/srv/ml", str(door.work)),
        ):
            assert shipped in text
            text = text.replace(shipped, here)
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        named = [re.fullmatch(r"(\w+)=(.*)", line) for line in lines]
        self.variables = {found[1]: found[2] for found in named if found}
        ((_, self.command),) = [
            re.fullmatch(r"(\S+ +\S+ +\S+ +\S+ +\S+) +(.*)", line).groups()  # type: ignore[union-attr]
            for line, found in zip(lines, named, strict=True)
            if not found
        ]

    def _spark(self) -> Path:
        """A Spark whose spark-submit is the recorder, and a Java beside it; cron's environment names neither folder."""
        home = self.door.folder / "spark"
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "spark-submit").write_text(
            "#!/bin/sh\n"
            f"export RECORDER_FOLDER='{self.door.folder}/recorder'\n"
            f"exec '{sys.executable}' -I -S '{RECORDER}/spark-submit' \"$@\"\n"
        )
        shutil.copy(self.door.folder / "java" / "java", home / "bin" / "java")
        for program in ("spark-submit", "java"):
            (home / "bin" / program).chmod(0o755)
        return home

    def start(self) -> Running:
        """Start the job as cron does: nothing of our environment, a session of its own, output for the mail."""
        command, separator, _ = re.sub(r"(?<!\\)%", "\0", self.command).replace(r"\%", "%").partition("\0")
        assert not separator, "an unescaped % ends the command"
        environment = {
            "HOME": str(self.door.folder / "home"),
            "LOGNAME": pwd.getpwuid(os.getuid()).pw_name,
            "SHELL": "/bin/sh",
            "PATH": "/usr/bin:/bin",
            **self.variables,
            # of this test's host, not of cron's
            "BATCH_SUBMIT_PYTHON": sys.executable,
            "JAVA_HOME": str(self.door.folder / "spark"),
        }
        self.door.env = {}
        return self.door.start(
            program=[environment["SHELL"], "-c", command], env=environment, cwd=Path("/"), start_new_session=True
        )

    def run(self) -> Outcome:
        return self.start().end()


@pytest.fixture
def cron(door: Door) -> Cron:
    door.write_config((REPOSITORY / "job_config.yaml").read_text(encoding="utf-8"))
    door.webhdfs.nodes["/ml-pipeline/data/training/flights.parquet"] = Node()
    return Cron(door)


def test_a_night_that_succeeds_sends_no_mail_and_is_run_once(cron: Cron) -> None:
    assert cron.run() == Outcome(0, "", "")
    assert f"run:nightly-training-{datetime.now():%Y-%m-%d}" in cron.door.call.conf["spark.yarn.tags"].split(",")
    assert cron.door.call.environment["SPARK_HOME"] == cron.variables["SPARK_HOME"]
    assert cron.run() == Outcome(0, "", "") and len(cron.door.calls) == 1  # the next hour's call


def test_a_night_that_fails_is_mailed_with_cause_and_next_step(cron: Cron) -> None:
    cron.door.submits(RUNNING, ("FINISHED", "FAILED", {"diagnostics": "User application exited with status 1"}))
    outcome = cron.run()
    mail = outcome.out
    assert outcome.code == 1 and outcome.err == "", outcome.err
    first, *rest = mail.splitlines()
    assert first.startswith(f"exit code 1 on {os.uname().nodename} of: flock"), mail
    assert cron.door.application_id in rest
    assert "User application exited with status 1" in mail and f"status {cron.door.application_id}" in mail
    assert "\x1b" not in mail and "\r" not in mail, "nothing for a terminal"
    cron.door.submits()
    assert cron.run() == Outcome(0, "", "") and len(cron.door.calls) == 2  # an hour later: a new try


def test_a_mistake_is_mailed_too(cron: Cron) -> None:
    del cron.variables["HADOOP_CONF_DIR"]  # what a login has, and cron has not: never a job on this host in silence
    outcome = cron.run()
    assert (outcome.code, outcome.err, cron.door.calls) == (3, "", []) and "next: " in outcome.out, outcome.out
    shutil.rmtree(cron.door.work)
    gone = cron.run()
    assert gone.code != 0 and str(cron.door.work) in gone.err  # the shell says that one


def test_while_it_runs_the_next_call_is_skipped_in_silence(cron: Cron) -> None:
    cron.door.submits(RUNNING)
    first = cron.start()
    until(lambda: cron.door.calls and cron.door.last_try["state"] == "SUBMITTED", "it is submitted")
    assert cron.run() == Outcome(0, "", "")
    cron.door.application.end("FINISHED", "SUCCEEDED", "")
    assert first.end() == Outcome(0, "", "") and len(cron.door.calls) == 1


def test_a_host_that_was_lost_is_forgotten_by_the_lock_and_not_by_the_run(cron: Cron) -> None:
    cron.door.submits(RUNNING)
    first = cron.start()
    until(lambda: cron.door.calls and cron.door.last_try["state"] == "SUBMITTED", "it is submitted")
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    again = cron.start()
    until(lambda: cron.door.rm.paths().count(f"/ws/v1/cluster/apps/{cron.door.application_id}") > 3, "it attaches")
    cron.door.application.end("KILLED", "KILLED", "killed by an operator")
    outcome = again.end()
    assert outcome.code == 6 and f"attached to {cron.door.application_id}" in outcome.out, outcome.out
    assert len(cron.door.calls) == 1


def quietly(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([QUIETLY, *command], capture_output=True, text=True, timeout=60)


def test_quietly_is_silent_or_says_everything() -> None:
    assert quietly("sh", "-c", "echo out; echo err >&2").stdout == ""
    failed = quietly("sh", "-c", "echo out; echo err >&2; exit 8")
    assert (failed.returncode, failed.stderr) == (8, "")
    assert failed.stdout.splitlines()[1:] == ["out", "err"] and failed.stdout.startswith("exit code 8 on ")
    assert quietly().returncode == 2 and "usage" in quietly().stderr
    missing = quietly("no-such-program")
    assert missing.returncode == 127 and "no-such-program" in missing.stdout


def test_quietly_passes_a_signal_on_and_tells_what_came_of_it(door: Door) -> None:
    door.submits(RUNNING)
    running = door.start(
        "submit",
        "-t",
        "custom",
        program=[str(QUIETLY), *door.program],
        env={"PATH": door.env["PATH"] + ":/usr/bin:/bin"},
    )
    until(lambda: door.calls and door.last_try["state"] == "SUBMITTED", "it is submitted")
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert outcome.code == 143 and f"{door.application_id} goes on running" in outcome.out, outcome
