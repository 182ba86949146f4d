"""Find and read the files of the configuration. The only place that opens them; ``plan.config`` gets texts."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from batch_submit.adapters.open_places import refuse_open, who_could_change, who_could_change_site
from batch_submit.errors import ConfigError, MissingFile, UsageError
from batch_submit.plan.sourced import ConfigSources, SourceText

DEFAULT_NAME = "job_config.yaml"
#: Nobody writes a megabyte of configuration: such a file is something else (a data file, a log).
MAX_BYTES = 1 << 20

_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def find_config(name: str | None, *, cwd: Path, homes: Sequence[Path]) -> Path:
    """Find the configuration file.

    Parameters
    ----------
    name
        As given by ``-c``; None for ``job_config.yaml``. Looked up from ``cwd``, then in each of ``homes``.
    cwd, homes
        The working directory, and the folders of the scripts.

    Raises
    ------
    MissingFile
        Listing every place looked at.
    """
    wanted = Path(DEFAULT_NAME if name is None else name).expanduser()
    if name is not None and not name.strip():
        raise UsageError(
            "the name of the configuration file is empty", next_step="give -c FILE a name, or leave it out"
        )
    places = [wanted] if wanted.is_absolute() else list(dict.fromkeys(folder / wanted for folder in (cwd, *homes)))
    for place in places:
        if _exists(place):
            return place
    raise MissingFile(
        f"no configuration file {wanted}",
        details=[f"looked at {place}" for place in places],
        next_step="name one with -c FILE",
    )


def read_sources(
    path: Path, *, env: str | None, spark_defaults: Path | None, allow_open: bool = False
) -> ConfigSources:
    """Read the file, the overlay of an environment when there is one, and the site's ``spark-defaults.conf``.

    Parameters
    ----------
    path
        The configuration file.
    env
        ``--env``: ``<stem>_<env>`` with the same ending is read when it exists; ``build_config`` says whether it must.
    spark_defaults
        The site's file; None or a file that does not exist means that there is none.
    allow_open
        Take them also where everybody on this host could have changed them.

    Raises
    ------
    MissingFile
        The file does not exist, is a directory or can't be read.
    ConfigError
        It is too large or not UTF-8.
    UsageError
        Everybody could have changed one: nothing that it says counts, and no switch in it.
    """
    overlay_path = _overlay_path(path, env) if env is not None else None
    overlay = _source(overlay_path) if overlay_path is not None and _exists(overlay_path) else None
    site = None
    if spark_defaults is not None and _exists(spark_defaults):
        # Spark reads this file as UTF-8 and replaces what is not; a comment in Latin-1 must not stop every submission.
        site = SourceText(_read(spark_defaults).decode("utf-8", "replace"), str(spark_defaults), "")
    main = _source(path)
    if not allow_open:
        _refuse_changeable([path] if overlay_path is None else [path, overlay_path], spark_defaults)
    return ConfigSources(
        main=main,
        overlay=overlay,
        spark_defaults=site,
        overlay_place=_display(overlay_path) if overlay_path is not None else "",
        disk_environments=_environments_beside(path),
    )


def _refuse_changeable(files: Sequence[Path], spark_defaults: Path | None) -> None:
    """Whoever could have changed one of these could have written the switch into it that takes it all the same."""
    found = [(one, who_could_change(one)) for one in files]
    found += [(spark_defaults, who_could_change_site(spark_defaults))] if spark_defaults is not None else []
    refuse_open((f"{one}: {why}" for one, why in found if why), "the configuration", by_file=False)


def _source(path: Path) -> SourceText:
    data = _read(path)
    name = _display(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"not UTF-8: byte 0x{data[error.start]:02x}", where=f"{name}:{line}", next_step="save the file as UTF-8"
        ) from error
    return SourceText(text, name, str(path.absolute().parent))


def _read(path: Path) -> bytes:
    """The bytes of a file of reasonable size."""
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
                raise MissingFile("not a regular file", where=str(path), next_step="name a YAML file")
            data = stream.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        raise MissingFile("is a directory, not a file", where=str(path), next_step="name the file in it") from error
    except FileNotFoundError as error:
        raise MissingFile("no such file", where=str(path), next_step="check the name") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise MissingFile(f"can't be read: {reason}", where=str(path), next_step="check its permissions") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(
            f"larger than {MAX_BYTES >> 10} KiB: this is no configuration file",
            where=str(path),
            next_step="check -c FILE",
        )
    return data


def _exists(path: Path) -> bool:
    """Whether something is there, also when it can't be read: then reading says why."""
    try:
        return path.exists()
    except (OSError, ValueError):
        # Not allowed to look, or a name that no file can have: treat the first as there, so that the error names it.
        return os.path.lexists(path) if "\0" not in str(path) else False


def _overlay_path(path: Path, env: str) -> Path:
    """Where the file of an environment stands, or would stand.

    Raises
    ------
    UsageError
        The text is no name of an environment.
    """
    if not _ENVIRONMENT.fullmatch(env):
        raise UsageError(
            f"{env!r} is not the name of an environment",
            where="--env",
            next_step="use letters, digits, '.', '_' and '-', for example --env prod",
        )
    return path.with_name(f"{path.stem}_{env}{path.suffix or '.yaml'}")


def _environments_beside(path: Path) -> tuple[str, ...]:
    """Environments that have a file of their own, for messages."""
    prefix = f"{path.stem}_"
    try:
        names = [one.stem for one in path.parent.iterdir() if one.suffix == path.suffix]
    except OSError:
        return ()
    return tuple(sorted(name[len(prefix) :] for name in names if name.startswith(prefix) and len(name) > len(prefix)))


def _display(path: Path) -> str:
    """The shortest name that leads there from the working directory, without any ``..``."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
