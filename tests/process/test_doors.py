"""The doors: from any folder, through a symlink, with spaces, under cron's bare environment, and from Python."""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.door import CONFIG, PROGRAM, REPOSITORY, Door

SUBMIT_JOB = REPOSITORY / "deploy/hadoop/submit_job.py"


def test_from_another_folder_through_symlinks_and_with_spaces(door: Door) -> None:
    elsewhere = door.folder / "some where else"
    elsewhere.mkdir()
    (elsewhere / "link one").symlink_to(PROGRAM)
    (elsewhere / "link two").symlink_to("link one")
    (elsewhere / "my job.py").write_text("print('spaced')\n")
    (elsewhere / "my config.yaml").write_text(
        'execution: {log_file: "log file.log"}\njob_specific_config: {custom: {script: "my job.py"}}\n'
    )
    home = door.folder / "home"
    outcome = door.run(
        *("submit", "-t", "custom", "-c", "../some where else/my config.yaml", "--no-wait"),
        program=[str(elsewhere / "link two")],
        cwd=home,
    )
    assert outcome.code == 0, outcome.err
    assert Path(door.call.argv[-1]).read_text() == "print('spaced')\n"
    assert (elsewhere / "log file.log").is_file()


def test_a_checkout_whose_path_holds_spaces(door: Door) -> None:
    copy = door.folder / "check out"
    for part in ("deploy/hadoop", "ml_pipeline_framework", "scripts"):
        shutil.copytree(REPOSITORY / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROGRAM, copy)
    outcome = door.submit("--no-wait", program=[str(copy / "batch_submit.sh")])
    assert outcome.code == 0, outcome.err
    next_step = door.run("status", program=[str(copy / "batch_submit.sh")]).err.splitlines()[-1]
    assert "batch_submit.sh" in next_step


def test_a_flags_path_is_relative_to_the_working_directory(door: Door) -> None:
    below = door.work / "below"
    below.mkdir()
    (below / "mine.py").write_text("print(2)\n")
    outcome = door.submit("-c", "../job_config.yaml", "--script", "mine.py", "--no-wait", cwd=below)
    assert outcome.code == 0, outcome.err
    assert door.call.argv[-1] == str(below / "mine.py")


def test_the_configuration_beside_the_program_serves_any_folder(door: Door) -> None:
    (door.work / "job_config.yaml").unlink()
    outcome = door.submit("--script", "job.py", "--dry-run", env={"BATCH_SUBMIT_EXECUTION__LOG_FILE": str(door.log)})
    assert outcome.code == 0, outcome.err
    assert f"config: {REPOSITORY / 'job_config.yaml'}" in outcome.err


@pytest.mark.parametrize(
    ("config", "flags"),
    [
        pytest.param("environment_config: {resourcemanager_webapp_url: 'http://127.0.0.1:1'}\n", [], id="a URL"),
        pytest.param("environment_config: {namenode_url: 'hdfs://nn:8020'}\n", [], id="a NameNode"),
        pytest.param("", ["--queue", "etl"], id="--queue"),
        pytest.param("profiles: {big: {}}\n", ["--profile", "big"], id="--profile"),
        pytest.param("environments: {prod: {}}\n", ["--env", "prod"], id="--env"),
    ],
)
def test_crons_bare_environment_never_becomes_local_when_a_cluster_is_meant(
    door: Door, config: str, flags: list[str]
) -> None:
    assert not Path("/etc/hadoop/conf").exists()
    door.write_config(config + CONFIG)
    outcome = under_cron(door, *flags)
    assert (outcome.returncode, outcome.stdout, door.calls) == (3, "", []), outcome.stderr
    assert "HADOOP_CONF_DIR" in outcome.stderr and "--backend local" in outcome.stderr


def test_crons_bare_environment_is_local_when_no_cluster_is_meant(door: Door) -> None:
    outcome = under_cron(door, "--dry-run")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.startswith("backend: local (no Hadoop configuration on this host)")


def test_crons_bare_environment_with_the_folder_named_in_the_configuration(door: Door) -> None:
    door.write_config(f"environment_config: {{hadoop_conf_dir: {door.folder / 'conf'}}}\n{CONFIG}")
    outcome = under_cron(door, "--dry-run", "--queue", "etl")
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr.startswith("backend: yarn (environment_config.hadoop_conf_dir (job_config.yaml:1))")


def under_cron(door: Door, *flags: str) -> subprocess.CompletedProcess[str]:
    """``env -i``: not even PATH and HOME (batch_submit.sh then takes the checkout's own .venv, or python3)."""
    command = ["env", "-i", f"BATCH_SUBMIT_PYTHON={sys.executable}", str(PROGRAM), "submit", "-t", "custom", *flags]
    return subprocess.run(command, cwd=door.work, capture_output=True, text=True, timeout=60)


