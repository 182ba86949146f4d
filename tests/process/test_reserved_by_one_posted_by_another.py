"""A call that has reserved an id and stops before its POST, while another host's call has posted under that id."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.canned_rm import Mode
from tests.process.canned_webhdfs import CannedWebHdfs, Remote
from tests.process.door import Door, Running, until
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager, spark_home

QUOTA = Remote(403, "DSQuotaExceededException", "The DiskSpace quota is exceeded")
FLAGS = ("--conf", SHARED_JARS, "--launcher", "rest", "--no-wait", "--run-id", "r1")
WAIT = (
    "import os, time",
    "from batch_submit.errors import ClusterUnreachable",
    "from batch_submit.launchers import posting, rest",
    "from batch_submit.operations import try_record",
    "def wait():",
    "    open(os.environ['GATE'] + '.reached', 'w').close()",
    "    while not os.path.exists(os.environ['GATE']): time.sleep(0.05)",
    "placed, reserved = rest.RestLauncher._placed, try_record.TryRecord.reserved",
)
STAGING = (
    *WAIT,
    "def held(*given):",
    "    wait()",
    "    return placed(*given)",
    "rest.RestLauncher._placed = held",
)
#: The claim is in place, and its answer is lost.
CLAIMING = (
    *WAIT,
    "def held(*given):",
    "    reserved(*given)",
    "    wait()",
    "    raise ClusterUnreachable('the answer was lost')",
    "try_record.TryRecord.reserved = held",
)
POSTING = (
    *WAIT,
    "def held(*_, **__):",
    "    wait()",
    "    raise ClusterUnreachable('no ResourceManager answers')",
    "posting.Poster.post = held",
)


@pytest.fixture
def rm() -> Iterator[TakingResourceManager]:
    with TakingResourceManager() as server:
        server.steps = [("ACCEPTED", "UNDEFINED", {})]
        yield server


@pytest.fixture
def host(tmp_path: Path, rm: TakingResourceManager, webhdfs: CannedWebHdfs) -> Iterator[Door]:
    opened = Door(tmp_path, rm, webhdfs)
    opened.env |= {"SPARK_HOME": spark_home(tmp_path), "HADOOP_USER_NAME": "alice", "GATE": str(tmp_path / "gate")}
    (tmp_path / "other").mkdir()
    yield opened
    opened.close()


def stopped_at(host: Door, statements: tuple[str, ...], *more: str) -> Running:
    """A call that has reserved an id and waits."""
    first = host.submitting(*FLAGS, *more, program=host.changed_program(*statements))
    until((host.folder / "gate.reached").exists, "the first call waits")
    return first


def staged(webhdfs: CannedWebHdfs) -> list[str]:
    return sorted(path for path, node in webhdfs.nodes.items() if "/.sparkStaging/" in path and node.data is not None)


def claimed(webhdfs: CannedWebHdfs) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in webhdfs.nodes if "/runs/r1/" in path)


@pytest.mark.parametrize(
    ("statements", "how", "words"),
    [
        (STAGING, "signal", "a signal ended it"),
        (STAGING, "quota", "quota is exceeded"),
        (CLAIMING, "", "the answer was lost"),
        (POSTING, "", "no ResourceManager answers"),
    ],
    ids=["a signal", "a quota", "a claim", "a post"],
)
def test_the_first_call_leaves_the_files_of_the_second_alone_and_says_8(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, statements: tuple[str, ...], how: str, words: str
) -> None:
    first = stopped_at(host, statements)
    second = host.submit(*FLAGS, env={"HOME": str(host.folder / "other")})
    assert second.code == 0 and list(rm.applications) == rm.posted, second.err
    used = [path for path in staged(webhdfs) if "/again-" in path]
    assert used
    if how == "signal":
        first.send(signal.SIGTERM)
    elif how == "quota":
        webhdfs.fail["CREATE"] = QUOTA
    (host.folder / "gate").touch()
    done = first.end()
    webhdfs.fail.clear()
    assert done.code == 8 and done.said("another call has posted it", words), done.err
    assert "nothing was submitted" not in done.err, done.err
    assert staged(webhdfs) == used, "its own are gone, those of the application are there"
    assert host.last_try["state"] == "LAUNCHING" and "1-not-submitted.json" not in claimed(webhdfs)
    again = host.submit(*FLAGS)
    assert again.code == 0 and again.said("attached to") and len(rm.posted) == 1, again.err


@pytest.mark.parametrize(
    ("claim", "code", "words"), [("auto", 8, "can't be asked"), ("none", 4, "quota is exceeded")], ids=["shared", "own"]
)
def test_where_nobody_answers_only_an_id_that_others_can_read_is_uncertain(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, claim: str, code: int, words: str
) -> None:
    first = stopped_at(host, STAGING, "--claim", claim)
    webhdfs.fail["CREATE"] = QUOTA
    rm.mode = Mode.ERROR
    (host.folder / "gate").touch()
    done = first.end()
    assert done.code == code and done.said(words) and staged(webhdfs) == [], done.err
    assert host.last_try["state"] == ("LAUNCHING" if code == 8 else "NOT_SUBMITTED")
    webhdfs.fail.clear()
    rm.mode = Mode.ACTIVE
    again = host.submit(*FLAGS, "--claim", claim)
    assert again.code == 0 and len(rm.applications) == 1, again.err


def test_where_nobody_else_has_posted_it_is_told_and_nothing_is_left(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs
) -> None:
    first = stopped_at(host, STAGING)
    first.send(signal.SIGTERM)
    (host.folder / "gate").touch()
    done = first.end()
    assert done.code == 143 and done.said("nothing was submitted") and rm.posted == [], done.err
    assert not [path for path in webhdfs.nodes if "/.sparkStaging/" in path]
    assert host.last_try["state"] == "NOT_SUBMITTED" and "1-not-submitted.json" in claimed(webhdfs)
