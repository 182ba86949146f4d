"""``kill``: end exactly the applications that were named or, after asking, all of our own; and say what each became."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from batch_submit.adapters.rm_replies import queue_matches
from batch_submit.backends.base import Backend
from batch_submit.errors import BatchSubmitError, ExitCode, UsageError
from batch_submit.model import ApplicationReport, Listed
from batch_submit.operations.context import Context, Selection, local_backend, open_backend, open_context
from batch_submit.operations.targets import Target, resolve_in, resolve_local
from batch_submit.operations.watch import kill_and_confirm
from batch_submit.plan.tags import LOCAL_PREFIX, OUR_TAG
from batch_submit.render.listing import listing_table
from batch_submit.services import Services


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
    context, backend = _open(services, selection, options.texts)
    if every:
        assert context is not None
        texts = _chosen(services, backend, options)
    else:
        texts = list(dict.fromkeys(options.texts))
    code = ExitCode.SUCCEEDED
    became: list[dict[str, str]] = []
    for text in texts:
        done, its_code = _kill_one(services, context, backend, text, quiet=options.as_json)
        became.append(done)
        code = max(code, its_code)
    if options.as_json:
        services.terminal.answer(json.dumps(became))
    return int(code)


def _open(services: Services, selection: Selection, texts: Sequence[str]) -> tuple[Context | None, Backend]:
    """The configured backend; local ids alone need no configuration."""
    if texts and all(text.startswith(LOCAL_PREFIX) for text in texts):
        return None, local_backend(services)
    context = open_context(services, selection)
    return context, open_backend(context)


def _chosen(services: Services, backend: Backend, options: KillOptions) -> list[str]:
    """What ``--all-mine`` and ``--queue`` mean now, shown and agreed to; later arrivals are not touched."""
    found = [report for report in backend.applications() if _is_ours_and_lives(report, backend)]
    if options.queue:
        found = [report for report in found if queue_matches(report.queue, options.queue)]
    where = f" in queue {options.queue}" if options.queue else ""
    if not found:
        services.terminal.note(f"no live application of {backend.user}{where} was submitted by this tool")
        return []
    services.terminal.note(f"{len(found)} live applications of {backend.user}{where}:")
    for line in listing_table([Listed(report) for report in found], services.answer_width()):
        services.terminal.note(line)
    if not options.yes and not services.agreed(f"kill {len(found)} applications?"):
        raise UsageError("not agreed to: nothing was killed", next_step="answer y, or name the applications")
    return [report.application_id for report in found]


def _is_ours_and_lives(report: ApplicationReport, backend: Backend) -> bool:
    return report.user == backend.user and OUR_TAG in report.tags and not report.state.terminal


def _kill_one(
    services: Services, context: Context | None, backend: Backend, text: str, *, quiet: bool
) -> tuple[dict[str, str], ExitCode]:
    """Kill one and tell it; what it became, and the exit code that this deserves."""
    try:
        target = _resolved(services, context, backend, text)
        verdict = kill_and_confirm(target.backend, target.application_id, services.clock)
    except BatchSubmitError as error:
        services.terminal.error(error.lines())
        return {"target": text, "error": error.message}, error.exit_code
    told = {"target": text, "application_id": target.application_id}
    if verdict is None:
        services.terminal.warn(f"{target.application_id} was asked to end and has not yet")
        return {**told, "result": "asked to end"}, ExitCode.UNKNOWN
    if target.recorder is not None:
        target.recorder.finished(verdict)
    target.backend.after_failure(target.application_id)
    if not quiet:
        services.terminal.answer(f"{target.application_id} {verdict.result.value}")
    state = {"state": verdict.state.value, "final_status": verdict.final_status.value}
    return {**told, "result": verdict.result.value, **state}, ExitCode.SUCCEEDED


def _resolved(services: Services, context: Context | None, backend: Backend, text: str) -> Target:
    if context is not None:
        return resolve_in(services, context, backend, text)
    return resolve_local(services, text)
