"""What the page is made of: the run's document, what else is known of the run, and its stages' documents."""

from __future__ import annotations

from dataclasses import field

from batch_submit.data_classes import dataclass
from batch_submit.render.report.markup import Markup
from batch_submit.render.report.reading import Document, mapping, text


@dataclass(frozen=True)
class RunFacts:
    """What the ledger and the ResourceManager know of a run. Unknown is "" and 0.

    Parameters
    ----------
    result
        How it ended (``succeeded``, ``failed``, …).
    source
        Who says so.
    memory_mib_seconds, vcore_seconds
        The application's use in sum, as YARN counts it.
    """

    run_id: str = ""
    application_id: str = ""
    name: str = ""
    job_type: str = ""
    result: str = ""
    reason: str = ""
    source: str = ""
    backend: str = ""
    cluster: str = ""
    user: str = ""
    host: str = ""
    queue: str = ""
    tries: int = 0
    submitted_ms: int = 0
    started_ms: int = 0
    finished_ms: int = 0
    elapsed_ms: int = 0
    memory_mib_seconds: int = 0
    vcore_seconds: int = 0
    preempted_containers: int = 0
    page_url: str = ""


@dataclass(frozen=True)
class Stage:
    """The report of one stage of a pipeline, or why it could not be read."""

    metrics_path: str
    document: Document = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class View:
    """All that the page shows.

    Parameters
    ----------
    metrics_path
        Where the document was read.
    notes
        What the reader must know of how this page came about (no record, no plots).
    plots
        Whether plots are drawn; without them every curve still stands there as a table.
    version
        Of this program.
    """

    document: Document
    facts: RunFacts = field(default_factory=RunFacts)
    stages: tuple[Stage, ...] = ()
    metrics_path: str = ""
    notes: tuple[str, ...] = ()
    plots: bool = True
    version: str = ""

    @property
    def job_type(self) -> str:
        """``training``, ``evaluation``, …; "" when nothing says it. The first report of training did not."""
        return text(self.document.get("job_type")) or self.facts.job_type or ("training" if self.is_training else "")

    @property
    def is_training(self) -> bool:
        """Whether it looks like a training's report."""
        return "algorithm" in self.document and "metrics" in self.document

    @property
    def task(self) -> str:
        """``binary``, ``multiclass``, ``regression`` or ``clustering``, told by the metrics where it is not said."""
        said = text(self.document.get("task"))
        measured = mapping(self.document, "metrics")
        marks = (("auc", "binary"), ("f1_macro", "multiclass"), ("rmse", "regression"), ("silhouette", "clustering"))
        return said or next((task for mark, task in marks if mark in measured), "")


@dataclass(frozen=True)
class Section:
    """One section of the page. ``anchor`` is its id."""

    anchor: str
    title: str
    body: Markup
