"""Where secrets lie on this host: environment variables, files, a keyring, Hadoop's credential providers."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from batch_submit.adapters.hadoop_credentials import HadoopCredentials
from batch_submit.errors import BatchSubmitError, HostNotReady, MissingFile
from batch_submit.plan.secret_references import CREDENTIAL, FILE, KEYRING, VARIABLE, Reference

#: No password is longer; what is, is another file.
MAX_BYTES = 64 * 1024


class SecretSources:
    """Reads secrets by their references.

    Parameters
    ----------
    env
        The environment.
    credentials
        Hadoop's providers; ``None`` when no reference needs one.
    """

    def __init__(self, env: Mapping[str, str], credentials: HadoopCredentials | None) -> None:
        self._env = env
        self._credentials = credentials

    def read(self, found: Mapping[str, Reference], origins: Mapping[str, str]) -> dict[str, str]:
        """The secrets by key.

        Parameters
        ----------
        found
            By key.
        origins
            By key: where the reference stands, for messages.

        Raises
        ------
        MissingFile
            A file does not exist. Its details name everything else that can't be had too.
        HostNotReady
            A variable is not set, others can read a file, a keyring or a provider does not know the name.
        """
        secrets: dict[str, str] = {}
        problems: list[str] = []
        steps: list[str] = []
        missing = False
        for key, one in found.items():
            if one.kind == CREDENTIAL:
                continue
            try:
                secrets[key] = self._reader(one)(one.name)
            except BatchSubmitError as error:
                problems.append(f"{origins[key]}: {key}: {one}: {error.message}")
                steps.append(error.next_step)
                missing = missing or isinstance(error, MissingFile)
        aliases = {key: one.name for key, one in found.items() if one.kind == CREDENTIAL}
        if aliases and not problems and self._credentials is not None:
            held = self._credentials.read(sorted(set(aliases.values())))
            secrets |= {key: held[alias] for key, alias in aliases.items()}
        if problems:
            raise (MissingFile if missing else HostNotReady)(
                f"{len(problems)} secret(s) can't be read", details=problems, next_step=steps[0]
            )
        return secrets

    def _reader(self, one: Reference) -> Callable[[str], str]:
        return {VARIABLE: self._variable, FILE: read_secret_file, KEYRING: _of_keyring}[one.kind]

    def _variable(self, name: str) -> str:
        value = self._env.get(name, "")
        if not value:
            raise HostNotReady(
                "the variable is empty" if name in self._env else "the variable is not set",
                next_step=f"export {name}=… in the shell, or in what starts this program (cron, a scheduler)",
            )
        return value


def read_secret_file(name: str) -> str:
    """The content of a file that is ours alone, without the line break at its end.

    Raises
    ------
    MissingFile
        There is no such file.
    HostNotReady
        It is not a file of ours (or root's) that nobody else can read or change, is empty, or can't be one.
    """
    try:
        # O_NONBLOCK: a FIFO in its place is found, not waited for.
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFile("no such file", next_step="check the path") from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise HostNotReady(f"can't be read: {why}", next_step=f"ls -l {name}") from error
    try:
        _refuse_open(os.fstat(descriptor), name)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise HostNotReady(f"longer than {MAX_BYTES} bytes: this is no password", next_step="name another file")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HostNotReady("it is not UTF-8", next_step="name a text file") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise HostNotReady("it is empty", next_step=f"write the secret into {Path(name).name}")
    return text


def _refuse_open(status: os.stat_result, name: str) -> None:
    """Only a file that nobody else can read or change, and nobody else has made, holds a secret."""
    if not stat.S_ISREG(status.st_mode):
        raise HostNotReady("it is not a regular file", next_step="name a file")
    if status.st_uid not in (os.geteuid(), 0):
        raise HostNotReady("it belongs to somebody else", next_step=f"copy it, and chmod 600 {name}")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise HostNotReady(f"others may use it (mode {mode:04o})", next_step=f"chmod 600 {name}")


def _of_keyring(name: str) -> str:
    """The password of ``service/user`` in this user's keyring."""
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise HostNotReady(
            "the Python package keyring can't be loaded", next_step="pip install 'batch-submit[keyring]'"
        ) from error
    service, _, user = name.rpartition("/")
    step = f"keyring set {service} {user}"
    try:
        value = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise HostNotReady(f"the keyring can't be asked: {error}", next_step=f"unlock it, or: {step}") from error
    except Exception as error:  # a backend of somebody else's, which may raise whatever it likes
        raise HostNotReady(f"the keyring failed: {type(error).__name__}", next_step=step) from error
    if not value:
        raise HostNotReady("the keyring holds no such password", next_step=step)
    return str(value)
