"""What the prediction job says of its result: how the scores are spread, how the input differs from the training data.

Scores are read from the files just written, a few narrow columns of them; drift from a sample of the input, unless the
configuration wants all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from ml_pipeline_framework import drift
from ml_pipeline_framework.jobs.predicted_columns import Plan
from ml_pipeline_framework.labels import BINARY, REGRESSION
from ml_pipeline_framework.schemas import quoted

BINS = 50
#: Rows that tell drift: a share of one in a hundred is known to 0.03 % then.
SAMPLE_ROWS = 100_000
_SEED = 42


# --- scores -----------------------------------------------------------------------------------------------------------


def scores(written: DataFrame, planned: Plan, task: str) -> dict[str, Any]:
    """Return how predictions are spread.

    Parameters
    ----------
    written : DataFrame
        The output.

    Returns
    -------
    dict
        ``classes`` (text of the class or cluster to rows; not for regression), ``without`` (rows without a prediction),
        and for two classes and regression a histogram of ``column``: ``edges`` (51), ``counts`` (50), ``mean``; for
        regression ``std``, ``min``, ``max`` too.
    """
    if task == REGRESSION:
        return _number(written, planned.prediction)
    if task == BINARY and planned.scores:
        return _two_classes(written, planned.prediction, planned.scores[1])
    found = _classes(written, planned.prediction)
    return found | _number(written, planned.raw) if planned.raw else found


def _classes(written: DataFrame, name: str) -> dict[str, Any]:
    rows = written.groupBy(F.col(quoted(name)).cast("string").alias("value")).count().collect()
    return _counted({row["value"]: int(row["count"]) for row in rows})


def _counted(counts: dict[str | None, int]) -> dict[str, Any]:
    without = counts.pop(None, 0)
    return {"classes": {str(value): counts[value] for value in sorted(counts, key=str)}, "without": without}


def _two_classes(written: DataFrame, prediction: str, score: str) -> dict[str, Any]:
    """Return counts by class and the histogram of the positive's probability, from one pass."""
    value = _finite(score)
    rows = (
        written.groupBy(F.col(quoted(prediction)).cast("string").alias("value"), _bin(value, 0.0, 1.0).alias("bin"))
        .agg(F.count(F.lit(1)).alias("n"), F.sum(value).alias("sum"))
        .collect()
    )
    counts: dict[str | None, int] = {}
    for row in rows:
        counts[row["value"]] = counts.get(row["value"], 0) + int(row["n"])
    return _counted(counts) | {"column": score} | _bins(rows, 0.0, 1.0)


def _number(written: DataFrame, name: str) -> dict[str, Any]:
    value = _finite(name)
    row = written.agg(
        F.min(value).alias("min"),
        F.max(value).alias("max"),
        F.mean(value).alias("mean"),
        F.stddev_samp(value).alias("std"),
        F.count_if(value.isNull()).alias("without"),
    ).first()
    assert row is not None  # an aggregate without groups has one row
    told = {"column": name, **row.asDict()}
    if row["min"] is None:
        return told | {"edges": [], "counts": []}
    bins = written.groupBy(_bin(value, row["min"], row["max"]).alias("bin"))
    rows = bins.agg(F.count(F.lit(1)).alias("n"), F.sum(value).alias("sum")).collect()
    return told | _bins(rows, row["min"], row["max"])


def _finite(name: str) -> Column:
    column = F.col(quoted(name)).cast("double")
    return F.when(F.abs(column) < F.lit(float("inf")), column)  # NaN counts as greater than all


def _bin(value: Column, low: float, high: float) -> Column:
    """Return which of the equal bins from `low` to `high`, both included, a value falls into; null for null."""
    width = (high - low) / BINS
    if width <= 0:
        return F.when(value.isNotNull(), 0)
    return F.when(value.isNotNull(), F.least(F.greatest(F.floor((value - low) / width), F.lit(0)), F.lit(BINS - 1)))


def _bins(rows: Sequence[Row], low: float, high: float) -> dict[str, Any]:
    """Return the histogram that rows of ``bin``, ``n`` and ``sum`` tell."""
    counts, total, added = [0] * BINS, 0, 0.0
    for row in rows:
        if row["bin"] is not None:
            counts[row["bin"]] += int(row["n"])
            total, added = total + int(row["n"]), added + float(row["sum"])
    width = (high - low) / BINS
    return {
        "edges": [*(low + width * place for place in range(BINS)), high],
        "counts": counts,
        "mean": added / total if total else None,
    }


# --- drift ------------------------------------------------------------------------------------------------------------


def share_to_look_at(how: object, rows: int) -> float:
    """Return the share of the rows that drift is told from: all, or about 100,000."""
    return 1.0 if how is True or rows <= 2 * SAMPLE_ROWS else SAMPLE_ROWS / rows


