"""What `devcluster` says when it can't start: no daemon runs here."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "devcluster"
#: Java as far as the version check looks.
FAKE_JAVA = """\
#!/bin/sh
echo '    java.home = /opt/fake' >&2
echo '    java.specification.version = {version}' >&2
"""


@pytest.fixture
def host(tmp_path: Path) -> dict[str, str]:
    """An environment with a Java 17 and a complete, empty jar cache."""
    jars = tmp_path / "jars"
    (jars / "lib").mkdir(parents=True)
    pom_hash = hashlib.sha256((FOLDER / "pom.xml").read_bytes()).hexdigest()
    (jars / "complete.json").write_text(json.dumps({"pom_sha256": pom_hash, "jars": 0}))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "JAVA_HOME": str(fake_java(tmp_path / "jdk17", "17")),
        "DEVCLUSTER_JARS": str(jars),
    }


def fake_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text(FAKE_JAVA.format(version=version))
    java.chmod(0o755)
    return home


def run(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "devcluster"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize("version", ["1.8", "11", "25"])
def test_another_java_is_refused_in_one_line(host: dict[str, str], tmp_path: Path, version: str) -> None:
    home = fake_java(tmp_path / "other", version)
    code, message = run({**host, "JAVA_HOME": str(home)}, "up", "--dir", str(tmp_path / "c"))
    assert code == 3
    assert len(message.splitlines()) == 1
    assert f"JAVA_HOME={home} is Java {version.removeprefix('1.')}" in message
    assert "openjdk-17" in message
    assert not (tmp_path / "c").exists()


def test_java_home_without_java(host: dict[str, str], tmp_path: Path) -> None:
    code, message = run({**host, "JAVA_HOME": "/nowhere"}, "up", "--dir", str(tmp_path / "c"))
    assert code == 3
    assert "JAVA_HOME=/nowhere holds no bin/java" in message


def test_a_port_in_use_is_named_with_its_daemon_and_the_remedy(host: dict[str, str], tmp_path: Path) -> None:
    offset = 11000
    with socket.create_server(("127.0.0.1", 8088 + offset)):
        code, message = run(host, "up", "--dir", str(tmp_path / "c"), "--port-offset", str(offset))
    assert code == 3
    assert len(message.splitlines()) == 1
    assert "port 19088 (resourcemanager http) is in use" in message
    assert "--port-offset" in message


def test_without_maven_the_package_to_install_is_named(host: dict[str, str], tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {**host, "PATH": str(empty), "DEVCLUSTER_JARS": str(tmp_path / "none")}
    assert run(environment, "jars") == (
        3,
        "devcluster: mvn is missing; it fetches Hadoop's jars: apt-get install maven",
    )


def test_mavens_last_lines_are_shown_after_two_failures(host: dict[str, str], tmp_path: Path) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\necho 'Could not transfer artifact'\nexit 1\n")
    maven.chmod(0o755)
    environment = {**host, "PATH": f"{maven.parent}:{host['PATH']}", "DEVCLUSTER_JARS": str(tmp_path / "none")}
    code, message = run(environment, "jars")
    assert code == 3
    assert "Could not transfer artifact" in message
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_folder_with_other_files_is_left_alone(host: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    assert run(host, "up", "--dir", str(tmp_path / "mine"))[0] == 2
    assert run(host, "down", "--wipe", "--dir", str(tmp_path / "mine"))[0] == 0
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["up", "--port-offset", "1"], 2, "multiple of 100"),
        (["up", "--port-offset", "x"], 2, "multiple of 100"),
        (["up", "--nodemanagers", "0"], 2, "not from 1 to 8"),
        (["up", "--dir", "/tmp/a b"], 2, "can't work in a path"),
        (["up", "--set", "nowhere-site:a=b"], 2, "no file 'nowhere-site'; there are core-site, hdfs-site"),
        (["up", "--set", "yarn-site:a"], 2, "not FILE:KEY=VALUE: yarn-site:a"),
        (["up", "--set", "yarn-site:=b"], 2, "not FILE:KEY=VALUE"),
        (["up", "--set", "yarn-site:a key=b"], 2, "not FILE:KEY=VALUE"),
        (["failover", "--dir", "/nonexistent"], 3, "run `devcluster up` first"),
        (["fly"], 2, "invalid choice"),
        (["up", "--profile", "safe"], 2, "invalid choice: 'safe' (choose from"),
        (["up", "--dir", "/tmp/never-made", "--profile", "secure", "--ha"], 2, "do not go together"),
        (["up", "--dir", "/tmp/never-made", "--profile", "tls", "--ha"], 2, "--profile tls do not go together"),
        (["env", "--dir", "/nonexistent"], 3, "run `devcluster up` first"),
        (["down", "--dir", "/nonexistent"], 0, "nothing was running"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(host: dict[str, str], arguments: list[str], code: int, words: str) -> None:
    answer, message = run(host, *arguments)
    assert answer == code
    assert words in message


def test_clusters_with_different_offsets_share_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from devcluster_lib.layout import MAX_NODEMANAGERS, MAX_PORT_OFFSET, PORT_OFFSET_STEP, Cluster

    daemons = Cluster(Path("/c"), 0, MAX_NODEMANAGERS, "u", "/java", ha=True, profile="secure").daemons()
    assert len(daemons) == 6 + MAX_NODEMANAGERS
    ports = sorted(port for daemon in daemons for port in daemon.ports.values())
    assert all(one < other for one, other in pairwise(ports))
    gaps = {other - one for one in ports for other in ports if other > one}
    assert not [gap for gap in gaps if gap % PORT_OFFSET_STEP == 0 and gap <= MAX_PORT_OFFSET]
    assert max(ports) + MAX_PORT_OFFSET < 32768  # net.ipv4.ip_local_port_range begins there


#: What a devcluster wrote before it knew --set and --ha.
OLD_RECORD = {"port_offset": 11000, "nodemanagers": 1, "user": "somebody", "java_home": "/opt/fake"}


def test_a_cluster_of_an_older_devcluster_is_understood(host: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text(json.dumps(OLD_RECORD))
    done = subprocess.run(
        [sys.executable, str(FOLDER / "devcluster"), "status", "--json", "--dir", str(tmp_path)],
        capture_output=True, text=True, env=host, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    answer = json.loads(done.stdout)
    assert (answer["ha"], answer["settings"], answer["profile"]) == (False, {}, "simple")
    assert "kdc" not in answer["daemons"]
    assert answer["daemons"]["resourcemanager"]["haState"] is None
    assert answer["urls"]["resourcemanager"] == "http://localhost:19088"
    assert "haState" not in answer["daemons"]["namenode"]


def test_a_failover_needs_two_resourcemanagers_and_one_that_runs(host: dict[str, str], tmp_path: Path) -> None:
    record = tmp_path / "cluster.json"
    record.write_text(json.dumps(OLD_RECORD))
    assert run(host, "failover", "--dir", str(tmp_path)) == (
        2,
        f"devcluster: the cluster in {tmp_path} has one ResourceManager: `devcluster up --ha` makes it two",
    )
    record.write_text(json.dumps({**OLD_RECORD, "ha": True}))
    for words, message in [
        ((), "no other ResourceManager runs: `devcluster up` starts it"),
        (("--to", "resourcemanager-2"), "resourcemanager-2 does not run: `devcluster up` starts it"),
        (("--to", "namenode"), "namenode is no ResourceManager"),
        (("--to", "resourcemanager-3"), "no daemon 'resourcemanager-3' in this cluster"),
    ]:
        code, said = run(host, "failover", *words, "--dir", str(tmp_path))
        assert code == 2 and message in said


def properties(file: Path) -> dict[str, str]:
    rows = ElementTree.parse(file).getroot()
    return {str(row.findtext("name")): str(row.findtext("value")) for row in rows}


def test_settings_are_kept_from_call_to_call_and_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from devcluster_lib import hadoop_conf, state
    from devcluster_lib.verbs import Wishes

    vmem, address = "yarn.nodemanager.vmem-check-enabled", "yarn.nodemanager.address"
    first = Wishes(settings={"yarn-site": {vmem: "true", "a": "1"}}).cluster(tmp_path, None, "u", "/java")
    state.save(first)
    wishes = Wishes(nodemanagers=2, settings={"yarn-site": {"a": "<2>", address: "x:1"}, "mapred-site": {"b": "c=d"}})
    cluster = wishes.cluster(tmp_path, state.load(tmp_path), "u", "/java")
    hadoop_conf.write_conf(cluster)

    written = properties(tmp_path / "conf" / "yarn-site.xml")
    assert (written[vmem], written["a"], written[address]) == ("true", "<2>", "x:1")
    assert properties(tmp_path / "conf" / "mapred-site.xml")["b"] == "c=d"
    second = properties(tmp_path / "conf-nodemanager-2" / "yarn-site.xml")
    assert (second[vmem], second[address]) == ("true", "localhost:8044"), "two can't have one address"


def test_two_resourcemanagers_in_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from devcluster_lib import hadoop_conf, state
    from devcluster_lib.verbs import Wishes

    state.save(Wishes(port_offset=100, ha=True).cluster(tmp_path, None, "u", "/java"))
    cluster = Wishes().cluster(tmp_path, state.load(tmp_path), "u", "/java")
    assert cluster.ha, "remembered"
    hadoop_conf.write_conf(cluster)

    rm = "yarn.resourcemanager"
    common = properties(tmp_path / "conf" / "yarn-site.xml")
    assert common[f"{rm}.ha.rm-ids"] == "rm1,rm2" and common[f"{rm}.ha.automatic-failover.enabled"] == "false"
    assert common[f"{rm}.webapp.address.rm1"] == "localhost:8188"
    assert common[f"{rm}.webapp.address.rm2"] == "localhost:8193"
    assert common[f"{rm}.cluster-id"] == "devcluster-100"
    assert f"{rm}.address" not in common and f"{rm}.ha.id" not in common
    for daemon in cluster.resourcemanagers():
        own = properties(tmp_path / f"conf-{daemon.name}" / "yarn-site.xml")
        assert own == {**common, f"{rm}.ha.id": daemon.rm_id}
    assert not Wishes(ha=False).cluster(tmp_path, cluster, "u", "/java").ha
    one = hadoop_conf.yarn_site(Wishes().cluster(tmp_path, None, "u", "/java"), cluster.daemon("nodemanager"))
    assert one[f"{rm}.webapp.address"] == "localhost:8088" and not [name for name in one if ".ha." in name]


def test_the_secure_profile_in_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from devcluster_lib import client_env, hadoop_conf, kerberos, state
    from devcluster_lib.errors import UsageError
    from devcluster_lib.verbs import Wishes

    state.save(Wishes(port_offset=100, nodemanagers=2, profile="secure").cluster(tmp_path, None, "u", "/java"))
    cluster = Wishes().cluster(tmp_path, state.load(tmp_path), "u", "/java")
    assert cluster.secure, "remembered"
    with pytest.raises(UsageError, match="has the profile secure: `devcluster down --wipe` it first"):
        Wishes(profile="simple").cluster(tmp_path, cluster, "u", "/java")
    hadoop_conf.write_conf(cluster)

    core = properties(tmp_path / "conf" / "core-site.xml")
    assert (core["hadoop.security.authentication"], core["hadoop.rpc.protection"]) == ("kerberos", "privacy")
    assert "alice=etl" in core["hadoop.user.group.static.mapping.overrides"].split(";")
    assert properties(tmp_path / "conf" / "hdfs-site.xml")["dfs.namenode.http-address"] == "localhost:9970"
    for folder in ("conf", "conf-nodemanager-2"):
        yarn = properties(tmp_path / folder / "yarn-site.xml")
        assert yarn["yarn.nodemanager.principal"] == "nm/localhost@DEVCLUSTER.TEST"
        assert yarn["yarn.acl.enable"] == "true"
    variables = client_env.client_environment(cluster, None)
    assert variables["DEVCLUSTER_KEYTABS"] == str(kerberos.keytab(cluster, "alice").parent)
    assert variables["KRB5_CONFIG"] == str(tmp_path / "kerberos" / "krb5.conf")

    plain = Wishes(port_offset=100).cluster(tmp_path / "other", None, "u", "/java")
    assert not [name for name in client_env.client_environment(plain, None) if "KRB" in name or "DEVCLUSTER" in name]
    assert kerberos.java_options(plain) == []


def test_the_tls_profile_in_the_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from devcluster_lib import certificates, client_env, hadoop_conf, processes, state
    from devcluster_lib.verbs import Wishes

    state.save(Wishes(port_offset=100, nodemanagers=2, profile="tls").cluster(tmp_path, None, "u", "/java"))
    cluster = Wishes().cluster(tmp_path, state.load(tmp_path), "u", "/java")
    assert cluster.secure and cluster.tls, "remembered, and Kerberos with it"
    hadoop_conf.write_conf(cluster)

    conf = tmp_path / "conf"
    assert properties(conf / "core-site.xml")["hadoop.security.authentication"] == "kerberos"
    hdfs = properties(conf / "hdfs-site.xml")
    assert hdfs["dfs.http.policy"] == "HTTPS_ONLY" and hdfs["ignore.secure.ports.for.testing"] == "false"
    assert hdfs["dfs.namenode.https-address"] == "localhost:9970"
    yarn = properties(conf / "yarn-site.xml")
    assert yarn["yarn.resourcemanager.webapp.https.address"] == "localhost:8188"
    assert yarn["yarn.log.server.url"].startswith("https://localhost:19988/")
    second = properties(tmp_path / "conf-nodemanager-2" / "yarn-site.xml")
    assert second["yarn.nodemanager.webapp.https.address"] == "localhost:8145"
    assert [daemon.url[:17] for daemon in cluster.daemons() if daemon.kind != "kdc"] == ["https://localhost"] * 6
    assert not [name for name in properties(conf / "ssl-server.xml") if "password" in name]
    assert client_env.client_environment(cluster, None)["DEVCLUSTER_CA"] == str(tmp_path / "tls" / "ca.pem")
    manager = processes.java_command(cluster, cluster.daemon("resourcemanager"), tmp_path)
    assert [word for word in manager if word.startswith("-Djavax.net.ssl.trustStore=")]

    plain = Wishes(port_offset=100).cluster(tmp_path / "other", None, "u", "/java")
    assert certificates.environment(plain) == {} and certificates.java_options(plain, "resourcemanager") == []
    assert plain.daemon("namenode").url == "http://localhost:9970"


@pytest.mark.full  # a dozen JVMs, one after the other
def test_certificates_are_made_once_by_keytool_and_fit_each_other(
    host: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from devcluster_lib import certificates, host_checks
    from devcluster_lib.errors import HostNotReady
    from devcluster_lib.verbs import Wishes

    try:
        java_home = host_checks.find_java()
    except HostNotReady as error:
        pytest.skip(str(error))
    cluster = Wishes(profile="tls").cluster(tmp_path, None, "u", java_home)
    certificates.ensure_certificates(cluster)
    secret = certificates.password(cluster)
    own = {path.name: path.read_bytes() for path in cluster.tls_dir.iterdir()}
    name_of_all = ("DNSName", "localhost")
    assert {"ca.pem", "truststore.jks", "daemons.p12", "applications.p12", "credentials.jceks"} <= set(own)
    assert cluster.tls_dir.stat().st_mode & 0o777 == 0o700
    assert certificates.password_file(cluster).stat().st_mode & 0o777 == 0o600
    for name, alternatives in (("daemons", [name_of_all]), ("applications", [name_of_all, ("IPAddress", "127.0.0.1")])):
        listed = subprocess.run(
            [f"{java_home}/bin/keytool", "-J-Duser.language=en", "-list", "-v", "-alias", name, "-storepass:env", "S",
             "-keystore", str(certificates.keystore(cluster, name))],
            env={"S": secret}, capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
        assert "Certificate chain length: 2" in listed and "Issuer: CN=devcluster CA" in listed
        found = re.findall(r"^\s*(DNSName|IPAddress): (\S+)", listed, re.MULTILINE)
        assert found == alternatives
    certificates.ensure_certificates(cluster)
    assert {path.name: path.read_bytes() for path in cluster.tls_dir.iterdir()} == own


def test_without_a_kdc_the_package_to_install_is_named(host: dict[str, str], tmp_path: Path) -> None:
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1]); from devcluster_lib import realm as r; r.SYSTEM_FOLDERS = (); "
    )
    probe += "from devcluster_lib.cli import main; sys.exit(main(sys.argv[2:]))"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", probe, str(FOLDER), "up", "--dir", str(tmp_path / "c"), "--profile", "secure"],
        capture_output=True, text=True, env={**host, "PATH": str(empty)}, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "the secure profile needs krb5kdc, kdb5_util, kadmin.local" in done.stderr
    assert "apt-get install krb5-kdc krb5-admin-server krb5-user" in done.stderr
