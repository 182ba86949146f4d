"""What on a host makes spark-submit start a job otherwise than REST would."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pyspark
import pytest

from batch_submit.adapters.spark_surroundings import lacks_hadoop, needs_sparks_client


def spark_with(folder: Path, properties: str | None) -> str:
    (folder / "jars").mkdir()
    with zipfile.ZipFile(folder / "jars" / "spark-yarn_2.13-4.3.0.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "")
        if properties is not None:
            jar.writestr("org/apache/spark/deploy/yarn/config.properties", properties)
    return str(folder)


@pytest.mark.parametrize(
    ("properties", "lacks"),
    [
        ("spark.yarn.isHadoopProvided = true\n", True),
        ("# built\nspark.yarn.isHadoopProvided=true", True),
        ("spark.yarn.isHadoopProvided = false\n", False),
        ("", False),
        (None, False),
    ],
)
def test_a_spark_without_hadoop_says_so_in_its_yarn_module(tmp_path: Path, properties: str | None, lacks: bool) -> None:
    home = spark_with(tmp_path, properties)
    assert lacks_hadoop(home) is lacks
    assert bool(needs_sparks_client(home, "", {})) is lacks


def test_the_spark_of_this_environment_has_hadoop() -> None:
    assert not lacks_hadoop(str(Path(pyspark.__file__).parent))


def test_a_jar_that_is_none_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark-yarn_2.13-4.3.0.jar").write_bytes(b"no zip")
    assert not lacks_hadoop(str(tmp_path)) and not lacks_hadoop("/nonexistent")


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert needs_sparks_client("", "", {}) == ""
    assert needs_sparks_client("", str(tmp_path / "missing"), {"AWS_ACCESS_KEY_ID": ""}) == ""
    (tmp_path / "spark-env.sh").mkdir()
    assert "spark-env.sh" in needs_sparks_client("", str(tmp_path), {})
