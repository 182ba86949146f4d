"""HTML put together so that text can't become markup: everything is escaped unless it came out of here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

#: Elements without a closing tag (HTML Living Standard, "void elements"; those that are used here).
_VOID = {"br", "meta"}


class Markup(str):
    """Text that is HTML already. Only :func:`tag`, :func:`join` and :func:`trusted` make it."""

    __slots__ = ()


def trusted(text: str) -> Markup:
    """Declare a text of our own to be HTML. Never for anything that came out of a file."""
    return Markup(text)


def clean(text: str) -> str:
    """A text without what neither HTML nor SVG can hold: control characters and halves of surrogate pairs."""
    if text.isprintable():
        return text
    return "".join("\ufffd" if _unfit(one) else one for one in text)


def _unfit(one: str) -> bool:
    code = ord(one)
    return (code < 0x20 and one not in "\n\t") or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code >= 0xFFFE


def escaped(text: str) -> Markup:
    """Any text as HTML, in elements and in quoted attributes."""
    return text if isinstance(text, Markup) else Markup(escape(clean(text), quote=True))


def join(parts: Iterable[str | None], between: str = "") -> Markup:
    """Parts in a row; what is no markup is escaped, ``None`` is left out."""
    return Markup(escaped(between).join(escaped(part) for part in parts if part is not None))


def tag(name: str, *children: str | None, **attributes: str | bool | None) -> Markup:
    """One element.

    Parameters
    ----------
    children
        Escaped unless they are :class:`Markup`; ``None`` is left out.
    attributes
        ``class_`` is ``class``, ``aria_label`` is ``aria-label``; ``None`` and ``False`` are left out, ``True`` stands
        without a value.
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        words.append(attribute if value is True else f'{attribute}="{escaped(value)}"')
    opening = f"<{' '.join(words)}>"
    return Markup(opening) if name in _VOID else Markup(f"{opening}{join(children)}</{name}>")


def link(text: str, url: str) -> Markup:
    """A link where the address is one of the web; else the text alone (``javascript:`` and its like are no links)."""
    try:
        good = urlsplit(url).scheme in ("http", "https")
    except ValueError:
        good = False
    return tag("a", text, href=url, rel="noreferrer noopener") if good else escaped(text)
