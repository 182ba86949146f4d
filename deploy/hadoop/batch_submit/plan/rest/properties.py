"""Java properties as text, for ``__spark_conf__.properties`` and its neighbour; ``plan.java_properties`` reads them."""

from __future__ import annotations

from collections.abc import Mapping

_ESCAPES = {
    "\t": "\\t",
    "\n": "\\n",
    "\r": "\\r",
    "\f": "\\f",
    "\\": "\\\\",
    "=": "\\=",
    ":": "\\:",
    "#": "\\#",
    "!": "\\!",
}


def properties_text(values: Mapping[str, str], title: str = "Spark configuration.") -> str:
    """Write properties as ``java.util.Properties.store`` does, sorted by key and without its date line."""
    lines = [f"#{title}"]
    lines += [f"{_escaped(key, is_key=True)}={_escaped(value)}" for key, value in sorted(values.items())]
    return "\n".join(lines) + "\n"


def _escaped(text: str, *, is_key: bool = False) -> str:
    out = []
    for place, char in enumerate(text):
        if char == " ":
            out.append("\\ " if is_key or place == 0 else " ")
        elif char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif " " <= char <= "~":
            out.append(char)
        else:  # Java writes a character beyond the basic plane as the two halves of its UTF-16 form
            units = char.encode("utf-16-be", "surrogatepass")
            out += [f"\\u{units[start : start + 2].hex().upper()}" for start in range(0, len(units), 2)]
    return "".join(out)
