"""Time and signals: a wait that a signal ends, and the signals that arrived."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from types import FrameType

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"

#: What is asked of a waiting process: Ctrl-C, a scheduler's stop, a closed terminal.
HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SystemClock:
    """The real clock. Deadlines use :meth:`monotonic`; wall-clock times go into records only."""

    def __init__(self) -> None:
        self._signals: Signals | None = None

    def now_utc(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(timezone.utc)

    def today(self) -> datetime:
        """The wall clock in the local zone."""
        return datetime.now().astimezone()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, at most ``seconds``; a handled signal ends the wait early."""
        if self._signals is None:
            time.sleep(seconds)
        else:
            self._signals.wait(seconds)

    def random_text(self, length: int) -> str:
        """Random characters of ``[a-z2-7]``: 32 of them, so that every byte of the system's tells one without bias."""
        return "".join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(length))

    @contextmanager
    def listening(self) -> Iterator[Signals]:
        """Collect signals instead of dying by them, within the block."""
        signals = Signals()
        signals.install()
        self._signals = signals
        try:
            yield signals
        finally:
            self._signals = None
            signals.restore()


class Signals:
    """The signals that arrived since :meth:`install`. A pipe wakes the waiting select, so no wait is overslept."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._previous: dict[int, object] = {}

    def install(self) -> None:
        """Take the handlers over. A signal that the caller ignores (``nohup``) stays ignored."""
        for number in HANDLED:
            previous = signal.getsignal(number)
            if previous is not signal.SIG_IGN:
                self._previous[number] = previous
                signal.signal(number, self._handle)

    def restore(self) -> None:
        """Give the handlers back."""
        for number, previous in self._previous.items():
            signal.signal(number, previous)  # type: ignore[arg-type]
        self._previous.clear()
        for descriptor in self._pipe:
            os.close(descriptor)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
        try:
            os.write(self._pipe[1], b"s")
        except BlockingIOError:
            return  # the pipe is full of earlier wake-ups: one more adds nothing

    @property
    def first(self) -> int:
        """The first signal; 0 for none."""
        return self.received[0] if self.received else 0

    def wait(self, seconds: float) -> None:
        """Wait until a signal arrives or the time is over."""
        ready, _, _ = select.select([self._pipe[0]], [], [], max(0.0, seconds))
        if ready:
            os.read(self._pipe[0], 4096)
