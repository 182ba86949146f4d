"""``kill``: end exactly the applications that were named or, after asking, all of our own; and say what each became."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from batch_submit.adapters.rm_replies import queue_matches
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, ExitCode, NotFound, OutcomeUnknown, UsageError
from batch_submit.ledger import Run, Try, TryState
from batch_submit.model import ApplicationReport, Result, Verdict
from batch_submit.operations.context import Context, Selection, local_backend, open_backend, open_context
from batch_submit.operations.listing import with_records
from batch_submit.operations.recorded import recorded_end
from batch_submit.operations.targets import Target, resolve_in, resolve_local
from batch_submit.operations.watch import kill_and_confirm
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.tags import LOCAL_PREFIX, OUR_TAG
from batch_submit.render.listing import listing_table
from batch_submit.services import Services

#: How long, in one call, a ResourceManager may be away: a failover passes in that time.
_RM_PATIENCE_S = 30.0
_RM_PAUSE_S = 1.0
_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class KillOptions:
    """``kill`` as typed.

    Parameters
    ----------
    texts
        Application ids, run ids, names.
    all_mine
        All live applications of ours: our tag, our own user.
    queue
        The same, of one queue.
    yes
        Don't ask; for scripts.
    """

    texts: Sequence[str] = ()
    all_mine: bool = False
    queue: str = ""
    yes: bool = False
    as_json: bool = False


@dataclass
class _Asking:
    """Asks on through an outage; all of one call's outages together have one patience."""

    services: Services
    _left_s: float

    def answer(self, ask: Callable[[], _Answer]) -> _Answer:
        """What ``ask`` gives. It is done again as a whole, so that it acts on what the cluster says then."""
        clock, told = self.services.clock, False
        while True:
            began = clock.monotonic()
            try:
                return ask()
            except ClusterUnreachable as error:
                if self._left_s <= 0:
                    raise
                if not told:
                    self.services.terminal.warn(f"{error.message}; asking on for {self._left_s:.0f} s")
                    told = True
                clock.sleep(min(_RM_PAUSE_S, self._left_s))
                self._left_s -= clock.monotonic() - began


def kill_applications(services: Services, selection: Selection, options: KillOptions) -> int:
    """End applications and confirm it; exit code 0 when every one has ended.

    Raises
    ------
    UsageError
        Ids together with ``--all-mine`` or ``--queue``; or these without a terminal to ask on and without ``--yes``.
    """
    every = options.all_mine or bool(options.queue)
    if every and options.texts:
        raise UsageError(
            "either name what is to be killed, or say --all-mine or --queue", next_step="leave out one of them"
        )
    if every and not options.yes and not services.can_ask():
        raise UsageError(
            "--all-mine and --queue ask before they kill, and there is no terminal to ask on",
            next_step="batch-submit list, to see what it would kill; then repeat it with --yes",
        )
    asking = _Asking(services, _RM_PATIENCE_S)
    context, backend = _open(services, selection, options.texts, asking)
    if every:
        assert context is not None
        texts = _chosen(services, backend, options, asking.answer(backend.applications))
    else:
        texts = list(dict.fromkeys(options.texts))
    code = ExitCode.SUCCEEDED
    became: list[dict[str, object]] = []
    for text in texts:
        done, its_code = _kill_one(services, context, backend, text, asking, quiet=options.as_json)
        became.append(done)
        code = max(code, its_code)
    if options.as_json:
        services.terminal.answer(json.dumps(became))
    return int(code)


def _open(
    services: Services, selection: Selection, texts: Sequence[str], asking: _Asking
) -> tuple[Context | None, Backend]:
    """The configured backend; local ids alone need no configuration."""
    if texts and all(text.startswith(LOCAL_PREFIX) for text in texts):
        return None, local_backend(services)
    context = open_context(services, selection)
    return context, asking.answer(lambda: open_backend(context))


def _chosen(
    services: Services, backend: Backend, options: KillOptions, reports: Sequence[ApplicationReport]
) -> list[str]:
    """What ``--all-mine`` and ``--queue`` mean now, shown and agreed to; later arrivals are not touched."""
    found = [report for report in reports if _is_ours_and_lives(report, backend)]
    if options.queue:
        found = [report for report in found if queue_matches(report.queue, options.queue)]
    where = f" in queue {options.queue}" if options.queue else ""
    if not found:
        services.terminal.note(f"no live application of {backend.user}{where} was submitted by this tool")
        return []
    plural = "" if len(found) == 1 else "s"
    services.terminal.note(f"{len(found)} live application{plural} of {backend.user}{where}:")
    for line in listing_table(with_records(services, backend, found), services.answer_width()):
        services.terminal.note(line)
    if not options.yes and not services.agreed(f"kill {len(found)} application{plural}?"):
        raise UsageError("not agreed to: nothing was killed", next_step="answer y, or name the applications")
    return [report.application_id for report in found]


