"""The verdict comes from the terminal state and the final status, and from nothing else."""

from __future__ import annotations

import itertools

import pytest

from batch_submit.errors import ExitCode
from batch_submit.model import APPLICATION_ID, ApplicationReport, FinalStatus, Result, State, Verdict, judge

#: Hadoop 3.5.0's own words (tests/golden/rm/app_lifetime_killed_3.5.json).
LIFETIME = "Application application_1785360606021_0002 exceeded the lifetime period of 5 seconds\n"


def report(state: State, final: FinalStatus, *, launched: bool = True, diagnostics: str = "") -> ApplicationReport:
    return ApplicationReport(
        "application_1_0001", state=state, final_status=final, launched_ms=int(launched), diagnostics=diagnostics
    )


@pytest.mark.parametrize("final", FinalStatus)
@pytest.mark.parametrize("state", [state for state in State if not state.terminal])
def test_no_final_status_ends_a_state_that_is_not_terminal(state: State, final: FinalStatus) -> None:
    """RUNNING with SUCCEEDED, above all: the driver has unregistered, and may yet be killed."""
    assert judge(report(state, final)) is None


@pytest.mark.parametrize(
    ("state", "final", "result", "code"),
    [
        (State.FINISHED, FinalStatus.SUCCEEDED, Result.SUCCEEDED, 0),
        (State.FINISHED, FinalStatus.FAILED, Result.FAILED, 1),
        (State.FINISHED, FinalStatus.UNDEFINED, Result.FAILED, 1),
        (State.FINISHED, FinalStatus.KILLED, Result.KILLED, 6),
        (State.FAILED, FinalStatus.FAILED, Result.FAILED, 1),
        (State.FAILED, FinalStatus.UNDEFINED, Result.FAILED, 1),
        (State.FAILED, FinalStatus.SUCCEEDED, Result.FAILED, 1),
        (State.KILLED, FinalStatus.KILLED, Result.KILLED, 6),
        (State.KILLED, FinalStatus.SUCCEEDED, Result.KILLED, 6),
        (State.KILLED, FinalStatus.FAILED, Result.KILLED, 6),
        (State.KILLED, FinalStatus.UNDEFINED, Result.KILLED, 6),
    ],
)
def test_terminal_states(state: State, final: FinalStatus, result: Result, code: int) -> None:
    verdict = judge(report(state, final, diagnostics="  why \n"))
    assert verdict == Verdict(result, "application_1_0001", state, final, "why")
    assert verdict is not None and verdict.exit_code == code


@pytest.mark.parametrize("state", [State.KILLED, State.FINISHED])
def test_a_lifetime_kill_is_a_timeout_and_no_kill(state: State) -> None:
    verdict = judge(report(state, FinalStatus.KILLED, diagnostics=LIFETIME))
    assert verdict is not None
    assert (verdict.result, verdict.exit_code) == (Result.TIMED_OUT, 7)


def test_the_lifetimes_words_in_a_success_or_failure_change_nothing() -> None:
    for final, result in ((FinalStatus.SUCCEEDED, Result.SUCCEEDED), (FinalStatus.FAILED, Result.FAILED)):
        verdict = judge(report(State.FINISHED, final, diagnostics=LIFETIME))
        assert verdict is not None and verdict.result is result


def test_failed_without_an_attempt_was_refused_by_the_cluster() -> None:
    verdict = judge(report(State.FAILED, FinalStatus.FAILED, launched=False, diagnostics="to unknown queue: nope"))
    assert verdict is not None
    assert (verdict.result, verdict.exit_code, verdict.reason) == (Result.REFUSED, 4, "to unknown queue: nope")


def test_logs_of_an_application_master_prove_an_attempt() -> None:
    """Hadoop 2 reports no launchTime."""
    one = ApplicationReport("application_1_0001", state=State.FAILED, am_container_logs="http://nm/logs")
    verdict = judge(one)
    assert verdict is not None and verdict.result is Result.FAILED


def test_every_state_and_final_status_has_an_answer() -> None:
    for state, final, launched in itertools.product(State, FinalStatus, (True, False)):
        verdict = judge(report(state, final, launched=launched))
        assert (verdict is not None) == state.terminal
        succeeded = verdict is not None and verdict.result is Result.SUCCEEDED
        assert succeeded == (state is State.FINISHED and final is FinalStatus.SUCCEEDED)


@pytest.mark.parametrize(
    ("result", "code"), list(zip(Result, [0, 1, 4, 6, 7, 7, 8], strict=True)), ids=[one.value for one in Result]
)
def test_every_result_has_its_exit_code(result: Result, code: int) -> None:
    assert result.exit_code is ExitCode(code)


@pytest.mark.parametrize(
    ("word", "state"), [("running", State.RUNNING), ("FINISHED", State.FINISHED), ("FINAL_SAVING", State.UNKNOWN)]
)
def test_states_are_read_in_any_case_and_unknown_words_are_not_terminal(word: str, state: State) -> None:
    assert State.parse(word) is state
    assert not State.parse("").terminal


def test_an_unknown_final_status_is_undefined() -> None:
    assert FinalStatus.parse("ENDED") is FinalStatus.UNDEFINED  # YARN's fourth word, for unmanaged parts
    assert FinalStatus.parse("succeeded") is FinalStatus.SUCCEEDED


@pytest.mark.parametrize("text", ["application_1700000000000_0001", "application_1700000000000_1234567"])
def test_application_ids_grow_past_four_digits(text: str) -> None:
    assert APPLICATION_ID.fullmatch(text)


@pytest.mark.parametrize(
    "text", ["application_1700000000000_001", "application_1_0001", "job_1700000000000_0001", "application_x_0001"]
)
def test_what_is_no_application_id(text: str) -> None:
    assert not APPLICATION_ID.fullmatch(text)
