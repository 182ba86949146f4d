"""Hadoop's XML: files, variables, and the addresses that follow from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.adapters.hadoop_conf import HadoopConf, webapp_url_from
from batch_submit.errors import ConfigError, HostNotReady


def xml(**values: str) -> str:
    items = "".join(f"<property><name>{k}</name><value>{v}</value></property>\n" for k, v in values.items())
    return f"<?xml version='1.0'?>\n<configuration>\n{items}</configuration>\n"


def rm(name: str) -> str:
    return f"yarn.resourcemanager.{name}"


def test_missing_files_are_empty_ones(tmp_path: Path) -> None:
    conf = HadoopConf.load(tmp_path)

    assert conf.default_fs == "file:///"
    assert conf.resourcemanager_urls() == ()
    assert conf.webhdfs_urls() == ()
    assert conf.cluster_key == "unnamed"
    assert not (conf.names_resourcemanager or conf.kerberos or conf.rm_ha)


def test_later_files_win_but_not_over_a_final_value(tmp_path: Path) -> None:
    final = "<configuration><property><name>a</name><value>core</value><final>true</final></property></configuration>"
    (tmp_path / "core-site.xml").write_text(final)
    (tmp_path / "hdfs-site.xml").write_text(xml(a="hdfs", b="hdfs"))
    (tmp_path / "yarn-site.xml").write_text(xml(b="yarn"))

    conf = HadoopConf.load(tmp_path)

    assert (conf.get("a"), conf.get("b")) == ("core", "yarn")


def test_broken_xml_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "yarn-site.xml").write_text("<configuration>\n<property>\n</configuration>")

    with pytest.raises(HostNotReady) as caught:
        HadoopConf.load(tmp_path)

    assert f"{tmp_path}/yarn-site.xml:3" in str(caught.value)


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "core-site.xml").mkdir()

    with pytest.raises(HostNotReady, match=r"core-site\.xml"):
        HadoopConf.load(tmp_path)


def test_xinclude_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "shared.xml").write_text(xml(a="shared"))
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="shared.xml"/>'
    (tmp_path / "core-site.xml").write_text(
        f'<configuration>{include}<property name="b" value="attribute"/></configuration>'
    )

    conf = HadoopConf.load(tmp_path)

    assert (conf.get("a"), conf.get("b")) == ("shared", "attribute")


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${host}:8088", "rm1:8088"),
        ("${outer}", "rm1/x"),
        ("${env.RM}", "from-env"),
        ("${env.NONE:-fallback}", "fallback"),
        ("${env.EMPTY:-fallback}", "fallback"),
        ("${env.EMPTY-fallback}", ""),
        ("${env.NONE-fallback}", "fallback"),
        ("${env.NONE}", "${env.NONE}"),
        ("${user.name}", "${user.name}"),
        ("${self}", "${self}"),
        ("plain $ {x}", "plain $ {x}"),
    ],
)
def test_variables(text: str, expanded: str) -> None:
    values = {"host": "rm1", "outer": "${host}/x", "self": "${self}", "t": text}

    assert HadoopConf(values, env={"RM": "from-env", "EMPTY": ""}).get("t") == expanded


def test_a_value_that_leads_to_itself_many_times_is_left_as_it_is_written() -> None:
    values = {"a": "${a},${a}", "b": "x${a}", "c": "${d}${d}", "d": "${c}${c}"}
    conf = HadoopConf(values)
    assert {name: conf.get(name) for name in values} == values


@given(st.dictionaries(st.sampled_from("abc"), st.text("${}abc.env:-", max_size=12)))
def test_no_variables_hang_or_raise(values: dict[str, str]) -> None:
    conf = HadoopConf(values, env={"a": "${b}"})
    for name in "abc":
        conf.get(name)


def test_an_empty_value_counts_as_absent() -> None:
    assert HadoopConf({"a": "  "}).get("a", "default") == "default"


@pytest.mark.parametrize(
    ("values", "urls"),
    [
        ({rm("hostname"): "rm"}, ("http://rm:8088",)),
        ({rm("hostname"): "0.0.0.0"}, ()),
        ({rm("webapp.address"): "0.0.0.0:8088"}, ()),
        ({rm("webapp.address"): "0.0.0.0:9088", rm("hostname"): "rm"}, ("http://rm:9088",)),
        ({rm("webapp.address"): "${yarn.resourcemanager.hostname}:9088", rm("hostname"): "rm"}, ("http://rm:9088",)),
        ({rm("address"): "rm:8032"}, ("http://rm:8088",)),
        ({rm("hostname"): "rm", "yarn.http.policy": "HTTPS_ONLY"}, ("https://rm:8090",)),
        ({rm("webapp.address"): "[2001:db8::1]:8088"}, ("http://[2001:db8::1]:8088",)),
        ({rm("webapp.address"): "rm:port"}, ()),
    ],
)
def test_one_resourcemanager(values: dict[str, str], urls: tuple[str, ...]) -> None:
    conf = HadoopConf(values)

    assert conf.resourcemanager_urls() == urls
    assert conf.names_resourcemanager is bool(urls)


def test_resourcemanagers_of_high_availability() -> None:
    values = {
        rm("ha.enabled"): "true",
        rm("ha.rm-ids"): "rm1, rm2",
        rm("webapp.address.rm1"): "host1:18088",
        rm("hostname.rm2"): "host2",
        rm("webapp.https.address.rm1"): "host1:18090",
        rm("cluster-id"): "Prod Cluster/1",
    }

    assert HadoopConf(values).resourcemanager_urls() == ("http://host1:18088", "http://host2:8088")
    secure = HadoopConf({**values, "yarn.http.policy": "HTTPS_ONLY"})
    assert secure.resourcemanager_urls() == ("https://host1:18090", "https://host2:8090")
    assert secure.cluster_key == "prod-cluster-1"


def test_per_id_addresses_with_variables_and_without_a_port() -> None:
    values = {
        rm("ha.enabled"): "true",
        rm("ha.rm-ids"): "rm1,rm2,rm3",
        rm("hostname.rm1"): "${env.FIRST}",
        rm("webapp.address.rm1"): "${yarn.resourcemanager.hostname.rm1}:${port}",
        "port": "18088",
        rm("webapp.address.rm2"): "host2",
        rm("address.rm3"): "host3:8032",
        rm("webapp.address"): "nobody:1",  # without an id it counts for none of them
    }
    conf = HadoopConf(values, env={"FIRST": "host1"})

    assert conf.resourcemanager_urls() == ("http://host1:18088", "http://host2:8088", "http://host3:8088")
    assert HadoopConf({**values, rm("ha.enabled"): "false"}).resourcemanager_urls() == ("http://nobody:1",)


def test_rm_ids_without_high_availability_do_not_count() -> None:
    values = {rm("ha.rm-ids"): "rm1", rm("hostname.rm1"): "host1", rm("hostname"): "rm"}

    assert HadoopConf(values).resourcemanager_urls() == ("http://rm:8088",)
    assert HadoopConf(values).cluster_key == "rm-8088"


NAME_SERVICE = {
    "fs.defaultFS": "hdfs://ns1",
    "dfs.nameservices": "ns0,ns1",
    "dfs.ha.namenodes.ns1": "nn1,nn2",
    "dfs.namenode.http-address.ns1.nn1": "host1:50070",
    "dfs.namenode.rpc-address.ns1.nn2": "host2:8020",
}


@pytest.mark.parametrize(
    ("values", "urls"),
    [
        ({"fs.defaultFS": "hdfs://nn:9000"}, ("http://nn:9870",)),
        ({"fs.default.name": "hdfs://nn"}, ("http://nn:9870",)),
        ({"fs.defaultFS": "hdfs://nn:9000", "dfs.namenode.http-address": "0.0.0.0:50070"}, ("http://nn:50070",)),
        ({"fs.defaultFS": "hdfs://nn:9000", "dfs.namenode.http-address": "web:1234"}, ("http://web:1234",)),
        ({"fs.defaultFS": "hdfs://nn:9000", "dfs.http.policy": "HTTPS_ONLY"}, ("https://nn:9871",)),
        ({"fs.defaultFS": "webhdfs://nn:14000"}, ("http://nn:14000",)),
        ({"fs.defaultFS": "swebhdfs://nn:14000"}, ("https://nn:14000",)),
        ({"fs.defaultFS": "s3a://bucket"}, ()),
        (NAME_SERVICE, ("http://host1:50070", "http://host2:9870")),
        ({**NAME_SERVICE, "fs.defaultFS": "hdfs://other:9000"}, ("http://other:9870",)),
        ({"dfs.nameservices": "a", "fs.defaultFS": "hdfs://a", "dfs.namenode.http-address.a": "n:1"}, ("http://n:1",)),
    ],
)
def test_namenodes(values: dict[str, str], urls: tuple[str, ...]) -> None:
    assert HadoopConf(values).webhdfs_urls() == urls


def test_kerberos() -> None:
    assert HadoopConf({"hadoop.security.authentication": "KERBEROS"}).kerberos


HISTORY = "mapreduce.jobhistory"


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, ""),
        ({"yarn.log.server.web-service.url": "http://jhs:19888/ws/v1/history"}, "http://jhs:19888"),
        ({"yarn.log.server.web-service.url": "https://${host}:19890/ws/v1/history/", "host": "j"}, "https://j:19890"),
        (
            {"yarn.log.server.web-service.url": "http://ats:8188/ws/v1/applicationhistory"}
            | {f"{HISTORY}.webapp.address": "jhs:19888"},
            "http://jhs:19888",
        ),
        ({f"{HISTORY}.webapp.address": "0.0.0.0:19888"}, ""),
        ({f"{HISTORY}.webapp.address": "0.0.0.0:29888", f"{HISTORY}.address": "jhs:10020"}, "http://jhs:29888"),
        ({f"{HISTORY}.address": "jhs:10020"}, "http://jhs:19888"),
        ({f"{HISTORY}.webapp.address": "jhs:19888", "yarn.http.policy": "HTTPS_ONLY"}, "https://jhs:19888"),
        ({f"{HISTORY}.webapp.address": "jhs:1", f"{HISTORY}.http.policy": "HTTPS_ONLY"}, ""),
        ({f"{HISTORY}.webapp.https.address": "jhs:2", f"{HISTORY}.http.policy": "HTTPS_ONLY"}, "https://jhs:2"),
    ],
)
def test_history_server(values: dict[str, str], url: str) -> None:
    assert HadoopConf(values).history_server_url == url


def test_the_history_server_is_named_in_mapred_site_which_overrides_nothing(tmp_path: Path) -> None:
    address = f"{HISTORY}.webapp.address"
    (tmp_path / "yarn-site.xml").write_text(xml(**{"yarn.http.policy": "HTTP_ONLY"}))
    (tmp_path / "mapred-site.xml").write_text(xml(**{address: "jhs:1", "yarn.http.policy": "HTTPS_ONLY"}))

    assert HadoopConf.load(tmp_path).history_server_url == "http://jhs:1"


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, ""),
        ({"yarn.web-proxy.address": "proxy:9046"}, "http://proxy:9046"),
        ({"yarn.web-proxy.address": "${p}:1", "p": "proxy", "yarn.http.policy": "HTTPS_ONLY"}, "https://proxy:1"),
    ],
)
def test_a_web_proxy_of_its_own(values: dict[str, str], url: str) -> None:
    assert HadoopConf(values).web_proxy_url == url


OLD_LAYOUT = ("TFile", "/tmp/logs", "logs")
ROOT, SUFFIX = "yarn.nodemanager.remote-app-log-dir", "yarn.nodemanager.remote-app-log-dir-suffix"
FORMATS = "yarn.log-aggregation.file-formats"


@pytest.mark.parametrize(
    ("values", "folders"),
    [
        ({}, (("TFile", "/tmp/logs", "logs-tfile"), OLD_LAYOUT)),
        (
            {FORMATS: "IFile, TFile"},
            (("IFile", "/tmp/logs", "logs-ifile"), ("TFile", "/tmp/logs", "logs-tfile"), OLD_LAYOUT),
        ),
        (
            {FORMATS: "IndexedFormat", ROOT: "hdfs://nn/app-logs", SUFFIX: "x"},
            (("IndexedFormat", "hdfs://nn/app-logs", "x-indexedformat"), ("TFile", "hdfs://nn/app-logs", "x")),
        ),
        (
            {
                FORMATS: "IFile",
                "yarn.log-aggregation.IFile.remote-app-log-dir": "/ifile",
                "yarn.log-aggregation.IFile.remote-app-log-dir-suffix": "own",
            },
            (("IFile", "/ifile", "own"), OLD_LAYOUT),
        ),
    ],
)
def test_folders_of_aggregated_logs(values: dict[str, str], folders: tuple[tuple[str, str, str], ...]) -> None:
    assert HadoopConf(values).remote_log_dirs() == folders


def test_log_aggregation_is_off_unless_switched_on() -> None:
    assert not HadoopConf({}).log_aggregation_enabled
    assert HadoopConf({"yarn.log-aggregation-enable": "TRUE"}).log_aggregation_enabled


def test_of_two_folders_each_file_is_read_where_spark_finds_it_first(tmp_path: Path) -> None:
    hadoop, yarn = tmp_path / "hadoop", tmp_path / "yarn"
    for folder, names in ((hadoop, ("core-site", "hdfs-site")), (yarn, ("core-site", "yarn-site"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.xml").write_text(xml(**{name: folder.name}))

    conf = HadoopConf.load(hadoop, yarn_conf_dir=yarn)

    assert conf.values == {"core-site": "hadoop", "hdfs-site": "hadoop", "yarn-site": "yarn"}


@pytest.mark.parametrize(
    ("values", "rpcs"),
    [
        ({}, ()),
        ({rm("hostname"): "RM"}, (("rm", 8032),)),
        ({rm("address"): "rm:8050", rm("hostname"): "other"}, (("rm", 8050),)),
        ({rm("address"): "0.0.0.0:8050", rm("hostname"): "rm"}, (("rm", 8050),)),
        ({rm("webapp.address"): "rm:8088"}, (("rm", 8032),)),
        (
            {
                rm("ha.enabled"): "true",
                rm("ha.rm-ids"): "a,b",
                rm("hostname.a"): "rm1",
                rm("address.b"): "rm2:23140",
            },
            (("rm1", 8032), ("rm2", 23140)),
        ),
    ],
)
def test_rpc_addresses(values: dict[str, str], rpcs: tuple[tuple[str, int], ...]) -> None:
    assert HadoopConf(values).resourcemanager_rpcs() == rpcs


@pytest.mark.parametrize(
    ("text", "url", "noticed"),
    [
        ("http://rm:8088", "http://rm:8088", False),
        ("http://rm:8088/", "http://rm:8088", False),
        ("rm:8088", "http://rm:8088", False),
        ("rm", "http://rm:8088", False),
        ("https://rm", "https://rm:8090", False),
        ("https://rm:8090", "https://rm:8090", False),
        ("rm:8032", "http://rm:8088", True),
        ("http://rm:8032", "http://rm:8088", True),
        ("http://rm:8088/cluster/apps", "http://rm:8088", True),
        ("http://rm:8088/ws/v1/cluster", "http://rm:8088", True),
        ("https://knox:8443/gateway/x/resourcemanager", "https://knox:8443/gateway/x/resourcemanager", False),
        ("https://knox/gateway/x/resourcemanager/", "https://knox/gateway/x/resourcemanager", False),
        ("http://[2001:db8::1]:8088", "http://[2001:db8::1]:8088", False),
    ],
)
def test_what_users_write(text: str, url: str, noticed: bool) -> None:
    found, notice = webapp_url_from(text)

    assert found == url
    assert (notice is not None) is noticed
    if notice:
        assert url in notice and text in notice


@pytest.mark.parametrize(
    "text", ["", "hdfs://rm:8020", "http://", "rm:port", "http://u@rm", "rm?x=1", "a b", "0.0.0.0"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="not the web address"):
        webapp_url_from(text)
