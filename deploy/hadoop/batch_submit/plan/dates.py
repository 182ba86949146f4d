"""Dates in paths and arguments: ``%Y%m%d`` and ``{{ ds }}``, filled with the run's day."""

from __future__ import annotations

import re
from datetime import date

from batch_submit.errors import UsageError

_TOKEN = re.compile(r"%(.?)|\{\{(.*?)\}\}", re.DOTALL)


def fill_dates(text: str, day: date, *, where: str) -> str:
    """Replace ``%Y %m %d %j %y`` and ``{{ ds }}``, ``{{ ds_nodash }}`` by the day; ``%%`` is a percent sign.

    Parameters
    ----------
    text
        A path of ``data_config`` or an argument of the job; nothing else is ever filled.
    day
        The run's day (``--date``, default the day on which the run id was made, in the local zone).
    where
        The place of the text, for the message.

    Raises
    ------
    UsageError
        On a directive or a ``{{ name }}`` that is not known: a text is never changed by guess.
    """

    def replace(match: re.Match[str]) -> str:
        directive, name = match.group(1), match.group(2)
        if name is not None:
            name = name.strip()
            if name == "ds":
                return day.isoformat()
            if name == "ds_nodash":
                return day.strftime("%Y%m%d")
            raise UsageError(
                f"unknown placeholder {match.group(0)!r} in {text!r}",
                where=where,
                next_step="use {{ ds }}, {{ ds_nodash }} or %Y%m%d",
            )
        if directive == "%":
            return "%"
        if directive and directive in "Ymdjy":
            return day.strftime(f"%{directive}")
        raise UsageError(
            f"unknown date directive {match.group(0)!r} in {text!r}",
            where=where,
            next_step="use %Y %m %d %j %y, or write %% for a percent sign",
        )

    return _TOKEN.sub(replace, text)


def parse_day(text: str) -> date:
    """Read ``--date``.

    Raises
    ------
    UsageError
        When it is not ``YYYY-MM-DD`` or ``YYYYMMDD``.
    """
    match = re.fullmatch(r"(\d{4})(-?)(\d{2})\2(\d{2})", text.strip(), re.ASCII)
    try:
        if match is None:
            raise ValueError
        return date(int(match.group(1)), int(match.group(3)), int(match.group(4)))
    except ValueError:
        raise UsageError(f"--date {text!r} is not a day", next_step="write it as 2013-12-31") from None
