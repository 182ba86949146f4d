"""`dataclasses.dataclass`, made in a fraction of the time.

The standard decorator compiles six methods for a frozen class. A submission over REST makes a hundred such classes,
which took a quarter of its processor's time (Python 3.11). Here nothing is compiled: no method needs code of its own
for each class. An object takes about as long to make as before.

Type checkers see the standard decorator, and what it promises holds (``tests/unit/test_data_classes.py`` compares).
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
            dataclasses.dataclass(cls, init=False, repr=False, eq=False)  # the fields; it compiles nothing for them
            own = vars(cls)
            _give(cls, own, __init__=_init_of(cls), __repr__=_repr, __eq__=_eq)
            if frozen:
                _give(cls, own, __setattr__=_refuse_to_set, __delattr__=_refuse_to_delete)
            if own.get("__hash__") is None:  # Python itself puts a None there for a class with an __eq__ of its own
                cls.__hash__ = _hash if frozen else None
            return cls

        return made if cls is None else made(cls)

    def _give(cls, own, **methods):
        for name, method in methods.items():
            if name not in own:
                setattr(cls, name, method)

    def _init_of(cls):
        fields = dataclasses.fields(cls)
        missing = dataclasses.MISSING
        makers = [(field.name, field.default_factory) for field in fields if field.default_factory is not missing]
        taken = [field for field in fields if field.init]
        names = tuple(field.name for field in taken)
        defaults = {field.name: field.default for field in taken if field.default is not missing}
        needed = [one for one in names if one not in defaults and one not in dict(makers)]
        least, most, known = len(needed), len(names), frozenset(names)
        finishes = hasattr(cls, "__post_init__")

        def misfit(given, named):
            return TypeError(
                f"{cls.__qualname__}() takes {', '.join(names)}; not {len(given)} values and {list(named)}"
            )

        def __init__(self, *given, **named):
            count = len(given)
            if not least <= count <= most and (count > most or not all(name in named for name in needed[count:])):
                raise misfit(given, named)
            values = self.__dict__  # past the __setattr__ of a frozen class
            values.update(defaults)
            values.update(zip(names, given, strict=False))
            if named:
                if not named.keys() <= known or not named.keys().isdisjoint(names[:count]):
                    raise misfit(given, named)
                values.update(named)
            for name, make in makers:
                if name not in values:
                    values[name] = make()
            if finishes:
                self.__post_init__()

        return __init__

    def _refuse_to_set(self, name, value):
        _refuse_field(self, name, "assign to")
        object.__setattr__(self, name, value)

    def _refuse_to_delete(self, name):
        _refuse_field(self, name, "delete")
        object.__delattr__(self, name)

    def _refuse_field(self, name, act):
        """A subclass that is no data class may have attributes of its own beside the fields."""
        cls = type(self)
        if "__dataclass_fields__" in vars(cls) or name in cls.__dataclass_fields__:
            raise dataclasses.FrozenInstanceError(f"cannot {act} field {name!r}")

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
