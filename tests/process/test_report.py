"""``report``: found by run id, name or application id; read from HDFS or this host; replaces nothing but its own."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.process.canned_rm import Mode
from tests.process.canned_webhdfs import Node
from tests.process.door import RUNNING, SUCCEEDED, Door, Step

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "reports"
METRICS = "/ml-pipeline/metrics/model/r1/metrics.json"
FAILED: Step = ("FINISHED", "FAILED", {"diagnostics": "User application exited with status 1"})
CONFIG = """\
execution:
  log_file: our.log
data_config:
  training_data_path: data/flights.parquet
model_config:
  label_column: is_late
  key_columns: [id]
"""


def sample(name: str, **changed: Any) -> bytes:
    """A report as a job writes it, of run r1."""
    document = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return json.dumps({**document, "run_id": "r1", **changed}).encode()


@pytest.fixture
def alice(door: Door) -> Door:
    """Training is configured; HDFS is hers."""
    door.env["HADOOP_USER_NAME"] = "alice"
    door.write_config(CONFIG)
    return door


def trained(door: Door, *steps: Step, report: bytes | None = None) -> str:
    """Run r1 is over, or as far as its steps say, and has left this report; the application id."""
    door.webhdfs.nodes["/ml-pipeline/data/flights.parquet"] = Node(b"PAR1")
    door.submits(*(steps or [SUCCEEDED]), user="alice")
    outcome = door.run("submit", "-t", "training", "--run-id", "r1", "-n", "nightly", "--no-wait")
    assert outcome.code == 0, outcome.err
    if report is not None:
        door.webhdfs.nodes[METRICS] = Node(report)
    return door.application_id


def test_by_run_id_name_and_application_id_from_hdfs(alice: Door) -> None:
    application_id = trained(alice, report=sample("training"))
    alice.webhdfs.nodes[METRICS] = Node(sample("training", application_id=application_id))
    for word in ("r1", "nightly", application_id):
        outcome = alice.run("report", word)
        assert (outcome.code, outcome.out) == (0, f"{alice.work}/r1.html\n"), outcome.err
        assert outcome.said(f"mode 0600; from hdfs://127.0.0.1:9000{METRICS}")
    page = alice.work / "r1.html"
    text = page.read_text(encoding="utf-8")
    assert "nightly-arrival-delay" in text and "12,345 MiB s" in text and "succeeded</span>" in text
    assert f'href="{alice.rm.url}/cluster/app/{application_id}"' in text
    assert "another try" not in text and "<svg" in text
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert [path.name for path in alice.work.glob("*r1*")] + [path.name for path in alice.work.glob(".*r1*")] == [
        "r1.html"
    ]


def test_json_names_all_that_a_script_needs(alice: Door) -> None:
    application_id = trained(alice, report=sample("training"))
    outcome = alice.run("report", "r1", "--out", "pages/", "--json")
    assert outcome.code == 2 and outcome.said(f"{alice.work}/pages: there is no such folder")
    (alice.work / "pages").mkdir()
    answer = alice.run("report", "r1", "--out", "pages", "--json").json
    page = alice.work / "pages" / "r1.html"
    other = "application_1795261034488_0142"
    assert answer == {
        "path": str(page),
        "bytes": page.stat().st_size,
        "run_id": "r1",
        "application_id": other,
        "job_type": "training",
        "result": "succeeded",
        "metrics_path": f"hdfs://127.0.0.1:9000{METRICS}",
        "plots": True,
        "opened": False,
        "warnings": [
            "carrier OO has 32 rows only: its categories are kept, its metrics scatter",
            "dep_delay predicts the label by itself: possible leakage, see below",
            f"The report was written by {other}, another try than {application_id}",
        ],
    }


def test_a_run_that_has_not_ended(alice: Door) -> None:
    application_id = trained(alice, RUNNING)
    outcome = alice.run("report", "r1")
    assert outcome.code == 2 and outcome.said(f"{application_id} has not ended", f"monitor {application_id}")
    assert not (alice.work / "r1.html").exists() and outcome.out == ""


def test_a_run_that_failed_leaves_its_cause_or_its_report(alice: Door) -> None:
    application_id = trained(alice, FAILED)
    outcome = alice.run("report", "r1")
    assert outcome.code == 4 and outcome.said(
        f"{application_id} left no report: it ended as failed", f"diagnose {application_id}"
    )
    alice.webhdfs.nodes[METRICS] = Node(sample("evaluation"))  # a gate fails after the report is written
    outcome = alice.run("report", "r1", "--json")
    assert outcome.code == 0 and outcome.json["result"] == "failed"
    assert "The gate failed: min_auc, max_regression" in outcome.json["warnings"]
    assert "The run failed: User application exited with status 1" in (alice.work / "r1.html").read_text()


def test_a_run_that_succeeded_without_a_report(alice: Door) -> None:
    trained(alice)
    outcome = alice.run("report", "r1")
    assert outcome.code == 4 and outcome.said(METRICS, "there is no metrics.json")


def test_a_script_of_ones_own_has_none_unless_it_is_named(door: Door) -> None:
    assert door.submit("--run-id", "mine").code == 0
    outcome = door.run("report", "mine")
    assert outcome.code == 4 and outcome.said("run mine is a custom job", "--metrics PATH")
    (door.work / "numbers.json").write_bytes(sample("evaluation"))
    outcome = door.run("report", "mine", "--metrics", "numbers.json")
    assert outcome.code == 0, outcome.err
    assert "This is the report of run r1, and run mine was asked for" in (door.work / "r1.html").read_text()


def test_an_application_without_a_record(door: Door) -> None:
    one = door.rm.add("others", user="bob")
    outcome = door.run("report", one)
    assert outcome.code == 4 and outcome.said(f"no record of {one}", "--metrics PATH")
    door.webhdfs.nodes["/ml-pipeline/metrics"] = Node()
    door.webhdfs.nodes["/ml-pipeline/metrics/metrics.json"] = Node(sample("prediction"))
    outcome = door.run("report", one, "--metrics", "metrics")  # a folder, below the storage root
    assert outcome.code == 0, outcome.err
    assert "12,345 MiB s" in (door.work / "r1.html").read_text()
    assert door.run("report", "application_1700000000000_0099").code == 4


def test_forgotten_by_the_resource_manager_or_away_the_record_tells(alice: Door) -> None:
    trained(alice, report=sample("training"))
    assert alice.run("wait", "r1").code == 0
    alice.rm.applications.clear()
    outcome = alice.run("report", "r1", "--json")
    assert outcome.code == 0 and outcome.said("taken from this host's record")
    assert outcome.json["result"] == "succeeded"
    alice.rm.mode = Mode.ERROR
    outcome = alice.run("report", "r1", "--json")
    assert outcome.code == 0 and outcome.json["result"] == "succeeded", outcome.err


def test_a_local_run_without_any_cluster(laptop: Door) -> None:
    laptop.write_config(CONFIG)
    outcome = laptop.run("submit", "-t", "training", "--run-id", "r1")
    assert outcome.code == 0, outcome.err
    (record,) = laptop.records()
    place = Path(record["params"]["metrics_path"].removeprefix("file://"))
    place.parent.mkdir(parents=True)
    place.write_bytes(sample("training", application_id="local-1795168011411"))
    for word in ("r1", "local-r1"):
        outcome = laptop.run("report", word)
        assert outcome.code == 0, outcome.err
    text = (laptop.work / "r1.html").read_text()
    assert "not accounted by YARN" in text and "another try" not in text and laptop.rm.asked == []


def test_the_stages_of_a_pipeline_are_read_where_they_can_be(laptop: Door) -> None:
    for name in ("pipeline", "stages/data_processing", "stages/training"):
        place = laptop.work / f"{name}.json"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes((GOLDEN / f"{place.stem}.json").read_bytes())
    (laptop.work / "stages" / "evaluation.json").write_text("{")
    outcome = laptop.run("report", "--metrics", "pipeline.json", "--out", "p.html")
    text = (laptop.work / "p.html").read_text()
    assert outcome.code == 0, outcome.err
    assert "4 of 5" in text and "ROC AUC" in text  # the quality of stage 1, the model of stage 2
    assert "could not be read: this is no JSON" in text and "could not be read: there is no metrics.json" in text


def test_what_is_no_report(laptop: Door) -> None:
    place = laptop.work / "m.json"
    for content, said in (
        (b"[" * 100_000, "no JSON"),
        (b'{"run_id": "' + b"x" * (17 << 20) + b'"}', "too many for a report"),
    ):
        place.write_bytes(content)
        outcome = laptop.run("report", "--metrics", "m.json")
        assert outcome.code == 2 and outcome.said(str(place), said), outcome.err
    assert not list(laptop.work.glob("*.html"))


def test_bad_calls(laptop: Door) -> None:
    outcome = laptop.run("report")
    assert outcome.code == 2 and outcome.said("report needs an application id", "next: ")
    outcome = laptop.run("report", "--metrics", "none.json")
    assert outcome.code == 2 and outcome.said("none.json: there is no metrics.json")
    outcome = laptop.run("report", "nobody")
    assert outcome.code == 4 and outcome.said("'nobody' is no application id")


def test_only_pages_of_ours_are_replaced(laptop: Door) -> None:
    (laptop.work / "m.json").write_bytes(sample("training"))
    (laptop.work / "mine.html").write_text("<!DOCTYPE html><p>mine")
    (laptop.work / "link.html").symlink_to("mine.html")
    report = ("report", "--metrics", "m.json", "--out")
    for name in ("link.html", "m.json", "/dev/null"):
        outcome = laptop.run(*report, name)
        assert outcome.code == 2, outcome.err
    assert (laptop.work / "mine.html").read_text() == "<!DOCTYPE html><p>mine"
    assert laptop.run(*report, "link.html", "--force").code == 0
    assert (laptop.work / "link.html").is_symlink() and "ROC AUC" in (laptop.work / "mine.html").read_text()
    before = (laptop.work / "mine.html").read_bytes()
    assert laptop.run(*report, "mine.html").code == 0  # now it is one of ours
    assert (laptop.work / "mine.html").read_bytes() == before  # and the same report is the same page


def test_a_run_id_from_the_document_is_no_way_out_of_the_folder(laptop: Door) -> None:
    (laptop.work / "m.json").write_bytes(sample("training", run_id="../../x"))
    outcome = laptop.run("report", "--metrics", "m.json")
    assert (outcome.code, outcome.out) == (0, f"{laptop.work}/report.html\n")


def test_a_folder_that_can_not_be_written(laptop: Door) -> None:
    (laptop.work / "m.json").write_bytes(sample("training"))
    outcome = laptop.run("report", "--metrics", "m.json", "--out", "/proc/x.html")
    assert outcome.code == 3 and outcome.said("/proc/x.html", "can't be written"), outcome.err


def test_open_calls_the_browser_and_keeps_stdout_clean(laptop: Door) -> None:
    (laptop.work / "m.json").write_bytes(sample("training"))
    browser = laptop.folder / "bin" / "browser"
    browser.write_text('#!/usr/bin/env bash\necho "noise on stdout"\necho "$1" > opened\n')
    browser.chmod(0o755)
    outcome = laptop.run("report", "--metrics", "m.json", "--open", env={"BROWSER": str(browser)})
    assert (outcome.code, outcome.out) == (0, f"{laptop.work}/r1.html\n"), outcome.err
    assert (laptop.work / "opened").read_text() == f"file://{laptop.work}/r1.html\n"
    outcome = laptop.run("report", "--metrics", "m.json", "--open")
    assert outcome.code == 0 and outcome.said("no browser can be opened here", "scp ")


def test_without_matplotlib_the_page_has_tables_and_says_so(laptop: Door) -> None:
    (laptop.work / "m.json").write_bytes(sample("training"))
    (laptop.work / "matplotlib.py").write_text("raise ModuleNotFoundError('No module', name='matplotlib')\n")
    outcome = laptop.run("report", "--metrics", "m.json", "--json", env={"PYTHONPATH": str(laptop.work)})
    assert outcome.code == 0 and outcome.said("matplotlib is missing", "pip install 'batch-submit[report]'"), (
        outcome.err
    )
    text = (laptop.work / "r1.html").read_text()
    assert outcome.json["plots"] is False and "<svg" not in text and "batch-submit[report]" in text


def test_two_hosts_draw_the_same_page(laptop: Door) -> None:
    (laptop.work / "m.json").write_bytes(sample("training"))
    assert laptop.run("report", "--metrics", "m.json", "--out", "a.html").code == 0
    (laptop.work / "matplotlibrc").write_text("lines.linewidth: 9\nsvg.fonttype: path\nfont.size: 20\n")
    other = {"HOME": str(laptop.folder), "LANG": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    assert laptop.run("report", "--metrics", "m.json", "--out", "b.html", env=other).code == 0
    assert (laptop.work / "a.html").read_bytes() == (laptop.work / "b.html").read_bytes()
