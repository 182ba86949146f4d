"""The smallest pieces of the configuration: a value that knows its source, a problem, a layer, the texts of files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from batch_submit.data_classes import dataclass

#: A place in the configuration: ``("execution", "timeout")``, ``("spark_config", "spark.executor.memory")``.
Path = tuple[str, ...]


@dataclass(frozen=True)
class Sourced:
    """A value and where it came from.

    Parameters
    ----------
    value
        Text, number, boolean, ``tuple`` of texts, or (``model_config`` only) plain lists and maps. ``None`` in a layer
        means "remove what earlier layers said"; it never stands in a merged configuration.
    origin
        ``job_config.yaml:12``, ``variable BATCH_SUBMIT_SPARK_CONFIG__QUEUE``, ``flag --queue``, ``default``,
        ``spark-defaults.conf:3``, ``profile large-training (job_config.yaml:80)``.
    base
        Folder of the file that named the value: relative local paths start there. Empty: the working directory.
    key
        The key as it was written, for messages: ``spark_config.executor_memory``.
    items
        Of a list that appends, its items one by one: they may come from different files. In a layer, a first item with
        the value ``None`` clears what earlier layers said.
    """

    value: object
    origin: str
    base: str = ""
    key: str = ""
    items: tuple[Sourced, ...] = ()


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where, and what to do about it."""

    key: str
    where: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        parts = [part for part in (self.where, self.key) if part]
        return ": ".join([*parts, self.message]) + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True)
class Layer:
    """The values of one source, by place. Later layers win.

    Parameters
    ----------
    kind
        ``default``, ``site``, ``file``, ``environment``, ``overlay``, ``profile``, ``job``, ``variables`` or ``flags``.
    """

    name: str
    values: Mapping[Path, Sourced]
    kind: str = "file"
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class SourceText:
    """A file's text, the name that messages show, and its folder (where its relative local paths start)."""

    text: str
    name: str
    folder: str = ""


@dataclass(frozen=True)
class ConfigSources:
    """The texts that a configuration is made of.

    Parameters
    ----------
    main
        The file; None when there is none.
    overlay
        ``<stem>_<env>.yaml``, or None.
    spark_defaults
        The site's ``spark-defaults.conf``, or None.
    overlay_place
        Where the overlay was looked for.
    disk_environments
        Environments for which such a file exists, for messages.
    """

    main: SourceText | None
    overlay: SourceText | None = None
    spark_defaults: SourceText | None = None
    overlay_place: str = ""
    disk_environments: tuple[str, ...] = ()
