"""How far the rows of one profile are from those of another."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

#: Bands of the population stability index: a convention of credit scoring, not a test.
MODERATE, MAJOR = 0.1, 0.25
_SMOOTHING = 0.5


def compare(
    reference: Mapping[str, Mapping[str, Any]], current: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Say for each column that both profiles have how far the current rows are from the reference.

    Parameters
    ----------
    reference, current : mapping
        From `profile`, and from `profile_like` with that reference.

    Returns
    -------
    list of dict
        The farthest first: ``column``, ``kind``, ``psi`` (population stability index, the sum of (q - p) ln(q / p) with
        half a row added to each bin; nulls are a bin; None without rows), ``js`` (Jensen-Shannon divergence in bits,
        0 to 1), ``chance`` (what the index of 19 in 20 samples of this size stays below when nothing has changed),
        ``level`` ("none", "moderate" from 0.1, "major" from 0.25; "none" below chance), ``nulls_reference``,
        ``nulls_current``, ``unseen_share``, ``below_share``, ``above_share`` (shares of all rows; None where unknown).

    Raises
    ------
    ValueError
        When a column was counted into other bins.
    """
    compared = [_compared(name, one, current[name]) for name, one in reference.items() if name in current]
    return sorted(compared, key=lambda one: (-(one["psi"] or 0.0), one["column"]))


def _compared(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    before, after = _shares_of(name, one, other)
    psi = js = chance = None
    if sum(before) and sum(after):
        psi, js = _psi(before, after), _js(before, after)
        chance = _chance(before, after)
    rows = other["rows"]
    share = {part: _ratio(other.get(part), rows) for part in ("unseen", "below", "above")}
    return {
        "column": name,
        "kind": one["kind"],
        "psi": psi,
        "js": js,
        "chance": chance,
        "level": _level(psi, chance),
        "nulls_reference": _ratio(one["nulls"], one["rows"]),
        "nulls_current": _ratio(other["nulls"], rows),
        "unseen_share": share["unseen"],
        "below_share": share["below"],
        "above_share": share["above"],
    }


def _level(psi: float | None, chance: float | None) -> str:
    if psi is None or psi <= (chance or 0.0) or psi < MODERATE:
        return "none"
    return "moderate" if psi < MAJOR else "major"


def _ratio(part: int | None, rows: int) -> float | None:
    return part / rows if part is not None and rows else None


def _shares_of(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[list[int], list[int]]:
    """Return the rows of both profiles bin by bin; bins that both leave empty say nothing and are left out."""
    if one["kind"] == "number":
        if list(one["edges"]) != list(other["edges"]):
            raise ValueError(f"the column {name!r} was counted into other bins: use profile_like with this reference")
        sides = [[two["nulls"], two["below"], *two["counts"], two["above"]] for two in (one, other)]
    else:
        keys = list(one["values"])
        unseen = other.get("unseen") or 0  # apart from the other values, which may be most rows
        sides = [
            [two["nulls"], new, two["other"] - new, *(two["values"].get(key, 0) for key in keys)]
            for two, new in ((one, 0), (other, unseen))
        ]
    pairs = [(p, q) for p, q in zip(*sides, strict=True) if p or q]
    return [p for p, _ in pairs], [q for _, q in pairs]


def _smoothed(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + _SMOOTHING * len(counts)
    return [(one + _SMOOTHING) / total for one in counts]


def _psi(before: Sequence[int], after: Sequence[int]) -> float:
    return math.fsum((q - p) * math.log(q / p) for p, q in zip(_smoothed(before), _smoothed(after), strict=True))


def _js(before: Sequence[int], after: Sequence[int]) -> float:
    """Return the Jensen-Shannon divergence in bits (J. Lin, IEEE Trans. Inf. Theory 37, 1991)."""
    total = 0.0
    for p, q in zip((one / sum(before) for one in before), (one / sum(after) for one in after), strict=True):
        middle = (p + q) / 2
        total += sum(one * math.log2(one / middle) for one in (p, q) if one) / 2
    return max(total, 0.0)


def _chance(before: Sequence[int], after: Sequence[int]) -> float:
    """Return the 95 % quantile of the index when both samples are of one population.

    It is then about (1/n + 1/m) times a chi-square variable with one degree of freedom less than there are bins
    (B. Yurdakul, Statistical Properties of Population Stability Index, 2018); the quantile is Wilson and Hilferty's.
    """
    freedom = len(before) - 1
    if not freedom:
        return 0.0
    part = 2 / (9 * freedom)
    quantile = freedom * (1 - part + NormalDist().inv_cdf(0.95) * math.sqrt(part)) ** 3
    return (1 / sum(before) + 1 / sum(after)) * quantile
