"""An answer over plain HTTP as it comes, piece by piece: where its head ends, how long its body is, when it is whole.

Pure. Each byte is looked at once, whatever pieces a server cuts its answer into.
"""

from __future__ import annotations

import re

from batch_submit.adapters.http_reply import Headers, HttpResponse

#: More than any ResourceManager listing (about 2 kB for each of at most some ten thousand applications).
MAX_BODY_BYTES = 256 * 1024 * 1024
#: All heads of an answer together.
MAX_HEAD_BYTES = 1 << 17
_MAX_LINE_BYTES = 1 << 12
_TLS_RECORD = b"\x15\x03"  # an alert: what a TLS server says to plain HTTP (RFC 8446 section 5.1)
_BLANK = b"\r\n\r\n"
_SIZE = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class Incoming:
    """The bytes of one answer so far.

    Parameters
    ----------
    is_write
        The answer to a write is read in whatever form it comes, for it is not asked for a second time; that to a
        question ends with its head where it is not simple.
    """

    def __init__(self, *, is_write: bool) -> None:
        self._is_write = is_write
        self._data = bytearray()
        self._head = b""
        self._head_at = self._searched = 0
        self._body_at: int | None = None
        self._fields = Headers()
        #: Where the answer ends; ``None`` while nobody knows, and where the connection's end is its end.
        self._end: int | None = None
        self._chunks: _Chunks | None = None

    def take(self, piece: bytes) -> bool:
        """Add what has come; whether the answer is whole now.

        Raises
        ------
        ValueError
            It is longer than anything that a server of ours says, or cut into chunks that are none.
        """
        self._data += piece
        if len(self._data) > MAX_BODY_BYTES:
            raise ValueError(f"the answer is longer than {MAX_BODY_BYTES} bytes")
        if self._body_at is None and not self._found_head():
            return False
        if self._chunks is not None:
            return self._chunks.go_on(self._data)
        return self._end is not None and len(self._data) >= self._end

    @property
    def stays_open(self) -> bool:
        """Whether the server keeps the connection, with nothing more on it (RFC 9112 section 9.3)."""
        said = self._fields.get("connection", "").lower()
        keeps = "close" not in said and (self._data.startswith(b"HTTP/1.1") or "keep-alive" in said)
        return keeps and len(self._data) == self._end

    def answer(self, url: str) -> HttpResponse | None:
        """Head and body, when nothing more comes; ``None`` for one to a question that is not simple.

        Raises
        ------
        ValueError
            It broke off, or it is no HTTP.
        """
        if self._data[:2] == _TLS_RECORD:
            raise ValueError(f"not an answer: {bytes(self._data[:7])!r}")
        if self._body_at is None:
            raise ValueError(
                "the answer's head broke off" if self._data else "the connection broke before the answer began"
            )
        status = _status(self._head)
        if not self._is_write and _is_odd(status, self._fields):
            return None
        if not status:
            raise ValueError("the answer is no HTTP")
        if self._chunks is not None:
            return HttpResponse(int(status), self._fields, self._chunks.body(), url)
        length = _length(self._fields)
        body = bytes(memoryview(self._data)[self._body_at :][:length])
        if length is not None and len(body) < length:
            raise ValueError(f"{len(body)} of {length} bytes came")
        return HttpResponse(int(status), self._fields, body, url)

    def _found_head(self) -> bool:
        """Look for the end of the head that counts: not that of a "continue", which nobody asked for."""
        while True:
            at = self._data.find(_BLANK, max(self._head_at, self._searched - len(_BLANK) + 1))
            self._searched = len(self._data) if at < 0 else at + len(_BLANK)
            if self._searched > MAX_HEAD_BYTES and (at < 0 or at > MAX_HEAD_BYTES):
                raise ValueError(f"the answer's head is longer than {MAX_HEAD_BYTES} bytes")
            if at < 0:
                return False
            self._head = bytes(self._data[self._head_at : at])
            if not (self._is_write and _status(self._head).startswith("1")):
                break
            self._head_at = self._searched
        self._body_at, self._fields = self._searched, _fields(self._head)
        self._look_at_head(self._body_at)
        return True

    def _look_at_head(self, body_at: int) -> None:
        status = _status(self._head)
        if self._is_write and "chunked" in self._fields.get("transfer-encoding", "").lower():
            self._chunks = _Chunks(body_at)
        elif status in ("204", "304") or (not self._is_write and _is_odd(status, self._fields)):
            self._end = body_at  # these two have no body (RFC 9110 section 6.4.1); what is odd is asked for again
        elif (length := _length(self._fields)) is not None:
            self._end = body_at + length


class _Chunks:
    """A body that comes in chunks (RFC 9112 section 7.1), though we asked in HTTP/1.0."""

    def __init__(self, start: int) -> None:
        self._at = start
        self._pieces: list[bytes] = []
        self._is_over = False

    def go_on(self, data: bytearray) -> bool:
        """Take the chunks that are there; whether the last one and what may follow it have come.

        Raises
        ------
        ValueError
            These are no chunks.
        """
        while not self._is_over:
            line_end = data.find(b"\r\n", self._at, self._at + _MAX_LINE_BYTES)
            if line_end < 0:
                if len(data) - self._at >= _MAX_LINE_BYTES:
                    raise ValueError("a chunk of the answer has no size")
                return False
            size = _SIZE.fullmatch(data, self._at, line_end)
            if size is None:
                raise ValueError(f"a chunk of the answer has no size: {bytes(data[self._at : line_end][:40])!r}")
            start, length = line_end + 2, int(size[1], 16)
            if length == 0:
                self._is_over, self._at = True, line_end
            elif len(data) < start + length + 2:
                return False
            else:
                self._pieces.append(bytes(data[start : start + length]))
                self._at = start + length + 2
        trailer = data.find(_BLANK, self._at)
        if trailer < 0 and len(data) - self._at > MAX_HEAD_BYTES:
            raise ValueError("what follows the answer's chunks does not end")
        return trailer >= 0

    def body(self) -> bytes:
        """What they hold together; :class:`ValueError` where the last one is missing."""
        if not self._is_over:
            raise ValueError("the answer broke off within its chunks")
        return b"".join(self._pieces)


def _length(fields: Headers) -> int | None:
    said = fields.get("content-length", "")
    return int(said[:20]) if said.isdecimal() else None  # with more digits it is as far from the truth


def _is_odd(status: str, fields: Headers) -> bool:
    return not status or status.startswith("1") or "transfer-encoding" in fields or "content-encoding" in fields


def _status(head: bytes) -> str:
    """The three digits of a head's first line; "" when it is not HTTP's."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(None, 2)
    is_http = len(words) > 1 and words[0].startswith("HTTP/1.") and words[1].isdecimal() and len(words[1]) == 3
    return words[1] if is_http else ""


def _fields(head: bytes) -> Headers:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return Headers([(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)])
