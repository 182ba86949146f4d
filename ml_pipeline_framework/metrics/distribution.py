"""Values counted in groups of neighbours: quantiles, histograms and tenths of them. Within a group, values are taken
to be spread evenly from its lowest to its highest."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

HISTOGRAM_BINS = 50
#: The histogram reaches from one to the other; what lies beyond is in its first and its last bin.
_SHOWN = (0.005, 0.995)
_HALVINGS = 100


@dataclass(frozen=True)
class Group:
    """Rows with neighbouring values; of their labels and predictions the sums."""

    low: float
    high: float
    rows: int
    label: float
    prediction: float


@dataclass(frozen=True)
class Distribution:
    """Groups that do not overlap, from the lowest values up; at least one."""

    groups: Sequence[Group]

    @cached_property
    def _before(self) -> list[int]:
        """Rows before each group, and all rows at the end."""
        return [0, *accumulate(one.rows for one in self.groups)]

    @cached_property
    def _lows(self) -> list[float]:
        return [one.low for one in self.groups]

    @property
    def rows(self) -> int:
        return self._before[-1]

    def count_up_to(self, value: float) -> float:
        """Return about how many rows have at most this value."""
        at = bisect_right(self._lows, value) - 1
        if at < 0:
            return 0.0
        one = self.groups[at]
        if value >= one.high:
            return float(self._before[at + 1])
        return self._before[at] + one.rows * (value - one.low) / (one.high - one.low)

    def quantile(self, share: float) -> float:
        """Return a value that about this share of the rows stays below."""
        wanted = share * self.rows
        at = min(bisect_right(self._before, wanted) - 1, len(self.groups) - 1)
        one = self.groups[at]
        return one.low + (one.high - one.low) * min(max((wanted - self._before[at]) / one.rows, 0.0), 1.0)

    def absolute_quantile(self, share: float) -> float:
        """Return the distance from zero that about this share of the rows does not exceed."""
        low, high = 0.0, max(abs(self.groups[0].low), abs(self.groups[-1].high))
        wanted = share * self.rows
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self.count_up_to(middle) - self.count_up_to(-middle) < wanted:
                low = middle
            else:
                high = middle
        return high

    def histogram(self) -> dict[str, list[Any]]:
        """Return counts of equal-width bins from the 0.5 % to the 99.5 % quantile; the end bins hold the rest."""
        low, high = (self.quantile(share) for share in _SHOWN)
        if not high > low:
            low, high = low - 0.5, low + 0.5
        edges = [low + (high - low) * at / HISTOGRAM_BINS for at in range(HISTOGRAM_BINS)] + [high]
        below = [0, *(round(self.count_up_to(edge)) for edge in edges[1:-1]), self.rows]
        return {"edges": edges, "counts": [after - before for before, after in pairwise(below)]}

    def tenths(self) -> list[dict[str, Any]]:
        """Return the groups joined into ten of about equal size, fewer when values repeat: means of what they hold."""
        joined: list[list[Group]] = [[] for _ in range(10)]
        for one, before in zip(self.groups, self._before, strict=False):
            joined[min(int((before + one.rows / 2) * 10 / self.rows), 9)].append(one)
        found = []
        for groups in joined:
            rows = sum(one.rows for one in groups)
            if rows:
                found.append(
                    {
                        "low": groups[0].low,
                        "high": groups[-1].high,
                        "rows": rows,
                        "mean_prediction": sum(one.prediction for one in groups) / rows,
                        "mean_label": sum(one.label for one in groups) / rows,
                    }
                )
        return found
