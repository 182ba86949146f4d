"""Over REST: odd names, arguments, environment values and properties are data, and odd secrets are seen nowhere."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from batch_submit.plan.java_properties import parse_properties
from tests.process.canned_replies import Reply, remote_exception
from tests.process.canned_webhdfs import CannedWebHdfs
from tests.process.door import RUNNING, Door
from tests.process.taking_rm import SHARED_JARS, TakingResourceManager, spark_home
from tests.process.test_odd_texts import ODD, nothing_ran

#: What is hard to find again once it has been quoted by somebody.
SECRETS = [
    "s3 cret \"double\" 'single' $(touch pwned) `touch pwned`",
    "s3cret in\ntwo lines",
    "s3cret größe 日本 🚀",
    "s3cret;a&b|c<d>%25%s{0}",
    "s3cret\\back\\nslash",
]
#: Their pieces that no quoting changes.
MARKS = ("s3 cret", "s3%20cret", "s3+cret", "s3cret", "two lines")
#: YARN rewrites ``$``, ``"`` and backquotes in environment values: refused, see ``test_submit_refusals``.
GREETING = "it's; größe & 日本 | < > * ~ 100% a\\b #x"


class Keeping(TakingResourceManager):
    """Keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[dict[str, Any]] = []

    def _taken(self, context: dict[str, Any], user: str) -> Reply:
        self.contexts.append(context)
        return super()._taken(context, user)


@pytest.fixture
def rm() -> Iterator[Keeping]:
    with Keeping() as server:
        server.steps = [RUNNING]
        yield server


@pytest.fixture
def host(tmp_path: Path, rm: Keeping, webhdfs: CannedWebHdfs) -> Iterator[Door]:
    """A host whose jobs go over REST, and whose configuration refers to odd secrets in its environment."""
    opened = Door(tmp_path, rm, webhdfs)
    opened.env |= {"SPARK_HOME": spark_home(tmp_path), "HADOOP_USER_NAME": "alice"}
    opened.env |= {f"SECRET_{number}": text for number, text in enumerate(SECRETS)}
    conf = {f"spark.my.n{number}.password": f"${{SECRET_{number}}}" for number in range(len(SECRETS))}
    conf |= {f"spark.my.text{number}": text for number, text in enumerate(ODD)}
    conf |= {"spark.yarn.appMasterEnv.GREETING": GREETING, "spark.executorEnv.GREETING": GREETING}
    config = {
        "execution": {"launcher": "rest", "log_file": "our.log"},
        "spark_config": conf,
        "job_specific_config": {"custom": {"script": "job.py"}},
    }
    opened.write_config(json.dumps(config, ensure_ascii=False))
    yield opened
    opened.close()


def unseen(host: Door, *texts: str) -> None:
    """No piece of a secret is in a text, nor in any file of this host."""
    files = [path for path in host.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for name, text in (
        *((f"text {number}", text.encode()) for number, text in enumerate(texts)),
        *((str(path), path.read_bytes()) for path in files if "spark/" not in str(path)),
    ):
        assert not [mark for mark in MARKS if mark.encode() in text], name


def staged_properties(webhdfs: CannedWebHdfs) -> dict[str, str]:
    """The properties in the archive that goes with the application."""
    (archive,) = [node.data for path, node in webhdfs.nodes.items() if path.endswith("/__spark_conf__.zip")]
    assert archive is not None
    with zipfile.ZipFile(io.BytesIO(archive)) as held:
        text = held.read("__spark_conf__.properties").decode("utf-8")
    return {one.key: one.value for one in parse_properties(text, "staged").entries}


def test_all_of_it_arrives_as_data_and_no_secret_is_seen(host: Door, rm: Keeping, webhdfs: CannedWebHdfs) -> None:
    name = "it's $(touch pwned); `touch pwned` größe"
    arguments = [one for one in ODD if "%" not in one]  # dates are filled into arguments
    flags = ["--conf", SHARED_JARS, "--verbose", "--run-id", "odd", f"--name={name}", "--no-wait"]
    dry = host.submit(*flags, "--dry-run", "--json", "--", *arguments)
    outcome = host.submit(*flags, "--", *arguments)
    assert (dry.code, outcome.code) == (0, 0), dry.err + outcome.err
    (context,) = rm.contexts
    assert context["application-name"] == name
    sent = {one["key"]: one["value"] for one in context["am-container-spec"]["environment"]["entry"]}
    assert sent["GREETING"] == GREETING
    staged = staged_properties(webhdfs)
    # As Spark reads the file: it trims values, and for Java what is below a blank is one.
    assert [staged[f"spark.my.text{number}"] for number in range(len(ODD))] == [one.lstrip("\x1b") for one in ODD]
    assert [staged[f"spark.my.n{number}.password"] for number in range(len(SECRETS))] == SECRETS
    told = [host.run(*verb) for verb in (["show", "odd", "--json"], ["status", "odd"], ["history"], ["list"])]
    told += [host.run("config", "show", "-t", "custom", *form) for form in (["--origin"], ["--json"])]
    assert [one.code for one in told] == [0] * len(told), [one.err for one in told]
    texts = [text for one in (dry, outcome, *told) for text in (one.out, one.err)]
    unseen(host, json.dumps(context, ensure_ascii=False), *texts)
    assert nothing_ran(host)


@pytest.mark.parametrize("echo", [str, json.dumps, quote, repr], ids=["plain", "json", "url", "python"])
def test_a_server_that_says_our_secrets_back_is_not_repeated(host: Door, rm: Keeping, echo: Any) -> None:
    rm.answers_to_post = [remote_exception(400, "BadRequestException", f"bad: {', '.join(map(echo, SECRETS))}")]
    outcome = host.submit("--conf", SHARED_JARS, "--verbose", "--run-id", "odd")
    assert outcome.code == 4 and "bad: " in outcome.err and "*********(redacted)" in outcome.err, outcome.err
    unseen(host, outcome.out, outcome.err, host.run("show", "odd", "--json").out)


def test_an_error_of_our_own_says_none(host: Door) -> None:
    broken = "def broken(self, job): raise RuntimeError(f'{job.plan} {job.plan.secrets}')"
    program = host.changed_program(
        "from batch_submit.launchers import rest", broken, "rest.RestLauncher._cached = broken"
    )
    changed = Path(program[1])
    outcome = host.submit("--conf", SHARED_JARS, "--verbose", "--run-id", "odd", program=program)
    changed.unlink()
    assert outcome.code == 70 and outcome.said("internal error: RuntimeError", "*********(redacted)"), outcome.err
    assert "RuntimeError" in host.log.read_text(), "with its traceback"
    unseen(host, outcome.out, outcome.err)
