"""A sheet to draw on with matplotlib, and what comes off it: SVG so small that a page may hold hundreds.

matplotlib draws paths and places words; its axes are not used, because one costs 20 ms and 6 kB. Of the SVG
it writes only the paths and the words are kept: no ids, definitions, styles, scripts, fonts, links or dates.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from html import escape
from typing import Any, Literal
from xml.etree import ElementTree

__all__ = [
    "ACCENT",
    "INK",
    "WARNING",
    "WIDE",
    "Figure",
    "Point",
    "Points",
    "Scale",
    "Sheet",
    "cut",
    "number",
    "short",
]

INK, ACCENT, WARNING = "#000000", "#3d85c6", "#cc6a1e"
"""Ink becomes currentColor; the others can be told from white and from black."""

SIZE = 11
"""Of the words, in pixels; the page's style sheet sets them so."""

WIDE = 6.6
"""Pixels of a letter, more or less: the font is the reader's."""

Point = tuple[float, float]
Points = Sequence[Point]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Figure:
    """A picture for inlining into HTML: ``svg`` holds ``title`` and ``description``, which are plain text."""

    svg: str
    title: str
    description: str


@dataclass(frozen=True)
class Scale:
    """Numbers from ``low`` to ``high`` onto pixels from ``start`` to ``end``, evenly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def __call__(self, x: float) -> float:
        """The pixel of x; the middle if there is only one number."""
        low, high, x = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, x))
        # Halves, because the difference of two float64 may not be one.
        share = (x / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.5
        return self.start + share * (self.end - self.start)


class Sheet:
    """``width`` by ``height`` pixels, y downwards."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = round(width), round(height)
        self._drawn: list[Callable[[Any], None]] = []
        self._words: list[tuple[str, dict[str, str]]] = []

    def draw(
        self,
        parts: Iterable[Points],
        *,
        fill: str | None = None,
        stroke: str | None = None,
        width: float = 1,
        dashes: tuple[float, float] | None = None,
        opacity: float = 1,
    ) -> None:
        """Polygons where filled, lines where not, as one path. Numbers must be finite."""
        found = [part for part in parts if part]

        def put(canvas: Any) -> None:
            from matplotlib.patches import PathPatch
            from matplotlib.path import Path
            from matplotlib.transforms import IdentityTransform

            points, codes = [], []
            for part in found:
                points += [(x, self.height - y) for x, y in part]
                codes += [Path.MOVETO, *[Path.LINETO] * (len(part) - 1)]
                if fill is not None:
                    points.append((0, 0))
                    codes.append(Path.CLOSEPOLY)
            patch = PathPatch(
                Path(points, codes), transform=IdentityTransform(), facecolor=fill or "none", alpha=opacity,
                edgecolor=stroke or "none", linewidth=width if stroke else 0,
                linestyle=(0, dashes) if dashes else "-", clip_on=False, snap=False, capstyle="butt",
                joinstyle="miter",
            )  # fmt: skip
            canvas.add_artist(patch)

        if found:
            self._drawn.append(put)

    def box(self, x: float, y: float, width: float, height: float) -> Points:
        """A rectangle, to be drawn."""
        return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))

    def write(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: Anchor = "start",
        faint: bool = False,
        colour: str = INK,
    ) -> None:
        """Words on the baseline y, as they are: matplotlib sees only where they stand."""
        attributes: dict[str, str] = {} if anchor == "start" else {"text-anchor": anchor}
        attributes |= {} if colour == INK else {"fill": colour}
        attributes |= {"opacity": ".75"} if faint else {}
        token = f"t{len(self._words)}"
        self._words.append((words, attributes))

        def put(canvas: Any) -> None:
            from matplotlib.transforms import IdentityTransform

            canvas.text(
                x, self.height - y, token, transform=IdentityTransform(), parse_math=False, usetex=False,
                fontsize=SIZE, va="baseline",
                ha={"start": "left", "middle": "center", "end": "right"}[anchor],
            )  # fmt: skip

        self._drawn.append(put)

    def figure(self, title: str, description: str) -> Figure:
        """What was drawn."""
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Canvas

        written = io.StringIO()
        with rc_context(_settings()):
            canvas = Canvas(figsize=(self.width / 72, self.height / 72), frameon=False)
            for put in self._drawn:
                put(canvas)
            FigureCanvasSVG(canvas).print_svg(written, metadata={"Date": None})
        drawn = "".join(self._elements(ElementTree.fromstring(written.getvalue())))
        return Figure(
            f'<svg class="plot" role="img" width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}"><title>{_escaped(title)}</title>'
            f"<desc>{_escaped(description)}</desc>{drawn}</svg>",
            title,
            description,
        )

    def _elements(self, root: ElementTree.Element) -> Iterable[str]:
        for element in root.iter():
            tag = element.tag.rpartition("}")[2]
            if tag == "path":
                style = dict(re.findall(r"([\w-]+): ([^;]+)", element.get("style", "")))
                if style.get("stroke") == INK:
                    style["stroke"] = "currentColor"
                kept = {k: style[k].replace(", ", " ") for k in _KEPT if k in style}
                yield f'<path{_attributes(kept)} d="{_path(element.get("d", ""))}"/>'
            elif tag == "text":
                words, attributes = self._words[int((element.text or "")[1:])]
                place = {k: _short(float(element.get(k, "0"))) for k in ("x", "y")}
                yield f"<text{_attributes(place | attributes)}>{_escaped(words)}</text>"


