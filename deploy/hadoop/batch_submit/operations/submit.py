"""``submit``: plan, record, launch, wait, tell the truth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from batch_submit.adapters.clock import Signals
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import (
    BatchSubmitError,
    ExitCode,
    Interrupted,
    OutcomeUnknown,
    UsageError,
)
from batch_submit.model import ApplicationReport, Result, Verdict, judge
from batch_submit.operations.context import Context, Selection, ledger_of, open_backend, open_context, rm_patience
from batch_submit.operations.dry_run import show_plan
from batch_submit.operations.launch_errors import after_launch, nothing_submitted
from batch_submit.operations.once import Accepted, SubmitOptions, submit_once
from batch_submit.operations.prepare import (
    Identified,
    SubmitCall,
    check_call,
    identify,
    make_plan,
    make_spec,
    tell_of,
)
from batch_submit.operations.record_alone import unless_on_record
from batch_submit.plan.submission import JobSpec
from batch_submit.services import Clock, Services

if TYPE_CHECKING:
    from batch_submit.diagnosis.explain import Diagnosis
    from batch_submit.operations.lifetimes import Lifetime
    from batch_submit.plan.retries import Again, RetryPolicy

#: How long another process of this host may hold the same run before we say that we don't know.
_LOCK_PATIENCE_S = 120.0
#: How long YARN may take to accept an application that nobody waits for, once it was handed over; and the time
#: between two looks.
_ACCEPT_PATIENCE_S, _LOOK_S = 10.0, 0.5


@dataclass(frozen=True)
class Ended:
    """How a try came out for this call.

    Parameters
    ----------
    verdict
        ``None`` when nobody waited for one, or a signal ended the waiting.
    rule, quoted
        Of the diagnosis of a bad end: its rule, and the lines that it shows.
    wait_left_s
        What is left of ``--wait-timeout``; ``None`` without one.
    refused
        YARN refused the application in the moment of its submission: nothing was accepted.
    """

    spec: JobSpec
    accepted: Accepted
    verdict: Verdict | None
    code: int
    rule: str = ""
    quoted: tuple[str, ...] = ()
    wait_left_s: float | None = None
    refused: bool = False


def submit(services: Services, selection: Selection, call: SubmitCall, options: SubmitOptions) -> int:
    """Submit a job and, unless told otherwise, wait for its end.

    Returns
    -------
    int
        The exit code: of the verdict, or 0 for an accepted application with ``--no-wait``.

    Raises
    ------
    BatchSubmitError
        When nothing was submitted, or when it is not known (:class:`OutcomeUnknown`).
    """
    context = open_context(services, selection)
    identified = identify(context, call)
    policy = _policy(context, options)
    options = replace(options, retries=policy is not None)
    if options.dry_run:
        return _dry_run(context, identified, options)
    with nothing_submitted(), unless_on_record(services, identified.run_id.value):
        services.need_state_folder()
        backend = open_backend(context)
    with services.clock.listening() as signals, _locked(context, backend, signals, identified) as free:
        if not free:
            return ExitCode.SUCCEEDED
        tries = _Tries(context, identified, backend, signals, options)
        with nothing_submitted():
            spec, accepted = tries.submitted()
        ended = tries.followed(spec, accepted)
        if policy is not None:
            from batch_submit.operations.retrying import try_again

            ended = try_again(context, policy, signals, ended, tries.another, patience_s=rm_patience(context))
    if options.as_json and not ended.refused:
        services.terminal.answer(json.dumps(_answer(ended), sort_keys=True))
    return ended.code


def _policy(context: Context, options: SubmitOptions) -> RetryPolicy | None:
    """When to try again; ``None`` for never: nobody asked for it, or nobody waits for the end."""
    named = [context.config.get(f"execution.{key}") for key in ("retries", "retry_on", "retry_wait", "oom_bump")]
    if all(one is None for one in named):
        return None
    from batch_submit.plan.retries import policy_of

    policy = policy_of(context.config)
    if named[0] is not None and named[0].origin.startswith("flag") and policy.retries and not options.wait:
        raise UsageError(
            "--retries needs the waiting: with --no-wait nobody is there to see how the run ends",
            next_step="leave --no-wait out, or repeat the call with its --run-id: a run that failed is tried again",
        )
    return policy if policy.retries and options.wait else None


@contextmanager
def _locked(context: Context, backend: Backend, signals: Signals, identified: Identified) -> Iterator[bool]:
    """Hold the lock that was asked for; ``False``: it is held, and then there is nothing to do."""
    if identified.call.lock is None:
        yield True
        return
    from batch_submit.operations.locks import lock_held

    with ExitStack() as held:
        with nothing_submitted():
            taken = lock_held(context, backend, signals, identified.call.lock, identified.run_id.value)
            free = held.enter_context(taken)
        yield free


@dataclass
class _Tries:
    """The tries of one call: each is submitted under the run's lock and followed to its end."""

    context: Context
    identified: Identified
    backend: Backend
    signals: Signals
    options: SubmitOptions
    _waiting_since: float | None = None

    def submitted(self, again: Again | None = None) -> tuple[JobSpec, Accepted]:
        """One application of this run is accepted: a new one, or one that was there already."""
        services = self.context.services
        ledger = ledger_of(services, self.backend)
        with ledger.lock(
            self.identified.run_id.value,
            monotonic=services.clock.monotonic,
            sleep=lambda seconds: self._sleep_or_stop(services.clock, seconds),
            patience_s=_LOCK_PATIENCE_S,
        ):
            return submit_once(self.context, self.identified, self.backend, ledger, self.signals, self.options, again)

    def _sleep_or_stop(self, clock: Clock, seconds: float) -> None:
        clock.sleep(seconds)
        if self.signals.received:
            stopped = Interrupted(self.signals.first)
            run_id = self.identified.run_id.value
            stopped.message = f"interrupted; another call may be submitting run {run_id}, this one did not"
            raise stopped

    def followed(self, spec: JobSpec, accepted: Accepted) -> Ended:
        """What became of it, as far as this call waits."""
        clock = self.context.services.clock
        if self._waiting_since is None:
            self._waiting_since = clock.monotonic()
        if self.options.retries and accepted.verdict is None:
            from batch_submit.operations.retry_marks import announce

            announce(self.context.services, accepted.recorder, accepted.application_id)
        try:
            return _follow(self.context, spec, self.backend, accepted, self.signals, self.options, self._waiting_since)
        except BrokenPipeError:
            raise
        except Exception as error:
            # Whatever goes wrong from here on, an application was accepted: "retry safely" would be a lie.
            raise after_launch(error, spec.run_id, accepted.application_id) from error

    def another(self, again: Again) -> Ended:
        """The next try of the same run."""
        return self.followed(*self.submitted(again))


