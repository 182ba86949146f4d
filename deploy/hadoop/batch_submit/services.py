"""What a command needs of the outside world, built once. The only reader of ``os.environ``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from batch_submit.adapters.own_places import own_place
from batch_submit.adapters.terminal import LOGGER, Terminal
from batch_submit.adapters.this_call import os_user, program_name, working_directory
from batch_submit.data_classes import dataclass
from batch_submit.errors import HostNotReady

if TYPE_CHECKING:
    from batch_submit.adapters.clock import Signals
    from batch_submit.adapters.hadoop_conf import HadoopConf
    from batch_submit.adapters.http_session import HttpSession
    from batch_submit.adapters.keytab import PrivateTicket
    from batch_submit.adapters.processes import Processes
    from batch_submit.adapters.resource_manager import ResourceManager
    from batch_submit.adapters.webhdfs import WebHdfs
    from batch_submit.ledger import SqliteLedger
    from batch_submit.plan.merged import Config

#: Where an installed tool keeps its annotated default configuration.
INSTALLED_CONFIG = Path(sys.prefix, "share", "batch-submit")
#: Nothing can lie there, nor be put there.
NO_FOLDER = Path(os.devnull, "none")


class SignalCount(Protocol):
    """What a launch asks about signals."""

    @property
    def received(self) -> list[int]:
        """The signals so far."""


class Clock(Protocol):
    """Time as the operations see it; tests pass one that they turn themselves."""

    def now_utc(self) -> datetime:
        """The wall clock in UTC."""

    def today(self) -> datetime:
        """The wall clock in the local zone."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def sleep(self, seconds: float) -> None:
        """Wait, at most ``seconds``."""

    def random_text(self, length: int) -> str:
        """Random characters of ``[a-z0-9]``."""

    def listening(self) -> AbstractContextManager[Signals]:
        """Collect signals instead of dying by them, within the block."""


