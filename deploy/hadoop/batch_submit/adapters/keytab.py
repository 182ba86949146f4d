"""A login by keytab: checked before use, a ticket cache of our own, renewed in time, gone at the end.

The cache is a file because children read it too (``KRB5CCNAME``): ``yarn``, ``hdfs``, spark-submit. It is never the
user's own, whose ticket may be another person's.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import signal
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from batch_submit.adapters import tickets
from batch_submit.adapters.auth import KeytabLogin
from batch_submit.errors import BatchSubmitError, HostNotReady
from batch_submit.plan.tickets import TicketState, kdc_away, why_no_login

_PREFIX = "batch-submit-ticket-"
#: A folder younger than this may not have its lock yet.
_SETTLED_S = 60.0
#: Renewed when a fifth of its life is left, at most so many seconds before the end.
_EARLY_S = 600.0
_AGAIN_S = 30.0
_INSTALL = "install the Kerberos client (Debian: apt-get install krb5-user)"


def check_keytab(login: KeytabLogin, env: Mapping[str, str]) -> None:
    """Look at a keytab before it is used.

    Raises
    ------
    HostNotReady
        It does not exist, is somebody else's, can be read by others, or holds no key of the principal.
    """
    path = Path(login.keytab)
    try:
        found = path.stat()
    except OSError as error:
        raise _unusable(login, f"can't be read: {error.strerror or error}", "check security_config.keytab") from error
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(login, "is not a file", "check security_config.keytab")
    if found.st_uid not in (os.geteuid(), 0):
        raise _unusable(login, f"belongs to another account ({found.st_uid})", "use a keytab of your own")
    if found.st_mode & 0o077:
        what = f"can be used by others (mode {stat.S_IMODE(found.st_mode):o}): it is as good as a password"
        raise _unusable(login, what, f"chmod 600 {login.keytab}   (and have it made anew if others were to be feared)")
    if not os.access(path, os.R_OK):
        raise _unusable(login, "can't be read: Permission denied", "check its owner and mode")
    program = tickets.find("klist", env)
    if program is None:
        raise HostNotReady("there is no klist to look into the keytab", where=login.keytab, next_step=_INSTALL)
    try:
        status, out, err = tickets.run([program, "-k", f"FILE:{login.keytab}"], env, tickets.KLIST_LIMIT_S)
    except (OSError, tickets.TookTooLong) as error:
        raise _unusable(login, f"can't be looked into: {error}", _INSTALL) from error
    if status != 0:
        raise _unusable(login, f"is no keytab: {' '.join(err.split())}", "have it made anew (kadmin: ktadd)")
    held = tickets.principals_of(out)
    wanted = login.principal
    if not any(one == wanted or ("@" not in wanted and one.rpartition("@")[0] == wanted) for one in held):
        raise _unusable(
            login,
            f"holds no key of {wanted}, but of {', '.join(held[:5]) or 'nobody'}",
            "correct security_config.principal, or use its keytab",
        )


def _unusable(login: KeytabLogin, what: str, step: str) -> HostNotReady:
    return HostNotReady(f"the keytab of {login.principal} {what}", where=login.keytab, next_step=step)


class PrivateTicket:
    """A ticket from a keytab, in a cache that only this process and its children use.

    Parameters
    ----------
    env
        Of the programs; ``XDG_RUNTIME_DIR``, which is in memory, is where the cache is put if there is one.
    now_s
        The wall clock, seconds since the epoch.
    limit_s
        Seconds that a login may take.
    """

    def __init__(
        self,
        login: KeytabLogin,
        env: Mapping[str, str],
        *,
        now_s: Callable[[], float] = time.time,
        limit_s: float = tickets.KDC_LIMIT_S,
    ) -> None:
        self.login = login
        self._env = env
        self._now_s = now_s
        self._limit_s = limit_s
        self._folder: Path | None = None
        self._held: IO[str] | None = None
        self._expires_s = self._renew_s = 0.0
        self._owner = os.getpid()
        self._lock = threading.Lock()
        _end_in_order()  # here and not with the folder, which a thread that asks a server may make

    @property
    def cache(self) -> str:
        """The cache's name, as ``KRB5CCNAME`` takes it; the first look makes its folder."""
        return f"FILE:{self._place() / 'ticket'}"

    def keep_fresh(self) -> None:
        """Log in, if that was not done yet or the ticket ends soon; else it costs a look at the clock.

        Raises
        ------
        HostNotReady
            The keytab can't be used, or the KDC refuses.
        ClusterUnreachable
            The KDC does not answer, and there is no ticket that still counts.
        """
        if self._now_s() < self._renew_s:
            return
        with self._lock:
            if self._now_s() < self._renew_s:
                return
            try:
                if not self._expires_s:
                    check_keytab(self.login, self._env)
                self._log_in()
            except BatchSubmitError:
                if self._now_s() >= self._expires_s:
                    raise
                self._renew_s = self._now_s() + _AGAIN_S  # the old one still counts

    def close(self) -> None:
        """Remove the cache."""
        with self._lock:
            if self._folder is not None and self._owner == os.getpid():
                shutil.rmtree(self._folder, ignore_errors=True)
            if self._held is not None:
                self._held.close()
            self._folder = self._held = None
            self._expires_s = self._renew_s = 0.0
        atexit.unregister(self.close)

    def _log_in(self) -> None:
        program = tickets.find("kinit", self._env)
        if program is None:
            raise HostNotReady("there is no kinit to log in by the keytab", where=self.login.keytab, next_step=_INSTALL)
        place = self._place()
        new = place / "new"
        command = [program, "-k", "-t", f"FILE:{self.login.keytab}", "-c", f"FILE:{new}", self.login.principal]
        try:
            status, out, err = tickets.run(command, self._env, self._limit_s)
        except tickets.TookTooLong as error:
            raise kdc_away(str(error), self.login.principal.rpartition("@")[2]) from error
        except OSError as error:
            raise HostNotReady(f"kinit can't be started: {error.strerror or error}", where=program) from error
        if status != 0:
            words = " ".join((err or out).split()).removeprefix("kinit: ")
            raise why_no_login(words, self.login.principal, self.login.keytab)
        new.replace(place / "ticket")  # whole: a child may be reading the old one
        now = self._now_s()
        found = tickets.look_at_cache(self._env, now, self.cache)
        if found.state is TicketState.EXPIRED:
            words = "Clock skew too great: the new ticket has expired already"
            raise why_no_login(words, self.login.principal, self.login.keytab)
        self._expires_s = found.expires_s or now + _EARLY_S
        self._renew_s = self._expires_s - min(_EARLY_S, (self._expires_s - now) / 5)

    def _place(self) -> Path:
        if self._folder is None:
            base = self._env.get("XDG_RUNTIME_DIR", "")
            if not (base.startswith("/") and os.access(base, os.W_OK | os.X_OK)):
                base = tempfile.gettempdir()
            _sweep(Path(base))
            try:
                self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))  # mode 0700, a name that nobody knows
                self._held = (self._folder / "lock").open("w")
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                step = "free some space there, or set TMPDIR to a folder that can be written"
                raise HostNotReady(
                    f"the folder of our ticket can't be made: {error.strerror or error}", where=base, next_step=step
                ) from error
            atexit.register(self.close)
        return self._folder


def login_variables(ticket: PrivateTicket | None, acts_for: str) -> dict[str, str]:
    """What a program of Hadoop's needs besides our environment to be who we are; the ticket is renewed if that is due.

    Nothing where the user's own ticket cache, or ``HADOOP_USER_NAME``, says it.

    Parameters
    ----------
    acts_for
        A proxy user; "" for none.

    Raises
    ------
    HostNotReady, ClusterUnreachable
        See :meth:`PrivateTicket.keep_fresh`.
    """
    told = {"HADOOP_PROXY_USER": acts_for} if acts_for else {}  # source: ``UserGroupInformation.HADOOP_PROXY_USER``
    if ticket is not None:
        ticket.keep_fresh()
        told["KRB5CCNAME"] = ticket.cache
    return told


def _end_in_order() -> None:
    """Have SIGTERM and SIGHUP end this process by way of ``atexit``; who has a handler, or ignores them, keeps that."""
    if threading.current_thread() is threading.main_thread():  # Python sets handlers nowhere else
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _leave)


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def _sweep(base: Path) -> None:
    """Remove what calls that were killed have left: folders of ours whose lock nobody holds."""
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                continue
            if time.time() - found.st_mtime < _SETTLED_S:
                continue
            with (folder / "lock").open("a") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
