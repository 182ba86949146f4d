"""The rotating log file ``hadoop_job_submission.log``: what was done, with secrets masked."""

from __future__ import annotations

import logging
import logging.handlers
import re
import sys
from pathlib import Path

from batch_submit.adapters.terminal import LOGGER

#: key=value and --key value where the key is secret by Spark's own redaction rule, and tokens in URLs.
_SECRET = re.compile(
    r"(?i)([\w.\-]*(?:secret|password|passphrase|token|access[.]?key|credential)[\w.\-]*\s*[=:]\s*|delegation=)([^\s&,'\"]+)"
)


def mask_text(text: str) -> str:
    """Hide the values of secret-looking ``key=value`` pairs, quoted or not."""
    return _SECRET.sub(lambda match: match.group(1) + "********", text)


class _MaskingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return mask_text(super().format(record))


def start_logging(path: Path | None, *, verbose: bool) -> str:
    """Attach the log file, and with ``verbose`` a debug handler on stderr.

    Returns
    -------
    str
        "" or the warning to show: a place that can't be written never stops a submission.
    """
    stop_logging()
    LOGGER.setLevel(logging.DEBUG)
    LOGGER.propagate = False
    if verbose:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(_MaskingFormatter("debug: %(message)s"))
        shown.addFilter(lambda record: record.levelno <= logging.DEBUG)
        LOGGER.addHandler(shown)
    if path is None:
        return ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = logging.handlers.RotatingFileHandler(path, maxBytes=5_000_000, backupCount=3, encoding="utf-8")
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
