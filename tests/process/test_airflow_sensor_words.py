"""The sensor's command as bash reads it, whatever its templates render to; with Airflow: `test_airflow_tasks`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from batch_submit.adapters.rm_replies import parse_applications
from tests.process.door import REPOSITORY

jinja2 = pytest.importorskip("jinja2")
ID = "application_1700000000000_0001"


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The shipped file, where Airflow's operators only hold what they are given."""
    for name in ("providers.standard.operators.bash", "providers.standard.sensors.bash", "sdk"):
        module: Any = ModuleType(name)
        module.BashOperator = module.BashSensor = SimpleNamespace
        module.RetryPolicy = module.RetryDecision = object
        parts = f"airflow.{name}".split(".")
        for end in range(1, len(parts)):
            monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(parts[end - 1]))
        monkeypatch.setitem(sys.modules, ".".join(parts), module)
    monkeypatch.syspath_prepend(str(REPOSITORY / "deploy" / "airflow"))
    monkeypatch.delitem(sys.modules, "batch_submit_tasks", raising=False)
    import batch_submit_tasks  # type: ignore[import-not-found]

    return batch_submit_tasks


def poked(tasks: Any, folder: Path, handed_on: str, home: Path) -> int:
    variables = SimpleNamespace(get=lambda name, _: {"batch_submit_home": str(home)}.get(name, str(folder)))
    template = jinja2.Template(tasks.waiting_for("done", submitted_by="begun").bash_command)
    command = template.render(ti=SimpleNamespace(xcom_pull=lambda **_: handed_on), var=SimpleNamespace(value=variables))
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, timeout=30).returncode


@pytest.mark.parametrize(
    "evil", ["x'; touch pwned; echo '", "$(touch pwned)", f"{ID}'; touch pwned; '", "", f"{ID}\\\n-x"]
)
def test_what_is_handed_on_is_no_command(tasks: Any, tmp_path: Path, evil: str) -> None:
    assert poked(tasks, tmp_path, evil, tmp_path) == 2
    assert not list(tmp_path.iterdir())
    assert parse_applications({"apps": {"app": [{"id": evil, "user": "u", "state": "RUNNING"}]}}) == []


def test_the_folder_may_have_any_name_and_a_good_id_arrives(tasks: Any, tmp_path: Path) -> None:
    home = tmp_path / "it's $(touch pwned) here"
    home.mkdir()
    program = home / "batch_submit.sh"
    program.write_text(f'#!/bin/sh\n[ "$1 $2" = "wait {ID}" ] || exit 9\n', encoding="ascii")
    program.chmod(0o755)
    assert poked(tasks, tmp_path, ID, home) == 0
    assert list(tmp_path.iterdir()) == [home]


def test_only_an_application_id_goes_to_xcom(tasks: Any) -> None:
    assert tasks.application_id(f'{{"application_id": "{ID}"}}') == ID
    with pytest.raises(ValueError, match="not an application id"):
        tasks.application_id('{"application_id": "x; touch pwned"}')