def _dry_run(context: Context, identified: Identified, options: SubmitOptions) -> int:
    """Show the command. Touches neither cluster nor HDFS and needs neither Java nor Spark."""
    spec = make_spec(context, identified, day=None)
    check_call(spec, wait=options.wait)
    plan = make_plan(context, spec, needed=False, try_number=None)
    tell_of(context, plan)
    show_plan(context, plan, as_json=options.as_json)
    return ExitCode.SUCCEEDED


def _follow(
    context: Context,
    spec: JobSpec,
    backend: Backend,
    accepted: Accepted,
    signals: Signals,
    options: SubmitOptions,
    since_s: float,
) -> Ended:
    """Follow an accepted application; ``since_s``: when this call began to wait, on the monotonic clock."""
    services, terminal = context.services, context.services.terminal
    refused = _refused(context, spec, backend, accepted, signals, patient=not options.wait)
    if refused is not None:  # nothing was accepted, so nothing stands on stdout
        return Ended(spec, accepted, refused, int(refused.exit_code), refused=True)
    if not options.as_json:
        terminal.answer(accepted.application_id)
    waits = accepted.verdict is None and (options.wait or bool(signals.received))
    lifetime = _limited(services, spec, backend, accepted, signals, waits=waits)
    verdict, code = accepted.verdict, int(ExitCode.SUCCEEDED)
    found: list[Diagnosis] = []
    if waits:
        from batch_submit.operations.save_logs import logs_folder  # --no-wait needs nothing of this
        from batch_submit.operations.waiting import Waiting, wait_for_end

        waiting = Waiting(
            services,
            backend,
            accepted.application_id,
            accepted.recorder,
            rm_patience_s=rm_patience(context),
            timeout_s=spec.timeout_s,
            lifetime=lifetime,
            wait_timeout_s=_wait_left_s(spec, services.clock, since_s),
            kill_on_exit=context.config.value("execution.kill_on_exit") is True,
            metrics_path=str(getattr(spec.params, "metrics_path", "") or ""),
            model_path=str(getattr(spec.params, "model_path", "") or ""),
            save_logs_to=logs_folder(context, backend),
            learn=found.append,
            run_id=spec.run_id,
            passed_over=accepted.passed_over,
            claimed=accepted.claimed,
        )
        waited = wait_for_end(waiting, signals)
        verdict, code = waited.verdict, waited.code
        if waited.application_id != accepted.application_id:  # made by another call: the run went on as that one
            accepted = replace(accepted, application_id=waited.application_id, attached=True)
            if not options.as_json:
                terminal.answer(accepted.application_id)
    return Ended(spec, accepted, verdict, code, *_learnt(found), _wait_left_s(spec, services.clock, since_s))


