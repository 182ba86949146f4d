"""The algorithms by name, and the check of what is said about them: one value each, or lists that make a grid."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ml_pipeline_framework.contract.algorithm_tables import TABLES
from ml_pipeline_framework.contract.hyperparameters import TASKS, Algorithm, Hyperparameter
from ml_pipeline_framework.contract.problems import ParamProblem, nearest

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType({one.name: one for one in TABLES})

#: More candidates than this are taken for a slip: each is fitted once per fold.
MOST_CANDIDATES = 1000

# Names that other libraries' learners all have, and why they say nothing here.
_NEVER = {
    "random_state": "is not set here: set model_config.seed",
    "seed": "is not set here: set model_config.seed",
    "class_weight": "is not set here: set model_config.class_weight",
    "n_jobs": "is not set here: the slots of the application decide",
    "verbose": "is not set here: progress is always shown",
    "warm_start": "is not supported: every fit starts anew",
}


def algorithm_name(text: str) -> str:
    """Return our name of an algorithm, whatever its case, dashes and other names; unknown ones as they came."""
    name = text.strip().lower().replace("-", "_").replace(" ", "_")
    return next((one.name for one in TABLES if name in one.aliases), name)


def algorithms_for(task: str) -> tuple[str, ...]:
    """Return the algorithms that serve a task."""
    return tuple(one.name for one in TABLES if task in one.tasks)


def hyperparameter_names(algorithm: str) -> dict[str, Hyperparameter]:
    """Return every accepted name of an algorithm's hyper-parameters: ours, other libraries', Spark's."""
    table = ALGORITHMS[algorithm].hyperparameters if algorithm in ALGORITHMS else ()
    names = {other: one for one in table for other in (*one.aliases, one.spark_name)}
    return {**names, **{one.name: one for one in table}}  # our own name means what it says


def meanings(key: str) -> set[str]:
    """Return our names of what `key` may mean, whatever the algorithm; itself where none knows it."""
    return {table[key].name for table in map(hyperparameter_names, ALGORITHMS) if key in table} or {key}


def canonical(algorithm: str, given: Mapping[str, object]) -> dict[str, object]:
    """Return hyper-parameters under our names; what is unknown or said twice keeps the name it came with."""
    known = hyperparameter_names(algorithm)
    result: dict[str, object] = {}
    for key, value in given.items():
        if value is None:
            continue
        name = known[key].name if key in known else key
        result[key if name in result else name] = value
    return result


def grid(hyperparameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the candidates: every combination of the listed values, the last name's value changing first.

    Without a list there is one candidate; without hyper-parameters it is the empty one.
    """
    lists = [list(value) if isinstance(value, (list, tuple)) else [value] for value in hyperparameters.values()]
    return [dict(zip(hyperparameters, values, strict=True)) for values in itertools.product(*lists)]


def hyperparameter_problems(values: Mapping[str, Any], label: Callable[[str], str]) -> list[ParamProblem]:
    """Return unknown algorithms, those not made for the task, and unknown, doubled or wrong hyper-parameters.

    Parameters
    ----------
    values : mapping
        ``algorithm`` and ``hyperparameters`` under our names (`canonical`), and ``task``, which may be missing or not
        be known yet.
    label : callable
        Makes of a field's name the key as the user knows it.
    """
    if "algorithm" not in values:
        return []
    found, task = values["algorithm"], values.get("task") or ""
    if found not in ALGORITHMS:
        return [ParamProblem(label("algorithm"), f"{found!r} is not an algorithm", nearest(found, ALGORITHMS))]
    algorithm = ALGORITHMS[found]
    problems = []
    if task in TASKS and task not in algorithm.tasks:
        hint = f"for {task}: {', '.join(algorithms_for(task))}"
        problems.append(ParamProblem(label("algorithm"), f"{found} does not do {task}", hint))
        task = ""
    given = values.get("hyperparameters", {})
    for key, value in given.items():
        place = f"{label('hyperparameters')}.{key}"
        problems += [ParamProblem(place, *said) for said in _said_of(algorithm, task, key, value)]
    many = math.prod(len(value) for value in given.values() if isinstance(value, (list, tuple)))
    if many > MOST_CANDIDATES:
        hint = f"at most {MOST_CANDIDATES:,}: shorten the lists"
        return [*problems, ParamProblem(label("hyperparameters"), f"the lists make {many:,} candidates", hint)]
    if algorithm.together and not problems:
        wrong = next(filter(None, map(algorithm.together, grid(given))), "")
        problems += [ParamProblem(label("hyperparameters"), wrong)] if wrong else []
    return problems


def _said_of(algorithm: Algorithm, task: str, key: str, value: object) -> list[tuple[str, str]]:
    """Return what is wrong with one hyper-parameter, as message and hint; nothing when it is right."""
    known = hyperparameter_names(algorithm.name)
    refused = {**_NEVER, **dict(algorithm.refused)}
    if key not in known:
        if key in refused:
            return [(refused[key], "")]
        ours = ", ".join(one.name for one in algorithm.for_task(task))
        close = nearest(key, known)
        hint = f"{close} known: {ours}" if close.startswith("did") else f"known: {ours}"
        return [(f"is not a hyper-parameter of {algorithm.name}", hint)]
    one = known[key]
    if key != one.name:
        return [(f"says the same as {one.name}", "keep one")]
    if one not in algorithm.for_task(task):
        return [(f"is not for {task}", one.doc)]
    wrong = one.problem(value)
    return [(wrong, one.doc)] if wrong else []
