"""Bring daemons up: as many at a time as their needs allow, each until it answers its readiness question."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from devcluster_lib import kerberos, processes, transitions
from devcluster_lib.errors import DaemonFailed
from devcluster_lib.hdfs_folders import ensure_folders
from devcluster_lib.layout import Cluster, Daemon
from devcluster_lib.readiness import ha_state, probe

POLL_S = 0.15
LOG_TAIL_LINES = 25
FORMATTED_STAMP = "formatted"


class Startup:
    """One run of starting daemons and waiting for them.

    Parameters
    ----------
    cluster, lib
        The cluster, and the folder with the jars.
    deadline_s
        Seconds until every daemon has to be ready.
    say
        Takes one line of progress.
    """

    def __init__(self, cluster: Cluster, lib: Path, deadline_s: float, say: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._lib = lib
        self._deadline_s = deadline_s
        self._say = say
        self._began = time.monotonic()
        self._started: list[processes.Process] = []
        self._formatter: subprocess.Popen[bytes] | None = None
        self._folders_made = False
        self._one_is_active = False
        self._last_seen: dict[str, str] = {}

    def run(self, daemons: list[Daemon]) -> None:
        """Return when all `daemons` are ready; otherwise end what this run started and raise.

        Raises
        ------
        DaemonFailed
            With the end of the log of the daemon that ended or did not answer in time.
        """
        try:
            self._run(daemons)
        except BaseException:
            self._undo()
            raise

    def _run(self, daemons: list[Daemon]) -> None:
        already = {daemon.name for daemon in daemons if processes.running(self._cluster, daemon.name)}
        waiting = {daemon.name: daemon for daemon in daemons}
        to_start = [daemon for daemon in daemons if daemon.name not in already]
        to_start = [daemon for daemon in to_start if daemon.kind != "kdc" or not self._bring_up_kdc(daemon)]
        self._begin_format(to_start)
        while waiting:
            to_start = [daemon for daemon in to_start if not self._try_start(daemon)]
            self._make_one_active(daemons)
            for daemon in list(waiting.values()):
                if daemon not in to_start and self._is_ready(daemon):
                    del waiting[daemon.name]
                    how = "was running" if daemon.name in already else f"ready after {self._elapsed_s():.1f} s"
                    self._say(f"{daemon.name} {how} ({daemon.url})")
            if waiting and self._elapsed_s() > self._deadline_s:
                # The first in the list is the one that others may be waiting for.
                first = next(iter(waiting.values()))
                seen = self._last_seen.get(first.name, "it waits for another daemon")
                raise self._failure(first, f"was not ready within {self._deadline_s:.0f} s ({seen})")
            if waiting:
                time.sleep(POLL_S)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _bring_up_kdc(self, daemon: Daemon) -> bool:
        """Start the KDC, at first with its principals, and wait for it: without it no other daemon can log in."""
        kerberos.ensure_realm(self._cluster)
        self._started.append(processes.start(self._cluster, daemon, self._lib))
        while not self._is_ready(daemon):
            if self._elapsed_s() > self._deadline_s:
                raise self._failure(daemon, f"was not ready within {self._deadline_s:.0f} s")
            time.sleep(POLL_S / 10)
        return True

    def _begin_format(self, to_start: list[Daemon]) -> None:
        """Format HDFS in the background, if it never was; a half-made name folder holds nothing and is replaced."""
        namenode = next((daemon for daemon in to_start if daemon.kind == "namenode"), None)
        if namenode is None or (self._cluster.hdfs_dir / FORMATTED_STAMP).exists():
            return
        shutil.rmtree(self._cluster.hdfs_dir / "name", ignore_errors=True)
        self._cluster.log_file(namenode.name).unlink(missing_ok=True)
        arguments = ("-format", "-nonInteractive", "-force")
        self._formatter = processes.launch(self._cluster, namenode, self._lib, arguments)

    def _format_done(self, namenode: Daemon) -> bool:
        if self._formatter is None:
            return True
        code = self._formatter.poll()
        if code is None:
            return False
        if code != 0:
            raise self._failure(namenode, f"could not format HDFS (exit code {code})")
        (self._cluster.hdfs_dir / FORMATTED_STAMP).touch()
        self._formatter = None
        return True

    def _try_start(self, daemon: Daemon) -> bool:
        """Start the daemon if what it needs is there: a formatted disk, or the history server's folders in HDFS."""
        if daemon.kind == "namenode" and not self._format_done(daemon):
            return False
        if daemon.kind == "jobhistoryserver" and not self._make_folders():
            return False
        self._started.append(processes.start(self._cluster, daemon, self._lib))
        return True

    def _make_one_active(self, daemons: list[Daemon]) -> None:
        """With high availability all begin as standby: once they answer, the first of `daemons` gets to work.

        Nothing happens when one is active already.
        """
        waited_for = [daemon for daemon in daemons if daemon.kind == "resourcemanager"]
        if not self._cluster.ha or not waited_for or self._one_is_active:
            return
        states = {daemon.name: ha_state(daemon) for daemon in self._cluster.resourcemanagers()}
        self._one_is_active = "ACTIVE" in states.values()
        if self._one_is_active or any(states[daemon.name] != "STANDBY" for daemon in waited_for):
            return
        try:
            transitions.make_active(self._cluster, self._lib, waited_for[0])
        except DaemonFailed as error:
            # Its web server answers a moment before its admin port: the next round asks again.
            self._last_seen[waited_for[0].name] = str(error)
        else:
            self._one_is_active = True

    def _make_folders(self) -> bool:
        """True once the folders are in HDFS; while the NameNode is not ready the JobHistoryServer would sleep 10 s."""
        if not self._folders_made and probe(self._cluster, self._cluster.daemon("namenode")) is None:
            ensure_folders(self._cluster)
            self._folders_made = True
        return self._folders_made

    def _is_ready(self, daemon: Daemon) -> bool:
        seen = probe(self._cluster, daemon)
        # Asked after the probe: a ready answer of a process that has just ended is worth nothing.
        if processes.running(self._cluster, daemon.name) is None:
            raise self._failure(daemon, "ended before it was ready")
        if seen is not None:
            self._last_seen[daemon.name] = seen
        return seen is None and (daemon.kind != "namenode" or self._make_folders())

    def _failure(self, daemon: Daemon, what: str) -> DaemonFailed:
        log = self._cluster.log_file(daemon.name)
        return DaemonFailed(f"{daemon.name} {what}. The end of {log}:\n{tail(log, LOG_TAIL_LINES)}")

    def _undo(self) -> None:
        """End what this run started, so that a failed `up` leaves no half of a cluster behind."""
        mine = list(self._started)
        if self._formatter is not None:
            mine.append(processes.identify("the format of HDFS", self._formatter.pid))
        if mine:
            self._say(f"ending what was started: {', '.join(process.name for process in mine)}")
        processes.end(mine, grace_s=3.0)
        # A signal may arrive between the start of a process and its entry in our list. The folder's lock is ours, so
        # a daemon that no record names is of this run.
        known = {process.pid for daemon in self._cluster.daemons() if (process := self._recorded(daemon))}
        processes.end([p for p in processes.marked(self._cluster.dir)[0] if p.pid not in known], grace_s=0)

    def _recorded(self, daemon: Daemon) -> processes.Process | None:
        return processes.running(self._cluster, daemon.name)


def tail(path: Path, lines: int) -> str:
    """The last `lines` lines of a file; empty when there is none."""
    try:
        with path.open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(0, handle.tell() - 500 * lines))
            text = handle.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
