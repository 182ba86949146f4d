"""What a measurement found, in one shape for every task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OTHER_VALUES = "(other)"


@dataclass(frozen=True)
class Measured:
    """Metrics, curves and segments of one set of predictions; plain numbers and texts throughout.

    Attributes
    ----------
    rows : int
        Predictions that were counted.
    metrics : dict
        Flat; None where the data allow no value, with a line in `notes` that says why.
    curves : dict
        Points for plots, at most a few hundred each; see ``docs/metrics.md``.
    confusion : dict or None
        ``labels``, ``matrix`` (rows: actual, columns: predicted), for two classes also ``threshold``.
    segments : list of dict
        ``column``, ``value`` (text, None for null, "(other)" for the rare rest), ``rows``, ``metrics``.
    intervals : dict
        Per metric ``low``, ``high`` (95 %) and ``method``.
    notes : list of str
        What could not be computed or was cut short, and why.
    summary : sequence or mapping
        What `baseline` needs to know of the labels.
    bins : tuple
        The counts behind a two-class measurement, for `choose_threshold` and `confusion_at`; empty for other tasks.
    """

    rows: int
    metrics: dict[str, float | int | None]
    curves: dict[str, Any] = field(default_factory=dict)
    confusion: dict[str, Any] | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)
    intervals: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    summary: Sequence[int] | Mapping[str, Any] = ()
    bins: tuple[Any, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but `bins` and `summary`, ready for JSON."""
        return {
            "rows": self.rows,
            "metrics": self.metrics,
            "curves": self.curves,
            "confusion": self.confusion,
            "segments": self.segments,
            "intervals": self.intervals,
            "notes": self.notes,
        }


def ratio(part: float, whole: float) -> float | None:
    """Return ``part / whole``; None when there is nothing to divide by."""
    return part / whole if whole else None
