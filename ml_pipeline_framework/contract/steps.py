"""The steps of the data processing job: how one is written, and what is wrong with it.

A step is a mapping with one operation, and beside it, where wanted, ``table`` (which table it changes; the main one
when left out), ``as`` (the name of a new table for the result; the old one then stays as it was) and ``name`` (for the
report)::

    steps:
      - filter: distance > 100                     # the short form: the operation's main option
      - join: {with: weather, keys: [origin, time_hour], how: left}
      - {table: planes, rename: {year: year_built}}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_pipeline_framework.contract.operations import JOIN_TYPES, OPERATIONS, TABLE_NAME
from ml_pipeline_framework.contract.options import as_pairs, canonical, filled, known, names, pairs, problems_in
from ml_pipeline_framework.contract.problems import ParamProblem, nearest
from ml_pipeline_framework.contract.quality import canonical_quality


@dataclass(frozen=True)
class Step:
    """One step, read: its place (from 0), operation, options with defaults, tables, and the text as it was written."""

    index: int
    op: str
    options: Mapping[str, Any]
    table: str
    into: str
    name: str
    text: str

    @property
    def place(self) -> str:
        """Where the step stands in the configuration."""
        return f"steps[{self.index}].{self.op}" if self.index >= 0 else self.op


#: What may stand beside the operation.
_BESIDE = ("table", "as", "name")
_NO_RESULT_NAME = ("split",)


def _parts(step: Mapping[str, Any]) -> tuple[str, Any]:
    """Return operation and value of a step that has exactly one."""
    op = next(key for key in step if key not in _BESIDE)
    return op, step[op]


def _long(op: str, value: Any) -> Any:
    """Return the options of a step as a mapping, whether it was written short or long."""
    operation = OPERATIONS[op]
    if not operation.main:
        return value
    if operation.main_is_mapping:
        whole = isinstance(value, Mapping) and _is_collection(value.get("columns"))
        return value if whole else {"columns": value}
    return value if isinstance(value, Mapping) else {operation.main: value}


def _is_collection(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, (list, tuple)) and all(isinstance(one, Mapping) for one in value)
    )


def _is_step(step: Mapping[str, Any]) -> bool:
    return sum(key in OPERATIONS for key in step) == 1 and all(key in OPERATIONS or key in _BESIDE for key in step)


def canonical_step(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step as it is stored: options written out, orders kept in lists. What is wrong stays as it is."""
    if not _is_step(step):
        return dict(step)
    op, value = _parts(step)
    options = _long(op, value)
    if not isinstance(options, Mapping):
        return dict(step)
    if op == "quality":
        options = canonical_quality(options)
    return {**step, op: canonical(options, OPERATIONS[op].options)}


def read_steps(steps: Sequence[Mapping[str, Any]], main: str) -> list[Step]:
    """Return checked, canonical steps with their defaults."""
    found = []
    for index, step in enumerate(steps):
        op, options = _parts(step)
        table = step.get("table") or main
        values = filled(options, OPERATIONS[op].options)
        if op == "join":
            values["how"], values["keys"] = JOIN_TYPES[values["how"]], _key_pairs(values["keys"])
        text = json.dumps(step, ensure_ascii=False, sort_keys=True)
        found.append(
            Step(
                index,
                op,
                values,
                table,
                step.get("as") or table,
                step.get("name") or "",
                text,
            )
        )
    return found


def _key_pairs(keys: object) -> tuple[tuple[str, str], ...]:
    """Return the keys of a join as (mine, theirs)."""
    if isinstance(keys, Mapping):
        return tuple(keys.items())
    return tuple((name, name) for name in names(keys))


def step_problems(
    place: str, steps: Iterable[Mapping[str, Any]], inputs: Iterable[str], main: str
) -> tuple[list[ParamProblem], set[str]]:
    """Return what is wrong with canonical steps, and the names of all tables that there are after them."""
    tables, problems = set(inputs), []
    for index, step in enumerate(steps):
        here = f"{place}[{index}]"
        operations = [key for key in step if key in OPERATIONS]
        strange = [key for key in step if key not in OPERATIONS and key not in _BESIDE]
        for key in strange:
            problems.append(
                ParamProblem(f"{here}.{key}", "is not an operation", nearest(str(key), [*OPERATIONS, *_BESIDE]))
            )
        if not strange and len(operations) != 1:
            what = f"has {' and '.join(operations)}" if operations else "has no operation"
            problems.append(ParamProblem(here, what, f"one per step; known: {', '.join(sorted(OPERATIONS))}"))
        if strange or len(operations) != 1:
            tables |= {step["as"]} if isinstance(step.get("as"), str) else set()
            continue
        problems += _operation_problems(here, step, tables, main)
        tables |= _made_by(step)
    return problems, tables


def _operation_problems(here: str, step: Mapping[str, Any], tables: set[str], main: str) -> list[ParamProblem]:
    op, options = _parts(step)
    operation, place = OPERATIONS[op], f"{here}.{op}"
    problems = problems_in(place, options, operation.options, f"the step {op}")
    if isinstance(options, Mapping):
        if operation.check is not None and not problems:
            problems += operation.check(place, options)
        if op in ("join", "union"):
            wanted = [one for one in names(options.get("with")) if isinstance(one, str)]
            problems += known(f"{place}.with", wanted, tables)
    table = step.get("table")
    if table is not None:
        good = isinstance(table, str)
        problems += (
            known(f"{here}.table", [table], tables) if good else [ParamProblem(f"{here}.table", "is not a name")]
        )
    if (made := step.get("as")) is not None:
        wrong = TABLE_NAME(made) if isinstance(made, str) else f"{made!r} is not a name"
        if wrong or op in _NO_RESULT_NAME:
            problems.append(ParamProblem(f"{here}.as", wrong or f"has no meaning beside {op}", "leave it out"))
    if not isinstance(step.get("name", ""), str):
        problems.append(ParamProblem(f"{here}.name", f"{step['name']!r} is not a text"))
    return problems


def _made_by(step: Mapping[str, Any]) -> set[str]:
    """Return the names of the tables that a step makes."""
    made = {step["as"]} if isinstance(step.get("as"), str) else set()
    options = step.get("split")
    if isinstance(options, Mapping):
        for name in ("where", "shares"):
            if as_pairs(options.get(name)) is not None:
                made |= {one for one, _ in pairs(options[name])}
        made |= {options["others"]} if isinstance(options.get("others"), str) else set()
    return made
