"""Plots by matplotlib as small inline SVG that takes its colours and its font from the page.

What matplotlib writes is made for a file of its own: it is parsed, and only what draws is kept. Colours are drawn as
stand-ins, exact values that become CSS variables here, so that one picture fits a light, a dark and a printed page.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from batch_submit.render.report.markup import Markup, clean, escaped

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Stand-in colours, each for the CSS variable of its name.
INK, MUTED, GRID = "#010201", "#010202", "#010203"
FIRST, SECOND, THIRD, PAPER = "#010204", "#010205", "#010206", "#010207"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    THIRD: "var(--third)",
    PAPER: "var(--paper)",
}
SIZE_IN = (4.5, 2.9)
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "batch-submit",
    "text.parse_math": False,
    "text.usetex": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same widths, and so the same layout, on every host
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "patch.linewidth": 0.0,
}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_DROPPED = {f"{_SVG}metadata", f"{_SVG}style"}
#: Of the font the page's own is taken, joins and caps come from the style sheet.
_DROPPED_STYLES = {"font-family", "font", "stroke-linejoin", "stroke-linecap", "font-style", "font-weight"}


def problem() -> str:
    """Why no plots can be drawn on this host; "" when they can."""
    try:
        import matplotlib.figure
    except ImportError as error:
        return f"matplotlib is missing ({error})" if error.name != "matplotlib" else "matplotlib is missing"
    return "" if hasattr(matplotlib, "rc_context") else "matplotlib can't be used"


def draw(
    key: str,
    title: str,
    description: str,
    paint: Callable[[Any], None],
    *,
    size_in: tuple[float, float] = SIZE_IN,
) -> Markup:
    """Draw one plot.

    Parameters
    ----------
    key
        Unique on the page; the ids inside begin with it.
    title, description
        For those who do not see it.
    paint
        Called with matplotlib's ``Axes``; colours are the stand-ins of this module.
    size_in
        Width and height in matplotlib's inches, which decide how large the letters are beside the plot.
    """
    import matplotlib
    from matplotlib.figure import Figure

    out = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that DejaVu lacks is drawn by the browser's font all the same
        # Whatever this user's own matplotlibrc says; the backend belongs to windows, and none is opened.
        defaults = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
        settings: dict[Any, Any] = {**defaults, **_STYLE}
        matplotlib.rcParams.update(settings)
        figure = Figure(figsize=size_in, layout="constrained")
        paint(figure.add_subplot())
        figure.savefig(out, format="svg", metadata=_NO_METADATA)
    return _inline(out.getvalue(), key, clean(title), clean(description))


def _inline(text: str, key: str, title: str, description: str) -> Markup:
    """matplotlib's file as an element of our page."""
    root = ElementTree.fromstring(text)  # nosec B314  # matplotlib's own
    names = {one: f"{key}-{number}" for number, one in enumerate(_referenced(root), start=1)}
    _tidy(root, names)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "class": "plot", "role": "img", "aria-labelledby": f"{key}-title {key}-about"})
    inside = "".join(ElementTree.tostring(one, encoding="unicode") for one in root)
    opening = " ".join(f'{name}="{escaped(value)}"' for name, value in root.attrib.items())
    about = f'<title id="{key}-title">{escaped(title)}</title><desc id="{key}-about">{escaped(description)}</desc>'
    return Markup(f"<svg {opening}>{about}{inside}</svg>")


def _referenced(root: Element) -> list[str]:
    """The ids that are pointed to, in the order of the document."""
    wanted = set()
    for one in root.iter():
        wanted.update(_REFERENCE.findall(" ".join(one.attrib.values())))
        if _HREF in one.attrib:
            wanted.add(one.attrib[_HREF].removeprefix("#"))
    return [name for one in root.iter() if (name := one.get("id", "")) in wanted]


def _tidy(element: Element, names: dict[str, str]) -> None:
    """Strip an element and all below of what draws nothing."""
    kept: list[Element] = []
    for child in list(element):
        if child.tag in _DROPPED:
            continue
        _tidy(child, names)
        kept.extend(_flat(child))
    for child in list(element):
        element.remove(child)
    element.extend(kept)
    element.tag = element.tag.removeprefix(_SVG)
    element.tail = None
    if element.tag not in ("text", "tspan"):
        element.text = None
    element.attrib = dict(_attributes(element, names))


def _flat(child: Element) -> list[Element]:
    """An element, or of a group that does nothing its content, or nothing."""
    if child.tag in ("g", "defs") and not len(child):
        return []
    if child.tag == "g" and not child.attrib:
        return list(child)
    if child.tag == "path" and child.get("style") == "fill:none" and "id" not in child.attrib:
        return []
    return [child]


def _attributes(element: Element, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in element.attrib.items():
        if name == "id":
            if value in names:
                yield "id", names[value]
        elif name == _HREF:
            yield "href", f"#{names[value.removeprefix('#')]}"
        elif name == "style":
            if style := _style(value):
                yield "style", style
        elif name == "transform" and value.startswith("rotate(-0 "):
            continue
        elif name == "clip-path":
            yield name, _REFERENCE.sub(lambda match: f"url(#{names[match[1]]})", value)
        else:
            yield name, _NUMBER.sub(_short, value.replace("\n", ""))


def _style(value: str) -> str:
    kept = []
    for declaration in value.split(";"):
        name, _, setting = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # "9px 'DejaVu Sans'": the size alone
            kept.append(f"font-size:{setting.split()[0]}")
        elif name and name not in _DROPPED_STYLES:
            kept.append(f"{name}:{_VARIABLES.get(setting, setting)}")
    return ";".join(kept)


def _short(match: re.Match[str]) -> str:
    """A coordinate with one decimal: a tenth of a point is below what a screen shows."""
    found = f"{float(match[0]):.1f}"
    return found.removesuffix(".0") if found != "-0.0" else "0"
