"""The seam between operations and a place where runs go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from batch_submit.data_classes import dataclass

if TYPE_CHECKING:  # nothing of this is needed to look at what runs, and list and status have to start fast
    from batch_submit.container_logs import ApplicationLogs
    from batch_submit.model import ApplicationReport, AttemptReport, Search
    from batch_submit.plan.resume import Marks
    from batch_submit.plan.sourced import Sourced
    from batch_submit.plan.submission import JobSpec, SubmissionPlan
    from batch_submit.services import SignalCount


@dataclass(frozen=True)
class Preparation:
    """What a look at the backend adds to a job before its plan is made."""

    conf: Mapping[str, Sourced]
    notices: tuple[str, ...] = ()


class LaunchRecord(Protocol):
    """What a launch notes about itself while it happens."""

    @property
    def reserved_id(self) -> str:
        """The application id that an earlier call reserved for this very try and may have posted; "" for none."""

    @property
    def shared(self) -> bool:
        """Whether calls on other hosts can read an id that was reserved, and post under it."""

    def at_gate(self, pid: int) -> None:
        """A process that may submit stands at its gate; it runs only after this has been written down.

        Raises
        ------
        HostNotReady
            It could not be: the process must never run.
        """

    def launching(self) -> None:
        """A program that submits by itself is about to be started.

        Raises
        ------
        OutcomeUnknown
            Another host's call has the right to launch this try, and may have done it.
        BatchSubmitError
            It can't be known who has: nothing may be launched.
        """

    def reserved(self, application_id: str) -> str:
        """An application id was reserved; only after this has been written down something is posted.

        Returns
        -------
        str
            What to post under: this id, or the one that another host's call has reserved for this try.

        Raises
        ------
        HostNotReady
            It could not be written down: nothing may be posted.
        OutcomeUnknown, BatchSubmitError
            As for :meth:`launching`.
        """

    def posting(self) -> None:
        """What was staged under a reserved id is about to be posted.

        Raises
        ------
        TryPassedOver
            The run goes on without this try: nothing may be posted.
        BatchSubmitError
            That can't be known: nothing may be posted.
        """

    def is_posted_too(self, application_id: str) -> bool:
        """Whether another call may be posting under the id that this one has reserved.

        Raises
        ------
        BatchSubmitError
            That can't be known.
        """


class Backend(Protocol):
    """Where runs go. Every implementation passes ``tests/contracts/backend_suite.py``."""

    @property
    def name(self) -> str:
        """``yarn`` or ``local``."""

    @property
    def cluster(self) -> str:
        """The scope of run ids, with :attr:`user`."""

    @property
    def user(self) -> str:
        """In whose name everything is asked and done."""

    def prepare(self, spec: JobSpec) -> Preparation:
        """Look at the backend before anything is launched.

        Raises
        ------
        ClusterUnreachable
            When it does not answer: nothing is submitted then.
        """

    def submit(self, plan: SubmissionPlan, number: int, signals: SignalCount, record: LaunchRecord) -> str:
        """Launch a plan as try ``number`` and give the application id."""

    def epoch(self) -> str:
        """What the ids that the backend gives out now have in common: an id of another epoch is never posted again."""

    def marks(self) -> Marks:
        """How the backend stands now, for telling later whether it may have forgotten an application."""

    def find_run(self, run_id: str) -> list[ApplicationReport]:
        """The applications of all tries of a run, newest first."""

    def find_try(self, run_id: str, number: int) -> ApplicationReport | None:
        """The application of one try."""

    def report(self, application_id: str) -> ApplicationReport:
        """What is known of an application now.

        Raises
        ------
        NotFound
            When the backend does not know it (any more): says nothing about how it ended.
        ClusterUnreachable
            When the backend does not answer.
        OutcomeUnknown
            When it has ended and nothing tells how, nor ever will.
        """

    def applications(self) -> list[ApplicationReport]:
        """Our own applications, newest first."""

    def search(self, search: Search) -> list[ApplicationReport]:
        """Applications of anybody, in no order. What a backend can't filter by is for the caller to look at again."""

    def attempts(self, application_id: str) -> list[AttemptReport]:
        """The attempts of an application, first to last; empty where a backend has none.

        Raises
        ------
        NotFound, ClusterUnreachable
            As for :meth:`report`.
        """

    def kill(self, application_id: str) -> None:
        """Ask for the end of an application; its report tells when it has come."""

    def limit_lifetime(self, application_id: str, timeout_s: float) -> bool:
        """Have the backend itself end the application ``timeout_s`` seconds after its start; ``False``: it can't."""

    def leave(self) -> bool:
        """We stop waiting: let go of what this process holds of the run. ``False``: it ends with us (client mode)."""

    def after_failure(self, application_id: str) -> list[str]:
        """Clean up after a terminal FAILED or KILLED; returns what was done, in lines."""

    def left_behind(self, run_id: str) -> tuple[int, ...]:
        """The processes of this host that a run's ended drivers have left, and that may go on with its work."""

    def read_artifact(self, path: str, limit: int) -> bytes | None:
        """A small result file of a finished run; ``None`` when it is not there."""

    def open_logs(
        self,
        report: ApplicationReport,
        *,
        patience_s: float = 0.0,
        waiting: Callable[[str], None] | None = None,
        source: str = "",
        drivers_only: bool = False,
    ) -> ApplicationLogs:
        """The log files of an application, from the best source that has them now.

        Parameters
        ----------
        patience_s
            How long to wait for the aggregation of a finished application's logs.
        waiting
            Called with what is awaited, each time it changes.
        source
            Ask this one only: ``nm``, ``jhs``, ``hdfs``, ``yarn``; "" takes the best that answers.
        drivers_only
            Only the drivers' logs are wanted: other containers may be left out where that saves questions.

        Raises
        ------
        NotFound
            No source has any log of it.
        ClusterRefused
            They are not ours to read.
        ClusterUnreachable
            No source answers.
        """

    def new_output(self, application_id: str) -> str:
        """What the driver has written since the last call, where the backend sees it pass; else ""."""

    def hints(self, application_id: str) -> Mapping[str, str]:
        """Commands and addresses for people: ``logs``, ``kill``, ``page``."""
