"""What the tiny application of ``doctor --deep`` has told of the nodes. Pure functions on its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batch_submit.errors import ExitCode
from batch_submit.plan.health import Finding, ok, red, skipped, version_numbers, warn

_SIZED = {
    "driver_memory": "512m",
    "driver_cores": "1",
    "executor_memory": "512m",
    "executor_cores": "1",
    "num_executors": "1",
}
_PYTHON_STEP = "point PYTHON_PATH to one interpreter that all nodes have, or ship one: archives in the job's section"


def probe_flags(timeout_s: float) -> dict[tuple[str, ...], tuple[object, str]]:
    """The values under which the tiny application runs, as flags: the last layer, beaten by nothing."""
    flags: dict[tuple[str, ...], tuple[object, str]] = {
        ("spark_config", key): (value, "doctor --deep") for key, value in _SIZED.items()
    }
    flags[("spark_config", "spark.dynamicAllocation.enabled")] = ("false", "doctor --deep")
    flags[("execution", "timeout")] = (f"{max(1, int(timeout_s))}s", "doctor --deep")
    return flags


def run(code: int, application_id: str, seconds: float, timeout_s: float) -> Finding:
    """How the application ended, by the exit code of its submit."""
    id, measured = "deep.run", {"application_id": application_id, "exit_code": code, "seconds": round(seconds, 1)}
    if code == ExitCode.SUCCEEDED:
        return ok(id, f"a tiny application ran in {seconds:.0f} s", application_id, measured)
    if code == ExitCode.TIMED_OUT:
        what = f"the tiny application did not end within {timeout_s:.0f} s and was killed"
        step = "look whether the queue is full, or give it more: batch-submit doctor --deep --timeout 10m"
        return red(id, what, step, application_id, measured)
    step = f"batch-submit diagnose {application_id}" if application_id else "see the error above"
    return red(id, f"the tiny application failed (exit code {code})", step, application_id, measured)


def interpreters(answer: Mapping[str, Any], ours: str) -> list[Finding]:
    """Versions of Python on driver, executors and this host, and numpy.

    Parameters
    ----------
    answer
        What ``scripts/probe_nodes.py`` wrote.
    ours
        The version of this host's Python; it matters in client mode only.
    """
    driver = _texts(answer.get("driver"))
    executors = [_texts(one) for one in answer.get("executors") or []]
    error = str(answer.get("error") or "")
    versions = sorted({one["python"] for one in executors if "python" in one})
    measured: dict[str, object] = {"driver": driver, "executors": executors, "host": ours}
    out = [_python(driver.get("python", ""), versions, error, ours, measured)]
    asked = [("driver", driver), *(("executors", one) for one in executors)]
    lacking = sorted({f"{role} ({one.get('executable', '?')})" for role, one in asked if one and not one.get("numpy")})
    found = sorted({one["numpy"] for _, one in asked if one.get("numpy")})
    if lacking:
        what = f"no numpy for {', '.join(lacking)}; the built-in jobs need it"
        out.append(warn("deep.numpy", what, f"install numpy on all nodes; {_PYTHON_STEP}", measured={"numpy": found}))
    elif not executors:
        out.append(skipped("deep.numpy", "the executors gave no answer"))
    else:
        out.append(ok("deep.numpy", f"numpy {', '.join(found)} on driver and executors", measured={"numpy": found}))
    return out


def _python(driver: str, executors: list[str], error: str, ours: str, measured: Mapping[str, object]) -> Finding:
    id = "deep.python"
    if error:
        lines = [line.strip() for line in error.splitlines() if line.strip()]
        said = next((line for line in lines if "VERSION_MISMATCH" in line or "different version" in line), lines[-1])
        what = f"the driver has Python {driver}, and the executors' workers fail: {said[:300]}"
        return red(id, what, _PYTHON_STEP, measured=measured)
    minors = {version_numbers(one)[:2] for one in (driver, *executors)}
    if len(minors) > 1:
        what = f"driver {driver}, executors {', '.join(executors)}: not one minor version"
        return red(id, what, _PYTHON_STEP, measured=measured)
    host = "" if version_numbers(ours)[:2] in minors else f"; this host has {ours}, which matters in client mode only"
    return ok(id, f"Python {driver} on driver and executors{host}", measured=measured)


def _texts(value: Any) -> dict[str, str]:
    return {str(key): str(one) for key, one in value.items()} if isinstance(value, Mapping) else {}
