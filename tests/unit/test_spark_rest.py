"""Spark's REST behind the proxy: what leads there, what leads away, and that nothing else counts as progress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from batch_submit.adapters.http_reply import Headers, HttpResponse
from batch_submit.adapters.spark_rest import SparkRest
from batch_submit.errors import BatchSubmitError, ClusterUnreachable

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "spark_rest"
APP = "application_1795262099870_0004"
RM, PROXY = "http://rm1:8088", "http://proxy:9046"
API = f"/proxy/{APP}/api/v1/applications/{APP}"


def recorded(name: str) -> HttpResponse:
    body = (GOLDEN / f"lost_{name}_4.3.json").read_bytes()
    return HttpResponse(200, Headers({"Content-Type": "application/json;charset=utf-8"}), body)


def html(status: int, location: str = "") -> HttpResponse:
    headers = {"Content-Type": "text/html"} | ({"Location": location} if location else {})
    return HttpResponse(status, Headers(headers), b"<html>a page</html>")


def spark_at(base: str) -> dict[str, HttpResponse]:
    return {
        f"{base}{API}/jobs": recorded("jobs"),
        f"{base}{API}/stages?status=active": recorded("stages"),
        f"{base}{API}/allexecutors": recorded("allexecutors"),
    }


@dataclass
class Session:
    """HTTP with these answers; whatever else is asked, a page."""

    answers: Mapping[str, HttpResponse]
    otherwise: HttpResponse = field(default_factory=lambda: html(404))
    asked: list[str] = field(default_factory=list)

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> HttpResponse:
        assert (method, body) == ("GET", None) and timeout_s <= 5  # a look must not hold up the watching
        self.asked.append(url)
        return self.answers.get(url, self.otherwise)

    def close(self) -> None:
        """Nothing is kept."""


class Manager:
    """Knows which ResourceManager is active."""

    def __init__(self, url: str = RM) -> None:
        self.url = url

    def active_url(self) -> str:
        return self.url


def rest(session: Session, manager: Manager | None = None, *, proves: bool = False) -> SparkRest:
    return SparkRest(manager or Manager(), session, APP, proxies=(RM, PROXY, ""), proves=proves)  # type: ignore[arg-type]


def test_progress_comes_through_the_active_resourcemanagers_proxy() -> None:
    session = Session(spark_at(RM))
    progress = rest(session).progress()
    assert (progress.tasks_done, len(progress.workers), len(progress.lost)) == (31, 2, 1)
    assert len(session.asked) == 3


def test_a_proxy_of_its_own_is_found_by_the_tracking_url_and_remembered() -> None:
    session = Session(spark_at(PROXY))
    spark = rest(session)
    assert spark.progress(f"{PROXY}/proxy/{APP}/").tasks_done == 31
    assert spark.progress(f"{PROXY}/proxy/{APP}/").tasks_done == 31
    assert [url.startswith(RM) for url in session.asked] == [True, *[False] * 6]


def test_after_a_failover_the_other_proxy_is_asked() -> None:
    manager = Manager()
    session = Session(spark_at("http://rm2:8088"), html(500))
    spark = rest(session, manager)
    with pytest.raises(ClusterUnreachable):
        spark.progress(f"{RM}/proxy/{APP}/")
    manager.url = "http://rm2:8088"
    assert spark.progress(f"{RM}/proxy/{APP}/").tasks_done == 31


def test_a_redirect_within_the_proxy_is_followed() -> None:
    answers = spark_at(RM) | {
        f"{RM}{API}/jobs": html(302, f"{PROXY}{API}/jobs"),
        f"{PROXY}{API}/jobs": recorded("jobs"),
    }
    assert rest(Session(answers)).progress().tasks_done == 31


@pytest.mark.parametrize(
    "answer",
    [
        html(302, f"{RM}/cluster/app/{APP}/api/v1/applications/{APP}/jobs"),  # seen on 3.5.0 after the end
        html(302, f"http://history:18080/history/{APP}/jobs"),
        html(302, f"http://{APP}/login?return={API}"),
        html(
            302, f"http://elsewhere:9046{API}/jobs"
        ),  # as an application may write it: it would get our ticket's proof
        html(302, f"http://proxy:9047{API}/jobs"),
        html(302, f"http://rm1:8088@elsewhere{API}/jobs"),
        html(302, f"http://rm1:port{API}/jobs"),
        html(302, f"http://[rm1{API}/jobs"),
        html(302),
        html(302, f"{RM}{API}/jobs"),  # in a circle
        html(404),
        html(500),
        html(200),
        HttpResponse(200, Headers({"Content-Type": "application/json"}), b"not json"),
    ],
)
def test_whatever_is_not_sparks_json_is_no_progress(answer: HttpResponse) -> None:
    session = Session(spark_at(RM) | {f"{RM}{API}/jobs": answer})
    with pytest.raises(BatchSubmitError):
        rest(session).progress()
    assert len(session.asked) <= 3 and all(url.startswith(f"{RM}{API}") for url in session.asked)


def test_encryption_is_never_given_up() -> None:
    manager = Manager("https://rm1:8090")
    answers = {f"https://rm1:8090{API}/jobs": html(302, f"http://rm1:8088{API}/jobs"), **spark_at("http://rm1:8088")}
    with pytest.raises(ClusterUnreachable, match="leads away"):
        rest(Session(answers), manager).progress()


def test_empty_lists_are_an_application_that_has_not_begun() -> None:
    empty = HttpResponse(200, Headers({"Content-Type": "application/json"}), json.dumps([]).encode())
    assert rest(Session(dict.fromkeys(spark_at(RM), empty))).progress().jobs == ()


def test_a_tracking_url_gets_no_proof_of_who_we_are_unless_its_server_is_named() -> None:
    session = Session(spark_at("http://elsewhere:9046"))
    with pytest.raises(ClusterUnreachable):
        rest(session, proves=True).progress(f"http://elsewhere:9046/proxy/{APP}/")
    assert all(url.startswith(RM) for url in session.asked)
    assert rest(Session(spark_at(PROXY)), proves=True).progress(f"{PROXY}/proxy/{APP}/").tasks_done == 31
    assert rest(session).progress(f"http://elsewhere:9046/proxy/{APP}/").tasks_done == 31
