"""Showing an application that is followed: a live display on a terminal, changes elsewhere, events for machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from batch_submit.adapters.terminal import Terminal
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.model import ApplicationReport
from batch_submit.operations.insight import Insight, Sight
from batch_submit.render.narration import Event, Manner, Narrator
from batch_submit.render.progress import brief_lines, panel_lines
from batch_submit.services import Clock

DEFAULT_STALL_AFTER_S = 300.0


class Style(Enum):
    """How much is shown: ``submit`` and ``wait`` wait for a result, ``monitor`` was asked to show the way there."""

    BRIEF = Manner(stage_s=60.0, progress_s=300.0, normal_after_s=30.0)
    FULL = Manner(stage_s=10.0, progress_s=60.0, normal_after_s=30.0)


@dataclass(frozen=True)
class FollowOptions:
    """``monitor`` as typed; times in seconds.

    Parameters
    ----------
    interval_s
        The longest pause between two looks.
    sink
        Takes each event too.
    """

    style: Style = Style.BRIEF
    interval_s: float | None = None
    stall_after_s: float = DEFAULT_STALL_AFTER_S
    sink: Callable[[Event], None] | None = None


class Follower:
    """Shows one application, report by report.

    Parameters
    ----------
    insight
        Looks behind the state; ``None`` where there is no scheduler to ask (backend ``local``).
    """

    def __init__(
        self, terminal: Terminal, clock: Clock, insight: Insight | None = None, options: FollowOptions | None = None
    ) -> None:
        self._terminal = terminal
        self._clock = clock
        self._insight = insight
        self._options = options or FollowOptions()
        manner = replace(self._options.style.value, stall_after_s=self._options.stall_after_s)
        self._narrator = Narrator(manner)

    def show(self, report: ApplicationReport) -> None:
        """Look behind a report that has just come, tell what has changed, and draw the live display again."""
        sight = self._insight.look(report) if self._insight is not None else Sight()
        now = self._clock.monotonic()
        for event in self._narrator.changes(
            now, report, sight.reason, sight.progress, sight.stalled_s, sight.active_url
        ):
            self._tell(event)
        if self._terminal.live:
            self._terminal.panel(self._lines(report, sight))

    def ended(self) -> None:
        """The application has ended: what its Spark had done when it was last seen."""
        event = self._narrator.last_work() if self._options.style is Style.FULL else None
        if event is not None:
            self._terminal.note(event.text)
            self._pass_on(event)

    def _tell(self, event: Event) -> None:
        if event.warning:
            self._terminal.warn(event.text)
        else:
            self._terminal.event(event.text)
        self._pass_on(event)

    def _pass_on(self, event: Event) -> None:
        if self._options.sink is not None:
            self._options.sink(event)

    def _lines(self, report: ApplicationReport, sight: Sight) -> list[str]:
        columns = self._terminal.columns
        if self._options.style is Style.BRIEF:
            return brief_lines(report, sight.reason, sight.progress, columns)
        stalled_s = sight.stalled_s if sight.stalled_s >= self._options.stall_after_s else 0.0
        return panel_lines(report, sight.reason, sight.progress, stalled_s, columns)


def follower_of(
    backend: Backend, application_id: str, clock: Clock, terminal: Terminal, options: FollowOptions
) -> Follower:
    """The follower for an application of a backend."""
    from batch_submit.backends.yarn import YarnBackend

    insight = None
    if isinstance(backend, YarnBackend):
        insight = Insight(backend.servers, application_id, clock, options.interval_s)
    return Follower(terminal, clock, insight, options)
