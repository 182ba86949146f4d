"""Claims: files in the cluster's own file system by which hosts agree who does a step of a run.

A run has a folder of its name; each step of each of its tries is one file in it, ``<n>-planned.json`` and so on. A file
is put in place by one RENAME and never replaced, so that a step has one winner; what the winner then did it does not
tell. The step that decides is ``reserved``: the right to launch a try, with the application id where the launcher knows
it beforehand. It has one name for both launchers, so that they exclude each other too.

An id that was refused must not be posted any more once there is a newer try. So whoever posts another's id says that
first (``again``) and looks then whether it is closed; whoever wants a newer try closes it first (``closed``) and looks
then whether somebody posts it. Whatever happens at once, at least one of the two sees the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field, replace
from enum import Enum

from batch_submit.data_classes import dataclass
from batch_submit.model import Result
from batch_submit.plan.resume import Known

SCHEMA = 1
_NAME = re.compile(r"([1-9][0-9]{0,8})-(planned|reserved|again|submitted|not-submitted|closed|given-up)\.json")


class Step(str, Enum):
    """What a file says of a try."""

    PLANNED = "planned"  #: there is to be such a try; which job it is
    RESERVED = "reserved"  #: who may launch it, and under which application id (REST)
    AGAIN = "again"  #: somebody else than whom `reserved` names posts its application id, too
    SUBMITTED = "submitted"  #: the ResourceManager took it
    NOT_SUBMITTED = "not-submitted"  #: whom `reserved` names knows that the launch led to nothing
    CLOSED = "closed"  #: after `not-submitted`: nobody may post its application id any more
    GIVEN_UP = "given-up"  #: a person decided that it makes room for a new try


#: From which of its files most is learnt about a try.
_TELLING = (Step.SUBMITTED, Step.RESERVED, Step.PLANNED)


@dataclass(frozen=True)
class Claim:
    """One file; whole in itself, so that the newest says all.

    Parameters
    ----------
    nonce
        Random, of the process that wrote it: tells our claim from another's of the same content.
    host, at
        Where and when (ISO 8601, UTC) it was made.
    day
        What ``{{ ds }}`` means in this run, ISO.
    fingerprint
        The parts of `plan.identity.Fingerprint`.
    application_id, epoch
        Of ``reserved`` over REST and of ``submitted``; else "".
    """

    run_id: str
    number: int
    step: Step
    nonce: str
    host: str
    user: str
    at: str
    day: str
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    application_id: str = ""
    epoch: str = ""
    reason: str = ""
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """Its place in the folder of the run."""
        return f"{self.number}-{self.step.value}.json"

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps({**asdict(self), "step": self.step.value}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Claim:
        """Read the content of a file.

        Raises
        ------
        ValueError
            It is damaged, or of a schema that this release does not know.
        """
        try:
            data = json.loads(text)
        except RecursionError as error:
            raise ValueError("not a claim: nested too deep") from error
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"not a claim of schema {SCHEMA}")
        try:
            claim = cls(**{**data, "step": Step(data["step"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a claim: {error}") from error
        if not isinstance(claim.fingerprint, dict) or not isinstance(claim.application_id, str):
            raise ValueError("not a claim: its fields have other types")
        return claim


@dataclass(frozen=True)
class Held:
    """What is claimed of the newest try of a run.

    Parameters
    ----------
    number
        The try; 0 when nothing is claimed.
    claim
        The most telling of its files.
    """

    number: int = 0
    steps: frozenset[Step] = frozenset()
    claim: Claim | None = None

    @property
    def may_run(self) -> bool:
        """Whether somebody has the right to launch it, so that an application may be there."""
        return bool(self.steps & {Step.RESERVED, Step.SUBMITTED})

    def of(self, number: int) -> frozenset[Step]:
        """The steps that are claimed of a try, as far as this was looked at."""
        return self.steps if number == self.number else frozenset()


def newest(names: Iterable[str]) -> tuple[int, frozenset[Step]]:
    """The newest try that a folder's file names tell of, and its steps; what is no claim is passed over."""
    found = steps_of(names)
    number = max(found, default=0)
    return number, found.get(number, frozenset())


def steps_of(names: Iterable[str]) -> dict[int, frozenset[Step]]:
    """The steps of each try that a folder's file names tell of."""
    found: dict[int, set[Step]] = {}
    for name in names:
        if match := _NAME.fullmatch(name):
            found.setdefault(int(match[1]), set()).add(Step(match[2]))
    return {number: frozenset(steps) for number, steps in found.items()}


def why_passed_over(number: int, newest_number: int, steps: frozenset[Step]) -> str:
    """Why the run goes on without a try whose launch may still be on its way; "" when it does not.

    Parameters
    ----------
    newest_number, steps
        The newest try that is claimed now, and its steps.
    """
    if newest_number > number:
        return f"another call has made try {newest_number} of it"
    if newest_number == number and Step.GIVEN_UP in steps:
        return "a person decided that it led to nothing"
    return ""


def telling_beside(number: int, names: Iterable[str]) -> tuple[str, ...]:
    """The files that name applications which may live beside a try's: of newer tries, and of those that were given up.

    An earlier try of which nothing else is said has ended before there was a newer one.
    """
    found = steps_of(names)
    others = {
        other: steps
        for other, steps in found.items()
        if other > number or (other < number and steps & {Step.GIVEN_UP, Step.NOT_SUBMITTED})
    }
    files = (most_telling(other, steps - {Step.PLANNED}) for other, steps in sorted(others.items()))
    return tuple(file for file in files if file)


def most_telling(number: int, steps: frozenset[Step]) -> str:
    """The name of the file to read of a try; "" when it has none worth it."""
    return next((f"{number}-{step.value}.json" for step in _TELLING if step in steps), "")


def known_of_both(held: Held, recorded: Known) -> Known:
    """What is known of the last try: by its claim, then by this host's record.

    The record counts where it is newer (a try that was made without a claim), and where it has seen more of the same
    try: an accepted application, or its end. A success that was seen counts whatever came later. Of a program that
    this host has the right to launch only its record tells whether it did.
    """
    if held.number < recorded.number or held.claim is None or recorded.result == Result.SUCCEEDED.value:
        return replace(recorded, number=max(held.number, recorded.number))
    same = held.number == recorded.number
    if same and recorded.result:
        return recorded
    if Step.GIVEN_UP in held.steps:
        looks = same and recorded.can_look  # a program of this host may still run, whatever was decided elsewhere
        return Known(held.number, may_have_launched=looks, was_given_up=True, can_look=looks)
    if same and _was_accepted(recorded):
        return recorded
    claim, closed = held.claim, Step.NOT_SUBMITTED in held.steps
    if Step.SUBMITTED in held.steps:
        return Known(held.number, may_have_launched=not claim.application_id, application_id=claim.application_id)
    if Step.RESERVED not in held.steps:
        return recorded if same and recorded.may_have_launched else Known(held.number, is_open=True)
    if claim.application_id:
        return Known(
            held.number,
            may_have_launched=True,
            application_id=claim.application_id,
            was_refused=closed,
            is_shared=Step.AGAIN in held.steps,
            is_closed=Step.CLOSED in held.steps,
        )
    if same and recorded.nonce == claim.nonce:
        return replace(recorded, may_have_launched=recorded.may_have_launched and not closed)
    return Known(held.number, may_have_launched=not closed, host=claim.host)


def _was_accepted(recorded: Known) -> bool:
    return bool(recorded.application_id) and not recorded.may_have_launched
