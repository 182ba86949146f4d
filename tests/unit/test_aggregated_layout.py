"""Where aggregated logs are looked for, and what the names there mean."""

from __future__ import annotations

import pytest

from batch_submit.adapters.aggregated_logs.layout import Kind, NodeFile, folders, node_file
from batch_submit.adapters.aggregated_logs.remote_file import UnsupportedLogs
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.errors import UsageError

APPLICATION = "application_1795000000000_12345"


def test_the_folders_of_a_plain_site() -> None:
    conf = HadoopConf({"yarn.nodemanager.remote-app-log-dir": "/app-logs"})

    assert folders(APPLICATION, "alice", conf.remote_log_dirs()) == (
        f"/app-logs/alice/bucket-logs-tfile/2345/{APPLICATION}",
        f"/app-logs/alice/bucket-logs/2345/{APPLICATION}",
        f"/app-logs/alice/logs-tfile/{APPLICATION}",
        f"/app-logs/alice/logs/{APPLICATION}",
    )


def test_the_folders_of_several_formats() -> None:
    conf = HadoopConf(
        {
            "fs.defaultFS": "hdfs://site",
            "yarn.log-aggregation.file-formats": "IndexedFormat,TFile",
            "yarn.log-aggregation.IndexedFormat.remote-app-log-dir": "hdfs://site/ats/",
            "yarn.log-aggregation.IndexedFormat.remote-app-log-dir-suffix": "indexed",
        }
    )

    found = folders("application_1_0007", "bob", conf.remote_log_dirs(), conf.default_fs)

    assert found[:2] == (
        "/ats/bob/bucket-indexed/0007/application_1_0007",
        "/tmp/logs/bob/bucket-logs-tfile/0007/application_1_0007",
    )
    assert "/tmp/logs/bob/logs/application_1_0007" in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize("root", ["s3a://bucket/logs", "hdfs://another/app-logs", "file:///logs", "relative"])
def test_a_root_elsewhere_is_named(root: str) -> None:
    with pytest.raises(UnsupportedLogs, match="outside of the default HDFS") as caught:
        folders(APPLICATION, "alice", [("TFile", root, "logs")], "hdfs://here")
    assert caught.value.where == root


def test_a_root_elsewhere_beside_one_here() -> None:
    places = [("IFile", "s3a://bucket/logs", "logs-ifile"), ("TFile", "/app-logs", "logs")]

    assert len(folders(APPLICATION, "alice", places, "hdfs://here")) == 2


@pytest.mark.parametrize(("application", "owner"), [("job_1_1", "alice"), (APPLICATION, ""), (APPLICATION, "../bob")])
def test_what_can_not_be(application: str, owner: str) -> None:
    with pytest.raises(UsageError):
        folders(application, owner, [("TFile", "/app-logs", "logs")])


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("worker-1.example_8041", NodeFile(Kind.NODE, "worker-1.example:8041")),
        ("worker_1_45454", NodeFile(Kind.NODE, "worker_1:45454")),
        ("localhost_8041_1795262978590", NodeFile(Kind.NODE, "localhost:8041", 1795262978590)),
        ("localhost_8041.tmp", NodeFile(Kind.UNFINISHED, "localhost:8041")),
        ("localhost_8041-checksum", NodeFile(Kind.OTHER)),
        ("localhost_8041_1795262978590-checksum", NodeFile(Kind.OTHER)),
        (f"{APPLICATION}.har", NodeFile(Kind.ARCHIVE)),
        ("_SUCCESS", NodeFile(Kind.OTHER)),
    ],
)
def test_names(name: str, meaning: NodeFile) -> None:
    assert node_file(name) == meaning
