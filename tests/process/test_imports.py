"""What ``list`` and ``status`` load. Start-up time is designed: a new name here is a decision and not an accident."""

from __future__ import annotations

import os
import pwd
import re
import sys
from pathlib import Path

import pytest

from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import RUNNING, Door
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager, spark_home

ME = pwd.getpwuid(os.getuid()).pw_name
#: Our own modules on the way of both, and then of each. The verb's own, below cli, is loaded by importlib, which the
#: interpreter's account leaves out.
SHARED = {
    "adapters",
    "adapters.addresses",
    "adapters.auth",
    "adapters.clock",
    "adapters.config_cache",
    "adapters.config_files",
    "adapters.hadoop_conf",
    "adapters.open_places",
    "adapters.own_files",
    "adapters.own_places",
    "adapters.http_reply",
    "adapters.plain_answer",
    "adapters.plain_http",
    "adapters.resource_manager",
    "adapters.rm_errors",
    "adapters.rm_replies",
    "adapters.spark_finder",
    "adapters.terminal",
    "adapters.this_call",
    "backends",
    "backends.base",
    "backends.yarn",
    "cli",
    "cli.options",
    "connecting",
    "data_classes",
    "errors",
    "host_check",
    "ledger",
    "ledger.exports",
    "ledger.opening",
    "ledger.protocol",
    "ledger.records",
    "ledger.store",
    "model",
    "operations",
    "operations.context",
    "plan",
    "plan.backend_choice",
    "plan.merged",
    "plan.reading",
    "plan.sourced",
    "plan.run_states",
    "plan.tags",
    "plan.units",
    "plan.verbs",
    "render",
    "render.listing",
    "render.reports",
    "render.tables",
    "services",
}
OURS = {
    "status": SHARED | {"operations.status", "operations.targets", "render.status"},
    "list": SHARED | {"operations.listing", "plan.listing", "plan.moments"},
}
#: With a record of ours there, and only then: SQLite takes 2 ms to load.
WITH_RECORDS = {"ledger.database", "ledger.rows", "plan.file_systems"}
#: Heavy things that nobody needs to ask one question over plain HTTP.
UNWANTED = {
    "yaml",
    "requests",
    "rich",
    "hdfs",
    "ssl",
    "http.client",
    "email",
    "hmac",
    "logging.handlers",
    "lzma",
    "pickle",
}
UNWANTED |= {
    "subprocess",
    "tempfile",
    "shutil",
    "difflib",
    "concurrent",
    "asyncio",
    "http.server",
    "ml_pipeline_framework",
}


def loaded(door: Door, *arguments: str) -> set[str]:
    """The modules that a call loads, by the interpreter's own account; those that any Python of this host loads at its
    start (by ``.pth`` files, ``sitecustomize``: an Ubuntu's loads ``apport_python_hook``) are not ours to choose."""
    start = [sys.executable, "-X", "importtime"]
    ours = str(Path(door.program[0]).parent / "deploy/hadoop/batch_submit/__main__.py")
    return imports_of(door, [*start, ours], *arguments) - imports_of(door, [*start, "-c", "pass"])


def imports_of(door: Door, program: list[str], *arguments: str) -> set[str]:
    outcome = door.run(*arguments, program=program)
    assert outcome.code == 0, outcome.err
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", outcome.err, re.MULTILINE))


@pytest.fixture
def arguments(door: Door) -> dict[str, list[str]]:
    """The calls; the first one fills the cache of the configuration."""
    one = door.rm.add("job", user=ME, tags=["batch-submit"], steps=[RUNNING])
    door.env["SPARK_HOME"] = str(door.folder)  # as on every edge host: nothing is searched on PATH
    assert door.run("list").code == 0
    return {"list": ["list"], "status": ["status", one]}


@pytest.mark.parametrize("verb", ["list", "status"])
def test_our_own_modules_are_those_of_the_list(door: Door, arguments: dict[str, list[str]], verb: str) -> None:
    ours = {
        name.removeprefix("batch_submit.")
        for name in loaded(door, *arguments[verb])
        if name.startswith("batch_submit.")
    }
    assert ours == OURS[verb]


def test_sqlite_is_loaded_where_there_are_records(door: Door, arguments: dict[str, list[str]]) -> None:
    assert "sqlite3" not in loaded(door, *arguments["list"])
    assert door.submit("--run-id", "r1", env={"SPARK_HOME": None}).code == 0
    door.rm.applications.clear()
    names = loaded(door, *arguments["list"])
    ours = {name.removeprefix("batch_submit.") for name in names if name.startswith("batch_submit.")}
    assert "sqlite3" in names and ours == OURS["list"] | WITH_RECORDS
    assert names & UNWANTED == set()


@pytest.mark.parametrize("verb", ["list", "status"])
def test_third_party_is_click_alone_and_nothing_heavy(door: Door, arguments: dict[str, list[str]], verb: str) -> None:
    names = loaded(door, *arguments[verb])
    mine = {"batch_submit", "click", "__main__", "sitecustomize", "usercustomize"}
    outside = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - mine
    assert outside - {"org"} == set()  # the standard library looks whether it runs in Jython
    assert names & UNWANTED == set()


def test_the_overview_loads_no_operation(door: Door) -> None:
    names = loaded(door, "--help")
    assert {name for name in names if name.startswith("batch_submit.operations")} == set()
    assert names & UNWANTED <= {"shutil", "lzma"}  # click asks shutil how wide the terminal is


#: What a submission over REST does without, once the configuration has been built by an earlier call.
NOT_FOR_REST = {"yaml", "requests", "http.client", "email", "ssl", "hmac", "tempfile"} | {
    "batch_submit.plan.config",
    "batch_submit.launchers.spark_submit",
    "ml_pipeline_framework.contract.catalogue",
}


def test_a_repeated_submission_over_rest_loads_no_more_than_it_uses(tmp_path: Path, webhdfs: CannedWebHdfs) -> None:
    with TakingResourceManager() as rm:
        host = Door(tmp_path, rm, webhdfs)
        host.env |= {"SPARK_HOME": spark_home(tmp_path), "HADOOP_USER_NAME": "alice"}
        call = ["submit", "-t", "custom", "--launcher", "rest", "--no-wait", "--conf", SHARED_JARS]
        assert host.run(*call).code == 0
        assert loaded(host, *call) & NOT_FOR_REST == set()
        assert len(rm.posted) == 2
