"""What a rule is. The rules themselves stand in ``rules_yarn``, ``rules_spark`` and ``rules_python``, as data.

Each rule was born from a failure provoked on the dev cluster; what that cluster said of it lies in
``tests/golden/diagnosis/<rule>/``. A rule without such a case is not shipped.
"""

from __future__ import annotations

import re
from enum import Enum

from batch_submit.data_classes import dataclass


class Where(Enum):
    """Where a rule looks."""

    DIAGNOSTICS = "what the ResourceManager says"
    TRACEBACK = "the traceback that ended the driver, with everything quoted in it"
    WORKER = "the exception of a Python worker that this traceback quotes"
    DRIVER = "the driver's log files"
    EXECUTOR = "the executors' log files"


class Extent(Enum):
    """How much around a match is shown."""

    LINE = "the lines of the match"
    RECORD = "the log4j record that it stands in"
    NOTHING = "it is a condition, and nothing to look at"


@dataclass(frozen=True)
class Look:
    """One place and what has to stand there.

    Parameters
    ----------
    pattern
        Searched with ``^`` and ``$`` at each line; its named groups fill the texts of the rule.
    """

    where: Where
    pattern: re.Pattern[str]
    extent: Extent = Extent.LINE


def look(where: Where, pattern: str, extent: Extent = Extent.LINE) -> Look:
    """A :class:`Look` from the pattern's text."""
    return Look(where, re.compile(pattern, re.MULTILINE), extent)


@dataclass(frozen=True)
class Rule:
    """One probable cause.

    Parameters
    ----------
    id
        Stable; part of ``--json``.
    when
        Alternatives; one applies when each of its looks finds something. What the first look of the alternative
        finds is the evidence shown first.
    cause
        One sentence; ``{name}`` is a named group of a match, empty when it took no part.
    remedies
        What to change, each with the exact key or flag; the most probable first.
    next_command
        ``{id}`` is the application id. Empty: the driver's or executors' logs, after where the evidence stands.
    decisive
        The ResourceManager's words are enough: no log is read.
    ending
        The end of these logs is shown too: ``driver`` or ``executor``; "" for none.
    about_executors
        Says why executors went away. Applies only where the end speaks of lost executors: most runs get over a lost
        one, and then it explains nothing.
    """

    id: str
    when: tuple[tuple[Look, ...], ...]
    cause: str
    remedies: tuple[str, ...]
    next_command: str = ""
    decisive: bool = False
    ending: str = ""
    about_executors: bool = False