def _is_ours_and_lives(report: ApplicationReport, backend: Backend) -> bool:
    return report.user == backend.user and OUR_TAG in report.tags and not report.state.terminal


def _kill_one(
    services: Services, context: Context | None, backend: Backend, text: str, asking: _Asking, *, quiet: bool
) -> tuple[dict[str, object], ExitCode]:
    """Kill one and tell it; what it became, and the exit code that this deserves."""
    try:
        target, ended, stopped = asking.answer(lambda: _end_run(services, context, backend, text))
    except BatchSubmitError as error:
        services.terminal.error(error.lines())
        return {"target": text, "error": error.message}, error.exit_code
    told: dict[str, object] = {"target": text, "application_id": target.application_id}
    if stopped:
        told["stopped"] = stopped
        services.terminal.note(stopped)
    if ended is None:
        services.terminal.warn(f"{target.application_id} was asked to end and has not yet")
        return {**told, "result": "asked to end"}, ExitCode.UNKNOWN
    if isinstance(ended, Try):
        if not quiet:
            services.terminal.answer(f"{target.application_id} {ended.result} (as recorded)")
        state = {"state": ended.yarn_state, "final_status": ended.final_status}
        return {**told, "result": ended.result, **state, "forgotten": True}, ExitCode.SUCCEEDED
    if target.recorder is not None:
        target.recorder.finished(ended)
    target.backend.after_failure(target.application_id)
    if not quiet:
        services.terminal.answer(f"{target.application_id} {ended.result.value}")
    state = {"state": ended.state.value, "final_status": ended.final_status.value}
    return {**told, "result": ended.result.value, **state, "forgotten": False}, ExitCode.SUCCEEDED


def _end_run(
    services: Services, context: Context | None, backend: Backend, text: str
) -> tuple[Target, Verdict | Try | None, str]:
    """The same, and where a run was named, the try that a living call would make after this one; "" for none.

    Raises
    ------
    HostNotReady
        It can't be written down that there is to be no further try.
    """
    while True:
        target, ended = _end(services, context, backend, text)
        recorder = target.recorder
        is_run = bool(target.run_id) or target.backend.name == LOCAL
        if recorder is None or not is_run or not _has_failed(ended):
            return target, ended, ""
        with contextlib.suppress(BatchSubmitError):  # else by what was read of it a moment ago
            recorder.run = recorder.ledger.load(recorder.run.run_id) or recorder.run
        run = recorder.run
        if run.last is None or not run.last.retried_by:
            return target, ended, ""
        from batch_submit.operations.retry_marks import next_try_of, stop

        if next_try_of(services, run) is None:
            return target, ended, ""
        stopped = stop(services, recorder, f"{backend.user} on {services.host}")
        if stopped is not None:
            return target, ended, f"run {run.run_id}: killed; {stopped.told}: it is not made any more"


def _has_failed(ended: Verdict | Try | None) -> bool:
    """Whether this end is one after which a run may be tried again."""
    return ended is not None and (ended.result if isinstance(ended, Try) else ended.result.value) == Result.FAILED.value


def _end(
    services: Services, context: Context | None, backend: Backend, text: str
) -> tuple[Target, Verdict | Try | None]:
    """Find one and end it: its verdict, or the try of a forgotten one whose end is on record, or ``None`` so far.

    Raises
    ------
    NotFound
        The backend does not know it, and this host has no end of it on record.
    OutcomeUnknown
        It is being launched: it may be there in a moment.
    """
    target = _resolved(services, context, backend, text)
    try:
        return target, kill_and_confirm(target.backend, target.application_id, services.clock)
    except NotFound as gone:
        one = recorded_end(target.run, target.application_id)
        if one is not None:
            return target, one
        _refuse_if_under_way(target.run, target.application_id)
        if target.run is not None:
            gone.details = (*gone.details, f"run {target.run.run_id} is on record, and nobody has seen how it ended")
        gone.next_step = f"batch-submit status {target.application_id}"
        raise


def _refuse_if_under_way(run: Run | None, application_id: str) -> None:
    last = run.last if run is not None else None
    if run is None or last is None or last.application_id != application_id or last.state is not TryState.LAUNCHING:
        return
    raise OutcomeUnknown(
        f"{application_id} is reserved for try {last.number} of run {run.run_id}, which is being launched, or whose"
        " launch was cut off; it is not there so far",
        next_step=f"batch-submit kill {run.run_id}   (again, in a few seconds)",
    )


def _resolved(services: Services, context: Context | None, backend: Backend, text: str) -> Target:
    if context is not None:
        return resolve_in(services, context, backend, text, changing=True)
    return resolve_local(services, text)
