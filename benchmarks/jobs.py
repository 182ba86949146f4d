"""Each of the four jobs beside the same work written by hand in PySpark, and beside a naive way, for scale.

``python -m benchmarks.jobs [--rounds 3] [--job NAME ...] [--no-naive] [--json]``. Same data, same session settings;
each run is a process of its own, ours and the peer's in turn, timed from when the session is there. Goal: the median of
ours at most 1.10 of the hand-written one. Memory: the high-water marks of Python and of its JVM.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[1]
JOBS = ("data_processing", "training", "evaluation", "prediction")
SIDES = ("ours", "by_hand", "naive")
MAX_RATIO = 1.10
COPIES = 12  # of the training rows of the flights, to score: 2.7 million rows


def session() -> Any:
    """The session that every side gets."""
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master("local[2]")
        .appName("benchmark")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .config("spark.log.level", "ERROR")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )


def high_water_mib(pid: int) -> float:
    """The largest resident memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def run_one(side: str, job: str, work: Mapping[str, Any]) -> dict[str, Any]:
    """One run in this process."""
    import importlib

    spark = session()
    jvm = spark.sparkContext._gateway.proc.pid  # the JVM that PySpark started
    if side == "ours":
        from ml_pipeline_framework.contract import PARAMS, job_type

        module = importlib.import_module(f"ml_pipeline_framework.jobs.{job}")
        params = PARAMS[job_type(job)].from_json(json.dumps(work["params"]))
        began = time.perf_counter()
        report = module.run(spark, params)
    else:
        module = importlib.import_module(f"benchmarks.peers.{job}")
        began = time.perf_counter()
        report = getattr(module, side)(spark, work)
    seconds = time.perf_counter() - began
    found = {"seconds": seconds, "python_mib": high_water_mib(os.getpid()), "jvm_mib": high_water_mib(jvm)}
    metrics = report.get("metrics", report)
    found["auc"] = metrics.get("auc")
    found["steps"] = report.get("seconds") if side == "ours" else None
    spark.stop()
    return found


def in_process(side: str, job: str, work: Mapping[str, Any]) -> dict[str, Any]:
    """The same in a fresh process."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "HADOOP_", "YARN_"))}
    env |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-m", "benchmarks.jobs", "--one", side, job]
    done = subprocess.run(
        command, cwd=REPO, env=env, input=json.dumps(work), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{side} {job} failed:\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Bench:
    """A folder with the demo's data, and what each side needs to know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "ml-pipeline"
        self.number = 0

    def door(self, *arguments: str) -> str:
        """One call of our program, with the storage root in the bench's folder."""
        env = {**os.environ, "BATCH_SUBMIT_STORAGE_ROOT": str(self.root), "XDG_STATE_HOME": str(self.folder / "state")}
        command = [str(REPO / "batch_submit.sh"), arguments[0], "--backend", "local", *arguments[1:]]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-4000:]}")
        return done.stdout

    def params(self, job: str, *flags: str) -> dict[str, Any]:
        """What the shipped configuration says of a job, under a run id of its own."""
        self.number += 1
        shown = self.door("submit", "-t", job, "--run-id", f"bench-{self.number}", "--dry-run", "--json", "--", *flags)
        params: dict[str, Any] = json.loads(shown)["params"]
        return params

    def prepare(self) -> None:
        """Raw tables, prepared tables, a model, and many rows to score."""
        self.door("demo-data")
        for job in ("data_processing", "training"):
            in_process("ours", job, {"params": self.params(job)})
        for number in range(COPIES):
            shutil.copytree(self.root / "data/training/flights.parquet", self.folder / f"many.parquet/copy={number}")

    def work(self, job: str, side: str) -> dict[str, Any]:
        """What a side is told for one run."""
        flags: list[str] = []
        if job == "prediction":
            flags = ["--input-path", f"file://{self.folder}/many.parquet"]
            flags += ["--output-path", f"file://{self.folder}/ours-{self.number}"]
        params = self.params(job, *flags)
        if side == "ours":
            return {"params": params}
        output = f"file://{self.folder}/peer-{job}-{self.number}"
        if job == "data_processing":
            return {"raw": str(self.root / "data/raw"), "output": output, "params": params}
        training = self.params("training")
        model_folder = self.root / "models" / training["model_name"]
        version = json.loads((model_folder / "latest.json").read_text(encoding="utf-8"))["version"]
        metadata = json.loads((model_folder / version / "metadata.json").read_text(encoding="utf-8"))
        names = {"n_estimators": "numTrees", "max_depth": "maxDepth"}
        return {
            "input": params["input_path"],
            "output": output,
            "raw": str(self.root / "data/raw"),
            "keys": training["key_columns"],
            "exclude": [*training["exclude_columns"], *training["known_after_columns"]],
            **{name: training[name] for name in ("time_column", "test_size", "validation_size")},
            "label": training["label_expression"],
            "label_reads": ["arr_delay"],
            "settings": {names.get(key, key): value for key, value in training["hyperparameters"].items()},
            "model": f"file://{model_folder}/{version}/pipeline",
            "threshold": metadata["threshold"] or 0.5,
            "profile": metadata["profile"],
            "segments": list(params.get("segment_columns") or ()),
            "compression": params.get("output_compression", "zstd"),
        }


