"""Second opinions: refutations decided again with Python's standard library alone.

Each recheck takes the JSON of an instance and says whether it refutes the claim. Its source is printed under
the counterexample, with the functions of this file that it calls: nothing else is used but ``Fraction``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def number(rows):
    """A matrix of the JSON in exact numbers."""
    return [[Fraction(e) for e in row] for row in rows]


def lemma_2_fails(instance: dict[str, Any]) -> bool:
    """Gradient zero, every leading minor of the Hessian positive, and E[z D] not zero (squared loss)."""
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
    X, Z, Y, W, V = (number(instance[k]) for k in "XZYWV")
    x, z, y = X[-1], Z[-1], Y[-1]
    q = [x[a] + sum(V[a][b] * z[b] for b in range(len(z))) for a in range(len(x))]
    d = [2 * (sum(W[k][a] * q[a] for a in range(len(x))) - y[k]) for k in range(len(W))]
    dw = [sum(d[k] * W[k][a] for k in range(len(W))) for a in range(len(x))]
    return [z_b * e for z_b in z for e in dw] != [z_b * e for e in dw for z_b in z]


def second_display_fails(instance: dict[str, Any]) -> bool:
    """D ((x + V z)ᵀ ⊗ I) and vec((x + V z) D) have different entries at the last sample (squared loss)."""
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


def no_improvement(instance: dict[str, Any]) -> bool:
    """L equals the least squared loss on x, by Gauss elimination of the normal equations of both."""
    X, Z, Y, W, V = (number(instance[k]) for k in "XZYWV")
    p = number(instance["measure"]["weights"])[0]
    m, dx, dz, dy = len(X), len(X[0]), len(Z[0]), len(W)
    Q = [[X[i][a] + sum(V[a][b] * Z[i][b] for b in range(dz)) for a in range(dx)] for i in range(m)]
    L = sum(
        p[i] * (sum(W[k][a] * Q[i][a] for a in range(dx)) - Y[i][k]) ** 2 for i in range(m) for k in range(dy)
    )
    kept = []  # Gram-Schmidt: an orthogonal basis of the columns of X under the weights
    for a in range(dx):
        v = [X[i][a] for i in range(m)]
        for u in kept:
            c = sum(p[i] * u[i] * v[i] for i in range(m)) / sum(p[i] * u[i] ** 2 for i in range(m))
            v = [v[i] - c * u[i] for i in range(m)]
        if any(v):
            kept.append(v)
    on_x = sum(p[i] * Y[i][k] ** 2 for i in range(m) for k in range(dy))
    for u in kept:
        for k in range(dy):
            on_x -= sum(p[i] * u[i] * Y[i][k] for i in range(m)) ** 2 / sum(
                p[i] * u[i] ** 2 for i in range(m)
            )
    return L >= on_x


def farther_yet_more_different(instance: dict[str, Any]) -> bool:
    """The representation with the larger chordal distance from col X has the larger gap."""

    def basis(columns):
        kept = []
        for v in columns:
            for u in kept:
                c = sum(a * b for a, b in zip(u, v)) / sum(a * a for a in u)
                v = [b - c * a for a, b in zip(u, v)]
            if any(v):
                kept.append(v)
        return kept

    def project(kept, v):
        out = [Fraction(0)] * len(v)
        for u in kept:
            c = sum(a * b for a, b in zip(u, v)) / sum(a * a for a in u)
            out = [o + c * a for o, a in zip(out, u)]
        return out

    X, Y, Z, Z2 = (list(zip(*number(instance[k]))) for k in ("X", "Y", "Z", "Z2"))
    on_x = basis([list(c) for c in X])
    r = [b - a for a, b in zip(project(on_x, list(Y[0])), Y[0])]
    found = []
    for z in (Z, Z2):
        on_z = basis([list(c) for c in z])
        overlap = sum(sum(a * b for a, b in zip(u, project(on_x, u))) / sum(a * a for a in u) for u in on_z)
        rest = basis([[b - a for a, b in zip(project(on_x, list(c)), c)] for c in z])
        gap = sum(a * a for a in project(rest, r)) - sum(a * a for a in project(on_z, r))
        found.append((len(on_z) - overlap, gap))
    (near, near_gap), (far, far_gap) = sorted(found)
    return near < far and far_gap > near_gap


def value_without_average(instance: dict[str, Any]) -> bool:
    """The squared residual of Y on [X Z] is not zero and m > 1, so dividing by m changes it."""
    X, Z, Y = (number(instance[k]) for k in "XZY")
    m, kept = len(X), []
    for v in [list(c) for c in (*zip(*X), *zip(*Z))]:
        for u in kept:
            c = sum(a * b for a, b in zip(u, v)) / sum(a * a for a in u)
            v = [b - c * a for a, b in zip(u, v)]
        if any(v):
            kept.append(v)
    residual = Fraction(0)
    for y in zip(*Y):
        residual += sum(a * a for a in y)
        residual -= sum(sum(a * b for a, b in zip(u, y)) ** 2 / sum(a * a for a in u) for u in kept)
    return residual != residual / m


def second_line_shape(instance: dict[str, Any]) -> bool:
    """vec(ΦR − Y)ᵀ has m d_y entries and Φ has m rows: no product unless d_y = 1."""
    m, d_y = len(instance["Y"]), len(instance["Y"][0])
    return m * d_y != m


def image_is_contained(instance: dict[str, Any]) -> bool:
    """W V with W = R₁ (d_y × d_x) and V (d_x × d_z) is d_y × d_z, the shape of R₂, and min(d_y, d_x) > d_z."""
    d_y, d_x, d_z = len(instance["R1"]), len(instance["R1"][0]), len(instance["R2"][0])
    product = [[sum(Fraction(e) for e in row) for _ in range(d_z)] for row in instance["R1"]]  # V all ones
    return min(d_y, d_x) > d_z and (len(product), len(product[0])) == (len(instance["R2"]), d_z)


def weighted_loss_is_worse(instance: dict[str, Any]) -> bool:
    """A strict local minimum of the label-weighted squared loss above a linear model on x (weight 3 where y = 0)."""
    X, Z, Y, W, V = (number(instance[k]) for k in "XZYWV")
    p = number(instance["measure"]["weights"])[0]
    m, dx, dz, dy = len(X), len(X[0]), len(Z[0]), len(W)
    C = [[3 if Y[i][k] == 0 else 1 for k in range(dy)] for i in range(m)]
    Q = [[X[i][a] + sum(V[a][b] * Z[i][b] for b in range(dz)) for a in range(dx)] for i in range(m)]
    H = [[sum(W[k][a] * Q[i][a] for a in range(dx)) for k in range(dy)] for i in range(m)]
    D = [[2 * C[i][k] * (H[i][k] - Y[i][k]) for k in range(dy)] for i in range(m)]
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
        [
            sum(2 * C[i][k] * p[i] * J[i][k][s] * J[i][k][t] for i in range(m) for k in range(dy))
            for t in range(n)
        ]
        for s in range(n)
    ]
    for k in range(dy):
        for a in range(dx):
            for b in range(dz):
                hess[k * dx + a][at + a * dz + b] += Gz[k][b]
                hess[at + a * dz + b][k * dx + a] += Gz[k][b]
    for s in range(n):
        if hess[s][s] <= 0:
            return False
        for t in range(s + 1, n):
            f = hess[t][s] / hess[s][s]
            hess[t] = [hess[t][j] - f * hess[s][j] for j in range(n)]
    L = sum(p[i] * C[i][k] * (H[i][k] - Y[i][k]) ** 2 for i in range(m) for k in range(dy))
    on_x = Fraction(0)  # d_x = 1: each output is fitted alone, by a weighted mean
    for k in range(dy):
        top = sum(p[i] * C[i][k] * X[i][0] * Y[i][k] for i in range(m))
        bottom = sum(p[i] * C[i][k] * X[i][0] ** 2 for i in range(m))
        r = top / bottom if bottom else Fraction(0)
        on_x += sum(p[i] * C[i][k] * (r * X[i][0] - Y[i][k]) ** 2 for i in range(m))
    return dx == 1 and not any(in_W) and not any(in_V) and L > on_x


def v_is_no_coefficient(instance: dict[str, Any]) -> bool:
    """V as the second coefficient has the wrong shape, or computes something else than W (x + V z)."""
    X, Z, W, V = (number(instance[k]) for k in "XZWV")
    if len(V) != len(W):
        return True
    for x, z in zip(X, Z):
        q = [a + sum(v * b for v, b in zip(row, z)) for a, row in zip(x, V)]
        h = [sum(w * b for w, b in zip(row, q)) for row in W]
        linear = [sum(w * b for w, b in zip(r, x)) + sum(v * b for v, b in zip(t, z)) for r, t in zip(W, V)]
        if h != linear:
            return True
    return False
