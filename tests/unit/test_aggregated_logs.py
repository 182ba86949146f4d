"""Aggregated files that Hadoop 3.5.0 wrote (see the folder's README), read byte by byte."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_submit.adapters.aggregated_logs import ifile, tfile
from batch_submit.adapters.aggregated_logs.blocks import Cursor, DeflatedBlock, PlainBlock
from batch_submit.adapters.aggregated_logs.java_text import java_utf
from batch_submit.adapters.aggregated_logs.parts import Part
from batch_submit.adapters.aggregated_logs.remote_file import DamagedLogs, ReadAhead, Shelf, UnsupportedLogs
from batch_submit.adapters.webhdfs import FileStatus
from tests.unit.ranged_bytes import RangedBytes
from tests.unit.tfile_writer import log, record, utf, vlong
from tests.unit.tfile_writer import tfile as tfile_of

GOLDEN = Path(__file__).parents[1] / "golden" / "aggregated_logs"
APPLICATION = "application_1795000000000_12345"
FIRST = "container_e17_1795000000000_12345_01_000001"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
NAMES = ["tfile_none", "tfile_gz", "ifile_none", "ifile_gz"]


def golden(name: str) -> RangedBytes:
    return RangedBytes(gzip.decompress((GOLDEN / f"{name}.gz").read_bytes()))


def parts_of(file: RangedBytes, name: str, *, whole: bool = False) -> Iterator[Part]:
    if name.startswith("tfile"):
        return tfile.parts(file, whole=whole)
    return ifile.parts(file, ifile.uuid(APPLICATION), whole=whole)


def content(part: Part) -> bytes:
    return b"".join(part.read(0, part.size))


def as_expected(found: list[tuple[str, str, bytes]], *uploads: int) -> None:
    wanted = sorted(
        (container, name, size, digest)
        for upload in uploads
        for container, files in EXPECTED[upload].items()
        for name, (size, digest) in files.items()
    )
    assert sorted((c, n, len(data), hashlib.sha256(data).hexdigest()) for c, n, data in found) == wanted


@pytest.mark.parametrize("name", NAMES)
def test_everything_in_one_pass(name: str) -> None:
    file = golden(name)

    as_expected([(part.container_id, part.name, content(part)) for part in parts_of(file, name, whole=True)], 0)

    assert file.delivered < file.size + 100_000
    assert file.opened == file.closed


@pytest.mark.parametrize("name", NAMES)
def test_listed_first_and_read_afterwards(name: str) -> None:
    file = golden(name)
    found = list(parts_of(file, name))

    assert all(part.complete for part in found)
    as_expected([(part.container_id, part.name, content(part)) for part in reversed(found)], 0)
    assert file.opened == file.closed, "no connection is left open"


@pytest.mark.parametrize("name", NAMES)
def test_ranges(name: str) -> None:
    (part,) = (part for part in parts_of(golden(name), name) if part.size > 1_000_000)
    whole = content(part)

    for start in (0, 1, 65_534, 65_535, 1_114_094, 1_114_095, 5_000_000, part.size - 1, part.size):
        for length in (0, 1, 100, 1_200_000):
            assert b"".join(part.read(start, length)) == whole[start : start + length]


@pytest.mark.parametrize(("name", "most"), [("tfile_none", 4_000_000), ("ifile_none", 10_000), ("ifile_gz", 10_000)])
def test_a_list_does_not_fetch_what_it_can_pass_over(name: str, most: int) -> None:
    file = golden(name)

    list(parts_of(file, name))

    assert file.delivered < most


def test_the_end_of_a_long_file_is_fetched_alone() -> None:
    for name in ("tfile_none", "ifile_none"):
        file = golden(name)
        (part,) = (part for part in parts_of(file, name) if part.size > 1_000_000)
        before = file.delivered
        assert len(b"".join(part.read(part.size - 1000, 1000))) == 1000
        assert file.delivered - before < 300_000


def test_pieces_are_bounded() -> None:
    for name in NAMES:
        for part in parts_of(golden(name), name):
            assert all(0 < len(piece) <= 1 << 18 for piece in part.read(0, part.size))


def test_rolling_ifiles() -> None:
    first = list(parts_of(golden("ifile_rolling_1"), "ifile"))
    second = list(parts_of(golden("ifile_rolling_2"), "ifile"))

    as_expected([(part.container_id, part.name, content(part)) for part in first], 0)
    as_expected([(part.container_id, part.name, content(part)) for part in second], 1)


def test_ifile_says_when_a_log_was_written() -> None:
    assert all(part.modified_ms > 1_700_000_000_000 for part in parts_of(golden("ifile_gz"), "ifile"))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"stderr", "stderr"),
        ("größe-日志".encode(), "größe-日志"),
        (b"\xed\xa0\xbd\xed\xb8\x80", "😀"),
        (b"a\xc0\x80b", "a\0b"),
    ],
)
def test_modified_utf8(raw: bytes, text: str) -> None:
    assert java_utf(raw) == text


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\xbd"])
def test_what_is_no_text(raw: bytes) -> None:
    with pytest.raises(ValueError, match="codec can't decode"):
        java_utf(raw)


#: By the rules of ``Utils.writeVLong``, each form once.
NUMBERS = {
    b"\x00": 0,
    b"\x5f": 95,
    b"\x7f": 127,
    b"\xe0": -32,
    b"\xcc\x80": 128,
    b"\xcb\xdf": -33,
    b"\x8f\xef\x00\x11": -1114095,
    b"\x83\x7f\xff\xff\xff": 2147483647,
}


@pytest.mark.parametrize("raw", list(NUMBERS))
def test_recorded_numbers(raw: bytes) -> None:
    assert Cursor(PlainBlock(RangedBytes(raw), 0, len(raw))).vlong() == NUMBERS[raw]


@given(st.one_of(st.integers(-300, 300), st.integers(-(2**40), 2**40), st.integers(-(2**63), 2**63 - 1)))
def test_numbers(number: int) -> None:
    raw = vlong(number)
    cursor = Cursor(PlainBlock(RangedBytes(raw, piece=1), 0, len(raw)))

    assert cursor.vlong() == number
    assert cursor.at_end()


@given(
    st.lists(st.binary(max_size=300), max_size=5),
    st.lists(st.integers(1, 400), max_size=12),
    st.sampled_from(["none", "gz"]),
    st.integers(1, 70),
    st.booleans(),
)
@settings(deadline=None)
def test_any_chunks(contents: list[bytes], sizes: list[int], codec: str, piece: int, whole: bool) -> None:
    value = b"".join(log(f"file{number}", data) for number, data in enumerate(contents))
    records = record("VERSION", b"\0\0\0\1") + record("container_1_0001_01_000001", value, sizes)
    data = tfile_of([records, b"", record("container_1_0001_01_000002", value)], codec)

    file = RangedBytes(data, piece=piece)

    walked = [content(part) for part in tfile.parts(file, whole=whole)]
    kept = list(tfile.parts(file, whole=whole))
    assert walked == contents * 2
    assert [content(part) for part in kept] == contents * 2
    assert [b"".join(part.read(3, 5)) for part in kept] == [data[3:8] for data in contents * 2]


def test_a_part_that_was_read_in_part_does_not_disturb_the_next() -> None:
    file = golden("tfile_gz")
    names = []
    for part in parts_of(file, "tfile"):
        names.append(part.name)
        next(iter(part.read(0, part.size)), b"")
    assert names == [part.name for part in parts_of(file, "tfile")]


def equal_chunks(lie: bool) -> bytes:
    """A long file in full chunks, as a writer makes them; with ``lie`` one chunk is split where none would be."""
    body = bytes(range(250)) * 4000
    head = utf("stderr") + utf(str(len(body)))
    sizes = [len(head), *([50_000] * 20)]
    if lie:
        sizes[-3:-2] = [20_000, 30_000]
    after = log("stdout", b"done")
    return tfile_of([record("container_1_0001_01_000001", head + body + after, sizes)])


@pytest.mark.parametrize("lie", [False, True])
def test_chunks_that_only_look_alike_are_walked_through(lie: bool) -> None:
    file = RangedBytes(equal_chunks(lie))
    found = list(tfile.parts(file))

    assert [(part.name, part.size, part.complete) for part in found] == [
        ("stderr", 1_000_000, True),
        ("stdout", 4, True),
    ]
    assert content(found[1]) == b"done"
    assert b"".join(found[0].read(999_900, 1000)) == (bytes(range(250)) * 4000)[999_900:]


def test_a_log_that_ends_before_its_announced_length() -> None:
    value = log("stdout", b"fine") + log("stderr", b"Error reading it", announced=1000)
    after = record("container_1_0001_01_000002", log("stdout", b"whole"))
    found = list(tfile.parts(RangedBytes(tfile_of([record("container_1_0001_01_000001", value) + after]))))

    assert [(part.name, part.size, part.complete) for part in found] == [
        ("stdout", 4, True),
        ("stderr", 16, False),
        ("stdout", 5, True),
    ]
    assert [content(part) for part in found] == [b"fine", b"Error reading it", b"whole"]


@pytest.mark.parametrize(
    "after", [log("../../etc/passwd", b"x"), log("", b"x"), log("ok", b"x", "1e3"), b"\0", b"\0\5ab", utf(b"\xff")]
)
def test_what_follows_a_log_and_is_none(after: bytes) -> None:
    value = log("stdout", b"fine") + after
    next_one = record("container_1_0001_01_000002", log("stdout", b"whole"))
    found = list(tfile.parts(RangedBytes(tfile_of([record("container_1_0001_01_000001", value) + next_one]))))

    assert [(part.name, part.complete, content(part)) for part in found] == [
        ("stdout", False, b"fine"),
        ("stdout", True, b"whole"),
    ]


def test_a_container_id_that_would_be_a_path() -> None:
    for key in ("../../x", "..", "a b"):
        with pytest.raises(DamagedLogs, match="no container id"):
            list(tfile.parts(RangedBytes(tfile_of([record(key, log("stdout", b"x"))]))))


@pytest.mark.parametrize("codec", ["lzo", "zst", "made-up"])
def test_a_codec_that_is_not_read_is_named(codec: str) -> None:
    with pytest.raises(UnsupportedLogs, match=f"the compression '{codec}'") as caught:
        list(tfile.parts(RangedBytes(tfile_of([b"whatever"], codec))))
    assert "yarn logs" in caught.value.next_step


def test_a_version_that_is_not_read_is_named() -> None:
    with pytest.raises(UnsupportedLogs, match="version 2"):
        list(tfile.parts(RangedBytes(tfile_of([b""], version=2))))


def test_an_old_entry_into_a_long_compressed_block() -> None:
    """More than 64 places are remembered thinner, never wrong."""
    import zlib

    plain = b"".join(b"%09d\n" % number for number in range(200_000))
    raw = zlib.compress(plain)
    block = DeflatedBlock(RangedBytes(raw, piece=512), 0, len(raw))
    block._spacing = 10_000
    assert b"".join(block.open(0, None)) == plain

    assert 16 < len(block._entries) <= 64
    for at in (0, 1, 9_999, 10_000, 1_234_567, len(plain) - 1, len(plain)):
        assert b"".join(block.open(at, None)) == plain[at:]


def test_the_shelf_is_bounded() -> None:
    shelf = Shelf(100)
    fetched: list[str] = []

    def take(name: str, size: int) -> int:
        def fetch() -> bytes:
            fetched.append(name)
            return bytes(size)

        return len(shelf.take(FileStatus(name, False, size), fetch))

    assert [take("a", 60), take("b", 30), take("a", 60), take("c", 20), take("a", 60), take("b", 30)] == [
        60, 30, 60, 20, 60, 30,
    ]  # fmt: skip
    assert fetched == ["a", "b", "c", "b"], "b was used least recently when c came"
    assert take("huge", 1000) == 1000


def test_readers_who_take_turns() -> None:
    file = RangedBytes(bytes(range(256)) * 20_000, piece=1000)
    ahead = ReadAhead(file, whole=False)
    one, two = ahead.open(0, 5_000), ahead.open(3_000_000, 5_000)

    taken: tuple[bytes, bytes] = (b"", b"")
    while len(taken[0]) < 5_000:
        taken = taken[0] + next(one), taken[1] + next(two)

    assert taken == (file._data[:5_000], file._data[3_000_000:3_005_000])
    ahead.end_walk()
    assert b"".join(ahead.open(7, 10)) == file._data[7:17]
    assert file.opened == file.closed
