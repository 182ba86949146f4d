"""A secret reaches Spark in a file that only we can read and that is gone afterwards, and stands nowhere else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from batch_submit.adapters.hadoop_credentials import HadoopCredentials
from batch_submit.adapters.spark_finder import find_spark
from batch_submit.errors import HostNotReady
from tests.process.door import RECORDER, Door

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


PIN_TOO = ("--conf", "spark.redaction.regex=(?i)password|[.]pin$")


def test_what_the_configured_redaction_names_is_a_secret_too(door: Door) -> None:
    outcome = door.submit(
        *PIN_TOO, "--conf", "spark.my.pin=t0p-s3cret", "--conf", "spark.my.other.pin=${PIN}", env={"PIN": "4711-4711"}
    )
    assert outcome.code == 0 and "spark.my.pin is a secret" in outcome.err, outcome.err
    assert not any("s3cret" in word or "4711" in word for word in door.call.argv)
    assert door.call.properties is not None
    assert door.call.properties["text"] == "spark.my.other.pin=4711-4711\nspark.my.pin=t0p-s3cret\n"
    assert "PIN" not in door.call.environment
    assert "spark.redaction.regex=(?i)password|[.]pin$" in door.call.argv
    shown = door.submit(*PIN_TOO, "--conf", "spark.my.pin=t0p-s3cret", "--dry-run", "--json")
    assert shown.json["secret_keys"] == ["spark.my.pin"]
    refused = door.submit(*PIN_TOO, "--conf", "spark.executorEnv.my.pin=t0p-s3cret")
    assert refused.code == 2 and "launch_container.sh" in refused.err
    for one in (outcome, shown, refused):
        assert "t0p-s3cret" not in one.out + one.err and "4711-4711" not in one.out + one.err
    assert places_that_hold(door, "t0p-s3cret") == places_that_hold(door, "4711-4711") == []


def test_a_redaction_that_is_no_pattern_is_refused_by_its_place(door: Door) -> None:
    door.write_config(
        "spark_config:\n  spark.redaction.regex: '(?i)password|pin)'\njob_specific_config: {custom: {script: job.py}}\n"
    )
    outcome = door.submit("--dry-run")
    assert outcome.code == 2
    assert "spark.redaction.regex is no pattern" in outcome.err and "job_config.yaml:2" in outcome.err
    javas = door.submit(
        "--dry-run", "--conf", r"spark.redaction.regex=\p{Upper}in", "--conf", "spark.my.password=x1y2z3"
    )
    assert javas.code == 0 and "only Java reads it" in javas.err and "x1y2z3" not in javas.out + javas.err


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


def test_what_hadoop_calls_sensitive_is_on_no_command_line(door: Door) -> None:
    key = "spark.hadoop.fs.azure.account.key.a.dfs.core.windows.net"
    door.write_config(f"job_specific_config: {{custom: {{script: job.py}}}}\nspark_config:\n  {key}: ${{AZ}}\n")
    outcome = door.submit("--no-wait", "--run-id", "r1", env={"AZ": "fr0m-the-variable"})
    assert outcome.code == 0, outcome.err
    assert not [word for word in door.call.argv if "account.key" in word and not word.startswith("spark.redaction")]
    assert door.call.properties is not None and f"{key}=fr0m-the-variable" in door.call.properties["text"]


def test_each_kind_of_reference_is_read_at_the_launch(door: Door) -> None:
    held = door.work / "secret.txt"
    held.write_text("fr0m-the-file\n")
    held.chmod(0o600)
    door.write_config(
        "execution: {log_file: our.log}\n"
        "spark_config:\n"
        '  spark.a.password: "${DB_PASSWORD}"\n'
        "  spark.b.password: file:secret.txt\n"
        "  spark.my.folder: file:secret.txt\n"
        "job_specific_config:\n"
        "  custom: {script: job.py, custom_spark_conf: {spark.c.passphrase: '${DB_PASSWORD}'}}\n"
    )
    env = {"DB_PASSWORD": "fr0m-the-variable", "BATCH_SUBMIT_SPARK_CONFIG__spark.d.token": "fr0m-our-own"}
    outcome = door.submit("--no-wait", "--verbose", "--run-id", "r1", env=env)
    assert outcome.code == 0, outcome.err
    call = door.call
    assert call.properties is not None and call.properties["mode"] == 0o600
    told = dict(line.split("=", 1) for line in call.properties["text"].splitlines())
    assert told["spark.a.password"] == told["spark.c.passphrase"] == "fr0m-the-variable"
    assert told["spark.b.password"] == "fr0m-the-file"
    assert call.conf["spark.my.folder"] == "file:secret.txt", "no secret: no reference"
    assert re.search(call.conf["spark.redaction.regex"], "spark.c.passphrase")
    assert not [name for name, value in call.environment.items() if "fr0m" in value], "no child has them"
    held.unlink()
    assert places_that_hold(door, "fr0m") == []
    assert "fr0m" not in outcome.err + outcome.out


def test_git_is_asked_without_the_secrets_of_the_environment(door: Door) -> None:
    git = door.folder / "bin" / "git"
    git.write_text(f"#!/usr/bin/env bash\nset >{door.folder}/given\nexit 1\n")
    git.chmod(0o755)
    door.write_config(
        'execution: {log_file: our.log}\nspark_config: {spark.a.password: "${DB_PASSWORD}"}\n'
        "job_specific_config: {custom: {script: job.py}}\n"
    )
    outcome = door.submit("--dry-run", env={"DB_PASSWORD": "fr0m-the-variable", "OTHER": "as-it-is"})
    assert outcome.code == 0, outcome.err
    given = (door.folder / "given").read_text()
    assert "OTHER=as-it-is" in given and "fr0m-the-variable" not in given


@pytest.mark.parametrize(
    ("value", "prepare", "code", "words"),
    [
        ("${NOT_THERE}", "", 3, "the variable is not set"),
        ("file:nowhere.txt", "", 2, "no such file"),
        ("file:open.txt", "0644", 3, "chmod 600"),
        ("file:open.txt", "0640", 3, "others may use it (mode 0640)"),
        ("file:empty.txt", "0600", 3, "it is empty"),
        ("file:.", "", 3, "not a regular file"),
        ("keyring:x/", "", 2, "keyring:SERVICE/USER"),
        ("credential:a", "", 3, "hadoop.security.credential.provider.path is not set"),
    ],
)
def test_a_secret_that_can_not_be_had_stops_the_launch(
    door: Door, value: str, prepare: str, code: int, words: str
) -> None:
    if prepare:
        held = door.work / value.partition(":")[2]
        held.write_text("" if "empty" in value else "x1y2z3")
        held.chmod(int(prepare, 8))
    door.write_config(
        f'execution: {{log_file: our.log}}\nspark_config: {{spark.a.password: "{value}"}}\n'
        "job_specific_config: {custom: {script: job.py}}\n"
    )
    assert door.submit("--dry-run").code == (2 if value.endswith("/") else 0), "a dry run reads no secret"
    outcome = door.submit("--run-id", "r1")
    assert (outcome.code, outcome.out, door.calls) == (code, "", []), outcome.err
    assert outcome.said(words) and "x1y2z3" not in outcome.err
    if code == 3 and value.startswith("${"):
        assert outcome.said("job_config.yaml:2: spark.a.password"), "where it stands"


def test_a_literal_is_a_warning_and_production_refuses_it(door: Door) -> None:
    door.write_config(
        "execution: {log_file: our.log}\nspark_config: {spark.a.password: x1y2z3}\n"
        "job_specific_config: {custom: {script: job.py}}\nenvironments: {dev: {}, prod: {}}\n"
    )
    warned = door.submit("--no-wait", "--env", "dev")
    assert warned.code == 0, warned.err
    assert warned.err.count("is a secret; better write ${VARIABLE}") == 1
    calls = len(door.calls)
    refused = door.submit("--no-wait", "--env", "prod")
    assert (refused.code, len(door.calls)) == (2, calls), refused.err
    assert refused.said("job_config.yaml:2: spark_config.spark.a.password is a secret", "credential:ALIAS")
    checked = door.run("config", "check", "-t", "custom", "--env", "prod")
    assert checked.code == 2 and "x1y2z3" not in checked.err + refused.err + warned.err


def test_a_keyring_is_asked_by_the_library(door: Door) -> None:
    """The real package, with a backend that a user of it would write."""
    pytest.importorskip("keyring")
    (door.folder / "small_keyring.py").write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Small(KeyringBackend):\n"
        "    priority = 1\n"
        "    def get_password(self, service, user):\n"
        "        return {('db/x', 'etl'): 'fr0m-the-keyring'}.get((service, user))\n"
        "    def set_password(self, service, user, password): raise NotImplementedError\n"
        "    def delete_password(self, service, user): raise NotImplementedError\n"
    )
    env = {"PYTHON_KEYRING_BACKEND": "small_keyring.Small", "PYTHONPATH": str(door.folder)}
    config = (
        "execution: {{log_file: our.log}}\nspark_config: {{spark.a.password: 'keyring:db/x/{}'}}\n"
        "job_specific_config: {{custom: {{script: job.py}}}}\n"
    )
    door.write_config(config.format("nobody"))
    outcome = door.submit("--no-wait", env=env)
    assert outcome.code == 3 and outcome.said("holds no such password", "keyring set db/x nobody"), outcome.err
    door.write_config(config.format("etl"))
    outcome = door.submit("--no-wait", env=env)
    assert outcome.code == 0, outcome.err
    assert door.call.properties is not None and "fr0m-the-keyring" in door.call.properties["text"]
    assert {Path(one).stem.partition(".")[0] for one in places_that_hold(door, "fr0m-the-keyring")} == {"small_keyring"}
    broken = door.submit("--no-wait", env={"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})
    assert broken.code == 3 and broken.said("the keyring can't be asked", "keyring set"), broken.err


def test_a_provider_that_does_not_answer_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """A `java` that is a script, as on hosts with several: it waits for another process."""
    (tmp_path / "jars").mkdir()
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin" / "java"
    java.write_text(
        f"#!/bin/sh\nsleep 300 &\necho $! >{tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nwait\n"
    )
    java.chmod(0o755)
    env = {"JAVA_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    asked = HadoopCredentials("jceks://hdfs@nn/x.jceks", str(tmp_path), (), env, limit_s=5.0)
    with pytest.raises(HostNotReady, match="did not answer within 5 s") as caught:
        asked.read(["a"])
    assert caught.value.where == "jceks://hdfs@nn/x.jceks" and caught.value.next_step
    process = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    deadline = time.monotonic() + 20
    while process.exists() and process.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.02)


@pytest.mark.skipif(shutil.which("javac") is None, reason="reading a credential provider needs a JDK")
def test_a_credential_provider_is_read_by_hadoops_own_classes(door: Door) -> None:
    """A store that Hadoop's own `credential` command has made, with a password of its own."""
    home = Path(find_spark({}).home)
    store = f"localjceks://file{door.folder}/store.jceks"
    opened = {"HADOOP_CREDSTORE_PASSWORD": "opens-the-store"}
    shell = ["java", "-cp", f"{home}/jars/*", "org.apache.hadoop.security.alias.CredentialShell"]
    for alias, secret in (("db.password", 'fr0m ä "store"'), ("fs.s3a.secret.key", "fr0m-nowhere")):
        made = [*shell, "create", alias, "-value", secret, "-provider", store]
        subprocess.run(made, env=os.environ | opened, check=True, capture_output=True, timeout=60)
    door.write_config(
        "execution: {log_file: our.log}\n"
        "spark_config:\n"
        f"  spark.hadoop.hadoop.security.credential.provider.path: {store}\n"
        "  spark.a.password: credential:db.password\n"
        "job_specific_config: {custom: {script: job.py}}\n"
    )
    spark = door.folder / "spark"  # Hadoop's classes come with a Spark, and the recorder is none
    (spark / "bin").mkdir(parents=True)
    (spark / "jars").symlink_to(home / "jars")
    (spark / "bin" / "spark-submit").symlink_to(RECORDER / "spark-submit")
    java = Path(str(shutil.which("java"))).resolve().parents[1]
    opened |= {"SPARK_HOME": str(spark), "JAVA_HOME": str(java)}
    outcome = door.submit("--no-wait", env=opened)
    assert outcome.code == 0, outcome.err
    assert door.call.properties is not None
    assert 'spark.a.password=fr0m\\ \\u00e4\\ "store"\n' in door.call.properties["text"]
    wrong = door.submit("--no-wait", env=opened | {"HADOOP_CREDSTORE_PASSWORD": "wrong"})
    assert wrong.code == 3 and wrong.said("the credential provider can't be read", "password was incorrect"), wrong.err
    door.write_config("spark_config: {spark.a.password: 'credential:nope'}\n", "job_config_x.yaml")
    absent = door.submit("--no-wait", "--env", "x", env=opened)
    assert absent.code == 3 and absent.said("holds no nope", "hadoop credential create nope"), absent.err
    local = ["--conf", "spark.hadoop.fs.s3a.secret.key=credential:fs.s3a.secret.key", "--backend", "local"]
    left = door.submit(*local, env=opened)
    assert left.code == 0 and left.said("read by Hadoop itself"), left.err
    assert "fr0m-nowhere" not in (door.calls[-1].properties or {}).get("text", "")


