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


def no_improvement(instance: dict[str, Any]) -> bool:
    """L equals the least squared loss on x, by Gauss elimination of the normal equations of both."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

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

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

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

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

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

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

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


def gloss_is_void(instance: dict[str, Any]) -> bool:
    """No entry of the difference reaches a non-zero entry of M, yet it is not small against M: M = 0, D not."""
    small = Fraction(1, 10)
    m = [abs(Fraction(e)) for row in instance["M"] for e in row]
    d = [abs(Fraction(e) * Fraction(instance["epsilon"])) for row in instance["D"] for e in row]
    return all(max(d) < small * e for e in m if e) and max(d) > small * max(m)


def small_change_lowers_the_rank(instance: dict[str, Any]) -> bool:
    """Each entry moves by less than a tenth of the least non-zero entry of M, and the rank falls."""

    def rank(a):
        a, r = [row[:] for row in a], 0
        for c in range(len(a[0])):
            k = next((i for i in range(r, len(a)) if a[i][c]), None)
            if k is not None:
                a[r], a[k] = a[k], a[r]
                for i in range(r + 1, len(a)):
                    f = a[i][c] / a[r][c]
                    a[i] = [x - f * y for x, y in zip(a[i], a[r])]
                r += 1
        return r

    m = [[Fraction(e) for e in row] for row in instance["M"]]
    d = [[Fraction(e) * Fraction(instance["epsilon"]) for e in row] for row in instance["D"]]
    near = [[x + y for x, y in zip(r, s)] for r, s in zip(m, d)]
    least = min(abs(e) for row in m for e in row if e)
    return max(abs(e) for row in d for e in row) < least / 10 and rank(near) < rank(m)


def given_decomposition_is_left(instance: dict[str, Any]) -> bool:
    """Two columns i, j of one positive value with ū_iᵀ D v̄_j + ū_jᵀ D v̄_i not zero.

    Singular vectors u, v of M + t D have t (ū_iᵀ D v_j + u_jᵀ D v̄_i) = (σ_j − σ̄)(ū_iᵀ u_j + v̄_iᵀ v_j), and
    |σ_j − σ̄| <= t ‖D‖: near ū_j, v̄_j the right side is o(t), and the left is not.
    """

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    U, V = number(instance["given"]["U"]), number(instance["given"]["V"])
    values, D = number(instance["given"]["values"])[0], number(instance["D"])

    def form(i, j):
        return sum(U[a][i] * D[a][b] * V[b][j] for a in range(len(U)) for b in range(len(V)))

    pairs = [(i, j) for i in range(len(values)) for j in range(i) if values[i] == values[j] > 0]
    return all(v > 0 for v in values) and any(form(i, j) + form(j, i) for i, j in pairs)


def given_decomposition_is_left_at_equal_rank(instance: dict[str, Any]) -> bool:
    """The same where zeros follow the positive values and D = U_r K V_rᵀ leaves the rank as it is."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    U, V = number(instance["given"]["U"]), number(instance["given"]["V"])
    values, D = number(instance["given"]["values"])[0], number(instance["D"])

    def form(i, j):
        return sum(U[a][i] * D[a][b] * V[b][j] for a in range(len(U)) for b in range(len(V)))

    r = sum(v > 0 for v in values)
    inside = not any(form(i, j) for i in range(len(U)) for j in range(len(V)) if i >= r or j >= r)
    pairs = [(i, j) for i in range(r) for j in range(i) if values[i] == values[j]]
    return inside and any(form(i, j) + form(j, i) for i, j in pairs)


def neither_factor_can_be_kept(instance: dict[str, Any]) -> bool:
    """H = 2, rank(W2 W1) = d_p, rank(R) <= d_p: R leaves the columns of W2 and the rows of W1."""

    def rank(a):
        a, r = [row[:] for row in a], 0
        for c in range(len(a[0])):
            k = next((i for i in range(r, len(a)) if a[i][c]), None)
            if k is not None:
                a[r], a[k] = a[k], a[r]
                for i in range(r + 1, len(a)):
                    f = a[i][c] / a[r][c]
                    a[i] = [x - f * y for x, y in zip(a[i], a[r])]
                r += 1
        return r

    W1, W2 = ([[Fraction(e) for e in row] for row in w] for w in instance["weights"]["tuple"])
    R = [[Fraction(e) for e in row] for row in instance["R"]]
    bar = [[sum(a * W1[k][j] for k, a in enumerate(row)) for j in range(len(W1[0]))] for row in W2]
    least = min(len(W1[0]), len(W1), len(W2))
    beside = [r + s for r, s in zip(W2, R)]
    return (
        rank(bar) == least
        and rank(R) <= least
        and max(abs(x - y) for r, s in zip(R, bar) for x, y in zip(r, s)) <= Fraction(1, 100)
        and rank(beside) > rank(W2)
        and rank(W1 + R) > rank(W1)
    )


