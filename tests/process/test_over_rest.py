"""Submitting over REST when the cluster is not as it should be: what is tried before, and what an answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.process.canned_replies import Reply, html_reply, remote_exception
from tests.process.canned_webhdfs import CannedWebHdfs, Node, Plain, Remote
from tests.process.door import RUNNING, SUCCEEDED, Door, Outcome
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager

NO_TICKET = Reply(401, b"", "text/html", {"WWW-Authenticate": "Negotiate"})


@pytest.fixture
def rm() -> Iterator[TakingResourceManager]:
    with TakingResourceManager() as server:
        server.steps = [SUCCEEDED]
        yield server


def submit(host: Door, *flags: str, **how: Any) -> Outcome:
    return host.submit("--verbose", "--conf", SHARED_JARS, *flags, **how)


def staged(webhdfs: CannedWebHdfs) -> list[str]:
    return [path for path in webhdfs.nodes if "/.sparkStaging/" in path]


def closed_port(webhdfs: CannedWebHdfs) -> None:
    """The NameNode sends writers to a DataNode whose web port nobody answers."""
    datanode = "http://127.0.0.1:9/webhdfs/v1/x?op=CREATE&datanode=1"
    webhdfs.fail["CREATE"] = Plain(200, json.dumps({"Location": datanode}).encode())


def login_page(webhdfs: CannedWebHdfs) -> None:
    webhdfs.fail["MKDIRS"] = Plain(200, b"<html>please log in</html>")


def redirects(webhdfs: CannedWebHdfs) -> None:
    """Hadoop 2, or a gateway: it knows no ``noredirect``."""
    webhdfs.noredirect = False


@pytest.mark.parametrize("broken", [closed_port, login_page, redirects])
def test_auto_tries_to_write_before_anything_is_reserved(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, broken: Any
) -> None:
    broken(webhdfs)
    done = submit(host)
    assert done.code == 0 and done.said("launcher: spark-submit, because WebHDFS does not serve us"), done.err
    assert (len(host.calls), rm.posted, staged(webhdfs)) == (1, [], [])
    assert host.last_try["state"] == "FINISHED"


def test_what_auto_tries_is_a_file_of_the_job_and_is_written_once(host: Door, webhdfs: CannedWebHdfs) -> None:
    done = submit(host)
    assert done.code == 0 and done.said("launcher: rest"), done.err
    written = [path for _, path, operation, query in webhdfs.asked if operation == "CREATE" and "datanode" not in query]
    assert len([path for path in written if path.endswith("/job.py")]) == 1


def test_a_server_that_tells_no_permissions(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = webhdfs._status
    monkeypatch.setattr(webhdfs, "_status", lambda path, suffix: {**whole(path, suffix), "permission": ""})
    webhdfs.nodes |= {"/user/alice/.batch-submit": Node(), "/user/alice/.batch-submit/shared": Node()}
    done = submit(host)
    assert done.code == 0 and len(rm.posted) == 1, done.err
    assert done.said("goes into the run's staging folder", "does not tell who may write"), done.err


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (NO_TICKET, 3, "wants authentication (401)"),
        (remote_exception(500, "NullPointerException", "boom"), 4, "does not know application_"),
        (html_reply(500, "Server Error"), 4, "does not know application_"),
        (html_reply(504, "Gateway Timeout"), 8, "a gateway's 504"),
        (remote_exception(400, "BadRequestException", "too large"), 4, "too large"),
    ],
    ids=["401", "500", "500 html", "504", "400"],
)
def test_a_no_to_the_post_is_told_as_one(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, answer: Reply, code: int, words: str
) -> None:
    rm.answers_to_post = [answer]
    done = submit(host, "--run-id", "r1")
    assert (done.code, rm.posted, host.calls) == (code, [], []), done.err
    assert done.said(words) and "was launched" not in done.err, done.err
    assert bool(staged(webhdfs)) is (code == 8), "an application may use it only where the outcome is not known"
    assert host.last_try["state"] == ("LAUNCHING" if code == 8 else "NOT_SUBMITTED")
    again = submit(host, "--run-id", "r1")
    assert again.code == 0 and len(rm.applications) == 1, again.err


def test_a_lost_answer_is_asked_again_under_the_same_id(host: Door, rm: TakingResourceManager) -> None:
    rm.lose_replies_to_post = 1
    done = submit(host)
    assert done.code == 0 and len(rm.posted) == 2 and len(rm.applications) == 1, done.err


def test_numbers_of_the_server_that_are_none_are_no_limits(host: Door, rm: TakingResourceManager) -> None:
    rm.most = {"memory": "many", "vCores": None}
    done = submit(host)
    assert done.code == 0 and len(rm.posted) == 1, done.err


@pytest.mark.parametrize("broken", ["rest.conf_archive", "rest.RestLauncher._cached"], ids=["staging", "before"])
def test_an_internal_error_before_the_post_is_told_as_one(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, broken: str
) -> None:
    program = host.changed_program("from batch_submit.launchers import rest", f"{broken} = boom")
    done = submit(host, program=program)
    assert (done.code, rm.posted, staged(webhdfs)) == (70, [], []), done.err
    assert done.said("internal error: ZeroDivisionError", "nothing was submitted"), done.err
    assert host.last_try["state"] == "NOT_SUBMITTED"


def restart(rm: TakingResourceManager, webhdfs: CannedWebHdfs, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let another ResourceManager count from the `at`-th file on that is written."""
    create, written = webhdfs._create, []

    def creating(path: str, query: Any, body: bytes) -> Any:
        written.append(path)
        if len(written) == at:
            rm.epoch += 1_000_000
        return create(path, query, body)

    monkeypatch.setattr(webhdfs, "_create", creating)


