"""The ResourceManager's adapter against a canned server: fail-over, refusals, ownership, lifetimes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from batch_submit.adapters.http import RemoteFailure, StdlibSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    HostNotReady,
    NotFound,
    UsageError,
)
from batch_submit.model import LIFETIME_EXCEEDED, FinalStatus, State
from tests.process.canned_rm import CannedResourceManager, Mode
from tests.process.scripted_application import SUCCESS, Step

GOLDEN = Path(__file__).parents[1] / "golden" / "rm"
UNKNOWN_ID = "application_1700000000000_9999"
Client = Callable[..., ResourceManager]


@pytest.fixture
def client() -> Iterator[Client]:
    sessions = []

    def make(*servers: CannedResourceManager, user: str | None = "alice", timeout_s: float = 5.0) -> ResourceManager:
        session = StdlibSession(user)
        sessions.append(session)
        return ResourceManager([rm.url for rm in servers], session, user=user, timeout_s=timeout_s)

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def rm() -> Iterator[CannedResourceManager]:
    with CannedResourceManager() as server:
        yield server


@pytest.fixture
def standby(rm: CannedResourceManager) -> Iterator[CannedResourceManager]:
    with CannedResourceManager(Mode.STANDBY, peer_url=rm.url) as server:
        yield server


def swap(active: CannedResourceManager, standby: CannedResourceManager) -> None:
    active.mode, active.peer_url = Mode.STANDBY, standby.url
    standby.mode, standby.applications = Mode.ACTIVE, active.applications


def test_an_application_along_its_life(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add(steps=SUCCESS)
    manager = client(rm)

    seen = [manager.application(application_id) for _ in range(4)]

    assert [report.state.value for report in seen] == ["ACCEPTED", "RUNNING", "FINISHED", "FINISHED"]
    assert seen[-1].final_status is FinalStatus.SUCCEEDED
    assert rm.asked[0].query == {"deSelects": "resourceRequests", "user.name": "alice"}
    assert rm.paths() == [f"/ws/v1/cluster/apps/{application_id}"] * 4, "one address needs no look for the active one"


@pytest.mark.parametrize(
    ("golden", "step"),
    [
        ("app_running_3.5", ("RUNNING", "UNDEFINED", {})),
        ("app_finished_3.5", ("FINISHED", "SUCCEEDED", {})),
        ("app_killed_3.5", ("KILLED", "KILLED", {})),
        ("app_refused_3.5", ("FAILED", "FAILED", {"launchTime": 0})),
    ],
)
def test_the_canned_server_answers_in_the_real_shape(golden: str, step: Step, rm: CannedResourceManager) -> None:
    real = json.loads((GOLDEN / f"{golden}.json").read_text())["app"]
    canned = rm.applications[rm.add(steps=[step])].advance()

    assert set(canned) <= set(real)
    assert {name: type(value) for name, value in canned.items()} == {name: type(real[name]) for name in canned}
    for name in ("state", "finalStatus", "trackingUI", "allocatedMB", "runningContainers", "progress"):
        if golden != "app_running_3.5" or name in ("state", "finalStatus", "trackingUI"):
            assert canned[name] == real[name], name


def test_an_unknown_application(rm: CannedResourceManager, client: Client) -> None:
    with pytest.raises(NotFound, match="app with id") as caught:
        client(rm).application(UNKNOWN_ID)

    assert isinstance(caught.value.__cause__, RemoteFailure)
    assert caught.value.__cause__.exception == "NotFoundException"


@pytest.mark.parametrize("mode", [Mode.HTML_404, Mode.ERROR, Mode.PLAIN_TEXT, Mode.NONE_ACTIVE, Mode.BROKEN])
def test_what_is_no_answer_is_never_not_found(mode: Mode, rm: CannedResourceManager, client: Client) -> None:
    rm.mode = mode

    with pytest.raises(ClusterUnreachable) as caught:
        client(rm).application(UNKNOWN_ID)

    assert not isinstance(caught.value, NotFound)


def test_a_mistyped_path_in_json_is_not_not_found(rm: CannedResourceManager, client: Client) -> None:
    manager = client(rm)

    with pytest.raises(ClusterUnreachable, match="404"):
        manager.get("/ws/v1/nothing")


@pytest.mark.parametrize("bad", ["", "job_1_2", "application_1", "application_1700000000000_0001/../..", "x?y"])
def test_an_id_that_is_none_asks_nothing(bad: str, rm: CannedResourceManager, client: Client) -> None:
    with pytest.raises(UsageError, match="application id"):
        client(rm).application(bad)
    assert rm.asked == []


def test_ids_past_9999(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add(id="application_1700000000000_12345")

    assert client(rm).application(application_id).application_id == application_id


def test_the_active_one_is_found_and_remembered(
    rm: CannedResourceManager, standby: CannedResourceManager, client: Client
) -> None:
    manager = client(standby, rm)

    manager.applications()
    manager.applications()

    assert manager.active_url() == rm.url
    assert standby.paths() == ["/ws/v1/cluster/info"]
    assert rm.paths() == ["/ws/v1/cluster/info", "/ws/v1/cluster/apps", "/ws/v1/cluster/apps"]


def test_fail_over_in_the_middle(rm: CannedResourceManager, standby: CannedResourceManager, client: Client) -> None:
    application_id = rm.add(steps=[("RUNNING", "UNDEFINED", {})])
    manager = client(rm, standby)
    manager.application(application_id)

    swap(rm, standby)
    assert manager.application(application_id).state is State.RUNNING
    assert manager.active_url() == standby.url

    rm.stop()
    standby.mode = Mode.NONE_ACTIVE
    with pytest.raises(ClusterUnreachable, match="none of the ResourceManagers is active") as caught:
        manager.application(application_id)
    assert "STANDBY" in str(caught.value) and "no connection" in str(caught.value)

    standby.mode = Mode.ACTIVE
    assert manager.application(application_id).state is State.RUNNING


def test_a_crash_of_the_active_one(rm: CannedResourceManager, standby: CannedResourceManager, client: Client) -> None:
    manager = client(rm, standby)
    manager.applications()

    rm.stop()
    standby.mode = Mode.ACTIVE

    assert manager.applications() == []
    assert manager.active_url() == standby.url


def test_a_write_never_travels_through_a_redirect(
    rm: CannedResourceManager, standby: CannedResourceManager, client: Client
) -> None:
    application_id = rm.add(steps=[("RUNNING", "UNDEFINED", {})])
    manager = client(rm, standby)
    manager.info()
    swap(rm, standby)

    manager.kill(application_id)

    assert rm.kills == []
    assert standby.kills == [(application_id, "alice")]


def test_only_the_standby_is_configured(
    rm: CannedResourceManager, standby: CannedResourceManager, client: Client
) -> None:
    application_id = rm.add()
    manager = client(standby)

    assert manager.application(application_id).application_id == application_id
    assert manager.active_url() == rm.url


def test_a_restart_on_the_same_port(rm: CannedResourceManager, client: Client) -> None:
    manager = client(rm)
    manager.info()
    rm.stop()

    with pytest.raises(ClusterUnreachable, match=r"the ResourceManager does not answer\n"):
        manager.info()

    rm.start()
    assert manager.info()["haState"] == "ACTIVE"


def test_a_look_is_not_repeated_for_ever(rm: CannedResourceManager, client: Client) -> None:
    rm.mode = Mode.NONE_ACTIVE

    with pytest.raises(ClusterUnreachable, match="active"):
        client(rm).applications()

    assert len(rm.asked) == 2


@pytest.mark.parametrize("mode", [mode for mode in Mode if mode is not Mode.ACTIVE])
def test_no_foreign_exception_leaks(mode: Mode, rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add()
    rm.mode = mode
    manager = client(rm, timeout_s=0.1)
    calls: list[Callable[[], object]] = [
        manager.info,
        manager.applications,
        lambda: manager.application(application_id),
        lambda: manager.kill(application_id),
        lambda: manager.set_lifetime(application_id, 1),
        lambda: manager.find_by_tag("x"),
        manager.identify,
    ]
    for call in calls:
        try:
            call()
        except BatchSubmitError as error:
            assert error.exit_code in (3, 4, 5)


def test_no_ticket(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add()
    rm.mode = Mode.NEGOTIATE

    for call in (client(rm).applications, lambda: client(rm).kill(application_id)):
        with pytest.raises(HostNotReady, match="kinit"):
            call()


@pytest.mark.parametrize("empty", [None, {}, "", {"app": None}, {"app": []}])
def test_every_empty_listing(empty: object, rm: CannedResourceManager, client: Client) -> None:
    rm.empty_apps = empty

    assert client(rm).applications() == []


def test_a_listing_is_filtered_sorted_and_cut(rm: CannedResourceManager, client: Client) -> None:
    manager = client(rm)
    rm.add("old", queue="root.ml-queue", startedTime=1000)
    rm.add("new", queue="root.ml-queue", startedTime=3000)
    rm.add("middle", queue="root.ml-queue", startedTime=2000)
    rm.add("elsewhere", queue="root.other", startedTime=4000)

    found = manager.applications(
        queue="ml-queue",
        states=[State.ACCEPTED, State.RUNNING],
        limit=2,
        started_after_ms=500,
        application_types=["SPARK"],
    )

    assert [report.name for report in found] == ["new", "middle"]
    assert rm.asked[-1].query == {
        "deSelects": "resourceRequests",
        "states": "ACCEPTED,RUNNING",
        "startedTimeBegin": "500",
        "applicationTypes": "SPARK",
        "user.name": "alice",
    }


def test_a_tag_is_ours_only_with_our_user(rm: CannedResourceManager, client: Client) -> None:
    mine = rm.add(tags=["batch-submit", "try:Run-A.1"])
    rm.add(tags=["try:run-a.1"], user="mallory")
    rm.add(tags=["try:run-a.10"])

    found = client(rm).find_by_tag("try:Run-A.1")

    assert [report.application_id for report in found] == [mine]
    assert rm.asked[-1].query["applicationTags"] == "try:run-a.1"
    assert rm.asked[-1].query["user"] == "alice"


def test_ownership_does_not_rest_on_the_servers_filters(rm: CannedResourceManager, client: Client) -> None:
    mine = rm.add(tags=["try:run-a.1"])
    rm.add(tags=["try:run-a.1"], user="mallory")
    rm.add(tags=["other"])
    rm.ignore_filters = True

    assert [report.application_id for report in client(rm).find_by_tag("try:run-a.1")] == [mine]


def test_a_late_arrival_is_found_when_it_is_there(rm: CannedResourceManager, client: Client) -> None:
    rm.add(tags=["try:late.1"], appear_after=2)
    manager = client(rm)

    assert [len(manager.find_by_tag("try:late.1")) for _ in range(3)] == [0, 0, 1]


def test_nothing_is_written_in_nobodys_name(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add()
    manager = client(rm, user=None)

    for call in (
        lambda: manager.kill(application_id),
        lambda: manager.set_lifetime(application_id, 1),
        lambda: manager.find_by_tag("x"),
    ):
        with pytest.raises(UsageError, match="in whose name"):
            call()
    assert rm.asked == []


def test_the_server_names_us(rm: CannedResourceManager, client: Client) -> None:
    manager = client(rm, user=None)

    assert manager.identify() == "dr.who"
    assert manager.user == "dr.who"
    assert client(rm).identify() == "alice"


def test_kill(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add(steps=[("RUNNING", "UNDEFINED", {})])
    manager = client(rm)

    assert manager.kill(application_id) is False
    assert manager.kill(application_id) is True
    assert rm.kills == [(application_id, "alice")] * 2
    assert manager.application(application_id).state is State.KILLED
    with pytest.raises(NotFound):
        manager.kill(UNKNOWN_ID)


def test_kill_of_an_ended_application_changes_nothing(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add(steps=[("FINISHED", "SUCCEEDED", {})])
    manager = client(rm)

    assert manager.kill(application_id) is True
    assert manager.application(application_id).final_status is FinalStatus.SUCCEEDED


def test_a_refused_kill_has_the_servers_words(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add(steps=[("RUNNING", "UNDEFINED", {})])
    rm.refuse_kill_by = {"alice"}

    with pytest.raises(ClusterRefused, match=f"Unauthorized attempt to kill appid {application_id}") as caught:
        client(rm).kill(application_id)

    assert not isinstance(caught.value, NotFound)
    assert caught.value.next_step


def test_lifetime(rm: CannedResourceManager, client: Client) -> None:
    application_id = rm.add(steps=[("RUNNING", "UNDEFINED", {})])
    manager = client(rm)
    assert manager.lifetime(application_id) is None

    held = manager.set_lifetime(application_id, datetime(2026, 11, 21, 9, 2, 6, 238000, tzinfo=timezone.utc))

    assert held is not None and held.expiry_ms == 1795251726238 and held.remaining_s == 60
    (put,) = [asked for asked in rm.asked if asked.method == "PUT"]
    assert put.body == {"timeout": {"type": "LIFETIME", "expiryTime": "2026-11-21T09:02:06.238+0000"}}
    assert put.path.endswith("/timeout")

    rm.expire_lifetime(application_id)
    report = manager.application(application_id)
    assert report.state is State.KILLED and LIFETIME_EXCEEDED in report.diagnostics


def test_no_resourcemanager_at_all() -> None:
    with closing(StdlibSession("alice")) as session, pytest.raises(HostNotReady, match="names no ResourceManager"):
        ResourceManager([], session, user="alice")


def test_another_process_submits(rm: CannedResourceManager, client: Client) -> None:
    body = {"name": "job", "user": "alice", "tags": ["Try:X.1"], "steps": [["RUNNING", "UNDEFINED"]]}
    request = urllib.request.Request(f"{rm.url}/_test/submit", json.dumps(body).encode(), method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=5) as reply:
        application_id = json.load(reply)["application_id"]

    assert [report.application_id for report in client(rm).find_by_tag("try:x.1")] == [application_id]
    with opener.open(f"{rm.url}/requests", timeout=5) as reply:
        assert json.load(reply)[0]["path"] == "/ws/v1/cluster/apps"


def test_a_tls_failure_keeps_its_cause_and_its_remedy(rm: CannedResourceManager) -> None:
    with closing(StdlibSession("alice")) as session:
        manager = ResourceManager([rm.url.replace("http://", "https://")], session, user="alice", timeout_s=5)
        with pytest.raises(ClusterUnreachable) as caught:
            manager.info()
    assert "TLS failed" in caught.value.details[0] and "SSL" in caught.value.details[0]
    assert "does not speak TLS" in caught.value.details[0] and "yarn.http.policy" in caught.value.next_step


def test_tls_that_fails_everywhere_is_no_matter_of_who_is_active(rm: CannedResourceManager) -> None:
    url = rm.url.replace("http://", "https://")
    with closing(StdlibSession("alice")) as session:
        manager = ResourceManager([url, url.replace("127.0.0.1", "localhost")], session, user="alice", timeout_s=5)
        with pytest.raises(ClusterUnreachable) as caught:
            manager.info()
    assert "yarn.http.policy" in caught.value.next_step
