"""Panels of functions of one or two numbers: graphs around a point, curves in the plane, zeros."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from reports.drawing import ACCENT, INK, WARNING, Point, number, short
from reports.models import Floats, activation, matrix
from reports.panels import (
    STEPS,
    Line,
    Panel,
    agrees,
    comma_separated,
    counted,
    graph,
    over,
    rationals,
    unit_at,
)

__all__ = [
    "activation_range",
    "analytic",
    "listed",
    "loss_point",
    "plane_curve",
    "polynomial",
    "ramps",
    "robust",
    "zeros",
]


def listed(values: dict[str, str]) -> Panel | None:
    """Values of one quantity at three or more parameters, as "f at s = 1"."""
    found: dict[tuple[str, str], list[Point]] = {}
    for name, text in values.items():
        m = re.fullmatch(r"(.{1,20}) at (\w{1,8}) = (\S{1,20})", name)
        x, y = number(m[3]) if m else None, number(text)
        if m and x is not None and y is not None:
            found.setdefault((m[1], m[2]), []).append((x, y))
    if len(found) != 1:
        return None
    ((name, parameter), points), *_ = found.items()
    points.sort()
    if len(points) < 3:
        return None
    says = f"{name} at {parameter} = {comma_separated(np.array([x for x, _ in points]))}: "
    says += comma_separated(np.array([y for _, y in points]))
    title = f"{name} along {parameter}"
    return graph(title, says, [Line("", points)], below=parameter, marks=points)


def loss_point(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """A loss along the direction d through outputs q, or along the outputs where d is 0."""
    y, q, d = (matrix(part[k])[0] for k in "yqd")
    kind, power = part["kind"], part["power"]

    def loss(h: Floats) -> float:
        if kind == "squared":
            return float(((h - y) ** 2).sum())
        if kind == "hinge":
            return float((np.maximum(0.0, 1 - h * y) ** power).sum())
        return float((y * (np.log2(np.exp2(h).sum()) - h)).sum())

    if kind not in ("squared", "hinge", "cross-entropy") or not len(y) == len(q) == len(d):
        return None
    if "l(q)" in values and not agrees(values, "l(q)", loss(q)):
        return None
    ways = {"q + t d": d} if d.any() else {f"q_{k + 1}": unit_at(q, (k,)) for k in range(len(q))}
    t = 2 * STEPS
    lines = [
        over(name, t, np.array([loss(q + s * way) for s in t]), colour)
        for (name, way), colour in zip(ways.items(), (ACCENT, WARNING, INK), strict=False)
    ]
    marks = [(0.0, loss(q))]
    if d.any():
        marks += [(s, loss(q + s * d)) for s in (-1.0, 1.0)]
    levels = {"0": 0.0} if "0" in values else None
    says = f"The loss ({kind}) along {' and '.join(ways)}: {short(loss(q) + 0.0)} at q"
    says += f", {short(marks[1][1])} and {short(marks[2][1])} at q − d and q + d" if d.any() else ""
    return graph(f"{kind} along {', '.join(ways)}", says, lines, below="t", marks=marks, levels=levels)


def plane_curve(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """The image of a curve in the plane, f(0), and where it meets itself."""
    c, (radius,) = matrix(part["c"]), rationals(part, "radius")
    if len(c) != 2 or not c[:, 1:].any():
        return None

    def f(t: float) -> Point:
        x, y = (float(np.polyval(row[::-1], t)) for row in c)
        return x, y

    marks, met = [f(0.0)], ""
    total, product = number(values.get("s + t")), number(values.get("s t"))
    if total is not None and product is not None and total * total > 4 * product:
        root = float(np.sqrt(total * total - 4 * product))
        s, t = (total - root) / 2, (total + root) / 2
        if max(abs(a - b) for a, b in zip(f(s), f(t), strict=True)) < 1e-6:
            marks, radius = [f(s)], min(radius, 1.25 * max(abs(s), abs(t)))
            met = f": it meets itself at f({short(s)}) = f({short(t)})"
    says = f"The image of ({short(-radius)}, {short(radius)}) in the plane{met}"
    line = Line("", [f(float(t)) for t in radius * np.linspace(-1, 1, 41)])
    return graph("the image of the curve", says, [line], marks=marks, below="f_1", straight=False)


def polynomial(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """A polynomial around its point."""
    coefficients = [number(e) for e in part["c"]["tuple"]]
    (r,) = rationals(part, "r")
    c = np.array([e for e in coefficients if e is not None])
    if len(c) != len(coefficients) or not c[1:].any():
        return None

    def f(x: Floats | float) -> Any:
        return np.polyval(c[::-1], x)

    x = r + np.linspace(-1, 1, 49)
    other = number(values.get("a"))
    points = [r, *([other] if other is not None and abs(other - r) <= 1 else [])]
    says = "l around r: " + ", ".join(f"l({short(p)}) = {short(float(f(p)))}" for p in points)
    marks = [(p, float(f(p))) for p in points]
    return graph("l around r", says, [over("", x, f(x))], below="a", marks=marks)


def robust(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """A robust loss against the square."""
    delta, share, w, at = rationals(part, "delta", "A", "w", "a")
    formulas: dict[str, Callable[[Floats], Floats]] = {
        "pseudo-Huber": lambda a: 2 * delta**2 * (np.sqrt(1 + a**2 / delta**2) - 1),
        "Blake-Zisserman": lambda a: -np.log(np.exp(-(a**2)) + delta),
        "corrupted Gaussian": lambda a: (
            -np.log(share * np.exp(-(a**2)) + (1 - share) * np.exp(-(a**2) / w**2) / w)
        ),
        "Cauchy": lambda a: delta**2 * np.log(1 + a**2 / delta**2),
    }
    loss, a = formulas.get(part["name"]), np.linspace(-2, 2, 41)
    if loss is None:
        return None
    line, origin, here = loss(a), float(loss(np.zeros(1))[0]), float(loss(np.array([at]))[0])
    for name, value in (("l(0)", origin), ("l(a)", here)):
        if name in values and not agrees(values, name, value):
            return None
    if not np.isfinite([*line, origin, here]).all() or float(np.ptp(line)) == 0:
        return None
    marks = [(0.0, origin), *([(at, here)] if at and abs(at) <= 2 else [])]
    says = f"The loss {part['name']} beside a²: " + ", ".join(
        f"l({short(x)}) = {short(y + 0.0)}" for x, y in marks
    )
    lines = [over("l(a)", a, line), over("a²", a, a**2, INK, width=1.0, dashes=(4, 3))]
    high = max(float(line.max()), 1.0)
    return graph(part["name"], says, lines, below="a", marks=marks, high=high)


def analytic(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """A function made of two pieces that is 0 on one side of the knot."""
    p, q, (knot,) = matrix(part["p"])[0], matrix(part["q"])[0], rationals(part, "knot")
    x = np.linspace(0, 2, 25)
    if part["kind"] == "glued":
        above, under = np.polyval(p[::-1], knot + x), np.polyval(q[::-1], knot - x)
    elif part["kind"] == "flat":
        above = p.sum() * np.exp(-1 / np.maximum(x, 1e-9))
        under = np.zeros_like(x)
    else:
        return None
    zero = [side for side, y in (("above", above), ("below", under)) if not y.any()]
    if len(zero) != 1:
        return None
    lines = [
        over("f" if y.any() else "f = 0", knot + sign * x, y, ACCENT if y.any() else WARNING, width=2.0)
        for sign, y in ((1, above), (-1, under))
    ]
    says = (
        f"f around its knot {short(knot)}: it is 0 everywhere {zero[0]} the knot, and not on the other side"
    )
    return graph("f around its knot", says, lines, below="x", marks=[(knot, float(above[0]))])


def zeros(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """The zeros of Ψ in the plane around the given one."""
    c, (u0, v0) = matrix(part["c"]), rationals(part, "u0", "v0")
    found: list[list[Point]] = []
    open_: list[list[Point]] = []
    at_start: list[float] = []
    for u in u0 + 1.0 * STEPS:
        row = np.array([np.polyval(c[::-1, j], u) for j in range(c.shape[1])])
        if not row.any():
            return None
        roots = np.roots(row[::-1])
        real = sorted(float(z.real) for z in roots if abs(z.imag) < 1e-9)
        if u == u0:
            at_start = real
        near = [v for v in real if abs(v - v0) <= 4]
        kept: list[list[Point]] = []
        for v in near:
            line = min(open_, key=lambda piece: abs(piece[-1][1] - v), default=None)
            if line is not None and abs(line[-1][1] - v) < 1:
                open_ = [piece for piece in open_ if piece is not line]
                line.append((float(u), v))
            else:
                line = [(float(u), v)]
                found.append(line)
            kept.append(line)
        open_ = kept
    found = [line for line in found if len(line) > 1]
    if len(found) > 6 or not any(abs(v - v0) < 1e-6 for v in at_start):
        return None
    roots_at = ", ".join(short(round(v, 6) + 0.0) for v in at_start)
    says = f"The zeros of Ψ around (u0, v0), {counted(found, 'curve')}: at u0 = {short(u0)}, v = {roots_at}"
    lines = [Line("", line) for line in found]
    marks = [(u0, v) for v in at_start if abs(v - v0) <= 4]
    return graph("Ψ = 0: v against u", says, lines, below="u", marks=marks)


def activation_range(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """An activation and targets that are none of its values."""
    sigma, y = activation(part), matrix(part["Y"])
    if sigma is None:
        return None
    t = np.linspace(-8, 8, 65)
    line = sigma(t)
    targets = sorted({float(e) for e in y.flat})
    beyond = [e for e in targets if not line.min() <= e <= line.max()]
    if not beyond or len(targets) > 3 or not np.isfinite(line).all():
        return None
    says = (
        f"The activation {part['activation']} from −8 to 8: the target {' and '.join(map(short, beyond))} "
        "is beyond its values there"
    )
    levels = {f"y = {short(e)}": e for e in beyond}
    return graph(f"{part['activation']} and targets", says, [over("", t, line)], below="t", levels=levels)


def ramps(part: dict[str, Any], values: dict[str, str]) -> Panel | None:
    """det [1, A] along α, where it vanishes or changes its sign."""
    sigma, t = activation(part), matrix(part["t"])[0]
    alpha, beta = rationals(part, "alpha", "beta")
    if sigma is None or len(t) > 8 or not np.isfinite(sigma(np.array([-1e9, 1e9]))).all():
        return None
    if float(np.abs(sigma(np.array([-1e9, 1e9]))).max()) > 10:
        return None
    end = max(8 * alpha, 1.25 * (number(values.get("positive at")) or 0.0), 2.0)
    along = np.linspace(0, end, 81)
    gaps = t[None, :-1] - t[:, None]
    dets = [np.linalg.det(np.column_stack([np.ones(len(t)), sigma(a * gaps + beta)])) for a in along]
    line = np.array(dets)
    if float(np.ptp(line)) < 1e-12:
        return None
    here = float(np.interp(alpha, along, line))
    low, high = short(float(line.min())), short(float(line.max()))
    says = f"The determinant of [1, A] along α from 0 to {short(end)}: its values are from {low} to {high}"
    curves = [over("", along, line)]
    return graph("det [1, A] along α", says, curves, below="α", marks=[(alpha, here)], levels={"0": 0.0})
