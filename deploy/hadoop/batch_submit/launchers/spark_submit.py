"""Launch by spark-submit: it is asked not to wait, and the application id comes from the ResourceManager by its tag."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

from batch_submit.adapters.own_files import own_folder
from batch_submit.adapters.resource_manager import ResourceManager
from batch_submit.adapters.spark_submit import Child, is_in_use, secret_properties
from batch_submit.adapters.terminal import Terminal
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, HostNotReady, Interrupted, OutcomeUnknown
from batch_submit.plan.container_text import check_names_for_spark_submit, refuse_unsafe
from batch_submit.plan.identity import try_tag
from batch_submit.plan.submission import SECRETS_PLACEHOLDER, SubmissionPlan
from batch_submit.plan.submit_output import cause_of, hinted_id
from batch_submit.services import Clock, SignalCount

#: How long after the end of a failed spark-submit an application may still turn up under its tag. Its RPC was answered
#: or had failed before it ended, and the ResourceManager lists an application from the moment it takes the request.
SETTLE_S = 2.0
#: How long a spark-submit may take (it may be uploading gigabytes) before its outcome is called unknown.
LAUNCH_PATIENCE_S = 3600.0
#: After a signal: how long the launch may go on so that the id becomes known.
SIGNAL_PATIENCE_S = 30.0
_POLL_S = 0.05
_CLIENT_LOOKUP_S = 1.0
#: How often a wait for what spark-submit has left behind says that it goes on.
_SAY_S = 30.0


@dataclass(frozen=True)
class Launched:
    """A launch that led to an application; ``child`` is the driver's process in client mode."""

    application_id: str
    child: Child | None = None


