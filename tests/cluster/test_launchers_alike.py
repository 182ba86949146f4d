"""The same jobs by ``launcher: rest`` and by spark-submit: what YARN and the containers saw must be the same."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cluster.alike_plans import PLANS, SCRIPT, Alike
from cluster.conftest import REPO, Cluster

from batch_submit.plan.java_properties import parse_properties

MARK = secrets.token_hex(3)
LAUNCHERS = ("rest", "spark-submit")
#: What differs from one container to the next, and says nothing of the submission.
_OF_THE_CONTAINER = re.compile(
    r"^(CONTAINER_ID|LOCAL_DIRS|LOCAL_USER_DIRS|LOG_DIRS|PWD|APP_SUBMIT_TIME_ENV|PYSPARK_GATEWAY_\w+|SPARK_AUTH_\w+|"
    r"HADOOP_TOKEN_FILE_LOCATION|LOCALIZATION_COUNTERS|PYTHON_\w*SECRET|PYTHON_WORKER_\w+|_|SHLVL|JVM_PID|OLDPWD|PYTHON_UNIX\w*|NM_\w+)$"
)
#: Properties that differ, with the reason.
_DIFFER = {
    "spark.yarn.submit.waitAppCompletion": "spark-submit is told not to wait; without it there is nobody to be told",
    "spark.app.submitTime": "a time",
    "spark.app.id": "the application",
    "spark.app.startTime": "a time",
    "spark.driver.port": "a port",
    "spark.driver.appUIAddress": "a port",
    "spark.ui.port": "a port",
    "spark.yarn.app.id": "the application",
    "spark.yarn.tags": "holds the run id",
    "spark.org.apache.hadoop.yarn.server.webproxy.amfilter.AmIpFilter.param.PROXY_URI_BASES": "holds the application",
}
#: With rest they lie once in HDFS for all runs, and nodes keep them for everybody.
_SHARED = re.compile(r"pyspark\.zip|py4j-.*-src\.zip|ml_pipeline_framework\.zip")
_APPLICATION_FIELDS = (
    "name",
    "user",
    "queue",
    "priority",
    "applicationType",
    "allocatedMB",
    "allocatedVCores",
    "runningContainers",
    "amNodeLabelExpression",
    "appNodeLabelExpression",
    "unmanagedApplication",
    "masterNodeId",
)


def tell(cluster: Cluster, home: Path, plan: Alike, launcher: str) -> dict[str, Any]:
    """Submit a plan by one launcher, and give what its script wrote down, with how it ended."""
    number = PLANS.index(plan)
    out = f"/tmp/alike-{MARK}-{number}-{launcher}.json"
    env = cluster.env | {"HOME": str(home), "BATCH_SUBMIT_PYTHON": sys.executable} | plan.environment
    flags = ["-t", "custom", "--script", "record.py", "-c", f"{number}.json", *plan.flags]
    name = [] if "-n" in plan.flags else ["-n", f"alike-{number}"]
    command = ["submit", *flags, *name, "--launcher", launcher, "--run-id", f"alike-{MARK}-{number}-{launcher}"]
    if plan.spark35:
        env["SPARK_HOME"] = spark35()
    done = subprocess.run(
        [str(REPO / "batch_submit.sh"), *command, "--", out, cluster.rm_url, *plan.arguments],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    application_id = done.stdout.strip()
    told = dict(cluster.rest(f"{cluster.webhdfs_url}{out}?op=OPEN&user.name=root"))
    app = cluster.rest(f"{cluster.rm_url}/ws/v1/cluster/apps/{application_id}")["app"]
    told["end"] = [app["state"], app["finalStatus"], sorted(app["applicationTags"].split(","))]
    told["id"] = application_id
    return told


def comparable(told: dict[str, Any], launcher: str) -> dict[str, Any]:
    """What one launcher led to, without what is each application's own."""
    sequence = told["id"].removeprefix("application_")

    def plain(text: str) -> str:
        text = text.replace(sequence, "<id>").replace(f"-{launcher}.json", "-<launcher>.json")
        text = re.sub(rf"(alike-{MARK}-\d+)-{launcher}", r"\1-<launcher>", text)
        text = re.sub(r"container_(e\d+_)?<id>_\d+_\d+", "<container>", text)
        text = re.sub(r"/filecache/\d+(/\d+)*", "/filecache/<n>", text)
        text = re.sub(r"hdfs://localhost:\d+/", "hdfs:/", text)  # Spark's URI of the archive names no host
        text = re.sub(r"__spark_conf__/__hadoop_conf__", "<hadoop conf>", text)
        text = re.sub(r"(spark|userFiles|blockmgr)-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", r"\1-<random>", text)
        return re.sub(r"\b1[6-9]\d{11}\b", "<time>", text)

    def properties(text: str) -> dict[str, str]:
        entries = parse_properties(text, "what the driver was given").entries
        return {one.key: plain(one.value) for one in entries if one.key not in _DIFFER}

    def seen(one: dict[str, Any]) -> dict[str, Any]:
        environment = {
            key: plain(value) for key, value in one["environment"].items() if not _OF_THE_CONTAINER.match(key)
        }
        own = ("launch_container.sh", "container_tokens", "default_container", "__spark_conf__/__spark_")
        files = {name: sha for name, sha in one["files"].items() if not name.startswith(own)}
        return {"environment": environment, "files": files, "path": [plain(part) for part in one["path"]]}

    exported = [line for line in told["launch"].splitlines() if line.startswith(("export ", "ln -sf"))]
    names = [re.match(r"export (\w+)=", line) for line in exported]
    variables = {one[1] for one in names if one and not _OF_THE_CONTAINER.match(one[1])}
    links = {line.split()[-1] for line in exported if line.startswith("ln -sf")}
    application = {key: told["application"].get(key) for key in _APPLICATION_FIELDS}
    lifetime = told["application"]["timeouts"]["timeout"][0]["remainingTimeInSeconds"]
    state, final_status, tags = told["end"]
    conf = {key: plain(value) for key, value in told["conf"].items() if key not in _DIFFER}
    return {
        "arguments": told["arguments"],
        "command": [plain(word) for word in told["command"]],
        "variables": sorted(variables),
        "links": sorted(links),
        "application": application | {"has_lifetime": lifetime > 0, "end": [state, final_status]},
        "tags": sorted(map(plain, tags)),
        "conf": conf,
        "properties": properties(told["properties"]),
        "cache": cached(properties(told["cache"])),
        "driver": seen(told["driver"]),
        "executor": seen(told["executor"]) if "executor" in told else None,
        "modules": told["modules"],
    }


