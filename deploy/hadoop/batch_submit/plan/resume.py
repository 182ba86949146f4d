"""What a repeated run id means: attach, say that it is done, try again, look at this host's processes, or not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from batch_submit.data_classes import dataclass
from batch_submit.model import ApplicationReport, FinalStatus, Result, judge


class Action(str, Enum):
    """What to do with a run."""

    SUBMIT = "submit"
    ATTACH = "attach"
    DONE = "done"
    LOOK = "look"  #: this host began to launch it: its processes tell whether an application can still come
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Decision:
    """What to do, about which application, and why.

    Parameters
    ----------
    number
        The number of the try to make; to attach to or done: of the application's own try.
    application_id
        With ``SUBMIT``: reserved for this very try by an earlier call, which may have posted it; it is posted again.
    report
        What the cluster shows of that application; ``None`` when only the record knows it.
    closes
        With ``SUBMIT``: the id of the try before could still be posted; it has to be closed for that first.
    """

    action: Action
    number: int = 1
    application_id: str = ""
    reason: str = ""
    report: ApplicationReport | None = None
    closes: bool = False


@dataclass(frozen=True)
class Known:
    """What is known of the last try.

    Parameters
    ----------
    number
        The last try's number; 0 when there is no record.
    may_have_launched
        A launch was begun and its outcome was never recorded.
    application_id
        "" when none is recorded.
    result
        The recorded verdict's result; "" when none is.
    is_open
        It is claimed as planned, and nobody has claimed the right to launch it: it is the one to make. A newer one
        beside it could not be told from two runs.
    was_refused
        Who reserved its id knows that it led to nothing.
    is_shared
        Somebody else may have posted that id too, and nobody knows what came of it. In its epoch it is used again then;
        otherwise, and in a later epoch, there is room for a new try.
    is_closed
        Nobody may post that id any more.
    was_given_up
        A person decided that it makes room for a new try.
    can_look
        A program was launched by this host, and its processes can be looked at.
    nonce
        By which this host claims it.
    host
        Where it was launched.
    """

    number: int = 0
    may_have_launched: bool = False
    application_id: str = ""
    result: str = ""
    is_open: bool = False
    was_refused: bool = False
    is_shared: bool = False
    is_closed: bool = False
    was_given_up: bool = False
    can_look: bool = False
    nonce: str = ""
    host: str = ""

    @property
    def has_reserved(self) -> bool:
        """Whether an application id was reserved for the last try, and it is not known whether it was posted."""
        return self.may_have_launched and bool(self.application_id)

    def not_launched(self) -> Known:
        """The same once it is known that nothing came of it."""
        return replace(self, may_have_launched=False, can_look=False)


@dataclass(frozen=True)
class Here:
    """Which host this is, for telling whether a process of a record can be looked at; "" for what it does not tell.

    Parameters
    ----------
    host
        Its name.
    machine
        ``/etc/machine-id``: hosts that share a home folder may share a name.
    boot_id
        Of the kernel since its start.
    namespace
        Of process ids: another container sees other processes.
    """

    host: str = ""
    machine: str = ""
    boot_id: str = ""
    namespace: str = ""

    def sees(self, other: Here) -> bool:
        """Whether what runs there can be seen from here, or is gone because this host was restarted since."""
        if not self.boot_id or not other.boot_id or (self.host, self.machine) != (other.host, other.machine):
            return False
        if self.boot_id != other.boot_id:  # containers without a machine id share names: this may be another node
            return bool(self.machine)
        return self.namespace == other.namespace


#: How many ended applications a ResourceManager keeps unless it is told (yarn-default.xml of Hadoop 3.5.0).
KEPT_BY_DEFAULT = 1000


@dataclass(frozen=True)
class Marks:
    """What tells later whether a cluster may have forgotten an application that it took since.

    Parameters
    ----------
    epoch
        What its application ids have in common now.
    submitted
        How many applications it took in this epoch; -1 when it does not say.
    kept
        How many ended applications it keeps.
    """

    epoch: str = ""
    submitted: int = -1
    kept: int = KEPT_BY_DEFAULT


def why_forgotten(then: Marks, now: Marks) -> str:
    """Why the cluster may not show any more an application that came after `then`; "" when it would show it.

    It is trusted with half of what it keeps: others may end theirs between this look and what follows from it.
    """
    if then.submitted < 0 or now.submitted < 0:
        return "the ResourceManager does not say how many applications it took since, and may have forgotten it"
    if then.epoch != now.epoch:
        return "the ResourceManager was restarted since, and may have forgotten it"
    if now.submitted - then.submitted > now.kept // 2:
        since = f"{now.submitted - then.submitted:,} applications were submitted since"
        return f"{since} (it keeps {now.kept:,} that have ended), and it may have run and been forgotten"
    return ""


def decide(known: Known, seen: Sequence[ApplicationReport], epoch: str = "") -> Decision:
    """Decide from the record and from what the cluster shows under the run's tag, newest first.

    A live or succeeded application is never joined by another one. A try that may have been launched and of which the
    cluster shows nothing is uncertain: only "failed" or "killed" or "never launched" makes room for a new try.

    Parameters
    ----------
    epoch
        What the cluster's application ids have in common now. An id that was reserved in it can be posted again: it is
        the same application, however often that happens (seen on Hadoop 3.5.0). One of another epoch can't.
    """
    last = known.number - 1 if known.is_open else known.number
    number = max(last, *(try_number_of(report) for report in seen), 0) + 1
    shown = counting(seen, number - 1)
    if shown is not None:
        return shown
    if known.result == Result.SUCCEEDED.value:
        return Decision(Action.DONE, known.number, known.application_id, "it succeeded (by the record of this host)")
    if known.was_given_up and not known.can_look:
        return Decision(
            Action.SUBMIT, number, "", f"try {number}, for it was decided that try {known.number} led to nothing"
        )
    ended = known.result in (Result.FAILED, Result.KILLED, Result.REFUSED, Result.TIMED_OUT)
    lost = known.has_reserved and not seen_under(known.number, seen)
    of_epoch = "".join(known.application_id.split("_")[1:2])
    can_be_posted = of_epoch == epoch or not epoch
    if lost and known.was_refused and not (known.is_shared and can_be_posted):
        reason = f"try {number}, for try {known.number} led to nothing"
        return Decision(Action.SUBMIT, number, "", reason, closes=can_be_posted)
    if lost and known.is_closed and can_be_posted:
        reason = f"{known.application_id} was refused and closed while another call was about to post it too"
        return Decision(Action.UNCERTAIN, number, known.application_id, reason)
    if lost and epoch and of_epoch == epoch:
        reason = f"{known.application_id} was reserved for it by an earlier call, and is posted again"
        return Decision(Action.SUBMIT, known.number, known.application_id, reason)
    if known.application_id and not ended and all(known.application_id != one.application_id for one in seen):
        return Decision(
            Action.UNCERTAIN, number, known.application_id, "the cluster does not know its application any more"
        )
    if known.may_have_launched and not seen_under(known.number, seen):
        if known.can_look:
            return Decision(Action.LOOK, known.number, "", "an earlier call on this host began to launch it")
        who = f"a call on host {known.host}" if known.host else "an earlier call"
        return Decision(
            Action.UNCERTAIN, number, "", f"{who} began to launch it, and no application shows under its tag"
        )
    return Decision(Action.SUBMIT, number, "", f"try {number}")


def counting(seen: Sequence[ApplicationReport], last: int) -> Decision | None:
    """The application that counts, a live one first; of the try ``last`` where its tags name none."""
    verdicts = [(report, judge(report)) for report in seen]
    for report, verdict in verdicts:
        if verdict is None:
            own = try_number_of(report) or last
            return Decision(Action.ATTACH, own, report.application_id, f"it is {report.state.value}", report)
    for report, verdict in verdicts:
        if verdict is not None and verdict.result is Result.SUCCEEDED:
            own = try_number_of(report) or last
            return Decision(Action.DONE, own, report.application_id, "it succeeded", report)
    return None


def seen_under(number: int, seen: Sequence[ApplicationReport]) -> bool:
    """Whether the cluster shows an application of a try."""
    return any(try_number_of(report) == number for report in seen)


def try_number_of(report: ApplicationReport) -> int:
    """The number in a report's ``try:`` tag; 0 when it has none."""
    for tag in report.tags:
        if tag.startswith("try:"):
            tail = tag.rpartition(".")[2]
            return int(tail) if tail.isdecimal() else 0
    return 0


