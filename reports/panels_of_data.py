"""Panels of the samples: inputs and targets, and which units are active on which of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reports.drawing import ACCENT, INK, WARNING, Point, Points, Scale, Sheet, cut, short
from reports.models import Model, matrix
from reports.panels import PANEL, TALL, Panel, counted, disc

__all__ = ["data", "units_on_samples"]


def data(part: dict[str, Any], at: Model | None) -> Panel | None:
    """Targets against inputs with one of each, or inputs on a line or in the plane, marked by targets."""
    if at is not None:
        x, y, labels = at.inputs, at.targets, at.labels
    else:
        try:
            within = part.get("layers", part)
            x = matrix(within["F" if "F" in within and "classes" in part else "X"])
            y, labels = matrix(part["classes" if "classes" in part else "Y"]), ()
        except (ValueError, TypeError, KeyError):
            return None
    if len(x) < 2 or len(x) != len(y) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return None
    groups: dict[str, list[Point]] = {}
    if at is not None and not labels and x.shape[1] == 1 and y.shape[1] == 1:
        h = at.outputs(at.parameters)
        if h.shape != y.shape or not np.isfinite(h).all() or len({*x.flat}) + len({*y.flat, *h.flat}) < 3:
            return None
        for name, of in (("target", y), ("output", h)):
            groups[name] = [(float(a), float(b)) for a, b in zip(x[:, 0], of[:, 0], strict=True)]
        says = f"The {len(x)} samples: targets and outputs against the input"
        return Panel("data: y against x", says, lambda sheet, left: _scatter(sheet, left, groups))
    name = "class" if "classes" in part else "y"
    labels = labels or tuple(f"{name} {', '.join(short(float(e)) for e in row)}" for row in y)
    for label, row in zip(labels, x, strict=True):
        groups.setdefault(label, []).append((float(row[0]), float(row[1]) if len(row) == 2 else 0.0))
    if x.shape[1] > 2 or len(groups) > len(_MARKS) or len({tuple(row) for row in x}) < 2:
        return None
    where = "in the plane" if x.shape[1] == 2 else "on the line"
    says = f"The {len(x)} inputs {where}, marked by {len(groups)} different targets"
    plane = x.shape[1] == 2
    return Panel("data: inputs by target", says, lambda sheet, left: _scatter(sheet, left, groups, plane))


def _scatter(sheet: Sheet, left: float, groups: dict[str, list[Point]], plane: bool = True) -> None:
    every = [point for points in groups.values() for point in points]
    lines = (len(groups) + 1) // 2
    across = Scale(min(a for a, _ in every), max(a for a, _ in every), left + 54, left + PANEL - 12)
    up = Scale(min(b for _, b in every), max(b for _, b in every), TALL - 33 - 13 * lines, 28)
    corner = ((across.start - 10, up.end), (across.start - 10, up.start + 10), (across.end, up.start + 10))
    sheet.draw([corner], stroke=INK, opacity=0.4)
    for value in dict.fromkeys((up.low, up.high)) if plane else ():
        sheet.write(across.start - 13, up(value) + 4, short(value), anchor="end", faint=True)
    for value in dict.fromkeys((across.low, across.high)):
        sheet.write(across(value), up.start + 22, short(value), anchor="middle", faint=True)
    for i, ((label, points), (mark, colour, filled)) in enumerate(zip(groups.items(), _MARKS, strict=False)):
        ink: dict[str, Any] = {"fill": colour} if filled else {"stroke": colour, "width": 1.5}
        places = dict.fromkeys((round(across(a), 1), round(up(b), 1)) for a, b in points)
        x, y = left + 6 + i % 2 * PANEL / 2, TALL - 5 - 13 * (lines - 1 - i // 2)
        sheet.draw([*(mark(a, b) for a, b in places), mark(x, y - 4)], **ink)
        sheet.write(x + 8, y, cut(label, PANEL / 2 - 14), faint=True)


def _square(x: float, y: float, r: float = 3.5) -> Points:
    return ((x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r))


def _ring(x: float, y: float, r: float = 5) -> Points:
    return ((x - r, y), (x, y - r), (x + r, y), (x, y + r), (x - r, y))


def _triangle(x: float, y: float, r: float = 4) -> Points:
    return ((x, y - r), (x + r, y + r), (x - r, y + r), (x, y - r))


_MARKS: tuple[tuple[Callable[[float, float], Points], str, bool], ...] = (
    (disc, ACCENT, True),
    (_ring, WARNING, False),
    (_square, INK, True),
    (_triangle, WARNING, True),
)


def units_on_samples(at: Model) -> Panel | None:
    """Which unit is active on which sample: full above 0, empty below, crossed out exactly at the kink."""
    layers = [p for p in at.patterns if p.size and np.isfinite(p).all()]
    units = sum(p.shape[1] for p in layers)
    samples = len(at.inputs)
    if (
        not layers
        or units * samples < 2
        or max(units, samples) > 40
        or any(len(p) != samples for p in layers)
    ):
        return None
    gap = 6 * (len(layers) - 1)
    cell = min((PANEL - 20 - gap) / units, (TALL - 52) / samples, 22)
    active: list[Point] = []
    empty: list[Point] = []
    kinks: list[Point] = []
    for i, p in enumerate(layers):
        offset = sum(q.shape[1] for q in layers[:i])
        for (r, c), value in np.ndenumerate(p):
            box = (20 + 6 * i + cell * (offset + c), 24 + cell * r)
            (active if value > 0 else empty if value < 0 else kinks).append(box)

    def draw(sheet: Sheet, left: float) -> None:
        inner = cell - 2
        boxes = [
            [sheet.box(left + x + 1, y + 1, inner, inner) for x, y in of] for of in (active, empty, kinks)
        ]
        sheet.draw(boxes[0], fill=ACCENT)
        sheet.draw([(*b, b[0]) for b in (*boxes[1], *boxes[2])], stroke=INK, opacity=0.5)
        sheet.draw(
            [(b[0], b[2]) for b in boxes[2]] + [(b[1], b[3]) for b in boxes[2]], stroke=WARNING, width=1.5
        )
        bottom = 24 + cell * samples
        sheet.write(left, bottom + 12, "rows: samples, columns: units", faint=True)
        sheet.write(
            left, bottom + 25, "full: active, ×: at the kink" if kinks else "full: active", faint=True
        )

    says = (
        f"The pattern of {counted(range(units), 'unit')} on {counted(range(samples), 'sample')}: "
        f"{len(active)} active, {len(empty)} inactive, "
        f"{len(kinks)} exactly at the kink"
    )
    return Panel("units on samples", says, draw)
