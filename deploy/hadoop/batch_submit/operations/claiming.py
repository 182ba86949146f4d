"""A run's claims: looked at before anything is decided, made before the step that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from batch_submit.adapters.claims import ClaimFolder
from batch_submit.adapters.run_logging import mask_text
from batch_submit.backends.base import Backend
from batch_submit.backends.yarn import YarnBackend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, OutcomeUnknown, RunConflict
from batch_submit.operations.claim_place import claim_place
from batch_submit.operations.recording import stamp
from batch_submit.plan.claims import Claim, Held, Step, most_telling, newest
from batch_submit.plan.identity import Fingerprint

if TYPE_CHECKING:
    from batch_submit.operations.context import Context

#: ``--claim``.
CLAIM_AUTO, CLAIM_NONE = "auto", "none"
#: Lines of what differs from the run that a run id was used for.
MOST_SHOWN = 10
_NO_CLAIM = f"--claim {CLAIM_NONE} submits by this host's record alone, which other hosts don't see"


@dataclass
class Claims:
    """The claims of one run, or why it has none.

    Parameters
    ----------
    folder
        Where they lie; ``None`` when nothing is claimed.
    none_because
        Why not, for people and the record.
    problem
        Why they could not be looked at: nothing may be launched then.
    nonce
        Random, of this call: by it our own claims are told from others'.
    """

    context: Context
    run_id: str
    user: str
    folder: ClaimFolder | None = None
    none_because: str = ""
    held: Held = field(default_factory=Held)
    problem: BatchSubmitError | None = None
    nonce: str = ""
    _is_made: bool = False
    _day: str = ""
    _fingerprint: Mapping[str, str] = field(default_factory=dict)
    _won: int = 0

    @property
    def told(self) -> str:
        """For the record: the folder, or why there is none."""
        return self.folder.path if self.folder is not None else f"none: {self.none_because}"

    @property
    def day(self) -> str:
        """The day of the first call; "" when nothing is claimed."""
        return self.held.claim.day if self.held.claim is not None else ""

    def lines(self) -> list[str]:
        """Who claimed what of the newest try, for people; none when nothing is claimed."""
        claim = self.held.claim
        if self.folder is None or claim is None:
            return []
        return [f"claim: {self.folder.path}/{claim.file_name}, made by {self._origin(claim)}"]

    def look(self) -> None:
        """Learn what is claimed; a folder that can't be read is remembered as :attr:`problem`."""
        if self.folder is None:
            return
        try:
            names = self.folder.names()
            self._is_made = names is not None
            number, steps = newest(names or ())
            name = most_telling(number, steps)
            self.held = Held(number, steps, self._read(name) if name else None)
        except (ClusterRefused, ClusterUnreachable) as error:
            self.problem = error

    def _read(self, name: str, text: str = "") -> Claim:
        assert self.folder is not None
        try:
            return Claim.from_json(text or self.folder.read(name))
        except ValueError as error:
            raise OutcomeUnknown(
                f"the claim of run {self.run_id} can't be read: {error}",
                where=f"{self.folder.path}/{name}",
                next_step=f"look for the tag run:{self.run_id} on the cluster, then move the file away",
            ) from error

    def refuse_if_blind(self) -> None:
        """Nothing is launched without a claim.

        Raises
        ------
        ClusterUnreachable
            The claims could not be looked at.
        """
        if self.problem is not None:
            raise self._unable(self.problem) from self.problem

    def refuse_if_going_on(self, because: ClusterUnreachable, *, recorded: bool) -> None:
        """Of a run that this host has no record of, only its claim tells that something may run.

        Raises
        ------
        OutcomeUnknown
            It does.
        """
        if self.held.may_run and not recorded:
            raise OutcomeUnknown(
                f"run {self.run_id} was launched from another host, and the cluster can't be asked what became of it",
                details=[*self.lines(), ": ".join(filter(None, (because.where, because.message)))],
                next_step="run the same command again with the same run id once a ResourceManager answers",
            ) from because

    def refuse_another_job(self, fingerprint: Fingerprint, day: str) -> None:
        """Hold what is to be submitted against what the run id was claimed for.

        Raises
        ------
        RunConflict
            With what differs.
        """
        self._day, self._fingerprint = day, fingerprint.parts
        if self.held.claim is not None:
            refuse_another_job(
                self.run_id, f"by {self._origin(self.held.claim)}", fingerprint, self.held.claim.fingerprint
            )

    def plan(self, number: int) -> None:
        """Claim that there is to be such a try.

        Raises
        ------
        ClusterUnreachable
            It can't be claimed.
        RunConflict
            Another host plans another job under this run id at this moment.
        """
        if self.folder is None or self.held.of(number):
            return
        there = self._claim(number, Step.PLANNED)
        refuse_another_job(self.run_id, f"by {self._origin(there)}", Fingerprint(self._fingerprint), there.fingerprint)
        self.held = Held(number, frozenset({Step.PLANNED}), there)

    def reserve(self, number: int, application_id: str = "") -> str:
        """Claim the right to launch a try; the application id to launch it under.

        Parameters
        ----------
        application_id
            The id that is ours; "" when the launcher gets one only by launching: then the right can't be shared.

        Raises
        ------
        OutcomeUnknown
            Another host has it, and only that host can go on; or its id is closed, or may be.
        ClusterUnreachable
            It can't be claimed.
        """
        if self.folder is None:
            return application_id
        then = self.held.claim
        if application_id and then is not None and then.application_id and Step.RESERVED in self.held.of(number):
            return self._joined(number, then.application_id)
        there = self._claim(number, Step.RESERVED, application_id=application_id)
        self.held = Held(number, self.held.of(number) | {Step.RESERVED}, there)
        if there.nonce == self.nonce:
            self._won = number
            return application_id
        if application_id and there.application_id:
            self.context.services.terminal.note(
                f"run {self.run_id}: try {number} is {there.application_id}, reserved by {self._origin(there)}"
            )
            return self._joined(number, there.application_id)
        raise OutcomeUnknown(
            f"run {self.run_id}: {self._origin(there)} has claimed the launch of try {number}; an application may be"
            " running",
            where=f"{self.folder.path}/{there.file_name}",
            next_step="run the same command again with the same run id: it attaches when the application shows",
        )

    def _joined(self, number: int, application_id: str) -> str:
        """The id that another call reserved, once it is claimed that we post it too, and it is not closed for that."""
        try:
            if Step.AGAIN not in self.held.of(number):
                self._claim(number, Step.AGAIN, application_id=application_id)
            newest_number, steps = self._steps_now()
        except BatchSubmitError as error:
            raise OutcomeUnknown(
                f"{application_id}, which an earlier call reserved, could not be posted again: {error.message}",
                where=error.where,
                details=error.details,
                next_step="mend that, and run the same command again with the same run id",
            ) from error
        if newest_number != number or steps & {Step.CLOSED, Step.GIVEN_UP}:
            raise OutcomeUnknown(
                f"run {self.run_id}: another call found that try {number} led to nothing, and goes on to the next one",
                details=self.lines(),
                next_step="run the same command again with the same run id: it looks for that one first",
            )
        self.held = Held(number, steps, self.held.claim)
        return application_id

    def close_id(self, number: int) -> bool:
        """Claim that nobody may post a refused try's id any more; whether nobody had begun to.

        Raises
        ------
        ClusterUnreachable
            It can't be claimed, or who else posts it can't be looked at.
        """
        if self.folder is None:
            return True
        if Step.CLOSED not in self.held.of(number):
            self._claim(number, Step.CLOSED)
        newest_number, steps = self._steps_now()
        # A newer try is another call's that has closed it before us.
        return newest_number > number or (newest_number == number and Step.AGAIN not in steps)

    def _steps_now(self) -> tuple[int, frozenset[Step]]:
        assert self.folder is not None
        try:
            return newest(self.folder.names() or ())
        except (ClusterRefused, ClusterUnreachable) as error:
            raise self._unable(error) from error

    def submitted(self, number: int, application_id: str) -> None:
        """Claim that a try was accepted; a failure is no reason to stop: the cluster shows the application."""
        if self.folder is not None and Step.SUBMITTED not in self.held.of(number):
            self._try_claim(number, Step.SUBMITTED, application_id=application_id)

    def not_submitted(self, number: int, reason: str) -> None:
        """Claim that a try led to nothing; only who has won the right to launch it can know that."""
        if self.folder is not None and self._won == number:
            self._try_claim(number, Step.NOT_SUBMITTED, reason=mask_text(reason))

    def close(self, number: int, nonce: str, reason: str) -> None:
        """Claim that a try led to nothing whose launch an earlier call of this host, by `nonce`, had the right to."""
        claim, steps = self.held.claim, self.held.of(number)
        if claim is None or claim.nonce != nonce or Step.RESERVED not in steps or Step.NOT_SUBMITTED in steps:
            return
        self._try_claim(number, Step.NOT_SUBMITTED, reason=mask_text(reason))

    def give_up(self, number: int, reason: str) -> None:
        """Claim that a person decided that a try makes room for a new one.

        Raises
        ------
        ClusterUnreachable
            It can't be claimed: other hosts would go on as before.
        """
        if self.folder is not None and self.held.number == number:
            self._claim(number, Step.GIVEN_UP, reason=reason)

    def accept(self, number: int, application_id: str, reason: str) -> None:
        """Claim that a person decided that an application is a try's.

        Raises
        ------
        ClusterUnreachable
            As for :meth:`give_up`.
        """
        if self.folder is not None and self.held.number == number:
            self._claim(number, Step.SUBMITTED, application_id=application_id, reason=reason)

    def _try_claim(self, number: int, step: Step, *, application_id: str = "", reason: str = "") -> None:
        try:
            self._claim(number, step, application_id=application_id, reason=reason)
        except BatchSubmitError as error:
            self.context.services.terminal.warn(
                f"{step.value} could not be claimed for try {number} of run {self.run_id}: {error.message}"
            )

    def _claim(self, number: int, step: Step, *, application_id: str = "", reason: str = "") -> Claim:
        """Put a claim in place; what lies there afterwards."""
        assert self.folder is not None
        services = self.context.services
        claim = Claim(
            run_id=self.run_id,
            number=number,
            step=step,
            nonce=self.nonce,
            host=services.host,
            user=self.user,
            at=stamp(services.clock.now_utc()),
            day=self._day or self.day,
            fingerprint=self._fingerprint or (self.held.claim.fingerprint if self.held.claim is not None else {}),
            application_id=application_id,
            epoch="".join(application_id.split("_")[1:2]),
            reason=reason,
        )
        try:
            if not self._is_made:
                self.folder.make()
                self._is_made = True
            return self._read(claim.file_name, self.folder.put_once(claim.file_name, claim.to_json(), claim.nonce))
        except (ClusterRefused, ClusterUnreachable) as error:
            raise self._unable(error) from error

    def _unable(self, error: BatchSubmitError) -> ClusterUnreachable:
        return ClusterUnreachable(
            f"run {self.run_id} can't be claimed: {error.message}",
            where=error.where,
            details=error.details,
            next_step=f"mend that, or name a folder of yours in execution.claims_dir; {_NO_CLAIM}",
        )

    @staticmethod
    def _origin(claim: Claim) -> str:
        return f"host {claim.host} at {claim.at}"


