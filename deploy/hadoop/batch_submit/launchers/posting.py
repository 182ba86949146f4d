"""Posting an application under the id that was reserved for it: what an answer means, and when to ask a second time.

Posting the same id again is harmless while the same ResourceManager counts (seen on Hadoop 3.5.0). Another one, after
a restart or a failover, counts anew and stamps its ids with another time; it would take an old id for a new
application. So an id is only ever posted in its own epoch, and the epoch is looked at before each post.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from batch_submit.adapters import submission
from batch_submit.adapters.http_reply import CannotConnect, RemoteFailure
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.rm_errors import NotActive
from batch_submit.adapters.terminal import Terminal
from batch_submit.data_classes import dataclass
from batch_submit.errors import (
    BatchSubmitError,
    ClusterRefused,
    ClusterUnreachable,
    HostNotReady,
    NotFound,
    OutcomeUnknown,
)
from batch_submit.model import ApplicationReport
from batch_submit.services import Clock, SignalCount

#: How long an application may stay in the states before ACCEPTED: the ResourceManager is writing it down.
ACCEPT_PATIENCE_S = 30.0
#: Between two looks; twice as long each time, because many who submit at once ask one server.
_FIRST_POLL_S, _LAST_POLL_S = 0.03, 0.5
#: A gateway's answers that leave open what became of the request behind it.
_UNDECIDED = (408, 502, 504)
_AGAIN = "run the same command again with the same run id: it looks for this application first"


class IdRecord(Protocol):
    """What a launch notes of the id that it posts under, and learns of others; see `backends.base.LaunchRecord`."""

    @property
    def reserved_id(self) -> str:
        """An earlier call's; "" for none."""

    @property
    def shared(self) -> bool:
        """Whether other hosts' calls can read an id that is reserved, and post under it."""

    def reserved(self, application_id: str) -> str:
        """An id was reserved; the one to post under."""

    def posting(self) -> None:
        """Raises where nothing may be posted any more."""

    def is_posted_too(self, application_id: str) -> bool:
        """Whether another call may be posting under it."""