def printed_product_is_not_r(instance: dict[str, Any]) -> bool:
    """W2 = U S2 with the rows of S2 scaled by σ/σ̄, W1 = S1 V: the product W1 W2, if it exists, is not U Σ Vᵀ."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    def times(a, b):
        return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]

    U, V = number(instance["after"]["U"]), number(instance["after"]["V"])
    old, new = number(instance["before"]["values"])[0], number(instance["after"]["values"])[0]
    S2, S1 = number(instance["S2"]), number(instance["S1"])
    S2 = [[x * (new[i] / old[i] if i < len(old) and old[i] else 1) for x in row] for i, row in enumerate(S2)]
    R = [
        [sum(U[i][k] * s * V[j][k] for k, s in enumerate(new)) for j in range(len(V))] for i in range(len(U))
    ]
    W2, W1 = times(U, S2), times(S1, V)
    return len(W1[0]) != len(W2) or times(W1, W2) != R


def printed_merge_does_not_exist(instance: dict[str, Any]) -> bool:
    """The second index of I times the first: W_{p−1} W_p or W_{p+1} W_{p+2}, whose shapes do not match or which is
    not of rank d_p, for the first p of least width."""

    def rank(a):
        a, r = [row[:] for row in a], 0
        for c in range(len(a[0])):
            k = next((i for i in range(r, len(a)) if a[i][c]), None)
            if k is not None:
                a[r], a[k] = a[k], a[r]
                for i in range(r + 1, len(a)):
                    f = a[i][c] / a[r][c]
                    a[i] = [x - f * y for x, y in zip(a[i], a[r])]
                r += 1
        return r

    W = [[[Fraction(e) for e in row] for row in w] for w in instance["weights"]["tuple"]]
    d = [len(W[0][0])] + [len(w) for w in W]
    p = d.index(min(d))
    first, second = (p, p - 1) if p >= 2 else (p + 2, p + 1)
    left, right = W[second - 1], W[first - 1]
    if len(left[0]) != len(right):
        return True
    product = [
        [sum(x * right[k][j] for k, x in enumerate(row)) for j in range(len(right[0]))] for row in left
    ]
    return rank(product) != min(d)


def no_full_rank_layer(instance: dict[str, Any]) -> bool:
    """E Xᵀ = 0 (a global minimum), X and Y of full row rank, and a deficient W_i whose least squares solutions are
    all deficient: rank(R X) < rank(A) + rank(B) − max(d_i, d_{i−1})."""

    def rank(a):
        a, r = [row[:] for row in a], 0
        for c in range(len(a[0])):
            k = next((i for i in range(r, len(a)) if a[i][c]), None)
            if k is not None:
                a[r], a[k] = a[k], a[r]
                for i in range(r + 1, len(a)):
                    f = a[i][c] / a[r][c]
                    a[i] = [x - f * y for x, y in zip(a[i], a[r])]
                r += 1
        return r

    def times(a, b):
        return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]

    W = [[[Fraction(e) for e in row] for row in w] for w in instance["weights"]["tuple"]]
    X, Y = ([[Fraction(e) for e in row] for row in instance[k]] for k in "XY")
    below = [X]
    for w in W:
        below.append(times(w, below[-1]))
    above = [[[Fraction(i == j) for j in range(len(Y))] for i in range(len(Y))]]
    for w in reversed(W):
        above.insert(0, times(above[0], w))
    E = [[a - b for a, b in zip(r, s)] for r, s in zip(below[-1], Y)]
    stationary = not any(sum(a * b for a, b in zip(r, x)) for r in E for x in X)
    found = False
    for i, w in enumerate(W):
        sides = len(w), len(w[0])
        stuck = rank(below[-1]) < rank(below[i]) + rank(above[i + 1]) - max(sides)
        found = found or (rank(w) < min(sides) and stuck)
    return stationary and rank(X) == len(X) and rank(Y) == len(Y) and found


def normal_equation_has_no_shape(instance: dict[str, Any]) -> bool:
    """B = W_{i+1} ⋯ W_H, in this order: the factors do not match, or B Bᵀ W_i A Aᵀ and B Y Aᵀ differ."""

    def times(a, b):
        return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]

    def turned(a):
        return [list(column) for column in zip(*a)]

    problem, i = instance["problem"], instance["layer"]
    W = [[[Fraction(e) for e in row] for row in w] for w in problem["weights"]["tuple"]]
    A, Y = ([[Fraction(e) for e in row] for row in problem[k]] for k in "XY")
    for w in W[: i - 1]:
        A = times(w, A)
    B = [[Fraction(a == b) for b in range(len(Y))] for a in range(len(Y))]
    if i < len(W):
        B = W[i]
        for w in W[i + 1 :]:
            if len(B[0]) != len(w):
                return True
            B = times(B, w)
    here = W[i - 1]
    if len(B) != len(here) or len(B[0]) != len(Y):
        return True
    left = times(times(times(times(B, turned(B)), here), A), turned(A))
    return left != times(times(B, Y), turned(A))


def rank_inequality_fails(instance: dict[str, Any]) -> bool:
    """rank(Bᵀ Y Aᵀ) < rank(A) + rank(B) − max(d_i, d_{i−1}) at a layer, A = W_{i−1} ⋯ W₁ X, B = W_H ⋯ W_{i+1}."""

    def rank(a):
        a, r = [row[:] for row in a], 0
        for c in range(len(a[0])):
            k = next((i for i in range(r, len(a)) if a[i][c]), None)
            if k is not None:
                a[r], a[k] = a[k], a[r]
                for i in range(r + 1, len(a)):
                    f = a[i][c] / a[r][c]
                    a[i] = [x - f * y for x, y in zip(a[i], a[r])]
                r += 1
        return r

    def times(a, b):
        return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]

    def turned(a):
        return [list(column) for column in zip(*a)]

    problem, i = instance["problem"], instance["layer"]
    W = [[[Fraction(e) for e in row] for row in w] for w in problem["weights"]["tuple"]]
    X, Y = ([[Fraction(e) for e in row] for row in problem[k]] for k in "XY")
    A = X
    for w in W[: i - 1]:
        A = times(w, A)
    B = [[Fraction(a == b) for b in range(len(Y))] for a in range(len(Y))]
    for w in reversed(W[i:]):
        B = times(B, w)
    kept = rank(times(times(turned(B), Y), turned(A)))
    sides = len(W[i - 1]), len(W[i - 1][0])
    return rank(X) == len(X) and rank(Y) == len(Y) and kept < rank(A) + rank(B) - max(sides)


def ones_do_not_fit(instance: dict[str, Any]) -> bool:
    """More ones than entries off the s₂ × s₁ corner, or A or B is 0 and every K with that many ones is deficient."""

    def rank(a):
        a, r = [row[:] for row in a], 0
        for c in range(len(a[0]) if a else 0):
            k = next((i for i in range(r, len(a)) if a[i][c]), None)
            if k is not None:
                a[r], a[k] = a[k], a[r]
                for i in range(r + 1, len(a)):
                    f = a[i][c] / a[r][c]
                    a[i] = [x - f * y for x, y in zip(a[i], a[r])]
                r += 1
        return r

    def times(a, b):
        return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]

    problem, i = instance["problem"], instance["layer"]
    W = [[[Fraction(e) for e in row] for row in w] for w in problem["weights"]["tuple"]]
    A, Y = ([[Fraction(e) for e in row] for row in problem[k]] for k in "XY")
    for w in W[: i - 1]:
        A = times(w, A)
    B = [[Fraction(a == b) for b in range(len(Y))] for a in range(len(Y))]
    for w in reversed(W[i:]):
        B = times(B, w)
    m, n, s1, s2 = len(W[i - 1]), len(W[i - 1][0]), rank(A), rank(B)
    ones, free = m + n - s1 - s2, [(a, b) for a in range(m) for b in range(n) if a >= s2 or b >= s1]
    if rank(times(times(B, W[i - 1]), A)) < s1 + s2 - max(m, n):
        return False  # the inequality, from which the number is drawn, fails as well
    if ones > len(free):
        return True
    if any(e for row in times(times(B, W[i - 1]), A) for e in row):
        return False
    for mask in range(1 << len(free)):
        chosen = {place for k, place in enumerate(free) if mask >> k & 1}
        K = [[Fraction((a, b) in chosen) for b in range(n)] for a in range(m)]
        if len(chosen) == ones and rank(K) == min(m, n):
            return False
    return True


def product_stays_deficient(instance: dict[str, Any]) -> bool:
    """E Xᵀ = 0, X and Y of full row rank, every W_i of full rank, rank(R) < d_p: equal loss forces the product R."""

    def rank(a):
        a, r = [row[:] for row in a], 0
        for c in range(len(a[0])):
            k = next((i for i in range(r, len(a)) if a[i][c]), None)
            if k is not None:
                a[r], a[k] = a[k], a[r]
                for i in range(r + 1, len(a)):
                    f = a[i][c] / a[r][c]
                    a[i] = [x - f * y for x, y in zip(a[i], a[r])]
                r += 1
        return r

    def times(a, b):
        return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]

    W = [[[Fraction(e) for e in row] for row in w] for w in instance["weights"]["tuple"]]
    X, Y = ([[Fraction(e) for e in row] for row in instance[k]] for k in "XY")
    R = W[0]
    for w in W[1:]:
        R = times(w, R)
    E = [[a - b for a, b in zip(r, s)] for r, s in zip(times(R, X), Y)]
    stationary = not any(sum(a * b for a, b in zip(r, x)) for r in E for x in X)
    full = all(rank(w) == min(len(w), len(w[0])) for w in W)
    widths = [len(W[0][0])] + [len(w) for w in W]
    return stationary and full and rank(X) == len(X) and rank(Y) == len(Y) and rank(R) < min(widths)


def half_is_lost(instance: dict[str, Any]) -> bool:
    """R minimises ‖RX − Y‖² over all matrices, so both minima are attained here, and one is half the other."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    def product(a, b):
        return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]

    Z, Y = number(instance["X"]), number(instance["Y"])
    X = Z
    for W in instance["weights"]["tuple"]:
        Z = product(number(W), Z)
    E = [[z - y for z, y in zip(r, s)] for r, s in zip(Z, Y)]
    optimal = not any(e for row in product(E, [list(c) for c in zip(*X)]) for e in row)
    return optimal and any(e for row in E for e in row)


