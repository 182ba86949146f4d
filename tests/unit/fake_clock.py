"""A clock that only moves when it is slept on. Fits :class:`batch_submit.services.Clock`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from batch_submit.adapters.clock import Signals

START = datetime(2026, 3, 29, 1, 2, 3, tzinfo=timezone.utc)


class FakeClock:
    """Time in seconds since it was made; every sleep is remembered."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def now_utc(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def today(self) -> datetime:
        return self.now_utc()

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        # A wait of no time at all would turn for ever.
        self.seconds += max(seconds, 1e-3)

    def random_text(self, length: int) -> str:
        return "a1b2c3"[:length]

    @contextmanager
    def listening(self) -> Iterator[Signals]:
        raise AssertionError("no signals here")
        yield
