"""The stages of a pipeline: what each is, what it is handed, and what is reported of it."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ml_pipeline_framework.contract import Params

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_KEYS = {"name", "run", "data", "type"}
SESSION, PREVIOUS = "session", "previous"

WAITING, DONE, SKIPPED, FAILED = "waiting", "done", "skipped", "failed"


@dataclass(frozen=True)
class Stage:
    """One step of a pipeline.

    Parameters
    ----------
    name
        Names its file in the state folder; unique in its pipeline.
    work
        A job's parameters, or a function.
    takes
        What the function is handed, in order: ``session``, ``previous``.
    """

    name: str
    work: Params | Callable[..., Any]
    takes: tuple[str, ...] = ()

    @property
    def takes_previous(self) -> bool:
        """Whether the work needs what the stage before it gave."""
        return PREVIOUS in self.takes

    @property
    def metrics_path(self) -> str:
        """Where a job writes its report; "" for a function."""
        return str(getattr(self.work, "metrics_path", "")) if isinstance(self.work, Params) else ""

    def run(self, spark: SparkSession, previous: Any) -> Any:
        """Do the work; a job gives its report."""
        if isinstance(self.work, Params):
            job = importlib.import_module(f"ml_pipeline_framework.jobs.{self.work.job_type.value}")
            return job.run(spark, self.work)
        handed = {SESSION: spark, PREVIOUS: previous}
        return self.work(*(handed[one] for one in self.takes))


@dataclass
class StageReport:
    """What is known of a stage. Rows are those of a job's input and output, or of a function's data frames."""

    name: str
    job_type: str
    state: str = WAITING
    seconds: float | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    metrics_path: str = ""
    reason: str = ""
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say, as JSON would hold it."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None)}

    def to_keep(self) -> dict[str, Any]:
        """Return what a later run that skips this stage says of it."""
        return {"seconds": self.seconds, "rows_in": self.rows_in, "rows_out": self.rows_out} | (
            {"metrics_path": self.metrics_path} if self.metrics_path else {}
        )


def new_report(stage: Stage) -> StageReport:
    """Return the report of a stage that waits."""
    kind = stage.work.job_type.value if isinstance(stage.work, Params) else "function"
    return StageReport(stage.name, kind, metrics_path=stage.metrics_path)


def stage_of(name: str, work: Any, *, first: bool) -> Stage:
    """Make a stage, checking its name and what its function wants.

    Raises
    ------
    ValueError
        A name that can't be a file's, work that is neither parameters nor a function, a function that wants more than
        the session and the previous result.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't be a stage's name: use letters, digits, . _ - (63 at most)")
    if isinstance(work, Params):
        return Stage(name, work)
    if isinstance(work, type) or not callable(work):
        raise ValueError(f"stage {name!r}: {work!r} is neither a function nor the parameters of a job")
    return Stage(name, work, _takes(name, work, first))


def stage_from(given: Any, *, first: bool) -> Stage:
    """Make a stage of ``(name, work)``, or of a mapping with ``name``, ``run`` and, instead of a result, ``data``.

    Raises
    ------
    ValueError
        As `stage_of`; also for another form.
    """
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - _KEYS)
        if unknown or "name" not in given or not ("run" in given or "data" in given):
            what = f"does not know {', '.join(map(str, unknown))}" if unknown else "needs name, and run or data"
            raise ValueError(f"a stage {what}: {dict(given)!r}; known: {', '.join(sorted(_KEYS))}")
        if "data" not in given:
            return stage_of(given["name"], given["run"], first=first)
        data, work = given["data"], given.get("run")
        if work is None:
            return stage_of(given["name"], lambda: data, first=first)
        inner = stage_of(given["name"], work, first=False)
        return Stage(inner.name, lambda spark: inner.run(spark, data), (SESSION,))
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return stage_of(given[0], given[1], first=first)
    raise ValueError(f"{given!r} is not a stage: give (name, function or parameters)")


def _takes(name: str, work: Callable[..., Any], first: bool) -> tuple[str, ...]:
    """Return what a function is handed: ``spark`` or ``session`` is the session, any other the previous result."""
    try:
        wanted = [
            one
            for one in inspect.signature(work).parameters.values()
            if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
        ]
        strict = [
            one.name
            for one in inspect.signature(work).parameters.values()
            if one.default is one.empty and one.kind is one.KEYWORD_ONLY
        ]
    except (TypeError, ValueError) as error:
        raise ValueError(f"stage {name!r}: what {work!r} wants can't be told; wrap it in a function") from error
    takes = tuple(SESSION if _is_session(one) else PREVIOUS for one in wanted)
    if first and takes == (PREVIOUS,):
        takes = (SESSION,)  # there is nothing else to hand to the first stage
    if strict or len(set(takes)) < len(takes):
        names = ", ".join([one.name for one in wanted] + strict)
        raise ValueError(
            f"stage {name!r}: its function wants ({names}), and a stage is handed the session (called spark) and what "
            "the stage before gave; bind the rest with functools.partial"
        )
    return takes


def _is_session(parameter: inspect.Parameter) -> bool:
    note = parameter.annotation
    return parameter.name in ("spark", "session") or getattr(note, "__name__", str(note)).endswith("SparkSession")


def is_frame(result: Any) -> bool:
    """Say whether a stage gave a data frame; without Spark loaded nothing can be one."""
    sql = sys.modules.get("pyspark.sql")
    return sql is not None and isinstance(result, sql.DataFrame)


def rows_of(report: Any) -> tuple[int | None, int | None]:
    """Return the rows that a job read and wrote, as its report's ``data`` tells them."""
    data = report.get("data") if isinstance(report, Mapping) else None
    rows_in, rows_out = (_rows(data.get(key)) if isinstance(data, Mapping) else None for key in ("input", "output"))
    written = report.get("outputs") if isinstance(report, Mapping) else None
    if rows_out is None and isinstance(written, list) and written:  # data processing with several outputs
        counts = [_rows(one) for one in written]
        rows_out = sum(one for one in counts if one is not None) if None not in counts else None
    return rows_in, rows_out


def _rows(described: Any) -> int | None:
    """Return the rows of one input or output; None where they are not known."""
    rows = described.get("rows") if isinstance(described, Mapping) else None
    return rows if isinstance(rows, int) else None
