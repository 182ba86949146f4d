"""``--dry-run`` touches nothing, needs neither Java nor Spark, and its line runs when pasted."""

from __future__ import annotations

import subprocess

import pytest

from tests.process.door import CONFIG, Door, conf_of

RM = "spark.hadoop.yarn.resourcemanager"


def test_it_asks_no_server_and_launches_nothing(door: Door) -> None:
    outcome = door.submit("--dry-run")
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("\n") == 1
    assert (door.rm.asked, door.webhdfs.asked, door.calls, door.records()) == ([], [], [], [])


def test_it_needs_neither_java_nor_spark_nor_a_cluster(door: Door) -> None:
    door.rm.stop()
    bare = {"PATH": str(door.folder / "bin"), "SPARK_HOME": "/nonexistent"}
    outcome = door.submit("--dry-run", env=bare)
    assert outcome.code == 0, outcome.err
    assert "spark-submit --master yarn --deploy-mode cluster" in outcome.out


def test_the_line_runs_when_pasted(door: Door) -> None:
    words = ["--app-arg", "two words", "--app-arg", "it's", "--app-arg", 'say "$HOME"', "--app-arg", ""]
    outcome = door.submit("-n", "my job", "--conf", "spark.note=a;b", *words, "--dry-run")
    pasted = {name: value for name, value in door.env.items() if name not in ("HADOOP_CONF_DIR",)}
    done = subprocess.run(["bash", "-c", outcome.out], env=pasted, cwd=door.folder, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    call = door.call
    assert call.argv[-4:] == ["two words", "it's", 'say "$HOME"', ""]
    assert call.value("--name") == "my job" and call.conf["spark.note"] == "a;b"
    assert call.environment["HADOOP_CONF_DIR"] == str(door.folder / "conf")
    assert call.conf["spark.yarn.tags"] == "batch-submit"  # it belongs to no run
    assert door.application.fields["applicationTags"] == "batch-submit"


def test_it_shows_what_a_real_run_would_launch(door: Door) -> None:
    flags = ["-n", "same", "--executor-memory", "3g", "--conf", "spark.x=1", "--app-arg", "a"]
    shown = door.submit(*flags, "--dry-run", "--json").json["argv"]
    assert door.submit(*flags, "--no-wait").code == 0
    ours = "spark.yarn.tags="
    assert [word for word in shown if not word.startswith(ours)] == [
        word for word in door.call.argv if not word.startswith(ours)
    ]


def test_addresses_that_override_the_xml_are_shown_as_they_are_submitted(door: Door) -> None:
    named = f"resourcemanager_url: 'rm2:8050', resourcemanager_webapp_url: '{door.rm.url}'"
    door.write_config(f"environment_config: {{{named}}}\n{CONFIG}")
    shown = door.submit("-n", "same", "--dry-run", "--json")
    assert shown.code == 0, shown.err
    assert shown.err.count("ResourceManager rm2:8050 overrides the XML's 127.0.0.1:8032") == 1
    assert shown.json["origins"][f"{RM}.address"] == "job_config.yaml:1, which overrides the XML"
    assert (door.rm.asked, door.webhdfs.asked) == ([], [])
    real = door.submit("-n", "same", "--no-wait")
    assert real.code == 0, real.err
    assert real.err.count("ResourceManager rm2:8050 overrides the XML's 127.0.0.1:8032") == 1
    of_rm = {key: value for key, value in door.call.conf.items() if key.startswith(RM)}
    assert of_rm == {key: value for key, value in conf_of(shown.json["argv"]).items() if key.startswith(RM)}
    assert (of_rm[f"{RM}.hostname"], of_rm[f"{RM}.address"]) == ("rm2", "rm2:8050")


@pytest.mark.parametrize("flag", ["--dry-run", "--no-wait"])
def test_addresses_of_two_clusters_are_refused(door: Door, flag: str) -> None:
    door.write_config(f"environment_config: {{resourcemanager_webapp_url: 'http://rm2:8088'}}\n{CONFIG}")
    outcome = door.submit(flag)
    assert (outcome.code, outcome.out, door.calls) == (2, "", []), outcome.err
    assert outcome.said("job_config.yaml:1: environment_config.resourcemanager_webapp_url", "resourcemanager_url too")


def test_two_folders_of_xml_are_read_and_exported_as_given(door: Door) -> None:
    yarn = door.folder / "yarn"
    yarn.mkdir()
    (door.folder / "conf" / "yarn-site.xml").rename(yarn / "yarn-site.xml")
    folders = {"HADOOP_CONF_DIR": str(door.folder / "conf"), "YARN_CONF_DIR": str(yarn)}
    shown = door.submit("--dry-run", "--json", env=folders)
    assert shown.code == 0, shown.err
    assert folders.items() <= shown.json["environment"].items()
    assert door.submit("--no-wait", env=folders).code == 0
    assert folders.items() <= door.call.environment.items()


def test_json_tells_argv_environment_files_tags_and_origins(door: Door) -> None:
    (door.work / "lookup.csv").write_text("a,b\n")
    door.write_config(
        "execution: {log_file: our.log}\njob_specific_config: {custom: {script: job.py, files: [lookup.csv#l.csv]}}\n"
    )
    answer = door.submit("--dry-run", "--json", "--executor-cores", "2").json
    assert answer["files"]["files"] == [
        {"path": str(door.work / "lookup.csv"), "link": "l.csv", "origin": "job_config.yaml:2"}
    ]
    assert answer["environment"]["HADOOP_CONF_DIR"] == str(door.folder / "conf")
    assert answer["tags"] == ["batch-submit"]
    assert answer["origins"]["spark.executor.cores"] == "flag --executor-cores"
    assert answer["origins"]["spark.yarn.maxAppAttempts"] == "default"
    assert answer["backend"] == "yarn" and answer["deploy_mode"] == "cluster"


@pytest.mark.parametrize("argument", ["`whoami`", "x{{y}}", "<CPS>"])
def test_unsafe_arguments_are_refused_here_too(door: Door, argument: str) -> None:
    outcome = door.submit("--dry-run", "--app-arg", argument)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    assert "argument 1" in outcome.err or "{{y}}" in outcome.err


def test_the_local_line_runs_when_pasted_too(laptop: Door) -> None:
    outcome = laptop.submit("--dry-run", "--app-arg", "two words")
    assert "--master 'local[*]'" in outcome.out
    done = subprocess.run(["bash", "-c", outcome.out], env=laptop.env, cwd=laptop.work, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert laptop.call.argv[-1] == "two words"
