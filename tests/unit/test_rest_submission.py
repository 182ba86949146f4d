"""The REST launcher's plan beside a recording of what Spark 4.3.0's own client sent for the same job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_submit.errors import UsageError
from batch_submit.plan.java_properties import parse_properties
from batch_submit.plan.rest.choice import why_not
from batch_submit.plan.rest.master import size_of
from batch_submit.plan.rest.properties import properties_text
from batch_submit.plan.rest.resources import Staged, dist_cache
from batch_submit.plan.rest.submission import RestJob, access_lists, context_json, spark_properties
from batch_submit.plan.rest.words import option_words, quoted
from batch_submit.plan.uris import cluster_path, quoted_path
from tests.unit.rest_plans import APPLICATION, CONF, FACTS, STAGING, plan, shipped

RECORDED = Path(__file__).parents[1] / "golden" / "rest" / "spark-4.3.0"
JOB = RestJob.of(plan(), FACTS, "root")


def recorded_cache() -> tuple[dict[str, Staged], dict[str, str]]:
    text = (RECORDED / "__spark_dist_cache__.properties").read_text(encoding="utf-8")
    told = {entry.key: entry.value for entry in parse_properties(text, "recorded").entries}
    columns = [told[f"spark.yarn.cache.{one}"].split(",") for one in ("filenames", "sizes", "timestamps")]
    staged = {
        name.partition("#")[2]: Staged(name.partition("#")[0], int(size), int(time))
        for name, size, time in zip(*columns, strict=True)
    }
    return staged, told


def test_the_command_is_sparks_own() -> None:
    staged, _ = recorded_cache()
    staged["job.py"] = Staged(f"{STAGING}/job.py", 616, 1)
    staged["__spark_conf__"] = Staged(f"{STAGING}/__spark_conf__.zip", 192042, 2)
    context = context_json(JOB, APPLICATION, staged, STAGING, 1795288861267)
    container = context["am-container-spec"]
    said = (RECORDED / "command.txt").read_text(encoding="utf-8").rstrip("\n")
    # Quoted where Spark does not quote, and a backslash that both shells would leave alone is escaped.
    same = said.replace("--primary-py-file job.py", "--primary-py-file 'job.py'")
    same = same.replace("'e'\\''f'", "'e'\\\\''f'").replace("'back\\slash'", "'back\\\\slash'")
    assert container["commands"]["command"] == same
    environment = {one["key"]: one["value"] for one in container["environment"]["entry"]}
    recorded = json.loads((RECORDED / "environment.json").read_text(encoding="utf-8"))
    colons = {key: value.replace("<CPS>", ":") for key, value in environment.items()}
    assert colons == recorded
    assert context["application-type"] == "SPARK"
    assert (context["queue"], context["priority"], context["max-app-attempts"]) == ("ml-queue", 3, 1)
    assert context["resource"] == {"memory": 984, "vCores": 1}
    assert context["log-aggregation-context"] == {"rolled-log-include-pattern": "spark.*"}
    kinds = {one["key"]: one["value"]["type"] for one in container["local-resources"]["entry"]}
    assert {link for link, kind in kinds.items() if kind == "ARCHIVE"} == {"env", "__spark_conf__"}


def test_the_properties_are_sparks_own() -> None:
    text = (RECORDED / "__spark_conf__.properties").read_text(encoding="utf-8")
    recorded = {entry.key: entry.value for entry in parse_properties(text, "recorded").entries}
    assert spark_properties(JOB, 1795288857877) == recorded


def test_executors_get_what_spark_gives_them() -> None:
    staged, told = recorded_cache()
    assert dist_cache(JOB.resources, staged, f"{STAGING}/__spark_conf__.zip") == told


@given(st.dictionaries(st.text(min_size=1).map(lambda key: "spark." + key), st.text()))
def test_properties_read_back_as_they_were(values: dict[str, str]) -> None:
    whole = {key: value.strip() for key, value in values.items() if not set(key + value) & {"\ud800"}}
    whole = {key: value for key, value in whole.items() if value.isprintable() or not value}
    whole = {key.replace("\0", ""): value for key, value in whole.items()}
    read = {entry.key: entry.value for entry in parse_properties(properties_text(whole), "written").entries}
    assert read == whole


def test_options_are_split_as_spark_splits_them() -> None:
    assert option_words('-Da=1  -Db=\'x y\' "-Dc=\\"q\\""') == ["-Da=1", "-Db=x y", '-Dc="q"']
    assert option_words("") == [] and option_words("''") == [""]


def test_what_yarn_replaces_is_broken_up() -> None:
    for text in ("{{x}}", "{{{", "}}}", "<LOG_DIR>", "<CPS>", '{"a":{"b":1}}'):
        word = quoted(text)
        assert not any(token in word for token in ("{{", "}}", "<LOG_DIR>", "<CPS>")), word
    with pytest.raises(ValueError, match="NUL"):
        quoted("a\0b")


def test_options_of_java_may_name_the_containers_folders_and_the_application() -> None:
    options = "-Xlog:gc:<LOG_DIR>/gc.log -Dpwd={{PWD}}/x -Dcp=a<CPS>b -Dapp={{APP_ID}} -Dhome='$HOME `id`'"
    conf = {"spark.driver.defaultJavaOptions": "-Dd=<LOG_DIR>", "spark.driver.extraJavaOptions": options}
    context = context_json(RestJob.of(plan(conf=conf), FACTS, "root"), APPLICATION, {}, STAGING, 1)
    command = context["am-container-spec"]["commands"]["command"]
    assert (
        "'-Dd=<LOG_DIR>' '-Xlog:gc:<LOG_DIR>/gc.log' '-Dpwd={{PWD}}/x' '-Dcp=a<CPS>b' "
        f"'-Dapp={APPLICATION}' '-Dhome=\\$HOME \\`id\\`'"
    ) in command


@pytest.mark.parametrize(
    ("conf", "memory"),
    [
        ({}, 1024 + 384),
        ({"spark.driver.memory": "8g"}, 8192 + 819),
        ({"spark.driver.memory": "8g", "spark.driver.memoryOverhead": "2g"}, 8192 + 2048),
        ({"spark.driver.memory": "8g", "spark.driver.memoryOverhead": "512"}, 8192 + 512),
        ({"spark.yarn.driver.memoryOverhead": "900"}, 1024 + 900),
        ({"spark.yarn.driver.memoryOverhead": "9g", "spark.driver.memoryOverhead": "1g"}, 1024 + 1024),
        ({"spark.driver.memory": "8g", "spark.driver.memoryOverheadFactor": "0.4"}, 8192 + 3276),
        ({"spark.driver.memory": "1g", "spark.driver.minMemoryOverhead": "500m"}, 1024 + 500),
    ],
)
def test_the_size_follows_sparks_rules(conf: dict[str, str], memory: int) -> None:
    assert size_of(conf).memory_mib == memory


def test_who_may_look_and_change() -> None:
    assert access_lists(CONF, "root") == {"VIEW_APP": "root,eve,bob ", "MODIFY_APP": "root,eve "}
    open_to_all = {"spark.ui.view.acls": "*", "spark.modify.acls.groups": "ops,dev"}
    assert access_lists(open_to_all, "root") == {"VIEW_APP": "* ", "MODIFY_APP": "root ops,dev"}


def test_one_name_for_two_files_is_refused() -> None:
    twice = (shipped("/home/alice/mod.zip"), shipped("/home/bob/mod.zip"))
    with pytest.raises(UsageError) as caught:
        RestJob.of(plan(py_files=twice), FACTS, "root")
    assert "/home/alice/mod.zip and /home/bob/mod.zip are both called mod.zip" in caught.value.details[0]


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"spark.driver.memoryOverhead": "some"}, "spark.driver.memoryOverhead: "),
        ({"spark.driver.memoryOverheadFactor": "x"}, "spark.driver.memoryOverheadFactor: 'x' is no number"),
        ({"spark.yarn.maxAppAttempts": "two"}, "spark.yarn.maxAppAttempts: 'two' is no whole number"),
        ({"spark.yarn.priority": "high"}, "spark.yarn.priority: 'high' is no whole number"),
        ({"spark.yarn.am.attemptFailuresValidityInterval": "soon"}, "attemptFailuresValidityInterval: "),
    ],
)
def test_a_wrong_number_is_told_before_an_id_is_reserved(conf: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        RestJob.of(plan(conf={**CONF, **conf}), FACTS, "root")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"deploy_mode": "client"}, "deploy_mode client"),
        ({"conf": {**CONF, "spark.jars.packages": "a:b:1"}}, "packages are fetched by spark-submit"),
        ({"conf": {**CONF, "spark.driver.resource.gpu.amount": "1"}}, "a resource of the application master"),
        ({"conf": {**CONF, "spark.kerberos.keytab": "/k"}}, "spark.kerberos.principal need each other"),
        ({"conf": {**CONF, "spark.kerberos.principal": "a@X"}}, "spark.kerberos.principal need each other"),
        ({"conf": {**CONF, "spark.yarn.keytab": "/k"}}, "an old name; use security_config"),
        ({"conf": {**CONF, "spark.files": "/home/alice/x.txt"}}, "use files, additional_jars"),
        ({"conf": {**CONF, "spark.submit.pyFiles": "x.py"}}, "spark-submit ships what it names"),
        ({"conf": {"spark.yarn.dist.jars": "x.jar", **CONF}}, "Spark's client ships what it names"),
        ({"conf": {**CONF, "spark.driver.limitActiveProcessorCount.enabled": "true"}}, "the driver's processors"),
        ({"conf": {**CONF, "spark.driver.limitActiveProcessorCount.enabled": "false"}}, ""),
        ({"conf": {**CONF, "spark.yarn.am.tokenConfRegex": "^dfs"}}, "travels with the tokens"),
        ({"conf": {**CONF, "spark.jars.ivySettings": "/etc/ivy.xml"}}, "ships that file"),
        ({"conf": {**CONF, "spark.yarn.submit.file.replication": "3"}}, "how often its files are kept"),
        ({"conf": {**CONF, "spark.yarn.preserve.staging.files": "true"}}, "deletes the staging folder"),
        *(
            ({"conf": {**CONF, f"spark.hadoop.{key}": value}}, said)
            for key, value, said in [
                ("fs.defaultFS", "hdfs://other:9100", "files would go to hdfs://localhost:9100"),
                ("fs.defaultFS", "hdfs://localhost:9101", "fs.defaultFS is hdfs://localhost:9101, and"),
                ("fs.default.name", "s3a://bucket", "fs.default.name is s3a://bucket, and"),
                ("fs.defaultFS", "hdfs:///", "fs.defaultFS is hdfs:///, and"),
                ("fs.defaultFS", "hdfs://localhost:9100/", ""),
                ("fs.defaultFS", "hdfs://LOCALHOST:9100", ""),
                ("yarn.resourcemanager.address", "other:8032", "cluster that the Hadoop XML files name"),
                ("yarn.resourcemanager.address.rm2", "other:8032", "address.rm2 is other:8032, and"),
                ("yarn.resourcemanager.scheduler.address", "other:8030", "scheduler.address is other:8030, and"),
                ("yarn.resourcemanager.hostname", "other", "hostname is other, and"),
                ("yarn.resourcemanager.ha.rm-ids", "a,b", "ha.rm-ids is a,b, and"),
                ("yarn.resourcemanager.address", "RM:8032", ""),
                ("yarn.resourcemanager.connect.max-wait.ms", "9", ""),
            ]
        ),
        ({"environment": {"SPARK_SUBMIT_OPTS": "-Dlog4j2.x=1 -Dspark.a='b c'"}}, "SPARK_SUBMIT_OPTS holds -Dspark.a:"),
        ({"environment": {"SPARK_SUBMIT_OPTS": "-Djava.net.preferIPv6Addresses=true"}}, "preferIPv6Addresses: "),
        ({"environment": {"SPARK_SUBMIT_OPTS": "-Djava.net.preferIPv6Addresses=false -Xmx1g"}}, ""),
        ({"conf": {}}, "neither spark.yarn.archive nor spark.yarn.jars"),
        ({"conf": {"spark.yarn.archive": "hdfs://other:1/a.zip"}}, "is not on hdfs://localhost:9100"),
        ({"conf": {"spark.yarn.jars": "/opt/jars/*"}}, "lies on this host"),
        ({"conf": {"spark.yarn.jars": "hdfs:///{a,b}/*"}}, "pattern"),
        ({"conf": {"spark.yarn.jars": "s3a://x/jars/*"}}, "is not on"),
        ({"conf": {**CONF, "spark.yarn.stagingDir": "file:/tmp/staging"}}, "stagingDir is file:/tmp/staging: not an"),
        ({"conf": {**CONF, "spark.yarn.stagingDir": "staging"}}, "stagingDir is staging: not an absolute path on"),
        ({"conf": {**CONF, "spark.yarn.stagingDir": "hdfs://other/tmp"}}, "not an absolute path on hdfs://localhost"),
        ({"conf": {**CONF, "spark.yarn.stagingDir": "/tmp/staging"}}, ""),
        ({"conf": {**CONF, "spark.yarn.stagingDir": "hdfs:///tmp/staging"}}, ""),
        ({"conf": {**CONF, "spark.yarn.stagingDir": "hdfs://localhost:9100/tmp"}}, ""),
    ],
)
def test_what_needs_spark_submit_says_why(changes: dict[str, object], reason: str) -> None:
    known = {"spark.hadoop.yarn.resourcemanager.address": "rm:8032"}
    said = why_not(plan(**changes), kerberos=False, default_fs="hdfs://localhost:9100", managers=known)
    assert (reason in said) if reason else not said


def test_kerberos_needs_spark_submit_for_other_servers_only() -> None:
    assert why_not(plan(), kerberos=True, default_fs="hdfs://localhost:9100") == ""
    for other in ("swebhdfs://nn:9871", "webhdfs://nn:9870", "s3a://bucket", "file:///", ""):
        said = why_not(plan(), kerberos=True, default_fs=other)
        assert said.startswith(f"the default file system is {other or 'not named'}")
    for key in ("spark.kerberos.access.hadoopFileSystems", "spark.kafka.clusters.a.auth.bootstrap.servers"):
        more = plan(conf={**CONF, key: "other:8020"})
        said = why_not(more, kerberos=True, default_fs="hdfs://localhost:9100")
        assert said == f"{key} is set: spark-submit fetches tokens for other servers"
        assert why_not(more, kerberos=False, default_fs="hdfs://localhost:9100") == ""


@pytest.mark.parametrize(
    ("conf", "needed"),
    [
        ({}, True),
        ({"spark.security.credentials.hive.enabled": "false"}, False),
        ({"spark.kerberos.keytab": "/k", "spark.kerberos.principal": "a@X"}, False),
    ],
)
def test_a_hive_metastore_needs_a_token_of_its_own(conf: dict[str, str], needed: bool) -> None:
    def said(more: dict[str, str], *, kerberos: bool, metastore: bool) -> str:
        given = plan(conf={**CONF, **conf, **more})
        return why_not(given, kerberos=kerberos, default_fs="hdfs://localhost:9100", metastore=metastore)

    assert ("names a Hive metastore" in said({}, kerberos=True, metastore=True)) is needed
    uris = {"spark.hadoop.hive.metastore.uris": "thrift://hive:9083"}
    assert ("names a Hive metastore" in said(uris, kerberos=True, metastore=False)) is needed
    assert said({}, kerberos=False, metastore=True) == ""


def test_a_keytab_goes_to_the_driver_alone_under_a_name_of_its_own() -> None:
    keys = {"spark.kerberos.keytab": "/home/alice/data.csv", "spark.kerberos.principal": "alice@X"}
    job = RestJob.of(plan(conf={**CONF, **keys}), FACTS, "alice")
    link = "data.csv-r-1"
    (keytab,) = [one for one in job.resources if one.secret]
    assert (keytab.link, keytab.staged_name, keytab.source) == (link, link, "/home/alice/data.csv")
    staged = {one.link: Staged(f"{STAGING}/{one.staged_name}", 1, 1) for one in job.resources}
    assert link not in json.dumps(dist_cache(job.resources, staged, "x")), "executors get tokens from the driver"
    properties = spark_properties(job, 1)
    assert properties["spark.kerberos.keytab"] == link and properties["spark.kerberos.principal"] == "alice@X"
    assert not [key for key, value in properties.items() if key.startswith("spark.yarn.dist") and link in value]
    entries = context_json(job, APPLICATION, staged, STAGING, 1)["am-container-spec"]["local-resources"]["entry"]
    assert {one["value"]["visibility"] for one in entries if one["key"] == link} == {"PRIVATE"}


def test_an_application_type_of_the_users_is_taken() -> None:
    job = RestJob.of(plan(conf={**CONF, "spark.yarn.applicationType": "FEATURES"}), FACTS, "root")
    assert context_json(job, APPLICATION, {}, STAGING, 1)["application-type"] == "FEATURES"


def test_tokens_are_the_credentials_of_the_application_master() -> None:
    staged = {one.link: Staged(f"{STAGING}/{one.staged_name}", 1, 1) for one in JOB.resources}
    context = context_json(JOB, APPLICATION, staged, STAGING, 1, {"10.0.0.1:8020": "HQAF"})
    told = context["am-container-spec"]["credentials"]
    assert told == {"tokens": {"entry": [{"key": "10.0.0.1:8020", "value": "HQAF"}]}}
    assert "credentials" not in context_json(JOB, APPLICATION, staged, STAGING, 1)["am-container-spec"]


def test_odd_names_are_uris_that_java_reads_back() -> None:
    files = (
        shipped("/home/al ice/a b.txt", "c d"),
        shipped("/home/alice/x%20y.txt"),
        shipped("/home/alice/a[1].txt"),
        shipped("hdfs:///x/a%20b", "q"),
        shipped("/home/alice/ä.txt"),
    )
    job = RestJob.of(plan(files=files), FACTS, "root")
    given = spark_properties(job, 1)["spark.yarn.dist.files"]
    assert given == (
        "file:///home/al%20ice/a%20b.txt#c%20d,file:///home/alice/x%2520y.txt,file:///home/alice/a%5B1%5D.txt,"
        "hdfs:///x/a%20b#q,file:///home/alice/ä.txt"
    )
    staged = {one.link: Staged(f"{STAGING}/x", 1, 1) for one in job.resources}
    names = dist_cache(job.resources, staged, "c")["spark.yarn.cache.filenames"].split(",")
    assert {"c%20d", "x%2520y.txt", "a[1].txt", "ä.txt"} <= {one.partition("#")[2] for one in names}
    container = context_json(job, APPLICATION, staged, STAGING, 1)["am-container-spec"]
    links = {one["key"] for one in container["local-resources"]["entry"]}
    assert {"c d", "x%20y.txt", "a[1].txt", "q", "ä.txt"} <= links, "a key is no URI"
    assert files[0].argument() == "/home/al%20ice/a%20b.txt#c%20d" and files[1].argument() == "/home/alice/x%20y.txt"
    assert files[3].argument() == "hdfs:///x/a%20b#q"


def test_python_files_have_the_name_that_their_alias_gives() -> None:
    given = (shipped("/home/alice/helper.py", "other.py"), shipped("/home/alice/mod.zip", "lib.zip"))
    job = RestJob.of(plan(py_files=given), FACTS, "root")
    assert {"__pyfiles__/other.py", "lib.zip"} <= {one.link for one in job.resources}
    properties = spark_properties(job, 1)
    assert (
        properties["spark.submit.pyFiles"] == "file:///home/alice/helper.py#other.py,file:///home/alice/mod.zip#lib.zip"
    )
    assert properties["spark.executorEnv.PYTHONPATH"].endswith("{{PWD}}/lib.zip")
    assert properties["spark.executorEnv.PYTHONPATH"].startswith("{{PWD}}/__pyfiles__<CPS>")


def test_paths_of_the_users_are_joined_to_ours() -> None:
    paths = {
        "spark.executorEnv.PYTHONPATH": "/opt/own",
        "spark.yarn.appMasterEnv.PYTHONPATH": "/opt/theirs",
        "spark.yarn.appMasterEnv.CLASSPATH": "/opt/x.jar",
    }
    job = RestJob.of(plan(conf={**CONF, **paths}), FACTS, "root")
    ours = spark_properties(JOB, 1)["spark.executorEnv.PYTHONPATH"]
    assert ours and spark_properties(job, 1)["spark.executorEnv.PYTHONPATH"] == f"/opt/own<CPS>{ours}"

    def environment(job: RestJob) -> dict[str, str]:
        entries = context_json(job, APPLICATION, {}, STAGING, 1)["am-container-spec"]["environment"]["entry"]
        return {one["key"]: one["value"] for one in entries}

    assert environment(job)["PYTHONPATH"] == f"/opt/theirs<CPS>{ours}"
    here = RestJob.of(plan(conf={**CONF, **paths}), FACTS, "root", {"PYTHONPATH": "/nfs/ours"})
    assert environment(here)["PYTHONPATH"] == f"/opt/theirs<CPS>/nfs/ours<CPS>{ours}"
    assert spark_properties(here, 1)["spark.executorEnv.PYTHONPATH"] == f"/opt/own<CPS>/nfs/ours<CPS>{ours}"
    assert environment(job)["CLASSPATH"] == f"{environment(JOB)['CLASSPATH']}<CPS>/opt/x.jar"


def test_a_name_in_hdfs_is_decoded_once_and_has_many_spellings() -> None:
    for uri in ("hdfs:///x/a%20b", "hdfs:/x/a%20b", "hdfs://nn/x/a%20b", "hdfs://NN:8020/x/a b"):
        assert cluster_path(uri, "hdfs://nn:8020") == "/x/a b"
        assert shipped(uri).is_remote
        assert why_not(plan(files=(shipped(uri),)), kerberos=False, default_fs="hdfs://nn:8020") == ""
    for uri in ("local:/opt/x.jar", "hdfs://other/x", "s3a://b/x", "hdfs:///a/../b"):
        said = why_not(plan(files=(shipped(uri),)), kerberos=False, default_fs="hdfs://nn:8020")
        assert said == f"{uri} is not on hdfs://nn:8020"
    assert quoted_path("/a\u3000b/100%") == "/a%E3%80%80b/100%25"


def test_jars_in_hdfs_are_localised_and_only_local_ones_stay_in_the_properties() -> None:
    jars = {"spark.yarn.jars": "local:/opt/spark/jars/*, hdfs:///spark/jars/*.jar"}
    assert why_not(plan(conf={**CONF, **jars}), kerberos=False, default_fs="hdfs://nn:9000") == ""
    job = RestJob.of(plan(conf={**CONF, **jars}), FACTS, "root")
    assert spark_properties(job, 1)["spark.yarn.jars"] == "local:/opt/spark/jars/*"
    assert spark_properties(JOB, 1)["spark.yarn.jars"] == CONF["spark.yarn.jars"]
    both = RestJob.of(plan(conf={**CONF, **jars, "spark.yarn.archive": "hdfs:///a.zip"}), FACTS, "root")
    assert spark_properties(both, 1)["spark.yarn.jars"] == jars["spark.yarn.jars"]  # Spark looks at the archive alone
