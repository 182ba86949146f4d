"""What ResourceManagers that are not active really answer, and what we make of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from batch_submit.adapters.http import HttpSession, NotJson, StdlibSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.rm_replies import parse_application
from batch_submit.errors import ClusterUnreachable
from batch_submit.model import FinalStatus, Result, State, judge
from tests.process.canned_rm import CannedResourceManager
from tests.process.door import RUNNING, Door
from tests.process.recorded_rm import GOLDEN, RECORDED_ID, RecordedResourceManager
from tests.process.test_acting import IMPATIENT

INFO = "/ws/v1/cluster/info"
STATE = f"/ws/v1/cluster/apps/{RECORDED_ID}/state"


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with closing(StdlibSession("alice")) as opened:
        yield opened


@pytest.fixture
def standby(rm: CannedResourceManager) -> Iterator[RecordedResourceManager]:
    """rm2, and rm1 is the canned one."""
    rm.add(id=RECORDED_ID, steps=[RUNNING], tags=["batch-submit"])
    with RecordedResourceManager("standby", rm.url.removeprefix("http://")).serving() as server:
        yield server


@pytest.fixture
def lonely() -> Iterator[RecordedResourceManager]:
    """rm2 after the death of rm1."""
    with RecordedResourceManager("none_active").serving() as server:
        yield server


@pytest.fixture
def manager(rm: CannedResourceManager, standby: RecordedResourceManager, session: HttpSession) -> ResourceManager:
    """A client that asks the standby first."""
    return ResourceManager([standby.url, rm.url], session, user="alice", timeout_s=5)


def test_a_standby_that_is_asked_first_is_asked_who_it_is_and_no_more(
    rm: CannedResourceManager, standby: RecordedResourceManager, manager: ResourceManager
) -> None:
    assert [report.application_id for report in manager.applications()] == [RECORDED_ID]
    assert manager.application(RECORDED_ID).state is State.RUNNING
    assert manager.set_lifetime(RECORDED_ID, 1_893_456_000_000) is not None
    assert manager.kill(RECORDED_ID) is False

    assert standby.asked == [("GET", INFO)]
    assert rm.kills == [(RECORDED_ID, "alice")]


def test_a_write_to_one_that_has_become_standby_goes_to_the_active_one_directly(
    rm: CannedResourceManager, standby: RecordedResourceManager, session: HttpSession
) -> None:
    manager = ResourceManager([standby.url], session, user="alice", timeout_s=5)
    manager._active = standby.url  # it was the active one a moment ago

    manager.kill(RECORDED_ID)

    assert standby.asked == [("PUT", STATE), ("GET", INFO)], "the redirect is a hint whom to ask, and not followed"
    assert rm.paths("PUT") == [STATE]
    assert rm.kills == [(RECORDED_ID, "alice")]
    assert manager.active_url() == rm.url


@pytest.mark.parametrize(
    "ask",
    [
        lambda manager: manager.applications(),
        lambda manager: manager.application(RECORDED_ID),
        lambda manager: manager.kill(RECORDED_ID),
        lambda manager: manager.set_lifetime(RECORDED_ID, 1_893_456_000_000),
    ],
    ids=["apps", "app", "kill", "lifetime"],
)
@pytest.mark.parametrize("was_active", [False, True])
def test_none_active(
    ask: Callable[[ResourceManager], object], was_active: bool, lonely: RecordedResourceManager, session: HttpSession
) -> None:
    manager = ResourceManager([lonely.url, "http://127.0.0.1:1"], session, user="alice", timeout_s=5)
    if was_active:
        manager._active = lonely.url

    with pytest.raises(ClusterUnreachable, match="none of the ResourceManagers is active") as caught:
        ask(manager)

    assert caught.value.exit_code == 5
    assert f"{lonely.url}: STANDBY" in str(caught.value) and "no connection" in str(caught.value)
    assert len([path for method, path in lonely.asked if method == "PUT"]) <= int(was_active)


def test_a_standbys_proxy_works_and_a_broken_one_says_why(
    standby: RecordedResourceManager, lonely: RecordedResourceManager, session: HttpSession
) -> None:
    path = f"/proxy/{RECORDED_ID}/api/v1/applications"
    answered = session.request("GET", standby.url + path, timeout_s=5)
    (application,) = answered.json()
    assert application["id"] == RECORDED_ID and application["attempts"][0]["completed"] is False

    refused = session.request("GET", lonely.url + path, timeout_s=5)
    assert refused.status == 500
    assert "Connection refused" in " ".join(refused.words())
    with pytest.raises(NotJson):
        refused.json()

    lonely.kind = "two_ids"
    misled = session.request("GET", lonely.url + path, timeout_s=5)
    assert misled.status == 500 and "cause3" in misled.json(), "an error in JSON that is no list of applications"


def test_a_recovered_application_has_succeeded() -> None:
    report = parse_application(json.loads((GOLDEN / "app_recovered_3.5.json").read_text()))
    assert (report.state, report.final_status) == (State.FINISHED, FinalStatus.SUCCEEDED)
    verdict = judge(report)
    assert verdict is not None and verdict.result is Result.SUCCEEDED


def configure(door: Door, *urls: str) -> None:
    """Name several ResourceManagers in this order."""
    values = {
        "yarn.resourcemanager.ha.enabled": "true",
        "yarn.resourcemanager.ha.rm-ids": ",".join(f"rm{at}" for at in range(len(urls))),
        "yarn.resourcemanager.cluster-id": "pair",
    }
    for at, url in enumerate(urls):
        values[f"yarn.resourcemanager.webapp.address.rm{at}"] = url.removeprefix("http://")
    rows = "".join(f"<property><name>{name}</name><value>{value}</value></property>" for name, value in values.items())
    (door.folder / "conf" / "yarn-site.xml").write_text(f"<configuration>{rows}</configuration>")


def test_the_program_with_a_standby_named_first(door: Door, standby: RecordedResourceManager) -> None:
    configure(door, standby.url, door.rm.url)
    door.env["HADOOP_USER_NAME"] = "alice"

    listed = door.run("list", "--json")
    killed = door.run("kill", RECORDED_ID)

    assert listed.code == 0 and RECORDED_ID in listed.out, listed.err
    assert killed.code == 0, killed.err
    assert door.rm.kills == [(RECORDED_ID, "alice")]
    assert {path for _, path in standby.asked} == {INFO}


@pytest.mark.parametrize("words", [["list"], ["kill", RECORDED_ID], ["submit", "-t", "custom"]], ids=lambda w: w[0])
def test_the_program_when_none_is_active(words: list[str], door: Door, lonely: RecordedResourceManager) -> None:
    configure(door, lonely.url, "http://127.0.0.1:1")

    done = door.run(*words, program=door.changed_program(IMPATIENT))

    assert (done.code, done.out) == (5, "")
    assert done.err.count("error:") == 1
    assert done.said("none of the ResourceManagers is active", "STANDBY", "no connection", "-getAllServiceState")
    assert door.calls == [] and door.records() == []
    assert "PUT" not in {method for method, _ in lonely.asked}
