"""Second opinions: refutations decided again with Python's standard library alone.

Each recheck takes the JSON of an instance and says whether it refutes the claim. Its source is printed under
the counterexample, with the functions of this file that it calls: nothing else is used but ``Fraction``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any


def rank(a):
    """The rank, by elimination."""
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


def number(rows):
    """A matrix of the JSON in exact numbers."""
    return [[Fraction(e) for e in row] for row in rows]


def times(a, b):
    """The product of two matrices."""
    return [[sum(x * b[k][j] for k, x in enumerate(row)) for j in range(len(b[0]))] for row in a]


def turned(a):
    """The transpose."""
    return [list(column) for column in zip(*a)]


def gloss_is_void(instance: dict[str, Any]) -> bool:
    """No entry of the difference reaches a non-zero entry of M, yet it is not small against M: M = 0, D not."""
    small = Fraction(1, 10)
    m = [abs(Fraction(e)) for row in instance["M"] for e in row]
    d = [abs(Fraction(e) * Fraction(instance["epsilon"])) for row in instance["D"] for e in row]
    return all(max(d) < small * e for e in m if e) and max(d) > small * max(m)


def small_change_lowers_the_rank(instance: dict[str, Any]) -> bool:
    """Each entry moves by less than a tenth of the least non-zero entry of M, and the rank falls."""
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
    U, V = number(instance["given"]["U"]), number(instance["given"]["V"])
    values, D = number(instance["given"]["values"])[0], number(instance["D"])

    def form(i, j):
        return sum(U[a][i] * D[a][b] * V[b][j] for a in range(len(U)) for b in range(len(V)))

    pairs = [(i, j) for i in range(len(values)) for j in range(i) if values[i] == values[j] > 0]
    return all(v > 0 for v in values) and any(form(i, j) + form(j, i) for i, j in pairs)


def given_decomposition_is_left_at_equal_rank(instance: dict[str, Any]) -> bool:
    """The same where zeros follow the positive values and D = U_r K V_rᵀ leaves the rank as it is."""
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
    Z, Y = number(instance["X"]), number(instance["Y"])
    X = Z
    for W in instance["weights"]["tuple"]:
        Z = times(number(W), Z)
    E = [[z - y for z, y in zip(r, s)] for r, s in zip(Z, Y)]
    optimal = not any(e for row in times(E, [list(c) for c in zip(*X)]) for e in row)
    return optimal and any(e for row in E for e in row)


def factor_two(instance: dict[str, Any]) -> bool:
    """F(R) = ‖W_H ⋯ W₁ X − Y‖² is not L(W) = ½‖W_H ⋯ W₁ X − Y‖², because it is not zero."""
    Z, Y = number(instance["X"]), number(instance["Y"])
    for W in instance["weights"]["tuple"]:
        Z = times(number(W), Z)
    F = sum((z - y) ** 2 for r, s in zip(Z, Y) for z, y in zip(r, s))
    return F != F / 2


def all_targets_fitted(instance: dict[str, Any]) -> bool:
    """T = Σ₂ is the global minimum, H = 0, and its blocks have rank m_1 + … + m_r = rank Σ₂ < k together."""
    sigma, T = ([[Fraction(e) for e in row] for row in instance[name]] for name in ("sigma", "T"))
    return sigma == T and sum(any(row) for row in sigma) < instance["k"]


def not_a_projection(instance: dict[str, Any]) -> bool:
    """T is symmetric on the square part of Σ₂ and commutes with it, λT = T², and yet T² ≠ T."""
    sigma, T = ([[Fraction(e) for e in row] for row in instance[name]] for name in ("sigma", "T"))
    n = min(len(T), len(T[0]))
    sigma, T = [row[:n] for row in sigma[:n]], [row[:n] for row in T[:n]]
    square = times(T, T)
    critical = square == times(sigma, T) == times(T, sigma) and T == [list(c) for c in zip(*T)]
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


def bad_minimum_in_spite_of_theorem_3_2(instance: dict[str, Any]) -> bool:
    """Widths (1, k, 1, n), k >= 2, t = W₂W₁ = 0: f(s w') > f(0) near, 0 is no minimum of f, f(0) no minimal value.

    f(s w') − f(0) = |s| φ(± w') + …: positive for all small s ≠ 0 and w' near w if φ(w) > 0 < φ(−w), or if φ = 0
    and the second-order form is positive at w. All layers are vectors, so Theorem 3.2 asks only to replace zeros.
    """
    W = [number(w) for w in instance["weights"]["tuple"]]
    Y, C, A, B = (number(instance[k]) for k in ("targets", "absolute", "squares", "quartics"))
    if len(W) != 3 or len(W[0]) < 2 or len(W[0][0]) != 1 or len(W[2][0]) != 1:
        return False
    n, t, w = len(Y), sum(a * b[0] for a, b in zip(W[1][0], W[0])), [row[0] for row in W[2]]
    y, c, a, b = ([row[0] for row in part] for part in (Y, C, A, B))

    def along(v):  # the exact first-order term of f(s v) − f(0), s > 0
        total = Fraction(0)
        for i in range(n):
            if y[i] == 0:
                total += c[i] * abs(v[i])
            else:
                sign = 1 if y[i] > 0 else -1
                total += v[i] * (-sign * c[i] - 2 * a[i] * y[i] - 4 * b[i] * y[i] ** 3)
        return total

    units = [[s if i == j else 0 for i in range(n)] for j in range(n) for s in (1, -1)]
    second = [a[i] + 6 * b[i] * y[i] ** 2 for i in range(n)]
    flat = not any(along(v) for v in units)
    rises = along(w) > 0 and along([-e for e in w]) > 0
    if flat:
        rises = sum(second[i] * w[i] ** 2 for i in range(n)) > 0
    zero_is_minimal = not any(along(v) < 0 for v in units) and not (flat and any(e < 0 for e in second))
    value = sum(c[i] * abs(y[i]) + a[i] * y[i] ** 2 + b[i] * y[i] ** 4 for i in range(n))
    if any(e < 0 for e in c + a + b):  # minimal values exist only if every entry of f has a minimum
        if any(c) or any((a[i] < 0 and b[i] <= 0) or (a[i] == 0 and b[i] < 0) for i in range(n)):
            return t == 0 and rises and not zero_is_minimal and not any(c)
        least = sum(-(a[i] ** 2) / (4 * b[i]) for i in range(n) if a[i] < 0)
    else:
        least = Fraction(0)
    return t == 0 and rises and not zero_is_minimal and value != least


def plain_sum_falls_for_ever(instance: dict[str, Any]) -> bool:
    """Along W₂W₁ = s E_ij, (i, j) observed, the sum of the observed Y − W₂W₁ is a constant minus s."""
    M = [[Fraction(e) for e in row] for row in instance["squares"]]
    Y = [[Fraction(e) for e in row] for row in instance["targets"]]
    pairs = [(i, j) for i in range(len(M)) for j in range(len(M[0])) if M[i][j]]
    if not pairs:
        return False

    def value(s):
        return sum(Y[i][j] - (s if (i, j) == pairs[0] else 0) for i, j in pairs)

    return all(value(s + 1) == value(s) - 1 for s in range(20))


def completion_is_stuck(instance: dict[str, Any]) -> bool:
    """Y = u vᵀ, so that min f = 0; and f >= f(a bᵀ) > 0 near a bᵀ, which is zero at all observed entries.

    Let P be the lines with an observed Y_ij ≠ 0; a_i = b_j = 0 on them. Up to squares that are left out,
    f(x yᵀ) − f(a bᵀ) = Σ x_i² y_j² − 2 Y_ij x_i y_j is a quadratic form in the x_i, y_j of P, with x_i², y_j² taken
    times the squares of the observed others: positive definite at (a, b), hence near it.
    """
    W = [number(w) for w in instance["weights"]["tuple"]]
    Y, M = number(instance["targets"]), number(instance["squares"])
    n, m = len(Y), len(Y[0])
    if any(len(w) != 1 for w in W[:-1]) or len(W[-1]) != n:
        return False
    scale = Fraction(1)
    for w in W[1:-1]:
        scale *= w[0][0]
    z = [row[0] for row in W[-1]] + [scale * e for e in W[0][0]]
    seen = [(i, n + j, Y[i][j]) for i in range(n) for j in range(m) if M[i][j]]
    k, l = next(((k, l) for k in range(n) for l in range(m) if Y[k][l]), (0, 0))
    low = all(Y[i][j] * Y[k][l] == Y[i][l] * Y[k][j] for i in range(n) for j in range(m))
    P = sorted({line for i, j, y in seen if y for line in (i, j)})
    if not low or not P or any(z[i] * z[j] for i, j, _ in seen) or any(z[k] for k in P):
        return False
    Q = [[Fraction(0)] * (n + m) for _ in range(n + m)]
    for i, j, y in seen:
        Q[i][i] += z[j] ** 2
        Q[j][j] += z[i] ** 2
        Q[i][j] = Q[j][i] = -y
    for s in P:  # Gaussian elimination: every pivot must be positive
        if Q[s][s] <= 0:
            return False
        for t in P:
            if t > s:
                f = Q[t][s] / Q[s][s]
                Q[t] = [x - f * y for x, y in zip(Q[t], Q[s])]
    return True


def completion_has_a_bad_minimum(instance: dict[str, Any]) -> bool:
    """A local minimum with f > 0 = min f: where the gradient leads from W, proven to exist in rationals.

    The largest entry of (a, b) is held fixed (it scales with the others). If, at z, ∇²f >= λ on the box |x − z| <= r
    and |∇f(z)|₁ < λ r / 2, then f > f(z) on the boundary of the box, so that a minimum lies inside, and it is
    at least f(z) − r |∇f(z)|₁. f here is half of Σ (a_i b_j − Y_ij)² over the observed entries, and 0 at Y = u vᵀ.
    """

    def pivots(h, g):  # the pivots of h and the solution of h x = g, without exchanges of rows
        h, x, size = [row[:] for row in h], g[:], len(g)
        for s in range(size):
            if not h[s][s]:
                return [Fraction(0)], x
            for t in range(s + 1, size):
                f = h[t][s] / h[s][s]
                x[t] -= f * x[s]
                h[t] = [a - f * b for a, b in zip(h[t], h[s])]
        for s in reversed(range(size)):
            x[s] = (x[s] - sum(h[s][j] * x[j] for j in range(s + 1, size))) / h[s][s]
        return [h[s][s] for s in range(size)], x

    W = [number(w) for w in instance["weights"]["tuple"]]
    Y, M = number(instance["targets"]), number(instance["squares"])
    n, m = len(Y), len(Y[0])
    if len(W) != 2 or len(W[0]) != 1:
        return False
    k, l = next(((k, l) for k in range(n) for l in range(m) if Y[k][l]), (0, 0))
    if any(Y[i][j] * Y[k][l] != Y[i][l] * Y[k][j] for i in range(n) for j in range(m)):
        return False  # Y is not of rank one
    seen = [(i, n + j, Y[i][j]) for i in range(n) for j in range(m) if M[i][j]]
    x = [float(row[0]) for row in W[1]] + [float(e) for e in W[0][0]]
    for _ in range(3000):  # down the gradient, in steps that keep to the valley of W
        g, length = [0.0] * (n + m), sum(e * e for e in x)
        for i, j, y in seen:
            e = x[i] * x[j] - float(y)
            g[i] += e * x[j]
            g[j] += e * x[i]
            length += abs(e)
        x = [a - b / length for a, b in zip(x, g)]
    grow = (max(abs(e) for e in x[n:]) / (max(abs(e) for e in x[:n]) or 1.0)) ** 0.5 or 1.0
    z = [Fraction(e * grow if k < n else e / grow) for k, e in enumerate(x)]
    fixed = max(range(n + m), key=lambda k: abs(z[k]))
    free = [k for k in range(n + m) if k != fixed]

    def slopes(z):
        g = [Fraction(0)] * (n + m)
        for i, j, y in seen:
            g[i] += (z[i] * z[j] - y) * z[j]
            g[j] += (z[i] * z[j] - y) * z[i]
        return [g[k] for k in free]

    def curvature(z, less):
        h = [[Fraction(-less if k == l else 0) for l in range(n + m)] for k in range(n + m)]
        for i, j, y in seen:
            h[i][i] += z[j] ** 2
            h[j][j] += z[i] ** 2
            h[i][j] = h[j][i] = 2 * z[i] * z[j] - y
        return [[h[k][l] for l in free] for k in free]

    for _ in range(5):  # Newton's steps, rounded
        for k, e in zip(free, pivots(curvature(z, 0), slopes(z))[1]):
            z[k] = Fraction(round((z[k] - e) * 2**140), 2**140)
    r, least = Fraction(1, 2**50), Fraction(1, 2**20)
    drift = 8 * (n + m) * (max(abs(e) for e in z) + 1) * r  # bounds |∇²f(x) − ∇²f(z)| on the box
    first = sum(abs(e) for e in slopes(z))
    value = sum((z[i] * z[j] - y) ** 2 for i, j, y in seen) / 2
    strictly = min(pivots(curvature(z, least + drift), slopes(z))[0]) > 0
    return z[fixed] != 0 and strictly and first < least * r / 2 and value - r * first > 0
