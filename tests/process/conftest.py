"""What the process tests share: the servers of paper and the door to our program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.canned_rm import CannedResourceManager
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import Door


@pytest.fixture
def rm() -> Iterator[CannedResourceManager]:
    """A ResourceManager without applications."""
    with CannedResourceManager() as server:
        yield server


@pytest.fixture
def webhdfs() -> Iterator[CannedWebHdfs]:
    """An empty HDFS."""
    with CannedWebHdfs() as server:
        yield server


@pytest.fixture
def door(tmp_path: Path, rm: CannedResourceManager, webhdfs: CannedWebHdfs) -> Iterator[Door]:
    """Our program, with a cluster configured."""
    opened = Door(tmp_path, rm, webhdfs)
    yield opened
    opened.close()


@pytest.fixture
def laptop(tmp_path: Path, rm: CannedResourceManager, webhdfs: CannedWebHdfs) -> Iterator[Door]:
    """Our program on a host without any Hadoop configuration; the recorder succeeds as a driver."""
    opened = Door(tmp_path, rm, webhdfs)
    del opened.env["HADOOP_CONF_DIR"]
    opened.recorder()
    yield opened
    opened.close()
