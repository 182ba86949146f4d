"""Rules by which a threshold is chosen, as they are written in a configuration; how they are applied: ``metrics``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Each rule as it is written, and what it looks for.
THRESHOLD_RULES: Mapping[str, str] = {
    "f1": "the highest F1",
    "f_beta:B": "the highest F-beta; B above 1 weighs recall more than precision",
    "youden": "the largest difference between the shares of positives and of negatives at or above it",
    "cost:fp=X,fn=Y": "the lowest cost, where a false positive costs X and a false negative Y",
    "top:S": "at most the share S of the rows at or above it",
    "precision:P": "the largest recall with a precision of at least P",
    "recall:R": "the highest precision with a recall of at least R",
}


@dataclass(frozen=True)
class ThresholdRule:
    """A rule taken apart: its name and its numbers (``beta``; ``fp`` and ``fn``; ``at``)."""

    name: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def threshold_rule(text: str) -> ThresholdRule:
    """Read a rule.

    Raises
    ------
    ValueError
        Saying what is wrong and what the rules are.
    """
    name, _, rest = text.strip().partition(":")
    if name in ("f1", "youden"):
        if rest:
            raise ValueError(f"{text!r}: {name} takes no number")
        return ThresholdRule(name)
    if name == "cost":
        return ThresholdRule(name, _costs(text, rest))
    if name == "f_beta":
        return ThresholdRule(name, {"beta": _number(text, rest, 0, math.inf)})
    if name in ("top", "precision", "recall"):
        return ThresholdRule(name, {"at": _number(text, rest, 0, 1)})
    raise ValueError(f"{text!r} is no rule for a threshold; rules: {', '.join(THRESHOLD_RULES)}")


def threshold_rule_problem(text: str) -> str:
    """Return what is wrong with a rule, or nothing: the check of a parameter."""
    try:
        threshold_rule(text)
    except ValueError as error:
        return str(error)
    return ""


def _number(text: str, value: str, low: float, high: float) -> float:
    """Return a number above `low` and at or below `high` (below, where that is infinite)."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if low < number <= high and math.isfinite(number):
        return number
    end = f" and at or below {high:g}" if math.isfinite(high) else ""
    raise ValueError(f"{text!r}: {value!r} is not a number above {low:g}{end}")


def _costs(text: str, rest: str) -> dict[str, float]:
    pairs = [one.partition("=") for one in rest.split(",")]
    names = [name.strip() for name, _, _ in pairs]
    if sorted(names) != ["fn", "fp"]:
        raise ValueError(f"{text!r}: say both costs, such as cost:fp=1,fn=5")
    return {name.strip(): _number(text, value, 0, math.inf) for name, _, value in pairs}