@dataclass(frozen=True)
class Poster:
    """Posts applications, and knows what became of a post."""

    resource_manager: ResourceManager
    clock: Clock
    terminal: Terminal

    def epoch(self) -> str:
        """The time that stands in every id that the active ResourceManager gives out now."""
        return str(self.resource_manager.info().get("id") or "")

    def post(self, context: Mapping[str, Any], doubt: str = "") -> None:
        """Hand an application over; at its return the ResourceManager has it.

        Parameters
        ----------
        context
            The body, with the id.
        doubt
            Why it may have been posted before, and may show whatever is answered now; "" when that can't be.

        Raises
        ------
        OutcomeUnknown
            It may have been taken.
        ClusterRefused, HostNotReady, ClusterUnreachable
            It was not: the ResourceManager's no, its 401, or it could not be asked.
        """
        application_id = str(context["application-id"])
        error: BatchSubmitError | None = None
        for _ in range(2):
            self._check_epoch(application_id, doubt)
            try:
                return submission.submit(self.resource_manager, context)
            except (ClusterRefused, HostNotReady) as refused:
                return self._refused(application_id, refused, doubt)
            except BatchSubmitError as lost:
                error = lost
                if isinstance(lost.__cause__, RemoteFailure):  # an answer, and of a server in trouble
                    return self._failed(application_id, lost, lost.__cause__.status, doubt)
                if not isinstance(lost, (CannotConnect, NotActive)):
                    doubt = f"the answer to the submission of {application_id} was lost: {lost.message}"
        assert error is not None
        if not doubt:
            raise error
        raise _unknown(application_id, doubt, error) from error

    def accepted(self, context: Mapping[str, Any], signals: SignalCount) -> ApplicationReport | None:
        """Wait until the ResourceManager has written down what was posted; ``None`` when it stays silent.

        One that was taken and is not there any more is posted once more, as Spark's own client does: the
        ResourceManager ended before it had written it down.

        Raises
        ------
        OutcomeUnknown
            It is not there, and can't be posted again.
        """
        application_id = str(context["application-id"])
        deadline, poll_s = self.clock.monotonic() + ACCEPT_PATIENCE_S, _FIRST_POLL_S
        gone, lost = f"the ResourceManager took {application_id}, and does not show it any more", ""
        while self.clock.monotonic() < deadline and len(signals.received) < 2:
            try:
                report = self.resource_manager.application(application_id)
            except NotFound:
                if not lost:
                    self.post(context, gone)
                lost = gone
                self.clock.sleep(_LAST_POLL_S)
                continue
            except BatchSubmitError:
                self.clock.sleep(1.0)  # it was posted: an outage now is for the waiting to bear
                continue
            if not report.state.before_accepted:
                return report
            lost = ""
            self.clock.sleep(poll_s)
            poll_s = min(_LAST_POLL_S, poll_s * 2)
        if lost:
            raise OutcomeUnknown(f"{lost}, though it was posted again", next_step=_AGAIN)
        return None

    def refuse_if_forgotten(self, application_id: str, kept: str | None) -> None:
        """Refuse an id that is so old that its application may have ended and been forgotten: it would run again.

        Half of what a ResourceManager keeps: others may end theirs between this look and the post.

        Parameters
        ----------
        kept
            How many ended applications it keeps, by this host's configuration; ``None``: ask it.

        Raises
        ------
        OutcomeUnknown
            It may have been forgotten.
        BatchSubmitError
            The ResourceManager gives no id to compare with.
        """
        newest = submission.reserve(self.resource_manager).application_id
        since = int(newest.rpartition("_")[2]) - int(application_id.rpartition("_")[2])
        most = submission.completed_kept(self.resource_manager, kept) // 2
        if since > most:
            raise OutcomeUnknown(
                f"{application_id} was reserved by an earlier call, and {since:,} ids were given out since"
                f" (at most {most:,} may be, half of {submission.COMPLETED_KEPT}): it may have run and been forgotten",
                next_step="look for it in the history; then use another --run-id",
            )

    def _check_epoch(self, application_id: str, doubt: str) -> None:
        try:
            epoch = self.epoch()
        except BatchSubmitError as error:
            if not doubt:
                raise
            raise _unknown(application_id, doubt, error) from error
        if epoch == application_id.split("_")[1]:
            return
        if doubt:
            raise OutcomeUnknown(
                f"the ResourceManager was restarted, or another one took over, and {application_id} can't be posted"
                f" again: {doubt}",
                next_step=f"look for {application_id} on the cluster; if it is not there, use another --run-id",
            )
        raise ClusterUnreachable(
            f"the ResourceManager was restarted, or another one took over, before {application_id} was posted",
            next_step="run it again: nothing was submitted",
        )

    def _refused(self, application_id: str, refused: BatchSubmitError, doubt: str) -> None:
        """A no is one only when the application is not there: another host may have posted the same id."""
        try:
            if self._is_known(application_id):
                return
        except BatchSubmitError as error:
            if doubt or not isinstance(error, HostNotReady):
                raise OutcomeUnknown(
                    f"the post of {application_id} was refused ({refused.message}), and whether another one was taken"
                    f" is not known: {error.message}",
                    next_step=_AGAIN,
                ) from error  # else: the same 401 to the question as to the post, the only one that there was
        if doubt:  # this one was refused; the one before may be on its way
            raise _unknown(application_id, doubt, refused) from refused
        raise refused

    def _failed(self, application_id: str, error: BatchSubmitError, status: int, doubt: str) -> None:
        """An error of the server: whether it has taken the application, only the application tells."""
        try:
            if self._is_known(application_id):
                return
        except BatchSubmitError as asked:
            raise _unknown(
                application_id, f"the answer to its submission is an error: {error.message}", asked
            ) from error
        if doubt:
            raise _unknown(application_id, doubt, error) from error
        if status in _UNDECIDED:
            raise OutcomeUnknown(
                f"the answer to the submission of {application_id} is a gateway's {status}, and the ResourceManager"
                " does not show it so far",
                details=error.details,
                next_step=_AGAIN,
            ) from error
        raise ClusterRefused(
            f"the ResourceManager failed at the submission ({status}), and does not know {application_id}",
            where=error.where,
            details=error.details,
            next_step="show these words to its administrators; its log has more",
        ) from error

    def _is_known(self, application_id: str) -> bool:
        try:
            self.resource_manager.application(application_id)
        except NotFound:
            return False
        return True


def _unknown(application_id: str, doubt: str, error: BatchSubmitError) -> OutcomeUnknown:
    """It may have been taken, and asking again did not help."""
    said = doubt if application_id in doubt else f"{application_id}: {doubt}"
    more = () if error.message in doubt else (error.message,)
    return OutcomeUnknown(said, details=[*more, *error.details], next_step=_AGAIN)
