"""What ``environment_config`` changes in the XML's addresses: for us and for Spark alike, or not at all."""

from __future__ import annotations

import pytest

from batch_submit.adapters.addresses import Addresses, override_addresses
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http_reply import RemoteFailure
from batch_submit.adapters.webhdfs_errors import unreachable
from batch_submit.errors import ConfigError, ExitCode
from batch_submit.plan.config import Config, Sourced

RM = "yarn.resourcemanager."
FS = "spark.hadoop.fs.defaultFS"
ONE = {RM + "hostname": "rm1", "fs.defaultFS": "hdfs://nn1:8020", "dfs.namenode.http-address": "nn1:50070"}
HTTPS = {**ONE, "yarn.http.policy": "HTTPS_ONLY", "dfs.http.policy": "HTTPS_ONLY"}
PAIR = {
    RM + "ha.enabled": "true",
    RM + "ha.rm-ids": "a,b",
    RM + "hostname.a": "rm1",
    RM + "hostname.b": "rm2",
    RM + "cluster-id": "prod",
    "fs.defaultFS": "hdfs://ns1",
    "dfs.nameservices": "ns1,ns2",
    "dfs.ha.namenodes.ns2": "x,y",
    "dfs.namenode.rpc-address.ns2.x": "nn3:8020",
    "dfs.namenode.http-address.ns2.x": "nn3:50070",
    "dfs.namenode.http-address.ns2.y": "nn4:50070",
}


def addresses(xml: dict[str, str], **given: object) -> Addresses:
    values = {("environment_config", key): Sourced(value, "c.yaml:4") for key, value in given.items()}
    return override_addresses(Config("training", values), HadoopConf(xml))


def told_to_spark(named: Addresses) -> dict[str, object]:
    return {key.removeprefix("spark.hadoop." + RM): one.value for key, one in named.overrides.items()}


def whole(rpc: str, web: str, **more: str) -> dict[str, str]:
    return {"hostname": rpc.rpartition(":")[0], "address": rpc, "webapp.address": web, **more}


def test_without_an_override_the_xml_stands() -> None:
    named = addresses(ONE)
    assert (named.resource_managers, named.name_nodes) == (("http://rm1:8088",), ("http://nn1:50070",))
    assert (named.default_fs, named.cluster_key) == ("hdfs://nn1:8020", "rm1-8088")
    assert (named.overrides, named.notices) == ({}, [])


@pytest.mark.parametrize(
    ("given", "looked_at", "spark"),
    [
        ({"resourcemanager_url": "rm2:8032"}, "http://rm2:8088", whole("rm2:8032", "rm2:8088")),
        ({"resourcemanager_url": "rm2"}, "http://rm2:8088", whole("rm2:8032", "rm2:8088")),
        ({"resourcemanager_url": "rm2:23140"}, "http://rm2:8088", whole("rm2:23140", "rm2:8088")),
        ({"resourcemanager_url": "rm2:8088"}, "http://rm2:8088", whole("rm2:8032", "rm2:8088")),
        ({"resourcemanager_url": "http://rm2:18088"}, "http://rm2:18088", whole("rm2:8032", "rm2:18088")),
        ({"resourcemanager_url": "http://rm2:8032/"}, "http://rm2:8088", whole("rm2:8032", "rm2:8088")),
        # The same host, another service of it: its web address is still the XML's.
        ({"resourcemanager_url": "rm1:23140"}, "http://rm1:8088", whole("rm1:23140", "rm1:8088")),
        (
            {"resourcemanager_url": "rm2:8032", "resourcemanager_webapp_url": "http://rm2:9"},
            "http://rm2:9",
            whole("rm2:8032", "rm2:9"),
        ),
        (
            {"resourcemanager_url": "rm2", "resourcemanager_webapp_url": "https://knox/gateway/x/resourcemanager"},
            "https://knox/gateway/x/resourcemanager",
            {"hostname": "rm2", "address": "rm2:8032"},
        ),
    ],
)
def test_another_resourcemanager_reaches_spark_whole(
    given: dict[str, str], looked_at: str, spark: dict[str, str]
) -> None:
    named = addresses(ONE, **given)
    assert (named.resource_managers, told_to_spark(named)) == ((looked_at,), spark)
    assert all(one.origin.startswith("c.yaml:4") for one in named.overrides.values())
    assert any("overrides the XML's rm1:8032" in notice for notice in named.notices)
    assert all(notice.startswith("c.yaml:4: ") for notice in named.notices)


def test_the_scope_of_run_ids_follows_the_resourcemanager() -> None:
    assert addresses(ONE, resourcemanager_url="rm2:8032").cluster_key == "rm2-8088"
    assert addresses(PAIR, resourcemanager_url="rm3:8032").cluster_key == "rm3-8088"
    assert addresses(PAIR, resourcemanager_url="rm2:8032").cluster_key == "prod"
    assert addresses(ONE, resourcemanager_webapp_url="https://knox:8443/gateway/x").cluster_key == "rm1-8088"
    assert addresses({}, resourcemanager_webapp_url="https://knox:8443/gateway/x").cluster_key == "knox-8443-gateway-x"


def test_tls_has_ports_of_its_own() -> None:
    named = addresses(HTTPS, resourcemanager_url="rm2", namenode_url="hdfs://nn2:8020")
    assert named.resource_managers == ("https://rm2:8090",)
    assert told_to_spark(named)["webapp.https.address"] == "rm2:8090"
    assert named.name_nodes == ("https://nn2:9871",)


