"""What bounds the reading of answers: time, size, and how often a byte is looked at."""

from __future__ import annotations

import http.client

import pytest

from batch_submit.adapters.http_limits import LEAST_BYTES_PER_S, Flowing, Whole
from batch_submit.adapters.http_reply import MAX_JSON_VALUES, Headers, HttpResponse, NotJson, TooLittle, parsed
from batch_submit.adapters.plain_answer import MAX_BODY_BYTES, MAX_HEAD_BYTES, Incoming

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def test_the_whole_has_one_moment_and_one_size() -> None:
    now = [0.0]
    limit = Whole(10.0, lambda: now[0])
    limit.came(MAX_BODY_BYTES, 1.0)
    now[0] = 4.0
    assert limit.left_s() == 6.0
    with pytest.raises(http.client.HTTPException, match="longer than"):
        limit.came(1, 0.1)
    limit.put_off(3.0)
    assert limit.left_s() == 9.0
    now[0] = 13.0
    with pytest.raises(TimeoutError):
        limit.left_s()


def test_what_flows_slowly_and_is_enough_may_last() -> None:
    limit = Flowing(10.0)
    for _ in range(1000):
        limit.came(int(LEAST_BYTES_PER_S * 10), 9.0)
        assert limit.left_s() == 10.0


def test_a_pause_is_no_harm_to_what_flows_before_and_after_it() -> None:
    limit = Flowing(10.0)
    limit.came(1 << 16, 0.1)
    limit.came(1, 9.9)
    assert limit.left_s() == pytest.approx(0.1)
    limit.came(1 << 16, 0.05)
    assert limit.left_s() == 10.0


def test_drops_do_not_make_a_flow() -> None:
    limit = Flowing(10.0)
    with pytest.raises(TooLittle, match="only 5 bytes in 10 s"):
        for _ in range(100):
            limit.left_s()
            limit.came(1, 2.0)
    with pytest.raises(TimeoutError, match="timed out") as caught:
        nothing = Flowing(10.0)
        nothing.came(0, 11.0)
        nothing.left_s()
    assert not isinstance(caught.value, TooLittle)


@pytest.mark.parametrize(
    ("start", "again", "end"),
    [
        (CHUNKED, b"1\r\nx\r\n", b"0\r\n\r\n"),
        (OK + b"Content-Length: 100000\r\n\r\n", b"x" * 10, b""),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 0\r\n\r\n"),
        (OK, b"X: y\r\n", b"Content-Length: 0\r\n\r\n"),
    ],
    ids=["chunks", "length", "go on", "head"],
)
def test_an_answer_in_single_bytes_is_looked_at_once(start: bytes, again: bytes, end: bytes) -> None:
    """With a look at all that is there for each byte, these took minutes."""
    times = 10_000 if start else 3_000
    text = start + again * times + end
    come = Incoming(is_write=True)
    assert not any(come.take(text[at : at + 1]) for at in range(len(text) - 1))
    assert come.take(text[-1:])
    answer = come.answer("http://h/")
    assert answer is not None and answer.status == 200
    assert answer.body == b"x" * len(answer.body) and len(answer.body) in (0, times, 10 * times)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"x" * (MAX_HEAD_BYTES + 1), "head is longer"),
        (OK + b"X: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n", "head is longer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, "head is longer"),
        (CHUNKED + b"0" * 5000, "no size"),
        (CHUNKED + b"f" * 300 + b"\r\n", "no size"),
        (CHUNKED + b"-1\r\n", "no size"),
        (CHUNKED + b"0x5\r\n", "no size"),
        (CHUNKED + b"0\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES, "does not end"),
    ],
    ids=["no end", "long", "go on", "zeros", "huge", "less than nothing", "prefix", "trailer"],
)
def test_a_head_or_a_chunk_that_is_none(text: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Incoming(is_write=True).take(text)


@pytest.mark.parametrize("length", [b"9" * 5000, b"9" * 20])
def test_a_length_beyond_all_is_one_that_does_not_come(length: bytes) -> None:
    come = Incoming(is_write=True)
    assert not come.take(OK + b"Content-Length: " + length + b"\r\n\r\n{}")
    with pytest.raises(ValueError, match=r"2 of 9+ bytes came"):
        come.answer("http://h/")


def test_json_of_more_values_than_fit_into_memory() -> None:
    with pytest.raises(ValueError, match="more than"):
        parsed(b"[" + b"[]," * MAX_JSON_VALUES + b"[]]")
    reply = HttpResponse(200, Headers({"content-type": "application/json"}), b"[" + b"{}," * MAX_JSON_VALUES + b"0]")
    with pytest.raises(NotJson):
        reply.json()
    assert reply.failure().exception == ""
    assert len(parsed(b'["' + b"x," * (1 << 20) + b'"]')[0]) == 2 << 20
