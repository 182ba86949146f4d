"""``init-hdfs --spark``, ``gc``, and ``launcher: rest`` on a host without Spark, over servers of paper."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyspark
import pytest

from tests.process.canned_replies import Reply
from tests.process.canned_webhdfs import Node, Plain, Remote
from tests.process.door import CONFIG, RECORDER, RUNNING, Door

FOLDER = "/user/alice/.batch-submit/shared"
AS_ALICE = {"HADOOP_USER_NAME": "alice"}
DAY_MS = 24 * 3600 * 1000
HASH = 16 * "0"
OLD = f"ml_pipeline_framework-{HASH}.zip"


@pytest.fixture
def spark(door: Door) -> Path:
    """A small Spark: two jars by name, the launcher's real one for its options, two Python archives."""
    home, real = door.folder / "spark", Path(pyspark.__file__).parent
    for name in ("jars", "bin", "python/lib"):
        (home / name).mkdir(parents=True)
    (home / "bin" / "spark-submit").symlink_to(RECORDER / "spark-submit")
    (home / "jars" / "spark-core_2.13-4.3.0.jar").write_bytes(b"core" * 100)
    (launcher,) = (real / "jars").glob("spark-launcher_*.jar")
    (home / "jars" / launcher.name).symlink_to(launcher)
    for name in ("pyspark.zip", "py4j-0.10.9.9-src.zip"):
        (home / "python" / "lib" / name).write_bytes(name.encode() * 50)
    return home


def names(door: Door, folder: str = FOLDER) -> set[str]:
    return {path.removeprefix(f"{folder}/") for path in door.webhdfs.nodes if path.startswith(f"{folder}/")}


def test_a_spark_goes_into_hdfs_once_with_all_that_must_be_known_of_it(door: Door, spark: Path) -> None:
    flags = ["init-hdfs", "--spark", str(spark)]
    missing = door.run(*flags, "--check", "--json", env=AS_ALICE)
    assert missing.code == 3 and len(missing.json["missing"]) == 4 and not missing.json["written"], missing.err
    assert door.run(*flags, "--dry-run", env=AS_ALICE).code == 0 and names(door) == set()
    first = door.run(*flags, "--json", env=AS_ALICE)
    assert first.code == 0, first.err
    assert first.json == missing.json | {"written": True} and names(door) == set(first.json["missing"])
    archive = first.json["spark.yarn.archive"].removeprefix("hdfs://")
    node = door.webhdfs.nodes[archive]
    assert node.data is not None and node.permission == "644"
    assert len(zipfile.ZipFile(io.BytesIO(node.data)).namelist()) == 2
    manifest = json.loads(door.webhdfs.nodes[archive.removesuffix("zip") + "json"].data or b"")
    assert manifest["version"] == "4.3.0" and manifest["archive"]["size"] == len(node.data)
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in manifest["module_options"]
    assert {one["name"] for one in manifest["python_zips"]} < names(door)

    door.webhdfs.asked.clear()
    again = door.run("init-hdfs", "--spark", env=AS_ALICE | {"SPARK_HOME": str(spark)})
    assert again.code == 0 and again.said("is there already", f"spark.yarn.archive: {again.out.strip()}"), again.err
    assert again.out.strip() == first.json["spark.yarn.archive"]
    assert set(door.webhdfs.operations()) == {"LISTSTATUS", "GETFILESTATUS"}
    assert door.run(*flags, "--check", env=AS_ALICE).code == 0


def test_an_interrupted_upload_is_taken_up_where_it_ended(door: Door, spark: Path) -> None:
    flags = ["init-hdfs", "--spark", str(spark), "--json"]
    first = door.run(*flags, env=AS_ALICE)
    everything = names(door)
    (manifest,) = [name for name in everything if name.endswith(".json")]
    before = door.webhdfs.nodes.pop(f"{FOLDER}/{manifest}").data
    again = door.run(*flags, env=AS_ALICE)
    assert again.json == first.json | {"missing": [manifest]} and names(door) == everything
    assert door.webhdfs.nodes[f"{FOLDER}/{manifest}"].data == before, "the archive's bytes are the same each time"


def test_what_is_no_spark_or_no_cluster_is_told(door: Door, spark: Path) -> None:
    assert door.run("init-hdfs", "--spark", env={"SPARK_HOME": "/nonexistent"}).code == 3
    assert door.run("init-hdfs", "--spark", str(spark), env={"HADOOP_CONF_DIR": None}).code == 2
    (spark / "python" / "lib" / "pyspark.zip").unlink()
    half = door.run("init-hdfs", "--spark", str(spark), env=AS_ALICE)
    assert half.code == 3 and half.said("no whole Spark", "pyspark.zip"), half.err


