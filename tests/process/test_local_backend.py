"""Backend ``local``: the driver's exit is the truth, its output is shown, and a supervisor outlives us."""

from __future__ import annotations

import json
import os
import signal

import pytest

from tests.process.door import Door, until


@pytest.fixture
def laptop(laptop: Door) -> Door:
    """Every test here follows a run to its end: quickly."""
    return laptop.quick()


def process(laptop: Door) -> dict[str, int]:
    """The pids of the only local run."""
    (file,) = until(lambda: list(laptop.state.glob("local/*/*/process.json")), "the supervisor has started")
    pids: dict[str, int] = json.loads(file.read_text())
    return pids


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("ends", "code"),
    [({"status": 0}, 0), ({"status": 1}, 1), ({"status": 42}, 1), ({"signal": int(signal.SIGSEGV)}, 6)],
    ids=["0", "1", "42", "signal"],
)
def test_the_drivers_end_is_the_result(laptop: Door, ends: dict[str, int], code: int) -> None:
    laptop.recorder(stderr="a driver's words\n", **ends)
    outcome = laptop.submit("--run-id", "r1")
    assert (outcome.code, outcome.out) == (code, "local-r1\n"), outcome.err
    assert outcome.err.startswith("backend: local (no Hadoop configuration on this host)")
    assert outcome.err.count("a driver's words\n") == 1
    assert laptop.rm.asked == []


def test_it_is_the_same_plan_without_what_only_yarn_knows(laptop: Door) -> None:
    flags = ["--executor-memory", "9g", "--driver-memory", "1g", "--conf", "spark.x=1", "--app-arg", "a b"]
    outcome = laptop.submit(*flags)
    assert outcome.code == 0, outcome.err
    call = laptop.call
    assert call.value("--master") == "local[*]"
    assert call.value("--driver-memory") == "1g" and call.conf["spark.x"] == "1"
    assert call.argv[-2:] == [str(laptop.work / "job.py"), "a b"]
    assert "--executor-memory" not in call.argv and not any(key.startswith("spark.yarn") for key in call.conf)
    assert call.environment["SPARK_LOCAL_IP"] == "127.0.0.1"


def test_backend_local_on_a_host_with_a_cluster(door: Door) -> None:
    door.recorder()
    outcome = door.submit("--backend", "local")
    assert outcome.code == 0, outcome.err
    assert outcome.err.startswith("backend: local (flag --backend)")
    assert door.rm.asked == []


def test_no_wait_then_status_list_wait(laptop: Door) -> None:
    gate = laptop.holds("wait_after")
    laptop.recorder(**{**laptop.settings(), "status": 3})
    outcome = laptop.submit("--run-id", "r1", "--no-wait")
    assert (outcome.code, outcome.out) == (0, "local-r1\n"), outcome.err
    assert laptop.run("status", "local-r1", "--json").json["state"] == "RUNNING"
    assert laptop.run("status", "r1", "--json").json["application_id"] == "local-r1"
    assert [one["application_id"] for one in laptop.run("list", "--json").json] == ["local-r1"]
    waiting = laptop.start("wait", "local-r1")
    waiting.wait_until_said("RUNNING")
    gate.touch()
    outcome = waiting.end()
    assert outcome.code == 1, outcome.err
    assert "status 3" in outcome.err and "driver.log" in outcome.err
    assert laptop.run("status", "local-r1", "--json").json["final_status"] == "FAILED"
    assert laptop.last_try["result"] == "failed"


def test_the_supervisor_and_the_driver_have_sessions_of_their_own_and_outlive_us(laptop: Door) -> None:
    gate = laptop.holds("wait_after")
    running = laptop.submitting("--run-id", "r1", start_new_session=True)
    running.wait_until_said("RUNNING")
    pids = process(laptop)
    sessions = {os.getsid(pid) for pid in (running.process.pid, pids["pid"], pids["driver_pid"])}
    assert len(sessions) == 3
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert alive(pids["pid"]) and alive(pids["driver_pid"])
    gate.touch()
    outcome = laptop.submit("--run-id", "r1")
    assert outcome.code == 0, outcome.err
    assert len(laptop.calls) == 1


def test_kill_ends_the_driver_and_confirms(laptop: Door) -> None:
    laptop.holds("wait_after")
    assert laptop.submit("--run-id", "r1", "--no-wait").code == 0
    pids = process(laptop)
    outcome = laptop.run("kill", "local-r1")
    assert (outcome.code, outcome.out) == (0, "local-r1 killed\n"), outcome.err
    assert not alive(pids["driver_pid"])
    assert laptop.run("wait", "r1").code == 6
    assert laptop.submit("--run-id", "r1", "--no-wait").code == 0, "a killed run makes room for a new try"
    until(lambda: len(laptop.calls) == 2, "the driver of the new try runs")