def test_submit_job_is_the_same_submit(door: Door) -> None:
    flags = ["--dry-run", "--json", "--run-id", "r1", "-n", "same", "--app-args", "--input-path in --output-path out"]
    by_shell = door.run("submit", "-t", "custom", "-c", "job_config.yaml", *flags)
    by_python = door.run("custom", "--config", "job_config.yaml", *flags, program=[sys.executable, str(SUBMIT_JOB)])
    assert by_python.code == 0, by_python.err
    assert by_python.json == by_shell.json
    assert by_python.json["argv"][-4:] == ["--input-path", "in", "--output-path", "out"]


def test_submit_job_submits_waits_and_tells_the_result(door: Door) -> None:
    door.submits(("FINISHED", "FAILED", {}))
    outcome = door.run("custom", "--config", "job_config.yaml", program=[sys.executable, str(SUBMIT_JOB)])
    assert (outcome.code, outcome.out) == (1, f"{door.application_id}\n"), outcome.err


def test_a_misspelt_verb_is_answered_with_the_nearest(door: Door) -> None:
    outcome = door.run("staus")
    assert outcome.code == 2 and outcome.said("No such command 'staus'", "Did you mean status?"), outcome.err
    assert "Did you mean" not in door.run("xyz").err


def test_submit_job_without_a_type_is_a_usage_error(door: Door) -> None:
    outcome = door.run(program=[sys.executable, str(SUBMIT_JOB)])
    assert outcome.code == 2 and "--type" in outcome.err


def test_the_working_directory_may_have_been_removed(door: Door) -> None:
    gone = door.folder / "gone"
    gone.mkdir()
    config = str(door.work / "job_config.yaml")
    remove_and_run = ["bash", "-c", 'rmdir "$PWD" && exec "$0" "$@"', *door.program]
    host = {"PATH": f"{door.env['PATH']}:{os.defpath}"}
    outcome = door.run("submit", "-t", "custom", "-c", config, program=remove_and_run, cwd=gone, env=host)
    assert outcome.code == 0, outcome.err
    assert door.call.cwd == "/"  # a JVM does not start in a folder that is gone


def test_addresses_of_the_configuration_override_the_xml_and_reach_spark(door: Door) -> None:
    conf = door.folder / "conf" / "yarn-site.xml"
    conf.write_text(conf.read_text().replace(str(door.rm.port), "1"))
    door.write_config(f"environment_config: {{resourcemanager_webapp_url: '{door.rm.url}'}}\n{CONFIG}")
    outcome = door.submit("--no-wait")
    assert outcome.code == 0, outcome.err
    assert "overrides the XML's http://127.0.0.1:1" in outcome.err
    assert door.call.conf["spark.hadoop.yarn.resourcemanager.webapp.address"] == f"127.0.0.1:{door.rm.port}"


def test_help_of_every_verb_shows_an_example(door: Door) -> None:
    outcome = door.run("--help")
    assert outcome.code == 0
    for verb in ("submit", "wait", "list", "status", "kill", "config"):
        assert verb in outcome.out
    assert "batch-submit submit -t training" in door.run("submit", "--help").out


def test_the_version(door: Door) -> None:
    outcome = door.run("--version")
    assert outcome.code == 0 and outcome.out.startswith("batch-submit, version ")


@pytest.mark.parametrize("program", [PROGRAM, SUBMIT_JOB], ids=["batch_submit.sh", "submit_job.py"])
def test_a_python_without_our_packages_is_told_so(door: Door, program: Path) -> None:
    bare = door.folder / "bare python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')  # -S: no installed packages
    bare.chmod(0o755)
    command = [str(program)] if program == PROGRAM else [str(bare), str(program)]
    outcome = door.run("list", program=command, env={"BATCH_SUBMIT_PYTHON": str(bare)})
    assert (outcome.code, outcome.out) == (3, ""), outcome.err
    error, next_step = outcome.err.splitlines()
    assert error.startswith("error: the Python packages click, ") and f"not installed for {sys.executable}" in error
    assert "make setup" in next_step and "BATCH_SUBMIT_PYTHON" in next_step


@pytest.mark.parametrize("program", ["deploy/hadoop/batch_submit/__main__.py", "deploy/hadoop/submit_job.py"])
def test_a_python_that_is_too_old_is_told_so(door: Door, program: str) -> None:
    code = "import runpy, sys; sys.version_info = (3, 6, 8); runpy.run_path(sys.argv[1], run_name='__main__')"
    outcome = door.run(program=[sys.executable, "-c", code, str(REPOSITORY / program)])
    assert outcome.code == 3, outcome.err
    assert outcome.err.startswith(f"error: Python 3.10 or newer is needed, and {sys.executable} is 3.6.8\n")


