"""A run's claims: looked at before anything is decided, made before the step that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from batch_submit.adapters.claims import ClaimFolder
from batch_submit.adapters.run_logging import mask_text
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterRefused, ClusterUnreachable, OutcomeUnknown, TryPassedOver
from batch_submit.operations.recording import stamp
from batch_submit.plan.claims import Claim, Held, Step, most_telling, newest, telling_beside, why_passed_over
from batch_submit.plan.identity import Fingerprint, refuse_another_job

if TYPE_CHECKING:
    from batch_submit.operations.context import Context

#: ``--claim``.
CLAIM_AUTO, CLAIM_NONE = "auto", "none"
#: Whoever won the right to launch a try less than so many seconds ago need not look whether it was given up meanwhile.
FRESH_S = 1.0
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
    shared
        Other users claim there, too: what they have submitted no lookup by a tag finds for us.
    """

    context: Context
    run_id: str
    user: str
    folder: ClaimFolder | None = None
    none_because: str = ""
    held: Held = field(default_factory=Held)
    problem: BatchSubmitError | None = None
    nonce: str = ""
    shared: bool = False
    _is_made: bool = False
    _day: str = ""
    _fingerprint: Mapping[str, str] = field(default_factory=dict)
    _won: int = 0
    _sure_at: float = float("-inf")

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
        TryPassedOver
            The run goes on without this try.
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
        self._sure_at = self.context.services.clock.monotonic()
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
                self._refuse_passed_over(number)  # first, because what is claimed after the id was closed only confuses
                self._claim(number, Step.AGAIN, application_id=application_id)
            steps = self._refuse_passed_over(number, but_closed=True)
        except OutcomeUnknown:
            raise
        except BatchSubmitError as error:
            raise OutcomeUnknown(
                f"{application_id}, which an earlier call reserved, could not be posted again: {error.message}",
                where=error.where,
                details=error.details,
                next_step="mend that, and run the same command again with the same run id",
            ) from error
        if Step.CLOSED in steps:
            raise OutcomeUnknown(
                f"run {self.run_id}: {application_id} was refused to the call that had reserved it, and closed while"
                " this call was about to post it too; this call did not",
                details=self.lines(),
                next_step="run the same command again with the same run id: it goes on if the other call did; and once"
                f" you know that nothing came of {application_id}: batch-submit resolve {self.run_id} --not-submitted",
            )
        self.held = Held(number, steps, self.held.claim)
        return application_id

    def _refuse_passed_over(self, number: int, *, but_closed: bool = False) -> frozenset[Step]:
        """Look again whether a try is still to be launched; what is claimed of it now."""
        newest_number, steps = self._steps_now()
        why = why_passed_over(number, newest_number, steps)
        if not why and Step.CLOSED in steps and not but_closed:
            why = "its application id was refused and closed"
        if why:
            raise TryPassedOver(
                f"run {self.run_id}: try {number} is not launched by this call: {why}",
                next_step="run the same command again with the same run id: it goes on with what the run is now",
            )
        self._sure_at = self.context.services.clock.monotonic()
        return steps

    def refuse_if_passed_over(self, number: int) -> None:
        """Just before a POST: look again, where that takes long after the right to it was won.

        Raises
        ------
        TryPassedOver
            A person has given the try up meanwhile, or there is a newer one: it must not be posted any more.
        ClusterUnreachable
            It can't be looked at.
        """
        if self.folder is not None and self.context.services.clock.monotonic() - self._sure_at >= FRESH_S:
            self._refuse_passed_over(number, but_closed=True)

    def why_passed_over(self, number: int) -> str:
        """Once a try was accepted: why it may not be the run's only application; "" when nothing says so.

        Raises
        ------
        ClusterUnreachable
            It can't be looked at.
        """
        return "" if self.folder is None else why_passed_over(number, *self._steps_now())

    def beside(self, number: int) -> tuple[str, tuple[str, ...]]:
        """The same, and the applications that claims name of other tries; OutcomeUnknown: one of them can't be read."""
        if self.folder is None:
            return "", ()
        try:
            names = self.folder.names() or ()
            read = [self._read(name) for name in telling_beside(number, names)]
        except (ClusterRefused, ClusterUnreachable) as error:
            raise self._unable(error, "its claims can't be looked at") from error
        return why_passed_over(number, *newest(names)), tuple(one.application_id for one in read if one.application_id)

    def is_posted_too(self, number: int, application_id: str) -> bool:
        """Whether another call has claimed that it posts the application id that this one has reserved.

        Raises
        ------
        ClusterUnreachable
            It can't be looked at.
        OutcomeUnknown
            That claim can't be read.
        """
        assert self.folder is not None
        try:
            name = f"{number}-{Step.AGAIN.value}.json"
            return name in (self.folder.names() or ()) and self._read(name).application_id == application_id
        except (ClusterRefused, ClusterUnreachable) as error:
            raise self._unable(error, "its claims can't be looked at") from error

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
            raise self._unable(error, "its claims can't be looked at") from error

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

    def _unable(self, error: BatchSubmitError, what: str = "it can't be claimed") -> ClusterUnreachable:
        return ClusterUnreachable(
            f"run {self.run_id}: {what}: {error.message}",
            where=error.where,
            details=error.details,
            next_step=f"mend that, or name a folder of yours in execution.claims_dir; {_NO_CLAIM}",
        )

    @staticmethod
    def _origin(claim: Claim) -> str:
        return f"host {claim.host} at {claim.at}"
