"""Delegation tokens, with what the NameNode of a real secure cluster answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batch_submit.adapters.delegation import DelegationTokens, names_metastore
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http import StdlibSession
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.webhdfs import WebHdfs
from batch_submit.errors import ClusterUnreachable, HostNotReady
from tests.process.canned_rm import CannedResourceManager
from tests.process.canned_webhdfs import CannedWebHdfs, Plain

RECORDED = Path(__file__).parents[1] / "golden" / "webhdfs"
JSON = {"Content-Type": "application/json"}
Make = Callable[[dict[str, str]], DelegationTokens]
GET, CANCEL = "GETDELEGATIONTOKEN", "CANCELDELEGATIONTOKEN"
SITE = {
    "yarn.resourcemanager.hostname": "RM1.example.com",
    "yarn.resourcemanager.principal": "rm/_HOST@EXAMPLE.COM",
}
TOKEN = json.loads((RECORDED / "delegation_token_3.5.json").read_bytes())["Token"]["urlString"]


def recorded(name: str, status: int = 200) -> Plain:
    return Plain(status, (RECORDED / f"delegation_{name}_3.5.json").read_bytes(), JSON)


@pytest.fixture
def namenode() -> Iterator[CannedWebHdfs]:
    with CannedWebHdfs() as canned:
        canned.fail[GET] = recorded("token")
        canned.fail[CANCEL] = Plain(200, b"", {"Content-Type": "application/octet-stream"})
        yield canned


@pytest.fixture
def manager() -> Iterator[CannedResourceManager]:
    with CannedResourceManager() as canned:
        yield canned


@pytest.fixture
def tokens(namenode: CannedWebHdfs, manager: CannedResourceManager) -> Iterator[Make]:
    with closing(StdlibSession(None)) as session:
        webhdfs = WebHdfs([namenode.url], session, user="alice", timeout_s=5)
        rm = ResourceManager([manager.url], session, user="alice")
        yield lambda site: DelegationTokens(webhdfs, rm, HadoopConf(site), "hdfs://127.0.0.1:16000")


def test_a_token_for_the_resourcemanager_to_renew_and_taken_back_once(
    tokens: Make, namenode: CannedWebHdfs, manager: CannedResourceManager
) -> None:
    given = tokens(SITE)
    assert given.fetch() == {"127.0.0.1:16000": TOKEN}
    (_, path, operation, query) = namenode.asked[-1]
    assert (operation, path) == (GET, "/")
    assert query["renewer"] == "rm/rm1.example.com@EXAMPLE.COM"
    assert (query["kind"], query["service"]) == ("HDFS_DELEGATION_TOKEN", "127.0.0.1:16000")
    assert given.cancel() == []
    (method, _, operation, query) = namenode.asked[-1]
    assert (method, operation, query["token"]) == ("PUT", CANCEL, TOKEN)
    asked = len(namenode.asked)
    assert given.cancel() == [] and len(namenode.asked) == asked


def test_a_token_that_is_gone_already_is_no_error(tokens: Make, namenode: CannedWebHdfs) -> None:
    given = tokens(SITE)
    given.fetch()
    namenode.fail[CANCEL] = recorded("cancelled", 403)
    (problem,) = given.cancel()
    assert TOKEN not in problem and "alice" in problem


def test_a_site_that_does_not_name_the_resourcemanagers_principal(
    tokens: Make, namenode: CannedWebHdfs, manager: CannedResourceManager
) -> None:
    tokens({}).fetch()
    assert namenode.asked[-1][3]["renewer"] == "yarn"
    assert manager.paths() == ["/ws/v1/cluster/userinfo"]


def test_what_is_no_token_is_told_in_the_servers_words(tokens: Make, namenode: CannedWebHdfs) -> None:
    namenode.fail[GET] = recorded("no_rule", 500)
    with pytest.raises(ClusterUnreachable) as caught:
        tokens(SITE).fetch()
    assert "No rules applied to x/y@Z" in " ".join(caught.value.details)
    namenode.fail[GET] = Plain(200, b'{"Token": null}', JSON)
    with pytest.raises(ClusterUnreachable, match="holds no delegation token"):
        tokens(SITE).fetch()
    namenode.fail[GET] = Plain(401, b"<html>Authentication required</html>", {"WWW-Authenticate": "Negotiate"})
    with pytest.raises(HostNotReady, match="wants authentication"):
        tokens(SITE).fetch()


def test_a_metastore_is_named_by_hive_site(tmp_path: Path) -> None:
    site = tmp_path / "hive-site.xml"
    assert not names_metastore(["", str(tmp_path)])
    text = "<configuration><property><name>hive.metastore.uris</name><value>{}</value></property></configuration>"
    for value, named in ((" ", False), ("thrift://hive:9083", True)):
        site.write_text(text.format(value), encoding="utf-8")
        assert names_metastore(["", str(tmp_path)]) is named
