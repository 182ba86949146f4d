"""What the launch of one try notes about itself, and may do: its side of `backends.base.LaunchRecord`."""

from __future__ import annotations

from collections.abc import Callable

from batch_submit.adapters.processes import Processes
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError
from batch_submit.operations.recording import Program, Recorder
from batch_submit.plan.resume import Marks


@dataclass(frozen=True)
class TryRecord:
    """One try's side of `backends.base.LaunchRecord`.

    Parameters
    ----------
    processes
        This host's.
    marks
        Asks how the cluster stands.
    claim
        Claims the right to launch it, by number and application id ("" for none); the id to launch it under.
    shared
        Other hosts can read that claim.
    """

    recorder: Recorder
    number: int
    processes: Processes
    marks: Callable[[], Marks] = Marks
    reserved_id: str = ""
    claim: Callable[[int, str], str] = lambda _number, application_id: application_id
    shared: bool = False

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
        self.claim(self.number, "")

    def reserved(self, application_id: str) -> str:
        """See `backends.base.LaunchRecord`."""
        chosen = self.claim(self.number, application_id)
        self.recorder.reserved(self.number, chosen)
        return chosen
