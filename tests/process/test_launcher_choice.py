"""``launcher: auto``, ``rest`` and ``spark-submit``: who launches, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import pyspark
import pytest

from tests.process.canned_replies import Reply, remote_exception
from tests.process.canned_webhdfs import Remote
from tests.process.door import RECORDER, Door

JARS = "spark.yarn.jars=local:/opt/spark/jars/*"


@pytest.fixture
def home(door: Door) -> str:
    """A Spark that is whole but for its spark-submit, which is the recorder."""
    folder = door.folder / "spark"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "spark-submit").symlink_to(RECORDER / "spark-submit")
    for part in ("jars", "python"):
        (folder / part).symlink_to(Path(pyspark.__file__).parent / part)
    return str(folder)


def test_auto_says_why_it_is_spark_submit(door: Door) -> None:
    done = door.submit("--verbose")
    assert done.code == 0
    assert done.said("launcher: spark-submit, because Spark's jars are not shared"), done.err
    assert len(door.calls) == 1
    quiet = door.submit()
    assert "launcher" not in quiet.err


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (
            Reply(403, b"App submission via REST is disabled.", "application/json"),
            "App submission via REST is disabled",
        ),
        (remote_exception(401, "AuthorizationException", "no ticket"), "takes no submission over REST"),
        (Reply(404, b"<html>not here</html>", "text/html"), "takes no submission over REST"),
    ],
    ids=["switched off", "not let in", "a gateway hides it"],
)
def test_auto_asks_the_cluster_and_falls_back(door: Door, home: str, reply: Reply, reason: str) -> None:
    door.rm.new_application = reply
    done = door.submit("--verbose", "--conf", JARS, env={"SPARK_HOME": home})
    assert done.code == 0, done.err
    assert done.said("launcher: spark-submit, because", reason), done.err
    assert len(door.calls) == 1
    assert door.last_try["state"] == "FINISHED"


def test_auto_falls_back_when_webhdfs_does_not_serve_us(door: Door, home: str) -> None:
    door.rm.new_application = Reply(
        200, json.dumps({"application-id": "application_1700000000000_0099"}).encode(), "application/json"
    )
    door.webhdfs.fail["GETFILESTATUS"] = Remote(403, "StandbyException", "not here")
    done = door.submit("--verbose", "--conf", JARS, env={"SPARK_HOME": home})
    assert done.code == 0, done.err
    assert done.said("launcher: spark-submit, because WebHDFS does not serve us"), done.err


def test_rest_that_can_not_be_is_refused_with_the_reason(door: Door, home: str) -> None:
    done = door.submit("--launcher", "rest", "--conf", "spark.jars.packages=a:b:1", env={"SPARK_HOME": home})
    assert done.code == 2
    assert done.said("launcher rest can't take this job: spark.jars.packages is set", "--launcher spark-submit"), (
        done.err
    )
    assert not door.calls
    assert door.last_try["state"] == "NOT_SUBMITTED"
    off = Reply(403, b"App submission via REST is disabled.", "application/json")
    door.rm.new_application = off
    done = door.submit("--launcher", "rest", "--conf", JARS, env={"SPARK_HOME": home})
    assert done.code == 4 and done.said("App submission via REST is disabled"), done.err
    assert not door.calls


def test_an_argument_that_spark_submit_would_corrupt_is_never_given_to_it(door: Door, home: str) -> None:
    done = door.submit("--", "`id`")
    assert done.code == 2 and done.said("'`'", "YARN rewrites"), done.err
    assert not door.calls
    done = door.submit("--launcher", "spark-submit", "--", "`id`")
    assert done.code == 2 and not door.records()[1:], done.err


@pytest.mark.parametrize("name", ["a.txt#b c", "a.txt#b%20c", "a[1].txt"])
def test_a_name_that_spark_submit_would_lose_is_never_given_to_it(door: Door, name: str) -> None:
    (door.work / name.partition("#")[0]).write_text("a")
    door.write_config(f'job_specific_config: {{custom: {{script: job.py, files: ["{name}"]}}}}\n')
    for flags in ([], ["--launcher", "spark-submit"], ["--conf", "spark.submit.deployMode=client"]):
        done = door.submit(*flags)
        assert (done.code, done.out, door.calls) == (2, "", []), done.err
        assert done.said(name.partition("#")[2] or name, "spark-submit"), done.err
    home_less = door.submit("--launcher", "spark-submit", "--dry-run")
    assert home_less.code == 2


def test_the_dry_run_shows_all_that_would_be_sent(door: Door, home: str) -> None:
    flags = ["--launcher", "rest", "--conf", JARS, "--conf", "spark.my.password=geheim", "--dry-run"]
    done = door.submit(*flags, "--format", "json", "--", "a b", env={"SPARK_HOME": home})
    assert done.code == 0, done.err
    told = done.json
    assert told["launcher"] == "rest" and "geheim" not in done.out
    context = told["rest"]["context"]
    assert "--arg 'a b'" in context["am-container-spec"]["commands"]["command"]
    links = {one["key"] for one in context["am-container-spec"]["local-resources"]["entry"]}
    assert {"job.py", "pyspark.zip", "__spark_conf__"} <= links
    names = {one["name"]: one["bytes"] for one in told["rest"]["staging"]["files"]}
    assert names["job.py"] == len("print('a job')\n") and names["__spark_conf__.zip"] is None
    assert told["rest"]["properties"]["spark.master"] == "yarn"
    assert told["argv"][0].endswith("spark-submit")
    assert not door.rm.asked and not door.webhdfs.asked
    text = door.submit(*flags, env={"SPARK_HOME": home})
    assert text.code == 0 and "spark-submit --master yarn" in text.out and text.said("launcher rest"), text.err
    auto = door.submit("--dry-run", "--format", "json").json
    assert (auto["launcher"], auto["rest"]) == ("spark-submit", None) and "not shared" in auto["launcher_reason"]


def test_a_dry_run_names_a_file_that_is_not_there(door: Door, home: str) -> None:
    flags = ["--launcher", "rest", "--conf", "spark.yarn.archive=/opt/nothere.zip", "--dry-run", "--format", "json"]
    done = door.submit(*flags, env={"SPARK_HOME": home})
    assert done.code == 2 and done.said("/opt/nothere.zip", "can't be read: No such file"), done.err


@pytest.mark.parametrize("archive", ["hdfs:/spark/a%20b.zip", "hdfs:///spark/a%20b.zip"])
def test_a_dry_run_shows_one_spelling_of_a_place(door: Door, home: str, archive: str) -> None:
    flags = ["--launcher", "rest", "--conf", f"spark.yarn.archive={archive}", "--dry-run", "--format", "json"]
    done = door.submit(*flags, env={"SPARK_HOME": home})
    assert done.code == 0, done.err
    entries = done.json["rest"]["context"]["am-container-spec"]["local-resources"]["entry"]
    (at,) = [one["value"]["resource"] for one in entries if one["key"] == "__spark_libs__"]
    assert at.startswith("hdfs://") and at.endswith("/spark/a%20b.zip") and "hdfs:/spark" not in at


def test_a_word_that_is_no_launcher(door: Door) -> None:
    done = door.submit("--launcher", "livy")
    assert done.code == 2 and done.said("--launcher", "auto, spark-submit, rest"), done.err
