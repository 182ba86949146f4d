"""Aggregated files that were cut off or overwritten: one clear error, or what can still be read; never a loop."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_submit.adapters.aggregated_logs import ifile, tfile
from batch_submit.adapters.aggregated_logs.java_objects import NotReadable, as_list, as_map, as_number, read_object
from batch_submit.adapters.aggregated_logs.remote_file import DamagedLogs, UnsupportedLogs
from tests.unit.ranged_bytes import RangedBytes
from tests.unit.test_aggregated_logs import APPLICATION, golden, parts_of
from tests.unit.tfile_writer import log, record, text, vlong
from tests.unit.tfile_writer import tfile as tfile_of

SMALL = {
    "tfile_none": tfile_of(
        [
            record("VERSION", b"\0\0\0\1")
            + record("container_1_0001_01_000001", log("stdout", b"x" * 500) + log("stderr", b""), [100, 100, 50]),
            record("container_1_0001_01_000002", log("stdout", b"y" * 300)),
        ]
    ),
    "tfile_gz": golden("tfile_gz")._data,
    "ifile_gz": golden("ifile_rolling_2")._data,
}


def read_everything(data: bytes, name: str) -> str:
    """Read in both ways; what was said about it."""
    said = ""
    for whole in (True, False):
        try:
            kept = []
            for part in parts_of(RangedBytes(data), name, whole=whole):
                kept.append(part)
                if whole:
                    list(part.read(0, part.size))
            for part in kept:
                list(part.read(part.size // 2, 100))
        except (DamagedLogs, UnsupportedLogs) as error:
            assert error.where and error.next_step
            said = error.message
    return said


@pytest.mark.parametrize("name", sorted(SMALL))
def test_cut_off_anywhere(name: str) -> None:
    data = SMALL[name]
    for end in range(0, len(data), max(1, len(data) // 300)):
        assert "damaged" in read_everything(data[:end], name)


@pytest.mark.parametrize("name", sorted(SMALL))
@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_bytes_overwritten(name: str, data: st.DataObject) -> None:
    changed = bytearray(SMALL[name])
    near_the_end = st.integers(max(0, len(changed) - 400), len(changed) - 1)
    places = data.draw(st.lists(st.one_of(st.integers(0, len(changed) - 1), near_the_end), min_size=1, max_size=6))
    for place in places:
        changed[place] = data.draw(st.integers(0, 255))

    read_everything(bytes(changed), name)


@given(st.binary(max_size=400))
def test_anything_at_all(data: bytes) -> None:
    assert read_everything(data, "tfile")
    assert read_everything(data, "ifile")
    framed = data + len(data).to_bytes(4, "big") + ifile.uuid(APPLICATION)
    assert read_everything(framed, "ifile")
    assert read_everything(data + struct.pack(">qhh", 0, 1, 0) + tfile.MAGIC, "tfile")


@given(st.binary(max_size=300))
def test_any_java_object(data: bytes) -> None:
    for raw in (data, b"\xac\xed\x00\x05" + data, b"\xac\xed\x00\x05sr" + data):
        try:
            read_object(raw)
        except NotReadable:
            continue


def block_of(records: bytes) -> bytes:
    return tfile_of([records])


LIES: dict[str, Callable[[], bytes]] = {
    "a block behind the end": lambda: tfile_of([b""]).replace(vlong(16) + vlong(0), vlong(16) + vlong(90), 1),
    "a key without end": lambda: block_of(vlong(2**40) + b"x" * 100),
    "a negative key": lambda: block_of(vlong(-5) + b"x" * 100),
    "a chunk without end": lambda: block_of(record("container_1_1_1_1", b"")[:-1] + vlong(-(2**62)) + b"x"),
    "a chunk that ends early": lambda: block_of(record("container_1_1_1_1", b"")[:-1] + vlong(1000) + b"x"),
    "no index": lambda: tfile_of([b"x"]).replace(text("data:BCFile.index"), text("data:BCFile.indey")),
    "no zlib": lambda: tfile_of([record("container_1_1_1_1", b"")], "gz").replace(zlib.compress(b"")[:2], b"zz"),
}


@pytest.mark.parametrize("name", sorted(LIES))
def test_lengths_that_lie(name: str) -> None:
    assert "damaged" in read_everything(LIES[name](), "tfile")


def test_a_log_file_of_a_terabyte_is_not_believed() -> None:
    data = block_of(record("container_1_1_1_1", log("stdout", b"x" * 10, announced=10**12)))

    (part,) = tfile.parts(RangedBytes(data))

    assert (part.size, part.complete) == (10, False)


def test_a_compressed_bomb_is_read_in_small_pieces() -> None:
    content = bytes(30_000_000)
    data = tfile_of([record("container_1_1_1_1", log("stdout", content))], "gz")
    assert len(data) < 50_000

    for part in tfile.parts(RangedBytes(data), whole=True):
        assert max(map(len, part.read(0, part.size))) <= 1 << 18


def index_of(length: int, body: bytes = b"") -> bytes:
    mark = ifile.uuid(APPLICATION)
    return mark + body + length.to_bytes(4, "big", signed=True) + mark


@pytest.mark.parametrize("length", [-1, 0, 1, 100, 2**31 - 1])
def test_an_ifile_whose_index_can_not_be(length: int) -> None:
    assert "damaged" in read_everything(index_of(length, b"z"), "ifile")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xac\xed\x00\x05",
        b"\xac\xed\x00\x05" + b"u" * 10,
        b"\xac\xed\x00\x05q\x00\x7e\x00\x00",
        b"\xac\xed\x00\x05s" + b"sr" * 200,
        b"\xac\xed\x00\x05|\x7f\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_java_objects_that_are_none(raw: bytes) -> None:
    with pytest.raises(NotReadable):
        read_object(raw)


def test_java_values_of_another_kind() -> None:
    assert (as_list(None), as_map(None), as_number(None)) == ([], [], 0)
    for read in (as_list, as_map, as_number):
        with pytest.raises(NotReadable):
            read("text")
