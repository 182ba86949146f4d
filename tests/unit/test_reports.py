"""What people and machines read of applications and metrics."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from batch_submit.model import ApplicationReport, FinalStatus, State
from batch_submit.render.metrics import metrics_lines
from batch_submit.render.reports import aligned, application_lines, application_table, local_time, report_json

REPORT = ApplicationReport(
    "application_1785360606021_1234567",
    name="größe",
    user="alice",
    queue="ml-queue",
    state=State.RUNNING,
    progress=12.6,
    application_type="SPARK",
    tags=("batch-submit", "run:nightly"),
    diagnostics=" first \n\n second\n",
    started_ms=1785360606021,
    elapsed_ms=5_400_900,
    allocated_memory_mib=4096,
    allocated_vcores=3,
    running_containers=2,
    memory_seconds=12,
    vcore_seconds=5,
)
BARE = ApplicationReport("application_1785360606021_0001", state=State.ACCEPTED)


def test_the_table_is_aligned_and_in_the_given_order() -> None:
    head, first, second = application_table([REPORT, BARE])
    assert head.split() == ["id", "name", "user", "queue", "state", "final", "status", "started", "elapsed"]
    assert first.startswith(REPORT.application_id) and second.startswith(BARE.application_id)
    for column in ("queue", "state", "started"):
        at = head.index(column)
        assert first[at - 2 : at] == second[at - 2 : at] == "  "
        assert first[at] != " " and second[at] != " "
    assert first.endswith("  1h30m") and second.endswith("  0s")
    assert all(line == line.rstrip() for line in (head, first, second))


def test_no_applications_is_said() -> None:
    assert application_table([]) == ["no applications"]


def test_aligned() -> None:
    assert aligned([["a", "bbb", "c"], ["aaa", "b", ""]]) == ["a    bbb  c", "aaa  b"]


def test_a_servers_time_is_shown_in_the_local_zone() -> None:
    shown = local_time(REPORT.started_ms)
    assert datetime.strptime(shown, "%Y-%m-%d %H:%M:%S").astimezone().timestamp() == REPORT.started_ms // 1000
    assert local_time(0) == local_time(-1) == "-"


def test_one_application_in_full() -> None:
    found = {key: value.strip() for key, _, value in (line.partition("  ") for line in application_lines(REPORT))}
    assert found["state"] == "RUNNING"
    assert found["progress"] == "13 %"
    assert found["memory now"] == "4096 MiB"
    assert found["tags"] == "batch-submit, run:nightly"
    assert found["finished"] == "-"


def test_diagnostics_come_last_and_only_when_there_are_any() -> None:
    assert application_lines(REPORT)[-3:] == ["diagnostics", "  first", "  second"]
    assert "diagnostics" not in application_lines(BARE)
    assert any(line.split()[-1] == "-" for line in application_lines(BARE) if line.startswith("memory now"))


def test_the_report_for_machines_holds_every_word_of_yarn_as_it_is() -> None:
    data = json.loads(json.dumps(report_json(REPORT)))
    assert data["application_id"] == "application_1785360606021_1234567"
    assert (data["state"], data["final_status"]) == ("RUNNING", "UNDEFINED")
    assert data["started_ms"] == 1785360606021
    assert data["diagnostics"] == " first \n\n second\n"
    assert report_json(BARE)["final_status"] == FinalStatus.UNDEFINED.value


METRICS = {
    "rows": {"train": 261_000, "test": 65_346},
    "metrics": {"auc": 0.71234, "accuracy": 1, "log_loss": 0.5, "extra": 3.0, "brier": "n/a"},
    "baseline": {"auc": 0.5, "log_loss": 0.6},
    "cross_validation": {"mean": {"auc": 0.7}},
}


def test_metrics_stand_beside_their_baseline_and_the_folds() -> None:
    lines = [line.split() for line in metrics_lines(METRICS)]
    assert lines[0] == ["261,000", "rows", "to", "train,", "65,346", "held", "out"]
    assert lines[1] == ["metric", "model", "baseline", "cv", "mean"]
    assert lines[2:] == [
        ["auc", "0.7123", "0.5000", "0.7000"],
        ["accuracy", "1.0000", "-", "-"],
        ["log_loss", "0.5000", "0.6000", "-"],
    ]


@pytest.mark.parametrize("report", [{}, {"metrics": None, "rows": []}, {"metrics": "x"}])
def test_metrics_that_are_not_there_are_left_out(report: dict[str, object]) -> None:
    assert metrics_lines(report) == []


def test_rows_that_are_no_numbers_are_not_made_up() -> None:
    assert metrics_lines({"rows": {"train": "many"}}) == ["  ? rows to train, ? held out"]
