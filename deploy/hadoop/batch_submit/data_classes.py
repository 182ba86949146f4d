"""`dataclasses.dataclass`, made in half the time.

The standard decorator compiles six methods for a frozen class. A submission over REST makes a hundred such classes,
which took a quarter of its processor's time (Python 3.11). Equality, hash and text need no code of their own for each
class: the ones below go through the fields, and only ``__init__`` and the two that make a class frozen are compiled.

Type checkers see the standard decorator, and what it promises holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses

    def dataclass(cls=None, /, *, frozen=False):
        """See `dataclasses.dataclass`; of its options, the one that this project uses."""

        def made(cls):
            compiled = dataclasses.dataclass(cls, frozen=frozen, repr=False, eq=False)
            own = vars(cls)
            if "__repr__" not in own:
                compiled.__repr__ = _repr
            if "__eq__" not in own:
                compiled.__eq__ = _eq
                if "__hash__" not in own:
                    compiled.__hash__ = _hash if frozen else None
            return compiled

        return made if cls is None else made(cls)

    def _compared(one):
        return [getattr(one, field.name) for field in dataclasses.fields(one) if field.compare]

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _compared(self) == _compared(other)

    def _hash(self):
        return hash(tuple(_compared(self)))

    def _repr(self):
        shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
        return f"{self.__class__.__qualname__}({', '.join(shown)})"
