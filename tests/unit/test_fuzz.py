"""Whatever a server, a file or a user writes: an answer or an error of ours, never another exception, never all memory.

Every parser of foreign text or bytes has a row here. Two kinds of input: anything at all, and something right in which
a few places were changed, which gets further. TFile, IFile and their Java objects: ``test_aggregated_damage.py``.
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_submit.adapters import (
    hdfs_checksum,
    log_replies,
    negotiate,
    plain_answer,
    rm_errors,
    rm_replies,
    scheduler_replies,
    spark_history,
    spark_replies,
    tickets,
    tls_errors,
    truststore,
    webhdfs_status,
    yarn_logs_program,
    yarn_probe,
)
from batch_submit.adapters.aggregated_logs.java_objects import NotReadable, read_object
from batch_submit.adapters.framed_logs import sections
from batch_submit.adapters.hadoop_conf import HadoopConf
from batch_submit.adapters.http_reply import Headers, HttpResponse
from batch_submit.adapters.run_logging import mask_text
from batch_submit.adapters.spark_distribution import _OPTIONS_CLASS, _module_options
from batch_submit.diagnosis.evidence import LogText
from batch_submit.diagnosis.records import records, tracebacks
from batch_submit.errors import BatchSubmitError
from batch_submit.ledger.records import Run, Try, TryState
from batch_submit.plan.claims import Claim, Step
from batch_submit.plan.config import ConfigSources, SourceText, build_config
from batch_submit.plan.health import version_numbers
from batch_submit.plan.java_properties import parse_properties
from batch_submit.plan.layers import read_document
from batch_submit.plan.locks import LockHolder
from batch_submit.plan.log_lines import lines
from batch_submit.plan.many import read_runs
from batch_submit.plan.merged import Config
from batch_submit.plan.reading import ReadingConfig, from_text
from batch_submit.plan.rest.manifest import parse_manifest
from batch_submit.plan.secrets import mask
from batch_submit.plan.submit_output import cause_of, hinted_id
from batch_submit.plan.tickets import why_no_login

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
#: Deeper than Python's own stack, and so than any parser that calls itself.
DEEP = 100_000
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["²", "-1", "1e999", "NaN", "9" * 5000, "../..", "\0", "\ud800", "Sat Nov 99 99:99:99 +9999 26"])
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)

#: What reads a reply that JSON could be, and a recorded reply of that kind.
REPLIES: list[tuple[str, Callable[[Any], object], str]] = [
    ("application", rm_replies.parse_application, "rm/app_running_3.5.json"),
    ("applications", rm_replies.parse_applications, "rm/apps_3.5.json"),
    ("attempts", rm_replies.parse_attempts, "rm/attempts_3.5.json"),
    ("lifetime", rm_replies.parse_lifetime, "rm/timeouts_3.5.json"),
    ("log files", lambda reply: log_replies.parse_log_files(reply, complete=True), "logs/jhs-list.json"),
    ("parts of logs", log_replies.parts_of, "logs/nm-list.json"),
    ("asks", scheduler_replies.parse_asks, "rm/app_running_3.5.json"),
    ("executors", spark_replies.parse_executors, "logs/spark-allexecutors.json"),
    ("status of a file", lambda reply: webhdfs_status.file_status("/x", rm_replies.as_mapping(reply)), ""),
    ("jobs", spark_replies.parse_jobs, ""),
    ("stages", spark_replies.parse_stages, ""),
    ("activity", scheduler_replies.parse_activity, ""),
    ("priority", rm_replies.parse_priority, ""),
    ("checksum", lambda reply: hdfs_checksum.read_checksum(rm_replies.as_mapping(reply)), ""),
    ("history", lambda reply: spark_history.parse_history(reply, "/page"), ""),
    *(
        (f"{name} {file.stem}", reader, str(file.relative_to(GOLDEN)))
        for file in sorted((GOLDEN / "scheduler").glob("*.json"))[:6]
        for name, reader in (
            ("queues", scheduler_replies.parse_scheduler),
            ("nodes", scheduler_replies.parse_nodes),
            ("queues of doctor", yarn_probe.parse_scheduler),
            ("nodes of doctor", yarn_probe.parse_nodes),
        )
    ),
]


def changed(data: st.DataObject, document: Any) -> Any:
    """The document with a few places replaced by anything."""
    document = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 4))):
        place, key = None, None
        inner = document
        while isinstance(inner, (dict, list)) and inner and (place is None or data.draw(st.integers(0, 3))):
            place, key = (
                inner,
                data.draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner)))),
            )
            inner = inner[key]
        if place is None:
            return data.draw(JSON)
        place[key] = data.draw(JSON)
    return document


@pytest.mark.parametrize(("reader", "golden"), [row[1:] for row in REPLIES], ids=[row[0] for row in REPLIES])
@settings(max_examples=15)
@given(data=st.data())
def test_replies(reader: Callable[[Any], object], golden: str, data: st.DataObject) -> None:
    reader(data.draw(JSON))
    if golden:
        reader(changed(data, json.loads((GOLDEN / golden).read_text(encoding="utf-8"))))


ODD = ("\0", "\ud800", "&x;", "<!--", "]]>", "{{", "*a", "&a ", "!!python/object:os", "<<: ")


def splices(text: str) -> st.SearchStrategy[str]:
    """A right text with other text put into it, over it, or cut off."""
    places = st.integers(0, len(text))
    odd = st.text(max_size=8) | st.sampled_from(ODD)
    return st.builds(lambda at, to, what: text[:at] + what + text[max(at, to) :], places, places, odd)


def read_keytool(text: str) -> list[bytes]:
    try:
        return list(truststore.listed(text))
    except truststore.BadStore:
        return []


PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
#: What reads what a program of this host, or of Hadoop's, has printed, and the form of that.
PRINTED: list[tuple[str, Callable[[str], object], str]] = [
    (
        "klist",
        lambda text: tickets.parse_cache(text, 0.0),
        "Ticket cache: FILE:/tmp/krb5cc_7\nDefault principal: alice@R\n\nValid starting  Expires  Service principal\n"
        "11/22/26 11:10:03  11/22/26 21:10:03  krbtgt/R@R\n\trenew until 11/29/26 11:10:03\n",
    ),
    (
        "klist -k",
        tickets.principals_of,
        "Keytab name: FILE:/k\nKVNO Principal\n---- --------\n   2 alice@R\n   2 host/a.b@R\n",
    ),
    (
        "keytool",
        read_keytool,
        f"Alias name: a\nEntry type: trustedCertEntry\n{PEM}\nEntry type: PrivateKeyEntry\n",
    ),
    (
        "yarn logs",
        yarn_logs_program.parse_listing,
        "Container: container_1_0001_01_000001 on host_8041\n=====\n"
        "             LogFile\t      LogLength\t      LastModificationTime\t      LogAggregationType\n=====\n"
        "  stderr\t  5\t  Sat Nov 21 11:48:52 +0000 2026\t  AGGREGATED\n",
    ),
    ("time of a log", log_replies.parse_time_ms, "Sat Nov 21 11:48:52 +0000 2026"),
    (
        "words of TLS",
        tls_errors.explain,
        "[SSL: X] hostname mismatch, certificate is not valid for 'x'",
    ),
    ("words of GSSAPI", lambda text: negotiate.gss_words(OSError(text)), "Minor (1): no credentials, Context: x"),
    (
        "words of kinit",
        lambda text: why_no_login(text, "a@R", "/k"),
        "Clock skew too great while getting credentials",
    ),
    ("versions", version_numbers, "17.0.2"),
]


@pytest.mark.parametrize(("reader", "right"), [row[1:] for row in PRINTED], ids=[row[0] for row in PRINTED])
@settings(max_examples=60)
@given(data=st.data())
def test_what_programs_print(reader: Callable[[str], object], right: str, data: st.DataObject) -> None:
    reader(right)
    reader(data.draw(splices(right) | st.text(max_size=60)))
    numbers = [found.span() for found in re.finditer("[0-9]+", right)]
    if numbers:
        start, end = data.draw(st.sampled_from(numbers))
        reader(right[:start] + data.draw(st.sampled_from(["0", "00", "99", "0000", "9" * 5000, "²"])) + right[end:])


def nested(levels: int, key: str, inner: str = "") -> Any:
    """``{key: [{key: [...]}]}``, or ``{key: {inner: [...]}}``."""
    document: Any = {"queueName": "q", "diagnostic": "x"}
    for _ in range(levels):
        document = {"queueName": "q", key: {inner: [document]} if inner else [document]}
    return document


@pytest.mark.parametrize("reader", [scheduler_replies.parse_scheduler, yarn_probe.parse_scheduler])
@pytest.mark.parametrize(
    ("kind", "key", "inner"), [("capacityScheduler", "queues", "queue"), ("fairScheduler", "childQueues", "queue")]
)
def test_queues_as_deep_as_json_may_be(reader: Callable[[Any], object], kind: str, key: str, inner: str) -> None:
    tree = nested(5_000, key, inner)
    for root in ({**tree, "type": kind}, {"rootQueue": tree, "type": kind}):
        reader({"scheduler": {"schedulerInfo": root}})
    scheduler_replies.parse_activity({"appActivities": {"allocations": [nested(5_000, "children")]}})


@pytest.mark.parametrize("body", [b"[" * DEEP, b'{"RemoteException":' * DEEP, b'{"a":' + b"[" * DEEP, b"9" * DEEP])
def test_json_deeper_than_the_stack_is_an_error_of_ours(body: bytes) -> None:
    reply = HttpResponse(500, Headers({"content-type": "application/json"}), body)
    with pytest.raises(BatchSubmitError):
        reply.json()
    reply.failure()
    text = body.decode()
    for reader in (Run.from_json, Claim.from_json, config_from, reading_config_from):
        with pytest.raises(ValueError):
            reader(text)
    with pytest.raises(BatchSubmitError):
        parse_manifest(text, "x")
    assert LockHolder.from_json(text) is None


@given(st.binary(max_size=300), st.sampled_from(["application/json", "text/html", ""]), st.integers(100, 599))
def test_bodies(body: bytes, kind: str, status: int) -> None:
    reply = HttpResponse(status, Headers({"content-type": kind}), body, "http://h/x?delegation=abc")
    reply.words()
    reply.failure()
    for read in (lambda: reply.json(), lambda: rm_errors.raise_for(reply), lambda: log_replies.raise_for(reply, "x")):
        with pytest.raises(BatchSubmitError):
            read()
            raise BatchSubmitError("it was right")


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADS = (
    CHUNKED,
    CHUNKED + b"2\r\n{}\r\n",
    b"",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 \xb2\xb3\xb9 x\r\nContent-Length: \xb2\r\n",
)


@given(st.binary(max_size=200), st.sampled_from(HEADS), st.booleans())
def test_heads(data: bytes, start: bytes, is_write: bool) -> None:
    for text in (start + data, start + data + b"\r\n\r\n" + data):
        with contextlib.suppress(ValueError):  # what `PlainHttp` maps to a lost answer
            come = plain_answer.Incoming(is_write=is_write)
            come.take(text)
            come.answer("http://h/")


XML = (
    "<configuration><property><name>fs.defaultFS</name><value>hdfs://nn:8020</value><final>true</final>"
    "</property></configuration>"
)


@settings(max_examples=40)
@given(text=splices(XML) | st.text(max_size=60))
def test_hadoops_xml(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("conf")
    (folder / "core-site.xml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        conf = HadoopConf.load(folder, env={})
        conf.get("fs.defaultFS")
    except BatchSubmitError as error:
        assert error.where.startswith(str(folder))


@pytest.mark.parametrize("what", ["grows", "reads another file"])
def test_entities_are_not_for_configurations(tmp_path: Path, what: str) -> None:
    """Ten entities of ten of the one before would be 10 GB; the other kind would read whatever we may."""
    (tmp_path / "secret").write_text("hunter2")
    entities = f'<!ENTITY e11 SYSTEM "{(tmp_path / "secret").as_uri()}">'
    if what == "grows":
        each = [f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 12)]
        entities = "".join(["<!ENTITY e0 'aaaaaaaaaa'>", *each])
    inside = "<configuration><property><name>a</name><value>&e11;</value></property></configuration>"
    (tmp_path / "core-site.xml").write_text(f"<!DOCTYPE x [{entities}]>{inside}")
    with pytest.raises(BatchSubmitError):
        HadoopConf.load(tmp_path, env={})


YAML = (
    "execution: {backend: auto, timeout: 6h}\nspark_config: {num_executors: 2, spark.my.password: '${X}'}\n"
    "profiles: {big: {spark_config: {executor_memory: 8g}}}\njob_specific_config: {training: {files: [a, b]}}\n"
)


@settings(max_examples=50)
@given(text=splices(YAML) | st.text(max_size=60))
def test_configurations(text: str) -> None:
    _, problems = read_document(text, "c.yaml", "/x")
    assert all(problem.where.startswith("c.yaml:") for problem in problems)
    source = SourceText(text, "c.yaml", "/x")
    try:
        build_config(sources=ConfigSources(source), job_type="training", env=None, profile=None, variables={}, flags={})
    except BatchSubmitError as error:
        assert error.exit_code == 2


RUNS = "- {type: training, date: 2026-01-01}\n- {type: custom, script: x.py, args: [a, b]}\n"


@settings(max_examples=40)
@given(text=splices(RUNS) | splices("days: {from: 2026-01-01, to: 2026-01-09}\nrun: {type: training}\n"))
def test_files_of_runs(text: str) -> None:
    try:
        read_runs(text, "runs.yaml", {})
    except BatchSubmitError as error:
        assert error.exit_code == 2


@given(st.text(max_size=200))
def test_properties_and_output_of_spark_submit(text: str) -> None:
    parse_properties(text, "f")
    hinted_id(text)
    assert isinstance(cause_of(text), BatchSubmitError)


BANNER = b"Container: container_1_0001_01_000001 on host_8041\nLogAggregationType: AGGREGATED\n====\n"
BANNER += b"LogType:stdout\nLogLength:5\nLogContents:\nhello\nEnd of LogType:stdout\n"


@settings(max_examples=80)
@given(data=st.data())
def test_logs(data: st.DataObject) -> None:
    answer = bytearray(BANNER * 2)
    for _ in range(data.draw(st.integers(0, 5))):
        at = data.draw(st.integers(0, len(answer)))
        answer[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    pieces = [bytes(answer[at : at + 7]) for at in range(0, len(answer), 7)]
    try:
        for section in sections(pieces, size=data.draw(st.none() | st.integers(-9, 9))):
            assert sum(map(len, section.content)) <= len(answer)
    except BatchSubmitError:
        pass
    found = LogText("container_1_0001_01_000001", "driver", 1, "stderr", bytes(answer).decode("utf-8", "replace"))
    records(found)
    tracebacks(found)
    assert b"".join(lines(pieces)).replace(b"\n", b"") in bytes(answer).replace(b"\n", b"") or b"\n" in answer


def test_a_line_without_an_end_takes_bounded_memory() -> None:
    tracemalloc.start()
    try:
        assert sum(1 for _ in lines(b"x" * 65536 for _ in range(1_000)))
        with pytest.raises(BatchSubmitError):
            list(sections(b"x" * 65536 for _ in range(1_000)))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def least_time(step: Callable[[str], object], text: str) -> float:
    """Processor seconds of the fastest of a few runs: another process's load counts for none."""
    took = []
    for _ in range(5):
        began = time.process_time()
        step(text)
        took.append(time.process_time() - began)
    return min(took)


