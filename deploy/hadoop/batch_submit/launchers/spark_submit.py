"""Launch by spark-submit: it is asked not to wait, and the application id comes from the ResourceManager by its tag."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

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
    """

    resource_manager: ResourceManager
    environment: Mapping[str, str]
    folder: Path
    clock: Clock
    terminal: Terminal

    def launch(
        self, plan: SubmissionPlan, number: int, signals: SignalCount, at_gate: Callable[[int], None]
    ) -> Launched:
        """Submit.

        Parameters
        ----------
        at_gate
            Called with the pid of spark-submit before it runs; it runs only after that has returned.

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
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HostNotReady(
                f"the launcher's folder can't be made: {error.strerror or error}",
                where=str(self.folder),
                next_step="make it writable, or set XDG_STATE_HOME to a folder that is",
            ) from error
        self._sweep()
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
            if client:
                return self._client(child, tag, signals)
            shown = output if "--verbose" in plan.argv else None
            status = self._finish(child, plan.spec.run_id, signals, shown)
        return self._find(tag, status, output, signals)

    def _sweep(self) -> None:
        """Delete what calls that were killed have left here: secrets after an hour, outputs after a week."""
        now = self.clock.now_utc().timestamp()
        for pattern, age_s in (("secrets-*.properties", LAUNCH_PATIENCE_S), ("*.spark-submit.log", 7 * 86_400.0)):
            for path in self.folder.glob(pattern):
                with contextlib.suppress(OSError):  # another call of ours may be sweeping too
                    if now - path.stat().st_mtime > age_s and not is_in_use(path):
                        path.unlink()

    def _finish(self, child: Child, run_id: str, signals: SignalCount, shown: Path | None) -> int:
        """Wait for spark-submit's own end; a first signal gives it 30 s, a second one ends this process."""
        deadline = self.clock.monotonic() + LAUNCH_PATIENCE_S
        told = False
        position = 0
        while True:
            status = child.poll()
            position = self._show(shown, position)
            if status is not None:
                return status
            if signals.received and not told:
                told = True
                deadline = min(deadline, self.clock.monotonic() + SIGNAL_PATIENCE_S)
                self.terminal.note("a signal came during the submission: waiting for the application id first")
            if len(signals.received) > 1 or self.clock.monotonic() >= deadline:
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

    def _find(self, tag: str, status: int, output: Path, signals: SignalCount) -> Launched:
        text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
        hint = hinted_id(text)
        self.terminal.debug(f"spark-submit ended with {status}; its output ({output}) names {hint or 'no id'}")
        # Ended by itself and not by a signal: its last word to the ResourceManager was spoken before.
        patience = SETTLE_S if 0 < status < 128 and not hint else 10 * SETTLE_S
        deadline = self.clock.monotonic() + patience
        pause = _POLL_S
        while True:
            try:
                found = self.resource_manager.find_by_tag(tag)
                unknown: BatchSubmitError | None = None
            except BatchSubmitError as error:
                # A refusal too (a ticket that ran out): it says nothing about what spark-submit has led to.
                found, unknown = [], error
            if found:
                newest = max(found, key=lambda report: report.started_ms)
                if hint and hint != newest.application_id:
                    self.terminal.debug(f"the output's id {hint} is another application; the tag decides")
                output.unlink(missing_ok=True)
                return Launched(newest.application_id)
            if self.clock.monotonic() >= deadline:
                break
            if len(signals.received) > 1:
                raise OutcomeUnknown(
                    f"no application with the tag {tag} was found before this call was interrupted",
                    next_step="run the same command again with the same run id: it attaches if there is one",
                )
            self.clock.sleep(pause)
            pause = min(1.0, pause * 2)
        if unknown is not None or status == 0 or hint:
            raise OutcomeUnknown(
                f"spark-submit ended with {status}, and no application with the tag {tag} was found",
                details=unknown.lines() if unknown else [f"its output: {output}"],
                next_step="run the same command again with the same run id: it attaches if there is one",
            )
        cause = cause_of(text)
        cause.details = (*cause.details, f"its whole output: {output}")
        raise cause

    def _client(self, child: Child, tag: str, signals: SignalCount) -> Launched:
        """Client mode: the driver is our child, and the application appears while it runs."""
        deadline = self.clock.monotonic() + LAUNCH_PATIENCE_S
        while self.clock.monotonic() < deadline:
            status = child.poll()
            try:
                found = self.resource_manager.find_by_tag(tag)
            except BatchSubmitError as error:
                if status is not None:
                    raise OutcomeUnknown(
                        "spark-submit ended while the ResourceManager did not answer", details=error.lines()
                    ) from error
                found = []
            if found:
                return Launched(max(found, key=lambda report: report.started_ms).application_id, child)
            if status is not None and signals.received:
                raise Interrupted(signals.received[0])
            if status is not None:
                raise cause_of(
                    "spark-submit in client mode ended before an application started; its output stands above"
                )
            if signals.received:
                child.end()
            self.clock.sleep(_CLIENT_LOOKUP_S)
        raise OutcomeUnknown(f"no application with the tag {tag} after {LAUNCH_PATIENCE_S:.0f} s")
