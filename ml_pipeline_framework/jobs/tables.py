"""The tables of a data processing run while it is planned: what each comes from, and which are worth keeping.

A step changes nothing; it makes a new `Table` from others. When all steps are planned it is known how many actions and
other tables read each one. A table that is read more than once is computed once and kept, serialised, in memory and on
disk; one that is read once is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pyspark import StorageLevel
from pyspark.sql import DataFrame

from ml_pipeline_framework.jobs.row_counts import Rows


@dataclass(eq=False)
class Table:
    """Rows at one point of the plan.

    Attributes
    ----------
    label : str
        What it is, for messages: the step that made it.
    cheap : bool
        Reading it again costs no more than reading a copy: a columnar file as it lies there.
    thin : bool
        Made from its parent by dropping rows or columns alone: a second reader is a second reader of the parent.
    keep : bool
        Keep it although it is read once: a sort reads its input twice.
    """

    frame: DataFrame
    rows: Rows
    parents: Sequence[Table] = ()
    label: str = ""
    cheap: bool = False
    thin: bool = False
    keep: bool = False
    reads: int = field(default=0, init=False)


def keep_shared(read: Iterable[Table]) -> list[Table]:
    """Persist the tables that more than one reader needs, and return them.

    Parameters
    ----------
    read : iterable of Table
        One entry per action of the job: a table that is written, checked, or put aside. What no action needs is
        counted by nobody and never computed.
    """
    kept: list[Table] = []
    seen: set[int] = set()
    waiting = list(read)
    while waiting:
        one = waiting.pop()
        one.reads += 1
        if one.thin:
            waiting += one.parents
            continue
        if id(one) in seen:
            if one.reads == 2 and one not in kept and not one.cheap:
                kept.append(one)
            continue
        seen.add(id(one))
        if one.keep:
            kept.append(one)
        waiting += one.parents
    for one in kept:
        one.frame.persist(StorageLevel.MEMORY_AND_DISK)
    return kept


def release(kept: Iterable[Table]) -> None:
    """Give back what `keep_shared` has kept."""
    for one in kept:
        one.frame.unpersist()