def factor_two(instance: dict[str, Any]) -> bool:
    """F(R) = ‖W_H ⋯ W₁ X − Y‖² is not L(W) = ½‖W_H ⋯ W₁ X − Y‖², because it is not zero."""

    def number(rows):
        return [[Fraction(e) for e in row] for row in rows]

    def product(a, b):
        return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]

    Z, Y = number(instance["X"]), number(instance["Y"])
    for W in instance["weights"]["tuple"]:
        Z = product(number(W), Z)
    F = sum((z - y) ** 2 for r, s in zip(Z, Y) for z, y in zip(r, s))
    return F != F / 2


def all_targets_fitted(instance: dict[str, Any]) -> bool:
    """T = Σ₂ is the global minimum, H = 0, and its blocks have rank m_1 + … + m_r = rank Σ₂ < k together."""
    sigma, T = ([[Fraction(e) for e in row] for row in instance[name]] for name in ("sigma", "T"))
    return sigma == T and sum(any(row) for row in sigma) < instance["k"]


def not_a_projection(instance: dict[str, Any]) -> bool:
    """T is symmetric on the square part of Σ₂ and commutes with it, λT = T², and yet T² ≠ T."""

    def product(a, b):
        return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]

    sigma, T = ([[Fraction(e) for e in row] for row in instance[name]] for name in ("sigma", "T"))
    n = min(len(T), len(T[0]))
    sigma, T = [row[:n] for row in sigma[:n]], [row[:n] for row in T[:n]]
    square = product(T, T)
    critical = square == product(sigma, T) == product(T, sigma) and T == [list(c) for c in zip(*T)]
    return critical and square != T


