"""How two layers' values for one key become one. The table of combiners stands in ``schema_types.Combiner``.

Combining is associative: ``None`` ("remove") and a leading ``None`` item ("clear") stay in the result until
:func:`final` takes them out, so that it does not matter in which groups layers are merged.
"""

from __future__ import annotations

from dataclasses import replace

from batch_submit.plan.schema_types import Combiner
from batch_submit.plan.sourced import Sourced


def combine(old: Sourced | None, new: Sourced, combiner: Combiner) -> Sourced:
    """The value of a key after a later layer.

    Parameters
    ----------
    old, new
        The earlier value (None: the key was not set) and the later one.
    combiner
        ``APPEND`` joins lists item by item; everything else replaces. Maps that merge by key are merged by
        being stored key by key.
    """
    if old is None or combiner is not Combiner.APPEND or new.value is None or _clears(new):
        return new
    if old.value is None:
        return replace(new, items=(Sourced(None, old.origin, old.base, old.key), *new.items))
    items = (*old.items, *new.items)
    return replace(new, value=_values(items), origin=_origins(items), items=items)


def final(value: Sourced) -> Sourced | None:
    """The value as a reader of the merged configuration sees it; None when it was removed."""
    if value.value is None:
        return None
    if not value.items:
        return value
    items = tuple(item for item in value.items if item.value is not None)
    if not items:
        return None
    return replace(value, value=_values(items), origin=_origins(items), items=items)


def _clears(value: Sourced) -> bool:
    return bool(value.items) and value.items[0].value is None


def _values(items: tuple[Sourced, ...]) -> tuple[object, ...]:
    return tuple(item.value for item in items if item.value is not None)


def _origins(items: tuple[Sourced, ...]) -> str:
    return ", ".join(dict.fromkeys(item.origin for item in items if item.value is not None))