@dataclass(frozen=True)
class SparkSubmitLauncher:
    """Runs spark-submit and finds the application.

    Parameters
    ----------
    resource_manager
        Asked by tag and user; its answer is the only one that counts.
    environment
        The whole environment of the child before the plan's additions.
    folder
        Where the child's output and the secrets file lie while it runs.
    settle_s
        How long what a failed spark-submit has left, which may not be submitting at all, is waited for.
    """

    resource_manager: ResourceManager
    environment: Mapping[str, str]
    folder: Path
    clock: Clock
    terminal: Terminal
    settle_s: float = 30.0

    def launch(
        self,
        plan: SubmissionPlan,
        number: int,
        signals: SignalCount,
        at_gate: Callable[[int], None],
        freed: Callable[[], None] = lambda: None,
    ) -> Launched:
        """Submit.

        Parameters
        ----------
        at_gate
            Called with the pid of spark-submit before it runs; it runs only after that has returned.
        freed
            Called once spark-submit has ended and nothing that submits is left of it: its slot is free.

        Raises
        ------
        BatchSubmitError
            Of the class that :func:`batch_submit.plan.submit_output.cause_of` tells: spark-submit failed and the
            ResourceManager knows no application with this try's tag.
        UnsafeForContainer
            spark-submit would lose a file of this name.
        OutcomeUnknown
            When it can't be known: the ResourceManager went away meanwhile, a second signal came, or it took too long.
        """
        refuse_unsafe(check_names_for_spark_submit(plan.spec))  # `auto` let them pass, because rest delivers them
        self._make_folder()
        output = self.folder / f"{plan.spec.run_id}.{number}.spark-submit.log"
        tag = try_tag(plan.spec.run_id, number)
        client = plan.spec.deploy_mode == "client"
        with contextlib.ExitStack() as stack:
            argv = plan.argv
            if plan.secrets:
                path = stack.enter_context(secret_properties(plan.secrets, self.folder))
                argv = tuple(path if word == SECRETS_PLACEHOLDER else word for word in argv)
            child = Child(argv, {**self.environment, **plan.environment}, None if client else output)
            try:
                at_gate(child.pid)
            except BaseException:
                child.abandon()
                raise
            child.open_gate()
            patience = Patience(self.clock, self.terminal, signals, self.clock.monotonic() + LAUNCH_PATIENCE_S)
            if client:
                return self._client(child, tag, patience)
            shown = output if "--verbose" in plan.argv else None
            status = self._finish(child, plan.spec.run_id, patience, shown)
            return Launched(self._led_to(child, tag, status, patience, output, freed))

    def _make_folder(self) -> None:
        try:
            own_folder(self.folder)
        except OSError as error:
            raise HostNotReady(
                f"the launcher's folder can't be made: {error.strerror or error}",
                where=str(self.folder),
                next_step="make it writable, or set XDG_STATE_HOME to a folder that is",
            ) from error
        self._sweep()

    def _sweep(self) -> None:
        """Delete what calls that were killed have left here: secrets after an hour, outputs after a week."""
        now = self.clock.now_utc().timestamp()
        for pattern, age_s in (("secrets-*.properties", LAUNCH_PATIENCE_S), ("*.spark-submit.log", 7 * 86_400.0)):
            for path in self.folder.glob(pattern):
                with contextlib.suppress(OSError):  # another call of ours may be sweeping too
                    if now - path.stat().st_mtime > age_s and not is_in_use(path):
                        path.unlink()

    def _finish(self, child: Child, run_id: str, patience: Patience, shown: Path | None) -> int:
        """Wait for spark-submit's own end; a first signal gives it 30 s, a second one ends this process."""
        position = 0
        while True:
            status = child.poll()
            position = self._show(shown, position)
            if status is not None:
                return status
            if patience.is_over("waiting for the application id first"):
                raise OutcomeUnknown(
                    f"the submission of run {run_id} was left before its outcome was known",
                    details=[f"spark-submit (pid {child.pid}) may still submit it"],
                    next_step=f"run the same command again with --run-id {run_id}: it attaches",
                )
            self.clock.sleep(_POLL_S)

    def _show(self, output: Path | None, position: int) -> int:
        """With ``--verbose``: show what spark-submit has written since ``position``; returns the new one."""
        if output is None:
            return position
        with output.open("rb") as file:
            file.seek(position)
            data = file.read()
        self.terminal.driver_output(data.decode("utf-8", errors="replace"))
        return position + len(data)

    def _led_to(
        self,
        child: Child,
        tag: str,
        status: int,
        patience: Patience,
        output: Path | None,
        freed: Callable[[], None] = lambda: None,
    ) -> str:
        """The application of a spark-submit that has ended: its own, or of what goes on in its session without it.

        A wrapper that does not ``exec`` may end, or be killed, while the JVM that it started is still uploading: as
        long as a process of the session lives that could submit, nothing is known. Where it failed by itself and what
        is left is neither a JVM nor spark-submit, it is most likely a helper: that is waited for no longer than it
        takes to look, and its outcome stays unknown. `output` is ``None`` in client mode: there it wrote to our stderr.
        """
        self.terminal.debug(f"spark-submit ended with {status}; its output: {output or 'above'}")
        settle_s = _settle_s(status, output)
        pause, said, empty_since = _POLL_S, -_SAY_S, float("inf")
        unknown: BatchSubmitError | None = None
        helpers = _Helpers(self.settle_s if _failed_by_itself(status, output) else None)
        while True:
            left = child.left()  # before the question: what one of them submits just before its end is seen by it
            is_submitting = bool(left) and child.is_submitting(left)
            if not is_submitting:
                freed()
            application_id, error = self._asked(tag)
            # One gap in the answers is enough: a ResourceManager that was restarted may not have recovered it yet.
            unknown = error or (None if left else unknown)
            if application_id:
                if output is not None:
                    output.unlink(missing_ok=True)
                return application_id
            now = self.clock.monotonic()
            if left:
                # With whom of them the last word lies its status does not tell.
                empty_since, settle_s = float("inf"), 10 * SETTLE_S
                said = self._say_of_left(status, left, said, now, output)
                if helpers.are_over(now, is_quiet=not is_submitting and error is None):
                    raise _left_unknown(tag, status, left)
            elif now - (empty_since := min(empty_since, now)) >= settle_s:
                break
            if output is None and patience.signals.received:
                child.end()
            if patience.is_over("waiting for the application id first"):
                raise _left_unknown(tag, status, left)
            self.clock.sleep(pause)
            pause = min(1.0, pause * 2)
        raise _without_application(tag, status, output, unknown, patience.signals)

    def _say_of_left(self, status: int, left: tuple[int, ...], said: float, now: float, output: Path | None) -> float:
        """Say now and then what is waited for, at first also why spark-submit failed; when it was said last."""
        if now - said < _SAY_S:
            return said
        if said < 0 and _failed_by_itself(status, output):
            self.terminal.warn("\n  ".join(cause_of(_written(output)).lines()))
        self.terminal.note(_goes_on(status, left))
        return now

    def _asked(self, tag: str) -> tuple[str, BatchSubmitError | None]:
        """The newest application under a tag, "" for none; or why it can't be told.

        A refusal too (a ticket that ran out) says nothing about what spark-submit has led to.
        """
        try:
            found = self.resource_manager.find_by_tag(tag)
        except BatchSubmitError as error:
            return "", error
        return max(found, key=lambda report: report.started_ms).application_id if found else "", None

    def _client(self, child: Child, tag: str, patience: Patience) -> Launched:
        """Client mode: the driver is our child, and the application appears while it runs."""
        while (status := child.poll()) is None:
            application_id, _ = self._asked(tag)
            if application_id:
                return Launched(application_id, child)
            if patience.signals.received:
                child.end()
            if patience.is_over("telling the driver to end"):
                raise OutcomeUnknown(
                    f"no application with the tag {tag} shows, and its driver (pid {child.pid}) has not ended",
                    next_step="run the same command again with the same run id: it attaches if there is one",
                )
            self.clock.sleep(_CLIENT_LOOKUP_S)
        return Launched(self._led_to(child, tag, status, patience, None), child)


