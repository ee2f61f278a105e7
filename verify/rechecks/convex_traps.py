"""Local minima by convexity alone: no unit sees its input, and every hidden unit is a convex function of it.

Let W_1 = 0, so that all samples have the same pre-activations. For θ′ near θ, Φ(θ′) − Φ(θ) is at least
⟨Δ_L, G_L(θ′)⟩ where the loss is convex in G_L, and that is >= 0 where the residuals r of an output have
Σ_i r_i φ(x_i) >= 0 for all convex φ and the output's pre-activation is a convex function of x: sums of convex
units with positive weights are, and σ of one where σ′ > 0 and σ″ > 0. Negative signs turn both.
"""

from __future__ import annotations

from fractions import Fraction

from verify.rechecks.irrational import exceeds
from verify.rechecks.layers import layers_at, sigma_of, stack_of
from verify.rechecks.linear_algebra import is_zero, matrix, minus, turned
from verify.rechecks.linear_programs import greatest_value
from verify.rechecks.losses import activation_at


def sign_of(a):
    """1, 0 or −1."""
    return (a > 0) - (a < 0)


def is_balayage(X, r):
    """Whether Σ_i r_i φ(x_i) >= 0 for every convex φ: iff mass r⁻ moves to r⁺ and keeps its centres
    (Strassen)."""
    up, down = ([i for i, e in enumerate(r) if s * e > 0] for s in (1, -1))
    pairs = [(i, j) for j in down for i in up]
    rows = [[Fraction(q == j) for _, q in pairs] for j in down] + [
        [Fraction(q == i) for q, _ in pairs] for i in up
    ]
    right = [-r[j] for j in down] + [r[i] for i in up]
    for k in range(len(X[0])):
        rows += [[X[i][k] * (q == j) for i, q in pairs] for j in down]
        right += [-r[j] * X[j][k] for j in down]
    return bool(pairs) and greatest_value([0] * len(pairs), rows, right) is not None


def convex_order(X, r):
    """1 if Σ_i r_i φ(x_i) >= 0 for every convex φ, −1 if for every concave φ, 0 otherwise."""
    return 1 if is_balayage(X, r) else -1 if is_balayage(X, [-e for e in r]) else 0


def is_convex_trap(net):
    """Whether W_1 = 0 and all signs are as convexity needs: θ is a local minimum then."""
    name, stack, X = sigma_of(net), stack_of(net), matrix(net["X"])
    values, before, _ = layers_at(net)
    if len(stack) < 2 or not is_zero(stack[0][:-1]):
        return False
    types = []  # of every unit below: 1 for a convex function of x, −1 for a concave one
    for w, g in zip(stack[:-1], before[:-1]):
        wanted = [{sign_of(e) * t for e, t in zip(column, types)} for column in turned(w)]
        types = []
        for kind, t in zip(wanted, g[0]):
            _, slope, bend = activation_at(name, t)
            if not bend or not slope or (w is not stack[0] and kind != {sign_of(bend) * sign_of(slope)}):
                return False
            types.append(sign_of(bend))
    residuals = turned(minus(values[-1], matrix(net["Y"])))
    for r, column, t in zip(residuals, turned(stack[-1]), before[-1][0]):
        _, slope, bend = activation_at(name, t)
        if not all(exceeds(slope * slope + e * bend, 0) for e in r):
            return False
        kind = {sign_of(e) * s for e, s in zip(column, types)}
        if any(r) and (kind == {0} or kind != {convex_order(X, r) * sign_of(slope)}):
            return False
    return True
