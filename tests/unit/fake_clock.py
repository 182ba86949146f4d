"""A clock that only moves when it is slept on: the parts of :class:`batch_submit.services.Clock` that tests turn."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

START = datetime(2026, 3, 29, 1, 2, 3, tzinfo=timezone.utc)


class FakeClock:
    """Time in seconds since it was made; every sleep is remembered. ``wall_s``: how far the clock was set."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sleeps: list[float] = []
        self.wall_s = 0.0

    def now_utc(self) -> datetime:
        return START + timedelta(seconds=self.seconds + self.wall_s)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.sleeps.append(seconds)
        # A wait of no time at all would turn for ever.
        self.seconds += max(seconds, 1e-3)
