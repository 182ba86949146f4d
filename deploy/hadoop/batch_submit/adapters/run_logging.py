"""The rotating log file ``hadoop_job_submission.log``: what was done, with secrets masked."""

from __future__ import annotations

import logging
import os
import re
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

from batch_submit.adapters.own_files import make_private, open_private
from batch_submit.adapters.terminal import LOGGER, harmless, without_hidden
from batch_submit.plan.secrets import (
    AUTHORIZED,
    PRIVATE_KEY,
    SECRET_KEY,
    SENSITIVE_END,
    SENSITIVE_WORDS,
    USERINFO,
    mask_oracle,
)

# Names of secrets behind the dashes of an argument, and what may stand as a secret's value in a line.
_ARGUMENT = rf"(?:(?=[\w.\-]*?{SENSITIVE_WORDS})[\w.\-]+|[\w.\-]*?{SENSITIVE_END})"
_VALUE = r"""(?:\\"(?:(?!\\")[^\n])*\\"|"[^"\n]*"|'[^'\n]*'|[^\s&,'"]+)"""
_SECRETS = (
    re.compile(rf"""(?i)((['"]){SECRET_KEY}=)(?:(?!\2)[^\n])+(?=\2)"""),  # 'key=two words', as a shell quotes it
    re.compile(rf"""(?i)({SECRET_KEY}\\?["']?[ \t]*[=:][ \t]*|delegation=){_VALUE}"""),  # key=value, "key": "value"
    re.compile(rf"(?i)({AUTHORIZED}){_VALUE}"),  # Authorization: Bearer value
    re.compile(rf"(?i)((?<!\S)--?{_ARGUMENT}[ \t]+)(?!-){_VALUE}"),  # --key value
    USERINFO,
    PRIVATE_KEY,
)

_MASK = "********"

#: A log file with more is put aside, and so many of them are kept.
_MAX_BYTES, _KEPT = 5_000_000, 3


def mask_text(text: str) -> str:
    """Hide the secrets that this process has read, and by their looks those that it has not: the values of secret
    ``key=value`` and ``--key value`` pairs, quoted or not, and passwords in URLs."""
    text = without_hidden(text)
    for pattern in _SECRETS:
        text = pattern.sub(lambda match: match.group(1) + _MASK, text)
    return mask_oracle(text, _MASK)


class _MaskingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return harmless(mask_text(super().format(record)))


class _PrivateFile(logging.FileHandler):
    """Holds plans: for its owner only, and never somebody else's file."""

    def _open(self) -> TextIOWrapper:
        return TextIOWrapper(open_private(self.baseFilename, self.mode), encoding="utf-8")


def _rotate(path: Path) -> None:
    """Put a full log file aside. Once per call: one writes some kilobytes, a watcher of days too."""
    if not path.exists() or path.stat().st_size < _MAX_BYTES:
        return
    from logging.handlers import RotatingFileHandler  # loading it takes longer than writing our lines

    full = RotatingFileHandler(path, backupCount=_KEPT, delay=True)
    with suppress(FileNotFoundError):  # another call has just put it aside
        full.doRollover()
    full.close()


def start_logging(path: Path | None, *, verbose: bool) -> str:
    """Attach the log file, and with ``verbose`` a debug handler on stderr.

    Returns
    -------
    str
        "" or the warning to show: a place that can't be written never stops a submission.
    """
    stop_logging()
    LOGGER.addHandler(logging.NullHandler())  # without any handler, logging would print to stderr by itself
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.propagate = False
    if logging.lastResort is not None:  # what libraries warn of, for whom nobody has made a handler
        logging.lastResort.setFormatter(_MaskingFormatter())
    if verbose:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(_MaskingFormatter("debug: %(message)s"))
        shown.addFilter(lambda record: record.levelno <= logging.DEBUG)
        LOGGER.addHandler(shown)
    if path is None or str(path) == os.devnull:
        return ""
    try:
        make_private(path.parent)
        _rotate(path)
        file = _PrivateFile(path, encoding="utf-8")
    except OSError as error:
        return f"the log file {path} can't be written ({error.strerror or error}); going on without it"
    file.setFormatter(_MaskingFormatter("%(asctime)s %(process)d %(levelname)s %(message)s"))
    LOGGER.addHandler(file)
    return ""


def stop_logging() -> None:
    """Close what :func:`start_logging` opened."""
    for handler in list(LOGGER.handlers):
        LOGGER.removeHandler(handler)
        handler.close()
