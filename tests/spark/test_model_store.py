"""Models in their folder: found by name, version and path, and refused with a remedy when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install '.[spark]'")

import pyspark
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import VectorAssembler

from ml_pipeline_framework import model_store
from ml_pipeline_framework.errors import DataError, ModelError


@pytest.fixture(scope="module")
def stored(spark, tmp_path_factory):
    """Two versions of one small model, the second the latest."""
    folder = tmp_path_factory.mktemp("models")
    rows = spark.createDataFrame([(float(n), float(n % 2)) for n in range(20)], ["x", "label"])
    stages = [VectorAssembler(inputCols=["x"], outputCol="_features")]
    stages.append(LogisticRegression(featuresCol="_features", maxIter=2))
    model = Pipeline(stages=stages).fit(rows)
    for version in ("v1", "v2"):
        path = (folder / "churn" / version).as_uri()
        metadata = {"schema_version": 1, "name": "churn", "version": version, "run_id": version}
        model_store.save(spark, path, model, {**metadata, "versions": {"spark": pyspark.__version__}}, replace=False)
        model_store.point_latest(spark, path, version)
    return folder


def test_a_model_by_name_version_and_path(spark, stored):
    models = stored.as_uri()
    for reference, version in (
        ("churn", "v2"),
        ("churn@latest", "v2"),
        ("churn@v1", "v1"),
        (f"{models}/churn/v1/", "v1"),
    ):
        found = model_store.open_model(spark, reference, models)
        assert (found.name, found.version) == ("churn", version)
        assert found.version_warnings() == []
    assert found.pipeline().transform(spark.createDataFrame([(1.0,)], ["x"])).count() == 1


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("chrun", "no model 'chrun' .*did you mean 'churn'.*models there: churn"),
        ("churn@v9", "no version 'v9' of the model 'churn'.*versions there: v1, v2; name one: churn@v2"),
        ("/no/such/model", "no model at /no/such/model"),
    ],
)
def test_what_is_not_there(spark, stored, reference, said):
    with pytest.raises(DataError, match=said):
        model_store.open_model(spark, reference, stored.as_uri())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "latest.json is damaged .*versions there: v1, v2; name one: churn@v2"),
        ('{"run_id": "x"}', "latest.json is damaged"),
        ('{"version": "../../etc"}', "latest.json is damaged"),
        ('{"version": "v0"}', "latest.json of 'churn' names version 'v0', which is not there; versions there: v1, v2"),
        (None, "has no latest.json: .* no version has passed its gate; versions there: v1, v2"),
    ],
)
def test_a_pointer_that_does_not_point(spark, stored, text, said):
    pointer = stored / "churn" / "latest.json"
    checksum = pointer.with_name(".latest.json.crc")
    old, old_sum = pointer.read_bytes(), checksum.read_bytes()
    checksum.unlink()
    pointer.unlink() if text is None else pointer.write_text(text)
    try:
        with pytest.raises(DataError, match=said):
            model_store.open_model(spark, "churn", stored.as_uri())
        assert model_store.open_model(spark, "churn@v1", stored.as_uri()).version == "v1"
    finally:
        pointer.write_bytes(old)
        checksum.write_bytes(old_sum)


def test_a_model_that_has_lost_a_file(spark, stored):
    folder = stored / "churn" / "v1"
    lost = next((folder / "pipeline" / "stages").rglob("part-*.parquet"))
    content = lost.read_bytes()
    lost.unlink()
    try:
        with pytest.raises(DataError, match=rf"is damaged: pipeline/stages/.*{lost.name} is missing"):
            model_store.open_model(spark, "churn@v1", stored.as_uri())
        lost.write_bytes(content[:10])
        with pytest.raises(DataError, match="has 10 bytes, not"):
            model_store.open_model(spark, "churn@v1", stored.as_uri())
    finally:
        lost.write_bytes(content)
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    try:
        for broken, said in (("[]", "does not hold a JSON object"), ("{}", "does not list the model's files")):
            manifest.write_text(broken)
            (folder / ".manifest.json.crc").unlink(missing_ok=True)
            with pytest.raises(DataError, match=said):
                model_store.open_model(spark, "churn@v1", stored.as_uri())
    finally:
        manifest.write_text(text)


def test_a_pipeline_that_this_spark_can_not_read_names_both_versions(spark, stored):
    place = stored / "churn" / "v2"
    metadata = {"name": "churn", "version": "v2", "versions": {"spark": "9.1.0"}}
    found = model_store.StoredModel(str(place), metadata)
    assert "written by Spark 9.1.0 and is read by Spark" in found.version_warnings()[0]
    part = next((place / "pipeline" / "stages").glob("1_*/metadata/part-*"))
    content = part.read_bytes()
    part.with_name(f".{part.name}.crc").unlink()
    part.write_bytes(content.replace(b"LogisticRegressionModel", b"LogisticRegressionModelOfTheFuture"))
    try:
        with pytest.raises(ModelError, match=rf"by Spark {pyspark.__version__}; it was written by Spark 9.1.0: "):
            found.pipeline()
    finally:
        part.write_bytes(content)


SAVE_AND_SCORE = """
    import sys
    import pyspark
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import RandomForestClassifier
    from pyspark.ml.feature import StringIndexer, VectorAssembler
    from pyspark.sql import SparkSession
    from ml_pipeline_framework import model_store
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.log.level", "OFF").getOrCreate())
    rows = spark.createDataFrame([("ab"[n % 2], float(n), float(n % 2)) for n in range(20)], ["c", "x", "label"])
    if sys.argv[1] == "save":
        stages = [StringIndexer(inputCol="c", outputCol="i", handleInvalid="keep")]
        stages += [VectorAssembler(inputCols=["i", "x"], outputCol="_features")]
        stages += [RandomForestClassifier(featuresCol="_features", numTrees=2, maxDepth=2, seed=1)]
        metadata = {"schema_version": 1, "name": "m", "version": "v1", "run_id": "r",
                    "versions": {"spark": pyspark.__version__}}
        model_store.save(spark, sys.argv[2], Pipeline(stages=stages).fit(rows), metadata, replace=False)
        print("SAVED")
    else:
        model = model_store.open_model(spark, sys.argv[2], "")
        print("WARNED", model.version_warnings())
        try:
            print("SCORED", model.pipeline().transform(rows).where("prediction = label").count())
        except Exception as error:
            print("REFUSED", type(error).__name__, str(error).replace(chr(10), " "))
"""


def other_python() -> str:
    """The interpreter of the environment with the other Spark, when this host has one."""
    return os.environ.get("SPARK_OTHER_PYTHON", "")


def run(python: str, *arguments: str) -> str:
    root = Path(model_store.__file__).resolve().parents[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_HOME", "PYSPARK_"))}
    environment |= {"PYTHONPATH": str(root), "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [python, "-c", textwrap.dedent(SAVE_AND_SCORE), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(not other_python(), reason="set SPARK_OTHER_PYTHON to a Python with another version of Spark")
def test_models_of_another_spark_are_read_or_refused_with_both_versions(tmp_path):
    for writer, reader in ((other_python(), sys.executable), (sys.executable, other_python())):
        path = (tmp_path / Path(writer).parents[1].name).as_uri()
        assert "SAVED" in run(writer, "save", path)
        said = run(reader, "score", path)
        assert "was written by Spark" in said
        assert "SCORED 20" in said or ("REFUSED ModelError" in said and "it was written by Spark" in said)


def test_the_manifest_lists_every_file(stored):
    listed = json.loads((stored / "churn" / "v2" / "manifest.json").read_text())["files"]
    assert "metadata.json" in listed and any(name.startswith("pipeline/stages/") for name in listed)
