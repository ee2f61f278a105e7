"""The picture of a counterexample, from what the record says of it and nothing else.

Up to three panels: the loss around the point where the loss computed here agrees with the one the record
gives, the data, singular values, the pattern of the units. A picture decides nothing: float64 throughout.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from reports.drawing import ACCENT, INK, WARNING, Figure, Point, Points, Scale, Sheet, cut, number, short
from reports.models import Floats, Model, kind_of, matrix, model, stack_of, typed
from reports.record import Counterexample, Variant

__all__ = ["picture"]

PANEL, TALL, GAP = 190, 160, 20
DIRECTIONS = 12
"""Parameters along which the loss is followed: thinned out where there are more."""

RADII = {1.0: "1", 0.125: "1/8", 0.015625: "1/64"}
"""How far the loss is followed: the first at which it stays in sight."""

STEPS = np.linspace(-1, 1, 25)


def picture(variant: Variant) -> Figure | None:
    """What can be seen of the variant's counterexample; None where there is nothing to see.

    The same bytes for the same variant. A record that does not hold what its types promise gives None.
    """
    if variant.counterexample is None:
        return None
    try:
        with np.errstate(all="ignore"):
            panels = list(_panels(variant.counterexample))[:3]
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError):
        return None
    if not panels:
        return None
    sheet = Sheet(len(panels) * (PANEL + GAP) - GAP, TALL)
    for i, panel in enumerate(panels):
        x = i * (PANEL + GAP)
        sheet.write(x, 11, cut(panel.title, PANEL))
        panel.draw(sheet, x)
    said = ". ".join(panel.says for panel in panels) + "."
    return sheet.figure(f"Picture of the counterexample {variant.counterexample.id}", said)


@dataclass(frozen=True)
class _Panel:
    title: str
    says: str
    draw: Callable[[Sheet, float], None]


def _panels(found: Counterexample) -> Iterator[_Panel]:
    parts = list(typed(found.instance))
    at = next((m for part in parts if (m := model(part)) is not None), None)
    if at is not None:
        moves = [move for part in parts if (move := _moved(part, at)) is not None]
        if (panel := _loss(at, found.values, moves[0] if moves else None)) is not None:
            yield panel
    for part in parts:
        if (panel := _data(part, model(part))) is not None:
            yield panel
            break
    for part in parts:
        if (panel := _singular(part)) is not None:
            yield panel
            break
    pattern = _pattern(at) if at is not None else None
    if pattern is not None:
        yield pattern


def _moved(part: dict[str, Any], at: Model) -> tuple[Floats, ...] | None:
    """The direction A, B of an instance that is a network together with a move of its first two matrices."""
    if "net" not in part or not {"A", "B"} <= part.keys() or len(at.parameters) < 2:
        return None
    try:
        move = (matrix(part["A"]), matrix(part["B"]), *(np.zeros_like(p) for p in at.parameters[2:]))
    except ValueError:
        return None
    fits = all(m.shape == p.shape for m, p in zip(move, at.parameters, strict=True))
    return move if fits and any(m.any() for m in move) else None


# --- the panels --------------------------------------------------------------------------------------


def _loss(at: Model, values: dict[str, str], move: tuple[Floats, ...] | None) -> _Panel | None:
    """The loss along every parameter, where the value at the point is one that the record gives."""
    here = at.at(at.parameters)
    known = {name: v for name, text in values.items() if (v := number(text)) is not None}
    close = (n for n, v in known.items() if abs(v - here) <= 1e-9 * max(1.0, abs(here)))
    name = next((n for n in close if re.match(r"(L|F|Φ|Phi|the loss)(?!\w|\*|_?\{|.*\*)", n)), None)
    if name is None or not np.isfinite(here):
        return None
    others = {n: v for n, v in known.items() if n != name and _is_loss(n) and v < here}
    for radius in RADII:
        lines = [line for line in _followed(at, radius) if np.isfinite(line).all()]
        if all(float(line.max() - line.min()) == 0 for line in lines):
            return None
        low = min([here, *others.values(), *(float(line.min()) for line in lines)])
        high = max(float(line.max()) for line in lines)
        if here > low:
            high = min(high, here + 3 * (here - low))
        curved = [line for line in lines if line.max() > line.min()]
        if np.mean([line <= high for line in curved]) > 0.4:
            break
    moved = None if move is None else _moving(at, move, radius)

    def draw(sheet: Sheet, left: float) -> None:
        across, up = Scale(-1, 1, left + 46, left + PANEL - 6), Scale(low, high, TALL - 30, 24)
        corner = ((across.start, up.end), (across.start, up.start + 4), (across.end, up.start + 4))
        sheet.draw([corner], stroke=INK, opacity=0.4)
        pieces = [piece for line in lines for piece in _within(across, up, line)]
        sheet.draw(pieces, stroke=INK, opacity=0.5)
        if moved is not None and np.isfinite(moved).all():
            sheet.draw(_within(across, up, moved), stroke=WARNING, width=2)
        free = up(here) + 4
        sheet.write(across.start - 4, free, short(here), anchor="end")
        for other, value in others.items():
            y = up(value)
            sheet.draw([((across.start, y), (across.end, y))], stroke=WARNING, dashes=(4, 3))
            sheet.write(across.end, y - 3, cut(other, 120), anchor="end", colour=WARNING)
            if abs(y + 4 - free) > 11:
                sheet.write(across.start - 4, y + 4, short(value), anchor="end")
        sheet.draw([_disc(across(0), up(here))], fill=ACCENT)
        middle = (across.start + across.end) / 2
        sheet.write(middle, TALL - 12, f"the point ± {RADII[radius]}", anchor="middle", faint=True)

    below = "".join(f", with {n} = {short(v)} below" for n, v in others.items())
    lower = sum(float(line.min()) < here - 1e-9 * max(1.0, abs(here)) for line in lines)
    says = (
        f"The loss around the point along single parameters ({_count(lines, 'different curve')}): "
        f"{name} = {short(here)}{below}; it falls along {lower or 'none'} of them"
    )
    return _Panel(f"{name} along {at.kind}", says, draw)


def _count(found: Sequence[object], noun: str) -> str:
    return f"{len(found)} {noun}{'' if len(found) == 1 else 's'}"


def _is_loss(name: str) -> bool:
    return name.startswith(("L", "inf", "min", "F", "Φ", "Phi"))


def _moving(at: Model, move: tuple[Floats, ...], radius: float) -> Floats:
    """The loss along a move of the parameters, scaled like single parameters."""
    length = max(float(np.abs(m).max()) for m in move) / radius
    return np.array(
        [at.at([p + t * m / length for p, m in zip(at.parameters, move, strict=True)]) for t in STEPS]
    )


def _followed(at: Model, radius: float) -> list[Floats]:
    """The loss along single parameters, from ``radius`` below to as much above; the same curve only once."""
    places = [(i, e) for i, p in enumerate(at.parameters) for e in range(p.size)]
    most = min(len(places), DIRECTIONS)
    lines: dict[bytes, Floats] = {}
    for k in range(most):
        i, e = places[round(k * (len(places) - 1) / max(most - 1, 1))]
        line = np.empty(len(STEPS))
        for n, t in enumerate(STEPS):
            changed = at.parameters[i].copy()
            changed.flat[e] += t * radius
            line[n] = at.at([*at.parameters[:i], changed, *at.parameters[i + 1 :]])
        lines.setdefault(np.round(line, 9).tobytes(), line)
    return list(lines.values())


def _within(across: Scale, up: Scale, line: Floats) -> list[list[Point]]:
    """The pieces of a curve over ``STEPS`` that lie below the upper edge; straight ones by their ends."""
    found: list[list[Point]] = []
    for inside, group in groupby(range(len(line)), key=lambda n: bool(line[n] <= up.high)):
        run = list(group)
        if not inside:
            continue
        points = [(across(float(STEPS[n])), up(float(line[n]))) for n in run]
        for n, beyond, at_front in ((run[0], run[0] - 1, True), (run[-1], run[-1] + 1, False)):
            if 0 <= beyond < len(line):
                share = (up.high - line[n]) / (line[beyond] - line[n])
                edge = (across(float(STEPS[n] + share * (STEPS[beyond] - STEPS[n]))), up.end)
                points = [edge, *points] if at_front else [*points, edge]
        if len(points) > 1:
            found.append(_straightened(points))
    return found


def _straightened(points: list[Point]) -> list[Point]:
    """Without the points that lie within a tenth of a pixel between their neighbours."""
    kept = [points[0]]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        (x0, y0), (x1, y1) = kept[-1], after
        between = y0 + (y1 - y0) * (at[0] - x0) / (x1 - x0) if x1 != x0 else at[1]
        if abs(between - at[1]) > 0.1 or abs(before[1] - 2 * at[1] + after[1]) > 0.2:
            kept.append(at)
    return [*kept, points[-1]]


def _data(part: dict[str, Any], at: Model | None) -> _Panel | None:
    """Targets against inputs with one of each, or inputs on a line or in the plane, marked by targets."""
    if at is not None:
        x, y, labels = at.inputs, at.targets, at.labels
    else:
        try:
            within = part.get("layers", part)
            x, y, labels = matrix(within["X"]), matrix(part["classes" if "classes" in part else "Y"]), ()
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
        return _Panel("data: y against x", says, lambda sheet, left: _scatter(sheet, left, groups))
    name = "class" if "classes" in part else "y"
    labels = labels or tuple(f"{name} {', '.join(short(float(e)) for e in row)}" for row in y)
    for label, row in zip(labels, x, strict=True):
        groups.setdefault(label, []).append((float(row[0]), float(row[1]) if len(row) == 2 else 0.0))
    if x.shape[1] > 2 or len(groups) > len(_MARKS) or len({tuple(row) for row in x}) < 2:
        return None
    where = "in the plane" if x.shape[1] == 2 else "on the line"
    says = f"The {len(x)} inputs {where}, marked by {len(groups)} different targets"
    plane = x.shape[1] == 2
    return _Panel("data: inputs by target", says, lambda sheet, left: _scatter(sheet, left, groups, plane))


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


def _singular(part: dict[str, Any]) -> _Panel | None:
    """Singular values where the instance is about them: of M and M + D, of layers and their product."""
    try:
        if {"M", "D"} <= part.keys():
            m, d = matrix(part["M"]), matrix(part["D"])
            if m.shape != d.shape:
                return None
            named = {"M": m, "M + D": m + d}
        elif kind_of(part) in ("DeepLinearProblem", "DeepLinear", "EntrywiseProblem"):
            weights = stack_of(part["weights"])
            if not 1 < len(weights) <= 4:
                return None
            product = weights[0]
            for w in weights[1:]:
                product = w @ product
            named = {f"W{i}": w for i, w in enumerate(weights, 1)} | {"product": product}
        else:
            return None
        spectra = {name: np.linalg.svd(m, compute_uv=False) for name, m in named.items()}
    except (ValueError, TypeError, KeyError, IndexError, np.linalg.LinAlgError):
        return None
    if max(len(s) for s in spectra.values()) < 2 or not all(np.isfinite(s).all() for s in spectra.values()):
        return None
    greatest = max(float(s.max()) for s in spectra.values())

    def draw(sheet: Sheet, left: float) -> None:
        up = Scale(0, greatest or 1, TALL - 24, 28)
        wide = (PANEL - 30) / len(spectra)
        sheet.draw([((left + 30, up.start + 0.5), (left + PANEL, up.start + 0.5))], stroke=INK, opacity=0.4)
        for i, (name, spectrum) in enumerate(spectra.items()):
            bar = min((wide - 8) / len(spectrum), 14)
            x = left + 30 + wide * i + (wide - bar * len(spectrum)) / 2
            boxes = [
                sheet.box(x + bar * k, up.start, max(bar - 2, 1), min(up(float(s)) - up.start, -1))
                for k, s in enumerate(spectrum)
            ]
            sheet.draw(boxes, fill=ACCENT)
            sheet.write(
                left + 30 + wide * (i + 0.5), TALL - 8, cut(name, wide + 6), anchor="middle", faint=True
            )
        sheet.write(left + 26, up(greatest) + 4, short(greatest), anchor="end", faint=True)
        sheet.write(left + 26, up.start + 4, "0", anchor="end", faint=True)

    says = "Singular values: " + "; ".join(
        f"{name}: {', '.join(short(round(float(s), 9) + 0.0) for s in spectrum[:6])}"
        for name, spectrum in spectra.items()
    )
    return _Panel("singular values", says, draw)


def _pattern(at: Model) -> _Panel | None:
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
        f"The pattern of {_count(range(units), 'unit')} on {_count(range(samples), 'sample')}: "
        f"{len(active)} active, {len(empty)} inactive, "
        f"{len(kinks)} exactly at the kink"
    )
    return _Panel("units on samples", says, draw)


def _disc(x: float, y: float, r: float = 4) -> Points:
    return ((x - r, y), (x, y - r), (x + r, y), (x, y + r))


def _square(x: float, y: float, r: float = 3.5) -> Points:
    return ((x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r), (x - r, y - r))


def _ring(x: float, y: float, r: float = 5) -> Points:
    return ((x - r, y), (x, y - r), (x + r, y), (x, y + r), (x - r, y))


def _triangle(x: float, y: float, r: float = 4) -> Points:
    return ((x, y - r), (x + r, y + r), (x - r, y + r), (x, y - r))


_MARKS: tuple[tuple[Callable[[float, float], Points], str, bool], ...] = (
    (_disc, ACCENT, True),
    (_ring, WARNING, False),
    (_square, INK, True),
    (_triangle, WARNING, True),
)