def test_a_scheduler_address_that_would_not_follow() -> None:
    named = addresses({**ONE, RM + "scheduler.address": "rm1:18030"}, resourcemanager_url="rm2")
    assert told_to_spark(named)["scheduler.address"] == "rm2:18030"


def test_one_host_in_place_of_high_availability_turns_it_off() -> None:
    named = addresses(PAIR, resourcemanager_url="rm3:8032")
    assert told_to_spark(named) == whole("rm3:8032", "rm3:8088", **{"ha.enabled": "false"})
    assert named.resource_managers == ("http://rm3:8088",)


def test_naming_the_xmls_own_resourcemanagers_changes_our_order_only() -> None:
    listed = addresses(PAIR, resourcemanager_webapp_url=("http://rm2:8088", "http://rm1:8088"))
    member = addresses(PAIR, resourcemanager_url="rm2:8032")
    elsewhere = addresses(PAIR, resourcemanager_webapp_url="http://rm2:9")
    assert listed.resource_managers == member.resource_managers == ("http://rm2:8088", "http://rm1:8088")
    assert elsewhere.resource_managers == ("http://rm2:9", "http://rm1:8088")
    assert [told_to_spark(one) for one in (listed, member, elsewhere)] == [{}] * 3
    assert addresses(ONE, resourcemanager_url="rm1").overrides == {}


def test_another_web_port_of_the_same_host() -> None:
    named = addresses(ONE, resourcemanager_webapp_url="http://rm1:9")
    assert (named.resource_managers, told_to_spark(named)) == (("http://rm1:9",), {"webapp.address": "rm1:9"})


@pytest.mark.parametrize("key", ["resourcemanager_webapp_url", "resourcemanager_url"])
def test_a_gateway_is_for_us_alone(key: str) -> None:
    named = addresses(PAIR, **{key: "https://knox:8443/gateway/x/resourcemanager"})
    assert named.resource_managers == ("https://knox:8443/gateway/x/resourcemanager",)
    assert named.overrides == {}


@pytest.mark.parametrize(("xml", "url"), [(ONE, "http://rm2:8088"), (PAIR, ("http://rm1:8088", "rm3:8088"))])
def test_a_web_address_of_another_cluster_is_refused(xml: dict[str, str], url: object) -> None:
    with pytest.raises(ConfigError) as caught:
        addresses(xml, resourcemanager_webapp_url=url)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.where == "c.yaml:4: environment_config.resourcemanager_webapp_url"
    assert "resourcemanager_url too: rm" in caught.value.next_step


def test_where_the_xml_names_nobody_spark_is_told_too() -> None:
    named = addresses({}, resourcemanager_webapp_url="rm2:8032")
    assert named.resource_managers == ("http://rm2:8088",)
    assert told_to_spark(named) == whole("rm2:8032", "rm2:8088")
    assert "8032 is the ResourceManager's RPC port" in named.notices[0]


@pytest.mark.parametrize("url", ["a b", "rm:99999", "rm:x", "://"])
def test_what_is_no_rpc_address(url: str) -> None:
    with pytest.raises(ConfigError, match="is not the address of a ResourceManager"):
        addresses(ONE, resourcemanager_url=url)


@pytest.mark.parametrize(
    ("xml", "url", "name_nodes", "noticed"),
    [
        (ONE, "hdfs://nn1:9000", ("http://nn1:50070",), False),
        (PAIR, "hdfs://ns2", ("http://nn3:50070", "http://nn4:50070"), False),
        (PAIR, "hdfs://nn3:8020", ("http://nn3:50070",), False),
        (ONE, "hdfs://nn2:8020/", ("http://nn2:9870",), True),
    ],
)
def test_another_namenode(xml: dict[str, str], url: str, name_nodes: tuple[str, ...], noticed: bool) -> None:
    named = addresses(xml, namenode_url=url)
    assert named.name_nodes == name_nodes
    assert named.default_fs == named.overrides[FS].value == url.rstrip("/")
    assert any("web address is taken to be" in notice for notice in named.notices) is noticed
    assert any("overrides the XML's" in notice for notice in named.notices)


@pytest.mark.parametrize("url", ["hdfs://nn1:8020", "hdfs://nn1", "hdfs://nn1:8020/"])
def test_the_xmls_own_namenode_is_no_override(url: str) -> None:
    named = addresses(ONE, namenode_url=url)
    assert (named.overrides, named.notices, named.name_nodes) == ({}, [], ("http://nn1:50070",))


def test_a_web_address_of_hdfs_is_for_us_alone() -> None:
    named = addresses(ONE, namenode_url="http://httpfs:14000")
    assert (named.name_nodes, named.overrides) == (("http://httpfs:14000",), {})


@pytest.mark.parametrize("url", ["hdfs://ns9", "viewfs://all", "s3a://bucket", "hdfs://nn2:8020/folder"])
def test_a_namenode_that_can_not_be_found_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        addresses(PAIR, namenode_url=url)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.where == "c.yaml:4: environment_config.namenode_url"
    assert "hdfs://host:8020" in caught.value.next_step


@pytest.mark.parametrize(
    ("said", "name", "haadmin"),
    [
        (["nn1: timeout"], "", False),
        (["nn1: busy"], "RetriableException", False),
        (["nn1: standby"], "StandbyException", True),
        (["nn1: timeout", "nn2: timeout"], "", True),
    ],
)
def test_haadmin_is_named_only_where_several_namenodes_are(said: list[str], name: str, haadmin: bool) -> None:
    error = unreachable("/x", said, RemoteFailure(403, name, "") if name else None)
    assert ("haadmin" in error.next_step) is haadmin
