"""Which containers of a running application stand where, from recorded replies of Hadoop 3.5.0 and Spark 4.3.0."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from batch_submit.adapters.http_reply import Headers, HttpResponse
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.running_containers import RunningContainer, RunningContainers
from batch_submit.model import ApplicationReport, State

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "logs"
APP = "application_1795261034488_0001"
DRIVER, EXECUTOR = (f"container_1795261034488_0001_01_00000{number}" for number in (1, 2))
NODE = "http://localhost:8142"
REPORT = ApplicationReport(APP, state=State.RUNNING, am_container_logs=f"{NODE}/node/containerlogs/{DRIVER}/alice")


class Session:
    """Answers by the end of the path; 404 for anything else."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:
        name = url.partition("?")[0].rpartition("/")[2]
        self.asked.append(name)
        answer = self.answers.get(name)
        if answer is None:
            return HttpResponse(404, Headers({"Content-Type": "text/html"}), b"<html>Not Found</html>", url)
        return HttpResponse(200, Headers({"Content-Type": "application/json"}), json.dumps(answer).encode(), url)


def reply(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


def find(
    session: Session, *, masters_only: bool = False, scheme: str = "http"
) -> tuple[list[RunningContainer], list[str]]:
    manager = ResourceManager(["http://rm:8088"], session, user="alice")  # type: ignore[arg-type]
    asking = RunningContainers(manager, session, scheme)  # type: ignore[arg-type]
    return asking.find(REPORT, masters_only=masters_only), asking.notices


RECORDED = {
    "appattempts": reply("rm-attempts-running.json"),
    "containers": reply("rm-containers-running.json"),
    "allexecutors": reply("spark-allexecutors.json"),
}


def test_driver_first_then_executors_with_sparks_number() -> None:
    found, notices = find(Session(**RECORDED))
    assert found == [RunningContainer(DRIVER, NODE, True), RunningContainer(EXECUTOR, NODE, executor="1")]
    assert notices == []


def test_the_driver_alone_is_one_question() -> None:
    session = Session(**RECORDED)
    assert find(session, masters_only=True)[0] == [RunningContainer(DRIVER, NODE, True)]
    assert session.asked == ["appattempts"]


def test_one_of_the_two_who_know_executors_is_enough() -> None:
    without_spark, notices = find(Session(**{**RECORDED, "allexecutors": None}))
    assert [one.container_id for one in without_spark] == [DRIVER, EXECUTOR] and len(notices) == 1
    without_containers, notices = find(Session(**{**RECORDED, "containers": None}))
    assert [one.executor for one in without_containers] == ["", "1"] and len(notices) == 1


def test_the_link_in_the_report_is_enough_for_the_driver() -> None:
    found, notices = find(Session())
    assert found == [RunningContainer(DRIVER, NODE, True)] and notices


def test_older_shapes_and_what_a_stranger_is_shown() -> None:
    one = RECORDED["containers"]["container"][1]
    for shape in ({"containers": {"container": one}}, {"container": [one]}, {"containers": {"container": [one]}}):
        found, _ = find(Session(**{**RECORDED, "containers": shape, "allexecutors": None}))
        assert [one.container_id for one in found] == [DRIVER, EXECUTOR]
    hidden = {"appAttempts": {"appAttempt": {"id": 1, "containerId": "", "nodeHttpAddress": ""}}}
    assert find(Session(appattempts=hidden))[0] == [RunningContainer(DRIVER, NODE, True)]
    assert [one.container_id for one in find(Session(appattempts=hidden, containers={"containers": None}))[0]] == [
        DRIVER
    ]


def test_an_attempt_after_a_restart_has_an_epoch_and_comes_first() -> None:
    first = RECORDED["appattempts"]["appAttempts"]["appAttempt"][0]
    second = {**first, "id": 2, "containerId": "container_e02_1795261034488_0001_02_000001"}
    found, _ = find(Session(appattempts={"appAttempts": {"appAttempt": [first, second]}}), masters_only=True)
    assert [one.container_id for one in found] == ["container_e02_1795261034488_0001_02_000001", DRIVER]


def executor_at(address: str) -> list[dict[str, Any]]:
    return [{"id": "7", "executorLogs": {"stdout": f"{address}/node/containerlogs/{EXECUTOR}/alice/stdout"}}]


@pytest.mark.parametrize(
    "address",
    [
        "http://elsewhere:8042",
        "http://localhost:8143",
        "https://localhost",
        "http://localhost:8142@elsewhere",
        "http://[x",
    ],
)
def test_who_is_no_node_is_not_asked_whatever_the_application_says(address: str) -> None:
    nodes = {"nodes": {"node": [{"nodeHTTPAddress": "worker2:8042"}, {"nodeHTTPAddress": ""}, {}]}}
    told = {"appattempts": RECORDED["appattempts"], "allexecutors": executor_at(address)}
    for answers in ({**told, "nodes": nodes}, told):
        session = Session(**answers)
        found, notices = find(session)
        assert found == [RunningContainer(DRIVER, NODE, True)]
        assert notices[-1].startswith(f"executor 7: {address}/") and "no node of this cluster" in notices[-1]
        assert session.asked.count("nodes") == ("[" not in address and "@" not in address)


def test_a_node_that_only_the_list_of_nodes_names_is_asked_by_the_clusters_scheme() -> None:
    for nodes in ([{"nodeHTTPAddress": "Worker2:8042"}], {"nodeHTTPAddress": "worker2:8042"}):
        for scheme in ("http", "https"):
            session = Session(nodes={"nodes": {"node": nodes}}, allexecutors=executor_at("http://worker2:8042"))
            found, _ = find(session, scheme=scheme)
            assert found[1:] == [RunningContainer(EXECUTOR, f"{scheme}://worker2:8042", executor="7")]
