"""Second opinions: refutations decided again with Python's standard library alone.

Each function takes the JSON of an instance and says whether it refutes the claim. Its source is printed
under the counterexample, so it stands alone: no import from this project, no name from outside itself
except ``Fraction``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def lemma_2_fails(instance: dict[str, Any]) -> bool:
    """Gradient zero, every leading minor of the Hessian positive, and E[z D] not zero (squared loss)."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    X, Z, Y, W, V = (number(instance[k]) for k in "XZYWV")
    p = number(instance["measure"]["weights"])[0]
    m, dx, dz, dy = len(X), len(X[0]), len(Z[0]), len(W)
    Q = [[X[i][a] + sum(V[a][b] * Z[i][b] for b in range(dz)) for a in range(dx)] for i in range(m)]
    H = [[sum(W[k][a] * Q[i][a] for a in range(dx)) for k in range(dy)] for i in range(m)]
    D = [[2 * (H[i][k] - Y[i][k]) for k in range(dy)] for i in range(m)]
    Gz = [[sum(p[i] * D[i][k] * Z[i][b] for i in range(m)) for b in range(dz)] for k in range(dy)]
    in_W = [sum(p[i] * D[i][k] * Q[i][a] for i in range(m)) for k in range(dy) for a in range(dx)]
    in_V = [sum(W[k][a] * Gz[k][b] for k in range(dy)) for a in range(dx) for b in range(dz)]
    n, at = dy * dx + dx * dz, dy * dx
    J = [[[Fraction(0)] * n for _ in range(dy)] for _ in range(m)]
    for i in range(m):
        for k in range(dy):
            for a in range(dx):
                J[i][k][k * dx + a] = Q[i][a]
                for b in range(dz):
                    J[i][k][at + a * dz + b] = W[k][a] * Z[i][b]
    hess = [
        [sum(2 * p[i] * J[i][k][s] * J[i][k][t] for i in range(m) for k in range(dy)) for t in range(n)]
        for s in range(n)
    ]
    for k in range(dy):
        for a in range(dx):
            for b in range(dz):
                hess[k * dx + a][at + a * dz + b] += Gz[k][b]
                hess[at + a * dz + b][k * dx + a] += Gz[k][b]
    for s in range(n):  # elimination without pivoting: all pivots positive iff all leading minors are
        if hess[s][s] <= 0:
            return False
        for t in range(s + 1, n):
            f = hess[t][s] / hess[s][s]
            hess[t] = [hess[t][j] - f * hess[s][j] for j in range(n)]
    return not any(in_W) and not any(in_V) and any(e for row in Gz for e in row)


def first_display_fails(instance: dict[str, Any]) -> bool:
    """D (zᵀ ⊗ W) and vec(z D W) have different entries at the last sample (squared loss)."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    X, Z, Y, W, V = (number(instance[k]) for k in "XZYWV")
    x, z, y = X[-1], Z[-1], Y[-1]
    q = [x[a] + sum(V[a][b] * z[b] for b in range(len(z))) for a in range(len(x))]
    d = [2 * (sum(W[k][a] * q[a] for a in range(len(x))) - y[k]) for k in range(len(W))]
    dw = [sum(d[k] * W[k][a] for k in range(len(W))) for a in range(len(x))]
    return [z_b * e for z_b in z for e in dw] != [z_b * e for e in dw for z_b in z]


def second_display_fails(instance: dict[str, Any]) -> bool:
    """D ((x + V z)ᵀ ⊗ I) and vec((x + V z) D) have different entries at the last sample (squared loss)."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    X, Z, Y, W, V = (number(instance[k]) for k in "XZYWV")
    x, z, y = X[-1], Z[-1], Y[-1]
    q = [x[a] + sum(V[a][b] * z[b] for b in range(len(z))) for a in range(len(x))]
    d = [2 * (sum(W[k][a] * q[a] for a in range(len(x))) - y[k]) for k in range(len(W))]
    return [q_a * d_k for q_a in q for d_k in d] != [q_a * d_k for d_k in d for q_a in q]


def heavy_tail_breaks_eq_3(instance: dict[str, Any]) -> bool:
    """b r < 1 <= b² r and v ≠ 0: E|z| < ∞ = E z², so (0, v) is a local minimum where L has no derivative."""
    b, r = instance["base"], Fraction(instance["ratio"])
    partial = sum(r ** (k - 1) * (1 - r) * b ** (2 * k) for k in range(1, 200))
    return b * r < 1 and b * b * r >= 1 and partial > 100 and Fraction(instance["v"]) != 0


def infinite_baseline(instance: dict[str, Any]) -> bool:
    """E cosh(a z) for z ~ Laplace(1) is the integral of cosh(a t) e^(−t) over t > 0, infinite iff |a| >= 1."""
    return abs(Fraction(instance["a"])) >= 1
