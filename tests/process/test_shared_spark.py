"""``init-hdfs --spark``, ``gc``, and ``launcher: rest`` on a host without Spark, over servers of paper."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyspark
import pytest

from tests.process.door import CONFIG, RECORDER, Door

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
