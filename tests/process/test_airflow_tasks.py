"""The shipped Airflow files in Airflow's own environment; on a cluster: ``tests/cluster/test_airflow_on_cluster``."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from batch_submit.errors import ExitCode
from tests.process.canned_rm import Mode
from tests.process.door import REPOSITORY, RUNNING, Door

#: `make test-full` installs Airflow.
pytestmark = pytest.mark.full

PYTHON = REPOSITORY / ".venv-airflow" / "bin" / "python"
ENDS = {"FINISHED": ("FINISHED", "SUCCEEDED"), "FAILED": ("FINISHED", "FAILED"), "KILLED": ("KILLED", "KILLED")}
LOOK = """
import json, sys, warnings
from airflow.sdk.exceptions import AirflowException
from airflow.providers.standard.operators.bash import BashOperator
import batch_submit_tasks as tasks, nightly_model

def asked(code):
    # The operator itself words the exception: one that really ends with this code.
    command = f"exit {code}" if code >= 0 else f"kill {code} $$"
    operator = BashOperator(task_id="t", bash_command=command, env={}, append_env=True)
    try:
        operator.execute({})
    except AirflowException as error:
        return tasks.RetryWhatMayHelp().evaluate(error, 1, 3).action.value
    return "succeeds"

dag = nightly_model.dag
print(json.dumps({
    "decided": {code: asked(code) for code in json.loads(sys.argv[1])},
    "edges": {name: sorted(task.downstream_task_ids) for name, task in dag.task_dict.items()},
    "command": dag.task_dict["training"].bash_command,
    "env": dag.task_dict["training"].env,
    "sensor": tasks.waiting_for("done", submitted_by="begun").bash_command,
    "id": tasks.application_id('{"application_id": "application_1700000000000_0001", "exit_code": 0}'),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Airflow makes of the shipped files."""
    if not PYTHON.exists():
        assert os.environ.get("REQUIRE_CLUSTER") != "1", "no .venv-airflow: make airflow"
        pytest.skip("no .venv-airflow: make airflow")
    home: Path = tmp_path_factory.mktemp("airflow")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "AIRFLOW_HOME": str(home)}
    done = subprocess.run(
        [str(PYTHON), "-c", LOOK, json.dumps([int(code) for code in ExitCode] + [-9])],
        env=env | {"PYTHONPATH": str(REPOSITORY / "deploy" / "airflow")},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_each_exit_code_does_what_the_table_says(told: dict[str, Any]) -> None:
    page = (REPOSITORY / "docs" / "airflow.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| ([-\d, ]+) \| .* \| ?(yes|no)? ?\|$", page, re.MULTILINE)
    documented = {code.strip(): word for codes, word in table for code in codes.split(",")}
    words = {"fail": "no", "default": "yes", "succeeds": ""}
    assert {code: words[action] for code, action in told["decided"].items()} == documented


def test_the_dag_is_a_chain_of_the_four_jobs(told: dict[str, Any]) -> None:
    assert told["edges"] == {
        "data_processing": ["training"],
        "training": ["evaluation"],
        "evaluation": ["prediction"],
        "prediction": [],
    }


def test_what_is_a_template_is_a_variable_and_no_part_of_the_command(told: dict[str, Any]) -> None:
    assert "{{" not in told["command"] and "--kill-on-exit" in told["command"]
    named = set(re.findall(r'"\$(\w+)', told["command"]))
    assert named == set(told["env"]) and all("{{" in value for value in told["env"].values())
    assert told["id"] == "application_1700000000000_0001"


@pytest.mark.parametrize(
    ("state", "code", "sensor"),
    [
        ("RUNNING", 7, 75),
        ("away", 8, 75),
        ("FINISHED", 0, 0),
        ("FAILED", 1, 1),
        ("KILLED", 6, 6),
        ("LIFETIME", 7, 7),
    ],
)
def test_the_sensor_looks_again_or_gives_the_runs_own_code(
    told: dict[str, Any], door: Door, state: str, code: int, sensor: int
) -> None:
    door.submits(RUNNING)
    assert door.submit("--run-id", "r1", "--no-wait", "--timeout", "1h").code == 0
    if state == "LIFETIME":
        door.rm.expire_lifetime(door.application_id)
    elif state in ENDS:
        door.application.end(*ENDS[state], "")
    elif state == "away":
        door.rm.mode = Mode.NONE_ACTIVE
    looked = door.run("wait", door.application_id, "--wait-timeout", "1s")
    assert looked.code == code, looked.err
    command = told["sensor"]
    for template, value in (("batch_submit_home", str(REPOSITORY)), ("batch_submit_work", str(door.work))):
        command = re.sub(r"{{ var.value.get\('" + template + r"'[^}]*}}", value, command)
    command = re.sub(r"{{ ti.xcom_pull[^}]*}}", door.application_id, command)
    assert "{{" not in command and "--wait-timeout 10s" in command
    command = command.replace("--wait-timeout 10s", "--wait-timeout 1s")
    assert door.run(program=["bash", "-c", command]).code == sensor