@dataclass(frozen=True)
class Services:
    """The outside world of one command.

    Parameters
    ----------
    env
        The environment as it was at the start.
    home
        The checkout that this program runs from (the folder of ``batch_submit.sh``), or ``None`` when it is installed.
    """

    env: Mapping[str, str]
    cwd: Path
    home: Path | None
    os_user: str
    host: str
    clock: Clock
    terminal: Terminal
    verbose: bool = False
    _cache: dict[str, object] = field(default_factory=dict, compare=False)

    @cached_property
    def state_folder(self) -> Path:
        """``$XDG_STATE_HOME/batch-submit`` (default ``~/.local/state``); one that is not ours alone: HostNotReady."""
        return own_place(self.env, "XDG_STATE_HOME", ".local/state")

    @cached_property
    def cache_folder(self) -> Path:
        """``$XDG_CACHE_HOME/batch-submit`` (default ``~/.cache``); one that is not ours alone: HostNotReady."""
        return own_place(self.env, "XDG_CACHE_HOME", ".cache")

    @property
    def config_cache(self) -> Path | None:
        """Where configurations are kept; ``None`` where the cache is not ours: that costs time only."""
        try:
            return self.cache_folder / "config"
        except HostNotReady as error:
            self._done_without("cache", error)
            return None

    def need_state_folder(self) -> None:
        """See, before anything is submitted, that there is a place for its record: else HostNotReady."""
        own_place(self.env, "XDG_STATE_HOME", ".local/state")

    @property
    def launch_folder(self) -> Path:
        """Where a launcher keeps its files; none where the state folder is not ours: ``submit`` has refused that."""
        try:
            return self.state_folder / "launch"
        except HostNotReady:
            return NO_FOLDER

    def _done_without(self, what: str, error: HostNotReady) -> None:
        where = f"{error.where}: " if error.where else ""
        text = f"{where}{error.message}; going on without {what}; {error.next_step}"
        if self.first_time(text):
            self.terminal.warn(text)

    @property
    def processes(self) -> Processes:
        """This host's processes."""
        from batch_submit.adapters.processes import Processes

        return Processes(self.host)

    def can_ask(self) -> bool:
        """Whether a person sits there who can answer a question."""
        return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))

    def agreed(self, question: str) -> bool:
        """Ask on stderr; only ``y`` and ``yes`` agree."""
        self.terminal.note(f"{question} [y/N]")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def draws_on_stdout(self) -> bool:
        """Whether stdout is a terminal on which an answer may be drawn again and again; that takes no colour."""
        return self.env.get("TERM", "dumb") != "dumb" and sys.stdout is not None and sys.stdout.isatty()

    def answer_width(self) -> int | None:
        """Columns that an answer has: of the terminal, or ``COLUMNS``; ``None`` without one: a pipe takes any width."""
        return self._terminal_size("COLUMNS", 0)

    def answer_height(self) -> int:
        """Lines that fit onto the terminal, or ``LINES``."""
        return self._terminal_size("LINES", 1) or 24

    def _terminal_size(self, variable: str, index: int) -> int | None:
        if sys.stdout is None or not sys.stdout.isatty():
            return None
        named = self.env.get(variable, "")
        if named.isdigit() and int(named) > 0:
            return int(named)
        try:
            return os.get_terminal_size(sys.stdout.fileno())[index] or None
        except OSError:
            return None

    def config_homes(self) -> list[Path]:
        """Where a configuration file is looked for after the working directory."""
        homes = [self.home] if self.home is not None else []
        return [*homes, INSTALLED_CONFIG]

    def job_scripts(self) -> Path:
        """Where the scripts of the built-in jobs lie: ``scripts/`` of the checkout, else installed with the package."""
        if self.home is not None and (self.home / "scripts").is_dir():
            return self.home / "scripts"
        return Path(__file__).resolve().parent / "job_scripts"

    def hadoop_conf(self, folder: str, yarn_folder: str = "") -> HadoopConf:
        """The Hadoop XML files of a folder, read once; those that it does not hold, of ``yarn_folder``.

        Raises
        ------
        HostNotReady
            When the folder does not exist.
        """
        from batch_submit.adapters.hadoop_conf import HadoopConf

        key = f"hadoop_conf:{folder}:{yarn_folder}"
        if key not in self._cache:
            path = Path(folder)
            if not path.is_dir():
                raise HostNotReady(
                    f"the Hadoop configuration folder {folder} does not exist",
                    next_step="point HADOOP_CONF_DIR to the folder with core-site.xml and yarn-site.xml",
                )
            self._cache[key] = HadoopConf.load(
                path, env=self.env, yarn_conf_dir=Path(yarn_folder) if yarn_folder else None
            )
        loaded = self._cache[key]
        assert isinstance(loaded, HadoopConf)
        return loaded

    def private_ticket(self, config: Config, *, reading: bool = False) -> PrivateTicket | None:
        """The login by ``security_config.keytab``, one for all of a command; ``None``: the user's own cache counts.

        Who only looks (``reading``) does so by that too where the keytab does not lie on this host.
        """
        from batch_submit.adapters.auth import KeytabLogin
        from batch_submit.adapters.keytab import PrivateTicket
        from batch_submit.plan.keytab_login import keytab_login

        wanted = keytab_login(config)
        if wanted is None:
            return None
        principal, keytab = str(wanted.principal.value), str(wanted.keytab.value)
        if reading and not os.access(keytab, os.R_OK):
            if self.first_time(keytab):
                self.terminal.warn(f"{keytab} ({wanted.keytab.origin}) can't be read here: asking by your own ticket")
            return None
        key = f"ticket:{principal}:{keytab}"
        if key not in self._cache:
            LOGGER.debug("%s logs in %s: by %s", keytab, principal, wanted.because)
            login = KeytabLogin(principal, keytab)
            self._cache[key] = PrivateTicket(login, self.env, now_s=lambda: self.clock.now_utc().timestamp())
        made = self._cache[key]
        assert isinstance(made, PrivateTicket)
        return made

    def etc_names_resourcemanager(self) -> bool:
        """Whether ``/etc/hadoop/conf`` holds a yarn-site.xml that names a ResourceManager."""
        from batch_submit.plan.backend_choice import ETC_HADOOP_CONF

        if not Path(ETC_HADOOP_CONF, "yarn-site.xml").is_file():
            return False
        return self.hadoop_conf(ETC_HADOOP_CONF).names_resourcemanager

    def first_time(self, text: str) -> bool:
        """Whether this is the first call with this text: what several steps find out is said once."""
        fresh = f"said:{text}" not in self._cache
        self._cache[f"said:{text}"] = True
        return fresh

    def ledger(self, cluster: str, user: str) -> SqliteLedger:
        """The run records of one cluster and user; the same object for all of a command, which warns once.

        Where the state folder is not ours there are none: looking and killing go on without them.
        """
        from batch_submit.ledger import SqliteLedger

        try:
            folder = self.state_folder / "runs" / cluster / user
        except HostNotReady as error:
            self._done_without("run records", error)
            folder = NO_FOLDER / cluster / user
        key = f"ledger:{folder}"
        if key not in self._cache:
            self._cache[key] = SqliteLedger(
                folder,
                warn=self.terminal.warn,
                note=self.terminal.note,
                now_s=lambda: self.clock.now_utc().timestamp(),
            )
        opened = self._cache[key]
        assert isinstance(opened, SqliteLedger)
        return opened

    def ledgers(self) -> list[tuple[str, str, SqliteLedger]]:
        """Every ledger of this account on this host: cluster, user, records."""
        found = []
        for place in sorted((self.state_folder / "runs").glob("*/*")):
            if place.is_dir():
                found.append((place.parent.name, place.name, self.ledger(place.parent.name, place.name)))
        return found


@dataclass(frozen=True)
class Cluster:
    """The servers of one cluster, as the configuration names them.

    Parameters
    ----------
    session
        HTTP in the name of :attr:`user`, for servers whose addresses only show later.
    open_webhdfs
        Builds the client for HDFS where :attr:`webhdfs` was spared and proves to be needed.
    child_variables
        What programs that we start need besides our environment to be the same user: our own ticket cache.
    overrides
        Spark's properties for the servers that ``environment_config`` names in the XML's place.
    """

    key: str
    user: str
    resource_manager: ResourceManager
    webhdfs: WebHdfs | None
    conf: HadoopConf
    default_fs: str
    notices: tuple[str, ...] = ()
    session: HttpSession | None = None
    open_webhdfs: Callable[[], WebHdfs | None] | None = None
    child_variables: Mapping[str, str] = field(default_factory=dict)
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def home_folder(self) -> str:
        """The user's home in HDFS (``DistributedFileSystem.getHomeDirectory``)."""
        return f"{self.conf.get('dfs.user.home.dir.prefix') or '/user'}/{self.user}"


def build_services(*, verbose: bool = False) -> Services:
    """Read the environment of this process."""
    from batch_submit.adapters.clock import SystemClock

    env = dict(os.environ)
    home = Path(__file__).resolve().parents[3]
    return Services(
        env=env,
        cwd=Path(working_directory()),
        home=home if (home / "batch_submit.sh").is_file() else None,
        os_user=os_user(),
        host=os.uname().nodename,
        clock=SystemClock(),
        terminal=Terminal(no_color=bool(env.get("NO_COLOR")) or env.get("TERM") == "dumb", program=program_name()),
        verbose=verbose,
    )