@dataclass
class _Helpers:
    """How long what may be no more than a helper is waited for: without a gap in the ResourceManager's answers.

    Parameters
    ----------
    settle_s
        ``None``: what is left may well be submitting, whatever it is.
    """

    settle_s: float | None
    _since: float | None = None

    def are_over(self, now: float, *, is_quiet: bool) -> bool:
        """Whether, as often as it was asked, nothing that submits was seen, and no application."""
        if self.settle_s is None or not is_quiet:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= self.settle_s


@dataclass
class Patience:
    """How long a launch may take: up to a deadline; after a first signal 30 s more, after a second one no longer.

    Parameters
    ----------
    deadline
        On the monotonic clock.
    """

    clock: Clock
    terminal: Terminal
    signals: SignalCount
    deadline: float
    _told: bool = False

    def is_over(self, meanwhile: str) -> bool:
        """Whether it is; ``meanwhile`` is said once, at the first signal."""
        if self.signals.received and not self._told:
            self._told = True
            self.deadline = min(self.deadline, self.clock.monotonic() + SIGNAL_PATIENCE_S)
            self.terminal.note(f"a signal came during the submission: {meanwhile}")
        return len(self.signals.received) > 1 or self.clock.monotonic() >= self.deadline


def _written(output: Path | None) -> str:
    return output.read_text(encoding="utf-8", errors="replace") if output is not None and output.exists() else ""


def _settle_s(status: int, output: Path | None) -> float:
    """How long an application may still turn up once spark-submit is gone.

    Ended by itself and not by a signal, its last word to the ResourceManager was spoken before; and in client mode an
    application does not outlive its driver.
    """
    return SETTLE_S if output is None or _failed_by_itself(status, output) else 10 * SETTLE_S


def _failed_by_itself(status: int, output: Path | None) -> bool:
    """Whether spark-submit, in cluster mode, ended with an error of its own and has told of no application."""
    return output is not None and 0 < status < 128 and not hinted_id(_written(output))


def _goes_on(status: int, left: tuple[int, ...]) -> str:
    return (
        f"spark-submit ended with {status}, but {_named(left)} of its session may still submit: waiting for the"
        " application, or for the end of them all"
    )


def _named(left: tuple[int, ...]) -> str:
    return f"process{'es' if len(left) > 1 else ''} {', '.join(map(str, left[:5]))}"


def _left_unknown(tag: str, status: int, left: tuple[int, ...]) -> OutcomeUnknown:
    """Patience has ended before it was known what spark-submit has led to."""
    return OutcomeUnknown(
        f"spark-submit ended with {status}, and this call before it was known whether an application with the tag {tag}"
        " comes of it",
        details=[f"{_named(left)} of its session may still submit it"] if left else [],
        next_step="run the same command again with the same run id: it waits for what is left of this, and attaches"
        + (f"; if that submits nothing, end it first: kill {' '.join(map(str, left[:5]))}" if left else ""),
    )


def _without_application(
    tag: str, status: int, output: Path | None, unknown: BatchSubmitError | None, signals: SignalCount
) -> BatchSubmitError:
    """What it means that all of spark-submit is gone, and that no application has turned up since."""
    text = _written(output)
    if unknown is not None or (output is not None and (status == 0 or hinted_id(text))):
        return OutcomeUnknown(
            f"spark-submit ended with {status}, and no application with the tag {tag} was found",
            details=unknown.lines() if unknown else [f"its output: {output}"],
            next_step="run the same command again with the same run id: it attaches if there is one",
        )
    if output is None:
        if signals.received:
            return Interrupted(signals.received[0])
        return cause_of("spark-submit in client mode ended before an application started; its output stands above")
    cause = cause_of(text)
    cause.details = (*cause.details, f"its whole output: {output}")
    return cause
