"""The merged configuration as text and as JSON. Pure; secrets are masked in both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from batch_submit.plan.merged import Config
from batch_submit.plan.redaction import told_by
from batch_submit.plan.schema import JOB_SECTION
from batch_submit.plan.secrets import mask
from batch_submit.plan.sourced import Path, Sourced
from batch_submit.plan.yaml_scalars import is_plain_text

_INDENT = "  "
_WIDEST = 60
_Told = Callable[[str], bool]


def config_text(config: Config, *, origin: bool) -> str:
    """A listing by section, which can be read back as a configuration file.

    Parameters
    ----------
    config
        The merged configuration.
    origin
        Add where each value comes from as a comment, and below it what it has overridden.
    """
    lines: list[tuple[str, str]] = []
    if config.job_type:
        lines.append((f"# job type: {config.job_type}", ""))
    paths = sorted({*config.values, *(config.overridden if origin else ())}, key=_order)
    previous: Path = ()
    told = _told(config)
    for path in paths:
        place = _shown_place(path, config.job_type)
        for depth, name in enumerate(place[:-1]):
            if previous[: depth + 1] != place[: depth + 1]:
                lines.append((f"{_INDENT * depth}{_word(name)}:", ""))
        previous = place
        lines += _entry(config, path, place, origin, told)
    width = min(max((len(text) for text, comment in lines if comment), default=0), _WIDEST)
    return "".join(f"{text:<{width}}{comment}".rstrip() + "\n" if comment else f"{text}\n" for text, comment in lines)


def config_json(config: Config) -> dict[str, object]:
    """The same for ``--json``: per value its origin, the key as written, and what it has overridden."""
    values: dict[str, object] = {}
    told = _told(config)
    for path in sorted({*config.values, *config.overridden}, key=_order):
        value = config.values.get(path)
        entry: dict[str, object] = {"value": None, "origin": None}
        if value is not None:
            entry = {"value": _plain(path, value.value, told), "origin": value.origin}
            if value.key and value.key != _dotted(path):
                entry["written_as"] = value.key
            if value.items:
                entry["items"] = [{"value": _plain(path, one.value, told), "origin": one.origin} for one in value.items]
        old = config.overridden.get(path, ())
        if old:
            entry["overridden"] = [{"value": _plain(path, one.value, told), "origin": one.origin} for one in old]
        values[_dotted(path)] = entry
    return {"job_type": config.job_type, "values": values, "warnings": [str(mask("", one)) for one in config.warnings]}


def _entry(config: Config, path: Path, place: Path, origin: bool, told: _Told) -> list[tuple[str, str]]:
    """The lines of one value: itself, and with origin what was overridden."""
    indent = _INDENT * (len(place) - 1)
    name = _word(place[-1])
    value = config.values.get(path)
    old = config.overridden.get(path, ())
    if value is None:
        removed = old[-1]
        lines = [(f"{indent}# {name}: removed", f"  # {removed.origin}")]
        old = old[:-1]
    else:
        lines = [(f"{indent}{name}: {_yaml(path, value, told)}", f"  # {value.origin}" if origin else "")]
    if origin:
        for one in reversed(old):
            shown = "removed" if one.value is None else _yaml(path, one, told)
            lines.append((f"{indent}{_INDENT}# was {shown}", f"  # {one.origin}"))
    return lines


def _order(path: Path) -> tuple[bool, Path]:
    """Single values first, then sections by name."""
    return (len(path) > 1, path)


def _shown_place(path: Path, job_type: str | None) -> Path:
    """``job`` is how values are looked up; in a file they stand in the job type's section."""
    return (JOB_SECTION, job_type, *path[1:]) if path[0] == "job" and job_type else path


def _dotted(path: Path) -> str:
    return ".".join(path)


def _told(config: Config) -> _Told:
    """What the configuration's own ``spark.redaction.regex`` makes secret: properties of Spark alone."""
    told = told_by({path[-1]: value for path, value in config.values.items()})
    return lambda key: key.startswith("spark.") and told(key)


def _masked(path: Path, value: object, told: _Told) -> object:
    return mask(path[-1], mask(_dotted(path), value), told)


def _plain(path: Path, value: object, told: _Told) -> object:
    """Masked, and made of what JSON has."""
    masked = _masked(path, value, told)
    return list(masked) if isinstance(masked, tuple) else masked


def _yaml(path: Path, value: Sourced, told: _Told) -> str:
    """A value as YAML on one line. Spark's properties are texts, so their ``true`` and ``10`` need no quotes."""
    shown = _masked(path, value.value, told)
    if path[0] == "spark_config" and isinstance(shown, str) and _is_bare_word(shown):
        return shown
    return _word(shown)


def _is_bare_word(text: str) -> bool:
    return text in ("true", "false") or (text.isascii() and text.isdigit() and str(int(text[:300])) == text)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(str(name))}: {_word(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_word(item) for item in value) + "]"
    text = str(value)
    return text if is_plain_text(text) else _quoted(text)


def _quoted(text: str) -> str:
    """Double quotes, with everything escaped that a terminal would act on."""
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
