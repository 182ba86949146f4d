"""Whom we trust over https: which place counts, and what is looked at only where it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.tls import Tls, tls_of
from batch_submit.adapters.truststore import Truststore
from batch_submit.errors import HostNotReady, UsageError
from batch_submit.plan.config import Config, ConfigSources, SourceText, build_config

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "tls"
STORE = str(GOLDEN / "truststore.jks")


def configured(text: str) -> Config:
    sources = ConfigSources(SourceText(text, "c.yaml", "/conf"))
    return build_config(sources=sources, job_type=None, env=None, profile=None, variables={}, flags={})


def conf_with(folder: Path, location: str, name: str = "ssl-client.xml", **core: str) -> HadoopConf:
    row = "<property><name>ssl.client.truststore.{}</name><value>{}</value></property>"
    rows = row.format("location", location) + row.format("password", "changeit")
    (folder / name).write_text(f"<configuration>{rows}</configuration>", encoding="utf-8")
    return HadoopConf(core, {"STORES": str(GOLDEN)}, folder)


def of(text: str, conf: HadoopConf | None, cache: Path) -> Tls:
    return tls_of(configured(text), conf, insecure=False, cache=cache, env={})


def test_the_first_place_counts_and_no_other(tmp_path: Path) -> None:
    conf = conf_with(tmp_path, STORE)
    every = "security_config: {ca_bundle: own/ca.pem, truststore_path: own.jks}"
    assert (of(every, conf, tmp_path).pem, of(every, conf, tmp_path).store) == ("/conf/own/ca.pem", None)
    named = of("security_config: {truststore_path: own.jks, truststore_password: '1234'}", conf, tmp_path)
    assert named.store == Truststore("/conf/own.jks", "security_config.truststore_path, c.yaml:1", "1234")
    clients = of("", conf, tmp_path)
    assert clients.store == Truststore(STORE, "ssl-client.xml", "changeit")
    assert clients.pem.startswith(f"{tmp_path}/tls/") and STORE in clients.trusted
    assert of("", None, tmp_path).store is None and of("", None, tmp_path).trusted == "the system's CAs"


def test_the_clients_file_has_variables_and_may_have_another_name(tmp_path: Path) -> None:
    core = {"hadoop.ssl.client.conf": "mine.xml"}
    conf = conf_with(tmp_path, "${env.STORES}/truststore.jks", "mine.xml", **core)
    found = of("", conf, tmp_path).store
    assert found is not None and (found.path, found.origin) == (STORE, "mine.xml")


@pytest.mark.parametrize("location", ["/nonexistent/truststore.jks", ""])
def test_a_truststore_of_the_cluster_that_is_not_on_this_host_is_none(location: str, tmp_path: Path) -> None:
    assert of("", conf_with(tmp_path, location), tmp_path).store is None


def test_one_that_the_configuration_names_has_to_be_there_when_it_is_needed(tmp_path: Path) -> None:
    named = of("security_config: {truststore_path: nowhere.jks}", None, tmp_path)
    with pytest.raises(HostNotReady, match="No such file"):
        named.context()


def test_a_key_needs_its_certificate(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        of("security_config:\n  client_key: k.pem\n", None, tmp_path)
    assert caught.value.where == "c.yaml:2"
    own = of("security_config: {client_certificate: c.pem, client_key: k.pem}", None, tmp_path)
    assert (own.certificate, own.key) == ("/conf/c.pem", "/conf/k.pem")


def test_nothing_is_opened_before_a_connection_is() -> None:
    assert Tls("/nonexistent.pem", certificate="/nonexistent.key").trusted == "/nonexistent.pem"