@pytest.mark.parametrize(
    "name", ["batch_submit/__init__.py", "batch_submit/__main__.py", "batch_submit/host_check.py", "submit_job.py"]
)
def test_an_old_python_can_parse_what_it_meets_first(name: str) -> None:
    text = (REPOSITORY / "deploy/hadoop" / name).read_text()
    assert 'f"' not in text and "import annotations" not in text
    ast.parse(text, feature_version=(3, 4))


@pytest.mark.parametrize("flag", ["--date", "-n", "--run-id", "--script", "--profile", "--env"])
def test_an_empty_flag_is_a_usage_error(door: Door, flag: str) -> None:
    outcome = door.submit(flag, "", "--dry-run")
    assert (outcome.code, outcome.out) == (2, "") and outcome.said(f"{flag}", "is empty"), outcome.err


def test_the_help_names_the_door(door: Door) -> None:
    assert door.run("--help").out.startswith(f"Usage: {PROGRAM} [OPTIONS]")
    assert door.run("list", "--help").out.startswith(f"Usage: {PROGRAM} list ")
    assert door.run("--help", cwd=REPOSITORY).out.startswith("Usage: ./batch_submit.sh [OPTIONS]")
    assert f"next: {PROGRAM} list --help" in door.run("list", "--nope").err


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_without_a_command_the_help_is_the_answer(door: Door, arguments: list[str]) -> None:
    outcome = door.run(*arguments)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("Usage: ") and outcome.out == door.run(*arguments, "--help").out


@pytest.mark.parametrize("arguments", [["config", "show"], ["--help"], []])
def test_a_full_disk_is_told(door: Door, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        outcome = door.run(*arguments, stdout=full)
    assert outcome.code == 3 and outcome.err.startswith("error: no space left on device"), outcome.err
    assert "internal error" not in outcome.err and "Traceback" not in outcome.err


def test_a_full_disk_after_a_launch_leaves_the_exit_code_of_an_unknown_outcome(door: Door) -> None:
    with Path("/dev/full").open("wb") as full:
        outcome = door.submit("--no-wait", stdout=full)
    assert outcome.code == 8 and outcome.said(f"{door.application_id} was launched"), outcome.err


def test_a_java_home_without_a_java_is_told_and_nothing_is_installed(door: Door) -> None:
    ensure = REPOSITORY / "deploy/host/ensure.sh"
    variables = {"PATH": os.defpath, "JAVA_HOME": "/nonexistent"}
    outcome = door.run("java", program=[str(ensure)], env=variables)
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.startswith("JAVA_HOME=/nonexistent ") and outcome.err.count("\n") == 1


def test_make_clean_keeps_the_models(door: Door) -> None:
    planned = subprocess.run(["make", "-n", "clean"], cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    assert planned.returncode == 0 and ".mypy_cache" in planned.stdout
    assert "ml-pipeline" not in planned.stdout


def test_the_cluster_demo_shows_the_page_and_the_way_out_when_training_fails(door: Door) -> None:
    fakes = {
        "deploy/host/ensure.sh": "exit 0",
        "deploy/devcluster/devcluster": 'if [ "$1" = up ]; then echo http://page:8088; fi',
        "batch_submit.sh": 'if [ "$1" = submit ]; then exit 4; fi',
    }
    place = door.folder / "demo"
    for name, line in fakes.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(f"#!/bin/sh\n{line}\n")
        (place / name).chmod(0o755)
    for name in ("setup.cfg", "pyproject.toml", "Makefile", "deploy/host/demo.sh"):
        shutil.copy(REPOSITORY / name, place / name)
    (place / ".venv").mkdir()
    (place / ".venv/.setup-done").touch()
    outcome = door.run("cluster-demo", program=[str(shutil.which("make"))], cwd=place, env={"PATH": os.defpath})
    assert outcome.code != 0 and "Error 4" in outcome.err
    assert "ResourceManager: http://page:8088" in outcome.err and "make devcluster-down" in outcome.err


def test_the_one_door_contract_names_every_module_behind_it() -> None:
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "setup.cfg")
    named = set(settings["importlinter:contract:one-door"]["forbidden_modules"].split())
    package = REPOSITORY / "ml_pipeline_framework"
    modules = {path.stem for path in package.glob("*.py")} | {
        path.parent.name for path in package.glob("*/__init__.py")
    }
    assert {f"ml_pipeline_framework.{name}" for name in modules - {"__init__", "contract"}} <= named