def standing_for(seen: Sequence[ApplicationReport], known: int = 0) -> ApplicationReport | None:
    """The application that a run is judged by, where this host's record may be behind: another host repeats a run too.

    One that lives goes before one that has succeeded, and that before any other end; of several the newest try's.

    Parameters
    ----------
    seen
        What the cluster shows of the run.
    known
        The number of the newest try on record, whose end was seen; of earlier tries a bad end says nothing more.
    """
    by_try = sorted(seen, key=lambda one: (try_number_of(one), one.application_id), reverse=True)
    verdicts = [(one, judge(one)) for one in by_try]
    live = next((one for one, verdict in verdicts if verdict is None), None)
    done = next((one for one, verdict in verdicts if verdict is not None and verdict.result is Result.SUCCEEDED), None)
    newest = next((one for one in by_try if try_number_of(one) >= known), None)
    return live or done or newest


def superfluous(seen: Sequence[ApplicationReport]) -> tuple[ApplicationReport, ...]:
    """The live applications of a run that have to end, so that at most one lives and none beside a succeeded one.

    There are two only when one of them arrived late: after its try was given up, and a newer one made. The newest try
    stays, because that is the one that calls wait for; of one try, the application with the smaller id. One that has
    told YARN of its success is not ended any more. Every host comes to the same answer from the same applications.
    """
    live = [one for one in seen if judge(one) is None and try_number_of(one)]
    succeeded = {
        one.application_id for one in seen if (end := judge(one)) is not None and end.result is Result.SUCCEEDED
    }
    if succeeded:
        return tuple(one for one in live if one.application_id not in succeeded)
    if not live:
        return ()

    def rank(one: ApplicationReport) -> tuple[bool, int, int, str]:
        sequence = one.application_id.rpartition("_")[2]
        done = one.final_status is FinalStatus.SUCCEEDED
        return done, try_number_of(one), -int(sequence) if sequence.isdecimal() else 0, one.application_id

    kept = max(live, key=rank).application_id
    return tuple(one for one in live if one.application_id != kept)
