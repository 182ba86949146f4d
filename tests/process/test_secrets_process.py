"""A secret reaches Spark in a file that only we can read and that is gone afterwards, and stands nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.process.door import Door

SECRET = "t0p-s3cret=with:odd chars"
FLAG = ("--conf", f"spark.my.password={SECRET}")


def places_that_hold(door: Door, text: str) -> list[str]:
    """Every file of this door's world that holds a text, but the recorder's own notes."""
    files = [path for path in door.folder.rglob("*") if path.is_file() and "recorder" not in path.parts]
    return [str(path) for path in files if text.encode() in path.read_bytes()]


def test_a_secret_travels_in_a_0600_file_that_is_gone_afterwards(door: Door) -> None:
    outcome = door.submit(*FLAG, "--verbose")
    assert outcome.code == 0, outcome.err
    call = door.call
    assert not any(SECRET in word for word in call.argv)
    assert call.properties is not None
    assert call.properties["mode"] == 0o600
    assert call.properties["text"] == "spark.my.password=t0p-s3cret\\=with\\:odd\\ chars\n"
    assert not Path(call.properties["path"]).exists()
    assert places_that_hold(door, "t0p-s3cret") == []
    assert "t0p-s3cret" not in outcome.err + outcome.out


def test_it_is_gone_after_a_failed_submission_too(door: Door) -> None:
    door.recorder(status=1, stderr="JAVA_HOME is not set\n")
    assert door.submit(*FLAG, program=door.changed_program("launcher.SETTLE_S = 0.1")).code == 3
    assert places_that_hold(door, "t0p-s3cret") == []


def test_a_dry_run_lists_the_keys_and_leaves_the_path_to_fill(door: Door) -> None:
    outcome = door.submit(*FLAG, "--dry-run")
    assert outcome.code == 0
    assert "--properties-file '<path you fill>'" in outcome.out
    assert "spark.my.password" in outcome.err
    assert "t0p-s3cret" not in outcome.out + outcome.err
    as_json = door.submit(*FLAG, "--dry-run", "--json")
    assert as_json.json["secret_keys"] == ["spark.my.password"]
    assert "t0p-s3cret" not in as_json.out
    assert places_that_hold(door, "t0p-s3cret") == []


def test_a_secret_from_the_file_and_from_a_variable_travel_the_same_way(door: Door) -> None:
    door.write_config(
        "execution: {log_file: our.log}\n"
        "spark_config: {spark.hadoop.fs.s3a.secret.key: from-the-file}\n"
        "job_specific_config: {custom: {script: job.py}}\n"
    )
    outcome = door.submit("--no-wait", env={"BATCH_SUBMIT_SPARK_CONFIG__spark.my.token": "from-a-variable"})
    assert outcome.code == 0, outcome.err
    assert door.call.properties is not None
    assert "from-the-file" in door.call.properties["text"] and "from-a-variable" in door.call.properties["text"]
    assert not any("from-" in word for word in door.call.argv)
    assert "from-the-file" not in door.log.read_text()


@pytest.mark.parametrize(
    "flags",
    [
        ["--conf", "spark.yarn.appMasterEnv.DB_PASSWORD=x1y2"],
        ["--conf", "spark.executorEnv.API_TOKEN=x1y2"],
        ["--conf", "spark.driver.extraJavaOptions=-Djavax.net.ssl.keyStorePassword=x1y2"],
        ["--", "--password", "x1y2"],
        ["--", "--api-token=x1y2"],
    ],
)
def test_secrets_that_yarn_would_publish_are_refused(door: Door, flags: list[str]) -> None:
    outcome = door.submit(*flags)
    assert (outcome.code, outcome.out, door.calls) == (2, "", []), outcome.err
    assert "credential provider" in outcome.err
    assert "x1y2" not in outcome.err


def test_the_local_driver_gets_them_the_same_way(laptop: Door) -> None:
    outcome = laptop.submit(*FLAG)
    assert outcome.code == 0, outcome.err
    assert laptop.call.properties is not None and laptop.call.properties["mode"] == 0o600
    assert not Path(laptop.call.properties["path"]).exists()
    assert places_that_hold(laptop, "t0p-s3cret") == []


def test_a_secret_inside_a_value_travels_in_the_file_too(door: Door) -> None:
    outcome = door.submit("--no-wait", "--conf", "spark.my.url=jdbc:db://h/x?user=u&password=hunter7")
    assert outcome.code == 0, outcome.err
    assert not any("hunter7" in word for word in door.call.argv)
    assert door.call.properties is not None and "hunter7" in door.call.properties["text"]
    assert places_that_hold(door, "hunter7") == []


@pytest.mark.parametrize("argument", ["https://u:hunter8@host/x", "jdbc:db://h/x?password=hunter8"])
def test_a_password_inside_an_argument_or_an_environment_value_is_refused_on_yarn(door: Door, argument: str) -> None:
    for refused in (["--", argument], ["--conf", f"spark.executorEnv.URL={argument}"]):
        outcome = door.submit(*refused)
        assert (outcome.code, door.calls) == (2, []), outcome.err
        assert "hunter8" not in outcome.err
    assert places_that_hold(door, "hunter8") == []


def test_on_this_host_arguments_are_allowed_and_the_record_hides_them(door: Door) -> None:
    arguments = ["--", "--password", "hunter2", "--url=x://u:hunter2@h"]
    assert door.submit("--backend", "local", "--run-id", "r1", *arguments).code == 0
    assert "hunter2" in door.call.argv
    assert places_that_hold(door, "hunter2") == []
    other = ["--", "--password", "hunter3", "--url=x://u:hunter2@h"]
    outcome = door.submit("--backend", "local", "--run-id", "r1", *other)
    assert outcome.code == 2 and "argument 2" in outcome.err, outcome.err  # hidden, and still another job
    assert "hunter" not in outcome.err


def test_what_a_killed_call_left_behind_is_swept(door: Door) -> None:
    folder = door.state / "launch"
    folder.mkdir(parents=True)
    old, new = folder / "secrets-old.properties", folder / "secrets-new.properties"
    for path in (old, new):
        path.write_text("spark.my.password=x\n")
    os.utime(old, (0, 0))
    assert door.submit("--no-wait").code == 0
    assert (old.exists(), new.exists()) == (False, True)