def test_killed_from_outside(laptop: Door) -> None:
    laptop.holds("wait_after")
    running = laptop.submitting()
    running.wait_until_said("RUNNING")
    os.kill(process(laptop)["driver_pid"], signal.SIGKILL)
    assert running.end().code == 6


def test_supervisor_and_driver_both_gone(laptop: Door) -> None:
    laptop.holds("wait_after")
    running = laptop.submitting()
    running.wait_until_said("RUNNING")
    pids = process(laptop)
    os.kill(pids["pid"], signal.SIGKILL)
    os.kill(pids["driver_pid"], signal.SIGKILL)
    outcome = running.end()
    assert outcome.code == 8, outcome.err  # nobody saw how the driver ended
    assert "processes are gone" in outcome.err


def test_timeout_kills_and_gives_7(laptop: Door) -> None:
    laptop.holds("wait_after")
    outcome = laptop.submit("--timeout", "1s")
    assert outcome.code == 7, outcome.err
    assert not alive(process(laptop)["driver_pid"])


def test_wait_timeout_gives_7_and_touches_nothing(laptop: Door) -> None:
    gate = laptop.holds("wait_after")
    outcome = laptop.submit("--wait-timeout", "1s", "--run-id", "r1")
    assert outcome.code == 7, outcome.err
    assert alive(process(laptop)["driver_pid"])
    gate.touch()
    assert laptop.run("wait", "r1").code == 0


@pytest.mark.parametrize(("flags", "killed"), [([], False), (["--kill-on-exit"], True)])
def test_a_signal_leaves_the_driver_running_unless_told_otherwise(laptop: Door, flags: list[str], killed: bool) -> None:
    gate = laptop.holds("wait_after")
    running = laptop.submitting("--run-id", "r1", *flags)
    running.wait_until_said("RUNNING")
    running.send(signal.SIGTERM)
    outcome = running.end()
    assert (outcome.code, outcome.out) == (143, "local-r1\n"), outcome.err
    assert alive(process(laptop)["driver_pid"]) is not killed
    gate.touch()
    assert laptop.run("wait", "r1").code == (6 if killed else 0)


def test_a_succeeded_local_run_is_not_run_again(laptop: Door) -> None:
    assert laptop.submit("--run-id", "r1").code == 0
    outcome = laptop.submit("--run-id", "r1")
    assert outcome.code == 0 and "already succeeded" in outcome.err
    assert len(laptop.calls) == 1


def test_a_driver_that_cannot_be_started(laptop: Door) -> None:
    broken = laptop.folder / "broken"
    broken.mkdir()
    (broken / "spark-submit").write_text("#!/nonexistent/interpreter\n")
    (broken / "spark-submit").chmod(0o755)
    outcome = laptop.submit(env={"PATH": f"{broken}:{laptop.env['PATH']}"})
    assert outcome.code in (1, 3), outcome.err
    assert "nonexistent" in outcome.err or "spark-submit" in outcome.err


def test_the_python_of_a_local_driver_is_ours_unless_named(laptop: Door) -> None:
    assert laptop.submit().code == 0
    assert laptop.calls[0].environment["PYSPARK_PYTHON"] == laptop.env["BATCH_SUBMIT_PYTHON"]
    assert laptop.submit(env={"PYTHON_PATH": "/opt/py"}).code == 0
    assert laptop.calls[1].environment["PYSPARK_PYTHON"] == "/opt/py"


@pytest.mark.parametrize("verb", ["wait", "monitor", "kill"])
def test_the_end_of_one_try_is_not_told_of_the_next(laptop: Door, verb: str) -> None:
    """All tries of a run have one id here; how the second one ended nobody knows."""
    laptop.recorder(status=1)
    assert laptop.submit("--run-id", "r1").code == 1
    laptop.recorder()
    laptop.holds("wait_after")
    assert laptop.submit("--run-id", "r1", "--no-wait").code == 0
    file = until(lambda: next(iter(laptop.state.glob("local/r1/2/process.json")), None), "the second try runs")
    process = json.loads(file.read_text())
    for pid in (process["pid"], process["driver_pid"]):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not (alive(process["pid"]) or alive(process["driver_pid"])), "both are gone")
    outcome = laptop.run(verb, "r1")
    assert outcome.code == 8, outcome.err
