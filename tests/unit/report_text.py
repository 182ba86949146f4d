"""A page of the report read back: its text in lines, its elements, and what it points to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from batch_submit.render.report import RunFacts, Stage, View, report_page

GOLDEN = Path(__file__).parents[1] / "golden" / "reports"
SAMPLES = sorted(path.stem for path in GOLDEN.glob("*.json"))
_VOID = {"meta", "br"}
_BLOCKS = {"h1", "h2", "h3", "p", "tr", "li", "dt", "figcaption", "summary", "title", "div", "figure", "section"}
_CELLS = {"td", "th", "dt", "b", "small"}


def sample(name: str) -> dict[str, Any]:
    """A report as a job writes it."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return found


def view_of(name: str, *, plots: bool = False) -> View:
    """A sample with what is known of its run; a pipeline with its stages' reports, the last of which is missing."""
    document = sample(name)
    facts = RunFacts(
        run_id=document["run_id"],
        application_id=document["application_id"],
        name=document["name"],
        result="failed" if name == "evaluation" else "succeeded",
        reason="User application exited with status 1" if name == "evaluation" else "",
        source="ResourceManager",
        backend="yarn",
        cluster="nameservice1",
        user="mlops",
        queue="ml-queue",
        tries=1,
        submitted_ms=document["started_ms"] - 21_000,
        started_ms=document["started_ms"] - 12_000,
        finished_ms=document["finished_ms"] + 3_000,
        elapsed_ms=document["finished_ms"] - document["started_ms"] + 24_000,
        memory_mib_seconds=1_834_221,
        vcore_seconds=702,
        page_url=f"http://rm.example:8088/cluster/app/{document['application_id']}",
    )
    stages = []
    for number, one in enumerate(document.get("stages", [])):
        here = Path(one["metrics_path"]).stem
        stages.append(
            Stage(one["metrics_path"], sample(here)) if number < 3 else Stage(one["metrics_path"], {}, "gone")
        )
    where = "hdfs://nameservice1/ml-pipeline/metrics/metrics.json"
    return View(document, facts, tuple(stages), where, plots=plots, version="1.0")


@dataclass
class Page(HTMLParser):
    """A page taken apart; an element that is not closed, or closed twice, is an error."""

    lines: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    _line: str = ""

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)

    @classmethod
    def of(cls, text: str) -> Page:
        """Read a whole page."""
        page = cls()
        page.feed(text)
        page.close()
        page._end_line()
        assert page.open == [], f"not closed: {page.open}"
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag in _BLOCKS:
            self._end_line()
        if tag == "section":
            self.sections.append(dict(attrs)["id"] or "")
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
        if tag in _CELLS:
            self._line += " | "
        if tag in _BLOCKS - _CELLS:
            self._end_line()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "svg" not in self.open:
            self._line += data

    def _end_line(self) -> None:
        words = " ".join(self._line.replace("| |", "|").split()).strip(" |")
        if words:
            self.lines.append(words)
        self._line = ""

    def values(self, name: str) -> list[str]:
        """All values of one attribute."""
        return [value for _, key, value in self.attributes if key == name]


def page_of(view: View) -> Page:
    """The page of a view, taken apart."""
    return Page.of(report_page(view))
