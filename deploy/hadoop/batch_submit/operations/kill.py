"""``kill``: end exactly the applications that were named or, after asking, all of our own; and say what each became."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TypeVar

from batch_submit.adapters.rm_replies import queue_matches
from batch_submit.backends.base import Backend
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, ExitCode, NotFound, OutcomeUnknown, UsageError
from batch_submit.ledger import Try
from batch_submit.model import ApplicationReport, Verdict
from batch_submit.operations.context import Context, Selection, local_backend, open_backend, open_context
from batch_submit.operations.listing import with_records
from batch_submit.operations.recorded import recorded_end
from batch_submit.operations.targets import Target, resolve_in, resolve_local
from batch_submit.operations.tries_to_end import (
    is_settled,
    newest_number,
    refuse_if_under_way,
    reread,
    to_end,
    try_of_target,
)
from batch_submit.operations.watch import kill_and_confirm
from batch_submit.plan.backend_choice import LOCAL
from batch_submit.plan.tags import LOCAL_PREFIX, OUR_TAG
from batch_submit.render.listing import listing_table
from batch_submit.services import Services

#: How long, in one call, a ResourceManager may be away: a failover passes in that time.
_RM_PATIENCE_S = 30.0
_RM_PAUSE_S = 1.0
#: So often applications of a run may appear while others of it are ended.
_MOST_ROUNDS = 10
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
        killing = _Killing(services, text, asking, quiet=options.as_json)
        killing.named(context, backend)
        became += killing.told
        code = max(code, killing.code)
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


@dataclass
class _Killing:
    """What one text meant, and what became of it.

    Parameters
    ----------
    told
        One row for each application, for JSON.
    code
        The exit code that they deserve.
    asked
        The applications that were asked to end.
    """

    services: Services
    text: str
    asking: _Asking
    quiet: bool
    told: list[dict[str, object]] = field(default_factory=list)
    code: ExitCode = ExitCode.SUCCEEDED
    asked: set[str] = field(default_factory=set)

    def named(self, context: Context | None, backend: Backend) -> None:
        """End what the text names: an application, or of a run every one that lives, and every one that was to come."""
        try:
            for _ in range(_MOST_ROUNDS):
                target = self.asking.answer(lambda: _resolved(self.services, context, backend, self.text))
                if not target.run_id or target.backend.name == LOCAL:
                    newest = newest_number(target.run)
                    self._end(target)
                else:
                    newest = self._end_run(target)
                if not self._next_try_began(target, newest, f"{backend.user} on {self.services.host}"):
                    return
            raise _too_fast(target)
        except BatchSubmitError as error:
            self._failed(error)

    def _end_run(self, target: Target) -> int:
        """The older ones first: who waits for one of them goes on with a newer one, and with none once all have ended.

        Returns
        -------
        int
            The newest try that was on record before the last look at the cluster, which showed nothing more to end.

        Raises
        ------
        OutcomeUnknown
            Another one may come, or they appear faster than they can be ended.
        """
        for _ in range(_MOST_ROUNDS):
            run = reread(target)
            live = self.asking.answer(lambda: target.backend.find_run(target.run_id))
            meant = [one for one in to_end(target, live) if one.application_id not in self.asked]
            if not meant and is_settled(self.services, target, run, live, self.asked):
                return newest_number(run)
            for one in meant:
                self.asked.add(one.application_id)
                try:
                    self._end(one)
                except BatchSubmitError as error:
                    self._failed(error, one.application_id)
        raise _too_fast(target)

    def _next_try_began(self, target: Target, newest: int, who: str) -> bool:
        """Put down that a living call makes no further try of the run; whether one has begun since `newest`.

        Raises
        ------
        HostNotReady
            It can't be written down.
        """
        recorder = target.recorder
        if recorder is None or not (target.run_id or target.backend.name == LOCAL):
            return False
        run = reread(target)
        if newest_number(run) > newest:
            return True
        if not any(one.retried_by for one in recorder.run.tries):
            return False
        from batch_submit.operations.retry_marks import next_try_of, stop

        if next_try_of(self.services, run) is None:
            return False
        stopped = stop(self.services, recorder, newest, who)
        if stopped is None:
            return newest_number(recorder.run) > newest
        killed = "killed; " if self.code is ExitCode.SUCCEEDED else ""
        told = f"run {recorder.run.run_id}: {killed}{stopped.told}: it is not made any more"
        self.told[-1]["stopped"] = told
        self.services.terminal.note(told)
        return False

    def _end(self, target: Target) -> None:
        """End one and tell it."""
        ended = self.asking.answer(lambda: _ended(self.services, target))
        told: dict[str, object] = {"target": self.text, "application_id": target.application_id}
        if ended is None:
            self.services.terminal.warn(f"{target.application_id} was asked to end and has not yet")
            self.told.append({**told, "result": "asked to end"})
            self.code = max(self.code, ExitCode.UNKNOWN)
            return
        if isinstance(ended, Try):
            state = {"state": ended.yarn_state, "final_status": ended.final_status}
            self._say(f"{target.application_id} {ended.result} (as recorded)")
            self.told.append({**told, "result": ended.result, **state, "forgotten": True})
            return
        if target.recorder is not None:
            target.recorder.finished(ended, try_of_target(target))
        target.backend.after_failure(target.application_id)
        state = {"state": ended.state.value, "final_status": ended.final_status.value}
        self._say(f"{target.application_id} {ended.result.value}")
        self.told.append({**told, "result": ended.result.value, **state, "forgotten": False})

    def _failed(self, error: BatchSubmitError, application_id: str = "") -> None:
        self.services.terminal.error(error.lines())
        which = {"application_id": application_id} if application_id else {}
        self.told.append({"target": self.text, **which, "error": error.message})
        self.code = max(self.code, error.exit_code)

    def _say(self, line: str) -> None:
        if not self.quiet:
            self.services.terminal.answer(line)


def _too_fast(target: Target) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"run {target.run_id}: applications of it appear faster than they can be ended",
        next_step=f"find out who submits with the tag run:{target.run_id}",
    )


def _ended(services: Services, target: Target) -> Verdict | Try | None:
    """End one: its verdict, or the try of a forgotten one whose end is on record, or ``None`` so far.

    Raises
    ------
    NotFound
        The backend does not know it, and this host has no end of it on record.
    OutcomeUnknown
        It is being launched: it may be there in a moment.
    """
    try:
        return kill_and_confirm(target.backend, target.application_id, services.clock)
    except NotFound as gone:
        one = recorded_end(target.run, target.application_id)
        if one is not None:
            return one
        refuse_if_under_way(target.run, target.application_id)
        if target.run is not None:
            gone.details = (*gone.details, f"run {target.run.run_id} is on record, and nobody has seen how it ended")
        gone.next_step = f"batch-submit status {target.application_id}"
        raise


def _resolved(services: Services, context: Context | None, backend: Backend, text: str) -> Target:
    if context is not None:
        return resolve_in(services, context, backend, text, changing=True)
    return resolve_local(services, text)