def test_an_id_is_not_posted_at_a_resource_manager_that_counts_anew(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    restart(rm, webhdfs, monkeypatch, 4)
    done = submit(host, "--run-id", "r1")
    assert (done.code, rm.posted, staged(webhdfs)) == (5, [], []), done.err
    assert done.said("the ResourceManager was restarted", "nothing was submitted"), done.err
    again = submit(host, "--run-id", "r1")
    assert again.code == 0 and len(rm.applications) == 1, again.err
    assert rm.posted[0].split("_")[1] == str(rm.epoch)


def test_nothing_is_repeated_at_another_resource_manager(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = rm._taken

    def taking(context: dict[str, Any], user: str) -> Reply:
        taken(context, user)
        rm.epoch += 1_000_000
        return Reply(202, b"<html>cut", "text/html")

    monkeypatch.setattr(rm, "_taken", taking)
    done = submit(host, "--run-id", "r1")
    assert done.code == 8 and len(rm.posted) == 1, done.err
    assert done.said("another one took over", "can't be posted again") and staged(webhdfs), done.err


def reserved_before(host: Door, rm: TakingResourceManager) -> str:
    """Leave a try whose id was reserved and of which nobody knows whether it was posted; its id."""
    program = host.changed_program("from batch_submit.launchers import posting", "posting.Poster.post = boom")
    done = submit(host, "--run-id", "r1", program=program)
    assert done.code == 8 and rm.posted == [], done.err
    return str(host.last_try["application_id"])


@pytest.mark.parametrize(
    ("settings", "site", "since", "code"),
    [
        ({}, "", 400, 0),
        ({}, "", 600, 8),
        ({"yarn.resourcemanager.max-completed-applications": "20"}, "", 11, 8),
        ({"yarn.resourcemanager.max-completed-applications": "20"}, "", 8, 0),
        ({}, "20", 11, 8),
        ({"yarn.resourcemanager.max-completed-applications": "20"}, "100", 40, 0),
    ],
)
def test_how_old_an_id_may_be_is_the_clusters_to_say(
    host: Door, rm: TakingResourceManager, settings: dict[str, str], site: str, since: int, code: int
) -> None:
    application_id = reserved_before(host, rm)
    rm.settings = settings
    if site:
        file = host.folder / "conf" / "yarn-site.xml"
        name = "yarn.resourcemanager.max-completed-applications"
        added = f"<property><name>{name}</name><value>{site}</value></property></configuration>"
        file.write_text(file.read_text().replace("</configuration>", added))
    rm.given += since
    done = submit(host, "--run-id", "r1")
    assert done.code == code, done.err
    assert rm.posted == ([application_id] if code == 0 else []), done.err
    assert done.said("may have run and been forgotten", "max-completed-applications") is (code == 8), done.err


def test_a_second_post_that_can_not_be_staged_leaves_nothing_of_its_own(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs
) -> None:
    reserved_before(host, rm)
    before = staged(webhdfs)
    webhdfs.fail["CREATE"] = Remote(403, "DSQuotaExceededException", "The DiskSpace quota is exceeded")
    done = submit(host, "--run-id", "r1")
    assert done.code == 8 and done.said("could not be posted again", "quota"), done.err
    assert staged(webhdfs) == before and not [path for path in staged(webhdfs) if "/again-" in path]
    del webhdfs.fail["CREATE"]
    again = submit(host, "--run-id", "r1")
    assert again.code == 0 and len(rm.applications) == 1, again.err


def without_java(host: Door) -> dict[str, str]:
    return {"PATH": host.env["PATH"].replace(f"{host.folder / 'java'}:", "")}


def test_a_host_without_java_submits_over_rest(host: Door, rm: TakingResourceManager) -> None:
    done = submit(host, env=without_java(host))
    assert done.code == 0 and done.said("launcher: rest") and len(rm.posted) == 1, done.err


def test_a_host_without_java_is_told_both_reasons(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs
) -> None:
    done = submit(host, "--conf", "spark.jars.packages=a:b:1", env=without_java(host))
    assert (done.code, rm.posted, host.calls) == (3, [], []), done.err
    assert done.said("no Java", "launcher rest, which needs none, can't take this job: spark.jars.packages"), done.err
    assert host.last_try["state"] == "NOT_SUBMITTED"


def test_an_outage_is_no_lack_of_a_host_without_java(host: Door, webhdfs: CannedWebHdfs) -> None:
    closed_port(webhdfs)
    done = submit(host, env=without_java(host))
    assert done.code == 5 and done.said("spark-submit can't do it in its place: no Java"), done.err


def test_safe_mode_is_the_answer_and_no_reason_for_spark_submit(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs
) -> None:
    for operation in ("MKDIRS", "CREATE", "RENAME", "DELETE"):
        webhdfs.fail[operation] = Remote(403, "SafeModeException", "Cannot create: Name node is in safe mode")
    done = submit(host)
    assert (done.code, rm.posted, host.calls) == (5, [], []), done.err
    assert done.said("HDFS is in safe mode; nothing was submitted", "dfsadmin -safemode get"), done.err
    webhdfs.fail.clear()
    assert submit(host).code == 0 and len(rm.posted) == 1


def test_client_mode_needs_its_programs_at_once(host: Door) -> None:
    done = submit(host, env={**without_java(host), "BATCH_SUBMIT_SPARK_CONFIG__DEPLOY_MODE": "client"})
    assert done.code == 3 and done.said("no Java") and host.records() == [], done.err


def configured(host: Door, files: str) -> None:
    text = f"execution: {{log_file: our.log}}\njob_specific_config: {{custom: {{script: job.py, files: {files}}}}}\n"
    host.write_config(text)


def same_names(host: Door) -> None:
    (host.work / "a").mkdir()
    for name in ("a/o.txt", "o.txt"):
        (host.work / name).write_text(name)
    configured(host, "['a/o.txt#q', 'o.txt']")


@pytest.mark.parametrize(
    ("property_", "words"),
    [
        ("spark.driver.memoryOverheadFactor=inf", "a Spark property is wrong"),
        ("spark.driver.memoryOverheadFactor=nan", "a Spark property is wrong"),
        ("spark.yarn.priority=", "a Spark property is wrong"),
        ("spark.yarn.maxAppAttempts=", "a Spark property is wrong"),
        ("spark.yarn.archive=/opt/nothere.zip", "can't be read"),
    ],
)
def test_the_dry_run_says_what_the_submission_would(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs, property_: str, words: str
) -> None:
    shown = submit(host, "--conf", property_, "--dry-run", "--format", "json")
    assert (shown.code, webhdfs.asked) == (2, []) and shown.said(words), shown.err
    done = submit(host, "--conf", property_)
    assert done.code == 2 and done.said(words), done.err
    assert (rm.posted, host.calls, staged(webhdfs)) == ([], [], [])


def test_files_of_one_name_in_two_folders_both_arrive_over_rest(
    host: Door, rm: TakingResourceManager, webhdfs: CannedWebHdfs
) -> None:
    same_names(host)
    shown = submit(host, "--dry-run", "--format", "json")
    assert shown.code == 0 and shown.json["launcher"] == "rest", shown.err
    rm.steps = [RUNNING]
    done = submit(host, "--no-wait")
    assert done.code == 0 and len(rm.posted) == 1, done.err
    held = {path.rpartition("/")[2]: node.data for path, node in webhdfs.nodes.items() if path.endswith("o.txt")}
    assert sorted(held.values()) == [b"a/o.txt", b"o.txt"], held


def test_spark_submit_would_lose_one_of_them_and_is_not_asked(host: Door, rm: TakingResourceManager) -> None:
    same_names(host)
    elsewhere = {"BATCH_SUBMIT_EXECUTION__SHARED_DIR": "hdfs://other:8020/shared"}
    for flags in (["--dry-run"], ["--dry-run", "--format", "json"], []):
        for how in ({"env": elsewhere}, {"env": {"BATCH_SUBMIT_EXECUTION__LAUNCHER": "spark-submit"}}):
            done = submit(host, *flags, **how)
            assert (done.code, rm.posted, host.calls) == (2, [], []), done.err
            assert done.said("spark-submit would lose one of them"), done.err


def test_a_shared_folder_elsewhere_is_spark_submits_in_the_dry_run_too(host: Door) -> None:
    env = {"BATCH_SUBMIT_EXECUTION__SHARED_DIR": "hdfs://other:8020/shared"}
    shown = submit(host, "--dry-run", "--format", "json", env=env)
    assert shown.code == 0 and shown.json["launcher"] == "spark-submit", shown.err
    done = submit(host, env=env)
    assert done.code == 0 and done.said(f"launcher: spark-submit, because {shown.json['launcher_reason']}"), done.err


@pytest.mark.parametrize(
    ("file", "text", "env", "words"),
    [
        ("hive-site.xml", "<configuration/>", {}, "hive-site.xml is part of the configuration"),
        ("core-site.xml", "<configuration/>", {}, "core-site.xml is part of the configuration"),
        ("spark-env.sh", "# what\nexport PYSPARK_PYTHON=/opt/python\n", {}, "spark-env.sh sets"),
        ("", "", {"AWS_ACCESS_KEY_ID": "abc"}, "AWS_ACCESS_KEY_ID is set"),
        ("", "", {"SPARK_DIST_CLASSPATH": "/opt/hadoop/*"}, "SPARK_DIST_CLASSPATH is set"),
        ("", "", {"HADOOP_TOKEN_FILE_LOCATION": "/tmp/tokens"}, "HADOOP_TOKEN_FILE_LOCATION is set"),
    ],
)
def test_what_only_sparks_client_hands_over(
    host: Door, rm: TakingResourceManager, file: str, text: str, env: dict[str, str], words: str
) -> None:
    folder = host.folder / "spark-conf"
    folder.mkdir()
    (folder / "spark-env.sh").write_text("#!/usr/bin/env bash\n\n  # nothing yet\n")
    host.env["SPARK_CONF_DIR"] = str(folder)
    plain = submit(host)
    assert plain.code == 0 and plain.said("launcher: rest"), plain.err
    if file:
        (folder / file).write_text(text)
    shown = submit(host, "--dry-run", "--format", "json", env=env)
    assert shown.json["launcher"] == "spark-submit" and words in shown.json["launcher_reason"], shown.err
    done = submit(host, env=env)
    assert done.code == 0 and done.said("launcher: spark-submit, because", words), done.err
    assert (len(rm.posted), len(host.calls)) == (1, 1)
    refused = submit(host, "--launcher", "rest", env=env)
    assert refused.code == 2 and refused.said(words), refused.err


@pytest.mark.parametrize("scheme", ["hdfs", "viewfs", "s3a"])
def test_the_event_log_is_only_turned_on_where_webhdfs_shows_the_default_file_system(
    host: Door, webhdfs: CannedWebHdfs, scheme: str
) -> None:
    webhdfs.nodes["/spark-logs"] = Node()
    site = host.folder / "conf" / "core-site.xml"
    if scheme != "hdfs":
        site.write_text(site.read_text().replace("hdfs://127.0.0.1:9000", f"{scheme}://mine"))
    done = submit(host, "--launcher", "spark-submit")
    assert done.code == 0, done.err
    assert host.call.conf.get("spark.eventLog.enabled") == ("true" if scheme == "hdfs" else None)
    assert host.call.conf.get("spark.eventLog.dir") == ("hdfs:///spark-logs" if scheme == "hdfs" else None)