def compared(bench: Bench, job: str, rounds: int, sides: tuple[str, ...]) -> dict[str, Any]:
    """Medians of one job, the sides in turn."""
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(rounds):
        for side in sides:
            if side == "naive" and number:  # shown for scale, once
                continue
            runs[side].append(in_process(side, job, bench.work(job, side)))
            print(f"  {job} {side}: {runs[side][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    result: dict[str, Any] = {"job": job}
    for side, found in runs.items():
        result[side] = {
            "seconds": statistics.median(one["seconds"] for one in found),
            "low": min(one["seconds"] for one in found),
            "high": max(one["seconds"] for one in found),
            "python_mib": max(one["python_mib"] for one in found),
            "jvm_mib": max(one["jvm_mib"] for one in found),
            "auc": found[-1]["auc"],
            "steps": found[-1]["steps"],
        }
    result["ratio"] = result["ours"]["seconds"] / result["by_hand"]["seconds"]
    return result


def show(results: list[dict[str, Any]]) -> None:
    """The table."""
    print(f"{'job':<17}{'ours':>8}{'by hand':>9}{'ratio':>7}{'naive':>8}   memory JVM + Python, MiB (ours : by hand)")
    for one in results:
        naive = f"{one['naive']['seconds']:.1f}" if "naive" in one else "-"
        ours, hand = one["ours"], one["by_hand"]
        memory = f"{ours['jvm_mib']:.0f} + {ours['python_mib']:.0f} : {hand['jvm_mib']:.0f} + {hand['python_mib']:.0f}"
        print(
            f"{one['job']:<17}{ours['seconds']:>8.1f}{hand['seconds']:>9.1f}{one['ratio']:>7.2f}{naive:>8}   {memory}"
            + ("" if one["ratio"] <= MAX_RATIO else f"   MISSED: at most {MAX_RATIO}")
        )


def main() -> int:
    """Compare, print, and end with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--job", action="append", choices=JOBS)
    parser.add_argument("--no-naive", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(*options.one, json.loads(sys.stdin.read()))))
        return 0
    sides = SIDES[:2] if options.no_naive else SIDES
    with tempfile.TemporaryDirectory(prefix="bench-jobs-") as folder:
        bench = Bench(Path(folder))
        bench.prepare()
        results = [compared(bench, job, options.rounds, sides) for job in options.job or JOBS]
    print(json.dumps(results, indent=2)) if options.json else show(results)
    return 0 if all(one["ratio"] <= MAX_RATIO for one in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
