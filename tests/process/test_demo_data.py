"""``demo-data``: the raw tables as CSV under the storage root, each whole or not at all, on this host and in HDFS."""

from __future__ import annotations

import csv

from tests.process.door import Door

ROWS = {"flights": 336_776, "weather": 26_115, "planes": 3_322}


def test_on_this_host_it_is_written_once(door: Door) -> None:
    first = door.run("demo-data", "--backend", "local", "--json")
    assert first.code == 0, first.err
    folder = door.work / "ml-pipeline" / "data" / "raw"
    files = [{"path": f"file://{folder}/{table}.csv", "rows": rows, "written": True} for table, rows in ROWS.items()]
    assert first.json == {"path": f"file://{folder}", "files": files}
    for table, rows in ROWS.items():
        with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            header, *found = csv.reader(file)
        assert len(found) == rows and {len(one) for one in found} == {len(header)}, table
    assert {one.name for one in folder.iterdir()} == {f"{table}.csv" for table in ROWS}

    target = folder / "weather.csv"
    written = target.stat().st_mtime_ns
    again = door.run("demo-data", "--backend", "local", "--json")
    assert again.code == 0 and not any(one["written"] for one in again.json["files"]) and "--force" in again.err
    assert target.stat().st_mtime_ns == written
    target.unlink()  # a file that is missing is written, the others are kept
    missing = door.run("demo-data", "--backend", "local", "--json")
    assert [one["written"] for one in missing.json["files"]] == [False, True, False]
    assert door.run("demo-data", "--backend", "local", "--force").code == 0
    assert target.stat().st_mtime_ns > written


def test_a_root_that_can_not_be_written(door: Door) -> None:
    (door.work / "taken").write_text("a file")
    outcome = door.run("demo-data", "--backend", "local", env={"BATCH_SUBMIT_STORAGE_ROOT": str(door.work / "taken")})
    assert (outcome.code, outcome.out) == (3, ""), outcome.err
    assert outcome.said("can't be written", "next: set storage_root")
