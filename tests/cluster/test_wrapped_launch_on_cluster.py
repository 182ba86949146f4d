"""A wrapper around the real spark-submit that does not ``exec`` is killed while its JVM goes on: one application."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import Cluster, wait_until
from cluster.edge_host import EdgeHost, of_run
from cluster.fault_points import SPARK_SUBMIT

from batch_submit.adapters.processes import live_in_session

pytestmark = pytest.mark.full

#: As site wrappers are: something is set, the real one is called, something is tidied up.
WRAPPER = (
    '#!/usr/bin/env bash\nexport SPARK_HOME="{home}"\n"$SPARK_HOME/bin/spark-submit" "$@"\nstatus=$?\nexit $status\n'
)
#: A first JVM only puts the command of the second one together.
BUILDS_THE_COMMAND = b"org.apache.spark.launcher.Main"
#: Longer than an application is waited for once spark-submit is gone (`10 * SETTLE_S`).
PAST_SETTLE_S = 25


def wrapped_spark(home: Path, real: Path) -> str:
    """A Spark that is the real one, but for its spark-submit."""
    (home / "bin").mkdir(parents=True)
    for one in real.iterdir():
        if one.name != "bin":
            (home / one.name).symlink_to(one)
    for one in (real / "bin").iterdir():
        if one.name != "spark-submit":
            (home / "bin" / one.name).symlink_to(one)
    (home / "bin" / "spark-submit").write_text(WRAPPER.format(home=real), encoding="utf-8")
    (home / "bin" / "spark-submit").chmod(0o755)
    return str(home)


def below_wrapper(host: EdgeHost, run_id: str) -> tuple[dict[str, Any], int]:
    """The try on record, and the JVM below the wrapper that leads its session."""

    def jvm() -> tuple[dict[str, Any], int] | None:
        shown = host.run("show", run_id, "--json")
        if shown.returncode:
            return None
        (one,) = host.tries(run_id)
        for pid in live_in_session(one["pid"], one["process_start"]) if one["pid"] else ():
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"org.apache.spark.deploy.SparkSubmit" in words and BUILDS_THE_COMMAND not in words:
                    return one, pid
        return None

    found: tuple[dict[str, Any], int] = wait_until(jvm, "the JVM below the wrapper runs", 120)
    return found


@pytest.mark.parametrize("call", ["goes on", "is killed too"])
def test_the_wrapper_is_killed_and_its_jvm_goes_on(cluster: Cluster, tmp_path: Path, call: str) -> None:
    host, run_id = EdgeHost(cluster, tmp_path / "edge"), f"wrapped-{secrets.token_hex(5)}"
    host.env["SPARK_HOME"] = wrapped_spark(tmp_path / "spark", Path(host.env["SPARK_HOME"]))
    job = ["submit", "-t", "custom", "--script", "job.py", "--launcher", SPARK_SUBMIT, "--run-id", run_id]
    running = host.begin(*job)
    try:
        one, jvm = below_wrapper(host, run_id)
        os.kill(jvm, signal.SIGSTOP)
        assert of_run(cluster, run_id) == [] and one["state"] == "LAUNCHING"
        os.kill(one["pid"], signal.SIGKILL)
        running.wait_until_said(f"process {jvm} of its session may still submit")
        if call == "is killed too":
            running.close()
            running = host.begin(*job)
            running.wait_until_said(f"(pid {jvm}, session {one['pid']})")
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(PAST_SETTLE_S)
        assert [one["state"] for one in host.tries(run_id)] == ["LAUNCHING"]
        os.kill(jvm, signal.SIGCONT)
        (app,) = wait_until(lambda: of_run(cluster, run_id), "it is submitted", 120)
        running.process.wait(240)
        ended = running.end()
    finally:
        running.close()
        with contextlib.suppress(ProcessLookupError, UnboundLocalError):
            os.kill(jvm, signal.SIGKILL)
    assert (ended.code, ended.out.strip()) == (0, app["id"]), ended.err
    assert [(app["state"], app["finalStatus"]) for app in of_run(cluster, run_id)] == [("FINISHED", "SUCCEEDED")]
    assert len(host.tries(run_id)) == 1