@pytest.mark.parametrize("masking", [mask_text, lambda text: mask("", text)], ids=["in lines", "in values"])
@pytest.mark.parametrize(
    "word",
    [
        "token",
        "token ",
        'token="',
        "'token=",
        "--token-",
        "jdbc:oracle:a:x/",
        "jdbc:oracle:a:",
        "aaaa+",
        "a://b:",
        "api_key.",
    ],
)
def test_the_time_of_masking_grows_as_the_text_does(masking: Callable[[str], object], word: str) -> None:
    short, long = ((word * length)[:length] for length in (2_000, 8_000))
    assert least_time(masking, long) < 8 * max(least_time(masking, short), 1e-4)  # the clock ticks no finer


@given(st.binary(max_size=200))
def test_java_objects(data: bytes) -> None:
    for stream in (data, b"\xac\xed\0\x05" + data, b"\xac\xed\0\x05sr" + data):
        with contextlib.suppress(NotReadable):
            read_object(stream)


CLASS = b"\xca\xfe\xba\xbe\0\0\0\x41\0\x04\x01\0\x0b--add-opens\x07\0\x01\x05\0\0\0\0\0\0\0\x01"


@settings(max_examples=80)
@given(data=st.data())
def test_class_files(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    code = bytearray(CLASS)
    for _ in range(data.draw(st.integers(0, 4))):
        code[data.draw(st.integers(0, len(code) - 1))] = data.draw(st.integers(0, 255))
    jar = tmp_path_factory.mktemp("jars") / "spark-launcher_2.13.jar"
    with zipfile.ZipFile(jar, "w") as held:
        held.writestr(_OPTIONS_CLASS, bytes(code[: data.draw(st.integers(0, len(code)))]))
    try:
        _module_options(jar)
    except BatchSubmitError as error:
        assert "Spark" in error.next_step
    jar.write_bytes(jar.read_bytes()[: data.draw(st.integers(0, 200))])
    try:
        _module_options(jar)
    except BatchSubmitError as error:
        assert str(jar) in error.message


def config_from(text: str) -> Config:
    return from_text(text, Config)


def reading_config_from(text: str) -> ReadingConfig:
    return from_text(text, ReadingConfig)


RUN = Run("r", "n", "custom", "yarn", "c", "u", "h", "2026-01-01T00:00:00Z", "2026-01-01", "f", {"a": "b"})
RUN = RUN.with_try(Try(1, TryState.PLANNED, "2026-01-01T00:00:00Z"))
CLAIM = Claim("r", 1, Step.PLANNED, "nonce", "h", "u", "2026-01-01T00:00:00Z", "2026-01-01", {"a": "b"})


@given(data=st.data())
def test_records_claims_and_locks(data: st.DataObject) -> None:
    for reader, right in ((Run.from_json, RUN.to_json()), (Claim.from_json, CLAIM.to_json())):
        for text in (data.draw(st.text(max_size=40)), json.dumps(changed(data, json.loads(right)))):
            with contextlib.suppress(ValueError):
                reader(text)
    for text in (
        data.draw(st.text(max_size=40)),
        json.dumps(data.draw(JSON)),
        '{"run_id": 1, "pid": 1e999, "since": 2}',
    ):
        LockHolder.from_json(text)
        with pytest.raises(BatchSubmitError):
            parse_manifest(text, "x")
        for reads in (config_from, reading_config_from):
            with pytest.raises(ValueError):
                reads(text)


@pytest.mark.parametrize("size", ["²", "٣", "9" * 5000, "-1", ""])
def test_a_size_that_is_none(size: str) -> None:
    """``"²".isdigit()`` is true, and ``int`` refuses it."""
    entry = {"containerId": "container_1_0001_01_000001", "nodeId": "h_1"}
    listed = {"containerLogsInfo": {**entry, "containerLogInfo": {"fileName": "stdout", "fileSize": size}}}
    assert [file.size for file in log_replies.parse_log_files(listed, complete=True)] == [None]
    with pytest.raises(BatchSubmitError):
        list(sections([BANNER.replace(b"LogLength:5", f"LogLength:{size}".encode())]))
