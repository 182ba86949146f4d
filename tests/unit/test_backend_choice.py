"""Where a run goes and why; a host that is meant for a cluster never trains locally in silence."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from batch_submit.errors import ExitCode, HostNotReady
from batch_submit.plan.backend_choice import ETC_HADOOP_CONF, LOCAL, YARN, BackendChoice, choose_backend
from batch_submit.plan.config import Config, Sourced

ASKED = ("execution", "backend")
CONF_DIR = ("environment_config", "hadoop_conf_dir")


def choose(
    values: Mapping[tuple[str, str], Sourced] | None = None,
    variables: Mapping[str, str] | None = None,
    *,
    etc: bool = False,
    cluster_flags: tuple[str, ...] = (),
) -> BackendChoice:
    return choose_backend(
        Config("training", values or {}), variables or {}, etc_names_resourcemanager=etc, cluster_flags=cluster_flags
    )


EVERYTHING = {CONF_DIR: Sourced("/configured", "c.yaml:2")}
BOTH = {"HADOOP_CONF_DIR": "/hadoop", "YARN_CONF_DIR": "/yarn"}


def test_the_order_of_the_places() -> None:
    both = choose(EVERYTHING, BOTH, etc=True)
    assert (both.hadoop_conf_dir, both.yarn_conf_dir) == ("/hadoop", "/yarn")
    same = choose(EVERYTHING, {"HADOOP_CONF_DIR": "/hadoop", "YARN_CONF_DIR": "/hadoop/"})
    assert (same.hadoop_conf_dir, same.yarn_conf_dir) == ("/hadoop", "")
    assert choose(EVERYTHING, {"HADOOP_CONF_DIR": "", "YARN_CONF_DIR": "/yarn"}, etc=True).hadoop_conf_dir == "/yarn"
    assert choose(EVERYTHING, {}, etc=True).hadoop_conf_dir == "/configured"
    assert choose({}, {}, etc=True).hadoop_conf_dir == ETC_HADOOP_CONF
    assert choose({}, {}) == BackendChoice(LOCAL, "no Hadoop configuration on this host")


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (choose({}, BOTH), "HADOOP_CONF_DIR=/hadoop, YARN_CONF_DIR=/yarn"),
        (choose({}, {"HADOOP_CONF_DIR": "/hadoop"}), "HADOOP_CONF_DIR=/hadoop"),
        (choose({}, {"YARN_CONF_DIR": "/yarn"}), "YARN_CONF_DIR=/yarn"),
        (choose(EVERYTHING), "environment_config.hadoop_conf_dir (c.yaml:2)"),
        (choose(etc=True), "/etc/hadoop/conf names a ResourceManager"),
        (choose({ASKED: Sourced("auto", "default")}, BOTH), "HADOOP_CONF_DIR=/hadoop, YARN_CONF_DIR=/yarn"),
        (choose({ASKED: Sourced("yarn", "c.yaml:1")}, BOTH), "c.yaml:1; HADOOP_CONF_DIR=/hadoop, YARN_CONF_DIR=/yarn"),
    ],
)
def test_yarn_says_why(choice: BackendChoice, reason: str) -> None:
    assert (choice.backend, choice.reason) == (YARN, reason)


def test_a_relative_folder_starts_at_the_file_that_names_it() -> None:
    assert choose({CONF_DIR: Sourced("../conf", "c.yaml:2", "/etc/ours")}).hadoop_conf_dir == "/etc/conf"
    assert choose({CONF_DIR: Sourced("conf", "flag --x")}).hadoop_conf_dir == "conf"  # the working directory


def test_local_when_asked_for_beats_every_sign_of_a_cluster() -> None:
    choice = choose({ASKED: Sourced("local", "flag --backend"), **EVERYTHING}, BOTH, etc=True, cluster_flags=("--env",))
    assert (choice.backend, choice.reason) == (LOCAL, "flag --backend")


def test_yarn_without_the_xml_is_an_error_of_this_host() -> None:
    with pytest.raises(HostNotReady) as caught:
        choose({ASKED: Sourced("yarn", "flag --backend")})
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert "backend yarn (flag --backend) needs the Hadoop XML" in caught.value.message
    assert "export HADOOP_CONF_DIR" in caught.value.next_step


@pytest.mark.parametrize("backend", [None, "auto"])
@pytest.mark.parametrize(
    ("key", "cluster_flags", "named"),
    [
        ("namenode_url", (), "environment_config.namenode_url"),
        ("resourcemanager_url", (), "environment_config.resourcemanager_url"),
        ("resourcemanager_webapp_url", (), "environment_config.resourcemanager_webapp_url"),
        (None, ("--queue",), "--queue"),
        ("namenode_url", ("--env", "--profile"), "--env, --profile, environment_config.namenode_url"),
    ],
)
def test_what_means_a_cluster_never_becomes_local(
    backend: str | None, key: str | None, cluster_flags: tuple[str, ...], named: str
) -> None:
    values = {ASKED: Sourced(backend, "default")} if backend else {}
    if key:
        values["environment_config", key] = Sourced("x:1", "c.yaml:4")
    with pytest.raises(HostNotReady) as caught:
        choose(values, cluster_flags=cluster_flags)
    assert caught.value.exit_code is ExitCode.HOST_NOT_READY
    assert caught.value.message.startswith(f"{named} means a cluster")
    assert "HADOOP_CONF_DIR" in caught.value.details[0] and ETC_HADOOP_CONF in caught.value.details[0]
    assert "--backend local" in caught.value.next_step
