"""A submission that was refused over REST, and what repeats it; and two hosts that post one application id."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.canned_replies import remote_exception
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import RUNNING, SUCCEEDED, Door, until
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager
from tests.process.test_over_rest import reserved_before, submit

TOO_LARGE = remote_exception(400, "BadRequestException", "Requested more memory than configured max")
#: Lets a call stop just before its POST until the file ``$GATE`` is there.
WAITS = (
    "import os, time",
    "from batch_submit.launchers import posting",
    "post = posting.Poster.post",
    "def waiting(self, *given):",
    "    open(os.environ['GATE'] + '.reached', 'w').close()",
    "    while not os.path.exists(os.environ['GATE']): time.sleep(0.02)",
    "    return post(self, *given)",
    "posting.Poster.post = waiting",
)


@pytest.fixture
def rm() -> Iterator[TakingResourceManager]:
    with TakingResourceManager() as server:
        server.steps = [SUCCEEDED]
        yield server


def claimed(webhdfs: CannedWebHdfs) -> list[str]:
    return sorted(path.rpartition("/")[2] for path in webhdfs.nodes if "/runs/r1/" in path)


def test_a_refusal_makes_room_for_a_new_try_however_many_ids_later(
    host: Door,
    rm: TakingResourceManager,
    webhdfs: CannedWebHdfs,
) -> None:
    rm.answers_to_post = [TOO_LARGE]
    assert submit(host, "--run-id", "r1", "--launcher", "rest").code == 4
    assert claimed(webhdfs) == ["1-not-submitted.json", "1-planned.json", "1-reserved.json"]
    rm.given += 600
    done = submit(host, "--run-id", "r1", "--launcher", "rest")
    assert done.code == 0 and rm.posted == [f"application_{rm.epoch}_0602"], done.err
    assert "1-closed.json" in claimed(webhdfs) and "2-submitted.json" in claimed(webhdfs)
    assert "1-again.json" not in claimed(webhdfs)


@pytest.mark.parametrize("status", [400, 403])
def test_a_repeat_that_is_refused_again_is_told_so(
    host: Door,
    rm: TakingResourceManager,
    status: int,
) -> None:
    no = remote_exception(status, "BadRequestException", "Requested more memory than configured max")
    rm.answers_to_post = [no, no]
    for number in (1, 2):
        done = submit(host, "--run-id", "r1")
        assert done.code == 4 and done.said("configured max"), done.err
        assert (host.last_try["state"], host.last_try["number"]) == ("NOT_SUBMITTED", number)


@pytest.mark.parametrize(
    "flags", [["--conf", "spark.jars.packages=a:b:1"], ["--launcher", "spark-submit"]], ids=["auto", "named"]
)
@pytest.mark.parametrize("is_other_host", [False, True])
def test_what_rest_refused_goes_on_by_spark_submit(
    host: Door,
    rm: TakingResourceManager,
    flags: list[str],
    is_other_host: bool,
) -> None:
    rm.answers_to_post = [TOO_LARGE]
    assert submit(host, "--run-id", "r1").code == 4
    (host.folder / "other").mkdir()
    env = {"HOME": str(host.folder / "other")} if is_other_host else {}
    again = submit(host, "--run-id", "r1", *flags, env=env)
    assert (again.code, len(host.calls), rm.posted) == (0, 1, []), again.err
    assert again.said("try 2"), again.err


def test_a_named_launcher_that_is_overruled_is_said(
    host: Door,
    rm: TakingResourceManager,
) -> None:
    """An id that may have been posted is posted again; spark-submit would make a second application."""
    application_id = reserved_before(host, rm)
    again = submit(host, "--run-id", "r1", "--launcher", "spark-submit")
    assert (again.code, rm.posted, host.calls) == (0, [application_id], []), again.err
    assert again.said(f"{application_id} is posted over REST although launcher spark-submit is named"), again.err


@pytest.mark.parametrize("since", [0, 600], ids=["rest can't take it now", "too old"])
def test_an_id_that_can_t_be_posted_again_names_the_way_on(
    host: Door,
    rm: TakingResourceManager,
    since: int,
) -> None:
    reserved_before(host, rm)
    rm.given += since
    flags = [] if since else ["--conf", "spark.jars.packages=a:b:1"]
    stuck = submit(host, "--run-id", "r1", *flags)
    assert stuck.code == 8 and stuck.said("resolve r1 --not-submitted --force"), stuck.err
    assert host.run("resolve", "r1", "--not-submitted", "--force").code == 0
    done = submit(host, "--run-id", "r1", *flags)
    assert done.code == 0 and len(rm.applications) == 1, done.err


@pytest.mark.parametrize("first_is_refused", [True, False], ids=["to who reserved it", "to the other"])
def test_a_no_to_one_of_two_hosts_that_post_one_id_is_none_when_the_other_s_was_taken(
    host: Door,
    rm: TakingResourceManager,
    webhdfs: CannedWebHdfs,
    tmp_path: Path,
    first_is_refused: bool,
) -> None:
    rm.steps = [("ACCEPTED", "UNDEFINED", {})]
    (tmp_path / "other").mkdir()
    other = {"HOME": str(tmp_path / "other")}
    program = host.changed_program(*WAITS)

    def begun(name: str, env: dict[str, str]) -> Any:
        flags = ("--verbose", "--conf", SHARED_JARS, "--run-id", "r1", "--no-wait")
        call = host.submitting(*flags, program=program, env={**env, "GATE": str(tmp_path / name)})
        until(lambda: (tmp_path / f"{name}.reached").exists(), f"{name} is about to post")
        return call

    calls = {"first": begun("first", {}), "second": begun("second", other)}
    taken, refused = ("second", "first") if first_is_refused else ("first", "second")
    (tmp_path / taken).touch()
    done = calls[taken].end()
    assert done.code == 0 and len(rm.applications) == 1, done.err
    rm.answers_to_post = [TOO_LARGE]
    (tmp_path / refused).touch()
    told = calls[refused].end()
    assert (told.code, told.out, rm.answers_to_post) == (0, done.out, []), told.err
    assert len(rm.applications) == 1 and "1-not-submitted.json" not in claimed(webhdfs)


def test_a_kill_of_what_is_about_to_be_posted_is_not_known(
    host: Door, rm: TakingResourceManager, tmp_path: Path
) -> None:
    rm.steps = [RUNNING]
    flags = ("--conf", SHARED_JARS, "--run-id", "r1", "--launcher", "rest", "--no-wait")
    program = host.changed_program(*WAITS)
    launch = host.submitting(*flags, program=program, env={"GATE": str(tmp_path / "gate")})
    until(lambda: (tmp_path / "gate.reached").exists(), "it is about to post")
    killed = host.run("kill", "r1")
    (tmp_path / "gate").touch()
    assert launch.end().code == 0
    assert killed.code == 8 and killed.said("which is being launched", "again, in a few seconds"), killed.err
