"""Which ends are tried again, with how much memory, and when: on recorded failures of a real cluster."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.adapters.rm_replies import parse_application
from batch_submit.diagnosis.explain import RULES, explain
from batch_submit.errors import UsageError
from batch_submit.model import Result, State, Verdict, judge
from batch_submit.plan.merged import Config
from batch_submit.plan.retries import (
    Again,
    Cause,
    Reason,
    RetryPolicy,
    back_off_s,
    decide_again,
    policy_of,
    raise_memory,
    reason_of,
)
from batch_submit.plan.sourced import Sourced
from tests.golden.diagnosis.load import CASES, evidence_of

FOLDERS = sorted(path.parent for path in CASES.glob("*/report.json"))
#: The recorded failures that are worth another try; every other one is the job's own, a person's or the request's.
WORTH = {
    "preempted": (Cause.PREEMPTED, "", False),
    "executor_lost": (Cause.LOST, "", False),
    "localisation_failed": (Cause.AM_FAILURE, "", False),
    "driver_heap": (Cause.OUT_OF_MEMORY, "driver", False),
    "driver_physical_memory": (Cause.OUT_OF_MEMORY, "driver", True),
    "driver_virtual_memory": (Cause.OUT_OF_MEMORY, "driver", True),
    "executor_heap": (Cause.OUT_OF_MEMORY, "executor", False),
    "executor_physical_memory": (Cause.OUT_OF_MEMORY, "executor", True),
    "executor_virtual_memory": (Cause.OUT_OF_MEMORY, "executor", True),
}
#: ``RMAppImpl`` and ``RMAppAttemptImpl`` of Hadoop 3.5.0, as the recorded ends have it.
FAILED_BY = (
    "Application application_1795261034488_0015 failed 1 times (global limit =2; local limit is =1) due to {}\n"
    "For more detailed output, check the application tracking page. Then click on links to logs of each attempt.\n"
    ". Failing the application."
)
EXITED = "AM Container for appattempt_1795261034488_0015_000001 exited with  exitCode: {}\nFailing this attempt.{}"


def failed(diagnostics: str, state: State = State.FAILED) -> Verdict:
    """A run that ended so."""
    return Verdict(Result.FAILED, "application_1795261034488_0015", state, reason=diagnostics)


def died(status: int, words: str = "") -> Verdict:
    """A run whose application master ended with a status."""
    return failed(FAILED_BY.format(EXITED.format(status, words)))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recorded_failure_is_tried_again_only_if_it_is_worth_it(folder: Path) -> None:
    evidence = evidence_of(folder)
    found = explain(evidence)
    verdict = judge(evidence.report)
    assert verdict is not None
    reason = reason_of(verdict, found.rule, [line for one in found.evidence for line in one.lines])
    expected = WORTH.get(folder.name)
    assert (reason and (reason.cause, reason.side, reason.beside_heap)) == expected


@pytest.mark.parametrize(("recorded", "cause"), [("am_killed", Cause.AM_FAILURE), ("am_timed_out", Cause.LOST)])
def test_a_recorded_end_of_an_application_master_that_told_nothing(recorded: str, cause: Cause) -> None:
    folder = Path(__file__).resolve().parents[1] / "golden/rm"
    verdict = judge(parse_application(json.loads((folder / f"app_{recorded}_3.5.json").read_text())))
    assert verdict is not None
    reason = reason_of(verdict, "unknown")
    assert reason is not None and reason.cause is cause


def test_every_rule_about_memory_exists() -> None:
    known = {rule.id for rule in RULES}
    assert set(WORTH) <= known


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (-100, Cause.LOST),
        (-101, Cause.LOST),
        (-106, Cause.LOST),
        (-102, Cause.PREEMPTED),
        (-108, Cause.PREEMPTED),
        (12, Cause.AM_FAILURE),
        (137, Cause.AM_FAILURE),
        (143, Cause.AM_FAILURE),
        (1, None),
        (10, None),
        (11, None),
        (13, None),
        (134, None),
        (139, None),
        (-105, None),
    ],
)
def test_the_status_of_an_application_master(status: int, cause: Cause | None) -> None:
    reason = reason_of(died(status), "unknown")
    assert (reason.cause if reason is not None else None) is cause
    # A driver that told the end itself has a FINISHED application: its status is the job's.
    assert reason_of(failed(f"User application exited with status {status}", State.FINISHED), "unknown") is None


def test_the_last_attempt_counts() -> None:
    both = died(-100).reason + "\n" + died(13).reason
    assert reason_of(failed(both), "missing_module") is None


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("ApplicationMaster for attempt appattempt_1795261034488_0015_000001 timed out", Cause.LOST),
        (
            "Error launching appattempt_1795261034488_0015_000001. Got exception: java.net.ConnectException: refused",
            Cause.AM_FAILURE,
        ),
        (EXITED.format(-1000, "Cannot create directory"), Cause.AM_FAILURE),
        (EXITED.format(-1000, "File does not exist: hdfs://nn/user/al/.sparkStaging/x/job.py"), Cause.AM_FAILURE),
        (EXITED.format(-1000, "File does not exist: hdfs://nn/user/al/lib/udfs.jar"), None),
        ("", None),
    ],
)
def test_an_application_master_that_never_told_its_end(words: str, cause: Cause | None) -> None:
    reason = reason_of(failed(FAILED_BY.format(words)), "")
    assert (reason.cause if reason is not None else None) is cause


def test_executors_lost_with_their_node_when_the_end_quotes_it() -> None:
    # YarnAllocator.scala: exit statuses that are neither the application's nor the system's fault.
    line = (
        "org.apache.spark.SparkException: Job aborted: ExecutorLostFailure (executor 2 exited unrelated to the running"
        " tasks) Reason: Container marked as failed: container_1_0001_01_000003 on host: n2. Exit status: -100."
        " Diagnostics: Container released on a *lost* node."
    )
    verdict = failed("User application exited with status 1", State.FINISHED)
    reason = reason_of(verdict, "python_exception", [line])
    assert reason is not None and reason.cause is Cause.LOST
    assert reason_of(verdict, "python_exception", [line.replace("-100", "137")]) is None


@pytest.mark.parametrize(
    "result", [one for one in Result if one is not Result.FAILED], ids=lambda result: str(result.value)
)
def test_nothing_but_a_failure_is_tried_again(result: Result) -> None:
    verdict = Verdict(result, "application_1_0001", State.FAILED, reason=died(-100).reason)
    assert reason_of(verdict, "preempted") is None


def config(**values: object) -> Config:
    """A configuration with keys of ``execution`` as flags give them."""
    return Config(
        "custom",
        {("execution", key): Sourced(value, f"flag --{key.replace('_', '-')}") for key, value in values.items()},
    )


def test_the_policy_is_what_the_configuration_says() -> None:
    assert policy_of(config()) == RetryPolicy()
    named = policy_of(config(retries=2, retry_on=("lost", "preempted"), retry_wait="5s", oom_bump=1.5))
    assert named == RetryPolicy(2, frozenset({Cause.LOST, Cause.PREEMPTED}), 5.0, 1.5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"retries": 101}, "more than 100"),
        ({"retries": 1, "retry_on": ("lost", "oom")}, "--oom-bump"),
        ({"retries": 1, "retry_on": ("failed",)}, "use some of: lost, preempted, am-failure"),
        ({"retries": 1, "oom_bump": 1.0}, "above 1 and up to 10"),
        ({"retries": 1, "oom_bump": 11.0}, "above 1 and up to 10"),
        ({"oom_bump": 1.5}, "add --retries N"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_of(config(**values))
    assert said in str(caught.value)


LOST_AM = Reason(Cause.LOST, "gone")
HEAP = Reason(Cause.OUT_OF_MEMORY, "the executor ran out of memory of heap", "executor")


def test_a_retry_needs_a_cause_that_was_named_and_one_that_is_left() -> None:
    assert decide_again(RetryPolicy(1), 0, LOST_AM, {}, {}) == Again("lost: gone")
    assert "1 of 1 retries are used" in str(decide_again(RetryPolicy(1), 1, LOST_AM, {}, {}))
    only = RetryPolicy(1, frozenset({Cause.PREEMPTED}))
    assert "--retry-on does not name lost" in str(decide_again(only, 0, LOST_AM, {}, {}))


def test_memory_is_raised_only_if_asked_and_the_try_says_so() -> None:
    conf = {"spark.executor.memory": Sourced("2g", "job_config.yaml:3")}
    assert "--oom-bump FACTOR" in str(decide_again(RetryPolicy(1), 0, HEAP, conf, {}))
    again = decide_again(RetryPolicy(2, oom_bump=1.5), 0, HEAP, conf, {})
    assert isinstance(again, Again)
    assert again.conf == {"spark.executor.memory": Sourced("3g", "--oom-bump")}
    assert again.why.endswith("; spark.executor.memory 2g -> 3g")


@pytest.mark.parametrize(
    ("side", "beside_heap", "conf", "limit", "expected"),
    [
        ("driver", False, {"spark.driver.memory": "1g"}, None, ("spark.driver.memory", "1g", "1536m")),
        ("driver", False, {}, None, ("spark.driver.memory", "1g", "1536m")),
        ("driver", False, {"spark.driver.memory": "1g"}, "1280m", ("spark.driver.memory", "1g", "1280m")),
        # heap 2048 + 384: 2432 * 1.5 = 3648, of which 1600 beside the heap
        ("executor", True, {"spark.executor.memory": "2g"}, None, ("spark.executor.memoryOverhead", "384m", "1600m")),
        # the container of the largest allowed heap: 2304 + 384 = 2688, of which 640 beside this heap
        ("executor", True, {"spark.executor.memory": "2g"}, "2304m", ("spark.executor.memoryOverhead", "384m", "640m")),
        (
            "executor",
            True,
            {"spark.executor.memory": "2g", "spark.executor.memoryOverhead": "512"},
            None,
            ("spark.executor.memoryOverhead", "512m", "1792m"),
        ),
    ],
)
def test_how_much_memory_is_raised(
    side: str, beside_heap: bool, conf: dict[str, str], limit: str | None, expected: tuple[str, str, str]
) -> None:
    limits = {f"max_{side}_memory": Sourced(limit, "job_config.yaml:9")} if limit else {}
    reason = Reason(Cause.OUT_OF_MEMORY, "", side, beside_heap)
    assert raise_memory({key: Sourced(value, "f:1") for key, value in conf.items()}, limits, reason, 1.5) == expected


def test_memory_at_its_limit_is_not_raised_and_the_limit_is_named() -> None:
    limits = {"max_executor_memory": Sourced("2g", "job_config.yaml:9")}
    decided = decide_again(
        RetryPolicy(1, oom_bump=1.5), 0, HEAP, {"spark.executor.memory": Sourced("2g", "f:1")}, limits
    )
    assert "resource_limits.max_executor_memory=2g (job_config.yaml:9)" in str(decided)


@given(st.integers(0, 99), st.floats(0.5, 3600), st.floats(0, 1, exclude_max=True))
def test_the_back_off_grows_to_a_bound_and_is_spread(made: int, wait_s: float, fraction: float) -> None:
    seconds = back_off_s(wait_s, made, fraction)
    middle = min(max(600.0, wait_s), wait_s * 2**made)
    assert 0.8 * middle <= seconds <= 1.2 * middle