def compared(
    frame: DataFrame, metadata: Mapping[str, Any], share: float, rows: int
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Compare the input with the training data's histograms, and list categories that training never saw.

    Parameters
    ----------
    frame : DataFrame
        The input, as it goes into the model.
    metadata : mapping
        The model's; without a ``profile`` there is nothing to compare with.
    share : float
        The share of the rows to look at.
    rows : int
        The rows of `frame`.

    Returns
    -------
    dict or None
        ``reference``, ``reference_rows``, ``rows``, ``share_of_rows``, ``columns`` (see `drift.compare`), ``current``.
    list of dict
        Per column with unseen values: ``column``, ``rows`` (scaled up from the sample), ``share``, ``exact``,
        ``examples``.
    """
    reference = metadata.get("profile")
    if not reference:
        return None, []
    # By keyword: after a positional fraction, PySpark 4.3 takes no notice of the keyword ``seed``.
    sample = frame.sample(fraction=share, seed=_SEED) if share < 1.0 else frame
    current = drift.profile_like(sample.select(*_columns(frame, reference)), reference, rows=round(rows * share))
    training: Mapping[str, Any] = metadata.get("training") or {}
    found = {
        "reference": f"training rows of {metadata.get('name')}@{metadata.get('version')}",
        "reference_rows": training.get("rows"),
        "reference_window": training.get("window"),
        "rows": max((one["rows"] for one in current.values()), default=0),
        "share_of_rows": share,
        "columns": drift.compare(reference, current),
        "current": current,
    }
    return found, _unseen(current, share)


def _columns(frame: DataFrame, reference: Mapping[str, Any]) -> list[Column]:
    return [F.col(quoted(name)) for name in reference if name in frame.columns]


def _unseen(current: Mapping[str, Any], share: float) -> list[dict[str, Any]]:
    found = [
        {
            "column": name,
            "rows": round(one["unseen"] / share),
            "share": one["unseen"] / one["rows"],
            "exact": share == 1.0,
            "examples": [text[:100] for text in one["unseen_examples"]],
        }
        for name, one in current.items()
        if one.get("unseen")
    ]
    return sorted(found, key=lambda one: -one["share"])


def warnings(
    rows: int,
    found: Mapping[str, Any] | None,
    unseen: Sequence[Mapping[str, Any]],
    told: Mapping[str, Any] | None,
) -> list[str]:
    """Return what the one who reads the report should not miss.

    Parameters
    ----------
    rows : int
        Rows of the output.
    found, unseen
        From `compared`.
    told
        From `scores`.
    """
    lines = [] if rows else ["the input has no rows: the output is empty"]
    if told and told.get("without"):
        lines.append(f"{told['without']:,} of {rows:,} rows have no prediction: the model gave no number for them")
    for level in ("major", "moderate"):
        moved = [one for one in (found or {}).get("columns", ()) if one["level"] == level]
        if moved:
            shown = ", ".join(f"{one['column']} ({one['psi']:.2f})" for one in moved[:5])
            more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
            lines.append(f"{level} drift against the training data (PSI): {shown}{more}")
    for one in unseen:
        about = "" if one["exact"] else "about "
        examples = ", ".join(repr(text) for text in one["examples"])
        lines.append(
            f"{about}{one['rows']:,} rows ({one['share']:.1%}) have a {one['column']} that training never saw: "
            f"{examples}"
        )
    return lines


# --- standard output --------------------------------------------------------------------------------------------------


def summary(report: Mapping[str, Any]) -> str:
    """Return the report in some ten lines of plain text."""
    model, output, rows = report["model"], report["data"]["output"], report["rows"]
    name = f"{model['name']}@{model['version']}" if model["version"] else model["name"]
    lines = [
        f"Prediction with {name} ({report['task']}), run {report['run_id']}",
        f"  rows       {rows['output']:,}, {report['throughput_rows_per_s']:,.0f} per second",
    ]
    told = report["scores"] or {}
    if told.get("classes"):
        parts = sorted(told["classes"].items(), key=lambda one: -one[1])
        shown = ", ".join(f"{value} {count:,} ({count / rows['output']:.1%})" for value, count in parts[:6])
        lines.append(f"  predicted  {shown}" + (f" and {len(parts) - 6} more" if len(parts) > 6 else ""))
    if told.get("mean") is not None:
        lines.append(f"  {told['column']:<10} mean {told['mean']:.4f}")
    if report["threshold"] is not None:
        lines.append(f"  threshold  {report['threshold']:.4f} ({report['threshold_from']})")
    lines += [f"  WARNING    {line}" for line in report["warnings"]]
    lines.append("  seconds    " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in report["seconds"].items()))
    lines.append(f"  output     {output['path']} ({output['files']} files, {output['bytes']:,} bytes)")
    lines.append(f"  metrics    {report['params']['metrics_path']}")
    return "\n".join(lines)