def open_claims(context: Context, run_id: str, backend: Backend, choice: str, *, explicit: bool = True) -> Claims:
    """The claims of a run, not looked at yet.

    Parameters
    ----------
    explicit
        The run id was given; ours are random, and nothing is claimed.
    choice
        ``--claim``: `CLAIM_AUTO` or `CLAIM_NONE`.

    Raises
    ------
    UsageError
        ``execution.claims_dir`` lies on another file system.
    """
    made = Claims(context, run_id, backend.user, nonce=context.services.clock.random_text(16))
    if not explicit:
        return replace(made, none_because="the run id is random")
    if not isinstance(backend, YarnBackend):
        return replace(made, none_because=f"backend {backend.name}")
    if choice == CLAIM_NONE:
        context.services.terminal.note(
            f"run {made.run_id} is not claimed (--claim {CLAIM_NONE}): a call on another host may submit it too"
        )
        return replace(made, none_because=f"--claim {CLAIM_NONE}")
    place = claim_place(context, backend)
    if place is None:
        return replace(made, none_because="no NameNode with a web address is known")
    return replace(made, folder=place.of_run(made.run_id))


def refuse_another_job(run_id: str, origin: str, now: Fingerprint, then: Mapping[str, str]) -> None:
    """One run id is one job.

    Raises
    ------
    RunConflict
        Showing at most `MOST_SHOWN` of the differences.
    """
    if difference := now.difference(then):
        more = [f"and {len(difference) - MOST_SHOWN} more"] if len(difference) > MOST_SHOWN else []
        raise RunConflict(
            f"run id {run_id} was used {origin} for another job",
            details=[*difference[:MOST_SHOWN], *more],
            next_step="choose another --run-id, or repeat the call exactly",
        )
