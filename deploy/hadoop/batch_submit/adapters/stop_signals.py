"""A signal as an exception, for work that is one blocking call after the other and must clean up behind itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from batch_submit.adapters.clock import HANDLED


class Stopped(BaseException):
    """A signal came. No ``Exception``: no handler of errors on the way takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within the block the first SIGINT, SIGTERM or SIGHUP raises :class:`Stopped`; later ones wait for the clean-up.

    A signal that the caller ignores (``nohup``) stays ignored.
    """
    came = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal came
        if not came:
            came = True
            raise Stopped(number)

    previous = {number: signal.getsignal(number) for number in HANDLED}
    taken = {number: handler for number, handler in previous.items() if handler is not signal.SIG_IGN}
    for number in taken:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
