"""Reads the part of Java's serialisation that an IFile's index uses; it builds plain values and runs nothing.

Source: Java Object Serialization Specification, chapter 6 (grammar). Everything else in it (arrays, proxies,
exceptions, classes) is refused. Sizes are those of the bytes given; the caller bounds them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import field
from typing import Any

from batch_submit.adapters.aggregated_logs.java_text import java_utf
from batch_submit.data_classes import dataclass

_MAGIC = b"\xac\xed\x00\x05"
_NULL, _REFERENCE, _CLASS, _OBJECT, _STRING = 0x70, 0x71, 0x72, 0x73, 0x74
_BLOCK, _END_BLOCK, _LONG_BLOCK, _LONG_STRING, _ENUM = 0x77, 0x78, 0x7A, 0x7C, 0x7E
_FIRST_HANDLE = 0x7E0000
_WRITE_METHOD, _SERIALIZABLE = 0x01, 0x02
_PRIMITIVES = {"B": ">b", "C": ">H", "D": ">d", "F": ">f", "I": ">i", "J": ">q", "S": ">h", "Z": ">?"}
_MAX_DEPTH = 100
_BOXES = ("java.lang.Integer", "java.lang.Long", "java.lang.Short", "java.lang.Byte", "java.lang.Boolean")


class NotReadable(ValueError):
    """The bytes are not what Java writes, or hold more than is read here."""


@dataclass(frozen=True)
class _ClassDescription:
    name: str
    flags: int
    fields: tuple[tuple[str, str], ...]
    above: _ClassDescription | None


@dataclass
class JavaObject:
    """An object: its class, its fields by name, and what its ``writeObject`` added (bytes and objects)."""

    class_name: str
    fields: dict[str, Any] = field(default_factory=dict)
    added: list[Any] = field(default_factory=list)


def read_object(data: bytes) -> Any:
    """The one object in a serialised stream: ``None``, ``str`` or :class:`JavaObject`.

    Raises
    ------
    NotReadable
        See there.
    """
    try:
        return _Reader(data).whole()
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise NotReadable(f"the Java object can't be read: {error}") from error


def as_list(value: Any) -> list[Any]:
    """The items of an ``ArrayList`` or ``LinkedList``; a missing one is empty."""
    if value is None:
        return []
    if not isinstance(value, JavaObject) or value.class_name not in ("java.util.ArrayList", "java.util.LinkedList"):
        raise NotReadable("a list was expected")
    return [item for item in value.added if not isinstance(item, bytes)]


def as_map(value: Any) -> list[tuple[Any, Any]]:
    """Keys and values of a ``HashMap``, ``LinkedHashMap`` or ``TreeMap``; a missing one is empty."""
    if value is None:
        return []
    known = ("java.util.HashMap", "java.util.LinkedHashMap", "java.util.TreeMap")
    if not isinstance(value, JavaObject) or value.class_name not in known:
        raise NotReadable("a map was expected")
    items = [item for item in value.added if not isinstance(item, bytes)]
    return list(zip(items[::2], items[1::2], strict=False))


def as_text(value: Any) -> str:
    """A string; a missing one is empty."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise NotReadable("a text was expected")
    return value


def as_number(value: Any) -> int:
    """A number, boxed or not; a missing one is 0."""
    if isinstance(value, JavaObject) and value.class_name in _BOXES:
        value = value.fields.get("value")
    if value is None:
        return 0
    if not isinstance(value, int):
        raise NotReadable("a number was expected")
    return value


class _Reader:
    """One pass over the bytes. Every step takes at least one byte, so it ends."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._handles: list[Any] = []
        self._depth = 0

    def whole(self) -> Any:
        if self._take(4) != _MAGIC:
            raise NotReadable("this is no Java object")
        return self._content()

    def _take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if size < 0 or len(taken) < size:
            raise NotReadable("the Java object ends too early")
        self._at += size
        return taken

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _utf(self) -> str:
        return java_utf(self._take(self._number(">H")))

    def _content(self) -> Any:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotReadable("the Java object is nested too deeply")
        code = self._take(1)[0]
        known: dict[int, Callable[[], Any]] = {
            _NULL: lambda: None,
            _REFERENCE: self._reference,
            _OBJECT: self._object,
            _ENUM: self._enum,
            _STRING: lambda: self._remember(self._utf()),
            _LONG_STRING: lambda: self._remember(java_utf(self._take(self._number(">q")))),
            _BLOCK: lambda: self._take(self._take(1)[0]),
            _LONG_BLOCK: lambda: self._take(self._number(">i")),
        }
        if code not in known:
            raise NotReadable(f"the Java object holds a part of the unknown kind {code:#x}")
        value = known[code]()
        self._depth -= 1
        return value

    def _remember(self, value: Any) -> Any:
        self._handles.append(value)
        return value

    def _reference(self) -> Any:
        index = self._number(">i") - _FIRST_HANDLE
        if not 0 <= index < len(self._handles):
            raise NotReadable("the Java object refers to what is not there")
        return self._handles[index]

    def _class(self) -> _ClassDescription | None:
        code = self._take(1)[0]
        if code == _NULL:
            return None
        if code == _REFERENCE:
            known = self._reference()
            if not isinstance(known, _ClassDescription):
                raise NotReadable("a class was expected")
            return known
        if code != _CLASS:
            raise NotReadable(f"a class of the unknown kind {code:#x}")
        name = self._utf()
        self._take(8)  # serialVersionUID
        place = len(self._handles)
        self._handles.append(None)
        flags = self._take(1)[0]
        fields = tuple(self._field() for _ in range(self._number(">H")))
        if self._take(1)[0] != _END_BLOCK:
            raise NotReadable(f"the class {name[:80]} is annotated")
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotReadable("the classes are nested too deeply")
        described = _ClassDescription(name, flags, fields, self._class())
        self._depth -= 1
        self._handles[place] = described
        return described

    def _field(self) -> tuple[str, str]:
        kind, name = chr(self._take(1)[0]), self._utf()
        if kind in "L[":
            self._content()  # the name of its type
        elif kind not in _PRIMITIVES:
            raise NotReadable(f"a field of the unknown type {kind!r}")
        return kind, name

    def _enum(self) -> Any:
        described = self._class()
        if described is None:
            raise NotReadable("an enum without a class")
        made = self._remember(JavaObject(described.name))
        made.fields["name"] = self._content()
        return made

    def _object(self) -> JavaObject:
        described = self._class()
        if described is None:
            raise NotReadable("an object without a class")
        made = JavaObject(described.name)
        self._handles.append(made)
        line: list[_ClassDescription] = []
        above: _ClassDescription | None = described
        while above is not None:
            line.append(above)
            above = above.above
        for one in reversed(line):
            if not one.flags & _SERIALIZABLE:
                raise NotReadable(f"the class {one.name[:80]} writes itself")
            for kind, name in one.fields:
                made.fields[name] = self._number(_PRIMITIVES[kind]) if kind in _PRIMITIVES else self._content()
            if one.flags & _WRITE_METHOD:
                while self._data[self._at] != _END_BLOCK:
                    made.added.append(self._content())
                self._at += 1
        return made
