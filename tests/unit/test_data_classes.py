"""Our decorator gives what the standard one gives: equality, hash, text, frozenness, inheritance."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from batch_submit import data_classes


def classes(decorator: Any) -> dict[str, Any]:
    """The same classes, made by a decorator."""

    @decorator(frozen=True)
    class Frozen:
        """Frozen."""

        a: int
        b: tuple[str, ...] = ()
        hidden: dict[str, int] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @decorator
    class Open:
        """Not frozen."""

        a: int = 0

    @decorator(frozen=True)
    class Child(Frozen):
        """Inherits."""

        c: float = 1.5

    @decorator(frozen=True)
    class Own:
        """Has its own."""

        a: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    @decorator(frozen=True)
    class Counted:
        """What it does not take, it works out."""

        text: str
        length: int = dataclasses.field(init=False)
        found: list[int] = dataclasses.field(init=False, default_factory=list, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "length", len(self.text))

    class Plain(Child):  # type: ignore[misc, valid-type]  # no data class, and with an attribute of its own
        """A subclass without the decorator."""

        def __init__(self, a: int) -> None:
            super().__init__(a)
            self.more = a * 2

    @decorator(frozen=True)
    class Alike:
        """Equal by its own rule, and no word of a hash."""

        a: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self))

    return {one.__name__: one for one in (Frozen, Open, Child, Own, Counted, Plain, Alike)}


OURS, STANDARD = classes(data_classes.dataclass), classes(dataclasses.dataclass)

ASKED: list[Callable[[dict[str, Any]], object]] = [
    lambda made: repr(made["Frozen"](1, ("x",), {"y": 2})).rpartition(".")[2],
    lambda made: repr(made["Child"](1, c=2.5)).rpartition(".")[2],
    lambda made: repr(made["Own"](1)),
    lambda made: made["Frozen"](1, hidden={"a": 1}) == made["Frozen"](1),
    lambda made: made["Frozen"](1) == made["Frozen"](2),
    lambda made: made["Frozen"](1) != made["Frozen"](2),
    lambda made: made["Frozen"](1) == made["Child"](1),
    lambda made: made["Child"](1) == made["Child"](1, c=1.5),
    lambda made: made["Frozen"](1) == (1, ()),
    lambda made: made["Own"](1) == made["Own"](2),
    lambda made: hash(made["Frozen"](1, ("x",))),
    lambda made: hash(made["Own"](1)),
    lambda made: len({made["Frozen"](1), made["Frozen"](1), made["Frozen"](2)}),
    lambda made: made["Open"].__hash__,
    lambda made: made["Open"]() == made["Open"](0),
    lambda made: dataclasses.asdict(made["Child"](1)),
    lambda made: dataclasses.replace(made["Frozen"](1), a=5).a,
    lambda made: made["Child"].__match_args__,
    lambda made: repr(made["Counted"]("abc")).rpartition(".")[2],
    lambda made: made["Counted"]("abc") == made["Counted"]("abc"),
    lambda made: made["Counted"]("abc").found is made["Counted"]("abc").found,
    lambda made: made["Frozen"](1).hidden is made["Frozen"](1).hidden,
    lambda made: (made["Plain"](4).more, made["Plain"](4).c, made["Plain"](4) == made["Plain"](4)),
    lambda made: copy.deepcopy(made["Child"](1, ("x",))) == made["Child"](1, ("x",)),
    lambda made: [field.name for field in dataclasses.fields(made["Child"])],
    lambda made: dataclasses.is_dataclass(made["Frozen"]),
    lambda made: (made["Alike"](1) == made["Alike"](2), hash(made["Alike"](1)) == hash(made["Alike"](1))),
]


@pytest.mark.parametrize("made", [OURS, STANDARD], ids=["ours", "standard"])
@pytest.mark.parametrize(
    ("given", "named"), [((), {}), ((1, (), {}, 2.0, 5), {}), ((1,), {"a": 1}), ((1,), {"z": 1}), ((1,), {"length": 1})]
)
def test_what_does_not_fit_is_refused(made: dict[str, Any], given: tuple[Any, ...], named: dict[str, Any]) -> None:
    for _ in range(2):  # the first object of a class, and any later one
        with pytest.raises(TypeError):
            made["Child"](*given, **named)


@pytest.mark.parametrize("asked", ASKED, ids=range(len(ASKED)))
def test_it_is_as_the_standard_one(asked: Callable[[dict[str, Any]], object]) -> None:
    assert asked(OURS) == asked(STANDARD)


@pytest.mark.parametrize("made", [OURS, STANDARD], ids=["ours", "standard"])
def test_frozen_is_frozen(made: dict[str, Any]) -> None:
    one = made["Child"](1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.a = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.c
    with pytest.raises(TypeError, match="unhashable"):
        hash(made["Open"]())
    made["Open"]().a = 3
    plain = made["Plain"](1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain.a = 2
    plain.more = 3
    del plain.more
