"""How far a transfer is: a bar on a terminal, elsewhere a line at its start and then one now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from batch_submit.adapters.terminal import Terminal

#: Elsewhere than on a terminal: a log of an hour holds a hundred lines at most.
_LINE_EVERY_S = 30.0


class Advance(Protocol):
    """Tells a progress display how many bytes are done in all."""

    def __call__(self, done: int) -> None: ...


@contextmanager
def transfer_progress(terminal: Terminal, what: str, total: int, monotonic: Callable[[], float]) -> Iterator[Advance]:
    """A progress display for ``total`` bytes.

    Parameters
    ----------
    what
        What is being done, for people: ``uploading 3 files``.
    monotonic
        Seconds that never jump.
    """
    if terminal.live:
        with _bar(what, total) as advance:
            yield advance
        return
    terminal.note(f"{what}, {megabytes(total)}")
    next_line_s = monotonic() + _LINE_EVERY_S

    def advance_lines(done: int) -> None:
        nonlocal next_line_s
        if monotonic() >= next_line_s:
            next_line_s = monotonic() + _LINE_EVERY_S
            terminal.note(f"{what}: {megabytes(done)} of {megabytes(total)} ({100 * done // max(total, 1)}%)")

    yield advance_lines


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def megabytes(count: int) -> str:
    """Bytes for people, in powers of ten as rich's bar shows them."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