def test_a_folder_of_the_configuration(door: Door, spark: Path) -> None:
    door.write_config(CONFIG.replace("execution:", "execution:\n  shared_dir: /apps/shared"))
    assert door.run("init-hdfs", "--spark", str(spark), env=AS_ALICE).code == 0
    assert len(names(door, "/apps/shared")) == 4
    elsewhere = {"BATCH_SUBMIT_EXECUTION__SHARED_DIR": "hdfs://other:8020/shared", **AS_ALICE}
    refused = door.run("init-hdfs", "--spark", str(spark), env=elsewhere)
    assert refused.code == 2 and refused.said("hdfs://other:8020/shared", "not on the default filesystem"), refused.err


@pytest.fixture
def bare(door: Door, spark: Path) -> Door:
    """The door of a host that has neither Java nor Spark, with a configuration that names the archive in HDFS."""
    told = door.run("init-hdfs", "--spark", str(spark), "--json", env=AS_ALICE)
    door.write_config(f"{CONFIG}spark_config:\n  spark.yarn.archive: {told.json['spark.yarn.archive']}\n")
    hide = "import importlib.util as u; real = u.find_spec"
    door.program = door.changed_program(
        hide, "u.find_spec = lambda name, *_: None if name == 'pyspark' else real(name)"
    )
    door.env |= {"PATH": str(door.folder / "bin"), **AS_ALICE}
    return door


@pytest.mark.parametrize("launcher", ["rest", "auto"])
def test_with_a_manifest_neither_java_nor_spark_is_asked_for(bare: Door, launcher: str) -> None:
    """The canned ResourceManager takes no submission: how far it came is what it refuses."""
    done = bare.submit("--launcher", launcher)
    assert "/ws/v1/cluster/apps/new-application" in [asked.path for asked in bare.rm.asked], done.err
    if launcher == "rest":
        assert done.code == 4 and done.said("App submission via REST is disabled"), done.err
    else:
        assert done.code == 3 and done.said("no spark-submit: SPARK_HOME is not set"), done.err
    assert bare.last_try["state"] == "NOT_SUBMITTED"


@pytest.mark.parametrize("mine", [True, False], ids=["a folder of mine", "a folder in which I may not write"])
def test_a_run_stages_its_own_and_shares_the_rest_where_it_may(bare: Door, mine: bool) -> None:
    posted = bare.rm.add("posted")  # the canned ResourceManager heeds no posted context
    bare.rm.new_application = Reply(200, json.dumps({"application-id": posted}).encode(), "application/json")
    if not mine:
        bare.webhdfs.fail["RENAME"] = Remote(403, "AccessControlException", "Permission denied: user=alice")
    bare.webhdfs.asked.clear()
    done = bare.submit("--launcher", "rest")
    assert done.code == 0 and done.out.strip() == posted, done.err
    created = {path for _, path, operation, _ in bare.webhdfs.asked if operation == "CREATE"}
    staged = {path.rpartition("/")[2] for path in created if "/.sparkStaging/" in path}
    own = {"job.py", "__spark_conf__.zip"}
    if mine:
        assert staged == own and any(name.startswith("ml_pipeline_framework-") for name in names(bare)), done.err
    else:
        assert staged == own | {"ml_pipeline_framework.zip"} and len(names(bare)) == 4, done.err
        assert done.said("ml_pipeline_framework.zip goes into the run's staging folder", "Permission denied"), done.err


def test_with_spark_submit_all_is_as_ever(bare: Door) -> None:
    done = bare.submit("--launcher", "spark-submit")
    assert done.code == 3 and done.said("no spark-submit: SPARK_HOME is not set") and not bare.records()


def test_without_the_manifest_both_ways_out_are_named(bare: Door) -> None:
    for name in [name for name in names(bare) if name.endswith(".json")]:
        del bare.webhdfs.nodes[f"{FOLDER}/{name}"]
    done = bare.submit("--launcher", "rest")
    assert done.code == 3 and done.said("no manifest", "init-hdfs --spark", "export SPARK_HOME"), done.err


@pytest.mark.parametrize("launcher", ["rest", "auto"])
def test_a_dry_run_asks_nobody_and_says_what_it_can_not_show(bare: Door, launcher: str) -> None:
    bare.webhdfs.asked.clear()
    shown = bare.submit("--launcher", launcher, "--dry-run", "--json")
    assert shown.code == 0 and not bare.webhdfs.asked, shown.err
    assert (shown.json["launcher"], shown.json["rest"]) == ("rest", None)
    assert "asks nobody" in shown.json["launcher_reason"]


def test_the_doctor_does_not_miss_what_is_not_needed(bare: Door) -> None:
    found = bare.run("doctor", "--json", env={"BATCH_SUBMIT_EXECUTION__LAUNCHER": "rest"})
    told = {one["id"]: one for one in found.json["findings"] if one["id"] in ("host.spark", "host.java")}
    assert {one["severity"] for one in told.values()} == {"skipped"} and len(told) == 2, told


def now_ms(door: Door) -> int:
    return int(door.work.stat().st_mtime * 1000)


