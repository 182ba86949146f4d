"""Java's modified UTF-8. Source: ``java.io.DataInput.readUTF``."""

from __future__ import annotations


def java_utf(raw: bytes) -> str:
    """Decode it: NUL is two bytes, and a character beyond the basic plane is a pair of surrogates of three bytes each.

    Raises
    ------
    ValueError
        It is not modified UTF-8.
    """
    if raw.isascii():
        return raw.decode("ascii")
    halves = raw.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
