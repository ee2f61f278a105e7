"""Convex traps: local minima certified by convexity alone, whatever the Hessian's kernel; and what is lower.

Let G_L be the output pre-activations, Δ = ∂Φ/∂G_L, and θ such that every sample has the same G_L (W_1 = 0, or
X W_1 constant). Then Φ(θ') − Φ(θ) >= ⟨Δ, G_L(θ') − G_L(θ)⟩ = ⟨Δ, G_L(θ')⟩ if the loss is a convex function
of every entry of G_L between the two, and Σ_i Δ_ij = 0. If moreover each column Δ_j is zero, or

    Σ_i Δ_ij φ(x_i) >= 0 for every convex φ (or every concave φ)

and unit j of G_L(θ') is a convex (concave) function of x on the hull of the samples for every θ' in a box
around θ, then θ is a local minimum: the least on that box. Which units are convex is read off the signs of
the weights and of σ′ and σ″ in interval arithmetic: an affine function of x followed by σ is convex where
σ″ > 0; sums with positive weights keep what they are given, negative ones turn it; an increasing σ with
σ″ > 0 keeps convexity, a decreasing one makes convex of concave, and so on. No derivative of Φ is needed.

Source: Nguyen & Hein (2017) conjecture that such points do not exist; the argument is ours.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from flint import arb, ctx, fmpq, fmpq_mat

from strategies.activations import Activation
from strategies.feedforward import Network
from strategies.losses import squared
from strategies.matrices import hstack
from strategies.traps import RANGES, Layer, Problem, in_range, layers_of, run_exactly
from strategies.wide import Shape
from verify.oracles.enclosed import sign
from verify.oracles.feedforward import hessian, is_lower
from verify.oracles.linear_programs import Feasible, find_feasible
from verify.oracles.rank_certificates import construct_full_rank

__all__ = [
    "attains_zero",
    "convex_order",
    "deltas",
    "exact_loss",
    "find_lower",
    "is_critical",
    "is_trap",
    "rank_at",
    "trap_radius",
    "with_ones",
]

RADII = tuple(fmpq(1, 1 << k) for k in (2, 4, 7, 12, 24))
"""The boxes that ``trap_radius`` tries, in the maximum norm."""


def with_ones(f: fmpq_mat) -> fmpq_mat:
    """[F, 1_N]."""
    return hstack(f, fmpq_mat(f.nrows(), 1, [1] * f.nrows()))


# --- convex traps -------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _balances(X: tuple[tuple[fmpq, ...], ...], r: tuple[fmpq, ...]) -> bool:
    up = [i for i, e in enumerate(r) if e > 0]
    down = [i for i, e in enumerate(r) if e < 0]
    d = len(X[0])
    if any(sum(e * x[k] for e, x in zip(r, X, strict=True)) for k in range(d)) or sum(r, fmpq(0)):
        return False
    if d == 1:
        return all(
            sum((e * max(x[0] - t[0], fmpq(0)) for e, x in zip(r, X, strict=True)), fmpq(0)) >= 0 for t in X
        )
    n = len(up) * len(down)
    rows, right = [], []
    for q, j in enumerate(down):
        place = range(q * len(up), (q + 1) * len(up))
        rows.append([fmpq(int(v in place)) for v in range(n)])
        right.append(-r[j])
        for k in range(d):
            rows.append([X[up[v % len(up)]][k] if v in place else fmpq(0) for v in range(n)])
            right.append(-r[j] * X[j][k])
    for q, i in enumerate(up):
        rows.append([fmpq(int(v % len(up) == q)) for v in range(n)])
        right.append(r[i])
    a = fmpq_mat(len(rows), n, [e for row in rows for e in row])
    found = find_feasible(a, fmpq_mat(len(right), 1, right), [fmpq(0)] * n, [None] * n)
    return isinstance(found, Feasible)


def convex_order(X: fmpq_mat, r: fmpq_mat) -> int:
    """1 if Σ r_i φ(x_i) >= 0 for every convex φ, −1 if for every concave φ, 0 otherwise; r ≠ 0 is N × 1.

    By Strassen's theorem: iff a martingale moves the mass of r⁻ onto r⁺, T >= 0 with row sums r⁻, column
    sums r⁺ and barycentres Σ_a T_ca x_a = r⁻_c x_c, a linear program decided exactly. In one dimension it
    is enough that Σ r_i = Σ r_i x_i = 0 and Σ r_i (x_i − t)⁺ >= 0 for every t of the samples.
    """
    rows = tuple(tuple(x) for x in X.table())
    entries = tuple(r.entries())
    if _balances(rows, entries):
        return 1
    return -1 if _balances(rows, tuple(-e for e in entries)) else 0


@lru_cache(maxsize=256)
def trap_radius(net: Network) -> fmpq | None:
    """The largest ε of ``RADII`` for which θ is proved a minimum of Φ on |θ' − θ| <= ε; None: no proof.

    For the squared loss on networks made by ``deep`` with a hidden layer, at points where G_L is rational
    and the same for every sample.
    """
    layers, exact = layers_of(net), run_exactly(net)
    if layers is None or exact is None or len(layers) < 2 or net.loss is not squared:
        return None
    g = exact.G[-1].table()
    if any(row != g[0] for row in g):
        return None
    residuals = [
        [w * (f - y) for f, y in zip(p, q, strict=True)]
        for w, p, q in zip(net.weights.entries(), exact.F[-1].table(), net.Y.table(), strict=True)
    ]
    wanted: list[int | None] = []
    for j in range(net.Y.ncols()):
        column = fmpq_mat(len(residuals), 1, [row[j] for row in residuals])
        slope = sign(exact.slopes[-1][0, j])
        order = convex_order(net.X, column) if any(column.entries()) else None
        if order == 0 or slope == 0:
            return None
        wanted.append(None if order is None or slope is None else order * slope)
    with ctx.workprec(64):
        return next((e for e in RADII if _is_least_on_box(net, layers, wanted, e)), None)


def _is_least_on_box(net: Network, layers: tuple[Layer, ...], wanted: list[int | None], eps: fmpq) -> bool:
    around = arb(0, 1) * arb(eps)
    h = [arb(min(c)).union(arb(max(c))) for c in net.X.transpose().table()]
    types: list[int] = []
    for l, (w, b, sigma) in enumerate(layers):
        q = []
        kinds: list[int | None] = []
        table = w.transpose().table()
        for k, column in enumerate(table):
            box = [arb(e) + around for e in column]
            q.append(sum((e * v for e, v in zip(box, h, strict=True)), arb(b[0, k]) + around))
            turned = {None if (s := sign(e)) is None else s * t for e, t in zip(box, types, strict=l > 0)}
            kinds.append(turned.pop() if l and len(turned) == 1 else None)
        if l == len(layers) - 1:
            matched = all(t is None or t == kinds[j] for j, t in enumerate(wanted))
            return matched and all(
                _is_convex_loss(sigma, q[j], y) for row in net.Y.table() for j, y in enumerate(row)
            )
        types = []
        for k, t in enumerate(q):
            bend, slope = sign(arb(sigma.curvature(t))), sign(arb(sigma.slope(t)))
            if not bend or not slope:
                return False
            kind = kinds[k]
            if l and (kind is None or kind * slope != bend):
                return False
            types.append(bend)
        h = [sigma.ball(t) for t in q]
    return False


def _is_convex_loss(sigma: Activation, g: arb, y: fmpq) -> bool:
    """Whether (σ(g) − y)² has a positive second derivative on the whole ball."""
    slope, bend = arb(sigma.slope(g)), arb(sigma.curvature(g))
    return bool(slope * slope + (sigma.ball(g) - arb(y)) * bend > 0)


def is_trap(net: Network) -> str | None:
    """A sentence that says why θ certainly is a local minimum of Φ, or None."""
    radius = trap_radius(net)
    if radius is None:
        return None
    return (
        f"on the box of radius {radius} around θ every hidden unit is a convex or concave function of x, as "
        "the residuals and the weights above it require: Φ(θ') >= Φ(θ) there, a local minimum"
    )


# --- exact values -------------------------------------------------------------------------------------


def exact_loss(net: Network) -> fmpq | None:
    """Φ(θ), where the outputs are rational; None elsewhere."""
    found = run_exactly(net)
    if found is None:
        return None
    return sum(
        (
            w * (f - y) * (f - y)
            for w, p, q in zip(net.weights.entries(), found.F[-1].table(), net.Y.table(), strict=True)
            for f, y in zip(p, q, strict=True)
        ),
        fmpq(0),
    )


@lru_cache(maxsize=256)
def deltas(net: Network) -> tuple[fmpq_mat, ...] | None:
    """Δ_1, …, Δ_L of Lemma 2.1, each up to a positive factor (σ′ in ``units_of_slope``); None: irrational."""
    layers, found = layers_of(net), run_exactly(net)
    if layers is None or found is None:
        return None
    residuals = (found.F[-1] - net.Y).table()
    n, m = net.X.nrows(), net.Y.ncols()
    flat = [w * e for w, row in zip(net.weights.entries(), residuals, strict=True) for e in row]
    made = [_hadamard(fmpq_mat(n, m, flat), found.slopes[-1])]
    for layer, slopes in zip(reversed(layers[1:]), reversed(found.slopes[:-1]), strict=True):
        made.insert(0, _hadamard(made[0] * layer.W.transpose(), slopes))
    return tuple(made)


def _hadamard(a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
    return fmpq_mat(a.nrows(), a.ncols(), [x * y for x, y in zip(a.entries(), b.entries(), strict=True)])


def is_critical(net: Network) -> bool | None:
    """Whether [F_{l−1}, 1]ᵀ Δ_l = 0 for every layer, exactly; None where a value is irrational."""
    found, slopes = run_exactly(net), deltas(net)
    if found is None or slopes is None:
        return None
    return not any(
        any((with_ones(f).transpose() * delta).entries())
        for f, delta in zip(found.F[:-1], slopes, strict=True)
    )


def rank_at(net: Network, k: int) -> int | None:
    """rank [F_k, 1] at θ, exactly; None where a value is irrational."""
    found = run_exactly(net)
    return None if found is None else int(with_ones(found.F[k]).rank())


# --- what is lower ------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def attains_zero(problem: Problem) -> str | None:
    """A sentence that says why min Φ = 0 is attained, or None.

    All labels lie in σ(ℝ), and for some k < L parameters exist (rational ones are found; F_0 = X has none) at
    which [F_k, 1] has rank N: then W_{k+1} and b_{k+1} make G_{k+1} any matrix. If k + 1 = L it is σ⁻¹(Y). If
    not and n_l >= m for l > k, let G_{k+1} be such that the first m columns of F_{k+1} are α + ε T, T the
    next pre-activations wanted, ε small and α in σ(ℝ): the next layer undoes α and ε, and so on to σ⁻¹(Y).
    """
    activation, X, Y, widths = problem.activation, problem.X, problem.Y, problem.widths
    if activation not in RANGES or not all(in_range(activation, y) for y in Y.entries()):
        return None
    n, m = X.nrows(), Y.ncols()
    for k in range(len(widths)):
        if any(w < m for w in widths[k:]) or (k and widths[k - 1] < n - 1):
            continue
        if k == 0 and with_ones(X).rank() == n:
            return "rank [X, 1] = N and every label is a value of σ, hence min Φ = 0"
        if (
            k
            and construct_full_rank(Shape(activation=activation, X=X, widths=widths[:k]), steps=4) is not None
        ):
            return f"rank [F_{k}, 1] = N is attained and every label is a value of σ, hence min Φ = 0"
    return None


@lru_cache(maxsize=64)
def _curved_directions(net: Network) -> tuple[fmpq_mat, ...]:
    """Directions of negative curvature of Φ, rounded: the two lowest eigenvectors of a float Hessian."""
    second = hessian(net)
    n = second.nrows()
    a = np.array([float(arb(e).mid()) for e in second.entries()]).reshape(n, n)
    if not np.isfinite(a).all():
        return ()
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    return tuple(
        fmpq_mat(n, 1, [fmpq(round(float(e) * 2**40), 2**40) for e in vectors[:, k]])
        for k in range(min(2, n))
        if values[k] < -1e-12 * max(abs(values))
    )


def find_lower(net: Network, radius: fmpq) -> Network | None:
    """A θ' with Φ(θ') < Φ(θ) and |θ' − θ| <= ``radius`` (maximum norm), or None if none was found.

    Against curvature at a critical point; whatever the candidate, balls decide that it is lower.
    """
    for v in _curved_directions(net):
        step = radius
        for _ in range(6):
            for turned in (v, v * -1):
                theta = net.theta + turned * step
                if is_lower(net, theta):
                    return net.at(theta)
            step /= 8
    return None
