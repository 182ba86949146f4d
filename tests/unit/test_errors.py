"""The error tree: drawn as it is, every class with its exit code of the contract, every message with a next step."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

import batch_submit
from batch_submit import errors
from batch_submit.errors import BatchSubmitError, ExitCode, Interrupted, UsageError

#: The table of the contract, spelled out: a changed code breaks every scheduler that branches on it.
CODES = {
    "BatchSubmitError": 70,
    "UsageError": 2,
    "ConfigError": 2,
    "LimitExceeded": 2,
    "MissingFile": 2,
    "UnsafeForContainer": 2,
    "RunConflict": 2,
    "HostNotReady": 3,
    "ClusterRefused": 4,
    "NotFound": 4,
    "ClusterUnreachable": 5,
    "LockHeld": 5,
    "RunKilled": 6,
    "OutcomeUnknown": 8,
    "EndUnseen": 8,
    "TryPassedOver": 8,
}


def subclasses(kind: type[BatchSubmitError]) -> list[type[BatchSubmitError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in subclasses(one))]


def own_classes() -> dict[str, type[BatchSubmitError]]:
    found = inspect.getmembers(errors, inspect.isclass)
    return {name: kind for name, kind in found if issubclass(kind, BatchSubmitError)}


def drawn() -> list[tuple[str, str, str]]:
    """(class, parent, code) of the drawing at the top of the file."""
    rows: list[tuple[str, str, str]] = []
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+) +([\d/]+) +\S", line)
        if match:
            depth = len(match[1]) // 4
            above[depth] = match[2]
            rows.append((match[2], above.get(depth - 1, "Exception"), match[3]))
    return rows


def test_the_drawing_is_the_tree() -> None:
    real = {(name, kind.__mro__[1].__name__) for name, kind in own_classes().items()}
    assert {(name, parent) for name, parent, _ in drawn()} == real


def test_the_drawing_says_the_codes() -> None:
    for name, _, code in drawn():
        if name != "Interrupted":
            assert str(int(own_classes()[name].exit_code)) == code, name


def test_every_class_has_the_contracts_code() -> None:
    codes = {name: int(kind.exit_code) for name, kind in own_classes().items() if kind is not Interrupted}
    assert codes == CODES


def test_classes_of_other_files_keep_the_code_of_the_tree_and_none_is_99() -> None:
    for module in pkgutil.walk_packages(batch_submit.__path__, "batch_submit."):
        if not module.name.endswith(("__main__", "local_supervisor")):
            importlib.import_module(module.name)
    everywhere = subclasses(BatchSubmitError)
    assert len(everywhere) > len(own_classes())  # the walk did find more
    for kind in everywhere:
        in_tree = next(parent for parent in kind.__mro__ if parent.__module__ == errors.__name__)
        assert kind.exit_code is in_tree.exit_code, kind
    assert 99 not in set(ExitCode)


def test_the_codes_are_the_contracts() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "SUCCEEDED": 0,
        "FAILED": 1,
        "USAGE": 2,
        "HOST_NOT_READY": 3,
        "REFUSED": 4,
        "UNREACHABLE": 5,
        "KILLED": 6,
        "TIMED_OUT": 7,
        "UNKNOWN": 8,
        "INTERNAL": 70,
        "HANGUP": 129,
        "INTERRUPTED": 130,
        "BROKEN_PIPE": 141,
        "TERMINATED": 143,
    }


@pytest.mark.parametrize(("number", "code"), [(1, 129), (2, 130), (15, 143)])
def test_a_signal_before_the_launch(number: int, code: int) -> None:
    error = Interrupted(number)
    assert error.exit_code == code
    assert error.lines() == ["interrupted; nothing was submitted"]


def test_an_error_tells_what_where_details_and_the_next_step() -> None:
    error = UsageError("no such key", where="c.yaml:3", details=["a", "b"], next_step="remove it")
    assert str(error) == "c.yaml:3: no such key\n  a\n  b\n  next: remove it"
    assert str(UsageError("no such key")) == "no such key"
