"""Words of the application master's command, such that YARN and two shells hand them over as they are.

On its way a word passes YARN's own replacement (``ContainerLaunch.expandEnvironment``: ``<LOG_DIR>``, ``<CPS>``, ``{{``
and ``}}``), the double quotes of ``exec /bin/bash -c "…"`` in ``launch_container.sh``, and that inner shell. Spark
escapes for the shells only, and not the backquote: a backquoted word runs in the application master.
"""

from __future__ import annotations

import re

#: What YARN replaces. Inside single quotes, closing and opening them again in the middle changes nothing for the shell.
_YARNS_OWN = re.compile(r"\{(?=\{)|\}(?=\})|<LOG(?=_DIR>)|<C(?=PS>)")
_SPECIAL_IN_DOUBLE_QUOTES = re.compile(r'([\\$`"])')


def quoted(word: str) -> str:
    """Return a word as it is to stand in the command.

    Parameters
    ----------
    word
        Any text without a NUL character, which no argument can hold.

    Raises
    ------
    ValueError
        There is a NUL character in it.
    """
    return _YARNS_OWN.sub(r"\g<0>''", _for_shells(word))


def _for_shells(word: str) -> str:
    if "\0" in word:
        raise ValueError("an argument can't hold a NUL character")
    inner = "'" + word.replace("'", "'\\''") + "'"
    return _SPECIAL_IN_DOUBLE_QUOTES.sub(r"\\\1", inner)


def quoted_option(word: str, application_id: str) -> str:
    """Return a Java option as it is to stand in the command: through both shells as it is, YARN's own words left to it.

    ``<LOG_DIR>`` and ``{{PWD}}`` are the only way to name the container's folders; ``{{APP_ID}}`` is Spark's own
    (``Utils.substituteAppId``).

    Raises
    ------
    ValueError
        There is a NUL character in it.
    """
    return _for_shells(word.replace("{{APP_ID}}", application_id))


def option_words(text: str) -> list[str]:
    """Split a text of Java options as Spark does (``Utils.splitCommandString``): blanks part, quotes keep together.

    Within double quotes a backslash keeps ``"`` and itself; within single quotes nothing is special.
    """
    words: list[str] = []
    current, started, quote, index = "", False, "", 0
    while index < len(text):
        char = text[index]
        index += 1
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"' and text[index : index + 1] in ('"', "\\"):
                current += text[index]
                index += 1
            else:
                current += char
        elif char in "\"'":
            quote, started = char, True
        elif char in " \t\n\r":
            if started or current:
                words.append(current)
            current, started = "", False
        else:
            current += char
    if started or current:
        words.append(current)
    return words
