"""From the configuration to a session: whom the servers see, and what children get, against a real KDC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from batch_submit.adapters import tickets
from batch_submit.adapters.spark_finder import find_spark
from batch_submit.backends.yarn import YarnBackend
from batch_submit.connecting import connect, tls_settings
from batch_submit.errors import HostNotReady, UsageError
from batch_submit.operations.context import Context, Selection, open_backend
from batch_submit.operations.job_secrets import with_secrets
from batch_submit.operations.ticket_life import warn_of_short_ticket
from batch_submit.plan.backend_choice import YARN, BackendChoice
from batch_submit.plan.merged import Config
from batch_submit.plan.secret_references import PROVIDER_PATH
from batch_submit.plan.sourced import Sourced
from batch_submit.plan.tickets import TicketState
from batch_submit.services import Cluster, Services, build_services
from tests.process.realm import ALICE, NegotiatingServer, Realm
from tests.unit.rest_plans import plan

SITE = "<configuration>{}</configuration>"
PROPERTY = "<property><name>{}</name><value>{}</value></property>"


@pytest.fixture
def manager(realm: Realm) -> Iterator[NegotiatingServer]:
    """A ResourceManager as far as it says who we are."""
    with NegotiatingServer(realm.folder / "HTTP-localhost.keytab") as server:
        server.answers["/ws/v1/cluster/userinfo"] = (200, "application/json", b'{"requestedUser": "alice"}')
        yield server


@pytest.fixture
def services(kerberos_env: dict[str, str]) -> Services:
    return replace(build_services(), env=kerberos_env)


def opened(
    services: Services, manager: NegotiatingServer, folder: Path, kerberos: str = "kerberos", **keys: object
) -> Cluster:
    conf = folder / "conf"
    conf.mkdir()
    core = {"hadoop.security.authentication": kerberos, "fs.defaultFS": "hdfs://localhost:9000"}
    yarn = {"yarn.resourcemanager.webapp.address": manager.url.removeprefix("http://")}
    for name, values in (("core-site", core), ("yarn-site", yarn)):
        text = SITE.format("".join(PROPERTY.format(*pair) for pair in values.items()))
        (conf / f"{name}.xml").write_text(text, encoding="ascii")
    config = Config(None, {("security_config", key): Sourced(value, f"c.yaml:{key}") for key, value in keys.items()})
    return connect(services, config, BackendChoice(YARN, "a test", str(conf)), files=False)


def test_children_are_the_same_user_by_the_same_cache(
    services: Services, manager: NegotiatingServer, realm: Realm, tmp_path: Path
) -> None:
    login = {"enable_kerberos": True, "principal": ALICE, "keytab": str(realm.folder / "alice.keytab")}
    cluster = opened(services, manager, tmp_path, **login)
    assert cluster.user == "alice" and manager.asked[-1].by == "ticket"
    child = {**services.env, **cluster.child_variables}
    held = tickets.look_at_cache(child, time.time())
    assert (held.state, held.principal) == (TicketState.VALID, ALICE)
    assert tickets.look_at_cache(services.env, time.time()).state is TicketState.NONE
    config = Config(None, {("security_config", key): Sourced(value, "c") for key, value in login.items()})
    ticket = services.private_ticket(config)
    assert ticket is not None and services.private_ticket(config) is ticket, "one login for all of a command"
    ticket.close()
    assert list((tmp_path / "run").iterdir()) == []


def a_java_that_tells(folder: Path) -> dict[str, str]:
    """A JVM that answers with what it was given to be somebody: the place of a Spark and of it, in variables."""
    (folder / "spark" / "jars").mkdir(parents=True)
    (folder / "spark" / "bin").mkdir()
    (folder / "java" / "bin").mkdir(parents=True)
    java, submit = folder / "java" / "bin" / "java", folder / "spark" / "bin" / "spark-submit"
    java.write_text('#!/bin/sh\nprintf "%s %s" "$KRB5CCNAME" "$HADOOP_PROXY_USER" | base64 -w0; echo\n')
    submit.write_text("#!/bin/sh\n")
    for program in (java, submit):
        program.chmod(0o755)
    return {"SPARK_HOME": str(folder / "spark"), "JAVA_HOME": str(folder / "java")}


@pytest.mark.full
def test_a_credential_provider_is_read_as_whom_all_calls_are_made(
    services: Services, manager: NegotiatingServer, realm: Realm, tmp_path: Path
) -> None:
    """The password of ``ssl-client.xml``'s store, and a job's secret: by the keytab's ticket, not by what is around."""
    services = replace(services, env={**services.env, **a_java_that_tells(tmp_path)})
    keytab = str(realm.folder / "alice.keytab")
    login: dict[str, object] = {"enable_kerberos": True, "principal": ALICE, "keytab": keytab}
    asked: dict[str, object] = {"truststore_path": "/x.p12", "truststore_password": "credential:store"}
    servers = opened(services, manager, tmp_path, **login)
    private = servers.child_variables["KRB5CCNAME"]
    told: list[str] = []
    for named in (login, {}, {"proxy_user": "bob"}):
        values = {("security_config", key): Sourced(value, f"c.yaml:{key}") for key, value in (named | asked).items()}
        provider = Sourced("jceks://hdfs@nn/x.jceks", "c.yaml:9")
        config = Config(None, values)
        servers.conf.values["hadoop.security.credential.provider.path"] = str(provider.value)
        tls = tls_settings(services, config, servers.conf, (), insecure=False)
        assert tls is not None and tls.store is not None and tls.store.find_password is not None
        told.append(tls.store.find_password())
        context = Context(
            services, config, tmp_path / "c.yaml", BackendChoice(YARN, "", str(tmp_path / "conf")), None, Selection()
        )
        context = replace(context, spark=find_spark(services.env))
        conf = {"spark.my.password": Sourced("credential:a", "c"), f"spark.hadoop.{PROVIDER_PATH}": provider}
        told.append(
            with_secrets(context, replace(plan(), spec=replace(plan().spec, conf=conf))).secrets["spark.my.password"]
        )
    own = services.env["KRB5CCNAME"]
    assert told == [f"{private} "] * 2 + [f"{own} "] * 2 + [f"{own} bob"] * 2
    assert private != own