_KEPT = ("fill", "stroke", "stroke-width", "stroke-dasharray", "opacity")
_NUMBER = re.compile(
    r"(-?\d+)/(\d+)|\[?(-?\d+(?:\.\d+)?(?:e[-+]?\d{1,3})?)(?: \+/- [\d.e+-]+\])?", re.IGNORECASE
)


def number(text: object) -> float | None:
    """A number string as float64: a ball by its middle; None for what is none, or is too large."""
    if not isinstance(text, (str, int, float)) or isinstance(text, bool):
        return None
    found = _NUMBER.fullmatch(str(text))
    if found is None:
        return None
    try:
        value = float(Fraction(int(found[1]), int(found[2])) if found[1] else Fraction(found[3]))
    except (OverflowError, ValueError, ZeroDivisionError):
        return None
    return value if math.isfinite(value) else None


def short(value: float) -> str:
    """A number for an axis, to three digits."""
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", "−")


def cut(words: str, width: float) -> str:
    """The words on one line, with … where they would be wider than so many pixels."""
    words, most = " ".join(words.split()), max(int(width / WIDE), 2)
    return words if len(words) <= most else words[: most - 1] + "…"


@cache
def _settings() -> dict[str, Any]:
    """matplotlib's own, not those of whoever renders the page."""
    from matplotlib import rcParamsDefault

    away = ("backend", "interactive", "toolbar", "webagg", "date", "timezone", "keymap", "animation", "axes")
    kept = {k: v for k, v in rcParamsDefault.items() if not k.startswith(away)}
    return {**kept, "svg.fonttype": "none", "svg.hashsalt": "reports"}


def _path(d: str) -> str:
    """The same path to a tenth of a pixel, with relative steps."""
    steps, at, start, before = [], (0, 0), (0, 0), ""
    for letter, rest in re.findall(r"([MLz])([^MLz]*)", d):
        if letter == "z":
            steps.append("z")
            at, before = start, "z"
            continue
        x, y = (round(10 * float(c)) for c in rest.split())
        dx, dy = x - at[0], y - at[1]
        if letter == "M":
            step, start = f"M{_joined(x, y)}", (x, y)
        elif not dy:
            step = f"h{_tenths(dx)}"
        elif not dx:
            step = f"v{_tenths(dy)}"
        else:
            step = f"l{_joined(dx, dy)}"
            if before == "l":
                step = step[1:] if step[1] == "-" else f" {step[1:]}"
        steps.append(step)
        at, before = (x, y), letter if letter == "M" else "hv"[not dx] if not (dx and dy) else "l"
    return "".join(steps)


def _joined(x: int, y: int) -> str:
    second = _tenths(y)
    return f"{_tenths(x)}{'' if second.startswith('-') else ' '}{second}"


def _tenths(n: int) -> str:
    whole = f"{n / 10:.1f}".removesuffix(".0")
    return whole.replace("0.", ".", 1) if whole.startswith(("0.", "-0.")) else whole


def _short(x: float) -> str:
    return _tenths(round(10 * x))


def _attributes(found: dict[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in found.items())


def _escaped(words: str) -> str:
    """Without what no parser of XML or HTML accepts."""
    return escape(
        re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", words), quote=False
    )