def _learnt(found: Sequence[Diagnosis]) -> tuple[str, tuple[str, ...]]:
    """The rule of the last diagnosis, "" for none, and the lines that it quotes."""
    if not found:
        return "", ()
    return found[-1].rule, tuple(line for excerpt in found[-1].evidence for line in excerpt.lines)


def _wait_left_s(spec: JobSpec, clock: Clock, since_s: float) -> float | None:
    """What is left of ``--wait-timeout``, which bounds the waiting of the whole call."""
    return None if spec.wait_timeout_s is None else max(0.0, spec.wait_timeout_s - (clock.monotonic() - since_s))


def _refused(
    context: Context, spec: JobSpec, backend: Backend, accepted: Accepted, signals: Signals, *, patient: bool
) -> Verdict | None:
    """The verdict on an application that YARN refused (FAILED without an attempt) in the moment of its submission.

    Parameters
    ----------
    patient
        Nobody waits for the end, so that this look has to tell whether there is an application: it is repeated.

    Raises
    ------
    OutcomeUnknown
        With `patient`: the cluster does not say in time that it has accepted it.
    """
    if accepted.attached and (accepted.verdict is not None or not patient):
        return None
    report = _taken(context, backend, accepted.application_id, signals, _ACCEPT_PATIENCE_S if patient else 0.0)
    if report is None and patient and not signals.received:
        _limited(context.services, spec, backend, accepted, signals, waits=False)  # it says so if nothing ends the run
        raise OutcomeUnknown(
            f"{accepted.application_id} was submitted, and after {_ACCEPT_PATIENCE_S:.0f} s the cluster has not said"
            " that it accepts it",
            next_step=f"batch-submit status {accepted.application_id}",
        )
    verdict = judge(report) if report is not None else None
    if verdict is None or verdict.result is not Result.REFUSED:
        return None
    from batch_submit.operations.waiting import Waiting, conclude

    conclude(
        Waiting(context.services, backend, accepted.application_id, accepted.recorder, rm_patience(context)), verdict
    )
    return verdict


def _taken(
    context: Context, backend: Backend, application_id: str, signals: Signals, patience_s: float
) -> ApplicationReport | None:
    """What the cluster says of an application once it has accepted or refused it; ``None``: not within the time."""
    clock = context.services.clock
    deadline = clock.monotonic() + patience_s
    while True:
        try:
            report = backend.report(application_id)
            if not report.state.before_accepted:
                return report
        except BatchSubmitError:
            pass  # the ResourceManager may be away for a moment
        if clock.monotonic() >= deadline or signals.received:
            return None
        clock.sleep(_LOOK_S)


def _limited(
    services: Services, spec: JobSpec, backend: Backend, accepted: Accepted, signals: Signals, *, waits: bool
) -> Lifetime | None:
    """Have YARN itself end the run at its ``--timeout``; ``None``: it has none, or had succeeded before."""
    if spec.timeout_s is None or accepted.verdict is not None:
        return None
    from batch_submit.operations.lifetimes import NO_WAIT_PATIENCE_S, Lifetime, limited

    if accepted.recorder is not None:
        accepted.recorder.limited(accepted.application_id, spec.timeout_s)
    if waits:
        return limited(services, backend, accepted.application_id, spec.timeout_s)
    lifetime = Lifetime(services, backend, accepted.application_id, spec.timeout_s)
    if not lifetime.put_within(NO_WAIT_PATIENCE_S, stop=lambda: bool(signals.received)):
        lifetime.left()
    return lifetime


def _answer(ended: Ended) -> dict[str, object]:
    """The one JSON line of ``submit --json``."""
    spec, accepted, verdict = ended.spec, ended.accepted, ended.verdict
    answer: dict[str, object] = {
        "application_id": accepted.application_id,
        "run_id": spec.run_id,
        "name": spec.name,
        "job_type": spec.job_type.value,
        "backend": spec.backend,
        "attached": accepted.attached,
        "exit_code": int(ended.code),
    }
    if verdict is not None:
        answer |= {
            "result": verdict.result.value,
            "state": verdict.state.value,
            "final_status": verdict.final_status.value,
            "reason": verdict.reason,
        }
    return answer
