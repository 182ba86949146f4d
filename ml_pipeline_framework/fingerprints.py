"""What tells whether a stage is still the same work: a hash of its parameters, or of its function.

A function is told by its bytecode, so that a comment or a blank line changes nothing, and by what it reaches inside
its own module: plain values and functions, followed through. What lies in other modules is not looked at: a new version
of a library does not run a stage again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import PurePath
from re import Pattern
from types import CodeType, FunctionType, MethodType
from typing import Any

from ml_pipeline_framework.contract import Params

#: Parameters that say how a run is called and where it is noted, not what is done: a repeat has another label.
_NOT_WORK = ("name", "mlflow")
_PLAIN = (str, bytes, int, float, bool, type(None), date, time, timedelta, Decimal, PurePath, Pattern)


def fingerprint(work: Any, before: str = "") -> str:
    """Return the fingerprint of a stage's work, hexadecimal.

    Parameters
    ----------
    work : Params or callable
    before : str
        The fingerprint of the stage before it: a stage that follows a changed one has changed too.
    """
    parts = ["params", _of_params(work)] if isinstance(work, Params) else ["function", *_of_callable(work, set())]
    return hashlib.sha256(json.dumps([before, *parts]).encode()).hexdigest()


def _of_params(params: Params) -> str:
    values = json.loads(params.to_json())
    return json.dumps({key: value for key, value in values.items() if key not in _NOT_WORK}, sort_keys=True)


def _of_callable(work: Any, seen: set[int]) -> Iterator[str]:
    """Yield texts that change when the work of a callable changes."""
    if isinstance(work, partial):
        yield from ("partial", _plain(work.args), _plain(work.keywords))
        yield from _of_callable(work.func, seen)
    elif isinstance(work, MethodType):
        yield _plain(getattr(work.__self__, "__dict__", {}))
        yield from _of_callable(work.__func__, seen)
    elif isinstance(work, FunctionType):
        yield from _of_function(work, seen)
    elif isinstance(call := vars(type(work)).get("__call__"), FunctionType):
        yield _plain(getattr(work, "__dict__", {}))
        yield from _of_function(call, seen)
    else:  # built into Python: its name is all there is
        yield repr(getattr(work, "__qualname__", type(work).__qualname__))


def _of_function(function: FunctionType, seen: set[int]) -> Iterator[str]:
    if id(function) in seen:
        return
    seen.add(id(function))
    yield from _of_code(function.__code__, function.__doc__)
    yield _plain(function.__defaults__)
    yield _plain(function.__kwdefaults__)
    reached: list[tuple[str, Any]] = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            reached.append((name, cell.cell_contents))
        except ValueError:  # not filled yet: a function that names itself
            continue
    names = sorted(_names_in(function.__code__))
    reached += [(name, function.__globals__[name]) for name in names if name in function.__globals__]
    for name, value in reached:
        if isinstance(value, FunctionType) and value.__module__ == function.__module__:
            yield name
            yield from _of_function(value, seen)
        elif (text := _plain(value)) != _OPAQUE:
            yield f"{name}={text}"


def _of_code(code: CodeType, description: str | None = None) -> Iterator[str]:
    """Yield the instructions and constants of a function, those of the functions inside it too."""
    yield code.co_code.hex()
    yield from code.co_names
    yield from code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for position, constant in enumerate(code.co_consts):
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant)))
        elif position or constant != description:
            yield repr(constant)


def _names_in(code: CodeType) -> set[str]:
    inner = [_names_in(one) for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*inner)


_OPAQUE = "?"


def _plain(value: Any) -> str:
    """Return plain values as text; what is something else is not looked into."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(_plain, value)))}}}"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_plain(one)}' for key, one in value.items())}}}"
    if isinstance(value, Params):
        return value.to_json()
    return _OPAQUE
