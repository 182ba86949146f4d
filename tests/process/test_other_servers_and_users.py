"""What sends Spark's client to other servers than ours, or lets it act for another user, does not pass in silence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import SUCCEEDED, Door
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager


@pytest.fixture
def rm() -> Iterator[TakingResourceManager]:
    with TakingResourceManager() as server:
        server.steps = [SUCCEEDED]
        yield server


@pytest.mark.parametrize("launcher", ["auto", "rest", "spark-submit"])
def test_hadoops_own_variable_for_a_proxy_user_is_refused(host: Door, rm: TakingResourceManager, launcher: str) -> None:
    flags = ("--conf", SHARED_JARS, "--launcher", launcher, "--no-wait")
    done = host.submit(*flags, env={"HADOOP_PROXY_USER": "bob"})
    assert (done.code, rm.posted, host.calls, host.records()) == (2, [], [], []), done.err
    assert done.said("HADOOP_PROXY_USER names bob", "--proxy-user bob", "HADOOP_USER_NAME=bob"), done.err
    assert host.submit(*flags, env={"HADOOP_PROXY_USER": ""}).code == 0


@pytest.mark.parametrize("verb", [["list"], ["status", "application_1700000000000_0001"], ["queues"]])
def test_so_it_is_by_the_verbs_that_look(host: Door, rm: TakingResourceManager, verb: list[str]) -> None:
    done = host.run(*verb, env={"HADOOP_PROXY_USER": "bob"})
    assert (done.code, rm.asked) == (2, []) and done.said("HADOOP_PROXY_USER names bob"), done.err


def test_the_doctor_names_it(host: Door) -> None:
    done = host.run("doctor", "--json", env={"HADOOP_PROXY_USER": "bob"})
    assert "HADOOP_PROXY_USER names bob" in done.out and "config.proxy-user" in done.out, done.err


@pytest.mark.parametrize(
    "property_", ["spark.hadoop.fs.defaultFS=hdfs://other:8020", "spark.hadoop.yarn.resourcemanager.address=other:8032"]
)
def test_properties_that_name_other_servers_go_to_spark_submit(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, property_: str
) -> None:
    key, _, value = property_.partition("=")
    flags = ("--verbose", "--conf", SHARED_JARS, "--conf", property_)
    refused = host.submit(*flags, "--launcher", "rest")
    assert (refused.code, rm.posted, host.calls) == (2, [], []), refused.err
    assert refused.said("launcher rest can't take this job", f"{key} is {value}"), refused.err
    done = host.submit(*flags)
    assert done.code == 0 and done.said(f"launcher: spark-submit, because {key} is {value}"), done.err
    assert (len(host.calls), rm.posted, host.call.conf[key]) == (1, [], value)


def test_servers_that_environment_config_names_are_ours(host: Door, rm: TakingResourceManager) -> None:
    """They stand in the plan as the same properties, and our calls go there too."""
    env = {
        "BATCH_SUBMIT_ENVIRONMENT_CONFIG__RESOURCEMANAGER_URL": "localhost:8099",
        "BATCH_SUBMIT_ENVIRONMENT_CONFIG__RESOURCEMANAGER_WEBAPP_URL": rm.url.replace("127.0.0.1", "localhost"),
    }
    done = host.submit("--verbose", "--conf", SHARED_JARS, env=env)
    assert done.code == 0 and done.said("launcher: rest", "overrides the XML's") and len(rm.posted) == 1, done.err
