"""Panels of a loss, or of an output, along lines: single parameters, moves, angles, entries of a matrix."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from reports.drawing import ACCENT, INK, WARNING, Point, Scale, Sheet, cut, number, short
from reports.models import Floats, Model, matrix, model, stack_of
from reports.panels import (
    PANEL,
    STEPS,
    TALL,
    Line,
    Panel,
    agrees,
    counted,
    disc,
    graph,
    over,
    rationals,
    straightened,
    unit_at,
)

__all__ = [
    "entrywise",
    "first_order",
    "heavy_tail",
    "laplace",
    "loss_around",
    "output_around",
    "rotation",
]

DIRECTIONS = 12
"""Parameters along which the loss is followed: thinned out where there are more."""

RADII = {1.0: "1", 0.125: "1/8", 0.015625: "1/64"}
"""How far the loss is followed: the first at which it stays in sight."""


def loss_around(at: Model, values: dict[str, str], move: tuple[Floats, ...] | None) -> Panel | None:
    """The loss along every parameter, where the value at the point is one that the record gives."""
    here = at.at(at.parameters)
    known = {name: v for name, text in values.items() if (v := number(text)) is not None}
    close = (n for n, v in known.items() if abs(v - here) <= 1e-9 * max(1.0, abs(here)))
    name = next((n for n in close if re.match(r"(L|F|Φ|Phi|the loss)(?!\w|\*|_?\{|.*\*)", n)), None)
    if name is None or not np.isfinite(here):
        return None
    clear = here - 1e-5 * max(1.0, abs(here))
    others = {n: v for n, v in known.items() if n != name and _is_loss(n) and v < clear}
    straight = None if move is None else _moving(at, move, 1.0)
    for radius in RADII:
        lines = [line for line in _followed(at, radius) if np.isfinite(line).all()]
        flat = all(float(line.max() - line.min()) == 0 for line in lines)
        falls = straight is not None and bool((straight < clear).any())
        if not lines or (flat and not others and not falls):
            return None
        low = min([here, *others.values(), *(float(line.min()) for line in lines)])
        high = max(float(line.max()) for line in lines)
        if here > low:
            high = min(high, here + 3 * (here - low))
        curved = [line for line in lines if line.max() > line.min()]
        if not curved or np.mean([line <= high for line in curved]) > 0.4:
            break
    moved = None if move is None else _moving(at, move, radius)
    if flat and moved is not None and np.isfinite(moved).all():
        low, high = min(low, float(moved.min())), max(high, float(moved.max()))

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
        sheet.draw([disc(across(0), up(here))], fill=ACCENT)
        middle = (across.start + across.end) / 2
        sheet.write(middle, TALL - 12, f"the point ± {RADII[radius]}", anchor="middle", faint=True)

    below = "".join(f", with {n} = {short(v)} below" for n, v in others.items())
    lower = sum(float(line.min()) < here - 1e-9 * max(1.0, abs(here)) for line in lines)
    says = (
        f"The loss around the point along single parameters ({counted(lines, 'different curve')}): "
        f"{name} = {short(here)}{below}; it falls along {lower or 'none'} of them"
        f"{', but along the move of the instance' if flat and falls else ''}"
    )
    return Panel(f"{name} along {at.kind}", says, draw)


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
            found.append(straightened(points))
    return found


def output_around(at: Model, values: dict[str, str]) -> Panel | None:
    """An output along one parameter: through θ, and beside it where it has a kink."""
    text = values.get("theta'")
    if text is None or len(at.parameters) != 1:
        return None
    theta = at.parameters[0]
    try:
        beside = matrix(json.loads(text))
    except (ValueError, TypeError):
        return None
    if beside.size != theta.size or (beside.ravel() == theta.ravel()).all():
        return None
    step = beside.reshape(theta.shape) - theta
    step *= 0.5 / np.abs(step).max()
    places = list(np.ndindex(*theta.shape))
    if len(places) > DIRECTIONS:
        return None
    best, kept = 1e-3, None
    for place in places:
        unit = unit_at(theta, place)
        lines = [
            np.array([at.outputs([theta + k * step + s * unit]).ravel() for s in STEPS]) for k in (-1, 0, 1)
        ]
        bend = [_bend(line, 0) - np.maximum(_bend(line, -1), _bend(line, 1)) for line in lines]
        for output in range(lines[0].shape[1]):
            found = max(float(bend[0][output]), float(bend[2][output]))
            if found > best and float(bend[1][output]) < 1e-9:
                best, kept = found, (place[0], [line[:, output] for line in lines])
    if kept is None or not all(np.isfinite(line).all() for line in kept[1]):
        return None
    k, (one, through, other) = kept
    curves = [
        over("at θ", STEPS, through, width=2.0),
        over("beside θ", STEPS, one, WARNING),
        over("beside θ", STEPS, other, WARNING, dashes=(4, 3)),
    ]
    says = (
        f"An output along θ_{k + 1}: without a kink through θ, with a kink at parameters on either side of it"
    )
    return graph(
        "f around θ", says, curves, below=f"θ_{k + 1} ± 1", marks=[(0.0, float(through[len(STEPS) // 2]))]
    )


def _bend(line: Floats, beside: int) -> Floats:
    """How far the middle of ``line`` (or a step beside it) is from between its neighbours, doubled."""
    at = len(STEPS) // 2 + beside
    return np.asarray(np.abs(line[at + 1] - 2 * line[at] + line[at - 1]))


def rotation(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """H along the angle by which a kept eigenvector is turned into one that is not, and a printed formula."""
    sigma, kept = matrix(part["problem"]["sigma"]), matrix(part["problem"]["T"])
    u, v = matrix(part["u"]), matrix(part["v"])
    small, large, t = rationals(part, "small", "large", "t")
    angles = np.linspace(0, np.pi / 2, 33)

    def h(angle: float) -> float:
        c, s = np.cos(angle), np.sin(angle)
        w = u * c + v * s
        turned = kept - small * u @ u.T + (large * s * s + small * c * c) * w @ w.T
        return float(((turned - sigma) ** 2).sum())

    def printed(angle: float) -> float:
        s, c = np.sin(angle) ** 2, np.cos(angle) ** 2
        return h(0.0) + large**2 + small**2 - float(large * s + small * c) ** 2

    at = 2 * float(np.arctan(t))
    if not (agrees(values, "H(T(theta))", h(at)) or agrees(values, "H", h(at))):
        return None
    true = np.array([h(a) for a in angles])
    lines = [over("H(T(θ))", angles, true)]
    says = f"H along the angle θ from 0 to π/2: from {short(true[0])} to {short(true[-1])}"
    if agrees(values, "formula", printed(at)):
        wrong = np.array([printed(a) for a in angles])
        lines.append(over("the formula", angles, wrong, WARNING, dashes=(4, 3)))
        says += f"; the formula goes from {short(wrong[0])} to {short(wrong[-1])}"
    return graph("H along the rotation", says, lines, below="θ", marks=[(at, h(at))])


def entrywise(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """What f asks of single entries of R, around R."""
    product = None
    for w in stack_of(part["weights"]):
        product = w if product is None else w @ product
    y, c, a, b = (matrix(part[k]) for k in ("targets", "absolute", "squares", "quartics"))
    if product is None or any(m.shape != product.shape for m in (y, c, a, b)):
        return None

    def f(r: Floats) -> Floats:
        e = r - y
        return c * np.abs(e) + a * e**2 + b * e**4

    if not agrees(values, "L(R)", float(f(product).sum())):
        return None
    found: dict[bytes, tuple[str, Floats, Point]] = {}
    for at, entry in np.ndenumerate(product):
        line = np.array([float(f(product + s * unit_at(product, at))[at]) for s in 2 * STEPS])
        name = f"{at[0] + 1},{at[1] + 1}"
        key = (np.round(line, 9).tobytes(), float(entry))
        said = found[repr(key).encode()][0] + f"; {name}" if repr(key).encode() in found else name
        found[repr(key).encode()] = (said, line, (float(entry), float(f(product)[at])))
    if len(found) > 3 or all(float(np.ptp(line)) == 0 for _, line, _ in found.values()):
        return None
    lines = [
        over(name, point[0] + 2 * STEPS, line, colour)
        for (name, line, point), colour in zip(found.values(), (ACCENT, WARNING, INK), strict=False)
    ]
    marks = list(dict.fromkeys(point for _, _, point in found.values()))
    falls = [n for n, line, p in found.values() if float(line.min()) < p[1] - 1e-9]
    says = f"The part of each entry of R in f, along that entry ({counted(lines, 'different curve')}): " + (
        f"it falls from R along entry {' and '.join(falls)}" if falls else "it falls along none"
    )
    return graph("f along entries of R", says, lines, below="entry of R", marks=marks)


def heavy_tail(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """The loss along w, with z cut off ever later."""
    x, y, base, ratio, w, v = rationals(part, "x", "y", "base", "ratio", "w", "v")
    if not (base > 1 and 0 < ratio < 1) or v == 0 or not agrees(values, "L(0, v)", y * y) or w:
        return None
    fine = np.linspace(-1, 1, 101)
    lines = []
    for n, colour in ((2, INK), (8, ACCENT), (32, WARNING)):
        k = np.arange(1, n + 1)
        moment = float(((1 - ratio) * ratio ** (k - 1) * base ** (2.0 * k)).sum())
        if n == 32 and base * base * ratio < 1:
            return None
        lines.append(over(f"{short(base)}^{n}", fine, (fine * x - y) ** 2 + fine**2 * v**2 * moment, colour))
    here = y * y
    says = (
        f"The loss along w at v = {short(v)}, with |z| cut off at {short(base)}^2, {short(base)}^8, "
        f"{short(base)}^32: ever steeper around w = 0, where it is {short(here)}; without a cut it is "
        "infinite elsewhere"
    )
    lower = {n: b for n, t in values.items() if n.startswith("L*") and (b := number(t)) is not None}
    title = "L along w, |z| at most …"
    return graph(title, says, lines, below="w", marks=[(0.0, here)], high=here + 2, levels=lower)


def laplace(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """L(1, v) = 1 / (1 − (v − a)²), infinite from distance 1 on."""
    (a,) = rationals(part, "a")
    if not agrees(values, "L(1, a)", 1.0):
        return None
    v = a + np.linspace(-0.99, 0.99, 67)
    lines = [
        over("L(1, v)", v, 1 / (1 - (v - a) ** 2)),
        Line("v = 0", [(0.0, 1.0), (0.0, 8.0)], WARNING, dashes=(4, 3)),
    ]
    beyond = "where it is infinite" if abs(a) >= 1 else f"where it is {short(1 / (1 - a * a))}"
    says = (
        f"The loss at w = 1 along v: 1 at v = a = {short(a)}, infinite from distance 1 on; "
        f"without z, v is 0, {beyond}"
    )
    return graph("L(1, v) along v", says, lines, below="v", marks=[(a, 1.0)], high=8.0, margin=0.25)


def first_order(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """The loss from θ to the coefficients α, against the bound of first order at θ."""
    at = model(part["net"])
    if at is None or len(at.parameters) != 1:
        return None
    theta, alpha = at.parameters[0], matrix(part["alpha"])
    if alpha.shape != theta.shape:
        return None
    h, e = at.outputs([theta]), 2.0**-17
    basis = [
        (at.outputs([theta + e * unit_at(theta, k)]) - at.outputs([theta - e * unit_at(theta, k)])) / (2 * e)
        for k in np.ndindex(*theta.shape)
    ]

    def model_outputs(c: Floats) -> Floats:
        return np.asarray(sum(a * b for a, b in zip(c[:, 0], basis, strict=True)))

    def of(outputs: Floats) -> float:
        return float(at.weights @ at.loss(outputs, at.targets).sum(axis=1))

    def bound(c: Floats) -> float:
        step = model_outputs(c) - h
        return of(h) + (of(h + e * step) - of(h - e * step)) / (2 * e)

    if not agrees(values, "the first-order bound", bound(alpha)):
        return None
    losses: dict[str, Callable[[Floats], float]] = {
        "the network": lambda c: at.at([c]),
        "the model": lambda c: of(model_outputs(c)),
    }
    name = next((n for n, f in losses.items() if agrees(values, "the loss at α", f(alpha))), None)
    if name is None:
        return None
    share = np.linspace(0, 1, 25)
    path = [theta + s * (alpha - theta) for s in share]
    true = np.array([losses[name](p) for p in path])
    below = np.array([bound(p) for p in path])
    lines = [over("loss", share, true), over("bound", share, below, WARNING, dashes=(4, 3))]
    says = (
        f"The loss of {name} on the way from θ to α, and the first-order bound at θ: at α the loss is "
        f"{short(true[-1] + 0.0)}, the bound {short(round(float(below[-1]), 6) + 0.0)}"
    )
    return graph(f"{name} from θ to α", says, lines, below="θ to α", marks=[(1.0, float(true[-1]))])
