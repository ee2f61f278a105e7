"""Suboptimal local minima of networks that pass two outputs through one unit, certified by interval Newton.

With one unit f = F_{L−1} in the last hidden layer and two outputs, Φ depends on θ near a point with w_1 ≠ 0
only through u = w_1 f + b_1 ∈ ℝ^N, a = w_2 / w_1 and c = b_2 − b_1 a, continuous functions of θ:

    R(u, a, c) = Σ_i (σ(u_i) − y_i1)² + (σ(a u_i + c) − y_i2)².

Hence θ is a local minimum of Φ wherever (u, a, c) is one of R. Every (u, a, c) occurs: f = (u + q) / s lies
in σ(ℝ)^N for some q and s > 0 (w_1 = s), and the layers below attain any such f if [F_k, 1] has rank N for
the layer k = L − 2. At a strict minimum of R, W_L = (w_1, w_2) has rank 1 < 2.

Source: the conjectures of Nguyen & Hein (2017), Section 3.2; the argument is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from strategies.activations import ACTIVATIONS
from strategies.matrices import as_floats
from strategies.traps import Problem
from strategies.wide import Shape
from verify.oracles.convex_traps import with_ones
from verify.oracles.enclosed import prove_critical_point
from verify.oracles.rank_certificates import construct_full_rank

__all__ = ["Suboptimal", "find_suboptimal_minimum", "reaches_any_unit"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Suboptimal:
    """Exactly one zero of ∇R lies in ``point`` = (u, a, c), a strict minimum; R has the value ``lower``."""

    point: list[arb]
    loss: arb
    lower: arb


def reaches_any_unit(problem: Problem) -> bool:
    """Whether every f ∈ σ(ℝ)^N is a value of the last hidden layer, of one unit; False: not proved."""
    n, below = problem.X.nrows(), problem.widths[:-2]
    if len(problem.widths) < 2 or problem.widths[-2] != 1:
        return False
    if not below:
        return bool(with_ones(problem.X).rank() == n)
    shape = Shape(activation=problem.activation, X=problem.X, widths=below)
    return construct_full_rank(shape, steps=4) is not None


def find_suboptimal_minimum(problem: Problem) -> Suboptimal | None:
    """A strict local minimum of R that is not its least value, or None: not found.

    Floats propose: Levenberg–Marquardt from curves of several slopes a through each sample, all at once.
    Krawczyk's operator proves the higher of two, balls that R is lower at the other.
    """
    y = as_floats(problem.Y)
    points, losses = _descend(problem.activation, y)
    if not len(points):
        return None
    best = int(losses.argmin())
    found = [k for k in range(len(points)) if losses[k] > losses[best] * (1 + 1e-6) + 1e-9]
    for k in sorted(found, key=lambda k: losses[k])[:2]:
        with ctx.workprec(128):
            proved = prove_critical_point(
                lambda t: _gradient(problem, t), lambda t: _hessian(problem, t), points[k].tolist()
            )
            if proved is None or proved.positive_definite is not True:
                continue
            here = _value(problem, proved.point)
            lower = _value(problem, [arb(float(e)) for e in points[best]])
            if lower < here:
                return Suboptimal(proved.point, here, lower)
    return None


def _parts(problem: Problem, t: list[arb]) -> tuple[list[arb], arb, arb, list[arb]]:
    n = problem.X.nrows()
    u, a, c = t[:n], t[n], t[n + 1]
    return u, a, c, [a * e + c for e in u]


def _value(problem: Problem, t: list[arb]) -> arb:
    sigma, y = ACTIVATIONS[problem.activation], problem.Y.table()
    u, _, _, v = _parts(problem, t)
    total = arb(0)
    for s, q, (y1, y2) in zip(u, v, y, strict=True):
        e1, e2 = sigma.ball(s) - y1, sigma.ball(q) - y2
        total += e1 * e1 + e2 * e2
    return total


def _terms(problem: Problem, values: list[arb], column: int) -> list[tuple[arb, arb]]:
    """First and second derivatives of (σ(g) − y)² by g."""
    sigma, found = ACTIVATIONS[problem.activation], []
    for g, row in zip(values, problem.Y.table(), strict=True):
        error, slope = sigma.ball(g) - row[column], arb(sigma.slope(g))
        found.append((2 * error * slope, 2 * (slope * slope + error * arb(sigma.curvature(g)))))
    return found


def _gradient(problem: Problem, t: list[arb]) -> list[arb]:
    u, a, _, v = _parts(problem, t)
    first, second = _terms(problem, u, 0), _terms(problem, v, 1)
    q = [s for s, _ in second]
    return [
        *(p + a * s for (p, _), s in zip(first, q, strict=True)),
        sum((s * e for s, e in zip(q, u, strict=True)), arb(0)),
        sum(q, arb(0)),
    ]


def _hessian(problem: Problem, t: list[arb]) -> list[list[arb]]:
    u, a, _, v = _parts(problem, t)
    n = len(u)
    first, second = _terms(problem, u, 0), _terms(problem, v, 1)
    h = [[arb(0)] * (n + 2) for _ in range(n + 2)]
    for i, ((_, P), (q, Q)) in enumerate(zip(first, second, strict=True)):
        h[i][i] = P + a * a * Q
        h[i][n] = h[n][i] = q + a * Q * u[i]
        h[i][n + 1] = h[n + 1][i] = a * Q
        h[n][n] += Q * u[i] * u[i]
        h[n][n + 1] += Q * u[i]
        h[n + 1][n + 1] += Q
    h[n + 1][n] = h[n][n + 1]
    return h


_SLOPES = (-0.125, -0.25, -0.5, -1.0, -2.0, -4.0, -8.0)


def _descend(activation: str, y: Floats) -> tuple[Floats, Floats]:
    """Critical points of R that floats find (rows (u, a, c)) and their values."""
    sigma, n = ACTIVATIONS[activation], len(y)
    grid = np.linspace(-6.0, 14.0, 41)
    curve = sigma.array(grid)
    nearest = grid[np.abs(curve[None, :] - y[:, :1]).argmin(axis=1)]
    other = grid[np.abs(curve[None, :] - y[:, 1:]).argmin(axis=1)]
    a = np.repeat(_SLOPES, n)
    c = np.tile(other, len(_SLOPES)) - a * np.tile(nearest, len(_SLOPES))
    second = sigma.array(a[:, None] * grid + c[:, None])
    distances = (curve - y[:, :1]) ** 2 + (second[:, None, :] - y[None, :, 1:]) ** 2
    z = np.concatenate([grid[distances.argmin(axis=2)], a[:, None], c[:, None]], axis=1)
    size, eye = n + 2, np.eye(n + 2)

    def linearised(z: Floats) -> tuple[Floats, Floats]:
        u, a, c = z[:, :n], z[:, n : n + 1], z[:, n + 1 :]
        v = a * u + c
        errors = np.concatenate([sigma.array(u) - y[:, 0], sigma.array(v) - y[:, 1]], axis=1)
        jacobian = np.zeros((len(z), 2 * n, size))
        slope = sigma.slope_array(v)
        rows = np.arange(n)
        jacobian[:, rows, rows] = sigma.slope_array(u)
        jacobian[:, n + rows, rows] = slope * a
        jacobian[:, n:, n], jacobian[:, n:, n + 1] = slope * u, slope
        return errors, jacobian

    errors, jacobian = linearised(z)
    values, damping = (errors**2).sum(axis=1), np.full(len(z), 0.1)
    gradient = np.einsum("bij,bi->bj", jacobian, errors)
    for _ in range(60):
        normal = jacobian.transpose(0, 2, 1) @ jacobian
        diagonal = np.einsum("bii->bi", normal) * damping[:, None] + 1e-12
        step = np.linalg.solve(normal + diagonal[:, :, None] * eye, gradient[:, :, None])[:, :, 0]
        moved = np.clip(z - step, -60.0, 60.0)
        there, slopes = linearised(moved)
        better = (there**2).sum(axis=1) <= values
        z = np.where(better[:, None], moved, z)
        errors = np.where(better[:, None], there, errors)
        jacobian = np.where(better[:, None, None], slopes, jacobian)
        values = (errors**2).sum(axis=1)
        gradient = np.einsum("bij,bi->bj", jacobian, errors)
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-12, 1e12)
        if (np.abs(gradient).max(axis=1) < 1e-11).all():
            break
    settled = (np.abs(gradient).max(axis=1) < 1e-9) & (np.abs(z).max(axis=1) < 50)
    return z[settled], values[settled]
