"""``submit --many``: check every run, then submit them a few at a time, each by a call of our own command.

A call of its own per run keeps what a single submission promises: its record, claim, retries, signals and exit code.
They are cheap beside what they wait for, and none can take another one along.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import field
from hashlib import sha256
from pathlib import Path

from batch_submit.adapters.child_submits import ChildSubmit
from batch_submit.adapters.clock import Signals
from batch_submit.adapters.named_locks import LockFile
from batch_submit.adapters.open_places import allowed_by_call, refuse_open, who_could_change
from batch_submit.data_classes import dataclass
from batch_submit.errors import BatchSubmitError, ConfigError, ExitCode, LockHeld, MissingFile, UsageError
from batch_submit.operations.context import Context, Selection, open_context
from batch_submit.operations.prepare import SubmitCall, check_call, identify, make_spec
from batch_submit.plan.many import RunRequest, grouped, worst_of
from batch_submit.plan.retries import policy_of
from batch_submit.render.many import LiveRun, RunEnd, ended_line, panel, started_line, summary, table
from batch_submit.services import Services

_POLL_S = 0.1


@dataclass(frozen=True)
class ManyOptions:
    """What to do with all of them."""

    max_parallel: int
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class Typed:
    """One run as ``submit`` would have got it."""

    request: RunRequest
    selection: Selection
    call: SubmitCall


def read_file(services: Services, named: str, *, allow_open: bool = False) -> str:
    """The text of the runs' file.

    Parameters
    ----------
    allow_open
        Take it also where everybody on this host could have changed it.

    Raises
    ------
    MissingFile
        It can't be read.
    UsageError
        Everybody could have changed it.
    """
    path = services.cwd / named
    why = "" if allowed_by_call(services.env, allow_open) else who_could_change(path)
    refuse_open([f"{path}: {why}"] if why else [], "runs", by_file=False)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MissingFile(f"the file of runs can't be read: {reason}", where=str(path)) from error


def check_all(services: Services, runs: Sequence[Typed], known: Sequence[str]) -> None:
    """Check every run as far as that goes without the cluster; ``known`` is what is wrong already.

    Raises
    ------
    ConfigError
        With every problem of every run.
    """
    contexts: dict[str, Context] = {}
    problems: list[tuple[RunRequest, list[str]]] = []
    for run in runs:
        key = repr((run.selection, sorted((run.selection.flags or {}).items())))
        try:
            if key not in contexts:
                contexts[key] = open_context(services, run.selection)
                policy_of(contexts[key].config)
            check_call(make_spec(contexts[key], identify(contexts[key], run.call), day=None), wait=True)
        except UsageError as error:
            problems.append((run.request, error.lines()))
    _refuse([*known, *grouped(problems)])


def _refuse(problems: Sequence[str]) -> None:
    """Nothing is submitted while there are problems.

    Raises
    ------
    ConfigError
        There are.
    """
    if problems:
        count = sum(not line.startswith(" ") for line in problems)
        many = f"{count} problems" if count > 1 else "a problem"
        raise ConfigError(
            f"the runs have {many}; nothing was submitted",
            details=problems,
            next_step="correct what is listed and try again",
        )


def submit_many(services: Services, named: str, runs: Sequence[RunRequest], options: ManyOptions) -> int:
    """Submit them all, at most so many at a time.

    Returns
    -------
    int
        0 when all have succeeded; 128 + its number after a signal; else the worst (`plan.many.worst_of`).

    Raises
    ------
    LockHeld
        Another process of this host is at the same file.
    """
    if options.dry_run:
        for request in runs:
            services.terminal.answer(shlex.join(["batch-submit", "submit", *request.shown()]), for_people=True)
        return int(ExitCode.SUCCEEDED)
    folder = services.state_folder / "many" / _folder_name(services.cwd / named)
    lock = LockFile(folder, "runs")
    if not lock.take():
        raise LockHeld(
            f"another process of this host is submitting the runs of {named}; nothing was submitted",
            where=str(lock.path),
            next_step="wait for its end, and repeat the call then: it looks at what has run",
        )
    try:
        with services.clock.listening() as signals:
            return _Many(services, runs, options, folder, signals).run()
    finally:
        lock.release()


def _folder_name(path: Path) -> str:
    digest = sha256(str(path.resolve()).encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', path.stem)[:40] or 'runs'}-{digest}"


@dataclass
class _Live:
    request: RunRequest
    child: ChildSubmit
    began: float


@dataclass
class _Many:
    """The loop: start while there is room, look who has ended, show it."""

    services: Services
    runs: Sequence[RunRequest]
    options: ManyOptions
    folder: Path
    signals: Signals
    live: list[_Live] = field(default_factory=list)
    ends: dict[str, RunEnd] = field(default_factory=dict)
    _begun: int = 0
    _passed_on: int = 0

    def run(self) -> int:
        terminal = self.services.terminal
        terminal.note(
            f"{len(self.runs)} runs, at most {self.options.max_parallel} at a time; their logs: {self.folder}"
        )
        while self.live or (self._begun < len(self.runs) and not self.signals.received):
            self._pass_signals_on()
            while len(self.live) < self.options.max_parallel and self._may_begin():
                self._begin(self.runs[self._begun])
            self._collect()
            self._show()
            if self.live:
                self.services.clock.sleep(_POLL_S)
        return self._told()

    def _may_begin(self) -> bool:
        return self._begun < len(self.runs) and not self.signals.received

    def _begin(self, request: RunRequest) -> None:
        self._begun += 1
        words = ["submit", "--json", *request.argv()]
        log = self.folder / f"{request.run_id}.log"
        began = self.services.clock.monotonic()
        try:
            child = ChildSubmit(words, self.services.env, self.services.cwd, log)
        except BatchSubmitError as error:
            self._end(RunEnd(request.run_id, request.day, int(error.exit_code), why=error.message, log=str(log)))
            return
        self.live.append(_Live(request, child, began))
        self.services.terminal.event(started_line(self._begun, len(self.runs), request.run_id))

    def _collect(self) -> None:
        for one in list(self.live):
            code = one.child.poll()
            if code is not None:
                self.live.remove(one)
                self._end(self._end_of(one, code))

    def _end_of(self, one: _Live, code: int) -> RunEnd:
        answer = self._answer_of(one, code)
        one.child.forget_answer()
        return RunEnd(
            one.request.run_id,
            one.request.day,
            code,
            result=str(answer.get("result") or ""),
            application_id=str(answer.get("application_id") or ""),
            seconds=self.services.clock.monotonic() - one.began,
            why=one.child.last_error() if code else "",
            log=str(one.child.log),
            attached=answer.get("attached") is True,
        )

    def _answer_of(self, one: _Live, code: int) -> dict[str, object]:
        """What the call of a run has answered; where that can't be read and nothing went wrong, what is on record."""
        text = one.child.answer()
        try:
            parsed = json.loads(text or "{}")
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            return parsed
        return self._on_record(one.request.run_id) if code == ExitCode.SUCCEEDED else {}  # the exit code tells

    def _on_record(self, run_id: str) -> dict[str, object]:
        """The newest try of a run; "unknown" where no record tells, or those of several clusters do."""
        runs = [run for _, _, ledger in self.services.ledgers() if (run := ledger.load(run_id)) is not None]
        last = runs[0].last if len(runs) == 1 else None
        if last is None or not last.result:
            self.services.terminal.warn(f"{run_id}: its call answered something that can't be read; see show {run_id}")
        return {
            "result": (last.result if last is not None else "") or "unknown",
            "application_id": last.application_id if last is not None else "",
        }

    def _end(self, end: RunEnd) -> None:
        self.ends[end.run_id] = end
        self.services.terminal.note(ended_line(end))
        if self.options.as_json:
            self.services.terminal.answer(json.dumps(end.to_json(), sort_keys=True))

    def _pass_signals_on(self) -> None:
        """Each signal goes to each child once; they do what a single submission does."""
        for number in self.signals.received[self._passed_on :]:
            name = signal.Signals(number).name
            self.services.terminal.note(f"{name}: no further run is begun; handing it on to {len(self.live)} live ones")
            for one in self.live:
                one.child.send(number)
        self._passed_on = len(self.signals.received)

    def _show(self) -> None:
        terminal = self.services.terminal
        if terminal.live and self.live:
            now = self.services.clock.monotonic()
            shown = [LiveRun(one.request.run_id, now - one.began, one.child.last_line()) for one in self.live]
            terminal.panel(panel(list(self.ends.values()), shown, len(self.runs) - self._begun))

    def _told(self) -> int:
        code = worst_of(end.exit_code for end in self.ends.values())
        if self.signals.received:
            code = 128 + self.signals.first
        left = self.runs[self._begun :]
        ends = [self.ends[request.run_id] for request in self.runs[: self._begun]]
        self.services.terminal.note(summary(ends, len(left), code))
        if not self.options.as_json:
            rows = table(ends, [(one.run_id, one.day) for one in left], self.services.answer_width())
            self.services.terminal.answer("\n".join(rows))
        if code:
            self.services.terminal.note("repeat the same call: what has succeeded is passed over, what lives is joined")
        return code