def rotated_value_is_wrong(instance: dict[str, Any]) -> bool:
    """‖T(θ) − Σ₂‖² against ‖T − Σ₂‖² + λ₁² + λ₂² − (λ₁ sin²θ + λ₂ cos²θ)²."""
    p = instance["problem"]
    sigma, T = ([[Fraction(e) for e in row] for row in p[name]] for name in ("sigma", "T"))
    u, v = ([Fraction(row[0]) for row in instance[name]] for name in ("u", "v"))
    small, large, t = (Fraction(instance[name]) for name in ("small", "large", "t"))
    c, s = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    tau = large * s * s + small * c * c
    w = [a * c + b * s for a, b in zip(u, v)]
    n = range(len(T))
    there = [[T[i][j] - small * u[i] * u[j] + tau * w[i] * w[j] for j in n] for i in n]
    before = sum((T[i][j] - sigma[i][j]) ** 2 for i in n for j in n)
    after = sum((there[i][j] - sigma[i][j]) ** 2 for i in n for j in n)
    return after != before + large**2 + small**2 - tau**2


def index_before_the_first(instance: dict[str, Any]) -> bool:
    """The least width is d_0 and no other, p = 0 ≠ 1, and W̄_{p−1} does not exist."""
    widths = [len(instance["X"])] + [len(W) for W in instance["weights"]["tuple"]]
    return widths.index(min(widths)) == 0 and min(widths[1:]) > widths[0]
