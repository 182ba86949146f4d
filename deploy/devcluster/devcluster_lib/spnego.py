"""A SPNEGO token for one of the cluster's web servers, by the host's own GSSAPI library.

By ctypes, because the dev cluster has to run with a plain ``python3``. The library finds ``krb5.conf``, the keytab and
its cache by the variables that `kerberos.be_client` sets. Source: RFC 2744 (the calls), RFC 4178 (SPNEGO).
"""

from __future__ import annotations

import base64
import ctypes
from ctypes import POINTER, byref, c_size_t, c_uint32, c_void_p
from typing import Any

LIBRARY = "libgssapi_krb5.so.2"
#: 1.3.6.1.5.5.2
_SPNEGO = b"\x2b\x06\x01\x05\x05\x02"
_ERRORS = 0xFFFF0000
_BY_GSS, _BY_MECHANISM = 1, 2


class NoTicket(OSError):
    """The library gives no token, in its own words."""


class _Buffer(ctypes.Structure):
    _fields_ = (("length", c_size_t), ("value", c_void_p))

    @classmethod
    def of(cls, data: bytes) -> _Buffer:
        return cls(len(data), ctypes.cast(ctypes.c_char_p(data), c_void_p))

    def bytes(self) -> bytes:
        return ctypes.string_at(self.value, self.length) if self.value else b""


class _Oid(ctypes.Structure):
    _fields_ = (("length", c_uint32), ("elements", c_void_p))


def token(service: str) -> str:
    """A fresh token in Base64, for the header ``Authorization: Negotiate``.

    Parameters
    ----------
    service
        ``HTTP@host``.

    Raises
    ------
    NoTicket
        No library, no KDC, no key, or no such service.
    """
    gss = _library()
    minor, name, context, sent = c_uint32(), c_void_p(), c_void_p(), _Buffer()
    by_host = c_void_p.in_dll(gss, "GSS_C_NT_HOSTBASED_SERVICE")
    text = service.encode()  # held while the library looks at it
    _check(gss, gss.gss_import_name(byref(minor), byref(_Buffer.of(text)), by_host, byref(name)), minor)
    mechanism = _Oid(len(_SPNEGO), ctypes.cast(ctypes.c_char_p(_SPNEGO), c_void_p))
    try:
        major = gss.gss_init_sec_context(
            byref(minor), None, byref(context), name, byref(mechanism), c_uint32(0), c_uint32(0), None, None, None,
            byref(sent), None, None,
        )  # fmt: skip
        _check(gss, major, minor)
        return base64.b64encode(sent.bytes()).decode("ascii")
    finally:
        gss.gss_release_buffer(byref(c_uint32()), byref(sent))
        gss.gss_delete_sec_context(byref(c_uint32()), byref(context), None)
        gss.gss_release_name(byref(c_uint32()), byref(name))


def available() -> bool:
    """Whether this host has the library."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


def _library() -> Any:
    try:
        gss = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NoTicket(f"no {LIBRARY}: {error}") from error
    pointers = (
        (gss.gss_import_name, 4),
        (gss.gss_init_sec_context, 13),
        (gss.gss_release_buffer, 2),
        (gss.gss_delete_sec_context, 3),
        (gss.gss_release_name, 2),
    )
    for function, count in pointers:
        function.restype, function.argtypes = c_uint32, [c_void_p] * count
    gss.gss_init_sec_context.argtypes = [*[c_void_p] * 5, c_uint32, c_uint32, *[c_void_p] * 6]
    gss.gss_display_status.restype = c_uint32
    gss.gss_display_status.argtypes = [c_void_p, c_uint32, ctypes.c_int, c_void_p, POINTER(c_uint32), c_void_p]
    return gss


def _check(gss: Any, major: int, minor: c_uint32) -> None:
    if not major & _ERRORS:
        return
    said = []
    for kind, status in ((_BY_GSS, major), (_BY_MECHANISM, minor.value)):
        text, more = _Buffer(), c_uint32()
        gss.gss_display_status(byref(c_uint32()), status, kind, None, byref(more), byref(text))
        said.append(text.bytes().decode(errors="replace"))
        gss.gss_release_buffer(byref(c_uint32()), byref(text))
    raise NoTicket(f"no ticket: {': '.join(filter(None, said))}")
