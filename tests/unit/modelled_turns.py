"""Two calls at once in the modelled world: each in a thread of its own, of which only one runs at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.unit.modelled_world import World

_PATIENCE_S = 20.0


@dataclass
class Turns:
    """One call that runs a number of steps whenever it is its turn."""

    world: World
    call: Callable[[], object]
    answer: object = None
    has_ended: bool = False
    _left: int = 0
    _go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _stands: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _thread: threading.Thread | None = None

    def goes(self, steps: int) -> bool:
        """Let it take so many steps; whether it has come to its end."""
        self._left = steps
        if self._thread is None:
            self._thread = threading.Thread(target=self._runs, daemon=True)
            self._thread.start()
        elif self.has_ended:
            return True
        else:
            self._go.release()
        assert self._stands.acquire(timeout=_PATIENCE_S), "it does not come to its next step"
        return self.has_ended

    def ends(self) -> None:
        """Let it come to its end."""
        assert self.goes(1_000_000)

    def _runs(self) -> None:
        self.world.waits[threading.get_ident()] = self._waits
        try:
            self.answer = self.call()
        finally:
            del self.world.waits[threading.get_ident()]
            self.has_ended = True
            self._stands.release()

    def _waits(self) -> None:
        self._left -= 1
        if self._left < 0:
            self._stands.release()
            assert self._go.acquire(timeout=_PATIENCE_S), "its turn never comes"
            self._left -= 1
