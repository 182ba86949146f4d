"""What people and machines read of applications and metrics."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from batch_submit.model import ApplicationReport, FinalStatus, State
from batch_submit.render.metrics import metrics_lines
from batch_submit.render.reports import local_time, report_json

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


def test_a_servers_time_is_shown_in_the_local_zone() -> None:
    shown = local_time(REPORT.started_ms)
    assert datetime.strptime(shown, "%Y-%m-%d %H:%M:%S").astimezone().timestamp() == REPORT.started_ms // 1000
    assert local_time(0) == local_time(-1) == "-"


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


def test_a_regression_has_its_own_metrics_and_warnings_come_last() -> None:
    report = {
        "metrics": {"rmse": 12.5, "r2": 0.25, "mape": None, "rows": 9},
        "baseline": {"rmse": 20.0, "r2": 0.0},
        "warnings": [f"w{number}" for number in range(7)],
    }
    lines = [line.split() for line in metrics_lines(report)]
    assert lines[1:3] == [["rmse", "12.5000", "20.0000"], ["r2", "0.2500", "0.0000"]]
    assert lines[3] == ["warning:", "w0"]
    assert lines[-1] == ["2", "more", "warnings"]


def test_rows_that_are_no_numbers_are_not_made_up() -> None:
    assert metrics_lines({"rows": {"train": "many"}}) == ["  ? rows to train, ? held out"]


def test_each_job_shows_its_own_rows() -> None:
    assert metrics_lines({"rows": {"train": 1200, "test": 300}}) == ["  1,200 rows to train, 300 held out"]
    assert metrics_lines({"rows": {"input": 5000, "output": 4999}}) == ["  5,000 rows read, 4,999 predictions written"]
    outputs = [{"name": "clean", "rows": 7, "path": "/data/clean", "files": 1}]
    assert metrics_lines({"outputs": outputs}) == ["  output clean: 7 rows, /data/clean"]
    stages = [{"name": "training", "state": "done", "seconds": 3.25}, {"name": "evaluation", "state": "failed"}]
    assert metrics_lines({"stages": stages}) == ["  stage training: done, 3.2 s", "  stage evaluation: failed, -"]


def test_the_conditions_of_a_gate_are_shown() -> None:
    conditions = [
        {"name": "min_auc", "limit": 0.7, "found": 0.75, "passed": True},
        {"name": "max_regression", "limit": 0.01, "found": None, "passed": False},
    ]
    assert metrics_lines({"gate": {"passed": False, "conditions": conditions}}) == [
        "  gate min_auc: 0.7500 against 0.7000, held",
        "  gate max_regression: - against 0.0100, FAILED",
    ]