def cached(found: dict[str, str]) -> list[tuple[str, ...]]:
    """What executors get: place and name, size, kind, who may see it. What runs share lies elsewhere with rest."""
    columns = [found[f"spark.yarn.cache.{name}"].split(",") for name in ("filenames", "sizes", "types", "visibilities")]
    rows = []
    for place, *told, visibility in zip(*columns, strict=True):
        name = place.rpartition("#")[2]
        rows.append((name, *told) if _SHARED.fullmatch(name) else (place, *told, visibility))
    return sorted([*rows, ("confArchive", found["spark.yarn.cache.confArchive"])])


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """Every leaf that differs, one line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from differences(first, second, f"{where}[{place}]")
    elif one != other:
        yield f"{where}: rest {one!r}, spark-submit {other!r}"


def spark35() -> str:
    """The Spark 3.5 that the tests of the shipped package run with; "" without it."""
    found = sorted((REPO / ".venv-spark35").glob("lib/python3*/site-packages/pyspark"))
    return str(found[0]) if found else ""


def made_home(cluster: Cluster, home: Path) -> Path:
    """A folder with the script, one configuration per plan, and files of every kind."""
    (home / "record.py").write_text(SCRIPT, encoding="utf-8")
    (home / "alone.py").write_text("HERE = 1\n", encoding="utf-8")
    (home / "zipped.py").write_text("HERE = 2\n", encoding="utf-8")
    for name in ("some.txt", "other.txt", "a b.txt", "c d.txt", "x%20y.txt"):
        (home / name).write_text(name, encoding="utf-8")
    for archive, member in (("lib.zip", "zipped.py"), ("data.zip", "some.txt"), ("empty.jar", "other.txt")):
        subprocess.run([sys.executable, "-m", "zipfile", "-c", archive, member], cwd=home, check=True)
    (home / "zipped.py").unlink()
    jar = (home / "empty.jar").read_bytes()
    cluster.put("/tmp/alike-jars/one.jar", jar)
    cluster.put("/tmp/alike-jars/two.jar", jar)
    for number, plan in enumerate(PLANS):
        config = {
            "execution": {"log_file": "our.log"},
            "spark_config": plan.properties,
            "job_specific_config": {"custom": plan.job},
        }
        text = json.dumps(config).replace("{jars}", f"local:{cluster.env['SPARK_HOME']}/jars/*")
        text = text.replace("{spark35}", spark35())
        (home / f"{number}.json").write_text(text, encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def told(
    cluster: Cluster, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future[dict[str, Any]]]]:
    """All plans of this test run by both launchers, some at a time: a driver of 512 MiB does little but start."""
    home = made_home(cluster, tmp_path_factory.mktemp("alike"))
    items = [item for item in request.session.items if item.module is request.module]
    wanted = [item.callspec.params["plan"] for item in items if hasattr(item, "callspec")]
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield {
            (plan.name, launcher): pool.submit(tell, cluster, home, plan, launcher)
            for plan in wanted
            for launcher in LAUNCHERS
        }


@pytest.mark.parametrize(
    "plan",
    [pytest.param(plan, id=plan.name, marks=() if plan.sample else pytest.mark.full) for plan in PLANS],
)
def test_both_launchers_lead_to_the_same(plan: Alike, told: dict[tuple[str, str], Future[dict[str, Any]]]) -> None:
    if plan.spark35 and not spark35():
        pytest.skip("no Spark 3.5 in .venv-spark35: make test-spark35")
    by_rest, by_program = (comparable(told[plan.name, launcher].result(), launcher) for launcher in LAUNCHERS)
    assert by_rest["arguments"] == [one.replace("%%", "%") for one in plan.arguments]
    assert not list(differences(by_rest, by_program))
