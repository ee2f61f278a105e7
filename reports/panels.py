"""What the panels of a counterexample's picture share: curves over one axis, marks, words for numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from reports.drawing import ACCENT, INK, WARNING, Point, Points, Scale, Sheet, cut, number, short
from reports.models import Floats

__all__ = [
    "PANEL",
    "STEPS",
    "TALL",
    "Line",
    "Panel",
    "agrees",
    "comma_separated",
    "counted",
    "disc",
    "graph",
    "over",
    "rationals",
    "straightened",
    "unit_at",
]

PANEL, TALL = 190, 160

STEPS = np.linspace(-1, 1, 25)


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet: ``draw`` puts it at a distance from the left, ``says`` describes it."""

    title: str
    says: str
    draw: Callable[[Sheet, float], None]


@dataclass(frozen=True)
class Line:
    """A curve by its points; ``name`` goes into the legend."""

    name: str
    points: Sequence[Point]
    colour: str = ACCENT
    width: float = 1.5
    dashes: tuple[float, float] | None = None


def over(name: str, x: Floats, y: Floats, colour: str = ACCENT, **ink: Any) -> Line:
    """The line through the points (x_i, y_i); ``x`` and ``y`` are of one length."""
    return Line(name, [(float(a), float(b)) for a, b in zip(x, y, strict=True)], colour, **ink)


def graph(
    title: str,
    says: str,
    lines: Sequence[Line],
    *,
    below: str = "",
    marks: Sequence[Point] = (),
    levels: dict[str, float] | None = None,
    high: float = np.inf,
    margin: float = 0,
    straight: bool = True,
) -> Panel | None:
    """Curves over one axis below ``high``, with points and dashed levels; None where there is no curve."""
    levels = {name: value for name, value in (levels or {}).items() if value <= high}
    every = [(a, b) for line in lines for a, b in line.points if np.isfinite([a, b]).all()]
    seen = [b for _, b in every if b <= high]
    if not np.isfinite([*(c for mark in marks for c in mark), *levels.values()]).all():
        return None
    if not seen or len({a for a, _ in every}) < 2 or max(abs(c) for p in every for c in p) > 1e150:
        return None
    first, last = min(a for a, _ in every) - margin, max(a for a, _ in every) + margin
    marks = [(a, b) for a, b in marks if first <= a <= last and b <= high]
    heights = [*seen, *(b for _, b in marks), *levels.values()]
    low = min(heights)
    high = max(heights) if high == np.inf else high

    def draw(sheet: Sheet, left: float) -> None:
        across = Scale(first, last, left + 46, left + PANEL - 6)
        up = Scale(low, high, TALL - 40, 24)
        corner = ((across.start, up.end), (across.start, up.start + 4), (across.end, up.start + 4))
        sheet.draw([corner], stroke=INK, opacity=0.4)
        taken: list[float] = []
        for name, value in levels.items():
            y = up(value)
            sheet.draw([((across.start, y), (across.end, y))], stroke=WARNING, dashes=(4, 3))
            sheet.write(across.end, y - 3, cut(name, 120), anchor="end", colour=WARNING)
        for line in lines:
            pieces = [[(across(a), up(b)) for a, b in piece] for piece in _clipped(line.points, low, high)]
            sheet.draw(
                [straightened(piece) for piece in pieces] if straight else pieces,
                stroke=line.colour, width=line.width, dashes=line.dashes,
            )  # fmt: skip
        sheet.draw([disc(across(a), up(b)) for a, b in marks], fill=ACCENT)
        for value in (*levels.values(), low, high):
            if all(abs(up(value) - y) > 11 for y in taken):
                taken.append(up(value))
                sheet.write(across.start - 4, up(value) + 4, short(value), anchor="end", faint=True)
        sheet.write(across.start, TALL - 22, short(first), faint=True)
        sheet.write(across.end, TALL - 22, short(last), anchor="end", faint=True)
        sheet.write((across.start + across.end) / 2, TALL - 22, cut(below, 70), anchor="middle", faint=True)
        named = {line.name: line for line in lines if line.name}
        for i, (name, line) in enumerate(named.items()):
            x, wide = left + PANEL / len(named) * i, PANEL / len(named)
            sheet.draw([((x, TALL - 8), (x + 12, TALL - 8))], stroke=line.colour, width=line.width,
                       dashes=line.dashes)  # fmt: skip
            sheet.write(x + 16, TALL - 4, cut(name, wide - 18), faint=True)

    return Panel(title, says, draw)


def _clipped(points: Sequence[Point], low: float, high: float) -> list[list[Point]]:
    """The pieces of a polyline between two heights."""
    found: list[list[Point]] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        if not np.isfinite([x0, y0, x1, y1]).all() or max(y0, y1) < low or min(y0, y1) > high:
            continue
        ends = []
        for x, y in ((x0, y0), (x1, y1)):
            inside = min(max(y, low), high)
            share = (inside - y0) / (y1 - y0) if inside != y else 0.0
            ends.append((x0 + share * (x1 - x0), inside) if inside != y else (x, y))
        if found and found[-1][-1] == ends[0]:
            found[-1].append(ends[1])
        else:
            found.append(ends)
    return found


def straightened(points: list[Point]) -> list[Point]:
    """Without the points that lie within a tenth of a pixel between their neighbours."""
    kept = [points[0]]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        (x0, y0), (x1, y1) = kept[-1], after
        between = y0 + (y1 - y0) * (at[0] - x0) / (x1 - x0) if x1 != x0 else at[1]
        if abs(between - at[1]) > 0.1 or abs(before[1] - 2 * at[1] + after[1]) > 0.2:
            kept.append(at)
    return [*kept, points[-1]]


def disc(x: float, y: float, r: float = 4) -> Points:
    """A mark about a point, as a polygon of four corners."""
    return ((x - r, y), (x, y - r), (x + r, y), (x, y + r))


def agrees(values: dict[str, str], name: str, here: float) -> bool:
    """Whether the recorded value of this name is the one computed here, to a millionth."""
    known = number(values.get(name))
    return known is not None and abs(known - here) <= 1e-6 * max(1.0, abs(here))


def rationals(part: dict[str, Any], *keys: str) -> list[float]:
    """Number fields of an instance. Raises ``ValueError`` for what float64 cannot hold."""
    found = [number(part[key]) for key in keys]
    if any(v is None for v in found):
        raise ValueError("not numbers of float64")
    return [v for v in found if v is not None]


def unit_at(like: Floats, at: tuple[int, ...]) -> Floats:
    """The array of this shape that is 1 at one place and 0 elsewhere."""
    found = np.zeros_like(like)
    found[at] = 1
    return found


def counted(found: Sequence[object], noun: str) -> str:
    """How many there are, as "2 samples"."""
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"


def comma_separated(row: Floats) -> str:
    """The numbers of a row, to three digits each."""
    return ", ".join(short(float(e)) for e in row)