def test_with_a_ticket_children_need_nothing(
    services: Services, manager: NegotiatingServer, realm: Realm, tmp_path: Path
) -> None:
    realm.kinit(ALICE, realm.folder / "alice.keytab", env=dict(services.env))
    cluster = opened(services, manager, tmp_path)
    assert cluster.user == "alice" and cluster.child_variables == {}
    assert not [one for one in manager.asked if "doas" in one.path]


def test_a_proxy_user_is_named_in_each_question(
    services: Services, manager: NegotiatingServer, realm: Realm, tmp_path: Path
) -> None:
    realm.kinit(ALICE, realm.folder / "alice.keytab", env=dict(services.env))
    cluster = opened(services, manager, tmp_path, proxy_user="a b")
    cluster.resource_manager.info()
    assert manager.asked and all("doas=a%20b" in one.path for one in manager.asked)
    assert cluster.session is not None
    cluster.session.request("GET", f"{manager.url}/webhdfs/v1/a?op=OPEN&delegation=xyz", timeout_s=5)
    cluster.session.request("GET", f"{manager.url}/proxy/application_1_1/", timeout_s=5)
    assert ["doas" in one.path for one in manager.asked[-2:]] == [False, False]


def test_a_proxy_user_with_a_keytab_or_without_kerberos(
    services: Services, manager: NegotiatingServer, realm: Realm, tmp_path: Path
) -> None:
    login = {"enable_kerberos": True, "principal": ALICE, "keytab": str(realm.folder / "alice.keytab")}
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match="exclude each other") as error:
        opened(services, manager, tmp_path / "a", proxy_user="bob", **login)
    assert error.value.where == "c.yaml:proxy_user" and list((tmp_path / "run").iterdir()) == []
    with pytest.raises(UsageError, match="needs a cluster with Kerberos") as error:
        opened(services, manager, tmp_path, "simple", proxy_user="bob")
    assert "HADOOP_USER_NAME=bob" in error.value.next_step


def test_a_keytab_that_is_none_is_told_before_any_server_is_asked(
    services: Services, manager: NegotiatingServer, tmp_path: Path
) -> None:
    with pytest.raises(HostNotReady, match="No such file") as error:
        opened(services, manager, tmp_path, enable_kerberos=True, principal=ALICE, keytab="/no/such/keytab")
    assert error.value.where == "/no/such/keytab" and manager.asked == []


def test_a_ticket_that_ends_before_the_run_is_told_before_the_launch(
    services: Services, manager: NegotiatingServer, realm: Realm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    realm.kinit(ALICE, realm.folder / "alice.keytab", "-l", "2h", env=dict(services.env))
    servers = opened(services, manager, tmp_path)
    backend = YarnBackend(servers, services.env, tmp_path, services.clock, services.terminal)

    def told(timeout_s: float | None, **waits: str) -> str:
        config = Config(None, {("execution", key): Sourced(value, "c") for key, value in waits.items()})
        context = Context(services, config, tmp_path / "c.yaml", BackendChoice(YARN, ""), None, Selection())
        caplog.clear()
        warn_of_short_ticket(context, backend, replace(plan().spec, timeout_s=timeout_s))
        return caplog.text

    assert told(None) == "" and told(3600.0) == "" and told(5 * 3600.0, wait_timeout="1h") == ""
    said = told(5 * 3600.0)
    assert f"the ticket of {ALICE} ends in 1h59m" in said and "before --timeout (5h)" in said
    assert "before --wait-timeout (3h)" in told(None, wait_timeout="3h")
    keytab = replace(servers, child_variables={"KRB5CCNAME": "FILE:/private"})
    backend = YarnBackend(keytab, services.env, tmp_path, services.clock, services.terminal)
    assert told(5 * 3600.0) == "", "that one is renewed"


def test_the_clusters_programs_act_for_the_proxy_user_too(
    services: Services, manager: NegotiatingServer, realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm.kinit(ALICE, realm.folder / "alice.keytab", env=dict(services.env))
    program = tmp_path / "bin" / "yarn"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$1 $HADOOP_PROXY_USER" >> {tmp_path}/seen\n', encoding="ascii")
    program.chmod(0o755)
    services = replace(services, env={**services.env, "PATH": f"{program.parent}:{services.env['PATH']}"})
    opened(services, manager, tmp_path, proxy_user="carol")
    config = Config(None, {("security_config", "proxy_user"): Sourced("carol", "c.yaml")})
    choice = BackendChoice(YARN, "a test", str(tmp_path / "conf"))
    backend = open_backend(Context(services, config, tmp_path / "c.yaml", choice, None, Selection()))
    assert isinstance(backend, YarnBackend) and "HADOOP_PROXY_USER" not in backend.environment

    def refuse(_: str) -> bool:
        raise HostNotReady("401")

    monkeypatch.setattr(backend.servers.resource_manager, "kill", refuse)
    backend.kill("application_1700000000000_0001")
    assert (tmp_path / "seen").read_text() == "application carol\n"
