"""Matplotlib's figures as SVG that belongs to a page: its colours are the page's, its text is text.

Inline SVG needs no script and no network, prints as lines, and is small.
"""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER = "#010101", "#010102", "#010103", "#010104"
ONE, TWO, THREE = "#010105", "#010106", "#010107"
SERIES = (ONE, TWO, THREE)

_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    ONE: "var(--one)",
    TWO: "var(--two)",
    THREE: "var(--three)",
}
"""Stand-ins: matplotlib knows no variables of CSS, which make a figure readable in the dark as well."""

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    # Ids are otherwise drawn by chance, and the same run would not give the same file.
    "svg.hashsalt": "escalations",
    # Names are names, also with a dollar in them.
    "text.parse_math": False,
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "axes.formatter.use_mathtext": False,
}

_DOTS_PER_INCH = 72
"""Of an SVG by matplotlib: so a size in pixels of CSS is the size at which it is shown."""

WIDE, NARROW = 960, 340
"""Pixels: of a desk or a sheet of paper, and of a phone."""

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
ET.register_namespace("", _SVG)
ET.register_namespace("xlink", _XLINK)

Draw = Callable[[Figure, bool], Mapping[str, str] | None]
"""Draws on a figure, told whether it is for a phone. It may return tooltips, by the `gid` of an artist."""


def plot(
    name: str, title: str, says: str, height: int, draw: Draw, narrow_height: int | None = None
) -> Markup:
    """`draw` for wide pages and once more for phones; the page's style shows one of them.

    name: of the plot, of letters. title and says: what somebody hears who cannot see it. Heights in pixels.
    """
    sizes = (("wide", WIDE, height), ("narrow", NARROW, narrow_height or height))
    return Markup("\n").join(
        _inline(f"{name}-{size}", size, title, says, (width, high), draw) for size, width, high in sizes
    )


def label(text: str, most: int = 60) -> str:
    """`text` on one line of at most so many characters, without any that XML cannot hold."""
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _inline(name: str, size: str, title: str, says: str, pixels: tuple[int, int], draw: Draw) -> Markup:
    width, height = pixels
    drawn = io.BytesIO()
    with rc_context(_STYLE), warnings.catch_warnings():
        # The browser has the glyphs that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure = Figure(figsize=(width / _DOTS_PER_INCH, height / _DOTS_PER_INCH), layout="constrained")
        tips = draw(figure, size == "narrow") or {}
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(drawn.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            # Its style would be that of the whole page.
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    _name(root, name, tips)
    root.attrib.update({"class": size, "role": "img", "aria-labelledby": f"{name}-title {name}-says"})
    del root.attrib["width"], root.attrib["height"], root.attrib["version"]
    root.attrib["style"] = f"max-width: {width}px"
    for tag, text in (("desc", says), ("title", title)):
        element = ET.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{'says' if tag == 'desc' else tag}"})
        element.text = text
        root.insert(0, element)
    return Markup(_coloured(ET.tostring(root, encoding="unicode")))


def _name(root: ET.Element, name: str, tips: Mapping[str, str]) -> None:
    """Ids that nothing refers to go; the others are made the plot's own."""
    text = ET.tostring(root, encoding="unicode")
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', text))
    for element in root.iter():
        known = element.attrib.pop("id", None)
        if known is not None and known in tips:
            tip = ET.Element(f"{{{_SVG}}}title")
            tip.text = tips[known]
            element.insert(0, tip)
        if known in used:
            element.attrib["id"] = f"{name}-{known}"
        for key, value in element.attrib.items():
            element.attrib[key] = re.sub(r"(url\(#|^#)(?=[^)]+\)?$)", rf"\g<1>{name}-", value)


def _coloured(text: str) -> str:
    return re.sub(r"#01010[1-7]", lambda match: _VARIABLES[match[0]], text)
