"""Backend ``local``: the same plan through ``spark-submit --master local[*]`` on this host.

The truth is the driver's exit (0 succeeded, else failed, a signal killed). A supervisor of its own session stands over
the driver and writes it down, so that ``--no-wait``, a closed terminal and a look from another process all work.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any

from batch_submit.adapters import local_supervisor
from batch_submit.adapters.own_files import own_folder
from batch_submit.adapters.processes import Processes, may_submit
from batch_submit.adapters.spark_submit import Child, write_secret_properties
from batch_submit.backends.base import LaunchRecord, Preparation
from batch_submit.backends.local_state import (
    age_ms_of,
    is_alive,
    of_another_host,
    outcome_of,
    read_state,
    where_of,
    without_a_word,
)
from batch_submit.container_logs import ApplicationLogs
from batch_submit.data_classes import dataclass
from batch_submit.errors import EndUnseen, HostNotReady, NotFound, OutcomeUnknown, UsageError
from batch_submit.model import ApplicationReport, AttemptReport, FinalStatus, Search, State
from batch_submit.plan.identity import OUR_TAG, RUN_ID, local_application_id, run_tag, try_tag
from batch_submit.plan.resume import Marks
from batch_submit.plan.storage import local_path
from batch_submit.plan.submission import SECRETS_PLACEHOLDER, JobSpec, SubmissionPlan
from batch_submit.plan.tags import LOCAL_PREFIX
from batch_submit.services import Clock, SignalCount

PREFIX = LOCAL_PREFIX
DRIVER_LOG = "driver.log"
#: How long the supervisor may take to write down that it started.
_START_PATIENCE_S = 30.0
#: What a driver has started mostly ends right after it: Spark's Python workers, when the JVM closes their pipe.
_LEAVING_S = 2.0


@dataclass
class LocalBackend:
    """Runs on this host.

    Parameters
    ----------
    folder
        State: ``<folder>/<run id>/<try>/{process,exit,about}.json`` and ``driver.log``.
    environment
        The whole environment of the driver before the plan's additions.
    processes
        This host's. The folder may be shared by hosts: what another one runs can't be seen from here.
    """

    folder: Path
    environment: Mapping[str, str]
    clock: Clock
    user: str
    name: str = "local"
    cluster: str = "local"
    processes: Processes = field(default_factory=lambda: Processes(os.uname().nodename))
    _shown: dict[str, int] = field(default_factory=dict)

    def prepare(self, spec: JobSpec) -> Preparation:
        """Nothing to ask: the host is looked at when the program is searched."""
        return Preparation(spec.conf)

    def submit(self, plan: SubmissionPlan, number: int, signals: SignalCount, record: LaunchRecord) -> str:
        """Start the supervisor, which starts the driver.

        Raises
        ------
        HostNotReady
            When it could not be started.
        OutcomeUnknown
            What the driver of an earlier try has left in its session still works; nothing was started.
        """
        self._refuse_beside(plan.spec.run_id)
        place = self._made_place(plan, number)
        child = self._at_gate(plan, place, record)
        child.open_gate()
        deadline = self.clock.monotonic() + _START_PATIENCE_S
        while not (place / "process.json").exists() and not (place / "exit.json").exists():
            if child.poll() is not None or self.clock.monotonic() >= deadline:
                child.end()  # what is called failed must not start later
                log = (place / "supervisor.log").read_text(encoding="utf-8", errors="replace").strip()
                raise HostNotReady("the local driver could not be started", where=str(place), details=log.splitlines())
            self.clock.sleep(0.05)
        return local_application_id(plan.spec.run_id)

    def _at_gate(self, plan: SubmissionPlan, place: Path, record: LaunchRecord) -> Child:
        """The supervisor behind its gate, once that is written down."""
        child: Child | None = None
        try:
            argv = plan.argv
            if plan.secrets:
                # The driver reads it later than this process may live; the supervisor deletes it at the end.
                path = write_secret_properties(plan.secrets, place)
                argv = tuple(path if word == SECRETS_PLACEHOLDER else word for word in argv)
            limit = str(plan.spec.timeout_s or 0)
            command = [sys.executable, "-I", local_supervisor.__file__, str(place), limit, "--", *argv]
            child = Child(command, {**self.environment, **plan.environment}, place / "supervisor.log")
            self._tell_who_launches(place, plan, child.pid)  # the shell at the gate becomes the supervisor
            record.at_gate(child.pid)
        except BaseException:
            if child is not None:
                child.abandon()
            with contextlib.suppress(OSError):
                (place / "about.json").unlink(missing_ok=True)  # it is not being launched any more
            raise
        return child

    def _made_place(self, plan: SubmissionPlan, number: int) -> Path:
        """The folder of a try: all that tells of a local run.

        It says from its first moment on that this call launches it: else a kill would find a run that has ended.
        """
        place = self.folder / plan.spec.run_id / str(number)
        new = place.with_name(f".{number}.{os.urandom(8).hex()}")
        try:
            if place.exists():
                own_folder(place)
                # Of a kill before this launch: an earlier call of the same try never came to start its driver.
                (place / local_supervisor.STOP).unlink(missing_ok=True)
                self._tell_who_launches(place, plan, os.getpid())
            else:
                own_folder(new)
                self._tell_who_launches(new, plan, os.getpid())
                new.rename(place)
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            raise HostNotReady(
                f"the run's folder can't be written: {error.strerror or error}",
                where=str(place),
                next_step="make it writable, or set XDG_STATE_HOME to a folder that is",
            ) from error
        return place

    def _tell_who_launches(self, place: Path, plan: SubmissionPlan, pid: int) -> None:
        """Write down by which process the driver may still come: while it lives, the run is being launched."""
        about = {
            "name": plan.spec.name,
            "submitted_ms": self._now_ms(),
            "pid": pid,
            "start": local_supervisor.start_ticks(pid),
            **asdict(self.processes.here()),
        }
        local_supervisor.write_whole(place / "about.json", about)

    def _refuse_beside(self, run_id: str) -> None:
        """What the driver of an earlier try has left may go on with its work: no other one runs beside it."""
        if left := self.left_behind(run_id):
            raise OutcomeUnknown(
                f"run {run_id}: a driver of it has ended, and process {left[0]}, which it started, still lives;"
                " nothing was started beside it",
                details=[f"pid {pid}" for pid in left],
                next_step=f"wait for its end, or end it with kill {left[0]}; then run the same command again",
            )

    def left_behind(self, run_id: str) -> tuple[int, ...]:
        """See :class:`batch_submit.backends.base.Backend`. What ends with its driver gets a moment for it."""
        deadline = self.clock.monotonic() + _LEAVING_S
        while left := self._left_by_ended(run_id):
            if self.clock.monotonic() >= deadline:
                return left
            self.clock.sleep(0.05)
        return ()

    def _left_by_ended(self, run_id: str) -> tuple[int, ...]:
        """Of the drivers whose end is on record; agents and the like, which work on nothing, don't count."""
        places = [place for place in self._tries(run_id) if (place / "exit.json").exists() and self._is_here(place)]
        return tuple(pid for place in places for pid in self._driver_left(place) if may_submit(pid))

    def _is_here(self, place: Path) -> bool:
        return not self._is_elsewhere(read_state(place / "about.json"), read_state(place / "process.json"))

    def _now_ms(self) -> int:
        return int(self.clock.now_utc().timestamp() * 1000)

    def epoch(self) -> str:
        """See :class:`batch_submit.backends.base.Backend`; no id is reserved here."""
        return ""

    def marks(self) -> Marks:
        """See :class:`batch_submit.backends.base.Backend`; nothing is forgotten here."""
        return Marks(submitted=0)

    def _place(self, application_id: str) -> Path:
        run_id = application_id.removeprefix(PREFIX)
        tries = self._tries(run_id)
        if not application_id.startswith(PREFIX) or not tries:
            raise NotFound(f"no local run {application_id} on this host", where=str(self.folder))
        return tries[-1]

    def _tries(self, run_id: str) -> list[Path]:
        folder = self.folder / run_id
        if not RUN_ID.fullmatch(run_id) or not folder.is_dir():
            return []
        return sorted((one for one in folder.iterdir() if one.name.isdigit()), key=lambda one: int(one.name))

    def find_run(self, run_id: str) -> list[ApplicationReport]:
        """See :class:`batch_submit.backends.base.Backend`."""
        return [self._certain(place, run_id) for place in reversed(self._tries(run_id))]

    def find_try(self, run_id: str, number: int) -> ApplicationReport | None:
        """See :class:`batch_submit.backends.base.Backend`."""
        place = self.folder / run_id / str(number)
        return self._certain(place, run_id) if (place / "process.json").exists() else None

    def report(self, application_id: str) -> ApplicationReport:
        """See :class:`batch_submit.backends.base.Backend`."""
        return self._certain(self._place(application_id), application_id.removeprefix(PREFIX))

    def applications(self) -> list[ApplicationReport]:
        """See :class:`batch_submit.backends.base.Backend`."""
        if not self.folder.is_dir():
            return []
        reports = [
            self._report(self._tries(one.name)[-1], one.name) for one in self.folder.iterdir() if self._tries(one.name)
        ]
        return sorted(reports, key=lambda report: report.started_ms, reverse=True)

    def _certain(self, place: Path, run_id: str) -> ApplicationReport:
        """The report; an end that nobody can tell must not look like one that makes room for another try."""
        report = self._report(place, run_id)
        if report.state is State.UNKNOWN:
            about = read_state(place / "about.json")
            is_elsewhere = self._is_elsewhere(about, read_state(place / "process.json"))
            there = about.get("host") if is_elsewhere else None
            look = f"run the same command on host {there}, or read" if there else "read"
            raise (OutcomeUnknown if is_elsewhere or self._driver_left(place) else EndUnseen)(
                report.diagnostics,
                where=str(place),
                next_step=f"{look} {place / 'driver.log'}; if its work is not done, use another --run-id",
            )
        return report

    def _driver_left(self, place: Path) -> tuple[int, ...]:
        """The processes of this host that a driver has left in its session: what it started may go on without it."""
        process = read_state(place / "process.json")
        if not process.get("driver_pid") or process.get("boot_id") != local_supervisor.boot_id():
            return ()
        return self.processes.live_in_session(int(process["driver_pid"]), int(process.get("driver_start") or 0))

    def _is_elsewhere(self, about: Mapping[str, Any], process: Mapping[str, Any]) -> bool:
        """Whether a try was started where its processes can't be seen from here: by another host, or in a container.

        A record of an earlier release does not name its host; of another boot it is not known whose.
        """
        here = self.processes.here()
        if about.get("host"):
            return not here.sees(where_of(about))
        return bool(process.get("boot_id", here.boot_id) != here.boot_id)

    def _report(self, place: Path, run_id: str) -> ApplicationReport:
        process, about = read_state(place / "process.json"), read_state(place / "about.json")
        ended, is_elsewhere = read_state(place / "exit.json"), self._is_elsewhere(about, process)
        started = int(process.get("started_ms") or about.get("submitted_ms") or 0)
        now = self._now_ms()
        state, final, diagnostics = State.RUNNING, FinalStatus.UNDEFINED, ""
        finished = int(ended.get("finished_ms", 0))
        if ended:
            state, final, diagnostics = outcome_of(ended)
        elif is_elsewhere:
            ended = read_state(place / "exit.json")
            finished = int(ended.get("finished_ms", 0))
            state, final, diagnostics = outcome_of(ended) if ended else of_another_host(about, self.processes.here())
        elif process and not (is_alive(process, "pid", "start") or is_alive(process, "driver_pid", "driver_start")):
            # Written between the two looks above, or never: the processes are gone.
            ended = read_state(place / "exit.json")
            finished = int(ended.get("finished_ms", now))
            state, final, diagnostics = outcome_of(ended) if ended else without_a_word(about, self._driver_left(place))
        elif not process and (is_alive(about, "pid", "start") or (place / "process.json").exists()):
            state = State.SUBMITTED  # the second: it was written after the first look above
        elif not process:
            state, final, diagnostics = State.KILLED, FinalStatus.KILLED, "it was never started on this host"
        age_ms = age_ms_of(process) if not is_elsewhere else max(0, now - started)
        return ApplicationReport(
            application_id=local_application_id(run_id),
            name=str(about.get("name", run_id)),
            user=self.user,
            queue="",
            state=state,
            final_status=final,
            progress=100.0 if state.terminal else 0.0,
            application_type="SPARK",
            tags=(OUR_TAG, run_tag(run_id), try_tag(run_id, int(place.name))),
            diagnostics=diagnostics,
            started_ms=started,
            launched_ms=started,
            finished_ms=finished if state.terminal else 0,
            elapsed_ms=int(ended.get("elapsed_ms", max(0, finished - started))) if state.terminal else age_ms,
        )

    def search(self, search: Search) -> list[ApplicationReport]:
        """All runs of this host: they are few, and all are ours."""
        return self.applications()

    def attempts(self, application_id: str) -> list[AttemptReport]:
        """A driver on this host has none: its tries are runs of their own in the record."""
        return []

    def kill(self, application_id: str) -> None:
        """See :class:`batch_submit.backends.base.Backend`. Only processes whose start time is ours are touched."""
        place = self._place(application_id)
        if not self._is_here(place):
            return  # what has its numbers here is something else; its report says where it is
        # Before the look: a supervisor that has not started its driver yet finds the mark when it has.
        with contextlib.suppress(OSError):  # a full disk keeps no signal from being sent
            local_supervisor.write_whole(place / local_supervisor.STOP, {"asked_ms": self._now_ms()})
        process = read_state(place / "process.json")
        with contextlib.suppress(ProcessLookupError):  # it ended between the look and the signal
            if is_alive(process, "pid", "start"):
                os.kill(int(process["pid"]), signal.SIGTERM)
            elif is_alive(process, "driver_pid", "driver_start"):
                os.killpg(int(process["driver_pid"]), signal.SIGTERM)

    def limit_lifetime(self, application_id: str, timeout_s: float) -> bool:
        """The supervisor was started with the limit."""
        return True

    def leave(self) -> bool:
        """The driver goes on under its supervisor."""
        return True

    def after_failure(self, application_id: str) -> list[str]:
        """Nothing is left anywhere but the log."""
        return []

    def read_artifact(self, path: str, limit: int) -> bytes | None:
        """See :class:`batch_submit.backends.base.Backend`."""
        name = local_path(path)
        if not name or not Path(name).is_file():
            return None
        with Path(name).open("rb") as file:
            return file.read(limit)

    def open_logs(
        self,
        report: ApplicationReport,
        *,
        patience_s: float = 0.0,
        waiting: Callable[[str], None] | None = None,
        source: str = "",
        drivers_only: bool = False,
    ) -> ApplicationLogs:
        """The driver's output of every try: the newest under the run's own id, earlier ones as ``<id>.<try>``.

        Raises
        ------
        NotFound
            When no driver has written anything on this host.
        UsageError
            With ``source``: the sources are a cluster's.
        """
        from batch_submit.adapters.local_logs import LocalLogs

        if source:
            raise UsageError(
                f"--source {source} is for applications on a cluster", next_step="leave --source out for a local run"
            )
        newest = self._place(report.application_id)
        tries = reversed(self._tries(report.application_id.removeprefix(PREFIX)))
        names = {
            report.application_id if one == newest else f"{report.application_id}.{one.name}": one for one in tries
        }
        return LocalLogs({name: place / DRIVER_LOG for name, place in names.items()}).open(
            report.application_id, ended=report.state.terminal
        )

    def hints(self, application_id: str) -> Mapping[str, str]:
        """See :class:`batch_submit.backends.base.Backend`."""
        return {"logs": f"cat {self.log_file(application_id)}", "kill": f"batch-submit kill {application_id}"}

    def log_file(self, application_id: str) -> Path:
        """Where the driver's output lies."""
        return self._place(application_id) / DRIVER_LOG

    def new_output(self, application_id: str) -> str:
        """What the driver has written since the last call."""
        path = self.log_file(application_id)
        try:
            with path.open("rb") as file:
                file.seek(self._shown.get(application_id, 0))
                data = file.read()
        except FileNotFoundError:
            return ""
        self._shown[application_id] = self._shown.get(application_id, 0) + len(data)
        return data.decode("utf-8", errors="replace")
