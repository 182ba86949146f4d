"""``demo-data``: the flights as Parquet under the storage root, whole or not at all, on this host and in HDFS."""

from __future__ import annotations

from pyarrow import parquet

from tests.process.door import Door

ROWS = 336_776


def test_on_this_host_it_is_written_once(door: Door) -> None:
    first = door.run("demo-data", "--backend", "local", "--json")
    assert first.code == 0, first.err
    target = door.work / "ml-pipeline" / "data" / "training" / "flights.parquet"
    assert first.json == {"path": f"file://{target}", "rows": ROWS, "written": True}
    found = parquet.ParquetFile(target)
    assert found.metadata.num_rows == ROWS and found.metadata.num_columns == 19
    assert found.metadata.num_row_groups > 2  # two cores share it
    assert [one.name for one in target.parent.iterdir()] == [target.name]

    written = target.stat().st_mtime_ns
    again = door.run("demo-data", "--backend", "local", "--json")
    assert (again.code, again.json["written"]) == (0, False) and "--force" in again.err
    assert target.stat().st_mtime_ns == written
    assert door.run("demo-data", "--backend", "local", "--force").code == 0
    assert target.stat().st_mtime_ns > written


def test_a_root_that_can_not_be_written(door: Door) -> None:
    (door.work / "taken").write_text("a file")
    outcome = door.run("demo-data", "--backend", "local", env={"BATCH_SUBMIT_STORAGE_ROOT": str(door.work / "taken")})
    assert (outcome.code, outcome.out) == (3, ""), outcome.err
    assert outcome.said("can't be written", "next: set storage_root")
