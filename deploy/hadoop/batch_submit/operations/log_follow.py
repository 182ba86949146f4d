"""``logs --follow``: what containers write, as they write it, until the application has ended and all was shown."""

from __future__ import annotations

import dataclasses
import signal

from batch_submit.adapters.clock import Signals
from batch_submit.backends.base import Backend
from batch_submit.container_logs import ApplicationLogs, ContainerLogs
from batch_submit.errors import BatchSubmitError, ClusterUnreachable, ExitCode, NotFound
from batch_submit.model import ApplicationReport, State
from batch_submit.operations.log_view import Key, LogsOptions, LogView, key_of
from batch_submit.operations.logs import opened
from batch_submit.plan.log_selection import select_logs
from batch_submit.services import Services

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 4.0
#: How often new containers are looked for.
_LOOK_AGAIN_S = 10.0
#: How long the cluster may be silent before it is said, and say that it knows nothing of the application before that is
#: believed: a ResourceManager that has just restarted may not have recovered it yet.
_SILENCE_S = 30.0


def follow(services: Services, backend: Backend, report: ApplicationReport, options: LogsOptions, view: LogView) -> int:
    """Print and go on printing. A signal ends the following, not the application.

    Returns
    -------
    int
        0 at the end of the application; 128 plus the signal's number.
    """
    with services.clock.listening() as signals:
        return _Follower(services, backend, report, options, view, signals).run()


class _Follower:
    def __init__(
        self,
        services: Services,
        backend: Backend,
        report: ApplicationReport,
        options: LogsOptions,
        view: LogView,
        signals: Signals,
    ) -> None:
        self._services = services
        self._backend = backend
        self._report = report
        self._options = options
        self._view = view
        self._signals = signals
        self._files: dict[Key, ContainerLogs] = {}
        self._sources: tuple[str, ...] = ()
        self._looked_at = float("-inf")
        self._heard_at = services.clock.monotonic()
        #: Nobody knew of it from the start (the report is a stand-in then), or for too long since.
        self._gone = not report.name and report.state is State.UNKNOWN

    def run(self) -> int:
        clock, terminal = self._services.clock, self._services.terminal
        pause_s = _FIRST_PAUSE_S
        while True:
            if self._signals.first:
                name = signal.Signals(self._signals.first).name
                terminal.note(f"{name}: no longer following; {self._report.application_id} goes on")
                return 128 + self._signals.first
            if self._gone or self._report.state.terminal:
                return self._finish()
            if clock.monotonic() - self._looked_at >= _LOOK_AGAIN_S or not self._files:
                self._look()
            news = self._read()
            pause_s = _FIRST_PAUSE_S if news else min(pause_s * 1.5, _LAST_PAUSE_S)
            clock.sleep(pause_s)
            self._ask()

    def _ask(self) -> None:
        """How the application stands; an outage of the ResourceManager is borne, and told when it lasts."""
        clock = self._services.clock
        try:
            self._report = self._backend.report(self._report.application_id)
            self._heard_at = clock.monotonic()
        except NotFound as error:
            self._gone = clock.monotonic() - self._heard_at > _SILENCE_S
            self._services.terminal.progress("not found", f"{error.message}; asking on for {_SILENCE_S:.0f} s")
        except ClusterUnreachable as error:
            if clock.monotonic() - self._heard_at > _SILENCE_S:
                self._services.terminal.progress("silent", f"the cluster does not answer: {error.message}")

    def _look(self) -> None:
        """Which files there are now."""
        self._looked_at = self._services.clock.monotonic()
        try:
            logs = opened(self._services, self._backend, self._report, self._options, quiet=True)
            chosen = select_logs(logs, self._view.wanted)
        except (NotFound, ClusterUnreachable) as error:
            if not self._files:
                self._services.terminal.progress(self._report.state, f"{self._report.state.value}: {error.message}")
            return
        self._say_source(logs)
        for one in chosen:
            self._files[key_of(one)] = one
        self._view.headers = len(self._files) > 1

    def _read(self) -> bool:
        """Print what is new; whether there was something."""
        news = False
        for key, one in self._files.items():
            if self._signals.first:
                break
            known = self._view.read_to.get(key)
            if known is not None:
                # What was read to counts as its size: the source then asks for what lies behind it.
                one = ContainerLogs(dataclasses.replace(one.file, size=known, complete=False), one.source)
            try:
                news = self._view.advance(one) or news
            except (NotFound, ClusterUnreachable) as error:
                # The container or the application has ended; the finished logs will have the rest.
                self._services.terminal.debug(f"{key[0]}/{key[1]}: {error.message}")
        return news

    def _finish(self) -> int:
        """The application is over: show the rest from who has it now."""
        terminal, shown = self._services.terminal, self._view.read_to
        try:
            logs = opened(self._services, self._backend, self._report, self._options, quiet=True)
            chosen = select_logs(logs, self._view.wanted)
        except BatchSubmitError as error:
            if not shown:
                raise
            terminal.warn(f"the last lines may be missing: {error.message}")
            return ExitCode.SUCCEEDED
        self._say_source(logs)
        self._view.headers = len({*shown, *map(key_of, chosen)}) > 1
        for one in chosen:
            if one.file.size is None or one.file.size > shown.get(key_of(one), 0):
                self._view.advance(one)
        if logs.partial:
            terminal.warn(f"partial: {logs.partial}")
        if self._report.state.terminal:
            terminal.note(
                f"{self._report.application_id}: {self._report.state.value}, {self._report.final_status.value}"
            )
        return ExitCode.SUCCEEDED

    def _say_source(self, logs: ApplicationLogs) -> None:
        names = tuple(dict.fromkeys(one.source.name for one in logs.files))
        if names and names != self._sources:
            self._services.terminal.note(f"from {', '.join(names[:3])}")
            self._sources = names