def test_code_that_everybody_could_change_is_refused_unless_told(door: Door) -> None:
    shared = door.work / "shared"
    shared.mkdir()
    (shared / "job.py").write_text("print('a job')\n")
    shared.chmod(0o777)
    refused = door.submit("--no-wait", "--script", "shared/job.py")
    assert (refused.code, refused.out, door.calls) == (2, "", []), refused.err
    assert refused.said(f"everybody may write to {shared}", "--allow-world-writable")
    assert door.submit("--dry-run", "--script", "shared/job.py").code == 2
    assert door.submit("--no-wait", "--script", "shared/job.py", "--allow-world-writable").code == 0
    door.write_config(
        "execution: {log_file: our.log, allow_world_writable: true}\n"
        "job_specific_config: {custom: {script: shared/job.py}}\n"
    )
    assert door.submit("--no-wait").code == 0


def test_what_a_run_leaves_on_this_host_is_its_owners(door: Door) -> None:
    """Records, log, plans: whatever the umask of who calls."""
    before = os.umask(0)
    try:
        assert door.submit(*FLAG, "--verbose", "--run-id", "r1").code == 0
        assert door.submit("--backend", "local", "--run-id", "r2").code == 0
    finally:
        os.umask(before)
    ours = [door.log, *(path for path in (door.folder / "home").rglob("*") if path.is_file())]
    assert len(ours) > 8
    home = door.folder / "home"
    reached = {path: [path, *(one for one in path.parents if home in one.parents)] for path in ours}
    # One place on the way that is ours alone is enough.
    assert [str(path) for path, way in reached.items() if all(one.stat().st_mode & 0o077 for one in way)] == []
