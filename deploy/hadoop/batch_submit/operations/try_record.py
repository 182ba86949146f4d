"""What the launch of one try notes, and asks, while it happens: in this host's record and in the run's claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError
from batch_submit.operations.claiming import Claims
from batch_submit.operations.recording import Program, Recorder
from batch_submit.plan.resume import Marks

if TYPE_CHECKING:
    from batch_submit.adapters.processes import Processes


@dataclass(frozen=True)
class TryRecord:
    """One try's side of `backends.base.LaunchRecord`.

    Parameters
    ----------
    processes
        This host's.
    marks
        Asks how the cluster stands.
    """

    recorder: Recorder
    number: int
    claims: Claims
    processes: Processes
    marks: Callable[[], Marks] = Marks
    reserved_id: str = ""

    @property
    def shared(self) -> bool:
        """See `backends.base.LaunchRecord`."""
        return self.claims.folder is not None

    def at_gate(self, pid: int) -> None:
        """See `backends.base.LaunchRecord`."""
        program = Program(pid, self.processes.start_of(pid), self.processes.here())
        try:
            marks = self.marks()
        except BatchSubmitError:
            marks = Marks()  # the launch may go well all the same; only a repeat will know less
        self.recorder.at_gate(self.number, program, marks)

    def launching(self) -> None:
        """See `backends.base.LaunchRecord`."""
        self.claims.reserve(self.number)

    def reserved(self, application_id: str) -> str:
        """See `backends.base.LaunchRecord`."""
        chosen = self.claims.reserve(self.number, application_id)
        self.recorder.reserved(self.number, chosen)
        return chosen

    def posting(self) -> None:
        """See `backends.base.LaunchRecord`."""
        self.claims.refuse_if_passed_over(self.number)

    def is_posted_too(self, application_id: str) -> bool:
        """See `backends.base.LaunchRecord`."""
        return self.shared and self.claims.is_posted_too(self.number, application_id)