def aged(door: Door, modified_days: int, read_days: int = 40, name: str = OLD) -> None:
    times = {"modified_ms": modified_days, "accessed_ms": read_days}
    door.webhdfs.nodes.setdefault(FOLDER, Node())
    node = Node(b"x" * 10, permission="644", **{key: now_ms(door) - days * DAY_MS for key, days in times.items()})
    door.webhdfs.nodes[f"{FOLDER}/{name}"] = node


def test_gc_shows_and_then_deletes_what_is_old_and_ours(door: Door) -> None:
    aged(door, 40)
    aged(door, 40, name="notes.zip")
    aged(door, 40, 3, name=OLD.replace("0", "1"))
    shown = door.run("gc", "--dry-run", env=AS_ALICE)
    assert shown.code == 0 and "to delete: unused" in shown.out and "kept: used lately" in shown.out, shown.out
    assert OLD in names(door) and "DELETE" not in door.webhdfs.operations()
    real = door.run("gc", "--json", env=AS_ALICE)
    assert [one["name"] for one in real.json["files"] if one["delete"]] == [OLD] and real.json["bytes"] == 10
    assert names(door) == {"notes.zip", OLD.replace("0", "1")}
    assert door.run("gc", env=AS_ALICE).out.endswith("0 files deleted, 0 B; 1 kept\n")


def test_gc_keeps_what_a_live_application_may_use(door: Door) -> None:
    aged(door, 40)
    started = now_ms(door) - 41 * DAY_MS
    door.rm.add("long", user="bob", tags=["batch-submit"], steps=[RUNNING], startedTime=started)
    kept = door.run("gc", env=AS_ALICE)
    assert kept.code == 0 and "an application that may use it is live" in kept.out and OLD in names(door), kept.out


def test_gc_without_access_times_waits_until_nothing_lives(door: Door) -> None:
    aged(door, 40)
    door.webhdfs.keeps_access_times = False
    one = door.rm.add("new", user="alice", tags=["batch-submit"], steps=[RUNNING], startedTime=now_ms(door))
    assert "keeps no access times" in door.run("gc", env=AS_ALICE).out and OLD in names(door)
    del door.rm.applications[one]
    assert door.run("gc", env=AS_ALICE).code == 0 and OLD not in names(door)


def test_gc_keeps_what_any_part_of_the_configuration_names(door: Door, spark: Path) -> None:
    uri = door.run("init-hdfs", "--spark", str(spark), env=AS_ALICE).out.strip()
    held = names(door)
    for name in held:
        data = door.webhdfs.nodes[f"{FOLDER}/{name}"].data
        aged(door, 40, name=name)
        door.webhdfs.nodes[f"{FOLDER}/{name}"].data = data
    door.write_config(f"{CONFIG}environments: {{prod: {{spark_config: {{spark.yarn.archive: '{uri}'}}}}}}\n")
    assert door.run("gc", env=AS_ALICE).code == 0 and names(door) == held
    door.write_config(CONFIG)
    assert door.run("gc", env=AS_ALICE).code == 0 and names(door) == set()


def test_gc_says_which_part_of_the_configuration_it_can_not_read(door: Door) -> None:
    aged(door, 40)
    (door.work / "job_config_odd.yaml").symlink_to("/proc/self/mem")  # not even root reads its beginning
    swept = door.run("gc", env=AS_ALICE)
    assert swept.code == 0 and swept.said("job_config_odd.yaml can't be read", "goes by its age"), swept.err


def test_gc_deletes_nothing_when_it_is_not_known_what_lives(door: Door) -> None:
    aged(door, 40)
    door.rm.__exit__(None, None, None)
    lost = door.run("gc", env=AS_ALICE)
    door.rm.__enter__()
    assert lost.code == 5 and OLD in names(door), lost.err


@pytest.mark.parametrize(("age", "words"), [("1d", "2d or more"), ("30", "missing unit"), ("soon", "not a duration")])
def test_an_age_that_says_nothing_is_refused(door: Door, age: str, words: str) -> None:
    refused = door.run("gc", "--older-than", age, env=AS_ALICE)
    assert refused.code == 2 and refused.said(words), refused.err


def test_gc_tells_what_hdfs_refuses(door: Door) -> None:
    aged(door, 40)
    door.webhdfs.fail["DELETE"] = Plain(500, b"<html>")
    refused = door.run("gc", env=AS_ALICE)
    assert "kept: can't be deleted" in refused.out and OLD in names(door)


def test_a_spark_without_hadoop_is_refused(door: Door, spark: Path) -> None:
    with zipfile.ZipFile(spark / "jars" / "spark-yarn_2.13-4.3.0.jar", "w") as jar:
        jar.writestr("org/apache/spark/deploy/yarn/config.properties", "spark.yarn.isHadoopProvided = true\n")
    done = door.run("init-hdfs", "--spark", str(spark), env=AS_ALICE)
    assert done.code == 3 and done.said("built without Hadoop", "name a Spark with Hadoop"), done.err
    assert names(door) == set()
