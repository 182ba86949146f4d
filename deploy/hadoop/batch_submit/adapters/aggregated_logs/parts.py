"""What is found in one aggregated file: pieces of log files, with where each lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from batch_submit.data_classes import dataclass

#: Ids and names become parts of paths where logs are saved, so nothing that could lead out of a folder is taken.
_CONTAINER = re.compile(r"[A-Za-z0-9_.-]{1,255}")

#: Opens a part's content: first byte and number of bytes.
Reader = Callable[[int, int], Iterator[bytes]]


@dataclass
class Part:
    """One log file of one container, or with rolling aggregation a piece of it.

    Parameters
    ----------
    size
        Bytes; corrected when the content turns out to be shorter.
    modified_ms
        Milliseconds since the epoch; 0 when the format does not say.
    read
        Reads the content, any number of times.
    complete
        ``False`` when the content ends before the length that was announced.
    """

    container_id: str
    name: str
    size: int
    read: Reader
    modified_ms: int = 0
    complete: bool = True


def safe_container(text: str) -> bool:
    """Whether a container id can be one."""
    return bool(_CONTAINER.fullmatch(text)) and text.strip(".") != ""


def safe_name(text: str) -> bool:
    """Whether a log file's name is the name of a file in a folder."""
    return 0 < len(text) <= 255 and "/" not in text and "\0" not in text and text not in (".", "..")
